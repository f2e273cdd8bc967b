"""Both forms of threads under one test: `handoff.Threads` as it is, and `handoff.sync.Threads` awaited.

Each call of the blocking twin runs on a worker thread of the test, as a program's own threads would call it; what it
returns is wrapped again, so that a scenario is written once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import handoff
import handoff.sync
from handoff import Flow, MemoryStore, Store
from handoff.backends.base import Backend
from handoff.backends.embedded import Embedded
from handoff.testing import ManualClock
from tests.support.workshop import Bench

_END = object()


class Awaited:
    """A blocking object whose methods are awaited."""

    def __init__(self, blocking: Any, callers: ThreadPoolExecutor) -> None:
        self._blocking = blocking
        self._callers = callers

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._blocking, name)
        if not callable(found) or name in {"assistant", "metadata", "state", "flow"}:
            return found

        async def awaited(*args: Any, **kwargs: Any) -> Any:
            returned = await self._call(lambda: found(*args, **kwargs))
            if isinstance(returned, tuple):
                return tuple(self._wrapped(one) for one in returned)
            return self._wrapped(returned)

        return awaited

    def _wrapped(self, returned: Any) -> Any:
        return Awaited(returned, self._callers) if isinstance(returned, handoff.sync.Thread) else returned

    async def run(self, work: Any) -> Any:
        """What a coroutine returns on the loop of the blocking object."""
        return await self._call(lambda: self._blocking._loop.run(work))

    async def _call(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._callers, work)

    async def stream(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        """The blocking iterator, iterated on a worker thread."""
        events = self._blocking.stream(*args, **kwargs)
        try:
            while (event := await self._call(lambda: next(events, _END))) is not _END:
                yield event
        finally:
            await self._call(events.close)


@dataclass
class World:
    """Where a scenario runs: which form, and where its threads are stored.

    Attributes:
        form: asyncio or sync.
        place: memory or sql.
        path: a directory for files.
        clock: the time, moved by `advance`.
        bench: what the tools are lent.
    """

    form: str
    place: str
    path: Path
    clock: Any = field(default_factory=ManualClock)
    bench: Any = field(default_factory=Bench)
    _memory: MemoryStore = field(default_factory=MemoryStore)
    _callers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(256, "test-caller"))

    def store(self) -> Store:
        """The store, opened anew: what was written is there."""
        if self.place == "memory":
            return self._memory
        return handoff.SqlStore(self.path / "threads.db")

    @asynccontextmanager
    async def threads(
        self, flow: Flow[Any, Any], model: Any = None, *, backend: Backend | None = None
    ) -> AsyncIterator[Any]:
        """Threads of the flow in this form; closed afterwards, with every gate open."""
        options: dict[str, Any] = {
            "backend": Embedded(model) if backend is None else backend,
            "store": self.store(),
            "clock": self.clock,
            "deps": None if flow.deps is None else self.bench,
        }
        if self.form == "asyncio":
            threads: Any = handoff.Threads(flow, **options)
            await threads.__aenter__()
        else:
            threads = Awaited(handoff.sync.Threads(flow, **options), self._callers)
        try:
            yield threads
        finally:
            self._let_go()
            await threads.close()

    async def advance(self, threads: Any, seconds: float) -> None:
        """Let time pass where the threads run."""
        if self.form == "asyncio":
            await self.clock.advance(seconds)
        else:
            await threads.run(self.clock.advance(seconds))

    def end(self) -> None:
        """Let the callers go."""
        self._let_go()
        self._callers.shutdown()

    def _let_go(self) -> None:
        if isinstance(self.bench, Bench):
            self.bench.open_all()
