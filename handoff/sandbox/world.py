"""All that one sandbox holds, in memory: what was created, the clock, the model and the faults.

Everything happens on one event loop, and no mutation awaits between looking and doing: that is the sandbox's lock.
Time is the clock's, so tests move it and nothing waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from handoff.clock import Clock
from handoff.models import Model
from handoff.sandbox.caching import PromptCache
from handoff.sandbox.faults import Faults

if TYPE_CHECKING:
    from handoff.sandbox.conversations import Conversation
    from handoff.sandbox.objects import Assistant, Thread
    from handoff.sandbox.responses import Stored
    from handoff.sandbox.webhooks import Webhook

Wire: TypeAlias = dict[str, Any]
"""A JSON object as it goes over the wire."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    #: Its data.
    data: Wire
    #: Its name, where the API names events.
    name: str | None = None


class Feed:
    """Events as they come, kept so that whoever is late reads them all."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._closed = False
        self._changed = asyncio.Event()

    def add(self, event: Event) -> None:
        """Tell everyone who follows.

        Args:
            event: what happened.
        """
        self.events.append(event)
        self._wake()

    def close(self) -> None:
        """Say that nothing more comes."""
        self._closed = True
        self._wake()

    async def follow(self, after: int = 0) -> AsyncIterator[Event]:
        """Yield the events, those to come included.

        Args:
            after: how many to leave out.
        """
        while True:
            changed = self._changed
            while after < len(self.events):
                after += 1
                yield self.events[after - 1]
            if self._closed:
                return
            if changed is self._changed:
                await changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


@dataclass(slots=True)
class World:
    """One sandbox's state."""

    #: Time and ids.
    clock: Clock
    #: Who answers.
    model: Model
    #: What goes wrong.
    faults: Faults
    #: Seconds after which a run expires (A9), and whatever is stuck ends.
    expire: float
    #: Milliseconds between two polls, as the SDK is told (A13).
    poll_milliseconds: int
    #: Where background responses are told of (R10); None for nowhere.
    webhook: Webhook | None = None
    assistants: dict[str, Assistant] = field(default_factory=dict[str, "Assistant"])
    threads: dict[str, Thread] = field(default_factory=dict[str, "Thread"])
    responses: dict[str, Stored] = field(default_factory=dict[str, "Stored"])
    conversations: dict[str, Conversation] = field(default_factory=dict[str, "Conversation"])
    #: Chat completions created with store=true.
    completions: dict[str, Wire] = field(default_factory=dict[str, Wire])
    #: Who said an item of a response, by the item's id: the wire does not tell.
    speakers: dict[str, str] = field(default_factory=dict[str, str])
    #: What the models have read lately.
    cache: PromptCache = field(default_factory=PromptCache)
    #: What runs in the background; held so that it is not collected.
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def now(self) -> int:
        """Return the time: whole Unix seconds, as the API has them."""
        return int(self.clock.now())

    def new_id(self, prefix: str) -> str:
        """Return a new id.

        Args:
            prefix: of which kind, `run`.
        """
        return f"{prefix}_{self.clock.new_id().replace('-', '')}"

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something in the background.

        Args:
            work: what to do.
        """
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def close(self) -> None:
        """Stop all that runs in the background."""
        tasks = [*self.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
