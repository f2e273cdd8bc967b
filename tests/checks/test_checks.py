"""The findings that a page alone does not show: what is found beside the simplest case, and what must not be found."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import StringConstraints

from handoff import Assistant, Deps, Flow, FromMetadata, Go, Limits, Metadata
from handoff.checks import Finding, Hop, check
from tests.checks.large import large_flow


class Order(Metadata):
    product: str | None = None
    address: str | None = None
    kind: Literal["post", "shop"] | None = None


class World(Deps):
    pass


def has_product(order: Order) -> bool:
    """Nothing is ordered."""
    return order.product is not None


def by_post(order: Order) -> bool:
    """It is fetched."""
    return order.kind == "post"


def in_shop(order: Order) -> bool:
    """It is sent."""
    return order.kind == "shop"


def move() -> str:
    """Go on."""
    return "Gone."


def order_product(product: str) -> str:
    """Order a product."""
    return product


def send_to(address: str) -> str:
    """Note the address."""
    return address


def forget() -> str:
    """Forget it."""
    return "Forgotten."


def named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function under another name."""
    function.__name__ = name
    return function


def shop(first: str = "Sell.", second: str = "Bill.", **options: Any) -> tuple[Flow[Order], Any, Any]:
    """A flow of two assistants with those instructions."""
    flow = Flow("shop", metadata=Order, **options)
    return flow, flow.assistant("clerk", instructions=first), flow.assistant("cashier", instructions=second)


READ_ALL = "{% if product or address or kind %}Go on.{% endif %}"
"""Reads every field, and needs none."""


def codes(flow: Flow[Any, Any], *, given: tuple[str, ...] = ()) -> list[str]:
    """The codes of all findings but those about fields nobody reads or writes."""
    report = check(flow, given=given)
    return [one.code for one in report.findings if one.code not in {"never-read", "never-written"}]


def only(flow: Flow[Any, Any], code: str) -> Finding:
    """The one finding of that code."""
    (found,) = [one for one in check(flow).findings if one.code == code]
    return found


# -- structure ---------------------------------------------------------------------------------------------------------


def test_an_assistant_behind_a_tool_that_is_never_offered_is_unreachable() -> None:
    """Reachability counts what a thread can do, not what is drawn."""
    flow, clerk, cashier = shop()

    @clerk.tool(to=cashier)
    def pay(product: FromMetadata[str]) -> str:
        """Pay."""
        return product

    assert ["nothing-sets", "unreachable-assistant"] == sorted(codes(flow))


def test_a_field_given_at_opening_opens_the_way() -> None:
    """What every thread is opened with counts as set."""
    flow, clerk, cashier = shop(second="Bill {{ product }}.")

    @clerk.tool(to=cashier)
    def pay(product: FromMetadata[str]) -> str:
        """Pay."""
        return product

    assert [] == codes(flow, given=("product",))


def test_a_given_field_must_exist() -> None:
    """A misspelt field is refused."""
    flow, _, _ = shop()

    with pytest.raises(ValueError, match="Order has no field 'products' to be given"):
        check(flow, given=["products"])


def test_an_assistant_that_waits_and_cannot_be_left_is_no_trap() -> None:
    """A thread may stay with its last assistant: the user is waited for there."""
    flow, clerk, cashier = shop()
    clerk.tool(to=cashier)(named(move, "go_on"))

    assert [] == codes(flow)


@pytest.mark.parametrize(
    "bound",
    [
        pytest.param(lambda one: {"to": one.when(times=2)}, id="times"),
        pytest.param(lambda one: {"to": one, "speak": False}, id="waits"),
        pytest.param(lambda one: {"to": one.when(has_product)}, id="guard"),
    ],
)
def test_a_round_that_can_stop_is_no_trap(bound: Callable[[Any], dict[str, Any]]) -> None:
    """`times`, a guard and `speak=False` each let the user in."""
    flow, clerk, cashier = shop()
    clerk.tool(sets="product")(order_product)
    clerk.then(cashier)
    options = bound(clerk)
    cashier.then(options.pop("to"), **options)

    assert "trap" not in codes(flow)


def test_a_trap_is_told_of_once_with_the_way_into_it() -> None:
    """Its assistants are named together; what leads into it is no trap of its own."""
    flow, clerk, cashier = shop()
    packer = flow.assistant("packer", instructions="Pack.")
    clerk.tool(to=cashier)(named(move, "go_on"))
    cashier.then(packer)
    packer.then(cashier)
    found = only(flow, "trap")

    assert (Hop("clerk", "go_on", "cashier"),) == found.path
    assert "cashier, packer" in found.problem


