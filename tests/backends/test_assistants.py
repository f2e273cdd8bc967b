"""Whole threads on the assistants backend, over a socket to a server that really locks its threads."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from handoff import Answer, Flow, RunFailed, ThreadBusy
from handoff.core.codec import load
from handoff.core.events import RequestAccepted
from handoff.core.items import Note, Output, UserMessage
from handoff.declaration.prompt import Prompt
from tests.support.assistants_servers import KINDS, Servers, servers_of
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Answers, Held, Plays, Step, call
from tests.support.workshop import Bench, build

FLOW = build()


@pytest.fixture(params=list(KINDS))
def servers(request: pytest.FixtureRequest, world: World) -> Iterator[Servers]:
    """Every kind of the backend."""
    with servers_of(KINDS[request.param], world.clock) as made:
        yield made


def plays(servers: Servers, *steps: Step | Held, words: str = "Over to writer.") -> Plays:
    """A model that plays steps, with the old run's last words behind the first one where runs are completed."""
    first, *others = steps
    return Plays(first, *([] if servers.carries else [words]), *others)


async def test_a_message_is_answered(servers: Servers, world: World) -> None:
    """A start brings message, instructions, tools, model and our key in one request."""
    async with world.threads(FLOW, backend=servers.start()) as threads:
        reply = await (await threads.open("t")).send("hello")

    (run,) = servers.runs
    assert ("You said: hello", "front", ["hello"]) == (reply.text, reply.assistant, servers.said())
    assert {"thread": "t", "run": "1", "assistant": "front"} == run.metadata
    assert ("completed", "tiny", "front") == (run.status, run.model, run.speaker)
    assert "Find out which page." in run.instructions
    assert "open_page" in {tool["function"]["name"] for tool in run.tools}


async def test_a_handoff_takes_three_calls_or_two(servers: Servers, world: World) -> None:
    """The next run starts once the old one is over: completed with its outputs, or cancelled to carry them (H4)."""
    model = plays(servers, call("open_page", page="about"), "What shall I change?")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        reply = await (await threads.open("t")).send("the about page")

    first, last = model.prompts[0], model.prompts[-1]
    assert ("What shall I change?", "writer") == (reply.text, reply.assistant)
    assert (2 if servers.carries else 3) == len(model.prompts)
    assert ["cancelled" if servers.carries else "completed", "completed"] == [run.status for run in servers.runs]
    assert "open_page" in {tool.name for tool in first.tools}
    assert "You write about." in last.instructions
    assert "open_page" not in {tool.name for tool in last.tools}
    assert Note("handoff", "You are writer. front handed over to you by open_page.") == last.items[-1]


async def test_the_output_of_a_handoff_reaches_the_next_assistant(servers: Servers, world: World) -> None:
    """It stands at its call where the run was completed; carried over it is told as data (A14, M3)."""
    model = plays(servers, call("open_page", page="about"), "What shall I change?")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        await (await threads.open("t")).send("the about page")

    told = 'open_page, called before the handover, returned: "about is open"'
    outputs = [item.text for item in model.prompts[-1].items if isinstance(item, Output)]
    notes = [item.text for item in model.prompts[-1].items if isinstance(item, Note)]
    assert ([] if servers.carries else ["about is open"]) == outputs
    assert ([told] if servers.carries else []) == notes[:-1]


async def test_a_handoff_swaps_the_assistant_id(servers: Servers, world: World) -> None:
    """The journal names the server's assistant of each run, and the server's thread shows who is active (A, M6)."""
    async with world.threads(FLOW, backend=servers.start()) as threads:
        thread = await threads.open("t")
        await thread.send('call open_page {"page": "about"}')
        events = [load(record.data) for record in threads.store.journal("t")]

    starts = [one for one in events if isinstance(one, RequestAccepted) and one.request == 1]
    assert [run.assistant_id for run in servers.runs] == [one.assistant_id for one in starts]
    assert 2 == len({one.assistant_id for one in starts})
    assert {"thread": "t", "assistant": "writer", "page": "about"} == servers.thread.metadata


async def test_all_outputs_of_a_batch_go_in_one_request(servers: Servers, world: World) -> None:
    """Parallel calls, bad arguments and unknown tools are answered together, each at its own call (A7, B2)."""
    async with world.threads(FLOW, backend=servers.start()) as threads:
        text = 'call look {"what": "a"} and call look {"what": 7} and call look {"what": "b"}'
        await (await threads.open("t")).send(text)

    (step,) = [step for step in servers.runs[0].steps if step.calls]
    outputs = [step.outputs[one.id] for one in step.calls]
    assert ["saw a", "saw b"] == [outputs[0], outputs[2]]
    assert outputs[1].startswith("error: what:")


