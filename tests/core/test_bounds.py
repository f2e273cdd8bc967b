"""Bounds are questions about counters: what is blocked, what is refused, what starts again when."""

from __future__ import annotations

import pytest

from handoff.core.bounds import blocked, calls_left, counted, start_refusal, stimulated
from handoff.core.state import Counters
from handoff.limits import Limits
from tests.proof.folding import asked, fold, in_batch, message, opened, ordinary, running, started

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
