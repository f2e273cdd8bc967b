"""A thread on a conversation: what it holds is what is journaled, whatever was lost, locked, deleted or poisoned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from handoff import Answer, Flow, RunFailed
from handoff.backends.responses import Responses
from handoff.core.items import Spoken, UserMessage
from handoff.declaration.prompt import Prompt
from handoff.sandbox import Sandbox
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Answers, Plays, call
from tests.support.servers import Servers
from tests.support.waits import Waits
from tests.support.workshop import build

FLOW = build()


class Place(Servers[Responses]):
    """A server, and backends that speak to it."""

    @property
    def conversations(self) -> list[Any]:
        """All conversations there are."""
        return list(self.sandbox.world.conversations.values())

    def held(self, conversation: int = 0) -> list[str]:
        """What a conversation holds, item by item."""
        return [_said(item) for item in self.conversations[conversation].items]


def _said(item: dict[str, Any]) -> str:
    if item["type"] == "message":
        return f"{item['role']}: {item['content'][0]['text']}"
    return f"call {item['name']}" if item["type"] == "function_call" else f"output: {item['output']}"


@pytest.fixture
def place() -> Iterator[Place]:
    """A place for one test."""
    with ExitStack() as stack:
        yield Place(stack, Responses, {"history": "conversation", "clock": Waits()})


def heard(prompt: Any) -> str:
    """A model that says which messages it was shown."""
    return " ".join(item.text for item in prompt.items if isinstance(item, UserMessage))


HANDOFF = [
    "user: about",
    "call open_page",
    "output: about is open",
    "user: You are writer. front handed over to you by open_page.",
    "assistant: open",
]


async def test_a_conversation_holds_the_thread_once_and_in_order(place: Place, durable: World) -> None:
    """One conversation a thread, with the facts beside it; every request brings what is new (R1, M6)."""
    model = Plays(call("open_page", page="about"), "open", "more")
    async with durable.threads(FLOW, backend=place.start(model)) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        await thread.send("and now?")

    assert [*HANDOFF, "user: and now?", "assistant: more"] == place.held()
    assert ({"assistant": "front", "thread": "t"}, 1) == (place.conversations[0].metadata, len(place.conversations))


@pytest.mark.parametrize("nth", [1, 2])
async def test_an_answer_that_was_lost_is_taken_out_again(place: Place, durable: World, nth: int) -> None:
    """The server stored it, calls and all, and nobody heard: who is asked again finds the thread as it was (C4)."""
    backend = place.start(Answers(_opens), f"drop_after@responses.create#{nth}")
    async with durable.threads(FLOW, backend=backend) as threads:
        reply = await (await threads.open("t")).send("about")

    assert ("open", HANDOFF) == (reply.text, place.held())


def _opens(prompt: Any) -> Any:
    return call("open_page", page="about") if prompt.assistant == "front" else "open"


@pytest.mark.parametrize(
    "operation", ["conversations.create", "conversations.items.list", "conversations.items.delete"]
)
@pytest.mark.parametrize("fault", ["429", "500", "drop_before", "drop_after"])
async def test_what_is_done_beside_the_answer_may_fail_as_well(
    place: Place, durable: World, operation: str, fault: str
) -> None:
    """Making, listing and clearing are asked for again until they are done."""
    backend = place.start(Answers(_opens), "drop_after@responses.create#2", f"{fault}@{operation}")
    async with durable.threads(FLOW, backend=backend) as threads:
        reply = await (await threads.open("t")).send("about")

    assert 1 == place.sandbox.world.faults.happened[fault] - (fault == "drop_after")
    assert ("open", HANDOFF) == (reply.text, place.held(-1))


async def test_each_request_counts_its_own_repeats(place: Place, durable: World) -> None:
    """A request is given up by itself: what failed beside it does not add up to the end of the run (C3)."""
    lost = ["drop_after@responses.create#1", *(f"500@responses.create#{nth}" for nth in range(2, 8))]
    looks = [f"500@conversations.items.list#{nth}" for nth in range(1, 8)]
    async with durable.threads(FLOW, backend=place.start(Answers(_opens), *lost, *looks)) as threads:
        reply = await (await threads.open("t")).send("about")

    assert 13 == place.sandbox.world.faults.happened["500"]
    assert ("open", HANDOFF) == (reply.text, place.held())


async def test_a_lock_of_somebody_else_is_waited_for(place: Place, durable: World) -> None:
    """However often it is refused, within the run's deadline; then the answer comes (R3)."""
    model = Answers(heard)
    backend = place.start(model)
    clock = Held(place)
    backend._clock = clock
    async with durable.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        place.conversations[0].busy = "resp_of_somebody"
        reply = await thread.send("two")

    assert ("one two", 21) == (reply.text, len(clock.slept))


