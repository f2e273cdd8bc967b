"""What one tool or assistant leaves out although all others of its kind do it: mostly it was forgotten.

A habit takes several others, all of which keep it; one exception more and it is none. These are warnings, and
each says how to make plain that the difference is meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from handoff.checks.causes import drops, kinds
from handoff.checks.findings import Finding
from handoff.checks.states import Analysis
from handoff.checks.steps import Call
from handoff.declaration.place import Place
from handoff.declaration.routes import Route
from handoff.declaration.signature import Source
from handoff.declaration.tools import Tool

HABIT = 2
"""So many others make a habit."""

HABIT_OF_KEEPING = 3
"""So many others make it a habit to keep an argument: to look something up is less than to choose it."""


def check_siblings(analysis: Analysis, tools: tuple[Tool, ...]) -> Iterator[Finding]:
    """Findings about what is left out in one place only.

    Args:
        analysis: what is known about the flow.
        tools: its tools, each once.
    """
    yield from _not_kept(analysis, tools)
    yield from _changed_apart(analysis, tools)
    yield from _left_out(analysis)
    yield from _waits_alone(analysis)


def _not_kept(analysis: Analysis, tools: tuple[Tool, ...]) -> Iterator[Finding]:
    """Tools that take an argument called and typed like a field and drop it, where all others keep it."""
    kind = analysis.flow.metadata
    taking: dict[str, list[Tool]] = {}
    for tool in tools:
        for one in tool.signature.parameters:
            field = kind.model_fields.get(one.name)
            if one.source is Source.MODEL and field is not None and kinds(one.annotation) <= kinds(field.annotation):
                taking.setdefault(one.name, []).append(tool)
    for name, takers in taking.items():
        dropping = [tool for tool in takers if name not in (*tool.sets, *tool.clears)]
        keeping = [tool for tool in takers if name in tool.sets]
        if len(dropping) != 1 or len(keeping) < HABIT_OF_KEEPING:
            continue
        if not drops(dropping[0], name, analysis):
            continue
        yield Finding(
            "not-kept",
            f"{dropping[0].name} takes {name} and does not keep it in {kind.__name__}.{name}, as {_listed(keeping)} do",
            f"Add {name} to sets=, or give the parameter another name if it is something else",
            dropping[0].place,
        )


def _changed_apart(analysis: Analysis, tools: tuple[Tool, ...]) -> Iterator[Finding]:
    """Tools that change a field and keep one that a guard reads beside it, where all others clear that."""
    told: set[tuple[Place, str]] = set()
    changing: dict[str, list[Tool]] = {}
    for tool in tools:
        for name in (*tool.sets, *tool.clears):
            changing.setdefault(name, []).append(tool)
    for decision in analysis.decisions.values():
        for first in decision.fields:
            for second in decision.fields:
                apart = [tool for tool in changing.get(first, ()) if second not in (*tool.sets, *tool.clears)]
                joint = [tool for tool in changing.get(first, ()) if tool not in apart]
                if first == second or len(apart) != 1 or len(joint) < HABIT:
                    continue
                if any(second not in tool.clears for tool in joint):
                    continue  # only what the others clear is known to be worth nothing once the first is changed
                tool = apart[0]
                calls = [call for owner in analysis.states for call in analysis.calls[owner] if call.tool is tool]
                stale = [call for call in calls if _may_be_set(analysis, call, second)]
                if not stale or second in tool.reads or (tool.place, second) in told:
                    continue
                told.add((tool.place, second))
                yield Finding(
                    "changed-apart",
                    f"{tool.name} changes {first} and leaves {second} as it was, though {decision.name} asks for both "
                    f"and {_listed(joint)}, which change {first} too, clear {second}",
                    f"Add {second} to clears=, or read it in the tool if it still belongs to the new {first}",
                    tool.place,
                    analysis.path_to(stale[0].assistant),
                )


def _may_be_set(analysis: Analysis, call: Call, name: str) -> bool:
    begun = call.begun(analysis.states[call.assistant], analysis.known)
    return begun is not None and bool(begun[name] & analysis.known[name].set)


def _left_out(analysis: Analysis) -> Iterator[Finding]:
    """Assistants that hand back to where all others that share the tool are handed to from, and they are not."""
    onward: dict[str, set[str]] = {name: set() for name in analysis.states}
    for row in analysis.flow.transitions:
        if row.source in onward and not row.back and row.kind != "limit":
            onward[row.source].add(row.dest)
    shared: dict[Place, tuple[Tool, list[str]]] = {}
    for name in analysis.states:
        for call in analysis.calls[name]:
            if call.tool.to:
                shared.setdefault(call.tool.place, (call.tool, []))[1].append(name)
    for tool, owners in shared.values():
        for hub in dict.fromkeys(one.assistant.name for one in tool.to):
            if hub not in onward or hub in owners:
                continue
            missing = [name for name in owners if name not in onward[hub]]
            if len(missing) == 1 and len(owners) > HABIT:
                others = [name for name in owners if name != missing[0]]
                leading = _leading(analysis, hub, others)
                which = f"Add {missing[0]} to to= of {leading}" if leading else f"Let {hub} hand over to {missing[0]}"
                yield Finding(
                    "left-out",
                    f"nothing leads from {hub} to {missing[0]}, though {tool.name} leads from there to {hub} and "
                    f"{hub} leads to all others that have it: {', '.join(others)}",
                    f"{which} too, or give {missing[0]} a tool of its own to go there",
                    analysis.place_at(hub, leading) if leading else analysis.flow.assistants[hub].place,
                    analysis.path_to(hub),
                )


def _leading(analysis: Analysis, hub: str, dests: list[str]) -> str:
    """The one trigger that leads to all of these; empty if there are none or several."""
    leading: dict[str, set[str]] = {}
    for row in analysis.flow.transitions:
        if row.source == hub:
            leading.setdefault(row.trigger, set()).add(row.dest)
    found = [trigger for trigger, reached in leading.items() if reached >= set(dests)]
    return found[0] if len(found) == 1 else ""


def _waits_alone(analysis: Analysis) -> Iterator[Finding]:
    """Assistants without the `after` that all others have at which the thread waits for the user."""
    same: dict[tuple[str, tuple[str, ...]], list[Route]] = {}
    for route in analysis.flow.routes.all(analysis.flow.assistants):
        if route.kind == "after" and route.source in analysis.states:
            dests = tuple(one.assistant.name for one in route.destinations)
            same.setdefault((route.trigger, dests), []).append(route)
    resting = [name for name in analysis.states if not _leaves(analysis, name)]
    having = _with_after(analysis)
    for (trigger, dests), routes in same.items():
        # A thread starts at the first assistant: nothing was said there that anybody could fall silent after.
        first = analysis.flow.initial.name
        missing = [name for name in resting if name not in having and name not in (first, *dests)]
        if len(routes) >= HABIT and len(missing) == 1:
            sources = ", ".join(route.source for route in routes)
            yield Finding(
                "waits-alone",
                f"nothing happens at {missing[0]} after a silence, where {sources} lead to {', '.join(dests)} "
                f"({trigger.removeprefix('after:')} s)",
                f"Give {missing[0]} the same after(), or one with the delay that is right there",
                analysis.flow.assistants[missing[0]].place,
                analysis.path_to(missing[0]),
            )


def _with_after(analysis: Analysis) -> Mapping[str, None]:
    rows = (row.source for row in analysis.flow.transitions if row.kind == "after")
    return dict.fromkeys(rows)


def _leaves(analysis: Analysis, assistant: str) -> bool:
    """Whether the thread always goes on after the assistant's reply."""
    return any(
        row.kind == "then" and row.guard is None and row.times is None
        for row in analysis.flow.transitions
        if row.source == assistant
    )


def _listed(tools: list[Tool]) -> str:
    return ", ".join(tool.name for tool in tools)
