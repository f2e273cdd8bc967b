"""H: the assistant changes between runs only, by a transition that was taken; once committed it is never lost."""

from __future__ import annotations

import pytest

from handoff import RunFailed, ThreadClosed
from tests.contract.backdrop import Backdrop, HandsOver, Job, heard, in_order, told
from tests.support.gates import Gate
from tests.support.models import Held, call


async def test_a_handoff_swaps_instructions_and_tools(backdrop: Backdrop) -> None:
    """The old run never sees the new instructions; a note says who handed over (H1, H4, H6)."""
    backdrop.plays(HandsOver(call("open_page", page="about")), "What shall I change?")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        reply = await thread.send("the about page")

    first, *_, last = backdrop.model.prompts
    assert ("What shall I change?", "writer") == (reply.text, reply.assistant)
    assert (["front", "writer"], backdrop.form.handoff_calls) == (
        [first.assistant, last.assistant],
        len(backdrop.model.prompts),
    )
    assert (False, True) == tuple("You write about." in one.instructions for one in (first, last))
    assert ({"open_page"}, {"put_away"}) == tuple(
        {tool.name for tool in one.tools} & {"open_page", "put_away"} for one in (first, last)
    )
    assert in_order(last.items, "the about page", "about is open", "You are writer. front handed over to you by open_p")
    assert (1, []) == (told(last.items, "about is open"), backdrop.troubles(thread))


async def test_a_guard_that_does_not_hold_keeps_the_thread_where_it_is(backdrop: Backdrop) -> None:
    """The tool's output is kept, the model is told why, and answers itself (H2)."""
    backdrop.plays(call("paint"), "There is no colour yet.")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        reply = await thread.send("paint it")

    assert ("front", 2) == (reply.assistant, len(backdrop.model.prompts))
    assert 1 == told(backdrop.last(), "painted\nNot handed over: There is no colour yet. Stay and continue.")


async def test_a_reply_hands_over_where_the_flow_says_so(backdrop: Backdrop) -> None:
    """After the checker's reply the writer speaks, and is told who handed over (H5)."""
    backdrop.plays(HandsOver(call("check_page", page="about")), "not good", "better now")
    async with backdrop.threads() as threads:
        thread = await threads.open("t", metadata=Job(note="strict"))
        reply = await thread.send("check about")

    assert (("checker", "not good"), ("writer", "better now")) == reply.messages[-2:]
    assert in_order(backdrop.last(), "check about", "not good", "checker handed over to you after its reply")
    assert (1, []) == (told(backdrop.last(), "not good"), backdrop.troubles(thread))


async def test_a_handoff_without_a_word_waits_for_the_next_message(backdrop: Backdrop) -> None:
    """One model call; the outputs that are still due go out with the message that comes next (H5, speak=False)."""
    backdrop.plays(HandsOver(call("open_page", page="about")), "open", HandsOver(call("put_away")), "What else?")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.send("about")
        before = len(backdrop.model.prompts)
        await thread.send("put it away")
        took = len(backdrop.model.prompts) - before
        reply = await thread.send("hello again")

    assert (backdrop.form.handoff_calls - 1, "front") == (took, reply.assistant)
    assert in_order(backdrop.last(), "about is open", "open", "put it away", "put away", "hello again")
    assert (["about", "put it away", "hello again"], []) == (
        heard(backdrop.last(), "about", "put it away", "hello again"),
        backdrop.troubles(thread),
    )


async def test_a_tool_whose_output_is_the_reply_takes_one_model_call(backdrop: Backdrop) -> None:
    """Nobody is asked to repeat it; the next assistant finds it in the thread (speak="output", H4)."""
    backdrop.plays(HandsOver(call("open_page", page="about")), "open", HandsOver(call("hand_in")), "I check it.")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.send("about")
        before = len(backdrop.model.prompts)
        reply = await thread.send("hand it in")
        took = len(backdrop.model.prompts) - before
        await thread.send("and?")

    assert ("handed in", backdrop.form.handoff_calls - 1) == (reply.text, took)
    assert in_order(backdrop.last(), "hand it in", "handed in", "and?")


