"""A flow once declaring has ended: the tools of each assistant, the transitions, and the Machine that takes them.

What needs the whole flow is checked here, before the Machine is built.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from handoff.declaration.assistants import END, Assistant, Denied, Transition
from handoff.declaration.hosted import described
from handoff.declaration.machine import Question, Table, build, fire
from handoff.declaration.metadata import Metadata
from handoff.declaration.reply_models import format_of
from handoff.declaration.routes import Route, Routes, expand
from handoff.declaration.schema import structure
from handoff.declaration.tools import Tool

Offered = Mapping[str, Mapping[str, Tool]]
"""The tools by name, by the name of the assistant that has them."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A flow as a value.

    Attributes:
        offered: the tools of each assistant; none at the end.
        transitions: all transitions, ways back expanded, in the order they are tried.
        reached: names of the assistants a call can lead to, by assistant and tool.
        table: the Machine.
        version: hash of the structure.
    """

    offered: Offered
    transitions: tuple[Transition, ...]
    reached: Mapping[tuple[str, str], tuple[str, ...]]
    table: Table
    version: str

    def destinations(self, assistant: str, tool: str) -> tuple[str, ...]:
        """Names of the assistants a call of the tool can lead to."""
        return self.reached.get((assistant, tool), ())

    def judge(
        self,
        assistant: str,
        trigger: str,
        metadata: Metadata,
        *,
        previous: str | None = None,
        go: str | None = None,
        blocked: Callable[[Transition], str | None] | None = None,
        told: Callable[[Transition, bool], None] | None = None,
    ) -> Transition | Denied:
        """Fire the Machine; see `Flow.judge`. `told` is called with what each guard said."""
        question = Question(metadata, previous, go, blocked, told=told)
        taken = fire(self.table, assistant, trigger, question)
        if taken is not None:
            return taken
        return Denied("; ".join(question.refusals) or self._why_not(assistant, trigger, previous, go))

    def _why_not(self, assistant: str, trigger: str, previous: str | None, go: str | None) -> str:
        """Why nothing was tried."""
        rows = [row for row in self.transitions if (row.source, row.trigger) == (assistant, trigger)]
        tool = self.offered.get(assistant, {}).get(trigger)
        if not rows and not (tool is not None and tool.to):
            return f"{assistant} has no transition on {trigger}"
        if go is not None and go not in ("back", *(row.dest for row in rows if not row.back)):
            return f"{go} is no destination of {trigger}"
        return "no assistant was active before" if previous is None else f"{trigger} does not lead back to {previous}"


def build_frozen(
    assistants: Mapping[str, Assistant[Any]], tools: Iterable[Tool], routes: Routes, metadata: type[Metadata]
) -> Frozen:
    """Freeze what was declared.

    Args:
        assistants: all assistants by name, at least one; the first is where threads start.
        tools: the tools, those of every assistant without owners.
        routes: the routes that no tool triggers.
        metadata: the flow's metadata class.

    Raises:
        DefinitionError: two tools of an assistant have one name, or a `tool_choice` names none of its tools.
    """
    offered = _offer(assistants, tools)
    for name, assistant in assistants.items():
        choice = assistant.options.tool_choice
        hosted = dict.fromkeys(tool.kind for tool in assistant.options.hosted)
        known = ("auto", "none", "required", *offered[name], *hosted)
        if choice is not None and choice not in known:
            raise assistant.place.refuse(f"{name} has tool_choice={choice!r}: give one of {', '.join(known)}")
    of_tools = [
        Route(name, tool.name, "tool", tool.to, tool.speak, place=tool.place)
        for name, own in offered.items()
        for tool in own.values()
        if tool.to
    ]
    transitions = expand([*of_tools, *routes.all(assistants)], assistants)
    table = build([*assistants, END], next(iter(assistants)), transitions)
    reached: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in transitions:
        if row.kind == "tool":
            known = reached.get((row.source, row.trigger), ())
            reached[row.source, row.trigger] = tuple(dict.fromkeys((*known, row.dest)))
    version = _hash(assistants, offered, transitions, metadata)
    return Frozen(MappingProxyType(offered), transitions, MappingProxyType(reached), table, version)


def _offer(assistants: Mapping[str, Assistant[Any]], tools: Iterable[Tool]) -> dict[str, Mapping[str, Tool]]:
    """The tools of each assistant, those of every assistant spread out."""
    offered: dict[str, dict[str, Tool]] = {name: {} for name in (*assistants, END)}
    for tool in tools:
        reached = {destination.assistant.name for destination in tool.to}
        owners = tool.owners or tuple(name for name in assistants if name not in reached)
        spread = replace(tool, owners=owners)
        for name in owners:
            if other := offered[name].get(tool.name):
                raise tool.place.refuse(f"{name} has a tool {tool.name} already, declared at {other.place}")
            offered[name][tool.name] = spread
    return {name: MappingProxyType(own) for name, own in offered.items()}


def _hash(
    assistants: Mapping[str, Assistant[Any]],
    offered: Offered,
    transitions: Iterable[Transition],
    metadata: type[Metadata],
) -> str:
    """Hash of the structure that stored threads depend on. Texts are left out."""
    shape: dict[str, Any] = {
        "assistants": list(assistants),
        "tools": {name: {tool.name: structure(tool.schema) for tool in own.values()} for name, own in offered.items()},
        "transitions": [
            [row.key, row.source, row.trigger, row.dest, row.guard_name, row.times, row.speak] for row in transitions
        ],
        "metadata": structure(metadata.model_json_schema()),
    }
    # Only where there are any, so that a flow without them keeps the version its threads carry.
    replies = {name: one.options.reply for name, one in assistants.items() if one.options.reply is not None}
    if replies:
        shape["replies"] = {name: structure(format_of(reply).schema) for name, reply in replies.items()}
    hosted = {name: [described(tool) for tool in one.options.hosted] for name, one in assistants.items()}
    if any(hosted.values()):
        shape["hosted"] = hosted
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:16]
