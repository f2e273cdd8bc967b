"""What time brings to a talk: the ends of silences, of a tool's own timeout, of a run's grace and of the run.

Nobody waits for it. It is acted on when a step begins, or when the talk lets time pass, each at its own moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

from handoff.core import events as happened
from handoff.core.commands import RunBody
from handoff.declaration.flow import Flow
from handoff.driving import calls
from handoff.driving.judge import wake_at
from handoff.testing.clock import OffsetClock
from handoff.testing.driver import InlineDriver

#: Unix time in seconds, and what is done then.
Due: TypeAlias = tuple[float, Callable[[], None]]


class Passing:
    """Acts on the time of one thread.

    Args:
        flow: its flow.
        driver: the thread under way.
        clock: the time.
    """

    def __init__(self, flow: Flow[Any, Any], driver: InlineDriver, clock: OffsetClock) -> None:
        self._flow = flow
        self._driver = driver
        self._clock = clock
        #: Number of the run whose grace has been acted on.
        self._graced = 0

    def forget(self) -> None:
        """Forget what was acted on, as a crash does."""
        self._graced = 0

    def catch_up(self) -> None:
        """Act on what has come by now."""
        while (due := self._next()) is not None and due[0] <= self._clock.now():
            due[1]()

    def until(self, end: float) -> None:
        """Let time pass until then, or until a run starts.

        Args:
            end: Unix seconds.
        """
        runs = self._driver.state.runs
        while self._driver.state.runs == runs:
            due = self._next()
            if due is None or due[0] > end:
                self._clock.move_to(end)
                return
            self._clock.move_to(due[0])
            due[1]()

    def grace(self) -> None:
        """Come to the moment just before the deadline of the active run, which waits for a tool."""
        run = self._driver.state.run
        assert run is not None
        self._clock.move_to(run.deadline - self._driver.state.limits.grace)
        self._reach_grace(run.number)

    def expire(self) -> None:
        """Come to the deadline of the active run, and to nothing before it."""
        run = self._driver.state.run
        assert run is not None
        self._clock.move_to(run.deadline)
        self._reach_deadline(run.number)

    def _next(self) -> Due | None:
        return min(self._dues(), key=lambda due: due[0], default=None)

    def _dues(self) -> Iterator[Due]:
        state = self._driver.state
        run = state.run
        if run is None:
            at = wake_at(self._flow, state)
            if at is not None:
                yield at, self._reach_silence
            return
        for held in self._driver.bodies.held.values():
            seconds = held.body.tool.timeout
            if seconds is not None and calls.open_in_batch(state, held.command):
                yield held.at + seconds, partial(self._reach_timeout, held.command)
        if self._graced != run.number:
            yield run.deadline - state.limits.grace, partial(self._reach_grace, run.number)
        yield run.deadline, partial(self._reach_deadline, run.number)

    def _reach_silence(self) -> None:
        state = self._driver.state
        data = {"stimuli": state.stimuli, "timed": state.timed}
        self._driver.post("timer", data, f"timer:{state.stimuli}:{state.timed}")

    def _reach_timeout(self, command: RunBody) -> None:
        where = (self._clock.now(), command.run, command.batch, command.call)
        self._driver.feed(happened.CallDone(*where, "", ran=False, pending="running"))

    def _reach_grace(self, run: int) -> None:
        self._graced = run
        active = self._driver.state.run
        if active is not None and active.batch is not None:
            reached = happened.GraceReached(self._clock.now(), run, active.batch.number)
            self._driver.feed(reached)

    def _reach_deadline(self, run: int) -> None:
        expired = happened.StopRequested(self._clock.now(), run, "expired")
        self._driver.feed(expired)
