"""Threads outlive their process, may be shared by several, and are refused where they do not fit the flow."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from handoff import Flow, FlowChanged, Limits, Metadata, RunFailed, SystemClock, ThreadsClosed
from handoff.core.codec import dump
from handoff.core.events import Edited
from handoff.core.items import UserMessage
from handoff.store.base import Commit
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Answers, Held, Plays, call, echo, texts
from tests.support.workshop import Bench, Job, build

FLOW = build()


@pytest.fixture
def shared(durable: World) -> World:
    """A durable world in real time: processes look at each other's work a few times a second."""
    durable.clock = SystemClock()
    return durable


# -- restarts ----------------------------------------------------------------------------------------------------------


async def test_a_thread_at_rest_is_as_it_was_after_a_restart(durable: World) -> None:
    """Assistant, metadata and transcript come from the store."""
    async with durable.threads(FLOW, Plays(call("open_page", page="about"), "open")) as threads:
        thread = await threads.open("t")
        await thread.send("about", key="1")
        before = (thread.state, await thread.transcript())
    async with durable.threads(FLOW, Plays()) as threads:
        thread = await threads.open("t")
        after = (thread.state, await thread.transcript())

    assert before == after


async def test_a_run_that_a_restart_interrupted_is_finished(durable: World) -> None:
    """What the model had not answered is asked again, and the sender's key finds the reply."""
    gate = Gate()
    async with durable.threads(FLOW, Plays(Held(gate, "never"))) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="1")
        await gate.reached()
    model = Plays("finished")
    async with durable.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        reply = await thread.send("one", key="1")

    assert ("finished", ["one"], 1) == (reply.text, texts(model.prompts[0]), thread.state.runs)


async def test_messages_that_waited_at_a_restart_are_answered(durable: World) -> None:
    """The inbox is durable: what waited for the lock is answered after the restart, in order."""
    gate = Gate()
    async with durable.threads(FLOW, Plays(Held(gate, "never"))) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="1")
        await gate.reached()
        await thread.post("two", key="2")
        await thread.post("three", key="3")
    async with durable.threads(FLOW, Answers(echo)) as threads:
        recovered = await threads.recover()
        thread = await threads.open("t")
        replies = [
            (await thread.send(text, key=key)).text for text, key in (("one", "1"), ("two", "2"), ("three", "3"))
        ]

    assert (["t"], ["front heard one", "front heard three", "front heard three"]) == (recovered, replies)


async def test_a_ticket_survives_a_restart(durable: World) -> None:
    """An approval can be given by another process, days later."""
    async with durable.threads(FLOW, Plays(call("buy", note="paint"), "I asked")) as threads:
        await (await threads.open("t")).send("buy")
    async with durable.threads(FLOW, Plays("bought!")) as threads:
        thread = await threads.open("t")
        await thread.approve("T1")
        await thread.wait()

    assert ("paint", 1, ()) == (thread.metadata.note, durable.bench.count("buy"), thread.tickets)


async def used_until_closed(threads: Any) -> None:
    """Use them until that is refused."""
    while True:
        await threads.summaries()


async def test_a_body_that_runs_at_the_close_ends_first_and_runs_once(durable: World) -> None:
    """Closing lets a running body finish; its result is kept, and the next start goes on from there."""
    durable.bench = Bench("dig")
    async with durable.threads(FLOW, Plays(call("dig", what="gold"))) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await durable.bench.gates["dig"].reached()
        closing = asyncio.ensure_future(threads.close())
        with pytest.raises(ThreadsClosed):
            await used_until_closed(threads)
        durable.bench.open_all()
        await closing
    model = Plays("gold!")
    async with durable.threads(FLOW, model) as threads:
        reply = await (await threads.open("t")).send("dig", key="1")

    assert ("gold!", ["dug up gold"], 1) == (reply.text, texts(model.prompts[0]), durable.bench.count("dig"))


# -- several owners ----------------------------------------------------------------------------------------------------


