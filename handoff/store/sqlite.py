"""All that is particular to SQLite: which file may be opened, how, and how its schema is made or brought up to date.

A file that is not ours, or of a newer schema, is refused without being touched: its header is read through SQLite as an
immutable file, which takes no lock, leaves no `-wal` or `-shm`, and is safe beside other connections of this process.
So that the header tells the truth, schemas are made and migrated outside WAL mode, in one transaction; while that is
under way, or cut off by a crash, a `-journal` stands beside the file, and SQLite is left to wait or to undo it first.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from handoff.errors import ConfigurationError, StoreError, StoreVersion
from handoff.store import schema

#: "hoff" in ASCII: tells our files from other programs' databases (`PRAGMA application_id`).
APPLICATION = 0x686F6666
#: Seconds a transaction waits for another process's transaction.
PATIENCE = 30.0
#: Milliseconds that emptying the log waits for others.
CLEARING = 1000
#: Seconds between two attempts where SQLite itself does not wait.
_PAUSE = 0.01


def file_of(target: str | os.PathLike[str]) -> str:
    """Return the absolute path, free of symbolic links, of the file a path or a `sqlite:///` URL names.

    Raises:
        ConfigurationError: if it names no file, or another database.
    """
    path = os.fspath(target)
    if isinstance(target, str) and "://" in target:
        path = _file_of_url(target)
    if path in {"", ":memory:"} or "\0" in path:
        raise ConfigurationError(f"{path!r} names no file; give a file's path, or use MemoryStore")
    return os.path.realpath(path)


def _file_of_url(target: str) -> str:
    try:
        url = make_url(target)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(f"the store's URL cannot be read: {error}") from error
    shown = url.render_as_string(hide_password=True)
    if url.drivername not in {"sqlite", "sqlite+pysqlite"}:
        raise ConfigurationError(f"threads cannot be kept at {shown}: give a file's path, or sqlite:///PATH")
    if url.query or url.host:
        raise ConfigurationError(f"threads cannot be kept at {shown}: give sqlite:///PATH without options")
    return url.database or ""


def connect(path: str) -> Engine:
    """Open the file, made or migrated if need be, and return the engine of connections to it.

    A transaction on a connection of the engine is BEGIN IMMEDIATE; reads use the isolation level AUTOCOMMIT.

    Raises:
        ConfigurationError: if the path cannot be a store: a directory, no SQLite database, not ours, not writable.
        StoreVersion: if the file is of a newer schema.
        StoreError: if it cannot be opened or migrated now.
    """
    _look(path)
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=path),
        poolclass=NullPool,
        # The store is used by one thread at a time, not always by the one that opened it.
        connect_args={"check_same_thread": False, "timeout": PATIENCE},
    )

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, record: object) -> None:  # noqa: ARG001  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = None  # this module says BEGIN, not the driver
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not just let go

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:  # pyright: ignore[reportUnusedFunction]
        if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            return
        statement = "BEGIN IMMEDIATE"
        try:
            # Past SQLAlchemy, to which it would be one more statement with all that goes with one.
            connection.connection.cursor().execute(statement)
        except sqlite3.Error as error:
            raise OperationalError(statement, None, error) from error

    _prepare(engine, path)
    return engine


def clear(connection: Connection) -> None:
    """Bring all that was written to the file itself and empty the `-wal` beside it, which holds what was there before.

    Where another connection stays in the way it is left to a later checkpoint.
    """
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {CLEARING}").all()
    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(PATIENCE * 1000)}").all()


def changes(connection: Connection) -> int:
    """Return a number that another one replaces whenever any other connection, of this process too, has committed."""
    return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


def _look(path: str) -> None:
    """Refuse what is no file of ours, without touching it; a missing or empty file is welcome."""
    file = Path(path)
    try:
        status = file.stat()
    except FileNotFoundError:
        if not file.parent.is_dir():
            raise ConfigurationError(f"the store {path} cannot be made: there is no directory {file.parent}") from None
        return
    except OSError as error:
        raise ConfigurationError(f"the store {path} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"the store {path} is not a file; give the path of a file")
    if not os.access(path, os.R_OK | os.W_OK):
        raise ConfigurationError(f"the store {path} may not be read and written by this user; mend its permissions")
    if status.st_size and not Path(f"{path}-journal").exists():
        _refuse_newer(path, _header(path))


def _header(path: str) -> int:
    """Return the schema number in the header of one of our files."""
    try:
        with closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (number,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(
            f"the file {path} cannot be read as a store ({error}); it was left untouched"
        ) from error
    _refuse_other(path, application)
    return int(number)


def _refuse_other(path: str, application: int) -> None:
    if application != APPLICATION:
        raise ConfigurationError(f"the file {path} is a database of another program; it was left untouched")


def _refuse_newer(path: str, number: int) -> None:
    if number > schema.NUMBER:
        raise StoreVersion(path, number, schema.NUMBER)


def _prepare(engine: Engine, path: str) -> None:
    """Make the tables or bring them up to date, and see to it that the file is in WAL mode."""
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            number = _number(connection, path)
            if number != schema.NUMBER:
                connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
                with engine.begin() as transaction:
                    # Looked up again: another process may have been here since.
                    _bring_up(transaction, path)
            _enter_wal(connection)
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise ConfigurationError(f"the store {path} cannot be made or written: {error.orig}") from error
        if code == sqlite3.SQLITE_BUSY:
            raise StoreError(f"the store {path} is in use: close the processes that use it, then open it") from error
        raise StoreError(f"the store {path} cannot be opened: {error.orig}") from error


def _bring_up(connection: Connection, path: str) -> None:
    number = _number(connection, path)
    schema.bring_up(connection, number)
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
    connection.exec_driver_sql(f"PRAGMA user_version = {schema.NUMBER}")


def _number(connection: Connection, path: str) -> int | None:
    """Return the number of the file's schema, if it is one for us; None if the file is empty."""
    if connection.exec_driver_sql("SELECT 1 FROM sqlite_master").first() is None:
        return None
    _refuse_other(path, connection.exec_driver_sql("PRAGMA application_id").scalar_one())
    number = schema.number(connection)
    _refuse_newer(path, number)
    return number


def _enter_wal(connection: Connection) -> None:
    # SQLite does not wait for other connections here, whatever its timeout, so this does.
    for _ in range(int(PATIENCE / _PAUSE)):
        try:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(_PAUSE)
        else:
            return
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
