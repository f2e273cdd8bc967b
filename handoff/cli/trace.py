"""`handoff trace`: one stored thread, as people read it, as its events, as a test; or put to a flow as it is now."""

from __future__ import annotations

import sys
from contextlib import closing
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from handoff import Flow, SqlStore, ThreadUnknown
from handoff.cli.exits import Exit, UsageRefused
from handoff.cli.loading import GROUP, installed_flow, load_flow
from handoff.cli.printing import clean, write, write_json
from handoff.testing.comparing import compare
from handoff.testing.reading import as_text
from handoff.testing.tracing import Trace


def trace(name: str, store: Path, form: Literal["text", "json", "pytest"], flow: str | None) -> Exit:
    """Print a thread of a store.

    Args:
        name: the thread's id.
        store: the store's file.
        form: the conversation as people read it, its events one a line, or a test that plays it.
        flow: FLOW as written, which a test is to import; None for the installed one of the thread's flow.

    Raises:
        ThreadUnknown: the store has no such thread.
        UsageRefused: a test is to be written, and nobody knows where the flow is.
        ConfigurationError: the journal holds what no test can play.
    """
    with closing(SqlStore(store)) as opened:
        summary = opened.summary(name)
        if summary is None:
            raise ThreadUnknown(name)
        records = opened.journal(name)
    if form == "json":
        for record in records:
            write_json({"seq": record.seq, **record.data})
    elif form == "text":
        write(f"{clean(as_text(records))}\n")
    else:
        module, variable = _imported_as(flow, summary.flow)
        write(Trace(records).test(module, variable, origin=f" in {store.name}"))
    return Exit.DONE


def against(name: str, store: Path, named: str, *, json: bool) -> Exit:
    """Put a thread's journal to a flow as it is now, and print the first decision that would be another one.

    Args:
        name: the thread's id.
        store: the store's file.
        named: FLOW as written.
        json: whether it is printed as a JSON object.

    Returns:
        `Exit.FAILED` if there is one.

    Raises:
        ThreadUnknown: the store has no such thread.
    """
    flow = load_flow(named)
    with closing(SqlStore(store)) as opened:
        if opened.summary(name) is None:
            raise ThreadUnknown(name)
        found = compare(opened.journal(name), flow)
    one = found.difference
    if json:
        differs = None if one is None else {"seq": one.seq, "what": one.what, "was": one.was, "now": one.now}
        write_json({"thread": name, "flow": flow.name, "asked": found.asked, "difference": differs})
    elif one is not None:
        write(f"{clean(f'{name} would go another way with {flow.name}: {one}')}\n")
    else:
        version = "" if found.version else ", though its version is another"
        write(f"{name} goes the same way with {flow.name}{version}: {found.asked} decisions asked for again\n")
    return Exit.DONE if one is None else Exit.FAILED


def _imported_as(named: str | None, flow: str) -> tuple[str, str]:
    """Return the module a test imports the flow from, and its name there."""
    if named is None:
        if installed_flow(flow) is None:
            raise UsageRefused(f"the flow {flow} is not installed: say with --flow where a test imports it from")
        return _entry(flow)
    found = load_flow(named)
    if found.name != flow:
        raise UsageRefused(f"the thread is one of {flow}, and {named} is {found.name}: name its own flow")
    return _place(found) or _entry(flow)


def _entry(flow: str) -> tuple[str, str]:
    """Return where an installed flow is."""
    for point in entry_points(group=GROUP):
        if point.load().name == flow:
            return point.module, point.attr
    raise UsageRefused(f"the flow {flow} is at the top level of no module: a test could not import it")


def _place(flow: Flow[Any, Any]) -> tuple[str, str] | None:
    """Return module and name of a flow that was just loaded; the shortest module where several have it."""
    places = [
        (module.removeprefix("_flow_"), key)
        for module, loaded in list(sys.modules.items())
        for key, value in list(getattr(loaded, "__dict__", {}).items())
        if value is flow and module != "__main__"
    ]
    return min(places, key=lambda place: (len(place[0]), place), default=None)
