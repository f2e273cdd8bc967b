"""What became of the starts and submits that nobody was told the end of, settled before the next start.

A request without an answer may take effect later, whatever is read meanwhile: no server says that it cannot any more.
So its effect is known again whenever it comes. While a run is active, the server's lock refuses a late start; a run
that is over takes no outputs. Before a start the rest is settled: runs in the way are ended, what the thread holds is
not sent again, and what a late start brought a second time, or has answered, is deleted (C4, C5). One that was answered
after that look has been read by the run that was started next, which is therefore ended, and made anew.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from handoff.backends.assistants.api import PAGE, AssistantsApi, Failed, Wire, below
from handoff.backends.assistants.messages import ITEM, key_of, run_key
from handoff.backends.assistants.run import Leg, late_in, ours_in
from handoff.backends.assistants.runs import PATIENCE, Runs
from handoff.backends.base import Request
from handoff.backends.wire import Repeats, listed, mapping
from handoff.clock import Clock
from handoff.core.items import Output

logger = logging.getLogger("handoff")

#: Seconds after which a start in doubt is not expected to take effect any more: as long as a run may last.
LATE = 600.0


class Doubts:
    """The requests in doubt on one server's threads.

    Args:
        api: the server.
        runs: its runs.
        clock: the time.
    """

    def __init__(self, api: AssistantsApi, runs: Runs, clock: Clock) -> None:
        self._api = api
        self._runs = runs
        self._clock = clock

    def note(self, request: Request) -> None:
        """Take note of a start that may take effect later than anybody looks for it.

        Args:
            request: the start.
        """
        self._runs.kept(request.thread).doubted = self._clock.now() + LATE

    async def settle(self, leg: Leg) -> int:
        """Return how many due items the server's thread holds, from the front; delete what it holds twice.

        Nothing is asked where this process has settled the thread before, or made it, has seen the run before this one
        end, and no start was in doubt.

        Args:
            leg: the leg of a start; its thread is known.

        Raises:
            Failed: the server does not answer, or does not end a run that is in the way.
        """
        request, kept = leg.request, self._runs.kept(leg.request.thread)
        if kept.ended >= request.run - 1 and kept.doubted <= self._clock.now():
            return 0
        runs = await self._runs.latest(leg) or []
        await self._runs.clear(leg, runs)
        leg.seen = frozenset(str(run.get("id")) for run in runs)
        held = await self._submitted(leg, runs)
        held |= await self._posted(leg, runs)
        if kept.doubted == math.inf:
            kept.doubted = 0.0
        place = len(request.prompt.transcript)
        keys = [key_of(item, place + number) for number, item in enumerate(request.prompt.due)]
        return max((number for number, key in enumerate(keys, 1) if key in held), default=0)

    async def overtaken(self, leg: Leg) -> bool:
        """Return whether a late start was answered just before ours, whose run has read that; ours is ended then.

        Nothing is asked where no start was in doubt.

        Args:
            leg: the leg of a start that was accepted.

        Raises:
            Failed: the server does not answer, or does not end the run.
        """
        request = leg.request
        if self._runs.kept(request.thread).doubted <= self._clock.now():
            return False
        runs, key = await self._runs.latest(leg) or [], run_key(request)
        ids = [str(run.get("id")) for run in runs]
        ours, place = ours_in(runs, key), ids.index(leg.run) if leg.run in ids else len(ids)
        late = {str(run.get("id")) for run in late_in(runs, key)}
        read = late.intersection(ids[place + 1 :]) - leg.seen  # what came after it, it has not read
        if not read and (ours is None or ours.get("id") == leg.run):
            return False
        logger.warning("thread %s: a start that came late was answered; the one after it is made anew", request.thread)
        await self._runs.end(leg, leg.run)
        return True

    async def _submitted(self, leg: Leg, runs: Sequence[Wire]) -> set[str]:
        """The due outputs, by key, that their runs have taken; those are over, and take no more."""
        request = leg.request
        due = [item for item in request.prompt.due if isinstance(item, Output)]
        if not due:
            return set()
        numbers = {str(output.run) for output in due}
        taken: set[str] = set()
        for run in runs:
            key = mapping(run.get("metadata"))
            if key.get("run") in numbers and key.get("thread") == run_key(request)["thread"]:
                taken |= await self._runs.answered(leg, str(run.get("id")))
        return {key_of(output) for output in due if output.call in taken}

    async def _posted(self, leg: Leg, runs: Sequence[Wire]) -> set[str]:
        """The keys of the thread's latest messages; of those with one key all but the first are deleted.

        So is what late runs have said, and the run whose place this start takes.
        """
        void = {str(run.get("id")) for run in late_in(runs, run_key(leg.request))} | {leg.replaces} - {""}
        repeats = Repeats(self._clock, leg.request.deadline + PATIENCE, None, thread=leg.request.thread)
        path = below("threads", leg.thread, "messages")
        try:
            page = await self._api.get(path, repeats, limit=PAGE, order="desc")
        except Failed as failed:
            if failed.missing:
                return set()  # the start finds out that the thread is gone
            raise
        held: set[str] = set()
        for message in map(mapping, reversed(listed(page.get("data")))):
            key = mapping(message.get("metadata")).get(ITEM)
            if (isinstance(key, str) and key in held) or message.get("run_id") in void:
                await self._delete(leg, str(message.get("id")), repeats)
            elif isinstance(key, str):
                held.add(key)
        return held

    async def _delete(self, leg: Leg, message: str, repeats: Repeats) -> None:
        """Delete a message; on a server that does not let anybody do that, it stays."""
        try:
            await self._api.delete(below("threads", leg.thread, "messages", message), repeats)
        except Failed as failed:
            if not failed.refused:
                raise
            logger.warning("thread %s: a message that came late stays: %s", leg.request.thread, failed)
