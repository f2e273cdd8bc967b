"""Requests to a server nobody knows yet: each bounded in time and size, none follows a redirect, none tells the key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from handoff.backends.wire import mapping, told

if TYPE_CHECKING:
    import httpx2

#: The longest answer that is read, in bytes.
LONGEST = 1 << 20


class Unreachable(Exception):
    """No answer came; the text says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    #: The body, if it is JSON.
    data: Mapping[str, Any]
    #: What was refused, or what came instead of JSON; empty if all is well.
    trouble: str = ""

    @property
    def fine(self) -> bool:
        """Whether it is what was asked for."""
        return not self.trouble

    @property
    def redirected(self) -> bool:
        """Whether it says to ask elsewhere."""
        return HTTPStatus.MULTIPLE_CHOICES <= self.status < HTTPStatus.BAD_REQUEST

    @property
    def missing(self) -> bool:
        """Whether there is nothing at that path, as opposed to an object that is not there."""
        absent = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
        return self.status in absent

    @property
    def closed(self) -> bool:
        """Whether the key does not open it."""
        return self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Asker:
    """Asks one server.

    Args:
        base_url: where it is.
        api_key: what opens it.
        seconds: how long an answer may take as a whole.
    """

    def __init__(self, base_url: str, api_key: str | None, seconds: float) -> None:
        import httpx2  # noqa: PLC0415 - only where a server is spoken to

        headers = {"OpenAI-Beta": "assistants=v2"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self._base_url = base_url.rstrip("/")
        self._key = api_key
        self._seconds = seconds
        self._client = httpx2.AsyncClient(headers=headers, timeout=seconds, follow_redirects=False)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """Make a request and return what came.

        Args:
            method: of HTTP.
            path: below the base URL.
            body: what is sent as JSON.

        Raises:
            Unreachable: nothing came, or not in time.
        """
        import httpx2  # noqa: PLC0415 - as above

        try:
            async with asyncio.timeout(self._seconds):
                request = self._client.build_request(method, self._base_url + path, json=body)
                response = await self._client.send(request, stream=True)
                try:
                    return self._read(response, await _body(response))
                finally:
                    await response.aclose()
        except TimeoutError:
            raise Unreachable(f"no answer within {self._seconds:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unreachable(self.told(f"{type(error).__name__}: {error}".removesuffix(": "))) from None

    def told(self, text: str) -> str:
        """Return a text of the server on one line, without the key."""
        return told(text, [self._key] if self._key else [])

    def _read(self, response: httpx2.Response, body: bytes) -> Reply:
        status = int(response.status_code)
        if response.is_redirect:
            place = str(response.headers.get("location", "")).partition("?")[0]
            return Reply(status, {}, self.told(f"it redirects to {place or 'nowhere'}"))
        try:
            data = mapping(json.loads(body))
        except (ValueError, RecursionError):
            kind = response.headers.get("content-type", "").partition(";")[0] or "something"
            return Reply(status, {}, self.told(f"it answers {status} with {kind} instead of JSON"))
        if response.is_success and not data.get("error"):
            return Reply(status, data)
        error = mapping(data.get("error"))
        said = error.get("message") or data.get("message") or data.get("detail") or data.get("error") or data
        return Reply(status, data, self.told(f"{status}: {said}"))


async def _body(response: httpx2.Response) -> bytes:
    body = b""
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > LONGEST:
                return body[:LONGEST]
    return body
