"""What cannot have happened is refused, and nothing changes: by the rules, and by the table of run statuses."""

from __future__ import annotations

from handoff.core.replacing import replace
from handoff.core.state import Run
from handoff.core.status import LEGAL, Status
from handoff.errors import IllegalEvent


def demand(holds: bool, event: object, rule: str) -> None:
    """Refuse an event that breaks a rule.

    Args:
        holds: whether the rule holds.
        event: the event.
        rule: what is wrong where it does not.

    Raises:
        IllegalEvent: if it does not hold.
    """
    if not holds:
        raise IllegalEvent(type(event).__name__, rule)


def with_status(run: Run, status: Status, event: object) -> Run:
    """Return the run at its next status.

    Raises:
        IllegalEvent: if that cannot follow the one it has.
    """
    demand(status is run.status or status in LEGAL[run.status], event, f"{status} cannot follow {run.status}")
    return replace(run, status=status)
