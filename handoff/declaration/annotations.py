"""Questions about type annotations: what a union holds, what lies inside, whether one type fits another.

Constraints in `Annotated` are looked through here; values are judged against them by pydantic.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ForwardRef, Literal, NewType, TypeGuard, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue
from typing_extensions import TypeAliasType

JSON: Any = JsonValue
"""Any JSON; pydantic spells it as an alias, which stays unopened here."""


def is_mapping(value: Any) -> TypeGuard[Mapping[Any, Any]]:
    """Whether the value is a dict."""
    return isinstance(value, dict)


def is_sequence(value: Any) -> TypeGuard[Sequence[Any]]:
    """Whether the value is a list or a tuple."""
    return isinstance(value, (list, tuple))


def plain(annotation: Any) -> Any:
    """The type below `Annotated`, aliases, `NewType` and type variables (which take their bound). JSON stays JSON."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, TypeAliasType) and annotation is not JSON:
            annotation = annotation.__value__
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, TypeVar):
            annotation = annotation.__bound__ if annotation.__bound__ is not None else object
        else:
            return annotation


def extras(annotation: Any) -> tuple[Any, ...]:
    """What `Annotated` adds to a type, aliases looked through."""
    while isinstance(annotation, TypeAliasType):
        annotation = annotation.__value__
    return get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()


def members(annotation: Any) -> tuple[Any, ...]:
    """The types a union holds, each without `Annotated`; of any other type, the type alone."""
    annotation = plain(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(member for part in get_args(annotation) for member in members(part))
    return (annotation,)


def takes_none(annotation: Any) -> bool:
    """Whether None is a value of the type."""
    return any(member in (None, types.NoneType, Any, object, JSON) for member in members(annotation))


def inside(annotation: Any, seen: set[Any] | None = None) -> Iterator[Any]:
    """The type and every type within it: arguments of generics, parts of unions, fields of pydantic models."""
    seen = set() if seen is None else seen
    yield from extras(annotation)
    annotation = plain(annotation)
    yield annotation
    for part in get_args(annotation) if get_origin(annotation) is not Literal else ():
        yield from inside(part, seen)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in seen:
        seen.add(annotation)
        for field in annotation.model_fields.values():
            yield from inside(field.annotation, seen)


def fits(narrow: Any, wide: Any) -> bool:
    """Whether every value of `narrow` is of type `wide`, constraints left aside."""
    wide_members = members(wide)
    if any(member in (Any, object) for member in wide_members):
        return True
    only, *others = members(narrow)
    if others:
        return all(fits(member, wide) for member in (only, *others))
    return any(_fits_one(only, member) for member in wide_members)


def _fits_one(narrow: Any, wide: Any) -> bool:
    if narrow == wide:
        return True
    if {narrow, wide} == {None, types.NoneType}:
        return True
    if get_origin(narrow) is Literal:
        values = get_args(narrow)
        if get_origin(wide) is Literal:
            return set(values) <= set(get_args(wide))
        return all(_fits_one(type(value), wide) for value in values)
    narrow_class, wide_class = get_origin(narrow) or narrow, get_origin(wide) or wide
    if not (isinstance(narrow_class, type) and isinstance(wide_class, type)):
        return False
    if not (issubclass(narrow_class, wide_class) or (narrow_class is int and wide_class is float)):
        return False
    narrow_parts, wide_parts = get_args(narrow), get_args(wide)
    if not wide_parts:
        return True
    return len(narrow_parts) == len(wide_parts) and all(map(fits, narrow_parts, wide_parts))


def spell(annotation: Any) -> str:
    """A type as its author would write it, for messages."""
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    only, *others = members(annotation)
    if others:
        return " | ".join(spell(member) for member in (only, *others))
    if only in (None, types.NoneType):
        return "None"
    return only.__name__ if isinstance(only, type) and not get_args(only) else str(only).replace("typing.", "")
