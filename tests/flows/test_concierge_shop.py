"""The shop's database: what customers see and change, each write once for a call, and the sample that is copied."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from flows.concierge.shop import Shop, money
from handoff import ToolError


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop.sample(tmp_path / "shop")


def test_a_customer_is_known_by_address_and_postcode(shop: Shop) -> None:
    """Both have to fit; blanks around them and capitals in the address do not matter."""
    assert ("C1", "Ada Palmer") == shop.customer(" Ada@Example.org ", "10115 ")


@pytest.mark.parametrize(
    ("email", "postcode"),
    [
        pytest.param("ada@example.org", "20095", id="postcode of another"),
        pytest.param("nobody@example.org", "10115", id="unknown address"),
        pytest.param("' OR 1=1 --", "10115", id="no SQL"),
    ],
)
def test_nobody_gets_in_with_half_of_it(shop: Shop, email: str, postcode: str) -> None:
    """The refusal does not say which of the two was wrong."""
    with pytest.raises(ToolError) as caught:
        shop.customer(email, postcode)

    assert "No customer has this e-mail address with this postcode." == str(caught.value)


def test_orders_of_others_are_not_there(shop: Shop) -> None:
    """A customer sees and changes only what they ordered themselves."""
    assert ["1001", "1002", "1003"] == [order.id for order in shop.orders("C1")]
    for attempt in (
        lambda: shop.order("C1", "1004"),
        lambda: shop.cancel("k1", "C1", "1004"),
        lambda: shop.pay_back("k2", "C1", "1004", 100),
    ):
        with pytest.raises(ToolError, match="has no order 1004"):
            attempt()


@pytest.mark.parametrize("order_id", ["1001", "1002"], ids=["delivered", "shipped"])
def test_what_has_left_is_not_changed(shop: Shop, order_id: str) -> None:
    """An order that is not being packed any more is a conflict, and stays as it was."""
    before = shop.order("C1", order_id)
    with pytest.raises(ToolError, match="cannot be changed any more"):
        shop.send_to("k1", "C1", order_id, "5 Linden Row")
    with pytest.raises(ToolError, match="cannot be changed any more"):
        shop.cancel("k2", "C1", order_id)

    assert before == shop.order("C1", order_id)


def test_a_write_with_the_same_key_happens_once(shop: Shop) -> None:
    """The second attempt writes nothing and answers as the first did, whatever has happened since."""
    told = [shop.send_to("k1", "C1", "1003", "5 Linden Row")]
    shop.send_to("k2", "C1", "1003", "6 Linden Row")
    told.append(shop.send_to("k1", "C1", "1003", "5 Linden Row"))

    assert ["Order 1003 goes to 5 Linden Row."] * 2 == told
    assert "6 Linden Row" == shop.order("C1", "1003").address


def test_two_attempts_at_once_book_one_repair(shop: Shop) -> None:
    """Bodies of one call may overlap after a takeover: one of them writes, both answer the same."""
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda key: shop.book_repair(key, "C1", "1001", "cold"), ["k1"] * 8))

    assert {"Repair 1 of the Kettle Marlow is booked."} == set(told)


def test_a_refused_write_leaves_its_key_unused(shop: Shop) -> None:
    """What was refused may be tried again once it is possible."""
    with pytest.raises(ToolError, match="only what was delivered can be repaired"):
        shop.book_repair("k1", "C1", "1003", "dark")
    with closing(sqlite3.connect(shop.database)) as connection, connection:
        connection.execute("UPDATE orders SET status = 'delivered' WHERE id = '1003'")

    assert "Repair 1 of the Desk lamp Fenn is booked." == shop.book_repair("k1", "C1", "1003", "dark")


def test_no_more_is_paid_back_than_was_paid(shop: Shop) -> None:
    """Refunds of one order add up to what was paid at most, and none is nothing or less."""
    shop.pay_back("k1", "C1", "1001", 4000)
    for cents in (901, 0, -5):
        with pytest.raises(ToolError, match=r"of order 1001, 9.00 EUR can be"):
            shop.pay_back(f"k{cents}", "C1", "1001", cents)
    shop.pay_back("k2", "C1", "1001", 900)

    assert (4900, ("1001", 4000), None) == (
        shop.order("C1", "1001").refunded,
        shop.payment("k1"),
        shop.payment("k901"),
    )


@pytest.mark.parametrize(
    ("symptom", "known"),
    [
        pytest.param("It does not SWITCH on", True, id="a word of the manual"),
        pytest.param("It sings", False, id="nothing in the manual"),
    ],
)
def test_the_manual_is_searched_by_words(shop: Shop, symptom: str, known: bool) -> None:
    """The advice of the first entry that shares a word with the symptom is given, if there is one."""
    assert known == (shop.advice("kettle", symptom) is not None)


def test_an_order_reads_as_people_write_it(shop: Shop) -> None:
    """Number, product, amounts and how far it is, in one line."""
    shop.pay_back("k1", "C1", "1001", 5)

    assert "1001: Kettle Marlow, 49.00 EUR, 0.05 EUR of it paid back, delivered" == str(shop.order("C1", "1001"))
    assert "12.30 EUR" == money(1230)


def test_a_sample_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    """What was done to the copy is still done when the command comes back to it."""
    Shop.sample(tmp_path / "shop").cancel("k1", "C1", "1003")

    assert "cancelled" == Shop.sample(tmp_path / "shop").order("C1", "1003").status


def test_a_copy_that_a_crash_left_half_made_is_made_anew(tmp_path: Path) -> None:
    """Only a whole database gets its name."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "shop.part").write_text("half")

    assert 3 == len(Shop.sample(tmp_path / "shop").orders("C1"))
