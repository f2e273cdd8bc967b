"""What a function becomes as a tool: its schema, its parameters, when it can be called, what it asks."""

from __future__ import annotations

import asyncio
import enum
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, TypeVar

import pytest
from pydantic import BaseModel, Field, StringConstraints

from handoff.declaration.flow import Assistant, Flow
from handoff.declaration.metadata import Deps, FromMetadata, Go, Metadata, ToolCall
from handoff.declaration.signature import Source
from handoff.declaration.tools import Tool
from handoff.errors import EffectRefused

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z]+$")]


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    city: str
    street: str = ""


class Base(Metadata):
    page_id: PageId | None = None


class Site(Base):
    owner: str | None = None
    locked: bool = False


class Pages(Deps):
    pass


CALL = ToolCall(id="c1", idempotency_key="k1", thread_id="t1")


def unlocked(site: Site) -> bool:
    """The site is locked."""
    return not site.locked


def fails(site: Site) -> bool:
    """The owner is known."""
    raise RuntimeError(str(site))


def tool_of(function: Any, **options: Any) -> Tool:
    flow = Flow("desk", metadata=Site, deps=Pages)
    first = flow.assistant("first", instructions="")
    second = flow.assistant("second", instructions="", description="is second")
    flow.assistant("third", instructions="")
    if "to" in options:
        options["to"] = tuple(flow.assistants[name] for name in options["to"])
    first.tool(**options)(function)
    assert second.flow is flow
    return flow.tools_of("first")[function.__name__]


def test_the_schema_holds_what_the_model_fills() -> None:
    """Injected parameters are left out; constraints and descriptions are kept; the object is closed."""

    def edit(  # noqa: D417  (what is injected is not described to the model)
        site: Site,
        base: Base,
        pages: Pages,
        call: ToolCall,
        page_id: FromMetadata[PageId],
        title: Annotated[str, StringConstraints(pattern="^[A-Z]")],
        color: Color,
    ) -> str:
        """Edit a page.

        Everything is kept.

        Args:
            title: The new title,
                in one line.
            color: Its color.

        Returns:
            What was done.
        """
        return f"{site}{base}{pages}{call}{page_id}{title}{color}"

    tool = tool_of(edit)

    assert {
        "type": "object",
        "properties": {
            "title": {"type": "string", "pattern": "^[A-Z]", "description": "The new title, in one line."},
            "color": {"anyOf": [{"$ref": "#/$defs/Color"}], "description": "Its color."},
        },
        "required": ["title", "color"],
        "additionalProperties": False,
        "$defs": {"Color": {"enum": ["red", "blue"], "type": "string"}},
    } == tool.schema
    assert tool.strict
    assert "Edit a page.\n\nEverything is kept." == tool.description


def test_parameters_are_told_apart_by_annotation() -> None:
    """Annotations say where values come from, also those written as text."""

    def edit(site: Site, pages: Pages, call: ToolCall, page_id: FromMetadata[PageId], title: str) -> str:
        """Edit."""
        return f"{site}{pages}{call}{page_id}{title}"

    tool = tool_of(edit)

    assert [Source.METADATA, Source.DEPS, Source.CALL, Source.READS, Source.MODEL] == [
        parameter.source for parameter in tool.signature.parameters
    ]
    assert (("page_id",), True) == (tool.reads, tool.takes_deps)


def test_a_parameter_with_a_default_may_be_null() -> None:
    """Strict mode requires every property, so null stands for the default, which the description names."""

    def look(words: int = 3, where: str | None = None) -> str:
        """Look."""
        return f"{words}{where}"

    tool = tool_of(look)

    assert {
        "words": {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "Null for the default, 3."},
        "where": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    } == tool.schema["properties"]
    assert ["words", "where"] == tool.schema["required"]
    assert tool.strict


def table(kind: Any) -> Any:
    def look(value: Any) -> str:
        """Look."""
        return str(value)

    look.__annotations__["value"] = kind
    return look


def test_objects_inside_are_closed_too() -> None:
    """Strict mode wants every object to refuse what it does not name."""

    class Point(BaseModel):
        x: int

    def mark(points: list[Point]) -> str:
        """Mark."""
        return str(points)

    tool = tool_of(mark)

    assert {
        "Point": {
            "type": "object",
            "properties": {"x": {"type": "integer"}},
            "required": ["x"],
            "additionalProperties": False,
        }
    } == tool.schema["$defs"]
    assert tool.strict


