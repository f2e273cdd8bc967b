"""What happens only where several calls come in one response, which was mostly not meant.

Fields are followed together here, and one call comes at a time. Flows with too many states get no verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from handoff.checks.causes import listed
from handoff.checks.findings import Finding
from handoff.checks.joint import Met, met_at
from handoff.checks.metadata import Templates
from handoff.checks.states import Analysis
from handoff.checks.steps import Call


def check_together(analysis: Analysis, templates: Templates) -> Iterator[Finding]:
    """Findings about tools that are offered and conditions that hold only where calls meet in a response.

    Args:
        analysis: what is known about the flow.
        templates: its templates.
    """
    met = met_at(analysis)
    if met is None:
        return
    for assistant in analysis.states:
        states = met.get(assistant, [])
        for call in analysis.calls[assistant]:
            if not analysis.callable_at(call) or not states:
                continue
            begun = [state for state in states if call.begun(state, analysis.known) is not None]
            yield from _cleared_already(analysis, call, states, begun)
            owners = [name for name in call.tool.owners if name in met]
            if len(owners) == 1 and not begun:
                yield _hardly_offered(analysis, call, met)
    yield from _hardly_shown(analysis, templates)


def _hardly_offered(analysis: Analysis, call: Call, met: Met) -> Finding:
    asked = [*call.tool.reads, *((call.allow.name,) if call.allow is not None else ())]
    fields = [*call.tool.reads, *(call.allow.fields if call.allow is not None else ())]
    return Finding(
        "hardly-offered",
        f"{call.tool.name} is offered at {call.assistant} only where several calls come in one response: "
        f"on every other way {' and '.join(asked)} cannot be had there",
        _remedy(analysis, call.assistant, fields, met, lambda state: call.begun(state, analysis.known) is not None),
        call.tool.place,
        analysis.path_to(call.assistant),
    )


def _hardly_shown(analysis: Analysis, templates: Templates) -> Iterator[Finding]:
    """Parts of instructions that wait for a field which is set there only where calls meet, or a limit was hit."""
    asking = [
        (assistant, name, line, place)
        for assistant in analysis.states
        for needs, place in templates[assistant]
        if place != analysis.flow.place
        for name, line in needs.asked.items()
    ]
    met = (met_at(analysis, limits=False) if asking else None) or {}
    for assistant, name, line, place in asking:
        domain = analysis.known[name]
        shows = _has(name, domain.set & ~domain.empty)
        found = met.get(assistant, [])
        if not found or not shows(analysis.states[assistant]) or any(map(shows, found)):
            continue
        yield Finding(
            "hardly-shown",
            f"the part of the instructions of {assistant} that asks for {name} (line {line}) is shown only after a "
            f"limit, or where several calls come in one response: on every other way {name} is "
            f"{listed((domain.spell_mask(state[name]) for state in found), ' or ')} there",
            _remedy(analysis, assistant, [name], met, shows),
            place,
            analysis.path_to(assistant),
        )


Wanted = Callable[[dict[str, int]], bool]
"""Whether a state will do."""


def _has(name: str, mask: int) -> Wanted:
    return lambda state: bool(state[name] & mask)


def _remedy(analysis: Analysis, assistant: str, fields: Iterable[str], met: Met, wanted: Wanted) -> str:
    """What to do so that a state which is wanted at an assistant is met there.

    Args:
        analysis: what is known about the flow.
        assistant: the assistant.
        fields: what the state depends on.
        met: the states that are met.
        wanted: whether a state will do.
    """
    barring = [
        decision.name
        for decision in analysis.decisions.values()
        if any(map(wanted, (met_at(analysis, limits=False, aside=decision) or {}).get(assistant, [])))
    ]
    if barring:
        return f"Turn {' or '.join(dict.fromkeys(barring))} round, which keeps the thread from getting there with it"
    for name in dict.fromkeys(fields):
        domain = analysis.known[name]
        having = [at for at in analysis.states if any(state[name] & domain.set for state in met.get(at, []))]
        if having and assistant not in having:
            ways = [step for at in having for step in analysis.steps[at] if step.dest == assistant]
            losing = list(dict.fromkeys(step.trigger for step in ways))
            how = f", which {listed(losing)} do{'es' if len(losing) == 1 else ''} not" if losing else ""
            return f"Let a way from {listed(having)} to {assistant} keep {name}{how}"
    return "Let a way that leads there keep or set what it needs; look at the guards and clears= of those that do"


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
