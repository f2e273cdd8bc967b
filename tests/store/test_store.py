"""The store contract: every test here runs over every store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handoff.errors import (
    ConfigurationError,
    HandoffError,
    KeyReused,
    StoreBehind,
    StoreError,
    ThreadBusy,
    ThreadClosed,
    ThreadUnknown,
)
from handoff.store import (
    Commit,
    InboxGrew,
    InboxRow,
    JournalRecord,
    LedgerRow,
    MemoryStore,
    Receipt,
    SqlStore,
    Store,
    Summary,
    TicketRow,
)
from handoff.store.content import DEPTH

HOSTILE = [
    pytest.param("", id="empty"),
    pytest.param("a\0b", id="nul"),
    pytest.param("\ud800 and \udfff", id="lone surrogates"),
    pytest.param("🙂 ﷽ é e\u0301 \u202e\ufeff", id="beyond ascii"),
    pytest.param("'; DROP TABLE threads; --", id="sql"),
    pytest.param('"\\\r\n\t\x1b\x7f', id="quotes and controls"),
    pytest.param("x" * 3_000_000, id="three million characters"),
]
EVENT = {"type": "Happened", "at": 1.0}


@pytest.fixture(params=["memory", "sql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with closing(MemoryStore() if request.param == "memory" else SqlStore(tmp_path / "threads.db")) as opened:
        yield opened


def summary(**changes: Any) -> Summary:
    values: dict[str, Any] = {
        "flow": "site_editor",
        "assistant": "welcome",
        "status": "rest",
        "locked": False,
        "closed": False,
        "metadata": {},
        "wake_at": None,
        "at": 1.0,
    }
    return Summary(**values | changes)


def commit(expect: int, *events: dict[str, Any], **changes: Any) -> Commit:
    values: dict[str, Any] = {"consumed": (), "last_row": None, "summary": summary()}
    return Commit(expect, events or (EVENT,), **values | changes)


def call(run: int, name: str, position: int = 0, **changes: Any) -> LedgerRow:
    values: dict[str, Any] = {
        "tool": "open_page",
        "assistant": "welcome",
        "arguments": "{}",
        "progress": "ready",
        "output": "",
    }
    return LedgerRow(run, 1, name, position=position, **values | changes)


def ticket(name: str, stage: str = "waiting", **changes: Any) -> TicketRow:
    values: dict[str, Any] = {"run": 1, "batch": 1, "call": "c", "tool": "ask", "asker": "welcome", "arguments": "{}"}
    return TicketRow(name, stage=stage, **values | changes)


def everything(store: Store, *threads: str) -> list[Any]:
    """All that can be read of the threads."""
    of_thread: list[Callable[[str], Any]] = [store.journal, store.inbox, store.summary, store.ledger, store.tickets]
    rows = [store.row(thread, row) for thread in threads for row in range(1, 9)]
    return [store.threads(), store.outstanding(), store.timers(1e12), rows] + [
        read(thread) for thread in threads for read in of_thread
    ]


# -- append ------------------------------------------------------------------------------------------------------------


def test_append_makes_a_thread(store: Store) -> None:
    """The first append numbers its events from 1."""
    reached = store.append("t", commit(0, {"type": "A"}, {"type": "B"}))

    assert 2 == reached
    assert [JournalRecord(1, {"type": "A"}), JournalRecord(2, {"type": "B"})] == store.journal("t")


def test_append_goes_on_without_gaps(store: Store) -> None:
    """A later append goes on at the number the one before it returned."""
    first = store.append("t", commit(0, {"type": "A"}))

    assert 3 == store.append("t", commit(first, {"type": "B"}, {"type": "C"}))
    assert [1, 2, 3] == [record.seq for record in store.journal("t")]


@pytest.mark.parametrize(("after", "expected"), [(-1, [1, 2]), (0, [1, 2]), (1, [2]), (2, []), (9, [])])
def test_journal_after(store: Store, after: int, expected: list[int]) -> None:
    """The journal is read from behind a sequence number."""
    store.append("t", commit(0, EVENT, EVENT))

    assert expected == [record.seq for record in store.journal("t", after)]


@pytest.mark.parametrize(
    ("thread", "expect", "found"),
    [
        pytest.param("t", 0, 2, id="made already"),
        pytest.param("t", 1, 2, id="behind"),
        pytest.param("t", 3, 2, id="ahead"),
        pytest.param("new", 1, 0, id="no such thread"),
    ],
)
def test_append_is_fenced(store: Store, thread: str, expect: int, found: int) -> None:
    """An append that expects another sequence number raises and nothing happens."""
    store.append("t", commit(0, EVENT, EVENT))
    row = store.post("t", "message", {}, at=1.0).row
    before = everything(store, "t", "new")

    with pytest.raises(StoreBehind) as refused:
        store.append(
            thread,
            commit(expect, consumed=[row], summary=summary(locked=True), ledger=[call(1, "c")], tickets=[ticket("k")]),
        )

    assert (thread, expect, found) == (refused.value.thread, refused.value.expected, refused.value.found)
    assert before == everything(store, "t", "new")


def test_append_without_events(store: Store) -> None:
    """An append of no events raises and nothing happens: all else follows from events."""
    with pytest.raises(StoreError, match="no event"):
        store.append("t", Commit(0, (), (), None, summary()))

    assert [] == store.threads()


def test_summary_is_of_the_latest_append(store: Store) -> None:
    """A thread's summary is the one its latest append brought."""
    latest = summary(
        assistant="editor", status="in_progress", locked=True, closed=True, metadata={"p": "a"}, wake_at=7.5, at=2.25
    )
    store.append("t", commit(0))
    store.append("t", commit(1, summary=latest))

    assert latest == store.summary("t")


