"""Time in tests: a clock that moves by hand, and what freezegun does and does not move."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from freezegun import freeze_time

import handoff
from handoff import Answer, RunFailed, Threads
from handoff.backends.embedded import Embedded
from handoff.clock import SystemClock
from handoff.declaration.prompt import Prompt
from handoff.testing import ManualClock, call
from handoff.testing.clock import OffsetClock
from handoff.testing.loop import PrivateLoop
from tests.testing.talk_flow import Order, Shop, choose, flow

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()


# -- ManualClock -------------------------------------------------------------------------------------------------------


def test_a_sleep_ends_when_the_clock_comes_to_it() -> None:
    """Nobody waits: a sleep ends at its own moment, neither before nor later."""

    async def main() -> list[float]:
        clock, woken = ManualClock(NOON), list[float]()

        async def sleeper(seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append(clock.now() - NOON)

        tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (5, 3, 8)]
        await clock.advance(2.5)
        assert [] == woken
        await clock.advance(5)
        assert 1 == clock.sleeping
        await clock.advance(1)
        await asyncio.gather(*tasks)
        return woken

    assert [3, 5, 8] == asyncio.run(main())


def test_a_sleep_begun_by_one_that_ended_ends_in_the_same_advance() -> None:
    """Time passes step by step: what wakes may sleep again and wake within the same stretch."""

    async def main() -> tuple[float, float]:
        clock = ManualClock(NOON)

        async def twice() -> float:
            await clock.sleep(2)
            await clock.sleep(2)
            return clock.now() - NOON

        task = asyncio.create_task(twice())
        await clock.advance(10)
        return await task, clock.now() - NOON

    assert (4, 10) == asyncio.run(main())


def test_a_cancelled_sleep_is_forgotten() -> None:
    """A sleep that was given up does not disturb the others."""

    async def main() -> int:
        clock = ManualClock()
        task = asyncio.create_task(clock.sleep(1))
        await clock.advance(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await clock.advance(2)
        return clock.sleeping

    assert 0 == asyncio.run(main())


def test_no_time_is_slept_at_once() -> None:
    """A sleep of nothing needs nobody to move the clock."""
    clock = ManualClock(NOON)

    asyncio.run(asyncio.wait_for(clock.sleep(0), 1))

    assert (0, NOON) == (clock.sleeping, clock.now())


def test_the_clock_does_not_go_back() -> None:
    """A negative advance is a mistake of the test."""
    with pytest.raises(ValueError, match="time does not go back"):
        asyncio.run(ManualClock().advance(-1))


def test_ids_are_ordered_and_the_same_in_every_run() -> None:
    """Ids are UUIDv7 of the clock's time, counted."""
    one, other = ManualClock(NOON), ManualClock(NOON)
    ids = [one.new_id() for _ in range(3)]

    assert ids == [other.new_id() for _ in range(3)]
    assert sorted(set(ids)) == ids
    assert {(7, int(NOON * 1000))} == {(uuid.UUID(one).version, uuid.UUID(one).int >> 80) for one in ids}


class Thinking:
    """A model that hands over at once, and then thinks longer than a run may take."""

    async def answer(self, prompt: Prompt) -> Answer:
        if prompt.assistant == "front":
            return Answer(calls=(call(choose, item="chair"),))
        await asyncio.Event().wait()
        raise AssertionError


def test_a_run_expires_without_waiting() -> None:
    """With this clock the deadline of ten minutes is there in no time."""

    async def main() -> str:
        clock = ManualClock()
        async with Threads(flow, deps=Shop(), backend=Embedded(Thinking()), clock=clock) as threads:
            thread = await threads.open("t")
            sending = asyncio.create_task(thread.send("a chair"))
            await clock.advance(599)
            assert "queued" == thread.status
            await clock.advance(1)
            with pytest.raises(RunFailed) as failed:
                await sending
            return failed.value.status

    assert "expired" == asyncio.run(main())


class Polite:
    """A model that hands over, and says what it is told by."""

    def answer(self, prompt: Prompt) -> Answer:
        if prompt.assistant == "front":
            return Answer(calls=(call(choose, item="chair"),))
        return Answer("Anything else?")


