"""What a function does with the metadata it is given, read from its source: which fields it reads and which it writes.

Functions it hands the metadata to are followed. Where the metadata goes out of sight, that is said too: then nothing
more than what was seen can be relied on.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any

from pydantic import BaseModel

from handoff.declaration.metadata import Metadata
from handoff.declaration.place import Place

_CHANGING = frozenset(
    {
        *("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "reverse", "setdefault"),
        *("sort", "update"),
    }
)
"""Methods that change a list, a dict or a set in place."""


_ASKING = frozenset({"getattr", "hasattr"})


@dataclass(slots=True)
class Use:
    """What a function does with the metadata.

    Attributes:
        reads: the fields it reads.
        writes: the fields it assigns, and the constants it assigns; None among them is any value.
        touches: the fields whose value goes where it might be changed in place.
        always: the fields it assigns whenever it gets to its end.
        escapes: the metadata goes out of sight.
    """

    reads: set[str] = field(default_factory=set[str])
    writes: dict[str, list[ast.Constant | None]] = field(default_factory=dict[str, "list[ast.Constant | None]"])
    touches: set[str] = field(default_factory=set[str])
    always: set[str] = field(default_factory=set[str])
    escapes: bool = False

    def add(self, other: Use) -> None:
        """Take over what another function does."""
        self.reads |= other.reads
        self.touches |= other.touches
        self.escapes |= other.escapes
        for name, values in other.writes.items():
            self.writes.setdefault(name, []).extend(values)


def use_of(function: Any, names: Iterable[str], kind: type[Metadata]) -> Use:
    """What a function does with the metadata in some of its parameters.

    Args:
        function: the function.
        names: the parameters that hold the metadata.
        kind: the metadata class.
    """
    return _use(function, frozenset(names), kind, {})


def place_of_field(kind: type[Metadata], name: str, otherwise: Place) -> Place:
    """The line that declares a field of a metadata class; `otherwise` if its source cannot be read.

    Args:
        kind: the metadata class.
        name: the field.
        otherwise: what is said then.
    """
    owner = next((one for one in kind.__mro__ if name in vars(one).get("__annotations__", {})), None)
    try:
        lines, first = inspect.getsourcelines(owner) if owner is not None else ([], 0)
        (body,) = ast.parse(textwrap.dedent("".join(lines))).body
        file = inspect.getsourcefile(owner) if owner is not None else None
    except (OSError, TypeError, SyntaxError, ValueError):
        return otherwise
    for statement in body.body if isinstance(body, ast.ClassDef) else ():
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and target.id == name and file is not None:
            return Place(file, first + statement.lineno - 1)
    return otherwise


def resolve(function: Any, expression: ast.expr) -> Any:
    """The object that a name or a dotted name in a function stands for; None if it is not known."""
    if isinstance(expression, ast.Attribute):
        owner = resolve(function, expression.value)
        return inspect.getattr_static(owner, expression.attr, None) if inspect.ismodule(owner) else None
    if not isinstance(expression, ast.Name):
        return None
    plain = inspect.unwrap(function)
    cells = dict(zip(plain.__code__.co_freevars, plain.__closure__ or (), strict=False))
    if expression.id in cells:
        try:
            return cells[expression.id].cell_contents
        except ValueError:
            return None
    if expression.id in plain.__code__.co_varnames:
        return None
    return plain.__globals__.get(expression.id)


@cache
def source_of(function: Any) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, int] | None:
    """The syntax tree of a function and its first line; None if it is not to be had."""
    plain = inspect.unwrap(function)
    if not isinstance(plain, FunctionType):
        return None
    try:
        lines, first = inspect.getsourcelines(plain)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    body = tree.body[0] if tree.body else None
    return (body, first) if isinstance(body, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _use(function: Any, names: frozenset[str], kind: type[Metadata], seen: dict[Any, Use]) -> Use:
    key = (function, names)
    if key in seen:
        return seen[key]
    use = seen[key] = Use()
    found = source_of(function)
    if found is None:
        # A lambda, for instance: the names in its code are all that is known.
        code = getattr(inspect.unwrap(function), "__code__", None)
        use.reads |= set(code.co_names if code is not None else ()) & set(kind.model_fields)
        use.escapes = True
        return use
    # A wrapper that takes anything (`**given`) hands the metadata on under no name.
    use.escapes |= not names <= _parameters(found[0])
    reader = _Reader(function, names, kind, use, seen)
    returned = False
    for statement in found[0].body:
        reader.visit(statement)
        if isinstance(statement, ast.Assign) and not returned:
            use.always |= reader.fields_in(statement.targets)
        returned |= any(isinstance(part, ast.Return) for part in ast.walk(statement))
    return use


class _Reader:
    """Walks a function's body and notes what it does with the metadata."""

    def __init__(
        self, function: Any, names: frozenset[str], kind: type[Metadata], use: Use, seen: dict[Any, Use]
    ) -> None:
        self._function = function
        self._names = set(names)
        self._kind = kind
        self._use = use
        self._seen = seen

    def fields_in(self, targets: Iterable[ast.expr]) -> set[str]:
        """The fields among the targets of an assignment."""
        return {name for target in targets if (name := self._field(target)) is not None}

    def visit(self, part: ast.AST) -> None:
        """Read a part of the body."""
        match part:
            case ast.Assign():
                self._assign(part.targets, part.value)
            case ast.AnnAssign() | ast.NamedExpr():
                self._assign([part.target], part.value)
            case ast.AugAssign():
                if (name := self._field(part.target)) is not None:
                    self._use.reads.add(name)
                self._assign([part.target], part.value, known=False)
            case ast.Delete():
                for target in part.targets:
                    self._store(target, None)
            case ast.Call():
                self._call(part)
            case ast.Attribute():
                self._attribute(part)
            case ast.Name():
                self._use.escapes |= part.id in self._names
            case _:
                for child in ast.iter_child_nodes(part):
                    self.visit(child)

    def _call(self, call: ast.Call) -> None:
        function = call.func
        if isinstance(function, ast.Attribute) and (name := self._field(function.value)) is not None:
            self._use.touches.add(name)
            if function.attr in _CHANGING and self._is_container(name):
                self._use.writes.setdefault(name, []).append(None)
        if isinstance(function, ast.Name) and function.id == "setattr" and self._by_name(call, written=True):
            return
        if isinstance(function, ast.Name) and function.id in _ASKING and self._by_name(call, written=False):
            return
        self.visit(function)
        for position, argument in enumerate(call.args):
            self._passed(call, argument, position)
        for keyword in call.keywords:
            self._passed(call, keyword.value, keyword.arg)

    def _attribute(self, part: ast.Attribute) -> None:
        if (name := self._field(part)) is not None:
            self._use.reads.add(name)
            self._use.touches.add(name)
        elif self._is_metadata(part.value):
            self._method(part.attr)
        else:
            self.visit(part.value)

    def _assign(self, targets: list[ast.expr], value: ast.expr | None, *, known: bool = True) -> None:
        for target in targets:
            if value is not None and self._is_metadata(value) and isinstance(target, ast.Name):
                self._names.add(target.id)
            else:
                self._store(target, value if known and isinstance(value, ast.Constant) else None)
        if value is not None and not self._is_metadata(value):
            self.visit(value)

    def _store(self, target: ast.expr, value: ast.Constant | None) -> None:
        if isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self._store(part, None)
            return
        name = self._field(target)
        if name is not None:
            self._use.writes.setdefault(name, []).append(value)
            return
        # `site.page.title = ...` and `site.pages[0] = ...` change the field they begin with.
        inner = target
        while isinstance(inner, (ast.Attribute, ast.Subscript, ast.Starred)):
            inner = inner.value
            if (name := self._field(inner)) is not None:
                self._use.writes.setdefault(name, []).append(None)
                return
        if not isinstance(target, ast.Name):
            self.visit(target)

    def _passed(self, call: ast.Call, argument: ast.expr, position: int | str | None) -> None:
        """The metadata, or a part of it, is an argument of a call."""
        if not self._is_metadata(argument):
            self.visit(argument)
            return
        callee = resolve(self._function, call.func)
        starred = position is None or any(isinstance(one, ast.Starred) for one in call.args)
        if not isinstance(callee, FunctionType) or starred:
            self._use.escapes = True
            return
        name = position if isinstance(position, str) else _positional(callee, position)
        if name is None:
            self._use.escapes = True
        else:
            self._use.add(_use(callee, frozenset({name}), self._kind, self._seen))

    def _method(self, name: str) -> None:
        own: Any = inspect.getattr_static(self._kind, name, None)
        called = own.fget if isinstance(own, property) else own
        if isinstance(called, FunctionType) and inspect.getattr_static(BaseModel, name, None) is not own:
            first = next(iter(inspect.signature(called).parameters), None)
            if first is not None:
                self._use.add(_use(called, frozenset({first}), self._kind, self._seen))
                return
        if name.startswith("model_"):
            self._use.reads |= set(self._kind.model_fields)
        else:
            self._use.escapes = True

    def _by_name(self, call: ast.Call, *, written: bool) -> bool:
        """`setattr(site, "field", value)` and `getattr(site, "field")`."""
        match call.args:
            case [subject, ast.Constant(value=str(name)), *rest] if self._is_metadata(subject):
                if name in self._kind.model_fields and written:
                    value = rest[0] if rest and isinstance(rest[0], ast.Constant) else None
                    self._use.writes.setdefault(name, []).append(value)
                elif name in self._kind.model_fields:
                    self._use.reads.add(name)
                for argument in rest:
                    self.visit(argument)
                return True
            case _:
                return False

    def _is_metadata(self, expression: ast.expr) -> bool:
        return isinstance(expression, ast.Name) and expression.id in self._names

    def _field(self, expression: ast.expr) -> str | None:
        """The field that an expression names, such as `site.change`."""
        if not (isinstance(expression, ast.Attribute) and self._is_metadata(expression.value)):
            return None
        return expression.attr if expression.attr in self._kind.model_fields else None

    def _is_container(self, name: str) -> bool:
        return any(word in str(self._kind.model_fields[name].annotation) for word in ("list", "dict", "set"))


def _parameters(body: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names by which a body knows what it is given."""
    taken = body.args
    return {one.arg for one in (*taken.posonlyargs, *taken.args, *taken.kwonlyargs)}


def _positional(function: Callable[..., Any], position: int | None) -> str | None:
    names: Mapping[str, inspect.Parameter] = inspect.signature(function).parameters
    listed = [name for name, one in names.items() if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return listed[position] if position is not None and position < len(listed) else None
