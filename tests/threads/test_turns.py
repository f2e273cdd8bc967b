"""A turn on a thread: a message is answered once, a handoff changes who answers, a stream tells all of it in order."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from handoff import (
    KeyReused,
    MessageAdded,
    Reply,
    RunChanged,
    RunFailed,
    TextDelta,
    ThreadUnknown,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    TransitionTaken,
)
from handoff.core.items import Asked, Note, Output, Spoken, UserMessage
from handoff.core.status import Status
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Answers, Held, Plays, call, echo, texts
from tests.support.workshop import Job, build

FLOW = build()


async def test_a_message_gets_the_reply_of_the_active_assistant(world: World) -> None:
    """A message is answered by the assistant a thread starts with."""
    async with world.threads(FLOW, Plays("hello")) as threads:
        thread = await threads.open("t")
        reply = await thread.send("hi")

    assert Reply("hello", "front", (("front", "hello"),)) == reply


async def test_a_handoff_swaps_the_assistant_within_the_same_turn(world: World) -> None:
    """The reply after a handoff is the new assistant's, with the metadata the tool set."""
    model = Plays(call("open_page", page="about"), "what shall I write?")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        reply = await thread.send("the about page")

    assert ("writer", "what shall I write?", "about") == (reply.assistant, reply.text, thread.metadata.page)
    assert thread.assistant is FLOW.assistants["writer"]


async def test_the_new_assistant_gets_outputs_note_and_instructions_in_one_request(world: World) -> None:
    """A handoff costs two model calls: the second carries the output, the note and the new instructions."""
    model = Plays(call("open_page", page="about"), "fine")
    async with world.threads(FLOW, model) as threads:
        await (await threads.open("t")).send("the about page")
    second = model.prompts[1]

    assert 2 == len(model.prompts)
    assert ["about is open", "You are writer. front handed over to you by open_page."] == texts(second)
    assert second.instructions.startswith("You write about.\n")


async def test_the_transcript_holds_everything_once_and_in_order(world: World) -> None:
    """The transcript names each speaker, and holds calls, outputs and notes where they were said."""
    async with world.threads(FLOW, Plays(call("open_page", page="about"), "fine")) as threads:
        thread = await threads.open("t")
        await thread.send("the about page", key="m1")
        items = await thread.transcript()

    assert (
        UserMessage("m1", "the about page"),
        Spoken("front", 1, "", (Asked("call_1", "open_page", '{"page": "about"}'),)),
        Output(1, 1, "call_1", "open_page", "about is open"),
        Note("handoff", "You are writer. front handed over to you by open_page."),
        Spoken("writer", 2, "fine"),
    ) == items


async def test_a_stream_yields_the_events_of_a_turn_in_order(world: World) -> None:
    """A stream tells the message, the run, the tool, the transition and the reply, each when it happens."""
    model = Plays([call("watch", what="it"), call("open_page", page="about")], "fine")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        events = [event async for event in thread.stream("go", key="m1")]

    assert [
        MessageAdded("t", None, None, "go", "m1"),
        RunChanged("t", 1, "front", Status.QUEUED),
        RunChanged("t", 1, "front", Status.REQUIRES_ACTION),
        ToolStarted("t", 1, "front", "call_1", "watch", '{"what": "it"}'),
        ToolProgress("t", 1, "call_1", "watch", "half way", 0.5),
        ToolStarted("t", 1, "front", "call_2", "open_page", '{"page": "about"}'),
        ToolFinished("t", 1, "call_1", "watch", "watched it"),
        ToolFinished("t", 1, "call_2", "open_page", "about is open"),
        RunChanged("t", 1, "front", Status.COMPLETED),
        TransitionTaken("t", "front", "writer", "open_page"),
        RunChanged("t", 2, "writer", Status.QUEUED),
        TextDelta("t", 2, "writer", "fine"),
        MessageAdded("t", 2, "writer", "fine"),
        RunChanged("t", 2, "writer", Status.COMPLETED),
    ] == sorted_bodies(events)


def sorted_bodies(events: list[Any]) -> list[Any]:
    """The events with those of the two bodies, which run together, in call order."""
    first = next(index for index, event in enumerate(events) if isinstance(event, ToolStarted))
    last = max(index for index, event in enumerate(events) if isinstance(event, ToolFinished))
    order = (ToolStarted, ToolProgress, ToolFinished)
    bodies = sorted(
        events[first : last + 1], key=lambda one: (isinstance(one, ToolFinished), one.call_id, order.index(type(one)))
    )
    return events[:first] + bodies + events[last + 1 :]


async def test_progress_is_told_before_the_end_of_its_call(world: World) -> None:
    """What a body says about its progress never comes after its end."""
    async with world.threads(FLOW, Plays(call("watch", what="it"), "fine")) as threads:
        thread = await threads.open("t")
        kinds = [event.type async for event in thread.stream("go") if event.type.startswith("tool.")]

    assert ["tool.started", "tool.progress", "tool.finished"] == kinds


