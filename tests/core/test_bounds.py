"""Bounds are questions about counters: what is blocked, what is refused, what starts again when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handoff.core import todo
from handoff.core.bounds import blocked, called_on, calls_left, counted, start_refusal, stimulated
from handoff.core.commands import CancelRun, WatchRun
from handoff.core.events import RunEnded
from handoff.core.items import Output
from handoff.core.state import Call, Counters, Mode, State
from handoff.core.status import Status
from handoff.limits import Limits
from tests.proof.folding import (
    COMPLETE,
    SWAP,
    accepted,
    asked,
    fold,
    in_batch,
    message,
    opened,
    ordinary,
    running,
    started,
)

LIMITS = Limits(handoffs=2, calls=2, runs=2, factor=2)
NAMED = {"transition": "a.to_b", "dest": "b", "times": None}
ONCE = {"transition": "a.then", "dest": "b", "times": 1}


def _again(counters: Counters, metadata: dict[str, int] | None = None, **more: object) -> str | None:
    return blocked(counters, LIMITS, metadata or {}, **{**NAMED, **more})  # type: ignore[arg-type]


BLOCKED = [
    pytest.param(Counters(), NAMED, None, id="nothing used"),
    pytest.param(Counters(handoffs=2), NAMED, "limit of 2 handoffs for this message reached", id="handoffs"),
    pytest.param(Counters(total_handoffs=4), NAMED, "limit of 4 handoffs for this message reached", id="all handoffs"),
    pytest.param(
        Counters(times=(("a.then", 1),)), ONCE, "a.then was taken 1 times since the user's last message", id="times"
    ),
    pytest.param(Counters(times=(("b.then", 1),)), ONCE, None, id="the times of another transition"),
]


@pytest.mark.parametrize(("counters", "named", "reason"), BLOCKED)
def test_blocked(counters: Counters, named: dict[str, object], reason: str | None) -> None:
    """A transition is blocked at its limits, in words for the model."""
    assert reason == blocked(counters, LIMITS, {}, **named)  # type: ignore[arg-type]


def test_a_loop_is_the_same_assistant_with_the_same_facts() -> None:
    """Arriving again with nothing new is a loop."""
    after = counted(Counters(), {"x": 1}, **NAMED)  # type: ignore[arg-type]

    assert "b was just active with the same facts; nothing would change" == _again(after, {"x": 1})


@pytest.mark.parametrize(
    ("metadata", "renewed"),
    [pytest.param({"x": 2}, False, id="other facts"), pytest.param({"x": 1}, True, id="a tool's output in between")],
)
def test_no_loop(metadata: dict[str, int], renewed: bool) -> None:
    """Arriving again is no loop if anything is new."""
    after = counted(Counters(), {"x": 1}, **NAMED)  # type: ignore[arg-type]

    assert _again(after, metadata, renewed=renewed) is None


def test_unset_and_absent_are_the_same_fact() -> None:
    """A field that is None is a field that is not there."""
    after = counted(Counters(), {"x": None}, **NAMED)  # type: ignore[arg-type]

    assert _again(after, {}) is not None


def test_a_stimulus_starts_the_counts_again_but_not_the_totals() -> None:
    """After a late result, a decision or a timer only the totals and `times` of the user's message stay."""
    used = Counters(1, 2, 3, 4, 5, 6, times=(("a.then", 1),), visited=frozenset({"seen"}))

    assert Counters(0, 0, 0, 4, 5, 6, times=(("a.then", 1),)) == stimulated(used)


REFUSED = [
    pytest.param(Counters(runs=1), None, id="within"),
    pytest.param(Counters(runs=2), "limit of 2 runs for this message reached", id="runs"),
    pytest.param(Counters(total_runs=4), "limit of 4 runs for this message reached", id="all runs"),
    pytest.param(Counters(runs=2, granted=True), None, id="the one on_limit grants"),
]


