"""A shop: the second flow that is killed. Its conversation passes all that may be lost in a crash.

A batch of calls that run together (idempotent, probed, neither) beside a lane that sets metadata; a call that waits for
approval and whose body talks to its own thread, so that it runs outside the lock while a run is active; a handoff by a
call that may not run twice; a message that arrives while the next assistant thinks, and whose reply hands over by
`then`; and a way back that clears metadata.

Where a body is lost and its outcome unknown, the model says that it waits, and a person settles the ticket.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from handoff import Answer, Assistant, Deps, Flow, Metadata, ScriptedModel, Thread, ToolCall, call
from handoff.core.items import Note, Output, Spoken
from handoff.core.texts import tell
from handoff.declaration.prompt import Prompt
from handoff.models import Step
from tests.crash.effects import Effects
from tests.crash.life import Life
from tests.crash.moments import Moments

WAITING = "I wait for word of what became of that."


class Order(Metadata):
    """What is known of the order."""

    name: str | None = None
    address: str | None = None
    parcel: str | None = None


class Shop(Deps):
    """What the process lends.

    Args:
        life: the process.
        effects: the world outside.
    """

    def __init__(self, life: Life, effects: Effects) -> None:
        self.life = life
        self.effects = effects

    def do(self, tool: str, call: ToolCall) -> str:
        """Take the tool's effect, with a chance to die before and after it, and return its output."""
        self.life.moments.passed("body", f"{tool}, nothing done")
        self.effects.add(tool, call.idempotency_key)
        self.life.moments.passed("body", f"{tool}, done but not said")
        return said(tool)

    def did(self, tool: str, call: ToolCall) -> bool:
        """Look whether the effect was taken, with a chance to die while looking."""
        self.life.moments.passed("body", f"{tool}, asked whether it happened")
        return (tool, call.idempotency_key) in self.effects.count()


def said(tool: str) -> str:
    """Return the output of a tool: known in advance, so that whoever settles a ticket can say the same."""
    return f"{tool} is done"


flow = Flow("shop", metadata=Order, deps=Shop)
clerk = flow.assistant("clerk", instructions="Take the order{% if name %} of {{ name }}{% endif %}.")
packer = flow.assistant("packer", instructions="Pack {{ parcel }} for {{ address }}.")
cashier = flow.assistant("cashier", instructions="Bill {{ parcel }}.")


@clerk.tool(idempotent=True)
async def look_up(shop: Shop, call: ToolCall, product: str) -> str:
    """Look a product up."""
    del product
    return shop.do("look_up", call)


def reserved(shop: Shop, call: ToolCall) -> str | None:
    """Tell whether the product was reserved."""
    return said("reserve") if shop.did("reserve", call) else None


@clerk.tool(probe=reserved)
def reserve(shop: Shop, call: ToolCall, product: str) -> str:
    """Reserve a product."""
    del product
    return shop.do("reserve", call)


@clerk.tool()
def ring(shop: Shop, call: ToolCall) -> str:
    """Ring the bell."""
    return shop.do("ring", call)


@clerk.tool(sets="address")
def set_address(shop: Shop, call: ToolCall, address: str) -> str:
    """Note where the order goes."""
    del address
    return shop.do("set_address", call)


@clerk.tool(sets="name", idempotent=True)
async def set_name(shop: Shop, call: ToolCall, name: str) -> str:
    """Note whose order it is."""
    del name
    return shop.do("set_name", call)


@clerk.tool(approval=True)
async def pay(shop: Shop, call: ToolCall, amount: int) -> str:
    """Take the money."""
    del amount
    # It runs outside the lock: a whole turn passes on its own thread before it is done.
    await shop.life.say("m3")
    return shop.do("pay", call)


@clerk.tool(to=packer, sets="parcel")
async def pack(shop: Shop, call: ToolCall, parcel: str) -> str:
    """Have the order packed."""
    del parcel
    return shop.do("pack", call)


packer.then(cashier)


@cashier.tool(to=clerk, clears="parcel", idempotent=True)
def bill(shop: Shop, call: ToolCall) -> str:
    """Write the bill."""
    return shop.do("bill", call)


