"""Bugs, by kind and seed: where in the hotel each is put is chosen at random, and so is its form.

Bugs of the application are changes of its source, which is then a module of its own. A message lost in a handoff is a
bug of what is around it: a store, or a driver, that drops what it had taken.
"""

from __future__ import annotations

import ast
import copy
import importlib
import importlib.util
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from handoff import turn
from handoff.core import events as happened
from handoff.core.items import Note, UserMessage
from handoff.core.state import State
from handoff.store.base import InboxRow

#: The module, which `handoff.core.receive` the function hides.
core = importlib.import_module("handoff.core.receive")

SOURCE = Path(__file__).with_name("hotel.py")


@dataclass(frozen=True)
class Bug:
    """One bug."""

    #: What was done, and where.
    what: str
    #: The application with it.
    hotel: ModuleType
    #: Puts what is around the application under it as well, while it is entered.
    around: Callable[[], Any]


@contextmanager
def nothing() -> Iterator[None]:
    """Nothing around the application is changed."""
    yield


def loaded(tree: ast.Module, directory: Path, name: str) -> ModuleType:
    """Import changed source as a module of its own, from a file, as the checks read the source of what they check."""
    path = directory / f"{name}.py"
    path.write_text(ast.unparse(ast.fix_missing_locations(tree)))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations are looked up there
    spec.loader.exec_module(module)
    return module


def functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """The functions at the top level, by name."""
    return {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}


def declared(function: ast.FunctionDef) -> tuple[str, ast.Call] | None:
    """The assistant whose tool the function is, and the call that declares it; None if it is no tool."""
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute):
            assert isinstance(decorator.func.value, ast.Name)
            return decorator.func.value.id, decorator
    return None


def tools(tree: ast.Module) -> dict[str, tuple[ast.FunctionDef, str, ast.Call]]:
    """The tools, by name, with who has them and the call that declares them."""
    found = {name: (function, declared(function)) for name, function in functions(tree).items()}
    return {name: (function, *one) for name, (function, one) in found.items() if one is not None}


def keyword_of(call: ast.Call, name: str) -> ast.keyword | None:
    """An argument of a call by its name."""
    return next((one for one in call.keywords if one.arg == name), None)


# -- the kinds ---------------------------------------------------------------------------------------------------------


def guard_inverted(tree: ast.Module, chance: random.Random) -> str:
    """A guard, or a part of one, says the opposite."""
    guards = [one for name, one in functions(tree).items() if name.startswith(("is_", "has_"))]
    guard = chance.choice(guards)
    returned = next(one for one in guard.body if isinstance(one, ast.Return))
    value = returned.value
    assert value is not None
    if isinstance(value, ast.BoolOp) and chance.randrange(2):
        index = chance.randrange(len(value.values))
        was = ast.unparse(value.values[index])
        value.values[index] = ast.UnaryOp(ast.Not(), value.values[index])
    else:
        was = ast.unparse(value)
        returned.value = ast.UnaryOp(ast.Not(), value)
    return f"{guard.name}: not ({was})"


def field_forgotten(tree: ast.Module, chance: random.Random) -> str:
    """A tool does not assign a field that it should, or does not declare that it sets it."""
    sites: list[tuple[str, Callable[[], None]]] = []
    for name, (function, _, call) in tools(tree).items():
        given = {argument.arg for argument in function.args.args}
        for statement in function.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]).startswith("stay."):
                forget: Callable[[], None] = _remover(function, statement)
                sites.append((f"{name} does not assign {ast.unparse(statement.targets[0])}", forget))
        sets = keyword_of(call, "sets")
        named = () if sets is None else ast.literal_eval(ast.Expression(_tuple(sets.value)))
        sites += [
            (f"{name} does not declare that it sets {field}", _undeclarer(call, sets, field))
            for field in named
            if field in given
        ]
    what, change = chance.choice(sites)
    change()
    return what


def _remover(function: ast.FunctionDef, statement: ast.stmt) -> Callable[[], None]:
    def change() -> None:
        function.body.remove(statement)

    return change


def _undeclarer(call: ast.Call, sets: ast.keyword | None, field: str) -> Callable[[], None]:
    def change() -> None:
        assert sets is not None
        left = [one for one in ast.literal_eval(ast.Expression(_tuple(sets.value))) if one != field]
        if left:
            sets.value = ast.Tuple([ast.Constant(one) for one in left], ast.Load())
        else:
            call.keywords.remove(sets)

    return change


def _tuple(value: ast.expr) -> ast.expr:
    return value if isinstance(value, ast.Tuple) else ast.Tuple([copy.deepcopy(value)], ast.Load())


