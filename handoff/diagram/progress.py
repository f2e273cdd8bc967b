"""One thread's way through its flow, read from its journal: where it is, how it came there, how often it went where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from handoff.core import fold
from handoff.core.codec import load
from handoff.core.state import State
from handoff.diagram.table import Diagram
from handoff.errors import ConfigurationError
from handoff.events import moves
from handoff.store.base import JournalRecord


def along(diagram: Diagram, records: Iterable[JournalRecord]) -> Diagram:
    """Return the table with a thread's way marked in it.

    Args:
        diagram: the table of its flow.
        records: its journal from the start, as `Store.journal` returns it.

    Raises:
        ConfigurationError: the thread is one of another flow.
        StoreError: a record is of a version this one cannot read.
    """
    taken: Counter[str] = Counter()
    latest = ""
    state: State | None = None
    for record in records:
        event = load(record.data)
        after = fold(state, event)
        for move, _ in moves(state, event, after) if state is not None else ():
            taken[move.transition] += 1
            latest = move.transition
        state = after
    if state is None:
        return diagram
    if state.flow != diagram.flow:
        raise ConfigurationError(f"thread {state.thread} is one of the flow {state.flow}: name that one")
    active = state.assistant
    declared = {arrow.transition for arrow in diagram.arrows}
    return replace(
        diagram,
        boxes=tuple(replace(box, active=box.name == active) for box in diagram.boxes),
        arrows=tuple(
            replace(arrow, taken=taken[arrow.transition], latest=arrow.transition == latest) for arrow in diagram.arrows
        ),
        gone=sum(count for key, count in taken.items() if key not in declared),
    )
