"""Faults put into flows on purpose are found, at the rate required of each kind; flows without them get nothing."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import pytest

from handoff import Flow
from handoff.checks import check
from tests.checks import desk
from tests.checks.operators import Declared, Mutant, flows_of_this_project, mutants

FLOWS = flows_of_this_project() | {"desk": desk.flow}
EACH = [pytest.param(flow, id=name) for name, flow in FLOWS.items()]

#: The share of the faults of each kind that has to be found: in the flows of flows/, and in the desk, which goes every
#: way a flow can go. What is not found there leaves a flow that somebody could have meant: nobody can tell that an
#: `after` or one of two ways to the same assistant is missing.
REQUIRED = {
    "drop a field of sets": (1.0, 1.0),
    "drop a field of clears": (0.9, 0.3),
    "drop a transition": (0.7, 0.5),
    "negate a guard": (0.6, 0.4),
    "rename a placeholder": (1.0, 1.0),
    "reverse destinations": (1.0, 0.7),
}

#: How much may be unknown about each flow.
UNKNOWN: dict[str, int] = {"site_editor": 0, "desk": 0}


def rates(flows: dict[str, Flow[Any, Any]]) -> dict[str, tuple[int, int, list[Mutant]]]:
    """How many faults of each kind were found, how many there are, and those that were not found."""
    every: dict[str, list[tuple[Mutant, bool]]] = defaultdict(list)
    for flow in flows.values():
        for mutant in mutants(flow):
            every[mutant.operator].append((mutant, bool(mutant.report().findings)))
    return {
        operator: (sum(found for _, found in tried), len(tried), [one for one, found in tried if not found])
        for operator, tried in every.items()
    }


@pytest.mark.parametrize("flow", EACH)
def test_a_flow_as_it_is_gets_nothing(flow: Flow[Any, Any]) -> None:
    """There are no findings, and not more is unknown than listed."""
    report = check(flow)

    assert () == report.findings, report.as_text()
    assert UNKNOWN.get(flow.name, 0) >= len(report.unknown), report.as_text()


@pytest.mark.parametrize("flow", EACH)
def test_a_flow_declared_again_is_the_same(flow: Flow[Any, Any]) -> None:
    """What the operators change is all there is: without a change the structure is the same."""
    again = Declared.of(flow).again()

    assert flow.version == again.version
    assert () == check(again).findings


@pytest.mark.parametrize(
    ("flows", "column"),
    [
        pytest.param({name: flow for name, flow in FLOWS.items() if name != "desk"}, 0, id="flows"),
        pytest.param({"desk": desk.flow}, 1, id="desk"),
    ],
)
def test_faults_are_found(flows: dict[str, Flow[Any, Any]], column: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind of fault is found at least as often as required; the table is printed."""
    table = rates(flows)
    with capsys.disabled():
        sys.stdout.write(f"\n{', '.join(flows)}:\n")
        for operator, (found, tried, missed) in table.items():
            not_found = "; ".join(one.what for one in missed)
            sys.stdout.write(f"  {operator:24} {found:3} of {tried:3}   {not_found}\n")

    short = {
        name: (found, tried) for name, (found, tried, _) in table.items() if found < REQUIRED[name][column] * tried
    }
    assert {} == short


def test_every_kind_of_fault_was_tried() -> None:
    """No operator comes to nothing: over all flows each one made a fault."""
    assert set(REQUIRED) == {mutant.operator for flow in FLOWS.values() for mutant in mutants(flow)}