@pytest.mark.parametrize(
    ("kind", "strict"),
    [
        pytest.param(str, True, id="text"),
        pytest.param(Annotated[int, Field(ge=1)], True, id="bounded-number"),
        pytest.param(list[Literal["a", "b"]], True, id="list-of-words"),
        pytest.param(date, True, id="date"),
        pytest.param(dict[str, str], False, id="open-object"),
        pytest.param(Address, False, id="model-with-a-default"),
        pytest.param(Annotated[str, Field(min_length=1)], False, id="length"),
        pytest.param(tuple[int, str], False, id="tuple"),
        pytest.param(Any, False, id="anything"),
    ],
)
def test_strict_mode_is_left_where_it_cannot_express_the_type(kind: Any, strict: bool) -> None:
    """Such a tool is offered without strict mode."""
    assert strict is tool_of(table(kind)).strict


def test_a_choice_is_an_enum_of_the_destinations() -> None:
    """The model gets names, the body assistants."""

    def choose(who: Assistant[Site]) -> Go:
        """Choose."""
        return Go(who, "chosen")

    tool = tool_of(choose, to=("second", "third"))
    values = tool.parse('{"who": "third"}')

    assert {"type": "string", "enum": ["second", "third"], "description": "second: is second"} == tool.schema[
        "properties"
    ]["who"]
    assert "third" == values["who"].name
    bound = tool.bind(values, Site(), None, CALL)
    assert "third" == bound.finish(bound.run()).go


@pytest.mark.parametrize(
    ("options", "lane"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"to": ("second",)}, True, id="destination"),
        pytest.param({"clears": "page_id"}, True, id="clears"),
        pytest.param({"allow": unlocked}, True, id="allow"),
    ],
)
def test_what_touches_metadata_or_moves_is_in_the_lane(options: dict[str, Any], lane: bool) -> None:
    """Everything else may run at the same time as others."""

    def say() -> str:
        """Say."""
        return ""

    assert lane is tool_of(say, **options).lane


def test_reading_metadata_is_in_the_lane() -> None:
    """A copy of the metadata or a field read from it depends on the calls before."""

    def copy(base: Base) -> str:
        """Copy."""
        return str(base)

    def read(page_id: FromMetadata[str]) -> str:
        """Read."""
        return page_id

    assert tool_of(copy).lane
    assert tool_of(read).lane


def test_a_tool_that_reads_an_unset_field_is_unavailable() -> None:
    """The reason names the field; once it is set, the tool is there."""

    def show(page_id: FromMetadata[PageId], owner: FromMetadata[str]) -> str:
        """Show."""
        return page_id + owner

    tool = tool_of(show)

    assert "page_id, owner are not set" == tool.unavailable(Site())
    assert "owner is not set" == tool.unavailable(Site(page_id="a"))
    assert tool.unavailable(Site(page_id="a", owner="b")) is None


def test_allow_says_when_a_tool_is_there() -> None:
    """While it says no, the first line of its docstring is the reason."""

    def say() -> str:
        """Say."""
        return ""

    assert "The site is locked" == tool_of(say, allow=unlocked).unavailable(Site(locked=True))
    assert tool_of(say, allow=unlocked).unavailable(Site()) is None


def test_allow_that_fails_counts_as_no(caplog: pytest.LogCaptureFixture) -> None:
    """The failure is logged."""

    def say() -> str:
        """Say."""
        return ""

    assert "The owner is known (this could not be checked)" == tool_of(say, allow=fails).unavailable(Site())
    assert "RuntimeError" in caplog.text


def pay(site: Site, page_id: FromMetadata[str], amount: int, note: str = "") -> str:
    """Pay."""
    return f"{site}{page_id}{amount}{note}"


def large(amount: int) -> bool:
    return amount > 100


def unowned(base: Site, page_id: FromMetadata[str]) -> bool:
    return base.owner is None and page_id == "home"


def undecided(amount: int) -> bool:
    raise RuntimeError(str(amount))


