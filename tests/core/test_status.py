"""Run statuses and their legal moves are a table; this is the table."""

from __future__ import annotations

import pytest

from handoff.core.status import ACTIVE, LEGAL, TERMINAL, Status

ENDS = "cancelled failed completed incomplete expired"
FOLLOWS = {
    "queued": f"in_progress requires_action cancelling {ENDS}",
    "in_progress": f"requires_action cancelling {ENDS}",
    "requires_action": f"queued cancelling {ENDS}",
    "cancelling": f"cancelling {ENDS}",
    **dict.fromkeys(ENDS.split(), ""),
}


@pytest.mark.parametrize("status", [pytest.param(status, id=status) for status in Status])
def test_what_may_follow_a_status(status: Status) -> None:
    """Each status is followed by exactly these."""
    assert set(FOLLOWS[status].split()) == LEGAL[status]


def test_active_and_terminal_share_nothing_and_miss_nothing() -> None:
    """A status either locks the thread or ends the run."""
    assert (set(Status), set()) == (ACTIVE | TERMINAL, ACTIVE & TERMINAL)


def test_the_lock() -> None:
    """These four statuses lock the thread."""
    assert {"queued", "in_progress", "requires_action", "cancelling"} == ACTIVE


def test_a_run_never_leaves_its_end() -> None:
    """Nothing follows a terminal status."""
    assert {frozenset()} == {LEGAL[status] for status in TERMINAL}