async def test_a_message_posted_at_another_owner_is_answered_in_order(shared: World) -> None:
    """Of two Threads on one file one drives the thread; the other's message is in the inbox, and is answered."""
    gate = Gate()
    model = Plays(Held(gate, "first"), "both")
    async with shared.threads(FLOW, model) as owner, shared.threads(FLOW, Plays()) as other:
        mine, theirs = await owner.open("t"), await other.open("t")
        await mine.post("one", key="1")
        await gate.reached()
        await theirs.post("two", key="2")
        await mine.post("three", key="3")
        gate.open()
        reply = await theirs.send("two", key="2")
        items = await theirs.transcript()

    assert ("both", ["one", "two", "three"]) == (
        reply.text,
        [one.text for one in items if isinstance(one, UserMessage)],
    )


async def test_two_owners_answer_a_hundred_messages_once_each(shared: World) -> None:
    """Messages that come in at both at once are answered once each, whoever drives."""
    async with shared.threads(FLOW, Answers(echo)) as one, shared.threads(FLOW, Answers(echo)) as two:
        doors = [await one.open("t"), await two.open("t")]
        sends = (doors[number % 2].send(f"m{number}", key=f"{number}") for number in range(100))
        replies = await asyncio.gather(*sends)
        items = await doors[0].transcript()
    said = [item.text for item in items if isinstance(item, UserMessage)]

    assert (100, sorted(f"m{number}" for number in range(100))) == (len(replies), sorted(said))


async def test_another_owner_can_interrupt_cancel_and_edit(shared: World) -> None:
    """What acts at once acts at the owner, wherever it is posted (L6)."""
    first, second = Gate(), Gate()
    model = Plays(Held(first, "never"), Held(second, "never"), "noted")
    async with shared.threads(FLOW, model) as owner, shared.threads(FLOW, Plays()) as other:
        mine, theirs = await owner.open("t"), await other.open("t")
        await mine.post("one", key="1")
        await first.reached()
        await theirs.post("two", key="2", while_running="interrupt")
        await second.reached()
        await theirs.cancel()
        receipt = await theirs.edit(note="from there")
        reply = await mine.send("three")
        with pytest.raises(RunFailed) as failed:
            await theirs.send("two", key="2", while_running="interrupt")

    assert (True, "noted", "cancelled") == (receipt.applied, reply.text, failed.value.status)
    assert "from there" == mine.metadata.note


async def test_another_owner_can_decide_about_a_ticket_it_has_never_seen(shared: World) -> None:
    """A decision is looked up in the store, not in what this process last saw."""
    async with (
        shared.threads(FLOW, Plays(call("buy", note="x"), "asked")) as owner,
        shared.threads(FLOW, Plays("got it")) as other,
    ):
        theirs = await other.open("t")
        await (await owner.open("t")).send("buy")
        decision = await theirs.approve("T1", by="Ann")
        await theirs.wait()

    assert ("approved", 1) == (decision.outcome, shared.bench.count("buy"))


async def test_a_message_from_another_process_is_answered_here(shared: World) -> None:
    """A real second process posts to the thread this one drives, and gets the reply of this one's model."""
    gate = Gate()
    file = shared.path / "threads.db"
    async with shared.threads(FLOW, Plays(Held(gate, "first"), "to the other process")) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="1")
        await gate.reached()
        poster = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.poster", str(file), "two",
            stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert poster.stdout is not None
        posted = await poster.stdout.readline()
        gate.open()
        rest = await poster.stdout.read()
        await poster.wait()

    assert (b"posted\n", b"to the other process\n", 0) == (posted, rest, poster.returncode)


async def test_a_writer_that_is_behind_catches_up_and_goes_on(durable: World) -> None:
    """An append that somebody else made is folded in, not overwritten: the next message is judged by it."""
    model = Plays(call("open_page", page="about"), "open", "seen")
    async with durable.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        store = durable.store()
        seq = len(store.journal("t"))
        summary = store.summary("t")
        assert summary is not None
        store.append("t", Commit(seq, [dump(Edited(durable.clock.now(), "e", {"note": "news"}))], (), None, summary))
        store.close()
        await thread.send("and?")

    assert "news" == thread.metadata.note
    assert 'Note: "news".' in model.prompts[2].instructions


