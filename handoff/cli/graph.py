"""`handoff graph`: a flow as a picture, perhaps with the way one thread has come."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from handoff import ThreadUnknown
from handoff.cli.exits import Exit, UsageRefused
from handoff.cli.loading import load_flow
from handoff.cli.printing import notice, write, write_file
from handoff.diagram import Form, along, diagram_of, render


def graph(named: str, form: Form, thread: str | None, store: Path | None) -> Exit:
    """Write the picture to standard output.

    Args:
        named: FLOW as written.
        form: the language it is written in.
        thread: the thread whose way is shown; None for none.
        store: the file that thread lives in.

    Raises:
        UsageRefused: only one of thread and store is given, or there is no such flow.
        ThreadUnknown: the store has no such thread.
        ConfigurationError: the thread is one of another flow, or an SVG cannot be drawn here.
    """
    if (thread is None) is not (store is None):
        raise UsageRefused("--thread and --store go together: name a thread and the file it lives in")
    diagram = diagram_of(load_flow(named))
    if thread is not None and store is not None:
        from handoff import SqlStore  # noqa: PLC0415 - SQLAlchemy is slow to import

        with closing(SqlStore(store)) as opened:
            records = opened.journal(thread)
        if not records:
            raise ThreadUnknown(thread)
        diagram = along(diagram, records)
        if diagram.gone:
            notice(f"{diagram.gone} transitions of {thread} are not declared any more, and not shown")
    (write if form in ("text", "json") else write_file)(render(diagram, form))
    return Exit.DONE
