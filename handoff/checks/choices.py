"""Where a function returns `Go`, read from its source."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

from handoff.checks.bodies import resolve, source_of
from handoff.metadata import Go


def chooses(function: Any) -> tuple[tuple[int, Any], ...]:
    """The places where a function returns `Go`: the line, and the destination if it is written out (else None)."""
    found = source_of(function)
    if found is None:
        return ()
    tree, first = found
    return tuple(
        (first + call.lineno - 1, resolve(function, call.args[0]) if call.args else None)
        for statement in ast.walk(tree)
        if isinstance(statement, ast.Return) and statement.value is not None
        for call in ast.walk(statement.value)
        if isinstance(call, ast.Call) and resolve(function, call.func) is Go
    )


def names_go(function: Any, seen: set[Any] | None = None) -> bool | None:
    """Whether a function, or one it calls, names `Go`; None if that cannot be seen."""
    seen = set() if seen is None else seen
    found = source_of(function)
    if found is None:
        return None
    seen.add(function)
    unseen = False
    for name in (part for statement in found[0].body for part in ast.walk(statement)):
        if not isinstance(name, (ast.Name, ast.Attribute)):
            continue
        value = resolve(function, name)
        if value is Go:
            return True
        if isinstance(value, FunctionType) and value not in seen and not _built_in(value):
            inner = names_go(value, seen)
            if inner:
                return True
            unseen |= inner is None
    return None if unseen else False


def _built_in(function: FunctionType) -> bool:
    return function.__module__.split(".")[0] in ("handoff", "pydantic", "typing")
