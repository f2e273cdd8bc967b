"""The server's assistants: one for each assistant of a flow, registered once and found again by what it is made of.

A run overrides nearly all of it (A11), so that an assistant is little more than a name for who spoke (A); it is known
by our id, which holds a hash of its declaration, in its metadata.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from handoff.backends.assistants.api import AssistantsApi, Failed
from handoff.backends.assistants.messages import fitting
from handoff.backends.base import Request
from handoff.backends.hosted_tools import assistants_resources, assistants_tool
from handoff.backends.wire import Repeats, mapping

#: Metadata key of an assistant: our id of it.
OURS = "handoff"


class Registry:
    """The assistants of one server.

    Args:
        api: the server.
        model: the model where an assistant declares none.
    """

    def __init__(self, api: AssistantsApi, model: str) -> None:
        self._api = api
        self._model = model
        self._ids: dict[str, str] = {}
        # Two threads that start at once would each register the same assistant.
        self._looking = asyncio.Lock()

    async def id_of(self, request: Request, repeats: Repeats) -> str:
        """Return the server's id of the assistant a run is for; it is registered if it is not there.

        Args:
            request: a start.
            repeats: how long to go on asking.

        Raises:
            Failed: the server does not answer, or refuses it.
        """
        ours = fitting(request.assistant_id or request.prompt.assistant)
        if ours not in self._ids:
            async with self._looking:
                while ours not in self._ids:
                    await self._find(repeats)
                    if ours not in self._ids:
                        await self._register(request, ours, repeats)
        return self._ids[ours]

    def forget(self, assistant: str) -> None:
        """Look for an assistant anew, because the server does not have it any more.

        Args:
            assistant: the server's id.
        """
        self._ids = {ours: id_ for ours, id_ in self._ids.items() if id_ != assistant}

    async def _find(self, repeats: Repeats) -> None:
        async with aclosing(self._api.pages("/assistants", repeats, order="asc")) as assistants:
            async for assistant in assistants:
                ours = mapping(assistant.get("metadata")).get(OURS)
                if isinstance(ours, str):
                    self._ids.setdefault(ours, str(assistant.get("id")))

    async def _register(self, request: Request, ours: str, repeats: Repeats) -> None:
        """Register it; where that may have happened without an answer, it is looked for again."""
        body: dict[str, Any] = {
            "name": request.prompt.assistant,
            "model": request.prompt.options.get("model") or self._model,
            "metadata": {OURS: ours},
        }
        if hosted := request.prompt.hosted:
            # A run overrides which tools there are, and not what they read.
            body["tools"] = list(map(assistants_tool, hosted))
            body["tool_resources"] = assistants_resources(hosted)
        try:
            made = await self._api.post("/assistants", body, repeats.left)
        except Failed as failed:
            if not await repeats.wait(failed.failure):
                raise
        else:
            self._ids[ours] = str(made.get("id"))
