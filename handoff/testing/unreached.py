"""What there is to reach in a flow, and why something of it is not reached, as far as that is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from handoff.checks.decisions import Decision
from handoff.checks.findings import Finding
from handoff.checks.guards import check_guards
from handoff.checks.states import Analysis
from handoff.checks.steps import Step
from handoff.declaration.assistants import Transition
from handoff.declaration.flow import Flow
from handoff.declaration.tools import Tool
from handoff.testing.choices import Choices
from handoff.testing.recording import OUTCOMES, allow_item, guard_item, outcome_item
from handoff.testing.searching import MOST_TRIED, Goal


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer of a guard: of a transition's, or of the condition under which a tool is offered."""

    source: str
    held: bool
    transition: Transition | None = None
    tool: Tool | None = None


def goals_of(analysis: Analysis, cover: str) -> list[Goal]:
    """Return what there is to cover, in the order of the flow.

    Args:
        analysis: what is known about the flow; pairs of which it knows that they cannot follow each other are left out.
        cover: ``transitions``, ``pairs``, ``guards`` or ``outcomes``.
    """
    flow = analysis.flow
    goals: list[Goal] = [("transitions", one.key) for one in flow.transitions]
    if cover == "pairs":
        leaving: dict[str, list[Transition]] = {}
        for row in flow.transitions:
            leaving.setdefault(row.source, []).append(row)
        goals += [
            ("pairs", one.key, other.key)
            for one in flow.transitions
            for other in leaving.get(one.dest, ())
            if _can_follow(analysis, one, other)
        ]
    if cover == "guards":
        goals += [("guards", item) for item, _ in _answers(flow)]
    if cover == "outcomes":
        goals += [("outcomes", item) for item, _, _ in _outcomes(flow)]
    return goals


def _outcomes(flow: Flow[Any, Any]) -> Iterator[tuple[str, str, Tool]]:
    """Yield the outcomes of all tools, by the names that coverage knows them by, each with its assistant and tool."""
    for name in flow.assistants:
        for tool in flow.tools_of(name).values():
            yield from ((outcome_item(name, tool.name, outcome), name, tool) for outcome in OUTCOMES)


def _answers(flow: Flow[Any, Any]) -> Iterator[tuple[str, _Answer]]:
    """Yield the answers of all guards, by the names that coverage knows them by."""
    for row in flow.transitions:
        if row.guard is not None:
            for held in (True, False):
                yield guard_item(row, held=held), _Answer(row.source, held, transition=row)
    for name in flow.assistants:
        for tool in flow.tools_of(name).values():
            if tool.allow is not None:
                for held in (True, False):
                    yield allow_item(name, tool, held=held), _Answer(name, held, tool=tool)


def is_possible(analysis: Analysis, choices: Choices, goal: Goal, *, exhausted: bool) -> bool:
    """Return whether something that was not reached may be possible all the same, so that it has to be told of.

    Two transitions need not be able to follow each other: they are not if the search has tried every case that the
    guards can tell apart. What follows from a bound is left to the bound. Anything else is expected of a sound flow.

    Args:
        analysis: what is known about the flow.
        choices: what was tried.
        goal: what was not reached.
        exhausted: the search ended before everything was tried.
    """
    if goal[0] != "pairs":
        return True
    bounds = {row.key for row in analysis.flow.transitions if row.kind == "limit"}
    return goal[2] not in bounds and (exhausted or not choices.complete)


def _can_follow(analysis: Analysis, first: Transition, second: Transition) -> bool:
    """Return whether one transition can follow another, as far as the analysis of the flow knows."""
    if second.kind == "limit" or first.kind == "limit":
        return True
    if second.back and second.dest != first.source:
        return False
    return any(_follows(analysis, one, other) for one in _steps(analysis, first) for other in _steps(analysis, second))


def _follows(analysis: Analysis, first: Step, second: Step) -> bool:
    state = analysis.possible(first)
    if state is None:
        return False
    changed = True
    while changed:  # before the second, calls that hand nothing over may change what its guard reads
        changed = False
        for call in analysis.calls[second.source]:
            for name, mask in (call.applied(state, analysis.known) or {}).items():
                changed |= bool(mask & ~state[name])
                state[name] |= mask
    return second.taken(state, analysis.known) is not None


def _steps(analysis: Analysis, row: Transition) -> list[Step]:
    return [
        step for step in analysis.steps[row.source] if step.transition is not None and step.transition.key == row.key
    ]


