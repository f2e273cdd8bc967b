"""A small shop that has every kind of tool a talk must be able to play: front takes the order, desk carries it out."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from handoff import Deps, Flow, FromMetadata, Metadata, Pending, ToolCall, ToolError
from handoff.core.items import Note, Output, UserMessage
from handoff.testing import Talk


class Order(Metadata):
    item: str | None = None
    price: int | None = None


class Shop(Deps):
    """What the bodies did, for tests to look at."""

    def __init__(self) -> None:
        self.done: list[str] = []


def priced(order: Order) -> bool:
    """There is no price."""
    return order.price is not None


flow = Flow("shop", metadata=Order, deps=Shop, instructions="Be kind.")
front = flow.assistant("front", instructions="Take the order.")
desk = flow.assistant("desk", instructions="Carry out the order of {{ item }}.")


@front.tool(to=desk, sets="item")
def choose(shop: Shop, item: str) -> str:
    """Choose an item."""
    if item == "gold":
        raise ToolError("There is no gold.")
    shop.done.append(f"choose {item}")
    return f"{item} it is"


@front.tool()
async def look_up(item: str) -> str:
    """Look an item up."""
    await asyncio.sleep(0.001)
    return f"{item} is in stock"


@front.tool()
def break_down() -> str:
    """Fail."""
    raise ZeroDivisionError("the till is empty")


@desk.tool()
def build(shop: Shop, part: str) -> str:
    """Build a part."""
    shop.done.append(f"build {part}")
    return f"{part} is built"


@desk.tool(idempotent=True)
def pack(shop: Shop, call: ToolCall) -> str:
    """Pack the parcel."""
    shop.done.append(f"pack {call.idempotency_key}")
    return "packed"


def was_sent(shop: Shop) -> str | None:
    """Ask the carrier."""
    return "sent" if "send" in shop.done else None


@desk.tool(probe=was_sent)
def send(shop: Shop) -> str:
    """Send the parcel."""
    shop.done.append("send")
    return "sent"


@desk.tool(approval=True, sets="price")
def discount(shop: Shop, price: int) -> str:
    """Lower the price."""
    shop.done.append(f"discount {price}")
    return f"the price is {price}"


@desk.tool(sets=("item", "price"))
def swap(item: str, price: int) -> str:
    """Take another item instead."""
    return f"{item} for {price} instead"


@desk.tool()
def ask_supplier() -> Pending:
    """Ask the supplier, who answers later."""
    return Pending("asked")


@desk.tool(timeout=30)
def phone(shop: Shop) -> str:
    """Call the customer."""
    shop.done.append("phone")
    return "nobody answered"


@desk.tool(to=front, clears=("item", "price"))
def give_up(item: FromMetadata[str]) -> str:
    """Give the order up."""
    return f"no {item} then"


@desk.tool()
def bill(price: FromMetadata[int]) -> str:
    """Write the bill."""
    return f"{price} to pay"


@desk.tool(to=flow.end)
def close_shop() -> str:
    """Close the shop."""
    return "closed"


#: An order with a price is taken up again after a silence.
remind = desk.after(timedelta(minutes=10), to=desk.when(priced))


def at_desk(talk: Talk[Order]) -> None:
    """Come to where desk is to speak."""
    talk.user("a chair")
    talk.calls(choose, item="chair")


def due(talk: Talk[Order]) -> list[str]:
    """The texts of what the latest request added."""
    assert talk.prompt is not None
    return [item.text for item in talk.prompt.due if isinstance(item, UserMessage | Output | Note)]
