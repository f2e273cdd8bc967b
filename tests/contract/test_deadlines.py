"""D: what outlives its batch is answered pending; its result comes later, to whoever is active then, once."""

from __future__ import annotations

import asyncio

import pytest

from tests.contract.backdrop import Backdrop, HandsOver, heard, in_order, told
from tests.support.models import call

#: Seconds until a run's grace.
GRACE = 590.0


async def test_a_slow_tool_is_answered_pending_and_its_result_comes_as_a_message(backdrop: Backdrop) -> None:
    """The run ends in time; the late result starts a run of its own, and is told once (D2, D3)."""
    backdrop.holds("dig")
    backdrop.plays(call("dig", what="gold"), "it takes a while", "gold!")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        sending = asyncio.create_task(thread.send("dig"))
        await backdrop.bench.gates["dig"].reached()
        await backdrop.clock.advance(GRACE)
        reply = await sending
        backdrop.bench.gates["dig"].open()
        await thread.wait()

    _, second, third = backdrop.model.prompts
    pending = "Pending: still running (ticket T1)"
    late = "Result of dig (ticket T1), asked by front: dug up gold"
    assert ("it takes a while", [1, 1]) == (reply.text, [told(one.items, pending) for one in (second, third)])
    assert ([0, 1], 1, []) == (
        [told(one.items, late) for one in (second, third)],
        backdrop.bench.count("dig"),
        backdrop.troubles(thread),
    )


async def test_a_late_result_goes_to_whoever_is_active(backdrop: Backdrop) -> None:
    """The front asked, the writer is told: with the name of the call and of who asked (D3)."""
    backdrop.holds("dig")
    backdrop.plays(
        call("dig", what="gold"), "it takes a while", HandsOver(call("open_page", page="about")), "open", "gold!"
    )
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        sending = asyncio.create_task(thread.send("dig"))
        await backdrop.bench.gates["dig"].reached()
        await backdrop.clock.advance(GRACE)
        await sending
        await thread.send("the about page")
        backdrop.bench.gates["dig"].open()
        await thread.wait()

    late = "Result of dig (ticket T1), asked by front: dug up gold"
    assert ("writer", 1) == (backdrop.model.prompts[-1].assistant, told(backdrop.last(), late))
    assert (True, []) == (in_order(backdrop.last(), "dig", "about is open", late), backdrop.troubles(thread))


@pytest.mark.parametrize("agrees", [pytest.param(True, id="approved"), pytest.param(False, id="refused")])
async def test_an_approval_is_waited_for_outside_the_run(backdrop: Backdrop, agrees: bool) -> None:
    """The batch is answered pending; a person decides later, and the model is told what came of it (D4)."""
    backdrop.plays(call("buy", note="paint"), "I asked", "as decided", "anything else?")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        first = await thread.send("buy paint")
        await (thread.approve("T1") if agrees else thread.refuse("T1", "too expensive"))
        await thread.wait()
        await thread.send("and now?")

    came = (
        "Result of buy (ticket T1), asked by front: bought paint"
        if agrees
        else "buy (ticket T1), asked by front, was refused by a person: too expensive. It was not run."
    )
    assert ("I asked", 1 if agrees else 0) == (first.text, backdrop.bench.count("buy"))
    assert (1, 1) == (told(backdrop.last(), "Pending: waits for approval (ticket T1)"), told(backdrop.last(), came))
    assert (["buy paint", "and now?"], []) == (
        heard(backdrop.last(), "buy paint", "and now?"),
        backdrop.troubles(thread),
    )


async def test_a_result_from_the_world_is_delivered_once(backdrop: Backdrop) -> None:
    """The first delivery wins; a message that waits at the same time is answered in the same start (D3)."""
    backdrop.plays(call("order", what="paint"), "ordered", "it is here")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.send("order paint")
        await thread.resolve("T1", "the paint is here")
        await thread.wait()

    assert (1, 1, 3) == (
        told(backdrop.last(), "the paint is here"),
        told(backdrop.last(), "Pending: still running (ticket T1)"),
        len(backdrop.model.prompts),
    )


@pytest.mark.parametrize("agrees", [pytest.param(True, id="approved"), pytest.param(False, id="refused")])
async def test_a_ticket_is_decided_after_a_restart(backdrop: Backdrop, agrees: bool) -> None:
    """Another process with a new backend takes the thread up where it was: nothing is told twice (D5)."""
    backdrop.plays(call("buy", note="paint"), "I asked", "as decided")
    async with backdrop.threads(durable=True) as threads:
        await (await threads.open("t")).send("buy paint")
    async with backdrop.threads(durable=True) as threads:
        thread = await threads.open("t")
        await (thread.approve("T1") if agrees else thread.refuse("T1", "too expensive"))
        await thread.wait()

    came = "bought paint" if agrees else "was refused by a person: too expensive"
    assert (1, 1, 1 if agrees else 0) == (
        told(backdrop.last(), "Pending: waits for approval (ticket T1)"),
        told(backdrop.last(), came),
        backdrop.bench.count("buy"),
    )
    assert (["buy paint"], []) == (heard(backdrop.last(), "buy paint"), backdrop.troubles(thread))
