"""Which flows a tool may consult: read from `consults=` where it is written, checked as a whole at the freeze (S)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from handoff.declaration.annotations import is_sequence
from handoff.declaration.metadata import Deps
from handoff.declaration.place import Place
from handoff.declaration.signature import Signature, Source

if TYPE_CHECKING:
    from handoff.declaration.flow import Flow
    from handoff.declaration.tools import Tool


def read_consults(
    flow: Flow[Any, Any], given: Any, name: str, signature: Signature, place: Place
) -> tuple[Flow[Any, Any], ...]:
    """The flows a tool consults.

    Args:
        flow: the flow the tool is declared in.
        given: the option: a flow, or several; None for none.
        name: the tool's name.
        signature: its parameters.
        place: where it was declared.

    Raises:
        DefinitionError: one of them is no flow or the tool's own, needs what this flow does not lend, or the tool has
            no `ToolCall` to consult with.
    """
    if given is None:
        return ()
    listed: tuple[Any, ...] = tuple(given) if is_sequence(given) else (given,)
    if not listed:
        raise place.refuse(f"{name} has consults=(): name a flow, or leave it out")
    for one in listed:
        _check(flow, one, name, place)
    if len({id(one) for one in listed}) < len(listed):
        raise place.refuse(f"{name} names a flow twice in consults=: once is enough for any number of rooms")
    if not signature.named(Source.CALL):
        raise place.refuse(f"{name} has consults= but takes no ToolCall: add `call: ToolCall`, then call.consult(...)")
    return listed


def _check(flow: Flow[Any, Any], one: Flow[Any, Any], name: str, place: Place) -> None:
    if not _is_flow(one, flow):
        raise place.refuse(f"{name} has consults={one!r}, which is no flow: give a flow, or a tuple of flows")
    if one is flow:
        raise place.refuse(f"{name} consults its own flow {flow.name}, which would open rooms without end")
    if one.name == flow.name:
        raise place.refuse(
            f"{name} consults another flow that is called {flow.name}, too: threads are told by that name"
        )
    lent: type[Deps] | None = flow.deps
    needed: type[Deps] | None = one.deps
    if needed is not None and (lent is None or not issubclass(lent, needed)):
        raise place.refuse(
            f"{name} consults {one.name}, which needs deps={needed.__name__}, but the deps of {flow.name} "
            f"are {'none' if lent is None else lent.__name__}: derive them from {needed.__name__}"
        )


def _is_flow(given: object, flow: Flow[Any, Any]) -> bool:
    """Whether it is of the class of flows, whatever its author declared it to be."""
    return isinstance(given, type(flow))


def consulted_by(tools: Iterable[Tool]) -> tuple[Flow[Any, Any], ...]:
    """The flows that these tools consult, each once."""
    return tuple({id(one): one for tool in tools for one in tool.consults}.values())


def check_closure(flow: Flow[Any, Any]) -> None:
    """Refuse rooms without end, and two flows of one name among those reached by consulting.

    Args:
        flow: the flow that is about to be frozen.

    Raises:
        DefinitionError: there are such.
    """
    named = {flow.name: flow}

    def visit(one: Flow[Any, Any], path: tuple[Flow[Any, Any], ...]) -> None:
        for tool in one.declared_tools:
            for next_one in tool.consults:
                if next_one in path:
                    way = " consults ".join(found.name for found in (*path[path.index(next_one) :], next_one))
                    raise tool.place.refuse(f"{way}: rooms would open rooms without end; take one consults= out")
                if named.setdefault(next_one.name, next_one) is not next_one:
                    raise tool.place.refuse(
                        f"two flows called {next_one.name} are consulted from {flow.name}: give them different names"
                    )
                visit(next_one, (*path, next_one))

    visit(flow, (flow,))
