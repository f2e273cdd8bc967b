"""What the side rooms of a thread have come to, and how that differs from what they come to when nobody is killed.

A room is judged as its parent is: transcript, ledger, tickets, state, and what its bodies did to the world. Beyond that
there are no other rooms, nothing is left locked, and no room that had answered was asked again.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from handoff import Flow, SqlStore
from handoff.driving.side_rooms import room_place
from tests.crash.dealer import AGAIN, experts, insurers
from tests.crash.effects import wrong_effects
from tests.crash.life import STORE, THREAD
from tests.crash.outcome import Outcome, differences, outcome_of
from tests.crash.shop import waits

FLOWS: dict[str, Flow[Any, Any]] = {flow.name: flow for flow in (experts, insurers)}


def rooms_of(directory: Path) -> list[tuple[str, Outcome]]:
    """Return the rooms by name, which is of one room only; a second one of the name is there twice.

    Args:
        directory: where the process kept its files.
    """
    with closing(SqlStore(directory / STORE)) as store:
        threads = [name for name, _ in store.threads(f"{THREAD}/")]
    places = [(place.name, name) for name in threads if (place := room_place(name))]
    return [(room, _nameless(outcome_of(directory, thread=name))) for room, name in sorted(places)]


def _nameless(outcome: Outcome) -> Outcome:
    """The outcome without the room's id: in that is the number of its parent's run, and a detour takes one."""
    return replace(outcome, state=replace(outcome.state, thread=""))


def locked(directory: Path) -> list[str]:
    """Return which threads are locked: by their journal, or by somebody who holds their lock.

    Args:
        directory: where the process kept its files.
    """
    found: list[str] = []
    with closing(SqlStore(directory / STORE)) as store:
        for name, summary in store.threads():
            lock = store.lock(name)
            if lock is not None:
                lock.release()
            if summary.locked or lock is None:
                found.append(f"locked: {name}")
    return found


def wrong_rooms(undisturbed: Path, home: Path) -> list[str]:
    """Return what is wrong with the rooms of a thread that was killed, one sentence each.

    Args:
        undisturbed: the files of the thread that nobody killed.
        home: the files of the one that was.
    """
    found = locked(home)
    if (home / AGAIN).exists():
        found += [f"had answered, and was asked again: {line}" for line in (home / AGAIN).read_text().splitlines()]
    return found + wrong_outcomes(rooms_of(undisturbed), rooms_of(home))


def wrong_outcomes(expected: list[tuple[str, Outcome]], actual: list[tuple[str, Outcome]]) -> list[str]:
    """Return how rooms differ, one sentence each.

    Args:
        expected: the rooms of the thread that nobody killed.
        actual: those of the one that was.
    """
    names, others = _names(expected), _names(actual)
    if names != others:
        return [f"rooms: expected {names}, got {others}"]
    found: list[str] = []
    for (name, one), (_, other) in zip(expected, actual, strict=True):
        wrong = differences(one, other, waits) + wrong_effects(FLOWS[one.state.flow], one, other)
        found += [f"room {name}: {words}" for words in wrong]
    return found


def _names(rooms: Iterable[tuple[str, Outcome]]) -> list[str]:
    return [name for name, _ in rooms]
