"""A shop whose seller asks lawyers in side rooms: rightly, and with a mistake that only some schedules show."""

from __future__ import annotations

from handoff import Deps, Flow, Metadata, RunFailed, ToolCall, ToolError
from handoff.testing import Talk


class LegalCase(Metadata):
    """What lawyers are asked, and what they find."""

    country: str | None = None
    allowed: bool | None = None


legal = Flow("legal", metadata=LegalCase)
clerk = legal.assistant("clerk", instructions="Find out what the law of {{ country }} says, then pass the case on.")
judge = legal.assistant("judge", instructions="Decide the case.")


@clerk.tool(to=judge)
def pass_on(finding: str) -> str:
    """Pass the case on to the judge."""
    return finding


@judge.tool(sets="allowed")
def rule(allowed: bool) -> str:
    """Decide the case."""
    return "Allowed." if allowed else "Forbidden."


class Order(Metadata):
    """What is known of the order."""

    country: str | None = None
    checked: bool | None = None


class Desk(Deps):
    """Where the seller keeps what was found out."""

    def __init__(self) -> None:
        self.kept: set[str] = set()


shop = Flow("shop", metadata=Order)
seller = shop.assistant("seller", instructions="Sell wine. Ask before you ship it abroad.")


@seller.tool(consults=legal, sets="checked")
async def may_ship(call: ToolCall, order: Order, country: str) -> str:
    """Ask whether wine may be shipped to a country."""
    try:
        reply = await call.consult(legal, LegalCase(country=country))
    except RunFailed as error:
        raise ToolError(f"Nobody could be asked: {error.reason}") from error
    order.checked = reply.metadata.allowed
    return reply.text


@seller.tool(consults=legal)
def where_to_ship(call: ToolCall, countries: list[str]) -> str:
    """Ask about several countries at once, each in a room of its own."""
    asked = [call.consult(legal, LegalCase(country=country), room=country) for country in countries]
    try:
        replies = [one.result() for one in asked]
    except RunFailed as error:
        raise ToolError(f"Nobody could be asked: {error.reason}") from error
    return ", ".join(reply.metadata.country or "" for reply in replies if reply.metadata.allowed)


forgetful = Flow("forgetful", metadata=Order, deps=Desk)
forgetter = forgetful.assistant("seller", instructions="Sell wine. Ask before you ship it abroad.")


@forgetter.tool(consults=legal, sets=("country", "checked"), idempotent=True)
async def may_ship_once(call: ToolCall, order: Order, desk: Desk, country: str) -> str:
    """Ask whether wine may be shipped, and keep the answer; wrong: what is kept does not tell the thread."""
    order.checked = False
    reply = await call.consult(legal, LegalCase(country=country))
    if call.idempotency_key not in desk.kept:
        desk.kept.add(call.idempotency_key)
        order.checked = reply.metadata.allowed
    return reply.text


def to_norway(talk: Talk[Order]) -> None:
    """A guest wants wine sent to Norway, where it is allowed."""
    talk.user("Two bottles to Norway, please")
    talk.calls(may_ship_once if talk.flow is forgetful else may_ship, country="Norway")
    room = talk.rooms["legal"]
    room.calls(pass_on, finding="Only the monopoly may import wine.")
    room.calls(rule, allowed=True)
    room.says("It is allowed.")
    talk.says("It is on its way.")


def to_two_countries(talk: Talk[Order]) -> None:
    """A guest asks about two countries at once, and the lawyers answer differently."""
    talk.user("Where to?")
    talk.calls(where_to_ship, countries=["Norway", "Chile"])
    for country, allowed in (("Norway", False), ("Chile", True)):
        room = talk.rooms[country]
        room.calls(pass_on, finding=f"The law of {country}.")
        room.calls(rule, allowed=allowed)
        room.says("Done.")
    talk.says("To Chile.")
