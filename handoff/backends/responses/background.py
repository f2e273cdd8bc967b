"""A response that is made in the background: begun once, then followed until it is over, however often a line breaks.

It goes on by itself, so whoever lost it looks how it stands, and reads its stream from the event behind the last one it
saw; or looks again after a while, where nothing is streamed (R8). It ends only by being over or by being cancelled.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handoff.backends.responses.answer import ResponsesAnswer
from handoff.backends.wire import Failure, Refused, Repeats, Unreadable, events_of, mapping
from handoff.clock import Clock

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

logger = logging.getLogger("handoff")

#: Seconds between two looks at a response that is not streamed; doubled each time, up to the longest.
FIRST_LOOK, LONGEST_LOOK = 0.5, 5.0
#: Statuses of a response that is still being made.
GOING_ON = ("queued", "in_progress")


class Background:
    """One response in the background, as often as it takes to see its end.

    Args:
        client: the client.
        answer: takes what comes.
        clock: the time, for the looks.
        options: gives the SDK's options of a request that may take so many seconds.
        failure: says what an exception of the SDK comes to.
        abandon: takes a request whose answer nobody waits for any more.
        stream: whether it is streamed.
        running: the id of one that was begun before.
    """

    def __init__(
        self,
        client: AsyncOpenAI,
        answer: ResponsesAnswer,
        *,
        clock: Clock,
        options: Callable[[float], Any],
        failure: Callable[[Exception], Failure | None],
        abandon: Callable[[asyncio.Future[Any]], None],
        stream: bool,
        running: str = "",
    ) -> None:
        #: Its id; empty until the server has told it.
        self.running = running
        self._client = client
        self._answer = answer
        self._clock = clock
        self._options = options
        self._failure = failure
        self._abandon = abandon
        self._stream = stream
        #: Number of the latest event of its stream that was read.
        self._seen = -1
        self._over = False

    async def begin(self, body: bytes, left: float) -> AsyncGenerator[str, None]:
        """Begin it; yield what is said for as long as the line holds.

        Whoever is cancelled before its id is there leaves it to `abandon`: nobody else would ever find it.

        Args:
            body: the body of the request.
            left: seconds until the run's deadline.
        """
        opening = asyncio.ensure_future(self._opened(body, left))
        try:
            events = await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._abandon(opening)
            raise
        if events is None:
            yield ""
            return
        async with aclosing(events):
            yield ""
            async with aclosing(self._read(events)) as texts:
                async for text in texts:
                    yield text

    async def _opened(self, body: bytes, left: float) -> Events | None:
        """Make the request and read as far as its id; return what else comes, if it is streamed."""
        sent: Any = {"content": body, "options": self._options(left)}
        if not self._stream:
            self._look(mapping(await self._client.post("/responses", cast_to=object, **sent)))
            return None
        stream: Any = await self._client.post("/responses", cast_to=object, stream=True, stream_cls=_stream(), **sent)
        return await self._events(stream.response)

    async def follow(self, repeats: Repeats) -> AsyncGenerator[str, None]:
        """Yield what is said from here on, until it is over.

        Args:
            repeats: tells how much time is left.

        Raises:
            Exception: whatever no waiting mends.
        """
        look = FIRST_LOOK
        while not self._over:
            seen = self._seen
            try:
                async with aclosing(self._resumed(repeats.left)) as texts:
                    async for text in texts:
                        yield text
            except Exception as error:
                failure = None if isinstance(error, Refused) else self._failure(error)
                if failure is None or not failure.passing or repeats.left <= 0:
                    raise
                logger.info("the response %s in the background is looked at again (%s)", self.running, failure.reason)
            if not self._over:
                look = FIRST_LOOK if self._seen > seen else min(2 * look, LONGEST_LOOK)
                await self._clock.sleep(min(look, max(0.0, repeats.left)))
                if repeats.left <= 0:
                    raise Unreadable("the response was not over at the run's deadline")

    async def _resumed(self, left: float) -> AsyncGenerator[str, None]:
        path = f"/responses/{self.running}"
        yield self._look(mapping(await self._client.get(path, cast_to=object, options=self._options(left))))
        if self._over or not self._stream:
            return
        query = {"stream": "true"} | ({"starting_after": str(self._seen)} if self._seen >= 0 else {})
        options: Any = {**self._options(left), "params": query}
        events = await self._streamed_again(path, options)
        if events is not None:
            async with aclosing(self._read(events)) as texts:
                async for text in texts:
                    yield text

    async def _streamed_again(self, path: str, options: Any) -> Events | None:
        """Its stream from there on; None if it has none, for it was begun without, or the server keeps it no longer."""
        from openai import BadRequestError  # noqa: PLC0415 - slow to import

        try:
            stream: Any = await self._client.get(
                path, cast_to=object, options=options, stream=True, stream_cls=_stream()
            )
        except BadRequestError:
            logger.info("the response %s has no stream to go on with: it is looked at", self.running)
            self._stream = False
            return None
        return await self._events(stream.response)

    def _look(self, response: Mapping[str, Any]) -> str:
        """Take a response as it stands now; return what was not said yet, if it is over."""
        self.running = str(response.get("id") or self.running)
        if response.get("status") in GOING_ON:
            return ""
        if response.get("status") == "cancelled":
            raise Refused({"message": "the response was cancelled at the server", "type": "invalid_request_error"})
        before = self._answer.text
        self._answer.take_whole(response)
        self._over = True
        return self._answer.text.removeprefix(before)

    async def _events(self, response: httpx2.Response) -> Events | None:
        """The events of a stream behind the first one, which is taken; None if a server answered whole instead."""
        try:
            if response.headers.get("content-type", "").startswith("application/json"):
                self._look(mapping(json.loads(await response.aread())))
                await response.aclose()
                return None
            events = Events(response, events_of(response))
        except BaseException:
            await response.aclose()
            raise
        try:
            async for event in events.rest:
                self._take(event)
                break
        except BaseException:
            await events.aclose()
            raise
        return events

    async def _read(self, events: Events) -> AsyncGenerator[str, None]:
        async with aclosing(events):
            async for event in events.rest:
                yield self._take(event)
        try:
            self._answer.end()
        except Unreadable:
            return  # it broke off: it is looked at again
        self._over = True

    def _take(self, event: object) -> str:
        told = mapping(event)
        number = told.get("sequence_number")
        self._seen = number if isinstance(number, int) else self._seen
        self.running = str(mapping(told.get("response")).get("id") or self.running)
        return self._answer.take(event)


@dataclass(frozen=True, slots=True)
class Events:
    """A stream whose first event has been read."""

    response: httpx2.Response
    rest: AsyncGenerator[object, None]

    async def aclose(self) -> None:
        """Close it, however much of it was read. A second call does nothing."""
        try:
            await self.rest.aclose()
        finally:
            await self.response.aclose()


def _stream() -> Any:
    from openai import AsyncStream  # noqa: PLC0415 - slow to import

    return AsyncStream[object]


async def cancelled(client: AsyncOpenAI, running: str, options: Any) -> None:
    """Cancel a response; one that is over or gone is no failure (C1).

    Args:
        client: the client.
        running: its id.
        options: the SDK's options of the request.
    """
    from openai import BadRequestError, ConflictError, NotFoundError  # noqa: PLC0415 - slow to import

    try:
        await client.post(f"/responses/{running}/cancel", cast_to=object, options=options)
    except (BadRequestError, ConflictError, NotFoundError):
        logger.debug("the response %s was over before it was cancelled", running)
