"""What a setting may be given: the kind it has now decides, and what people write is read as that kind."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeGuard

from handoff import ToolError

Given = str | list[str]
"""A value as people give it: one text, or the items of a list."""

_YES = {"true", "yes", "on"}
_NO = {"false", "no", "off"}
_WORDS = (("yes", "no"), ("on", "off"))
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:(?:[Tt]|[ \t]+)\d\d?:\d\d(?::\d\d(?:\.\d+)?)?(?:[ \t]*(?:Z|[-+]\d\d:?(?:\d\d)?))?)?"
)


Parse = Callable[[str], Any]
"""How the front matter's language reads a bare text; it raises ValueError where that is no value."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a setting is to be.

    Attributes:
        value: the value as the front matter's language has it.
        bare: how it is to be written, if that matters: a date keeps the form it was given in.
    """

    value: Any
    bare: str | None = None


def converted(key: str, now: object, written: str, given: Given, parse: Parse) -> Wanted:
    """The given value in the kind the setting has now.

    Args:
        key: the setting, for the refusal.
        now: its value.
        written: how that is written.
        given: its new value.
        parse: how bare texts are read.

    Raises:
        ToolError: it is not of that kind.
    """
    if is_list(now):
        return Wanted([item(now, one) for one in ([given] if isinstance(given, str) else given)])
    if is_group(now):
        names = ", ".join(map(str, now)) or "none"
        raise ToolError(f"{key} is a group of settings: name one of them as {key}.NAME. They are {names}.")
    if isinstance(given, list):
        if now is not None:
            raise ToolError(f"{key} is a single value and no list: give one text.")
        return added(given, parse)
    if isinstance(now, dt.date) or (isinstance(now, str) and written == now and _MOMENT.fullmatch(now)):
        wanted = _moment(given.strip(), parse)
        if wanted is None or (isinstance(now, dt.date) and not isinstance(wanted.value, dt.date)):
            raise ToolError(f"{key} is a date such as 2026-03-01 or 2026-03-01 12:00:00; {given!r} is not.")
        return wanted
    kinds: dict[type, tuple[str, Callable[[str], Any]]] = {
        bool: ("true or false", _boolean),
        int: ("a whole number", int),
        float: ("a number", _number),
    }
    if type(now) not in kinds:
        return added(given, parse) if now is None else Wanted(given)
    kind, convert = kinds[type(now)]
    try:
        value = convert(given.strip())
        return Wanted(value, _switch(written, value=value) if isinstance(value, bool) else None)
    except (ValueError, OverflowError):
        raise ToolError(f"{key} is {kind}; {given!r} is not.") from None


def added(given: Given, parse: Parse) -> Wanted:
    """A value for a setting that has none: a switch, a number or a date if it is spelled as one, else text.

    Args:
        given: the value.
        parse: how bare texts are read.
    """
    if isinstance(given, list):
        return Wanted([as_written(one) for one in given])
    return _moment(given, parse) or Wanted(as_written(given))


def item(items: list[Any], given: str) -> Any:
    """An item as a list holds it: text among texts, else of the kind it is spelled as.

    Args:
        items: what the list holds.
        given: the item.
    """
    return given if items and all(isinstance(one, str) for one in items) else as_written(given)


def as_written(value: str) -> Any:
    """A switch or a number if the value is spelled as one, else the text: YAML would take 12:30 for a number."""
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        with suppress(ValueError, OverflowError):
            if str(kind(value)) == value and math.isfinite(float(value)):
                return kind(value)
    return value


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether a value is a list."""
    return isinstance(value, list)


def is_group(value: object) -> TypeGuard[dict[Any, Any]]:
    """Whether a value is a group of settings."""
    return isinstance(value, dict)


def same(left: object, right: object) -> bool:
    """Whether two values are alike and of one kind: 1 and true are not."""
    return repr(left) == repr(right)


def _moment(text: str, parse: Parse) -> Wanted | None:
    """A date that stays as it is spelled; None if the text is none."""
    if _MOMENT.fullmatch(text):
        with suppress(ValueError):
            dt.date.fromisoformat(text[:10])
            return Wanted(parse(text), text)
    return None


def _switch(written: str, *, value: bool) -> str | None:
    """A switch in the words that it is written with; None if those are the usual ones."""
    for yes, no in _WORDS:
        if written.lower() in (yes, no):
            word = yes if value else no
            return word.upper() if written.isupper() else word.title() if written.istitle() else word
    return None


def _boolean(value: str) -> bool:
    if value.lower() not in _YES | _NO:
        raise ValueError(value)
    return value.lower() in _YES


def _number(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number
