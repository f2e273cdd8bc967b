"""Whole threads on the responses backend, over a socket to a server that refuses every input that is not valid."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from handoff import Flow, RunFailed
from handoff.backends.responses import Responses
from handoff.core.items import Note, Output, Spoken, UserMessage
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Answers, Held, Plays, call
from tests.support.servers import Servers, servers_of
from tests.support.waits import Waits
from tests.support.workshop import Bench, build

FLOW = build()


@pytest.fixture(
    params=[
        pytest.param({"history": "chain"}, id="chain-stream"),
        pytest.param({"history": "chain", "stream": False}, id="chain-whole"),
        pytest.param({"history": "conversation"}, id="conversation-stream"),
        pytest.param({"history": "conversation", "stream": False}, id="conversation-whole"),
        pytest.param({"background": True}, id="background-stream"),
        pytest.param({"history": "conversation", "background": True, "stream": False}, id="background-conversation"),
        pytest.param({"history": "own"}, id="own-stream"),
        pytest.param({"history": "own", "stream": False}, id="own-whole"),
    ]
)
def servers(request: pytest.FixtureRequest) -> Iterator[Servers[Responses]]:
    """Both kinds of history, streamed and whole."""
    with servers_of(Responses, clock=Waits(), **request.param) as made:
        yield made


async def test_a_handoff_takes_two_requests(servers: Servers[Responses], world: World) -> None:
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
    assert Note("handoff", "You are writer. front handed over to you by open_page.") == second.items[-1]


async def test_an_open_call_is_closed_in_the_chain(servers: Servers[Responses], world: World) -> None:
    """The server sees the call with its output where it keeps the chain, and a line of text where we send it (T2)."""
    model = Plays(call("open_page", page="about"), "What shall I change?")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        await (await threads.open("t")).send("the about page")

    asked, *others = model.prompts[1].items[1:-1]
    assert isinstance(asked, Spoken)
    if servers.options.get("history") == "own":
        line = '(front called "open_page" with {"page": "about"}, which returned: "about is open")'
        assert (line, (), []) == (asked.text, asked.calls, others)
    else:
        (output,) = others
        assert isinstance(output, Output)
        assert ("front", asked.calls[0].id, "about is open") == (asked.assistant, output.call, output.text)


async def test_a_long_thread_stays_valid(servers: Servers[Responses], world: World) -> None:
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
    assert ("You said: hello", "You said: bye") == (replies[-1].text, last.text)


async def test_a_chain_grows_by_what_is_new(world: World) -> None:
    """Every response chains from the one before it and brings a few items, however long the thread is."""
    with servers_of(Responses, history="chain", clock=Waits()) as servers:
        async with world.threads(FLOW, backend=servers.start()) as threads:
            thread = await threads.open("t")
            for page in ("a", "b", "c"):
                await thread.send(f'call open_page {{"page": "{page}"}}')
                await thread.send("call put_away {}")
        stored = list(servers.sandbox.world.responses.values())

    assert [None, *(one.id for one in stored[:-1])] == [one.wire["previous_response_id"] for one in stored]
    assert 3 >= max(len(one.input) for one in stored)


async def test_nothing_is_stored_with_our_own_history(world: World) -> None:
    """With history="own" the server keeps no response."""
    with servers_of(Responses, history="own", clock=Waits()) as servers:
        async with world.threads(FLOW, backend=servers.start()) as threads:
            await (await threads.open("t")).send('call look {"what": "a"}')

        assert {} == servers.sandbox.world.responses


async def test_an_answer_that_is_too_long_is_incomplete(servers: Servers[Responses], world: World) -> None:
    """The run ends incomplete, its text is kept, calls cut off with it poison nothing, and the thread goes on (C2)."""
    flow = Flow("short")
    brief = flow.assistant("brief", instructions="Be brief.", max_output_tokens=16)

    @brief.tool()
    def look(what: str) -> str:
        """Look."""
        return what

    long = call("look", what=" ".join(["word"] * 30))
    async with world.threads(flow, backend=servers.start(Plays(long, "one " * 30, "ok"))) as threads:
        thread = await threads.open("t")
        for text in ("one", "two"):
            with pytest.raises(RunFailed, match="incomplete"):
                await thread.send(text)
        reply = await thread.send("three")

    assert "ok" == reply.text


async def test_a_cancel_hangs_up_and_the_thread_goes_on(servers: Servers[Responses], world: World) -> None:
    """A cancelled run ends at once; its response never happened, and the next one chains past it (C1, C4)."""
    gate = Gate()
    model = Plays("hello", Held(gate, call("look", what="never")), "fine")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        await thread.send("zero")
        sender = asyncio.create_task(thread.send("one"))
        await gate.reached()
        await thread.cancel()
        with pytest.raises(RunFailed, match="cancelled"):
            await sender
        gate.open()
        reply = await thread.send("two")

    assert "fine" == reply.text
    assert ["zero", "one", "two"] == [item.text for item in model.prompts[-1].items if isinstance(item, UserMessage)]


async def test_a_steered_message_joins_behind_the_outputs(servers: Servers[Responses], world: World) -> None:
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


async def test_a_thread_goes_on_after_a_restart(servers: Servers[Responses], durable: World) -> None:
    """A new process finds what the server has by what was journaled, and the server sees the same thread."""
    model = Plays(call("look", what="a"), "nice", "and on")
    async with durable.threads(FLOW, backend=servers.start(model)) as threads:
        await (await threads.open("t")).send("one")
    async with durable.threads(FLOW, backend=servers.again()) as threads:
        reply = await (await threads.open("t")).send("two")

    assert "and on" == reply.text
    assert ["one", "two"] == [item.text for item in model.prompts[2].items if isinstance(item, UserMessage)]
    assert ["saw a"] == [item.text for item in model.prompts[2].items if isinstance(item, Output)]


async def test_a_response_that_is_gone_is_not_missed(world: World) -> None:
    """Where the server has dropped the chain, the transcript goes out in full and the reply comes (R6)."""
    with servers_of(Responses, history="chain", clock=Waits()) as servers:
        model = Answers(lambda prompt: " ".join(item.text for item in prompt.items if isinstance(item, UserMessage)))
        async with world.threads(FLOW, backend=servers.start(model)) as threads:
            thread = await threads.open("t")
            await thread.send("one")
            servers.sandbox.world.responses.clear()
            reply = await thread.send("two")

    assert "one two" == reply.text
