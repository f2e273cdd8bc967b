"""`handoff cover`: how much of a flow the threads of a store have exercised."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from handoff import ConfigurationError, SqlStore, ThreadUnknown
from handoff.cli.exits import Exit, UsageRefused
from handoff.cli.loading import load_flow
from handoff.cli.printing import notice, write, write_json
from handoff.diagram import form_of, render
from handoff.testing.coverage import coverage_of, required, table
from handoff.testing.recording import Recorder, record_journal


def cover(
    named: str, store: Path, threads: Sequence[str], fail_under: Sequence[str], diagram: Path | None, *, json: bool
) -> Exit:
    """Show what the threads covered, and name what they missed.

    Args:
        named: FLOW as written.
        store: the file the threads live in.
        threads: ids of the threads to be looked at; none for all of this flow.
        fail_under: each a percentage of transitions, or `KIND=PERCENT`.
        diagram: where the flow is drawn with what was missed in red; None for nowhere.
        json: whether it is printed as a JSON object.

    Returns:
        `Exit.FAILED` if less was covered than is required.

    Raises:
        UsageRefused: an option cannot work.
        ThreadUnknown: the store has no such thread of this flow.
        ConfigurationError: the diagram cannot be drawn here.
    """
    try:
        least = required(fail_under)
        form = None if diagram is None else form_of(diagram)
    except ConfigurationError as error:
        raise UsageRefused(str(error)) from error
    flow = load_flow(named)
    recorder = Recorder()
    with closing(SqlStore(store)) as opened:
        own = [name for name, summary in opened.threads() if summary.flow == flow.name]
        for name in threads:
            if name not in own:
                raise ThreadUnknown(name)
        for name in threads or own:
            recorder.test = name
            record_journal(recorder, flow, opened.journal(name))
    coverage = coverage_of(flow, recorder.record)
    if json:
        write_json(coverage.as_json())
    else:
        count = len(threads or own)
        write(f"{flow.name}: {count} thread{'s' * (count != 1)} of {store}\n")
        write("".join(f"{line}\n" for line in table(coverage)))
    if diagram is not None and form is not None:
        diagram.write_text(render(coverage.diagram(flow), form), encoding="utf-8")
    short = coverage.below(least)
    for sentence in short:
        notice(sentence)
    return Exit.FAILED if short else Exit.DONE
