"""One life of the process that serves a thread: it begins, or begins again, and goes on until all is said, or dies.

It finishes what a crash interrupted, then says everything from the start: what was said before is known by its key and
answered from the journal, with nothing said twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from handoff import Deps, Flow, Model, SqlStore, Thread, Threads
from handoff.backends.base import Backend
from handoff.backends.embedded import Embedded
from tests.crash.moments import Moments

THREAD = "t1"
STORE = "threads.db"
#: What a life that came to its end leaves behind: the moments it passed, and the replies it got.
REPORT = "report.json"


@dataclass(slots=True)
class Life:
    """A process, as its flow's tools and model see it."""

    #: The declaration.
    flow: Flow[Any, Any]
    #: Where its store and all its files are.
    directory: Path
    #: Where it may die.
    moments: Moments
    #: What the user says, by idempotency key.
    messages: Mapping[str, str]
    deps: Deps | None = None
    model: Model | None = None
    #: Makes the backend, where that is not the model in this process; the stack closes what is not the backend's own.
    backend: Callable[[AsyncExitStack], Awaitable[Backend]] | None = None
    #: What was replied, by idempotency key: (assistant, text) of all that was said.
    replies: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _threads: Threads[Any] | None = None

    async def thread(self) -> Thread[Any]:
        """Open the thread: what another process left when it died goes on."""
        assert self._threads is not None
        return await self._threads.open(THREAD)

    async def say(self, key: str) -> None:
        """Say a message and wait for its reply."""
        reply = await (await self.thread()).send(self.messages[key], key=key)
        self.replies[key] = list(reply.messages)

    async def post(self, key: str) -> None:
        """Say a message and do not wait."""
        await (await self.thread()).post(self.messages[key], key=key)

    async def live(self, converse: Callable[[Life, Thread[Any]], Awaitable[None]]) -> None:
        """Finish what a crash interrupted, go through the conversation, and report.

        Args:
            converse: what the user and other people do.
        """
        store = SqlStore(self.directory / STORE)
        store.hooks.append(self.moments.commit)
        async with AsyncExitStack() as stack:
            backend: Backend
            if self.backend is None:
                assert self.model is not None
                backend = Embedded(self.model)
            else:
                backend = await self.backend(stack)
            threads = Threads(self.flow, deps=self.deps, backend=backend, store=store)
            self._threads = await stack.enter_async_context(threads)
            await self._threads.recover()
            await converse(self, await self.thread())
        report = {"moments": self.moments.seen, "replies": self.replies}
        (self.directory / REPORT).write_text(json.dumps(report))


Conversation: TypeAlias = Callable[[Life, Thread[Any]], Awaitable[None]]


def begin(life: Life, converse: Conversation) -> None:
    """Live a life in this process.

    Args:
        life: what it is.
        converse: what the user and other people do in it.
    """
    asyncio.run(life.live(converse))