def test_threads_latest_first(store: Store) -> None:
    """Threads are listed with the latest event first, by name where times are equal."""
    for thread, at in [("b", 1.0), ("c", 2.0), ("a", 1.0)]:
        store.append(thread, commit(0, summary=summary(at=at)))

    assert ["c", "a", "b"] == [thread for thread, _ in store.threads()]


def test_threads_under_a_prefix(store: Store) -> None:
    """Exactly those whose ids begin so, whatever characters come next, in the order of all."""
    names = ["t", "t/", "t/1", "t/\U0010ffff", "t/\ud7ff", "t/\ue000", "t0", "t.", "T/1", "s/t/1", "\U0010ffff"]
    for at, name in enumerate(names):
        store.append(name, commit(0, summary=summary(at=float(at))))

    def found(under: str) -> list[str]:
        return [thread for thread, _ in store.threads(under)]

    prefixes = ["", "t", "t/", "t/1", "t/\ud7ff", "t/\U0010ffff", "\U0010ffff", "nobody"]
    assert {under: [name for name in reversed(names) if name.startswith(under)] for under in prefixes} == {
        under: found(under) for under in prefixes
    }


class _Counted(str):
    """A thread's id that counts how often one is looked at."""

    __slots__ = ()
    looks = 0

    def __lt__(self, other: str) -> bool:
        _Counted.looks += 1
        return str.__lt__(self, other)

    def startswith(self, *prefix: Any) -> bool:
        _Counted.looks += 1
        return super().startswith(*prefix)


def _looks(store: Store, under: str) -> int:
    """Count what a store looks at for a prefix: ids in memory, steps of SQLite's machine on disk."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    if isinstance(store, SqlStore):
        store._reader.connection.dbapi_connection.set_progress_handler(step, 1)  # type: ignore[union-attr]
    _Counted.looks = 0
    store.threads(under)
    return steps or _Counted.looks


def test_threads_under_a_prefix_are_looked_up(store: Store) -> None:
    """What is looked at depends on how many threads begin so, not on how many there are."""
    looks: list[int] = []
    for others in (range(20), range(20, 400)):
        for number in others:
            store.append(_Counted(f"{number}"), commit(0))
        if not looks:
            store.append(_Counted("t/1"), commit(0))
        looks.append(_looks(store, "t/"))
    few, many = looks

    assert 0 < few <= many < few + 40


def test_unknown_thread_reads_empty(store: Store) -> None:
    """Of a thread that does not exist there is nothing to read, and that is no error."""
    nothing = (store.journal("t"), store.inbox("t"), store.row("t", 1), store.summary("t"))

    assert ([], [], None, None) == nothing
    assert ([], []) == (store.ledger("t"), store.tickets("t"))
    assert ([], [], []) == (store.threads(), store.outstanding(), store.timers(9.0))


# -- the inbox ---------------------------------------------------------------------------------------------------------


def test_rows_wait_in_commit_order(store: Store) -> None:
    """Ids rise over the whole store, and a thread's inbox is in that order."""
    for thread in ("t", "u"):
        store.append(thread, commit(0))
    rows = [store.post(thread, "message", {"text": thread}, at=2.5).row for thread in ("t", "u", "t")]

    assert rows == sorted(set(rows))
    assert [InboxRow(row, "t", "message", {"text": "t"}, None, 2.5) for row in (rows[0], rows[2])] == store.inbox("t")


