"""The one door: what each kind of event does, which come too late, and which cannot happen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handoff.core import State, receive, todo
from handoff.core.commands import CancelRun, ReadBack, RunBody, SendRequest, WatchRun
from handoff.core.events import (
    Drained,
    Edited,
    Event,
    FlowMigrated,
    GraceReached,
    MessageRefused,
    Moved,
    Recovered,
    RequestAbsent,
    RequestDoubted,
    Resolved,
    RunEnded,
    StartRefused,
    StopRequested,
    ThreadOpened,
    TimerPassed,
)
from handoff.core.items import Asked, Note, Output, Spoken, UserMessage
from handoff.core.state import END, Move, Phase
from handoff.core.status import Status
from handoff.errors import IllegalEvent
from handoff.limits import Limits
from tests.proof.folding import (
    CARRY,
    COMPLETE,
    SWAP,
    accepted,
    asked,
    begun,
    done,
    fold,
    in_batch,
    message,
    move,
    mover,
    opened,
    ordinary,
    running,
    started,
)

OPENED = ThreadOpened(0.0, "t", "flow", "1", "a", {}, Limits())
ENDED = RunEnded(0.0, 1, 1, Status.COMPLETED)
THEN = Moved(0.0, move(kind="then"))

# -- cannot happen -----------------------------------------------------------------------------------------------------

ILLEGAL = [
    pytest.param(opened(), OPENED, id="a thread opens twice"),
    pytest.param(opened(), started(), id="a run nobody asked for"),
    pytest.param(fold(opened(), message()), started(2), id="a run number is left out"),
    pytest.param(fold(opened(), message()), started(assistant="b"), id="a run of an assistant that is not active"),
    pytest.param(fold(opened(), message()), Drained(0.0), id="rest while somebody is to speak"),
    pytest.param(opened(), StartRefused(0.0, "limit", ""), id="a refusal of no start"),
    pytest.param(opened(), MessageRefused(0.0, "m1"), id="a message refused by an open thread"),
    pytest.param(opened(assistant=END), message(), id="a message joins a closed thread"),
    pytest.param(opened(), THEN, id="then without a reply"),
    pytest.param(opened(), Moved(0.0, move()), id="a tool's transition outside its call"),
    pytest.param(opened(), Moved(0.0, move(kind="limit")), id="on_limit without a limit"),
    pytest.param(opened(), Moved(0.0, move(source="b", dest="a", kind="after")), id="a transition from elsewhere"),
    pytest.param(running(), message(2), id="a message joins outside a batch boundary"),
    pytest.param(running(), started(2), id="a second run"),
    pytest.param(running(), Edited(0.0, "e", {"x": 1}), id="an edit while a run is active"),
    pytest.param(running(), TimerPassed(0.0, ""), id="a silence while a run is active"),
    pytest.param(running(), FlowMigrated(0.0, "2", "a", {}, Limits()), id="a migration while a run is active"),
    pytest.param(running(), Drained(0.0), id="rest while a run is active"),
    pytest.param(running(), asked(), id="a batch without calls"),
    pytest.param(running(), asked(ordinary(), ordinary()), id="two calls of one id"),
    pytest.param(running(), asked(ordinary(), stored=1), id="more stored than is due"),
    pytest.param(running(), RunEnded(0.0, 1, 1, Status.IN_PROGRESS), id="an end that is none"),
    pytest.param(in_batch(ordinary()), done(), id="a body ran and was not committed as started"),
    pytest.param(in_batch(mover(), mover("1")), begun("1"), id="the lane out of order"),
    pytest.param(fold(in_batch(mover()), begun()), done(move=move("c")), id="a destination the tool does not have"),
    pytest.param(fold(in_batch(mover()), begun()), done(move=move(), ran=False), id="a failed body moves the thread"),
    pytest.param(
        fold(in_batch(mover(), mover("1")), begun(), done(move=move()), begun("1")),
        done("1", move=move()),
        id="a second winner",
    ),
]


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
def test_what_cannot_have_happened_raises_and_nothing_happens(state: State, event: Event) -> None:
    """An impossible event raises a typed error, and the state is as before."""
    before = replace(state)

    with pytest.raises(IllegalEvent) as raised:
        receive(state, event)

    assert (before, type(event).__name__) == (state, raised.value.event)


def test_nothing_happens_before_the_thread_is_opened() -> None:
    """The first event opens the thread."""
    with pytest.raises(IllegalEvent, match="has not been opened"):
        receive(None, message())


# -- comes too late ----------------------------------------------------------------------------------------------------

STALE = [
    pytest.param(opened(), ENDED, id="the end of a run that is over"),
    pytest.param(running(), RunEnded(0.0, 2, 1, Status.FAILED), id="the end of another run"),
    pytest.param(running(), RunEnded(0.0, 1, 2, Status.FAILED), id="the end of another request"),
    pytest.param(running(), accepted(0), id="a second acknowledgement"),
    pytest.param(running(), RequestDoubted(0.0, 1, 1, ""), id="a doubt about what is acknowledged"),
    pytest.param(running(), RequestAbsent(0.0, 1, 1), id="a read-back nobody asked for"),
    pytest.param(running(), StopRequested(0.0, 2, "cancel"), id="a cancel of another run"),
    pytest.param(opened(), StopRequested(0.0, 1, "cancel"), id="a cancel without a run"),
    pytest.param(running(), GraceReached(0.0, 1, 1), id="grace without a batch"),
    pytest.param(running(), done(), id="a result without a batch"),
    pytest.param(in_batch(ordinary()), done("1"), id="a result of a call the batch does not have"),
    pytest.param(in_batch(ordinary()), asked(ordinary("9")), id="the calls of one answer again"),
    pytest.param(fold(in_batch(ordinary(), ordinary("1")), begun()), begun(), id="a body that has started"),
    pytest.param(
        fold(in_batch(ordinary(), ordinary("1")), begun(), done()), done(output="again"), id="a settled call"
    ),
    pytest.param(
        fold(in_batch(ordinary(), mode=COMPLETE), StopRequested(0.0, 1, "cancel")), asked(ordinary("9")),
        id="the calls of a stopped run again",
    ),
    pytest.param(
        fold(running(), StopRequested(0.0, 1, "interrupt")), StopRequested(0.0, 1, "cancel"), id="a second stop"
    ),
    pytest.param(fold(running(), StopRequested(0.0, 1, "cancel")), asked(ordinary()), id="a late answer"),
    pytest.param(opened(), Resolved(0.0, "T1", "result"), id="a ticket nobody knows"),
    pytest.param(in_batch(ordinary(approval=True), ordinary("1")), Resolved(0.0, "T1", "result"), id="undecided"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "event"), STALE)
def test_what_comes_too_late_changes_nothing(state: State, event: Event) -> None:
    """A stale event is ignored, and the commands are what they were."""
    after, commands = receive(state, event)

    assert (state, todo(state)) == (after, commands)


def test_a_cancel_overrules_our_deadline() -> None:
    """A user's cancel after our deadline stops the run for the user."""
    state = fold(running(), StopRequested(0.0, 1, "expired"), StopRequested(0.0, 1, "cancel"))

    assert state.run is not None
    assert "cancel" == state.run.stop


