"""Calls that outlive their batch: slow ones, approvals, results from the world, and what a late result may do (D)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from handoff import Decision, RunFailed, TicketClosed
from handoff.core.items import Note, Output
from tests.support.forms import World
from tests.support.gates import PATIENCE, Gate
from tests.support.models import Held, Plays, call, texts
from tests.support.workshop import Bench, Job, build

FLOW = build()
#: Seconds until a run's grace, and from there to its deadline.
GRACE, REST = 590.0, 10.0


def notes(items: Any) -> list[str]:
    """The notes of a transcript."""
    return [item.text for item in items if isinstance(item, Note)]


async def settled(thread: Any, key: str, text: str) -> Any:
    """The reply to a message posted before, once nothing is under way any more."""
    reply = await thread.send(text, key=key)
    await thread.wait()
    return reply


# -- approval ----------------------------------------------------------------------------------------------------------


async def test_a_call_that_needs_approval_is_answered_pending(world: World) -> None:
    """The model is told that the call waits; its body has not run (D4)."""
    model = Plays(call("buy", note="paint"), "I asked")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        reply = await thread.send("buy paint")

    assert ("I asked", ["approval"], 0) == (reply.text, [one.stage for one in thread.tickets], world.bench.count("buy"))
    assert ["Pending: waits for approval (ticket T1). Not run yet."] == texts(model.prompts[1])


async def test_an_approved_call_runs_and_its_result_is_a_message(world: World) -> None:
    """After approval the body runs once, its patch is applied, and the active assistant answers its result."""
    model = Plays(call("buy", note="paint"), "I asked", "bought!")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("buy paint")
        decision = await thread.approve("T1", by="Ann")
        await thread.wait()

    assert (Decision("T1", "approved", "Ann"), "paint", 1) == (decision, thread.metadata.note, world.bench.count("buy"))
    assert (["Result of buy (ticket T1), asked by front: bought paint"], ()) == (
        texts(model.prompts[2]),
        thread.tickets,
    )


async def test_a_refused_call_never_runs_and_the_assistant_is_told(world: World) -> None:
    """After a refusal the body never runs, and the model reads by whom and why."""
    model = Plays(call("buy", note="paint"), "I asked", "what a pity")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("buy paint")
        await thread.refuse("T1", "too dear", by="Ann")
        await thread.wait()

    assert (0, ()) == (world.bench.count("buy"), thread.tickets)
    assert ["buy (ticket T1), asked by front, was refused by Ann: too dear. It was not run."] == texts(model.prompts[2])


async def test_a_second_decision_gets_the_first_ones_receipt(world: World) -> None:
    """Whoever decides second learns what was decided, and changes nothing."""
    async with world.threads(FLOW, Plays(call("buy", note="paint"), "I asked", "bought!")) as threads:
        thread = await threads.open("t")
        await thread.send("buy paint")
        await thread.approve("T1", by="Ann")
        await thread.wait()
        second = [await thread.refuse("T1", "no", by="Bob"), await thread.approve("T1", by="Bob")]

    assert [Decision("T1", "approved", "Ann")] * 2 == second
    assert 1 == world.bench.count("buy")


async def test_a_decision_during_a_run_waits_for_its_end(world: World) -> None:
    """An approval mid-run enters the inbox; the body runs after the unlock."""
    gate = Gate()
    model = Plays(call("buy", note="paint"), "I asked", Held(gate, "chat"), "bought!")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("buy paint")
        await thread.post("chat", key="2")
        await gate.reached()
        await thread.approve("T1")
        before = world.bench.count("buy")
        gate.open()
        await settled(thread, "2", "chat")

    assert (0, 1) == (before, world.bench.count("buy"))


async def test_deciding_about_no_ticket_is_refused(world: World) -> None:
    """A ticket that never was, or that waits for something else, cannot be decided."""
    async with world.threads(FLOW, Plays(call("order", what="paint"), "ordered")) as threads:
        thread = await threads.open("t")
        await thread.send("order")
        for wrong in (thread.approve("T9"), thread.refuse("T1"), thread.resolve("T9", "x"), thread.settle("T2", "x")):
            with pytest.raises(TicketClosed):
                await wrong

    assert ["waiting"] == [one.stage for one in thread.tickets]


# -- from outside ------------------------------------------------------------------------------------------------------


async def test_a_pending_result_is_delivered_from_outside(world: World) -> None:
    """A body that returns Pending leaves a ticket; `resolve` brings the result, which the active assistant answers."""
    model = Plays(call("order", what="paint"), "ordered", "it came")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("order")
        await thread.resolve("T1", "a bucket of paint", by="the shop")
        await thread.wait()
        again = await thread.resolve("T1", "a bucket of paint", by="somebody else")
        for other in (thread.resolve("T1", "another"), thread.settle("T1", "a bucket of paint", happened=False)):
            with pytest.raises(TicketClosed, match="decided before: result 'a bucket of paint' by the shop"):
                await other
    pending = "Pending: still running (ticket T1). The result will arrive as a message. Do not call it again."

    assert Decision("T1", "result", "the shop") == again
    assert [f"paint is ordered\n{pending}"] == texts(model.prompts[1])
    assert ["Result of order (ticket T1), asked by front: a bucket of paint"] == texts(model.prompts[2])


# -- slow --------------------------------------------------------------------------------------------------------------


async def test_a_slow_call_is_answered_pending_at_grace_and_delivered_later(world: World) -> None:
    """A body that is not done when the run's grace comes goes on outside the lock; its result is a message (D2, D3)."""
    world.bench = Bench("dig")
    model = Plays(call("dig", what="gold"), "still digging", "gold!")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await world.bench.gates["dig"].reached()
        await world.advance(threads, GRACE)
        reply = await thread.send("dig", key="1")
        stages = [one.stage for one in thread.tickets]
        world.bench.open_all()
        await thread.wait()

    assert ("still digging", ["running"], 1) == (reply.text, stages, world.bench.count("dig"))
    assert ["Result of dig (ticket T1), asked by front: dug up gold"] == texts(model.prompts[2])