def test_append_consumes_rows(store: Store) -> None:
    """A consumed row leaves the inbox and knows which append took it; others wait on."""
    store.append("t", commit(0))
    first, second = (store.post("t", "edit", {"n": n}, at=1.0, key=f"k{n}").row for n in (1, 2))

    store.append("t", commit(1, EVENT, EVENT, consumed=[first]))

    assert [second] == [row.id for row in store.inbox("t")]
    assert (InboxRow(first, "t", "edit", {"n": 1}, "k1", 1.0), 3) == store.row("t", first)
    assert (InboxRow(second, "t", "edit", {"n": 2}, "k2", 1.0), None) == store.row("t", second)


def test_row_of_another_thread(store: Store) -> None:
    """A row is found only under its own thread."""
    store.append("t", commit(0))
    row = store.post("t", "message", {}, at=1.0).row

    assert (None, None, None) == (store.row("u", row), store.row("t", row + 1), store.row("t", 0))


@pytest.mark.parametrize(
    ("seen", "consumed", "stands"),
    [
        pytest.param(2, [], True, id="all seen"),
        pytest.param(2, [1, 2], True, id="all seen and consumed"),
        pytest.param(1, [], False, id="one not seen"),
        pytest.param(0, [1], False, id="another not seen"),
        pytest.param(0, [1, 2], True, id="not seen but consumed"),
        pytest.param(None, [], True, id="rows may wait"),
    ],
)
def test_append_stands_only_on_the_inbox_it_saw(
    store: Store, seen: int | None, consumed: list[int], stands: bool
) -> None:
    """A row beyond the last one seen makes the append raise, and nothing happens; other threads' rows do not count."""
    for thread in ("t", "u"):
        store.append(thread, commit(0))
    rows = [0] + [store.post("t", "message", {}, at=1.0).row for _ in range(2)]
    store.post("u", "message", {}, at=1.0)
    before = everything(store, "t", "u")
    one = commit(1, consumed=[rows[row] for row in consumed], last_row=None if seen is None else rows[seen])

    if stands:
        assert 2 == store.append("t", one)
    else:
        with pytest.raises(InboxGrew):
            store.append("t", one)

        assert before == everything(store, "t", "u")


@pytest.mark.parametrize("which", ["taken", "of another thread", "unknown"])
def test_append_consumes_only_what_waits(store: Store, which: str) -> None:
    """An append that consumes what does not wait for its thread raises and nothing happens."""
    for thread in ("t", "u"):
        store.append(thread, commit(0))
    taken, waits = (store.post("t", "message", {}, at=1.0).row for _ in range(2))
    rows = {"taken": taken, "of another thread": store.post("u", "message", {}, at=1.0).row, "unknown": 99}
    store.append("t", commit(1, consumed=[taken]))
    before = everything(store, "t", "u")

    with pytest.raises(StoreError, match="wait"):
        store.append("t", commit(2, consumed=[waits, rows[which]]))

    assert before == everything(store, "t", "u")


def test_post_to_an_unknown_thread(store: Store) -> None:
    """A post to a thread that does not exist raises and nothing happens."""
    with pytest.raises(ThreadUnknown) as refused:
        store.post("t", "message", {}, at=1.0)

    assert "t" == refused.value.thread
    assert None is store.row("t", 1)


def test_closed_thread_takes_no_message(store: Store) -> None:
    """A message to a closed thread raises and nothing happens."""
    store.append("t", commit(0, summary=summary(closed=True)))

    with pytest.raises(ThreadClosed):
        store.post("t", "message", {}, at=1.0)

    assert [] == store.inbox("t")


@pytest.mark.parametrize("kind", ["stop", "resolved", "edit", "timer"])
def test_closed_thread_takes_the_rest(store: Store, kind: Any) -> None:
    """What is no message may still come to a closed thread: it is not the store that judges it."""
    store.append("t", commit(0, summary=summary(closed=True)))

    store.post("t", kind, {}, at=1.0)

    assert [kind] == [row.kind for row in store.inbox("t")]


