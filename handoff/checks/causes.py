"""Where a fault comes from: the call that clears a field, the tool that forgets to keep it, the way that is missing.

A finding shows where something goes wrong, which may be far from the line to mend. What can be known of that line is
put into its words; what only follows from another finding is not told of again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import NoneType

from handoff.checks.effects import metadata_use
from handoff.checks.findings import Hop
from handoff.checks.states import Analysis
from handoff.checks.steps import Call
from handoff.declaration.annotations import members
from handoff.declaration.signature import Parameter, Source
from handoff.declaration.tools import Tool

MOST_NAMED = 3
"""No more tools than these are named as what may be meant."""


def listed(names: Iterable[str], between: str = ", ") -> str:
    """Names in a sentence, each once."""
    return between.join(dict.fromkeys(names))


def drops(tool: Tool, name: str, analysis: Analysis) -> bool:
    """Whether a tool takes an argument called and typed like a field, and keeps it nowhere.

    Args:
        tool: the tool.
        name: the field.
        analysis: what is known about the flow.
    """
    kind = analysis.flow.metadata
    if name in (*tool.sets, *tool.clears):
        return False
    field = kinds(kind.model_fields[name].annotation)
    if not any(one.name == name and kinds(one.annotation) <= field for one in _arguments(tool)):
        return False
    use = metadata_use(tool, kind)
    return not use.escapes and name not in {*use.reads, *use.writes}


def kinds(annotation: object) -> set[object]:
    """The types an annotation is made of, None left aside."""
    return {one for one in members(annotation) if one not in (None, NoneType)}


def _arguments(tool: Tool) -> list[Parameter]:
    return [one for one in tool.signature.parameters if one.source is Source.MODEL]


def keep(analysis: Analysis, names: Iterable[str], otherwise: str) -> str:
    """What to do about fields that are not set: the tools that take them and drop them are named.

    Args:
        analysis: what is known about the flow.
        names: the fields.
        otherwise: what to do if there are no such tools.
    """
    tools = _each(analysis)
    found = [(tool.name, name) for name in names for tool in tools if drops(tool, name, analysis)]
    if not 0 < len(found) <= MOST_NAMED:
        return otherwise
    said = " and ".join(f"{name} to sets= of {tool}" for tool, name in found)
    return f"Add {said}, which takes it and does not keep it; or {otherwise[0].lower()}{otherwise[1:]}"


def unset_because(analysis: Analysis, name: str, path: Sequence[Hop]) -> str:
    """Why a field is unset at the end of a path.

    Args:
        analysis: what is known about the flow.
        name: the field.
        path: a path on which it is unset at the end.
    """
    for hop in reversed(path):
        for call in _calls_of(analysis, hop):
            if name in call.tool.clears:
                stays = f" and the thread stays at {hop.source}" if hop.source == hop.dest else ""
                return f"{call.tool.name} clears it{stays}"
    if not path:
        return "nothing sets it before a thread starts"
    if len(path) == 1:
        return f"nothing sets it before {path[0].trigger} leads there"
    return "nothing on the way there sets it"


def _calls_of(analysis: Analysis, hop: Hop) -> Iterator[Call]:
    """The calls of a hop, the last one first: some ride along in the same response."""
    called = hop.trigger.split(", ")
    for trigger in reversed(called):
        yield from (call for call in analysis.calls[hop.source] if call.tool.name == trigger)


def out_of_reach(analysis: Analysis) -> frozenset[str]:
    """The fields that only tools write which no thread gets to call, because nothing gets to their assistant.

    What the tools write that such a field keeps from being called is among them, and so on. A tool that keeps itself
    from being called is none of these.
    """
    writers: dict[str, list[Call]] = {}
    for calls in analysis.calls.values():
        for call in calls:
            for name in call.tool.sets:
                writers.setdefault(name, []).append(call)
    beyond: set[str] = set()
    before = -1
    while len(beyond) > before:
        before = len(beyond)
        beyond |= {name for name, calls in writers.items() if all(_barred(analysis, call, beyond) for call in calls)}
    return frozenset(beyond)


def _barred(analysis: Analysis, call: Call, beyond: set[str]) -> bool:
    state = analysis.states.get(call.assistant)
    needed = beyond & set(call.tool.reads)
    return state is None or any(not state[name] & analysis.known[name].set for name in needed)


def missing_way(analysis: Analysis, needed: Iterable[str]) -> str:
    """Which tools may have been meant to lead to an assistant that is not reached; empty if none stands out.

    Args:
        analysis: what is known about the flow.
        needed: the fields that the assistant needs.
    """
    found: dict[str, str] = {}
    for at in analysis.states:
        for call in analysis.calls[at]:
            tool = call.tool
            if tool.to:
                continue
            carried = [name for name in needed if name in tool.sets or drops(tool, name, analysis)]
            if carried:
                found.setdefault(tool.name, f"{tool.name} takes the {carried[0]} that is needed there and stays")
            elif only_speaks(tool):
                found.setdefault(tool.name, f"{tool.name} does nothing and stays")
    if not 0 < len(found) <= MOST_NAMED:
        return ""
    return f"{' and '.join(found.values())}: was {'it' if len(found) == 1 else 'one of them'} to lead there?"


def only_speaks(tool: Tool) -> bool:
    """Whether a call can do nothing but answer: it is given nothing to work on, and changes nothing."""
    reads = tool.reads or tool.signature.named(Source.METADATA)
    works = tool.takes_deps or tool.consults or tool.approval
    return not (_arguments(tool) or reads or tool.sets or tool.clears or tool.to or works)


def _each(analysis: Analysis) -> tuple[Tool, ...]:
    return tuple({call.tool.place: call.tool for calls in analysis.calls.values() for call in calls}.values())
