"""The transcript of a thread, as a projection of its journal: what each event added to what the backend holds.

Events that say "stored" move items out of `due`; what an assistant said or asked for is stored by the event that
reports it. The core never reads the transcript back: backends and views do.
"""

from __future__ import annotations

from handoff.core import events as happened
from handoff.core.events import Event
from handoff.core.items import Asked, Item, Spoken
from handoff.core.stale import stale
from handoff.core.state import State
from handoff.core.status import Status

_STORING = (happened.RequestAccepted, happened.CallsRequested, happened.RunEnded)


def stored_by(before: State, event: Event) -> tuple[Item, ...]:
    """Return the items the event added to the transcript, in order.

    Args:
        before: the thread just before the event.
        event: the event.
    """
    run = before.run
    if run is None or not isinstance(event, _STORING) or stale(before, event):
        return ()
    match event:
        case happened.RequestAccepted():
            return before.due[: event.stored]
        case happened.CallsRequested():
            asked = tuple(Asked(call.id, call.tool, call.arguments) for call in event.calls)
            return (*before.due[: event.stored], Spoken(run.assistant, run.number, event.text, asked))
        case happened.RunEnded():
            stored = before.due[: event.stored]
            if event.calls or (event.text and keeps_text(event.status)):
                return (*stored, Spoken(run.assistant, run.number, event.text, event.calls))
            return stored
        case _:
            return ()


def keeps_text(status: Status) -> bool:
    """Return whether the backend's transcript holds what was said in a run that ended so; else the text is due."""
    return status in {Status.COMPLETED, Status.INCOMPLETE}
