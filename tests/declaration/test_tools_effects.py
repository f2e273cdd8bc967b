"""What a body's success does: outputs, patches, and the refusal of everything that was not declared."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, StringConstraints

from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps, FromMetadata, Go, Metadata, Pending, ToolCall
from handoff.declaration.tools import Outcome, Tool
from handoff.errors import EffectRefused, ToolError

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z]+$")]
CALL = ToolCall(id="c1", idempotency_key="k1", thread_id="t1")


class Address(BaseModel):
    city: str


class Site(Metadata):
    page_id: PageId | None = None
    change: str | None = None
    tags: list[str] = Field(default_factory=list)
    visits: int | bool = 0
    address: Address | None = None
    day: date | None = None


def tool_of(function: Callable[..., Any], **options: Any) -> Tool:
    flow = Flow("desk", metadata=Site, deps=Deps)
    first, second = flow.assistant("first", instructions=""), flow.assistant("second", instructions="")
    if "to" in options:
        options["to"] = second
    first.tool(**options)(function)
    return flow.tools_of("first")[function.__name__]


def outcome(tool: Tool, site: Site, **values: Any) -> Outcome:
    bound = tool.bind(values, site, None, CALL)
    return bound.finish(bound.run())


def open_page(page_id: PageId) -> str:
    """Open a page."""
    return f"{page_id} is open"


def test_an_argument_named_in_sets_is_stored() -> None:
    """The body needs no metadata at all."""
    assert Outcome("home is open", {"page_id": "home"}) == outcome(
        tool_of(open_page, sets="page_id"), Site(), page_id="home"
    )


def test_the_same_value_again_is_part_of_the_patch() -> None:
    """Setting a field to what it was counts as setting it."""
    tool = tool_of(open_page, sets="page_id")

    assert {"page_id": "home"} == outcome(tool, Site(page_id="home"), page_id="home").patch


def test_a_patch_is_json() -> None:
    """Values in a patch are those of the JSON dump."""

    def plan(day: date, address: Address) -> str:
        """Plan."""
        return f"{day}{address}"

    tool = tool_of(plan, sets=("day", "address"))
    values = tool.parse('{"day": "2026-01-31", "address": {"city": "Bern"}}')

    assert {"day": "2026-01-31", "address": {"city": "Bern"}} == outcome(tool, Site(), **values).patch


def test_cleared_fields_become_none() -> None:
    """Also those that were unset before."""

    def publish() -> str:
        """Publish."""
        return "published"

    tool = tool_of(publish, clears=("page_id", "change"))

    assert {"page_id": None, "change": None} == outcome(tool, Site(page_id="home")).patch


def test_a_body_assigns_on_its_copy() -> None:
    """What the body wrote leaves as a patch; the thread's metadata never changes."""

    def shorten(site: Site) -> str:
        """Shorten."""
        site.change = "shorter"
        site.tags.append("short")
        return "done"

    site = Site(tags=["long"])

    assert {"change": "shorter", "tags": ["long", "short"]} == outcome(
        tool_of(shorten, sets=("change", "tags")), site
    ).patch
    assert Site(tags=["long"]) == site


def test_a_body_without_effects_leaves_no_patch() -> None:
    """Reading is no write."""

    def show(site: Site, page_id: FromMetadata[PageId]) -> str:
        """Show."""
        return f"{site.page_id}{page_id}"

    assert Outcome("homehome", {}) == outcome(tool_of(show), Site(page_id="home"))


def writes(change: Callable[[Site], object]) -> Callable[..., Any]:
    def write(site: Site) -> str:
        """Write."""
        change(site)
        return "done"

    return write


def assign(name: str, value: Any) -> Callable[[Site], object]:
    return lambda site: setattr(site, name, value)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        pytest.param(assign("change", "x"), ("change",), id="assignment"),
        pytest.param(lambda site: site.tags.append("x"), ("tags",), id="change-inside"),
        pytest.param(assign("visits", False), ("visits",), id="false-for-zero"),
        pytest.param(assign("page_id", None), ("page_id",), id="unsetting"),
        pytest.param(lambda site: setattr(site.address, "city", "Basel"), ("address",), id="change-in-a-model"),
    ],
)
def test_a_write_that_is_not_declared_is_refused(change: Callable[[Site], object], fields: tuple[str, ...]) -> None:
    """The error names the fields; it is found by comparing, however the body wrote."""
    site = Site(page_id="home", address=Address(city="Bern"))
    with pytest.raises(EffectRefused, match="without declaring it: add sets= or clears=") as caught:
        outcome(tool_of(writes(change)), site)

    assert ("write", fields) == (caught.value.tool, caught.value.fields)


def test_a_field_declared_as_set_must_be_set() -> None:
    """A body that leaves it None has not done what it declares."""
    with pytest.raises(EffectRefused, match="declares that it sets change, and did not"):
        outcome(tool_of(writes(lambda _site: None), sets="change"), Site())


def test_a_field_set_before_counts_as_set() -> None:
    """The declaration is about the result: the field is set afterwards."""
    tool = tool_of(writes(lambda _site: None), sets="change")

    assert {} == outcome(tool, Site(change="x")).patch


@pytest.mark.parametrize(
    ("name", "change"),
    [
        pytest.param("tags", lambda site: site.tags.append(3), id="wrong-type-inside"),
        pytest.param("tags", lambda site: site.tags.append(object()), id="no-json-inside"),
        pytest.param("change", assign("change", "\ud800"), id="half-a-character"),
        pytest.param("address", lambda site: setattr(site, "address", Address.model_construct(city=1)), id="model"),
    ],
)
def test_invalid_metadata_is_refused_after_the_body(name: str, change: Callable[[Site], object]) -> None:
    """What assignment does not see is found when the copy is validated."""
    with pytest.raises(EffectRefused, match=r"left (invalid metadata|metadata that is no JSON)"):
        outcome(tool_of(writes(change), sets=name), Site())


