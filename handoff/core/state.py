"""The thread as a value: everything the core remembers between two events, frozen.

State = fold(receive, journal). `phase` says who may act: while `RUNNING` the thread is locked by its run (L1); `OPEN`
is the moment between a run's end and the next start, in which the inbox is drained (L4); at `REST` nothing is
outstanding but tickets. What `replacing` copies with every event has no slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from handoff.core.items import Item, Output
from handoff.core.status import Status
from handoff.core.usage import NOTHING, Usage
from handoff.limits import Limits

JSON: TypeAlias = "str | int | float | bool | list[JSON] | dict[str, JSON] | None"

#: Name of the assistant without a model that closes a thread.
END = "end"

StopCause: TypeAlias = Literal["cancel", "interrupt", "expired"]
#: Why a run is stopped: somebody asked for it, or its model called on after it was told that no calls are left.
Stop: TypeAlias = StopCause | Literal["limit"]
Speak: TypeAlias = Literal["yes", "no", "output"]
MoveKind: TypeAlias = Literal["tool", "then", "after", "limit"]


@dataclass(frozen=True, slots=True)
class Mode:
    """What the backend of a run can do; fixed when the run starts."""

    #: Outputs and the next assistant's instructions go in one request; else the server's run must end first (H4).
    swap: bool = True
    #: Where it cannot swap: cancel the run in requires_action and carry its outputs as notes, instead of completing it.
    carry: bool = False
    #: User messages can ride with the outputs of a batch (L5).
    steer: bool = True
    #: Names of the tools whose transitions end their run the other way: completed where `carry` is set, and reversed.
    otherwise: tuple[str, ...] = ()

    def carries(self, trigger: str) -> bool:
        """Return whether a transition cancels its run and carries the outputs over.

        Args:
            trigger: what triggers it.
        """
        return self.carry != (trigger in self.otherwise)


@dataclass(frozen=True, slots=True)
class Move:
    """A transition that is to be taken: the verdict of the flow, as data."""

    #: Key of the transition in its flow; `times` is counted by it.
    transition: str
    #: What triggered it: a tool's name, or the kind.
    trigger: str
    #: Name of the assistant it leaves.
    source: str
    #: Name of the assistant it goes to.
    dest: str
    #: Tool call, reply (`then`), silence (`after`) or a limit.
    kind: MoveKind = "tool"
    #: Whether the next assistant speaks, nobody does, or the tool's output is the reply.
    speak: Speak = "yes"
    #: How often it may be taken between two user messages; None: as often as the limits allow.
    times: int | None = None

    @property
    def replies(self) -> bool:
        """Whether the output of its call is the reply, since nobody else speaks."""
        return self.speak == "output" or (self.dest == END and self.speak == "yes")


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call with the facts the core judges it by; fixed when it is journaled."""

    #: The provider's id, unique in its batch.
    id: str
    #: Name of the tool.
    tool: str
    #: The arguments as the model wrote them.
    arguments: str
    #: It reads or writes metadata or may transition: it runs in call order with the others of the lane (B3).
    lane: bool = False
    #: The assistants its transition may go to; empty for an ordinary call.
    dests: tuple[str, ...] = ()
    #: Its body may run again after a crash, with the same key (E2).
    idempotent: bool = False
    #: After a crash its tool can be asked whether it happened (E2).
    probed: bool = False
    #: It waits for a person's approval (D4).
    approval: bool = False
    #: The answer where the call cannot be run at all (B2); its body never starts.
    answer: str | None = None
    #: Its place in the response, from 0.
    position: int = 0


class Progress(StrEnum):
    """How far a call of an open batch has come."""

    READY = "ready"  #: journaled; its body has not started
    STARTED = "started"  #: committed as started: after a crash its outcome is unknown
    DONE = "done"  #: it has its output
    DEFERRED = "deferred"  #: answered pending; a ticket took it over


@dataclass(frozen=True)
class Entry:
    """A call of the open batch and what has come of it."""

    #: The call.
    call: Call
    #: How far it has come.
    progress: Progress = Progress.READY
    #: Its output once it is done or deferred.
    output: str = ""
    #: The metadata fields it assigned; None unsets a field.
    patch: Mapping[str, JSON] | None = None
    #: The transition it won.
    move: Move | None = None
    #: Its body ran to the end and did not fail.
    ran: bool = False

    @property
    def settled(self) -> bool:
        """Whether the call has its output for the batch."""
        return self.progress in {Progress.DONE, Progress.DEFERRED}


