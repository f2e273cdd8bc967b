"""What one commit holds: facts, stops, the drain in its order, and at most one start."""

# ruff: noqa: ARG002 - a judge is asked with more than this one looks at

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from handoff.core import State
from handoff.core.events import Event, RunEnded
from handoff.core.state import END, Counters, Mode, Move, Phase, Ticket
from handoff.core.status import Status
from handoff.driving.turn import Advance, Brief, Verdict, advance
from handoff.errors import InstructionsError
from handoff.limits import Limits
from handoff.store.base import InboxRow
from tests.proof.folding import COMPLETE, asked, begun, done, fold, in_batch, move, mover, opened, ordinary, running

STEER = Mode(swap=False, steer=True)


class Flow:
    """A judge that says what the test gives it."""

    def __init__(self, then: Move | None = None, limit: Move | None = None, broken: bool = False) -> None:
        self.after_reply, self.at_limit, self.broken = then, limit, broken

    def then(self, state: State) -> Move | None:
        return self.after_reply

    def silence(self, state: State) -> Move | str:
        return "nobody waits"

    def limit(self, state: State) -> Move | None:
        return self.at_limit

    def late(self, state: State, ticket: Ticket, data: Mapping[str, Any]) -> Verdict:
        return Verdict()

    def edit(self, state: State, patch: Mapping[str, Any]) -> str | None:
        return f"{state.assistant} needs it" if state.assistant == "b" else None

    def start(self, state: State) -> Brief:
        if self.broken:
            raise InstructionsError(state.assistant, "no such field")
        return Brief("", "", (), Mode())


def row(number: int, kind: Any = "message", **data: Any) -> InboxRow:
    """Return a waiting row."""
    content = {"id": f"m{number}", "text": "", "policy": "queue"} if kind == "message" else {}
    return InboxRow(number, "t", kind, content | data, None, 0.0)


def decide(state: State, *facts: Event, rows: tuple[InboxRow, ...] = (), judge: Flow | None = None) -> Advance:
    """Return what is decided."""
    decided = advance(state, facts, rows, judge or Flow(), at=1.0)
    assert decided is not None
    return decided


def names(decided: Advance) -> list[str]:
    """Return what the commit holds."""
    return [type(event).__name__ for event in decided.events]


def test_an_unlock_drains_and_starts_once() -> None:
    """At an unlock come the transition, then the rows in commit order, then one start that carries all of it (L4)."""
    state = fold(in_batch(mover()), begun())
    decided = decide(state, done(move=move()), rows=(row(1), row(2)))

    assert ["CallDone", "MessageAccepted", "MessageAccepted", "RunStarted"] == names(decided)
    assert ("b", (1, 2), 2) == (decided.events[-1].assistant, decided.consumed, decided.last_row)  # type: ignore[union-attr]


def test_an_edit_is_judged_by_the_assistant_the_transition_left() -> None:
    """Rows are judged after the transition is applied (L4, M5)."""
    state = fold(in_batch(mover()), begun())
    decided = decide(state, done(move=move()), rows=(row(1, "edit", id="e", patch={"x": None}),))

    assert ["CallDone", "EditDenied", "RunStarted"] == names(decided)


def test_rows_wait_for_the_lock() -> None:
    """While a run is active a queued message waits, and nothing is appended."""
    assert advance(running(), (), (row(1),), Flow(), at=1.0) is None


def test_nothing_happens_without_facts_or_rows() -> None:
    """A thread at rest stays at rest."""
    assert advance(opened(), (), (), Flow(), at=1.0) is None


def test_a_cancel_acts_at_once() -> None:
    """A cancel is fed while the thread is locked (L6)."""
    decided = decide(running(), rows=(row(1, "stop", run=1, cause="cancel"),))

    assert (["StopRequested"], (1,), None) == (names(decided), decided.consumed, decided.last_row)


def test_an_interrupting_message_keeps_its_place() -> None:
    """An interrupt stops the run and answers the messages before it first (L6)."""
    decided = decide(in_batch(ordinary()), rows=(row(1), row(2, policy="interrupt")))

    assert ["StopRequested", "MessageAccepted", "MessageAccepted", "RunStarted"] == names(decided)


def test_a_cancel_of_another_run_is_consumed_and_does_nothing() -> None:
    """A cancel names its run; for any other it is journaled as ignored."""
    decided = decide(running(), rows=(row(1, "stop", run=7, cause="cancel"),))

    assert (["RowIgnored"], (1,)) == (names(decided), decided.consumed)


STEERED = [
    pytest.param(("queue", "steer"), (1, 2), id="with the messages before it"),
    pytest.param(("steer", "queue"), (1,), id="not those behind it"),
    pytest.param(("queue", "queue"), (), id="nobody steers"),
]


@pytest.mark.parametrize(("policies", "consumed"), STEERED)
def test_steering(policies: tuple[str, ...], consumed: tuple[int, ...]) -> None:
    """A steer joins the run at its batch boundary, so that commit order holds (L5)."""
    rows = tuple(row(number, policy=policy) for number, policy in enumerate(policies, 1))

    assert consumed == decide(fold(in_batch(ordinary()), begun()), done(), rows=rows).consumed


def test_a_batch_answered_as_it_is_journaled_is_a_boundary_too() -> None:
    """A steer joins even where no call of the batch could run."""
    batch = asked(ordinary(answer="error: page: missing. The tool was not run."))

    assert ["CallsRequested", "MessageAccepted"] == names(decide(running(), batch, rows=(row(1, policy="steer"),)))


def test_a_steer_does_not_join_a_run_that_hands_over() -> None:
    """What waits while a transition is committed is for the next assistant (L4)."""
    state = fold(in_batch(mover(), mode=STEER), begun())

    assert ["CallDone"] == names(decide(state, done(move=move()), rows=(row(1, policy="steer"),)))


def test_then_fires_before_the_drain() -> None:
    """`then` follows the reply, and what waits is answered by whom it made active (H5)."""
    decided = decide(
        running(), RunEnded(1.0, 1, 1, Status.COMPLETED), rows=(row(1),), judge=Flow(then=move(kind="then"))
    )

    assert ["RunEnded", "Moved", "MessageAccepted", "RunStarted"] == names(decided)


def test_a_limit_takes_on_limit() -> None:
    """A refused start takes `on_limit` and is then granted."""
    state = opened(Limits(runs=1), counters=Counters(runs=1), wants=True, phase=Phase.OPEN)
    decided = decide(state, judge=Flow(limit=move(kind="limit")))

    assert ["Moved", "RunStarted"] == names(decided)


def test_a_refused_start_keeps_what_is_due() -> None:
    """Instructions that cannot be rendered end the turn, and the message stays due (M2)."""
    decided = decide(opened(), rows=(row(1),), judge=Flow(broken=True))

    assert ["MessageAccepted", "StartRefused"] == names(decided)
    assert 1 == len(decided.state.due)


def test_a_closed_thread_refuses_messages() -> None:
    """A message that reaches a closed thread is refused by an event."""
    assert ["MessageRefused", "Drained"] == names(decide(opened(assistant=END), rows=(row(1),)))


def test_a_server_that_keeps_the_run_swaps_after_it() -> None:
    """Where the run must end first, the settlement starts nobody (H1)."""
    state = fold(in_batch(mover(), mode=COMPLETE), begun())

    assert ["CallDone"] == names(decide(state, done(move=move()), rows=(row(1),)))
