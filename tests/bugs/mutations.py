"""Bugs, by kind and seed: where in the hotel each is put is chosen at random, and so is its form.

Bugs of the application are changes of its source, which is then a module of its own. A message lost in a handoff is a
bug of what is around it: a store, or a driver, that drops what it had taken.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias
from unittest import mock

from handoff.core import events as happened
from handoff.core.items import Note, UserMessage
from handoff.core.state import State
from handoff.driving import turn
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

#: Where a bug may be put: what it is, and what puts it there.
Site: TypeAlias = tuple[str, Callable[[], None]]


def guards_inverted(tree: ast.Module) -> Iterator[Site]:
    """A guard, a part of one, or the use of one says the opposite."""
    for name, guard in functions(tree).items():
        returned = next((one for one in guard.body if isinstance(one, ast.Return)), None)
        if returned is None or returned.value is None or not name.startswith(("is_", "has_")):
            continue
        yield f"{name} says the opposite", partial(_negate, returned, "value", None)
        if isinstance(returned.value, ast.BoolOp):
            for index, part in enumerate(returned.value.values):
                yield f"{name}: not ({ast.unparse(part)})", partial(_negate, returned.value, "values", index)
    for name, (_, _, call) in tools(tree).items():
        for used in ast.walk(call):
            if isinstance(used, ast.Call) and isinstance(used.func, ast.Attribute) and used.func.attr == "when":
                yield f"the guard of {name} is used inverted", partial(_inverted, used.args, 0)
        allow = keyword_of(call, "allow")
        if allow is not None:
            yield f"{name} is allowed when it is not", partial(_inverted_keyword, allow)


def _negate(owner: Any, field: str, index: int | None) -> None:
    value = getattr(owner, field)
    if index is None:
        setattr(owner, field, ast.UnaryOp(ast.Not(), value))
    else:
        value[index] = ast.UnaryOp(ast.Not(), value[index])


def _opposite(guard: ast.expr) -> ast.expr:
    return ast.parse(f"lambda stay: not {ast.unparse(guard)}(stay)", mode="eval").body


def _inverted(arguments: list[ast.expr], index: int) -> None:
    arguments[index] = _opposite(arguments[index])


def _inverted_keyword(keyword: ast.keyword) -> None:
    keyword.value = _opposite(keyword.value)


def fields_forgotten(tree: ast.Module) -> Iterator[Site]:
    """A tool does not assign a field that it should, or does not declare that it sets it."""
    for name, (function, _, call) in tools(tree).items():
        given = {argument.arg for argument in function.args.args}
        for statement in function.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]).startswith("stay."):
                what = f"{name} does not assign {ast.unparse(statement.targets[0])}"
                yield what, partial(function.body.remove, statement)
        sets = keyword_of(call, "sets")
        for field in () if sets is None else _names(sets):
            if sets is not None and field in given:
                yield f"{name} does not declare that it sets {field}", partial(_undeclare, call, sets, field)


def _names(sets: ast.keyword) -> tuple[str, ...]:
    named = ast.literal_eval(sets.value)
    return (named,) if isinstance(named, str) else tuple(named)


def _undeclare(call: ast.Call, sets: ast.keyword, field: str) -> None:
    left: list[ast.expr] = [ast.Constant(one) for one in _names(sets) if one != field]
    sets.value = ast.Tuple(left, ast.Load())
    if not left:
        call.keywords.remove(sets)


def run_again(tree: ast.Module) -> Iterator[Site]:
    """A tool whose body may not run twice does after a crash: declared idempotent, or blind to the key of its call."""
    known = tools(tree)
    for name, effects in {"pay": "charges", "order_taxi": "taxis", "all_set": "letters"}.items():
        for form in (f"str(len(house.{effects}))", f"f'{{call.id}}-{{len(house.{effects})}}'"):
            change = partial(_Replace("call.idempotency_key", form).visit, known[name][0])
            yield f"{name} goes by {form} instead of the key of its call", change
    for name in ("note_wish", "confirm"):
        keyword = ast.keyword("idempotent", ast.Constant(value=True))
        yield f"{name} is declared idempotent, and is not", partial(known[name][2].keywords.append, keyword)


class _Replace(ast.NodeTransformer):
    """Replaces an expression."""

    def __init__(self, old: str, new: str) -> None:
        self._old = old
        self._new = ast.parse(new, mode="eval").body

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self._new if ast.unparse(node) == self._old else self.generic_visit(node)


def not_left(tree: ast.Module) -> Iterator[Site]:
    """Nothing leads out of an assistant any more."""
    ways = [(owner, call) for _, owner, call in tools(tree).values() if keyword_of(call, "to") is not None]
    for stuck in sorted({owner for owner, _ in ways}):
        own = [call for owner, call in ways if owner == stuck]
        yield f"the tools of {stuck} lead nowhere", partial(_set_all, own, "to", None)
        yield f"the tools of {stuck} lead back to it", partial(_set_all, own, "to", stuck)
        yield f"the tools of {stuck} are never allowed", partial(_set_all, own, "allow", "lambda stay: False")


def _set_all(calls: Sequence[ast.Call], argument: str, value: str | None) -> None:
    for call in calls:
        call.keywords = [one for one in call.keywords if one.arg != argument]
        if value is not None:
            call.keywords.append(ast.keyword(argument, ast.parse(value, mode="eval").body))


SOURCES: dict[str, Callable[[ast.Module], Iterator[Site]]] = {
    "guard inverted": guards_inverted,
    "field forgotten": fields_forgotten,
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


def messages_lost() -> Iterator[tuple[str, Callable[[], Any]]]:
    """A message that waits during one of the handoffs is lost."""
    for dest in ("reception", "booking", "manager", "cashier", "concierge", "farewell"):
        for chosen in range(2):
            what = f"row {chosen} that waits in a handoff to {dest} is consumed for nothing"
            yield what, dropping_rows(dest, chosen)
        yield f"a message taken up in a handoff to {dest} is shown to nobody", not_shown(dest, 0)


# -- all together ------------------------------------------------------------------------------------------------------

KINDS = (*SOURCES, "message lost in a handoff")


def bug(kind: str, seed: int, directory: Path) -> Bug:
    """Make a bug.

    Args:
        kind: one of `KINDS`.
        seed: of where it is put: another place for each, as long as there are any.
        directory: where changed source is written to.
    """
    chance = random.Random(kind)  # noqa: S311 - no secret
    tree = ast.parse(SOURCE.read_text())
    name = f"hotel_{kind.replace(' ', '_')}_{seed}"
    if kind in SOURCES:
        sites = list(SOURCES[kind](tree))
        chance.shuffle(sites)
        what, change = sites[seed % len(sites)]
        change()
        return Bug(what, loaded(tree, directory, name), nothing)
    around = list(messages_lost())
    chance.shuffle(around)
    what, broken = around[seed % len(around)]
    return Bug(what, loaded(tree, directory, name), broken)