async def test_a_tools_own_timeout_makes_its_call_a_ticket(world: World) -> None:
    """A tool with a timeout is answered pending when its own time is up; its sibling is not."""
    world.bench = Bench("fetch")
    model = Plays([call("fetch", what="milk"), call("look", what="it")], "fetching", "milk!")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("fetch", key="1")
        await world.bench.gates["fetch"].reached()
        await world.advance(threads, 5)
        reply = await thread.send("fetch", key="1")
        world.bench.open_all()
        await thread.wait()

    assert ("fetching", "saw it", 1) == (reply.text, texts(model.prompts[1])[1], world.bench.count("fetch"))
    assert ["Result of fetch (ticket T1), asked by front: fetched milk"] == texts(model.prompts[2])


async def test_a_result_that_comes_during_a_run_runs_its_body_once(world: World) -> None:
    """A late result waits for the end of the run under way; its body, which is done, does not run again."""
    world.bench, gate = Bench("dig"), Gate()
    model = Plays(call("dig", what="gold"), "still digging", Held(gate, "chatting"), "gold!")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await world.bench.gates["dig"].reached()
        await world.advance(threads, GRACE)
        await thread.send("dig", key="1")
        await thread.post("chat", key="2")
        await gate.reached()
        arrived = threading.Event()
        threads.store.hooks.append(lambda moment, what, _: (moment, what) == ("after", "post") and arrived.set())
        world.bench.open_all()
        await asyncio.to_thread(arrived.wait, PATIENCE)
        await thread.wake()
        gate.open()
        await settled(thread, "2", "chat")

    assert (1, 4) == (world.bench.count("dig"), len(model.prompts))


async def test_a_late_result_is_answered_by_the_assistant_that_is_active_then(world: World) -> None:
    """After a handoff it is the new assistant that answers the result of a call the old one made (D3)."""
    world.bench = Bench("dig")
    model = Plays(call("dig", what="gold"), "still digging", call("open_page", page="about"), "open", "gold!")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await world.bench.gates["dig"].reached()
        await world.advance(threads, GRACE)
        await thread.send("dig", key="1")
        await thread.send("about")
        world.bench.open_all()
        await thread.wait()

    assert ("writer", ["Result of dig (ticket T1), asked by front: dug up gold"]) == (
        model.prompts[4].assistant,
        texts(model.prompts[4]),
    )


