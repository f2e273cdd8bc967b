"""Where a function returns `Go`, and which flows it consults, read from its source."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

from handoff.checks.bodies import resolve, source_of
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Go


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


def names_go(function: Any) -> bool | None:
    """Whether a function, or one it calls, names `Go`; None if that cannot be seen."""
    return _names(function, Go, set())


def _names(function: Any, wanted: object, seen: set[Any]) -> bool | None:
    found = source_of(function)
    if found is None:
        return None
    seen.add(function)
    unseen = False
    for name in (part for statement in found[0].body for part in ast.walk(statement)):
        if not isinstance(name, (ast.Name, ast.Attribute)):
            continue
        value = resolve(function, name)
        if value is wanted:
            return True
        if isinstance(value, FunctionType) and value not in seen and not _built_in(value):
            inner = _names(value, wanted, seen)
            if inner:
                return True
            unseen |= inner is None
    return None if unseen else False


def consults(function: Any, calls: tuple[str, ...]) -> tuple[tuple[int, Flow[Any, Any]], ...]:
    """The places where a function consults a flow that is written out: the line, and the flow.

    Args:
        function: the function.
        calls: the parameters that hold the tool call.
    """
    found = source_of(function) if calls else None
    if found is None:
        return ()
    tree, first = found
    asked = [
        (first + call.lineno - 1, resolve(function, _consulted(call)))
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "consult"
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in calls
    ]
    flows: list[tuple[int, Flow[Any, Any]]] = [(line, one) for line, one in asked if isinstance(one, Flow)]
    return tuple(flows)


def _consulted(call: ast.Call) -> ast.expr:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "flow"]
    return (*call.args, *named, ast.Constant(None))[0]


def names_flow(function: Any, flow: Flow[Any, Any]) -> bool | None:
    """Whether a function, or one it calls, names a flow; None if that cannot be seen."""
    return _names(function, flow, set())


def _built_in(function: FunctionType) -> bool:
    return function.__module__.split(".")[0] in ("handoff", "pydantic", "typing")
