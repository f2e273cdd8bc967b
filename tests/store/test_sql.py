"""What is particular to the store in a file: reopening, refusing files, migrating, several processes, being killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

import handoff
from handoff.errors import ConfigurationError, StoreError, StoreVersion
from handoff.store import Commit, LedgerRow, SqlStore, Summary, TicketRow, schema, sql, sqlite

ROOT = Path(handoff.__file__).parent.parent


def summary(**changes: Any) -> Summary:
    return Summary(**{"flow": "f", "assistant": "welcome", "status": "rest", "at": 1.0} | REST | changes)


REST: dict[str, Any] = {"locked": False, "closed": False, "metadata": {"page": "about"}, "wake_at": None}


def commit(expect: int, **changes: Any) -> Commit:
    return Commit(**{"expect": expect, "events": [{"n": expect}], "consumed": (), "last_row": None} | SUMMARY | changes)


SUMMARY: dict[str, Any] = {"summary": summary()}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqlStore]:
    with closing(SqlStore(path)) as opened:
        yield opened


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process's transaction is waited for only a moment."""
    monkeypatch.setattr(sqlite, "PATIENCE", 0.05)


def files(folder: Path) -> dict[str, bytes]:
    """The files of the folder with their bytes, but for the index of the write-ahead log: it is shared memory."""
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if not file.name.endswith("-shm")}


