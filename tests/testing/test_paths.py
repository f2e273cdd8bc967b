"""Paths: the conversations a flow can be taken through, found by themselves, which play themselves as tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path as File
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator

from handoff import ConfigurationError, DefinitionError, Flow, FromMetadata, Limits, Metadata
from handoff.core.state import Phase
from handoff.observers import observing
from handoff.testing import Path, PathUnreached, Talk, TalkMismatch, Unreached, paths
from handoff.testing.coverage import Coverage, coverage_of
from handoff.testing.paths import Cover
from handoff.testing.recording import OUTCOMES, Recorder
from handoff.testing.rehearsal import ModelCalls
from tests.support.measured import run_pytest
from tests.testing.paths_flow import Office, book, choose, flow, plan
from tests.testing.rooms_flow import may_ship, shop

ROOT = File(__file__).parents[2]
COVERS: tuple[Cover, ...] = ("transitions", "pairs", "guards", "outcomes")
FOUND = {cover: paths(flow, cover) for cover in COVERS}


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


def covered(cover: Cover) -> Coverage:
    """What the paths of the office cover when they are played."""
    recorder = Recorder()
    with observing(recorder):
        for path in FOUND[cover]:
            path.play()
    return coverage_of(flow, recorder.record)


def reasons(found: list[Any]) -> dict[str, str]:
    """Why something was not reached."""
    return {one.goal: one.reason for one in found if isinstance(one, Unreached)}


def calls_of(path: Path[Any] | Unreached) -> list[dict[str, Any]]:
    """What the calls of a path are given and assign."""
    assert isinstance(path, Path)
    whats = [action.what for action, _ in path.steps if isinstance(action, ModelCalls)]
    return [{**what.arguments, **what.assigned} for what in whats]


def path_of(found: list[Any], name: str) -> Path[Any]:
    """The path that covers something."""
    return next(one for one in found if isinstance(one, Path) and name in one.covers)


# -- what is found -----------------------------------------------------------------------------------------------------


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


# -- what is not found -------------------------------------------------------------------------------------------------


class Case(Metadata):
    level: Literal["low", "high"] | None = None
    note: str | None = None


def never(case: Case) -> bool:
    """There is no such level."""
    return case.level == "none"


def whispered(case: Case) -> bool:
    """It is loud."""
    return case.note is not None and case.note.startswith("ps") and case.note.endswith("st") and len(case.note) == 4


def raised(case: Case) -> bool:
    """It is low."""
    return case.level == "high"


def cases() -> tuple[Flow[Case, Any], Callable[..., str]]:
    """A flow of which some transitions cannot be taken."""
    flow = Flow("cases", metadata=Case)
    start = flow.assistant("start", instructions="Start.")
    quiet = flow.assistant("quiet", instructions="Be quiet.")
    lost = flow.assistant("lost", instructions="Nobody comes here.")

    @start.tool(to=quiet.when(whispered), sets="note")
    def say(note: str) -> str:
        """Say something."""
        return note

    @start.tool(to=quiet.when(never))
    def wish() -> str:
        """Wish for it."""
        return "wished"

    @start.tool(to=quiet)
    def lift(level: FromMetadata[str]) -> str:
        """Lift it."""
        return level

    @lost.tool(to=start)
    def come_back() -> str:
        """Come back."""
        return "back"

    return flow, say


def test_what_is_not_reached_says_why() -> None:
    """Each transition that no conversation takes is in the list, with the reason."""
    flow, _ = cases()

    assert {
        "start.say->quiet": "none of the values that were tried leads there (note: 'a'): give others, as in "
        "paths(…, values={'note': …})",
        "start.wish->quiet": "never never holds where it is asked, or a destination before it is always taken",
        "start.lift->quiet": "lift can never be called at start: it needs level",
        "lost.come_back->start": "no way leads to lost",
    } == reasons(paths(flow))


class Bill(Metadata):
    paid: bool | None = None


def settled(bill: Bill) -> bool:
    """The bill is not paid."""
    return bill.paid is True


def pay(bill: Bill) -> str:
    """Pay."""
    bill.paid = True
    return "Paid."


def test_a_guard_that_cannot_say_no_is_told_by_what_is_known() -> None:
    """What a body assigns is read: no other value would lead there, so none is asked for."""
    flow = Flow("till", metadata=Bill)
    cashier = flow.assistant("cashier", instructions="Take the money.")
    cashier.tool(to=flow.assistant("porter", instructions="Say goodbye.").when(settled), sets="paid")(pay)

    found = reasons(paths(flow, "guards"))

    assert {
        "cashier.pay->porter settled=false": "settled always holds where it is asked, at cashier: paid is True by then"
    } == found


def test_a_tool_that_cannot_be_called_has_no_outcome() -> None:
    """Each outcome of it is in the list, with the reason; those of the other tools are found."""
    flow, _ = cases()

    found = {goal: why for goal, why in reasons(paths(flow, "outcomes")).items() if "->" not in goal}

    assert {
        **{f"start.lift {one}": "lift can never be called at start: it needs level" for one in OUTCOMES},
        **{f"lost.come_back {one}": "no way leads to lost" for one in OUTCOMES},
    } == found


def test_what_is_not_reached_fails_its_test() -> None:
    """Played, it fails with the reason."""
    flow, _ = cases()
    unreached = next(one for one in paths(flow) if isinstance(one, Unreached))

    with pytest.raises(PathUnreached, match=r"start\.say->quiet is not reached: none of the values") as caught:
        unreached.play()

    assert ("start.say->quiet", unreached.reason) == (caught.value.goal, caught.value.reason)


def test_a_given_value_leads_on() -> None:
    """Where no value was found that a guard lets pass, the author gives one."""
    flow, _ = cases()

    found = paths(flow, values={"note": ["loud", "psst"]})

    assert "start.say->quiet" not in reasons(found)
    path_of(found, "start.say->quiet").play()


def test_a_given_start_leads_on() -> None:
    """A thread may be opened with metadata that no tool sets."""
    flow, _ = cases()

    found = paths(flow, metadata=Case(level="low"))

    assert "start.lift->quiet" not in reasons(found)
    path_of(found, "start.lift->quiet").play()


def test_a_guard_that_always_holds_has_no_other_answer() -> None:
    """With `cover="guards"` an answer that a guard never gives is told of."""
    flow = Flow("doors")
    outside = flow.assistant("outside", instructions="Ring.")
    inside = flow.assistant("inside", instructions="Welcome.")

    def open_door(_metadata: Metadata) -> bool:
        return True

    @outside.tool(to=inside.when(open_door))
    def ring() -> str:
        """Ring."""
        return "dong"

    assert {"outside.ring->inside open_door=false": "open_door always holds"} == reasons(paths(flow, "guards"))


def refused(value: str) -> str:
    """Take no value at all."""
    raise ValueError("no")


Secret = Annotated[str, AfterValidator(refused)]


class Locked(Metadata):
    secret: Secret | None = None


def locked() -> Flow[Locked, Any]:
    """A flow whose field takes no value that anybody could guess."""
    flow = Flow("locked", metadata=Locked)
    outside = flow.assistant("outside", instructions="Ask.")
    inside = flow.assistant("inside", instructions="Welcome.")

    @outside.tool(to=inside, sets="secret")
    def enter(locked: Locked) -> str:
        """Enter."""
        return str(locked)

    return flow


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param({"cover": "all"}, "cover='all'.*give one of transitions, pairs, guards", id="cover"),
        pytest.param({"arguments": {"fly": {}}}, "fly: .*office has no such tool", id="no tool"),
        pytest.param({"arguments": {plan: {"nights": "x"}}}, "plan: .*nights: Input should be", id="no argument"),
        pytest.param({"values": {"seat": 1}}, "'seat'.*no such metadata field and no such parameter", id="no field"),
        pytest.param({"values": {"code": "x"}}, "'code': 'x'.*String should match pattern", id="no value"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], problem: str) -> None:
    """A mistake in what is given is refused, and says what it is."""
    with pytest.raises(ConfigurationError, match=problem):
        paths(flow, **options)


def test_a_body_that_consults_is_not_run() -> None:
    """Nobody plays its rooms on a path; simulated, it is on one."""
    with pytest.raises(ConfigurationError, match=r"may_ship: .*consults legal, and nobody plays its rooms"):
        paths(shop, arguments={may_ship: {"country": "Chile"}})

    ways = [str(path) for path in paths(shop, "outcomes") if "may_ship" in str(path)]
    assert [f"seller.may_ship {outcome}" for outcome in OUTCOMES] == ways


def test_a_value_that_cannot_be_made_up_is_asked_for() -> None:
    """A field for which no valid value was found is an error that says which value to give."""
    with pytest.raises(ConfigurationError) as caught:
        paths(locked())

    assert (
        "paths: no value could be made up for the field Locked.secret: give one, as in paths(…, values={'secret': …})"
        == str(caught.value)
    )


# -- around ------------------------------------------------------------------------------------------------------------


def test_a_talk_with_tighter_bounds() -> None:
    """A talk takes bounds of its own, so that a test comes to them sooner."""
    talk = Talk(flow, deps=Office(), limits=Limits(runs=1, factor=1))
    talk.user("Peru")

    talk.calls(choose, country="Peru")

    assert flow.assistants["human"] is talk.assistant


GENERATED = """
import pytest
from handoff.testing import Unreached, paths
from tests.testing.rooms_flow import may_ship, shop
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


def test_deps_are_asked_for_where_a_body_runs() -> None:
    """A body that is to run needs what the flow declares."""
    path = path_of(paths(flow, arguments={plan: {"nights": 30}}), "planner.plan->cashier")

    with pytest.raises(DefinitionError, match="needs deps=Office"):
        path.play()
