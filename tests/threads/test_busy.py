"""What arrives while a run is active waits, joins, stops the run or is rejected; so do edits and cancels (L, C, M5)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from handoff import Answer, ConfigurationError, EditReceipt, RunFailed, ThreadBusy
from handoff.core.items import Spoken, UserMessage
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Answers, Held, Plays, call, echo, texts
from tests.support.workshop import Bench, Job, build

FLOW = build()
#: A cancel of the first run.
STALE = {"run": 1, "cause": "cancel"}


def said(items: Any) -> list[str]:
    """The user's messages of a transcript, in order."""
    return [item.text for item in items if isinstance(item, UserMessage)]


# -- queue -------------------------------------------------------------------------------------------------------------


async def test_a_queued_message_waits_for_the_end_of_the_run(world: World) -> None:
    """A message that comes while the model works is not shown to it, and is answered by the next run."""
    gate = Gate()
    model = Plays(Held(gate, "first"), "second")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="1")
        await gate.reached()
        await thread.post("two", key="2")
        gate.open()
        replies = [(await thread.send(text, key=key)).text for text, key in (("one", "1"), ("two", "2"))]

    assert (["first", "second"], [["one"], ["two"]]) == (replies, [texts(prompt) for prompt in model.prompts])


async def test_messages_queued_during_a_handoff_are_answered_by_the_new_assistant(world: World) -> None:
    """A message queued while a handoff is pending rides in the same request as the outputs (L4)."""
    world.bench = Bench("open_page")
    model = Plays(call("open_page", page="about"), "fine")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("the about page", key="1")
        await world.bench.gates["open_page"].reached()
        await thread.post("and hurry", key="2")
        world.bench.open_all()
        replies = {
            (await thread.send(text, key=key)).text for text, key in (("the about page", "1"), ("and hurry", "2"))
        }

    assert {"fine"} == replies
    assert ["about is open", "You are writer. front handed over to you by open_page.", "and hurry"] == texts(
        model.prompts[1]
    )


async def test_two_hundred_senders_at_once_are_each_answered_once_in_commit_order(world: World) -> None:
    """No message is lost, doubled or reordered, however many send at once: from tasks, and from OS threads."""
    async with world.threads(FLOW, Answers(echo)) as threads:
        thread = await threads.open("t")
        replies = await asyncio.gather(*(thread.send(f"m{number}", key=f"{number}") for number in range(200)))
        items = await thread.transcript()
    committed = [str(row["text"]) for row in committed_messages(world)]

    assert 200 == len([reply for reply in replies if reply.text])
    assert committed == said(items)
    assert sorted(f"m{number}" for number in range(200)) == sorted(committed)


def committed_messages(world: World) -> list[Any]:
    """The messages of thread t in the order their rows were committed."""
    store = world.store()
    try:
        rows = (store.row("t", number) for number in range(1, 1000))
        return [found[0].data for found in rows if found is not None and found[0].kind == "message"]
    finally:
        store.close()


async def test_many_threads_at_once_do_not_mix(world: World) -> None:
    """Fifty threads that talk at once each hear only their own."""
    async with world.threads(FLOW, Answers(echo)) as threads:
        opened = [await threads.open(f"t{number}") for number in range(50)]
        replies = await asyncio.gather(*(thread.send(f"hello from {thread.id}") for thread in opened))

    assert [f"front heard hello from t{number}" for number in range(50)] == [reply.text for reply in replies]


# -- steer -------------------------------------------------------------------------------------------------------------


async def test_a_steered_message_joins_the_run_with_the_outputs(world: World) -> None:
    """A steer is shown to the model of the same run, right after the outputs of its batch."""
    world.bench = Bench("look")
    model = Plays(call("look", what="it"), "seen and heard")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("look", key="1")
        await world.bench.gates["look"].reached()
        await thread.post("at the red one", key="2", while_running="steer")
        world.bench.open_all()
        await thread.send("look", key="1")
        items = await thread.transcript()

    assert ["saw it", "at the red one"] == texts(model.prompts[1])
    assert [1, 1] == [item.run for item in items if isinstance(item, Spoken)]


