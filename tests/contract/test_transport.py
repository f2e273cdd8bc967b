"""The SDK on httpx2, as it comes: a client that is handed in carries requests by other means, to the same end.

The whole contract runs on it where HANDOFF_TEST_TRANSPORT says so; here is what a transport itself could break.
"""

from __future__ import annotations

import pytest

from handoff.sandbox import Faults, Scripted
from tests.contract.backdrop import Backdrop, HandsOver, heard, told
from tests.support.gates import Gate
from tests.support.models import Held, call


@pytest.fixture
def on_httpx2(served: Backdrop) -> Backdrop:
    """A place for a scenario whose requests are carried by httpx2."""
    served.transport = "httpx2"
    return served


@pytest.mark.parametrize("fault", ["429", "500", "drop_before", "drop_after"])
async def test_a_failure_that_passes_is_mended_on_httpx2(on_httpx2: Backdrop, fault: str) -> None:
    """A lost connection and a refusal are told by other errors there; one reply, no output and no body twice (C3)."""
    on_httpx2.faults = Faults([Scripted(fault, on_httpx2.form.asks, 2)])
    on_httpx2.plays(HandsOver(call("open_page", page="about")), "open", "still open", steady=True)
    async with on_httpx2.threads() as threads:
        thread = await threads.open("t")
        reply = await thread.send("the about page")
        await thread.send("and now?")

    assert {fault: 1} == dict(on_httpx2.faults.happened)
    assert ("writer", 1) == (reply.assistant, on_httpx2.bench.count("open_page"))
    assert ["the about page", "and now?"] == heard(on_httpx2.last(), "the about page", "and now?")
    assert (1, []) == (told(on_httpx2.last(), "about is open"), on_httpx2.troubles(thread))


async def test_silence_is_noticed_on_httpx2(on_httpx2: Backdrop) -> None:
    """After `timeout` seconds without a byte the request is made again (C3)."""
    on_httpx2.faults = Faults([Scripted("stall" if on_httpx2.stream else "drop_after", on_httpx2.form.asks, 1)])
    on_httpx2.plays("one two three", "again", steady=True)
    on_httpx2.timeout = 0.3
    async with on_httpx2.threads() as threads:
        thread = await threads.open("t")
        first = await thread.send("hello")
        await thread.send("more")

    assert ("one two three", ["hello", "more"]) == (first.text, heard(on_httpx2.last(), "hello", "more"))
    assert [] == on_httpx2.troubles(thread)


async def test_a_request_that_is_cancelled_on_httpx2_leaves_nothing_locked(on_httpx2: Backdrop) -> None:
    """The connection of an answer that nobody wants any more is closed, and the next message is answered (C1)."""
    gate = Gate()
    on_httpx2.plays(Held(gate, "never"), "both")
    async with on_httpx2.threads() as threads:
        thread = await threads.open("t")
        await thread.post("one")
        await gate.reached()
        await on_httpx2.acknowledged(thread)
        await thread.cancel()
        gate.open()
        reply = await thread.send("two")

    assert ("both", ["one", "two"]) == (reply.text, heard(on_httpx2.last(), "one", "two"))
    assert [] == on_httpx2.troubles(thread)
