"""What the core costs by itself: microseconds per event and per handoff, bytes per idle thread.

Figures are of one process and one thread; the last column is a ratio within this run, to a JSON round trip of the
message that causes the event, so that it says the same on any machine.
"""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from handoff.core import State, receive
from handoff.core.events import (
    CallDone,
    CallsRequested,
    CallStarted,
    Event,
    MessageAccepted,
    RunEnded,
    RunStarted,
    ThreadOpened,
)
from handoff.core.state import Call, Mode, Move
from handoff.core.status import Status
from handoff.driving.turn import Brief, advance
from handoff.limits import Limits
from handoff.store.base import InboxRow

MODE, BRIEF = Mode(), Brief("You help.", "0", (), Mode())
TURNS = 2_000
MESSAGE = {"type": "message", "role": "user", "content": "the about page, please", "id": "m1"}


class Judge:
    """A flow without guards."""

    def then(self, _state: State) -> None:
        """Nobody follows a reply."""

    def start(self, _state: State) -> Brief:
        """Return the same instructions always."""
        return BRIEF

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def opened(number: int = 0) -> State:
    state, _ = receive(None, ThreadOpened(0.0, f"t{number}", "flow", "1", "a", {"page": "about"}, Limits()))
    return state


def turn(state: State, number: int) -> list[Event]:
    """Return the events of one user turn with one handoff by a domain tool: two model calls."""
    run, source, dest = state.runs + 1, state.assistant, "b" if state.assistant == "a" else "a"
    call = Call("0", "move", "{}", lane=True, dests=(dest,))
    return [
        MessageAccepted(0.0, f"m{number}", "the about page, please"),
        RunStarted(0.0, run, source, "You help.", "0", (), MODE, 600.0),
        CallsRequested(0.0, run, 1, len(state.due) + 1, (call,)),
        CallStarted(0.0, run, 1, "0"),
        CallDone(0.0, run, 1, "0", "it is open", move=Move("m", "move", source, dest)),
        RunStarted(0.0, run + 1, dest, "You help.", "0", (), MODE, 600.0),
        RunEnded(0.0, run + 1, 1, Status.COMPLETED, stored=2, text="Done."),
    ]


def by_receive() -> int:
    """Fold turns; return the number of events."""
    state, events = opened(), 0
    for number in range(TURNS):
        for event in turn(state, number):
            state, _ = receive(state, event)
            events += 1
    return events


def by_advance() -> int:
    """Decide turns as the driver does; return the number of events."""
    state, events, judge = opened(), 0, Judge()
    for number in range(TURNS):
        facts = turn(state, number)
        row = InboxRow(number + 1, "t", "message", {"id": f"m{number}", "text": "x", "policy": "queue"}, None, 0.0)
        for given, rows in (((), (row,)), *(((fact,), ()) for fact in facts[2:5]), ((facts[6],), ())):
            decided = advance(state, given, rows, judge, at=0.0)  # type: ignore[arg-type]
            assert decided is not None
            state, events = decided.state, events + len(decided.events)
    return events


def round_trips() -> int:
    """Encode and decode a message as JSON; return how often."""
    for _ in range(TURNS * 7):
        json.loads(json.dumps(MESSAGE))
    return TURNS * 7


def fastest(work: Callable[[], int], repeats: int = 5) -> float:
    """Return the seconds of the fastest repetition, per unit of work."""
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        units = work()
        best = min(best, (time.perf_counter() - began) / units)
    return best


def idle_bytes(count: int = 5_000) -> float:
    """Return the bytes a thread at rest holds."""
    gc.collect()
    tracemalloc.start()
    threads = [opened(number) for number in range(count)]
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(threads) == count
    return held / count


def main() -> None:
    floor = fastest(round_trips)
    print(f"{'':<44}{'µs':>9}{'× JSON round trip':>20}")
    print(f"{'a JSON round trip of a message':<44}{floor * 1e6:>9.2f}{1:>20.2f}")
    for label, work, units in (
        ("an event, receive", by_receive, 1),
        ("a turn with a handoff, receive (7 events)", by_receive, 7),
        ("an event, advance", by_advance, 1),
        ("a turn with a handoff, advance (8 events)", by_advance, 8),
    ):
        seconds = fastest(work) * units
        print(f"{label:<44}{seconds * 1e6:>9.2f}{seconds / floor:>20.2f}")
    print(f"{'an idle thread':<44}{idle_bytes():>9.0f} bytes")


if __name__ == "__main__":
    main()
