"""Where a flow goes: triggers, guards, ways back, limits, and the freeze."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import pytest
from pydantic import StringConstraints

from handoff.declaration.flow import Assistant, Denied, Flow, Transition
from handoff.declaration.metadata import Deps, FromMetadata, Go, Metadata
from handoff.errors import DefinitionError, InstructionsError, MetadataRefused, NotTaken
from handoff.limits import Limits

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9/-]+$")]


class Site(Metadata):
    page_id: PageId | None = None
    change: str | None = None


class Pages(Deps):
    pass


site_flow = Flow("site", metadata=Site, deps=Pages)
welcome = site_flow.assistant("welcome", instructions="Find out which page.", description="finds the page")
editor = site_flow.assistant("editor", instructions="You edit {{ page_id }}.", model="big", temperature=0.5)
reviewer = site_flow.assistant("reviewer", instructions="Show {{ change }}.")


@welcome.tool(to=editor, sets="page_id")
def open_page(pages: Pages, page_id: PageId) -> str:
    """Open a page."""
    return f"{page_id} is open {pages}"


@editor.tool(to=reviewer, sets="change")
def replace_text(page_id: FromMetadata[PageId], change: str) -> str:
    """Replace text."""
    return f"{page_id}: {change}"


@reviewer.tool(to=site_flow.end)
def publish() -> str:
    """Publish."""
    return "published"


@site_flow.tool(welcome, reviewer)
def count_words() -> int:
    """Count the words."""
    return 1


@site_flow.tool(to=site_flow.back)
def go_back() -> None:
    """Go back."""


class Desk(Metadata):
    age: int | None = None
    angry: bool = False


desk_flow = Flow("desk", metadata=Desk, limits=Limits(handoffs=3))
triage = desk_flow.assistant("triage", instructions="Ask.")
plan = desk_flow.assistant("plan", instructions="Plan.")
parent = desk_flow.assistant("parent", instructions="Ask a parent.")
human = desk_flow.assistant("human", instructions="You are a person.")


def adult(desk: Desk) -> bool:
    """The customer is not of age.

    This line is for people only.
    """
    return (desk.age or 0) >= 18


def calm(desk: Desk) -> bool:
    return not desk.angry


def broken(desk: Desk) -> bool:
    """The age is not known."""
    assert desk.age is not None
    return desk.age > 1


@triage.tool(to=(plan.when(adult), parent.when(calm)))
def decide() -> str:
    """Decide."""
    return ""


@triage.tool(to=(plan, parent.when(calm)))
def choose(who: Assistant[Desk]) -> Go:
    """Choose."""
    return Go(who, "chosen")


@triage.tool(to=plan.when(broken))
def check() -> str:
    """Check."""
    return ""


@desk_flow.tool(to=human)
def call_human() -> str:
    """Call a human."""
    return ""


after_reply = plan.then(parent.when(calm, times=3), speak=False)
after_silence = parent.after(timedelta(minutes=10), to=human)
at_limit = desk_flow.on_limit(human)


def test_a_tool_leads_to_its_destination() -> None:
    """One transition is tested without a thread, a model or a loop."""
    assert editor is site_flow.step(welcome, open_page, Site(page_id="home"))


def test_a_tool_itself_is_a_trigger() -> None:
    """The Tool does as well as its function."""
    tool = site_flow.tools_of("welcome")["open_page"]

    assert editor is site_flow.step(welcome, tool, Site(page_id="home"))


def test_the_end_is_a_destination() -> None:
    """A transition to the end gives the flow's own end."""
    assert site_flow.end is site_flow.step(reviewer, publish, Site())


def test_a_decorated_function_stays_what_it_is() -> None:
    """The decorator returns the function, to be called in a test."""
    assert "home: x" == replace_text("home", "x")


@pytest.mark.parametrize(
    ("desk", "expected"),
    [
        pytest.param(Desk(age=18), plan, id="first"),
        pytest.param(Desk(age=17), parent, id="second"),
    ],
)
def test_the_first_destination_that_may_is_taken(desk: Desk, expected: Assistant[Desk]) -> None:
    """Destinations are tried in the order they are declared."""
    assert expected is desk_flow.step(triage, decide, desk)


def test_no_destination_that_may_leaves_the_thread_where_it_is() -> None:
    """The error carries each guard's reason: the docstring's first line, else the name."""
    with pytest.raises(NotTaken) as caught:
        desk_flow.step(triage, decide, Desk(age=3, angry=True))

    assert "The customer is not of age; calm" == caught.value.reason
    assert ("triage", "decide") == (caught.value.assistant, caught.value.trigger)


