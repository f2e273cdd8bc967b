"""Everything that can happen to a thread. An event carries its own time and ids; the journal is a list of these.

Those of a thread without a run stand in `thread_events`, those of a run in `run_events`. What user code decided —
guards, rendering, validation — is part of the event: a replay asks nobody again.
"""

from __future__ import annotations

from typing import TypeAlias

from handoff.core.run_events import (
    CallDone,
    CallsRequested,
    CallStarted,
    GraceReached,
    RequestAbsent,
    RequestAccepted,
    RequestDoubted,
    RunEnded,
    RunStarted,
    StartRefused,
    StopRequested,
    ThreadKnown,
)
from handoff.core.thread_events import (
    Drained,
    EditDenied,
    Edited,
    FlowMigrated,
    MessageAccepted,
    MessageRefused,
    Moved,
    Outcome,
    Recovered,
    Resolved,
    RowIgnored,
    ThreadOpened,
    TimerPassed,
)

__all__ = [
    "CallDone",
    "CallStarted",
    "CallsRequested",
    "Drained",
    "EditDenied",
    "Edited",
    "Event",
    "FlowMigrated",
    "GraceReached",
    "MessageAccepted",
    "MessageRefused",
    "Moved",
    "Outcome",
    "Recovered",
    "RequestAbsent",
    "RequestAccepted",
    "RequestDoubted",
    "Resolved",
    "RowIgnored",
    "RunEnded",
    "RunStarted",
    "StartRefused",
    "StopRequested",
    "ThreadKnown",
    "ThreadOpened",
    "TimerPassed",
]

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
