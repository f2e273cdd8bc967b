"""The requests of the Assistants API that are needed here. Whoever writes reads back what became of it (C4).

What only looks is asked again as long as it takes, within a deadline; a write is made once, since nobody keeps a server
from acting twice (T2). Objects stay the JSON they came as.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from handoff.backends.client import ServerClient
from handoff.backends.spelling import encoded
from handoff.backends.wire import Failure, Repeats, events_of, failure_of, listed, mapping
from handoff.clock import Clock

#: What every request says besides.
HEADERS = {"OpenAI-Beta": "assistants=v2"}
#: How many objects a page of a list holds at most.
PAGE = 100

_NOT_FOUND = 404
_TOO_MANY = 429
#: Statuses that say the server did nothing, and would not do it a second time.
_REFUSED = frozenset(range(400, 500)) - {408, 409, _TOO_MANY}

Wire = Mapping[str, Any]
"""A JSON object as it came."""


class Failed(Exception):
    """A request brought no answer.

    Attributes:
        failure: why.
        status: the HTTP status the server answered with; None if it did not answer.
    """

    def __init__(self, failure: Failure, status: int | None = None) -> None:
        super().__init__(failure.reason)
        self.failure = failure
        self.status = status

    @property
    def missing(self) -> bool:
        """Whether something the request names is not there."""
        return self.status == _NOT_FOUND

    @property
    def refused(self) -> bool:
        """Whether the server will not do it, however often it is asked."""
        return self.status in _REFUSED

    @property
    def postponed(self) -> bool:
        """Whether the server has done nothing, and takes the same request later."""
        return self.status == _TOO_MANY and self.failure.passing


class GivenUp(Exception):
    """A run that the server has taken is not followed any more: whatever it comes to, nothing of it is made again.

    Attributes:
        failure: why.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


class AssistantsApi:
    """A server that speaks Assistants v2.

    Args:
        client: the client of the SDK.
        clock: the time.
        timeout: seconds without a byte after which a request has failed.
    """

    def __init__(self, client: ServerClient, clock: Clock, timeout: float) -> None:
        self._client = client
        self._clock = clock
        self._timeout = timeout

    async def get(self, path: str, repeats: Repeats, **params: object) -> Wire:
        """Return an object.

        Args:
            path: where it is.
            repeats: how long to go on asking.
            params: what stands behind the question mark.

        Raises:
            Failed: there is no answer.
        """
        while True:
            try:
                client = self._client.get()
                options: Any = self._options(repeats.left, params)
                return mapping(await client.get(path, cast_to=object, options=options))
            except Exception as error:
                failed = self._failed(error)
                if failed is None:
                    raise
            if not await repeats.wait(failed.failure):
                raise failed

    async def pages(self, path: str, repeats: Repeats, **params: object) -> AsyncGenerator[Wire, None]:
        """Yield the objects of a list, page after page.

        Args:
            path: where it is.
            repeats: how long to go on asking.
            params: what stands behind the question mark.

        Raises:
            Failed: there is no answer.
        """
        asked: dict[str, object] = {"limit": PAGE, **params}
        while True:
            page = await self.get(path, repeats, **asked)
            data = [mapping(one) for one in listed(page.get("data"))]
            for one in data:
                yield one
            if not data or page.get("has_more") is not True:
                return
            asked["after"] = data[-1].get("id")

    async def delete(self, path: str, repeats: Repeats) -> None:
        """Delete an object; that it is gone is a success.

        Args:
            path: where it is.
            repeats: how long to go on asking.

        Raises:
            Failed: the server does not do it.
        """
        while True:
            try:
                client = self._client.get()
                options: Any = self._options(repeats.left)
                await client.delete(path, cast_to=object, options=options)
            except Exception as error:
                failed = self._failed(error)
                if failed is None:
                    raise
            else:
                return
            if failed.missing:
                return
            if not await repeats.wait(failed.failure):
                raise failed

    async def post(self, path: str, body: Wire | None, left: float) -> Wire:
        """Make a request that writes, once.

        Args:
            path: where it goes.
            body: what it carries.
            left: seconds it may take.

        Raises:
            Failed: there is no answer; it may have been done all the same.
        """
        try:
            client = self._client.get()
            content = None if body is None else encoded(body)
            options: Any = self._options(left)
            return mapping(await client.post(path, cast_to=object, content=content, options=options))
        except Exception as error:
            failed = self._failed(error)
            if failed is None:
                raise
            raise failed from error

    async def stream(self, path: str, body: Wire, left: float) -> AsyncGenerator[Wire, None]:
        """Make a request that writes, once, and yield the events that it is answered with.

        Args:
            path: where it goes.
            body: what it carries.
            left: seconds until the first byte.

        Raises:
            Failed: there is no answer, or it breaks off; it may have been done all the same.
        """
        from openai import AsyncStream  # noqa: PLC0415 - slow to import

        try:
            client = self._client.get()
            options: Any = self._options(left)
            stream: AsyncStream[object] = await client.post(
                path,
                cast_to=object,
                content=encoded({**body, "stream": True}),
                options=options,
                stream=True,
                stream_cls=AsyncStream[object],
            )
            response = stream.response
            try:
                if response.headers.get("content-type", "").startswith("application/json"):
                    yield mapping(json.loads(await response.aread()))  # a server that does not stream
                    return
                async with aclosing(events_of(response)) as events:
                    async for event in events:
                        yield mapping(event)
            finally:
                await response.aclose()
        except Exception as error:
            failed = self._failed(error)
            if failed is None:
                raise
            raise failed from error

    def _options(self, left: float, params: Mapping[str, object] | None = None) -> dict[str, object]:
        timeout = max(0.001, min(self._timeout, left))
        return {"max_retries": 0, "timeout": timeout, "headers": HEADERS, "params": params or {}}

    def _failed(self, error: Exception) -> Failed | None:
        failure = failure_of(error, self._client.secrets(), self._clock.now())
        status = getattr(error, "status_code", None)
        return None if failure is None else Failed(failure, status if isinstance(status, int) else None)


def below(*parts: str) -> str:
    """Return the path of an object below the base URL.

    Args:
        parts: names of collections and ids, in turn.
    """
    return "/" + "/".join(quote(part, safe="") for part in parts)