def test_a_silence_ends_without_waiting() -> None:
    """The sweeper wakes the thread when the clock comes to the end of the silence."""

    async def main() -> tuple[int, int]:
        clock = ManualClock()
        async with Threads(flow, deps=Shop(), backend=Embedded(Polite()), clock=clock) as threads:
            thread = await threads.open("t", metadata=Order(price=3))
            await thread.send("a chair")
            before = thread.state.runs
            await clock.advance(600)
            await thread.wait()
            return before, thread.state.runs

    assert (2, 3) == asyncio.run(main())


# -- freezegun ---------------------------------------------------------------------------------------------------------


def test_freezegun_moves_the_system_clock() -> None:
    """The clock is looked up late, so it is frozen although it was imported before."""
    clock = SystemClock()
    with freeze_time("2026-01-01 12:00:00") as frozen:
        before = clock.now()
        frozen.tick(timedelta(hours=1))

        assert (NOON, NOON + 3600) == (before, clock.now())


def test_ids_are_of_the_frozen_time() -> None:
    """An id made under freezegun carries the frozen moment."""
    with freeze_time("2026-01-01 12:00:00"):
        made = uuid.UUID(SystemClock().new_id())

    assert (7, int(NOON * 1000)) == (made.version, made.int >> 80)


def test_an_offset_adds_to_the_frozen_time() -> None:
    """What a talk lets pass adds to what freezegun shows, and time never goes back."""
    clock = OffsetClock()
    with freeze_time("2026-01-01 12:00:00") as frozen:
        clock.move_to(NOON + 60)
        clock.move_to(NOON + 30)
        frozen.tick(timedelta(seconds=5))

        assert NOON + 65 == clock.now()


def test_asyncio_sleeps_under_freezegun_with_real_asyncio() -> None:
    """`real_asyncio=True` leaves the loop its own time, so that a sleep ends although the clock stands still."""
    with freeze_time("2026-01-01 12:00:00", real_asyncio=True):
        asyncio.run(asyncio.wait_for(SystemClock().sleep(0.001), 5))

        assert NOON == SystemClock().now()


def test_a_private_loop_sleeps_under_freezegun() -> None:
    """The loop on which a talk runs asynchronous bodies keeps its own time in any case."""
    loop = PrivateLoop()
    with freeze_time("2026-01-01 12:00:00"):
        woken = loop.run(asyncio.sleep(0.001, "woken"))
    loop.close()
    loop.close()

    assert "woken" == woken


def test_a_silence_ends_under_freezegun() -> None:
    """Under asyncio: freeze with `real_asyncio=True`, tick, sweep."""

    async def main(tick: timedelta) -> list[str]:
        async with Threads(flow, deps=Shop(), backend=Embedded(Polite())) as threads:
            thread = await threads.open("t", metadata=Order(price=3))
            await thread.send("a chair")
            frozen.tick(tick)
            swept = await threads.sweep()
            await thread.wait()
            return swept

    with freeze_time("2026-01-01 12:00:00", real_asyncio=True) as frozen:
        assert [] == asyncio.run(main(timedelta(minutes=9)))
        assert ["t"] == asyncio.run(main(timedelta(minutes=10)))


CLOCKS = re.compile(
    r"\butcnow\b|\butcfromtimestamp\b|\bdatetime\.now\b|\bdt\.datetime\.now\b|\btime\.(time|monotonic)(_ns)?\("
    r"|CURRENT_TIMESTAMP|\bfunc\.now\b|\bPastDate|\bFutureDate|\buuid[1-8]\("
)


@pytest.mark.parametrize("package", [pytest.param("handoff", id="handoff"), pytest.param("flows", id="flows")])
def test_only_the_clock_reads_a_clock(package: str) -> None:
    """No other module reads the time, asks the database for it, compares with it, or makes ids of its own."""
    root = Path(handoff.__file__).parents[1] / package
    found = {
        f"{path.relative_to(root.parent)}:{number}"
        for path in root.rglob("*.py")
        if path != root / "clock.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if CLOCKS.search(line)
    }

    assert set() == found
