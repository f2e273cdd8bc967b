"""What the metadata can be at each assistant with the values of all fields side by side.

Elsewhere each field is followed by itself, which is quick, and holds more possible than is. Here only what can be
together is met, so a flow with too many combinations gets no answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product

from handoff.checks.decisions import Decision
from handoff.checks.states import Analysis, Position
from handoff.checks.steps import Call, Step
from handoff.declaration.assistants import END

MOST_STATES = 3_000
"""No flow with more combinations than these is looked at, unless it is told otherwise."""

MOST_FOLLOWED = 100_000
"""No more steps are followed than these."""

State = tuple[int, ...]
"""A single case of each field, as a mask, in the order of the fields."""

Met = dict[str, list[dict[str, int]]]
"""The states at each assistant."""


def met_at(
    analysis: Analysis,
    *,
    limits: bool = True,
    aside: Decision | None = None,
    meeting: bool = False,
    most: int = MOST_STATES,
) -> Met | None:
    """The states at each assistant; None if there are too many.

    Args:
        analysis: what is known about the flow.
        limits: whether limits are hit.
        aside: a guard that is not asked.
        meeting: whether several calls may come in one response.
        most: how many combinations of an assistant and values there may be.
    """
    names = tuple(analysis.known)
    size = len(analysis.states)
    for domain in analysis.known.values():
        size *= len(domain.cases)
    if size > most:
        return None
    steps = {at: tuple(_without(steps, aside, limits=limits)) for at, steps in analysis.steps.items()}
    first: Position = (analysis.flow.initial.name, "")
    waiting: deque[tuple[Position, State]] = deque((first, one) for one in _single(analysis.start, names))
    seen = set(waiting)
    left = MOST_FOLLOWED
    while waiting:
        position, values = waiting.popleft()
        state = dict(zip(names, values, strict=True))
        for step in steps[position[0]]:
            if not step.open_at(position[1]):
                continue
            after = step.taken(state, analysis.known)
            left -= 1
            if after is None or step.dest == END:
                continue
            there = analysis.arrived(step, position)
            reached = set(_single(after, names))
            if meeting:
                left -= _follow(analysis, reached, step.followers, names)
            for one in reached:
                if (there, one) not in seen:
                    seen.add((there, one))
                    waiting.append((there, one))
        if left < 0:
            return None
    analysis.followed += MOST_FOLLOWED - left
    met: dict[str, set[State]] = {}
    for position, values in seen:
        met.setdefault(position[0], set()).add(values)
    return {at: [dict(zip(names, one, strict=True)) for one in sorted(values)] for at, values in met.items()}


def _follow(analysis: Analysis, reached: set[State], followers: Iterable[Call], names: tuple[str, ...]) -> int:
    """Add the states after calls of the same response, in any order; how many calls were looked at."""
    waiting = list(reached) if followers else []
    looked = 0
    while waiting:
        state = dict(zip(names, waiting.pop(), strict=True))
        for call in followers:
            looked += 1
            after = call.applied(state, analysis.known)
            for one in _single(after, names) if after is not None else ():
                if one not in reached:
                    reached.add(one)
                    waiting.append(one)
    return looked


def _without(steps: Iterable[Step], aside: Decision | None, *, limits: bool) -> Iterator[Step]:
    for step in steps:
        if limits or step.transition is None or step.transition.kind != "limit":
            asked = tuple(one for one in step.asked if one.decision is not aside)
            yield step if len(asked) == len(step.asked) else replace(step, asked=asked)


def _single(state: dict[str, int], names: tuple[str, ...]) -> Iterator[State]:
    """Every combination of single cases that a state holds possible."""
    return product(*([1 << n for n in range(state[name].bit_length()) if state[name] >> n & 1] for name in names))
