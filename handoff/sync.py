"""The same threads for code that blocks: `handoff.sync.Threads` and `Thread`.

Nothing is implemented twice: each `Threads` has one private loop thread, and every method here waits for its
asynchronous twin there. Close it (or use `with`): the loop thread ends then.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import warnings
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Generic, Self, TypeVar

from handoff import thread as asynchronous_thread
from handoff import threads as asynchronous
from handoff.backends.base import Backend
from handoff.clock import Clock
from handoff.content import Content
from handoff.core.items import Item
from handoff.core.state import State, Ticket
from handoff.core.usage import Usage
from handoff.declaration.assistants import Assistant
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.driving.decisions import Decision
from handoff.driving.given import stands
from handoff.driving.leaving import LeftCall
from handoff.driving.replies import Reply
from handoff.driving.work import LEAVING
from handoff.errors import ConfigurationError, ThreadsClosed
from handoff.events import ThreadEvent
from handoff.store.base import Receipt, Store, Summary
from handoff.thread import EditReceipt, M, WhileRunning

T = TypeVar("T")


class Threads(Generic[M]):
    """The threads of one flow in one store, for code that blocks. The arguments are those of `handoff.Threads`."""

    def __init__(
        self,
        flow: Flow[M, Any],
        *,
        deps: Deps | None = None,
        backend: Backend | None = None,
        store: Store | None = None,
        clock: Clock | None = None,
    ) -> None:
        flow.freeze()  # here, where the caller's line can still be told in a refusal
        flow.require_deps(deps)
        self._loop = _Loop()
        self._closed = False

        async def make() -> asynchronous.Threads[M]:
            made = asynchronous.Threads(flow, deps=deps, backend=backend, store=store, clock=clock)
            return await made.__aenter__()

        try:
            self._threads: asynchronous.Threads[M] = self._loop.run(make())
        except BaseException:
            self._closed = True
            self._loop.end()
            raise

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Close; what that raises does not hide what ended the block."""
        try:
            self.close()
        except Exception as closing:
            if not stands(error, closing):
                raise

    def close(self, *, patience: float | None = None) -> tuple[LeftCall, ...]:
        """As `handoff.Threads.close`; ends the loop thread, too."""
        with self._loop.entry:
            if self._closed:
                return ()
            self._closed = True
        try:
            return self._loop.run(self._threads.close(patience=patience))
        finally:
            self._loop.end()

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        if not getattr(self, "_closed", True) and self._loop.running:
            _warn(f"unclosed {type(self).__module__}.{type(self).__name__}: use `with`", ResourceWarning, source=self)
            self._loop.stop()

    @property
    def flow(self) -> Flow[M, Any]:
        """The declaration."""
        return self._threads.flow

    @property
    def store(self) -> Store:
        """Where the threads live."""
        return self._threads.store

    def open(self, thread: str | None = None, *, metadata: M | None = None) -> Thread[M]:
        """As `handoff.Threads.open`."""
        return Thread(self._loop, self._loop.run(self._threads.open(thread, metadata=metadata)))

    def get(self, thread: str) -> Thread[M]:
        """As `handoff.Threads.get`."""
        return Thread(self._loop, self._loop.run(self._threads.get(thread)))

    def summaries(
        self, *, after: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[tuple[str, Summary]]:
        """As `handoff.Threads.summaries`."""
        return self._loop.run(self._threads.summaries(after=after, limit=limit))

    def delete(self, thread: str, *, server: bool = True) -> None:
        """As `handoff.Threads.delete`."""
        self._loop.run(self._threads.delete(thread, server=server))

    def recover(self) -> list[str]:
        """As `handoff.Threads.recover`."""
        return self._loop.run(self._threads.recover())

    def sweep(self) -> list[str]:
        """As `handoff.Threads.sweep`."""
        return self._loop.run(self._threads.sweep())


class Thread(Generic[M]):
    """One conversation, for code that blocks. Made by `Threads.open`."""

    def __init__(self, loop: _Loop, thread: asynchronous_thread.Thread[M]) -> None:
        self._loop = loop
        self._thread = thread

    @property
    def id(self) -> str:
        """Its id."""
        return self._thread.id

    @property
    def state(self) -> State:
        """The thread as a value."""
        return self._thread.state

    @property
    def assistant(self) -> Assistant[M]:
        """The active assistant."""
        return self._thread.assistant

    @property
    def metadata(self) -> M:
        """A copy of the metadata."""
        return self._thread.metadata

    @property
    def status(self) -> str:
        """`rest`, `closed`, or the status of the active run."""
        return self._thread.status

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """The calls that outlive their batch and are not decided."""
        return self._thread.tickets

    @property
    def usage(self) -> Usage:
        """What all answers on the thread took, as far as servers told."""
        return self._thread.usage

    def transcript(self) -> tuple[Item, ...]:
        """As `handoff.Thread.transcript`."""
        return self._loop.run(self._thread.transcript())

    @property
    def room(self) -> str:
        """Its name, if it is the side room of a call; empty for any other thread."""
        return self._thread.room

    def rooms(self) -> tuple[Thread[Any], ...]:
        """As `handoff.Thread.rooms`."""
        return tuple(Thread(self._loop, room) for room in self._loop.run(self._thread.rooms()))

    def send(self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None) -> Reply:
        """As `handoff.Thread.send`."""
        return self._loop.run(self._thread.send(content, while_running=while_running, key=key))

    def stream(
        self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None
    ) -> Iterator[ThreadEvent]:
        """As `handoff.Thread.stream`."""
        return self._each(self._thread.stream(content, while_running=while_running, key=key))

    def watch(self) -> Iterator[ThreadEvent]:
        """As `handoff.Thread.watch`: it blocks until something happens, so it is for a thread of its own."""
        with contextlib.suppress(ThreadsClosed):
            yield from self._each(self._thread.watch())

    def _each(self, events: AsyncGenerator[ThreadEvent, None]) -> Iterator[ThreadEvent]:
        try:
            while True:
                try:
                    yield self._loop.run(_next(events.__anext__))
                except StopAsyncIteration:
                    return
        finally:
            # An iteration that was left early may end anywhere, also on the loop thread or after the close.
            self._loop.run_later(events.aclose())

    def post(self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None) -> Receipt:
        """As `handoff.Thread.post`."""
        return self._loop.run(self._thread.post(content, while_running=while_running, key=key))

    def cancel(self) -> None:
        """As `handoff.Thread.cancel`."""
        self._loop.run(self._thread.cancel())

    def wake(self) -> bool:
        """As `handoff.Thread.wake`."""
        return self._loop.run(self._thread.wake())

    def wait(self) -> None:
        """As `handoff.Thread.wait`."""
        self._loop.run(self._thread.wait())

    def edit(self, **fields: Any) -> EditReceipt:
        """As `handoff.Thread.edit`."""
        return self._loop.run(self._thread.edit(**fields))

    def approve(self, ticket: str, *, by: str = "") -> Decision:
        """As `handoff.Thread.approve`."""
        return self._loop.run(self._thread.approve(ticket, by=by))

    def refuse(self, ticket: str, reason: str = "", *, by: str = "") -> Decision:
        """As `handoff.Thread.refuse`."""
        return self._loop.run(self._thread.refuse(ticket, reason, by=by))

    def resolve(self, ticket: str, output: str, *, by: str = "") -> Decision:
        """As `handoff.Thread.resolve`."""
        return self._loop.run(self._thread.resolve(ticket, output, by=by))

    def settle(self, ticket: str, output: str, *, happened: bool = True, by: str = "") -> Decision:
        """As `handoff.Thread.settle`."""
        return self._loop.run(self._thread.settle(ticket, output, happened=happened, by=by))

    def __repr__(self) -> str:
        return repr(self._thread)


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_serve, args=(self._loop,), name="handoff loop", daemon=True)
        self._thread.start()
        #: Held while it is judged whether work can still begin.
        self.entry = threading.RLock()
        self._ended = False

    @property
    def running(self) -> bool:
        """Whether work on it goes on."""
        return self._loop.is_running()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and return what it returns.

        Args:
            work: the coroutine.
        """
        with self.entry:
            if self._ended:
                work.close()
                raise ThreadsClosed
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        if threading.current_thread() is self._thread:
            # Only a body or a guard that runs there can come here, and would wait for itself.
            future.cancel()
            raise ConfigurationError("the blocking Threads were used from their own loop: an async tool cannot wait so")
        try:
            return future.result()
        except concurrent.futures.CancelledError:
            raise ThreadsClosed from None  # the loop ended before the work did
        except KeyboardInterrupt:
            future.cancel()
            raise

    def run_later(self, work: Coroutine[Any, Any, object]) -> None:
        """Run a coroutine on the loop without waiting; after its end it is dropped.

        Args:
            work: the coroutine.
        """
        with self.entry:
            if self._ended:
                work.close()
            else:
                asyncio.run_coroutine_threadsafe(work, self._loop)

    def stop(self) -> None:
        """Stop it without waiting."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def end(self) -> None:
        """Stop it, begin nothing more, and wait for its thread."""
        with self.entry:
            self._ended = True
        self.stop()
        self._thread.join()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop until it is stopped, then end what still runs on it, so that nothing is left pending."""
    try:
        loop.run_forever()
        loop.run_until_complete(_wound_up())
    finally:
        loop.close()


async def _wound_up() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    ending = {task for task in left if task.cancelling()}
    if ending:  # a close that Ctrl-C has broken into: what it still has to do is not cut off
        await asyncio.wait(ending, timeout=2 * LEAVING)
    left = {task for task in left - ending if not task.done()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=LEAVING)  # one that does not heed its cancellation is left
    await asyncio.get_running_loop().shutdown_asyncgens()


async def _next(step: Callable[[], Any]) -> Any:
    return await step()
