"""A store in this process's memory, for tests and for conversations that need not outlive the process.

Same contract as on disk: content is kept as JSON text, an append or a post happens whole or not at all, and the hooks
are called around it. No other process sees it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from handoff.errors import KeyReused, StoreBehind, StoreError, ThreadBusy, ThreadClosed, ThreadUnknown
from handoff.store.base import (
    Commit,
    Hook,
    InboxGrew,
    InboxRow,
    JournalRecord,
    LedgerRow,
    Receipt,
    RowKind,
    Summary,
    TicketRow,
)
from handoff.store.content import beyond, birth_of, check_name, decode, encode, same


@dataclass(slots=True)
class _Row:
    id: int
    thread: str
    kind: RowKind
    text: str
    key: str | None
    at: float
    #: Sequence number of the append that consumed it.
    consumed: int | None = None

    def shown(self) -> InboxRow:
        return InboxRow(self.id, self.thread, self.kind, decode(self.text), self.key, self.at)


@dataclass(slots=True)
class _Thread:
    summary: Summary
    #: The summary's metadata, as it was when it came.
    metadata: str
    #: What its first event tells.
    birth: str
    journal: list[str] = field(default_factory=list[str])
    #: Ids of all its rows.
    rows: list[int] = field(default_factory=list[int])
    waiting: dict[int, _Row] = field(default_factory=dict[int, _Row])
    keys: dict[str, _Row] = field(default_factory=dict[str, _Row])
    ledger: dict[tuple[int, int, str], LedgerRow] = field(default_factory=dict[tuple[int, int, str], LedgerRow])
    tickets: dict[str, TicketRow] = field(default_factory=dict[str, TicketRow])

    def shown(self) -> Summary:
        return replace(self.summary, metadata=decode(self.metadata))


class _Held:
    __slots__ = ("_held", "_name")

    def __init__(self, held: dict[str, _Held], name: str) -> None:
        self._held = held
        self._name = name

    def release(self) -> None:
        if self._held.get(self._name) is self:
            del self._held[self._name]


class MemoryStore:
    """Keeps threads until the process ends. `close` gives up the locks and keeps the threads.

    Attributes:
        hooks: called around every append, post and delete that writes.
        shared: False: no other process can use it.
    """

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.shared = False
        self._threads: dict[str, _Thread] = {}
        #: Their ids, sorted: so those that begin alike stand together.
        self._names: list[str] = []
        #: By id.
        self._rows: dict[int, _Row] = {}
        self._last_row = 0
        self._held: dict[str, _Held] = {}

    # -- writing -------------------------------------------------------------------------------------------------------

    def append(self, thread: str, commit: Commit) -> int:
        """See `Store.append`."""
        check_name(thread)
        texts = [encode(event) for event in commit.events]
        metadata = encode(commit.summary.metadata)
        if not texts:
            raise StoreError(f"an append to thread {thread!r} holds no event; everything else follows from events")
        kept = self._threads.get(thread)
        found = 0 if kept is None else len(kept.journal)
        if found != commit.expect:
            raise StoreBehind(thread, commit.expect, found)
        waiting: dict[int, _Row] = {} if kept is None else kept.waiting
        consumed = frozenset(commit.consumed)
        if not consumed <= waiting.keys():
            raise StoreError(f"rows {sorted(consumed - waiting.keys())} do not wait for thread {thread!r}")
        if commit.last_row is not None and any(row > commit.last_row for row in waiting if row not in consumed):
            raise InboxGrew(f"a row came in for thread {thread!r}; read its inbox and judge again")
        if commit.parent is not None and self._born(commit.parent[0]) != commit.parent[1]:
            raise ThreadUnknown(commit.parent[0])
        self._tell_before("append", thread)
        if kept is None:
            kept = self._threads[thread] = _Thread(commit.summary, metadata, birth_of(thread, texts[0]))
            insort(self._names, thread)
        kept.summary, kept.metadata = commit.summary, metadata
        kept.journal += texts
        for row in consumed:
            kept.waiting.pop(row).consumed = len(kept.journal)
        for call in commit.ledger:
            kept.ledger[call.run, call.batch, call.call] = call
        for ticket in commit.tickets:
            kept.tickets[ticket.id] = ticket
        self._tell_after("append", thread)
        return len(kept.journal)

    def post(
        self,
        thread: str,
        kind: RowKind,
        data: Mapping[str, Any],
        *,
        at: float,
        key: str | None = None,
        reject_if_busy: bool = False,
        born: str | None = None,
    ) -> Receipt:
        """See `Store.post`."""
        check_name(thread)
        text = encode(data)
        kept = self._threads.get(thread)
        if kept is None or born not in {None, kept.birth}:
            raise ThreadUnknown(thread)
        # A key that was used is answered first: its receipt is good whatever became of the thread since.
        if key is not None and (used := kept.keys.get(check_name(key))):
            if used.kind == kind and same(used.text, text):
                return Receipt(used.id, repeated=True)
            raise KeyReused(thread, key)
        if kind == "message" and kept.summary.closed:
            raise ThreadClosed(thread)
        if reject_if_busy and (kept.summary.locked or kept.waiting):
            raise ThreadBusy(thread)
        self._tell_before("post", thread)
        self._last_row += 1
        row = self._rows[self._last_row] = _Row(self._last_row, thread, kind, text, key, at)
        kept.rows.append(row.id)
        kept.waiting[row.id] = row
        if key is not None:
            kept.keys[key] = row
        self._tell_after("post", thread)
        return Receipt(row.id)

    def delete(self, threads: Sequence[str]) -> None:
        """See `Store.delete`."""
        found = [thread for thread in threads if check_name(thread) in self._threads]
        if not found:
            return
        self._tell_before("delete", threads[0])
        for thread in found:
            for row in self._threads.pop(thread).rows:
                del self._rows[row]
            del self._names[bisect_left(self._names, thread)]
        self._tell_after("delete", threads[0])

    def _born(self, thread: str) -> str | None:
        kept = self._threads.get(thread)
        return None if kept is None else kept.birth

    def _tell_before(self, what: str, thread: str) -> None:
        for hook in self.hooks:
            hook("before", what, thread)

    def _tell_after(self, what: str, thread: str) -> None:
        for hook in self.hooks:
            hook("after", what, thread)

    # -- reading -------------------------------------------------------------------------------------------------------

    def journal(self, thread: str, after: int = 0, born: str | None = None) -> list[JournalRecord]:
        """See `Store.journal`."""
        kept = self._threads.get(check_name(thread))
        if born not in {None, self._born(thread)}:
            raise ThreadUnknown(thread)
        after = max(after, 0)
        texts = [] if kept is None else kept.journal[after:]
        return [JournalRecord(seq, decode(text)) for seq, text in enumerate(texts, after + 1)]

    def inbox(self, thread: str) -> list[InboxRow]:
        """See `Store.inbox`."""
        kept = self._threads.get(check_name(thread))
        return [] if kept is None else [row.shown() for row in kept.waiting.values()]

    def row(self, thread: str, row: int) -> tuple[InboxRow, int | None] | None:
        """See `Store.row`."""
        check_name(thread)
        kept = self._rows.get(row)
        return None if kept is None or kept.thread != thread else (kept.shown(), kept.consumed)

    def threads(
        self, under: str = "", *, after: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[tuple[str, Summary]]:
        """See `Store.threads`."""
        first = bisect_left(self._names, check_name(under))
        end = beyond(under)
        found = self._names[first : None if end is None else bisect_left(self._names, end, first)]
        order = sorted((-self._threads[thread].summary.at, thread) for thread in found)
        start = 0 if after is None else bisect_right(order, (-after[0], after[1]))
        return [(thread, self._threads[thread].shown()) for _, thread in islice(order[start:], limit)]

    def summary(self, thread: str) -> Summary | None:
        """See `Store.summary`."""
        kept = self._threads.get(check_name(thread))
        return None if kept is None else kept.shown()

    def ledger(self, thread: str) -> list[LedgerRow]:
        """See `Store.ledger`."""
        kept = self._threads.get(check_name(thread))
        rows = () if kept is None else kept.ledger.values()
        return sorted(rows, key=lambda row: (row.run, row.batch, row.position))

    def tickets(self, thread: str) -> list[TicketRow]:
        """See `Store.tickets`."""
        kept = self._threads.get(check_name(thread))
        return [] if kept is None else list(kept.tickets.values())

    def timers(self, until: float) -> list[tuple[str, float]]:
        """See `Store.timers`."""
        wakes = ((thread, kept.summary.wake_at) for thread, kept in self._threads.items())
        due = ((thread, wake_at) for thread, wake_at in wakes if wake_at is not None and wake_at <= until)
        return sorted(due, key=lambda one: (one[1], one[0]))

    def outstanding(self) -> list[str]:
        """See `Store.outstanding`; sorted."""
        return sorted(
            thread
            for thread, kept in self._threads.items()
            if kept.summary.locked or kept.waiting or any(ticket.stage != "closed" for ticket in kept.tickets.values())
        )

    def part(self) -> None:
        """Go its own way from here on, where it is a `copy.copy` of another; without its hooks and locks."""
        self.hooks, self._held = [], {}
        self._names = list(self._names)
        self._rows = {name: replace(row) for name, row in self._rows.items()}
        self._threads = {
            name: replace(
                kept,
                journal=list(kept.journal),
                rows=list(kept.rows),
                waiting={row: self._rows[row] for row in kept.waiting},
                keys={key: self._rows[row.id] for key, row in kept.keys.items()},
                ledger=dict(kept.ledger),
                tickets=dict(kept.tickets),
            )
            for name, kept in self._threads.items()
        }

    # -- others --------------------------------------------------------------------------------------------------------

    def changes(self) -> int:
        """See `Store.changes`: always 0, as nobody else can write."""
        return 0

    def lock(self, name: str) -> _Held | None:
        """See `Store.lock`: held until released or closed."""
        held = _Held(self._held, name)
        return held if self._held.setdefault(name, held) is held else None

    def close(self) -> None:
        """See `Store.close`: releases the locks; the threads stay for as long as the store does."""
        self._held.clear()
