"""What a guard answers is found by asking it about every case; what depends on more is not decided."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, JsonValue, StringConstraints

from handoff import Metadata
from handoff.checks.decisions import Decision, decide, jointly
from handoff.checks.values import Domain, Something, UndecidedError, domains
from handoff.declaration.place import Place

HERE = Place(__file__, 1)


class Kind(Enum):
    A = "a"
    B = "b"


class Part(BaseModel):
    name: str = ""


class Dated(Metadata):
    @property
    def late(self) -> bool:
        """It is late by now."""
        return dt.date.today() > dt.date(2020, 1, 1)  # noqa: DTZ011


class Facts(Dated):
    text: str | None = None
    code: Annotated[str, StringConstraints(min_length=1)] | None = None
    kind: Kind | None = None
    topic: Literal["bill", "fault"] | None = None
    ready: bool = False
    number: int | None = None
    listed: list[str] | None = None
    part: Part | None = None
    at: dt.date | None = None
    anything: JsonValue = None
    default: str = "x"

    @property
    def open(self) -> bool:
        """It is not ready."""
        return not self.ready

    def about(self, topic: str) -> bool:
        """It is about that."""
        return self.topic == topic


KNOWN = domains(Facts)
LIMIT = 3
WORDS = ["bill"]
STATE = {name: domain.whole for name, domain in KNOWN.items()}


def decided(guard: Callable[[Any], bool]) -> Decision:
    return decide(guard, Facts, KNOWN, HERE)


def helper(facts: Facts) -> bool:
    return facts.topic in {"bill", "fault"}


def repeated(facts: Facts) -> bool:
    return any(facts.topic == one for one in ("bill", "fault"))


def swallows(facts: Facts) -> bool:
    try:
        return facts.number is not None and facts.number > LIMIT
    except Exception:  # noqa: BLE001
        return False


@pytest.mark.parametrize(
    ("field", "cases"),
    [
        pytest.param("text", ["''", "set", "unset"], id="text-may-be-empty"),
        pytest.param("code", ["set", "unset"], id="text-that-is-never-empty"),
        pytest.param("kind", ["'a'", "'b'", "unset"], id="enum"),
        pytest.param("topic", ["'bill'", "'fault'", "unset"], id="literal"),
        pytest.param("ready", ["False", "True"], id="bool"),
        pytest.param("number", ["0", "set", "unset"], id="number"),
        pytest.param("listed", ["[]", "set", "unset"], id="list"),
        pytest.param("part", ["set", "unset"], id="model"),
        pytest.param("at", ["set", "unset"], id="date"),
        pytest.param("anything", ["False", "True", "set", "unset"], id="any-json"),
        pytest.param("default", ["''", "set"], id="never-unset"),
    ],
)
def test_the_cases_of_a_field(field: str, cases: list[str]) -> None:
    """Closed types are listed, the rest is set or unset, and what counts as false stands apart."""
    domain = KNOWN[field]

    assert cases == sorted(domain.spell(number) for number in range(len(domain.cases)))


@pytest.mark.parametrize(
    ("guard", "answers"),
    [
        pytest.param(lambda facts: facts.text is not None, {True, False}, id="set-or-unset"),
        pytest.param(lambda facts: bool(facts.text), {True, False}, id="truth"),
        pytest.param(lambda facts: bool(facts.code or facts.code is None), {True}, id="a-text-never-empty"),
        pytest.param(lambda facts: facts.kind is Kind.A and facts.kind is Kind.B, {False}, id="enum-by-identity"),
        pytest.param(lambda facts: facts.topic in {"bill", "fault", None}, {True}, id="all-of-a-literal"),
        pytest.param(lambda facts: facts.ready and not facts.ready, {False}, id="contradiction"),
        pytest.param(lambda facts: facts.open == facts.ready, {False}, id="property"),
        pytest.param(lambda facts: facts.about("bill") and facts.about("fault"), {False}, id="method"),
        pytest.param(lambda facts: helper(facts) or facts.topic is None, {True}, id="other-function"),
        pytest.param(repeated, {True, False}, id="generator"),
        pytest.param(lambda facts: getattr(facts, "ready") or facts.open, {True}, id="by-name"),  # noqa: B009
        pytest.param(lambda _facts: True, {True}, id="reads-nothing"),
        pytest.param(lambda facts: facts.part is not None and bool(facts.part) is False, {False}, id="model-is-true"),
        pytest.param(lambda facts: facts.number is None or LIMIT > 2, {True}, id="constant"),
    ],
)
def test_what_is_decided(guard: Callable[[Any], bool], answers: set[bool]) -> None:
    """Over all cases the guard gives exactly these answers, and none is unknown."""
    decision = decided(guard)

    assert answers == decision.answers(STATE)
    assert "" == decision.unknown


@pytest.mark.parametrize(
    "guard",
    [
        pytest.param(lambda facts: facts.text == "x", id="compares-a-text"),
        pytest.param(lambda facts: facts.number is not None and facts.number > LIMIT, id="compares-a-number"),
        pytest.param(lambda facts: len(facts.listed or ()) > 1, id="measures"),
        pytest.param(lambda facts: isinstance(facts.anything, str), id="asks-for-a-type"),
        pytest.param(lambda facts: bool(facts.anything), id="truth-of-anything"),
        pytest.param(lambda facts: f"{facts.text}" == "x", id="formats"),
        pytest.param(lambda facts: facts.part is not None and facts.part.name == "x", id="looks-inside"),
        pytest.param(lambda facts: bool({facts.text: 1}), id="hashes"),
        pytest.param(lambda facts: facts.text is facts.code, id="identity-of-two"),
        pytest.param(lambda facts: bool(facts.model_dump()), id="dumps"),
        pytest.param(lambda facts: facts == Facts(), id="compares-all"),
        pytest.param(swallows, id="swallows-errors"),
        pytest.param(lambda facts: dt.date.today() > dt.date(2020, 1, 1), id="clock"),  # noqa: ARG005, DTZ011
        pytest.param(lambda facts: random.choice(WORDS) == facts.topic, id="chance"),  # noqa: S311
        pytest.param(lambda facts: facts.topic in WORDS, id="mutable-global"),
        pytest.param(lambda facts: eval(facts.topic or "1") is None, id="evaluates"),  # noqa: S307
        pytest.param(lambda facts: undefined or facts.ready, id="undefined-name"),  # type: ignore[name-defined]  # noqa: F821
        pytest.param(lambda facts: facts.late, id="clock-in-a-property-of-a-base"),
        pytest.param(Facts.__eq__, id="of-the-base-class"),
    ],
)
def test_what_is_not_decided(guard: Callable[[Any], bool]) -> None:
    """Some answer is not known, with the reason; none is guessed."""
    decision = decided(guard)

    assert None in decision.answers(STATE)
    assert decision.unknown


def test_a_guard_that_raises_says_no() -> None:
    """As at run time; the case in which it fails is told apart."""
    decision = decided(lambda facts: facts.topic.startswith("b"))
    (failed,) = [branch for branch in decision.branches if branch.failed]

    assert "unset" == KNOWN["topic"].spell(failed.given["topic"])
    assert failed.answer is False


def test_an_answer_narrows_the_state() -> None:
    """What a guard has said yes to is known afterwards; what it did not read stays as it was."""
    after = decided(lambda facts: facts.ready and facts.text is not None).refine(STATE, wanted=True)

    assert after is not None
    assert ("True", "'' or set") == (KNOWN["ready"].spell_mask(after["ready"]), KNOWN["text"].spell_mask(after["text"]))
    assert STATE["kind"] == after["kind"]


def test_an_answer_that_cannot_come_leaves_nothing() -> None:
    """A guard that always holds cannot say no."""
    assert decided(lambda _facts: True).refine(STATE, wanted=False) is None


def test_two_guards_are_asked_about_the_same_case() -> None:
    """Together they can only say what one case lets both say."""
    bill, fault = decided(lambda facts: facts.topic == "bill"), decided(lambda facts: facts.topic == "fault")

    assert jointly([(bill, (True,)), (fault, (True,))], STATE) is None
    assert {"topic": KNOWN["topic"].cases.index(None)} == jointly([(bill, (False,)), (fault, (False,))], STATE)


@pytest.mark.parametrize(
    "look",
    [
        pytest.param(len, id="len"),
        pytest.param(str, id="str"),
        pytest.param(hash, id="hash"),
        pytest.param(lambda one: one == "x", id="equal"),
        pytest.param(lambda one: "x" in (1, one), id="in-tuple"),
        pytest.param(lambda one: isinstance(one, str), id="isinstance"),
        pytest.param(lambda one: one.name, id="attribute"),
        pytest.param(lambda one: one[0], id="item"),
        pytest.param(lambda one: [*one], id="iteration"),
        pytest.param(lambda one: one + 1, id="sum"),
        pytest.param(lambda one: one < 1, id="order"),
        pytest.param(bool, id="truth"),
    ],
)
def test_a_value_that_is_only_known_to_be_set_answers_nothing_else(look: Callable[[Any], Any]) -> None:
    """Each closer look ends the question, past every `except Exception`."""
    with pytest.raises(UndecidedError):
        look(Something(true=False))


def test_a_narrower_type_has_fewer_cases() -> None:
    """An argument that takes some values of a field sets it to those."""
    domain = Domain(("a", "b", None))

    assert (domain.mask("a"), domain.set) == (domain.of(Literal["a"]), domain.of(Annotated[str, Field(min_length=1)]))
