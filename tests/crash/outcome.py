"""What a thread has come to, read from its files by another process, and how two outcomes differ.

Of a thread that was killed everything must equal the undisturbed one, but for times and for how the journal got there.
A body that may not run twice and was lost between its start and its end leaves a ticket. What that ticket brings about
(the call is answered pending, the model waits, a person says what became of it, the result comes as a note) is folded
back into the answer of the call; then the rest must be equal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from handoff import SqlStore
from handoff.core import receive
from handoff.core.batch import open_batch
from handoff.core.codec import load
from handoff.core.events import Recovered
from handoff.core.items import Item, Note, Output, Spoken, UserMessage
from handoff.core.state import Call, Progress, State
from handoff.core.texts import tell
from handoff.core.transcript import stored_by
from handoff.driving.history import folded
from handoff.driving.side_rooms import room_place
from handoff.store import LedgerRow, TicketRow
from tests.crash.effects import Effects
from tests.crash.life import STORE, THREAD

#: A call by its run, its batch and its id.
CallKey: TypeAlias = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a thread has come to."""

    #: The fold of its journal.
    state: State
    #: What was said and done, with what is still due.
    transcript: tuple[Item, ...]
    ledger: tuple[LedgerRow, ...]
    tickets: tuple[TicketRow, ...]
    #: How often each (tool, idempotency key) was done to the world.
    effects: Counter[tuple[str, str]]
    #: Path below the directory of files and content of each.
    files: dict[str, bytes]
    #: The calls of open batches whose bodies were between start and end when a process died, and may neither run again
    #: nor be asked: each is to become a ticket.
    lost: frozenset[CallKey]
    #: Those, and the calls of tickets of which the same is true.
    unknown: frozenset[CallKey]
    #: How many rows wait in the inbox.
    waiting: int


def outcome_of(directory: Path, files: str | None = None, thread: str = THREAD) -> Outcome:
    """Read an outcome.

    Args:
        directory: where the process kept its files.
        files: name of the directory in it whose files count.
        thread: id of the thread, or of a side room.
    """
    store = SqlStore(directory / STORE)
    try:
        state: State | None = None
        transcript: list[Item] = []
        lost: set[CallKey] = set()
        unknown: set[CallKey] = set()
        for record in store.journal(thread):
            event = load(record.data)
            if state is not None:
                transcript.extend(stored_by(state, event))
                if isinstance(event, Recovered):
                    lost |= _begun_in_batch(state)
                    unknown |= lost | _begun_for_tickets(state)
            state, _ = receive(state, event)
        assert state is not None
        ledger = store.ledger(thread)
        names = {row.call: f"call_{number}" for number, row in enumerate(ledger, 1)}
        return Outcome(
            # What a server has in its cache depends on what it was asked before the kill.
            # Each thread has a birth of its own.
            replace(state, ref="", birth="", usage=replace(state.usage, cached_tokens=0)),
            tuple(_named(item, names) for item in (*transcript, *state.due)),
            tuple(replace(row, call=names[row.call]) for row in ledger),
            tuple(store.tickets(thread)),
            _effects(directory, state, _rooms(store, thread)),
            _files(directory / files) if files else {},
            frozenset(lost),
            frozenset(unknown),
            len(store.inbox(thread)),
        )
    finally:
        store.close()


def read_state(directory: Path) -> State:
    """Return the fold of a thread's journal.

    Args:
        directory: where the process kept its files.
    """
    store = SqlStore(directory / STORE)
    try:
        state = folded(store.journal(THREAD))
    finally:
        store.close()
    assert state is not None
    return state


def _named(item: Item, names: Mapping[str, str]) -> Item:
    """The item with its calls numbered as they were asked for: a server names them as it likes."""
    if isinstance(item, Output):
        return replace(item, call=names[item.call])
    if isinstance(item, Spoken):
        return replace(item, calls=tuple(replace(call, id=names[call.id]) for call in item.calls))
    return item


def _begun_in_batch(state: State) -> set[CallKey]:
    if state.run is None or state.run.batch is None:
        return set()
    batch = open_batch(state)
    entries = [entry for entry in batch.entries if entry.progress is Progress.STARTED and not _safe(entry.call)]
    return {(state.run.number, batch.number, entry.call.id) for entry in entries}


def _begun_for_tickets(state: State) -> set[CallKey]:
    tickets = [ticket for ticket in state.tickets if ticket.stage == "running" and not _safe(ticket.call)]
    return {(ticket.run, ticket.batch, ticket.call.id) for ticket in tickets}


def _safe(call: Call) -> bool:
    return call.idempotent or call.probed


def _rooms(store: SqlStore, thread: str) -> set[str]:
    """The births of the rooms below a thread."""
    states = (folded(store.journal(name)) for name, _ in store.threads(f"{thread}/") if room_place(name))
    return {state.birth for state in states if state is not None}


