"""What is covered and what is missed: by steps, talks and threads, live and read back from their journals."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from handoff import (
    ConfigurationError,
    Flow,
    FromMetadata,
    Go,
    Metadata,
    NotTaken,
    ScriptedModel,
    SqlStore,
    ToolError,
    call,
)
from handoff.backends.embedded import Embedded
from handoff.diagram import Arrow
from handoff.observers import OBSERVERS, observing
from handoff.sandbox import Sandbox, serving
from handoff.sync import Threads
from handoff.testing import Talk
from handoff.testing.coverage import Coverage, Covered, Measure, coverage_of, required, table
from handoff.testing.recording import Kind, Record, Recorder, record_journal
from tests.support.cli import Commands, handoff

__all__ = ["handoff"]  # the fixture


class Parcel(Metadata):
    weight: int | None = None
    checked: bool = False


def light(parcel: Parcel) -> bool:
    """It is too heavy."""
    return parcel.weight is not None and parcel.weight < 10


def checked(parcel: Parcel) -> bool:
    """It has not been checked."""
    return parcel.checked


flow = Flow("parcels", metadata=Parcel)
desk = flow.assistant("desk", instructions="Take parcels.")
van = flow.assistant("van", instructions="Carry them.")
ship = flow.assistant("ship", instructions="Carry heavy ones.")


@desk.tool(to=(van.when(light), ship.when(checked)), sets="weight")
def weigh(weight: int) -> str:
    """Weigh it."""
    if weight < 0:
        raise ToolError("it cannot weigh less than nothing")
    return f"{weight} kg"


@desk.tool(sets="checked", idempotent=True)
def check(checked: bool) -> str:
    """Check it."""
    if not checked:
        raise RuntimeError("the scanner is broken")
    return "checked"


@desk.tool(approval=True)
def open_it(careful: bool) -> str:
    """Open it."""
    if not careful:
        raise ToolError("it broke")
    return "open"


@desk.tool(allow=checked)
def stamp(weight: FromMetadata[int]) -> str:
    """Stamp it."""
    return f"stamped {weight} kg"


@desk.tool(to=van.when(light), sets="weight")
def hand_over(weight: int) -> str:
    """Hand over what is known to be light."""
    return f"{weight} kg"


@desk.tool(to=(desk.when(times=1), ship.when(checked)), sets="weight")
def weigh_again(weight: int) -> str:
    """Weigh it again, once; then it goes by ship."""
    return f"{weight} kg"


@desk.tool(to=(van.when(light), ship))
def choose(heavy: bool) -> Go:
    """Choose who carries it."""
    return Go(ship if heavy else van)


@van.tool(to=flow.end)
def deliver() -> str:
    """Deliver it."""
    return "delivered"


back = van.after(timedelta(hours=1), to=desk.when(checked))
ship.then(van.when(light, times=1))

#: A conversation.
Story = Callable[[Talk[Parcel]], None]


def weighed(talk: Talk[Parcel]) -> None:
    """A light parcel goes to the van."""
    talk.user("here")
    talk.calls(weigh, weight=2)
    talk.says("on its way", by=van)


def too_heavy(talk: Talk[Parcel]) -> None:
    """A heavy parcel that was not checked stays."""
    talk.user("here")
    talk.calls(weigh, weight=20)
    talk.says("no", by=desk)


def checked_first(talk: Talk[Parcel]) -> None:
    """A heavy parcel that was checked goes to the ship, whose reply leaves it there."""
    talk.user("here")
    talk.calls(check, checked=True)
    talk.calls(weigh, weight=20)
    talk.says("hoisted", by=ship)


def chosen(talk: Talk[Parcel]) -> None:
    """The body chooses the second destination."""
    talk.user("here")
    talk.calls(choose, heavy=True)
    talk.says("hoisted", by=ship)


def negative(talk: Talk[Parcel]) -> None:
    """The body refuses with words for the model."""
    talk.user("here")
    talk.calls(weigh, weight=-1)
    talk.says("sorry", by=desk)


def broken(talk: Talk[Parcel]) -> None:
    """The body of an idempotent tool fails."""
    talk.user("here")
    talk.calls(check, checked=False)
    talk.says("sorry", by=desk)


def misread(talk: Talk[Parcel]) -> None:
    """The arguments do not fit."""
    talk.user("here")
    talk.miscalls(weigh, raw="{")
    talk.says("sorry", by=desk)


def not_now(talk: Talk[Parcel]) -> None:
    """The tool is not offered, and called all the same."""
    talk.user("here")
    talk.miscalls(stamp)
    talk.says("sorry", by=desk)


def stamped(talk: Talk[Parcel]) -> None:
    """The tool is offered in the next run, once the parcel was weighed and checked."""
    too_heavy(talk)
    talk.user("check it")
    talk.calls(check, checked=True)
    talk.says("checked", by=desk)
    talk.user("stamp it")
    talk.calls(stamp)
    talk.says("stamped", by=desk)


def two_ways(talk: Talk[Parcel]) -> None:
    """The first transition of the batch wins, the other call is not run."""
    talk.user("here")
    talk.calls(call(choose, heavy=True), call(weigh, weight=20))
    talk.says("hoisted", by=ship)


def together(talk: Talk[Parcel]) -> None:
    """The second call leads to the same assistant only: its body runs, and its guard is not asked."""
    talk.user("here")
    talk.calls(call(weigh, weight=2), call(hand_over, weight=30))
    talk.says("on its way", by=van)


def spent(talk: Talk[Parcel]) -> None:
    """The first destination was taken as often as it may be, so the second one is asked about."""
    talk.user("here")
    talk.calls(check, checked=True)
    talk.calls(weigh_again, weight=30)
    talk.calls(weigh_again, weight=40)
    talk.says("hoisted", by=ship)


def slow(talk: Talk[Parcel]) -> None:
    """A body that does not end in time becomes a ticket, and its late result is kept."""
    talk.user("here")
    with talk.slow(weigh):
        talk.calls(weigh, weight=2)
    talk.grace()
    talk.says("it takes time", by=desk)
    talk.finish(weigh)
    talk.says("on its way", by=van)


def slow_failure(talk: Talk[Parcel]) -> None:
    """A body that fails late."""
    talk.user("here")
    with talk.slow(weigh):
        talk.calls(weigh, weight=-1)
    talk.grace()
    talk.says("it takes time", by=desk)
    talk.finish(weigh)
    talk.says("sorry", by=desk)


def approved(talk: Talk[Parcel]) -> None:
    """A person lets it happen."""
    talk.user("here")
    talk.calls(open_it, careful=True)
    talk.says("wait", by=desk)
    talk.approve()
    talk.says("open", by=desk)


def broken_when_approved(talk: Talk[Parcel]) -> None:
    """A person lets it happen, and it fails."""
    talk.user("here")
    talk.calls(open_it, careful=False)
    talk.says("wait", by=desk)
    talk.approve()
    talk.says("sorry", by=desk)


def refused(talk: Talk[Parcel]) -> None:
    """A person does not let it happen."""
    talk.user("here")
    talk.calls(open_it, careful=True)
    talk.says("wait", by=desk)
    talk.refuse("no")
    talk.says("sorry", by=desk)


def cancelled(talk: Talk[Parcel]) -> None:
    """The user cancels while one body runs and another has not begun."""
    talk.user("here")
    with talk.slow(weigh, check):
        talk.calls(call(weigh, weight=2), call(check, checked=True))
    talk.cancel()


def crashed(talk: Talk[Parcel]) -> None:
    """The process dies in a body, and a person says that it did not happen."""
    talk.user("here")
    with talk.slow(weigh):
        talk.calls(weigh, weight=2)
    talk.crash()
    talk.says("who knows", by=desk)
    talk.settle("it did not", happened=False)
    talk.says("sorry", by=desk)


def silent(talk: Talk[Parcel]) -> None:
    """A silence at the van, which hands nothing back."""
    weighed(talk)
    talk.silence(timedelta(hours=2))


def silent_and_checked(talk: Talk[Parcel]) -> None:
    """A silence at the van, which hands a checked parcel back."""
    talk.user("here")
    talk.calls(check, checked=True)
    talk.calls(weigh, weight=2)
    talk.says("on its way", by=van)
    talk.silence(timedelta(hours=2))
    talk.says("again", by=desk)


def delivered(talk: Talk[Parcel]) -> None:
    """The thread is closed."""
    weighed(talk)
    talk.user("now")
    talk.calls(deliver)


STORIES: list[tuple[Story, set[str]]] = [
    (weighed, {"desk.weigh ok"}),
    (too_heavy, {"desk.weigh ok"}),
    (checked_first, {"desk.check ok", "desk.weigh ok"}),
    (chosen, {"desk.choose ok"}),
    (negative, {"desk.weigh error"}),
    (broken, {"desk.check error"}),
    (misread, {"desk.weigh refused"}),
    (not_now, {"desk.stamp refused"}),
    (stamped, {"desk.weigh ok", "desk.check ok", "desk.stamp ok"}),
    (together, {"desk.weigh ok", "desk.hand_over ok"}),
    (spent, {"desk.check ok", "desk.weigh_again ok"}),
    (two_ways, {"desk.choose ok", "desk.weigh refused"}),
    (slow, {"desk.weigh pending", "desk.weigh ok"}),
    (slow_failure, {"desk.weigh pending", "desk.weigh error"}),
    (approved, {"desk.open_it pending", "desk.open_it ok"}),
    (broken_when_approved, {"desk.open_it pending", "desk.open_it error"}),
    (refused, {"desk.open_it pending", "desk.open_it refused"}),
    (cancelled, {"desk.weigh pending", "desk.check refused"}),
    (crashed, {"desk.weigh pending", "desk.weigh refused"}),
    (silent, {"desk.weigh ok"}),
    (silent_and_checked, {"desk.check ok", "desk.weigh ok"}),
    (delivered, {"desk.weigh ok", "van.deliver ok"}),
]


def record_of(*stories: Story) -> Record:
    """What a recorder notes of these talks as they happen."""
    recorder = Recorder()
    with observing(recorder):
        for story in stories:
            with Talk(flow) as talk:
                story(talk)
                talk.close(unfinished=True)
    return recorder.record


def journal_of(story: Story) -> Record:
    """What a recorder notes of the talk's journal, afterwards."""
    recorder = Recorder()
    with Talk(flow) as talk:
        story(talk)
        talk.close(unfinished=True)
        record_journal(recorder, flow, talk.store.journal("talk"))
    return recorder.record