def test_a_guard_on_a_field_written_outside_the_round_does_not_end_it() -> None:
    """Inside, the guard answers the same each time."""
    flow, clerk, cashier = shop()
    packer = flow.assistant("packer", instructions="Pack.")
    clerk.tool(sets="product")(order_product)
    clerk.tool(to=cashier)(named(move, "go_on"))
    cashier.then(packer.when(has_product))
    packer.then(cashier.when(has_product))

    assert ["endless-handoffs"] == codes(flow)


def test_silence_alone_can_go_round_for_ever() -> None:
    """A round of `after` needs no user either."""
    flow, clerk, cashier = shop()
    clerk.after(timedelta(hours=1), to=cashier)
    cashier.after(timedelta(hours=1), to=clerk)

    assert ["endless-handoffs"] == codes(flow)


def test_a_round_of_tools_is_none() -> None:
    """Each call is the model's choice, and the user speaks in between."""
    flow, clerk, cashier = shop()
    clerk.tool(to=cashier)(named(move, "go_on"))
    cashier.tool(to=clerk)(named(move, "go_back"))

    assert [] == codes(flow)


def test_a_way_back_from_where_nobody_was_before_is_dead() -> None:
    """The first assistant, entered by nobody, has nowhere to go back to."""
    flow, clerk, _ = shop()
    clerk.tool(to=flow.back)(named(move, "go_back"))

    assert "go_back never leads back from clerk" in only(flow, "dead-transition").problem


def test_a_way_back_leads_only_to_who_was_active_before() -> None:
    """Going back to where a field was needed means having been there, so that it is set."""
    flow, clerk, cashier = shop(second="Bill {{ product }}.")
    clerk.tool(to=cashier, sets="product")(order_product)
    flow.tool(to=flow.back)(named(move, "go_back"))

    assert [] == codes(flow)


# -- guards ------------------------------------------------------------------------------------------------------------


def test_a_tool_that_returns_go_shadows_nothing() -> None:
    """It chooses itself, whatever stands before."""
    flow, clerk, cashier = shop()
    packer = flow.assistant("packer", instructions="Pack.")

    @clerk.tool(to=(cashier, packer))
    def choose(name: str) -> Go:
        """Choose."""
        return Go(cashier) if name == "cashier" else Go(packer)

    assert [] == codes(flow)


def test_guards_that_leave_no_case_out_leave_no_hole() -> None:
    """Argument types count: the call sets one of two values, and each has its destination."""
    flow, clerk, cashier = shop()
    packer = flow.assistant("packer", instructions="Pack.")

    @clerk.tool(to=(packer.when(by_post), cashier.when(in_shop)), sets="kind")
    def choose(kind: Literal["post", "shop"]) -> str:
        """Choose how it gets there."""
        return kind

    assert [] == codes(flow)


def test_a_tool_that_may_be_called_only_while_what_it_reads_is_empty() -> None:
    """It is offered with nothing to work on: its `allow` is the wrong way round."""
    flow, clerk, _ = shop()

    def nothing_ordered(order: Order) -> bool:
        """Something is ordered."""
        return not order.product

    clerk.tool(sets="product")(order_product)

    @clerk.tool(allow=nothing_ordered)
    def price(product: FromMetadata[str]) -> str:
        """Tell the price."""
        return product

    assert "only while product is empty" in only(flow, "guard-bars-tools").problem


def test_a_single_guarded_destination_is_no_hole() -> None:
    """To stay is what the guard is for."""
    flow, clerk, cashier = shop()
    clerk.tool(sets="product")(order_product)
    clerk.tool(to=cashier.when(has_product))(named(move, "go_on"))

    assert [] == codes(flow)


# -- metadata ----------------------------------------------------------------------------------------------------------


def test_the_path_to_an_unset_field_is_the_shortest() -> None:
    """Of two ways to the assistant it shows the shorter one on which the field is unset."""
    flow, clerk, cashier = shop(second="Bill {{ product }}.")
    packer = flow.assistant("packer", instructions="Pack.")
    clerk.tool(to=cashier, sets="product")(order_product)
    clerk.tool(to=packer)(named(move, "pack"))
    packer.tool(to=cashier)(named(move, "pay"))
    found = only(flow, "possibly-unset")

    assert (Hop("clerk", "pack", "packer"), Hop("packer", "pay", "cashier")) == found.path
    assert "cashier need product (line 1)" in found.problem


def test_a_call_in_the_same_response_can_unset_what_a_handoff_needs() -> None:
    """A metadata call after the winning one still runs, so the field may be gone when the next assistant speaks."""
    flow, clerk, cashier = shop(second="Bill {{ product }}.")
    clerk.tool(to=cashier, sets="product")(order_product)
    clerk.tool(clears="product")(forget)
    cashier.tool(to=clerk, clears="product")(named(move, "go_back"))

    assert (Hop("clerk", "order_product, forget", "cashier"),) == only(flow, "possibly-unset").path


