"""Thousands of threads in a process, and nothing left behind when it closes."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import tracemalloc

import pytest

from handoff import MemoryStore, Threads, ThreadsClosed
from handoff.backends.embedded import Embedded
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Answers, Held, Plays, call, echo
from tests.support.workshop import Bench, build

FLOW = build()
#: How many bytes a resting thread may cost in this process, its journal in memory included.
BYTES = 30_000


async def test_three_thousand_idle_threads_hold_no_task_and_little_memory() -> None:
    """A thread that rests has no task, and costs little more than its journal."""
    async with Threads(FLOW, deps=Bench(), backend=Embedded(Answers(echo)), store=MemoryStore()) as threads:
        await (await threads.open()).send("warm up")
        before = len(asyncio.all_tasks())
        kept = [await threads.open(f"t{number}") for number in range(3_000)]
        gc.collect()
        tracemalloc.start()
        base = tracemalloc.get_traced_memory()[0]
        for thread in kept[:300]:
            await thread.send("hello")
        gc.collect()
        cost = (tracemalloc.get_traced_memory()[0] - base) / 300
        tracemalloc.stop()
        after = len(asyncio.all_tasks())

    assert before == after
    assert cost < BYTES


async def test_a_close_leaves_no_worker_thread(world: World) -> None:
    """Everything that was started ends with the close."""
    async with world.threads(FLOW, Plays(call("look", what="it"), "done")) as threads:
        await (await threads.open("t")).send("go")
    left = [one.name for one in threading.enumerate() if one.name.startswith("handoff")]

    assert [] == left


async def test_a_close_leaves_nothing_pending_even_in_the_middle_of_everything(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """A run, an open stream, a timer and a waiting sender all end with the close; no task is destroyed pending."""
    gate = Gate()
    with caplog.at_level(logging.WARNING, "asyncio"):
        async with world.threads(FLOW, Plays(call("open_page", page="a"), "open", Held(gate, "never"))) as threads:
            thread = await threads.open("t")
            await thread.send("a")
            events = thread.stream("go")
            await anext(events)
            await gate.reached()
        with pytest.raises(ThreadsClosed):
            async for _ in events:
                pass
        del events, thread, threads
        gc.collect()

    assert "" == caplog.text


async def test_a_sender_that_waits_at_the_close_is_told(world: World) -> None:
    """A send under way when the threads are closed raises, instead of waiting for ever."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "never"))) as threads:
        sender = asyncio.ensure_future((await threads.open("t")).send("one"))
        await gate.reached()
        await threads.close()
        with pytest.raises(ThreadsClosed):
            await sender


async def test_closed_threads_take_nothing_more(world: World) -> None:
    """After the close every call raises the same typed error, and another close does nothing."""
    async with world.threads(FLOW, Plays("fine")) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        await threads.close()
        await threads.close()
        for late in (thread.send("two"), thread.post("two"), thread.edit(note="x"), thread.cancel(), threads.open("u")):
            with pytest.raises(ThreadsClosed):
                await late

    assert "rest" == thread.status