async def test_a_late_patch_does_not_overwrite_what_changed_meanwhile(world: World) -> None:
    """A field that changed since the batch keeps its value, and the model is told (D3)."""
    world.bench = Bench("dig_note")
    model = Plays(call("dig_note", note="old news"), "still digging", "well")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await world.bench.gates["dig_note"].reached()
        await world.advance(threads, GRACE)
        await thread.send("dig", key="1")
        await thread.edit(note="fresh")
        world.bench.open_all()
        await thread.wait()

    assert "fresh" == thread.metadata.note
    assert [
        "Result of dig_note (ticket T1), asked by front: dug up old news\nnote had changed meanwhile and was kept."
    ] == texts(model.prompts[2])


async def test_a_late_patch_is_applied_where_nothing_changed(world: World) -> None:
    """The patch of a late result is applied at the drain."""
    world.bench = Bench("dig_note")
    async with world.threads(FLOW, Plays(call("dig_note", note="news"), "still digging", "well")) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await world.bench.gates["dig_note"].reached()
        await world.advance(threads, GRACE)
        await thread.send("dig", key="1")
        world.bench.open_all()
        await thread.wait()

    assert "news" == thread.metadata.note


async def test_a_late_transition_is_taken_while_its_asker_is_active(world: World) -> None:
    """A handoff tool that was slow still hands over, if the assistant that asked is still there."""
    world.bench = Bench("dig_page")
    model = Plays(call("dig_page", page="about"), "still digging", "I write")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await world.bench.gates["dig_page"].reached()
        await world.advance(threads, GRACE)
        await thread.send("dig", key="1")
        world.bench.open_all()
        await thread.wait()

    assert ("writer", Job(page="about"), "writer") == (
        thread.state.assistant,
        thread.metadata,
        model.prompts[2].assistant,
    )


async def test_a_late_transition_is_not_taken_when_its_asker_is_gone(world: World) -> None:
    """A slow handoff that comes after another one is told as a result, and not taken."""
    world.bench = Bench("dig_page")
    model = Plays(call("dig_page", page="other"), "still digging", call("check_page", page="about"), "checking", "well")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await world.bench.gates["dig_page"].reached()
        await world.advance(threads, GRACE)
        await thread.send("dig", key="1")
        await thread.send("check about")
        world.bench.open_all()
        await thread.wait()

    assert ("checker", "about") == (thread.state.assistant, thread.metadata.page)
    assert [
        "Result of dig_page (ticket T1), asked by front: dug up other",
        "page had changed meanwhile and was kept.",
        "Not handed over: front is no longer active",
    ] == texts(model.prompts[4])[0].splitlines()


# -- expiry ------------------------------------------------------------------------------------------------------------


async def test_a_run_that_reaches_its_deadline_expires(world: World) -> None:
    """A model that does not answer in time ends the turn with a typed end; the thread goes on."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "never"), "back")) as threads:
        thread = await threads.open("t")
        await thread.post("hello?", key="1")
        await gate.reached()
        await world.advance(threads, GRACE + REST)
        with pytest.raises(RunFailed) as failed:
            await thread.send("hello?", key="1")
        reply = await thread.send("and now?")

    assert ("expired", "back") == (failed.value.status, reply.text)


async def test_a_committed_transition_survives_a_failed_run(world: World) -> None:
    """After a handoff the new assistant is active even though its first run failed (H3)."""
    model = Plays(call("open_page", page="about"), ValueError("down"), "up again")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed):
            await thread.send("about")
        reply = await thread.send("hello?")
        items = await thread.transcript()

    assert ("writer", "up again", 1) == (
        reply.assistant,
        reply.text,
        len([one for one in items if isinstance(one, Output)]),
    )