def test_an_error_of_the_body_is_its_own() -> None:
    """ToolError and any other exception pass through `run`."""

    def fail() -> str:
        """Fail."""
        raise ToolError("there is no such page")

    with pytest.raises(ToolError, match="no such page"):
        tool_of(fail).bind({}, Site(), None, CALL).run()


@pytest.mark.parametrize(
    ("kind", "returned", "output"),
    [
        pytest.param(str, "text", "text", id="text"),
        pytest.param(str, "", "", id="empty"),
        pytest.param(None, None, "ok", id="nothing"),
        pytest.param(bool, True, "true", id="bool"),
        pytest.param(int, 3, "3", id="number"),
        pytest.param(float, 0.5, "0.5", id="fraction"),
        pytest.param(Address, Address(city="Zürich"), '{"city": "Zürich"}', id="model"),
        pytest.param(list[Address], [Address(city="Bern")], '[{"city": "Bern"}]', id="models"),
        pytest.param(dict[str, Any], {"a": [1, None]}, '{"a": [1, null]}', id="json"),
        pytest.param(str | None, None, "ok", id="text-or-nothing"),
        pytest.param(str, "a\ud800b", "a\ufffdb", id="half-a-character"),
        pytest.param(str, "\ud83d\ude00", "\U0001f600", id="character-in-two-halves"),
    ],
)
def test_what_a_body_returns_becomes_text(kind: Any, returned: Any, output: str) -> None:
    """Text as it is, all else as JSON; what UTF-8 cannot hold is replaced."""

    def say() -> str:
        """Say."""
        return ""

    say.__annotations__["return"] = kind

    assert output == tool_of(say).bind({}, Site(), None, CALL).finish(returned).output


@pytest.mark.parametrize(
    "returned",
    [
        pytest.param({1, 2}, id="set"),
        pytest.param(object(), id="object"),
        pytest.param(float("nan"), id="nan"),
        pytest.param([object()], id="object-inside"),
        pytest.param(b"bytes", id="bytes"),
    ],
)
def test_what_is_no_output_is_refused(returned: object) -> None:
    """A body may return other than it declares; that is a failure of the tool."""

    def say() -> str:
        """Say."""
        return ""

    with pytest.raises(EffectRefused, match="returned"):
        tool_of(say).bind({}, Site(), None, CALL).finish(returned)


def test_a_coroutine_is_refused_with_what_to_do() -> None:
    """A plain function around an `async def` gives something nobody awaits; nothing of it is left behind."""

    async def look() -> str:
        return "seen"

    def wrapper() -> str:
        """Look."""
        return look()  # type: ignore[return-value]

    with pytest.raises(EffectRefused, match="write `async def` around it"):
        outcome(tool_of(wrapper), Site())


def test_go_names_the_destination() -> None:
    """The output stands beside it, and the patch is kept."""
    flow = Flow("desk", metadata=Site)
    first, second = flow.assistant("first", instructions=""), flow.assistant("second", instructions="")

    @first.tool(to=(second, flow.end), sets="page_id")
    def route(page_id: PageId) -> Go:
        """Route."""
        return Go(flow.end, f"{page_id} is closed")

    assert Outcome("home is closed", {"page_id": "home"}, go="end") == outcome(
        flow.tools_of("first")["route"], Site(), page_id="home"
    )


def test_going_elsewhere_is_refused() -> None:
    """An assistant that is not among `to` cannot be returned."""
    flow = Flow("desk", metadata=Site)
    first, second = flow.assistant("first", instructions=""), flow.assistant("second", instructions="")

    @first.tool(to=second)
    def route() -> Go:
        """Route."""
        return Go(first)

    with pytest.raises(EffectRefused, match=r"went to first, which is not among its destinations \(second\)"):
        outcome(flow.tools_of("first")["route"], Site())


def test_pending_defers_the_effects() -> None:
    """Nothing is set until the result comes; then the same declaration is performed with it."""

    def order(page_id: PageId) -> Pending:
        """Order."""
        return Pending(f"{page_id} is on its way")

    bound = tool_of(order, sets="page_id").bind({"page_id": "home"}, Site(), None, CALL)

    assert Outcome("home is on its way", {}, pending=True) == bound.finish(bound.run())
    assert Outcome("arrived", {"page_id": "home"}) == bound.finish("arrived")


def test_a_pending_body_must_not_write() -> None:
    """What it wrote would be lost, so it is refused."""

    def order(site: Site) -> Pending:
        """Order."""
        site.change = "x"
        return Pending()

    with pytest.raises(EffectRefused, match="write when the result is there"):
        outcome(tool_of(order, clears="change"), Site())


def test_a_computed_field_is_no_metadata() -> None:
    """Metadata with derived properties goes to JSON and back without them."""
    from pydantic import computed_field

    class Sized(Metadata):
        text: str | None = None

        @computed_field  # type: ignore[prop-decorator]
        @property
        def size(self) -> int:
            return len(self.text or "")

    flow = Flow("sized", metadata=Sized)

    @flow.assistant("only", instructions="").tool(sets="text")
    def write(text: str) -> str:
        """Write."""
        return text

    bound = flow.tools_of("only")["write"].bind({"text": "abc"}, Sized(), None, CALL)

    assert {"text": "abc"} == bound.finish(bound.run()).patch
    assert {"text": None} == flow.dump(Sized())
