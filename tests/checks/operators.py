"""Small faults put into a flow on purpose, one at a time, to see whether the checks find them."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from handoff import DefinitionError, Flow, Go
from handoff.checks import Finding, Report, check, refused
from handoff.declaration.assistants import Assistant, Destination
from handoff.declaration.routes import Route
from handoff.declaration.tools import Tool

FLOWS = Path(__file__).parents[2] / "flows"


def flows_of_this_project() -> dict[str, Flow[Any, Any]]:
    """Every flow in flows/, by name."""
    names = sorted(path.stem for path in FLOWS.iterdir() if path.suffix == ".py" or any(path.glob("*.py")))
    modules = [importlib.import_module(f"flows.{name}") for name in names if not name.startswith("_")]
    found = [one for module in modules for one in vars(module).values() if isinstance(one, Flow)]
    return {flow.name: flow for flow in found}


@dataclass(frozen=True)
class Declared:
    """What an author declared, to be changed and declared again."""

    flow: Flow[Any, Any]
    tools: tuple[Tool, ...]
    routes: tuple[Route, ...]
    texts: dict[str, str]
    """The instructions of each assistant; those of the flow under an empty name."""

    @classmethod
    def of(cls, flow: Flow[Any, Any]) -> Declared:
        """Take a flow apart."""
        texts = {name: one.instructions.text for name, one in flow.assistants.items() if one.instructions is not None}
        shared = {"": flow.instructions.text} if flow.instructions is not None else {}
        return cls(flow, tuple(flow._tools), tuple(flow.routes._declared.values()), texts | shared)

    def again(self) -> Flow[Any, Any]:
        """Declare it as a flow of its own."""
        old = self.flow
        flow: Flow[Any, Any] = Flow(
            old.name, metadata=old.metadata, deps=old.deps, limits=old.limits, instructions=self.texts.get("")
        )
        for name, one in old.assistants.items():
            flow.assistant(
                name,
                instructions=self.texts[name],
                model=one.model,
                description=one.description,
                temperature=one.options.temperature,
                tool_choice=one.options.tool_choice,
                max_output_tokens=one.options.max_output_tokens,
                view=one.options.view,
            )
        for tool in self.tools:
            flow.tool(*(flow.assistants[name] for name in tool.owners), **_options(tool, flow))(tool.function)
        for route in self.routes:
            to = _to(route.destinations, flow)
            if route.kind == "limit":
                flow.on_limit(to)
            elif route.kind == "then":
                flow.assistants[route.source].then(*to, speak=bool(route.speak))
            else:
                assert route.delay is not None
                flow.assistants[route.source].after(route.delay, to=to, speak=bool(route.speak))
        self._place(flow)
        flow.freeze()
        return flow

    def _place(self, flow: Flow[Any, Any]) -> None:
        """Have it declared where the author declared it, so that findings name the author's lines."""
        flow.place = self.flow.place
        for name, one in self.flow.assistants.items():
            object.__setattr__(flow.assistants[name], "place", one.place)
        for key, route in flow.routes._declared.items():
            flow.routes._declared[key] = replace(route, place=self.flow.routes._declared[key].place)


