"""What a store is given, as text: JSON that every store writes and reads alike.

Content is encoded the moment it arrives, so a later change by the caller does not show, and what could not be read back
is refused before anything is written. The text is ASCII: a NUL or a lone surrogate is data like any other.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from handoff.errors import ConfigurationError

#: How deep lists and objects may nest. Far below Python's recursion limit, so that what is written can be read from
#: wherever the reader's own calls stand.
DEPTH = 500

#: Between the two lie the code points that UTF-8 cannot write.
_FIRST_SURROGATE, _FIRST_BEHIND_SURROGATES = 0xD800, 0xE000

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


def _mapping(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise TypeError(f"{type(value).__name__} is not JSON")


_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=_mapping).encode


def encode(value: object) -> str:
    """Return the value as JSON text in ASCII.

    Raises:
        ConfigurationError: if it is not JSON: another type, NaN, an infinity, a cycle, or nesting beyond `DEPTH`.
    """
    try:
        text = _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"a store keeps JSON, and this is not: {error}") from error
    if text.count("[") + text.count("{") > DEPTH and _depth(text) > DEPTH:
        raise ConfigurationError(f"a store keeps JSON nested at most {DEPTH} deep; give flatter data")
    return text


def _depth(text: str) -> int:
    depth = deepest = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        mark = found.group()
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth -= 1
    return deepest


def decode(text: str) -> Any:
    """Return the value whose text `encode` made: a fresh one on every call."""
    return json.loads(text)


def same(one: str, other: str) -> bool:
    """Tell whether two encoded values are the same JSON, whatever the order of their keys."""
    return one == other or _sorted(one) == _sorted(other)


def _sorted(text: str) -> str:
    # Compared as text: in Python 1 == 1.0 == True, in JSON they are three values.
    return json.dumps(json.loads(text), sort_keys=True)


def beyond(prefix: str) -> str | None:
    """Return the first name behind all that begin with the prefix, as every store orders them: by code point.

    Args:
        prefix: what names begin with.

    Returns:
        None if no name is behind them.
    """
    while prefix:
        last = ord(prefix[-1])
        if last < sys.maxunicode:
            return prefix[:-1] + chr(_FIRST_BEHIND_SURROGATES if last + 1 == _FIRST_SURROGATE else last + 1)
        prefix = prefix[:-1]
    return None


def check_name(name: str) -> str:
    """Return a thread's id or an idempotency key as it was given, if every store can keep it as it is.

    Raises:
        ConfigurationError: if it holds a NUL or a lone surrogate, which databases and UTF-8 do not.
    """
    if "\0" in name:
        raise ConfigurationError(f"the name {name!r} holds a NUL character; leave it out")
    if not name.isascii():
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise ConfigurationError(f"the name {name!r} holds a lone surrogate; UTF-8 cannot write it") from error
    return name


def birth_of(thread: str, first: str) -> str:
    """Return a thread's birth, by which it is told from an earlier and a later one of its id.

    Args:
        thread: its id, which is the birth of a thread that is older than births.
        first: its first event, as text.
    """
    return decode(first).get("birth") or thread
