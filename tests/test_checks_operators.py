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

#: The share of the faults of each kind that has to be found, flow by flow. What is not found there leaves a flow that
#: somebody could have meant: nobody can tell that an `after` or one of two ways to the same assistant is missing, or
#: that one of several calls should have kept a field that the others set.
REQUIRED = {
    "site_editor": {
        "drop a field of sets": 1.0,
        "drop a field of clears": 0.9,
        "drop a transition": 0.7,
        "negate a guard": 0.6,
        "rename a placeholder": 1.0,
    },
    # Every specialist sets the same two fields, and there are several ways to each: most faults leave another way.
    "concierge": {
        "drop a field of sets": 0.15,
        "drop a field of clears": 0.0,
        "drop a transition": 0.1,
        "negate a guard": 1.0,
        "rename a placeholder": 1.0,
    },
    # Its two ways hang on whether a list of faults is there, which a fault only turns round; its talks find those.
    "writer_critic": {
        "drop a field of sets": 1.0,
        "drop a field of clears": 0.0,
        "drop a transition": 0.25,
        "negate a guard": 0.0,
        "rename a placeholder": 1.0,
    },
    "desk": {
        "drop a field of sets": 1.0,
        "drop a field of clears": 0.3,
        "drop a transition": 0.5,
        "negate a guard": 0.4,
        "rename a placeholder": 1.0,
        "reverse destinations": 0.7,
    },
}

#: How much may be unknown about each flow.
UNKNOWN: dict[str, int] = dict.fromkeys(FLOWS, 0)


def rates(flow: Flow[Any, Any]) -> dict[str, tuple[int, int, list[Mutant]]]:
    """How many faults of each kind were found, how many there are, and those that were not found."""
    every: dict[str, list[tuple[Mutant, bool]]] = defaultdict(list)
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


@pytest.mark.parametrize("flow", EACH)
def test_faults_are_found(flow: Flow[Any, Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind of fault that can be made in a flow is found at least as often as required; the table is printed."""
    table = rates(flow)
    with capsys.disabled():
        sys.stdout.write(f"\n{flow.name}:\n")
        for operator, (found, tried, missed) in table.items():
            not_found = "; ".join(one.what for one in missed)
            sys.stdout.write(f"  {operator:24} {found:3} of {tried:3}   {not_found}\n")

    required = REQUIRED[flow.name]
    assert required.keys() == table.keys()
    assert {} == {name: (found, tried) for name, (found, tried, _) in table.items() if found < required[name] * tried}


def test_every_kind_of_fault_was_tried() -> None:
    """No operator comes to nothing: over all flows each one made a fault."""
    assert set(REQUIRED["desk"]) == {mutant.operator for flow in FLOWS.values() for mutant in mutants(flow)}