def run_again(tree: ast.Module, chance: random.Random) -> str:
    """A tool whose body may not run twice does after a crash: declared idempotent, or blind to the key of its call."""
    blind = ("pay", "order_taxi", "all_set")
    name = chance.choice([*blind, "note_wish", "confirm"])
    function, _, call = tools(tree)[name]
    if name not in blind:
        call.keywords.append(ast.keyword("idempotent", ast.Constant(value=True)))
        return f"{name} is declared idempotent, and is not"
    effects = {"pay": "charges", "order_taxi": "taxis", "all_set": "letters"}[name]
    forms = [f"str(len(house.{effects}))", f"f'{{call.id}}-{{len(house.{effects})}}'", "str(id(object()))"]
    form = chance.choice(forms[:2])
    _Replace("call.idempotency_key", form).visit(function)
    return f"{name} goes by {form} instead of the key of its call"


class _Replace(ast.NodeTransformer):
    """Replaces an expression."""

    def __init__(self, old: str, new: str) -> None:
        self._old = old
        self._new = ast.parse(new, mode="eval").body

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._new if ast.unparse(node) == self._old else self.generic_visit(node)


def not_left(tree: ast.Module, chance: random.Random) -> str:
    """Nothing leads out of an assistant any more."""
    ways = [one for one in tools(tree).values() if keyword_of(one[2], "to") is not None]
    stuck = chance.choice(sorted({owner for _, owner, _ in ways}))
    form = chance.choice(["leads nowhere", "leads back to it", "is never allowed"])
    for _, owner, call in ways:
        if owner != stuck:
            continue
        to = keyword_of(call, "to")
        assert to is not None
        if form == "leads nowhere":
            call.keywords.remove(to)
        elif form == "leads back to it":
            to.value = ast.Name(stuck, ast.Load())
        else:
            allow = keyword_of(call, "allow")
            if allow is not None:
                call.keywords.remove(allow)
            call.keywords.append(ast.keyword("allow", ast.parse("lambda stay: False", mode="eval").body))
    return f"every tool of {stuck} that led on {form}"


SOURCES: dict[str, Callable[[ast.Module, random.Random], str]] = {
    "guard inverted": guard_inverted,
    "field forgotten": field_forgotten,
    "run again after a crash": run_again,
    "assistant not left": not_left,
}


# -- a message lost in a handoff ---------------------------------------------------------------------------------------


def dropping_rows(dest: str, chosen: int) -> Callable[[], Any]:
    """A drain that, right after a handoff to `dest`, takes a waiting message and forgets it."""
    drain = turn._drain

    def losing(log: Any, waiting: Sequence[InboxRow], judge: Any, at: float) -> None:
        messages = [row for row in waiting if row.kind == "message"]
        handed_over = any(note.kind == "handoff" for note in log.state.due if hasattr(note, "kind"))
        if handed_over and log.state.assistant == dest and messages:
            lost = messages[chosen % len(messages)]
            log.consume(lost, happened.RowIgnored(at, lost.id, lost.kind), at)
            waiting = [row for row in waiting if row is not lost]
        drain(log, waiting, judge, at)

    return lambda: mock.patch.object(turn, "_drain", losing)


def not_shown(dest: str, chosen: int) -> Callable[[], Any]:
    """A core that, right after a handoff to `dest`, takes a message up and shows it to nobody."""
    message = core.RULES[happened.MessageAccepted]

    def losing(state: State, event: Any) -> State:
        after = message(state, event)
        handed_over = any(isinstance(item, Note) and item.kind == "handoff" for item in state.due)
        earlier = sum(isinstance(item, UserMessage) for item in state.due)
        lost = handed_over and state.assistant == dest and earlier == chosen
        return replace(after, due=state.due) if lost else after

    return lambda: mock.patch.dict(core.RULES, {happened.MessageAccepted: losing})


def message_lost(chance: random.Random) -> tuple[str, Callable[[], Any]]:
    """A message that waits during one of the handoffs is lost."""
    dest = chance.choice(["reception", "booking", "manager", "cashier", "concierge", "farewell"])
    if chance.randrange(2):
        chosen = chance.randrange(2)
        return f"row {chosen} that waits in a handoff to {dest} is consumed for nothing", dropping_rows(dest, chosen)
    return f"a message taken up in a handoff to {dest} is shown to nobody", not_shown(dest, 0)


# -- all together ------------------------------------------------------------------------------------------------------

KINDS = (*SOURCES, "message lost in a handoff")


def bug(kind: str, seed: int, directory: Path) -> Bug:
    """Make a bug.

    Args:
        kind: one of `KINDS`.
        seed: of where it is put, and of its form.
        directory: where changed source is written to.
    """
    chance = random.Random(f"{kind} {seed}")  # noqa: S311 - no secret
    tree = ast.parse(SOURCE.read_text())
    name = f"hotel_{kind.replace(' ', '_')}_{seed}"
    if kind in SOURCES:
        what = SOURCES[kind](tree, chance)
        return Bug(what, loaded(tree, directory, name), nothing)
    what, around = message_lost(chance)
    return Bug(what, loaded(tree, directory, name), around)
