"""Misuse of where a tool, a reply or a silence leads: destinations and their guards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from handoff.declaration.flow import Assistant, Flow
from handoff.declaration.metadata import Go
from tests.declaration.misuse import (
    Order,
    Site,
    assert_line_within,
    assert_refused,
    declare,
    new_flow,
    say,
)


def fixed(site: Site) -> bool:
    """The page is fixed."""
    return site.page_id is not None


# -- destinations ------------------------------------------------------------------------------------------------------


def destination_of_another_flow() -> None:
    other = Flow("shop", metadata=Order).assistant("seller", instructions="Sell.")
    declare(say, to=other)


def destination_of_a_twin() -> None:
    _, _, twin = new_flow()
    declare(say, to=twin)


def destination_that_is_a_name() -> None:
    declare(say, to="editor")


def no_destination_in_a_tuple() -> None:
    declare(say, to=())


def destination_twice() -> None:
    _, first, second = new_flow()
    first.tool(to=(second.when(fixed), second))(say)


def second_destination_without_a_condition() -> None:
    flow, first, second = new_flow()
    third = flow.assistant("third", instructions="")
    first.tool(to=(second, third))(say)


def destination_behind_one_without_a_condition() -> None:
    flow, first, second = new_flow()
    third = flow.assistant("third", instructions="")
    first.then(second, third.when(fixed))


def go_without_destinations() -> None:
    def route() -> Go:
        """Route."""
        raise AssertionError

    declare(route)


def owner_of_another_flow() -> None:
    flow, _, _ = new_flow()
    _, stranger, _ = new_flow()
    flow.tool(stranger)(say)


def tool_of_the_end() -> None:
    flow, _, _ = new_flow()
    flow.end.tool()(say)


def then_of_the_way_back() -> None:
    flow, first, _ = new_flow()
    flow.back.then(first)


def then_twice() -> None:
    _, first, second = new_flow()
    first.then(second)
    first.then(second)


def after_twice() -> None:
    _, first, second = new_flow()
    first.after(timedelta(minutes=1), to=second)
    first.after(timedelta(seconds=60), to=second)


def after(delay: Any) -> Callable[[], None]:
    def case() -> None:
        _, first, second = new_flow()
        first.after(delay, to=second)

    return case


def on_limit_twice() -> None:
    flow, first, second = new_flow()
    flow.on_limit(first)
    flow.on_limit(second)


def choice_without_destinations() -> None:
    def choose(who: Assistant[Site]) -> Go:
        """Choose."""
        return Go(who)

    declare(choose)


def choice_of_another_flow() -> None:
    def choose(who: Assistant[Order]) -> Go:
        """Choose."""
        return Go(who)

    declare(choose, to="second")


def choice_that_goes_nowhere() -> None:
    def choose(who: Assistant[Site]) -> str:
        """Choose."""
        return who.name

    declare(choose, to="second")


# -- guards ------------------------------------------------------------------------------------------------------------


def guard(function: Any) -> Callable[[], None]:
    def case() -> None:
        _, _, second = new_flow()
        second.when(function)

    return case


async def async_guard(site: Site) -> bool:
    return site.page_id is not None


def guard_of_orders(order: Order) -> bool:
    return order.number is not None


def guard_of_two(site: Site, order: Order) -> bool:
    return site is not order


def guard_that_returns_text(site: Site) -> str:
    return site.page_id or ""


def async_allow() -> None:
    declare(say, allow=async_guard)


def condition_without_a_condition() -> None:
    new_flow()[2].when()


def times(count: Any) -> Callable[[], None]:
    return lambda: new_flow()[2].when(times=count) and None


MISUSES = [
    pytest.param(destination_of_another_flow, "seller of shop: give an assistant of this flow", id="other-flow"),
    pytest.param(destination_of_a_twin, "another flow that is also called desk", id="twin-flow"),
    pytest.param(destination_that_is_a_name, "'editor': give an assistant of desk", id="destination-as-text"),
    pytest.param(no_destination_in_a_tuple, "name one, or leave it out", id="no-destination"),
    pytest.param(destination_twice, "put both conditions in one guard", id="destination-twice"),
    pytest.param(second_destination_without_a_condition, "never gets to third", id="second-unguarded"),
    pytest.param(destination_behind_one_without_a_condition, "write second.when(...)", id="behind-unguarded"),
    pytest.param(go_without_destinations, "returns Go, but the tool has no to=", id="go-without-to"),
    pytest.param(owner_of_another_flow, "belongs to another flow", id="owner-of-another-flow"),
    pytest.param(tool_of_the_end, "only a destination", id="tool-of-the-end"),
    pytest.param(then_of_the_way_back, "only a destination", id="then-of-back"),
    pytest.param(then_twice, "give all destinations in one declaration", id="then-twice"),
    pytest.param(after_twice, "has after:60 already", id="after-twice"),
    pytest.param(after(timedelta(0)), "the silence to wait for", id="after-no-silence"),
    pytest.param(after(timedelta(seconds=-1)), "the silence to wait for", id="after-negative"),
    pytest.param(after(60), "give a timedelta above zero", id="after-a-number"),
    pytest.param(on_limit_twice, "desk has on_limit already", id="on-limit-twice"),
    pytest.param(choice_without_destinations, "name the choices there", id="choice-without-to"),
    pytest.param(choice_of_another_flow, "the metadata here is Site", id="choice-of-another-flow"),
    pytest.param(choice_that_goes_nowhere, "return Go(who, ...)", id="choice-without-go"),
    pytest.param(guard(async_guard), "is async: write a plain function", id="guard-async"),
    pytest.param(guard(guard_of_orders), "takes Order, but the metadata here is Site", id="guard-of-another-type"),
    pytest.param(guard(guard_of_two), "must take exactly one argument", id="guard-of-two"),
    pytest.param(guard(guard_that_returns_text), "must return bool", id="guard-returns-text"),
    pytest.param(guard(True), "give a function from Site to bool", id="guard-no-function"),
    pytest.param(async_allow, "allow of say, async_guard, is async", id="allow-async"),
    pytest.param(condition_without_a_condition, "give a guard or times=", id="when-nothing"),
    pytest.param(times(0), "give a whole number from 1", id="times-zero"),
    pytest.param(times(-1), "give a whole number from 1", id="times-negative"),
    pytest.param(times(1.5), "give a whole number from 1", id="times-fraction"),
    pytest.param(times(True), "give a whole number from 1", id="times-true"),
]


@pytest.mark.parametrize(("misuse", "words"), MISUSES)
def test_misuse_is_refused_at_definition(misuse: Callable[[], None], words: str) -> None:
    """The error names the line first and then says what to do."""
    assert_refused(misuse, words, __file__)


@pytest.mark.parametrize(
    "misuse", [pytest.param(destination_of_a_twin, id="decorator"), pytest.param(then_twice, id="declaration")]
)
def test_the_line_is_within_the_declaration(misuse: Callable[[], None]) -> None:
    """The line named lies in the function that declares wrongly, or in the helper it declares with."""
    assert_line_within(misuse)