@pytest.mark.parametrize(
    ("assistant", "trigger"),
    [pytest.param("welcome", open_page, id="assistant"), pytest.param(welcome, "open_page", id="tool")],
)
def test_a_step_by_name_is_refused(assistant: Any, trigger: Any) -> None:
    """Assistants and tools are objects, and whoever gives a name is told so at the line."""
    with pytest.raises(DefinitionError) as refused:
        site_flow.step(assistant, trigger, Site())

    assert refused.value.problem.endswith("give the assistant and the tool's function, not their names")
    assert __file__ == refused.value.file


def test_a_failing_guard_counts_as_no(caplog: pytest.LogCaptureFixture) -> None:
    """The model reads that it could not be checked; the traceback goes to the log."""
    with pytest.raises(NotTaken) as caught:
        desk_flow.step(triage, check, Desk())

    assert "The age is not known (this could not be checked)" == caught.value.reason
    assert "AssertionError" in caplog.text


def test_a_guard_cannot_change_the_metadata() -> None:
    """A guard is asked on a copy."""

    def greedy(desk: Desk) -> bool:
        desk.age = 99
        return True

    flow = Flow("greedy", metadata=Desk)
    one, two = flow.assistant("one", instructions=""), flow.assistant("two", instructions="")
    leads = one.then(two.when(greedy))
    desk = Desk(age=1)
    flow.step(one, leads, desk)

    assert 1 == desk.age


def test_the_body_chooses_among_the_destinations() -> None:
    """What the body returned as Go is taken though another stands before it."""
    assert parent is desk_flow.step(triage, choose, Desk(), go=parent)


def test_the_guard_of_the_chosen_destination_still_applies() -> None:
    """No other destination is tried instead of the chosen one."""
    with pytest.raises(NotTaken, match="calm"):
        desk_flow.step(triage, choose, Desk(angry=True), go=parent)


def test_what_is_no_destination_cannot_be_chosen() -> None:
    """Go to an assistant the tool does not lead to is refused."""
    with pytest.raises(NotTaken, match="human is no destination of choose"):
        desk_flow.step(triage, choose, Desk(), go=human)


def test_a_tool_of_another_assistant_is_no_trigger() -> None:
    """A trigger belongs to its assistant."""
    with pytest.raises(NotTaken, match="it is no tool of editor"):
        site_flow.step(editor, open_page, Site())


def test_a_transition_of_another_assistant_is_no_trigger() -> None:
    """Both may have a `then`; each leads only from its own assistant."""
    with pytest.raises(NotTaken, match="it leads from plan"):
        desk_flow.step(parent, after_reply, Desk())


def test_an_assistant_of_a_twin_takes_no_transition() -> None:
    """A twin has the same names, and is another flow all the same."""
    twin = Flow("desk", metadata=Desk).assistant("triage", instructions="")
    with pytest.raises(NotTaken, match="triage belongs to another flow"):
        desk_flow.step(twin, decide, Desk(age=20))


def test_a_tool_without_destination_takes_no_transition() -> None:
    """The error says that there is no transition."""
    with pytest.raises(NotTaken, match="welcome has no transition on count_words"):
        site_flow.step(welcome, count_words, Site())


def test_back_leads_to_whoever_was_active_before() -> None:
    """The assistant before is given as `previous`."""
    assert reviewer is site_flow.step(editor, go_back, Site(), previous=reviewer)


def test_back_leads_nowhere_at_the_beginning() -> None:
    """Without an assistant before there is no way back."""
    with pytest.raises(NotTaken, match="no assistant was active before"):
        site_flow.step(welcome, go_back, Site())


def test_back_means_every_assistant_that_can_have_been_before() -> None:
    """The way back is expanded: also to those who came here by a way back themselves."""
    assert ("editor",) == site_flow.destinations("welcome", "go_back")
    assert ("welcome", "reviewer") == site_flow.destinations("editor", "go_back")


def test_back_reaches_only_those_who_lead_here() -> None:
    """An assistant that never leads here is not among the destinations of a way back."""
    flow = Flow("line")
    one, two, three = (flow.assistant(name, instructions="") for name in ("one", "two", "three"))
    one.then(two)
    two.then(three)
    three.then(flow.back)

    assert [("three", "two")] == [(row.source, row.dest) for row in flow.transitions if row.back]


