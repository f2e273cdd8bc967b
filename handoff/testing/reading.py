"""A stored conversation as it is read again: each event with the thread around it, and what comes of it later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from handoff.core import events as happened
from handoff.core import fold
from handoff.core.codec import load
from handoff.core.events import Event
from handoff.core.state import Call, State
from handoff.store.base import JournalRecord
from handoff.testing.story import Story


@dataclass(frozen=True, slots=True)
class Recorded:
    """One journaled event, and the thread around it."""

    event: Event
    before: State
    after: State


def recorded(records: Sequence[JournalRecord]) -> list[Recorded]:
    """Return the events after the first, each with the thread before and after it.

    Args:
        records: a thread's journal from its start.

    Raises:
        StoreError: a record is of a version this one cannot read.
    """
    found: list[Recorded] = []
    state: State | None = None
    for record in records:
        event = load(record.data)
        after = fold(state, event)
        if state is not None:
            found.append(Recorded(event, state, after))
        state = after
    return found


def as_text(records: Sequence[JournalRecord]) -> str:
    """Return the conversation as people read it.

    Args:
        records: a thread's journal from its start.
    """
    story = Story()
    for one in recorded(records):
        story.tell(one.before, one.event, one.after)
    return str(story)


class Reading:
    """A journal that is read from its start to its end, with looks ahead.

    Args:
        records: a thread's journal from its start.

    Attributes:
        past: its events after the first.

    Raises:
        StoreError: a record is of a version this one cannot read.
    """

    def __init__(self, records: Sequence[JournalRecord]) -> None:
        self.past = recorded(records)

    @property
    def ended(self) -> bool:
        """Whether no run is active at its end."""
        return bool(self.past) and self.past[-1].after.run is None

    def taken_up(self, index: int) -> Iterator[happened.MessageAccepted]:
        """Yield the messages that are taken up as the run ends.

        Args:
            index: of an event that ends it.
        """
        for one in self.past[index + 1 :]:
            if isinstance(one.event, happened.RunStarted | happened.Drained | happened.StartRefused):
                return
            if isinstance(one.event, happened.MessageAccepted):
                yield one.event

    def outcomes(
        self, index: int, place: tuple[int, int], asked: Sequence[Call]
    ) -> tuple[list[tuple[Recorded, Call]], bool]:
        """Return the ends of a batch's bodies, each with its call, and whether nothing else came between.

        Args:
            index: of the event in which the calls were made.
            place: number of their run, and of their batch in it.
            asked: the calls.
        """
        by_id = {call.id: call for call in asked}
        found: list[tuple[Recorded, Call]] = []
        for later, one in enumerate(self.past[index + 1 :], index + 1):
            run = one.before.run
            if run is None or run.batch is None or (run.number, run.batch.number) != place:
                return found, not self._decided(later, place)
            if isinstance(one.event, happened.CallDone):
                if one.event.pending in {"running", "in_doubt"}:
                    return found, False
                found.append((one, by_id[one.event.call]))
            elif not isinstance(one.event, happened.CallStarted):
                return found, False
        last = self.past[-1].after.run
        return found, last is None or last.batch is None

    def _decided(self, index: int, place: tuple[int, int]) -> bool:
        """Return whether a ticket of the batch was decided before the batch had settled."""
        for one in self.past[index:]:
            if one.before.run is not None or isinstance(one.event, happened.Drained | happened.StartRefused):
                return False
            if isinstance(one.event, happened.Resolved):
                ticket = one.before.ticket(one.event.ticket)
                if ticket is not None and (ticket.run, ticket.batch) == place:
                    return True
        return False

    def started(self, one: Recorded) -> float:
        """Return when a body began that ends in this event, Unix seconds; when it ends, where nothing says so.

        Args:
            one: the end of a body.
        """
        event = one.event
        assert isinstance(event, happened.CallDone)
        for past in self.past:
            found = past.event
            if isinstance(found, happened.CallStarted) and (found.run, found.batch, found.call) == (
                event.run,
                event.batch,
                event.call,
            ):
                return found.at
        return event.at
