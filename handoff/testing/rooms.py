"""The side rooms of a thread without an event loop: each is one more such thread, of the consulted flow (S).

A room is opened where the body waits for it. When it has come to rest, the body may go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol

from typing_extensions import TypeVar

from handoff.core.commands import RunBody
from handoff.core.state import State
from handoff.declaration.tools import Tool
from handoff.driving import calls
from handoff.driving.side_rooms import (
    INQUIRY,
    asked_in_words,
    begun_before,
    copied,
    copied_length,
    first_message,
    has_answered,
    reply_of,
)
from handoff.errors import KeyReused, RunFailed
from handoff.events import RoomChanged
from handoff.testing.driver import InlineDriver
from handoff.testing.schedule import labelled
from handoff.testing.suspending import Asked


class PlayedRoom(Protocol):
    """What a room is to the thread whose call has opened it."""

    @property
    def state(self) -> State:
        """Its thread as a value."""
        ...

    @property
    def rooms(self) -> PlayedRooms[Any]:
        """The rooms that its own calls have opened."""
        ...

    def crash(self) -> None:
        """Go on from the store after a process has died."""
        ...

    def cancel(self) -> None:
        """Stop its run, if one is active."""
        ...


R = TypeVar("R", bound=PlayedRoom)


@dataclass(slots=True)
class _Seat(Generic[R]):
    """A room and the body that waits for it."""

    command: RunBody
    tool: Tool
    asked: Asked
    played: R
    driver: InlineDriver
    #: It is being opened: the body looks for the answer itself.
    opening: bool = True


class PlayedRooms(Mapping[str, R]):
    """The rooms of a thread, by name: of several of one name, the earliest that has not answered, else the latest.

    Args:
        make: makes what plays a room, and its driver.
        missing: makes the error for a room that is not there.
        driver: the thread whose calls have the rooms.
        tell: called with what the parent's watchers are told.
    """

    def __init__(
        self,
        make: Callable[[Asked], tuple[R, InlineDriver]],
        missing: Callable[[str, str], Exception],
        driver: InlineDriver,
        tell: Callable[[RoomChanged], None],
    ) -> None:
        self._make = make
        self._missing = missing
        self._driver = driver
        self._tell = tell
        self._seats: list[_Seat[R]] = []
        #: Rooms that a crash has lost, by the thread's id: their journals are there.
        self._lost: dict[str, tuple[R, InlineDriver]] = {}

    # -- what a test sees ----------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> R:
        """The room of that name.

        Raises:
            TalkMismatch: there is none.
        """
        __tracebackhide__ = True
        named = [seat for seat in self._seats if seat.asked.place.name == name]
        if not named:
            known = ", ".join(self) or "none"
            raise self._missing(f"rooms[{name!r}]", f"no side room of that name is open; open are {known}")
        return next((seat.played for seat in named if not seat.asked.answered), named[-1].played)

    def __contains__(self, name: object) -> bool:
        return any(seat.asked.place.name == name for seat in self._seats)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(seat.asked.place.name for seat in self._seats))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def open(self) -> tuple[R, ...]:
        """The rooms that have not answered, in the order they were opened."""
        return tuple(self.labelled.values())

    @property
    def labelled(self) -> dict[str, R]:
        """The rooms that have not answered, by name: of several of one name, the second is called `name#2`."""
        return labelled((seat.asked.place.name, seat.played) for seat in self._seats if not seat.asked.answered)

    @property
    def known(self) -> tuple[R, ...]:
        """The rooms the process knows of, in the order they were opened."""
        return tuple(seat.played for seat in self._seats)

    @property
    def all(self) -> tuple[R, ...]:
        """Those, then the rooms that a crash has lost."""
        return (*self.known, *(played for played, _ in self._lost.values()))

    def __repr__(self) -> str:
        return f"<rooms {', '.join(self) or 'none'}>"

    # -- what the drivers do -------------------------------------------------------------------------------------------

    def enter(self, command: RunBody, tool: Tool, asked: Asked) -> None:
        """Open a room, or find it as a crash has left it.

        Args:
            command: the body that asks.
            tool: its tool.
            asked: what it asks.
        """
        asked.opened = True
        driver, inquiry, room = self._driver, asked.inquiry, str(asked.place)
        words = asked_in_words(inquiry, tool.name, driver.flow.name)
        records = driver.store.journal(room)
        rows = driver.store.inbox(room) if records else []
        try:
            begun = begun_before(records, rows, room, inquiry, words)
        except KeyReused as error:
            asked.outcome = error
            return
        found = self._lost.pop(room, None)
        played, room_driver = self._make(asked) if found is None else found
        seat = _Seat(command, tool, asked, played, room_driver)
        self._seats.append(seat)
        if found is None:
            seat.driver.fed.append(partial(self._fed, room))
        else:
            seat.played.crash()
        text = first_message(copied((*driver.transcript, *driver.state.due), inquiry), words)
        self._told(seat, "opened", shared=0 if begun else copied_length(text))
        if not begun:
            data = {"id": INQUIRY, "text": text, "policy": "queue"}
            seat.driver.post("message", data, f"user:{INQUIRY}")
        self._answer(seat)
        seat.opening = False

    def look_after(self) -> None:
        """Stop the rooms that nobody waits for any more: their call is decided, or their body has ended."""
        for seat in [one for one in self._seats if not one.asked.answered]:
            waited = seat.command.key in self._driver.bodies.held
            if waited and not calls.is_decided(self._driver.state, seat.command):
                continue
            reason = "the call it was opened for is decided"
            seat.opening = True
            seat.played.cancel()
            if not seat.asked.answered:
                seat.asked.outcome = RunFailed(str(seat.asked.place), "cancelled", reason)
                self._told(seat, "failed", text=reason)
            seat.opening = False
            if waited:
                self._driver.bodies.go_on(seat.command.key)

    def forget(self) -> None:
        """Forget the rooms, as a crash does; their threads are stored."""
        self.lose()
        for seat in self._seats:
            self._lost[str(seat.asked.place)] = seat.played, seat.driver
            seat.played.rooms.forget()
        self._seats.clear()

    def lose(self) -> None:
        """Forget what runs in the rooms; they stay to be looked at."""
        for seat in self._seats:
            seat.played.rooms.lose()
            seat.driver.bodies.lose()

    def part(
        self,
        make: Callable[[Asked], tuple[R, InlineDriver]],
        missing: Callable[[str, str], Exception],
        driver: InlineDriver,
        tell: Callable[[RoomChanged], None],
        fork: Callable[[R], tuple[R, InlineDriver]],
    ) -> None:
        """Go their own way from here on, where they are a `copy.copy` of others.

        Args:
            make: as for the rooms themselves.
            missing: as for the rooms themselves.
            driver: the thread, which has gone its own way, and its bodies with it.
            tell: as for the rooms themselves.
            fork: has a room go its own way; returns what plays it then, and its driver.
        """
        self._make, self._missing, self._driver, self._tell = make, missing, driver, tell
        seats, lost = self._seats, self._lost
        self._seats, self._lost = [], {}
        for seat in seats:
            played, room = fork(seat.played)
            held = driver.bodies.held.get(seat.command.key)
            asked = seat.asked if held is None else held.suspending.asked[seat.asked.place.name]
            self._seats.append(replace(seat, played=played, driver=room, asked=asked))
        self._lost = {name: fork(played) for name, (played, _) in lost.items()}
        drivers = [*(seat.driver for seat in self._seats), *(room for _, room in self._lost.values())]
        for room in drivers:
            room.fed.append(partial(self._fed, room.thread))

    def _fed(self, room: str) -> None:
        """Something has happened in a room: if that was its answer, its body goes on."""
        for seat in self._seats:
            if str(seat.asked.place) == room and not seat.opening and self._answer(seat):
                self._driver.bodies.go_on(seat.command.key)
                return

    def _answer(self, seat: _Seat[R]) -> bool:
        """Answer the body if the room has come to its end; return whether it has just done so."""
        asked = seat.asked
        if asked.answered or not has_answered(seat.played.state):
            return False
        try:
            reply = reply_of(self._driver.store.journal(str(asked.place)), asked.inquiry)
        except RunFailed as error:
            self._told(seat, "failed", text=error.reason)
            asked.outcome = error
        else:
            self._told(seat, "answered", text=reply.text)
            asked.outcome = reply
        return True

    def _told(self, seat: _Seat[R], stage: str, *, text: str = "", shared: int = 0) -> None:
        place = seat.asked.place
        where = (place.thread, place.run, place.call, seat.tool.name, place.name)
        self._tell(RoomChanged(*where, stage, str(place), seat.asked.inquiry.flow.name, text, shared))
