"""Backends that misbehave: whatever they do, every run ends in a terminal status and the thread goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from handoff import Answer, Flow, MessageAdded, Metadata, RunFailed, StoreError, TextDelta
from handoff.backends.base import Absent, Accepted, Called, Delta, Doubted, Ended, Known, Request
from handoff.core.items import Asked
from handoff.core.state import Mode
from handoff.core.status import Status
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Plays, call, texts
from tests.support.workshop import build

FLOW = build()


class Scripted:
    """A backend that plays one function a request; the last one goes on."""

    def __init__(self, *plays: Callable[[Request], AsyncIterator[Any]]) -> None:
        self.mode = Mode()
        self.requests: list[Request] = []
        self.closed = 0
        #: What the server was asked to cancel, and how many requests had been closed by then.
        self.cancelled: list[tuple[str, int]] = []
        self.trouble: Exception | None = None
        self._plays = list(plays)

    async def open(self, request: Request) -> AsyncIterator[Any]:
        self.requests.append(request)
        play = self._plays.pop(0) if len(self._plays) > 1 else self._plays[0]
        try:
            async for report in play(request):
                yield report
        finally:
            self.closed += 1

    async def cancel(self, request: Request) -> None:
        self.cancelled.append((request.ref, self.closed))
        if self.trouble is not None:
            raise self.trouble

    async def close(self) -> None:
        pass


def reports(*given: Any) -> Callable[[Request], AsyncIterator[Any]]:
    """Report these, or raise them."""

    async def play(_request: Request) -> AsyncIterator[Any]:
        for one in given:
            if isinstance(one, BaseException):
                raise one
            yield one

    return play


async def says(request: Request) -> AsyncIterator[Any]:
    """A backend as it should be."""
    yield Delta("fi")
    yield Ended(Status.COMPLETED, "fine", stored=len(request.prompt.due))


@pytest.mark.parametrize(
    ("play", "reason"),
    [
        pytest.param(reports(ConnectionError("gone")), "gone", id="raises"),
        pytest.param(reports(Delta("he"), ConnectionError("gone")), "gone", id="raises half way"),
        pytest.param(reports(), "without an answer", id="ends without an answer"),
        pytest.param(reports(Delta("he")), "without an answer", id="breaks off"),
        pytest.param(reports("what?"), "str does not end a request", id="reports nonsense"),
        pytest.param(
            reports(Ended(Status.COMPLETED, "hi", stored=99)), "cannot have been stored", id="stores too much"
        ),
        pytest.param(reports(Ended(Status.IN_PROGRESS)), "not terminal", id="ends in no terminal status"),
        pytest.param(reports(Called((), stored=1)), "at least one call", id="calls nothing"),
        pytest.param(
            reports(Called((Asked("c", "look", "{}"), Asked("c", "look", "{}")), stored=1)),
            "its own id",
            id="same id twice",
        ),
        pytest.param(reports(asyncio.CancelledError()), "CancelledError", id="is cancelled by itself"),
        pytest.param(reports(Ended(Status.FAILED, reason="quota")), "quota", id="says that it failed"),
        pytest.param(reports(Ended(Status.INCOMPLETE, "half", "length", stored=1)), "length", id="is cut off"),
    ],
)
async def test_a_backend_that_misbehaves_ends_the_run_and_not_the_thread(
    world: World, play: Callable[[Request], AsyncIterator[Any]], reason: str
) -> None:
    """The turn ends with a typed error that says what happened; the next message is answered."""
    async with world.threads(FLOW, backend=Scripted(play, says)) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("one")
        reply = await thread.send("two")

    assert (True, "fine") == (reason in failed.value.reason, reply.text)


async def test_a_reply_that_is_told_anew_says_so(world: World) -> None:
    """Whoever shows pieces as they come learns that those before are void, and the message is the last telling."""
    play = reports(
        Delta("he"), Delta("hello", anew=True), Delta(" you"), Ended(Status.COMPLETED, "hello you", stored=1)
    )
    async with world.threads(FLOW, backend=Scripted(play)) as threads:
        thread = await threads.open("t")
        events = [event async for event in thread.stream("hi")]

    pieces = [(one.text, one.anew) for one in events if isinstance(one, TextDelta)]
    assert [("he", False), ("hello", True), (" you", False)] == pieces
    assert "hello you" == [one for one in events if isinstance(one, MessageAdded)][-1].text


async def test_a_request_in_doubt_is_read_back_and_made_again(world: World) -> None:
    """What may not have arrived is read back first; only if it is not there it is sent again (C4)."""
    backend = Scripted(reports(Doubted("connection lost")), reports(Absent()), says)
    async with world.threads(FLOW, backend=backend) as threads:
        reply = await (await threads.open("t")).send("one")

    assert ("fine", ["send", "read_back", "send"]) == (reply.text, [one.purpose for one in backend.requests])


async def test_a_request_that_arrived_after_all_is_not_made_again(world: World) -> None:
    """What the read-back finds is taken for the answer."""
    backend = Scripted(reports(Doubted("connection lost")), says)
    async with world.threads(FLOW, backend=backend) as threads:
        reply = await (await threads.open("t")).send("one")

    assert ("fine", ["send", "read_back"]) == (reply.text, [one.purpose for one in backend.requests])


async def test_an_acknowledged_request_holds_what_it_stored(world: World) -> None:
    """What a server stored is not sent again, even if the run fails later."""
    backend = Scripted(reports(Accepted(1), Ended(Status.FAILED, reason="broke")), says)
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed):
            await thread.send("one")
        await thread.send("two")

    assert ["two"] == texts(backend.requests[1].prompt)


async def test_what_the_server_calls_the_thread_is_given_back_in_every_later_request(world: World) -> None:
    """Its latest name is the one that counts, whichever report brought it (C4)."""
    backend = Scripted(
        reports(Known("first"), Accepted(1, ref="second"), Called((Asked("c", "look", '{"what":"a"}'),), ref="third")),
        reports(Ended(Status.COMPLETED, "fine", stored=1, ref="fourth")),
        says,
    )
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        await thread.send("two")

    assert ["", "third", "fourth"] == [one.ref for one in backend.requests]


async def test_the_name_of_what_a_server_made_is_journaled_before_anything_is_put_there(world: World) -> None:
    """A backend that dies right after it said the name finds it again in the next request, of whichever process."""
    seen: list[list[str]] = []

    async def dies(_request: Request) -> AsyncIterator[Any]:
        yield Known("thread 1")
        seen.append([record.data["type"] for record in threads.store.journal("t")])
        raise ConnectionError("gone")

    backend = Scripted(dies, says)
    async with world.threads(FLOW, backend=backend) as threads:
        with pytest.raises(RunFailed):
            await (await threads.open("t")).send("one")
    async with world.threads(FLOW, backend=backend) as threads:
        await (await threads.open("t")).send("two")

    assert (["ThreadKnown"], "thread 1") == ([seen[0][-1]], backend.requests[-1].ref)


@pytest.mark.parametrize("trouble", [None, ConnectionError("gone")], ids=["cancelled", "out of reach"])
async def test_a_stopped_run_is_cancelled_at_the_server_once_its_request_is_closed(
    world: World, trouble: Exception | None
) -> None:
    """What may go on by itself there is named to the backend; whatever comes of that, the thread goes on (C1, C5)."""
    gate = Gate()

    async def works(request: Request) -> AsyncIterator[Any]:
        yield Accepted(len(request.prompt.due), ref="response 1")
        await gate.halt()

    backend = Scripted(works, says)
    backend.trouble = trouble
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        await thread.post("one")
        await gate.reached()
        await thread.cancel()
        reply = await thread.send("two")

    assert ([("response 1", 1)], "fine") == (backend.cancelled, reply.text)


async def test_every_request_is_closed(world: World) -> None:
    """The stream of reports is closed when its last report has come."""
    backend = Scripted(says)
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        closed = backend.closed

    assert 1 == closed


async def test_a_message_during_the_answer_does_not_ask_twice(world: World) -> None:
    """Messages that come in while an answer is journaled never make the backend work a second time for it."""
    backend = Scripted(says)
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        await asyncio.gather(*(thread.send(f"m{number}") for number in range(50)))
        made = [(one.run, one.request) for one in backend.requests]

    assert sorted(set(made)) == made


async def test_instructions_that_cannot_be_rendered_end_the_turn_and_keep_the_message(world: World) -> None:
    """No run starts, the sender gets a typed error, and the message is due once the metadata is mended (M2)."""

    class Facts(Metadata):
        name: str | None = None

    flow = Flow("needy", metadata=Facts)
    flow.assistant("needy", instructions="You help {{ name }}.")
    model = Plays("at last")
    async with world.threads(flow, model) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("one")
        await thread.edit(name="Ann")
        await thread.send("two")

    assert "the instructions of needy cannot be rendered" in failed.value.reason
    assert ["one", "two"] == texts(model.prompts[0])


async def test_a_store_that_fails_is_raised_to_the_sender(world: World) -> None:
    """When the journal cannot be written the sender gets the store's error, and a later message is answered."""
    broken = [False]

    def hook(moment: str, what: str, _thread: str) -> None:
        if broken[0] and moment == "before" and what == "append":
            raise StoreError("the disk is full")

    async with world.threads(FLOW, Plays(call("look", what="a"), "one", "two")) as threads:
        thread = await threads.open("t")
        threads.store.hooks.append(hook)
        broken[0] = True
        with pytest.raises(StoreError):
            await thread.send("one", key="1")
        broken[0] = False
        reply = await thread.send("one", key="1")

    assert "one" == reply.text


async def test_a_store_that_fails_in_the_middle_of_a_run_is_raised_and_mended(world: World) -> None:
    """A failure while the model works reaches the sender; the next look takes the run up again."""
    broken: list[bool] = []

    class Breaks:
        """A model that breaks the store with its first answer."""

        def answer(self, _prompt: Any) -> Any:
            broken.append(len(broken) == 0)
            return Answer("fine")

    def hook(moment: str, what: str, _thread: str) -> None:
        if broken and broken[-1] and moment == "before" and what == "append":
            raise StoreError("the disk is full")

    async with world.threads(FLOW, Breaks()) as threads:
        thread = await threads.open("t")
        threads.store.hooks.append(hook)
        with pytest.raises(StoreError):
            await thread.send("one", key="1")
        broken.append(False)
        reply = await thread.send("one", key="1")

    assert "fine" == reply.text