@pytest.mark.parametrize(
    ("approval", "amount", "expected"),
    [
        pytest.param(True, 1, True, id="always"),
        pytest.param(False, 1000, False, id="never"),
        pytest.param(large, 100, False, id="policy-no"),
        pytest.param(large, 101, True, id="policy-yes"),
        pytest.param(unowned, 1, True, id="policy-of-metadata"),
        pytest.param(undecided, 1, True, id="policy-fails"),
    ],
)
def test_approval_is_asked_for_where_it_is_declared(approval: Any, amount: int, expected: bool) -> None:
    """A policy judges some of the parameters; one that fails asks for approval."""
    tool = tool_of(pay, approval=approval)
    values = tool.parse(f'{{"amount": {amount}}}')

    assert expected is tool.asks_approval(values, Site(page_id="home"))


def test_options_are_kept_for_the_driver() -> None:
    """What the core and the driver need stands on the tool."""

    def say() -> str:
        """Say."""
        return ""

    tool = tool_of(say, to=("second",), speak="output", idempotent=True, timeout=2.5)

    assert ("output", True, 2.5, ("first",)) == (tool.speak, tool.idempotent, tool.timeout, tool.owners)
    assert ["second"] == [destination.assistant.name for destination in tool.to]


def test_an_async_body_is_awaited_by_the_driver() -> None:
    """`run` gives something to await, and `finish` takes what came of it."""

    async def say(word: str) -> str:
        """Say."""
        return word

    bound = tool_of(say).bind({"word": "hello"}, Site(), None, CALL)

    assert bound.is_async
    assert "hello" == bound.finish(asyncio.run(bound.run())).output


def test_a_body_gets_what_it_asks_for() -> None:
    """Deps, the call, the field it reads and the model's values arrive under their names."""
    given: list[Any] = []

    def say(pages: Pages, call: ToolCall, page_id: FromMetadata[PageId], word: str) -> str:
        """Say."""
        given.extend([pages, call, page_id, word])
        return ""

    pages = Pages()
    tool_of(say).bind({"word": "hello"}, Site(page_id="home"), pages, CALL).run()

    assert [pages, CALL, "home", "hello"] == given


def sent(pages: Pages, call: ToolCall, amount: int) -> str | None:
    return f"{call.id} {amount} {type(pages).__name__}" if amount else None


@pytest.mark.parametrize(
    ("amount", "expected"), [pytest.param(3, "c1 3 Pages", id="happened"), pytest.param(0, None, id="did-not")]
)
def test_a_probe_says_whether_the_call_happened(amount: int, expected: str | None) -> None:
    """It gets some of the body's parameters and the call."""
    probe = tool_of(pay, probe=sent).bind_probe({"amount": amount, "note": ""}, Site(page_id="a"), Pages(), CALL)

    assert expected == probe.finish(probe.run())


def test_a_probe_that_answers_anything_else_is_refused() -> None:
    """A bool is no output."""
    probe = tool_of(pay, probe=sent).bind_probe({"amount": 1}, Site(page_id="a"), Pages(), CALL)

    with pytest.raises(EffectRefused, match="return str or None"):
        probe.finish(returned=True)


def test_a_tool_without_a_probe_cannot_be_asked() -> None:
    """Binding a probe that is not there is the caller's mistake."""
    with pytest.raises(ValueError, match="pay has no probe"):
        tool_of(pay).bind_probe({"amount": 1}, Site(), None, CALL)


def test_progress_goes_to_whoever_watches() -> None:
    """The body reports through its call."""
    heard: list[tuple[str, float | None]] = []
    call = ToolCall(
        "c", "k", "t", datetime(2026, 1, 1, tzinfo=UTC), report=lambda text, part: heard.append((text, part))
    )
    call.progress("half", 0.5)
    CALL.progress("nobody hears this")

    assert [("half", 0.5)] == heard


@pytest.mark.parametrize("fraction", [pytest.param(1.1, id="above"), pytest.param(float("nan"), id="nan")])
def test_progress_beyond_the_whole_is_refused(fraction: float) -> None:
    """A fraction lies between 0 and 1."""
    with pytest.raises(ValueError, match="not between 0 and 1"):
        CALL.progress("more", fraction)


def test_a_type_variable_stands_for_its_bound() -> None:
    """Shared parts are generic functions over a flow; their tools take its metadata."""
    flow = Flow("desk", metadata=Site)
    flow.assistant("first", instructions="")
    add_reader(flow)

    assert (Source.METADATA,) == tuple(one.source for one in flow.tools_of("first")["read_all"].signature.parameters)


M = TypeVar("M", bound=Metadata)


def add_reader(flow: Flow[M]) -> None:
    @flow.tool()
    def read_all(metadata: M) -> str:
        """Read all."""
        return str(metadata)