# -- versions ----------------------------------------------------------------------------------------------------------


def version(*, writer: str = "writer", migrate_from: str | None = None, extra: bool = False) -> Flow[Any, Any]:
    """A small flow in one of its versions."""

    class Facts(Metadata):
        page: str | None = None

    flow = Flow("versions", metadata=Facts)
    front = flow.assistant("front", instructions="Find out which page.")
    second = flow.assistant(writer, instructions="Write {{ page }}.")
    if extra:
        flow.assistant("extra", instructions="Nobody comes here yet.")

    @front.tool(to=second, sets="page")
    def open_page(page: str) -> str:
        """Open a page."""
        return f"{page} is open"

    if migrate_from is not None:

        @flow.migration(migrate_from)
        def migrate(thread: dict[str, Any]) -> dict[str, Any]:
            return {**thread, "assistant": writer}

    return flow


async def at_writer(world: World) -> str:
    """Bring a thread to the writer of the first version; return that version."""
    flow = version()
    async with world.threads(flow, Plays(call("open_page", page="about"), "open")) as threads:
        await (await threads.open("t")).send("about")
    return flow.version


async def test_a_thread_that_still_fits_goes_on_in_the_changed_flow(durable: World) -> None:
    """An assistant more is no obstacle: the thread is carried over."""
    await at_writer(durable)
    changed = version(extra=True)
    async with durable.threads(changed, Plays("go on")) as threads:
        thread = await threads.open("t")
        reply = await thread.send("and?")

    assert ("writer", "go on", changed.version) == (reply.assistant, reply.text, thread.state.version)


async def test_a_thread_that_does_not_fit_is_refused_with_the_difference(durable: World) -> None:
    """Where its assistant is gone the thread is not opened, and the error says what is missing."""
    await at_writer(durable)
    async with durable.threads(version(writer="author"), Plays()) as threads:
        with pytest.raises(FlowChanged) as refused:
            await threads.open("t")

    assert ("there is no assistant writer",) == refused.value.differences


async def test_a_migration_carries_a_thread_over(durable: World) -> None:
    """A declared migration from that version makes the thread fit."""
    old = await at_writer(durable)
    async with durable.threads(version(writer="author", migrate_from=old), Plays("I am the author")) as threads:
        thread = await threads.open("t")
        reply = await thread.send("and?")

    assert ("author", "about") == (reply.assistant, thread.metadata.page)


async def test_one_thread_that_does_not_fit_does_not_keep_others_from_recovering(durable: World) -> None:
    """`recover` goes on past a thread that cannot be opened."""
    await at_writer(durable)
    gate = Gate()
    changed = version(writer="author")
    async with durable.threads(changed, Plays(Held(gate, "never"))) as threads:
        await (await threads.open("u")).post("one", key="1")
        await gate.reached()
        threads.store.post("t", "message", {"id": "m", "text": "hello?", "policy": "queue"}, at=0.0, key="user:m")
    async with durable.threads(changed, Plays("recovered")) as threads:
        recovered = await threads.recover()
        reply = await (await threads.open("u")).send("one", key="1")

    assert (["u"], "recovered") == (recovered, reply.text)


async def test_a_thread_of_another_flow_is_refused(durable: World) -> None:
    """A store may hold threads of several flows; one flow does not open another's."""
    await at_writer(durable)
    async with durable.threads(FLOW, Plays()) as threads:
        with pytest.raises(FlowChanged):
            await threads.open("t")


async def test_a_pending_call_of_a_tool_that_is_gone_is_a_difference(durable: World) -> None:
    """A thread with an open ticket needs the ticket's tool."""
    async with durable.threads(FLOW, Plays(call("buy", note="paint"), "I asked")) as threads:
        await (await threads.open("t")).send("buy")
    poorer = Flow("workshop", metadata=Job, limits=Limits())
    poorer.assistant("front", instructions="Find out.")
    async with durable.threads(poorer, Plays()) as threads:
        with pytest.raises(FlowChanged) as refused:
            await threads.open("t")

    assert ("a call of buy by front is pending, and there is no such tool",) == refused.value.differences
