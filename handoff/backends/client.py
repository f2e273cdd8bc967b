"""The SDK's client of a backend: made when it is first used, closed if it is ours; its key is never told.

Ours carries requests by aiohttp, as the SDK can: that takes a quarter less CPU a request than its default, whose pool
looks through all of its connections at each.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from handoff.backends.credentials import checked_address, checked_key
from handoff.errors import ConfigurationError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: What stands for the key of a server that needs none.
NO_KEY = "none"


class ServerClient:
    """One client.

    Args:
        base_url: where the server is; by default what the SDK takes from the environment.
        api_key: the key; by default `OPENAI_API_KEY`. A server at a `base_url` may need none.
        client: a client of the SDK to use instead; it is left open.

    Raises:
        ConfigurationError: there is no key, it or the address cannot be one, or the arguments exclude each other.
    """

    def __init__(self, *, base_url: str | None, api_key: str | None, client: AsyncOpenAI | None) -> None:
        if client is not None and (base_url is not None or api_key is not None):
            raise ConfigurationError("client= brings its own base_url and api_key: give either")
        key = api_key or os.environ.get("OPENAI_API_KEY") or None
        if client is None:
            checked_key(key)
            checked_address(base_url or os.environ.get("OPENAI_BASE_URL") or None)
        if client is None and key is None and base_url is None and "OPENAI_BASE_URL" not in os.environ:
            raise ConfigurationError("no API key: set OPENAI_API_KEY, or give api_key=, base_url= or client=")
        self._base_url = base_url
        self._key = key or NO_KEY
        self._client = client
        self._ours = client is None
        self._closed = False

    def get(self) -> AsyncOpenAI:
        """Return the client."""
        if self._client is None:
            from openai import AsyncOpenAI, DefaultAioHttpClient  # noqa: PLC0415 - slow to import

            http = DefaultAioHttpClient()
            self._client = AsyncOpenAI(base_url=self._base_url, api_key=self._key, http_client=http)
        return self._client

    def secrets(self) -> list[str]:
        """Return what must not be told."""
        return [key for key in {self._key, self.get().api_key} if key and key != NO_KEY]

    async def close(self) -> None:
        """Close the client, if it is ours. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._ours and self._client is not None:
            await self._client.close()
