"""A request that is made again: what the log tells of it."""

from __future__ import annotations

import asyncio
import logging

import pytest

from handoff.backends.wire import Failure, Repeats


class Skipping:
    """A clock on which every sleep is over at once, its seconds later."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds

    def new_id(self) -> str:
        raise AssertionError


@pytest.mark.parametrize(
    ("after", "levels"),
    [
        pytest.param(None, [logging.INFO, logging.WARNING, logging.WARNING], id="a hiccup, then an outage"),
        pytest.param(30.0, [logging.WARNING] * 3, id="a long wait from the start"),
    ],
)
def test_a_wait_that_looks_like_a_hang_is_a_warning(
    caplog: pytest.LogCaptureFixture, after: float | None, levels: list[int]
) -> None:
    """Who waits for a server that stays away reads why, and for how long; one short repeat is not worth a warning."""
    repeats = Repeats(Skipping(), 600.0, thread="t")
    with caplog.at_level(logging.INFO, "handoff"):
        for _ in levels:
            assert asyncio.run(repeats.wait(Failure("nothing answers", passing=True, after=after)))

    assert levels == [record.levelno for record in caplog.records]
    assert all("nothing answers" in record.message for record in caplog.records)


def test_the_log_tells_whose_request_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """Of a thousand threads one reads which of them waits, also where the request is one beside the answer."""
    repeats = Repeats(Skipping(), 600.0, thread="order-7")
    failure = Failure("nothing answers", passing=True, after=30.0)
    with caplog.at_level(logging.INFO, "handoff"):
        for one in (repeats, repeats.another()):
            asyncio.run(one.wait(failure))

    told = "thread order-7: a request is made again in 30.0 s (nothing answers)"
    assert [told, told] == [record.message for record in caplog.records]