def test_back_with_a_destination_for_otherwise() -> None:
    """What stands behind a way back is taken where there is none."""
    flow = Flow("fallback")
    one, two = flow.assistant("one", instructions=""), flow.assistant("two", instructions="")
    one.then(two)
    leads = two.after(timedelta(1), to=(flow.back, flow.end))

    assert one is flow.step(two, leads, Metadata(), previous=one)
    assert flow.end is flow.step(two, leads, Metadata())


def test_a_transition_returned_by_then_is_a_trigger() -> None:
    """`then`, `after` and `on_limit` return what `step` accepts."""
    assert parent is desk_flow.step(plan, after_reply, Desk())
    assert human is desk_flow.step(parent, after_silence, Desk())
    assert human is desk_flow.step(triage, at_limit, Desk())


def test_a_tool_of_everybody_is_not_its_destinations() -> None:
    """`flow.tool` without owners spares the assistant it leads to."""
    owners = [name for name in desk_flow.assistants if desk_flow.tool_named(name, "call_human")]

    assert ["triage", "plan", "parent"] == owners


def test_a_tool_of_several_is_of_those_only() -> None:
    """`flow.tool` with owners gives it to them."""
    assert ["welcome", "reviewer"] == [
        name for name in site_flow.assistants if "count_words" in site_flow.tools_of(name)
    ]


def test_a_tool_of_everybody_is_also_of_those_declared_later() -> None:
    """Owners are settled at the freeze."""
    flow = Flow("late")
    flow.assistant("one", instructions="")

    @flow.tool()
    def tell_time() -> str:
        """Tell the time."""
        return ""

    flow.assistant("two", instructions="")

    assert ("one", "two") == flow.tools_of("two")["tell_time"].owners


def test_the_end_has_no_tools() -> None:
    """A thread that ended offers nothing."""
    assert {} == dict(site_flow.tools_of("end"))


def test_transitions_say_what_they_are() -> None:
    """Each carries its key, how it is triggered, and its conditions."""
    found = {row.key: row for row in desk_flow.transitions}

    assert (
        Transition(
            key="plan.then->parent",
            trigger="then",
            source="plan",
            dest="parent",
            kind="then",
            guard=calm,
            times=3,
            speak=False,
        )
        == found["plan.then->parent"]
    )
    assert timedelta(minutes=10) == found["parent.after:600->human"].delay
    assert {"triage.on_limit->human", "plan.on_limit->human", "parent.on_limit->human"} == {
        key for key, row in found.items() if row.kind == "limit"
    }


def test_keys_are_unique() -> None:
    """The core counts by them."""
    keys = [row.key for row in (*site_flow.transitions, *desk_flow.transitions)]

    assert len(set(keys)) == len(keys)


def test_what_the_core_blocks_is_passed_over() -> None:
    """The next destination of a tuple is tried, and only the blocked one is left out."""
    verdict = desk_flow.judge(
        "triage", "decide", Desk(age=20), blocked=lambda row: "spent" if row.dest == "plan" else None
    )

    assert isinstance(verdict, Transition)
    assert "triage.decide->parent" == verdict.key


def test_what_the_core_blocks_is_told() -> None:
    """When all are blocked, the reason is the core's; those whose guard said no are not asked about."""
    asked: list[str] = []

    def blocked(row: Transition) -> str:
        asked.append(row.dest)
        return "limit of 3 handoffs reached"

    verdict = desk_flow.judge("triage", "decide", Desk(age=3), blocked=blocked)

    assert Denied("The customer is not of age; limit of 3 handoffs reached") == verdict
    assert ["parent"] == asked


@pytest.mark.parametrize(
    ("assistant", "trigger"),
    [
        pytest.param("nobody", "decide", id="unknown-assistant"),
        pytest.param("triage", "nothing", id="unknown-trigger"),
        pytest.param("plan", "decide", id="trigger-of-another"),
        pytest.param("end", "then", id="after-the-end"),
    ],
)
def test_what_cannot_be_fired_is_denied(assistant: str, trigger: str) -> None:
    """The Machine's ways of saying no are one typed answer."""
    assert Denied(f"{assistant} has no transition on {trigger}") == desk_flow.judge(assistant, trigger, Desk())


def test_the_first_declared_assistant_is_where_threads_start() -> None:
    """Order of declaration decides."""
    assert welcome is site_flow.initial


