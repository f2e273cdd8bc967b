"""The store contract: who keeps the journal, and what waits for the lock.

A thread's journal is append-only and fenced: every append names the sequence number it expects (O). The inbox is the
store's: anybody may post to it, its order is the order of commits, and only an append consumes it (L3). Everything
else here (summaries, ledger, tickets) is a projection of the journal, written in the same transaction, for people and
for look-ups. A store is synchronous and may be called from one thread at a time; the shell sees to that.

A thread's birth, which its first event tells, tells it from an earlier and a later one of its id. Who goes by what was
read before says so by `born`, and is refused when that thread is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from handoff.errors import StoreError

RowKind: TypeAlias = Literal["message", "stop", "resolved", "edit", "timer"]


@dataclass(frozen=True, slots=True)
class InboxRow:
    """Something that waits for the lock, or waited."""

    #: Position in commit order over the whole store; later is larger.
    id: int
    #: The thread it is for.
    thread: str
    #: What it is.
    kind: RowKind
    #: Its content, as JSON.
    data: Mapping[str, Any]
    #: The sender's idempotency key.
    key: str | None
    #: Unix time in seconds it was posted.
    at: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a row is committed."""

    #: The row's id; the same for the same key.
    row: int
    #: Whether the key had been used before, with the same content: nothing was added.
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One event as it was journaled."""

    #: Sequence number in the thread, from 1, without gaps.
    seq: int
    #: The event as JSON, with its `type`.
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a listing shows of a thread."""

    #: Name of its flow.
    flow: str
    #: The active assistant.
    assistant: str
    #: `rest`, a run status, or `closed`.
    status: str
    #: Whether a run is active: with a waiting row, what `reject` is judged by (L5).
    locked: bool
    #: Whether the flow reached its end.
    closed: bool
    #: The metadata.
    metadata: Mapping[str, Any]
    #: Unix time in seconds at which a silence timer is due; None if there is none.
    wake_at: float | None
    #: Unix time in seconds of the latest event.
    at: float


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What a tool call did so far. (run, batch, call) is its key in a thread; a later row of it replaces it."""

    run: int
    batch: int
    call: str
    tool: str
    assistant: str
    arguments: str
    #: ready, started, done, deferred; or, for a ticket that was decided: resolved, refused.
    progress: str
    output: str
    #: Position in the batch, from 0.
    position: int = 0


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A call that outlives its batch. A later row of the same id replaces it."""

    id: str
    run: int
    batch: int
    call: str
    tool: str
    asker: str
    arguments: str
    #: approval, approved, running, waiting, in_doubt; or closed.
    stage: str


@dataclass(frozen=True, slots=True)
class Commit:
    """All that one append writes, in one transaction."""

    #: The sequence number of the thread's latest event; 0 makes a new thread.
    expect: int
    #: The events as JSON, each with its `type`.
    events: Sequence[Mapping[str, Any]]
    #: Ids of the inbox rows these events consume.
    consumed: Sequence[int]
    #: The append stands only if no row beyond this id waits for the thread; None: rows may wait.
    last_row: int | None
    summary: Summary
    ledger: Sequence[LedgerRow] = ()
    tickets: Sequence[TicketRow] = ()
    #: For a new side room: id and birth of its parent. The append stands only while that thread is there.
    parent: tuple[str, str] | None = None


class InboxGrew(StoreError):
    """A row came in while an append was being judged: read the inbox and judge again. Nothing was written."""


#: Called around every transaction that writes: (moment, what: "append", "post" or "delete", thread). `before` is called
#: inside the transaction just before it commits, `after` when it is durable. Tests kill the process here.
Hook: TypeAlias = Callable[[Literal["before", "after"], str, str], None]


class Lock(Protocol):
    """A kernel lock that is held until released, or until the process dies."""

    def release(self) -> None:
        """Give it up; a second call does nothing."""
        ...


class Store(Protocol):
    """Where threads live."""

    #: Called around every transaction that writes.
    hooks: list[Hook]
    #: Whether other processes may use the same store at the same time.
    shared: bool

    def append(self, thread: str, commit: Commit) -> int:
        """Append events to the thread and return its new sequence number.

        Raises:
            StoreBehind: if the thread is not at `commit.expect`.
            InboxGrew: if a row beyond `commit.last_row` waits.
            ThreadUnknown: if `commit.parent` is not there, or another thread of its id is.
        """
        ...

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
        """Commit a row to the thread's inbox and return its receipt; the same key, the same receipt.

        Raises:
            ThreadUnknown: if there is no such thread, or `born` is given and is not its birth.
            ThreadClosed: if a message is posted to a closed thread.
            ThreadBusy: if `reject_if_busy` and a run is active or a row waits; judged in the transaction that inserts.
            KeyReused: if the key was used with another kind or other data.
        """
        ...

    def delete(self, threads: Sequence[str]) -> None:
        """Delete threads with all that is kept of them, in one transaction; what is not there is no error.

        The caller holds their locks. Nothing of them can be read again, and a later thread of such an id is a new one.
        Hooks are told of the first of them.
        """
        ...

    def journal(self, thread: str, after: int = 0, born: str | None = None) -> list[JournalRecord]:
        """Return the thread's events with a sequence number above `after`, in order; empty for an unknown thread.

        Raises:
            ThreadUnknown: if `born` is given and there is no thread of that birth any more.
        """
        ...

    def inbox(self, thread: str) -> list[InboxRow]:
        """Return the rows that wait, in commit order."""
        ...

    def row(self, thread: str, row: int) -> tuple[InboxRow, int | None] | None:
        """Return a row and the sequence number of the append that consumed it (None while it waits)."""
        ...

    def threads(
        self, under: str = "", *, after: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[tuple[str, Summary]]:
        """Return threads whose id begins with `under`, the latest event first and those of the same time by id.

        They are looked up: what that costs does not grow with the threads whose ids begin otherwise, nor, where all are
        asked for, a page's with those of other pages. A thread on which something happens moves to the front: so page
        after page shows none twice, and misses none on which nothing has happened since the first.

        Args:
            under: what the ids begin with.
            after: `at` and id of the last thread of the page before; None for the first page.
            limit: how many at most; None for all.
        """
        ...

    def summary(self, thread: str) -> Summary | None:
        """Return the thread's summary; None for an unknown thread."""
        ...

    def ledger(self, thread: str) -> list[LedgerRow]:
        """Return the thread's calls, in the order they were asked for."""
        ...

    def tickets(self, thread: str) -> list[TicketRow]:
        """Return all tickets the thread has had, in the order they were issued."""
        ...

    def timers(self, until: float) -> list[tuple[str, float]]:
        """Return (thread, wake_at) of the threads whose silence ends at or before `until`, soonest first."""
        ...

    def outstanding(self) -> list[str]:
        """Return the threads on which a run is active, a row waits, or a ticket is open."""
        ...

    def changes(self) -> int:
        """Return a number that differs from the last call's if another connection has written meanwhile; cheap."""
        ...

    def lock(self, name: str) -> Lock | None:
        """Take the kernel lock of that name if it is free, without waiting; None if somebody holds it."""
        ...

    def close(self) -> None:
        """Release what is held. A second call does nothing."""
        ...
