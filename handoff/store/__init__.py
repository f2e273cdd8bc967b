"""Where threads live: the contract, and two stores that keep it.

`MemoryStore` keeps threads for as long as the process runs, `SqlStore` in one SQLite file that several processes of one
machine may share. SQLAlchemy is imported when `SqlStore` is first asked for, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from handoff.store.base import (
    Commit,
    Hook,
    InboxGrew,
    InboxRow,
    JournalRecord,
    LedgerRow,
    Lock,
    Receipt,
    RowKind,
    Store,
    Summary,
    TicketRow,
)
from handoff.store.memory import MemoryStore

if TYPE_CHECKING:
    from handoff.store.sql import SqlStore

__all__ = [
    "Commit",
    "Hook",
    "InboxGrew",
    "InboxRow",
    "JournalRecord",
    "LedgerRow",
    "Lock",
    "MemoryStore",
    "Receipt",
    "RowKind",
    "SqlStore",
    "Store",
    "Summary",
    "TicketRow",
]


def __getattr__(name: str) -> object:
    if name == "SqlStore":
        from handoff.store.sql import SqlStore  # noqa: PLC0415  # SQLAlchemy is slow to import

        return SqlStore
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