class Held(Waits):
    """Waits that let go of a conversation's lock at the twenty-first."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        if len(self.slept) > 20:
            self._place.conversations[0].busy = None


async def test_a_lock_that_is_never_released_ends_the_run_and_not_the_thread(place: Place, durable: World) -> None:
    """At the run's deadline the sender is told; the message is answered once the conversation is free (L7)."""
    async with durable.threads(FLOW, backend=place.start(Answers(heard))) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        place.conversations[0].busy = "resp_of_somebody"
        with pytest.raises(RunFailed, match="operating on this conversation"):
            await thread.send("two")
        place.conversations[0].busy = None
        reply = await thread.send("three")

    assert "one two three" == reply.text


class Late(Sandbox):
    """A sandbox in which an answer that was left behind is stored just ahead of the second request for one.

    Args:
        model: its model.
        gate: where the answer that is left behind waits.
    """

    def __init__(self, model: Any, gate: Gate) -> None:
        super().__init__(model)
        self._gate = gate
        self._asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; hold the second request until the first one's answer is stored."""
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/v1/responses"):
            self._asked += 1
            if self._asked == 2:
                self._gate.open()
                while any(one.busy for one in self.world.conversations.values()):  # noqa: ASYNC110 - it is ours
                    await asyncio.sleep(0.001)
        await super().__call__(scope, receive, send)


class Slow:
    """A model whose first answer waits at a gate; the others say whether that one was shown to them.

    Args:
        gate: where it waits.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._first = True

    async def answer(self, prompt: Prompt) -> AsyncIterator[str | Answer]:
        """Answer."""
        first, self._first = self._first, False
        if first:
            await self._gate.halt()
        shown = any(isinstance(item, Spoken) for item in prompt.items)
        yield "late" if first else "it was there" if shown else "hello"


@pytest.mark.parametrize("left", ["in time", "in the end"])
async def test_an_answer_that_comes_late_is_taken_out_again(place: Place, durable: World, left: str) -> None:
    """Stored between the look at the conversation and the next request, it is no part of the thread (C2, C4)."""
    gate = Gate()
    patience = 0.2 if left == "in time" else 30.0
    backend = place.serve(Late(Slow(gate), gate), timeout=patience, stream=False)
    async with durable.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        if left == "in time":
            reply = await thread.send("hi")
        else:
            await thread.post("hi")
            await gate.reached()
            await thread.cancel()
            reply = await thread.send("there")

    said = ["user: hi"] if left == "in time" else ["user: hi", "user: there"]
    assert ("hello", [*said, "assistant: hello"]) == (reply.text, place.held())


class Adding(Sandbox):
    """A sandbox that puts an item of its own into a conversation ahead of what each request brings."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", "/v1/responses"):
            for one in self.world.conversations.values():
                content = [{"type": "input_text", "text": "by the server"}]
                item = {"id": f"msg_{len(one.items)}", "type": "message", "role": "developer", "content": content}
                one.items.append(item)
        await super().__call__(scope, receive, send)


