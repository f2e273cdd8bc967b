"""Run statuses and how one may follow another, as tables: code reads them, tests enumerate them, docs print them.

A run is all requests between two unlocks of its thread, on every backend (L1). While its status is in `ACTIVE` the
thread is locked; `LEGAL` lists which status may follow which. Source: the run object of OpenAI's API document.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The status of a run."""

    QUEUED = "queued"  #: a request has been decided and is not acknowledged yet
    IN_PROGRESS = "in_progress"  #: the server has acknowledged the request; the model works
    REQUIRES_ACTION = "requires_action"  #: the model asked for tools; a batch is open
    CANCELLING = "cancelling"  #: a stop is decided; the terminal status has not come yet
    CANCELLED = "cancelled"  #: stopped by a user
    FAILED = "failed"  #: the backend gave up
    COMPLETED = "completed"  #: the model replied, or a transition took over
    INCOMPLETE = "incomplete"  #: the model was cut off (token limit, content filter), or called on beyond its limit
    EXPIRED = "expired"  #: the deadline passed


#: Statuses that lock the thread.
ACTIVE = frozenset({Status.QUEUED, Status.IN_PROGRESS, Status.REQUIRES_ACTION, Status.CANCELLING})

#: Statuses a run ends in.
TERMINAL = frozenset(Status) - ACTIVE

#: Which status may follow which. A request that is answered at once goes from queued to requires_action or to its end.
LEGAL: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.IN_PROGRESS, Status.REQUIRES_ACTION, Status.CANCELLING}) | TERMINAL,
    Status.IN_PROGRESS: frozenset({Status.REQUIRES_ACTION, Status.CANCELLING}) | TERMINAL,
    Status.REQUIRES_ACTION: frozenset({Status.QUEUED, Status.CANCELLING}) | TERMINAL,
    Status.CANCELLING: frozenset({Status.CANCELLING}) | TERMINAL,
    **dict.fromkeys(TERMINAL, frozenset[Status]()),
}
