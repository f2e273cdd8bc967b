"""Flows in which nothing is wrong get nothing: what is said of them would be said without cause."""

from __future__ import annotations

from typing import Any

import pytest

from handoff import Flow
from handoff.checks import check
from tests.checks.realistic import booking, onboarding, quiz, support


@pytest.mark.parametrize(
    ("flow", "unknown"),
    [
        pytest.param(support.flow, [], id="support"),
        pytest.param(booking.flow, [], id="booking"),
        pytest.param(onboarding.flow, [], id="onboarding"),
        # It compares a number with how many questions there are.
        pytest.param(quiz.flow, ["more"], id="quiz"),
    ],
)
def test_a_flow_that_is_meant_so_gets_nothing(flow: Flow[Any, Any], unknown: list[str]) -> None:
    """No finding, and unknown only what asks for more than a few cases of a field."""
    report = check(flow)

    assert () == report.findings, report.as_text()
    assert unknown == [one.subject for one in report.unknown]
