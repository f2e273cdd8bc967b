"""Whether the thread ever waits for the user again: traps, rounds that nothing ends, guards that cannot end theirs.

A round is made of `then` and `after` alone: what the model has to call is its choice, and the user speaks in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from handoff.checks.bodies import use_of
from handoff.checks.causes import listed
from handoff.checks.decisions import Decision
from handoff.checks.findings import Finding, Hop
from handoff.checks.paths import circle, components, reaching
from handoff.checks.states import Analysis
from handoff.checks.steps import Call, Step
from handoff.declaration.assistants import END


def check_rounds(analysis: Analysis) -> Iterator[Finding]:
    """Findings about traps and rounds."""
    trapped = tuple(_traps(analysis))
    yield from (finding for finding, _ in trapped)
    yield from _endless(analysis, frozenset(name for _, names in trapped for name in names))
    yield from _stays_true(analysis)


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
                f"from {names[0]} the thread goes on for ever among {listed(names)}: the user is waited for nowhere, "
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
        f"{' → '.join([*(hop.source for hop in around), entry])} goes round without the user, and nothing ends it",
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


# -- guards that end nothing -------------------------------------------------------------------------------------------


def _stays_true(analysis: Analysis) -> Iterator[Finding]:
    """Rounds whose guards ask for what the round sets and never takes back: once they hold, they hold for good."""
    replies = [
        step
        for step in analysis.taken()
        if step.transition is not None and step.transition.kind == "then" and step.transition.speak is True
    ]
    for group in _rounds(replies, frozenset(analysis.states)):
        around = [step for step in replies if step.source in group and step.dest in group]
        every = [call for at in analysis.states if at in group for call in analysis.calls[at]]
        calls = [call for call in every if _stays_within(call, group)]
        counted = any(step.guard is None and _times(step) is not None for step in around)
        if counted or len(calls) < len(every):
            continue  # it is meant to end after so many times, or by a call that leads out of it
        guarded = [(step, step.guard) for step in around if step.guard is not None]
        setting = [(step, guard, _setting(analysis, guard, calls)) for step, guard in guarded]
        if not setting or not all(writing for _, _, writing in setting):
            continue
        # Where one of them counts, it was meant to end the round; else the last one was.
        step, guard, writing = next((one for one in setting if _times(one[0]) is not None), setting[-1])
        hops = circle(step.source, [(one.source, one.trigger, one.dest) for one in around])
        fields = listed(name for name in guard.fields if any(name in call.effects for call in writing))
        way = " → ".join([*(hop[0] for hop in hops), step.source])
        end = f"times={_times(step)}" if _times(step) is not None else "a limit"
        yield Finding(
            "stays-true",
            f"once {guard.name} holds at {step.source} it holds for good: {listed(call.tool.name for call in writing)} "
            f"sets {fields}, and nothing on the way {way} takes it back, "
            f"so that only {end} ends the round",
            f"{_clear(fields, [call.tool.name for call in calls if call not in writing])}, or leave the guard out",
            analysis.place_of_route(step),
            (*analysis.path_to(step.source), *(Hop(*hop) for hop in hops)),
        )


def _times(step: Step) -> int | None:
    return step.transition.times if step.transition is not None else None


def _setting(analysis: Analysis, guard: Decision, calls: Sequence[Call]) -> list[Call]:
    """The calls that make a guard hold; none if one of them, or one of the others, may also make it fail."""
    writing = [call for call in calls if any(name in call.effects for name in guard.fields)]
    surely = not guard.unknown and all(_after(analysis, guard, call) == {True} for call in writing)
    return writing if surely else []


def _clear(fields: str, others: Sequence[str]) -> str:
    return f"Add {fields} to clears= of {listed(others, ' or ')}" if others else f"Let a tool on the way clear {fields}"


def _stays_within(call: Call, group: frozenset[str]) -> bool:
    return not call.tool.to or any(one.assistant.name in group for one in call.tool.to)


def _after(analysis: Analysis, guard: Decision, call: Call) -> set[bool | None]:
    """What a guard can answer after a call, whatever was before."""
    state = {name: domain.whole for name, domain in analysis.known.items()}
    state.update(call.effects)
    for name in call.kept:
        state[name] |= analysis.known[name].set
    return guard.answers(state)
