"""A dealer who asks: the third flow that is killed, whose tools' bodies consult other flows in side rooms.

A call opens two rooms at once, each with a handoff and a body that acts on the world and may not run twice, and asks
one of them a second time; then the dealer hands over by a call that may not run twice, and the next assistant asks in a
room that is told the last turn. A room that had answered when a process began is not to be asked again by it.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from handoff import Answer, Assistant, Deps, Flow, Metadata, ScriptedModel, SqlStore, Thread, ToolCall, call
from handoff.declaration.prompt import Prompt
from handoff.driving.history import folded
from handoff.driving.side_rooms import has_answered, room_place
from handoff.models import Step
from tests.crash.effects import Effects
from tests.crash.life import STORE, THREAD, Life
from tests.crash.moments import Moments
from tests.crash.shop import WAITING, in_doubt, said, settle, waits

#: Where a process says that it asked a room that had answered before.
AGAIN = "asked-again"


class Piece(Metadata):
    """What an expert is asked about, and what it is worth."""

    piece: str | None = None
    value: int | None = None


class World(Deps):
    """What the process lends.

    Args:
        moments: where it may die.
        effects: the world outside.
    """

    def __init__(self, moments: Moments, effects: Effects) -> None:
        self._moments = moments
        self._effects = effects

    def passed(self, words: str) -> None:
        """Have a chance to die in a body that asks."""
        self._moments.passed("body", words)

    def do(self, tool: str, call: ToolCall) -> str:
        """Take the tool's effect, with a chance to die before and after it, and return its output."""
        self.passed(f"{tool}, nothing done")
        self._effects.add(tool, call.idempotency_key)
        self.passed(f"{tool}, done but not said")
        return said(tool)


experts = Flow("experts", metadata=Piece, deps=World)
appraiser = experts.assistant("appraiser", instructions="Judge the {{ piece }}.")
registrar = experts.assistant("registrar", instructions="Enter the {{ piece }}.")


@appraiser.tool(to=registrar, idempotent=True)
async def pass_on(world: World, call: ToolCall) -> str:
    """Have the piece entered."""
    return world.do("pass_on", call)


@registrar.tool(sets="value")
def enter(world: World, call: ToolCall, value: int) -> str:
    """Enter what it is worth."""
    del value
    return world.do("enter", call)


insurers = Flow("insurers", metadata=Piece, deps=World)
insurer = insurers.assistant("insurer", instructions="Insure the {{ piece }}.")


@insurer.tool()
async def insure(world: World, call: ToolCall) -> str:
    """Insure the piece."""
    return world.do("insure", call)


flow = Flow("dealer", deps=World)
buyer = flow.assistant("buyer", instructions="Find out what things are worth.")
seller = flow.assistant("seller", instructions="Sell.")


@buyer.tool(consults=experts, idempotent=True)
async def appraise(world: World, call: ToolCall, pieces: list[str]) -> str:
    """Ask what pieces are worth, each in a room of its own."""
    world.passed("appraise, nothing asked")
    asked = [call.consult(experts, Piece(piece=piece), room=piece, share="all") for piece in pieces]
    world.passed("appraise, all is asked")
    replies = await asyncio.gather(*asked)
    world.passed("appraise, all have answered")
    first = await call.consult(experts, Piece(piece=pieces[0]), room=pieces[0], share="all")
    return ", ".join(f"{one.metadata.piece} {one.metadata.value}: {one.text}" for one in (*replies, first))


@buyer.tool(to=seller)
def hand_over(world: World, call: ToolCall) -> str:
    """Have a piece sold."""
    return world.do("hand_over", call)


@seller.tool(consults=insurers)
def cover(call: ToolCall, piece: str) -> str:
    """Have a piece insured. It takes nothing that acts on the world, so it may run again."""
    return call.consult(insurers, Piece(piece=piece), room=piece, share=1).result().text


SCRIPT: dict[Assistant[Any] | str, tuple[Step, ...]] = {
    buyer: (call(appraise, pieces=["lamp", "vase"]), "They are worth 7 each.", call(hand_over)),
    appraiser: (call(pass_on),),
    registrar: (call(enter, value=7), "It is entered."),
    seller: ("I sell it.", call(cover, piece="ship"), "It is covered."),
    insurer: (call(insure), "It is insured."),
}

MESSAGES = {"m1": "What are they worth?", "m2": "Sell the lamp.", "m3": "Insure the ship."}


class Staff:
    """The model of all assistants, in rooms and outside. It remembers nothing but what had been answered.

    Args:
        directory: where the files of the process are.
        moments: where it may die.
    """

    def __init__(self, directory: Path, moments: Moments) -> None:
        self._again = directory / AGAIN
        self._moments = moments
        self._answered = answered(directory)
        self._script = ScriptedModel(SCRIPT, strict=False)

    async def answer(self, prompt: Prompt) -> Answer:
        """Say that it waits while the outcome of a call is unknown, else what the script says next."""
        for piece in self._answered:
            if f'the "{piece}".' in prompt.instructions:
                with self._again.open("a") as file:
                    file.write(f"{piece} ({prompt.assistant})\n")
        self._moments.passed("model", f"{prompt.assistant} is asked")
        if in_doubt(prompt):
            answer = Answer(WAITING)
        else:
            spoken = tuple(item for item in prompt.transcript if not waits(item))
            answer = self._script.answer(replace(prompt, transcript=spoken))
        self._moments.passed("model", f"{prompt.assistant} has answered")
        return answer


def answered(directory: Path) -> frozenset[str]:
    """Return the names of the rooms that have answered.

    Args:
        directory: where the files of the process are.
    """
    if not (directory / STORE).exists():
        return frozenset()
    store = SqlStore(directory / STORE)
    try:
        places = {name: place for name, _ in store.threads(f"{THREAD}/") if (place := room_place(name))}
        states = {place.name: folded(store.journal(name)) for name, place in places.items()}
        return frozenset(name for name, state in states.items() if state and has_answered(state))
    finally:
        store.close()


def life(directory: Path, moments: Moments) -> Life:
    """Return a process of the dealer, not begun."""
    made = Life(flow, directory, moments, MESSAGES)
    made.deps = World(moments, Effects(directory / "effects"))
    made.model = Staff(directory, moments)
    return made


async def converse(life: Life, thread: Thread[Any]) -> None:
    """Do what the user does, and settle what is in doubt in rooms and outside. It may be done again after a crash."""
    settling = asyncio.ensure_future(settle_rooms(thread))
    try:
        await life.say("m1")
        await life.say("m2")
        await settle(life, "hand_over")
        await life.say("m3")
        await thread.wait()
    finally:
        settling.cancel()
        await asyncio.gather(settling, return_exceptions=True)


async def settle_rooms(thread: Thread[Any]) -> None:
    """Be the person who settles what is in doubt in rooms, for as long as the process lives."""
    while True:
        for room in await thread.rooms():
            for ticket in room.tickets:
                if ticket.stage == "in_doubt":
                    await room.settle(ticket.id, said(ticket.call.tool), by="the owner")
        await asyncio.sleep(0.01)  # a body asks, and nobody tells when its room waits for a person
