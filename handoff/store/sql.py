"""A store in a SQL database, through SQLAlchemy Core: today one SQLite file, shared by processes of one machine.

Every append and every post is one transaction, durable before the call returns. Transactions that write follow one
another, and each advances or reads the thread's row first: a writer that is behind is refused, and ids rise in commit
order.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Executable, Row, bindparam, or_, select, union
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from handoff.errors import KeyReused, StoreBehind, StoreError, ThreadBusy, ThreadClosed, ThreadUnknown
from handoff.store import schema, sqlite
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
from handoff.store.locks import HeldLock, kernel_locks

# Statements are made once and compiled once; parameters are named after what they hold.

_threads, _journal, _inbox, _ledger, _tickets = (
    schema.threads,
    schema.journal,
    schema.inbox,
    schema.ledger,
    schema.tickets,
)
_of_inbox, _of_ledger, _of_tickets = (table.c.thread == bindparam("of") for table in (_inbox, _ledger, _tickets))

_OPEN = _threads.insert()
_ADVANCE = _threads.update().where(_threads.c.id == bindparam("of"), _threads.c.seq == bindparam("expect"))
_SEQ = select(_threads.c.seq).where(_threads.c.id == bindparam("of"))
_RECORD = _journal.insert()
_CONSUME = (
    _inbox.update()
    .where(_of_inbox, schema.waits, _inbox.c.id.in_(bindparam("rows", expanding=True)))
    .values(consumed=bindparam("by"))
)
_POST = _inbox.insert()
_DELETE = (
    *(table.delete().where(table.c.thread == bindparam("of")) for table in (_journal, _inbox, _ledger, _tickets)),
    _threads.delete().where(_threads.c.id == bindparam("of")),
)

_FOR_POST = select(_threads.c.locked, _threads.c.closed).where(_threads.c.id == bindparam("of")).with_for_update()
_USED = select(_inbox.c.id, _inbox.c.kind, _inbox.c.data).where(_of_inbox, _inbox.c.key == bindparam("used"))
_LATER = select(_inbox.c.id).where(_of_inbox, schema.waits, _inbox.c.id > bindparam("last")).limit(1)

_FIRST = select(_journal.c.data).where(_journal.c.thread == bindparam("of"), _journal.c.seq == 1)
_JOURNAL = (
    select(_journal.c.seq, _journal.c.data)
    .where(_journal.c.thread == bindparam("of"), _journal.c.seq > bindparam("after"))
    .order_by(_journal.c.seq)
)
_ROW_COLUMNS = (_inbox.c.id, _inbox.c.thread, _inbox.c.kind, _inbox.c.data, _inbox.c.key, _inbox.c.at)
_WAITING = select(*_ROW_COLUMNS).where(_of_inbox, schema.waits).order_by(_inbox.c.id)
_ROW = select(*_ROW_COLUMNS, _inbox.c.consumed).where(_of_inbox, _inbox.c.id == bindparam("row"))
_SUMMARY_COLUMNS = tuple(_threads.c[name] for name in Summary.__slots__)
_SUMMARIES = select(_threads.c.id, *_SUMMARY_COLUMNS).order_by(_threads.c.at.desc(), _threads.c.id)
# The first condition is one for the index of the latest; the second is for those of the same time.
_PAGE = _SUMMARIES.where(
    _threads.c.at <= bindparam("at"), or_(_threads.c.at < bindparam("at"), _threads.c.id > bindparam("behind"))
).limit(bindparam("limit"))
# Both are looked up in the index of the ids; a pattern or a function of the id would read all of them.
_FROM = _PAGE.where(_threads.c.id >= bindparam("first"))
_UNDER = _FROM.where(_threads.c.id < bindparam("end"))
_SUMMARY = select(_threads.c.id, *_SUMMARY_COLUMNS).where(_threads.c.id == bindparam("of"))
_CALLS = (
    select(*(_ledger.c[name] for name in LedgerRow.__slots__))
    .where(_of_ledger)
    .order_by(_ledger.c.run, _ledger.c.batch, _ledger.c.position)
)
_TICKETS = (
    select(*(_tickets.c[name] for name in TicketRow.__slots__))
    .where(_of_tickets)
    .order_by(_tickets.c.issued, _tickets.c.position)
)
_TIMERS = (
    select(_threads.c.id, _threads.c.wake_at)
    .where(_threads.c.wake_at <= bindparam("until"))
    .order_by(_threads.c.wake_at, _threads.c.id)
)
_OUTSTANDING = union(
    select(_threads.c.id.label("thread")).where(schema.runs),
    select(_inbox.c.thread).where(schema.waits),
    select(_tickets.c.thread).where(schema.is_open),
).order_by("thread")


class SqlStore:
    """Keeps threads in a SQLite file, which is made if it is missing. Beside it stands a file of locks, `PATH-lock`.

    It may be used by one thread at a time, whichever, and not in a forked child of the process that opened it.

    Args:
        target: the file's path, or `sqlite:///PATH`.

    Attributes:
        hooks: called around every append, post and delete that writes.
        shared: True: other processes of this machine may use the file at the same time.

    Raises:
        ConfigurationError: if the path cannot be a store, or the URL is of another database.
        StoreVersion: if the file was written by a newer version; it is left untouched.
        StoreError: if it cannot be opened now.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.hooks: list[Hook] = []
        self.shared = True
        self._path = sqlite.file_of(target)
        self._process = os.getpid()
        self._engine = sqlite.connect(self._path)
        self._locks = kernel_locks(f"{self._path}-lock")
        with self._guarded():
            self._writer = self._engine.connect()
            self._reader = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        dialect = self._engine.dialect.name
        self._put_call = schema.upsert(dialect, _ledger)
        self._put_ticket = schema.upsert(dialect, _tickets, keep=("issued", "position"))

    # -- writing -------------------------------------------------------------------------------------------------------

    def append(self, thread: str, commit: Commit) -> int:
        """See `Store.append`."""
        check_name(thread)
        records = [
            {"thread": thread, "seq": seq, "data": encode(event)}
            for seq, event in enumerate(commit.events, commit.expect + 1)
        ]
        if not records:
            raise StoreError(f"an append to thread {thread!r} holds no event; everything else follows from events")
        reached = commit.expect + len(records)
        position = {"seq": reached, **_columns(commit.summary), "metadata": encode(commit.summary.metadata)}
        with self._transaction() as connection:
            self._advance(connection, thread, commit.expect, position)
            if commit.parent is not None:
                self._require(connection, *commit.parent)
            connection.execute(_RECORD, records)
            self._consume(connection, thread, commit, reached)
            if commit.ledger:
                connection.execute(self._put_call, [{"thread": thread, **_columns(row)} for row in commit.ledger])
            if commit.tickets:
                rows = [
                    {"thread": thread, "issued": reached, "position": place, **_columns(row)}
                    for place, row in enumerate(commit.tickets)
                ]
                connection.execute(self._put_ticket, rows)
            for hook in self.hooks:
                hook("before", "append", thread)
        for hook in self.hooks:
            hook("after", "append", thread)
        return reached

    def _advance(self, connection: Connection, thread: str, expect: int, position: Mapping[str, Any]) -> None:
        """Move the thread on from where the writer believes it to be."""
        if expect and connection.execute(_ADVANCE, {"of": thread, "expect": expect, **position}).rowcount:
            return
        found = connection.execute(_SEQ, {"of": thread}).scalar() or 0
        if found or expect:
            raise StoreBehind(thread, expect, found)
        connection.execute(_OPEN, {"id": thread, **position})

    def _require(self, connection: Connection, thread: str, born: str) -> None:
        """Refuse to go on where the thread of that birth is not there."""
        first = connection.execute(_FIRST, {"of": thread}).scalar()
        if first is None or birth_of(thread, first) != born:
            raise ThreadUnknown(thread)

    def _consume(self, connection: Connection, thread: str, commit: Commit, reached: int) -> None:
        rows = set(commit.consumed)
        if rows:
            taken = connection.execute(_CONSUME, {"of": thread, "rows": list(rows), "by": reached}).rowcount
            if taken != len(rows):
                raise StoreError(f"of the rows {sorted(rows)} some do not wait for thread {thread!r}")
        if commit.last_row is not None and connection.execute(_LATER, {"of": thread, "last": commit.last_row}).first():
            raise InboxGrew(f"a row came in for thread {thread!r}; read its inbox and judge again")

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
        text = encode(data)
        row: dict[str, Any] = {"thread": check_name(thread), "kind": kind, "data": text, "key": key, "at": at}
        with self._transaction() as connection:
            state = connection.execute(_FOR_POST, {"of": thread}).first()
            if state is None:
                raise ThreadUnknown(thread)
            if born is not None:
                self._require(connection, thread, born)
            # A key that was used is answered first: its receipt is good whatever became of the thread since.
            if key is not None:
                used = connection.execute(_USED, {"of": thread, "used": check_name(key)}).first()
                if used is not None:
                    if used.kind == kind and same(used.data, text):
                        return Receipt(used.id, repeated=True)
                    raise KeyReused(thread, key)
            if kind == "message" and state.closed:
                raise ThreadClosed(thread)
            if reject_if_busy and (state.locked or connection.execute(_LATER, {"of": thread, "last": 0}).first()):
                raise ThreadBusy(thread)
            posted: Any = connection.execute(_POST, row).inserted_primary_key
            receipt = Receipt(posted[0])
            for hook in self.hooks:
                hook("before", "post", thread)
        for hook in self.hooks:
            hook("after", "post", thread)
        return receipt

    def delete(self, threads: Sequence[str]) -> None:
        """See `Store.delete`; the text is overwritten in the file and, unless others read just now, in its log."""
        found = [{"of": check_name(thread)} for thread in threads]
        if not found:
            return
        with self._transaction() as connection:
            for statement in _DELETE:
                connection.execute(statement, found)
            for hook in self.hooks:
                hook("before", "delete", threads[0])
        for hook in self.hooks:
            hook("after", "delete", threads[0])
        with self._guarded():
            sqlite.clear(self._reader)

    # -- reading -------------------------------------------------------------------------------------------------------

    def journal(self, thread: str, after: int = 0, born: str | None = None) -> list[JournalRecord]:
        """See `Store.journal`."""
        found = self._read(_JOURNAL, of=check_name(thread), after=after)
        if born is not None:  # afterwards: who is still there now was there when its events were read
            with self._guarded():
                self._require(self._reader, thread, born)
        return [JournalRecord(seq, decode(text)) for seq, text in found]

    def inbox(self, thread: str) -> list[InboxRow]:
        """See `Store.inbox`."""
        return [_inbox_row(found) for found in self._read(_WAITING, of=check_name(thread))]

    def row(self, thread: str, row: int) -> tuple[InboxRow, int | None] | None:
        """See `Store.row`."""
        found = self._read(_ROW, of=check_name(thread), row=row)
        return (_inbox_row(found[0]), found[0].consumed) if found else None

    def threads(
        self, under: str = "", *, after: tuple[float, str] | None = None, limit: int | None = None
    ) -> list[tuple[str, Summary]]:
        """See `Store.threads`."""
        end = beyond(check_name(under))
        at, behind = (math.inf, "") if after is None else (after[0], check_name(after[1]))
        page = {"at": at, "behind": behind, "limit": sys.maxsize if limit is None else limit}
        if not under:
            found = self._read(_PAGE, **page)
        elif end is None:
            found = self._read(_FROM, first=under, **page)
        else:
            found = self._read(_UNDER, first=under, end=end, **page)
        return [(one.id, _summary(one)) for one in found]

    def summary(self, thread: str) -> Summary | None:
        """See `Store.summary`."""
        found = self._read(_SUMMARY, of=check_name(thread))
        return _summary(found[0]) if found else None

    def ledger(self, thread: str) -> list[LedgerRow]:
        """See `Store.ledger`."""
        return [LedgerRow(*found) for found in self._read(_CALLS, of=check_name(thread))]

    def tickets(self, thread: str) -> list[TicketRow]:
        """See `Store.tickets`."""
        return [TicketRow(*found) for found in self._read(_TICKETS, of=check_name(thread))]

    def timers(self, until: float) -> list[tuple[str, float]]:
        """See `Store.timers`."""
        return [(thread, wake_at) for thread, wake_at in self._read(_TIMERS, until=until)]

    def outstanding(self) -> list[str]:
        """See `Store.outstanding`; sorted."""
        return [thread for (thread,) in self._read(_OUTSTANDING)]

    # -- others --------------------------------------------------------------------------------------------------------

    def changes(self) -> int:
        """See `Store.changes`; what this store itself has written counts as well."""
        with self._guarded():
            return sqlite.changes(self._reader)

    def lock(self, name: str) -> HeldLock | None:
        """See `Store.lock`: held until released or closed, or until this process dies."""
        return self._locks.lock(name)

    def close(self) -> None:
        """See `Store.close`."""
        self._locks.close()
        if os.getpid() == self._process:  # a forked child must leave its parent's connections alone
            self._writer.close()
            self._reader.close()
            self._engine.dispose()

    def _read(self, statement: Executable, **parameters: object) -> list[Any]:
        with self._guarded():
            return list(self._reader.execute(statement, parameters))

    @contextmanager
    def _transaction(self) -> Generator[Connection]:
        with self._guarded(), self._writer.begin():
            yield self._writer

    @contextmanager
    def _guarded(self) -> Generator[None]:
        """Turn the database's errors into ours, and keep forked children out."""
        if os.getpid() != self._process:
            raise StoreError(f"the store {self._path} was opened before a fork; open it again in this process")
        try:
            yield
        except DBAPIError as error:
            raise StoreError(f"the store {self._path} failed: {error.orig}") from error
        except SQLAlchemyError as error:
            raise StoreError(f"the store {self._path} cannot be used: {error}; open it again") from error


def _columns(value: Summary | LedgerRow | TicketRow) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _inbox_row(found: Row[Any]) -> InboxRow:
    return InboxRow(found.id, found.thread, found.kind, decode(found.data), found.key, found.at)


def _summary(found: Row[Any]) -> Summary:
    return Summary(
        found.flow,
        found.assistant,
        found.status,
        found.locked,
        found.closed,
        decode(found.metadata),
        found.wake_at,
        found.at,
    )
