"""Runs as they stand on a server: found by our key, looked at, ended.

What is kept in memory only saves requests: what is not known here is looked up at the server (C4, C5).
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from handoff.backends.assistants.api import AssistantsApi, Failed, Wire, below
from handoff.backends.assistants.messages import outputs_of, run_key
from handoff.backends.assistants.run import (
    CANCELLABLE,
    Leg,
    active,
    called,
    hosted_in,
    ours_in,
    said_in,
    waiting,
    written,
)
from handoff.backends.wire import Failure, Repeats
from handoff.clock import Clock
from handoff.core.answers import HostedCall
from handoff.core.status import TERMINAL, Status

logger = logging.getLogger("handoff")

#: Seconds after a run's deadline until which its end is waited for.
PATIENCE = 10.0
#: Each wait between two looks is so many times the one before, up to so many times the first.
LONGER, LONGEST = 1.5, 8.0
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
    #: Unix time in seconds until which a start may still take effect that nobody waits for; no end until it was settled
    #: once in this process, since the one before it may have left one.
    doubted: float = math.inf
    #: What its metadata was last set to.
    mirrored: Any = field(default_factory=dict[str, str])


class Runs:
    """The runs of one server's threads.

    Args:
        api: the server.
        clock: the time.
        poll: seconds between the first two looks at a run that is to end.
    """

    def __init__(self, api: AssistantsApi, clock: Clock, poll: float) -> None:
        self._api = api
        self._clock = clock
        self._poll = poll
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def forget(self, thread: str) -> None:
        """Keep nothing of a thread any more.

        Args:
            thread: our id of it.
        """
        self._kept.pop(thread, None)

    def begin(self, leg: Leg) -> Kept:
        """Return what is known of the thread of a leg that begins.

        What is known of another of the server's threads is of an earlier thread of ours, which another process deleted.

        Args:
            leg: the leg.
        """
        if self.kept(leg.request.thread).thread not in {"", leg.thread}:
            self.forget(leg.request.thread)
        return self.kept(leg.request.thread)

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
        runs = await self.latest(leg)
        found = ours_in(runs or (), run_key(leg.request))
        if found is not None:
            self.see(leg, found)
        return found is not None

    async def latest(self, leg: Leg) -> list[Wire] | None:
        """Return the latest runs of a thread, the latest first; None if there is no such thread.

        Args:
            leg: a leg of the thread, whose server's id is known.

        Raises:
            Failed: the server does not answer.
        """
        try:
            path = below("threads", leg.thread, "runs")
            page = await self._api.get(path, self._repeats(leg), limit=100, order="desc")
        except Failed as failed:
            if failed.missing:
                return None
            raise
        data: list[Wire] = page.get("data") or []
        return data

    async def clear(self, leg: Leg, runs: Sequence[Wire]) -> bool:
        """End the runs that are in the way of a start; return whether there were any (C5).

        Args:
            leg: the leg of the start.
            runs: the latest of its thread.

        Raises:
            Failed: one is not over in time.
        """
        ours = ours_in(runs, run_key(leg.request))
        others = [run for run in runs if active(run) and run is not ours]
        for run in others:
            found = (leg.request.thread, run.get("id"), leg.thread)
            logger.warning("thread %s: a run that is not ours is cancelled (%s of %s at the server)", *found)
            await self.end(leg, str(run.get("id")))
        return bool(others)

    async def answered(self, leg: Leg, run: str) -> set[str]:
        """Return the calls of a run that have their outputs, by id.

        Args:
            leg: a leg of its thread.
            run: the server's id of it.

        Raises:
            Failed: the server does not answer.
        """
        found: set[str] = set()
        path = below("threads", leg.thread, "runs", run, "steps")
        async for step in self._api.pages(path, self._repeats(leg), order="desc"):
            found |= {call for call, output in called(step).items() if output}
        return found

    async def outputs_there(self, leg: Leg) -> bool | None:
        """Find out by the call ids whether a submit has arrived; None if the run still waits for it (C4).

        Args:
            leg: the leg of a submit; its run is known.

        Raises:
            Failed: the server does not answer.
        """
        await self.look(leg)
        ours = {output["tool_call_id"] for output in outputs_of(leg.request)}
        if leg.status == Status.REQUIRES_ACTION:
            return None if {call.id for call in waiting(leg.latest)} == ours else True
        if leg.status in {Status.QUEUED, Status.IN_PROGRESS, Status.COMPLETED}:
            return True  # a run that had asked comes here by its outputs only
        async with aclosing(self._api.pages(self._path(leg, "steps"), self._repeats(leg), order="desc")) as steps:
            async for step in steps:
                calls = called(step)
                if ours <= calls.keys():
                    return all(calls[call] for call in ours)
        return False

    async def look(self, leg: Leg) -> None:
        """Look at the run.

        Args:
            leg: the leg; its run is known.

        Raises:
            Failed: the server does not answer.
        """
        self.see(leg, await self._api.get(self._path(leg), self._repeats(leg)))

    def see(self, leg: Leg, run: Wire) -> None:
        """Take note of the run, for this leg and those to come.

        Args:
            leg: the leg.
            run: the run as it is now.
        """
        leg.see(run)
        kept = self.kept(leg.request.thread)
        if kept.run != leg.run:
            kept.number, kept.run, kept.thread, kept.hurried = leg.request.run, leg.run, leg.thread, False

    async def said(self, leg: Leg) -> str:
        """Return what was said in this leg: since the calls of the one before were answered.

        Args:
            leg: the leg; its run is known.

        Raises:
            Failed: the server does not answer.
        """
        path, repeats = below("threads", leg.thread, "messages"), self._repeats(leg)
        messages = self._api.pages(path, repeats, run_id=leg.run, order="asc")
        leg.messages = {str(one.get("id")): one async for one in messages if one.get("run_id") == leg.run}
        texts = {id_: said_in(one) for id_, one in leg.messages.items()}
        if texts and (leg.request.request > 1 or leg.request.told):
            ours: set[str] = set()
            async with aclosing(self._api.pages(self._path(leg, "steps"), repeats, order="desc")) as steps:
                async for step in steps:
                    calls = called(step)
                    if calls and (leg.request.told or all(calls.values())):
                        break  # what was said up to here is journaled
                    ours.add(written(step))
            texts = {id_: text for id_, text in texts.items() if id_ in ours}
            leg.messages = {id_: leg.messages[id_] for id_ in texts}
        return "\n".join(filter(None, texts.values()))

    async def hosted(self, leg: Leg) -> list[HostedCall]:
        """Return what tools of the server did in this leg: since the calls of the one before were answered.

        Args:
            leg: the leg; its run is known.

        Raises:
            Failed: the server does not answer.
        """
        found: list[HostedCall] = []
        async with aclosing(self._api.pages(self._path(leg, "steps"), self._repeats(leg), order="desc")) as steps:
            async for step in steps:
                calls = called(step)
                if calls and (leg.request.told or all(calls.values())):
                    break
                found = [*hosted_in(step), *found]
        return found

    @staticmethod
    def _path(leg: Leg, *parts: str) -> str:
        return below("threads", leg.thread, "runs", leg.run, *parts)

    def _repeats(self, leg: Leg) -> Repeats:
        """As long as the run may take: it goes on without us."""
        return Repeats(self._clock, leg.request.deadline + PATIENCE, None, thread=leg.request.thread)

    async def end(self, leg: Leg, run: str) -> None:
        """Cancel a run and return once it is over.

        Args:
            leg: a leg of its thread.
            run: the server's id of it.

        Raises:
            Failed: it is not over in time.
        """
        await self.cancel(leg, run)
        repeats, wait = self._repeats(leg), self._poll
        while True:
            seen = await self._api.get(below("threads", leg.thread, "runs", run), repeats)
            if seen.get("status") in TERMINAL:
                return
            if repeats.left <= 0:
                raise Failed(Failure("the server does not end a run that is in the way"))
            await self._clock.sleep(wait)
            wait = min(wait * LONGER, self._poll * LONGEST)

    async def cancel(self, leg: Leg, run: str) -> None:
        """Have the server cancel a run; that it is over, or not there, is a success (C1).

        Args:
            leg: a leg of its thread.
            run: the server's id of it.

        Raises:
            Failed: the server does not do it.
        """
        repeats, path = self._repeats(leg), below("threads", leg.thread, "runs", run)
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
