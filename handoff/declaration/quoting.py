"""How values stand in instructions: as data.

Free text is written as a JSON string that no model can take for the end of the quotation or for another speaker's line;
numbers, dates and words from a closed list stand bare.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from handoff.declaration.annotations import extras, is_mapping, is_sequence, members

_JOINERS = "\u200c\u200d"
"""Invisible, but words and emoji are written with them."""

_ESCAPED = frozenset("<>")
"""What could open or close a tag."""

_SCALARS = (bool, int, float, Decimal, dt.date, dt.time, dt.timedelta)
"""Types whose values are spelled in a closed alphabet."""


class Bare(str):
    """Text that stands as it is. Whatever is made from it by a filter is a plain `str` again, and is quoted."""

    __slots__ = ()


class Record:
    """The fields of a pydantic model inside metadata, for a template to look at."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(name) from None


def present(value: Any, annotation: Any, constraints: tuple[Any, ...] = ()) -> Any:
    """A metadata value as templates see it: what may stand bare is marked so.

    Args:
        value: the value.
        annotation: the type it was declared with.
        constraints: what `Annotated` adds to the type, as far as the annotation does not hold it.
    """
    if isinstance(value, Enum):
        return Bare(value.value) if isinstance(value.value, str) else present(value.value, Any)
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return Record({name: present_field(getattr(value, name), field) for name, field in fields.items()})
    if isinstance(value, str):
        return Bare(value) if _closed(value, annotation, constraints) else str.__str__(value)
    part: Any = next((one for one in members(annotation) if get_origin(one) in (list, tuple, dict)), None)
    kinds = get_args(part)
    if is_mapping(value):
        kind = kinds[1] if len(kinds) > 1 else Any
        return {key: present(one, kind) for key, one in value.items()}
    if is_sequence(value):
        if get_origin(part) is not tuple or Ellipsis in kinds:
            kinds = (kinds[0] if kinds else Any,) * len(value)
        return [present(one, kind) for one, kind in zip(value, kinds, strict=False)]
    return str(value)


def present_field(value: Any, field: FieldInfo) -> Any:
    """A field's value as templates see it."""
    return present(value, field.annotation, tuple(field.metadata))


def write(value: Any) -> str:
    """A value as it stands in instructions."""
    if isinstance(value, Bare):
        return str.__str__(value)
    return _scalar(value) if isinstance(value, _SCALARS) else quote(value)


def write_plain(value: Any) -> str:
    """A value as it stands where the author opts out of quoting."""
    if isinstance(value, str):
        return str.__str__(value)
    return _scalar(value) if isinstance(value, _SCALARS) else json.dumps(_unwrap(value), ensure_ascii=False)


def quote(value: Any) -> str:
    """A value as JSON in which every character is visible and none can open a tag or end the quotation."""
    return "".join(map(_visible, json.dumps(_unwrap(value), ensure_ascii=False)))


def _unwrap(value: Any) -> Any:
    """The value as JSON values."""
    if isinstance(value, Record):
        value = value._values  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  (templates reach attributes)
    if is_mapping(value):
        return {str(key): _unwrap(one) for key, one in value.items()}
    if is_sequence(value):
        return [_unwrap(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else _scalar(value)


def _visible(character: str) -> str:
    if (character.isprintable() or character in _JOINERS) and character not in _ESCAPED:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else json.dumps(character)[1:-1]  # noqa: PLR2004  (the last of 16 bits)


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else str(to_jsonable_python(value))


def _closed(value: str, annotation: Any, constraints: tuple[Any, ...]) -> bool:
    """Whether a text comes from a closed list, or from an anchored pattern and without invisible characters."""
    if any(get_origin(one) is Literal and value in get_args(one) for one in members(annotation)):
        return True
    found = [*constraints, *_constraints(annotation)]
    return value.isprintable() and any(_anchored(getattr(one, "pattern", None)) for one in found)


def _constraints(annotation: Any) -> list[Any]:
    """What `Annotated` adds to a type or to one of the types of a union."""
    found = list(extras(annotation))
    for part in get_args(annotation):
        found += extras(part)
    return found


def _anchored(pattern: Any) -> bool:
    """Whether a pattern holds from the first character to the last: ``^...$`` with no ``|`` outside parentheses."""
    text = getattr(pattern, "pattern", pattern)
    if not isinstance(text, str) or not text.startswith("^") or not text.endswith("$") or text.endswith("\\$"):
        return False
    depth, inside_class, escaped = 0, False, False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif inside_class:
            inside_class = character != "]"
        elif character == "[":
            inside_class = True
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "|" and depth == 0:
            return False
    return True
