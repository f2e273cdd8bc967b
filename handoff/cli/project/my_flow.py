"""Book a table: the host finds out how many guests come, then a booker takes the name, or a planner plans the party.

Three assistants share one thread. A tool call hands it over, and the next assistant is told what is known by then.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from handoff import Answer, Flow, FromMetadata, Metadata, RuleModel, ToolError, call
from pydantic import Field

LARGE = 8
"""With more guests than this, it is a party."""


class Booking(Metadata):
    """What is known so far; a field is unset while it is None."""

    guests: int | None = None
    """How many come."""
    size: Literal["table", "party"] | None = None
    """Whether one table is enough for them."""


def large(booking: Booking) -> bool:
    """One table is enough."""  # what the model is told when this says no
    return booking.size == "party"


flow = Flow("my_flow", metadata=Booking)
host = flow.assistant(
    "host",
    description="Finds out how many guests come.",
    instructions="Find out how many guests want a table.",
)
booker = flow.assistant(
    "booker",
    description="Books tables.",
    instructions="Ask for a name, then book the table for {{ guests }}.",
)
planner = flow.assistant(
    "planner",
    description="Plans the evening of a party.",
    instructions="Plan the evening of a party of {{ guests }}: find out which menu they want, then order it.",
)


@host.tool(to=(planner.when(large), booker), sets=("guests", "size"))
def take_guests(booking: Booking, guests: Annotated[int, Field(ge=1, le=200)]) -> str:
    """Note how many guests come.

    Args:
        guests: how many they are.
    """
    booking.size = "party" if guests > LARGE else "table"
    return f"A table for {guests}."


@booker.tool(to=host, clears=("guests", "size"))
def book_table(guests: FromMetadata[int], name: str) -> str:
    """Book the table.

    Args:
        name: in whose name.
    """
    if not name.strip():
        raise ToolError("A table needs a name: ask for it.")  # the model reads this; nothing is kept, nobody moves
    return f"The table for {guests} is booked in the name of {name}."


@planner.tool(to=host, clears=("guests", "size"))
def order_menu(guests: FromMetadata[int], menu: str) -> str:
    """Order the menu of a party.

    Args:
        menu: what they eat.
    """
    return f"{guests} times {menu} it is."


@flow.tool(booker, planner, to=host, clears=("guests", "size"))
def start_over() -> str:
    """Forget the party and begin again."""
    return "Let us begin again."


# -- without a model: fixed rules, so that the flow runs offline. They are no AI, and say what they understand. --------

rules = RuleModel(flow)


@rules.when(host, r"(?:a table for )?(?P<guests>\d+)(?: (?:guests|people))?(?:,? please)?[.!]?")
def ask_for_table(match: re.Match[str]) -> Answer:
    """A table for NUMBER."""
    return Answer(calls=(call(take_guests, guests=int(match["guests"])),))


@rules.when(booker, r"(?:my name is|the name is|in the name of) (?P<name>.+?)[.!]?")
def give_name(match: re.Match[str]) -> Answer:
    """My name is NAME."""
    return Answer(calls=(call(book_table, name=match["name"]),))


@rules.when(planner, r"(?:we (?:want|take)|the menu is) (?P<menu>.+?)[.!]?")
def choose_menu(match: re.Match[str]) -> Answer:
    """We take MENU."""
    return Answer(calls=(call(order_menu, menu=match["menu"]),))


@rules.when(booker, r"start over[.!]?")
@rules.when(planner, r"start over[.!]?")
def begin_again(_match: re.Match[str]) -> Answer:
    """Start over."""
    return Answer(calls=(call(start_over),))