def reason_of(analysis: Analysis, choices: Choices, goal: Goal, *, exhausted: bool) -> str:
    """Return why something was not reached, in one sentence.

    Args:
        analysis: what is known about the flow.
        choices: what was tried.
        goal: what was not reached.
        exhausted: the search ended before everything was tried.
    """
    rows = {row.key: row for row in analysis.flow.transitions}
    match goal:
        case ("transitions", key):
            return _of_transition(analysis, choices, rows[key], exhausted=exhausted)
        case ("guards", item):
            return _of_answer(analysis, choices, dict(_answers(analysis.flow))[item], exhausted=exhausted)
        case ("outcomes", item):
            assistant, tool = next((name, tool) for known, name, tool in _outcomes(analysis.flow) if known == item)
            return _of_outcome(analysis, choices, assistant, tool, exhausted=exhausted)
        case _:
            after = f"it was never found possible right after {goal[1]}: "
            return after + _tried(choices, rows[goal[2]], exhausted=exhausted)


def _of_transition(analysis: Analysis, choices: Choices, row: Transition, *, exhausted: bool) -> str:
    if row.source not in analysis.states:
        return f"no way leads to {row.source}"
    if row.kind == "limit":
        return f"no run was found whose start at {row.source} a bound would refuse"
    steps = _steps(analysis, row)
    calls = [step.call for step in steps if step.call is not None]
    if calls and not any(analysis.callable_at(call) for call in calls):
        return f"{row.trigger} can never be called at {row.source}: {_unavailable(calls[0].tool)}"
    guards = [step.guard for step in steps if step.guard is not None]
    if guards and not any(analysis.possible(step) is not None for step in steps):
        return f"{guards[0].name} never holds where it is asked, or a destination before it is always taken"
    return _tried(choices, row, exhausted=exhausted)


def _unavailable(tool: Tool) -> str:
    reads = f"it needs {', '.join(tool.reads)}" if tool.reads else ""
    allow = f"it is not offered unless {tool.allow.__name__} holds" if tool.allow is not None else ""
    return " and ".join(one for one in (reads, allow) if one) or f"{tool.name} is not offered"


def _of_answer(analysis: Analysis, choices: Choices, answer: _Answer, *, exhausted: bool) -> str:
    if answer.source not in analysis.states:
        return f"no way leads to {answer.source}"
    guard = answer.transition.guard if answer.transition is not None else answer.tool and answer.tool.allow
    decision: Decision | None = analysis.decisions.get(id(guard))
    if decision is not None and not {answer.held, None} & {one.answer for one in decision.branches}:
        return f"{decision.name} {'never' if answer.held else 'always'} holds"
    always = None if decision is None or answer.held else _always_holds(analysis, decision)
    return always or _tried(choices, answer.transition or answer.tool, exhausted=exhausted)


def _always_holds(analysis: Analysis, decision: Decision) -> str | None:
    """Why a guard never says no where it is asked, if that is known: no values would make it."""
    found = (one for one in check_guards(analysis) if isinstance(one, Finding) and one.code == "guard-always-holds")
    return next((one.problem for one in found if one.place == decision.place), None)


def _of_outcome(analysis: Analysis, choices: Choices, assistant: str, tool: Tool, *, exhausted: bool) -> str:
    if assistant not in analysis.states:
        return f"no way leads to {assistant}"
    calls = [call for call in analysis.calls[assistant] if call.tool is tool]
    if calls and not any(analysis.callable_at(call) for call in calls):
        return f"{tool.name} can never be called at {assistant}: {_unavailable(tool)}"
    return _tried(choices, tool, exhausted=exhausted)


def _tried(choices: Choices, what: Transition | Tool | None, *, exhausted: bool) -> str:
    if exhausted:
        return f"the search ended after {MOST_TRIED} steps: give values= or arguments= that lead there sooner"
    guard = what.guard if isinstance(what, Transition) else what.allow if what is not None else None
    fields = sorted(choices.fields_of(guard)) if guard is not None else []
    if not fields:
        return "no conversation with one call at a time leads there"
    tried = "; ".join(f"{name}: {', '.join(map(repr, choices.values_of(name)))}" for name in fields)
    example = f"values={{{fields[0]!r}: …}}"
    return f"none of the values that were tried leads there ({tried}): give others, as in paths(…, {example})"
