"""A thread's conversation on the server: made once, and cleared of what nobody journaled before it is built on again.

An answer that was lost or cancelled may have been stored all the same, with calls nobody will run. Such items stand
behind the latest one that is journaled, and are deleted; so a conversation never holds more than the transcript does,
no call stays open in it, and a request may be made again (C2, C4). One may be stored even between the look and the next
request, so what comes of that request is looked at once more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from handoff.backends.responses.link import Link
from handoff.backends.wire import LOCKED, Failure, Repeats, listed, mapping

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: How many items are listed at a time; the most a server gives.
PAGE = 100


class Beside:
    """The requests beside those for an answer: each is made again by itself, so that none undoes what others have done.

    Args:
        client: the client.
        repeats: of the request for an answer, which is given up with any of these.
        options: gives the SDK's options of a request that may take so many seconds.
        failure: says what an exception of the SDK comes to.
    """

    def __init__(
        self,
        client: AsyncOpenAI,
        repeats: Repeats,
        *,
        options: Callable[[float], Any],
        failure: Callable[[Exception], Failure | None],
    ) -> None:
        self._client = client
        self._repeats = repeats
        self._options = options
        self._failure = failure

    async def made(self, metadata: object) -> str:
        """Make an empty conversation and return its id.

        Args:
            metadata: what is kept beside it.
        """
        body = {"metadata": metadata}
        answer = await self._asked(
            lambda options: self._client.post("/conversations", cast_to=object, body=body, options=options)
        )
        return str(mapping(answer).get("id") or "")

    async def cleared(self, link: Link) -> bool:
        """Delete what stands behind the latest item that is ours; return whether the conversation can be built on.

        Args:
            link: what the conversation is to hold.
        """
        from openai import APIStatusError, NotFoundError  # noqa: PLC0415 - slow to import

        try:
            behind = await self.behind(link)
        except APIStatusError as error:
            if error.status_code not in {400, 404} or error.code == LOCKED:
                raise
            return False  # it is gone, or the item is behind which we would go on
        for item in behind:
            with contextlib.suppress(NotFoundError):  # deleted by an attempt whose answer was lost
                await self._deleted(f"/conversations/{link.id}/items/{item}")
        return True

    async def behind(self, link: Link) -> list[str]:
        """Return the ids of the items that stand behind the latest one that is ours, in order.

        Args:
            link: what the conversation is to hold.
        """
        ids: list[str] = []
        last = link.item
        while True:
            page = await self._listed(f"/conversations/{link.id}/items", last)
            found = [str(mapping(item).get("id")) for item in listed(page.get("data"))]
            ids += found
            if not page.get("has_more") or not found:
                return ids
            last = found[-1]

    async def _listed(self, path: str, after: str) -> Mapping[str, Any]:
        query = {"order": "asc", "limit": str(PAGE)} | ({"after": after} if after else {})

        def request(options: Any) -> Awaitable[object]:
            given: Any = {**options, "params": query}
            return self._client.get(path, cast_to=object, options=given)

        return mapping(await self._asked(request))

    async def _deleted(self, path: str) -> None:
        await self._asked(lambda options: self._client.delete(path, cast_to=object, options=options))

    async def _asked(self, request: Callable[[Any], Awaitable[object]]) -> object:
        repeats = self._repeats.another()
        while True:
            try:
                return await request(self._options(repeats.left))
            except Exception as error:
                failure = self._failure(error)
                if failure is not None and await repeats.wait(failure):
                    continue
                if failure is not None and failure.passing:
                    self._repeats.give_up()
                raise
