"""Faults put into flows on purpose are found, or listed with why they cannot be; flows without them get nothing."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from functools import cache
from typing import Any

import pytest

from handoff import Flow
from handoff.checks import Report, check
from tests.checks import desk, operators
from tests.checks.operators import Declared, Mutant, flows_of_this_project, mutants, names

FLOWS = flows_of_this_project() | {"desk": desk.flow}
EACH = [pytest.param(flow, id=name) for name, flow in FLOWS.items()]

#: The faults that are not found, flow by flow and kind by kind, each with why no look at the flow can tell: what is
#: left is a flow that somebody could have meant. Every other fault has to be found, and none of these may be.
UNDECIDABLE: dict[str, dict[str, dict[str, str]]] = {
    "site_editor": {
        "drop a transition": {
            "undo of ('reviewer',) -> editor": "whoever undoes may well stay and look; go_on still leads to the editor",
            "review of ('editor',) -> reviewer": "it may show the change on the spot; each edit leads to the reviewer",
            "after:600 of editor -> reviewer": "nothing says that a silence has to do anything: it is the only one",
        },
        "negate a guard": {
            "allow of leave_page": "a page may be left with its change dropped: drop of the reviewer does just that",
        },
    },
    "concierge": {},
    "writer_critic": {
        "drop a field of clears": {
            "approved of drop": "without a draft nobody looks at it, and the next draft clears it",
        },
    },
    "desk": {
        "drop a field of clears": {
            "faults of write_draft": "faults may be found anew each time; accept leads out of the round",
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
        },
    },
}

#: Faults that no finding can name, for what is missing is named nowhere else: what must be found instead (the code, and
#: words of the finding), and why that comes of the fault and of nothing else.
CONSEQUENCES: dict[str, dict[str, tuple[str, tuple[str, ...], str]]] = {
    "concierge": {
        "on_limit of * -> lead": ("unreachable-assistant", ("lead",), "nothing but the limit leads to the lead"),
    },
}

#: What part of the faults of each kind has to be named, over all flows.
REQUIRED = {
    "drop a field of sets": 1.0,
    "drop a field of clears": 0.9,
    "drop a transition": 0.85,
    "negate a guard": 0.7,
    "reverse destinations": 1.0,
    "rename a placeholder": 1.0,
}

#: How much may be unknown about each flow.
UNKNOWN: dict[str, int] = dict.fromkeys(FLOWS, 0)


def is_found(mutant: Mutant, report: Report) -> bool:
    """Whether a finding names the place of the fault, or is what is listed as its consequence."""
    code, words, _ = CONSEQUENCES.get(report.flow, {}).get(mutant.what, ("", (), ""))
    return any(mutant.named_by(one) or (one.code == code and names(one, *words)) for one in report.findings)


@cache
def tried(name: str) -> dict[str, dict[str, tuple[Mutant, Report]]]:
    """Every fault of a flow by kind and place, and what is said of it."""
    every: dict[str, dict[str, tuple[Mutant, Report]]] = defaultdict(dict)
    for mutant in mutants(FLOWS[name]):
        assert mutant.what not in every[mutant.operator], "no fault has the name of another"
        every[mutant.operator][mutant.what] = (mutant, mutant.report())
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


@pytest.mark.parametrize("name", FLOWS)
def test_every_fault_is_named_or_listed_with_its_reason(name: str) -> None:
    """What no finding names is exactly what is listed: a new miss fails, and so does one that is found by now."""
    missed = {
        kind: {what for what, (mutant, report) in faults.items() if not is_found(mutant, report)}
        for kind, faults in tried(name).items()
    }

    listed = {kind: set(reasons) for kind, reasons in UNDECIDABLE[name].items()}
    assert listed == {kind: names for kind, names in missed.items() if names}


@pytest.mark.parametrize("name", FLOWS)
def test_of_what_is_listed_nothing_at_all_is_found(name: str) -> None:
    """A fault that nobody can tell gets no finding beside the point either."""
    said = {
        what: tried(name)[kind][what][1].as_text()
        for kind, reasons in UNDECIDABLE[name].items()
        for what in reasons
        if tried(name)[kind][what][1].findings
    }

    assert {} == said


@pytest.mark.parametrize("name", FLOWS)
def test_a_consequence_is_listed_only_where_no_finding_names_the_fault(name: str) -> None:
    """The list of consequences holds nothing that a finding says better."""
    named = {
        what
        for faults in tried(name).values()
        for what, (mutant, report) in faults.items()
        if any(map(mutant.named_by, report.findings))
    }

    assert set() == named & CONSEQUENCES.get(name, {}).keys()


@pytest.mark.parametrize("name", FLOWS)
def test_what_names_a_fault_stands_at_a_line_of_the_flow(name: str) -> None:
    """Each such finding is in a file that declares the flow; a refusal is where it is declared anew."""
    flow = FLOWS[name]
    places = (one.place.file for owner in flow.assistants for one in flow.tools_of(owner).values())
    files = {flow.place.file, *places, operators.__file__}
    elsewhere = [
        (mutant.what, one.place)
        for faults in tried(name).values()
        for mutant, report in faults.values()
        for one in report.findings
        if mutant.named_by(one) and one.place.file not in files
    ]

    assert [] == elsewhere


def test_the_rates_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Of each kind of fault, how many are named; they are as many as required."""
    number: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for name in FLOWS:
        for kind, faults in tried(name).items():
            number[kind] += len(faults)
            found[kind] += sum(is_found(*one) for one in faults.values())
    with capsys.disabled():
        sys.stdout.write("\n")
        for kind in REQUIRED:
            sys.stdout.write(f"  {kind:24} {found[kind]:3} of {number[kind]:3} named\n")

    assert {} == {kind: (found[kind], of) for kind, of in number.items() if found[kind] < REQUIRED[kind] * of}


def test_every_kind_of_fault_was_tried() -> None:
    """No operator comes to nothing: over all flows each one made a fault."""
    kinds = {mutant.operator for flow in FLOWS.values() for mutant in mutants(flow)}

    assert REQUIRED.keys() == kinds == {mutant.operator for mutant in mutants(desk.flow)}