# -- commands ----------------------------------------------------------------------------------------------------------

COMMANDS = [
    pytest.param(opened(), (), id="at rest"),
    pytest.param(fold(opened(), message(), started()), (SendRequest(1, 1),), id="a decided run"),
    pytest.param(running(), (WatchRun(1, 1),), id="an acknowledged request"),
    pytest.param(
        fold(opened(), message(), started(), RequestDoubted(0.0, 1, 1, "")), (ReadBack(1, 1),), id="a doubted one"
    ),
    pytest.param(
        fold(opened(), message(), started(), Recovered(0.0, ())), (ReadBack(1, 1),), id="an unknown one after a crash"
    ),
    pytest.param(in_batch(ordinary(), ordinary("1")), (RunBody(1, 1, "0"), RunBody(1, 1, "1")), id="ordinary calls"),
    pytest.param(in_batch(mover(), mover("1")), (RunBody(1, 1, "0"),), id="the head of the lane"),
    pytest.param(
        in_batch(ordinary(), mode=COMPLETE), (RunBody(1, 1, "0"), WatchRun(1, 1)), id="a server that keeps the run"
    ),
    pytest.param(fold(running(), StopRequested(0.0, 1, "cancel")), (CancelRun(1, 1),), id="a stop closes the request"),
    pytest.param(
        fold(running(COMPLETE), StopRequested(0.0, 1, "cancel")),
        (WatchRun(1, 1), CancelRun(1, 1)),
        id="a stop cancels the run",
    ),
    pytest.param(
        fold(opened(), message(), started(mode=COMPLETE), StopRequested(0.0, 1, "cancel")),
        (SendRequest(1, 1),),
        id="a cancel waits for the acknowledgement",
    ),
    pytest.param(
        fold(in_batch(ordinary()), begun(), GraceReached(0.0, 1, 1)),
        (SendRequest(1, 2), RunBody(1, 1, "0", "T1")),
        id="a slow body goes on for its ticket",
    ),
    pytest.param(
        fold(in_batch(mover(), mode=CARRY), begun(), done(move=move())),
        (WatchRun(1, 1), CancelRun(1, 1)),
        id="a run is cancelled to carry its outputs over",
    ),
    pytest.param(
        fold(in_batch(mover(), mode=replace(COMPLETE, otherwise=("to_b",))), begun(), done(move=move())),
        (WatchRun(1, 1), CancelRun(1, 1)),
        id="one transition is carried where the others complete",
    ),
    pytest.param(
        fold(in_batch(mover(), mode=replace(CARRY, otherwise=("to_b",))), begun(), done(move=move())),
        (SendRequest(1, 2),),
        id="one transition completes where the others are carried",
    ),
    pytest.param(
        fold(in_batch(mover(), mode=replace(CARRY, otherwise=("to_c",))), begun(), done(move=move())),
        (WatchRun(1, 1), CancelRun(1, 1)),
        id="a transition is none of the others",
    ),
]


