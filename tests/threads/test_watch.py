"""Who looks on: all that happens on a thread, whoever caused it, until the threads are closed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator

import pytest

import handoff.sync
from handoff import (
    Flow,
    MessageAdded,
    RuleModel,
    Said,
    StoreError,
    Thread,
    ThreadEvent,
    Threads,
    TicketChanged,
    call,
)

FLOW = Flow("desk")
CLERK = FLOW.assistant("clerk", instructions="Help.")
RULES = RuleModel(FLOW)


@CLERK.tool(approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


@RULES.when(CLERK, "pay")
def ask_to_pay(_match: object) -> Said:
    """Pay."""
    return call(pay)


@RULES.when(CLERK, "hello")
def greet(_match: object) -> str:
    """Hello."""
    return "good day"


async def begun(thread: Thread) -> tuple[AsyncGenerator[ThreadEvent, None], asyncio.Task[list[ThreadEvent]]]:
    """Somebody who looks on already, and what that person has seen when the watch is over."""
    events = thread.watch()

    async def look() -> list[ThreadEvent]:
        return [event async for event in events]

    looking = asyncio.create_task(look())
    await asyncio.sleep(0)
    return events, looking


async def test_who_looks_on_is_told_what_others_do() -> None:
    """A message of somebody else, a decision, and what comes of it long after: all is told, and then it ends."""
    async with Threads(FLOW) as threads:
        thread = await threads.open("t")
        _, looking = await begun(thread)
        await thread.send("pay")
        await (await threads.get("t")).approve("T1", by="boss")
        await thread.wait()

    seen = await looking
    said = [event.text for event in seen if isinstance(event, MessageAdded)]
    assert ["approval", "approved", "running", "closed"] == [
        one.stage for one in seen if isinstance(one, TicketChanged)
    ]
    assert ("pay", "Result of pay (ticket T1), asked by clerk: paid") == (said[0], said[-1])


async def test_a_watch_that_is_left_leaves_nothing_behind() -> None:
    """Whoever goes away is not told any more, and the thread is watched by nobody."""
    async with Threads(FLOW) as threads:
        thread = await threads.open("t")
        events = thread.watch()
        first = asyncio.create_task(anext(events))
        await asyncio.sleep(0)
        await thread.send("hello")
        assert "message" == (await first).type
        await events.aclose()

        assert not threads._host.listeners.watched("t")


async def test_a_watch_that_begins_after_the_close_ends_at_once() -> None:
    """Nothing will happen there any more, so nobody waits for it."""
    async with Threads(FLOW) as threads:
        thread = await threads.open("t")
        begun_before = thread.watch()

    assert [] == [event async for event in begun_before]
    assert [] == [event async for event in thread.watch()]


async def test_a_thread_that_cannot_go_on_ends_the_watch_with_the_reason() -> None:
    """Who looks on reads why nothing will happen here any more."""
    async with Threads(FLOW) as threads:
        _, looking = await begun(await threads.open("t"))
        threads._host.listeners.fail("t", StoreError("the disk is full"))

        with pytest.raises(StoreError, match="the disk is full"):
            await looking


def test_code_that_blocks_looks_on_from_a_thread_of_its_own() -> None:
    """The blocking twin yields the same events, and ends with its threads."""
    seen: list[str] = []
    said = threading.Event()

    def look(thread: handoff.sync.Thread) -> None:
        for event in thread.watch():
            seen.append(event.type)
            said.set()

    with handoff.sync.Threads(FLOW) as threads:
        thread = threads.open("t")
        looking = threading.Thread(target=look, args=(thread,))
        looking.start()
        while not said.is_set():  # until it looks: from then on nothing is missed
            thread.send("hello")
    looking.join()

    assert "message" in seen