async def test_a_long_thread_never_meets_a_refusal(servers: Servers, world: World) -> None:
    """Handoffs to and fro, calls that fail, are refused or become tickets: the thread goes on, and nothing is lost."""
    script = [
        'call open_page {"page": "about"} and call check_page {"page": "home"}',
        'call look {"what": 7} and call dye {"color": "red"}',
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
        await thread.wait()
        last = await thread.send("bye")

    assert ["writer", "writer", "writer", "writer", "front", "front"] == [reply.assistant for reply in replies]
    assert ("You said: hello", "You said: bye") == (replies[-1].text, last.text)
    assert [*script, "bye"] == servers.said()
    assert not servers.thread.active_run()


async def test_a_message_queued_during_a_handoff_is_answered_by_the_new_assistant(
    servers: Servers, world: World
) -> None:
    """It goes with the outputs in the new assistant's start (L4)."""
    world.bench = Bench("open_page")
    model = plays(servers, call("open_page", page="about"), "Both.")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("the about page"))
        await world.bench.gates["open_page"].reached()
        await thread.post("and hurry")
        world.bench.open_all()
        reply = await first
        await thread.wait()

    assert ("Both.", "writer") == (reply.text, reply.assistant)
    assert ["the about page", "and hurry"] == servers.said()
    assert 2 == len(servers.runs)


async def test_two_handoffs_in_one_response_come_to_one(servers: Servers, world: World) -> None:
    """The first wins, the other is answered "not taken", and both outputs reach the thread (B4)."""
    batch = [call("open_page", page="about"), call("check_page", page="home")]
    model = plays(servers, batch, "Here.")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        reply = await (await threads.open("t")).send("go")
        ledger = [row.output for row in threads.store.ledger("t")]

    assert "writer" == reply.assistant
    assert ["about is open", "Not taken: this turn already goes to writer. The tool was not run."] == ledger


async def test_a_steered_message_waits_for_the_next_run(servers: Servers, world: World) -> None:
    """The server takes nothing but outputs while a run is active (A3), so it is queued (L5)."""
    world.bench = Bench("look")
    model = Plays(call("look", what="a"), "Saw it.", "And?")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("look"))
        await world.bench.gates["look"].reached()
        await thread.post("steered", while_running="steer")
        world.bench.open_all()
        reply = await first
        await thread.wait()

    assert ("Saw it.", 2, ["look", "steered"]) == (reply.text, len(servers.runs), servers.said())


async def test_a_message_is_rejected_while_a_run_is_active(servers: Servers, world: World) -> None:
    """Nothing of it is kept (L5)."""
    world.bench = Bench("look")
    async with world.threads(FLOW, backend=servers.start()) as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send('call look {"what": "a"}'))
        await world.bench.gates["look"].reached()
        with pytest.raises(ThreadBusy):
            await thread.send("no", while_running="reject")
        world.bench.open_all()
        await first

    assert ['call look {"what": "a"}'] == servers.said()


async def test_an_interrupt_cancels_the_run_and_carries_its_outputs(servers: Servers, world: World) -> None:
    """The run is cancelled on the server first; its outputs go with the message in the next start (C6)."""
    world.bench = Bench("watch")
    model = Plays([call("look", what="a"), call("watch", what="b")], "Stopped.", "There it is.")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("look and watch"))
        await world.bench.gates["watch"].reached()
        reply = await thread.send("stop", while_running="interrupt")
        with pytest.raises(RunFailed, match="cancelled"):
            await first
        statuses = [run.status for run in servers.runs]

    notes = [item.text for item in model.prompts[1].items if isinstance(item, Note)]
    assert ("Stopped.", ["cancelled", "completed"]) == (reply.text, statuses)
    assert ["look and watch", "stop"] == servers.said()
    assert 'While the earlier run was ended (cancelled), look returned: "saw a"' == notes[0]
    assert "Pending: still running (ticket T1)." in notes[1]


async def test_a_cancel_stops_the_model(servers: Servers, world: World) -> None:
    """It returns once the server has ended the run, what was said stays on the thread, and the thread goes on (C1)."""
    gate = Gate()
    model = Plays(Held(gate, "never", said="Well, "), "fine")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("one"))
        await gate.reached()
        await thread.cancel()
        with pytest.raises(RunFailed, match="cancelled"):
            await first
        gate.open()
        reply = await thread.send("two")
        said = [item.text for item in await thread.transcript()]

    assert ("fine", ["cancelled", "completed"]) == (reply.text, [run.status for run in servers.runs])
    assert ["one", "Well, ", "two", "fine"] == said
    assert ["one", "Well, ", "two", "fine"] == [one.content[0]["text"]["value"] for one in servers.thread.messages()]


