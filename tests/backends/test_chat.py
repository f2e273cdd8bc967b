"""Whole threads on the chat backend, over a socket to a server that refuses every history that is not valid."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import handoff.sync
from handoff import Flow, RunFailed, TextDelta
from handoff.backends.chat import Chat
from handoff.core.codec import load
from handoff.core.events import CallsRequested, RunEnded
from handoff.core.items import Note, Spoken, UserMessage
from handoff.core.usage import Usage
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Held, Plays, call
from tests.support.servers import Servers, servers_of
from tests.support.waits import Waits
from tests.support.workshop import Bench, build

FLOW = build()


@pytest.fixture(params=[pytest.param(True, id="stream"), pytest.param(False, id="whole")])
def servers(request: pytest.FixtureRequest) -> Iterator[Servers[Chat]]:
    """Servers whose answers are streamed, then servers whose answers come whole."""
    with servers_of(Chat, stream=request.param, clock=Waits()) as made:
        yield made


async def test_a_handoff_takes_two_requests(servers: Servers[Chat], world: World) -> None:
    """The call is answered in the request in which the next assistant speaks, with its own instructions (H4, L4)."""
    model = Plays(call("open_page", page="about"), "What shall I change?")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        reply = await thread.send("the about page")

    first, second = model.prompts
    assert ("What shall I change?", "writer") == (reply.text, reply.assistant)
    assert ["front", "writer"] == [prompt.assistant for prompt in model.prompts]
    assert "You write about." in second.instructions
    assert "open_page" in {tool.name for tool in first.tools}
    assert "open_page" not in {tool.name for tool in second.tools}


async def test_the_next_assistant_is_told_and_not_shown_what_was_called(servers: Servers[Chat], world: World) -> None:
    """The call of the assistant before is a line of text under its name; the note of the handoff follows (T2, H6)."""
    model = Plays(call("open_page", page="about"), "What shall I change?")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        await (await threads.open("t")).send("the about page")

    line = '(front called "open_page" with {"page": "about"}, which returned: "about is open")'
    assert (
        UserMessage("0", "the about page"),
        Spoken("front", 0, line),
        Note("handoff", "You are writer. front handed over to you by open_page."),
    ) == model.prompts[1].items


async def test_ones_own_calls_are_shown_as_calls(servers: Servers[Chat], world: World) -> None:
    """An assistant that goes on sees its calls, each with its output."""
    model = Plays([call("look", what="a"), call("look", what="b")], "both")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        await (await threads.open("t")).send("look")

    _, spoken, *outputs = model.prompts[1].items
    assert [call.id for call in spoken.calls] == [output.call for output in outputs]
    assert ["saw a", "saw b"] == [output.text for output in outputs]


async def test_a_long_thread_stays_valid(servers: Servers[Chat], world: World) -> None:
    """Handoffs to and fro, calls that fail, are refused or become tickets: no request is ever refused by the server."""
    script = [
        'call open_page {"page": "about"} and call check_page {"page": "home"}',
        'call look {"what": 7} and call nothing {} and call dye {"color": "red"}',
        'call order {"what": "paint"} and call buy {"note": "a frame"}',
        'call explode {"how": "error"}',
        "call put_away {}",
        "hello",
    ]
    async with world.threads(FLOW, backend=servers.start()) as threads:
        thread = await threads.open("t")
        replies = [await thread.send(text) for text in script]
        ticket = next(one for one in thread.state.tickets if one.call.tool == "order")
        await thread.resolve(ticket.id, "here is the paint")
        last = await thread.send("bye")

    assert ["writer", "writer", "writer", "writer", "front", "front"] == [reply.assistant for reply in replies]
    assert "You said: hello" == replies[-1].text
    assert "You said: bye" == last.text


async def test_text_is_told_as_it_is_written(world: World) -> None:
    """A streamed reply comes in several deltas that add up to the message."""
    with servers_of(Chat, clock=Waits()) as servers:
        async with world.threads(FLOW, backend=servers.start()) as threads:
            thread = await threads.open("t")
            seen = [event async for event in thread.stream("one two three")]

    deltas = [event.text for event in seen if isinstance(event, TextDelta)]
    assert ["You", " said:", " one", " two", " three"] == deltas


async def test_usage_is_journaled(servers: Servers[Chat], world: World) -> None:
    """Each answer's event says what it took, and so does a journal that is read back."""
    store = world.store()
    async with world.threads(FLOW, backend=servers.start()) as threads:
        thread = await threads.open("t")
        await thread.send('call look {"what": "a"}')
        events = [load(record.data) for record in store.journal("t")]

    took = [event.usage for event in events if isinstance(event, CallsRequested | RunEnded)]
    assert [1, 1] == [usage.model_calls for usage in took]
    assert all(usage.input_tokens > 0 and usage.output_tokens > 0 for usage in took)
    assert Usage(
        took[0].input_tokens + took[1].input_tokens, 0, took[0].output_tokens + took[1].output_tokens, 2
    ) == sum(took, Usage())


