"""What a template asks of the metadata: which fields must be set for it to be rendered, and which it prints bare.

A placeholder under `{% if page_id %}` asks for nothing, nor does the left side of an `or`: what is known to be set is
followed through the tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from jinja2 import nodes

from handoff.declaration.instructions import Instructions

_LENIENT = frozenset({"eq", "ne", "in", "notin"})
"""Comparisons that None takes part in."""


@dataclass(slots=True)
class Needs:
    """What a template asks for.

    Attributes:
        needed: the fields that must be set, each with the first line it is needed in.
        uses: each use of a field that must be set for it: the field, the line, and what is known to be set there.
        printed: the fields that are printed as they are.
        named: all fields it names.
        asked: the fields without which a part is never shown, each with the first line of such a part.
        texts: the texts between the placeholders, with the line each starts in.
    """

    needed: dict[str, int] = field(default_factory=dict[str, int])
    uses: list[tuple[str, int, frozenset[str]]] = field(default_factory=list[tuple[str, int, frozenset[str]]])
    printed: set[str] = field(default_factory=set[str])
    named: set[str] = field(default_factory=set[str])
    asked: dict[str, int] = field(default_factory=dict[str, int])
    texts: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


def needs_of(instructions: Instructions) -> Needs:
    """What a template asks for."""
    reader = _Reader(instructions.fields)
    reader.statements(instructions.tree.body, frozenset())
    reader.needs.named |= instructions.fields
    return reader.needs


class _Reader:
    """Walks a template with the fields known to be set."""

    def __init__(self, fields: frozenset[str]) -> None:
        self._fields = fields
        self.needs = Needs()

    def statements(self, body: Iterable[nodes.Node], known: frozenset[str]) -> None:
        """Read statements in order."""
        for statement in body:
            self._statement(statement, known)

    def _statement(self, statement: nodes.Node, known: frozenset[str]) -> None:
        match statement:
            case nodes.Output():
                for part in statement.nodes:
                    if isinstance(part, nodes.TemplateData):
                        self.needs.texts.append((part.lineno, part.data))
                        continue
                    if isinstance(part, nodes.Name) and part.name in self._fields:
                        self.needs.printed.add(part.name)
                    self._value(part, known)
            case nodes.If():
                self._truth(statement.test, known)
                self._shown_with(statement.test)
                self.statements(statement.body, known | _facts(statement.test, holds=True))
                known |= _facts(statement.test, holds=False)
                for other in statement.elif_:
                    self._statement(other, known)  # an If of its own
                    known |= _facts(other.test, holds=False)
                self.statements(statement.else_, known)
            case nodes.For():
                self._value(statement.iter, known)
                if statement.test is not None:
                    self._truth(statement.test, known)
                self.statements(statement.body, known)
                self.statements(statement.else_, known)
            case _:
                for child in statement.iter_child_nodes():
                    if isinstance(child, nodes.Expr):
                        self._value(child, known)
                    else:
                        self._statement(child, known)

    def _shown_with(self, test: nodes.Node) -> None:
        for name in sorted(_facts(test, holds=True) & self._fields):
            self.needs.asked.setdefault(name, test.lineno)

    def _value(self, expression: nodes.Node, known: frozenset[str]) -> None:
        """The expression's value is used, so it must not be None."""
        match expression:
            case nodes.Name(ctx="load") if expression.name in self._fields and expression.name not in known:
                self.needs.needed.setdefault(expression.name, expression.lineno)
                self.needs.uses.append((expression.name, expression.lineno, known & self._fields))
            case nodes.Or():
                self._shown_with(expression.left)
                self._truth(expression.left, known)
                self._value(expression.right, known | _facts(expression.left, holds=False))
            case nodes.And():
                self._value(expression.left, known)
                self._value(expression.right, known | _facts(expression.left, holds=True))
            case nodes.CondExpr():
                self._truth(expression.test, known)
                self._value(expression.expr1, known | _facts(expression.test, holds=True))
                if expression.expr2 is not None:
                    self._value(expression.expr2, known | _facts(expression.test, holds=False))
            case nodes.Not() | nodes.Compare() | nodes.Test():
                self._truth(expression, known)
            case nodes.Filter(name="default" | "d") if _also_for_false(expression) and expression.node is not None:
                self._truth(expression.node, known)
                self._value(expression.args[0], known)
            case _:
                for child in expression.iter_child_nodes():
                    self._value(child, known)

    def _truth(self, expression: nodes.Node, known: frozenset[str]) -> None:
        """Only whether the expression holds is asked, or something that None can be asked."""
        match expression:
            case nodes.Name():
                pass
            case nodes.Not():
                self._truth(expression.node, known)
            case nodes.Or():
                self._truth(expression.left, known)
                self._truth(expression.right, known | _facts(expression.left, holds=False))
            case nodes.And():
                self._truth(expression.left, known)
                self._truth(expression.right, known | _facts(expression.left, holds=True))
            case nodes.Test():
                self._truth(expression.node, known)
                for argument in expression.args:
                    self._value(argument, known)
            case nodes.Compare():
                lenient = all(operand.op in _LENIENT for operand in expression.ops)
                (self._truth if lenient else self._value)(expression.expr, known)
                for operand in expression.ops:
                    equal = operand.op in ("eq", "ne")
                    (self._truth if equal else self._value)(operand.expr, known)
            case _:
                self._value(expression, known)


def _facts(test: nodes.Node, *, holds: bool) -> frozenset[str]:
    """The names that are set if the test holds, or does not."""
    match test:
        case nodes.Name():
            return frozenset({test.name}) if holds else frozenset()
        case nodes.Not():
            return _facts(test.node, holds=not holds)
        case nodes.And() | nodes.Or():
            left, right = _facts(test.left, holds=holds), _facts(test.right, holds=holds)
            both = isinstance(test, nodes.And) == holds
            return left | right if both else left & right
        case nodes.Test(name="none", node=nodes.Name(name=name)):
            return frozenset() if holds else frozenset({name})
        case nodes.Compare(expr=nodes.Name(name=name), ops=[nodes.Operand(op=op, expr=nodes.Const(value=value))]):
            told = (op == "eq") == holds if value is not None else (op == "ne") == holds
            return frozenset({name}) if told and op in ("eq", "ne") else frozenset()
        case _:
            return frozenset()


def _also_for_false(used: nodes.Filter) -> bool:
    """Whether `default` stands in for None too."""
    second = used.args[1] if len(used.args) > 1 else None
    return isinstance(second, nodes.Const) and bool(second.value)
