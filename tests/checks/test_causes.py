"""Where a fault comes from is told, what follows from it is not, and what is meant so is left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from handoff import Flow, FromMetadata, Metadata
from handoff.checks import Finding, check


class Work(Metadata):
    draft: str | None = None
    faults: str | None = None


def faulty(work: Work) -> bool:
    """Nothing is wrong."""
    return work.faults is not None


def named(name: str, doc: str = "Do it.") -> Any:
    """A function that takes nothing."""

    def tool() -> str:
        return "Done."

    tool.__name__, tool.__doc__ = name, doc
    return tool


def write(draft: str) -> str:
    """Put it down."""
    return draft


def reject(faults: str) -> str:
    """Say what is wrong."""
    return faults


def said(flow: Flow[Any, Any], code: str) -> list[Finding]:
    """The findings of that code."""
    return [one for one in check(flow).findings if one.code == code]


def peers(
    instructions: str = "{% if draft or faults %}Go on.{% endif %}",
) -> tuple[Flow[Work], Any, Any]:
    """A writer and a critic who hand over to each other without a word of the user."""
    flow = Flow("peers", metadata=Work, instructions=instructions)
    writer, critic = flow.assistant("writer", instructions="Write."), flow.assistant("critic", instructions="Judge.")
    critic.tool(sets="faults")(reject)
    return flow, writer, critic


# -- rounds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clears", "leaves", "times", "expected"),
    [
        pytest.param((), False, False, ["once faulty holds at critic it holds for good"], id="nothing takes it back"),
        pytest.param(("faults",), False, False, [], id="the writer takes it back"),
        pytest.param((), True, False, [], id="a call leads out of the round"),
        pytest.param((), False, True, [], id="the other way has a number without a guard"),
    ],
)
def test_a_guard_that_cannot_end_its_round_is_told_of(
    clears: tuple[str, ...], leaves: bool, times: bool, expected: list[str]
) -> None:
    """What the round sets holds on; a call that takes it back or leads out, or a bare number, makes the round end."""
    flow, writer, critic = peers()
    writer.tool(sets="draft", clears=clears)(write)
    if leaves:
        critic.tool(to=flow.assistant("editor", instructions="Print."))(named("accept"))
    writer.then(critic.when(times=2) if times else critic)
    critic.then(writer.when(faulty, times=3))

    assert expected == [one.problem.split(":")[0] for one in said(flow, "stays-true")]


def test_a_guard_on_what_is_set_before_the_round_may_stay_true() -> None:
    """It says whether there is a round at all."""
    flow = Flow("peers", metadata=Work, instructions="{% if draft or faults %}Go on.{% endif %}")
    first = flow.assistant("first", instructions="Ask.")
    writer, critic = flow.assistant("writer", instructions="Write."), flow.assistant("critic", instructions="Judge.")
    first.tool(to=writer, sets="faults")(reject)
    writer.then(critic)
    critic.then(writer.when(faulty, times=3))

    assert [] == said(flow, "stays-true")


# -- parts of instructions ---------------------------------------------------------------------------------------------


def test_a_part_that_waits_for_what_nothing_writes_is_told_of_once() -> None:
    """The field is what is wrong then, not the part."""
    flow = Flow("peers", metadata=Work)
    flow.assistant("writer", instructions="{% if draft %}Go on.{% endif %} {{ faults or 'No faults.' }}")

    assert ["never-written", "never-written"] == [one.code for one in check(flow).findings]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("Write.\n{% if faults %}Mend it.{% endif %}", 2, id="if"),
        pytest.param("{% if draft %}Go on.{% elif faults %}Mend it.{% endif %}", 1, id="elif"),
        pytest.param("{{ faults or 'Nothing is wrong.' }}", 1, id="or"),
        pytest.param("{% if draft and faults %}Mend it.{% endif %}", 1, id="and"),
        pytest.param("{% if faults is not none %}Mend it.{% endif %}", 1, id="is-not-none"),
        pytest.param("{% if draft or faults %}Go on.{% endif %}", None, id="either"),
        pytest.param("{% if not faults %}Nothing is wrong.{% endif %}", None, id="not"),
    ],
)
def test_a_part_that_is_never_shown_is_told_of(text: str, line: int | None) -> None:
    """What waits for the faults at the writer, who never has any, waits in vain."""
    flow = Flow("peers", metadata=Work)
    writer = flow.assistant("writer", instructions=text)
    critic = flow.assistant("critic", instructions="Judge.{% if faults %} Known: {{ faults }}{% endif %}")
    writer.tool(sets="draft")(write)
    writer.tool(to=critic)(named("finish"))
    critic.tool(sets="faults")(reject)
    found = said(flow, "never-shown")

    assert ([] if line is None else [f"asks for faults (line {line})"]) == [
        one.problem[one.problem.index("asks") : one.problem.index(")") + 1] for one in found
    ]


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("doc", "clears", "expected"),
    [
        pytest.param("Drop the draft.", (), ["says-dropped"], id="not-dropped"),
        pytest.param("Drop the draft.", ("draft",), [], id="dropped"),
        pytest.param("Forget draft, it is bad.", (), ["says-dropped"], id="without-an-article"),
        pytest.param("Drop the parcel at the door.", (), [], id="no-field"),
        pytest.param("Drop the draft of a sentence.", (), [], id="a-part"),
        pytest.param("Drop the draft because it is bad.", (), ["says-dropped"], id="with-a-reason"),
        pytest.param("Tell whether to drop the draft.", (), [], id="said-in-passing"),
    ],
)
def test_words_that_promise_to_drop_a_field_are_told_of(doc: str, clears: tuple[str, ...], expected: list[str]) -> None:
    """Only a description that begins so, and with what is called like a field."""
    flow, writer, _ = peers()
    writer.tool(sets="draft")(write)
    writer.tool(clears=clears)(named("undo", doc))

    assert expected == [one.code for one in check(flow).findings if one.code == "says-dropped"]


@pytest.mark.parametrize(
    ("doc", "back", "expected"),
    [
        pytest.param("Have it judged; the user comes back here.", False, 1, id="promised"),
        pytest.param("Have it judged; the user comes back here.", True, 0, id="kept"),
        pytest.param("Have it judged.", False, 0, id="not-promised"),
        pytest.param("Say when the parcel comes back here.", False, 0, id="something-else"),
        pytest.param("Have it judged; the conversation returns here.", False, 1, id="returns"),
    ],
)
def test_a_way_back_that_is_promised_is_there(doc: str, back: bool, expected: int) -> None:
    """Where the conversation is to come back, something leads back."""
    flow, writer, critic = peers()
    writer.tool(to=critic)(named("ask", doc))
    critic.tool(**({"to": flow.back} if back else {}))(named("answer"))

    assert expected == len(said(flow, "says-handover"))


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        pytest.param("Put it aside; the critic takes it up.", 1, id="takes-up"),
        pytest.param("Put it aside; the critic carries on.", 1, id="carries-on"),
        pytest.param("Say that the critic takes only cash.", 0, id="takes-something"),
        pytest.param("Go back to the question.", 1, id="goes-back"),
        pytest.param("Go backwards through the text.", 0, id="goes-backwards"),
    ],
)
def test_who_is_said_to_go_on_is_handed_to(doc: str, expected: int) -> None:
    """A tool that leads nowhere names nobody who goes on."""
    flow, writer, critic = peers()
    writer.tool(to=critic, sets="draft")(write)
    writer.tool()(named("put_aside", doc))

    assert expected == len(said(flow, "says-handover"))


# -- causes ------------------------------------------------------------------------------------------------------------


def test_what_follows_from_an_assistant_that_is_not_reached_is_not_told_of() -> None:
    """The field is set at an assistant that nothing leads to: the tools that read it are no news."""
    flow = Flow("peers", metadata=Work)
    writer = flow.assistant("writer", instructions="Write.")
    critic = flow.assistant("critic", instructions="Judge.{% if draft %} Go on.{% endif %}")
    critic.tool(to=writer, sets="faults")(reject)

    @writer.tool()
    def mend(faults: FromMetadata[str]) -> str:
        """Mend it."""
        return faults

    assert ["unreachable-assistant", "never-written"] == [one.code for one in check(flow).findings]


def test_the_tool_that_may_be_meant_to_lead_there_is_named() -> None:
    """It takes what the assistant needs, and stays."""
    flow = Flow("peers", metadata=Work)
    writer = flow.assistant("writer", instructions="Write.")
    flow.assistant("critic", instructions="Judge {{ draft }}.")
    writer.tool(sets="draft")(write)
    (found,) = said(flow, "unreachable-assistant")

    assert found.remedy.endswith("write takes the draft that is needed there and stays: was it to lead there?")


def test_the_call_that_clears_a_field_is_named() -> None:
    """Why a placeholder can be unset stands in the sentence."""
    flow = Flow("peers", metadata=Work)
    writer = flow.assistant("writer", instructions="Write.")
    critic = flow.assistant("critic", instructions="Judge {{ draft }}.")
    writer.tool(to=critic, sets="draft")(write)
    critic.tool(clears="draft")(named("finish"))
    (found,) = said(flow, "possibly-unset")

    assert found.problem.endswith("can be unset there: finish clears it and the thread stays at critic")


def test_the_tool_that_takes_a_field_and_drops_it_is_named() -> None:
    """What sets a field is mostly there, and forgets to say so."""
    flow = Flow("peers", metadata=Work)
    writer = flow.assistant("writer", instructions="Write.")
    critic = flow.assistant("critic", instructions="Judge {{ draft }}.")
    writer.tool(to=critic)(write)
    (found,) = said(flow, "nothing-sets")

    assert found.remedy.startswith("Add draft to sets= of write, which takes it and does not keep it")


# -- what is meant so --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("together", "expected"),
    [
        pytest.param(True, [], id="one tool sets both"),
        pytest.param(False, ["possibly-unset"], id="a tool sets one of them"),
    ],
)
def test_a_field_that_is_always_set_beside_another_needs_no_test_of_its_own(
    together: bool, expected: list[str]
) -> None:
    """Fields are followed together before a placeholder is called possibly unset."""
    flow = Flow("peers", metadata=Work)
    writer = flow.assistant("writer", instructions="{% if draft %}Mend {{ draft }}: {{ faults }}{% endif %}")

    def judged(draft: str, faults: str) -> str:
        """Put both down."""
        return draft + faults

    writer.tool(sets=("draft", "faults"))(judged)
    if not together:
        writer.tool(sets="draft")(write)

    assert expected == [one.code for one in check(flow).findings]


def test_what_two_calls_of_one_response_leave_counts_where_fields_are_followed_together() -> None:
    """The handoff sets both, and a call beside it clears one: so the next assistant may lack it."""
    flow = Flow("peers", metadata=Work)
    writer = flow.assistant("writer", instructions="Write.{% if faults %} Mend it.{% endif %}")
    critic = flow.assistant("critic", instructions="{% if draft %}Judge {{ draft }}: {{ faults }}{% endif %}")

    def judged(draft: str, faults: str) -> str:
        """Put both down."""
        return draft + faults

    writer.tool(to=critic, sets=("draft", "faults"))(judged)
    writer.tool(clears="faults")(named("forget"))

    assert ["judged, forget"] == [one.path[-1].trigger for one in said(flow, "possibly-unset")]


def test_a_reply_that_leads_nowhere_until_something_is_set_is_no_hole() -> None:
    """The user is waited for until then; a value that leads nowhere is a hole all the same."""
    flow, writer, critic = peers()

    def clean(work: Work) -> bool:
        """Something is wrong."""
        return work.faults == ""

    def wrong(work: Work) -> bool:
        """Nothing is wrong."""
        return bool(work.faults)

    editor = flow.assistant("editor", instructions="Print.")
    writer.tool(to=critic, sets="draft")(write)
    critic.then(writer.when(wrong, times=3), editor.when(clean))

    assert [] == said(flow, "hole")


def test_nobody_falls_silent_where_nothing_was_said() -> None:
    """The first assistant may wait however long, where all others hand over after a silence."""
    flow, writer, critic = peers()
    third = flow.assistant("third", instructions="Wait.")
    fourth = flow.assistant("fourth", instructions="Wait.")
    writer.tool(to=critic, sets="draft")(write)
    critic.tool(to=third)(named("pass_on"))
    third.tool(to=fourth)(named("give_up"))
    for one in (critic, third):
        one.after(timedelta(hours=1), to=fourth)

    assert [] == said(flow, "waits-alone")
