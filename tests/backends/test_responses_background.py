"""Answers made in the background: followed over broken lines and restarts, cancelled where nobody wants them (R8)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import openai
import pytest

from handoff import RunFailed, SystemClock
from handoff.backends.base import Accepted, Prompt, Request
from handoff.backends.responses import Responses
from handoff.core.items import UserMessage
from tests.contract.backdrop import Brisk
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Held, Plays
from tests.support.servers import Servers
from tests.support.workshop import build

FLOW = build()
PROMPT = Prompt("front", "Help.", (), (), (UserMessage("m", "hi"),))


class Place(Servers[Responses]):
    """A server, and backends that speak to it."""

    @property
    def stream(self) -> bool:
        """Whether answers are streamed."""
        return bool(self.options["stream"])

    def statuses(self) -> list[str]:
        """The statuses of all responses there are, oldest first."""
        return [one.wire["status"] for one in self.sandbox.world.responses.values()]


def _place(stack: ExitStack, *, stream: bool) -> Place:
    return Place(stack, Responses, {"background": True, "stream": stream, "clock": Brisk()})


@pytest.fixture(params=[True, False], ids=["stream", "whole"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A place for one test, streamed and looked at."""
    with ExitStack() as stack:
        yield _place(stack, stream=request.param)


async def begun(thread: Any) -> None:
    """Return once it is journaled that the server has the request."""
    while thread.state.run is None or thread.state.run.unacknowledged:  # noqa: ASYNC110 - the journal's own word
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("fault", ["429", "500", "drop_before", "drop_after"])
async def test_a_look_that_fails_is_no_failure_of_the_answer(place: Place, durable: World, fault: str) -> None:
    """However the line breaks, the answer goes on, and the model is asked once."""
    gate = Gate()
    model = Plays(Held(gate, "two three", said="one "))
    faults = [f"{fault}@responses.retrieve#{nth}" for nth in (1, 2)]
    if place.stream:
        faults.append("stall@responses.create")
    place.start(model, *faults)
    async with durable.threads(FLOW, backend=place.again(timeout=0.3)) as threads:
        sending = asyncio.create_task((await threads.open("t")).send("hi"))
        await gate.reached()
        happened = place.sandbox.world.faults.happened
        while happened[fault] < 2:  # noqa: ASYNC110 - of the server's own count
            await asyncio.sleep(0.005)
        gate.open()
        reply = await sending

    assert ("one two three", 1, ["completed"]) == (reply.text, len(model.prompts), place.statuses())


async def test_what_is_told_of_a_broken_stream_is_told_once(durable: World) -> None:
    """The stream is read on behind the last event that was seen: the pieces come to the whole (starting_after)."""
    with ExitStack() as stack:
        place = _place(stack, stream=True)
        place.start(Plays("one two three four"), "stall@responses.create")
        backend = place.again(timeout=0.3)
        async with durable.threads(FLOW, backend=backend) as threads:
            thread = await threads.open("t")
            told = [event.text async for event in thread.stream("hi") if event.type == "text.delta"]

    assert "one two three four" == "".join(told)


async def test_a_response_that_failed_is_asked_for_again(place: Place, durable: World) -> None:
    """A new one is begun; what was stored with the first is not said twice."""
    model = Plays("hello", "again")
    backend = place.start(model, "failed@responses.create")
    async with durable.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        first = await thread.send("one")
        await thread.send("two")

    assert ("hello", ["failed", "completed", "completed"]) == (first.text, place.statuses())
    assert ["one", "hello", "two"] == [item.text for item in model.prompts[-1].items]


async def test_a_cancelled_run_cancels_its_response(place: Place, durable: World) -> None:
    """The server works no more for nobody, and the next answer builds on what was there before (C1, C5)."""
    gate = Gate()
    model = Plays("hello", Held(gate, "never"), "fine")
    async with durable.threads(FLOW, backend=place.start(model)) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        await thread.post("two")
        await gate.reached()
        await thread.cancel()
        cancelled = place.statuses()
        reply = await thread.send("three")

    assert ("fine", ["one", "hello", "two", "three"]) == (
        reply.text,
        [item.text for item in model.prompts[-1].items if item.text],
    )
    assert "completed" == cancelled[0]
    assert {"cancelled"} == set(place.statuses()[1:-1])


