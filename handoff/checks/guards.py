"""Whether the guards of the flow ask what they seem to ask: never, always, failing, shadowing, leaving a hole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from handoff.checks.causes import out_of_reach
from handoff.checks.decisions import Decision, jointly
from handoff.checks.findings import Finding, Unknown
from handoff.checks.states import Analysis
from handoff.checks.steps import Step
from handoff.checks.values import UndecidedError
from handoff.declaration.assistants import END
from handoff.declaration.place import Place

_YES = (True, None)
_NO = (False, None)


def check_guards(analysis: Analysis) -> Iterator[Finding | Unknown]:
    """Findings about guards, and the guards that cannot be decided."""
    asked = _asked(analysis)
    beyond = out_of_reach(analysis)
    for decision in analysis.decisions.values():
        states = asked.get(id(decision), [])
        for one in _decided(analysis, decision, states):
            follows = isinstance(one, Finding) and one.code == "guard-always-holds" and one.path
            if not (follows and beyond & set(decision.fields)):
                yield one  # the others follow from what is not reached
    told: set[tuple[Place, str]] = set()
    for source in analysis.states:
        groups: dict[str, list[Step]] = {}
        for step in analysis.steps[source]:
            if step.transition is not None:
                groups.setdefault(step.trigger, []).append(step)
        for steps in groups.values():
            for finding in _together(analysis, steps):
                # A tool of several assistants is told of once.
                key = (finding.place, finding.remedy if isinstance(finding, Finding) else finding.subject)
                if key not in told:
                    told.add(key)
                    yield finding
    yield from _bars(analysis)
    yield from _bars_itself(analysis)


def _asked(analysis: Analysis) -> Mapping[int, list[tuple[str, dict[str, int]]]]:
    """The assistants at which each guard is asked, with the states it meets there."""
    asked: dict[int, list[tuple[str, dict[str, int]]]] = {}
    for source, state in analysis.states.items():
        for call in analysis.calls[source]:
            if call.allow is not None and (before := call.without_allow().begun(state, analysis.known)) is not None:
                asked.setdefault(id(call.allow), []).append((source, before))
        for step in analysis.steps[source]:
            if step.guard is not None and (judged := step.judged(state, analysis.known)) is not None:
                asked.setdefault(id(step.guard), []).append((source, judged))
    return asked


def _decided(
    analysis: Analysis, decision: Decision, states: Sequence[tuple[str, dict[str, int]]]
) -> Iterator[Finding | Unknown]:
    answers = {branch.answer for branch in decision.branches}
    if answers == {False}:
        yield Finding(
            "guard-never-holds",
            f"{decision.name} never holds, whatever the metadata",
            "Change the guard, or remove the destination that it guards",
            decision.place,
        )
    elif answers == {True}:
        yield Finding(
            "guard-always-holds",
            f"{decision.name} always holds, whatever the metadata",
            "Leave the guard out, or make it ask what was meant",
            decision.place,
        )
    elif None in answers and not {True, False} <= answers:
        yield Unknown(decision.name, decision.unknown, decision.place)
    elif states and all(decision.answers(state) == {True} for _, state in states):
        source, state = states[0]
        facts = ", ".join(f"{name} is {analysis.known[name].spell_mask(state[name])}" for name in decision.fields)
        yield Finding(
            "guard-always-holds",
            f"{decision.name} always holds where it is asked, at {source}: {facts} by then",
            "Leave the guard out, or clear the field on a way that leads here",
            decision.place,
            analysis.path_to(source),
        )
    for source, state in states:
        failed = next((branch for branch in decision.possible(state) if branch.failed), None)
        if failed is not None:
            given = ", ".join(f"{name} is {analysis.known[name].spell(case)}" for name, case in failed.given.items())
            unset = [name for name, case in failed.given.items() if 1 << case == analysis.known[name].unset]
            path = analysis.path_to_unset(source, unset[0]) if unset else ()
            yield Finding(
                "guard-fails",
                f"{decision.name} fails while {given} ({failed.failed}), which counts as no",
                _ask_first(decision, unset[0]) if unset else "Ask first for what it stumbles over",
                decision.place,
                path or analysis.path_to(source),
            )
            break


def _ask_first(decision: Decision, name: str) -> str:
    asked = ".".join((*decision.parameters, name))
    return f"Ask first whether {name} is set: `{asked} is not None and ...`"


def _together(analysis: Analysis, steps: Sequence[Step]) -> Iterator[Finding | Unknown]:
    """Findings about the destinations of one trigger at one assistant, in the order they are tried."""
    first = steps[0]
    judged = first.judged(analysis.states[first.source], analysis.known)
    choice = first.call is not None and first.call.tool.signature.may_choose
    if judged is None or choice or len(steps) == 1:
        return
    refused: list[Decision] = []
    for step in steps:
        guard = step.guard
        own = [(guard, _YES)] if guard is not None else []
        try:
            alone = jointly(own, judged) is not None
            reached = jointly([*((one, _NO) for one in refused), *own], judged) is not None
        except UndecidedError:
            yield Unknown(f"the destinations of {first.trigger}", "there are too many cases", _place(analysis, step))
            return
        if alone and not reached:
            before = " or ".join(one.name for one in refused)
            yield Finding(
                "shadowed-destination",
                f"{step.trigger} never gets to {step.dest}, because {before} always holds before it at {step.source}",
                f"Put {step.dest} before the others, or narrow the guards before it",
                _place(analysis, step),
                analysis.path_to(step.source),
            )
        if guard is not None and step.transition is not None and step.transition.times is None:
            refused.append(guard)
    yield from _hole(analysis, steps, judged)


def _hole(analysis: Analysis, steps: Sequence[Step], judged: Mapping[str, int]) -> Iterator[Finding | Unknown]:
    guards = [step.guard for step in steps if step.guard is not None]
    transitions = [step.transition for step in steps if step.transition is not None]
    if len(guards) < len(steps) or len(guards) < 2 or any(row.back for row in transitions):  # noqa: PLR2004
        return
    first, last = steps[0], steps[-1]
    if any({branch.answer for branch in guard.branches} == {False} for guard in guards):
        return  # that one of them never holds is what is told of
    if first.call is None:
        # After a reply or a silence the user is waited for until a tool has set what the guards ask for.
        asked = {name for guard in guards for name in guard.fields}
        judged = {name: mask & analysis.known[name].set if name in asked else mask for name, mask in judged.items()}
    try:
        case = jointly([(one, (False,)) for one in guards], judged)
    except UndecidedError:
        yield Unknown(f"the destinations of {first.trigger}", "there are too many cases", _place(analysis, first))
        return
    if case is not None:
        facts = " and ".join(f"{name} is {analysis.known[name].spell(number)}" for name, number in case.items())
        yield Finding(
            "hole",
            f"{first.trigger} leads nowhere while {facts} at {first.source}",
            f"Give the last destination, {last.dest}, no condition, or add one for this case",
            _place(analysis, first),
            analysis.path_to(first.source),
        )


def _bars(analysis: Analysis) -> Iterator[Finding]:
    """Guards that let the thread through only while a field is unset or empty that the destination's tools need."""
    for step in tuple(analysis.taken()):
        if step.dest in (END, step.source):
            continue
        before, after = analysis.states[step.source], analysis.possible(step)
        allow = step.call.allow if step.call is not None else None
        for guard, name in ((one, name) for one in (allow, step.guard) if one is not None for name in one.fields):
            nothing = analysis.known[name].unset | analysis.known[name].empty
            changed = step.call is not None and name in step.call.effects
            only_without = after is not None and not after[name] & ~nothing and after[name] & analysis.known[name].unset
            if changed or not only_without or not before[name] & ~nothing:
                continue
            needing = [call for call in analysis.calls[step.dest] if name in call.tool.reads]
            setting = [call for call in analysis.calls[step.dest] if name in call.tool.sets and call not in needing]
            if needing and not setting:
                barred = ", ".join(call.tool.name for call in needing)
                yield Finding(
                    "guard-bars-tools",
                    f"{guard.name} lets the thread get to {step.dest} only while there is no {name}, "
                    f"but there {barred} need{'s' if len(needing) == 1 else ''} it, and nothing sets it",
                    "Turn the guard round, or let a tool there set the field",
                    _place(analysis, step),
                    (*analysis.path_to(step.source), step.hop),
                )


def _bars_itself(analysis: Analysis) -> Iterator[Finding]:
    """Tools that read a field and are offered only while it is empty."""
    told: set[Place] = set()
    for assistant, state in analysis.states.items():
        for call in analysis.calls[assistant]:
            begun = call.begun(state, analysis.known)
            if call.allow is None or begun is None or call.tool.place in told:
                continue
            for name in set(call.allow.fields) & set(call.tool.reads):
                if not begun[name] & ~analysis.known[name].empty and state[name] != begun[name]:
                    told.add(call.tool.place)
                    yield Finding(
                        "guard-bars-tools",
                        f"{call.allow.name} lets {call.tool.name} be called only while {name} is empty, which it reads",
                        "Turn the guard round",
                        call.tool.place,
                        analysis.path_to(assistant),
                    )


def _place(analysis: Analysis, step: Step) -> Place:
    return analysis.place_of_route(step)