async def test_a_steer_takes_the_messages_before_it_along(world: World) -> None:
    """A message queued before a steer joins with it, so that commit order holds; one queued after it waits."""
    world.bench = Bench("look")
    model = Plays(call("look", what="it"), "one", "two")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("look", key="1")
        await world.bench.gates["look"].reached()
        for key, policy in (("2", "queue"), ("3", "steer"), ("4", "queue")):
            await thread.post(f"message {key}", key=key, while_running=policy)
        world.bench.open_all()
        await thread.send("message 4", key="4")

    assert [["look"], ["saw it", "message 2", "message 3"], ["message 4"]] == [texts(one) for one in model.prompts]


async def test_a_steer_without_a_batch_boundary_is_queued(world: World) -> None:
    """A steer that finds no batch waits for the end of the run."""
    gate = Gate()
    model = Plays(Held(gate, "first"), "second")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="1")
        await gate.reached()
        await thread.post("two", key="2", while_running="steer")
        gate.open()
        reply = await thread.send("two", key="2", while_running="steer")

    assert "second" == reply.text


async def test_a_steer_during_a_handoff_is_answered_by_the_new_assistant(world: World) -> None:
    """When the batch hands over there is no boundary to join at: the steer rides in the new run's start."""
    world.bench = Bench("open_page")
    model = Plays(call("open_page", page="about"), "fine")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("about", key="1")
        await world.bench.gates["open_page"].reached()
        await thread.post("quickly", key="2", while_running="steer")
        world.bench.open_all()
        reply = await thread.send("quickly", key="2", while_running="steer")

    assert ("writer", "quickly", 2) == (reply.assistant, texts(model.prompts[1])[-1], len(model.prompts))


# -- interrupt ---------------------------------------------------------------------------------------------------------


async def test_an_interrupt_stops_the_model_and_is_answered(world: World) -> None:
    """An interrupting message ends the run at once; what was said until then stays, marked as cut off."""
    gate = Gate()
    model = Plays(Held(gate, "never said", said="well, "), "at your service")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("talk", key="1")
        await gate.reached()
        reply = await thread.send("stop", while_running="interrupt")
        with pytest.raises(RunFailed) as failed:
            await thread.send("talk", key="1")
        items = await thread.transcript()

    assert ("at your service", "cancelled") == (reply.text, failed.value.status)
    assert Spoken("front", 1, "well, ", cut=True) in items


async def test_an_interrupt_turns_a_running_body_into_a_ticket(world: World) -> None:
    """A body that runs is not torn down: it becomes a ticket, and its result comes later as a message (C6)."""
    world.bench = Bench("dig")
    model = Plays(call("dig", what="gold"), "I am here", "gold!")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await world.bench.gates["dig"].reached()
        reply = await thread.send("wait", while_running="interrupt")
        open_tickets = [ticket.stage for ticket in thread.tickets]
        world.bench.open_all()
        await thread.wait()

    assert ("I am here", ["running"], ()) == (reply.text, open_tickets, thread.tickets)
    assert [
        "Pending: still running (ticket T1). The result will arrive as a message. Do not call it again.",
        "dig",
        "wait",
    ] == sorted(texts(model.prompts[1]) + texts(model.prompts[0]))
    assert ["Result of dig (ticket T1), asked by front: dug up gold"] == texts(model.prompts[2])


async def test_an_interrupt_answers_the_calls_that_have_not_started(world: World) -> None:
    """A call of the lane behind a running one is answered "not run", and its body never starts."""
    world.bench = Bench("jot")
    model = Plays([call("jot", note="a"), call("open_page", page="about")], "here")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("go", key="1")
        await world.bench.gates["jot"].reached()
        await thread.send("stop", while_running="interrupt")

    assert (0, "front") == (world.bench.count("open_page"), model.prompts[1].assistant)
    assert "Not run: the user interrupted." == texts(model.prompts[1])[1]


