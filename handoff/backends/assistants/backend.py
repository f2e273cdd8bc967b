"""The assistants backend: any server that speaks OpenAI's Assistants v2 and keeps threads, runs and their lock.

A write is never repeated in doubt: our key and the call ids are read back first (C4). What the server's thread is
called is journaled before anything is written there, and a run that is under way goes on without us: it is found again
by its key, followed, or cancelled (C5).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from handoff.backends.assistants.api import AssistantsApi, Failed, GivenUp, below
from handoff.backends.assistants.doubts import Doubts
from handoff.backends.assistants.legs import Legs
from handoff.backends.assistants.messages import (
    SPELLED,
    messages_of,
    mirrored,
    outputs_of,
    readers_of,
    run_fields,
    run_key,
    run_metadata,
    seed_of,
    thread_of,
    unable,
)
from handoff.backends.assistants.registry import Registry
from handoff.backends.assistants.run import Leg, ours_in, passing, reason_of
from handoff.backends.assistants.runs import Runs
from handoff.backends.base import Absent, Accepted, Capability, Ended, Known, Report, Request, not_ours
from handoff.backends.client import ServerClient
from handoff.backends.wire import RETRIES, Failure, Repeats
from handoff.clock import Clock, SystemClock
from handoff.core.state import Mode
from handoff.core.status import Status
from handoff.errors import ConfigurationError, NotDeleted

if TYPE_CHECKING:
    from openai import AsyncOpenAI

logger = logging.getLogger("handoff")

Finish: TypeAlias = Literal["complete", "carry"]
"""How a transition ends its run: its outputs are submitted and it completes, or it is cancelled and they are carried
over as messages (H4)."""

#: Seconds a close waits for metadata that is being mirrored.
MIRRORING = 2.0
#: Seconds a server may take to delete a thread.
DELETING = 10.0
_OTHERS = "*"


class Assistants:
    """Speaks to an Assistants server.

    Attributes:
        carries: images by URL or id, files by id, searches in files, code, and replies; this API has no place for the
            bytes of either, and none for the web and MCP.
        mode: how transitions end their runs; nothing is steered in, since the server takes outputs only.
        model: name of the model for assistants that declare none.
    """

    carries: frozenset[Capability] = frozenset(
        {"image_url", "image_id", "file_id", "file_search", "code_interpreter", "reply"}
    )

    def __init__(
        self,
        model: str,
        *,
        finish: Finish | Mapping[str, Finish] = "complete",
        base_url: str | None = None,
        api_key: str | None = None,
        client: AsyncOpenAI | None = None,
        stream: bool = True,
        input_tokens: int | None = None,
        poll: float = 0.5,
        timeout: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        """Speak to a server.

        Args:
            model: name of the model for assistants that declare none.
            finish: how a transition ends its run. `complete`: the outputs are submitted, the run says its last words,
                and the next run starts: three calls of the model. `carry`: the run is cancelled and the next one gets
                the outputs as messages: two calls. Or by name of the tool that triggers it, `*` for all others, which
                complete if it is left out.
            base_url: where the server is; by default what the SDK takes from the environment.
            api_key: the key; by default `OPENAI_API_KEY`. A server at a `base_url` may need none.
            client: a client of the SDK to use instead; it is left open.
            stream: whether text is told as it is written. Without, runs are polled and answers come whole.
            input_tokens: the most a run may read, at least 256; None leaves it to the server.
            poll: seconds between the first two looks at a run; further ones are further apart.
            timeout: seconds without a byte after which a stream is given up and its run polled.
            clock: the time, for waits; the same as that of the threads.

        Raises:
            ConfigurationError: there is no key, or an argument cannot work.
        """
        if input_tokens is not None and input_tokens < 256:  # noqa: PLR2004 - the server's own least
            raise ConfigurationError(f"input_tokens={input_tokens}: a server takes no less than 256; or give None")
        if poll <= 0 or timeout <= 0:
            raise ConfigurationError(f"poll={poll}, timeout={timeout}: give seconds, more than none")
        self.mode = _mode(finish)
        self.model = model
        self._clock: Clock = clock or SystemClock()
        self._client = ServerClient(base_url=base_url, api_key=api_key, client=client)
        self._api = AssistantsApi(self._client, self._clock, timeout)
        self._registry = Registry(self._api, model)
        self._runs = Runs(self._api, self._clock, poll)
        self._doubts = Doubts(self._api, self._runs, self._clock)
        self._legs = Legs(
            self._api, self._runs, self._clock, self._client.secrets, stream=stream, poll=poll, timeout=timeout
        )
        self._fields = {} if input_tokens is None else {"max_prompt_tokens": input_tokens}
        #: Updates of threads' metadata that are under way.
        self._mirroring: set[asyncio.Task[None]] = set()

    async def open(self, request: Request) -> AsyncGenerator[Report, None]:
        """Carry the request out, within the run's deadline; closing the iterator leaves the run alone.

        Args:
            request: what to do.
        """
        leg = Leg(request, thread_of(request), taken=request.purpose == "watch")
        with self._legs.following(leg):
            again = Repeats(self._clock, request.deadline, thread=request.thread)
            following = self._reports(leg)
            try:
                while True:
                    passed: Report | None = None
                    async with aclosing(following) as reports:
                        async for report in reports:
                            leg.note(report)
                            if leg.passes(report):
                                passed = report
                            else:
                                yield report
                    if passed is None:
                        return
                    # The server's run failed of what passes: another one takes its place, and ours goes on (C3).
                    if not await again.wait(Failure(reason_of(leg.latest, []), passing=True)) or leg.hurried.is_set():
                        yield passed
                        return
                    leg.forget()
                    following = self._start(leg, again=True)
            except (Failed, GivenUp) as failed:
                expired = self._clock.now() >= request.deadline
                yield Ended(Status.EXPIRED if expired else Status.FAILED, reason=failed.failure.reason)

    async def cancel(self, request: Request) -> None:
        """Ask the server to cancel the run, until it does or the run is over; its end comes by `open` (C1).

        Args:
            request: the run's request.
        """
        await self._legs.cancel(request)

    async def delete(self, thread: str, refs: Sequence[str]) -> None:
        """Delete the server's threads, with their messages and runs.

        Args:
            thread: id of the thread.
            refs: what the server calls what it has of it.

        Raises:
            NotDeleted: one may still be there; or a ref is another backend's, and then nothing was deleted.
        """
        for ref in refs:
            if not ref.startswith(SPELLED):
                raise not_ours(thread, ref, self)
        for ref in refs:
            path = below("threads", ref.removeprefix(SPELLED))
            try:
                await self._api.delete(path, Repeats(self._clock, self._clock.now() + DELETING, thread=thread))
            except Failed as failed:
                raise NotDeleted(thread, f"the server keeps {path}: {failed.failure.reason}") from failed
        self._runs.forget(thread)

    async def close(self) -> None:
        """Close the client, if it is ours. A second call does nothing."""
        if self._mirroring:
            _, late = await asyncio.wait(self._mirroring, timeout=MIRRORING)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._client.close()

    def _reports(self, leg: Leg) -> AsyncGenerator[Report, None]:
        request = leg.request
        if request.purpose == "watch":
            return self._legs.watched(leg)
        if request.purpose == "send":
            return self._start(leg) if request.request == 1 else self._submit(leg)
        return self._start_read_back(leg) if request.request == 1 else self._submit_read_back(leg)

    # -- a start -------------------------------------------------------------------------------------------------------

    async def _start(self, leg: Leg, *, again: bool = False) -> AsyncGenerator[Report, None]:
        """Start a run with all that is due and our key, in one request; end whatever stands in its way (C5).

        Args:
            leg: the leg.
            again: a run of ours has failed: what was due is on the thread.
        """
        request = leg.request
        problem = unable(request)
        if problem:
            yield Ended(Status.FAILED, reason=problem)
            return
        repeats = Repeats(self._clock, request.deadline, thread=request.thread)
        fresh = not leg.thread
        if fresh:
            leg.thread = await self._new_thread(request, repeats)
            yield Known(f"{SPELLED}{leg.thread}")
        stored = 0 if fresh else await self._doubts.settle(leg)
        stored = len(request.prompt.due) if again else stored
        for _ in range(RETRIES):
            assistant = await self._registry.id_of(request, repeats)
            accepted = Accepted(len(request.prompt.due), assistant_id=assistant)
            body = {
                "assistant_id": assistant,
                **run_fields(request, self.model),
                **self._fields,
                "additional_messages": messages_of(
                    request.prompt.due[stored:],
                    request.before,
                    fresh=fresh,
                    readers=readers_of(request),
                    place=len(request.prompt.transcript) + stored,
                ),
                "metadata": run_metadata(request, leg.replaces),
            }
            refusal: Failed | None = None
            overtaken = False
            try:
                async with aclosing(self._legs.made(leg, ("threads", leg.thread, "runs"), body, accepted)) as reports:
                    async for report in reports:
                        if report is accepted:
                            overtaken = await self._doubts.overtaken(leg)
                            if overtaken:
                                break
                            self._mirror(leg)
                            if leg.hurried.is_set():  # the cancel was for a run that had failed meanwhile
                                await self._legs.cancel(request)
                        yield report
            except Failed as failed:
                refusal = failed
            if refusal is None and not overtaken:
                return
            if refusal is not None and not (refusal.refused or refusal.postponed):
                self._doubts.note(request)
            if refusal is not None and refusal.failure.passing and not await repeats.wait(refusal.failure):
                raise refusal
            if refusal is not None and refusal.postponed:
                continue
            void = leg.run if overtaken else ""
            runs = await self._runs.latest(leg)
            if runs is None:
                leg.thread = await self._new_thread(request, repeats)
                fresh, stored = True, 0
                yield Known(f"{SPELLED}{leg.thread}")
                continue
            ours = ours_in(runs, run_key(request))
            if ours is not None and not passing(ours) and ours.get("id") != void:
                self._runs.see(leg, ours)
                if not await self._doubts.overtaken(leg):
                    if void:
                        await self._doubts.settle(leg)
                    yield accepted
                    async with aclosing(self._legs.polled(leg)) as reports:
                        async for report in reports:
                            yield report
                    return
            if ours is not None:
                # The server failed it, or we have ended it: it came to nothing, and what it brought is there.
                stored, leg.replaces = len(request.prompt.due), str(ours.get("id"))
            cleared = await self._runs.clear(leg, runs)
            if refusal is not None and refusal.missing:
                self._registry.forget(assistant)
            elif refusal is not None and refusal.refused and not cleared:
                raise refusal
            stored = max(stored, await self._doubts.settle(leg))
        raise Failed(Failure("the server refuses one start after the other"))

    async def _new_thread(self, request: Request, repeats: Repeats) -> str:
        """Make a thread that holds what ours holds. One that is made without an answer stays empty of runs."""
        body = {"metadata": mirrored(request), "messages": seed_of(request.prompt.transcript, readers_of(request))}
        while True:
            try:
                made = await self._api.post("/threads", body, repeats.left)
                kept = self._runs.kept(request.thread)
                kept.mirrored, kept.doubted = body["metadata"], 0.0  # nothing was ever started on it
                return str(made.get("id"))
            except Failed as failed:
                if not await repeats.wait(failed.failure):
                    raise

    async def _start_read_back(self, leg: Leg) -> AsyncGenerator[Report, None]:
        """Find out by our key whether a start arrived (C4)."""
        request = leg.request
        if leg.thread and await self._runs.find(leg):
            if leg.over and not passing(leg.latest):
                async with aclosing(self._legs.finished(leg, len(request.prompt.due))) as reports:
                    async for report in reports:
                        yield report
                return
            assistant = str(leg.latest.get("assistant_id") or "")
            yield Accepted(len(request.prompt.due), assistant_id=assistant)
        else:
            self._doubts.note(request)  # a server that is behind may still come to it
            yield Absent()

    # -- a submit ------------------------------------------------------------------------------------------------------

    async def _submit(self, leg: Leg) -> AsyncGenerator[Report, None]:
        """Submit the outputs, all in one request (A7); after any doubt or refusal see what became of it."""
        request = leg.request
        repeats = Repeats(self._clock, request.deadline, thread=request.thread)
        accepted = Accepted(len(request.prompt.due))
        await self._runs.found(leg)
        refused = False
        while True:
            path = ("threads", leg.thread, "runs", leg.run, "submit_tool_outputs")
            refusal: Failed | None = None
            try:
                async with aclosing(
                    self._legs.made(leg, path, {"tool_outputs": outputs_of(request)}, accepted)
                ) as reports:
                    async for report in reports:
                        yield report
            except Failed as failed:
                refusal = failed
            if refusal is None:
                return
            if refusal.failure.passing and not await repeats.wait(refusal.failure):
                raise refusal
            if refusal.postponed:
                continue
            there = await self._runs.outputs_there(leg)
            if there is None:
                if refused and refusal.refused:
                    await self._runs.end(leg, leg.run)
                    raise refusal
                refused = refusal.refused
                continue
            if there and not leg.over:
                yield accepted
            async with aclosing(
                self._legs.polled(leg, len(request.prompt.due) if there and leg.over else 0)
            ) as reports:
                async for report in reports:
                    yield report
            return

    async def _submit_read_back(self, leg: Leg) -> AsyncGenerator[Report, None]:
        """Find out by the call ids whether a submit arrived (C4)."""
        stored = len(leg.request.prompt.due)
        await self._runs.found(leg)
        there = await self._runs.outputs_there(leg)
        if there is None:
            yield Absent()
        elif there and not leg.over:
            yield Accepted(stored)
        else:
            async with aclosing(self._legs.polled(leg, stored if there else 0)) as reports:
                async for report in reports:
                    yield report

    # -- metadata ------------------------------------------------------------------------------------------------------

    def _mirror(self, leg: Leg) -> None:
        """Bring the server's thread up to date while the model works: metadata and active assistant (M6, A10)."""
        kept, pairs = self._runs.kept(leg.request.thread), mirrored(leg.request)
        if kept.mirrored == pairs:
            return
        kept.mirrored = pairs
        task = asyncio.create_task(self._update(leg.thread, pairs, leg.request.deadline))
        self._mirroring.add(task)
        task.add_done_callback(self._mirroring.discard)

    async def _update(self, thread: str, pairs: Mapping[str, str], deadline: float) -> None:
        try:
            await self._api.post(f"/threads/{thread}", {"metadata": pairs}, deadline - self._clock.now())
        except Failed as failed:  # our journal is the truth; the next start mirrors it again if it changed
            logger.info("the metadata of thread %s is not mirrored: %s", thread, failed)


def _mode(finish: Finish | Mapping[str, Finish]) -> Mode:
    named: Mapping[str, Finish] = finish if isinstance(finish, Mapping) else {_OTHERS: finish}
    for how in named.values():
        if how not in ("complete", "carry"):
            raise ConfigurationError(f"finish={how!r}: give 'complete' or 'carry', or one of them by name of a tool")
    others = named.get(_OTHERS, "complete")
    otherwise = tuple(sorted(name for name, how in named.items() if name != _OTHERS and how != others))
    return replace(Mode(swap=False, carry=others == "carry", steer=False), otherwise=otherwise)
