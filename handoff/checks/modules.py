"""How the flow stands in its modules: variables called like their assistants, no module or guard forgotten."""

from __future__ import annotations

import ast
import contextlib
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, get_type_hints

from handoff.checks.findings import Finding
from handoff.declaration.assistants import Assistant
from handoff.declaration.flow import Flow
from handoff.declaration.place import Place, place_of


def check_modules(flow: Flow[Any, Any]) -> Iterator[Finding]:
    """Findings about the modules in which a flow is declared."""
    # Looked up in the dictionary of each: asking a lazy module for an attribute would import it.
    loaded = {file: module for module in tuple(sys.modules.values()) if (file := _own(module).get("__file__"))}
    yield from _misnamed(flow, loaded)
    module = loaded.get(flow.place.file)
    if module is not None and module.__package__:
        places = {flow.place.file, *(one.place.file for one in flow.assistants.values())}
        owners = {loaded[file].__name__ for file in places if file in loaded} | {module.__package__}
        yield from _forgotten(flow, module.__package__, owners, set(loaded))
    yield from _unused_guards(flow, loaded)


def _own(module: Any) -> dict[str, Any]:
    return getattr(module, "__dict__", {})


def _misnamed(flow: Flow[Any, Any], loaded: dict[str, ModuleType]) -> Iterator[Finding]:
    for assistant in flow.assistants.values():
        module = loaded.get(assistant.place.file)
        names = [name for name, value in vars(module).items() if value is assistant] if module is not None else []
        if names and assistant.name not in names:
            other = flow.assistants.get(names[0])
            also = f", while {other.name} is another assistant" if isinstance(other, Assistant) else ""
            yield Finding(
                "misnamed-variable",
                f"the assistant {assistant.name} is in the variable {names[0]}{also}",
                f"Call both the same: {assistant.name} = {_variable(flow, module)}.assistant({assistant.name!r}, ...)",
                assistant.place,
            )


def _variable(flow: Flow[Any, Any], module: ModuleType | None) -> str:
    """What the flow is called in a module."""
    return next((name for name, value in _own(module).items() if value is flow), flow.name)


def _unused_guards(flow: Flow[Any, Any], loaded: dict[str, ModuleType]) -> Iterator[Finding]:
    """Functions beside the flow's guards that ask its metadata and that nothing uses."""
    used = _functions_of(flow)
    declaring = {getattr(one, "__module__", None) for one in used}
    for module in loaded.values():
        if module.__name__ not in declaring:
            continue
        own = [one for one in _own(module).values() if isinstance(one, FunctionType) and _is_in(one, module)]
        guards = [one for one in own if one not in used and _asks(one, flow)]
        if not guards:
            continue
        elsewhere = {id(one) for other in loaded.values() if other is not module for one in _own(other).values()}
        flows: list[Flow[Any, Any]] = [one for one in _own(module).values() if isinstance(one, Flow)]
        elsewhere |= {id(one) for other in flows if other.name != flow.name for one in _functions_of(other)}
        named = _named(module)
        for guard in guards:
            if id(guard) not in elsewhere and guard.__name__ not in named:
                yield Finding(
                    "unused-guard",
                    f"{guard.__name__} asks {flow.metadata.__name__}, and no destination, tool or function uses it",
                    f"Give the destination that it is for .when({guard.__name__}), or a tool allow=, or remove it",
                    place_of(guard, flow.place),
                )


def _functions_of(flow: Flow[Any, Any]) -> set[Any]:
    """Every function that a flow was given, and those that these enclose."""
    tools = [tool for name in flow.assistants for tool in flow.tools_of(name).values()]
    given = {one for tool in tools for one in (tool.function, tool.allow, tool.approval, tool.probe) if callable(one)}
    routes = (one.destinations for one in flow.routes.all(flow.assistants))
    to = (one for destinations in (*routes, *(tool.to for tool in tools)) for one in destinations)
    waiting: list[Any] = [*given, *(one.guard for one in to if one.guard is not None)]
    found: set[Any] = set()
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            # `.when(negated(known))` uses known: the function it makes has it in a cell.
            waiting += [cell for cell in _enclosed(one) if callable(cell) and cell.__hash__ is not None]
    return found


