"""What there is to cover of a flow, what of it was covered, and how that is shown."""

from __future__ import annotations

import pytest

from handoff import (
    ConfigurationError,
    Flow,
)
from handoff.diagram import Arrow
from handoff.testing.coverage import Coverage, Covered, Measure, coverage_of, required, table
from handoff.testing.recording import Kind
from tests.testing.coverage_flow import delivered, flow, record_of


def test_what_there_is_to_cover_comes_from_the_flow() -> None:
    """Nothing noted covers nothing: all assistants, transitions, guards both ways and four outcomes of each tool."""
    coverage = coverage_of(flow, {})

    assert ("desk", "van", "ship", "end") == coverage["assistants"].missed
    assert tuple(one.key for one in flow.transitions) == coverage["transitions"].missed
    assert 2 * 8 == len(coverage["guards"].missed)
    assert 4 * 8 == len(coverage["outcomes"].missed)


def test_a_flow_without_guards_misses_none() -> None:
    """Where there is nothing to cover, all of it is covered."""
    bare = Flow("bare")
    bare.assistant("one", instructions="")

    assert (100.0, 0) == (coverage_of(bare, {})["guards"].percent, coverage_of(bare, {})["guards"].covered)


def small() -> Coverage:
    """A coverage with something missed in each way."""
    return Coverage(
        "parcels",
        "0" * 16,
        (
            Measure("assistants", (Covered("desk", 3, ("t",)), Covered("van", 1, ()))),
            Measure("transitions", (Covered("a->b", 1, ()), Covered("b->a", 0, ()), Covered("b->c", 0, ()))),
            Measure("guards", (Covered("a->b g=true", 1, ()), Covered("a->b g=false", 0, ()))),
            Measure("outcomes", (Covered("a.t ok", 0, ()), Covered("a.t error", 0, ()), Covered("a.u ok", 1, ()))),
        ),
    )


def test_the_table_names_what_was_missed() -> None:
    """Each kind has a line, and below it what never happened, the outcomes of one thing together."""
    assert [
        "assistants      2 of 2     100 %",
        "transitions     1 of 3      33 %",
        "    missed: b->a",
        "    missed: b->c",
        "guards          1 of 2      50 %",
        "    missed: a->b: g=false",
        "outcomes        1 of 3      33 %",
        "    missed: a.t: ok, error",
    ] == table(small())


def test_the_table_says_100_only_where_nothing_was_missed() -> None:
    """A percentage is not rounded up."""
    items = tuple(Covered(str(number), number, ()) for number in range(1000))
    coverage = Coverage("x", "", (Measure("transitions", items),))

    assert " 99 %" == table(coverage)[0][-5:]


def test_what_falls_short_is_said() -> None:
    """Each kind is compared with what is required of it."""
    assert ["parcels: 33.3 % of transitions covered, 50 % are required"] == small().below(
        {"transitions": 50.0, "guards": 50.0}
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(["100"], {"transitions": 100.0}, id="transitions"),
        pytest.param(["guards=80.5"], {"guards": 80.5}, id="kind"),
        pytest.param(["90", "outcomes=10"], {"transitions": 90.0, "outcomes": 10.0}, id="several"),
        pytest.param([], {}, id="none"),
    ],
)
def test_what_is_required_is_read(given: list[str], expected: dict[Kind, float]) -> None:
    """A number is meant of transitions; a kind may be named."""
    assert expected == required(given)


@pytest.mark.parametrize("given", ["", "x", "101", "-1", "nan", "edges=5", "guards=", "=5"])
def test_what_cannot_be_required_is_refused(given: str) -> None:
    """The error lists the kinds."""
    with pytest.raises(ConfigurationError, match="assistants, transitions, guards, outcomes"):
        required([given])


def test_the_picture_shows_what_was_missed() -> None:
    """Missed assistants and transitions are marked, all others are not."""
    coverage = coverage_of(flow, record_of(delivered))
    shown = coverage.diagram(flow)

    assert ["ship"] == [box.name for box in shown.boxes if box.missed]
    assert list(coverage["transitions"].missed) == [one.transition for one in shown.arrows if one.missed]
    assert isinstance(shown.arrows[0], Arrow)


def test_the_json_has_all_of_it() -> None:
    """Counts, percentages, what was missed, and each item with its tests."""
    found = small().as_json()

    assert {"covered": 1, "total": 3, "percent": 33.33, "missed": ["b->a", "b->c"]} == {
        name: found["transitions"][name] for name in ("covered", "total", "percent", "missed")
    }
    assert {"times": 3, "tests": ["t"]} == found["assistants"]["items"]["desk"]
