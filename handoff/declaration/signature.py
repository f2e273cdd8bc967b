"""What each parameter of a function is, read from its annotation.

Metadata, deps, the call, a field read from metadata, an assistant to choose, or a value the model fills: what can be
none of these is refused.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import SchemaError

from handoff.declaration.annotations import extras, fits, inside, members, plain, spell
from handoff.declaration.assistants import Assistant
from handoff.declaration.guards import name_of, resolve_hints
from handoff.declaration.metadata import Deps, Go, Metadata, Pending, Reads, ToolCall
from handoff.declaration.metadata_class import MUTABLE
from handoff.declaration.place import Scope

REQUIRED: Any = inspect.Parameter.empty
_GIVEN = (Metadata, Deps, ToolCall, Assistant, Go, Pending)


class Source(Enum):
    """Where a parameter's value comes from."""

    MODEL = "model"
    """The model fills it."""
    ASSISTANT = "assistant"
    """The model chooses one of the tool's destinations."""
    READS = "reads"
    """The metadata field of that name, which must be set."""
    METADATA = "metadata"
    """A copy of the metadata."""
    DEPS = "deps"
    """What the process lends."""
    CALL = "call"
    """The tool call."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a tool.

    Attributes:
        name: its name.
        source: where its value comes from.
        annotation: its type, with the constraints on it.
        default: its default, or `REQUIRED`.
    """

    name: str
    source: Source
    annotation: Any
    default: Any = REQUIRED


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's parameters and what it returns.

    Attributes:
        parameters: in order.
        returns: the types it may return, unions taken apart.
    """

    parameters: tuple[Parameter, ...]
    returns: tuple[Any, ...]

    def named(self, *sources: Source) -> tuple[str, ...]:
        """Names of the parameters that come from one of these sources."""
        return tuple(parameter.name for parameter in self.parameters if parameter.source in sources)

    @property
    def may_choose(self) -> bool:
        """Whether the body may return `Go`."""
        return Go in self.returns

    @property
    def may_defer(self) -> bool:
        """Whether the body may return `Pending`."""
        return Pending in self.returns


def read_signature(
    function: Any,
    scope: Scope,
) -> Signature:
    """Read a function as a tool (or a tool's probe or policy).

    Args:
        function: the function.
        scope: where it was declared.

    Raises:
        DefinitionError: it is no plain function, or a parameter or the return type cannot be served.
    """
    if not inspect.isroutine(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise scope.refuse(f"{function!r} is no plain function: write `def` or `async def`, without yield")
    name = name_of(function)
    hints = resolve_hints(function, scope)
    parameters = tuple(
        _read_parameter(name, parameter, hints, scope) for parameter in inspect.signature(function).parameters.values()
    )
    if "return" not in hints:
        raise scope.refuse(f"{name} does not say what it returns: annotate it, for instance `-> str`")
    returns = members(hints["return"])
    for returned in returns:
        if not _can_be_output(returned):
            raise scope.refuse(
                f"{name} returns {spell(returned)}, which is no output: return text, JSON, a model, Go or Pending"
            )
    return Signature(parameters, returns)


def _read_parameter(
    function: str,
    parameter: inspect.Parameter,
    hints: Mapping[str, Any],
    scope: Scope,
) -> Parameter:
    name = parameter.name
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        kind = "positional-only" if parameter.kind is parameter.POSITIONAL_ONLY else "open-ended"
        raise scope.refuse(f"{function} has the {kind} parameter {name}: name and annotate each parameter")
    if name not in hints:
        raise scope.refuse(f"{function}({name}) has no annotation: its type says where its value comes from")
    annotation = hints[name]
    source = _source(f"{function}({name})", name, annotation, scope)
    if source in (Source.MODEL, Source.ASSISTANT):
        _check_default(f"{function}({name})", parameter, annotation, source, scope)
        return Parameter(name, source, annotation, parameter.default)
    if parameter.default is not REQUIRED:
        raise scope.refuse(f"{function}({name}) is always given: leave its default out")
    return Parameter(name, source, annotation)


def _source(spelled: str, name: str, annotation: Any, scope: Scope) -> Source:
    metadata, deps, taken = scope.metadata, scope.deps, plain(annotation)
    if any(isinstance(extra, Reads) for extra in extras(annotation)):
        _check_read(spelled, name, annotation, scope)
        return Source.READS
    if get_origin(taken) is Assistant or taken is Assistant:
        for argument in map(plain, get_args(taken)):
            if isinstance(argument, type) and not issubclass(metadata, argument):
                raise scope.refuse(f"{spelled} is {spell(annotation)}, but the metadata here is {metadata.__name__}")
        return Source.ASSISTANT
    if isinstance(taken, type) and issubclass(taken, ToolCall):
        return Source.CALL
    if isinstance(taken, type) and issubclass(taken, Metadata):
        if not issubclass(metadata, taken):
            raise scope.refuse(
                f"{spelled} takes {taken.__name__}, but the metadata of this flow is {metadata.__name__}"
            )
        return Source.METADATA
    if isinstance(taken, type) and issubclass(taken, Deps):
        if deps is None:
            raise scope.refuse(
                f"{spelled} takes {taken.__name__}, but the flow has none: Flow(..., deps={taken.__name__})"
            )
        if not issubclass(deps, taken):
            raise scope.refuse(f"{spelled} takes {taken.__name__}, but the deps of this flow are {deps.__name__}")
        return Source.DEPS
    _check_value(spelled, annotation, scope)
    return Source.MODEL


def _check_read(spelled: str, name: str, annotation: Any, scope: Scope) -> None:
    metadata = scope.metadata
    field = metadata.model_fields.get(name)
    if field is None:
        raise scope.refuse(f"{spelled} reads a field that {metadata.__name__} does not have: name it after a field")
    kept = [member for member in members(field.annotation) if member not in (None, NoneType)]
    if not all(fits(member, annotation) for member in kept):
        raise scope.refuse(
            f"{spelled} reads {spell(annotation)}, but {metadata.__name__}.{name} is {spell(field.annotation)}"
        )


def _check_value(spelled: str, annotation: Any, scope: Scope) -> None:
    for part in inside(annotation):
        origin = get_origin(part) or part
        if isinstance(part, Reads) or (isinstance(origin, type) and issubclass(origin, _GIVEN)):
            what = "FromMetadata" if isinstance(part, Reads) else origin.__name__
            raise scope.refuse(f"{spelled} has {what} inside {spell(annotation)}: make it a parameter of its own, bare")
        if isinstance(origin, type) and dataclasses.is_dataclass(origin):
            raise scope.refuse(f"{spelled} holds the dataclass {origin.__name__}: use a pydantic model")
    try:
        TypeAdapter(annotation).json_schema()
    except (PydanticUserError, SchemaError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise scope.refuse(
            f"{spelled} is {spell(annotation)}, which the model cannot fill ({reason}): "
            "use JSON types, or lend it through a class derived from Deps"
        ) from None


def _check_default(spelled: str, parameter: inspect.Parameter, annotation: Any, source: Source, scope: Scope) -> None:
    default = parameter.default
    if default is REQUIRED:
        return
    if source is Source.ASSISTANT:
        raise scope.refuse(f"{spelled} has a default: the model chooses the assistant; leave the default out")
    if isinstance(default, FieldInfo):
        raise scope.refuse(f"{spelled} has Field(...) as its default: write Annotated[..., Field(...)]")
    if isinstance(default, MUTABLE):
        raise scope.refuse(f"{spelled} has a mutable default, which all calls would share: use None and make it inside")
    try:
        TypeAdapter(annotation).validate_python(default)
    except ValidationError as error:
        problem = error.errors()[0]["msg"]
        raise scope.refuse(f"{spelled} has the default {default!r}, which its type refuses: {problem}") from None


def _can_be_output(returned: Any) -> bool:
    """Whether a returned value can become the call's output: text, JSON, `Go` or `Pending`."""
    returned = plain(returned)
    if returned in (None, NoneType, Go, Pending, JsonValue):
        return True
    return any(fits(returned, simple) for simple in (str, bool, int, float)) or _is_json(returned)


def _is_json(kind: Any) -> bool:
    origin, arguments = get_origin(kind) or kind, get_args(kind)
    if isinstance(origin, type) and issubclass(origin, BaseModel):
        return not issubclass(origin, Metadata)
    if origin is list:
        return all(_can_be_json(argument) for argument in arguments)
    if origin is dict:
        return not arguments or (plain(arguments[0]) is str and _can_be_json(arguments[1]))
    return False


def _can_be_json(kind: Any) -> bool:
    return kind in (Any, object) or all(
        member not in (Go, Pending) and _can_be_output(member) for member in members(kind)
    )