def test_a_call_that_clears_and_cannot_move_leaves_its_assistant_without_the_field() -> None:
    """When no guard holds the patch is kept and the thread stays."""
    flow, clerk, cashier = shop(second="Bill {{ product }}.")
    clerk.tool(to=cashier, sets="product")(order_product)
    cashier.tool(to=clerk.when(by_post), clears="product")(forget)

    assert Hop("cashier", "forget", "cashier") == only(flow, "possibly-unset").path[-1]


@pytest.mark.parametrize(
    "protected",
    [
        pytest.param({"allow": has_product}, id="allow"),
        pytest.param({"to": has_product}, id="guard"),
    ],
)
def test_what_a_guard_has_seen_set_is_set(protected: dict[str, Any]) -> None:
    """Both `allow` and the guard of the destination let the thread through only while the field is set."""
    flow, clerk, cashier = shop(second="Bill {{ product }}.")
    clerk.tool(sets="product")(order_product)
    options = {"to": cashier, "allow": has_product} if "allow" in protected else {"to": cashier.when(has_product)}
    clerk.tool(**options)(named(move, "go_on"))

    assert [] == codes(flow)


def test_the_instructions_of_the_flow_are_told_of_once() -> None:
    """They stand at every assistant; the shortest way to a fault is shown."""
    flow, clerk, cashier = shop(instructions="The product is {{ product }}.")
    clerk.tool(to=cashier, sets="product")(order_product)
    found = only(flow, "possibly-unset")

    assert () == found.path
    assert flow.place == found.place


def test_a_flow_that_ends_leaves_its_metadata_as_its_result() -> None:
    """Nobody inside has to read it."""
    flow, clerk, cashier = shop()
    clerk.tool(to=cashier, sets="product")(order_product)
    cashier.tool(to=flow.end)(named(move, "finish"))

    assert () == check(flow).findings


def test_a_body_that_hands_the_metadata_on_is_followed() -> None:
    """The helper's writes are the body's."""
    flow, clerk, _ = shop(first=READ_ALL)

    def helper(order: Order, value: str) -> None:
        order.address = value

    @clerk.tool(sets="product")
    def order(site: Order, product: str) -> str:
        """Order."""
        helper(site, product)
        return product

    assert ["address"] == [one.problem.split()[2] for one in check(flow).findings if one.code == "undeclared-write"]


def test_where_the_metadata_goes_out_of_sight_nothing_is_said() -> None:
    """A body that gives it to something unknown may do anything with it."""
    flow, clerk, _ = shop(first=READ_ALL)
    unknown: Any = print

    @clerk.tool(sets=("product", "address", "kind"))
    def order(site: Order, product: str) -> str:
        """Order."""
        unknown(site)
        return product

    assert ["unreachable-assistant"] == [one.code for one in check(flow).findings]


def test_a_wrapper_that_takes_anything_hands_the_metadata_on_out_of_sight() -> None:
    """Its code never names the metadata, which is no sign that what it wraps does not write."""
    flow, clerk, _ = shop(first=READ_ALL)

    def note(site: Order) -> str:
        site.address = "here"
        return "Noted."

    def wrapper(**given: Any) -> Any:
        """Note the address."""
        return note(**given)

    wrapper.__annotations__ = {"site": Order, "return": str}
    parameter = inspect.Parameter("site", inspect.Parameter.KEYWORD_ONLY, annotation=Order)
    wrapper.__signature__ = inspect.Signature([parameter], return_annotation=str)  # type: ignore[attr-defined]
    clerk.tool(sets="address")(wrapper)

    assert ["unreachable-assistant"] == codes(flow)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        pytest.param("^.*$", True, id="anything"),
        pytest.param(r"^[^\n]+$", True, id="anything-on-a-line"),
        pytest.param("^[a-z0-9/-]+$", False, id="closed"),
        pytest.param("[a-z]+", False, id="not-anchored-so-quoted"),
    ],
)
def test_a_pattern_that_lets_anything_stand_bare(pattern: str, found: bool) -> None:
    """Only an anchored pattern stands bare, and only a wide one is told of."""

    class Page(Metadata):
        page: Annotated[str, StringConstraints(pattern=pattern)] | None = None

    flow = Flow("site", metadata=Page)
    editor = flow.assistant("editor", instructions="{% if page %}{{ page }}{% endif %}")

    @editor.tool(sets="page")
    def open_page(page: str) -> str:
        """Open a page."""
        return page

    assert found == ("permissive-pattern" in codes(flow))


# -- tools and bounds --------------------------------------------------------------------------------------------------


def test_what_we_say_of_a_default_is_no_description() -> None:
    """Only where the author says what some parameters mean are the others missing."""
    flow, clerk, _ = shop(first=READ_ALL)

    @clerk.tool()
    def find(product: str, kind: str = "any") -> str:
        """Find a product."""
        return product

    assert "Null for the default, 'any'." == flow.tools_of("clerk")["find"].schema["properties"]["kind"]["description"]
    assert "missing-description" not in codes(flow)


