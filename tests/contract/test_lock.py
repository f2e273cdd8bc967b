"""L: while a run is active nothing else is written; what waits is answered afterwards, in order, and once."""

from __future__ import annotations

import asyncio

import pytest

from handoff import ThreadBusy
from tests.contract.backdrop import Backdrop, HandsOver, heard, told
from tests.support.gates import Gate
from tests.support.models import Held, call


async def test_a_message_during_a_run_waits_and_is_answered_next(backdrop: Backdrop) -> None:
    """The first reply knows nothing of it; the server holds both messages once and in order (L1-L4)."""
    gate = Gate()
    backdrop.plays(Held(gate, "hello"), "and again")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("one"))
        await gate.reached()
        await thread.post("two", key="second")
        gate.open()
        replies = (await first, await thread.send("two", key="second"))

    shown = [heard(prompt.items, "one", "two") for prompt in backdrop.model.prompts]
    assert [["one"], ["one", "two"]] == shown
    assert (["hello", "and again"], []) == ([one.text for one in replies], backdrop.troubles(thread))


async def test_messages_that_come_together_keep_their_order(backdrop: Backdrop) -> None:
    """All that waited for one run is carried by the next, in the order of the receipts (L3, L4)."""
    gate = Gate()
    backdrop.plays(Held(gate, "hello"), "all heard")
    words = [f"word {number}" for number in range(6)]
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("one"))
        await gate.reached()
        for word in words:
            await thread.post(word, key=word)
        gate.open()
        await first
        replies = [await thread.send(word, key=word) for word in words]

    assert words == heard(backdrop.last(), *words)
    assert ({"all heard"}, 2) == ({reply.text for reply in replies}, len(backdrop.model.prompts))


async def test_a_message_during_a_handoff_is_answered_by_the_new_assistant(backdrop: Backdrop) -> None:
    """It rides in the very start that carries the outputs and the new instructions (L4)."""
    backdrop.holds("open_page")
    backdrop.plays(HandsOver(call("open_page", page="about")), "Shorter it is.")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("the about page"))
        await backdrop.bench.gates["open_page"].reached()
        await thread.post("make it shorter", key="second")
        backdrop.bench.gates["open_page"].open()
        replies = (await first, await thread.send("make it shorter", key="second"))

    (prompt,) = backdrop.prompts_of("writer")
    assert ["the about page", "make it shorter"] == heard(prompt.items, "the about page", "make it shorter")
    assert (1, True) == (told(prompt.items, "about is open"), "You write about." in prompt.instructions)
    assert {("writer", "Shorter it is.")} == {(one.assistant, one.text) for one in replies}
    assert (backdrop.form.handoff_calls, []) == (len(backdrop.model.prompts), backdrop.troubles(thread))


async def test_a_steered_message_joins_the_run_with_the_outputs(backdrop: Backdrop) -> None:
    """Where the backend can carry it; else it is answered by the next run. It is never said twice (L5)."""
    backdrop.holds("look")
    steers = backdrop.form.steers
    backdrop.plays(call("look", what="a"), "both", *([] if steers else ["the other"]))
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("one"))
        await backdrop.bench.gates["look"].reached()
        await thread.post("two", key="second", while_running="steer")
        backdrop.bench.gates["look"].open()
        await first
        await thread.send("two", key="second", while_running="steer")

    assert ["one", "two"] == heard(backdrop.last(), "one", "two")
    assert (1, 1 if steers else 2) == (told(backdrop.last(), "saw a"), thread.state.runs)


async def test_an_interrupting_message_stops_the_answer_and_is_answered(backdrop: Backdrop) -> None:
    """The thread is free at once, and the next run carries both messages, once each (L6, C1)."""
    gate = Gate()
    backdrop.plays(Held(gate, "never", said="I was"), "as you wish")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.post("one")
        await gate.reached()
        replies: list[str] = []
        async for event in thread.stream("stop that", while_running="interrupt"):
            if event.type == "run.status" and event.run == 2:
                gate.open()  # a server that did not notice answers all the same
            if event.type == "message" and event.run == 2:
                replies.append(event.text)

    assert (["as you wish"], ["one", "stop that"]) == (replies, heard(backdrop.last(), "one", "stop that"))
    assert 0 == told(backdrop.last(), "never")
    assert (["cancelled", "completed"], []) == (backdrop.ends(threads), backdrop.troubles(thread))


async def test_an_interrupt_while_a_body_runs_settles_its_call_first(backdrop: Backdrop) -> None:
    """The call is answered pending in the transcript, and its result still comes (C6, D2)."""
    backdrop.holds("dig")
    backdrop.plays(call("dig", what="gold"), "as you wish", "gold at last")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.post("dig")
        await backdrop.bench.gates["dig"].reached()
        reply = await thread.send("never mind", while_running="interrupt")
        backdrop.bench.gates["dig"].open()
        await thread.wait()

    second, third = backdrop.model.prompts[-2:]
    assert ("as you wish", ["dig", "never mind"]) == (reply.text, heard(second.items, "dig", "never mind"))
    assert (1, 1) == (told(second.items, "Pending: still running (ticket T1)"), told(third.items, "dug up gold"))
    assert [] == backdrop.troubles(thread)


async def test_a_rejected_message_leaves_no_trace(backdrop: Backdrop) -> None:
    """The sender gets a typed error; neither the store nor the server ever hears of it (L5)."""
    gate = Gate()
    backdrop.plays(Held(gate, "hello"), "again")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        first = asyncio.create_task(thread.send("one"))
        await gate.reached()
        with pytest.raises(ThreadBusy):
            await thread.send("two", while_running="reject")
        gate.open()
        await first
        await thread.send("three")

    assert ["one", "three"] == heard(backdrop.last(), "one", "two", "three")


async def test_a_key_used_again_says_nothing_twice(backdrop: Backdrop) -> None:
    """The same receipt, the same reply, one message on the server (L3)."""
    backdrop.plays("hello", "again")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        replies = [await thread.send("one", key="k") for _ in range(3)]
        await thread.send("two")

    assert ({"hello"}, ["one", "two"]) == ({one.text for one in replies}, heard(backdrop.last(), "one", "two"))


async def test_an_answer_is_told_in_pieces_that_come_to_the_whole(backdrop: Backdrop) -> None:
    """Whoever streams reads the reply as it is written; without streaming it comes as one piece."""
    backdrop.plays("one two three")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        pieces = [event.text async for event in thread.stream("hello") if event.type == "text.delta"]

    assert "one two three" == "".join(pieces)
    assert (len(pieces) > 1) == (backdrop.stream and backdrop.form.connect is not None)
