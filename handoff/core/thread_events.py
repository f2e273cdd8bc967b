"""What happens to a thread as a whole: it is opened, migrated, taken over; its inbox is drained; it moves, and rests.

All but a takeover and a message come only while no run is active. What user code decided (guards, a migration) is part
of the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from handoff.core.parts import Part
from handoff.core.state import JSON, Move
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