def _enclosed(function: Any) -> list[Any]:
    """What a function that another one made remembers of it."""
    if isinstance(function, partial):
        return [function.func, *function.args, *function.keywords.values()]
    found: list[Any] = []
    for cell in getattr(function, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # what is assigned only later is not there yet
            found.append(cell.cell_contents)
    return found


def _is_in(function: FunctionType, module: ModuleType) -> bool:
    return function.__module__ == module.__name__


def _asks(function: FunctionType, flow: Flow[Any, Any]) -> bool:
    """Whether it is written like a guard: from the metadata alone to a bool."""
    if function.__code__.co_argcount != 1 or function.__code__.co_kwonlyargcount:
        return False
    try:
        hints = get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return False
    return hints == {function.__code__.co_varnames[0]: flow.metadata, "return": bool}


def _named(module: ModuleType) -> set[str]:
    """The names that the functions and methods of a module use."""
    names: set[str] = set()
    values = [one for one in _own(module).values() if getattr(one, "__module__", None) == module.__name__]
    methods = [one for kind in values if isinstance(kind, type) for one in vars(kind).values()]
    waiting = [
        one.__code__ for value in (*values, *methods) if isinstance(one := getattr(value, "fget", value), FunctionType)
    ]
    while waiting:
        code = waiting.pop()
        names |= set(code.co_names)
        waiting += [one for one in code.co_consts if isinstance(one, CodeType)]
    return names


def _forgotten(flow: Flow[Any, Any], package: str, owners: set[str], loaded: set[str]) -> Iterator[Finding]:
    """Modules beside the flow's that declare tools of its assistants and were never imported."""
    directory = Path(flow.place.file).parent
    imported = {str(Path(file).resolve()) for file in loaded if file.startswith(str(directory))}
    named = "|".join(re.escape(name) for name in owners)
    taken = re.compile(rf"^(?:from\s+(?:{named}|\.[.\w]*)\s+import|import\s.*\b(?:{named})\b)".encode(), re.MULTILINE)
    for path in sorted(directory.rglob("*.py")):
        if str(path.resolve()) in imported:
            continue
        try:
            source = path.read_bytes()
            if b".tool(" not in source or not taken.search(source):
                continue
            tree = ast.parse(source)
        except (OSError, SyntaxError, ValueError):
            continue
        inside = (package, *path.parent.relative_to(directory).parts)
        line = _first_tool(tree, _taken_from(tree, owners, inside))
        if line is not None:
            yield Finding(
                "module-not-imported",
                f"{path.name} declares tools in the package of {flow.name} and was never imported, so nobody has them",
                f"Import it in the package's __init__.py, after {Path(flow.place.file).name}",
                Place(str(path), line),
            )


def _taken_from(tree: ast.Module, owners: set[str], inside: tuple[str, ...]) -> set[str]:
    """The names a module imports from the modules in which the flow is declared."""
    names: set[str] = set()
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom):
            parents = ".".join(inside).split(".")
            above = parents[: len(parents) - statement.level + 1] if statement.level else []
            if ".".join([*above, *([statement.module] if statement.module else [])]) in owners:
                names |= {alias.asname or alias.name for alias in statement.names}
        elif isinstance(statement, ast.Import):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in statement.names if alias.name in owners}
    return names


def _first_tool(tree: ast.Module, owners: set[str]) -> int | None:
    """The line of the first function that is declared as a tool of what these names hold."""
    for statement in tree.body:
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for decorator in statement.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(called, ast.Attribute) and called.attr == "tool":
                owner = called.value
                while isinstance(owner, ast.Attribute):
                    owner = owner.value
                if isinstance(owner, ast.Name) and owner.id in owners:
                    return statement.lineno
    return None
