"""Legs of runs: made by a request, followed by stream or by looking, found again by key, cancelled.

A stream is a convenience: where it breaks off or goes silent, the run is looked at until it waits or is over, on the
injected clock and within a deadline of ours (A12, A13, C1). What this keeps in memory only saves requests.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from handoff.backends.assistants.api import AssistantsApi, Failed, GivenUp, Wire, below
from handoff.backends.assistants.messages import outputs_of, run_key, thread_of
from handoff.backends.assistants.run import (
    CANCELLABLE,
    Leg,
    called,
    extra_of,
    has_key,
    hosted_in,
    reason_of,
    said_in,
    usage_of,
    waiting,
    written,
)
from handoff.backends.base import Accepted, Called, Delta, Ended, Report, Request
from handoff.backends.wire import REFUSED, Failure, Repeats
from handoff.clock import Clock
from handoff.core.answers import HostedCall
from handoff.core.status import TERMINAL, Status
from handoff.core.usage import Usage

logger = logging.getLogger("handoff")

#: Seconds after a run's deadline until which its end is waited for.
PATIENCE = 10.0
#: Each wait between two looks is so many times the one before, up to so many times the first.
LONGER, LONGEST = 1.5, 8.0
#: Seconds before the first look at a run whose calls are being answered here.
ANSWERING = 1.0
#: Seconds a stream may be silent once its run is to be cancelled.
HURRY = 0.5
#: How many threads are kept; the ones used longest ago are let go.
THREADS = 10_000


@dataclass(slots=True)
class Kept:
    """What is known of a thread without asking."""

    #: The latest run by our number, and the server's ids of it and its thread.
    number: int = 0
    run: str = ""
    thread: str = ""
    #: Whether it is to be cancelled.
    hurried: bool = False
    #: Number of the latest run whose end was seen here.
    ended: int = 0
    #: What its metadata was last set to.
    mirrored: Any = field(default_factory=dict[str, str])


class Legs:
    """The legs of one server's runs.

    Args:
        api: the server.
        clock: the time.
        secrets: returns what must not be told.
        stream: whether requests are answered by streams.
        poll: seconds between the first two looks at a run.
        timeout: seconds a stream may be silent.
    """

    def __init__(
        self,
        api: AssistantsApi,
        clock: Clock,
        secrets: Callable[[], list[str]],
        *,
        stream: bool,
        poll: float,
        timeout: float,
    ) -> None:
        self._api = api
        self._clock = clock
        self._secrets = secrets
        self._stream = stream
        self._poll = poll
        self._timeout = timeout
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        #: The legs that are followed, by thread.
        self._followed: dict[str, list[Leg]] = {}

    def kept(self, thread: str) -> Kept:
        """Return what is known of a thread.

        Args:
            thread: our id of it.
        """
        found = self._kept.setdefault(thread, Kept())
        self._kept.move_to_end(thread)
        if len(self._kept) > THREADS:
            self._kept.popitem(last=False)
        return found

    @contextmanager
    def following(self, leg: Leg) -> Generator[None]:
        """Let a cancel reach a leg while the block lasts.

        Args:
            leg: the leg.
        """
        legs = self._followed.setdefault(leg.request.thread, [])
        legs.append(leg)
        kept = self.kept(leg.request.thread)
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
            self._see(leg, await self._api.post(below(*path), body, left))
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
                        self._see(leg, leg.latest)
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
        await self.found(leg)
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
            await self._look(leg)
            if not (leg.over or leg.waits) and self._clock.now() >= until:
                raise Failed(Failure("the server has not ended the run in time"))
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
            text = await self._said(leg)
            rest = text.removeprefix(leg.told)
            if rest and not request.told:
                yield Delta(rest, anew=leg.void or (bool(leg.told) and rest == text))
        hosted = await self._hosted(leg) if request.prompt.hosted else []
        extra = None if request.told else extra_of(leg.messages.values(), hosted)
        if leg.waits:
            calls = waiting(run)
            ids = {call.id for call in calls}
            if not calls or "" in ids or len(ids) < len(calls):
                await self.end(leg.thread, leg.run, request.deadline + PATIENCE)
                raise Failed(Failure("the run waits for calls that cannot be answered"))
            yield Called(calls, text, stored, Usage(model_calls=1), extra=extra)
            return
        self.kept(request.thread).ended = request.run
        usage = usage_of(run, told_before=request.told)
        reason = reason_of(run, self._secrets())
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

    # -- looked at -----------------------------------------------------------------------------------------------------

    async def found(self, leg: Leg) -> None:
        """Have the run's id, from memory or by our key.

        Args:
            leg: the leg.

        Raises:
            Failed: the server does not answer, or does not have the run.
        """
        kept = self.kept(leg.request.thread)
        if (kept.number, kept.thread) == (leg.request.run, leg.thread):
            leg.run = kept.run
        elif not leg.thread or not await self.find(leg):
            raise Failed(Failure("the server does not have the run"))
        leg.latest = {}

    async def find(self, leg: Leg) -> bool:
        """Look for the run by our key, and return whether it is there (C4).

        Args:
            leg: the leg; its thread is known.

        Raises:
            Failed: the server does not answer.
        """
        runs = await self.runs(leg.thread, leg.request.deadline + PATIENCE)
        found = next((run for run in runs or () if has_key(run, run_key(leg.request))), None)
        if found is not None:
            self._see(leg, found)
        return found is not None

    async def runs(self, thread: str, until: float) -> list[Wire] | None:
        """Return the latest runs of a thread, the latest first; None if there is no such thread.

        Args:
            thread: the server's id of it.
            until: how long to go on asking, Unix seconds.

        Raises:
            Failed: the server does not answer.
        """
        repeats = Repeats(self._clock, until, None)
        try:
            page = await self._api.get(below("threads", thread, "runs"), repeats, limit=100, order="desc")
        except Failed as failed:
            if failed.missing:
                return None
            raise
        data: list[Wire] = page.get("data") or []
        return data

    async def outputs_there(self, leg: Leg) -> bool | None:
        """Find out by the call ids whether a submit has arrived; None if the run still waits for it (C4).

        Args:
            leg: the leg of a submit; its run is known.

        Raises:
            Failed: the server does not answer.
        """
        await self._look(leg)
        ours = {output["tool_call_id"] for output in outputs_of(leg.request)}
        if leg.status == Status.REQUIRES_ACTION:
            return None if {call.id for call in waiting(leg.latest)} == ours else True
        if leg.status in {Status.QUEUED, Status.IN_PROGRESS, Status.COMPLETED}:
            return True  # a run that had asked comes here by its outputs only
        async for step in self._api.pages(self._path(leg, "steps"), self._repeats(leg), order="desc"):
            calls = called(step)
            if ours <= calls.keys():
                return all(calls[call] for call in ours)
        return False

    async def _look(self, leg: Leg) -> None:
        self._see(leg, await self._api.get(self._path(leg), self._repeats(leg)))

    def _see(self, leg: Leg, run: Wire) -> None:
        leg.see(run)
        kept = self.kept(leg.request.thread)
        if kept.run != leg.run:
            kept.number, kept.run, kept.thread, kept.hurried = leg.request.run, leg.run, leg.thread, False

    async def _said(self, leg: Leg) -> str:
        """What was said in this leg: since the calls of the one before were answered."""
        path, repeats = below("threads", leg.thread, "messages"), self._repeats(leg)
        messages = self._api.pages(path, repeats, run_id=leg.run, order="asc")
        leg.messages = {str(one.get("id")): one async for one in messages if one.get("run_id") == leg.run}
        texts = {id_: said_in(one) for id_, one in leg.messages.items()}
        if texts and (leg.request.request > 1 or leg.request.told):
            ours: set[str] = set()
            async for step in self._api.pages(self._path(leg, "steps"), repeats, order="desc"):
                calls = called(step)
                if calls and (leg.request.told or all(calls.values())):
                    break  # what was said up to here is journaled
                ours.add(written(step))
            texts = {id_: text for id_, text in texts.items() if id_ in ours}
            leg.messages = {id_: leg.messages[id_] for id_ in texts}
        return "\n".join(filter(None, texts.values()))

    async def _hosted(self, leg: Leg) -> list[HostedCall]:
        """What tools of the server did in this leg: since the calls of the one before were answered."""
        found: list[HostedCall] = []
        async for step in self._api.pages(self._path(leg, "steps"), self._repeats(leg), order="desc"):
            calls = called(step)
            if calls and (leg.request.told or all(calls.values())):
                break
            found = [*hosted_in(step), *found]
        return found

    def _path(self, leg: Leg, *parts: str) -> str:
        return below("threads", leg.thread, "runs", leg.run, *parts)

    def _repeats(self, leg: Leg) -> Repeats:
        """As long as the run may take: it goes on without us."""
        return Repeats(self._clock, leg.request.deadline + PATIENCE, None)

    # -- cancelled -----------------------------------------------------------------------------------------------------

    async def cancel(self, request: Request) -> None:
        """Have the server cancel a run, and look for its end more often (C1).

        Args:
            request: the run's request.
        """
        leg = Leg(request, thread_of(request))
        until = request.deadline + PATIENCE
        try:
            await self.found(leg)
            await self._cancel(leg.thread, leg.run, until)
        except Failed as failed:  # its end, or that there is none, comes by whoever follows it
            logger.warning("thread %s: its run is not cancelled: %s", request.thread, failed)
        kept = self.kept(request.thread)
        kept.hurried = kept.number == request.run
        for one in self._followed.get(request.thread, ()):
            if one.request.run == request.run:
                one.hurried.set()
                if one.patience is not None and not one.patience.expired():
                    one.patience.reschedule(asyncio.get_running_loop().time() + HURRY)

    async def end(self, thread: str, run: str, until: float) -> None:
        """Cancel a run and return once it is over.

        Args:
            thread: the server's id of its thread.
            run: the server's id of it.
            until: how long to wait, Unix seconds.

        Raises:
            Failed: it is not over in time.
        """
        await self._cancel(thread, run, until)
        repeats = Repeats(self._clock, until, None)
        wait = self._poll
        while True:
            seen = await self._api.get(below("threads", thread, "runs", run), repeats)
            if seen.get("status") in TERMINAL:
                return
            if self._clock.now() >= until:
                raise Failed(Failure("the server does not end a run that is in the way"))
            await self._clock.sleep(wait)
            wait = min(wait * LONGER, self._poll * LONGEST)

    async def _cancel(self, thread: str, run: str, until: float) -> None:
        repeats = Repeats(self._clock, until, None)
        path = below("threads", thread, "runs", run)
        while True:
            try:
                await self._api.post(f"{path}/cancel", None, repeats.left)
            except Failed as failed:
                refusal = failed
            else:
                return
            if refusal.missing:
                return
            if refusal.refused:
                seen = await self._api.get(path, repeats)
                if seen.get("status") not in CANCELLABLE:
                    return  # it is over, or on its way: a success
            if not await repeats.wait(replace(refusal.failure, passing=True)):
                raise refusal


async def _rest(events: AsyncGenerator[Wire, None]) -> None:
    """Read a stream whose run waits or is over to its end, so that its connection can be used again."""
    with suppress(Failed, TimeoutError):
        async with asyncio.timeout(HURRY):
            async for _ in events:
                pass
