"""Whether the answer of a function depends on its argument alone, judged by its code.

Clocks, files, mutable globals, code that cannot be read: each is a reason not to trust one answer for all times.
"""

from __future__ import annotations

import builtins
import dis
import inspect
from collections.abc import Iterator
from enum import Enum
from types import CodeType, FunctionType
from typing import Any, cast

from pydantic import BaseModel

_BUILTINS = frozenset(
    {
        *("abs", "all", "any", "bool", "dict", "enumerate", "float", "frozenset", "getattr", "hasattr", "int"),
        *("isinstance", "len", "list", "max", "min", "range", "reversed", "round", "set", "sorted", "str", "sum"),
        *("tuple", "zip", "True", "False", "None", "NotImplemented"),
        *("AttributeError", "Exception", "IndexError", "KeyError", "LookupError", "TypeError", "ValueError"),
    }
)
"""What gives the same answer for the same arguments."""

_REFUSED = (
    *("IMPORT_", "STORE_GLOBAL", "STORE_ATTR", "STORE_SUBSCR", "STORE_DEREF", "DELETE_ATTR", "DELETE_GLOBAL"),
    *("DELETE_SUBSCR", "DELETE_DEREF", "YIELD_", "SEND", "GET_A"),
)
"""Beginnings of the names of instructions that do more than answer."""


def impurity(function: Any, kind: type[BaseModel]) -> str:
    """Why its answer may depend on more than its argument; empty if it does not.

    Args:
        function: a function of the metadata.
        kind: the metadata class, whose own methods and properties it may use.
    """
    return _impurity(function, kind, set())


def _impurity(function: Any, kind: type[BaseModel], seen: set[CodeType]) -> str:
    if not isinstance(function, FunctionType):
        return "it is no plain function"
    if function.__code__ in seen:
        return ""
    seen.add(function.__code__)
    if any(not _constant(value) for value in (function.__defaults__ or ())):
        return "it has a default that may change"
    for code in _codes(function.__code__):
        before: dis.Instruction | None = None
        for instruction in dis.get_instructions(code):
            if problem := _problem(instruction, before, code, function, kind, seen):
                return problem
            before = instruction
    return ""


def _problem(
    instruction: dis.Instruction,
    before: dis.Instruction | None,
    code: CodeType,
    function: FunctionType,
    kind: type[BaseModel],
    seen: set[CodeType],
) -> str:
    name = instruction.opname
    inner = code is not function.__code__  # a generator expression yields, and is used up where it stands
    if name.startswith(_REFUSED) and not (inner and name == "YIELD_VALUE"):
        return f"it does more than answer ({name.lower().replace('_', ' ')})"
    if name == "IS_OP" and not _is_with_a_constant(before, function):
        return "it asks whether two values are one object"
    if name in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"):
        return _named(str(instruction.argval), function, kind, seen)
    if name in ("LOAD_ATTR", "LOAD_METHOD"):
        own = inspect.getattr_static(kind, str(instruction.argval), None)
        called = own.fget if isinstance(own, property) else own
        if isinstance(called, FunctionType) and own is not inspect.getattr_static(BaseModel, called.__name__, None):
            return _impurity(called, kind, seen)
        return ""
    return ""


def _named(name: str, function: FunctionType, kind: type[BaseModel], seen: set[CodeType]) -> str:
    """What a global name or one of an enclosing function stands for."""
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False))
    if name in cells:
        try:
            value: Any = cells[name].cell_contents
        except ValueError:
            return f"it uses {name}, which is not there yet"
    elif name in function.__code__.co_cellvars:
        return ""
    elif name in function.__globals__:
        value = function.__globals__[name]
    elif name in _BUILTINS:
        return ""
    else:
        return f"it uses {name}"
    if name in _BUILTINS and value is getattr(builtins, name, None):
        return ""
    if _constant(value) or value is kind:
        return ""
    if isinstance(value, FunctionType):
        return _impurity(value, kind, seen)
    return f"it uses {name}, which may change"


def _is_with_a_constant(before: dis.Instruction | None, function: FunctionType) -> bool:
    """Whether `is` compares with None, or with a member of an Enum."""
    if before is None:
        return False
    if before.opname == "LOAD_CONST":
        return before.argval is None or isinstance(before.argval, bool)
    # `site.kind is Kind.A`: the member is an attribute of a class that the code names.
    return before.opname == "LOAD_ATTR" and any(
        isinstance(value, type) and issubclass(value, Enum) and str(before.argval) in value.__members__
        for value in function.__globals__.values()
    )


def _constant(value: Any) -> bool:
    """Whether a value stays what it is."""
    if isinstance(value, type):
        return issubclass(value, Enum) or value.__module__ == "builtins"
    if isinstance(value, (tuple, frozenset)):
        return all(_constant(part) for part in cast("tuple[Any, ...]", value))
    return value is None or isinstance(value, (bool, int, float, str, bytes, Enum))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code and all code inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
