"""A booking: a form filled in any order, an approval with a probe, an end."""

from __future__ import annotations

from datetime import date
from typing import Literal

from handoff import Deps, Flow, FromMetadata, Metadata, ToolCall, ToolError


class Trip(Metadata):
    city: str | None = None
    start: date | None = None
    nights: int | None = None
    room: Literal["single", "double", "suite"] | None = None
    offer: str | None = None
    paid: bool = False


class Hotel(Deps):
    def pay(self, key: str, offer: str) -> str:
        raise NotImplementedError(key, offer)

    def paid(self, key: str) -> str | None:
        raise NotImplementedError(key)


def has_dates(trip: Trip) -> bool:
    """The dates are missing."""
    return trip.start is not None and trip.nights is not None


def complete(trip: Trip) -> bool:
    """City, dates and room are needed first."""
    return has_dates(trip) and trip.city is not None and trip.room is not None


def luxurious(trip: Trip) -> bool:
    return trip.room == "suite"


flow = Flow("booking", metadata=Trip, deps=Hotel)
planner = flow.assistant(
    "planner",
    instructions="""
    Plan a stay. Missing: {% if not city %}the city {% endif %}{% if not start %}the date {% endif %}
    {% if not nights %}how long {% endif %}{% if not room %}which room{% endif %}
""",
)
agent = flow.assistant("agent", instructions="Offer rooms in {{ city }} from {{ start }} for {{ nights }} nights.")
concierge = flow.assistant("concierge", instructions="Offer something special for a {{ room }} in {{ city }}.")
cashier = flow.assistant(
    "cashier", instructions="Take payment for {{ offer }}. {% if paid %}It is paid: say goodbye.{% endif %}"
)


@planner.tool(sets="city")
def set_city(city: str) -> str:
    """Note the city."""
    return city


@planner.tool(sets=("start", "nights"))
def set_dates(start: date, nights: int) -> str:
    """Note the dates."""
    if nights < 1:
        raise ToolError("At least one night.")
    return f"{start}, {nights}"


@planner.tool(sets="room")
def set_room(room: Literal["single", "double", "suite"]) -> str:
    """Note the room."""
    return room


@planner.tool(to=(concierge.when(luxurious), agent), allow=complete)
def search() -> str:
    """Search for offers."""
    return "Searching."


@flow.tool(agent, concierge, to=cashier, sets="offer", idempotent=True)
def choose(hotel: Hotel, offer: str) -> str:
    """Choose an offer."""
    return offer


@flow.tool(agent, concierge, to=planner, clears=("offer",))
def change_plan() -> str:
    """Change the plan."""
    return "What shall I change?"


def was_paid(hotel: Hotel, call: ToolCall) -> str | None:
    return hotel.paid(call.idempotency_key)


@cashier.tool(sets="paid", approval=True, probe=was_paid)
def pay(trip: Trip, hotel: Hotel, call: ToolCall, offer: FromMetadata[str]) -> str:
    """Pay."""
    trip.paid = True
    return hotel.pay(call.idempotency_key, offer)


@cashier.tool(to=flow.end)
def done() -> str:
    """Say goodbye."""
    return "Goodbye."


@cashier.tool(to=planner, clears=("offer",))
def other() -> str:
    """Choose another offer."""
    return "Again."
