"""What is noted of talks, steps and threads, live and read back from their journals."""

from __future__ import annotations

from pathlib import Path

import pytest

from handoff import (
    Flow,
    NotTaken,
    ScriptedModel,
    SqlStore,
    call,
)
from handoff.backends.embedded import Embedded
from handoff.observers import OBSERVERS, observing
from handoff.sync import Threads
from handoff.testing.coverage import Covered, coverage_of
from handoff.testing.recording import Recorder, record_journal
from tests.testing.coverage_flow import (
    STORIES,
    Parcel,
    Story,
    check,
    checked_first,
    chosen,
    delivered,
    desk,
    flow,
    journal_of,
    record_of,
    seen,
    silent,
    silent_and_checked,
    slow,
    spent,
    stamped,
    together,
    too_heavy,
    two_ways,
    weigh,
    weighed,
)


@pytest.mark.parametrize(("story", "expected"), [pytest.param(*one, id=one[0].__name__) for one in STORIES])
def test_the_outcome_of_each_call_is_noted(story: Story, expected: set[str]) -> None:
    """A call is ok, failed, was refused before its body, or became a ticket; a ticket comes out once more."""
    assert expected == seen(record_of(story), "outcomes")


@pytest.mark.parametrize("story", [pytest.param(one, id=one.__name__) for one, _ in STORIES])
def test_a_journal_shows_what_was_seen_live(story: Story) -> None:
    """Read back from its journal, a talk covers the same assistants, transitions, guards and outcomes."""
    live, read_back = coverage_of(flow, record_of(story)), coverage_of(flow, journal_of(story))

    assert {one.kind: one.missed for one in live.measures} == {one.kind: one.missed for one in read_back.measures}


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        pytest.param(weighed, {"desk.weigh->van"}, id="tool"),
        pytest.param(too_heavy, set[str](), id="denied"),
        pytest.param(checked_first, {"desk.weigh->ship"}, id="second-destination"),
        pytest.param(chosen, {"desk.choose->ship"}, id="chosen-by-the-body"),
        pytest.param(two_ways, {"desk.choose->ship"}, id="first-of-a-batch"),
        pytest.param(together, {"desk.weigh->van"}, id="two-to-the-same"),
        pytest.param(spent, {"desk.weigh_again->desk", "desk.weigh_again->ship"}, id="times-spent"),
        pytest.param(slow, {"desk.weigh->van"}, id="late"),
        pytest.param(silent_and_checked, {"desk.weigh->van", "van.after:3600->desk"}, id="silence"),
        pytest.param(delivered, {"desk.weigh->van", "van.deliver->end"}, id="end"),
    ],
)
def test_the_transitions_taken_are_noted(story: Story, expected: set[str]) -> None:
    """A transition is covered when a thread has taken it, whatever triggered it."""
    assert expected == seen(record_of(story), "transitions")


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        pytest.param(weighed, {"desk.weigh->van light=true"}, id="first-holds"),
        pytest.param(
            too_heavy,
            {"desk.weigh->van light=false", "desk.weigh->ship checked=false"},
            id="none-holds",
        ),
        pytest.param(
            checked_first,
            {
                "desk.weigh->van light=false",
                "desk.weigh->ship checked=true",
                "ship.then->van light=false",
            },
            id="second-holds",
        ),
        pytest.param(
            stamped,
            {
                "desk.weigh->van light=false",
                "desk.weigh->ship checked=false",
                "desk.stamp checked=false",
                "desk.stamp checked=true",
            },
            id="allow",
        ),
        pytest.param(chosen, {"ship.then->van light=false"}, id="chosen-by-the-body"),
        pytest.param(together, {"desk.weigh->van light=true"}, id="not-asked-once-one-has-won"),
        pytest.param(
            spent,
            {"desk.weigh_again->ship checked=true", "desk.stamp checked=true", "ship.then->van light=false"},
            id="after-times-are-spent",
        ),
        pytest.param(
            silent,
            {"desk.weigh->van light=true", "van.after:3600->desk checked=false"},
            id="silence",
        ),
    ],
)
def test_what_the_guards_said_is_noted(story: Story, expected: set[str]) -> None:
    """Each guard is covered once for each answer, and so is the condition under which a tool is offered."""
    assert expected == seen(record_of(story), "guards")


