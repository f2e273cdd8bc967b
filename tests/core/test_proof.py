"""The core's rules hold in every state a small thread can reach: all families, whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.proof import FAMILIES, NOTED, OUTCOMES, SENTENCES, Report, check_orders, load, run_all, table
from tests.proof.order import PALETTE

OUTCOME_NAMES = sorted([name for shown in OUTCOMES.values() for name, _ in shown] + list(NOTED))


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """Search every family once, on both cores."""
    found = run_all()
    print("\n".join(f"proof: {line}" for line in table(found).splitlines()))  # noqa: T201 - the counts are part of it
    return {report.family: report for report in found}


@pytest.mark.parametrize("family", [family.name for family in FAMILIES])
def test_no_invariant_is_broken(reports: dict[str, Report], family: str) -> None:
    """Every reachable state of the family keeps every invariant, and all of them were visited."""
    report = reports[family]

    assert report.violation is None, str(report.violation)
    assert (True, True) == (report.whole, report.resting > 0)


@pytest.mark.parametrize("outcome", OUTCOME_NAMES)
def test_outcome_is_reached(reports: dict[str, Report], outcome: str) -> None:
    """The environment gets there: what never happens proves nothing."""
    assert outcome in set().union(*(report.reached for report in reports.values()))


def test_completion_order_does_not_matter() -> None:
    """One batch comes to one transcript in whatever order its bodies return (I21)."""
    triples = [
        (one, two, three) for one in PALETTE for two in PALETTE for three in PALETTE if len({one, two, three}) == 3
    ]

    report = check_orders(load(), iter(triples[::4]))

    assert report.paths > report.batches > 300


def test_every_invariant_is_asked() -> None:
    """Each of I1 to I22 is raised by name somewhere in the proof, and has its sentence."""
    source = "".join(path.read_text(encoding="utf-8") for path in (Path(__file__).parents[1] / "proof").glob("*.py"))
    raised = set(re.findall(r'(?:Violation\(|\()"(I\d+)"', source)) | set(re.findall(r'return "(I\d+)"', source))

    assert {f"I{number}" for number in range(1, 23)} == raised & set(SENTENCES)