def _effects(directory: Path, state: State, rooms: set[str]) -> Counter[tuple[str, str]]:
    """What the bodies of a thread did, told by its birth; of one that is no room, all that no room did."""
    room = room_place(state.thread) is not None
    found: Counter[tuple[str, str]] = Counter()
    for (tool, key), times in Effects(directory / "effects").count().items():
        birth = key.partition("/")[0]
        if birth == state.birth if room else birth not in rooms:
            found[tool, key] = times
    return found


def _files(root: Path) -> dict[str, bytes]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


# -- comparing ---------------------------------------------------------------------------------------------------------


def differences(expected: Outcome, actual: Outcome, waits: Callable[[object], bool]) -> list[str]:
    """Return what differs between an undisturbed outcome and one after crashes, one sentence each.

    Args:
        expected: the undisturbed one.
        actual: the one after crashes.
        waits: tells whether an item is the model's word that it waits for a ticket.
    """
    found = _Differences()
    found.see("rows that wait", 0, actual.waiting)
    found.see("files", expected.files, actual.files)
    if actual.lost:
        _compare_with_tickets(expected, actual, waits, found)
    else:
        found.see("state", replace(expected.state, silent_since=None), replace(actual.state, silent_since=None))
        found.see("transcript", expected.transcript, actual.transcript)
        found.see("ledger", expected.ledger, actual.ledger)
        found.see("tickets", expected.tickets, actual.tickets)
    return found.sentences


def _compare_with_tickets(
    expected: Outcome, actual: Outcome, waits: Callable[[object], bool], found: _Differences
) -> None:
    """Compare with an outcome to which each lost body added its one ticket, and nothing else."""
    known = {row.call for row in expected.tickets}
    added = [row for row in actual.tickets if row.call not in known]
    doubted = {row.call for row in added}
    found.see("tickets of lost bodies", sorted(actual.lost), sorted((row.run, row.batch, row.call) for row in added))
    others = [row for row in actual.tickets if row.call in known]
    found.see("other tickets", _tickets(expected.tickets), _tickets(others))
    found.see("open tickets", (), actual.state.tickets)
    found.see("phase", expected.state.phase, actual.state.phase)
    found.see("due", expected.state.due, actual.state.due)
    found.see("assistant", expected.state.assistant, actual.state.assistant)
    found.see("metadata", expected.state.metadata, actual.state.metadata)
    direct = without_detour(actual.transcript, waits)
    found.see("transcript", _anonymous(expected.transcript), _anonymous(direct))
    found.see("ledger", _settled(expected.ledger, doubted), _settled(actual.ledger, doubted))


def _tickets(rows: Sequence[TicketRow]) -> list[TicketRow]:
    return [replace(row, id="", run=0) for row in rows]


class _Differences:
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def see(self, what: str, expected: object, actual: object) -> None:
        if isinstance(expected, Sequence) and isinstance(actual, Sequence) and len(expected) == len(actual):
            pairs = [(one, other) for one, other in zip(expected, actual, strict=True) if one != other]
            self.sentences += [f"{what}: expected {one!r}, got {other!r}" for one, other in pairs]
        elif expected != actual:
            self.sentences.append(f"{what}: expected {expected!r}, got {actual!r}")


def without_detour(transcript: Sequence[Item], waits: Callable[[object], bool]) -> tuple[Item, ...]:
    """Return the transcript as if the calls in doubt had been answered at once by what was said of them later.

    Args:
        transcript: what was said and done.
        waits: tells whether an item is the model's word that it waits for a ticket.
    """
    late = {item.ticket: item for item in transcript if isinstance(item, Note) and item.kind == "late"}
    pending = {tell("in_doubt", ticket=ticket): note for ticket, note in late.items()}
    detours = [pending[item.text] for item in transcript if isinstance(item, Output) and item.text in pending]
    folded: list[Item] = []
    for item in transcript:
        if isinstance(item, Output) and item.text in pending:
            folded.append(replace(item, text=pending[item.text].text.partition(": ")[2]))
        elif not waits(item) and item not in detours:
            folded.append(item)
    return tuple(folded)


def _anonymous(transcript: Sequence[Item]) -> list[Item]:
    """Return the items without the numbers of runs and tickets: a detour takes a run and a ticket of its own."""
    items: list[Item] = []
    for item in transcript:
        if isinstance(item, Note):
            items.append(replace(item, text=_unnumbered(item.text), ticket=None))
        elif isinstance(item, Output):
            items.append(replace(item, run=0, text=_unnumbered(item.text)))
        else:
            items.append(item if isinstance(item, UserMessage) else replace(item, run=0))
    return items


def _unnumbered(text: str) -> str:
    return re.sub(r"\(ticket T\d+\)", "(ticket)", text)


def _settled(ledger: Sequence[LedgerRow], doubted: set[str]) -> list[LedgerRow]:
    """Return the rows as a detour leaves them: those in doubt with the progress of a ticket that was settled."""
    rows = [replace(row, run=0, output=_unnumbered(row.output)) for row in ledger]
    return [replace(row, progress="resolved") if row.call in doubted else row for row in rows]
