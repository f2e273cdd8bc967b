"""Short ways to write threads for unit tests of the core: a few events folded, everything else by default."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from handoff.core import State, receive
from handoff.core.events import (
    CallDone,
    CallsRequested,
    CallStarted,
    Event,
    MessageAccepted,
    RequestAccepted,
    RunStarted,
    ThreadOpened,
)
from handoff.core.state import Call, Mode, Move
from handoff.limits import Limits

SWAP, COMPLETE, CARRY = Mode(), Mode(swap=False, steer=False), Mode(swap=False, carry=True, steer=False)


def opened(limits: Limits | None = None, **changes: Any) -> State:
    """Return a thread at rest with assistant a."""
    state, _ = receive(None, ThreadOpened(0.0, "t", "flow", "1", "a", {}, limits or Limits()))
    return replace(state, **changes)


def fold(state: State, *events: Event) -> State:
    """Return the thread after the events."""
    for event in events:
        state, _ = receive(state, event)
    return state


def message(number: int = 1) -> MessageAccepted:
    """Return a user message that joins the thread."""
    return MessageAccepted(0.0, f"m{number}", "hello")


def started(number: int = 1, assistant: str = "a", mode: Mode = SWAP) -> RunStarted:
    """Return the start of a run."""
    return RunStarted(0.0, number, assistant, "", "", (), mode, 600.0)


def accepted(stored: int = 1, run: int = 1, request: int = 1) -> RequestAccepted:
    """Return the acknowledgement of a request."""
    return RequestAccepted(0.0, run, request, stored)


def ordinary(call: str = "0", **facts: Any) -> Call:
    """Return a call that neither reads metadata nor moves."""
    return Call(call, "look", "{}", **facts)


def mover(call: str = "0", dest: str = "b") -> Call:
    """Return a call that may hand over."""
    return Call(call, f"to_{dest}", "{}", lane=True, dests=(dest,))


def asked(*calls: Call, stored: int = 0, run: int = 1, request: int = 1) -> CallsRequested:
    """Return the batch the model asked for."""
    return CallsRequested(0.0, run, request, stored, calls)


def begun(call: str = "0", run: int = 1, batch: int = 1) -> CallStarted:
    """Return the start of a body."""
    return CallStarted(0.0, run, batch, call)


def done(call: str = "0", output: str = "out", run: int = 1, batch: int = 1, **facts: Any) -> CallDone:
    """Return the end of a body."""
    return CallDone(0.0, run, batch, call, output, **facts)


def move(dest: str = "b", source: str = "a", **facts: Any) -> Move:
    """Return a transition."""
    return Move(f"{source}.to_{dest}", f"to_{dest}", source, dest, **facts)


def running(mode: Mode = SWAP, **changes: Any) -> State:
    """Return a thread whose first run is acknowledged."""
    return fold(opened(**changes), message(), started(mode=mode), accepted())


def in_batch(*calls: Call, mode: Mode = SWAP) -> State:
    """Return a thread whose first run asked for those calls."""
    return fold(running(mode), asked(*calls))
