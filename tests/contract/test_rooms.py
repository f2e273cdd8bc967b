"""S: a side room is driven on its parent's backend, whichever that is."""

from __future__ import annotations

import asyncio
from typing import Any

from handoff import Flow, Metadata, RoomReply, ToolCall
from handoff.core.items import Output
from tests.contract.backdrop import Backdrop
from tests.support.models import call
from tests.support.workshop import Bench


class Case(Metadata):
    """What is asked, and what is found."""

    country: str | None = None
    verdict: str | None = None


def desk(replies: list[RoomReply[Case]]) -> Flow[Any, Any]:
    """A flow that consults another, and notes what it is told."""
    firm, made = Flow("firm", metadata=Case), Flow("desk", deps=Bench)
    clerk = firm.assistant("clerk", instructions="You know the law of {{ country }}.")
    front = made.assistant("front", instructions="Answer.")

    @clerk.tool(sets="verdict")
    def decide(verdict: str) -> str:
        """Decide."""
        return f"decided {verdict}"

    @front.tool(consults=firm)
    async def ask(call: ToolCall) -> str:
        """Ask in one room after the other, then in two at once."""
        replies.append(await call.consult(firm, Case(country="A"), share="all"))
        replies.extend(await asyncio.gather(*(call.consult(firm, Case(country=one), room=one) for one in "BC")))
        return "; ".join(reply.text for reply in replies)

    return made


async def test_a_room_is_driven_on_the_backend_of_its_parent(backdrop: Backdrop) -> None:
    """Its answer, its metadata and what it took come back, and rooms side by side do not disturb each other."""
    replies: list[RoomReply[Case]] = []
    backdrop.plays(call("ask"), call("decide", verdict="yes"), "law", "law", "law", "done")
    async with backdrop.threads(desk(replies)) as threads:
        thread = await threads.open("t")
        reply = await thread.send("May I?")
        outputs = [item.text for item in await thread.transcript() if isinstance(item, Output)]

    assert ("done", ["law; law; law"], ["yes", None, None]) == (
        reply.text,
        outputs,
        [one.metadata.verdict for one in replies],
    )
    counted = [one.usage.model_calls for one in replies]
    assert counted == ([0, 0, 0] if backdrop.form.connect is None else [2, 1, 1])