# -- keys and busy -----------------------------------------------------------------------------------------------------


def test_same_key_same_receipt(store: Store) -> None:
    """A second post with the same key adds nothing and returns the first row, whatever the order of its data."""
    store.append("t", commit(0))
    first = store.post("t", "message", {"text": "hi", "n": [1, {"a": 1, "b": 2}]}, at=1.0, key="k")

    again = store.post("t", "message", {"n": [1, {"b": 2, "a": 1}], "text": "hi"}, at=2.0, key="k")

    assert (Receipt(first.row), Receipt(first.row, repeated=True)) == (first, again)
    assert [1.0] == [row.at for row in store.inbox("t")]


@pytest.mark.parametrize("since", ["consumed", "closed", "locked", "waiting"])
def test_a_key_is_answered_whatever_came_since(store: Store, since: str) -> None:
    """A retry gets its receipt even where a new message would be refused, and even with `reject_if_busy`."""
    store.append("t", commit(0))
    first = store.post("t", "message", {}, at=1.0, key="k", reject_if_busy=True)
    if since != "waiting":
        now = summary(closed=since == "closed", locked=since == "locked")
        store.append("t", commit(1, consumed=[first.row], summary=now))

    assert Receipt(first.row, repeated=True) == store.post("t", "message", {}, at=2.0, key="k", reject_if_busy=True)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param("edit", {"n": 1}, id="kind"),
        pytest.param("message", {"n": 2}, id="value"),
        pytest.param("message", {"n": 1.0}, id="a number written otherwise"),
        pytest.param("message", {"n": True}, id="true is not 1"),
        pytest.param("message", {"n": 1, "m": None}, id="more"),
    ],
)
def test_key_with_other_content(store: Store, kind: Any, data: dict[str, Any]) -> None:
    """A key that comes back with another kind or other data raises and nothing happens."""
    store.append("t", commit(0))
    store.post("t", "message", {"n": 1}, at=1.0, key="k")
    before = everything(store, "t")

    with pytest.raises(KeyReused) as refused:
        store.post("t", kind, data, at=1.0, key="k")

    assert ("t", "k") == (refused.value.thread, refused.value.key)
    assert before == everything(store, "t")


def test_keys_belong_to_a_thread(store: Store) -> None:
    """Two threads may use the same key, and rows without a key never repeat one another."""
    for thread in ("t", "u"):
        store.append(thread, commit(0))
    receipts = [
        store.post(thread, "message", {}, at=1.0, key=key) for thread in ("t", "u") for key in ("k", None, None)
    ]

    assert 6 == len({receipt.row for receipt in receipts if not receipt.repeated})


@pytest.mark.parametrize("why", ["locked", "a message waits", "an edit waits"])
def test_reject_if_busy(store: Store, why: str) -> None:
    """While a run is active or a row waits, a post with `reject_if_busy` raises and nothing happens."""
    store.append("t", commit(0, summary=summary(locked=why == "locked")))
    if why != "locked":
        store.post("t", "edit" if "edit" in why else "message", {}, at=1.0)
    before = everything(store, "t")

    with pytest.raises(ThreadBusy):
        store.post("t", "message", {}, at=1.0, reject_if_busy=True)

    assert before == everything(store, "t")


def test_reject_if_busy_when_free(store: Store) -> None:
    """With no run active and all rows consumed, a post with `reject_if_busy` is accepted."""
    store.append("t", commit(0, summary=summary(locked=True)))
    row = store.post("t", "message", {}, at=1.0).row
    store.append("t", commit(1, consumed=[row]))

    assert row + 1 == store.post("t", "message", {}, at=1.0, reject_if_busy=True).row


# -- projections -------------------------------------------------------------------------------------------------------


def test_ledger_in_the_order_asked_for(store: Store) -> None:
    """Calls come in order of run, batch and position, and a later row replaces the one of its key."""
    store.append("t", commit(0, ledger=[call(2, "c"), call(1, "b", 0), call(1, "a", 1)]))
    store.append(
        "t", commit(1, ledger=[call(1, "b", 0, progress="started"), call(1, "b", 0, progress="done", output="x")])
    )

    assert [call(1, "b", 0, progress="done", output="x"), call(1, "a", 1), call(2, "c")] == store.ledger("t")


