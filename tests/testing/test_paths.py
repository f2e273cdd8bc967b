"""Paths: the conversations a flow can be taken through, found by themselves."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path as File

import pytest

from handoff import Flow, Metadata
from handoff.observers import observing
from handoff.testing import Path, paths
from handoff.testing.coverage import Coverage, coverage_of
from handoff.testing.paths import Cover
from handoff.testing.recording import Recorder
from handoff.testing.rehearsal import ModelCalls
from tests.testing.paths_flow import flow
from tests.testing.paths_found import COVERS, FOUND, calls_of, path_of, reasons

ROOT = File(__file__).parents[2]


def covered(cover: Cover) -> Coverage:
    """What the paths of the office cover when they are played."""
    recorder = Recorder()
    with observing(recorder):
        for path in FOUND[cover]:
            path.play()
    return coverage_of(flow, recorder.record)


@pytest.mark.parametrize("cover", COVERS)
def test_transitions_are_covered_alone(cover: Cover) -> None:
    """Whatever the paths are for, they take every transition of every kind, and nothing is left unreached."""
    found = covered(cover)

    assert {"tool", "then", "after", "limit"} == {one.kind for one in flow.transitions}
    assert () == found["transitions"].missed
    assert () == found["assistants"].missed


def test_guards_are_covered_both_ways() -> None:
    """With `cover="guards"` the coverage of guards is whole as well, the conditions of tools included."""
    found = covered("guards")

    assert (100.0, ()) == (found["guards"].percent, found["guards"].missed)
    assert 12 == len(found["guards"].items)


def test_outcomes_are_covered_each_way() -> None:
    """With `cover="outcomes"` the coverage of outcomes is whole as well, approvals included."""
    found = covered("outcomes")

    assert (100.0, ()) == (found["outcomes"].percent, found["outcomes"].missed)
    assert 4 * 11 == len(found["outcomes"].items)


def test_an_outcome_is_the_end_of_the_shortest_way_to_it() -> None:
    """A call that is to be pending is made, and nothing follows; the same of a call that waits for approval."""
    steps = {
        name: [type(action).__name__ for action, _ in path_of(FOUND["outcomes"], name).steps[-2:]]
        for name in ("desk.feel error", "desk.feel refused", "desk.feel pending", "cashier.book pending")
    }

    assert {
        "desk.feel error": ["UserSpeaks", "ModelCalls"],
        "desk.feel refused": ["UserSpeaks", "ModelMiscalls"],
        "desk.feel pending": ["UserSpeaks", "ModelCallsSlowly"],
        "cashier.book pending": ["ModelCalls", "ModelCalls"],
    } == steps


def test_pairs_follow_each_other() -> None:
    """A path for a pair ends in its two transitions, one right after the other."""
    pair = path_of(FOUND["pairs"], "writer.then->critic + critic.then->desk")

    taken = [move.transition for _, moment in pair.steps for move in moment.moves]

    assert ["writer.then->critic", "critic.then->desk"] == taken[-2:]


def test_an_impossible_pair_is_no_test() -> None:
    """Two transitions of which the second cannot follow the first are not asked for."""
    names = [name for path in FOUND["pairs"] if isinstance(path, Path) for name in path.covers]

    # Whoever has just come from the desk goes back to no one else.
    assert "desk.choose->visa + visa.refuse_visa->back:desk" in names
    assert not [name for name in names if name.startswith("desk.choose->visa + visa.refuse_visa->back:planner")]


@pytest.mark.parametrize("cover", COVERS)
def test_the_shortest_come_first(cover: Cover) -> None:
    """The list is sorted by the number of steps."""
    lengths = [len(path.steps) for path in FOUND[cover] if isinstance(path, Path)]

    assert sorted(lengths) == lengths
    assert lengths[0] <= 2


def test_the_same_flow_has_the_same_paths() -> None:
    """Names, steps and values are the same in another process, whatever its hashes are."""
    told_by = "print([(path.covers, [action for action, _ in path.steps]) for path in paths(flow)])"
    script = f"from handoff.testing import paths\nfrom tests.testing.paths_flow import flow\n{told_by}"

    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert 1 == len(told)


def test_finding_paths_covers_nothing() -> None:
    """Whoever measures is not told of what was only thought through."""
    recorder = Recorder()

    with observing(recorder):
        paths(flow)

    assert {} == recorder.record


def test_a_value_is_made_up_so_that_the_guard_holds() -> None:
    """What a guard compares a field with is tried, and what lies just beside it."""
    found = FOUND["transitions"]

    assert 29 == calls_of(path_of(found, "planner.plan->cashier"))[-1]["nights"]
    assert 28 >= calls_of(path_of(found, "planner.plan->desk"))[-1]["nights"]
    assert "AAA-0000" == calls_of(path_of(found, "planner.plan->desk"))[-1]["code"]


def test_a_bound_is_reached_in_a_tighter_thread() -> None:
    """The way of `on_limit` is taken in a thread with fewer runs; all others keep the bounds of the flow."""
    found = FOUND["transitions"]

    assert 1 == path_of(found, "critic.on_limit->human").limits.runs
    assert flow.limits == path_of(found, "critic.then->desk").limits


def test_silences_are_waited_for_one_after_the_other() -> None:
    """A later silence is reached where the earlier one leads nowhere."""
    silences = Flow("silences", deps=None)
    one = silences.assistant("one", instructions="Wait.")
    two = silences.assistant("two", instructions="Wait longer.")
    one.after(timedelta(minutes=5), to=two.when(times=1))
    one.after(timedelta(minutes=20), to=silences.end)
    two.then(one)

    for path in paths(silences):
        path.play()

    assert ["one.after:300->two", "two.then->one", "one.after:1200->end"] == [str(path) for path in paths(silences)]


def test_what_comes_only_after_a_bound() -> None:
    """An assistant who is active only once a bound was reached is left again, and followed by others."""
    office = Flow("office")
    first = office.assistant("first", instructions="Ask.")
    second = office.assistant("second", instructions="Answer.")
    lead = office.assistant("lead", instructions="Decide.")
    first.then(second)
    second.then(first.when(times=1), office.end)
    office.on_limit(lead)
    lead.then(first, speak=False)

    found = paths(office, "pairs")

    assert {} == reasons(found)
    assert "second.on_limit->lead + lead.then->first" in [name for path in found for name in path.covers]  # type: ignore[union-attr]
    for path in found:
        path.play()


def test_a_late_result_comes_to_a_bound() -> None:
    """An assistant to whom nobody hands over comes to a bound by a result that comes late: no user has spoken then."""
    desk = Flow("desk")
    front = desk.assistant("front", instructions="Help.")
    lead = desk.assistant("lead", instructions="Decide.")
    desk.on_limit(lead)
    ran: list[str] = []

    @front.tool()
    def search(words: str) -> str:
        """Search for words."""
        ran.append(words)
        return words

    (path,) = paths(desk)
    talk = path.play()
    (real,) = paths(desk, arguments={search: {"words": "keys"}})
    real.play()

    assert ("front.on_limit->lead", lead) == (str(path), talk.assistant)
    assert ["keys"] == ran


def test_what_a_call_in_between_makes_possible() -> None:
    """Two transitions can follow each other where a call between them, which hands nothing over, opens the guard."""

    class Draft(Metadata):
        done: bool | None = None

    def ready(draft: Draft) -> bool:
        """It is not done."""
        return bool(draft.done)

    desk = Flow("desk", metadata=Draft)
    idea = desk.assistant("idea", instructions="Think.")
    text = desk.assistant("text", instructions="Write.")

    @idea.tool(to=text, clears="done")
    def begin() -> str:
        """Begin."""
        return "begun"

    @text.tool(sets="done")
    def finish(draft: Draft) -> str:
        """Finish."""
        draft.done = True
        return "finished"

    @text.tool(to=idea.when(ready))
    def print_it() -> str:
        """Print it."""
        return "printed"

    found = paths(desk, "pairs")

    assert {} == reasons(found)
    assert ["begin", "finish", "print_it"] == [
        action.what.tool
        for action, _ in path_of(found, "idea.begin->text + text.print_it->idea").steps
        if isinstance(action, ModelCalls)
    ]