async def test_an_answer_that_is_too_long_is_incomplete(servers: Servers[Chat], world: World) -> None:
    """The run ends incomplete, its text is kept, and the thread goes on."""
    flow = Flow("short")
    flow.assistant("brief", instructions="Be brief.", max_output_tokens=3)
    async with world.threads(flow, backend=servers.start(Plays("one two three four", "ok"))) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("hello")
        reply = await thread.send("go on")
        spoken = [item.text for item in await thread.transcript() if isinstance(item, Spoken)]

    assert ("incomplete", "the answer was cut off at its longest length") == (failed.value.status, failed.value.reason)
    assert "ok" == reply.text
    assert ["one two three", "ok"] == spoken


async def test_a_cancel_hangs_up_and_the_thread_goes_on(servers: Servers[Chat], world: World) -> None:
    """A cancelled run ends at once, whatever the server does; the next message is answered (C1)."""
    gate = Gate()
    model = Plays(Held(gate, "never"), "fine")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        sender = asyncio.create_task(thread.send("one"))
        await gate.reached()
        await thread.cancel()
        with pytest.raises(RunFailed, match="cancelled"):
            await sender
        reply = await thread.send("two")

    gate.open()
    assert "fine" == reply.text
    assert ["one", "two"] == [item.text for item in model.prompts[1].items if isinstance(item, UserMessage)]


async def test_a_steered_message_joins_behind_the_outputs(servers: Servers[Chat], world: World) -> None:
    """What is steered in while a body runs is read in the same run, right behind the outputs (L5)."""
    world.bench = Bench("look")
    model = Plays(call("look", what="a"), "done")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("one"))
        await world.bench.gates["look"].reached()
        second = asyncio.create_task(thread.send("two", while_running="steer"))
        await asyncio.sleep(0)
        world.bench.open_all()
        replies = [(await first).text, (await second).text]

    assert ["done", "done"] == replies
    assert ["saw a", "two"] == [item.text for item in model.prompts[1].items[-2:]]


async def test_a_request_that_a_restart_interrupted_is_made_again(servers: Servers[Chat], durable: World) -> None:
    """The server remembers nothing, so after a restart the same request goes out once more, and is answered."""
    gate = Gate()
    model = Plays(Held(gate, "never"), "finished")
    backend = servers.start(model)
    async with durable.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="1")
        await gate.reached()
    gate.open()
    async with durable.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        reply = await thread.send("one", key="1")

    assert "finished" == reply.text
    assert model.prompts[0].items == model.prompts[1].items


async def test_each_assistant_sees_what_it_declares(servers: Servers[Chat], world: World) -> None:
    """A view of one turn leaves out what was before; the others still see it, and so does the journal (T1, T4)."""
    flow = Flow("views")
    talker = flow.assistant("talker", instructions="Talk.")
    forgetful = flow.assistant("forgetful", instructions="Forget.", view=1)

    @talker.tool(to=forgetful)
    def forget() -> str:
        """Forget."""
        return "forgotten"

    @forgetful.tool(to=talker)
    def remember() -> str:
        """Remember."""
        return "remembered"

    model = Plays("hello", call("forget"), "who are you?", call("remember"), "welcome back")
    async with world.threads(flow, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        for text in ("one", "two", "three"):
            await thread.send(text)
        kept = [item.text for item in await thread.transcript() if isinstance(item, UserMessage)]

    seen = [[item.text for item in prompt.items if isinstance(item, UserMessage)] for prompt in model.prompts]
    assert [["one"], ["one", "two"], ["two"], ["three"], ["one", "two", "three"]] == seen
    assert ["one", "two", "three"] == kept


def test_the_blocking_twin_speaks_to_servers_too(servers: Servers[Chat]) -> None:
    """Threads for blocking code drive the same backend on their own loop."""
    with handoff.sync.Threads(FLOW, backend=servers.start(), deps=Bench()) as threads:
        reply = threads.open("t").send('call look {"what": "a"}')

    assert "look returned: saw a" == reply.text