@pytest.mark.parametrize(("counters", "reason"), REFUSED)
def test_start_refusal(counters: Counters, reason: str | None) -> None:
    """A start is refused at the limit of runs, but for the one `on_limit` grants."""
    assert reason == start_refusal(opened(LIMITS, counters=counters))


def test_calls_beyond_the_limit_are_answered_and_siblings_run() -> None:
    """Of three calls with two left, two run and the third is answered so at once."""
    state = fold(running(limits=LIMITS), asked(ordinary(), ordinary("1"), ordinary("2")))

    assert state.run is not None
    assert state.run.batch is not None
    assert ["", "", "Not run: limit of 2 tool calls for this message reached. Answer with what you have."] == [
        entry.output for entry in state.run.batch.entries
    ]
    assert 0 == calls_left(state)


BAD = ordinary(answer="error: what: it is missing. The tool was not run.")


@pytest.mark.parametrize("call", [pytest.param(ordinary(), id="fits"), pytest.param(BAD, id="cannot run anyway")])
def test_a_call_beyond_the_limit_is_told_so_whatever_it_says(call: Call) -> None:
    """Mended arguments would not make it run, so nothing is said of them."""
    state = fold(replace(running(limits=LIMITS), counters=Counters(calls=2)), asked(call))

    assert ["Not run: limit of 2 tool calls for this message reached. Answer with what you have."] == [
        item.text for item in state.due if isinstance(item, Output)
    ]


def _told(mode: Mode = SWAP) -> State:
    """Return a thread whose model was told that no calls are left, and is asked once more."""
    left = replace(running(mode, limits=LIMITS), counters=Counters(calls=2))
    return fold(left, asked(ordinary()), accepted(1, request=2))


def test_a_model_that_calls_on_after_it_was_told_ends_its_run() -> None:
    """The calls have their outputs, the run is incomplete, and nothing is outstanding."""
    state = fold(_told(), asked(ordinary(), ordinary("1"), request=2))

    assert (None, Status.INCOMPLETE, (), ["0", "1"]) == (
        state.run,
        state.ended,
        todo(state),
        [item.call for item in state.due if isinstance(item, Output)],
    )


def test_a_server_that_keeps_the_run_has_to_end_it_first() -> None:
    """Where the server's run waits for outputs it is cancelled, and then counts as incomplete."""
    stopped = fold(_told(COMPLETE), asked(ordinary(), request=2))
    state = fold(stopped, RunEnded(0.0, 1, 2, Status.CANCELLED))

    assert (WatchRun(1, 2), CancelRun(1, 2)) == todo(stopped)
    assert (Status.INCOMPLETE, called_on(stopped)) == (state.ended, state.reason)


@pytest.mark.parametrize(
    ("counters", "limit"),
    [pytest.param(Counters(calls=2), 2, id="of this stimulus"), pytest.param(Counters(total_calls=4), 4, id="of all")],
)
def test_the_end_names_the_limit_that_was_reached(counters: Counters, limit: int) -> None:
    """A person is told which of the two bounds it was, and what to do."""
    assert (
        f"limit of {limit} tool calls for this message reached, and the model called on after it was told; "
        "send another message, or raise Limits.calls"
    ) == called_on(opened(LIMITS, counters=counters))


def test_a_user_message_resets_everything() -> None:
    """A user's message starts every count again."""
    state = fold(opened(counters=Counters(1, 2, 3, 4, 5, 6, limit_taken=True)), message())

    assert Counters() == state.counters


def test_a_start_counts_as_a_run() -> None:
    """Runs are counted where they start."""
    state = fold(opened(), message(), started())

    assert (1, 1) == (state.counters.runs, state.counters.total_runs)


def test_calls_are_counted_where_they_are_journaled() -> None:
    """Calls count whether or not their bodies ever run."""
    assert 2 == in_batch(ordinary(), ordinary("1")).counters.calls
