"""A body that consults, run up to where it waits for a side room, and on from there once that has answered.

An `async` body is a task on a private loop, any other runs on a thread of its own; either way only one of body
and test is at work at a time.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from handoff.core.commands import RunBody
from handoff.declaration.consulting import Consultation, Inquiry, Interrupted, RoomReply
from handoff.declaration.effects import Bound
from handoff.driving.side_rooms import RoomPlace
from handoff.errors import KeyReused
from handoff.testing.loop import PrivateLoop


@dataclass(slots=True)
class Asked:
    """A room that a body has asked for.

    Attributes:
        place: where it belongs.
        inquiry: what it is asked.
        answer: gets its answer, when the body goes on.
        consultation: what the body waits on.
        outcome: its answer, or why there is none; None as long as it is under way.
        waited: the body has begun to wait for it.
        opened: somebody has opened it.
    """

    place: RoomPlace
    inquiry: Inquiry[Any]
    answer: concurrent.futures.Future[RoomReply[Any]] = field(default_factory=concurrent.futures.Future[RoomReply[Any]])
    consultation: Consultation[Any] = field(init=False)
    outcome: RoomReply[Any] | Exception | None = None
    waited: bool = False
    opened: bool = False

    def follow(self, other: Asked) -> None:
        """Have come as far as another has, in another world.

        Args:
            other: the same room there.
        """
        self.opened = other.opened
        self.outcome = other.outcome

    @property
    def answered(self) -> bool:
        """Whether it has come to its end."""
        return self.outcome is not None

    @property
    def is_news(self) -> bool:
        """Whether it has come to its end, and the body has not been told."""
        return self.answered and not self.answer.done()

    def tell(self) -> None:
        """Tell the body what came of it."""
        if isinstance(self.outcome, Exception):
            self.answer.set_exception(self.outcome)
        elif self.outcome is not None:
            # A copy: the body may write on it.
            metadata = self.outcome.metadata.model_copy(deep=True)
            self.answer.set_result(replace(self.outcome, metadata=metadata))


class Suspending:
    """One body that may wait for rooms.

    Args:
        thread: id of its thread.
        command: the body.
        loop: where it runs if it is asynchronous.

    Attributes:
        command: the body.
        asked: the rooms it has asked for, by name.
        told: each time it was run on, the names of the rooms it was told of.
    """

    def __init__(self, thread: str, command: RunBody, loop: PrivateLoop) -> None:
        self.command = command
        self.asked: dict[str, Asked] = {}
        self.told: list[tuple[str, ...]] = []
        self._thread = thread
        self._loop = loop
        self._task: asyncio.Task[object] | None = None
        self._outcome: concurrent.futures.Future[object] | None = None
        self._turn = threading.Condition()
        self._abandoned = False

    # -- called by the body --------------------------------------------------------------------------------------------

    def consult(self, inquiry: Inquiry[Any]) -> Consultation[Any]:
        """Take note of what the body asks; the room is opened when the body waits.

        Args:
            inquiry: what it asks.

        Raises:
            KeyReused: it asked a room of that name something else.
        """
        if self._abandoned:
            raise Interrupted
        asked = self.asked.get(inquiry.room)
        if asked is None:
            asked = Asked(RoomPlace(self._thread, *self.command.place, inquiry.room), inquiry)
            asked.consultation = Consultation(asked.answer, partial(self._waits, asked))
            self.asked[inquiry.room] = asked
        if asked.inquiry != inquiry:
            raise KeyReused(str(asked.place), f"room={inquiry.room}")
        return asked.consultation

    def anew(self) -> Suspending:
        """Return what runs the same body from its start, in another world."""
        return Suspending(self._thread, self.command, self._loop)

    def _waits(self, asked: Asked) -> None:
        with self._turn:
            asked.waited = True
            self._turn.notify_all()

    # -- called by whoever runs it -------------------------------------------------------------------------------------

    @property
    def blocked(self) -> bool:
        """Whether it waits for a room and has not been told what came of it."""
        return any(asked.waited and not asked.answer.done() for asked in self._all)

    @property
    def open_rooms(self) -> list[str]:
        """Names of the rooms that have not answered."""
        return [asked.place.name for asked in self._all if not asked.answered]

    @property
    def may_go_on(self) -> bool:
        """Whether it has not begun, or a room has come to its end since it stopped."""
        begun = self._task is not None or self._outcome is not None
        return not begun or bool(self.news)

    @property
    def news(self) -> tuple[str, ...]:
        """Names of the rooms that have come to their end since it stopped."""
        return tuple(asked.place.name for asked in self._all if asked.is_news)

    @property
    def _all(self) -> list[Asked]:
        return list(self.asked.values())  # a copy: a body on a thread of its own may just be asking

    def proceed(self, bound: Bound) -> bool:
        """Tell the body what came of its rooms, and run it on until it ends or waits; return whether it has ended.

        Args:
            bound: the body.
        """
        news = self.news
        self.told.append(news)
        for name in news:
            self.asked[name].tell()
        if bound.is_async:
            if self._task is None:
                self._task = self._loop.begin(bound.run)
            return self._loop.until(self._task, lambda: self.blocked)
        if self._outcome is None:
            self._outcome = concurrent.futures.Future()
            run = partial(contextvars.copy_context().run, self._serve, bound, self._outcome)
            threading.Thread(target=run, name="handoff talk", daemon=True).start()
        outcome = self._outcome
        with self._turn:
            self._turn.wait_for(lambda: outcome.done() or self.blocked)
        return outcome.done()

    def _serve(self, bound: Bound, outcome: concurrent.futures.Future[object]) -> None:
        try:
            returned = bound.run()
        except BaseException as error:  # noqa: BLE001 - raised again where its outcome is asked for
            outcome.set_exception(error)
        else:
            outcome.set_result(returned)
        with self._turn:
            self._turn.notify_all()

    def returned(self) -> object:
        """What it returned; raises what it raised."""
        if self._task is not None:
            return self._task.result()
        assert self._outcome is not None
        return self._outcome.result()

    def abandon(self, bound: Bound) -> None:
        """End it where it waits, as a process that dies does: nothing comes of it.

        Args:
            bound: the body.
        """
        self._abandoned = True
        for asked in self._all:
            if not asked.answer.done():
                asked.answer.set_exception(Interrupted())
        if self._task is None and self._outcome is None:
            return
        if self.proceed(bound):
            ended = self._task or self._outcome
            assert ended is not None
            ended.exception()
