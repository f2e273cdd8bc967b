"""Everything that can happen to a thread. An event carries its own time and ids; the journal is a list of these.

Events of a run name it (and its request, batch, call), so that one that comes too late is known for what it is and
ignored (I18). What user code decided — guards, rendering, validation — is part of the event: a replay asks nobody
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from handoff.core.answers import Extra
from handoff.core.items import Asked
from handoff.core.parts import Part
from handoff.core.state import JSON, Call, Mode, Move, StopCause
from handoff.core.status import Status
from handoff.core.usage import Usage
from handoff.limits import Limits

# `at` is Unix time in seconds on every event.


# -- the thread --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ThreadOpened:
    """A thread came to be; always the first event of a journal."""

    at: float
    #: The thread's id.
    thread: str
    #: Name of its flow.
    flow: str
    #: Structural hash of the flow.
    version: str
    #: The first active assistant.
    assistant: str
    #: Initial metadata.
    metadata: Mapping[str, JSON]
    #: What it may use.
    limits: Limits
    #: An id of its own, made at random: no other thread has it, not even one of the same id in another store.
    birth: str = ""


@dataclass(frozen=True, slots=True)
class FlowMigrated:
    """The thread was carried over to another version of its flow (V)."""

    at: float
    #: Structural hash of the flow from now on.
    version: str
    #: The active assistant from now on.
    assistant: str
    #: The metadata from now on.
    metadata: Mapping[str, JSON]
    #: The limits from now on.
    limits: Limits


@dataclass(frozen=True, slots=True)
class Recovered:
    """Another process, or the same one after a restart, took the thread over while work was outstanding."""

    at: float
    #: (run, batch, call id) of each started body that nobody runs any more.
    lost: tuple[tuple[int, int, str], ...]


# -- from the inbox ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MessageAccepted:
    """A user message joined the thread: at an unlock, or steered in at a batch boundary."""

    at: float
    #: Id of the message.
    id: str
    #: What the user said; of a message with parts, its texts.
    text: str
    #: All of it, in order, where it is more than text; else empty.
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageRefused:
    """A user message reached a closed thread, or waited for a run when the thread was closed."""

    at: float
    #: Id of the message.
    id: str


#: A result; a decision on an approval; or a lost body that turns out to be waiting or unknown (nothing is told then).
Outcome: TypeAlias = Literal["result", "approved", "refused", "waiting", "in_doubt"]


@dataclass(frozen=True, slots=True)
class Resolved:
    """A ticket was decided: a late result, an approval, a refusal, or a person's word on an unknown outcome."""

    at: float
    #: Id of the ticket.
    ticket: str
    #: What was decided.
    outcome: Outcome
    #: A result's output.
    output: str = ""
    #: A result's patch; a field that changed since its batch keeps its value.
    patch: Mapping[str, JSON] | None = None
    #: The patch no longer makes valid metadata, and is refused whole.
    misfit: bool = False
    #: The transition a result takes.
    move: Move | None = None
    #: Why it takes none, where its tool declares one.
    denied: str = ""
    #: Who decided, for an approval, a refusal or a settlement.
    by: str = ""
    #: Why it was refused.
    reason: str = ""
    #: A result's body ran to the end, or the call took effect.
    ran: bool = True
    #: A result's body failed.
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Edited:
    """Metadata was edited from outside (M5)."""

    at: float
    #: Id of the edit.
    id: str
    #: The fields it assigned.
    patch: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class EditDenied:
    """An edit was refused (M5)."""

    at: float
    #: Id of the edit.
    id: str
    #: Why.
    reason: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A transition without a tool call: after a reply (`then`), a silence (`after`), or at a limit (`on_limit`)."""

    at: float
    #: The transition.
    move: Move


@dataclass(frozen=True, slots=True)
class TimerPassed:
    """A silence ended without a transition: its guard did not hold. It is not asked again (D5)."""

    at: float
    #: Why no transition was taken.
    reason: str


@dataclass(frozen=True, slots=True)
class RowIgnored:
    """A row of the inbox came too late to mean anything: a cancel of another run, a second decision, an old timer."""

    at: float
    #: Id of the row.
    row: int
    #: What it was.
    kind: str


@dataclass(frozen=True, slots=True)
class Drained:
    """The inbox is empty and nobody is to speak: the thread rests."""

    at: float


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


Event: TypeAlias = (
    ThreadOpened
    | FlowMigrated
    | Recovered
    | MessageAccepted
    | MessageRefused
    | Resolved
    | Edited
    | EditDenied
    | Moved
    | TimerPassed
    | RowIgnored
    | Drained
    | RunStarted
    | StartRefused
    | StopRequested
    | GraceReached
    | ThreadKnown
    | RequestAccepted
    | RequestDoubted
    | RequestAbsent
    | CallsRequested
    | RunEnded
    | CallStarted
    | CallDone
)