def test_tickets_in_the_order_issued(store: Store) -> None:
    """Tickets keep the order they were issued in when a later row replaces one."""
    store.append("t", commit(0, tickets=[ticket("z"), ticket("y")]))
    store.append("t", commit(1, tickets=[ticket("a"), ticket("z", "closed")]))

    assert [ticket("z", "closed"), ticket("y"), ticket("a")] == store.tickets("t")


def test_projections_belong_to_a_thread(store: Store) -> None:
    """The same call and ticket ids on another thread are others."""
    for thread in ("t", "u"):
        store.append(thread, commit(0, ledger=[call(1, "c", tool=thread)], tickets=[ticket("k", tool=thread)]))

    assert ["t", "u"] == [store.ledger(thread)[0].tool for thread in ("t", "u")]
    assert ["t", "u"] == [store.tickets(thread)[0].tool for thread in ("t", "u")]


def test_timers(store: Store) -> None:
    """Silence that ends by the time asked for is listed, soonest first."""
    for thread, wake_at in [("late", 5.0), ("b", 4.0), ("a", 4.0), ("soon", 3.0), ("none", None)]:
        store.append(thread, commit(0, summary=summary(wake_at=wake_at)))

    assert [("soon", 3.0), ("a", 4.0), ("b", 4.0)] == store.timers(4.0)


def test_outstanding(store: Store) -> None:
    """A thread is outstanding while a run is active, a row waits, or a ticket is open."""
    store.append("run", commit(0, summary=summary(locked=True)))
    store.append("ticket", commit(0, tickets=[ticket("a", "closed"), ticket("b", "approval")]))
    for thread in ("row", "consumed"):
        store.append(thread, commit(0))
        row = store.post(thread, "message", {}, at=1.0).row
    store.append("consumed", commit(1, consumed=[row]))
    store.append("closed", commit(0, tickets=[ticket("a", "closed")]))

    assert ["row", "run", "ticket"] == store.outstanding()


# -- content -----------------------------------------------------------------------------------------------------------


def test_what_was_given_is_kept_as_it_was(store: Store) -> None:
    """What the caller changes afterwards, in what it gave or in what it got, does not show."""
    event, metadata, data = ({"list": [1]} for _ in range(3))
    store.append("t", commit(0, event, summary=summary(metadata=metadata)))
    row = store.post("t", "message", data, at=1.0).row

    for _ in range(2):
        shown = store.summary("t")
        read: list[Any] = [store.journal("t")[0].data, shown and shown.metadata, store.inbox("t")[0].data]

        assert [{"list": [1]}] * 3 == read
        for one in (event, metadata, data, *read):
            one["list"].append(2)
    found = store.row("t", row)

    assert found
    assert {"list": [1]} == found[0].data


def test_any_mapping_is_an_object(store: Store) -> None:
    """A read-only mapping is kept as an object and a tuple as a list."""
    store.append("t", commit(0, MappingProxyType({"a": MappingProxyType({"b": (1, 2)})})))  # type: ignore[arg-type]

    assert {"a": {"b": [1, 2]}} == store.journal("t")[0].data


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(float("nan"), id="nan"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param({1, 2}, id="set"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param(object(), id="object"),
        pytest.param({(1, 2): 3}, id="key"),
        pytest.param(10**5000, id="an integer too long to read"),
        pytest.param(cycle(), id="cycle"),
        pytest.param(nested(DEPTH), id="deep"),
        pytest.param(nested(100_000), id="very deep"),
    ],
)
@pytest.mark.parametrize("where", ["event", "metadata", "data"])
def test_what_is_not_json(store: Store, where: str, value: Any) -> None:
    """What is not JSON, or could not be read back, raises and nothing happens."""
    store.append("t", commit(0))
    before = everything(store, "t")
    acts: dict[str, Callable[[], Any]] = {
        "event": lambda: store.append("t", commit(1, EVENT, {"value": value})),
        "metadata": lambda: store.append("t", commit(1, summary=summary(metadata={"value": value}))),
        "data": lambda: store.post("t", "message", {"value": value}, at=1.0),
    }

    with pytest.raises(ConfigurationError, match="JSON"):
        acts[where]()

    assert before == everything(store, "t")


