"""What one call forgets to clear: a field that stays set at an assistant where every other call leaves it unset.

Only fields that the assistant has no use for count, and only calls from where the field can be set by other means than
a limit, which can clear nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from handoff.checks.effects import metadata_use
from handoff.checks.findings import Finding
from handoff.checks.metadata import Templates
from handoff.checks.states import Analysis
from handoff.checks.steps import Call, Step
from handoff.declaration.place import Place
from handoff.declaration.tools import Tool

MOST_LEAVING = 4
"""Where more tools than these leave a field set, it is no slip of one of them."""


def check_left_over(analysis: Analysis, templates: Templates) -> Iterator[Finding]:
    """Findings about calls that leave a field set where every other call leads with the field unset.

    Args:
        analysis: what is known about the flow.
        templates: its templates.
    """
    arrivals: dict[str, list[tuple[Step, Call, dict[str, int]]]] = {name: [] for name in analysis.states}
    for step in tuple(analysis.taken()):
        after = analysis.possible(step)
        if step.call is not None and step.dest in arrivals and step.dest != step.source and after is not None:
            arrivals[step.dest].append((step, step.call, after))
    for assistant, ways in arrivals.items():
        cleared = {name for _, call, _ in ways for name in call.tool.clears}
        for name in sorted(cleared - _used_at(analysis, templates, assistant)):
            unset = analysis.known[name].unset
            if assistant == analysis.flow.initial.name and analysis.start[name] != unset:
                continue
            clearing = {call.tool.place: call.tool for _, call, _ in ways if name in call.tool.clears}
            leaving: dict[Place, list[tuple[Step, Call]]] = {}
            for step, call, after in ways:
                if after[name] != unset:
                    leaving.setdefault(call.tool.place, []).append((step, call))
            for steps in leaving.values():
                step, call = steps[0]
                first = next(iter(clearing.values()))
                also = any({*other.clears} & {*call.tool.clears} for other in clearing.values())
                if name in call.effects or not (also or len(clearing) > 1):
                    continue
                if len(leaving) > MOST_LEAVING:
                    break
                # What it leaves over comes along on the other ways: would they still, if it did not?
                set_at = _set_at(analysis, name, call.tool)
                others = (one for place, more in leaving.items() if place != call.tool.place for one, _ in more)
                if any(one.source in set_at for one in others) or not any(one.source in set_at for one, _ in steps):
                    continue
                yield Finding(
                    "left-over",
                    f"{step.trigger} leaves {name} set at {assistant}, where every other call leaves it unset, "
                    f"as {first.name} does",
                    f"Add {name} to clears= of {step.trigger}, or read it at {assistant} if it is kept on purpose",
                    analysis.place_of_route(step),
                    (*analysis.path_to(step.source), step.hop),
                )


def _set_at(analysis: Analysis, name: str, clearing: Tool) -> set[str]:
    """The assistants at which a field can be set if a tool cleared it; a limit, which can clear nothing, left aside."""
    unset = analysis.known[name].unset
    onward: dict[str, list[str]] = {}
    waiting: list[str] = [analysis.flow.initial.name] if analysis.start[name] != unset else []
    for step in analysis.taken():
        analysis.followed += 1
        call = step.call
        if call is not None and (call.tool.place == clearing.place or name in call.tool.clears):
            continue
        if step.transition is not None and step.transition.kind == "limit":
            continue
        after = analysis.possible(step)
        if call is not None and name in call.tool.sets:
            waiting.append(step.dest)
        elif after is not None and after[name] != unset:
            onward.setdefault(step.source, []).append(step.dest)
    found: set[str] = set()
    while waiting:
        at = waiting.pop()
        if at not in found:
            found.add(at)
            waiting += onward.get(at, ())
    return found


def _used_at(analysis: Analysis, templates: Templates, assistant: str) -> set[str]:
    """The fields that the assistant has a use for."""
    # What the flow's own instructions print, they print everywhere: that is no use of this assistant's.
    used = {name for needs, place in templates[assistant] if place != analysis.flow.place for name in needs.named}
    for call in analysis.calls[assistant]:
        use = metadata_use(call.tool, analysis.flow.metadata)
        used |= {
            *call.tool.reads,
            *(use.reads - set(call.tool.sets)),
            *(call.allow.fields if call.allow is not None else ()),
        }
    for step in analysis.steps[assistant]:
        # What the call itself sets says nothing about what was there before.
        own = set(step.call.effects) if step.call is not None else set[str]()
        used |= set(step.guard.fields) - own if step.guard is not None else set()
    return used
