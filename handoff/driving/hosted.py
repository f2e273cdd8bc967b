"""One thread as its host has it: rows are committed to its inbox, then it is driven, and its answers are followed.

Whatever a sender hands in is committed before it gets its receipt (L3); then the thread is driven here, unless another
process drives it, and the sender follows the journal until its answer is there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from handoff.content import Content, message_row
from handoff.core import fold
from handoff.core.codec import load
from handoff.core.events import Event
from handoff.core.state import State
from handoff.declaration.flow import Flow
from handoff.driving.bodies import FOLLOW
from handoff.driving.driver import Driver
from handoff.driving.replies import Collector, Reply
from handoff.errors import ConfigurationError, HandoffError, KeyReused, ThreadUnknown
from handoff.store.base import Receipt, RowKind

if TYPE_CHECKING:
    from handoff.driving.host import Host

R = TypeVar("R")

WhileRunning: TypeAlias = Literal["queue", "steer", "interrupt", "reject"]


class Hosted:
    """A thread of a host. Made by `Host.look`; its state is as of the latest commit this process has seen.

    It stays the thread it was: where that was deleted, a later thread of its id is none of its.

    Args:
        host: whose thread it is.
        thread: its id.
        state: the thread as a value.
    """

    def __init__(self, host: Host, thread: str, state: State) -> None:
        self.host = host
        self.id = thread
        self.state = state
        #: The thread's birth.
        self.born = state.birth

    @property
    def driver(self) -> Driver:
        """Who drives it here.

        Raises:
            ThreadsClosed: if the host was closed.
            ThreadUnknown: if it was deleted, and another thread of its id is here.
        """
        return self._own(self.host.driver(self.id))

    def _own(self, driver: Driver) -> Driver:
        if driver.journaled.birth not in {None, self.born}:
            raise ThreadUnknown(self.id)
        return driver

    async def caught_up(self) -> Driver:
        """Return the thread's driver, having seen what others have done.

        Raises:
            ThreadUnknown: if it was deleted.
        """
        driver = self.driver
        await driver.catch_up()
        self._own(driver)
        self.state = driver.journaled.state
        return driver

    async def wake(self) -> bool:
        """Do what is outstanding, if nobody else drives the thread; return whether this process drives it."""
        driver = self.driver
        woken = await driver.wake()
        self._own(driver)
        return woken

    # -- what is committed ---------------------------------------------------------------------------------------------

    async def post(self, kind: RowKind, data: Mapping[str, Any], *, key: str, reject: bool = False) -> Receipt:
        """Commit a row to the inbox.

        Args:
            kind: what it is.
            data: its content.
            key: idempotency key.
            reject: whether to refuse it while the thread is busy.

        Raises:
            ThreadBusy: if it is refused.
            KeyReused: if the key was used with other content.
            ThreadUnknown: if it was deleted.
        """
        host = self.host
        try:
            return await host.call(
                host.store.post,
                self.id,
                kind,
                data,
                at=host.clock.now(),
                key=key,
                reject_if_busy=reject,
                born=self.born,
            )
        except asyncio.CancelledError:
            # The row may be committed all the same, and then nobody else sees to it.
            host.later(self.wake())
            raise

    async def post_message(self, content: Content, while_running: WhileRunning, key: str) -> Receipt:
        """Commit a message; the arguments and errors are those of `Thread.send`."""
        if while_running not in {"queue", "steer", "interrupt", "reject"}:
            raise ConfigurationError(f"while_running={while_running!r}: use queue, steer, interrupt or reject")
        data = message_row(key, content, while_running, self.host.backend)
        try:
            return await self.post("message", data, key=f"user:{key}", reject=while_running == "reject")
        except KeyReused:
            raise KeyReused(self.id, key) from None  # as its sender knows it

    async def cancel(self) -> None:
        """Stop the active run and return when it has ended; if none is active, nothing happens (C1)."""
        await self.caught_up()
        run = self.state.run
        if run is None:
            return
        ended: asyncio.Future[HandoffError | None] = asyncio.get_running_loop().create_future()

        def observe(before: State, event: Event, after: State) -> None:
            del before, event
            if (after.run is None or after.run.number != run.number) and not ended.done():
                ended.set_result(None)

        with self.answering(observe, ended):
            await self.post("stop", {"run": run.number, "cause": "cancel"}, key=f"cancel:{run.number}")
            await self.caught_up()
            if self.state.run is not None and self.state.run.number == run.number:
                await self.follow(ended)

    # -- what is answered ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def answering(self, observe: Callable[[State, Event, State], None], answer: asyncio.Future[Any]) -> Generator[None]:
        """Tell `observe` of every journaled event, and the answer of a failure, while the block lasts.

        Args:
            observe: settles the answer.
            answer: what is waited for.
        """
        listeners = self.host.listeners
        with listeners.observing(self.id, observe), listeners.awaiting(self.id, answer):
            yield

    @contextlib.contextmanager
    def listening(self, key: str | None) -> Generator[Sender]:
        """Listen for the answer to a message that is about to be sent, while the block lasts.

        Args:
            key: the message's idempotency key; None makes one.
        """
        sender = Sender(self.host.clock.new_id() if key is None else key, self.host.flow)
        with self.answering(sender.observe, sender.answer):
            yield sender

    async def hand_in(self, sender: Sender, content: Content, while_running: WhileRunning) -> None:
        """Commit the message of a sender; the other arguments and the errors are those of `Thread.send`.

        Args:
            sender: who listens for its answer.
            content: what the user says.
            while_running: what to do if a run is active.
        """
        driver = self.driver
        if not driver.journaled.known:  # what was there at the first look is told to nobody: the answer may not be that
            await driver.catch_up()
        receipt = await self.post_message(content, while_running, sender.collector.message)
        if receipt.repeated:
            await driver.catch_up()
            sender.collector = await self._replayed(driver, sender.collector.message)
            sender.settle()

    async def _replayed(self, driver: Driver, message: str) -> Collector:
        """Return a collector that has seen all the driver has: the message is older than its sender."""
        collector = Collector(message, self.host.flow)
        state: State | None = None
        seq = 0
        while seq < driver.journaled.seq:
            for record in await self.host.call(self.host.store.journal, self.id, seq):
                if record.seq > driver.journaled.seq:
                    break  # the driver shows it when it gets there
                event = load(record.data)
                after = fold(state, event)
                if state is not None:
                    collector.see(state, event, after)
                state, seq = after, record.seq
        return collector

    async def follow(self, answer: asyncio.Future[R | HandoffError]) -> R:
        """Drive the thread, or watch whoever drives it, until the answer is there; return or raise it.

        Args:
            answer: what is waited for, inside `answering`.
        """
        while not answer.done():
            driver = self.driver
            if await driver.wake():
                await answer
                break
            await driver.catch_up()
            if not answer.done():
                await self.host.clock.sleep(FOLLOW)
        found = answer.result()
        if isinstance(found, HandoffError):
            raise found
        return found


class Sender:
    """Whoever waits for the answer to one message.

    Args:
        message: its id.
        flow: the declaration.
    """

    def __init__(self, message: str, flow: Flow[Any, Any]) -> None:
        self.collector = Collector(message, flow)
        self.answer: asyncio.Future[Reply | HandoffError] = asyncio.get_running_loop().create_future()

    def observe(self, before: State, event: Event, after: State) -> None:
        """See a journaled event."""
        self.collector.see(before, event, after)
        self.settle()

    def settle(self) -> None:
        """Give the answer, if what was seen is one."""
        if self.collector.answer is not None and not self.answer.done():
            self.answer.set_result(self.collector.answer)