async def test_a_slow_call_becomes_a_ticket_and_its_result_a_message(servers: Servers, world: World) -> None:
    """At grace the call is answered pending in its batch; what comes of it starts a run of its own (D2, D3)."""
    world.bench = Bench("dig")
    model = Plays(call("dig", what="a bone"), "It takes long.", "There it is.")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("dig"))
        await world.bench.gates["dig"].reached()
        await world.advance(threads, 590)
        reply = await first
        world.bench.open_all()
        await thread.wait()

    notes = [item.text for item in model.prompts[-1].items if isinstance(item, Note)]
    assert "It takes long." == reply.text
    assert ["Result of dig (ticket T1), asked by front: dug up a bone"] == notes


async def test_a_new_backend_finds_thread_and_assistants_again(servers: Servers, durable: World) -> None:
    """After a restart the thread goes on where it was, and no assistant is registered a second time."""
    async with durable.threads(FLOW, backend=servers.start()) as threads:
        await (await threads.open("t")).send('call open_page {"page": "about"}')
    registered = set(servers.sandbox.world.assistants)
    async with durable.threads(FLOW, backend=servers.again()) as threads:
        reply = await (await threads.open("t")).send("hello")

    assert ("You said: hello", "writer") == (reply.text, reply.assistant)
    assert (1, registered) == (len(servers.sandbox.world.threads), set(servers.sandbox.world.assistants))


async def test_a_run_goes_on_after_a_restart(servers: Servers, durable: World) -> None:
    """A process ends while the model works: the next one finds the run by its key and waits for its words."""
    gate = Gate()
    model = Plays(Held(gate, call("look", what="a")), "Saw it.")
    async with durable.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        await thread.post("look", key="1")
        await gate.reached()
    async with durable.threads(FLOW, backend=servers.again()) as threads:
        thread = await threads.open("t")
        gate.open()
        reply = await thread.send("look", key="1")

    assert ("Saw it.", 1, ["look"]) == (reply.text, len(servers.runs), servers.said())


async def test_text_is_told_as_it_is_written(servers: Servers, world: World) -> None:
    """A stream tells pieces; a run that is polled tells its words in one."""
    async with world.threads(FLOW, backend=servers.start()) as threads:
        thread = await threads.open("t")
        told = [event.text async for event in thread.stream("one two three") if event.type == "text.delta"]

    assert "You said: one two three" == "".join(told)
    assert (servers.options.get("stream", True)) == (len(told) > 1)


async def test_what_a_run_took_is_told_at_its_end(servers: Servers, world: World) -> None:
    """Tokens are the server's count of the whole run, calls of the model are counted one by one."""
    async with world.threads(FLOW, backend=servers.start()) as threads:
        await (await threads.open("t")).send('call look {"what": "a"}')
        events = [load(record.data) for record in threads.store.journal("t")]

    usages = [usage for one in events if (usage := getattr(one, "usage", None)) is not None]
    (run,) = servers.runs
    assert 2 == sum(usage.model_calls for usage in usages)
    assert run.prompt_tokens == sum(usage.input_tokens for usage in usages)
    assert run.completion_tokens == sum(usage.output_tokens for usage in usages) > 0


async def test_words_beside_calls_belong_to_their_batch(servers: Servers, world: World) -> None:
    """What is said beside the calls is told with them, and not again with the reply (B6)."""
    both = Answer("Let me see.", calls=(call("look", what="a"),))
    async with world.threads(FLOW, backend=servers.start(Plays(both, "Saw it."))) as threads:
        reply = await (await threads.open("t")).send("look")

    assert [("front", "Let me see."), ("front", "Saw it.")] == list(reply.messages)


async def test_each_transition_may_finish_in_its_own_way(world: World) -> None:
    """By the tool's name: one is carried, all others complete."""
    with servers_of({"finish": {"open_page": "carry"}}, world.clock) as servers:
        async with world.threads(FLOW, backend=servers.start()) as threads:
            thread = await threads.open("t")
            await thread.send('call open_page {"page": "about"}')
            await thread.send("call put_away {}")

        assert ["cancelled", "completed", "completed"] == [run.status for run in servers.runs]


@pytest.mark.parametrize(("view", "seen"), [(1, ["two"]), (2, ["one", "two"]), ("all", ["zero", "one", "two"])])
async def test_a_view_of_turns_is_the_servers_to_keep(world: World, view: Any, seen: list[str]) -> None:
    """The latest n turns are shown, carried outputs and notes among them (T1)."""
    flow = Flow("short")
    front = flow.assistant("front", instructions="Front.", view=view)

    @front.tool()
    def look(what: str) -> str:
        """Look."""
        return what

    def answer(prompt: Prompt) -> Step:
        asked = isinstance(prompt.items[-1], UserMessage) and prompt.items[-1].text == "one"
        return call("look", what="a") if asked else "fine"

    model = Answers(answer)
    with servers_of({}, world.clock) as servers:
        async with world.threads(flow, backend=servers.start(model)) as threads:
            thread = await threads.open("t")
            for text in ("zero", "one", "two"):
                await thread.send(text)

    assert seen == [item.text for item in model.prompts[-1].items if isinstance(item, UserMessage)]
