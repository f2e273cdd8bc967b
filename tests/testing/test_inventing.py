"""Values made up from types: small, valid, the same in every run, and near what a guard asks about."""

from __future__ import annotations

import enum
import functools
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, Field, HttpUrl, JsonValue, StringConstraints, TypeAdapter

from handoff.testing.constants import constants_of
from handoff.testing.inventing import Nothing, invent
from handoff.testing.patterns import matching


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    article: Annotated[str, StringConstraints(pattern=r"^[A-Z]\d{5}$")]
    count: Annotated[int, Field(gt=0, multiple_of=6)]
    note: str | None = None


class Tree(BaseModel):
    name: str
    branches: list[Tree] = []


def even(number: int) -> int:
    """Refuse odd numbers, which no schema tells."""
    if number % 2:
        raise ValueError("odd")
    return number


def text(pattern: str) -> Any:
    """A text of a pattern."""
    return Annotated[str, StringConstraints(pattern=pattern)]


@pytest.mark.parametrize(
    ("annotation", "first"),
    [
        pytest.param(str, "a", id="text"),
        pytest.param(str | None, "a", id="optional"),
        pytest.param(int, 1, id="number"),
        pytest.param(bool, True, id="bool"),
        pytest.param(Colour, "red", id="enum"),
        pytest.param(Literal["x", 3], "x", id="literal"),
        pytest.param(date, "2026-01-02", id="date"),
        pytest.param(datetime, "2026-01-02T03:04:05Z", id="datetime"),
        pytest.param(time, "03:04:05", id="time"),
        pytest.param(timedelta, "P1D", id="timedelta"),
        pytest.param(Decimal, 1, id="decimal"),
        pytest.param(UUID, "00000000-0000-4000-8000-000000000000", id="uuid"),
        pytest.param(HttpUrl, "https://example.com/", id="url"),
        pytest.param(JsonValue, "a", id="json"),
        pytest.param(list[int], [1], id="list"),
        pytest.param(set[str], ["a"], id="set"),
        pytest.param(tuple[int, str], [1, "a"], id="tuple"),
        pytest.param(dict[str, bool], {"a": True}, id="dict"),
        pytest.param(Annotated[list[str], Field(min_length=3)], ["a", "a", "a"], id="at least three"),
        pytest.param(Annotated[str, StringConstraints(min_length=7)], "a@example.com", id="at least seven letters"),
        pytest.param(Annotated[str, StringConstraints(min_length=60)], "a" * 60, id="a long text"),
        pytest.param(Annotated[int, Field(ge=50, le=60, multiple_of=7)], 56, id="a multiple"),
        pytest.param(Annotated[float, Field(gt=0, lt=1)], 0.5, id="between"),
        pytest.param(Annotated[int, AfterValidator(even)], 0, id="validator"),
        pytest.param(Line, {"article": "A00000", "count": 6}, id="model"),
        pytest.param(Tree, {"name": "a"}, id="recursive model"),
        pytest.param(text(r"^[0-9a-f]{64}$"), "a" * 64, id="digest"),
    ],
)
def test_the_first_value(annotation: Any, first: Any) -> None:
    """The first value of a type is a simple one; all are valid."""
    values = invent(annotation)

    assert first == values[0]
    assert all(TypeAdapter(annotation).validate_python(one) is not None for one in values)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param(r"^[A-Z]{2,3}-\d{4}$", "AA-0000", id="classes and counts"),
        pytest.param(r"^(foo|bar)+x?$", "foo", id="alternatives"),
        pytest.param(r"^[^\W_]+\.\w+$", "a.a", id="negated class"),
        pytest.param(r"^\S+@\S+\.[a-z]{2}$", "a@a.aa", id="address"),
        pytest.param(r"^(?P<year>\d{4})(?:-\d\d)?$", "0000", id="groups"),
        pytest.param(r"^[^a]\s\D$", "b a", id="not a, space, no digit"),
        pytest.param(r"^a*b{3}.$", "bbba", id="repeats"),
    ],
)
def test_a_text_of_a_pattern(pattern: str, expected: str) -> None:
    """A short text is written along a pattern."""
    assert expected == next(iter(matching(pattern)))


def test_a_pattern_that_cannot_be_read() -> None:
    """A pattern of Rust's that Python does not know gives nothing, and no error."""
    assert [] == list(matching(r"^\p{Greek}+$"))


def test_all_of_a_list() -> None:
    """A type that lists its values gives all of them."""
    assert list(range(40)) == invent(Literal[tuple(range(40))])  # type: ignore[valid-type]


def test_hints_are_tried() -> None:
    """What somebody asks about is among the values, and the numbers beside it, if the type takes it."""
    values = invent(int, hints=[250, "no number"])

    assert {249, 250, 251} <= set(values)
    assert "no number" not in values


def test_hints_are_tried_within() -> None:
    """A value that is asked about is tried in the fields of a model, and as the length of a list."""
    assert {"name": "oak"} in invent(Tree, hints=["oak"])
    assert ["a"] * 4 in invent(list[str], hints=[4])


def test_nothing_is_made_up_that_is_not_valid() -> None:
    """Where nothing that was tried is valid, there is nothing."""

    def refuse(value: str) -> str:
        raise ValueError(value)

    with pytest.raises(Nothing):
        invent(Annotated[str, AfterValidator(refuse)])


LIMIT = 40
KINDS = {"vip": 1, "standard": 2}


def is_large(amount: int) -> bool:
    """Ask a helper's question."""
    return amount > LIMIT


def asks(order: Any) -> bool:
    """This sentence is no value."""
    return is_large(order.amount) and order.kind in KINDS and len(order.lines) >= 3


def test_constants_of_a_guard() -> None:
    """The constants of a guard are its own, those it names, and those of the functions it calls; no docstring."""
    assert {40, 1, 2, "vip", "standard", 3} >= set(constants_of(asks)) >= {40, "vip", "standard", 3}


def at_least(least: int) -> Any:
    """Make a guard."""

    def holds(order: Any) -> bool:
        return bool(order.amount >= least)

    return holds


class Least:
    """A guard that is an object."""

    def __init__(self, least: int) -> None:
        self.least = least

    def __call__(self, order: Any) -> bool:
        return bool(order.amount >= self.least)


@pytest.mark.parametrize(
    "guard",
    [
        pytest.param(lambda order: order.amount >= 70, id="lambda"),
        pytest.param(Least(70), id="object"),
        pytest.param(functools.partial(lambda least, order: order.amount >= least, 70), id="partial"),
        pytest.param(at_least(70), id="closure"),
    ],
)
def test_constants_of_other_guards(guard: Any) -> None:
    """A guard need not be a function with a name."""
    assert 70 in constants_of(guard)
