"""The Machine decides every destination, and agrees with the table of transitions."""

from __future__ import annotations

from itertools import product

import pytest

from handoff.declaration.flow import Denied, Flow, Transition
from handoff.declaration.guards import ask
from handoff.declaration.metadata import Metadata
from tests.declaration.test_flow import Desk, Site, desk_flow, site_flow


def branching() -> Flow[Metadata]:
    flow = Flow("branching")
    one, two, three = (flow.assistant(name, instructions="") for name in ("one", "two", "three"))

    def always(_metadata: Metadata) -> bool:
        return True

    one.then(two.when(always), three)
    return flow


def test_replacing_a_condition_in_the_machine_changes_the_destination() -> None:
    """Nothing else decides: with its condition false in the Machine, the first destination is passed over."""
    flow = branching()
    before = flow.judge("one", "then", Metadata())
    flow.table.get_transitions("then", "one", "two")[0].conditions[1].func = lambda _event: False
    after = flow.judge("one", "then", Metadata())

    assert ("two", "three") == (_dest(before), _dest(after))


def test_emptying_the_conditions_in_the_machine_lets_everything_pass() -> None:
    """Choice, guard and limits all are conditions of the Machine."""
    flow = branching()
    flow.table.get_transitions("then", "one", "two")[0].conditions.clear()

    assert "two" == _dest(flow.judge("one", "then", Metadata(), go="three", blocked=lambda _row: "blocked"))


def test_removing_a_transition_from_the_machine_removes_it() -> None:
    """What the Machine does not hold is not taken, whatever our table says."""
    flow = branching()
    flow.table.remove_transition("then", "one", "two")

    assert "three" == _dest(flow.judge("one", "then", Metadata()))


def test_the_machine_holds_no_models() -> None:
    """It is shared by all threads, which leave nothing in it."""
    flow = branching()
    flow.judge("one", "then", Metadata())

    assert [] == flow.table.models


CASES = [
    pytest.param(flow, source, trigger, metadata, previous, id=f"{flow.name}-{source}-{trigger}-{number}-{previous}")
    for flow, states in (
        (site_flow, [Site(), Site(page_id="a")]),
        (desk_flow, [Desk(), Desk(age=20), Desk(angry=True)]),
    )
    for source, trigger in product((*flow.assistants, "end"), sorted({row.trigger for row in flow.transitions}))
    for number, metadata in enumerate(states)
    for previous in (None, flow.initial.name)
]


@pytest.mark.parametrize(("flow", "source", "trigger", "metadata", "previous"), CASES)
def test_our_table_and_the_machine_agree(
    flow: Flow[Metadata], source: str, trigger: str, metadata: Metadata, previous: str | None
) -> None:
    """For every assistant and trigger the Machine takes the first row of the table that may be taken."""
    expected = [
        row
        for row in flow.transitions
        if (row.source, row.trigger) == (source, trigger)
        and (not row.back or row.dest == previous)
        and (row.guard is None or ask(row.guard, metadata) is None)
    ]
    verdict = flow.judge(source, trigger, metadata, previous=previous)

    assert (expected[0] if expected else None) == (None if isinstance(verdict, Denied) else verdict)


def test_the_machine_holds_exactly_our_table() -> None:
    """Row by row, in the order they are tried."""
    for flow in (site_flow, desk_flow):
        rows = [row for event in flow.table.events.values() for of_one in event.transitions.values() for row in of_one]

        assert sorted(row.key for row in flow.transitions) == sorted(row.declared.key for row in rows)
        assert all((row.source, row.dest) == (row.declared.source, row.declared.dest) for row in rows)


def _dest(verdict: Transition | Denied) -> str:
    assert isinstance(verdict, Transition)
    return verdict.dest