async def test_back_and_forth_on_one_thread(backdrop: Backdrop) -> None:
    """Two assistants hand over to each other over several turns; all they know is told once and in order."""
    backdrop.plays(
        HandsOver(call("check_page", page="about")),
        "checked",
        HandsOver(call("return_page")),
        "front again",
        HandsOver(call("open_page", page="home")),
        "open",
    )
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        replies = [await thread.send(text) for text in ("check", "return", "open home")]

    assert ["checker", "front", "writer"] == [reply.assistant for reply in replies]
    assert in_order(
        backdrop.last(), "check", "about is to be checked", "checked", "return", "front again", "home is open"
    )
    assert (["check", "return", "open home"], []) == (
        heard(backdrop.last(), "check", "return", "open home"),
        backdrop.troubles(thread),
    )


async def test_a_handoff_to_the_end_closes_the_thread(backdrop: Backdrop) -> None:
    """The tool's output needs no answer; a later message is refused."""
    backdrop.plays(HandsOver(call("open_page", page="about")), "open", HandsOver(call("finish")))
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.send("about")
        await thread.send("that is all")
        with pytest.raises(ThreadClosed):
            await thread.send("one more thing")

    assert ("closed", []) == (thread.status, backdrop.troubles(thread))


async def test_a_committed_handoff_survives_the_failure_of_who_is_to_speak(backdrop: Backdrop) -> None:
    """The next message is answered by the new assistant, which finds all that was said and done (H3)."""
    backdrop.plays(HandsOver(call("open_page", page="about")), *_fails(backdrop), "here I am")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed):
            await thread.send("about")
        reply = await thread.send("hello?")

    assert ("writer", ["about", "hello?"]) == (reply.assistant, heard(backdrop.last(), "about", "hello?"))
    assert (1, []) == (told(backdrop.last(), "about is open"), backdrop.troubles(thread))


async def test_a_committed_handoff_survives_a_cancel(backdrop: Backdrop) -> None:
    """The swap happens, nobody speaks until a message waits, and the call that ran on keeps its ticket (H3, L6)."""
    backdrop.holds("dig")
    backdrop.plays([call("open_page", page="about"), call("dig", what="gold")], "open", "gold!")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        async for event in thread.stream("about and gold"):
            if event.type == "tool.finished":
                break
        await backdrop.bench.gates["dig"].reached()
        await thread.cancel()
        stands = (thread.state.assistant, thread.status, len(backdrop.prompts_of("writer")))
        reply = await thread.send("go on")

    assert ("writer", "rest", 0) == stands
    assert ("writer", "open") == (reply.assistant, reply.text)
    (shown, *_) = backdrop.prompts_of("writer")
    assert (1, 1, ["about and gold", "go on"]) == (
        told(shown.items, "about is open"),
        told(shown.items, "Pending: still running (ticket T1)"),
        heard(shown.items, "about and gold", "go on"),
    )


async def test_a_committed_handoff_survives_the_run_s_deadline(backdrop: Backdrop) -> None:
    """The new assistant's first answer takes too long: the run expires, and it is still the one to speak (H3, D1)."""
    gate = Gate()
    backdrop.plays(HandsOver(call("open_page", page="about")), Held(gate, "never"), "here I am")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.post("about", key="first")
        await gate.reached()
        await backdrop.clock.advance(600)
        with pytest.raises(RunFailed) as failed:
            await thread.send("about", key="first")
        gate.open()
        reply = await thread.send("hello?")

    assert ("expired", "writer") == (failed.value.status, reply.assistant)
    assert (["about", "hello?"], 1) == (
        heard(backdrop.last(), "about", "hello?"),
        told(backdrop.last(), "about is open"),
    )
    assert [] == backdrop.troubles(thread)


def _fails(backdrop: Backdrop) -> list[ValueError]:
    """A model that cannot answer: a server's failure passes, so it is asked again until the backend gives up."""
    return [ValueError("down")] * (11 if backdrop.form.connect is not None else 1)