def test_options_of_an_assistant_are_kept() -> None:
    """What the backend needs stands on the assistant."""
    assert ("big", 0.5, None) == (editor.model, editor.options.temperature, editor.options.tool_choice)


def test_freezing_twice_does_nothing() -> None:
    """The freeze is idempotent: the same Machine stays."""
    table = site_flow.table
    site_flow.freeze()

    assert table is site_flow.table


def small_flow(
    *, text: str = "Ask.", times: int = 3, doc: str = "Say.", name: str = "say", fields: str = "a"
) -> Flow[Metadata]:
    kind: type[Metadata] = type("Kept", (Metadata,), {"__annotations__": {fields: str | None}, fields: None})
    flow = Flow("small", metadata=kind)
    one, two = flow.assistant("one", instructions=text, description=text), flow.assistant("two", instructions=text)

    def say(text: str) -> str:
        return text

    say.__name__ = name
    say.__doc__ = doc
    one.tool(to=two.when(times=times))(say)
    return flow


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(small_flow(times=4), id="times"),
        pytest.param(small_flow(name="tell"), id="tool"),
        pytest.param(small_flow(fields="b"), id="metadata"),
    ],
)
def test_a_changed_structure_has_another_version(other: Flow[Metadata]) -> None:
    """Tools, transitions and metadata are hashed."""
    assert small_flow().version != other.version


def test_texts_do_not_change_the_version() -> None:
    """Instructions, descriptions and docstrings may be reworded under live threads."""
    assert small_flow().version == small_flow(text="Ask again.", doc="Say it.\n\nArgs:\n    text: what.").version
    assert 16 == len(small_flow().version)


def test_migrations_are_found_by_the_version_they_start_from() -> None:
    """A migration makes a stored thread fit."""
    flow = small_flow()

    @flow.migration("0123456789abcdef")
    def rename(thread: dict[str, object]) -> dict[str, object]:
        return {**thread, "assistant": "one"}

    assert {"0123456789abcdef": rename} == dict(flow.migrations)


def test_metadata_goes_to_json_and_back() -> None:
    """An unset field is None in JSON."""
    values = site_flow.dump(Site(page_id="home"))

    assert {"page_id": "home", "change": None} == values
    assert Site(page_id="home") == site_flow.metadata_from(values)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        pytest.param({"page_id": "NO"}, "page_id", id="pattern"),
        pytest.param({"page": "home"}, "page", id="unknown-field"),
        pytest.param({"change": 3}, "change", id="type"),
        pytest.param({"change": "\ud800"}, "metadata", id="half-a-character"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(values: dict[str, object], field: str) -> None:
    """The error names the field."""
    with pytest.raises(MetadataRefused) as caught:
        site_flow.metadata_from(values)

    assert [field] == [name for name, _ in caught.value.problems]


def test_an_assistant_is_told_who_it_is_and_who_else_speaks() -> None:
    """Instructions first, then its name, the others with what they do, and the last handoff."""
    rendered = site_flow.render("editor", Site(page_id="home"), previous="welcome", trigger="open_page")

    assert rendered == (
        "You edit home.\n\n"
        "You are editor.\n"
        "Others who speak in this thread: welcome (finds the page); reviewer. What they said is not yours.\n"
        "welcome handed over to you by open_page."
    )


@pytest.mark.parametrize(
    ("trigger", "words"),
    [
        pytest.param("then", "plan handed over to you after its reply.", id="then"),
        pytest.param("after:600", "plan handed over to you after silence.", id="after"),
        pytest.param("on_limit", "plan handed over to you because a limit was reached.", id="limit"),
    ],
)
def test_the_last_handoff_is_told_in_words(trigger: str, words: str) -> None:
    """Triggers that are no tools are named by what happened."""
    assert words == desk_flow.render("human", Desk(), previous="plan", trigger=trigger).splitlines()[-1]


def test_a_single_assistant_is_told_of_nobody_else() -> None:
    """Without others there is no line about them."""
    flow = Flow("alone", instructions="Be brief.")
    flow.assistant("only", instructions="Help.")

    assert "Be brief.\n\nHelp.\n\nYou are only." == flow.render("only", Metadata(), previous=None, trigger=None)


def test_rendering_for_nobody_is_refused() -> None:
    """An unknown assistant is an error of the instructions, not a KeyError."""
    with pytest.raises(InstructionsError, match="no such assistant"):
        site_flow.render("nobody", Site(), previous=None, trigger=None)
