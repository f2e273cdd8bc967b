"""The tables of the SQL store, their number, and how an older number becomes a newer one.

`journal` is the truth; `threads`, `ledger` and `tickets` are what it amounts to, for look-ups and for people; `inbox`
is what was sent, consumed rows included, since they answer for their keys and receipts. Content is JSON text, and text
from outside is a JSON string: it may hold what a database's own text cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from handoff.store.content import decode, encode

#: The schema this version writes.
NUMBER = 1

#: From a schema's number, the function that turns it into the next: called within one transaction for all of them.
Migration: TypeAlias = Callable[[Connection], None]
MIGRATIONS: Mapping[int, Migration] = {}


class AnyText(TypeDecorator[str]):
    """Text from outside, with all that Python allows in it, as a JSON string."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: D102, ARG002
        return None if value is None else encode(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: D102, ARG002
        return None if value is None else decode(value)


tables = MetaData()


def _partial(name: str, *columns: Column[Any], where: ColumnElement[bool]) -> Index:
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


schema = Table(
    "schema",
    tables,
    Column("number", Integer, primary_key=True, autoincrement=False),
)

threads = Table(
    "threads",
    tables,
    Column("id", Text, primary_key=True),
    Column("seq", Integer, nullable=False),  # of the latest event: the fence
    Column("flow", Text, nullable=False),
    Column("assistant", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("closed", Boolean, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("wake_at", Double),
    Column("at", Double, nullable=False),
)
runs = threads.c.locked.is_(true())
_partial("threads_locked", threads.c.id, where=runs)
Index("threads_latest", threads.c.at.desc(), threads.c.id)
_partial("threads_wake", threads.c.wake_at, threads.c.id, where=threads.c.wake_at.is_not(None))

journal = Table(
    "journal",
    tables,
    Column("thread", Text, ForeignKey(threads.c.id), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("data", Text, nullable=False),
)

inbox = Table(
    "inbox",
    tables,
    # Writing transactions follow one another on SQLite, so ids rise in commit order. A database on which they overlap
    # keeps that order within a thread, whose row in `threads` every writer locks first.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("thread", Text, ForeignKey(threads.c.id), nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("key", Text),
    Column("at", Double, nullable=False),
    Column("consumed", Integer),  # sequence number of the append that took it; unset while it waits
    UniqueConstraint("thread", "key"),
)
waits = inbox.c.consumed.is_(None)
_partial("inbox_waiting", inbox.c.thread, inbox.c.id, where=waits)

ledger = Table(
    "ledger",
    tables,
    Column("thread", Text, ForeignKey(threads.c.id), primary_key=True),
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("call", AnyText, primary_key=True),
    Column("tool", AnyText, nullable=False),
    Column("assistant", Text, nullable=False),
    Column("arguments", AnyText, nullable=False),
    Column("progress", Text, nullable=False),
    Column("output", AnyText, nullable=False),
    Column("position", Integer, nullable=False),
)

tickets = Table(
    "tickets",
    tables,
    Column("thread", Text, ForeignKey(threads.c.id), primary_key=True),
    Column("id", AnyText, primary_key=True),
    Column("issued", Integer, nullable=False),  # sequence number of the append that issued it
    Column("position", Integer, nullable=False),  # among the tickets of that append
    Column("run", Integer, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("call", AnyText, nullable=False),
    Column("tool", AnyText, nullable=False),
    Column("asker", Text, nullable=False),
    Column("arguments", AnyText, nullable=False),
    Column("stage", Text, nullable=False),
)
is_open = tickets.c.stage != literal_column("'closed'")
_partial("tickets_open", tickets.c.thread, where=is_open)


def number(connection: Connection) -> int:
    """Return the number of the schema in the database."""
    return int(connection.execute(select(schema.c.number)).scalar_one())


def bring_up(connection: Connection, found: int | None) -> None:
    """Make the tables, or run the migrations from the schema found to this version's; within the caller's transaction.

    Args:
        connection: on the database.
        found: the number of its schema; None if it has none.
    """
    if found is None:
        tables.create_all(connection)
        connection.execute(schema.insert().values(number=NUMBER))
        return
    for step in range(found, NUMBER):
        MIGRATIONS[step](connection)
    connection.execute(schema.update().values(number=NUMBER))


def upsert(dialect: str, table: Table, *, keep: Collection[str] = ()) -> sqlite.dml.Insert | postgresql.dml.Insert:
    """Return the statement that inserts a row, or replaces the one of the same primary key.

    Args:
        dialect: `sqlite` or `postgresql`.
        table: one of the tables here.
        keep: columns that keep their value when a row is replaced.
    """
    statement = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table)
    replaced = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if not column.primary_key and column.name not in keep
    }
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=replaced)
