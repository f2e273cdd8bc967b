"""What happens to a run: it starts, its backend reports, its calls run, and it ends.

Each event names its run (and its request, batch, call), so that one that comes too late is known for what it is and
ignored (I18).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from handoff.core.answers import Extra
from handoff.core.items import Asked
from handoff.core.state import JSON, Call, Mode, Move, StopCause
from handoff.core.status import Status
from handoff.core.usage import Usage

# `at` is Unix time in seconds on every event.


# -- the run -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run was decided; its first request carries all of `due` (L4)."""

    at: float
    #: Its number: the latest one plus 1.
    run: int
    #: The active assistant.
    assistant: str
    #: Its instructions, rendered from the metadata (M2).
    instructions: str
    #: SHA-256 of the instructions, hexadecimal.
    digest: str
    #: Names of the tools it is offered.
    tools: tuple[str, ...]
    #: What the backend can do.
    mode: Mode
    #: Unix time in seconds by which it must end.
    deadline: float
    #: Id of the assistant as it is declared now: flow, name and a hash of what it is made of (A).
    assistant_id: str = ""


@dataclass(frozen=True, slots=True)
class StartRefused:
    """No run could start: the turn ends with this event and `due` is kept."""

    at: float
    #: Which rule refused it.
    cause: Literal["instructions", "limit"]
    #: What to tell a person.
    reason: str


@dataclass(frozen=True, slots=True)
class StopRequested:
    """A cancel, an interrupting message, or our deadline (L6, D1). For any other run than the active one: nothing."""

    at: float
    #: The run it is meant for.
    run: int
    #: Which of them.
    cause: StopCause


@dataclass(frozen=True, slots=True)
class GraceReached:
    """The run's deadline is near: what is not done is answered pending (D2)."""

    at: float
    run: int
    batch: int


# -- from the backend --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ThreadKnown:
    """The server has something of this thread, and a name for it, before it has taken the request."""

    at: float
    run: int
    request: int
    #: What the server calls it, in the backend's spelling.
    ref: str


@dataclass(frozen=True, slots=True)
class RequestAccepted:
    """The server stored what the request carried, and the model works."""

    at: float
    run: int
    request: int
    #: How many items of `due` it stored, from the front.
    stored: int
    #: What the server calls what it has of the thread now; empty: as before.
    ref: str = ""
    #: The server's own id of the run's assistant, where it keeps assistants (A).
    assistant_id: str = ""


@dataclass(frozen=True, slots=True)
class RequestDoubted:
    """The request was refused, or nobody knows whether it arrived: it is read back (C4)."""

    at: float
    run: int
    request: int
    #: What the transport or the server said.
    reason: str


@dataclass(frozen=True, slots=True)
class RequestAbsent:
    """Read back: the server knows nothing of the request. It is made again."""

    at: float
    run: int
    request: int


@dataclass(frozen=True, slots=True)
class CallsRequested:
    """The model asked for tools: a batch (B1)."""

    at: float
    run: int
    request: int
    #: How many items of `due` this answer shows to be stored.
    stored: int
    #: The calls, in the model's order.
    calls: tuple[Call, ...]
    #: What was said beside them.
    text: str = ""
    #: What it took, where the backend tells.
    usage: Usage | None = None
    #: What the server calls what it has of the thread now; empty: as before.
    ref: str = ""
    #: What else the answer holds.
    extra: Extra | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The server's status is terminal, or our request was closed (C1)."""

    at: float
    run: int
    request: int
    #: A terminal status.
    status: Status
    #: How many items of `due` this shows to be stored.
    stored: int = 0
    #: What was said; cut off where the run was stopped.
    text: str = ""
    #: What is known of a failure.
    reason: str = ""
    #: Calls the response was stored with that nobody will run (C2).
    calls: tuple[Asked, ...] = ()
    #: What its last answer took, where the backend tells.
    usage: Usage | None = None
    #: What the server calls what it has of the thread now; empty: as before.
    ref: str = ""
    #: What else its last answer holds.
    extra: Extra | None = None


# -- the calls ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The body is about to start (E1)."""

    at: float
    run: int
    batch: int
    call: str


@dataclass(frozen=True, slots=True)
class CallDone:
    """The call has its output."""

    at: float
    run: int
    batch: int
    call: str
    output: str
    #: The metadata fields it assigned.
    patch: Mapping[str, JSON] | None = None
    #: The transition it takes.
    move: Move | None = None
    #: Why it takes none, where its tool declares one and its body ran.
    denied: str = ""
    #: The body ran to the end and did not fail.
    ran: bool = True
    #: The call becomes a ticket: its body said that the result comes later, its probe could not tell what happened, or
    #: its own timeout passed while it runs.
    pending: Literal["waiting", "in_doubt", "running"] | None = None
    #: Traceback of a failed body, for people.
    trace: str = ""
    #: The body was started and failed; else a call that did not run was refused before its body.
    failed: bool = False
