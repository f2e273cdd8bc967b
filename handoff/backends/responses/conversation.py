"""A thread's conversation on the server: made once, and cleared of what nobody journaled before it is built on again.

An answer that was lost or cancelled may have been stored all the same, with calls nobody will run. Such items stand
behind the latest one that is journaled, and are deleted; so a conversation never holds more than the transcript does,
no call stays open in it, and a request may be made again (C2, C4). One may be stored even between the look and the next
request, so what comes of that request is looked at once more.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from handoff.backends.responses.link import Link
from handoff.backends.wire import LOCKED, listed, mapping

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: How many items are listed at a time; the most a server gives.
PAGE = 100


async def made(client: AsyncOpenAI, metadata: object, options: Any) -> str:
    """Make an empty conversation and return its id.

    Args:
        client: the client.
        metadata: what is kept beside it.
        options: the SDK's options of the request.
    """
    body = {"metadata": metadata}
    answer = mapping(await client.post("/conversations", cast_to=object, body=body, options=options))
    return str(answer.get("id") or "")


async def cleared(client: AsyncOpenAI, link: Link, options: Any) -> bool:
    """Delete what stands behind the latest item that is ours; return whether the conversation can be built on.

    Args:
        client: the client.
        link: what the conversation is to hold.
        options: the SDK's options of each request.
    """
    from openai import APIStatusError, NotFoundError  # noqa: PLC0415 - slow to import

    try:
        behind = await ids_behind(client, link, options)
    except APIStatusError as error:
        if error.status_code not in {400, 404} or error.code == LOCKED:
            raise
        return False  # it is gone, or the item is behind which we would go on
    for item in behind:
        with contextlib.suppress(NotFoundError):  # deleted by an attempt whose answer was lost
            await client.delete(f"/conversations/{link.id}/items/{item}", cast_to=object, options=options)
    return True


async def ids_behind(client: AsyncOpenAI, link: Link, options: Any) -> list[str]:
    """Return the ids of the items that stand behind the latest one that is ours, in order.

    Args:
        client: the client.
        link: what the conversation is to hold.
        options: the SDK's options of each request.
    """
    query: dict[str, object] = {"order": "asc", "limit": PAGE}
    ids: list[str] = []
    last = link.item
    while True:
        asked: Any = {**options, "params": {**query, "after": last} if last else query}
        page = mapping(await client.get(f"/conversations/{link.id}/items", cast_to=object, options=asked))
        found = [str(mapping(item).get("id")) for item in listed(page.get("data"))]
        ids += found
        if not page.get("has_more") or not found:
            return ids
        last = found[-1]
