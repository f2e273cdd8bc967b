"""Whether the thread can get everywhere, and always on: reachability, traps, cycles, transitions never taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from handoff.checks.bodies import use_of
from handoff.checks.findings import Finding, Hop
from handoff.checks.paths import circle, components, reaching
from handoff.checks.states import Analysis
from handoff.checks.steps import Step
from handoff.declaration.assistants import BACK, END
from handoff.declaration.tools import Tool


def check_structure(analysis: Analysis) -> Iterator[Finding]:
    """Findings about reachability, traps, cycles and transitions never taken."""
    yield from _unreachable(analysis)
    trapped = tuple(_traps(analysis))
    yield from (finding for finding, _ in trapped)
    yield from _endless(analysis, frozenset(name for _, names in trapped for name in names))
    yield from _dead(analysis)
    yield from _nowhere_back(analysis)
    yield from _stays_alone(analysis)
    yield from _cannot_end(analysis)


def _unreachable(analysis: Analysis) -> Iterator[Finding]:
    for name, assistant in analysis.flow.assistants.items():
        if name in analysis.states:
            continue
        every = (step for steps in analysis.steps.values() for step in steps)
        ways = [step for step in every if step.dest == name and step.source != name]
        if not ways:
            why = "no transition leads to it"
        elif any(step.source in analysis.states for step in ways):
            why = "the transitions that lead to it are never taken"
        else:
            why = f"only {_listed(dict.fromkeys(step.source for step in ways))} leads to it, never reached itself"
        yield Finding(
            "unreachable-assistant",
            f"no thread ever gets to {name}: {why}",
            f"Give a tool to={name}, or a then() or after(), at an assistant that is reached; or remove {name}",
            assistant.place,
        )


# -- traps and cycles --------------------------------------------------------------------------------------------------


def _moves_on(analysis: Analysis, assistant: str) -> bool:
    """Whether the thread surely moves on after the assistant's reply, so that it never waits for the user there."""
    return any(
        step.trigger == "then"
        and step.transition is not None
        and step.transition.times is None
        and not step.transition.back
        and step.transition.speak is True
        and analysis.possible(step) is not None
        and (step.guard is None or step.guard.answers(analysis.states[assistant]) == {True})
        for step in analysis.steps[assistant]
    )


def _traps(analysis: Analysis) -> Iterator[tuple[Finding, tuple[str, ...]]]:
    onward: dict[str, list[str]] = {name: [] for name in analysis.states}
    resting = {name for name in analysis.states if not _moves_on(analysis, name)}
    for step in analysis.taken():
        transition = step.transition
        if transition is None or transition.kind not in ("tool", "then"):
            continue
        if step.dest == END or transition.speak is not True:
            resting.add(step.source)
        else:
            onward[step.source].append(step.dest)
    free = reaching(onward, resting)
    stuck = {name: [dest for dest in onward[name] if dest not in free] for name in analysis.states if name not in free}
    for group in components(stuck):
        # What leads into a trap is no trap of its own.
        if any(dest not in group for name in group for dest in stuck[name]):
            continue
        names = [name for name in analysis.states if name in group]
        yield (
            Finding(
                "trap",
                f"from {names[0]} the thread goes on for ever among {_listed(names)}: the user is waited for nowhere, "
                "and the flow does not end",
                "Let one of them wait for the user: put a condition on its then(), times=, or speak=False",
                analysis.flow.assistants[names[0]].place,
                analysis.path_to(names[0]),
            ),
            tuple(name for name in analysis.states if name in stuck),
        )


def _endless(analysis: Analysis, trapped: frozenset[str]) -> Iterator[Finding]:
    """Cycles of `then` and `after` that nothing bounds."""
    automatic = [
        step
        for step in analysis.taken()
        if step.transition is not None
        and step.transition.kind in ("then", "after")
        and step.transition.times is None
        and step.transition.speak is True
        and step.dest != END
    ]
    waiting = list(_rounds(automatic, frozenset(analysis.states)))
    while waiting:
        group = waiting.pop()
        written = _written(analysis, group)
        unbounded = [step for step in automatic if not _read(analysis, step) & written]
        for smaller in _rounds(unbounded, group):
            if smaller != group:
                waiting.append(smaller)  # fewer fields are written inside it, so fewer guards bound it
            elif not smaller <= trapped:
                yield _cycle(analysis, [step for step in unbounded if step.source in group and step.dest in group])


def _rounds(steps: Iterable[Step], within: frozenset[str]) -> Iterator[frozenset[str]]:
    """The groups of assistants in which these steps go round."""
    onward: dict[str, list[str]] = {name: [] for name in within}
    for step in steps:
        if step.source in within and step.dest in within:
            onward[step.source].append(step.dest)
    for group in components(onward):
        if len(group) > 1 or any(name in onward[name] for name in group):
            yield group


def _cycle(analysis: Analysis, steps: Sequence[Step]) -> Finding:
    entry = next(name for name in analysis.states if any(step.source == name for step in steps))
    hops = circle(entry, [(step.source, step.trigger, step.dest) for step in steps])
    around = tuple(Hop(*hop) for hop in hops)
    first = next(step for step in steps if step.source == entry)
    return Finding(
        "endless-handoffs",
        f"{_listed([*(hop.source for hop in around), entry], ' → ')} goes round without the user, and nothing ends it",
        "Bound it with when(times=...), or with a guard on a field that a tool inside the cycle sets",
        analysis.place_of_route(first),
        (*analysis.path_to(entry), *around),
    )


def _written(analysis: Analysis, group: Iterable[str]) -> frozenset[str]:
    return frozenset(name for at in group for call in analysis.calls[at] for name in call.effects)


def _read(analysis: Analysis, step: Step) -> frozenset[str]:
    """The fields a step's guards read; all of them if that cannot be seen."""
    fields: set[str] = set()
    for one in step.asked:
        fields |= set(one.decision.fields)
        if one.decision.unknown:
            use = use_of(one.decision.guard, one.decision.parameters, analysis.flow.metadata)
            fields |= use.reads
    return frozenset(fields)


# -- transitions never taken -------------------------------------------------------------------------------------------


def _dead(analysis: Analysis) -> Iterator[Finding]:
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
            facts = ", ".join(
                f"{name} is {analysis.known[name].spell_mask(state[name])}"
                for name in guard.fields
                if state[name] != analysis.known[name].whole
            )
            yield Finding(
                "dead-transition",
                f"{step.trigger} never leads from {step.source} to {step.dest}: {guard.name} never holds there, "
                f"because {facts or 'of what its fields can be'}",
                "Set the field before, on a way that leads here, or change the guard; "
                "name a field that every thread is opened with as given",
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
                    f"{_listed(staying[0].sets)} goes to {_listed(next(iter(dests)), ' or ')}",
                    f"Give it the same to=, or let one of {_listed(tool.name for tool in going)} stay too",
                    staying[0].place,
                    analysis.path_to(assistant),
                )


def _listed(names: Iterable[str], between: str = ", ") -> str:
    return between.join(names)
