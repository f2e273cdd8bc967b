"""One conversation: send, stream, cancel, edit, decide (asyncio).

Whatever a sender hands in is committed to the inbox before it gets its receipt (L3); then the thread is driven here,
unless another process drives it, and the sender follows the journal until its answer is there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias

from typing_extensions import TypeVar

from handoff.content import Content, message_row
from handoff.core import fold
from handoff.core.codec import load
from handoff.core.events import EditDenied, Edited, Event
from handoff.core.items import Item
from handoff.core.state import State, Ticket
from handoff.core.usage import Usage
from handoff.declaration.assistants import Assistant
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Metadata
from handoff.driving import calls
from handoff.driving.bodies import FOLLOW
from handoff.driving.decisions import Decision, Verdict, decide
from handoff.driving.driver import Driver
from handoff.driving.replies import Collector, Reply
from handoff.driving.side_rooms import room_place
from handoff.errors import ConfigurationError, HandoffError, KeyReused, TicketClosed
from handoff.events import ThreadEvent
from handoff.store.base import Receipt, RowKind

if TYPE_CHECKING:
    from handoff.threads import Threads

M = TypeVar("M", bound=Metadata, default=Metadata)
R = TypeVar("R")

WhileRunning: TypeAlias = Literal["queue", "steer", "interrupt", "reject"]


@dataclass(frozen=True, slots=True)
class EditReceipt:
    """What came of an edit."""

    #: Whether it was applied.
    applied: bool
    #: Why not; empty if it was.
    reason: str = ""


class Thread(Generic[M]):
    """One conversation. Made by `Threads.open`; what it shows is as of the latest commit this process has seen."""

    def __init__(self, threads: Threads[M], thread: str, state: State) -> None:
        self._threads = threads
        self.id = thread
        #: The thread as a value; see `handoff.core.state.State`.
        self.state = state

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def assistant(self) -> Assistant[M]:
        """The active assistant; `Flow.end` once the thread is closed."""
        flow = self._threads.flow
        return flow.end if self.state.closed else flow.assistants[self.state.assistant]

    @property
    def metadata(self) -> M:
        """A copy of the metadata."""
        return self._threads.flow.metadata_from(self.state.metadata)

    @property
    def status(self) -> str:
        """`rest`, `closed`, or the status of the active run."""
        if self.state.run is not None:
            return str(self.state.run.status)
        return "closed" if self.state.closed else "rest"

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """The calls that outlive their batch and are not decided."""
        return self.state.tickets

    @property
    def usage(self) -> Usage:
        """What all answers on the thread took, as far as servers told."""
        return self.state.usage

    async def transcript(self) -> tuple[Item, ...]:
        """Return what was said and done, in order, with what still waits to be sent."""
        driver = await self._caught_up()
        return (*driver.journaled.transcript, *self.state.due)

    @property
    def room(self) -> str:
        """Its name, if it is the side room of a call; empty for any other thread."""
        place = room_place(self.id)
        return "" if place is None else place.name

    async def rooms(self) -> tuple[Thread[Any], ...]:
        """Return the side rooms that its calls have opened, in the order of the calls; their `room` is their name."""
        return await self._threads.rooms.of(self.id)

    async def _caught_up(self) -> Driver:
        """Return the thread's driver, having seen what others have done."""
        driver = self._threads.driver(self.id)
        await driver.catch_up()
        self.state = driver.journaled.state
        return driver

    # -- messages ------------------------------------------------------------------------------------------------------

    async def send(self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None) -> Reply:
        """Send a message and return the reply.

        Args:
            content: what the user says: a text, or a list of `Text`, `Image` and `File`.
            while_running: what to do if a run is active: wait for its end (`queue`), join it at its next batch boundary
                (`steer`), stop it (`interrupt`), or refuse (`reject`).
            key: idempotency key: the same key returns the same reply, without saying anything twice.

        Raises:
            RunFailed: if the turn ended without a reply.
            ThreadBusy: if it is to be rejected while the thread is busy.
            ThreadClosed: if the flow reached its end.
            KeyReused: if the key was used with other content.
            ContentRefused: if a part of it cannot be sent, or not to this backend.
        """
        with self._listening(key) as sender:
            await self._hand_in(sender, content, while_running)
            return await self._follow(sender.answer)

    async def stream(
        self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None
    ) -> AsyncGenerator[ThreadEvent, None]:
        """Send a message and yield what happens on the thread until it is answered.

        Leaving the iteration early does not stop the run; `cancel` does.

        Args:
            content: as for `send`.
            while_running: as for `send`.
            key: as for `send`.

        Yields:
            The events of the thread, the text of replies in pieces among them.

        Raises:
            RunFailed: after the last event, if the turn ended without a reply; and the errors of `send`.
        """
        queue: asyncio.Queue[ThreadEvent | None] = asyncio.Queue()
        with self._threads.listeners.watching(self.id, queue.put_nowait), self._listening(key) as sender:
            await self._hand_in(sender, content, while_running)
            following = asyncio.create_task(self._follow(sender.answer))
            following.add_done_callback(lambda _: queue.put_nowait(None))
            try:
                while (event := await queue.get()) is not None:
                    yield event
                await following
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)

    def watch(self) -> AsyncGenerator[ThreadEvent, None]:
        """Yield what happens on the thread in this process, whoever caused it, until the threads are closed.

        It watches from its first step on. `stream` is for one message and its answer; this is for whoever looks on.
        """
        return self._threads.listeners.events(self.id)

    async def post(self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None) -> Receipt:
        """Send a message and return as soon as it is committed; the arguments and errors are those of `send`."""
        receipt = await self._post_message(content, while_running, key or self._threads.clock.new_id())
        await self.wake()
        return receipt

    async def _post_message(self, content: Content, while_running: WhileRunning, key: str) -> Receipt:
        if while_running not in {"queue", "steer", "interrupt", "reject"}:
            raise ConfigurationError(f"while_running={while_running!r}: use queue, steer, interrupt or reject")
        data = message_row(key, content, while_running, self._threads.backend)
        try:
            return await self._post("message", data, key=f"user:{key}", reject=while_running == "reject")
        except KeyReused:
            raise KeyReused(self.id, key) from None  # as its sender knows it

    @contextlib.contextmanager
    def _listening(self, key: str | None) -> Generator[_Sender]:
        """Listen for the answer to a message that is about to be sent."""
        sender = _Sender(self._threads.clock.new_id() if key is None else key, self._threads.flow)
        with (
            self._threads.listeners.observing(self.id, sender.observe),
            self._threads.listeners.awaiting(self.id, sender.answer),
        ):
            yield sender

    async def _hand_in(self, sender: _Sender, content: Content, while_running: WhileRunning) -> None:
        driver = self._threads.driver(self.id)
        if not driver.journaled.known:  # what was there at the first look is told to nobody: the answer may not be that
            await driver.catch_up()
        receipt = await self._post_message(content, while_running, sender.collector.message)
        if receipt.repeated:
            await driver.catch_up()
            sender.collector = await self._replayed(driver, sender.collector.message)
            sender.settle()

    async def _replayed(self, driver: Driver, message: str) -> Collector:
        """Return a collector that has seen all the driver has: the message is older than this sender."""
        collector = Collector(message, self._threads.flow)
        state: State | None = None
        seq = 0
        while seq < driver.journaled.seq:
            for record in await self._threads.call(self._threads.store.journal, self.id, seq):
                if record.seq > driver.journaled.seq:
                    break  # the driver shows it when it gets there
                event = load(record.data)
                after = fold(state, event)
                if state is not None:
                    collector.see(state, event, after)
                state, seq = after, record.seq
        return collector

    async def _follow(self, answer: asyncio.Future[R | HandoffError]) -> R:
        """Drive the thread, or watch whoever drives it, until the answer is there."""
        while not answer.done():
            driver = self._threads.driver(self.id)
            if await driver.wake():
                await answer
                break
            await driver.catch_up()
            if not answer.done():
                await self._threads.clock.sleep(FOLLOW)
        found = answer.result()
        if isinstance(found, HandoffError):
            raise found
        return found

    async def cancel(self) -> None:
        """Stop the active run and return when it has ended; if none is active, nothing happens (C1)."""
        await self._caught_up()
        run = self.state.run
        if run is None:
            return
        ended: asyncio.Future[HandoffError | None] = asyncio.get_running_loop().create_future()

        def observe(before: State, event: Event, after: State) -> None:
            del before, event
            if (after.run is None or after.run.number != run.number) and not ended.done():
                ended.set_result(None)

        with self._threads.listeners.observing(self.id, observe), self._threads.listeners.awaiting(self.id, ended):
            await self._post("stop", {"run": run.number, "cause": "cancel"}, key=f"cancel:{run.number}")
            await self._caught_up()
            if self.state.run is not None and self.state.run.number == run.number:
                await self._follow(ended)

    async def wake(self) -> bool:
        """Do what is outstanding, if nobody else drives the thread; return whether this process drives it."""
        return await self._threads.driver(self.id).wake()

    async def wait(self) -> None:
        """Return when nothing is under way on the thread in this process any more, bodies of tickets included."""
        await self._threads.driver(self.id).idle()

    # -- metadata and tickets ------------------------------------------------------------------------------------------

    async def edit(self, **fields: Any) -> EditReceipt:
        """Change metadata from outside; applied when the thread is next unlocked (M5).

        Args:
            fields: the fields and their new values; None unsets one.
        """
        from pydantic_core import (  # noqa: PLC0415 - beside its only use
            PydanticSerializationError,
            to_jsonable_python,
        )

        try:
            patch = to_jsonable_python(fields)
        except PydanticSerializationError as error:
            return EditReceipt(applied=False, reason=str(error))
        name = self._threads.clock.new_id()
        judged: asyncio.Future[EditReceipt | HandoffError] = asyncio.get_running_loop().create_future()

        def observe(before: State, event: Event, after: State) -> None:
            del before, after
            if isinstance(event, Edited) and event.id == name and not judged.done():
                judged.set_result(EditReceipt(applied=True))
            if isinstance(event, EditDenied) and event.id == name and not judged.done():
                judged.set_result(EditReceipt(applied=False, reason=event.reason))

        with self._threads.listeners.observing(self.id, observe), self._threads.listeners.awaiting(self.id, judged):
            await self._caught_up()
            try:
                await self._post("edit", {"id": name, "patch": patch}, key=f"edit:{name}")
            except ConfigurationError as error:  # no store can keep it
                return EditReceipt(applied=False, reason=str(error))
            return await self._follow(judged)

    async def approve(self, ticket: str, *, by: str = "") -> Decision:
        """Let a call that waits for approval run; its result comes as a message.

        Args:
            ticket: the ticket's id.
            by: who decides.

        Raises:
            TicketClosed: if it never was a ticket of this thread that waits for approval.
        """
        return await self._decide(ticket, "approved", by=by)

    async def refuse(self, ticket: str, reason: str = "", *, by: str = "") -> Decision:
        """Refuse a call that waits for approval; its body never runs, and the active assistant is told.

        Args:
            ticket: the ticket's id.
            reason: what the model is told.
            by: who decides.

        Raises:
            TicketClosed: if it never was a ticket of this thread that waits for approval.
        """
        return await self._decide(ticket, "refused", reason=reason, by=by)

    async def resolve(self, ticket: str, output: str, *, by: str = "") -> Decision:
        """Deliver the result of a call that waits for the world; the first result wins.

        Args:
            ticket: the ticket's id.
            output: what the model is told.
            by: who delivers it.

        Raises:
            TicketClosed: if it is not open.
        """
        return await self.settle(ticket, output, happened=True, by=by)

    async def settle(self, ticket: str, output: str, *, happened: bool = True, by: str = "") -> Decision:
        """Say what became of a call whose outcome is unknown (E2).

        Args:
            ticket: the ticket's id.
            output: what the model is told.
            happened: whether the call took effect: then arguments named in `sets` are stored, and its transition may
                be taken.
            by: who says so.

        Raises:
            TicketClosed: if it is not open, or still waits for approval.
        """
        await self._caught_up()
        found = self.state.ticket(ticket)
        if found is None or found.stage == "approval":
            raise TicketClosed(self.id, ticket)
        row = calls.settled_by(self._threads.flow, self.state, found, output, happened=happened, by=by)
        await self._post("resolved", row, key=f"settle:{ticket}:{self._threads.clock.new_id()}")
        await self.wake()
        return Decision(ticket, "result", by)

    async def _decide(self, ticket: str, outcome: Verdict, *, reason: str = "", by: str = "") -> Decision:
        threads = self._threads
        made = await threads.call(
            decide, threads.store, self.id, ticket, outcome, reason=reason, by=by, clock=threads.clock
        )
        await self.wake()
        return made

    async def _post(self, kind: RowKind, data: Mapping[str, Any], *, key: str, reject: bool = False) -> Receipt:
        try:
            return await self._threads.call(
                self._threads.store.post,
                self.id,
                kind,
                data,
                at=self._threads.clock.now(),
                key=key,
                reject_if_busy=reject,
            )
        except asyncio.CancelledError:
            # The row may be committed all the same, and then nobody else sees to it.
            self._threads.later(self.wake())
            raise

    def __repr__(self) -> str:
        return f"<thread {self.id} at {self.state.assistant}>"


class _Sender:
    """Whoever waits for the answer to one message."""

    def __init__(self, message: str, flow: Flow[Any, Any]) -> None:
        self.collector = Collector(message, flow)
        self.answer: asyncio.Future[Reply | HandoffError] = asyncio.get_running_loop().create_future()

    def observe(self, before: State, event: Event, after: State) -> None:
        self.collector.see(before, event, after)
        self.settle()

    def settle(self) -> None:
        if self.collector.answer is not None and not self.answer.done():
            self.answer.set_result(self.collector.answer)