def _options(tool: Tool, flow: Flow[Any, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {
        name: getattr(tool, name) for name in ("sets", "clears", "approval", "idempotent", "timeout")
    }
    for name in ("allow", "probe"):
        if getattr(tool, name) is not None:
            options[name] = getattr(tool, name)
    if tool.to:
        options["to"] = _to(tool.to, flow)
    if tool.speak is not True:
        # An author who forgets to= has not taken speak= away.
        options["speak"] = tool.speak
    return options


def _to(destinations: tuple[Destination[Any], ...], flow: Flow[Any, Any]) -> tuple[Any, ...]:
    def own(assistant: Assistant[Any]) -> Assistant[Any]:
        special = {"end": flow.end, "back": flow.back}
        return special.get(assistant.name) or flow.assistants[assistant.name]

    return tuple(
        own(one.assistant)
        if one.guard is None and one.times is None
        else own(one.assistant).when(one.guard, times=one.times)
        for one in destinations
    )


@dataclass(frozen=True)
class Mutant:
    """A flow with one fault.

    Attributes:
        operator: what kind of fault.
        what: where it is.
        words: what a finding must name to have found it: all words of one of these groups.
        declared: the faulty declaration.
    """

    operator: str
    what: str
    words: tuple[tuple[str, ...], ...]
    declared: Declared

    def report(self) -> Report:
        """What the checks say; a refused declaration is a finding."""
        try:
            return check(self.declared.again())
        except DefinitionError as error:
            return refused(self.declared.flow.name, error)

    def named_by(self, finding: Finding) -> bool:
        """Whether a finding names the place of the fault."""
        return any(names(finding, *group) for group in self.words)


def names(finding: Finding, *words: str) -> bool:
    """Whether a finding's own words, its path left aside, hold all of these."""
    said = set(re.findall(r"[\w:]*\w", f"{finding.problem} {finding.remedy}"))
    return said.issuperset(words)


def mutants(flow: Flow[Any, Any]) -> Iterator[Mutant]:
    """Every mutant of a flow."""
    declared = Declared.of(flow)
    yield from _fields(declared, "sets")
    yield from _fields(declared, "clears")
    # A body that names its destination is tried in no order, so that turning it round changes nothing.
    chosen = {_place(tool) for tool in declared.tools if tool.signature.returns == (Go,)}
    for place, trigger, sources, destinations, change in _every_destinations(declared):
        routed = trigger not in {tool.name for tool in declared.tools}
        for position, one in enumerate(destinations):
            rest = destinations[:position] + destinations[position + 1 :]
            own = ((one.guard.__name__,),) if one.guard is not None else ()
            lost = (*own, *((at, one.assistant.name) for at in sources)) if routed else (*own, (trigger,))
            yield Mutant("drop a transition", f"{place} -> {one.assistant.name}", lost, change(rest))
            if one.guard is not None:
                turned = replace(one, guard=_negated(one.guard))
                both = (*destinations[:position], turned, *destinations[position + 1 :])
                guard = (turned.guard.__name__,)
                yield Mutant("negate a guard", f"{place} -> {one.assistant.name}", (guard,), change(both))
        if len(destinations) > 1 and place not in chosen:
            yield Mutant("reverse destinations", place, ((trigger,),), change(destinations[::-1]))
    for tool in declared.tools:
        if tool.allow is not None:
            changed = replace(tool, allow=_negated(tool.allow))
            guard = (changed.allow.__name__,)
            yield Mutant("negate a guard", f"allow of {tool.name}", (guard,), _with_tool(declared, tool, changed))
    for name, text in declared.texts.items():
        for field in flow.metadata.model_fields:
            renamed = re.sub(rf"(?<=\{{\{{|\{{%)([^}}%]*)\b{field}\b", rf"\g<1>{field}_", text)
            if renamed != text:
                changed_texts = declared.texts | {name: renamed}
                what = f"{field} in the instructions of {name or flow.name}"
                group = (f"{field}_", name or flow.name)
                yield Mutant("rename a placeholder", what, (group,), replace(declared, texts=changed_texts))


def _fields(declared: Declared, option: str) -> Iterator[Mutant]:
    for tool in declared.tools:
        for name in getattr(tool, option):
            rest = tuple(one for one in getattr(tool, option) if one != name)
            changed = replace(tool, **{option: rest})
            what = f"{name} of {tool.name}"
            yield Mutant(f"drop a field of {option}", what, ((tool.name, name),), _with_tool(declared, tool, changed))


Change = Callable[[tuple[Destination[Any], ...]], Declared]


Place = tuple[str, str, tuple[str, ...], tuple[Destination[Any], ...], Change]
"""What it is called, the trigger, the assistants it is at, where it leads, and how to declare another in its place."""


def _every_destinations(declared: Declared) -> Iterator[Place]:
    """Each list of destinations; changed to an empty one, the trigger is taken away."""
    for tool in declared.tools:
        if tool.to:
            yield _place(tool), tool.name, tool.owners, tool.to, _of_tool(declared, tool)
    for route in declared.routes:
        yield _route(route), route.trigger, (route.source,), route.destinations, _of_route(declared, route)


def _place(tool: Tool) -> str:
    return f"{tool.name} of {tool.owners}"


def _route(route: Route) -> str:
    return f"{route.trigger} of {route.source}"


def _of_tool(declared: Declared, tool: Tool) -> Change:
    return lambda destinations: _with_tool(declared, tool, replace(tool, to=destinations))


def _of_route(declared: Declared, route: Route) -> Change:
    def change(destinations: tuple[Destination[Any], ...]) -> Declared:
        changed = (replace(route, destinations=destinations),) if destinations else ()
        routes = [part for one in declared.routes for part in (changed if one is route else (one,))]
        return replace(declared, routes=tuple(routes))

    return change


def _with_tool(declared: Declared, tool: Tool, changed: Tool) -> Declared:
    return replace(declared, tools=tuple(changed if one is tool else one for one in declared.tools))


def _negated(guard: Callable[[Any], bool]) -> Callable[[Any], bool]:
    def negated(metadata: Any) -> bool:
        return not guard(metadata)

    negated.__name__ = f"not_{getattr(guard, '__name__', 'guard')}"
    return negated
