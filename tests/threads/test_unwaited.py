"""What fails where nobody waits for it: it is told of in the log, and stops nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from handoff import Flow, MemoryStore, Metadata, SqlStore, Threads
from handoff.backends.embedded import Embedded
from handoff.errors import StoreError, ThreadBusy, ThreadUnknown
from handoff.store.access import StoreAccess
from handoff.testing import ManualClock
from tests.support.gates import Gate
from tests.support.models import Answers, echo


def build() -> Flow[Metadata, Any]:
    """A flow that moves on after ten minutes of silence."""
    flow = Flow("quiet", metadata=Metadata)
    front, other = flow.assistant("front", instructions="Wait."), flow.assistant("other", instructions="Go on.")
    front.after(timedelta(minutes=10), to=other)
    return flow


class Spotted(MemoryStore):
    """A store that cannot read one thread, or tell the time of any, when it is made so."""

    def __init__(self) -> None:
        super().__init__()
        self.unreadable = ""
        self.broken = False

    def journal(self, thread: str, after: int = 0, born: str | None = None) -> Any:
        """Read what was appended."""
        if thread == self.unreadable:
            raise StoreError("this page is torn")
        return super().journal(thread, after, born)

    def timers(self, until: float) -> Sequence[tuple[str, float]]:
        """Tell which silences end."""
        if self.broken:
            raise ValueError("out of order")
        return super().timers(until)


async def waiting(store: Spotted, clock: ManualClock) -> Threads[Any]:
    """Threads of which two wait in silence."""
    threads = await Threads(build(), backend=Embedded(Answers(echo)), store=store, clock=clock).__aenter__()
    for name in ("a", "b"):
        await (await threads.open(name)).send("hello")
    return threads


async def test_a_thread_that_cannot_be_read_keeps_no_other_from_its_silence(caplog: pytest.LogCaptureFixture) -> None:
    """The log names it; the others move on at their time (D5)."""
    store, clock = Spotted(), ManualClock()
    threads = await waiting(store, clock)
    store.unreadable = "a"
    with caplog.at_level(logging.ERROR, "handoff"):
        await clock.advance(601)
    moved = (await threads.open("b")).assistant.name
    store.unreadable = ""
    await threads.close()

    assert "other" == moved
    assert {"thread a: its silence has ended and cannot be acted on"} == {one.getMessage() for one in caplog.records}


async def test_the_watch_over_silences_outlives_whatever_a_store_raises(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and looked at again a little later."""
    store, clock = Spotted(), ManualClock()
    threads = await waiting(store, clock)
    store.broken = True
    with caplog.at_level(logging.ERROR, "handoff"):
        await clock.advance(605)
    store.broken = False
    await clock.advance(10)
    moved = [(await threads.open(name)).assistant.name for name in ("a", "b")]
    await threads.close()

    assert ["other", "other"] == moved
    assert {"silences could not be looked at"} == {one.getMessage() for one in caplog.records}


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(StoreError("the disk is full"), ["the disk is full"], id="failed"),
        pytest.param(ThreadBusy("t"), [], id="refused"),
    ],
)
async def test_a_call_of_the_store_that_fails_after_its_caller_gave_up_is_logged(
    error: Exception, told: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that fails is somebody's concern, though whoever called has gone; a refusal is not."""
    access, gate = StoreAccess(SqlStore(tmp_path / "t.db")), Gate()

    def work() -> None:
        gate.stop()
        raise error

    calling = asyncio.create_task(access.call(work))
    await gate.reached()
    calling.cancel()
    await asyncio.wait({calling})
    gate.open()
    await access.close()
    await asyncio.sleep(0)

    assert told == [str(one.exc_info[1]) for one in caplog.records if one.exc_info]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(
            StoreError("the disk is full"), ["work on thread t that nobody waited for failed"], id="a failure"
        ),
        pytest.param(ThreadUnknown("t"), [], id="the thread was deleted"),
    ],
)
async def test_what_fails_after_its_sender_gave_up_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception, told: list[str]
) -> None:
    """A commit goes on without who waited for it, and the log tells what came of it, unless its thread is gone."""
    store, going = SqlStore(tmp_path / "t.db"), asyncio.Event()

    async def work() -> None:
        await going.wait()
        raise error

    async with Threads(build(), backend=Embedded(Answers(echo)), store=store) as threads:
        await threads.open("t")
        driver = threads._host.driver("t")
        waiting = asyncio.create_task(driver.whole(work()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        going.set()
        with caplog.at_level(logging.ERROR, "handoff"):
            await driver.work.idle()
            await asyncio.sleep(0)

    assert told == [record.message for record in caplog.records]