@pytest.mark.parametrize(("state", "expected"), COMMANDS)
def test_what_is_outstanding(state: State, expected: tuple[object, ...]) -> None:
    """The outstanding commands follow from the state alone."""
    assert expected == todo(state)


# -- rules -------------------------------------------------------------------------------------------------------------


def test_outputs_and_swap_ride_in_one_start() -> None:
    """Where the backend swaps, a handoff leaves its output and one note due for the next assistant (H4)."""
    state = fold(in_batch(mover()), begun(), done(move=move()))

    assert (Output(1, 1, "0", "to_b", "out"), Note("handoff", "You are b. a handed over to you by to_b.")) == state.due
    assert (Phase.OPEN, "b", True) == (state.phase, state.assistant, state.wants)


def test_a_later_transition_is_not_taken() -> None:
    """The first allowed transition wins, and another's body never starts (B4)."""
    state = fold(in_batch(mover(), mover("1", "c")), begun(), done(move=move()))

    assert "Not taken: this turn already goes to b. The tool was not run." == state.due[1].text  # type: ignore[union-attr]


def test_a_later_call_to_the_same_assistant_runs() -> None:
    """A call whose only destination is the winner's runs like any other of the lane (B4)."""
    state = fold(in_batch(mover(), mover("1")), begun(), done(move=move()))

    assert (RunBody(1, 1, "1"),) == todo(state)


def test_a_stop_settles_the_batch_at_once() -> None:
    """At a stop, what is done keeps its output, what runs becomes a ticket, the rest is not run (B6)."""
    state = fold(
        in_batch(ordinary(), ordinary("1"), ordinary("2")), begun(), done(), begun("1"), StopRequested(0.0, 1, "cancel")
    )

    assert [
        "out",
        "Pending: still running (ticket T1). The result will arrive as a message. Do not call it again.",
        "Not run: the user interrupted.",
    ] == [item.text for item in state.due if isinstance(item, Output)]


def test_a_transition_outlives_the_expiry_of_its_run() -> None:
    """A committed transition is taken even if its outputs missed the run (H3)."""
    state = fold(
        in_batch(mover(), mode=COMPLETE),
        begun(),
        done(move=move()),
        RequestDoubted(0.0, 1, 2, "400"),
        RunEnded(0.0, 1, 2, Status.EXPIRED),
    )

    assert ("b", True, Status.EXPIRED) == (state.assistant, state.wants, state.ended)
    assert ["Output", "Note"] == [type(item).__name__ for item in state.due]


@pytest.mark.parametrize(
    ("events", "ended"),
    [
        pytest.param((RunEnded(0.0, 1, 1, Status.CANCELLED),), Status.COMPLETED, id="cancelled to carry it over"),
        pytest.param((RunEnded(0.0, 1, 1, Status.EXPIRED),), Status.EXPIRED, id="expired meanwhile"),
        pytest.param(
            (StopRequested(0.0, 1, "cancel"), RunEnded(0.0, 1, 1, Status.CANCELLED)),
            Status.CANCELLED,
            id="stopped by the user meanwhile",
        ),
    ],
)
def test_a_run_that_was_carried_over_ends_as_on_any_other_backend(events: tuple[Event, ...], ended: Status) -> None:
    """A transition took over: the run is completed, unless something else ended it (L1)."""
    state = fold(in_batch(mover(), mode=CARRY), begun(), done(move=move(speak="no")), *events)

    assert ("b", ended) == (state.assistant, state.ended)


