"""Faults put into flows on purpose are found, or listed with why they cannot be; flows without them get nothing."""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

import pytest

from handoff import Flow
from handoff.checks import check
from tests.checks import desk
from tests.checks.operators import Declared, flows_of_this_project, mutants

FLOWS = flows_of_this_project() | {"desk": desk.flow}
EACH = [pytest.param(flow, id=name) for name, flow in FLOWS.items()]

#: The faults that are not found, flow by flow and kind by kind, each with why no look at the flow can tell: what is
#: left is a flow that somebody could have meant. Every other fault has to be found, and none of these may be.
UNDECIDABLE: dict[str, dict[str, dict[str, str]]] = {
    "site_editor": {
        "drop a transition": {
            "undo of ('reviewer',) -> editor": "whoever undoes may well stay and look; go_on still leads to the editor",
            "go_on of ('reviewer',) -> editor": "a tool may only answer, and undo still leads to the editor",
            "review of ('editor',) -> reviewer": "it may show the change on the spot; each edit leads to the reviewer",
            "after:600 of editor -> reviewer": "nothing says that a silence has to do anything: it is the only one",
        },
        "negate a guard": {
            "allow of leave_page": "a page may be left with its change dropped: drop of the reviewer does just that",
        },
    },
    "concierge": {
        "drop a transition": {
            "identify of ('door',) -> back": "the door may go on asking, and leads to the concierge by give_up",
        },
    },
    "writer_critic": {
        "drop a field of clears": {
            "faults of approve": "an approved draft may keep its faults on record until it is written anew",
            "draft of drop": "to clear the faults alone is what approve does, too, and the draft is kept on purpose",
        },
        "drop a transition": {
            "drop of ('critic',) -> writer": "the critic may stay where it is; approve leads to the writer",
        },
    },
    "desk": {
        "drop a field of clears": {
            "faults of write_draft": "times=3 ends the round; its guard may be there only to say when it begins",
        },
        "drop a transition": {
            "pass_on of ('billing',) -> repair": "all cases may go to the writer, and repair is reached from triage",
            "pass_on of ('billing',) -> writer": "what is not urgent may stay at billing: one guard leaves no hole",
            "after:3600 of repair -> writer": "an urgent case may go to triage like the others",
            "after:3600 of repair -> triage": "what is not urgent may wait for the user, however long",
            "on_limit of * -> triage": "a flow need not say where a limit leads: then the thread stays",
        },
        "negate a guard": {
            "pass_on of ('billing',) -> repair": "both values of urgent lead somewhere, only the other way round",
            "after:3600 of repair -> writer": "both values of urgent lead somewhere, only the other way round",
            "sort_case of ('triage',) -> repair": "each topic leads somewhere, and the writer takes what is left",
            "then of critic -> writer": "a draft may go round until a fault is found; times=3 bounds it",
        },
    },
}

KINDS = (
    "drop a field of sets",
    "drop a field of clears",
    "drop a transition",
    "negate a guard",
    "reverse destinations",
    "rename a placeholder",
)

#: How much may be unknown about each flow.
UNKNOWN: dict[str, int] = dict.fromkeys(FLOWS, 0)


def tried(flow: Flow[Any, Any]) -> dict[str, dict[str, bool]]:
    """Every fault by kind and place, and whether it was found."""
    every: dict[str, dict[str, bool]] = defaultdict(dict)
    for mutant in mutants(flow):
        assert mutant.what not in every[mutant.operator], "no fault has the name of another"
        every[mutant.operator][mutant.what] = bool(mutant.report().findings)
    return every


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
def test_every_fault_is_found_or_listed_with_its_reason(
    flow: Flow[Any, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """What is missed is exactly what is listed: a new miss fails, and so does one that is found by now."""
    table = tried(flow)
    missed = {kind: {what for what, found in faults.items() if not found} for kind, faults in table.items()}
    with capsys.disabled():
        sys.stdout.write(f"\n{flow.name}:\n")
        for kind, faults in table.items():
            found = sum(faults.values())
            sys.stdout.write(f"  {kind:24} {found:3} of {len(faults):3}   {'; '.join(sorted(missed[kind]))}\n")

    listed = {kind: set(reasons) for kind, reasons in UNDECIDABLE[flow.name].items()}
    assert listed == {kind: names for kind, names in missed.items() if names}


def test_most_faults_of_each_kind_are_found() -> None:
    """The list of what cannot be told is short: of each kind of fault it holds at most two in five."""
    number: dict[str, int] = defaultdict(int)
    listed: dict[str, int] = defaultdict(int)
    for name, flow in FLOWS.items():
        for mutant in mutants(flow):
            number[mutant.operator] += 1
            listed[mutant.operator] += mutant.what in UNDECIDABLE[name].get(mutant.operator, {})

    assert {} == {kind: (listed[kind], of) for kind, of in number.items() if 5 * listed[kind] > 2 * of}


def test_every_kind_of_fault_was_tried() -> None:
    """No operator comes to nothing: over all flows each one made a fault."""
    kinds = {mutant.operator for flow in FLOWS.values() for mutant in mutants(flow)}

    assert set(KINDS) == kinds == {mutant.operator for mutant in mutants(desk.flow)}