@contextmanager
def process(path: Path, code: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has the `store` open and says so, runs the code, and is killed at the end."""
    start = (
        "import os, signal, sys, time\nfrom handoff.store import *\nfrom handoff.errors import *\n"
        f"go = sys.stdin.readline\nstore = SqlStore({str(path)!r})\nprint('ready', flush=True)\n"
        "def commit(expect, by=''):\n"
        "    return Commit(expect, [{'by': by}], (), None, Summary('f', 'a', 'rest', False, False, {}, None, 1.0))\n"
    )
    command = [sys.executable, "-c", start + code]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def told(started: subprocess.Popen[str]) -> str:
    """The next line the process prints."""
    assert started.stdout
    return started.stdout.readline().strip()


def tell(started: subprocess.Popen[str]) -> None:
    """Let the process go on."""
    assert started.stdin
    started.stdin.write("\n")
    started.stdin.flush()


# -- the file ----------------------------------------------------------------------------------------------------------


def test_sqlalchemy_is_imported_when_first_used() -> None:
    """Importing the stores does not import SQLAlchemy; asking for the SQL store does."""
    code = (
        "import sys, handoff.store\nprint('sqlalchemy' in sys.modules)\n"
        "handoff.store.SqlStore\nprint('sqlalchemy' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert ["False", "True"] == printed.split()


@pytest.mark.parametrize("form", ["path", "text", "url", "relative", "link"])
def test_what_was_written_is_there_again(path: Path, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that is opened again, however the file is named, holds what was written."""
    call = LedgerRow(1, 1, "c", "tool", "welcome", "{}", "done", "out")
    ticket = TicketRow("k", 1, 1, "c", "tool", "welcome", "{}", "waiting")
    with closing(SqlStore(path)) as store:
        store.append("t", commit(0, ledger=[call], tickets=[ticket]))
        row = store.post("t", "message", {"text": "hi"}, at=2.0, key="k").row
    monkeypatch.chdir(path.parent)
    Path("link").symlink_to(path)
    names = {
        "path": path,
        "text": str(path),
        "url": f"sqlite:///{path}",
        "relative": "threads.db",
        "link": Path("link"),
    }

    with closing(SqlStore(names[form])) as store:
        assert [{"n": 0}] == [record.data for record in store.journal("t")]
        assert (summary(), [call], [ticket]) == (store.summary("t"), store.ledger("t"), store.tickets("t"))
        assert (row, True) == (
            (again := store.post("t", "message", {"text": "hi"}, at=2.0, key="k")).row,
            again.repeated,
        )
    assert {"threads.db", "threads.db-lock", "link"} == {file.name for file in path.parent.iterdir()}


def test_a_path_is_no_url(tmp_path: Path) -> None:
    """Characters that mean something in a URL mean nothing in a path."""
    odd = tmp_path / "a?b#c%20d:e&mode=ro.db"
    for _ in range(2):
        with closing(SqlStore(odd)) as store:
            store.append("t", commit(len(store.journal("t"))))

    with closing(SqlStore(str(odd))) as store:
        assert 2 == len(store.journal("t"))


def test_a_relative_path_is_kept_through_a_change_of_directory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store stays where it was opened, its locks too."""
    monkeypatch.chdir(path.parent)
    with closing(SqlStore(path.name)) as store, closing(SqlStore(path)) as other:
        monkeypatch.chdir("/")
        store.append("t", commit(0))
        held = store.lock("t")

        assert held
        assert 1 == len(other.journal("t"))
        assert None is other.lock("t")


def test_an_empty_file_is_welcome(path: Path) -> None:
    """A file of no bytes becomes a store."""
    path.touch()
    with closing(SqlStore(path)) as store:
        assert 1 == store.append("t", commit(0))


def test_every_connection_is_durable_and_strict(store: SqlStore) -> None:
    """Commits reach the disk before they return, and rows without their thread are refused."""
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}

    for connection in (store._writer, store._reader):
        with connection.begin() if not connection.in_transaction() else ExitStack():
            assert pragmas == {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in pragmas}


def make_directory(path: Path) -> None:
    path.mkdir()


def make_text(path: Path) -> None:
    path.write_text("Dear diary, this is no database at all. " * 99)


def make_other(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE threads (id)")


def make_other_with_journal(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = PERSIST")
        connection.execute("CREATE TABLE threads (id)")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_damaged(path: Path) -> None:
    SqlStore(path).close()
    (path.parent / "threads.db-lock").unlink()
    path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 5000)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(make_directory, "not a file", id="directory"),
        pytest.param(make_pipe, "not a file", id="pipe"),
        pytest.param(make_text, "untouched", id="text"),
        pytest.param(make_other, "another program", id="another program's database"),
        pytest.param(make_other_with_journal, "another program", id="another program's database with a journal"),
        pytest.param(make_damaged, "malformed", id="damaged"),
    ],
)
def test_what_is_no_store_is_left_alone(path: Path, make: Callable[[Path], None], says: str) -> None:
    """A path that is no store of ours is refused, its bytes stay, and nothing is put beside it."""
    make(path)
    before = {file.name: file.read_bytes() if file.is_file() else b"" for file in path.parent.iterdir()}

    with pytest.raises(ConfigurationError, match=says):
        SqlStore(path)

    assert before == {file.name: file.read_bytes() if file.is_file() else b"" for file in path.parent.iterdir()}


@pytest.mark.parametrize(
    ("target", "says"),
    [
        pytest.param("", "MemoryStore", id="nothing"),
        pytest.param(":memory:", "MemoryStore", id="memory"),
        pytest.param("sqlite://", "MemoryStore", id="memory by url"),
        pytest.param("a\0b", "names no file", id="nul"),
        pytest.param("postgresql://me:secret@host/threads", "sqlite:///PATH", id="another database"),
        pytest.param("sqlite+aiosqlite:///x.db", "sqlite:///PATH", id="another driver"),
        pytest.param("sqlite:///x.db?mode=ro", "without options", id="options"),
        pytest.param("sqlite://host/x.db", "without options", id="host"),
        pytest.param("://", "cannot be read", id="no url"),
        pytest.param("no/such/directory/x.db", "there is no directory", id="no directory"),
        pytest.param("/dev/null/x.db", "cannot be opened", id="below a file"),
        pytest.param("/proc/x.db", "cannot be made", id="not writable"),
    ],
)
def test_a_target_that_cannot_work(target: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that names no file that could be a store is refused in words that say what would do, without secrets."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match=says) as refused:
        SqlStore(target)

    assert "secret" not in str(refused.value)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="needs root, to become another user")
def test_a_file_of_another_user() -> None:
    """A file that this user may not write is refused when it is opened, not when it is first written."""
    code = (
        "import os, sys\nfrom handoff.errors import ConfigurationError\nfrom handoff.store import SqlStore\n"
        "os.setuid(65534)\ntry: SqlStore(sys.argv[1])\nexcept ConfigurationError as error: print(error)"
    )
    with TemporaryDirectory() as folder:
        path = Path(folder, "threads.db")
        SqlStore(path).close()
        path.parent.chmod(0o755)
        command = [sys.executable, "-c", code, str(path)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert "mend its permissions" in ended.stdout


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def newer(path: Path) -> Iterator[Callable[[], None]]:
    """Make a store, then act as a newer version that has migrated it."""
    before = schema.NUMBER
    with pytest.MonkeyPatch.context() as patch:
        SqlStore(path).close()
        patch.setattr(schema, "NUMBER", before + 1)
        patch.setattr(schema, "MIGRATIONS", {before: lambda _: None})
        yield patch.undo


@pytest.mark.parametrize("running", [False, True])
def test_a_newer_file_is_left_untouched(path: Path, newer: Callable[[], None], running: bool) -> None:
    """The file of a newer schema is refused, byte by byte as it was, also while a newer version has it open."""
    with closing(SqlStore(path)) as store:
        store.append("t", commit(0))
        if not running:
            store.close()
        newer()
        before = files(path.parent)

        with pytest.raises(StoreVersion) as refused:
            SqlStore(path)

        assert (str(path), 2, 1) == (refused.value.path, refused.value.found, refused.value.supported)
        assert before == files(path.parent)
        assert running == ("threads.db-wal" in before)


def test_a_newer_number_in_the_table_alone(path: Path, store: SqlStore) -> None:
    """The number in the schema's table counts as well, should the header not tell."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE schema SET number = 9")
        connection.commit()

    with pytest.raises(StoreVersion):
        SqlStore(path)


def header(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def add_colour(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE threads ADD COLUMN colour TEXT DEFAULT 'blue'"))


def test_an_older_file_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrations run in order from the file's schema to this version's, once, and keep the threads."""
    with closing(SqlStore(path)) as store:
        store.append("t", commit(0))
    steps: list[int] = []
    monkeypatch.setattr(schema, "NUMBER", 3)
    migrations = {1: lambda it: (steps.append(1), add_colour(it)), 2: lambda _: steps.append(2)}
    monkeypatch.setattr(schema, "MIGRATIONS", migrations)

    for _ in range(2):
        with closing(SqlStore(path)) as store:
            assert "blue" == store._reader.exec_driver_sql("SELECT colour FROM threads").scalar()
            assert "wal" == store._reader.exec_driver_sql("PRAGMA journal_mode").scalar()
            assert 3 == store._reader.execute(select(schema.schema.c.number)).scalar()
            assert [{"n": 0}] == [record.data for record in store.journal("t")]

    assert [1, 2] == steps
    assert 3 == header(path)


def test_a_migration_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When one of several migrations fails, the file is as it was and this version can still use it."""
    SqlStore(path).close()
    with monkeypatch.context() as patch:
        patch.setattr(schema, "NUMBER", 3)
        patch.setattr(schema, "MIGRATIONS", {1: add_colour, 2: lambda it: it.execute(text("nonsense"))})
        with pytest.raises(StoreError, match="cannot be opened"):
            SqlStore(path)

    assert 1 == header(path)
    with closing(SqlStore(path)) as store:
        assert 1 == store.append("t", commit(0))
        assert "colour" not in str(store._reader.exec_driver_sql("SELECT sql FROM sqlite_master").all())


def test_a_migration_cut_off_by_a_crash_is_undone(path: Path) -> None:
    """A file a newer version crashed on, its migration written but not committed, is what it was when opened again."""
    with closing(SqlStore(path)) as store:
        store.append("t", commit(0))
    journal = Path(f"{path}-journal")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = PERSIST")
        connection.execute("PRAGMA synchronous = OFF")  # makes the header of the journal final from its start
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("PRAGMA user_version = 2")
        connection.execute("DROP TABLE schema")
        connection.execute("DROP TABLE journal")
        beginning = journal.read_bytes()[:28]
        connection.execute("COMMIT")
    with journal.open("r+b") as file:
        file.write(beginning)  # a commit takes this away last
    migrated = header(Path(shutil.copy(path, path.with_suffix(".copy"))))

    with closing(SqlStore(path)) as store:
        assert [{"n": 0}] == [record.data for record in store.journal("t")]
    assert 2 == migrated
    assert 1 == header(path)


@pytest.mark.usefixtures("impatient")
def test_no_migration_under_another_process(path: Path, store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an older version has the file open, a newer one does not migrate it and says why."""
    store.append("t", commit(0))
    with monkeypatch.context() as patch:
        patch.setattr(schema, "NUMBER", 2)
        patch.setattr(schema, "MIGRATIONS", {1: add_colour})
        with pytest.raises(StoreError, match="close the processes that use it"):
            SqlStore(path)

    assert 2 == store.append("t", commit(1))
    assert 1 == header(path)


def test_the_schema_suits_postgresql() -> None:
    """Tables, indexes, upserts and statements compile for PostgreSQL as they are."""
    dialect = postgresql.dialect()
    made = [str(CreateTable(table).compile(dialect=dialect)) for table in schema.tables.sorted_tables]
    made += [
        str(CreateIndex(index).compile(dialect=dialect))
        for table in schema.tables.tables.values()
        for index in table.indexes
    ]
    upsert = str(schema.upsert("postgresql", schema.tickets, keep=("issued",)).compile(dialect=dialect))

    assert 11 == len(made)
    assert "ON CONFLICT (thread, id) DO UPDATE" in upsert
    assert "issued = excluded" not in upsert
    assert "FOR UPDATE" in str(sql._FOR_POST.compile(dialect=dialect))


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        pytest.param(sql._WAITING, "inbox_waiting", id="inbox"),
        pytest.param(sql._LATER, "inbox_waiting", id="rows beyond"),
        pytest.param(sql._UNDER, "SEARCH threads USING INDEX sqlite_autoindex_threads_1 (id>? AND id<?)", id="under"),
        pytest.param(sql._PAGE, "SEARCH threads USING INDEX threads_latest (at<?)')]", id="a page, read in order"),
        pytest.param(sql._FIRST, "(thread=? AND seq=?)", id="birth"),
        pytest.param(sql._TIMERS, "threads_wake", id="timers"),
        pytest.param(sql._OUTSTANDING, "threads_locked", id="outstanding, running"),
        pytest.param(sql._OUTSTANDING, "inbox_waiting", id="outstanding, waiting"),
        pytest.param(sql._OUTSTANDING, "tickets_open", id="outstanding, open tickets"),
    ],
)
def test_look_ups_are_indexed(store: SqlStore, statement: Any, index: str) -> None:
    """What is asked again and again reads an index of what matters, not whole tables."""
    asked = str(statement.compile(dialect=store._engine.dialect, compile_kwargs={"render_postcompile": True}))
    plan = store._reader.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", tuple(1 for _ in range(asked.count("?")))).all()

    assert index in str(plan)


# -- several connections and processes ---------------------------------------------------------------------------------


def test_changes(path: Path, store: SqlStore) -> None:
    """The number stays while nobody writes, and becomes another when another store of the file writes, or this one."""
    with closing(SqlStore(path)) as other:
        seen = [store.changes(), store.changes()]
        for act in (
            lambda: other.append("t", commit(0)),
            lambda: other.post("t", "message", {}, at=1.0),
            lambda: store.append("t", commit(1)),
        ):
            act()
            seen += [store.changes(), store.journal("t") and store.changes()]

    first, *rest = [seen[0::2], seen[1::2]]
    assert [first] == rest
    assert all(one != other for one, other in pairwise(first))


def test_another_thread_may_use_it(store: SqlStore) -> None:
    """A thread that did not open the store may use it."""
    reached: list[int] = []
    worker = Thread(target=lambda: reached.extend([store.append("t", commit(0)), len(store.journal("t"))]))
    worker.start()
    worker.join()

    assert [1, 1] == reached


@pytest.mark.usefixtures("impatient")
def test_a_file_that_stays_locked(path: Path) -> None:
    """When another transaction does not end in time the write raises and nothing happens; later it succeeds."""
    with closing(SqlStore(path)) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.append("t", commit(0))
        other.rollback()

        assert [] == store.journal("t")
        assert 1 == store.append("t", commit(0))


def test_a_closed_store(store: SqlStore) -> None:
    """A store that was closed says so."""
    store.close()
    store.close()

    for use in (
        lambda: store.append("t", commit(0)),
        lambda: store.journal("t"),
        store.changes,
        lambda: store.lock("t"),
    ):
        with pytest.raises(StoreError, match="again"):
            use()


def test_a_forked_child_is_kept_out(path: Path) -> None:
    """A store is refused in a forked child, whose writes would ruin the file, and the parent's goes on."""
    code = (
        "store.append('t', commit(0))\nif os.fork() == 0:\n"
        "    try: store.append('t', commit(1))\n"
        "    except StoreError as error: print('fork' in str(error), flush=True)\n"
        "    store.close(); os._exit(0)\n"
        "os.wait(); print(store.append('t', commit(1)), flush=True)"
    )
    with process(path, code) as started:
        assert ["ready", "True", "2"] == [told(started) for _ in range(3)]


def test_many_open_a_new_file_at_once(path: Path) -> None:
    """Processes that open a file none has made yet all succeed, on one schema."""
    code = "print(store.append(str(os.getpid()), commit(0)), flush=True)"
    with ExitStack() as stack:
        started = [stack.enter_context(process(path, code)) for _ in range(4)]

        assert [["ready", "1"]] * 4 == [[told(one), told(one)] for one in started]
    with closing(SqlStore(path)) as store:
        assert 4 == len(store.threads())


def test_one_of_many_writers_wins(path: Path) -> None:
    """Of processes that append at the same number at once exactly one succeeds, every time."""
    code = (
        "for expect in range(20):\n    go()\n"
        "    try: store.append('t', commit(expect, os.getpid())); print('won', flush=True)\n"
        "    except StoreBehind as error: print('behind', error.found, flush=True)"
    )
    with ExitStack() as stack:
        started = [stack.enter_context(process(path, code)) for _ in range(3)]
        for one in started:
            told(one)
        for expect in range(20):
            for one in started:
                tell(one)

            assert [f"behind {expect + 1}"] * 2 + ["won"] == sorted(told(one) for one in started)
    with closing(SqlStore(path)) as store:
        assert list(range(1, 21)) == [record.seq for record in store.journal("t")]


def test_concurrent_posts_keep_commit_order(path: Path, store: SqlStore) -> None:
    """Rows of several processes have ids of their own, and one posted after another's receipt comes later."""
    store.append("t", commit(0))
    code = (
        "go()\nfor n in range(40):\n    began = time.monotonic_ns()\n"
        "    row = store.post('t', 'message', {'by': os.getpid(), 'n': n}, at=1.0).row\n"
        "    print(row, began, time.monotonic_ns(), flush=True)"
    )
    with ExitStack() as stack:
        started = [stack.enter_context(process(path, code)) for _ in range(3)]
        for one in started:
            told(one)
        for one in started:
            tell(one)
        posts = sorted([int(word) for word in told(one).split()] for one in started for _ in range(40))
    rows = store.inbox("t")

    assert 120 == len({row for row, _, _ in posts})
    assert [row.id for row in rows] == [row for row, _, _ in posts]
    for place, (_, began, _) in enumerate(posts):
        assert all(began < ended for _, _, ended in posts[place + 1 :])
    for poster in {row.data["by"] for row in rows}:
        assert list(range(40)) == [row.data["n"] for row in rows if row.data["by"] == poster]


def test_a_key_posted_by_several_at_once(path: Path, store: SqlStore) -> None:
    """Processes that post the same key at once get the same row, and one of them is told it was the first."""
    store.append("t", commit(0))
    code = (
        "for n in range(10):\n    go()\n    receipt = store.post('t', 'message', {}, at=1.0, key=str(n))\n"
        "    print(receipt.repeated, receipt.row, flush=True)"
    )
    with ExitStack() as stack:
        started = [stack.enter_context(process(path, code)) for _ in range(3)]
        for one in started:
            told(one)
        for number in range(1, 11):
            for one in started:
                tell(one)

            assert [f"False {number}", f"True {number}", f"True {number}"] == sorted(told(one) for one in started)
    assert 10 == len(store.inbox("t"))


@pytest.mark.parametrize("what", ["append", "post"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_around_a_commit(path: Path, store: SqlStore, moment: str, what: str) -> None:
    """A process killed just before its commit has written nothing, just after it all; nothing is stuck."""
    store.append("t", commit(0))
    row = store.post("t", "message", {}, at=1.0).row
    code = (
        "def die(moment, what, thread):\n"
        f"    if (moment, what) == {(moment, what)!r}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.hooks.append(die)\nheld = store.lock('t')\n"
    )
    acts = {
        "append": "from dataclasses import replace\n"
        "ticket = TicketRow('k', 1, 1, 'c', 'tool', 'a', '{}', 'waiting')\n"
        f"store.append('t', replace(commit(1), consumed=[{row}], tickets=[ticket]))",
        "post": "store.post('t', 'message', {}, at=1.0)",
    }
    with process(path, code + acts[what]) as started:
        assert -signal.SIGKILL == started.wait()
    written = {("before", "append"): (1, 1, 0), ("after", "append"): (2, 0, 1), ("before", "post"): (1, 1, 0)}

    found = len(store.journal("t")), len(store.inbox("t")), len(store.tickets("t"))

    assert written.get((moment, what), (1, 2, 0)) == found
    assert None is not store.lock("t")
    assert found[0] + 1 == store.append("t", commit(found[0]))


@pytest.mark.parametrize(
    ("moment", "left"), [pytest.param("before", 1, id="before"), pytest.param("after", 0, id="after")]
)
def test_killed_around_a_delete(path: Path, store: SqlStore, moment: str, left: int) -> None:
    """A process killed in the middle of a deletion leaves the thread whole, or gone."""
    for name in ("t", "t/room"):
        store.append(name, commit(0))
        store.post(name, "message", {}, at=1.0)
    code = (
        "def die(moment, what, thread):\n"
        f"    if (moment, what) == ({moment!r}, 'delete'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.hooks.append(die)\nstore.delete(['t', 't/room'])\n"
    )
    with process(path, code) as started:
        assert -signal.SIGKILL == started.wait()

    assert [left] * 4 == [len(read(name)) for read in (store.journal, store.inbox) for name in ("t", "t/room")]


def test_what_is_deleted_is_in_no_file_any_more(path: Path, store: SqlStore) -> None:
    """Neither in free pages of the file nor in its log."""
    store.append("t", commit(0))
    for _ in range(50):
        store.post("t", "message", {"text": "very secret words " * 200}, at=1.0)
    before = any(b"very secret" in content for content in files(path.parent).values())
    store.delete(["t"])

    assert before
    assert not any(b"very secret" in content for content in files(path.parent).values())
