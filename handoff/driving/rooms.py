"""The side rooms that the bodies of these threads have open: begun, driven to their answer, and left with the body (S).

A room is a thread of the consulted flow in the same store, its id made of the call's key and its own name, and is
driven like any other. So a body that runs again finds its rooms where they stand: what was answered is not asked again.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handoff.core.commands import RunBody
from handoff.core.events import Event
from handoff.core.state import State
from handoff.declaration.consulting import Consultation, Inquiry, Interrupted, RoomReply
from handoff.driving import calls
from handoff.driving.bodies import FOLLOW, Place
from handoff.driving.driver import Driver
from handoff.driving.side_rooms import (
    INQUIRY,
    RoomPlace,
    asked_in_words,
    begun_before,
    copied,
    copied_length,
    first_message,
    has_answered,
    reply_of,
    room_place,
)
from handoff.errors import HandoffError, KeyReused, RunFailed, ThreadsClosed, ThreadUnknown
from handoff.events import RoomChanged

if TYPE_CHECKING:
    from handoff.driving.host import Host
    from handoff.driving.hosted import Hosted

#: Seconds between two looks at a room that rests and waits for a decision, which another process may post.
REST = 1.0


@dataclass(frozen=True, slots=True)
class _Open:
    """A room that a body has asked for."""

    inquiry: Inquiry[Any]
    consultation: Consultation[Any]
    future: concurrent.futures.Future[RoomReply[Any]]


class Rooms:
    """The rooms of one host.

    Args:
        host: of the threads whose bodies consult.
        wings: by name, the hosts of the flows they consult, in the same store.
    """

    def __init__(self, host: Host, wings: Mapping[str, Host]) -> None:
        self._host = host
        self._wings = wings
        #: Rooms by the body that asked for them; bodies ask from any thread.
        self._open: dict[tuple[str, Place], dict[str, _Open]] = {}
        self._door = threading.Lock()

    def begin(
        self, loop: asyncio.AbstractEventLoop, thread: str, command: RunBody, tool: str, inquiry: Inquiry[Any]
    ) -> Consultation[Any]:
        """Open a room for a body, or return the one of that name it has asked for already.

        Args:
            loop: where the threads are driven.
            thread: id of the body's thread.
            command: the body.
            tool: name of its tool.
            inquiry: what it asks.

        Raises:
            KeyReused: the body asked a room of that name something else.
        """
        place = RoomPlace(thread, *command.place, inquiry.room)
        with self._door:
            rooms = self._open.setdefault((thread, command.place), {})
            found = rooms.get(inquiry.room)
            if found is None or found.future.cancelled():
                work = _Visit(self._host, self._wings[inquiry.flow.name], place, command, tool, inquiry).answer()
                future = asyncio.run_coroutine_threadsafe(work, loop)
                found = _Open(inquiry, Consultation(future), future)
                rooms[inquiry.room] = found
        if found.inquiry != inquiry:
            raise KeyReused(str(place), f"room={inquiry.room}")
        return found.consultation

    def leave(self, thread: str, place: Place) -> None:
        """Stop what a body has asked for and not waited for: it has ended.

        Args:
            thread: id of its thread.
            place: which body.
        """
        with self._door:
            rooms = self._open.pop((thread, place), {})
        for room in rooms.values():
            room.future.cancel()

    async def awaited(self, thread: str) -> bool:
        """Return whether a thread is to go on by itself: not if it is a room whose call has its outcome.

        Args:
            thread: its id.
        """
        place, above = room_place(thread), self._host.parent
        if place is None or above is None or self._host.is_own(thread):
            return True
        if above.closed:
            return False
        parent = above.driver(place.thread)
        await parent.catch_up()  # who waits may do so in another process
        return not calls.is_decided(parent.journaled.state, RunBody(place.run, place.batch, place.call))

    # -- looking at them -----------------------------------------------------------------------------------------------

    def wing_of(self, flow: str) -> Host:
        """Return the host of a flow that is consulted from here, at whatever remove; this one for any other.

        Args:
            flow: its name.
        """
        wings = self._wings.values()
        below = [one for wing in wings if (one := wing.rooms.wing_of(flow)) is not wing]
        return next((one for one in (*wings, *below) if one.flow.name == flow), self._host)

    async def of(self, thread: str) -> tuple[Hosted, ...]:
        """Return the rooms that the calls of a thread have opened, in the order of the calls; drives none of them.

        Args:
            thread: the parent's id.
        """
        found = await self._host.call(self._host.store.threads, f"{thread}/")
        places = [(place, one) for name, one in found if (place := room_place(name)) and place.thread == thread]
        rooms = [(place, self._wings[one.flow]) for place, one in places if one.flow in self._wings]

        def order(room: tuple[RoomPlace, Host]) -> tuple[int, int, str, str]:
            place, _ = room
            return place.run, place.batch, place.call, place.name

        return tuple([await wing.look(str(place)) for place, wing in sorted(rooms, key=order)])


class _Visit:
    """One room on the way to its answer."""

    def __init__(
        self,
        host: Host,
        wing: Host,
        place: RoomPlace,
        command: RunBody,
        tool: str,
        inquiry: Inquiry[Any],
    ) -> None:
        self._host = host
        self._wing = wing
        self._place = place
        self._room = str(place)
        self._command = command
        self._tool = tool
        self._inquiry = inquiry
        self._stirred = asyncio.Event()
        self._decided = False

    async def answer(self) -> RoomReply[Any]:
        """Drive the room until it has answered.

        Raises:
            RunFailed: it came to rest without a reply, or its call was decided meanwhile.
            KeyReused: it was asked something else before.
            Interrupted: the threads were closed.
        """
        try:
            with self._wing.occupying(self._room):
                return await self._answered()
        except ThreadsClosed:
            raise Interrupted from None
        except asyncio.CancelledError:
            self._host.when_open(self._stop)
            raise

    async def _answered(self) -> RoomReply[Any]:
        shared = await self._enter()
        self._tell("opened", shared=shared)
        try:
            await self._followed()
            records = await self._wing.call(self._wing.store.journal, self._room)
            reply = reply_of(records, self._inquiry)
        except RunFailed as error:
            self._tell("failed", text=error.reason)
            raise
        self._tell("answered", text=reply.text)
        return reply

    def _tell(self, stage: str, *, text: str = "", shared: int = 0) -> None:
        place = self._place
        self._host.listeners.tell(
            place.thread,
            RoomChanged(
                place.thread,
                place.run,
                place.call,
                self._tool,
                place.name,
                stage,
                self._room,
                self._inquiry.flow.name,
                text,
                shared,
            ),
        )

    async def _enter(self) -> int:
        """Open the room and have it told what it is asked, once; return how much of the conversation it was given."""
        wing, inquiry = self._wing, self._inquiry
        words = asked_in_words(inquiry, self._tool, self._host.flow.name)
        records = await wing.call(wing.store.journal, self._room)
        rows = await wing.call(wing.store.inbox, self._room) if records else []
        begun = begun_before(records, rows, self._room, inquiry, words)
        if records:
            await wing.load(self._room)  # it must fit the flow as it is now
        if begun:
            return 0
        copy, driver = "", self._host.driver(self._place.thread)
        if inquiry.share != "none":
            await driver.catch_up()
            copy = copied((*driver.journaled.transcript, *driver.journaled.state.due), inquiry)
        if not records:
            await wing.create(self._room, inquiry.request, (self._place.thread, driver.journaled.state.birth))
        text = first_message(copy, words)
        data = {"id": INQUIRY, "text": text, "policy": "queue"}
        at = wing.clock.now()
        await wing.call(wing.store.post, self._room, "message", data, at=at, key=f"user:{INQUIRY}")
        return copied_length(text)

    async def _followed(self) -> None:
        """Return when the room has answered, whoever drives it."""
        wing, listeners = self._wing, self._wing.listeners
        failed: asyncio.Future[HandoffError] = asyncio.get_running_loop().create_future()
        failed.add_done_callback(lambda _: self._stirred.set())
        with (
            listeners.observing(self._room, self._observe),
            listeners.observing(self._place.thread, self._observe_call),
            listeners.awaiting(self._room, failed),
        ):
            while True:
                self._stirred.clear()
                driver = wing.driver(self._room)
                here = driver.driving or await driver.wake()
                if not here:
                    await driver.catch_up()
                if failed.done():
                    raise failed.result()
                if self._decided:
                    await self._stop()
                    raise RunFailed(self._room, "cancelled", "the call it was opened for is decided")
                if driver.journaled.known and has_answered(driver.journaled.state):
                    return
                await self._stir(driver, REST if here else FOLLOW)

    def _observe(self, before: State, event: Event, after: State) -> None:
        del before, event, after
        self._stirred.set()

    def _observe_call(self, before: State, event: Event, after: State) -> None:
        del before, event
        if calls.is_decided(after, self._command):
            self._decided = True
            self._stirred.set()

    async def _stir(self, driver: Driver, seconds: float) -> None:
        """Wait until something happens in the room, or may have happened where another process did it."""
        if driver.driving or not self._wing.store.shared:
            await self._stirred.wait()
            return
        stirred: asyncio.Task[Any] = asyncio.ensure_future(self._stirred.wait())
        slept: asyncio.Task[Any] = asyncio.ensure_future(self._wing.clock.sleep(seconds))
        waits = (stirred, slept)
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _stop(self) -> None:
        """Stop the room's run, if one is active: nobody waits for it any more."""
        with contextlib.suppress(ThreadsClosed, ThreadUnknown):
            if await self._wing.call(self._wing.store.summary, self._room) is not None:
                await (await self._wing.look(self._room)).cancel()