async def test_leaving_a_stream_early_leaves_the_run_alone(world: World) -> None:
    """Who stops listening stops nothing: the turn goes on to its reply."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "fine"))) as threads:
        thread = await threads.open("t")
        events = thread.stream("go", key="m1")
        first = await anext(events)
        await events.aclose()
        gate.open()
        reply = await thread.send("go", key="m1")

    assert ("message", "fine") == (first.type, reply.text)


async def test_a_stream_of_a_thread_that_was_dropped_from_memory_tells_no_history(world: World) -> None:
    """A thread that had to be read again from the store streams the new turn only."""
    async with world.threads(FLOW, Answers(echo)) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        for number in range(300):
            await threads.open(f"other-{number}")
        told = [event.text async for event in thread.stream("two") if event.type == "message"]

    assert ["two", "front heard two"] == told


async def test_the_same_key_returns_the_same_reply_and_says_nothing_twice(world: World) -> None:
    """A message sent again with its key gets the first reply, without another run."""
    model = Answers(echo)
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        first = await thread.send("hi", key="k")
        await thread.send("more")
        again = await thread.send("hi", key="k")

    assert (first, 2) == (again, len(model.prompts))


async def test_the_same_key_gets_the_same_reply_after_a_restart(durable: World) -> None:
    """An idempotency key survives the process: the reply comes from the journal."""
    async with durable.threads(FLOW, Plays("hello")) as threads:
        first = await (await threads.open("t")).send("hi", key="k")
    async with durable.threads(FLOW, Plays()) as threads:
        again = await (await threads.open("t")).send("hi", key="k")

    assert first == again


async def test_the_same_key_with_another_text_is_refused(world: World) -> None:
    """A key that comes back with other content is refused, and nothing happens."""
    model = Answers(echo)
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("hi", key="k")
        with pytest.raises(KeyReused) as refused:
            await thread.send("ho", key="k")

    assert 1 == len(model.prompts)
    assert ("t", "k") == (refused.value.thread, refused.value.key)


async def test_a_sender_that_gives_up_leaves_the_message_to_be_answered(world: World) -> None:
    """A send that is cancelled half way stops nothing: the message is answered all the same."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "fine"))) as threads:
        thread = await threads.open("t")
        sender = asyncio.ensure_future(thread.send("hi", key="k"))
        await gate.reached()
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
        gate.open()
        reply = await thread.send("hi", key="k")

    assert "fine" == reply.text


async def test_a_failed_run_is_raised_with_its_status_and_reason(world: World) -> None:
    """A turn without a reply raises, and says how the run ended."""
    async with world.threads(FLOW, Plays(ValueError("no model today"))) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("hi")

    assert ("failed", "ValueError: no model today") == (failed.value.status, failed.value.reason)


async def test_a_message_of_a_failed_run_rides_with_the_next_one(world: World) -> None:
    """What no reply answered is shown to the model again with the next message."""
    model = Plays(ValueError("no model today"), "here I am")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed):
            await thread.send("one")
        await thread.send("two")

    assert ["one", "two"] == texts(model.prompts[1])


async def test_a_stream_of_a_failed_turn_ends_with_its_events_and_then_raises(world: World) -> None:
    """A stream tells that the run failed before it raises."""
    told: list[str] = []

    async def listen(thread: Any) -> None:
        async for event in thread.stream("hi"):
            told.append(getattr(event, "status", event.type))  # noqa: PERF401 - what was told before the error

    async with world.threads(FLOW, Plays(ValueError("no"))) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed):
            await listen(thread)

    assert ["message", "queued", "failed"] == told


async def test_a_thread_begins_with_the_metadata_it_is_given(world: World) -> None:
    """Initial metadata is the thread's, and only for a thread that is new."""
    async with world.threads(FLOW, Plays()) as threads:
        await threads.open("t", metadata=Job(note="first"))
        thread = await threads.open("t", metadata=Job(note="second"))

    assert "first" == thread.metadata.note


async def test_a_thread_without_an_id_gets_one(world: World) -> None:
    """Threads opened without an id are different threads."""
    async with world.threads(FLOW, Plays()) as threads:
        one, other = await threads.open(), await threads.open()

    assert one.id != other.id


async def test_a_thread_that_is_not_stored_is_unknown(world: World) -> None:
    """`get` finds stored threads only."""
    async with world.threads(FLOW, Plays()) as threads:
        with pytest.raises(ThreadUnknown):
            await threads.get("nobody")


async def test_threads_are_listed_with_what_they_are_at(world: World) -> None:
    """A listing shows each thread's assistant and status."""
    async with world.threads(FLOW, Plays(call("open_page", page="about"), "fine")) as threads:
        await (await threads.open("t")).send("about")
        listed = await threads.summaries()

    assert [("t", "writer", "rest", {"page": "about", "note": None, "color": None})] == [
        (name, one.assistant, one.status, one.metadata) for name, one in listed
    ]


@pytest.mark.parametrize("what", ["post", "append"])
async def test_a_sender_that_gives_up_in_the_middle_of_a_commit_leaves_no_half(tmp_path: Path, what: str) -> None:
    """Whatever a cancelled send was committing is carried through: the model is asked without anybody looking again."""
    world, gate, loop = World("asyncio", "sql", tmp_path), Gate(), asyncio.get_running_loop()
    senders: list[asyncio.Future[Any]] = []

    def give_up(moment: str, done: str, _thread: str) -> None:
        if (moment, done) == ("before", what) and senders:
            loop.call_soon_threadsafe(senders.pop().cancel)

    async with world.threads(FLOW, Plays(Held(gate, "fine"))) as threads:
        thread = await threads.open("t")
        threads.store.hooks.append(give_up)
        sender = asyncio.ensure_future(thread.send("hi", key="k"))
        senders.append(sender)
        outcome = await asyncio.gather(sender, return_exceptions=True)
        await gate.reached()
        gate.open()
        reply = await thread.send("hi", key="k")
    world.end()

    assert (asyncio.CancelledError, "fine") == (type(outcome[0]), reply.text)
