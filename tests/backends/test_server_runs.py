"""The shell around a backend whose server keeps the run: watched, named, cancelled, and never left to two requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from handoff import RunFailed
from handoff.backends.base import Accepted, Called, Delta, Ended, Known, Request
from handoff.core.codec import load
from handoff.core.events import RequestAccepted, ThreadKnown
from handoff.core.items import Asked
from handoff.core.state import Mode
from handoff.core.status import Status
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.workshop import Bench, build

FLOW = build()

Play = Callable[[Request], AsyncGenerator[Any, None]]


class Keeps:
    """A backend that plays one function a request, and waits for ever when it only watches.

    Attributes:
        requests: what was asked for, in order.
        watching: how many watches are open.
        cancelled: the runs it was asked to cancel.
    """

    def __init__(self, *plays: Play, mode: Mode | None = None, breaks: Exception | None = None) -> None:
        self.mode = mode or Mode(swap=False, steer=False)
        self.requests: list[Request] = []
        self.watching = 0
        self.watched = Gate(opened=True)
        self.cancelled: list[int] = []
        self._breaks = breaks
        self._plays = list(plays)
        self._stopped = asyncio.Event()

    async def open(self, request: Request) -> AsyncGenerator[Any, None]:
        self.requests.append(request)
        if request.purpose == "watch":
            self.watching += 1
            try:
                await self.watched.halt()
                await self._stopped.wait()
                yield Ended(Status.CANCELLED)
            finally:
                self.watching -= 1
            return
        async for report in self._plays.pop(0)(request):
            yield report

    async def cancel(self, request: Request) -> None:
        self.cancelled.append(request.run)
        if self._breaks is not None:
            raise self._breaks
        self._stopped.set()

    async def close(self) -> None:
        pass


async def calls(request: Request) -> AsyncGenerator[Any, None]:
    """Take the start and ask for a tool."""
    yield Accepted(len(request.prompt.due), assistant_id="asst_1")
    yield Called((Asked("c", "look", '{"what": "a"}'),))


async def says(request: Request) -> AsyncGenerator[Any, None]:
    """Take what is due and reply."""
    yield Accepted(len(request.prompt.due))
    yield Delta("fine")
    yield Ended(Status.COMPLETED, "fine")


async def test_a_run_is_watched_while_its_calls_run_and_not_any_longer(world: World) -> None:
    """The watch knows that the calls are journaled, and it is closed once their outputs are on their way."""
    world.bench = Bench("look")
    backend = Keeps(calls, says)
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        sender = asyncio.ensure_future(thread.send("look"))
        await world.bench.gates["look"].reached()
        await backend.watched.reached()
        world.bench.open_all()
        reply = await sender
        watching = backend.watching

    assert ("fine", 0) == (reply.text, watching)
    made = [(one.purpose, one.request, one.told) for one in backend.requests]
    assert [("send", 1, False), ("watch", 1, True), ("send", 2, False)] == made


async def test_what_the_backend_calls_the_thread_is_journaled_before_it_goes_on(world: World) -> None:
    """The name is committed when the next report is asked for, and every later request brings it."""
    seen: list[str] = []

    async def names(request: Request) -> AsyncGenerator[Any, None]:
        yield Known("thread_1")
        events = [load(record.data) for record in world.store().journal("t")]
        seen.extend(one.ref for one in events if isinstance(one, ThreadKnown))
        async for report in says(request):
            yield report

    backend = Keeps(names, says)
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        await thread.send("two")

    assert ["thread_1"] == seen
    assert ["", "thread_1"] == [one.ref for one in backend.requests]


async def test_the_servers_id_of_an_assistant_is_journaled(world: World) -> None:
    """It stands beside the acceptance of the run's start (A)."""

    async def accepts(request: Request) -> AsyncGenerator[Any, None]:
        yield Accepted(len(request.prompt.due), assistant_id="asst_1")
        yield Ended(Status.COMPLETED, "fine")

    async with world.threads(FLOW, backend=Keeps(accepts)) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        records = await threads._host.call(threads.store.journal, "t")
    events = [load(record.data) for record in records]

    assert ["asst_1"] == [one.assistant_id for one in events if isinstance(one, RequestAccepted)]


async def test_a_cancel_that_raises_ends_the_run(world: World) -> None:
    """The sender gets a typed failure, and the thread is not left locked."""
    gate = Gate()

    async def works(request: Request) -> AsyncGenerator[Any, None]:
        yield Accepted(len(request.prompt.due))
        await gate.halt()
        yield Ended(Status.COMPLETED, "late")

    backend = Keeps(works, says, breaks=RuntimeError("no cancel"))
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        sender = asyncio.ensure_future(thread.send("one"))
        await gate.reached()
        await thread.cancel()
        with pytest.raises(RunFailed, match="no cancel"):
            await sender
        reply = await thread.send("two")

    assert ("fine", [1]) == (reply.text, backend.cancelled)


@pytest.mark.parametrize("swaps", [True, False])
async def test_a_run_that_was_begun_on_the_other_kind_of_backend_fails(durable: World, swaps: bool) -> None:
    """After a restart on another kind of backend the run ends by a typed failure, and the thread goes on."""
    gate = Gate()

    async def works(request: Request) -> AsyncGenerator[Any, None]:
        if not swaps:
            yield Accepted(len(request.prompt.due))
        await gate.halt()
        yield Ended(Status.COMPLETED, "late")

    first = Keeps(works, mode=Mode(swap=swaps, steer=False))
    async with durable.threads(FLOW, backend=first) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="1")
        await gate.reached()
    async with durable.threads(FLOW, backend=Keeps(says, mode=Mode(swap=not swaps, steer=False))) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed, match="another kind of backend"):
            await thread.send("one", key="1")
        reply = await thread.send("two")

    assert "fine" == reply.text


async def test_a_handoff_that_nobody_speaks_after_is_a_reply_though_its_run_was_cancelled(world: World) -> None:
    """Carried over, `speak=False` ends the turn as it does on any other backend (L1)."""
    plays = [call_of("open_page", page="about"), says, call_of("put_away")]
    backend = Keeps(*plays, mode=Mode(swap=False, carry=True, steer=False))
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        await thread.send("open")
        backend._stopped.clear()
        reply = await thread.send("put it away")

    assert ("front", [1, 3]) == (reply.assistant, backend.cancelled)


def call_of(tool: str, **arguments: str) -> Play:
    """Take what is due and ask for that tool."""

    async def play(request: Request) -> AsyncGenerator[Any, None]:
        yield Accepted(len(request.prompt.due))
        yield Called((Asked("c", tool, json.dumps(arguments)),))

    return play
