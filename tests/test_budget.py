"""What a handoff is made of, counted: a figure of time would tell of a regression late, and of the machine besides."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handoff import Flow, Metadata, SqlStore, Threads
from handoff.backends.embedded import Embedded
from handoff.core import receive, replacing
from handoff.core.events import ThreadOpened
from handoff.core.items import Asked, UserMessage
from handoff.core.state import State
from handoff.declaration import effects
from handoff.declaration.prompt import Prompt
from handoff.driving import host as host_module
from handoff.events import ThreadEvent, TransitionTaken
from handoff.limits import Limits
from handoff.store.access import StoreAccess
from handoff.store.base import Store
from handoff.store.memory import MemoryStore
from handoff.testing import ManualClock
from tests.support.models import Answers

TURNS = 5


class Page(Metadata):
    """The page that is open."""

    page: str | None = None


def back_and_forth() -> Flow[Page, Any]:
    """Two assistants that hand over to each other, each by a tool that has no use for the metadata."""
    flow = Flow("desk", metadata=Page)
    front = flow.assistant("front", instructions="Find out which page is meant.")
    editor = flow.assistant("editor", instructions="Change the page {{ page }}.")

    @front.tool(to=editor, sets="page")
    def edit(page: str) -> str:
        """Open a page."""
        return f"{page} is open"

    @editor.tool(to=front)
    def leave(page: str) -> str:
        """Leave a page."""
        return f"{page} is closed"

    return flow


def answers(prompt: Prompt) -> Asked | str:
    """Call the tool where the user has just spoken, else say something."""
    if isinstance(prompt.due[0], UserMessage):
        return Asked(f"c{len(prompt.items)}", prompt.tools[0].name, json.dumps({"page": "about"}))
    return "Done."


async def handoffs(store: Store, watch: Callable[[ThreadEvent], None] | None = None) -> list[str]:
    """Do some turns, each a handoff; return who was active after each of them."""
    # On a clock that stands still nobody looks into the inbox because a slow machine has taken its time.
    backend, clock = Embedded(Answers(answers)), ManualClock()
    async with Threads(back_and_forth(), backend=backend, store=store, clock=clock) as threads:
        thread = await threads.open("t")
        active: list[str] = []
        for number in range(TURNS):
            if watch is None:
                await thread.send(f"turn {number}")
            else:
                with threads.watching("t", watch):
                    await thread.send(f"turn {number}")
            active.append(thread.assistant.name)
        return active


def counting(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[int]:
    """Count the calls of a function from here on; return where the count is kept."""
    original, count = getattr(owner, name), [0]

    def counted(*args: Any, **kwargs: Any) -> Any:
        count[0] += 1
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
    return count


async def test_a_handoff_is_five_commits_and_one_row() -> None:
    """The start, the calls, the body's start, the settlement with the next start, and the end: nothing else writes."""
    told: Counter[str] = Counter()
    store = MemoryStore()
    store.hooks.append(lambda moment, what, _thread: told.update([what] if moment == "after" else []))

    assert ["editor", "front", "editor", "front", "editor"] == await handoffs(store)
    assert {"append": 1 + 5 * TURNS, "post": TURNS} == dict(told)


async def test_a_durable_handoff_calls_its_store_twelve_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is a way to the store's thread and back: five commits, four looks at the inbox, and three more."""
    counted: Counter[str] = Counter()
    original = StoreAccess.call

    async def call(self: StoreAccess, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        counted[method.__name__] += 1
        return await original(self, method, *args, **kwargs)

    monkeypatch.setattr(StoreAccess, "call", call)
    await handoffs(SqlStore(tmp_path / "threads.db"))
    once = {"append": 1, "summary": 1, "_since": 1, "inbox": 1, "close": 1, "timers": 2}
    each = {"append": 5, "inbox": 4, "post": 1, "_taken": 1, "lock": 1}
    expected = Counter(once) + Counter({name: times * TURNS for name, times in each.items()})

    assert expected == counted


async def test_what_nobody_watches_is_not_worked_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The events for watchers are derived where there is one, and only there."""
    count = counting(monkeypatch, host_module, "told")
    await handoffs(MemoryStore())
    unwatched = count[0]
    seen: list[ThreadEvent] = []
    await handoffs(MemoryStore(), seen.append)

    assert 0 == unwatched
    assert 8 * TURNS == count[0]
    assert TURNS == sum(isinstance(one, TransitionTaken) for one in seen)


async def test_a_body_without_use_for_metadata_gets_no_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the metadata is made when a body asks for it."""
    made = counting(monkeypatch, effects, "load")
    await handoffs(MemoryStore())

    assert 3 == made[0]  # of the five bodies, the three whose tool stores an argument are validated once each


def test_a_thread_is_copied_without_its_constructor(monkeypatch: pytest.MonkeyPatch) -> None:
    """`replace` of the core copies a dictionary: a state is equal to what the standard one makes, and has no slots."""
    state, _ = receive(None, ThreadOpened(0.0, "t", "desk", "1", "front", {}, Limits()))
    expected = dataclasses.replace(state, wants=True)
    monkeypatch.setattr(State, "__init__", None)

    assert expected == replacing.replace(state, wants=True)
    assert not state.wants


def test_a_field_that_there_is_not_cannot_be_replaced() -> None:
    """A misspelled field is refused, as the standard `replace` does."""
    state, _ = receive(None, ThreadOpened(0.0, "t", "desk", "1", "front", {}, Limits()))
    with pytest.raises(TypeError, match="State has no field want"):
        replacing.replace(state, want=True)  # type: ignore[call-arg]