async def test_what_the_server_itself_adds_is_taken_for_no_answer(place: Place, durable: World) -> None:
    """After a restart it is taken out once; since it comes again with the next request, it stays."""
    model = Answers(heard)
    async with durable.threads(FLOW, backend=place.serve(Adding(model))) as threads:
        await (await threads.open("t")).send("one")
    async with durable.threads(FLOW, backend=place.again()) as threads:
        reply = await (await threads.open("t")).send("two")

    assert ("one two", 3) == (reply.text, len(model.prompts))


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
async def test_a_conversation_that_is_gone_is_begun_anew(place: Place, durable: World, restart: bool) -> None:
    """The next request makes another one and brings the whole thread."""
    model = Plays("hello", call("look", what="a"), "seen", "still here")
    async with durable.threads(FLOW, backend=place.start(model)) as threads:
        thread = await threads.open("t")
        await thread.send("hi")
        await thread.send("look")
        place.sandbox.world.conversations.clear()
        if not restart:
            await thread.send("are you there?")
    if restart:
        async with durable.threads(FLOW, backend=place.again()) as threads:
            await (await threads.open("t")).send("are you there?")

    assert [
        "user: hi",
        "assistant: hello",
        "user: look",
        "call look",
        "output: saw a",
        "assistant: seen",
        "user: are you there?",
        "assistant: still here",
    ] == place.held()


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
async def test_a_conversation_that_others_have_poisoned_goes_on(place: Place, durable: World, restart: bool) -> None:
    """A call nobody will answer stands behind our items: it is cleared away, or the conversation is left (R4)."""
    poison = {
        "id": "fc_x", "type": "function_call", "call_id": "call_x", "name": "x", "arguments": "{}",
        "status": "completed",
    }  # fmt: skip
    async with durable.threads(FLOW, backend=place.start(Answers(heard))) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        place.conversations[0].items.append(dict(poison))
        if not restart:
            reply = await thread.send("two")
    if restart:
        async with durable.threads(FLOW, backend=place.again()) as threads:
            reply = await (await threads.open("t")).send("two")

    assert ("one two", 1 if restart else 2) == (reply.text, len(place.conversations))
    assert ["user: one", "assistant: one", "user: two", "assistant: one two"] == place.held(-1)


async def test_an_answer_that_was_cut_off_leaves_no_call_open(place: Place, durable: World) -> None:
    """The words of half an answer are kept as they are journaled; its half of a call is cleared away (C2)."""
    flow = Flow("short")
    brief = flow.assistant("brief", instructions="Be brief.", max_output_tokens=16)

    @brief.tool()
    def look(what: str) -> str:
        """Look."""
        return what

    long = call("look", what=" ".join(["word"] * 30))
    async with durable.threads(flow, backend=place.start(Plays(long, "ok"))) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed, match="incomplete"):
            await thread.send("one")
        await thread.send("two")

    assert ["user: one", "user: two", "assistant: ok"] == place.held()


async def test_an_assistant_with_a_view_of_its_own_is_shown_no_more_than_that(place: Place, durable: World) -> None:
    """Its request builds on nothing; the conversation is told of it by the next one that does (T)."""
    flow = Flow("sights")
    host = flow.assistant("host", instructions="Receive.")
    guest = flow.assistant("guest", instructions="Visit.", view=1)

    @host.tool(to=guest)
    def invite() -> str:
        """Invite."""
        return "invited"

    @guest.tool(to=host)
    def leave() -> str:
        """Leave."""
        return "left"

    model = Plays("hello", call("invite"), "here I am", call("leave"), "bye")
    async with durable.threads(flow, backend=place.start(model)) as threads:
        thread = await threads.open("t")
        for text in ("one", "two", "three"):
            await thread.send(text)

    shown = [item.text for item in model.prompts[2].items if isinstance(item, UserMessage)]
    assert ["two"] == shown
    assert (["one", "two", "three"], 1) == (
        [one.removeprefix("user: ") for one in place.held() if one.startswith("user: ") and "You are" not in one],
        len(place.conversations),
    )
