"""Whether models and backends can work with the tools: names, schemas, numbers, descriptions, choices, effects."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from handoff.checks.bodies import place_of_field
from handoff.checks.causes import keep, out_of_reach
from handoff.checks.choices import chooses, consults, names_flow, names_go
from handoff.checks.findings import Finding
from handoff.checks.metadata import Templates
from handoff.checks.states import Analysis
from handoff.checks.steps import Call
from handoff.declaration.assistants import Assistant
from handoff.declaration.place import Place
from handoff.declaration.schema import obstacles
from handoff.declaration.signature import Source
from handoff.declaration.tools import Tool

MOST_TOOLS = 20
"""More per run are refused by servers that speak the Assistants API."""

_QUOTED = re.compile(r"`(\w+)(?:\(\))?`|\b(\w+)\(\)")
"""What is marked as code in a text."""

_SNAKE = re.compile(r"(?<![\w`])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w`(])")
"""A word that can only be the name of something."""


def check_tools(analysis: Analysis, templates: Templates, tools: tuple[Tool, ...]) -> Iterator[Finding]:
    """Findings about tools.

    Args:
        analysis: what is known about the flow.
        templates: its templates.
        tools: its tools, each once.
    """
    yield from _never_offered(analysis)
    yield from _similar(analysis)
    yield from _many(analysis)
    for tool in tools:
        yield from _strict(tool)
        yield from _described(tool)
        yield from _chosen(tool)
        yield from _consulting(tool)
        yield from _in_doubt(tool)
    yield from _mentioned(analysis, templates)


def _never_offered(analysis: Analysis) -> Iterator[Finding]:
    offered: dict[Place, list[Call]] = {}
    for assistant in analysis.states:
        for tool in analysis.flow.tools_of(assistant).values():
            call = next((one for one in analysis.calls[assistant] if one.tool is tool), None)
            if call is None:
                yield Finding(
                    "never-offered",
                    f'{tool.name} is never called: {assistant} has tool_choice="none"',
                    "Take the tool away from the assistant, or change its tool_choice",
                    tool.place,
                )
            else:
                offered.setdefault(tool.place, []).append(call)
    written = {name for calls in analysis.calls.values() for call in calls for name in call.tool.sets}
    beyond = out_of_reach(analysis)
    for calls in offered.values():
        if any(analysis.callable_at(call) for call in calls):
            continue
        first = calls[0]
        state = analysis.states[first.assistant]
        unset = [name for name in first.tool.reads if not state[name] & analysis.known[name].set]
        if any(name not in written for name in unset) or _is_never(first):
            continue  # told of as what it comes from
        leads_on = any(one.assistant.name not in analysis.states for one in first.tool.to)
        if unset and set(unset) <= beyond and not leads_on:
            continue  # it follows from what is not reached
        why = f"{', '.join(unset)} cannot be set there" if unset else f"{_name(first)} never holds there"
        yield Finding(
            "never-offered",
            f"{first.tool.name} is never offered at {first.assistant}: {why}",
            keep(
                analysis,
                unset or (first.allow.fields if first.allow is not None else ()),
                "Set the field on a way that leads there, or give the tool to the assistant where it can be called",
            ),
            first.tool.place,
            analysis.path_to(first.assistant),
        )


def _is_never(call: Call) -> bool:
    return call.allow is not None and all(branch.answer is False for branch in call.allow.branches)


def _name(call: Call) -> str:
    return call.allow.name if call.allow is not None else "its condition"


def _similar(analysis: Analysis) -> Iterator[Finding]:
    flow, kind = analysis.flow, analysis.flow.metadata
    yield from _alike("assistants", flow.assistants, lambda name: flow.assistants[name].place)
    # Only what is told of is looked for in the source.
    yield from _alike(
        f"fields of {kind.__name__}", kind.model_fields, lambda name: place_of_field(kind, name, flow.place)
    )
    told: set[Place] = set()
    for assistant in flow.assistants:
        tools = flow.tools_of(assistant)
        for finding in _alike(f"tools of {assistant}", tools, partial(_place_of, tools)):
            if finding.place not in told:
                told.add(finding.place)
                yield finding


def _place_of(tools: Mapping[str, Tool], name: str) -> Place:
    return tools[name].place


def _alike(what: str, names: Iterable[str], place: Callable[[str], Place]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.replace("_", "").lower(), name)
        if other != name:
            yield Finding(
                "similar-names",
                f"two {what} are called {other} and {name}, which a model takes for one",
                "Give them names that differ by a word",
                place(name),
            )


def _many(analysis: Analysis) -> Iterator[Finding]:
    for assistant in analysis.states:
        number = len(analysis.calls[assistant])
        if number > MOST_TOOLS:
            yield Finding(
                "too-many-tools",
                f"{assistant} has {number} tools, more than the {MOST_TOOLS} that every backend takes per run",
                "Share them out among several assistants",
                analysis.flow.assistants[assistant].place,
            )


def _strict(tool: Tool) -> Iterator[Finding]:
    if not tool.strict:
        yield Finding(
            "not-strict",
            f"strict mode cannot express the parameters of {tool.name}: {', '.join(obstacles(tool.schema))}",
            "Say it otherwise (a pattern can bound a length), or leave it to the body, which may raise ToolError",
            tool.place,
        )


def _described(tool: Tool) -> Iterator[Finding]:
    described = tool.arguments.described
    missing = [name for name in tool.schema.get("properties", {}) if name not in described]
    if missing and described:
        yield Finding(
            "missing-description",
            f"{tool.name} describes some of its parameters to the model, but not {', '.join(missing)}",
            "Add a line for each under Args: in the docstring",
            tool.place,
        )
    undescribed = [one.assistant.name for one in tool.to if not one.assistant.description]
    if tool.signature.named(Source.ASSISTANT) and undescribed:
        yield Finding(
            "missing-description",
            f"{tool.name} has the model choose among assistants, but {', '.join(undescribed)} "
            f"{'has' if len(undescribed) == 1 else 'have'} no description",
            "Declare the assistants with description=, one sentence about what each is there for",
            tool.place,
        )


def _chosen(tool: Tool) -> Iterator[Finding]:
    may_choose = tool.signature.may_choose
    if may_choose and names_go(tool.function) is False:
        yield Finding(
            "unused-go",
            f"{tool.name} says that it may return Go, and never does",
            "Take Go out of the return annotation, or return Go(assistant, output)",
            tool.place,
        )
    allowed = {destination.assistant.name for destination in tool.to}
    for line, dest in chooses(tool.function):
        if not may_choose:
            why = "does not say so in its return annotation"
            remedy = "Annotate `-> Go` or `-> Go | str`, and name every destination in to="
        elif isinstance(dest, Assistant) and dest.name not in allowed:
            why = f"goes to {dest.name}, which is not in to="
            remedy = f"Add {dest.name} to to=, or go to {' or '.join(sorted(allowed))}"
        else:
            continue
        yield Finding(
            "undeclared-go",
            f"{tool.name} returns Go and {why}, so every such call fails",
            remedy,
            Place(tool.place.file, line),
        )


def _consulting(tool: Tool) -> Iterator[Finding]:
    for flow in tool.consults:
        if names_flow(tool.function, flow) is False:
            yield Finding(
                "unused-consults",
                f"{tool.name} says that it consults {flow.name}, and never does",
                "Take the flow out of consults=, or ask it by call.consult(...)",
                tool.place,
            )
    for line, flow in consults(tool.function, tool.signature.named(Source.CALL)):
        if all(declared is not flow for declared in tool.consults):
            yield Finding(
                "undeclared-consults",
                f"{tool.name} consults {flow.name}, which is not in consults=, so every such call fails",
                "Name every flow it asks in consults=",
                Place(tool.place.file, line),
            )


def _in_doubt(tool: Tool) -> Iterator[Finding]:
    if tool.takes_deps and (tool.to or tool.consults) and not tool.idempotent and tool.probe is None:
        why = "hands over" if tool.to else "waits for side rooms"
        yield Finding(
            "in-doubt-after-crash",
            f"{tool.name} acts on the world and {why}: after a crash in between nobody knows whether it happened, "
            "and the thread waits for a person",
            "Make it idempotent=True (it may run again with the same key), or give a probe= that can tell",
            tool.place,
        )


def _mentioned(analysis: Analysis, templates: Templates) -> Iterator[Finding]:
    """Tools that instructions name and the assistant does not have."""
    own = {name: set(analysis.flow.tools_of(name)) for name in analysis.flow.assistants}
    everywhere = {tool for tools in own.values() for tool in tools}
    told: set[tuple[Place, str]] = set()
    for assistant in analysis.states:
        for needs, place in templates[assistant]:
            shared = place == analysis.flow.place
            has = everywhere if shared else own[assistant]
            for line, text in needs.texts:
                for name, marked in _names(text):
                    near = difflib.get_close_matches(name, has, n=1, cutoff=0.8) if marked else []
                    foreign = name in everywhere or bool(near)
                    known = name in analysis.flow.assistants or name in analysis.known
                    if name in has or known or not foreign or (place, name) in told:
                        continue
                    told.add((place, name))
                    hint = f"did you mean {near[0]}?" if near else "another assistant has it"
                    of = f"flow {analysis.flow.name}" if shared else assistant
                    yield Finding(
                        "unknown-tool",
                        f"the instructions of {of} name the tool {name} (line {line}), "
                        f"which {'nobody has' if shared else f'{assistant} does not have'}; {hint}",
                        "Name a tool the assistant has, or give it this one",
                        place,
                    )


def _names(text: str) -> Iterator[tuple[str, bool]]:
    """The names in a text, and whether each is marked as code."""
    for found in _QUOTED.finditer(text):
        yield found[1] or found[2], True
    for found in _SNAKE.finditer(text):
        yield found[0], False