async def test_an_interrupt_keeps_its_place_behind_earlier_messages(world: World) -> None:
    """An interrupt acts at once, and is still said after what was queued before it (L6)."""
    gate = Gate()
    model = Plays(Held(gate, "never"), "fine")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="1")
        await gate.reached()
        await thread.post("two", key="2")
        await thread.send("three", while_running="interrupt")

    assert ["two", "three"] == [text for text in texts(model.prompts[1]) if text in {"two", "three"}]


async def test_an_interrupt_at_rest_is_a_message_like_any_other(world: World) -> None:
    """With no run to stop, an interrupt is simply answered."""
    async with world.threads(FLOW, Plays("yes?")) as threads:
        reply = await (await threads.open("t")).send("hey", while_running="interrupt")

    assert "yes?" == reply.text


async def test_the_next_request_waits_until_the_interrupted_one_is_closed(world: World) -> None:
    """At no moment two requests of a thread are open: the old one's clean-up ends before the new one begins."""
    gate, cleaning = Gate(), Gate()
    order: list[str] = []

    class Closing:
        """A model whose first request takes its time to close."""

        async def answer(self, prompt: Any) -> Any:
            order.append(f"begin {texts(prompt)[-1]}")
            try:
                if len(order) == 1:
                    await gate.halt()
            finally:
                if len(order) == 1:
                    await cleaning.halt()
                    order.append("closed")
            return Answer("fine")

    async with world.threads(FLOW, Closing()) as threads:
        thread = await threads.open("t")
        await thread.post("one")
        await gate.reached()
        sender = asyncio.ensure_future(thread.send("two", while_running="interrupt"))
        await cleaning.reached()
        cleaning.open()
        await sender

    assert ["begin one", "closed", "begin two"] == order


# -- reject ------------------------------------------------------------------------------------------------------------


async def test_a_rejected_message_leaves_no_trace(world: World) -> None:
    """While a run is active `reject` raises, and nothing is kept."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "first"))) as threads:
        thread = await threads.open("t")
        await thread.post("one", key="1")
        await gate.reached()
        with pytest.raises(ThreadBusy):
            await thread.send("two", while_running="reject")
        gate.open()
        await thread.send("one", key="1")
        items = await thread.transcript()

    assert ["one"] == said(items)


async def test_of_many_rejecting_senders_one_is_taken(world: World) -> None:
    """Senders that reject each other at once leave exactly one winner: busy is judged where the row is inserted."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "first"))) as threads:
        thread = await threads.open("t")
        senders = [asyncio.ensure_future(thread.send(f"m{n}", while_running="reject")) for n in range(20)]
        await gate.reached()
        refused, taken = 0, []
        for sender in asyncio.as_completed(senders):
            try:
                taken.append((await sender).text)
            except ThreadBusy:
                refused += 1
            if refused == 19:
                gate.open()

    assert (19, ["first"]) == (refused, taken)


async def test_a_thread_at_rest_takes_what_asks_to_be_rejected(world: World) -> None:
    """`reject` is a message like any other where nothing is under way."""
    async with world.threads(FLOW, Plays("fine")) as threads:
        reply = await (await threads.open("t")).send("hi", while_running="reject")

    assert "fine" == reply.text


async def test_an_unknown_policy_is_refused(world: World) -> None:
    """A policy that does not exist raises, and nothing happens."""
    async with world.threads(FLOW, Plays()) as threads:
        thread = await threads.open("t")
        with pytest.raises(ConfigurationError):
            await thread.send("hi", while_running="later")
        items = await thread.transcript()

    assert () == items


# -- cancel ------------------------------------------------------------------------------------------------------------


async def test_a_cancel_ends_the_run_while_the_model_works(world: World) -> None:
    """After a cancel the thread rests, and the message got a typed end."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "never"))) as threads:
        thread = await threads.open("t")
        await thread.post("talk", key="1")
        await gate.reached()
        await thread.cancel()
        status = thread.status
        with pytest.raises(RunFailed) as failed:
            await thread.send("talk", key="1")

    assert ("rest", "cancelled") == (status, failed.value.status)


async def test_a_cancel_at_rest_or_twice_or_at_once_is_a_success(world: World) -> None:
    """Cancel is idempotent: before any run, by several at once, and after the end nothing happens."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "never"), "later")) as threads:
        thread = await threads.open("t")
        await thread.cancel()
        await thread.post("talk")
        await gate.reached()
        await asyncio.gather(thread.cancel(), thread.cancel(), thread.cancel())
        await thread.cancel()
        reply = await thread.send("still there?")

    assert "later" == reply.text