def test_depth_is_counted_outside_strings(store: Store) -> None:
    """Brackets in text are no nesting, and nesting up to the bound is kept."""
    event = {"text": '[{"\\' * 2 * DEPTH, "wide": [[]] * 2 * DEPTH, "deep": nested(DEPTH - 1)}
    store.append("t", commit(0, event))

    assert event == store.journal("t")[0].data


@pytest.mark.parametrize("text", HOSTILE)
def test_text_is_data(store: Store, text: str) -> None:
    """Whatever Python's text can hold comes back from events, metadata, messages, ledger and tickets as it was."""
    rows = [call(1, text, tool=text, arguments=text, output=text)]
    issued = [ticket(text, call=text, tool=text, arguments=text)]
    for expect in (0, 1):
        one = commit(expect, {text: text}, summary=summary(metadata={text: text}), ledger=rows, tickets=issued)
        store.append("t", one)
    store.post("t", "message", {text: text}, at=1.0)
    shown = store.summary("t")

    assert [{text: text}] * 3 == [store.journal("t")[0].data, shown and shown.metadata, store.inbox("t")[0].data]
    assert (rows, issued) == (store.ledger("t"), store.tickets("t"))


@pytest.mark.parametrize("name", ["", 'it\'s "quoted"; --', "two\nlines", "🙂 é e\u0301", "../../etc", "n" * 5000])
def test_names(store: Store, name: str) -> None:
    """A thread's id and a key may be any text that UTF-8 can hold."""
    store.append(name, commit(0))
    store.append(name + "x", commit(0))
    receipt = store.post(name, "message", {}, at=1.0, key=name)

    assert {name, name + "x"} == {thread for thread, _ in store.threads()}
    assert [(receipt.row, name)] == [(row.id, row.key) for row in store.inbox(name)]
    assert receipt.row == store.post(name, "message", {}, at=1.0, key=name).row


@pytest.mark.parametrize("name", ["a\0", "\ud800"])
def test_names_no_database_can_hold(store: Store, name: str) -> None:
    """A thread's id or a key with a NUL or a lone surrogate raises everywhere, and nothing happens."""
    store.append("t", commit(0))
    acts: list[Callable[[], Any]] = [
        lambda: store.append(name, commit(0)),
        lambda: store.post(name, "message", {}, at=1.0),
        lambda: store.post("t", "message", {}, at=1.0, key=name),
        lambda: store.row(name, 1),
        *(
            lambda read=read: read(name)
            for read in (store.journal, store.inbox, store.summary, store.ledger, store.tickets)
        ),
    ]
    for act in acts:
        with pytest.raises(ConfigurationError, match="name"):
            act()

    assert ["t"] == [thread for thread, _ in store.threads()]
    assert [] == store.inbox("t")


# -- hooks -------------------------------------------------------------------------------------------------------------


def test_hooks_stand_around_each_transaction(store: Store) -> None:
    """Hooks are called before and after each append and post that writes."""
    told: list[tuple[str, str, str]] = []
    store.hooks.append(lambda *what: told.append(what))

    store.append("t", commit(0))
    store.post("t", "message", {}, at=1.0, key="k")

    assert [
        ("before", "append", "t"),
        ("after", "append", "t"),
        ("before", "post", "t"),
        ("after", "post", "t"),
    ] == told


def test_hooks_are_silent_where_nothing_is_written(store: Store) -> None:
    """A repeated post and a refused one call no hook."""
    store.append("t", commit(0))
    store.post("t", "message", {}, at=1.0, key="k")
    told: list[tuple[str, str, str]] = []
    store.hooks.append(lambda *what: told.append(what))

    store.post("t", "message", {}, at=1.0, key="k")
    with pytest.raises(ThreadBusy):
        store.post("t", "message", {}, at=1.0, reject_if_busy=True)
    with pytest.raises(StoreBehind):
        store.append("t", commit(9))

    assert [] == told


class Stopped(BaseException):
    """What no code but this file's catches."""


