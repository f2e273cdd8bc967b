"""One conversation: send, stream, cancel, edit, decide (asyncio).

What a user calls, and nothing else; how it is committed, driven and followed is `handoff.driving.hosted`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Generic

from typing_extensions import TypeVar

from handoff.content import Content
from handoff.core.events import EditDenied, Edited, Event
from handoff.core.items import Item
from handoff.core.state import State, Ticket
from handoff.core.usage import Usage
from handoff.declaration.assistants import Assistant
from handoff.declaration.metadata import Metadata
from handoff.driving import calls
from handoff.driving.decisions import Decision, Verdict, decide, delivered
from handoff.driving.hosted import Hosted, WhileRunning
from handoff.driving.replies import Reply
from handoff.driving.side_rooms import room_place
from handoff.errors import ConfigurationError, HandoffError, TicketClosed
from handoff.events import ThreadEvent
from handoff.store.base import Receipt

__all__ = ["EditReceipt", "M", "Thread", "WhileRunning"]

M = TypeVar("M", bound=Metadata, default=Metadata)


@dataclass(frozen=True, slots=True)
class EditReceipt:
    """What came of an edit."""

    #: Whether it was applied.
    applied: bool
    #: Why not; empty if it was.
    reason: str = ""


class Thread(Generic[M]):
    """One conversation. Made by `Threads.open`; what it shows is as of the latest commit this process has seen."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted

    # -- what it is ----------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Its id."""
        return self._hosted.id

    @property
    def state(self) -> State:
        """The thread as a value; see `handoff.core.state.State`."""
        return self._hosted.state

    @property
    def assistant(self) -> Assistant[M]:
        """The active assistant; `Flow.end` once the thread is closed."""
        flow = self._hosted.host.flow
        return flow.end if self.state.closed else flow.assistants[self.state.assistant]

    @property
    def metadata(self) -> M:
        """A copy of the metadata."""
        found: M = self._hosted.host.flow.metadata_from(self.state.metadata)
        return found

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
        driver = await self._hosted.caught_up()
        return (*driver.journaled.transcript, *self.state.due)

    @property
    def room(self) -> str:
        """Its name, if it is the side room of a call; empty for any other thread."""
        place = room_place(self.id)
        return "" if place is None else place.name

    async def rooms(self) -> tuple[Thread[Any], ...]:
        """Return the side rooms that its calls have opened, in the order of the calls; their `room` is their name."""
        await self._hosted.caught_up()
        return tuple(Thread(room) for room in await self._hosted.host.rooms.of(self.id))

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
            ThreadUnknown: if it was deleted.
            KeyReused: if the key was used with other content.
            ContentRefused: if a part of it cannot be sent, or not to this backend.
        """
        with self._hosted.listening(key) as sender:
            await self._hosted.hand_in(sender, content, while_running)
            return await self._hosted.follow(sender.answer)

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
        hosted = self._hosted
        with hosted.host.listeners.watching(self.id, queue.put_nowait), hosted.listening(key) as sender:
            await hosted.hand_in(sender, content, while_running)
            following = asyncio.create_task(hosted.follow(sender.answer))
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
        return self._hosted.host.listeners.events(self.id)

    async def post(self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None) -> Receipt:
        """Send a message and return as soon as it is committed; the arguments and errors are those of `send`."""
        receipt = await self._hosted.post_message(content, while_running, key or self._hosted.host.clock.new_id())
        await self.wake()
        return receipt

    async def cancel(self) -> None:
        """Stop the active run and return when it has ended; if none is active, nothing happens (C1)."""
        await self._hosted.cancel()

    async def wake(self) -> bool:
        """Do what is outstanding, if nobody else drives the thread; return whether this process drives it."""
        return await self._hosted.wake()

    async def wait(self) -> None:
        """Return when nothing is under way on the thread in this process any more, bodies of tickets included."""
        await self._hosted.driver.work.idle()

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
        hosted = self._hosted
        name = hosted.host.clock.new_id()
        judged: asyncio.Future[EditReceipt | HandoffError] = asyncio.get_running_loop().create_future()

        def observe(before: State, event: Event, after: State) -> None:
            del before, after
            if isinstance(event, Edited) and event.id == name and not judged.done():
                judged.set_result(EditReceipt(applied=True))
            if isinstance(event, EditDenied) and event.id == name and not judged.done():
                judged.set_result(EditReceipt(applied=False, reason=event.reason))

        with hosted.answering(observe, judged):
            await hosted.caught_up()
            try:
                await hosted.post("edit", {"id": name, "patch": patch}, key=f"edit:{name}")
            except ConfigurationError as error:  # no store can keep it
                return EditReceipt(applied=False, reason=str(error))
            return await hosted.follow(judged)

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
            TicketClosed: if it is not open, or has another result.
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
            TicketClosed: if it is not open, still waits for approval, or has another result.
        """
        hosted, host = self._hosted, self._hosted.host
        await hosted.caught_up()
        first = await host.call(delivered, host.store, self.id, ticket, output, happened=happened)
        if first is not None:
            return first
        found = self.state.ticket(ticket)
        if found is None or found.stage == "approval":
            raise TicketClosed(self.id, ticket)
        row = calls.settled_by(host.flow, self.state, found, output, happened=happened, by=by)
        await hosted.post("resolved", row, key=f"settle:{ticket}:{host.clock.new_id()}")
        await self.wake()
        return Decision(ticket, "result", by)

    async def _decide(self, ticket: str, outcome: Verdict, *, reason: str = "", by: str = "") -> Decision:
        host = self._hosted.host
        await self._hosted.caught_up()
        made = await host.call(decide, host.store, self.id, ticket, outcome, reason=reason, by=by, clock=host.clock)
        await self.wake()
        return made

    def __repr__(self) -> str:
        return f"<thread {self.id} at {self.state.assistant}>"
