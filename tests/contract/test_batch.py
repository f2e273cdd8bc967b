"""B: all calls of one response are one batch; each has exactly one output, and all of them go in one request."""

from __future__ import annotations

import pytest

from handoff import Limits, RunFailed
from tests.contract.backdrop import Backdrop, HandsOver, Job, in_order, told
from tests.support.models import call
from tests.support.workshop import build


async def test_parallel_calls_are_answered_in_one_request(backdrop: Backdrop) -> None:
    """Three calls of one response, three outputs in the next request, each once and at its own call (B1, B5)."""
    backdrop.plays([call("look", what="a"), call("watch", what="b"), call("look", what="c")], "seen")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        reply = await thread.send("look around")

    outputs = ("saw a", "watched b", "saw c")
    assert ("seen", 2) == (reply.text, len(backdrop.model.prompts))
    assert [1, 1, 1] == [told(backdrop.last(), output) for output in outputs]
    assert (True, []) == (in_order(backdrop.last(), *outputs), backdrop.troubles(thread))


async def test_calls_that_write_metadata_run_in_call_order(backdrop: Backdrop) -> None:
    """The last one wins, and a call after it reads what it wrote (B3)."""
    backdrop.plays([call("jot", note="first"), call("jot", note="second"), call("read_note")], "noted")
    async with backdrop.threads() as threads:
        thread = await threads.open("t", metadata=Job(note="none"))
        await thread.send("note it")

    assert [("jot", "first"), ("jot", "second"), ("read_note", "second")] == backdrop.bench.ran
    assert ("second", True) == (thread.metadata.note, in_order(backdrop.last(), "noted first", "noted second"))


async def test_of_two_handoffs_the_first_is_taken(backdrop: Backdrop) -> None:
    """The body of the second never starts, its call is answered all the same, and a sibling runs (B4, B5)."""
    backdrop.plays(
        HandsOver([call("open_page", page="about"), call("check_page", page="home"), call("jot", note="n")]), "hello"
    )
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        reply = await thread.send("do both")

    assert ("writer", 0, "n") == (reply.assistant, backdrop.bench.count("check_page"), thread.metadata.note)
    assert (1, 1, 1) == (
        told(backdrop.last(), "about is open"),
        told(backdrop.last(), "Not taken: this turn already goes to writer. The tool was not run."),
        told(backdrop.last(), "noted n"),
    )
    assert [] == backdrop.troubles(thread)


#: Calls that cannot run, each with what the model is told of it.
REFUSED = {
    "cut off": (call("look", raw='{"what": '), "error: "),
    "no JSON": (call("look", raw='{"what": NaN}'), "NaN"),
    "wrong type": (call("look", what=7), "what: "),
    "missing": (call("watch"), "what: "),
    "nested deeply": (call("look", raw="[" * 2000), "error: "),
    "unknown tool": (call("paint_it_black"), "error: paint_it_black: there is no such tool here."),
    "another assistant's tool": (call("put_away"), "error: put_away: there is no such tool here."),
    "not offered now": (call("read_note"), "Not now: "),
    "refused by its body": (call("dye", color="red"), "there is no dye"),
    "failed": (call("explode", how="error"), "error: the tool failed. Nothing was changed."),
}


async def test_calls_that_cannot_run_are_answered_and_stop_no_sibling(backdrop: Backdrop) -> None:
    """The model reads why, call by call; the one that can run runs; and the thread goes on (B2)."""
    backdrop.plays([*(asked for asked, _ in REFUSED.values()), call("look", what="b")], "sorry", "still here")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        first = await thread.send("look")
        shown = backdrop.last()
        second = await thread.send("and now?")

    assert ("sorry", "still here") == (first.text, second.text)
    assert dict.fromkeys(REFUSED, True) == {name: told(shown, why) > 0 for name, (_, why) in REFUSED.items()}
    assert {("dye", "red"), ("explode", "error"), ("look", "b")} == set(backdrop.bench.ran)
    assert (8, 1, []) == (
        told(shown, "The tool was not run."),
        told(backdrop.last(), "saw b"),
        backdrop.troubles(thread),
    )


async def test_batches_follow_each_other_in_one_run(backdrop: Backdrop) -> None:
    """Each output is told once, however many batches come after it (B5)."""
    backdrop.plays(*(call("look", what=f"thing {number}.") for number in range(4)), "all seen")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.send("look at four things")

    outputs = [f"saw thing {number}." for number in range(4)]
    assert [1, 1, 1, 1] == [told(backdrop.last(), output) for output in outputs]
    assert (True, 1, 5) == (in_order(backdrop.last(), *outputs), thread.state.runs, len(backdrop.model.prompts))


async def test_a_model_that_calls_on_beyond_its_limit_is_told_once_and_then_its_run_ends(backdrop: Backdrop) -> None:
    """There is no third request; each call keeps its output, and the next message is answered with calls again (G)."""
    backdrop.plays(
        [call("look", what="a"), call("look", what="b")], call("look", what="c"), call("look", what="d"), "d"
    )
    async with backdrop.threads(build(limits=Limits(calls=1))) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("look around")
        asked = len(backdrop.model.prompts)
        reply = await thread.send("only d, then")

    assert ("incomplete", 2, "d") == (failed.value.status, asked, reply.text)
    assert [("look", "a"), ("look", "d")] == backdrop.bench.ran
    assert (1, 2, 1) == (
        told(backdrop.last(), "saw a"),
        told(backdrop.last(), "Not run: limit of 1 tool calls for this message reached."),
        told(backdrop.last(), "saw d"),
    )
    assert (["incomplete", "completed"], []) == (backdrop.ends(threads), backdrop.troubles(thread))