async def test_a_cancel_that_comes_too_late_does_not_wedge_the_thread(world: World) -> None:
    """A cancel of a run that has ended since is consumed without effect, and the next message is answered."""
    async with world.threads(FLOW, Answers(echo)) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        if world.form == "asyncio":
            await threads._host.call(threads.store.post, "t", "stop", STALE, at=0.0)
        else:
            await threads.run(threads._threads._host.call(threads.store.post, "t", "stop", STALE, at=0.0))
        await thread.wake()
        reply = await thread.send("two", while_running="reject")

    assert "front heard two" == reply.text


async def test_a_cancel_while_a_body_runs_makes_it_a_ticket(world: World) -> None:
    """A cancel settles the batch: the body goes on as a ticket, and no run starts for the user."""
    world.bench = Bench("dig")
    model = Plays(call("dig", what="gold"), "gold!")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("dig")
        await world.bench.gates["dig"].reached()
        await thread.cancel()
        at_cancel = (thread.status, [ticket.stage for ticket in thread.tickets], len(model.prompts))
        world.bench.open_all()
        await thread.wait()

    assert ("rest", ["running"], 1) == at_cancel
    assert (1, 2) == (world.bench.count("dig"), len(model.prompts))


async def test_a_message_that_waits_is_answered_after_a_cancel(world: World) -> None:
    """A cancel stops the run it names; what was queued behind it is answered."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "never"), "to the second")) as threads:
        thread = await threads.open("t")
        await thread.post("one")
        await gate.reached()
        await thread.post("two", key="2")
        await thread.cancel()
        reply = await thread.send("two", key="2")

    assert "to the second" == reply.text


# -- edits -------------------------------------------------------------------------------------------------------------


async def test_an_edit_at_rest_is_applied(world: World) -> None:
    """An edit changes the metadata, and says so."""
    async with world.threads(FLOW, Plays()) as threads:
        thread = await threads.open("t")
        receipt = await thread.edit(note="from outside")

    assert (EditReceipt(applied=True), "from outside") == (receipt, thread.metadata.note)


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        pytest.param({"page": "No Page!"}, "page", id="value"),
        pytest.param({"pages": "about"}, "pages: there is no such field", id="unknown field"),
        pytest.param({"page": None}, "unset field", id="unsets what the instructions need"),
        pytest.param({"note": object()}, "object", id="no JSON"),
        pytest.param({"note": "\ud800"}, "surrogate", id="half a character"),
        pytest.param({"note": float("nan")}, "JSON", id="not a number"),
    ],
)
async def test_an_edit_that_does_not_fit_is_refused_and_changes_nothing(
    world: World, fields: dict[str, Any], part: str
) -> None:
    """A refused edit says why; metadata stays as it was, and the thread goes on."""
    async with world.threads(FLOW, Plays(call("open_page", page="about"), "fine", "still here")) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        receipt = await thread.edit(**fields)
        await thread.send("and?")

    assert (False, Job(page="about")) == (receipt.applied, thread.metadata)
    assert part in receipt.reason


async def test_an_edit_during_a_run_waits_for_its_end(world: World) -> None:
    """An edit mid-run is applied at the unlock, before the next run's instructions are rendered."""
    gate = Gate()
    model = Plays(call("open_page", page="about"), Held(gate, "one"), "two")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.post("about")
        await gate.reached()
        edit = asyncio.ensure_future(thread.edit(note="hurry"))
        while not threads.store.inbox("t"):  # noqa: ASYNC110 - a store has no event to wait for
            await asyncio.sleep(0)
        await thread.post("more", key="2")
        during = thread.metadata.note
        gate.open()
        receipt = await edit
        await thread.send("more", key="2")

    assert (None, True) == (during, receipt.applied)
    assert 'Note: "hurry".' in model.prompts[2].instructions
