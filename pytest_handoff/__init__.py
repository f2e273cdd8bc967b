"""The pytest plugin: `--handoff-cov FLOW` measures how much of a flow tests exercise; generated ones are marked.

It is a package of its own, so that a pytest that does not ask for it imports nothing of handoff.
"""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("handoff", "handoff: coverage of flows")
    group.addoption(
        "--handoff-cov",
        action="append",
        default=[],
        metavar="FLOW",
        help="measure this flow: module[:name], a path to a .py file, or an installed name; may be repeated",
    )
    group.addoption(
        "--handoff-cov-fail-under",
        action="append",
        default=[],
        metavar="[KIND=]PERCENT",
        help="fail below this percentage of transitions, or of that kind: assistants, transitions, guards, outcomes",
    )
    group.addoption(
        "--handoff-cov-json", type=Path, metavar="FILE", help="write what was covered, by which tests, as JSON"
    )
    group.addoption(
        "--handoff-cov-diagram",
        type=Path,
        metavar="FILE",
        help="draw the flow with what was missed in red; FILE ends in .mmd, .dot, .svg, .txt or .json",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker of generated tests; begin to measure, where it is asked for."""
    config.addinivalue_line("markers", "generated: a path that `handoff.testing.paths` found in a flow")
    asked = ("handoff_cov", "handoff_cov_fail_under", "handoff_cov_json", "handoff_cov_diagram")
    if any(config.getoption(name) for name in asked):
        from pytest_handoff.measuring import Measuring  # noqa: PLC0415 - loaded only where it is asked for

        config.pluginmanager.register(Measuring(config), "handoff-coverage")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test that is given a path, so that `-m "not generated"` leaves it out."""
    given: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    if any(getattr(type(one), "generated_by_handoff", False) for one in given.values()):
        item.add_marker("generated")