async def test_a_run_past_its_deadline_cancels_its_response(place: Place, durable: World) -> None:
    """A response that is stuck does not outlive the run (C5, D1)."""
    model = Plays("never", "fine")
    async with durable.threads(FLOW, backend=place.start(model, "stuck@responses.create")) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="first")
        await begun(thread)
        await durable.advance(threads, 600)
        with pytest.raises(RunFailed, match="expired"):
            await thread.send("one", key="first")

    assert ["cancelled"] == place.statuses()


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
async def test_an_answer_outlives_the_process_that_asked(place: Place, durable: World, gone: bool) -> None:
    """The next process takes it up by what was journaled; if the server has lost it, the run fails and no more."""
    gate = Gate()
    model = Plays(Held(gate, "hello"), "again")
    async with durable.threads(FLOW, backend=place.start(model)) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="first")
        await begun(thread)
        await gate.reached()
    gate.open()
    while place.statuses() != ["completed"]:  # noqa: ASYNC110 - of the server's own word
        await asyncio.sleep(0.001)
    if gone:
        place.sandbox.world.responses.clear()
    async with durable.threads(FLOW, backend=place.again()) as threads:
        thread = await threads.open("t")
        if gone:
            with pytest.raises(RunFailed, match="not found"):
                await thread.send("one", key="first")
        else:
            assert "hello" == (await thread.send("one", key="first")).text
        reply = await thread.send("two")

    expected = ["one", "two"] if gone else ["one", "hello", "two"]
    assert ("again", expected) == (reply.text, [item.text for item in model.prompts[-1].items])


async def test_what_cannot_be_streamed_again_is_looked_at(durable: World, caplog: pytest.LogCaptureFixture) -> None:
    """A response that was begun without a stream has none that a process which streams could take up."""
    gate = Gate()
    with ExitStack() as stack, caplog.at_level(logging.INFO, "handoff"):
        place = _place(stack, stream=False)
        async with durable.threads(FLOW, backend=place.start(Plays(Held(gate, "hello"), "again"))) as threads:
            thread = await threads.open("t")
            await thread.post("one", key="first")
            await begun(thread)
            await gate.reached()
        async with durable.threads(FLOW, backend=place.again(stream=True)) as threads:
            thread = await threads.open("t")
            sending = asyncio.create_task(thread.send("one", key="first"))
            while "has no stream" not in caplog.text and not sending.done():  # noqa: ASYNC110 - of the log's own word
                await asyncio.sleep(0.005)
            gate.open()
            first = await sending
            second = await thread.send("two")

    assert ["hello", "again"] == [first.text, second.text]


async def test_a_response_nobody_will_follow_any_more_is_cancelled(durable: World) -> None:
    """Looked at until the deadline and still not over: the run ends, and the server works no more for it (C5)."""
    gate = Gate()
    with ExitStack() as stack:
        place = _place(stack, stream=False)
        async with durable.threads(FLOW, backend=place.start(Plays(Held(gate, "never")))) as threads:
            with pytest.raises(RunFailed, match="expired"):
                await (await threads.open("t")).send("one")

        assert ["cancelled"] == place.statuses()


async def test_a_request_that_is_closed_as_soon_as_it_is_known_gives_its_connection_back() -> None:
    """Whoever closes it may have read nothing of its stream, and the garbage collector is not waited for."""
    gate = Gate()
    with ExitStack() as stack:
        place = _place(stack, stream=True)
        place.start(Plays(Held(gate, "never")))
        request = Request("t", 1, 1, "send", PROMPT, SystemClock().now() + 10.0)
        async with (
            httpx2.AsyncClient() as http,
            openai.AsyncOpenAI(base_url=place.url, api_key="any", http_client=http) as client,
        ):
            reports = Responses("tiny", background=True, client=client).open(request)
            async for report in reports:
                if isinstance(report, Accepted):
                    break
            connections = list(http._transport._pool.connections)
            await reports.aclose()
            closed = [one.is_closed() for one in connections]
            gate.open()

    assert [True] == closed
