"""The side rooms of a talk: each is a talk of its own, in which the test plays the consulted flow's model (S).

A room is opened where the body waits for it. When it has come to rest, the body goes on, and all that follows has
happened when the step in the room returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handoff.core.commands import RunBody
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
from handoff.testing.suspending import Asked

if TYPE_CHECKING:
    from handoff.testing.talk import Talk


@dataclass(slots=True)
class _Seat:
    """A room and the body that waits for it."""

    command: RunBody
    tool: Tool
    asked: Asked
    talk: Talk[Any]
    driver: InlineDriver
    #: It is being opened: the body looks for the answer itself.
    opening: bool = True


class TalkRooms(Mapping[str, "Talk[Any]"]):
    """The rooms of a talk, by name: of several of one name, the earliest that has not answered, else the latest.

    Args:
        make: makes the talk of a room, and its driver.
        missing: makes the error for a room that is not there.
        driver: the thread whose calls have the rooms.
        tell: called with what the parent's watchers are told.
    """

    def __init__(
        self,
        make: Callable[[Asked], tuple[Talk[Any], InlineDriver]],
        missing: Callable[[str, str], Exception],
        driver: InlineDriver,
        tell: Callable[[RoomChanged], None],
    ) -> None:
        self._make = make
        self._missing = missing
        self._driver = driver
        self._tell = tell
        self._seats: list[_Seat] = []
        #: Talks of rooms that a crash has lost, by the thread's id: their journals are there.
        self._lost: dict[str, tuple[Talk[Any], InlineDriver]] = {}

    # -- what a test sees ----------------------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Talk[Any]:
        """The room of that name.

        Raises:
            TalkMismatch: there is none.
        """
        __tracebackhide__ = True
        named = [seat for seat in self._seats if seat.asked.place.name == name]
        if not named:
            known = ", ".join(self) or "none"
            raise self._missing(f"rooms[{name!r}]", f"no side room of that name is open; open are {known}")
        return next((seat.talk for seat in named if not seat.asked.answered), named[-1].talk)

    def __contains__(self, name: object) -> bool:
        return any(seat.asked.place.name == name for seat in self._seats)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(seat.asked.place.name for seat in self._seats))

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def open(self) -> tuple[Talk[Any], ...]:
        """The rooms that have not answered, in the order they were opened."""
        return tuple(seat.talk for seat in self._seats if not seat.asked.answered)

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
        seat = _Seat(command, tool, asked, *(self._make(asked) if found is None else found))
        self._seats.append(seat)
        if found is None:
            seat.driver.fed.append(lambda: self._fed(room))
        else:
            seat.talk.crash()
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
            seat.talk.cancel()
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
            self._lost[str(seat.asked.place)] = seat.talk, seat.driver
            seat.talk.rooms.forget()
        self._seats.clear()

    def lose(self) -> None:
        """Forget what runs in the rooms; they stay to be looked at."""
        for seat in self._seats:
            seat.talk.rooms.lose()
            seat.driver.bodies.lose()

    def _fed(self, room: str) -> None:
        """Something has happened in a room: if that was its answer, its body goes on."""
        for seat in self._seats:
            if str(seat.asked.place) == room and not seat.opening and self._answer(seat):
                self._driver.bodies.go_on(seat.command.key)
                return

    def _answer(self, seat: _Seat) -> bool:
        """Answer the body if the room has come to its end; return whether it has just done so."""
        asked = seat.asked
        if asked.answered or not has_answered(seat.talk.state):
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

    def _told(self, seat: _Seat, stage: str, *, text: str = "", shared: int = 0) -> None:
        place = seat.asked.place
        where = (place.thread, place.run, place.call, seat.tool.name, place.name)
        self._tell(RoomChanged(*where, stage, str(place), seat.asked.inquiry.flow.name, text, shared))
