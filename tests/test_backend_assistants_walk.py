"""Random conversations on the assistants backend while everything goes wrong; the campaign plays a thousand."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from tests.support.mixed_faults import played

SEED = int(os.environ.get("HANDOFF_TEST_SEED") or random.SystemRandom().randrange(10**6))


@pytest.mark.campaign
@pytest.mark.parametrize("number", range(3))
def test_whatever_fails_nothing_is_lost_said_twice_or_left_locked(
    number: int, tmp_path: Path, record_property: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Refusals, lost answers, silent streams, expiry, races, stops and restarts: the thread comes out whole."""
    caplog.set_level("CRITICAL")
    found = played(SEED + number, tmp_path)
    for name, count in found.counts.items():
        record_property(name, count)

    assert [] == found.problems, f"seed {SEED + number}"
    assert 1 == found.counts["conversations"]
