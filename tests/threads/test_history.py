"""A thread's past: the same events a watcher was told, and the same value."""

from __future__ import annotations

import pytest

from handoff import Flow, MemoryStore, Metadata, RuleModel, StoreError, TextDelta, ToolStarted, call
from handoff.driving.history import folded, replay
from handoff.events import ThreadEvent
from handoff.store import JournalRecord
from handoff.sync import Threads


class Order(Metadata):
    """What is wanted."""

    dish: str | None = None


flow = Flow("history", metadata=Order)
waiter = flow.assistant("waiter", instructions="Find out what is wanted.")
cook = flow.assistant("cook", instructions="You make {{ dish }}.")


@waiter.tool(to=cook, sets="dish")
def take_order(dish: str) -> str:
    """Take the order."""
    return f"One {dish}."


rules = RuleModel(flow)


@rules.when(waiter, "an? (?P<dish>.+)")
def ask_for(match):  # noqa: ANN001, ANN201 - as flows are written
    """Ask for a DISH."""
    return call(take_order, dish=match["dish"])


def test_the_replay_is_what_was_streamed() -> None:
    """Read back, a thread says what it said live, but for what is never journaled."""
    store = MemoryStore()
    with Threads(flow, store=store) as threads:
        streamed: list[ThreadEvent] = list(threads.open("t").stream("a pizza"))

    replayed = list(replay(store.journal("t")))

    assert [one for one in streamed if not isinstance(one, TextDelta | ToolStarted)] == replayed


def test_the_fold_is_the_thread() -> None:
    """Read back, a thread is the value it was when it came to rest."""
    store = MemoryStore()
    with Threads(flow, store=store) as threads:
        thread = threads.open("t")
        thread.send("a pizza")
        state = thread.state

    assert state == folded(store.journal("t"))


def test_nothing_is_no_thread() -> None:
    """An empty journal is of no thread and tells nothing."""
    assert (None, []) == (folded([]), list(replay([])))


def test_an_event_of_a_newer_version_is_refused() -> None:
    """A journal is never read with a guess."""
    with pytest.raises(StoreError, match="unknown type 'Teleported'"):
        folded([JournalRecord(1, {"type": "Teleported", "at": 0.0})])
