"""The one door for events: `receive(state, event)` returns the thread after it, and what is then outstanding.

A stale event — of another run, request or batch, of a settled call, of a decided ticket — changes nothing (I18). One
that cannot have happened raises `IllegalEvent`, and changes nothing either. Each kind of event has one rule: of a
thread without a run in `unlocked`, of the active run in `running`, of its calls in `settling`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handoff.core import events as happened
from handoff.core import running, settling, unlocked
from handoff.core.commands import Command
from handoff.core.events import Event
from handoff.core.legal import demand
from handoff.core.replacing import replace
from handoff.core.stale import stale
from handoff.core.state import State
from handoff.core.todo import todo
from handoff.errors import IllegalEvent

#: Which rule takes which event; `ThreadOpened` alone has none, as there is no state before it.
RULES: dict[type, Callable[[State, Any], State]] = {**unlocked.RULES, **running.RULES, **settling.RULES}


def receive(state: State | None, event: Event) -> tuple[State, tuple[Command, ...]]:
    """Return the thread after the event, and all that is then outstanding.

    Args:
        state: the thread; None before its first event.
        event: what happened.

    Raises:
        IllegalEvent: if it cannot have happened; the state is as before.
    """
    state = fold(state, event)
    return state, todo(state)


def fold(state: State | None, event: Event) -> State:
    """Return the thread after the event, as `receive` does: for who folds several and then asks what is outstanding.

    Args:
        state: the thread; None before its first event.
        event: what happened.

    Raises:
        IllegalEvent: if it cannot have happened; the state is as before.
    """
    if isinstance(event, happened.ThreadOpened):
        demand(state is None, event, "the thread is open already")
        return _opened(event)
    if state is None:
        raise IllegalEvent(type(event).__name__, "the thread has not been opened")
    if stale(state, event):
        return state
    return RULES[type(event)](_reply_answered(state, event), event)


def _opened(event: happened.ThreadOpened) -> State:
    facts = (event.thread, event.flow, event.version, event.assistant, event.metadata, event.limits)
    return State(*facts, event.birth or event.thread, silent_since=event.at)


def _reply_answered(state: State, event: Event) -> State:
    """A reply that `then` does not take further has answered what it carried (L7, H5)."""
    if not state.replied or (isinstance(event, happened.Moved) and event.move.kind == "then"):
        return state
    return replace(state, replied=False, unanswered=())
