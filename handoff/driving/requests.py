"""The requests of a thread's runs: made, watched, read back, cancelled; each report becomes an event of the journal.

A request stays known by its key until its answer is journaled, so that nobody makes it a second time. Where the server
keeps no run, closing our request ends it (C1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Literal

from handoff.backends.base import Absent, Accepted, Backend, Called, Delta, Doubted, Ended, Known, Report, Request
from handoff.clock import Clock
from handoff.core import events as happened
from handoff.core.commands import CancelRun, Key
from handoff.core.events import Event
from handoff.core.status import Status
from handoff.declaration.flow import Flow
from handoff.driving import calls
from handoff.driving.replies import checked
from handoff.events import TextDelta

if TYPE_CHECKING:
    from handoff.driving.driver import Driver

logger = logging.getLogger("handoff")

#: Seconds a dropped request may take to close before the thread is unlocked without it.
CLOSING = 5.0
#: Seconds before a request whose answer settled nothing is made again.
PAUSE = 0.05

Purpose = Literal["send", "watch", "read_back"]


class Requests:
    """The requests of one thread.

    Args:
        driver: the thread.
        flow: the declaration, frozen.
        backend: who runs the model.
        clock: the time.
    """

    def __init__(self, driver: Driver, flow: Flow[Any, Any], backend: Backend, clock: Clock) -> None:
        self._driver = driver
        self._flow = flow
        self._backend = backend
        self._clock = clock
        #: What carries out the latest request whose answer is there, perhaps not journaled yet.
        self.answered: asyncio.Task[None] | None = None
        #: A request that was dropped and may still be closing.
        self._dropped: asyncio.Task[None] | None = None
        #: What the model has said so far in the latest request.
        self._partial = ""

    def drop(self, task: asyncio.Task[None]) -> None:
        """Close a request that is no longer wanted.

        Args:
            task: what carries it out.
        """
        self._dropped = task
        task.cancel()

    async def carry_out(self, key: Key, run: int, request: int, purpose: Purpose) -> None:
        """Make, watch or read back a request, and commit what its last report says.

        Args:
            key: the command's key.
            run: number of the run.
            request: number of the request in the run.
            purpose: which of the three.
        """
        try:
            asked = self._request(run, request, purpose)
            if asked is None:
                return
            last = self._foreign(asked) or await self._reported(asked)
            self.answered = asyncio.current_task()
            known = self._driver.journaled.seq
            await self._driver.feed(last)
            if self._driver.outstanding(key):
                if known == self._driver.journaled.seq:
                    await self._clock.sleep(PAUSE)  # the answer settled nothing: ask again, but not at once
                self._driver.work.forget(key)
                await self._driver.wake()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and told_to_end():
                raise
            self.answered = asyncio.current_task()
            await self._failed(run, request, error)

    async def _failed(self, run: int, request: int, error: BaseException) -> None:
        """End a run whose backend raised what it should have reported."""
        logger.error("the backend failed on thread %s", self._driver.thread, exc_info=error)
        where = (self._clock.now(), run, request)
        await self._driver.feed(happened.RunEnded(*where, Status.FAILED, reason=repr(error)))

    async def cancel(self, command: CancelRun) -> None:
        """End the run: at the server, or by closing our request.

        Args:
            command: which run.
        """
        asked = self._request(command.run, command.request, "watch")
        if not self._backend.mode.swap:
            try:
                if asked is not None and self._foreign(asked) is None:
                    await self._backend.cancel(asked)
            except Exception as error:  # noqa: BLE001 - whatever a backend raises, the run ends
                await self._failed(command.run, command.request, error)
            return
        patience = self._driver.work.track(asyncio.ensure_future(self._clock.sleep(CLOSING)))
        try:
            if self._dropped is not None:
                await asyncio.wait({self._dropped, patience}, return_when=asyncio.FIRST_COMPLETED)
            if asked is not None and self._foreign(asked) is None:
                cancelling = self._driver.work.track(asyncio.ensure_future(self._backend.cancel(asked)))
                await asyncio.wait({cancelling, patience}, return_when=asyncio.FIRST_COMPLETED)
                if cancelling.done() and not cancelling.cancelled() and cancelling.exception() is not None:
                    logger.error(
                        "thread %s: the run could not be cancelled at the server",
                        self._driver.thread,
                        exc_info=cancelling.exception(),
                    )
        finally:
            patience.cancel()
        where = (self._clock.now(), command.run, command.request)
        await self._driver.feed(happened.RunEnded(*where, Status.CANCELLED, text=self._partial))

    def _request(self, run: int, request: int, purpose: Purpose) -> Request | None:
        """Return the request as the thread has it now; None if the run has gone on or is over."""
        state, started = self._driver.journaled.state, self._driver.journaled.started
        active = state.run
        if active is None or started is None or (active.number, active.request) != (run, request):
            return None
        return Request(
            self._driver.thread,
            run,
            request,
            purpose,
            self._driver.journaled.prompt(),
            active.deadline,
            state.metadata,
            ref=state.ref,
            assistant_id=started.assistant_id,
            before=state.ended,
            told=active.batches >= request,
        )

    def _foreign(self, asked: Request) -> Event | None:
        """Return the end of a run that was begun on a backend of the other kind: this one knows nothing of it."""
        run = self._driver.journaled.state.run
        if run is None or run.mode.swap == self._backend.mode.swap:
            return None
        reason = "the run was begun on another kind of backend"
        return happened.RunEnded(self._clock.now(), asked.run, asked.request, Status.FAILED, reason=reason)

    async def _reported(self, asked: Request) -> Event:
        """Carry a request out; return what its last report says."""
        self._partial = ""
        reports = self._backend.open(asked)
        try:
            async for report in reports:
                if isinstance(report, Delta):
                    self._partial = report.text if report.anew else self._partial + report.text
                    self._driver.tell(
                        TextDelta(asked.thread, asked.run, asked.prompt.assistant, report.text, report.anew)
                    )
                elif isinstance(report, Known):
                    await self._driver.feed(happened.ThreadKnown(*self._where(asked), report.ref))
                    if self._driver.journaled.state.ref != report.ref:
                        # It is not journaled, so nothing may be put there: somebody else drives the thread.
                        return happened.RequestDoubted(*self._where(asked), "the request is not ours any more")
                elif isinstance(report, Accepted):
                    taken = (report.stored, report.ref, report.assistant_id)
                    await self._driver.feed(happened.RequestAccepted(*self._where(asked), *taken))
                else:
                    return self._event(asked, report)
        finally:
            if isinstance(reports, AsyncGenerator):
                await reports.aclose()
        reason = "the backend ended the request without an answer"
        return happened.RunEnded(*self._where(asked), Status.FAILED, reason=reason)

    def _where(self, asked: Request) -> tuple[float, int, int]:
        return (self._clock.now(), asked.run, asked.request)

    def _event(self, asked: Request, report: Report) -> Event:
        where = self._where(asked)
        match report:
            case Called():
                batch = calls.journaled(self._flow, self._driver.journaled.state, report.calls)
                took = (report.usage, report.ref, report.extra)
                return happened.CallsRequested(*where, report.stored, batch, report.text, *took)
            case Ended():
                ended = self._checked(report)
                said, took = (ended.text, ended.reason, ended.calls), (ended.usage, ended.ref, ended.extra)
                return happened.RunEnded(*where, ended.status, ended.stored, *said, *took)
            case Doubted():
                return happened.RequestDoubted(*where, report.reason)
            case Absent():
                return happened.RequestAbsent(*where)
            case _:
                raise TypeError(f"{type(report).__name__} does not end a request")

    def _checked(self, report: Ended) -> Ended:
        """What a backend reports, held against the model the assistant's answers are to fit."""
        run = self._driver.journaled.state.run
        if run is None or run.move is not None or run.stop is not None:
            return report  # nobody is given this answer as a reply
        return checked(self._flow.assistants[run.assistant].options.reply, report)


def told_to_end() -> bool:
    """Return whether the running task is being cancelled, and not only something it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
