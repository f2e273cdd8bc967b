"""A path at work: what runs, and that each step is compared with where the thread should stand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path as File
from typing import Any

import pytest

from handoff import DefinitionError, Flow, Limits, Metadata
from handoff.core.state import Phase
from handoff.testing import Path, Talk, TalkMismatch, paths
from tests.support.measured import run_pytest
from tests.testing.paths_flow import Office, book, choose, flow, plan
from tests.testing.paths_found import FOUND, calls_of, path_of, reasons

ROOT = File(__file__).parents[2]


@pytest.mark.parametrize("path", FOUND["transitions"], ids=str)
def test_office(path: Path[Any]) -> None:
    """Each transition of a flow that has them all is taken."""
    path.play()


@pytest.mark.parametrize("path", FOUND["guards"], ids=str)
def test_office_guards(path: Path[Any]) -> None:
    """Each guard of it says yes and no."""
    path.play()


@pytest.mark.parametrize("path", FOUND["pairs"], ids=str)
def test_office_pairs(path: Path[Any]) -> None:
    """Each two transitions of it that can follow each other do."""
    path.play()


@pytest.mark.parametrize("path", FOUND["outcomes"], ids=str)
def test_office_outcomes(path: Path[Any]) -> None:
    """Each tool of it comes out well, fails, is refused, and outlives its batch."""
    path.play()


# -- playing -----------------------------------------------------------------------------------------------------------


def test_bodies_do_not_run_by_themselves() -> None:
    """A tool without given arguments is simulated: it sets what it should, and its body does not run."""
    office = Office()

    talk = path_of(FOUND["transitions"], "cashier.book->end").play(deps=office)

    assert [] == office.booked
    assert flow.end is talk.assistant


def test_given_arguments_run_the_body() -> None:
    """A tool with given arguments runs with them, with what the process lends it."""
    office = Office()
    found = paths(flow, arguments={choose: {"country": "home"}, plan: {"nights": 30}, book: {}})

    talk = path_of(found, "cashier.book->end").play(deps=office)

    assert ["ABC-0030"] == office.booked
    assert 30 == talk.metadata.nights


def test_arguments_may_be_several() -> None:
    """Of several arguments those are taken that lead on."""
    given = [{"country": "home"}, {"country": "Peru"}]
    found = paths(flow, arguments={"choose": given})

    assert {"country": "Peru"} == calls_of(path_of(found, "desk.choose->visa"))[0]
    assert {"country": "home"} == calls_of(path_of(found, "desk.choose->planner"))[0]
    assert {} == reasons(found)


def test_deps_may_be_made_for_each_path() -> None:
    """A function that makes deps is called once for each path that is played."""
    made: list[Office] = []

    def make() -> Office:
        made.append(Office())
        return made[-1]

    found = path_of(paths(flow, arguments={plan: {"nights": 30}, book: {}}, deps=make), "cashier.book->end")
    found.play()
    found.play()

    assert [["ABC-0030"], ["ABC-0030"]] == [office.booked for office in made]


def test_a_body_that_goes_elsewhere_fails_its_path() -> None:
    """Where a real body leads elsewhere than it was assumed to, the failure shows the conversation and the reason."""

    class Parcel(Metadata):
        weight: int | None = None

    def heavy(parcel: Parcel) -> bool:
        """It is light."""
        return parcel.weight is not None and parcel.weight > 20

    post = Flow("post", metadata=Parcel)
    counter = post.assistant("counter", instructions="Weigh it.")
    freight = post.assistant("freight", instructions="Send it.")

    @counter.tool(to=freight.when(heavy), sets="weight")
    def weigh(parcel: Parcel, name: str) -> str:
        """Weigh a parcel."""
        parcel.weight = len(name)
        return "weighed"

    (path,) = paths(post, arguments={weigh: {"name": "box"}})

    with pytest.raises(TalkMismatch, match="expected counter to freight by weigh, found no transition") as caught:
        path.play()

    assert "its body ran with the arguments that paths() was given" in str(caught.value)
    assert "counter  weigh(name='box')" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        pytest.param({"assistant": "desk"}, "expected desk to be active", id="assistant"),
        pytest.param({"phase": Phase.REST}, "expected that planner rests", id="run"),
        pytest.param({"metadata": {"country": "Peru"}}, "expected country to be 'Peru'", id="metadata"),
        pytest.param({"moves": ()}, "expected no transition, found desk to planner", id="not taken"),
        pytest.param({"moves": "visa"}, "expected desk to visa by choose, found desk to planner", id="elsewhere"),
        pytest.param(
            {"items": (("outcomes", "desk.choose error"),)},
            "expected the outcome desk.choose error, found desk.choose ok",
            id="outcome",
        ),
    ],
)
def test_each_step_is_compared(changes: dict[str, Any], problem: str) -> None:
    """A thread that stands elsewhere than it should fails the path, whichever part of it differs."""
    path = path_of(FOUND["transitions"], "desk.choose->planner")
    action, moment = path.steps[-1]
    if "moves" in changes:
        moves = tuple(replace(move, dest="visa") for move in moment.moves) if changes["moves"] else ()
        moment = replace(moment, moves=moves)
    elif "items" in changes:
        moment = replace(moment, **changes)
    else:
        moment = replace(moment, state=replace(moment.state, **changes))
    changed = replace(path, steps=(*path.steps[:-1], (action, moment)))

    with pytest.raises(TalkMismatch, match=problem):
        changed.play()

    assert "planner" == path.play().assistant.name


def test_instructions_that_cannot_be_rendered_fail_the_path() -> None:
    """A path that leads an assistant to a placeholder on an unset field is found, and fails there."""

    class Letter(Metadata):
        text: str | None = None

    office = Flow("letters", metadata=Letter)
    clerk = office.assistant("clerk", instructions="Take the letter.")
    printer = office.assistant("printer", instructions="Print {{ text }}.")

    @clerk.tool(to=printer)
    def hand_over() -> str:
        """Hand it over."""
        return "done"

    (path,) = paths(office)

    with pytest.raises(TalkMismatch, match="a placeholder stands on an unset field"):
        path.play()

    assert "clerk.hand_over->printer" == str(path)


def test_a_tool_of_any_parameters_can_be_called() -> None:
    """Names that a talk uses itself are names of parameters like any other."""
    letters = Flow("letters")
    clerk = letters.assistant("clerk", instructions="Write.")
    printer = letters.assistant("printer", instructions="Print.")

    @clerk.tool(to=printer)
    def send(raw: str, what: int, tool: bool = False) -> str:
        """Send it."""
        return f"{raw}{what}{tool}"

    (path,) = paths(letters, arguments={send: {"raw": "r", "what": 3, "tool": True}})

    assert ("r3True",) == path.play().outputs


# -- what it is given, and how it is marked ----------------------------------------------------------------------------


def test_a_talk_with_tighter_bounds() -> None:
    """A talk takes bounds of its own, so that a test comes to them sooner."""
    talk = Talk(flow, deps=Office(), limits=Limits(runs=1, factor=1))
    talk.user("Peru")

    talk.calls(choose, country="Peru")

    assert flow.assistants["human"] is talk.assistant


GENERATED = """
import pytest
from handoff.testing import Unreached, paths
from tests.testing.paths_flow import flow

