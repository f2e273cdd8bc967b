"""A short text that matches a regular expression, written along the pattern as the standard library parses it.

It is only an offer: whoever asked tries it against the pattern. What looks around in the text is not followed.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

#: The only parser of patterns that the standard library has; it is not public, but as old as `re`.
_parser = importlib.import_module("re._parser")


def matching(pattern: str) -> Iterator[str]:
    """Yield short texts that match a pattern, where Python reads it as pydantic does."""
    try:
        parts: Any = _parser.parse(pattern)
        for more in (0, 1):
            yield "".join(_written(part, more) for part in parts)
    except (re.error, ValueError, OverflowError, RecursionError):
        return


def _written(part: tuple[Any, Any], more: int) -> str:
    """Return a text for one part of a parsed pattern.

    Args:
        part: what it is, and its details.
        more: how many more than the fewest repetitions.
    """
    kind, detail = str(part[0]), part[1]
    match kind:
        case "LITERAL":
            return chr(detail)
        case "NOT_LITERAL":
            return next(one for one in _CHARACTERS if ord(one) != detail)
        case "ANY":
            return "a"
        case "IN":
            return next(one for one in _CHARACTERS if _is_in(one, detail))
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            fewest, most, inner = detail
            return "".join(_written(one, more) for _ in range(min(fewest + more, int(most))) for one in inner)
        case "SUBPATTERN" | "ATOMIC_GROUP":
            inner = detail[-1] if kind == "SUBPATTERN" else detail
            return "".join(_written(one, more) for one in inner)
        case "BRANCH":
            return "".join(_written(one, more) for one in detail[1][0])
        case _:  # an anchor, or what looks around: it takes no character
            return ""


_CHARACTERS = [chr(one) for one in (*range(97, 123), *range(65, 91), *range(48, 58), *range(32, 127), *range(161, 592))]
_CLASSES: Mapping[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_NOT_DIGIT": lambda one: not one.isdigit(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda one: not one.isspace(),
    "CATEGORY_WORD": lambda one: one.isalnum() or one == "_",
    "CATEGORY_NOT_WORD": lambda one: not (one.isalnum() or one == "_"),
}


def _is_in(one: str, members: Sequence[tuple[Any, Any]]) -> bool:
    """Return whether a character is in a set, such as ``[a-z0-9]``."""
    found = False
    for kind, detail in members:
        match str(kind):
            case "LITERAL":
                found |= ord(one) == detail
            case "RANGE":
                found |= detail[0] <= ord(one) <= detail[1]
            case "CATEGORY":
                found |= _CLASSES[str(detail)](one)
            case _:
                pass
    return found is not any(str(kind) == "NEGATE" for kind, _ in members)
