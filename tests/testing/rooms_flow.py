"""A shop whose seller asks lawyers in side rooms: rightly, and with a mistake that only some schedules show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handoff import Deps, Flow, Metadata, RunFailed, ToolCall, ToolError
from handoff.core.items import Spoken, UserMessage
from handoff.declaration.prompt import Prompt
from handoff.models import Answer
from handoff.testing import Talk, World, call


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


#: The schedule in which nothing is out of the ordinary.
ORDINARY = "user model tool:may_ship legal/model legal/tool:pass_on legal/model legal/tool:rule legal/model"


def checked_as_answered(world: World[Any]) -> None:
    """Whoever was told that it is allowed knows it."""
    if any(ran.tool.startswith("may_ship") and ran.output == "It is allowed." for ran in world.ran):
        assert world.metadata.checked is True, f"checked is {world.metadata.checked}"


def in_a_room(prompt: Prompt) -> Answer | str:
    """Answer as lawyers do."""
    if prompt.assistant == "clerk":
        return Answer(calls=(call(pass_on, finding="It depends."),))
    ruled = any(isinstance(item, Spoken) and item.assistant == "judge" for item in prompt.items)
    return "Done." if ruled else Answer(calls=(call(rule, allowed=True),))


def asking(prompt: Prompt) -> Answer | str:
    """Ask whenever the user says something."""
    fresh = isinstance(prompt.items[-1], UserMessage)
    return Answer(calls=(call(may_ship, country="Chile"),)) if fresh else "On its way."


def once(tool: str, text: str) -> Callable[[Prompt], Answer | str]:
    """A model that calls a tool whenever it is asked something, and then says a text."""

    def model(prompt: Prompt) -> Answer | str:
        return Answer(calls=(call(tool),)) if isinstance(prompt.items[-1], UserMessage) else text

    return model
