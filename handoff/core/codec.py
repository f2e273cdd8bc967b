"""Events as JSON and back, for the journal: `{"type": "RunStarted", "at": …}`, nested values as objects.

Fields at their default are left out, so a field can be added with a default and old journals still load. An event
type or a field that this version does not know is refused: a journal is never read with a guess. Where a value may be
of several classes it carries its class's name as `type`; bytes are written in base 64.
"""

from __future__ import annotations

import types
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from handoff.core.events import Event
from handoff.core.parts import Part
from handoff.errors import StoreError

_SCALARS = frozenset({str, int, float, bool, type(None)})

TYPES: dict[str, type] = {kind.__name__: kind for kind in get_args(Event)}
#: The classes of values that are told apart by a `type` of their own.
TAGGED: frozenset[type] = frozenset(get_args(Part))


def dump(event: Event) -> dict[str, Any]:
    """Return the event as JSON, with its `type`."""
    return _written(event, {"type": event.__class__.__name__})


def load(data: Mapping[str, Any]) -> Event:
    """Return the event of that JSON.

    Args:
        data: what `dump` returned, possibly of an older version.

    Raises:
        StoreError: if the type or a field is unknown, or a field is missing.
    """
    kind = TYPES.get(data.get("type", ""))
    if kind is None:
        raise StoreError(f"the journal holds an event of the unknown type {data.get('type')!r}; use the newer version")
    return cast("Event", _loader(kind)({name: value for name, value in data.items() if name != "type"}))


def dump_parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return the parts of a message as JSON."""
    return [_plain(part) for part in parts]


def load_parts(data: Sequence[Mapping[str, Any]]) -> tuple[Part, ...]:
    """Return the parts of that JSON.

    Args:
        data: what `dump_parts` returned.

    Raises:
        StoreError: if a type or a field is unknown.
    """
    return tuple(map(_tagged, data))


def _written(value: Any, out: dict[str, Any]) -> dict[str, Any]:
    for name, default in _defaults(value.__class__):
        one = getattr(value, name)
        if one is not default and one != default:  # a default that is MISSING is equal to nothing
            out[name] = one if one.__class__ in _SCALARS else _plain(one)
    return out


def _plain(value: Any) -> Any:
    if value.__class__ in _SCALARS:
        return value
    if isinstance(value, Enum):
        return value.value
    if value.__class__ is tuple:
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if value.__class__ in TAGGED:
        return _written(value, {"type": value.__class__.__name__})
    if is_dataclass(value):
        return _written(value, {})
    return value


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((one.name, one.default) for one in fields(kind))


@cache
def _loader(kind: type) -> Callable[[Any], Any]:
    hints = get_type_hints(kind)
    loaders = {one.name: _value(hints[one.name]) for one in fields(kind)}

    def load_object(data: Any) -> Any:
        unknown = data.keys() - loaders.keys()
        if unknown:
            raise StoreError(f"the journal's {kind.__name__} has unknown fields {sorted(unknown)}")
        try:
            return kind(**{name: loaders[name](value) for name, value in data.items()})
        except TypeError as error:
            raise StoreError(f"the journal's {kind.__name__} cannot be read: {error}") from error

    return load_object


def _value(hint: Any) -> Callable[[Any], Any]:
    origin = get_origin(hint)
    if origin is tuple:
        inner = [_value(one) for one in get_args(hint) if one is not Ellipsis]
        if get_args(hint)[-1] is Ellipsis:
            return lambda value: tuple(inner[0](one) for one in value)
        return lambda value: tuple(load(one) for load, one in zip(inner, value, strict=True))
    if origin in {Union, types.UnionType}:
        options = [one for one in get_args(hint) if one is not type(None)]
        if TAGGED.issuperset(options) and len(options) > 1:
            return _tagged
        inner_one = _value(options[0]) if len(options) == 1 else _same
        return lambda value: None if value is None else inner_one(value)
    if origin is Literal or not isinstance(hint, type):
        return _same
    if is_dataclass(hint):
        return _loader(hint)
    if hint is bytes:
        return b64decode
    return hint if issubclass(hint, Enum) else _same


def _tagged(value: Any) -> Any:
    kind = next((one for one in TAGGED if one.__name__ == value.get("type")), None)
    if kind is None:
        raise StoreError(f"the journal holds a value of the unknown type {value.get('type')!r}; use the newer version")
    return _loader(kind)({name: one for name, one in value.items() if name != "type"})


def _same(value: Any) -> Any:
    return value
