"""A desk that consults a law firm, and the firm: a flow of two assistants with a tool of each kind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from handoff import Flow, Metadata, RunFailed, ToolCall, ToolError
from handoff.declaration.consulting import Share
from tests.support.workshop import Bench


class Case(Metadata):
    """What the firm is asked, and what it finds."""

    country: str | None = None
    verdict: str | None = None


class Shop(Metadata):
    """What the desk knows."""

    legal: str | None = None


def build_firm() -> Flow[Case, Bench]:
    """The firm: the clerk looks things up, the judge decides."""
    firm = Flow("firm", metadata=Case, deps=Bench)
    clerk = firm.assistant("clerk", instructions="You look up the law of {{ country }}.")
    judge = firm.assistant("judge", instructions="You decide a case of {{ country }}.")

    @clerk.tool(to=judge)
    def pass_on(bench: Bench) -> str:
        """Pass the case on."""
        bench.begin("pass_on")
        return "passed on"

    @clerk.tool()
    def search(bench: Bench, what: str) -> str:
        """Search the archive, which takes long."""
        bench.begin("search", what)
        return f"found {what}"

    @clerk.tool(approval=True, sets="verdict")
    def sign(bench: Bench, verdict: str) -> str:
        """Sign, if a person agrees."""
        bench.begin("sign", verdict)
        return f"signed {verdict}"

    @judge.tool(sets="verdict")
    def decide(bench: Bench, verdict: str) -> str:
        """Decide the case."""
        bench.begin("decide", verdict)
        return f"decided {verdict}"

    @judge.tool(to=firm.end, sets="verdict")
    def close_case(bench: Bench, verdict: str) -> str:
        """Close the case for good."""
        bench.begin("close_case", verdict)
        return f"closed: {verdict}"

    clerk.after(timedelta(minutes=10), to=judge)
    return firm


def build_desk(firm: Flow[Case, Bench], *, idempotent: bool = True) -> Flow[Shop, Bench]:
    """The desk, whose tools consult the firm in every way."""
    desk = Flow("desk", metadata=Shop, deps=Bench)
    front = desk.assistant("front", instructions="Answer.{% if legal %} Legal says {{ legal }}.{% endif %}")

    @front.tool(consults=firm, sets="legal", idempotent=idempotent)
    async def ask(call: ToolCall, bench: Bench, shop: Shop, country: str) -> str:
        """Ask the firm."""
        bench.ran.append(("ask", country))
        reply = await call.consult(firm, Case(country=country))
        shop.legal = reply.metadata.verdict or reply.text
        return reply.text

    @front.tool(consults=firm, idempotent=idempotent)
    def ask_blocking(call: ToolCall, bench: Bench, country: str) -> str:
        """Ask the firm from a body that is not async."""
        bench.ran.append(("ask_blocking", country))
        return call.consult(firm, Case(country=country)).result().text

    @front.tool(consults=firm, idempotent=True)
    async def ask_several(call: ToolCall, countries: list[str]) -> str:
        """Ask the firm about several countries at once."""
        asked = [call.consult(firm, Case(country=country), room=country) for country in countries]
        return "; ".join(str(reply) for reply in await asyncio.gather(*asked))

    @front.tool(consults=firm, idempotent=True)
    def ask_twice(call: ToolCall, country: str) -> str:
        """Ask the firm the same thing twice in one room."""
        first, second = (call.consult(firm, Case(country=country)) for _ in range(2))
        return f"{first.result()} {second.result()}"

    @front.tool(consults=firm, idempotent=True)
    def ask_otherwise(call: ToolCall) -> str:
        """Ask the firm two things in one room."""
        call.consult(firm, Case(country="A"))
        return call.consult(firm, Case(country="B")).result().text

    @front.tool(consults=firm, idempotent=True)
    async def tell(call: ToolCall, message: str, share: Any) -> str:
        """Tell the firm something, with a part of the conversation."""
        how: Share = share
        reply = await call.consult(firm, Case(country="A"), message=message, share=how)
        return f"{reply.text} ({reply.shared})"

    @front.tool(consults=firm, idempotent=True)
    async def try_to_ask(call: ToolCall) -> str:
        """Ask the firm, and say why if it fails."""
        try:
            return str(await call.consult(firm, Case(country="A")))
        except RunFailed as error:
            raise ToolError(f"the firm: {error.reason}") from error

    @front.tool(consults=firm, idempotent=True)
    async def give_up(call: ToolCall, bench: Bench) -> str:
        """Ask the firm, and stop waiting before it has answered."""
        asking = asyncio.ensure_future(call.consult(firm, Case(country="A")))
        await bench.gates["give_up"].halt()
        asking.cancel()
        await asyncio.wait([asking])
        return "gave up"

    @front.tool(consults=firm, idempotent=True)
    async def walk_away(call: ToolCall, bench: Bench) -> str:
        """Ask the firm and do not wait for it."""
        call.consult(firm, Case(country="A"))
        await bench.gates["walk_away"].halt()
        return "gone"

    return desk


async def room_of(thread: Any, wanted: Callable[[Any], bool]) -> Any:
    """The first room of a thread that is as wanted, once there is one."""
    async with asyncio.timeout(30):
        while True:
            for room in await thread.rooms():
                if wanted(room):
                    return room
            await asyncio.sleep(0.01)


async def waiting_room(thread: Any) -> Any:
    """The first room of a thread that rests and waits for a decision."""
    return await room_of(thread, lambda room: room.tickets and room.status == "rest")
