"""What the checks know about a flow is true of every thread: random flows are walked through and compared.

A claim that something can never be is refuted by one thread in which it is; what the analysis holds possible must
include all that happens.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any

import pytest

from handoff import Flow
from handoff.checks import check
from handoff.checks.joint import met_at
from handoff.checks.states import Analysis, analyse
from tests.checks.random_flows import VALUES, Spot, random_flow, walked

SEED = int(os.environ.get("HANDOFF_TEST_SEED", "0"))
FLOWS = range(SEED, SEED + 150)


@cache
def drawn(seed: int) -> tuple[Flow[Any, Any], Analysis, set[Spot], set[str]]:
    """A random flow, what is known about it, and what happens in it."""
    flow = random_flow(seed)
    return flow, analyse(flow), *walked(flow)


def test_every_state_that_occurs_is_held_possible() -> None:
    """Each assistant reached, and each value of each field there, is among what the analysis found."""
    missed: list[tuple[int, str, str]] = []
    for seed in FLOWS:
        _, analysis, spots, _ = drawn(seed)
        for name, *values in spots:
            state = analysis.states.get(name)
            for field, value in zip(VALUES, values, strict=True):
                if state is None or not state[field] & analysis.known[field].mask(value):
                    missed.append((seed, name, field))

    assert [] == missed


def test_every_transition_that_is_taken_is_held_possible() -> None:
    """No transition that some thread takes is called dead, shadowed, or guarded by what never holds."""
    missed: list[tuple[int, str]] = []
    for seed in FLOWS:
        _, analysis, _, taken = drawn(seed)
        possible = {step.transition.key for step in analysis.taken() if step.transition is not None}
        missed += [(seed, key) for key in taken - possible]

    assert [] == missed


def test_what_is_called_unreachable_is_reached_by_no_thread() -> None:
    """Findings of unreachable assistants are true; and over many flows there are some, and some reached ones."""
    wrong: list[tuple[int, str]] = []
    found = reached = 0
    for seed in FLOWS:
        flow, _, spots, _ = drawn(seed)
        names = {spot[0] for spot in spots}
        told = {
            one.problem.partition(":")[0].rpartition(" ")[2]
            for one in check(flow).findings
            if one.code == "unreachable-assistant"
        }
        wrong += [(seed, name) for name in told & names]
        found += len(told)
        reached += len(names)

    assert [] == wrong
    assert found > 20
    assert reached > 200


@pytest.mark.parametrize("meeting", [pytest.param(True, id="meeting"), pytest.param(False, id="one-call-at-a-time")])
def test_every_state_that_occurs_is_met_with_all_fields_side_by_side(meeting: bool) -> None:
    """Following fields together leaves out nothing that happens."""
    missed: list[tuple[int, Spot]] = []
    for seed in FLOWS:
        _, analysis, spots, _ = drawn(seed)
        met = met_at(analysis, meeting=meeting)
        assert met is not None
        for spot in spots:
            values = {name: analysis.known[name].mask(value) for name, value in zip(VALUES, spot[1:], strict=True)}
            if values not in met.get(spot[0], []):
                missed.append((seed, spot))

    assert [] == missed


def test_what_is_never_shown_is_shown_in_no_thread() -> None:
    """A part of instructions that is said to wait in vain for a field finds it set nowhere."""
    wrong: list[tuple[int, str, str]] = []
    told = 0
    for seed in FLOWS:
        flow, _, spots, _ = drawn(seed)
        for one in check(flow).findings:
            if one.code not in ("never-shown", "hardly-shown"):
                continue
            said = re.search(r"instructions of (\w+) that asks for (\w+)", one.problem)
            assert said is not None
            told += 1
            position = 1 + list(VALUES).index(said[2])
            if any(spot[0] == said[1] and spot[position] for spot in spots):
                wrong.append((seed, said[1], said[2]))

    assert [] == wrong
    assert told


def test_every_path_shown_can_be_walked() -> None:
    """The path of a finding starts at the first assistant, and each step begins where the one before it ended."""
    broken: list[tuple[int, str]] = []
    shown = 0
    for seed in FLOWS:
        flow, _, _, _ = drawn(seed)
        for one in check(flow).findings:
            ends = [flow.initial.name, *(hop.dest for hop in one.path)]
            if any(hop.source != end for hop, end in zip(one.path, ends, strict=False)):
                broken.append((seed, one.code))
            shown += bool(one.path)

    assert [] == broken
    assert shown > 20


@pytest.mark.parametrize("field", [pytest.param(name, id=name) for name in ("text", "kind")])
def test_a_field_said_to_be_unset_somewhere_is_so_in_most_flows(field: str) -> None:
    """The analysis looks at fields one by one, so it may hold too much possible; it rarely does."""
    said = true = 0
    for seed in FLOWS:
        _, analysis, spots, _ = drawn(seed)
        position = 1 + list(VALUES).index(field)
        unset = {spot[0] for spot in spots if spot[position] is None}
        claimed = {name for name, state in analysis.states.items() if state[field] & analysis.known[field].unset}
        said += len(claimed)
        true += len(claimed & unset)

    assert true / said > 0.95