SCRIPT: dict[Assistant[Any] | str, tuple[Step, ...]] = {
    clerk: (
        Answer(
            "One moment.",
            (
                call(look_up, product="tea"),
                call(reserve, product="tea"),
                call(set_address, address="Elm Street 1"),
                call(ring),
                call(set_name, name="Ada"),
            ),
        ),
        "All is ready.",
        call(pay, amount=12),
        "Somebody has to approve that.",
        "Not yet.",
        "It is paid.",
        (call(look_up, product="string"), call(pack, parcel="a box of tea")),
        "Here is your bill.",
    ),
    packer: ("It is packed.",),
    cashier: (call(bill),),
}

MESSAGES = {
    "m1": "Tea, please; I am Ada, of Elm Street 1.",
    "m2": "I pay now.",
    "m3": "Is it paid?",
    "m4": "Pack it, please.",
    "m5": "And the bill?",
}


class Staff:
    """The model of all assistants. It remembers nothing, so a process that goes on after a crash says the same.

    Args:
        life: the process.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self._script = ScriptedModel(SCRIPT, strict=False)

    async def answer(self, prompt: Prompt) -> Answer:
        """Say that it waits while the outcome of a call is unknown, else what the script says next."""
        self._life.moments.passed("model", f"{prompt.assistant} is asked")
        if in_doubt(prompt):
            answer = Answer(WAITING)
        else:
            if prompt.assistant == packer.name:
                # The user does not wait for the reply: the message is queued behind it.
                await self._life.post("m5")
            spoken = tuple(item for item in prompt.transcript if not waits(item))
            answer = self._script.answer(replace(prompt, transcript=spoken))
        self._life.moments.passed("model", f"{prompt.assistant} has answered")
        return answer


def waits(item: object) -> bool:
    """Return whether the item is the model's word that it waits."""
    return isinstance(item, Spoken) and item.text == WAITING


def in_doubt(prompt: Prompt) -> bool:
    """Return whether the model was told of a call whose outcome is unknown, and not yet what became of it."""
    settled = {item.ticket for item in prompt.items if isinstance(item, Note)}
    tickets = (f"T{number}" for number in range(1, 20))
    unknown = {ticket: tell("in_doubt", ticket=ticket) for ticket in tickets if ticket not in settled}
    return any(isinstance(item, Output) and item.text in unknown.values() for item in prompt.items)


def prepare(directory: Path) -> None:
    """Nothing stands ready: the world is empty."""
    del directory


def life(directory: Path, moments: Moments) -> Life:
    """Return a process of the shop, not begun."""
    made = Life(flow, directory, moments, MESSAGES)
    made.deps = Shop(made, Effects(directory / "effects"))
    made.model = Staff(made)
    return made


async def converse(life: Life, thread: Thread[Order]) -> None:
    """Do what the user and the people behind the counter do. It may be done again from its start after a crash."""
    await life.say("m1")
    await settle(life, "ring", "set_address")
    await life.say("m2")
    await thread.wait()
    for ticket in thread.tickets:
        if ticket.stage == "approval":
            await thread.approve(ticket.id, by="the owner")
    await thread.wait()
    await life.say("m3")
    await settle(life, "pay")
    await life.say("m4")
    await settle(life, "pack")
    await life.say("m5")
    await thread.wait()


async def settle(life: Life, *tools: str) -> None:
    """Be the person who settles what is in doubt: look after it by hand, and say that it is done."""
    while True:
        # Opened each time: a body that ran in another process is lost with it, which nobody learns who only looks.
        thread = await life.thread()
        await thread.wait()
        await thread.transcript()  # with it comes what another process has done meanwhile
        tickets = [ticket for ticket in thread.tickets if ticket.call.tool in tools]
        if not tickets:
            return
        for ticket in tickets:
            if ticket.stage == "in_doubt":
                await thread.settle(ticket.id, said(ticket.call.tool), by="the owner")
        await asyncio.sleep(0.01)  # a body may be running in another process
