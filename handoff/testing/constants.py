"""The plain values that a function compares something with, read from its code and from what it names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

from handoff.declaration.annotations import is_mapping


def constants_of(function: Any) -> list[Any]:
    """Return the plain values that a function, or one it calls, compares something with.

    Args:
        function: a guard; anything that can be called.
    """
    found: list[Any] = []
    _collect(function, found, set(), 3)
    return list({repr(one): one for one in found}.values())


def _collect(function: Any, found: list[Any], seen: set[int], depth: int) -> None:
    function = getattr(function, "__func__", function)
    code = getattr(function, "__code__", None)
    if code is None:
        # functools.partial, or an object that can be called: what it holds, and what it does.
        held = [*getattr(function, "args", ()), *getattr(function, "keywords", {}).values()]
        for one in [*held, *getattr(function, "__dict__", {}).values()]:
            found.extend(_plain(one))
        inner: Any = getattr(function, "func", None) or type(function).__call__
        if depth and hasattr(inner, "__code__"):
            _collect(inner, found, seen, depth - 1)
        return
    if id(code) in seen:
        return
    seen.add(id(code))
    found.extend(value for one in _constants(code, function.__doc__) for value in _plain(one))
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=False))
    for name in code.co_names:
        _visit(function.__globals__.get(name), found, seen, depth)
    for cell in cells.values():
        try:
            _visit(cell.cell_contents, found, seen, depth)
        except ValueError:
            continue


def _visit(value: Any, found: list[Any], seen: set[int], depth: int) -> None:
    if callable(value) and not isinstance(value, type):
        if depth and hasattr(value, "__code__"):
            _collect(value, found, seen, depth - 1)
        return
    found.extend(_plain(value))


def _constants(code: Any, doc: str | None) -> Iterator[Any]:
    for one in code.co_consts:
        if hasattr(one, "co_consts"):
            yield from _constants(one, None)
        elif one is None or one != doc:
            yield one


def _plain(value: Any) -> Iterator[Any]:
    """Yield the values that JSON has in a constant."""
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield value
    elif isinstance(value, (tuple, list, set, frozenset)):
        items = cast("Iterable[Any]", value)
        yield from (one for item in sorted(items, key=repr) for one in _plain(item))
    elif is_mapping(value):
        yield from (one for key in value for one in _plain(key))