def seen(record: Record, kind: Kind) -> set[str]:
    """The names of what happened."""
    return {item.name for item in coverage_of(flow, record)[kind].items if item.times}


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


# -- handoff cover -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(handoff: Commands) -> Path:
    """A store with a thread that has gone from front to store."""
    handoff("run", handoff.desk, "want tea", "--store", handoff.store, "--thread", "t1")
    return handoff.store


def test_the_command_measures_the_threads_of_a_store(handoff: Commands, stored: Path) -> None:
    """`handoff cover` reads journals, names what was missed, and ends with 0."""
    found = handoff("cover", handoff.desk, "--store", stored)

    assert (0, "desk: 1 thread of") == (found.code, found.out[:17])
    assert "transitions     1 of 3" in found.out
    assert "missed: store.close->end" in found.out


def test_the_command_fails_below_what_is_required(handoff: Commands, stored: Path) -> None:
    """Too little ends with 1, and says so."""
    found = handoff("cover", handoff.desk, "--store", stored, "--fail-under", "34")

    assert (1, "desk: 33.3 % of transitions covered, 34 % are required\n") == (found.code, found.err)


def test_the_command_writes_json_and_a_picture(handoff: Commands, stored: Path) -> None:
    """The JSON names the threads that covered an item; the picture has red arrows."""
    picture = handoff.directory / "desk.mmd"
    found = handoff("cover", handoff.desk, "--store", stored, "--json", "--diagram", picture)

    assert ["t1"] == found.events[0]["transitions"]["items"]["front.ask_for->store"]["tests"]
    assert 2 == picture.read_text().count("color:#c0392b")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--thread", "t9"], "t9", id="no-such-thread"),
        pytest.param(["--fail-under", "edges=3"], "KIND=PERCENT", id="no-such-kind"),
        pytest.param(["--diagram", "x.png"], ".mmd, .dot, .svg, .txt, .json", id="no-such-form"),
    ],
)
def test_the_command_refuses_what_it_cannot_measure(
    handoff: Commands, stored: Path, options: list[str], said: str
) -> None:
    """A usage error says what is wrong, and nothing is printed."""
    found = handoff("cover", handoff.desk, "--store", stored, *options)

    assert (2, "") == (found.code, found.out)
    assert said in found.err