@dataclass(frozen=True)
class Batch:
    """All calls of one response (B1)."""

    #: Number in the run, from 1.
    number: int
    #: The calls in the model's order.
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Run:
    """The run that locks the thread."""

    #: Number in the thread, from 1.
    number: int
    #: The assistant it runs (I9).
    assistant: str
    #: What its backend can do.
    mode: Mode
    #: Unix time in seconds after which it must end.
    deadline: float
    #: Its status; always one of `ACTIVE`.
    status: Status = Status.QUEUED
    #: Number of the latest request, from 1.
    request: int = 1
    #: Whether that request is not acknowledged yet.
    unacknowledged: bool = True
    #: Whether its fate is unknown: read back before anything else (C4).
    doubt: bool = False
    #: The open batch.
    batch: Batch | None = None
    #: How many batches the run has had.
    batches: int = 0
    #: The transition its settled batch committed (H3).
    move: Move | None = None
    #: The output of the call that won it, where that is the reply: it is told when the run has ended.
    reply: str | None = None
    #: Why it is to stop, if it is.
    stop: Stop | None = None
    #: Whether its model was told that no calls are left: calls in one more answer end the run (G).
    warned: bool = False
    #: What its answers took, as far as servers told.
    usage: Usage = NOTHING

    @property
    def joinable(self) -> bool:
        """Whether user messages may ride with its next request: at a batch boundary, with nothing committed (L5)."""
        boundary = self.batch is None and self.unacknowledged and self.request > 1
        return self.mode.steer and boundary and self.stop is None and self.move is None


TicketStage: TypeAlias = Literal["approval", "approved", "running", "waiting", "in_doubt"]


@dataclass(frozen=True)
class Ticket:
    """A call that outlives its batch."""

    #: Id, unique in the thread.
    id: str
    #: The call.
    call: Call
    #: Number of the run that asked.
    run: int
    #: Number of the batch in that run.
    batch: int
    #: The assistant that asked.
    asker: str
    #: Waits for approval; approved and ready to run; running; waits for the world; outcome unknown.
    stage: TicketStage
    #: The metadata of its batch: a field that has changed since keeps its value (D3).
    base: Mapping[str, JSON]


@dataclass(frozen=True)
class Counters:
    """What has been used since the last stimulus and since the last user message (G)."""

    handoffs: int = 0
    calls: int = 0
    runs: int = 0
    total_handoffs: int = 0
    total_calls: int = 0
    total_runs: int = 0
    #: How often each transition with `times` was taken since the last user message.
    times: tuple[tuple[str, int], ...] = ()
    #: Digests of (assistant, metadata, times) reached by transition since anything new came.
    visited: frozenset[str] = frozenset()
    #: `on_limit` was taken since the last user message.
    limit_taken: bool = False
    #: `on_limit` grants one start beyond the limit.
    granted: bool = False


class Phase(StrEnum):
    """Who may act on the thread."""

    RUNNING = "running"  #: a run is active: the thread is locked
    OPEN = "open"  #: between a run's end and the next start: the inbox is drained
    REST = "rest"  #: nothing is outstanding but tickets


@dataclass(frozen=True)
class State:
    """A thread."""

    #: Its id.
    thread: str
    #: Name of its flow.
    flow: str
    #: Structural hash of the flow it was made or migrated by (V).
    version: str
    #: The active assistant.
    assistant: str
    #: The facts of the conversation, as JSON; an unset field is None or absent.
    metadata: Mapping[str, JSON]
    #: What it may use.
    limits: Limits
    #: An id no other thread of any store has; its own id in journals that were begun without.
    birth: str = ""
    #: Who was active before.
    previous: str | None = None
    #: The trigger of the last transition.
    trigger: str | None = None
    phase: Phase = Phase.REST
    run: Run | None = None
    #: Number of the latest run.
    runs: int = 0
    #: What the backend's transcript does not hold yet, in order, outputs first.
    due: tuple[Item, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    #: How many tickets there have been.
    issued: int = 0
    counters: Counters = field(default_factory=Counters)
    #: Something waits for an assistant to speak: a run is to start at the end of this drain.
    wants: bool = False
    #: The run that has just ended completed, unstopped, with nothing committed: `then` may fire (H5).
    replied: bool = False
    #: A transition was taken in this drain (D3).
    moved: bool = False
    #: Ids of user messages no run has answered yet (L7).
    unanswered: tuple[str, ...] = ()
    #: How many stimuli there have been; a silence timer is for one of them.
    stimuli: int = 0
    #: Unix time in seconds since which nothing was said; None while something is outstanding.
    silent_since: float | None = None
    #: How many timers of this silence have passed.
    timed: int = 0
    #: How the latest turn ended.
    ended: Status | None = None
    #: What is known of that end, in one sentence.
    reason: str = ""
    #: What the server calls what it has of this thread, in the backend's spelling; empty where it was never told.
    ref: str = ""
    #: What all answers on the thread took, as far as servers told.
    usage: Usage = NOTHING

    @property
    def closed(self) -> bool:
        """Whether the flow reached its end on this thread."""
        return self.assistant == END

    @property
    def locked(self) -> bool:
        """Whether a run is active (L1)."""
        return self.run is not None

    def ticket(self, ticket: str) -> Ticket | None:
        """Return the open ticket of that id."""
        return next((one for one in self.tickets if one.id == ticket), None)


def with_outputs(due: tuple[Item, ...], outputs: tuple[Output, ...]) -> tuple[Item, ...]:
    """Return `due` with `outputs` behind the outputs it starts with: a provider wants them right after their calls."""
    head = 0
    while head < len(due) and isinstance(due[head], Output):
        head += 1
    return due[:head] + outputs + due[head:]