def test_what_assistants_are_there_for_is_no_description_of_a_parameter() -> None:
    """A choice is told with what there is to choose; its neighbours need not be described for that."""
    flow = Flow("shop", metadata=Order)
    clerk = flow.assistant("clerk", instructions=READ_ALL)
    cashier = flow.assistant("cashier", instructions="Bill.", description="Takes the money.")

    @clerk.tool(to=cashier)
    def choose(who: Assistant[Order], why: str) -> Go:
        """Choose who goes on."""
        return Go(who, why)

    assert "missing-description" not in codes(flow)


def test_two_assistants_may_have_tools_of_one_name() -> None:
    """Only at one assistant would they be taken for one."""
    flow, clerk, cashier = shop()
    clerk.tool(to=cashier)(named(move, "go_on"))
    cashier.tool(to=clerk)(named(move, "go_on"))

    assert [] == codes(flow)


def test_a_tool_with_deps_that_stays_may_do_as_it_likes() -> None:
    """Only a handoff waits for the doubt to be settled."""
    flow = Flow("shop", deps=World)
    clerk = flow.assistant("clerk", instructions="Sell.")

    @clerk.tool()
    def sell(world: World) -> str:
        """Sell."""
        return str(world)

    assert () == check(flow).findings


def test_a_chain_that_just_fits_is_fine() -> None:
    """The limit itself may be reached."""
    flow, clerk, cashier = shop(limits=Limits(handoffs=1))
    clerk.then(cashier)

    assert [] == codes(flow)


def test_runs_bound_a_chain_too() -> None:
    """Each handoff starts a run, and the first one is spent already."""
    flow, clerk, cashier = shop(limits=Limits(runs=1))
    clerk.then(cashier)

    assert "Limits(runs=1)" in only(flow, "over-limit").problem


def test_the_work_grows_with_the_flow_and_not_faster() -> None:
    """Counted in steps followed: a few for each transition and field, also when much is wrong."""
    followed = {
        size: check(large_flow(size, 10 * size, "{{ first }}{{ second }}{{ third }}")).followed for size in (20, 40, 80)
    }

    assert all(followed[size] < 10 * size * 40 for size in followed), followed
    assert followed[80] < 6 * followed[20]


def test_a_check_runs_no_tool() -> None:
    """Bodies, approvals and probes are looked at, never called."""
    called: list[str] = []
    flow, clerk, cashier = shop()

    @clerk.tool(to=cashier, sets="product")
    def order(product: str) -> str:
        """Order."""
        called.append(product)
        return product

    check(flow)

    assert [] == called


# -- places ------------------------------------------------------------------------------------------------------------


def line_of(text: str, after: str = "") -> int:
    """The line of this file, from 1, that holds a text; the first one after another text."""
    lines = Path(__file__).read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if after in line)
    return 1 + next(number for number, line in enumerate(lines) if number >= start and text in line)


def test_a_declaration_over_several_lines_is_told_of_at_its_first() -> None:
    """The line is where the statement begins; that of a tool is its decorator's."""
    flow = Flow(
        "places",
        metadata=Order,
        instructions=READ_ALL,
    )
    flow.assistant("clerk", instructions="Sell.")
    cashier = flow.assistant(
        "cashier",
        instructions="""
            Bill.
        """,
    )

    @cashier.tool(
        sets=("product",),
    )
    @logged
    def note(order: Order, text: str) -> str:
        """Note it."""
        return text

    places = {one.code: one.place for one in check(flow).findings}
    here = "def test_a_declaration_over_several_lines"

    assert {Path(__file__).name} == {Path(place.file).name for place in places.values()}
    assert line_of("cashier = flow.assistant(", here) == places["unreachable-assistant"].line
    assert line_of("@cashier.tool(", here) == places["sets-not-performed"].line


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator like any other."""

    @functools.wraps(function)
    def inner(*given: Any, **named: Any) -> Any:
        return function(*given, **named)

    return inner


def test_a_field_is_told_of_at_its_own_line() -> None:
    """Also where the class is spread over many lines, or inherits the field."""

    class Base(Metadata):
        first: str | None = None

        lonely: str | None = None  # the line to look at

    class Derived(Base):
        second: Annotated[
            str | None,
            StringConstraints(pattern="^a$"),
        ] = None

    flow = Flow("places", metadata=Derived)
    flow.assistant("clerk", instructions="{{ first or second }}")
    found = next(one for one in check(flow).findings if one.code == "never-read")

    assert (line_of("# the line to look at"), Path(__file__)) == (found.place.line, Path(found.place.file))