def test_a_thread_of_another_flow_is_left_out(handoff: Commands, stored: Path) -> None:
    """Only threads of the flow that is measured count."""
    handoff.write("bare.py", "import handoff\nf = handoff.Flow('bare')\na = f.assistant('a', instructions='Hello.')\n")
    found = handoff("cover", handoff.directory / "bare.py", "--store", stored)

    assert (0, "bare: 0 threads of") == (found.code, found.out[:18])


def test_the_command_asks_guards_about_the_metadata_of_the_journal(tmp_path: Path) -> None:
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


# -- handoff cover --script --------------------------------------------------------------------------------------------


def test_a_script_is_played_and_measured(handoff: Commands) -> None:
    """Without a store the script's own thread is measured, and stands under the script's name."""
    script = handoff.write("tea.txt", "# one\nwant tea\nclose\n")
    shown = handoff("cover", handoff.desk, "--script", script)
    found = handoff("cover", handoff.desk, "--script", script, "--json")

    assert (0, 0) == (shown.code, found.code)
    assert "desk: 1 thread of scripts\n" in shown.out
    assert "transitions     2 of 3" in shown.out
    assert ["tea"] == found.events[0]["transitions"]["items"]["store.close->end"]["tests"]
    assert 1 == len(found.events)


def test_several_scripts_go_on_threads_of_their_own(handoff: Commands) -> None:
    """Each begins at the beginning; with a store the threads are kept in it."""
    scripts = [handoff.write(f"{item}.txt", f"want {item}\n") for item in ("tea", "cake")]
    found = handoff("cover", handoff.desk, "--script", scripts[0], "--script", scripts[1], "--store", handoff.store)
    later = handoff("cover", handoff.desk, "--store", handoff.store)

    assert (0, 0) == (found.code, later.code)
    assert f"desk: 2 threads of {handoff.store}" in found.out
    assert "desk: 2 threads of" in later.out