@pytest.mark.parametrize("path", paths(flow), ids=str)
def test_path(path):
    path.play()

@pytest.mark.parametrize("path", [Unreached("a->b", "there is no way")], ids=str)
def test_unreached(path):
    path.play()

def test_by_hand():
    assert flow
"""


@pytest.mark.parametrize(
    ("marked", "outcome"),
    [
        pytest.param("not generated", "1 passed, 27 deselected", id="by hand"),
        pytest.param("generated", "1 failed, 26 passed, 1 deselected", id="generated"),
    ],
)
def test_generated_tests_are_marked(tmp_path: File, marked: str, outcome: str) -> None:
    """They carry the marker `generated`, which strict markers know, and what was not reached fails as one of them."""
    (tmp_path / "test_it.py").write_text(GENERATED)

    done = run_pytest(ROOT, None, "--strict-markers", f"--rootdir={tmp_path}", "-m", marked, tmp_path / "test_it.py")

    assert outcome in done.out
    assert ("PathUnreached: a->b is not reached: there is no way" in done.out) is (marked == "generated")


def test_deps_are_asked_for_where_a_body_runs() -> None:
    """A body that is to run needs what the flow declares."""
    path = path_of(paths(flow, arguments={plan: {"nights": 30}}), "planner.plan->cashier")

    with pytest.raises(DefinitionError, match="needs deps=Office"):
        path.play()
