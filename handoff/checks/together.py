"""What can happen while fields are followed together and one call comes at a time.

Elsewhere each field is followed by itself and calls may ride along in one response, so that nothing possible is called
impossible. Here the values of all fields are kept side by side, and responses have one call. What happens only where
calls meet in a response was mostly not meant. Flows with too many states get no verdict.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import product

from handoff.checks.findings import Finding
from handoff.checks.states import Analysis, Position
from handoff.checks.steps import Call, Step
from handoff.declaration.assistants import END

MOST_STATES = 3_000
"""No flow with more states is looked at."""

MOST_FOLLOWED = 100_000
"""No more steps are followed than these."""

State = tuple[int, ...]
"""A single case of each field, as a mask, in the order of the fields."""


def check_together(analysis: Analysis) -> Iterator[Finding]:
    """Findings about tools that are offered and conditions that hold only where calls meet in a response.

    Args:
        analysis: what is known about the flow.
    """
    met = _met(analysis)
    if met is None:
        return
    names = tuple(analysis.known)
    for assistant in analysis.states:
        states = [dict(zip(names, one, strict=True)) for one in met.get(assistant, ())]
        for call in analysis.calls[assistant]:
            if not analysis.callable_at(call) or not states:
                continue
            begun = [state for state in states if call.begun(state, analysis.known) is not None]
            yield from _cleared_already(analysis, call, states, begun)
            owners = [name for name in call.tool.owners if name in met]
            if len(owners) == 1 and not begun:
                asked = [*call.tool.reads, *((call.allow.name,) if call.allow is not None else ())]
                yield Finding(
                    "hardly-offered",
                    f"{call.tool.name} is offered at {assistant} only where several calls come in one response: "
                    f"on every other way {' and '.join(asked)} cannot be had there",
                    "Let a way that leads there keep or set what it needs; look at the guards and clears= of those "
                    "that do",
                    call.tool.place,
                    analysis.path_to(assistant),
                )


def _cleared_already(
    analysis: Analysis, call: Call, states: list[dict[str, int]], begun: list[dict[str, int]]
) -> Iterator[Finding]:
    """Tools that clear a field and that their own guard lets be called only while it is unset."""
    for name in set(call.allow.fields) & set(call.tool.clears) if call.allow is not None and begun else ():
        unset = analysis.known[name].unset
        if all(state[name] == unset for state in begun) and any(state[name] != unset for state in states):
            guard = call.allow.name if call.allow is not None else ""
            yield Finding(
                "guard-bars-tools",
                f"{guard} lets {call.tool.name} be called only while {name} is unset, which it clears",
                "Turn the guard round, or leave the field out of clears=",
                call.tool.place,
                analysis.path_to(call.assistant),
            )


def _met(analysis: Analysis) -> dict[str, set[State]] | None:
    """The states at each assistant; None if there are too many."""
    names = tuple(analysis.known)
    first: Position = (analysis.flow.initial.name, "")
    waiting: deque[tuple[Position, State]] = deque((first, one) for one in _single(analysis.start, names))
    seen = set(waiting)
    left = MOST_FOLLOWED
    size = 1
    for domain in analysis.known.values():
        size *= len(domain.cases)
    if size * len(analysis.states) > MOST_STATES:
        return None
    while waiting:
        position, values = waiting.popleft()
        state = dict(zip(names, values, strict=True))
        for step in _open(analysis, position):
            left -= 1
            analysis.followed += 1
            if left < 0:
                return None
            after = step.taken(state, analysis.known)
            if after is None or step.dest == END:
                continue
            there = analysis.arrived(step, position)
            for one in _single(after, names):
                if (there, one) not in seen:
                    seen.add((there, one))
                    waiting.append((there, one))
    met: dict[str, set[State]] = {}
    for position, values in seen:
        met.setdefault(position[0], set()).add(values)
    return met


def _open(analysis: Analysis, position: Position) -> Iterator[Step]:
    return (step for step in analysis.steps[position[0]] if step.open_at(position[1]))


def _single(state: dict[str, int], names: tuple[str, ...]) -> Iterator[State]:
    """Every combination of single cases that a state holds possible."""
    return product(*([1 << n for n in range(state[name].bit_length()) if state[name] >> n & 1] for name in names))
