"""A thread's past, read back from its journal: as the events a watcher was told, and as the value it is now.

The live stream and this come from the same function, so they say the same; only what is never journaled (text deltas,
tool starts, progress) is missing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from handoff.core import fold
from handoff.core.codec import load
from handoff.core.state import Call, Progress, State
from handoff.events import ThreadEvent, told
from handoff.store.base import JournalRecord


def replay(records: Iterable[JournalRecord]) -> Iterator[ThreadEvent]:
    """Yield what a watcher was told of these events.

    Args:
        records: a thread's journal from its start, as `Store.journal` returns it.

    Raises:
        StoreError: if a record is of a version this one cannot read.
    """
    state: State | None = None
    for record in records:
        event = load(record.data)
        after = fold(state, event)
        if state is not None:
            yield from told(state, event, after)
        state = after


def folded(records: Iterable[JournalRecord]) -> State | None:
    """Return the thread after these events; None if there are none.

    Args:
        records: a thread's journal from its start, as `Store.journal` returns it.

    Raises:
        StoreError: if a record is of a version this one cannot read.
    """
    state: State | None = None
    for record in records:
        state = fold(state, load(record.data))
    return state


def under_way(state: State | None) -> list[tuple[Call, bool]]:
    """Return the calls of the open batch that have no output yet, and whether each is known to have started.

    Args:
        state: the thread.
    """
    batch = None if state is None or state.run is None else state.run.batch
    entries = [] if batch is None else [entry for entry in batch.entries if not entry.settled]
    return [(entry.call, entry.progress is Progress.STARTED) for entry in entries]