@pytest.mark.parametrize(
    ("move_", "reply"),
    [
        pytest.param(move(speak="output"), "out", id="the output speaks"),
        pytest.param(move(), None, id="the next assistant speaks"),
        pytest.param(move(speak="no"), None, id="nobody speaks"),
    ],
)
def test_a_run_remembers_the_output_that_is_the_reply(move_: Move, reply: str | None) -> None:
    """It is told when the run has ended, by which time the server may have the output."""
    state = fold(in_batch(mover(), mode=COMPLETE), begun(), done(move=move_), accepted(1, request=2))

    assert state.run is not None
    assert ((), reply) == (state.due, state.run.reply)


def test_a_cancelled_runs_transition_starts_nobody() -> None:
    """After a user's cancel a pending swap still happens, but nobody speaks (L6)."""
    state = fold(
        in_batch(mover(), ordinary("1")), begun(), done(move=move()), begun("1"), StopRequested(0.0, 1, "cancel")
    )

    assert ("b", False) == (state.assistant, state.wants)


def test_what_was_cut_off_stays_due() -> None:
    """Text of a run that was stopped is due, marked as cut, behind what the backend did not store (L7)."""
    state = fold(
        opened(), message(), started(), StopRequested(0.0, 1, "cancel"),
        RunEnded(0.0, 1, 1, Status.CANCELLED, text="I was"),
    )  # fmt: skip

    assert (UserMessage("m1", "hello"), Spoken("a", 1, "I was", cut=True)) == state.due


def test_a_response_stored_with_open_calls_gets_its_outputs() -> None:
    """Calls nobody will run are answered before any message (C2)."""
    ended = RunEnded(0.0, 1, 1, Status.INCOMPLETE, calls=(Asked("7", "look", "{}"),))
    state = fold(opened(), message(), started(), ended)

    output = Output(1, 1, "7", "look", "Not run: the run ended first. Call it again if still needed.")
    assert (output, UserMessage("m1", "hello")) == state.due


def test_a_late_result_keeps_what_changed_meanwhile() -> None:
    """A field that changed since its batch keeps its value, and the model is told (D3)."""
    waiting = fold(in_batch(ordinary()), begun(), done(pending="waiting"), accepted(1, request=2))
    rested = fold(waiting, RunEnded(0.0, 1, 2, Status.COMPLETED), Edited(0.0, "e", {"x": 1}))
    state = fold(rested, Resolved(0.0, "T1", "result", output="4", patch={"x": 2, "y": 3}))

    assert {"x": 1, "y": 3} == state.metadata
    assert "Result of look (ticket T1), asked by a: 4\nx had changed meanwhile and was kept." == state.due[-1].text  # type: ignore[union-attr]


CRASHES = [
    pytest.param(ordinary(idempotent=True), "ready", id="an idempotent body runs again"),
    pytest.param(ordinary(probed=True), "started", id="a probed body is asked for"),
    pytest.param(ordinary(), "deferred", id="any other is left to a person"),
]


@pytest.mark.parametrize(("call", "progress"), CRASHES)
def test_a_lost_body_after_a_crash(call: object, progress: str) -> None:
    """What became of a body a crash cut off is decided by what its tool declares (E2)."""
    state = fold(in_batch(call, ordinary("1")), begun(), Recovered(0.0, ((1, 1, "0"),)))  # type: ignore[arg-type]

    assert state.run is not None
    assert state.run.batch is not None
    assert progress == state.run.batch.entries[0].progress


def test_a_closing_thread_refuses_what_no_run_carried() -> None:
    """A message that waited for a run when the flow ended is refused, and no longer due."""
    state = fold(opened(), message())
    closed = fold(replace(state, assistant=END, wants=False), MessageRefused(0.0, "m1"))

    assert ((), ()) == (closed.due, closed.unanswered)


def test_a_swapping_backend_ends_its_run_by_the_handoff() -> None:
    """The run that handed over is completed, and its thread open for the drain."""
    state = fold(in_batch(mover()), begun(), done(move=move()))

    assert (None, Status.COMPLETED, SWAP.swap) == (state.run, state.ended, True)


@pytest.mark.parametrize(
    ("event", "birth"),
    [
        pytest.param(replace(OPENED, birth="b"), "b", id="as it was told"),
        pytest.param(OPENED, "t", id="of a journal that was begun without one"),
    ],
)
def test_a_thread_has_its_birth_from_its_first_event(event: ThreadOpened, birth: str) -> None:
    """What keys of calls are made of is journaled; an old thread goes on with its id."""
    state, _ = receive(None, event)

    assert birth == state.birth
