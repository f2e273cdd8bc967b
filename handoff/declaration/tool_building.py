"""A tool is made of a function and its options, or refused.

Everything about the declaration that can be wrong is refused where it is written, before the flow knows the tool.
"""

from __future__ import annotations

import inspect
import math
import re
from types import NoneType
from typing import TYPE_CHECKING, Any

from handoff.declaration.annotations import fits, members, plain, spell, takes_none
from handoff.declaration.arguments import Arguments
from handoff.declaration.assistants import Destination, ToolOptions
from handoff.declaration.consults import read_consults
from handoff.declaration.docstrings import read_docstring
from handoff.declaration.guards import check_guard, is_async, name_of
from handoff.declaration.place import Place, Scope, as_given
from handoff.declaration.routes import read_destinations
from handoff.declaration.signature import Signature, Source, read_signature
from handoff.declaration.tools import Tool

if TYPE_CHECKING:
    from handoff.declaration.flow import Flow

RESERVED = frozenset({"state", "then", "after", "on_limit", "end", "back", "trigger", "model"})
"""Names a tool cannot have: other triggers, and what `transitions` keeps for itself."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""What every provider accepts as the name of a function or speaker."""


def name_problem(name: object, reserved: frozenset[str]) -> str | None:
    """What is wrong with the name of a flow, an assistant or a tool, or None."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"the name {name!r} cannot be used: start with a letter, then letters, digits and _, at most 64 in ASCII"
    if name in reserved:
        return f"the name {name!r} is reserved: choose another"
    return None


def build_tool(
    flow: Flow[Any, Any], function: Any, owners: tuple[str, ...], options: ToolOptions[Any], scope: Scope
) -> Tool:
    """Make a tool of a function.

    Args:
        flow: the flow it is declared in.
        function: the function.
        owners: names of the assistants that have it; none for every one but the destinations.
        options: as given to the decorator.
        scope: where it was declared.

    Raises:
        DefinitionError: something about it cannot work.
    """
    if not inspect.isroutine(function):
        raise scope.refuse(f"{function!r} is no plain function: write `def` or `async def`")
    place = scope.place
    name = name_of(function)
    if problem := name_problem(name, RESERVED):
        raise place.refuse(problem)
    signature = read_signature(function, scope)
    description = read_docstring(function)
    if not description.text:
        raise place.refuse(f"{name} has no docstring: say in it what the tool does, the model reads it")
    given = options.get("to")
    to = () if given is None else read_destinations(flow, given, place, what=name, chooses=signature.may_choose)
    sets, clears = _fields(options.get("sets", ())), _fields(options.get("clears", ()))
    _check_choice(name, signature, to, place)
    _check_effects(name, signature, sets, clears, scope)
    _check_options(name, options, to, place)
    if (allow := options.get("allow")) is not None:
        check_guard(allow, f"allow of {name}", scope)
    arguments = Arguments(
        signature,
        choices={destination.assistant.name: destination.assistant for destination in to},
        descriptions=description.parameters,
        stored=flow.metadata,
        sets=sets,
    )
    approval, probe = options.get("approval", False), options.get("probe")
    consults = read_consults(flow, as_given(options.get("consults")), name, signature, place)
    # What only asks other flows has no effect of its own: an attempt that is made again finds their answers.
    only_asks = bool(consults) and not signature.named(Source.DEPS)
    return Tool(
        name=name,
        description=description.text,
        function=function,
        owners=owners,
        signature=signature,
        arguments=arguments,
        place=place,
        to=to,
        sets=sets,
        clears=clears,
        allow=allow,
        speak=options.get("speak", True),
        approval=approval,
        approval_signature=None if isinstance(approval, bool) else _beside(approval, name, signature, scope),
        idempotent=options.get("idempotent", only_asks and probe is None),
        probe=probe,
        probe_signature=None if probe is None else _beside(probe, name, signature, scope, probe=True),
        timeout=options.get("timeout"),
        consults=consults,
    )


def _fields(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _check_choice(name: str, signature: Signature, to: tuple[Destination[Any], ...], place: Place) -> None:
    chosen = signature.named(Source.ASSISTANT)
    if chosen and not to:
        raise place.refuse(f"{name}({chosen[0]}) chooses an assistant, but the tool has no to=: name the choices there")
    if chosen and not signature.may_choose:
        raise place.refuse(f"{name}({chosen[0]}) moves nothing by itself: return Go({chosen[0]}, ...) and annotate it")
    if signature.may_choose and not to:
        raise place.refuse(f"{name} returns Go, but the tool has no to=: name the destinations there")


def _check_effects(
    name: str, signature: Signature, sets: tuple[str, ...], clears: tuple[str, ...], scope: Scope
) -> None:
    metadata, place = scope.metadata, scope.place
    fields = metadata.model_fields
    for option, listed in (("sets", sets), ("clears", clears)):
        for field_name in listed:
            if field_name not in fields:
                raise place.refuse(
                    f"{name} has {option}={field_name!r}, but {metadata.__name__} has no such field: "
                    f"its fields are {', '.join(fields) or 'none'}"
                )
    if both := set(sets) & set(clears):
        raise place.refuse(f"{name} both sets and clears {', '.join(sorted(both))}: keep one")
    for field_name in clears:
        if not takes_none(fields[field_name].annotation):
            spelled = spell(fields[field_name].annotation)
            raise place.refuse(f"{name} clears {field_name}, which cannot be None: declare it `{spelled} | None`")
    arguments = {parameter.name: parameter for parameter in signature.parameters if parameter.source is Source.MODEL}
    copies = [plain(parameter.annotation) for parameter in signature.parameters if parameter.source is Source.METADATA]
    for field_name in sets:
        wide = fields[field_name].annotation
        if field_name in arguments:
            kept = [one for one in members(arguments[field_name].annotation) if one not in (None, NoneType)]
            if not all(fits(one, wide) for one in kept):
                narrow = spell(arguments[field_name].annotation)
                raise place.refuse(f"{name} sets {field_name} from {narrow}, but the field is {spell(wide)}")
        elif not any(field_name in copy.model_fields for copy in copies):
            raise place.refuse(
                f"{name} sets {field_name}, but has no argument of that name: add one, "
                f"or take `metadata: {metadata.__name__}` and assign it"
            )
        elif signature.may_defer:
            raise place.refuse(f"{name} may return Pending, so its body cannot set {field_name}: make it an argument")


def _check_options(name: str, options: ToolOptions[Any], to: tuple[Destination[Any], ...], place: Place) -> None:
    speak = as_given(options.get("speak", True))
    if speak not in (True, False, "output"):
        raise place.refuse(f"{name} has speak={speak!r}: give True, False or 'output'")
    if speak is not True and not to:
        raise place.refuse(f"{name} has speak={speak!r} but no to=: there is no new assistant to speak")
    timeout = as_given(options.get("timeout"))
    if timeout is not None and not (
        isinstance(timeout, (int, float)) and timeout is not True and math.isfinite(timeout) and timeout > 0
    ):
        raise place.refuse(f"{name} has timeout={timeout!r}: give seconds above zero")
    idempotent = as_given(options.get("idempotent", False))
    if not isinstance(idempotent, bool):
        raise place.refuse(f"{name} has idempotent={idempotent!r}: give True or False")


def _beside(function: Any, name: str, signature: Signature, scope: Scope, *, probe: bool = False) -> Signature:
    """The signature of a function that stands beside the body and takes some of its parameters."""
    role = "probe" if probe else "approval"
    place = scope.place
    if not inspect.isroutine(function):
        raise place.refuse(f"{name} has {role}={function!r}: give a function of some of its parameters")
    if not probe and is_async(function):
        raise place.refuse(f"the approval policy of {name}, {name_of(function)}, is async: write a plain function")
    read = read_signature(function, scope)
    wanted = (str, NoneType) if probe else (bool,)
    if not set(read.returns) <= {*wanted, None}:
        spelled = "str | None: the output, or None if it did not happen" if probe else "bool"
        raise place.refuse(f"the {role} of {name}, {name_of(function)}, must return {spelled}")
    injected = (Source.METADATA, Source.DEPS, Source.CALL) if probe else (Source.METADATA,)
    own = {parameter.name: parameter for parameter in signature.parameters}
    for parameter in read.parameters:
        if parameter.source in injected:
            continue
        match = own.get(parameter.name)
        if match is None or match.source not in (Source.MODEL, Source.ASSISTANT, Source.READS):
            raise place.refuse(f"the {role} of {name} takes {parameter.name}, which {name} itself does not take")
        if not all(fits(one, parameter.annotation) for one in members(match.annotation)):
            raise place.refuse(
                f"the {role} of {name} takes {parameter.name} as {spell(parameter.annotation)}, "
                f"but there it is {spell(match.annotation)}"
            )
    return read
