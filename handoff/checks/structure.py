"""Whether the thread can get everywhere: reachability, transitions never taken, ways on that are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handoff.checks.causes import MOST_NAMED, keep, listed, missing_way, out_of_reach
from handoff.checks.findings import Finding
from handoff.checks.metadata import Templates
from handoff.checks.paths import reaching
from handoff.checks.states import Analysis
from handoff.checks.steps import Step
from handoff.declaration.assistants import BACK, END
from handoff.declaration.tools import Tool


def check_structure(analysis: Analysis, templates: Templates) -> Iterator[Finding]:
    """Findings about reachability, transitions never taken and ways on.

    Args:
        analysis: what is known about the flow.
        templates: its templates.
    """
    yield from _unreachable(analysis, templates)
    yield from _dead(analysis)
    yield from _nowhere_back(analysis)
    yield from _stays_alone(analysis)
    yield from _cannot_end(analysis)


def _unreachable(analysis: Analysis, templates: Templates) -> Iterator[Finding]:
    for name, assistant in analysis.flow.assistants.items():
        if name in analysis.states:
            continue
        every = (step for steps in analysis.steps.values() for step in steps)
        ways = [step for step in every if step.dest == name and step.source != name]
        reached = [step for step in ways if step.source in analysis.states]
        if not ways:
            why = "no transition leads to it"
        elif reached:
            why = f"{_several(reached)} would lead to it, and never happens"
        else:
            why = f"only {listed(step.source for step in ways)} leads to it, never reached itself"
        needed = {name for call in analysis.calls[name] for name in call.tool.reads}
        needed |= {name for needs, place in templates[name] if place != analysis.flow.place for name in needs.needed}
        hint = "" if reached else missing_way(analysis, sorted(needed))
        yield Finding(
            "unreachable-assistant",
            f"no thread ever gets to {name}: {why}",
            f"Give a tool to={name}, or a then() or after(), at an assistant that is reached; or remove {name}"
            + (f". {hint}" if hint else ""),
            assistant.place,
        )


def _several(steps: Sequence[Step]) -> str:
    """The triggers of steps with their assistants; of many, the first ones."""
    sources: dict[str, list[str]] = {}
    for step in steps:
        sources.setdefault(step.trigger, []).append(step.source)
    told = [f"{trigger} of {listed(at)}" for trigger, at in sources.items()]
    more = f" or {len(told) - MOST_NAMED} others" if len(told) > MOST_NAMED else ""
    return listed(told[:MOST_NAMED], " or ") + more


# -- transitions never taken -------------------------------------------------------------------------------------------


def _dead(analysis: Analysis) -> Iterator[Finding]:
    beyond = out_of_reach(analysis)
    seen: dict[tuple[object, str, str], list[Step]] = {}
    for source in analysis.states:
        for step in analysis.steps[source]:
            if step.transition is not None and not step.transition.back and step.guard is not None:
                place = analysis.place_of_route(step)
                seen.setdefault((place, step.trigger, step.dest), []).append(step)
    for steps in seen.values():
        judged = [(step, step.judged(analysis.states[step.source], analysis.known)) for step in steps]
        reached = [(step, state) for step, state in judged if state is not None]
        guard = steps[0].guard
        if guard is None or not reached or all(one.answer is False for one in guard.branches):
            continue
        if all(guard.answers(state) == {False} for _, state in reached):
            step, state = reached[0]
            if beyond & set(guard.fields) and step.dest in analysis.states:
                continue  # it follows from what is not reached
            unset = [name for name in guard.fields if state[name] == analysis.start[name]]
            facts = ", ".join(
                f"{name} is {analysis.known[name].spell_mask(state[name])}"
                for name in guard.fields
                if state[name] != analysis.known[name].whole
            )
            yield Finding(
                "dead-transition",
                f"{step.trigger} never leads from {step.source} to {step.dest}: {guard.name} never holds there, "
                f"because {facts or 'of what its fields can be'}",
                keep(
                    analysis,
                    unset,
                    "Set the field before, on a way that leads here, or change the guard; "
                    "name a field that every thread is opened with as given",
                ),
                analysis.place_of_route(step),
                analysis.path_to(step.source),
            )


def _nowhere_back(analysis: Analysis) -> Iterator[Finding]:
    told: set[object] = set()
    rows = {(row.source, row.trigger) for row in analysis.flow.transitions if row.back}
    sources: dict[object, list[tuple[str, str]]] = {}
    for source, calls in analysis.calls.items():
        for call in calls:
            if any(destination.assistant.name == BACK for destination in call.tool.to):
                sources.setdefault(call.tool.place, []).append((source, call.tool.name))
    for route in analysis.flow.routes.all(analysis.flow.assistants):
        if any(destination.assistant.name == BACK for destination in route.destinations):
            sources.setdefault(route.place, []).append((route.source, route.trigger))
    for place, triggers in sources.items():
        reached = [one for one in triggers if one[0] in analysis.states]
        if place in told or not reached or any(one in rows for one in reached):
            continue
        told.add(place)
        source, trigger = reached[0]
        yield Finding(
            "dead-transition",
            f"{trigger} never leads back from {source}: nobody can have been active before",
            f"Name the destination, or give an assistant a transition to {source}",
            analysis.place_at(source, trigger),
            analysis.path_to(source),
        )


def _cannot_end(analysis: Analysis) -> Iterator[Finding]:
    """Assistants from where the end is out of reach, in a flow where it is not from any other."""
    onward: dict[str, list[str]] = {name: [] for name in analysis.states}
    ending: set[str] = set()
    for step in analysis.taken():
        if step.dest == END:
            ending.add(step.source)
        elif step.transition is not None and step.transition.kind != "limit":
            onward[step.source].append(step.dest)
    stuck = [name for name in analysis.states if name not in reaching(onward, ending)] if ending else []
    if len(stuck) == 1 and len(analysis.states) > 2:  # noqa: PLR2004  (at least two that get to the end)
        yield Finding(
            "cannot-end",
            f"the flow never ends from {stuck[0]}, as it does from every other assistant: nothing leads on from there",
            "Give it a then(), an after() or a tool with to=; then(..., speak=False) lets it answer once",
            analysis.flow.assistants[stuck[0]].place,
            analysis.path_to(stuck[0]),
        )


def _stays_alone(analysis: Analysis) -> Iterator[Finding]:
    """Tools that stay where every other tool that does the same to the metadata hands over."""
    for assistant in analysis.states:
        alike: dict[tuple[str, ...], list[Tool]] = {}
        for call in analysis.calls[assistant]:
            if call.tool.sets:
                alike.setdefault((*sorted(call.tool.sets), "", *sorted(call.tool.clears)), []).append(call.tool)
        for tools in alike.values():
            staying = [tool for tool in tools if not tool.to]
            going = [tool for tool in tools if tool.to]
            dests = {tuple(one.assistant.name for one in tool.to) for tool in going}
            if len(staying) == 1 and len(going) > 1 and len(dests) == 1:
                yield Finding(
                    "stays-alone",
                    f"{staying[0].name} stays at {assistant}, where every other tool that sets "
                    f"{listed(staying[0].sets)} goes to {listed(next(iter(dests)), ' or ')}",
                    f"Give it the same to=, or let one of {listed(tool.name for tool in going)} stay too",
                    staying[0].place,
                    analysis.path_to(assistant),
                )