def test_a_script_that_fails_is_measured_up_to_there(handoff: Commands) -> None:
    """The command ends with 1 and says which script it was."""
    script = handoff.write("bad.txt", "want tea\nclose\nagain\n")
    found = handoff("cover", handoff.desk, "--script", script)

    assert 1 == found.code
    assert "transitions     2 of 3" in found.out
    assert f"{script} was not played to its end" in found.err


def test_a_script_is_played_on_a_server(handoff: Commands) -> None:
    """The backend of the options answers, and what it does is measured."""
    script = handoff.write("tea.txt", 'call ask_for {"item": "tea"}\n')
    with serving(Sandbox()) as url:
        server = ("--backend", "chat", "--base-url", url, "--model", "tiny")
        found = handoff("cover", handoff.desk, "--script", script, *server)

    assert (0, True) == (found.code, "transitions     1 of 3" in found.out)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param([], "give --store FILE, or --script FILE", id="nothing-to-measure"),
        pytest.param(["--store", "none.db"], "there is no such file", id="no-such-store"),
        pytest.param(["--script", "none.txt"], "cannot be read", id="no-such-script"),
    ],
)
def test_there_has_to_be_something_to_measure(handoff: Commands, options: list[str], said: str) -> None:
    """A usage error says what is missing."""
    found = handoff("cover", handoff.desk, *options)

    assert (2, "") == (found.code, found.out)
    assert said in found.err