@pytest.mark.parametrize("what", ["append", "post"])
def test_a_hook_that_raises_before_undoes_all(store: Store, what: str) -> None:
    """When a hook raises before the commit nothing happens, and the same call succeeds afterwards."""
    store.append("t", commit(0, tickets=[ticket("k")]))
    row = store.post("t", "message", {}, at=1.0).row
    before = everything(store, "t", "u")
    one = commit(1, consumed=[row], summary=summary(at=5.0), ledger=[call(1, "c")], tickets=[ticket("k", "closed")])
    acts: dict[str, Callable[[], Any]] = {
        "append": lambda: (store.append("t", one), store.append("u", commit(0))),
        "post": lambda: store.post("t", "message", {}, at=1.0, key="k"),
    }

    def stop(*_: str) -> None:
        raise Stopped

    store.hooks.append(stop)
    with pytest.raises(Stopped):
        acts[what]()
    undone = everything(store, "t", "u")
    store.hooks.clear()
    acts[what]()

    assert before == undone
    assert before != everything(store, "t", "u")


@pytest.mark.parametrize("what", ["append", "post"])
def test_a_hook_that_raises_after_undoes_nothing(store: Store, what: str) -> None:
    """What is committed when a hook raises stays committed."""
    store.append("t", commit(0))

    def stop(moment: str, *_: str) -> None:
        if moment == "after":
            raise Stopped

    store.hooks.append(stop)
    with pytest.raises(Stopped):
        _ = store.append("t", commit(1)) if what == "append" else store.post("t", "message", {}, at=1.0)

    assert 1 == len(store.journal("t", 1)) + len(store.inbox("t"))


# -- locks and closing -------------------------------------------------------------------------------------------------


def test_a_lock_is_held_once(store: Store) -> None:
    """A held name is refused, another one is not, and a released one is free again."""
    first = store.lock("t")
    assert first

    refused, other = store.lock("t"), store.lock("u")
    first.release()

    assert None is refused
    assert None is not other
    assert None is not store.lock("t")


def test_a_second_release_does_nothing(store: Store) -> None:
    """Releasing twice does not release what somebody took in between."""
    first = store.lock("t")
    assert first
    first.release()
    assert store.lock("t")

    first.release()

    assert None is store.lock("t")


def test_close_twice(store: Store) -> None:
    """A second close does nothing, and a lock that was held may still be released."""
    held = store.lock("t")
    assert held

    store.close()
    store.close()

    held.release()


# -- the stores agree --------------------------------------------------------------------------------------------------

names = st.sampled_from(["t", "u"])
content = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
appends = st.tuples(
    st.just("append"),
    names,
    st.sampled_from([0, 0, 0, 0, 0, 0, 1, -1]),  # how far from the thread's number it expects
    st.lists(st.fixed_dictionaries({"value": content}), min_size=1, max_size=2),
    st.sets(st.integers(1, 5), max_size=2),
    st.none() | st.integers(0, 6),
    st.tuples(st.booleans(), st.sampled_from([False, False, True]), st.none() | st.floats(0, 5)),
    st.sampled_from([(), ("a",), ("b", "a")]),
)
posts = st.tuples(
    st.just("post"),
    names,
    st.sampled_from(["message", "edit"]),
    st.fixed_dictionaries({"value": st.sampled_from([1, 1.0, "x"])}),
    st.none() | st.sampled_from(["k", "l"]),
    st.booleans(),
)


def act(store: Store, step: tuple[Any, ...]) -> Any:
    try:
        if step[0] == "post":
            _, thread, kind, data, key, reject = step
            return store.post(thread, kind, data, at=1.0, key=key, reject_if_busy=reject)
        _, thread, off, events, consumed, last_row, (locked, closed, wake_at), marks = step
        expect = max(len(store.journal(thread)) + off, 0)
        return store.append(
            thread,
            Commit(
                expect,
                events,
                sorted(consumed & {row.id for row in store.inbox(thread)}),
                last_row,
                summary(locked=locked, closed=closed, wake_at=wake_at, at=float(expect)),
                [call(1, mark, "ab".index(mark), output=str(expect)) for mark in marks],
                [ticket(mark, "closed" if expect % 2 else "running") for mark in marks],
            ),
        )
    except HandoffError as error:
        return type(error), str(error)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(appends | posts, max_size=15))
def test_the_stores_agree(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]) -> None:
    """Whatever is done to both stores, they answer, refuse and hold the same."""
    memory = MemoryStore()
    with closing(SqlStore(tmp_path_factory.mktemp("agree") / "threads.db")) as sql:
        for step in steps:
            assert act(memory, step) == act(sql, step)

        assert everything(memory, "t", "u") == everything(sql, "t", "u")


# -- delete ------------------------------------------------------------------------------------------------------------


