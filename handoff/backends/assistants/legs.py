"""Legs of runs: made by a request, followed by stream or by looking, cancelled.

A stream is a convenience: where it breaks off or goes silent, the run is looked at until it waits or is over, on the
injected clock and within a deadline of ours (A12, A13, C1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, contextmanager, suppress

from handoff.backends.assistants.api import AssistantsApi, Failed, GivenUp, Wire, below
from handoff.backends.assistants.messages import thread_of
from handoff.backends.assistants.run import Leg, extra_of, reason_of, usage_of, waiting
from handoff.backends.assistants.runs import LONGER, LONGEST, PATIENCE, Runs
from handoff.backends.base import Accepted, Called, Delta, Ended, Report, Request
from handoff.backends.wire import REFUSED, Failure
from handoff.clock import Clock
from handoff.core.status import Status
from handoff.core.usage import Usage

logger = logging.getLogger("handoff")

#: Seconds before the first look at a run whose calls are being answered here.
ANSWERING = 1.0
#: Seconds a stream may be silent once its run is to be cancelled.
HURRY = 0.5
_LATE = "the server has not ended the run in time"


class Legs:
    """The legs of one server's runs.

    Args:
        api: the server.
        runs: its runs.
        clock: the time.
        secrets: returns what must not be told.
        stream: whether requests are answered by streams.
        poll: seconds between the first two looks at a run.
        timeout: seconds a stream may be silent.
    """

    def __init__(
        self,
        api: AssistantsApi,
        runs: Runs,
        clock: Clock,
        secrets: Callable[[], list[str]],
        *,
        stream: bool,
        poll: float,
        timeout: float,
    ) -> None:
        self._api = api
        self._runs = runs
        self._clock = clock
        self._secrets = secrets
        self._stream = stream
        self._poll = poll
        self._timeout = timeout
        #: The legs that are followed, by thread.
        self._followed: dict[str, list[Leg]] = {}

    @contextmanager
    def following(self, leg: Leg) -> Generator[None]:
        """Let a cancel reach a leg while the block lasts.

        Args:
            leg: the leg.
        """
        legs = self._followed.setdefault(leg.request.thread, [])
        legs.append(leg)
        kept = self._runs.begin(leg)
        if kept.hurried and kept.number == leg.request.run:
            leg.hurried.set()
        try:
            yield
        finally:
            legs.remove(leg)
            if not legs:
                self._followed.pop(leg.request.thread, None)

    # -- made and followed ---------------------------------------------------------------------------------------------

    async def made(
        self, leg: Leg, path: tuple[str, ...], body: Wire, accepted: Accepted
    ) -> AsyncGenerator[Report, None]:
        """Make a request that sets a run going, and report what it brings.

        Args:
            leg: the leg; its thread is known.
            path: where the request goes.
            body: what it carries.
            accepted: reported once the server has taken it.

        Raises:
            Failed: it is not known to be taken.
            GivenUp: it was taken, and the server does not answer any more, or the calls cannot be answered.
        """
        leg.latest = {}  # what was seen before is not what comes of it
        if self._stream:
            async with aclosing(self._streamed(leg, path, body, accepted)) as reports:
                async for report in reports:
                    yield report
        else:
            left = leg.request.deadline - self._clock.now()
            self._runs.see(leg, await self._api.post(below(*path), body, left))
            yield accepted
        try:
            whole = self._stream and (leg.over or leg.waits)
            async with aclosing(self.finished(leg, text=leg.text) if whole else self.polled(leg)) as reports:
                async for report in reports:
                    yield report
        except Failed as failed:
            raise GivenUp(failed.failure) from failed

    async def _streamed(
        self, leg: Leg, path: tuple[str, ...], body: Wire, accepted: Accepted
    ) -> AsyncGenerator[Report, None]:
        """Make the request and tell what is said, until the run waits or is over, or the stream is."""
        taken = False
        left = leg.request.deadline - self._clock.now()
        async with aclosing(self._api.stream(below(*path), body, left)) as events:
            try:
                while (event := await self._next(leg, events)) is not None:
                    said = leg.take(event, self._secrets())
                    if not taken and leg.run:
                        self._runs.see(leg, leg.latest)
                        taken = True
                        yield accepted
                    if said:
                        leg.told += said
                        yield Delta(said, anew=leg.void)
                        leg.void = False
                    if taken and (leg.over or leg.waits):
                        await _rest(events)
                        return
            except Failed as failed:
                if not taken:
                    raise
                logger.info("thread %s: its run is polled (%s)", leg.request.thread, failed)
        if not taken:
            raise Failed(Failure("the stream broke off", passing=True))
        leg.latest = {}  # its end is to be looked for

    async def watched(self, leg: Leg) -> AsyncGenerator[Report, None]:
        """Report what a run that was taken brings; once its calls are journaled, only its end.

        Args:
            leg: the leg.

        Raises:
            Failed: the server does not answer, or does not have the run.
        """
        await self._runs.found(leg)
        if leg.request.told:
            await self._pause(leg, ANSWERING)
        async with aclosing(self.polled(leg)) as reports:
            async for report in reports:
                yield report

    async def polled(self, leg: Leg, stored: int = 0) -> AsyncGenerator[Report, None]:
        """Look at a run until it waits or is over, and report that.

        Args:
            leg: the leg; its run is known.
            stored: how many due items its end shows to be stored.

        Raises:
            Failed: the server does not answer.
        """
        until = leg.request.deadline + PATIENCE
        wait = self._poll
        while not (leg.over or leg.waits):
            if leg.latest:
                await self._pause(leg, wait)
                wait = min(wait * LONGER, self._poll * LONGEST)
            try:
                await self._runs.look(leg)
            except Failed as failed:
                if failed.status is None and self._clock.now() >= until:  # there was no time left for an answer
                    raise Failed(Failure(f"{_LATE} ({failed})")) from failed
                raise
            if not (leg.over or leg.waits) and self._clock.now() >= until:
                raise Failed(Failure(_LATE))
        async with aclosing(self.finished(leg, stored)) as reports:
            async for report in reports:
                yield report

    async def finished(self, leg: Leg, stored: int = 0, text: str | None = None) -> AsyncGenerator[Report, None]:
        """Report the calls a run waits for, or its end, with what was said.

        Args:
            leg: the leg; its run waits or is over.
            stored: how many due items its end shows to be stored.
            text: what was said, if it is known.

        Raises:
            Failed: the server does not answer, or the calls cannot be answered.
        """
        request, run = leg.request, leg.latest
        if text is None:
            text = await self._runs.said(leg)
            rest = text.removeprefix(leg.told)
            if rest and not request.told:
                yield Delta(rest, anew=leg.void or (bool(leg.told) and rest == text))
        hosted = await self._runs.hosted(leg) if request.prompt.hosted else []
        extra = None if request.told else extra_of(leg.messages.values(), hosted)
        if leg.waits:
            calls = waiting(run)
            ids = {call.id for call in calls}
            if not calls or "" in ids or len(ids) < len(calls):
                await self._runs.end(leg, leg.run)
                raise Failed(Failure("the run waits for calls that cannot be answered"))
            yield Called(calls, text, stored, Usage(model_calls=1), extra=extra)
            return
        self._runs.kept(request.thread).ended = request.run
        usage = usage_of(run, told_before=request.told)
        reason = reason_of(run, self._secrets(), leg.messages.values())
        if extra is not None and extra.refused and leg.status == Status.COMPLETED:
            reason = REFUSED
        yield Ended(Status(leg.status), text, reason, stored, usage=usage, extra=extra)

    async def _next(self, leg: Leg, events: AsyncGenerator[Wire, None]) -> Wire | None:
        """The stream's next event; None at its end."""
        try:
            async with asyncio.timeout(HURRY if leg.hurried.is_set() else self._timeout) as leg.patience:
                return await anext(events, None)
        except TimeoutError as error:
            raise Failed(Failure("the stream went silent", passing=True)) from error
        finally:
            leg.patience = None

    async def _pause(self, leg: Leg, seconds: float) -> None:
        """Wait; no longer than the first wait once the run is to be cancelled."""
        if leg.hurried.is_set():
            await self._clock.sleep(min(seconds, self._poll))
            return
        waits = {asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(leg.hurried.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    # -- cancelled -----------------------------------------------------------------------------------------------------

    async def cancel(self, request: Request) -> None:
        """Have the server cancel a run, and look for its end more often (C1).

        Args:
            request: the run's request.
        """
        leg = Leg(request, thread_of(request))
        try:
            await self._runs.found(leg)
            await self._runs.cancel(leg, leg.run)
        except Failed as failed:  # its end, or that there is none, comes by whoever follows it
            logger.warning("thread %s: its run is not cancelled: %s", request.thread, failed)
        kept = self._runs.kept(request.thread)
        kept.hurried = kept.number == request.run
        for one in self._followed.get(request.thread, ()):
            if one.request.run == request.run:
                one.hurried.set()
                if one.patience is not None and not one.patience.expired():
                    one.patience.reschedule(asyncio.get_running_loop().time() + HURRY)


async def _rest(events: AsyncGenerator[Wire, None]) -> None:
    """Read a stream whose run waits or is over to its end, so that its connection can be used again."""
    with suppress(Failed, TimeoutError):
        async with asyncio.timeout(HURRY):
            async for _ in events:
                pass