def test_the_assistants_that_were_active_are_noted() -> None:
    """An assistant is covered when it ran, or a transition led to it or away; so is the end."""
    assert {"desk", "van", "end"} == seen(record_of(delivered), "assistants")


def test_a_step_takes_the_transition() -> None:
    """`flow.step` in a unit test covers the transition, both its assistants, and what the guards said."""
    recorder = Recorder()
    with observing(recorder):
        flow.step(desk, weigh, Parcel(weight=50, checked=True))

    assert {"desk.weigh->ship"} == seen(recorder.record, "transitions")
    assert {"desk", "ship"} == seen(recorder.record, "assistants")
    assert {"desk.weigh->van light=false", "desk.weigh->ship checked=true"} == seen(recorder.record, "guards")


def test_a_step_that_is_denied_takes_none() -> None:
    """Where no guard holds, only the guards are covered."""
    recorder = Recorder()
    with observing(recorder), pytest.raises(NotTaken):
        flow.step(desk, weigh, Parcel(weight=50))

    assert set() == seen(recorder.record, "transitions") | seen(recorder.record, "assistants")
    assert 2 == len(seen(recorder.record, "guards"))


def test_threads_are_measured_as_talks_are() -> None:
    """What a talk covers, a thread with a scripted model covers too."""
    recorder = Recorder()
    model = ScriptedModel({"desk": [call(check, checked=True), call(weigh, weight=20)], "ship": ["hoisted"]})
    with observing(recorder), Threads(flow, backend=Embedded(model)) as threads:
        threads.open("t1").send("here")

    expected = coverage_of(flow, record_of(checked_first))
    assert [one.missed for one in expected.measures] == [
        one.missed for one in coverage_of(flow, recorder.record).measures
    ]


def test_nobody_is_told_outside_the_block() -> None:
    """After measuring, flows go on unobserved."""
    recorder = Recorder()
    with observing(recorder):
        assert [recorder] == [one for one in OBSERVERS if one is recorder]
    flow.step(desk, weigh, Parcel(weight=1))

    assert {} == recorder.record


def test_each_item_knows_its_tests_and_how_often() -> None:
    """What happened is noted under the test that is going on."""
    recorder = Recorder()
    with observing(recorder):
        for test in ("a", "b", "b"):
            recorder.test = test
            flow.step(desk, weigh, Parcel(weight=1))
    measure = coverage_of(flow, recorder.record)["transitions"]

    assert Covered("desk.weigh->van", 3, ("a", "b")) == measure.items[0]


def test_records_add_up() -> None:
    """What several processes noted is one record."""
    both, one = Recorder(), record_of(weighed)
    both.add(one)
    both.add(one)
    both.add(record_of(checked_first))

    assert {"desk.weigh->van", "desk.weigh->ship"} == seen(both.record, "transitions")
    assert 2 == coverage_of(flow, both.record)["transitions"].items[0].times


def test_a_flow_of_the_same_name_is_another_one() -> None:
    """Only what happened on a flow of that structure counts."""
    other = Flow("parcels", metadata=Parcel)
    desk_too = other.assistant("desk", instructions="")
    van_too = other.assistant("van", instructions="")
    then = desk_too.then(van_too)
    recorder = Recorder()
    with observing(recorder):
        other.step(desk_too, then, Parcel())

    assert set() == seen(recorder.record, "assistants")


def test_guards_are_asked_about_the_metadata_of_the_journal(tmp_path: Path) -> None:
    """A guard that passed over a destination in production is covered for both answers, without running a tool."""
    model = ScriptedModel({"desk": [call(weigh, weight=20), "no", call(weigh, weight=1)], "van": ["on its way"]})
    path, recorder = tmp_path / "t.db", Recorder()
    with Threads(flow, backend=Embedded(model), store=SqlStore(path)) as threads:
        thread = threads.open("t1")
        thread.send("here")
        thread.send("and this")
    store = SqlStore(path)
    record_journal(recorder, flow, store.journal("t1"))
    store.close()

    assert {"desk.weigh->van light=false", "desk.weigh->van light=true"} <= seen(recorder.record, "guards")
