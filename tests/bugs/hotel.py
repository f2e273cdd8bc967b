"""A hotel that takes bookings by chat: the sample application whose bugs the kit is to find.

A guest says who they are, chooses a room and pays. A long stay is granted by the manager first, an expensive one is
looked after by the concierge. What costs money or sends something goes by the key of its call, so that it may run
again after a crash.
"""

from __future__ import annotations

from typing import Literal

from handoff import Deps, Flow, FromMetadata, Metadata, ToolCall, ToolError

Room = Literal["single", "double", "suite"]
PRICES: dict[Room, int] = {"single": 60, "double": 90, "suite": 240}
LONG = 14
DEAR = 500


class Stay(Metadata):
    """What is known of the stay."""

    guest: str | None = None
    room: Room | None = None
    nights: int | None = None
    quote: int | None = None
    granted: bool | None = None
    receipt: str | None = None
    taxi: str | None = None


class House(Deps):
    """What the hotel has outside of the conversation: its cash desk and its letters."""

    def __init__(self) -> None:
        self.charges: dict[str, int] = {}
        self.taxis: dict[str, str] = {}
        self.letters: dict[str, str] = {}
        self.wishes: list[str] = []
        self.receipts: list[str] = []


def is_long(stay: Stay) -> bool:
    """The stay is long, and nobody has granted it."""
    return (stay.nights or 0) > LONG and not stay.granted


def is_dear(stay: Stay) -> bool:
    """The stay is expensive."""
    return (stay.quote or 0) >= DEAR


def is_modest(stay: Stay) -> bool:
    """The room is the smallest."""
    return stay.room == "single"


def is_fair(stay: Stay) -> bool:
    """The stay is neither endless nor free."""
    return (stay.nights or 0) <= 3 * LONG and (stay.quote or 0) > 0


def has_taxi(stay: Stay) -> bool:
    """A taxi comes."""
    return stay.taxi is not None


flow = Flow("hotel", metadata=Stay, deps=House)
reception = flow.assistant("reception", instructions="Find out who the guest is.")
booking = flow.assistant("booking", instructions="Help {{ guest }} to choose a room.")
manager = flow.assistant("manager", instructions="Decide whether {{ guest }} may stay for {{ nights }} nights.")
cashier = flow.assistant("cashier", instructions="Take {{ quote }} of {{ guest }} for the {{ room }} room.")
concierge = flow.assistant("concierge", instructions="Look after {{ guest }}; a taxi if they want one.")
farewell = flow.assistant("farewell", instructions="Thank {{ guest }}{% if taxi %}: {{ taxi }}{% endif %}.")


@reception.tool(to=booking, sets="guest")
def identify(guest: str) -> str:
    """Note who the guest is."""
    return f"Welcome, {guest}."


@booking.tool(to=reception, clears="guest")
def mistaken() -> str:
    """Ask again who the guest is."""
    return "Sorry."


@booking.tool(to=(manager.when(is_long), cashier), sets=("room", "nights", "quote"))
def choose(stay: Stay, room: Room, nights: int) -> str:
    """Choose a room for some nights."""
    if nights < 1:
        raise ToolError("Stay for a night at least.")
    stay.quote = PRICES[room] * nights
    return f"That is {stay.quote}."


@manager.tool(to=cashier, sets=("granted", "quote"), allow=is_fair)
def grant(stay: Stay, discount: int) -> str:
    """Grant the stay, with a discount in percent."""
    stay.granted = True
    stay.quote = (stay.quote or 0) * (100 - discount) // 100
    return f"Granted for {stay.quote}."


@manager.tool(to=booking, clears=("room", "nights", "quote"))
def decline() -> str:
    """Do not grant the stay."""
    return "Not for so long, sorry."


@cashier.tool(to=(concierge.when(is_dear), farewell), sets="receipt", idempotent=True)
def pay(stay: Stay, house: House, call: ToolCall, card: str) -> str:
    """Take the money."""
    if card == "expired":
        raise ToolError("The card has expired.")
    amount = house.charges.setdefault(call.idempotency_key, stay.quote or 0)
    stay.receipt = f"R{amount}"
    return f"{amount} paid."


@cashier.tool(to=booking, clears=("room", "nights", "quote", "granted"))
def change() -> str:
    """Choose another room."""
    return "Another room, then."


@cashier.tool(sets=("room", "quote"), allow=is_modest)
def upgrade(stay: Stay) -> str:
    """Take the double room instead, for half of what it costs more."""
    stay.room = "double"
    stay.quote = (stay.quote or 0) + (PRICES["double"] - PRICES["single"]) * (stay.nights or 0) // 2
    return f"A double room for {stay.quote}."


@concierge.tool(sets="taxi", idempotent=True)
def order_taxi(house: House, call: ToolCall, taxi: str) -> str:
    """Order a taxi for a time."""
    house.taxis[call.idempotency_key] = taxi
    return f"A taxi comes at {taxi}."


@concierge.tool(to=farewell, allow=has_taxi, idempotent=True)
def all_set(stay: Stay, house: House, call: ToolCall) -> str:
    """Confirm the taxi by letter, and say goodbye."""
    house.letters.setdefault(call.idempotency_key, f"Taxi at {stay.taxi}")
    return "All is set."


@concierge.tool()
def note_wish(house: House, wish: str) -> str:
    """Note a wish for the room."""
    house.wishes.append(wish)
    return "Noted."


@concierge.tool(to=farewell)
def no_taxi() -> str:
    """Say goodbye without a taxi."""
    return "No taxi."


@farewell.tool()
def confirm(house: House, receipt: FromMetadata[str]) -> str:
    """Send a letter with the receipt."""
    house.receipts.append(receipt)
    return "The letter is on its way."


@farewell.tool(to=reception, clears=("guest", "room", "nights", "quote", "granted", "receipt", "taxi"))
def anew() -> str:
    """Book for somebody else."""
    return "Who stays with us?"


@farewell.tool(to=flow.end)
def goodbye() -> str:
    """End the conversation."""
    return "Goodbye."
