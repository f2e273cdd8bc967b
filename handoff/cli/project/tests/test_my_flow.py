"""The flow is tested in three ways: a transition alone, a conversation played by hand, and paths it finds by itself."""

from __future__ import annotations

from typing import Any

import pytest
from handoff.sync import Threads
from handoff.testing import Path, Talk, Unreached, paths

from my_flow import (
    Booking,
    book_table,
    booker,
    flow,
    host,
    order_menu,
    planner,
    start_over,
    take_guests,
)


def test_party_goes_to_the_planner() -> None:
    """The size decides who is next: a transition is tested without a conversation."""
    assert planner is flow.step(host, take_guests, Booking(guests=9, size="party"))


@pytest.mark.parametrize(
    ("guests", "assistant"),
    [
        pytest.param(8, booker, id="table"),
        pytest.param(9, planner, id="party"),
    ],
)
def test_more_than_eight_are_a_party(guests: int, assistant: object) -> None:
    """Up to eight guests get a table, more of them a party."""
    with Talk(flow) as talk:
        talk.user("We want to eat")
        talk.calls(take_guests, guests=guests)
        talk.says("Of course.")

        assert assistant is talk.assistant


def test_table_is_booked() -> None:
    """The booker is told for how many, books the table, and the host is ready for the next guest."""
    with Talk(flow) as talk:
        talk.user("A table for four")
        talk.calls(take_guests, guests=4)
        assert "Ask for a name, then book the table for 4." == talk.instructions
        talk.says("In which name?", by=booker)
        talk.user("Ada")
        talk.calls(book_table, name="Ada")
        assert ("The table for 4 is booked in the name of Ada.",) == talk.outputs
        talk.says("It is booked. Goodbye!", by=host)

        assert talk.metadata.guests is None


def test_a_table_needs_a_name() -> None:
    """Without a name nothing is booked, and the booker asks again."""
    with Talk(flow) as talk:
        talk.user("A table for two")
        talk.calls(take_guests, guests=2)
        talk.calls(book_table, name=" ")
        talk.says("In which name?", by=booker)

        assert 2 == talk.metadata.guests


def test_party_is_planned() -> None:
    """The planner orders the menu."""
    with Talk(flow) as talk:
        talk.user("A table for twenty")
        talk.calls(take_guests, guests=20)
        talk.calls(order_menu, menu="soup")

        assert ("20 times soup it is.",) == talk.outputs
        talk.says("Goodbye!", by=host)


@pytest.mark.parametrize("guests", [4, 20])
def test_start_over(guests: int) -> None:
    """Booker and planner forget the party when asked to."""
    with Talk(flow) as talk:
        talk.user("A table, please")
        talk.calls(take_guests, guests=guests)
        talk.calls(start_over)
        talk.says("For how many?", by=host)

        assert talk.metadata.guests is None


@pytest.mark.parametrize(
    ("messages", "reply"),
    [
        pytest.param(["A table for 4", "My name is Ada"], "The table for 4 is booked in the name of Ada.", id="table"),
        pytest.param(["20 people, please", "We take soup"], "20 times soup it is.", id="party"),
        pytest.param(["A table for 4", "Start over"], "Let us begin again.", id="start over"),
    ],
)
def test_offline_rules(messages: list[str], reply: str) -> None:
    """Without a model the flow understands a few phrases."""
    with Threads(flow) as threads:
        thread = threads.open()
        replies = [str(thread.send(message)) for message in messages]

        assert reply == replies[-1]


@pytest.mark.parametrize("path", paths(flow, "guards"), ids=str)
def test_path(path: Path[Any] | Unreached) -> None:
    """Every transition is taken, and every guard says yes and no: the flow finds out how by itself."""
    path.play()
