"""A run ends and the thread is unlocked: what it committed is taken, what it carried is answered (H3, L4, L7)."""

from __future__ import annotations

from handoff.core.batch import active_run
from handoff.core.bounds import called_on
from handoff.core.moves import closes, take
from handoff.core.replacing import replace
from handoff.core.state import Phase, State, Stop
from handoff.core.status import Status

#: The status a stopped run ends in.
STOPPED: dict[Stop, Status] = {
    "cancel": Status.CANCELLED,
    "interrupt": Status.CANCELLED,
    "expired": Status.EXPIRED,
    "limit": Status.INCOMPLETE,
}


def end(state: State, status: Status, reason: str = "") -> State:
    """Unlock: take the committed transition, else the turn ends here unless `then` fires (H3, L4)."""
    run = active_run(state)
    if run.stop == "limit" and status is STOPPED["limit"]:
        reason = called_on(state)
    state = replace(state, run=None, phase=Phase.OPEN, ended=status, reason=reason)
    if run.move is None:
        replied = status is Status.COMPLETED and run.stop is None
        return replace(state, wants=False, replied=replied, unanswered=state.unanswered if replied else ())
    stopped = run.stop in {"cancel", "interrupt"}
    wants = run.move.speak == "yes" and not stopped and not closes(run.move)
    state = take(state, run.move)
    return replace(state, wants=wants, unanswered=state.unanswered if wants else ())


def end_stopped(state: State) -> State:
    """A stopped run whose batch is settled is over, unless the server has to end it first (C1)."""
    run = active_run(state)
    assert run.stop is not None
    return end(state, STOPPED[run.stop]) if run.mode.swap else state
