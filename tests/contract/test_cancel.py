"""C: a cancel may come at any moment and twice; what fails is mended; nothing is lost, said twice, or poisoned."""

from __future__ import annotations

import asyncio

import pytest

from handoff import RunFailed
from handoff.sandbox import Faults, Scripted
from tests.contract.backdrop import Backdrop, HandsOver, heard, told
from tests.support.gates import Gate
from tests.support.models import Held, call


async def test_a_cancel_where_nothing_runs_changes_nothing(backdrop: Backdrop) -> None:
    """Before the first message, and after an answer: the thread goes on as if nobody had asked (C1)."""
    backdrop.plays("hello", "again")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.cancel()
        await thread.send("one")
        await thread.cancel()
        await thread.cancel()
        await thread.send("two")

    assert (["completed", "completed"], ["one", "two"]) == (
        backdrop.ends(threads),
        heard(backdrop.last(), "one", "two"),
    )


async def test_a_run_that_is_cancelled_twice_at_once_ends_once(backdrop: Backdrop) -> None:
    """Both callers return when it has ended, and the next message is answered (C1)."""
    gate = Gate()
    backdrop.plays(Held(gate, "never", said="I was"), "fresh")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.post("one")
        await gate.reached()
        await asyncio.gather(thread.cancel(), thread.cancel())
        gate.open()  # a server that did not notice answers all the same
        reply = await thread.send("two")

    assert ("fresh", ["cancelled", "completed"], 0) == (
        reply.text,
        backdrop.ends(threads),
        told(backdrop.last(), "never"),
    )
    assert (["one", "two"], []) == (heard(backdrop.last(), "one", "two"), backdrop.troubles(thread))


async def test_a_cancel_while_a_body_runs_leaves_no_call_open(backdrop: Backdrop) -> None:
    """The transcript holds one output for each call, ahead of the next message, and nothing is poisoned (C2, B6)."""
    backdrop.holds("dig")
    backdrop.plays([call("look", what="a"), call("dig", what="gold")], "go on", "gold!")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.post("dig")
        await backdrop.bench.gates["dig"].reached()
        await thread.cancel()
        reply = await thread.send("two")
        shown = backdrop.last()
        backdrop.bench.gates["dig"].open()
        await thread.wait()

    assert ("go on", ["dig", "two"]) == (reply.text, heard(shown, "dig", "two"))
    assert (1, 1) == (told(shown, "Pending: still running (ticket T1)"), told(backdrop.last(), "dug up gold"))
    assert [] == backdrop.troubles(thread)


async def test_a_cancel_during_the_second_answer_keeps_the_outputs(backdrop: Backdrop) -> None:
    """They were due with the request that was stopped, and are told in the next one, once (C4, B5)."""
    gate = Gate()
    backdrop.plays(call("look", what="a"), Held(gate, "never", said="I s"), "I saw it")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.post("look")
        await gate.reached()
        await thread.cancel()
        gate.open()
        reply = await thread.send("what did you see?")

    assert ("I saw it", 1) == (reply.text, told(backdrop.last(), "saw a"))
    assert (["look", "what did you see?"], 1, []) == (
        heard(backdrop.last(), "look", "what did you see?"),
        backdrop.bench.count("look"),
        backdrop.troubles(thread),
    )


async def test_a_run_past_its_deadline_expires(backdrop: Backdrop) -> None:
    """The sender gets a typed error; the message stays, and is answered with the next one (L7, D1)."""
    gate = Gate()
    backdrop.plays(Held(gate, "never"), "both")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.post("one", key="first")
        await gate.reached()
        await backdrop.clock.advance(600)
        with pytest.raises(RunFailed) as failed:
            await thread.send("one", key="first")
        gate.open()
        reply = await thread.send("two")

    assert ("expired", "both") == (failed.value.status, reply.text)
    assert (["one", "two"], []) == (heard(backdrop.last(), "one", "two"), backdrop.troubles(thread))


@pytest.mark.parametrize("fault", ["429", "500", "drop_before", "drop_after", "failed"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_failure_that_passes_is_mended_within_the_run(served: Backdrop, fault: str, nth: int) -> None:
    """At any request of a handoff: one reply, no message and no output twice, no body twice (C3, C4)."""
    served.faults = Faults([Scripted(fault, served.form.asks, nth)])
    served.plays(HandsOver(call("open_page", page="about")), "open", "still open", steady=True)
    async with served.threads() as threads:
        thread = await threads.open("t")
        first = await thread.send("the about page")
        second = await thread.send("and now?")

    assert {fault: 1} == dict(served.faults.happened)
    assert (("writer", "writer"), 1) == ((first.assistant, second.assistant), served.bench.count("open_page"))
    assert ["the about page", "and now?"] == heard(served.last(), "the about page", "and now?")
    assert (1, ["completed"] * 3, []) == (
        told(served.last(), "about is open"),
        served.ends(threads),
        served.troubles(thread),
    )


async def test_an_answer_that_never_comes_is_asked_for_again(served: Backdrop) -> None:
    """After `timeout` seconds without a byte: a stream that went silent, or an answer that is lost (C3)."""
    served.faults = Faults([Scripted("stall" if served.stream else "drop_after", served.form.asks, 1)])
    served.plays("one two three", "again", steady=True)
    served.timeout = 0.3
    async with served.threads() as threads:
        thread = await threads.open("t")
        first = await thread.send("hello")
        await thread.send("more")

    assert ("one two three", ["hello", "more"]) == (first.text, heard(served.last(), "hello", "more"))
    assert [] == served.troubles(thread)


async def test_a_failure_that_does_not_pass_ends_the_turn_and_not_the_thread(served: Backdrop) -> None:
    """The sender gets a typed error; the message is answered with the next one (L7)."""
    served.faults = Faults(rates={"500": 1.0})
    served.plays("both")
    async with served.threads() as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("one")
        served.calm()
        reply = await thread.send("two")

    assert ("failed", "both", ["one", "two"]) == (failed.value.status, reply.text, heard(served.last(), "one", "two"))
    assert [] == served.troubles(thread)


async def test_arguments_that_are_cut_off_are_answered(served: Backdrop) -> None:
    """The model reads what is wrong and the history stays valid for every request after it (B2, C2)."""
    served.faults = Faults([Scripted("bad_arguments", served.form.asks, 1)])
    served.plays(call("look", what="something"), call("look", what="a"), "seen", "still here")
    async with served.threads() as threads:
        thread = await threads.open("t")
        first = await thread.send("look")
        second = await thread.send("and now?")

    assert ("seen", "still here", 1) == (first.text, second.text, told(served.last(), "The tool was not run."))
    assert (1, []) == (told(served.last(), "saw a"), served.troubles(thread))


async def test_two_handoffs_in_one_response_are_both_answered(served: Backdrop) -> None:
    """The server adds a call of its own: the first that may be taken is, and no request after it is refused (B4)."""
    served.faults = Faults([Scripted("two_handoffs", served.form.asks, 1)])
    served.plays(HandsOver(call("open_page", page="about")), "open", "still here")
    async with served.threads() as threads:
        thread = await threads.open("t")
        first = await thread.send("about")
        second = await thread.send("and now?")

    assert ("writer", "writer", 1) == (first.assistant, second.assistant, told(served.last(), "about is open"))
    assert [] == served.troubles(thread)
