"""Recorded calls and outcomes as Python writes them in a test."""

from __future__ import annotations

import json
import keyword
from collections.abc import Mapping, Sequence
from typing import Any, cast

from handoff.core.state import Call

#: Names that `call` and `calls` have for themselves.
_TAKEN = frozenset({"raw", "tool"})


def returned(call: Call, output: str, patch: Mapping[str, Any], to: str | None) -> str:
    """Return the line that says what a body returned, without what follows from `sets` and `clears`."""
    try:
        given: dict[str, Any] = json.loads(call.arguments)
    except ValueError:
        given = {}
    own = {name: value for name, value in patch.items() if value is not None and given.get(name) != value}
    sets = f", sets={literal(own)}" if own else ""
    goes = f", to={literal(to)}" if to is not None and len(call.dests) > 1 else ""
    return f"talk.returns({literal(call.tool)}, {literal(output)}{sets}{goes})"


def called(asked: Sequence[Call], text: str) -> str:
    """Return the arguments of `talk.calls` for these calls."""
    written = [_call(call) for call in asked]
    if text:
        return f"Answer({literal(text)}, ({', '.join(f'call({one})' for one in written)},))"
    return written[0] if len(written) == 1 else ", ".join(f"call({one})" for one in written)


def _call(call: Call) -> str:
    raw = f"{literal(call.tool)}, raw={literal(call.arguments)}"
    try:
        values = json.loads(call.arguments)
        json.dumps(values, allow_nan=False)
    except (ValueError, RecursionError):
        return raw
    if call.answer is not None or not isinstance(values, dict) or _TAKEN & values.keys():
        return raw
    arguments = keywords(values)  # pyright: ignore[reportUnknownArgumentType]
    return f"{literal(call.tool)}, {arguments}" if arguments else literal(call.tool)


def keywords(values: Mapping[str, Any]) -> str:
    """Return the values as keyword arguments; those that Python cannot spell so, as a dictionary."""
    if all(name.isidentifier() and not keyword.iskeyword(name) for name in values):
        return ", ".join(f"{name}={literal(value)}" for name, value in values.items())
    return f"**{literal(values)}"


def literal(value: Any) -> str:
    """Return the value as Python writes it, texts in double quotes where that needs no more escapes."""
    if isinstance(value, str):
        written = repr(value)
        return f'"{written[1:-1]}"' if written[0] == "'" and '"' not in value else written
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value).items()
        return f"{{{', '.join(f'{literal(name)}: {literal(one)}' for name, one in pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"  # pyright: ignore[reportUnknownArgumentType]
    return repr(value)