def filled(store: Store, name: str, birth: str = "first") -> None:
    """A thread that has something of everything."""
    opened = {"type": "ThreadOpened", "birth": birth}
    store.append(name, commit(0, opened, ledger=[call(1, "c")], tickets=[ticket("T1")], summary=summary(wake_at=5.0)))
    store.post(name, "message", {"text": name}, at=1.0, key="k")
    store.post(name, "message", {"text": name}, at=1.0)


def test_delete_removes_all_of_the_threads(store: Store) -> None:
    """What only begins alike stays, and what is not there is no error."""
    for name in ("t", "t/room", "t/1", "tt"):
        filled(store, name)
    store.delete(["t", "t/room", "nobody"])

    assert [] == [found for name in ("t", "t/room") for found in everything(store, name)[4:] if found]
    assert ["t/1", "tt"] == sorted(name for name, _ in store.threads())
    assert ["t/1", "tt"] == store.outstanding()
    assert ["t/1", "tt"] == [name for name, _ in store.timers(1e12)]


def test_delete_of_nothing(store: Store) -> None:
    """No thread, no error."""
    store.delete([])

    assert [] == store.threads()


def test_a_thread_of_a_deleted_id_is_a_new_one(store: Store) -> None:
    """Its numbers begin again, and its keys are free."""
    filled(store, "t")
    store.delete(["t"])
    filled(store, "t", "second")

    assert (1, 2) == (len(store.journal("t", 0, "second")), len(store.inbox("t")))


@pytest.mark.parametrize("birth", [pytest.param(None, id="gone"), pytest.param("second", id="opened anew")])
def test_who_knew_a_deleted_thread_is_refused(store: Store, birth: str | None) -> None:
    """Reading on, posting, and opening a room of it raise, and nothing happens."""
    filled(store, "t")
    store.append("t/room:one", commit(0, parent=("t", "first")))
    store.delete(["t", "t/room:one"])
    if birth is not None:
        filled(store, "t", birth)
    before = everything(store, "t")

    with pytest.raises(ThreadUnknown):
        store.journal("t", 1, "first")
    with pytest.raises(ThreadUnknown):
        store.post("t", "resolved", {}, at=1.0, born="first")
    with pytest.raises(ThreadUnknown):
        store.append("t/room:two", commit(0, parent=("t", "first")))
    assert before == everything(store, "t")


def test_a_thread_older_than_births_is_known_by_its_id(store: Store) -> None:
    """The core says the same of it."""
    store.append("t", commit(0, {"type": "ThreadOpened"}))

    assert 1 == len(store.journal("t", 0, "t"))


def test_a_hook_that_raises_before_a_delete_undoes_it(store: Store) -> None:
    """All is there or nothing."""
    filled(store, "t")
    before = everything(store, "t")

    def refuse(moment: str, what: str, thread: str) -> None:
        if (moment, what, thread) == ("before", "delete", "t"):
            raise RuntimeError

    store.hooks.append(refuse)
    with pytest.raises(RuntimeError):
        store.delete(["t"])

    assert before == everything(store, "t")


# -- page by page ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        pytest.param({}, ["d", "b", "c", "a/1", "a"], id="all, the latest first"),
        pytest.param({"limit": 2}, ["d", "b"], id="no more than two"),
        pytest.param({"after": (3.0, "b"), "limit": 2}, ["c", "a/1"], id="behind one of the same time"),
        pytest.param({"after": (3.0, "b")}, ["c", "a/1", "a"], id="all behind one"),
        pytest.param({"after": (9.0, "z")}, ["d", "b", "c", "a/1", "a"], id="behind none"),
        pytest.param({"after": (1.0, "a")}, [], id="behind the last"),
        pytest.param({"under": "a", "limit": 1}, ["a/1"], id="the first of some"),
        pytest.param({"under": "a", "after": (2.0, "a/1")}, ["a"], id="the next of some"),
        pytest.param({"under": "\U0010ffff", "limit": 1}, [], id="under the last of all names"),
    ],
)
def test_pages(store: Store, asked: dict[str, Any], names: list[str]) -> None:
    """Lists are ordered and cut alike in every store."""
    for name, at in {"a": 1.0, "a/1": 2.0, "c": 3.0, "b": 3.0, "d": 4.0}.items():
        store.append(name, commit(0, summary=summary(at=at)))

    assert names == [name for name, _ in store.threads(**asked)]
