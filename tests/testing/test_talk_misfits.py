"""Steps that do not fit: they fail with the whole conversation, and nothing happens."""

from __future__ import annotations

from typing import Any

import pytest

from handoff import (
    Answer,
)
from handoff.testing import Talk, TalkMismatch, call
from tests.testing.talk_flow import (
    Order,
    at_desk,
    bill,
    build,
    choose,
    front,
    look_up,
    swap,
)


def test_says_by_another_assistant_fails(talk: Talk[Order]) -> None:
    """`by` is who is to speak; if it is somebody else the step fails, and nothing happens."""
    at_desk(talk)
    before = talk.state
    with pytest.raises(TalkMismatch, match="desk is to speak, not front"):
        talk.says("Hello", by=front)

    assert before == talk.state


@pytest.mark.parametrize(
    ("what", "arguments", "problem"),
    [
        pytest.param(choose, {"item": 3}, "choose does not take these arguments: item: ", id="arguments"),
        pytest.param(build, {"part": "leg"}, "front has no tool build", id="tool-of-another"),
        pytest.param("sing", {}, "front has no tool sing", id="unknown"),
    ],
)
def test_calls_that_a_model_could_not_make_fail(
    talk: Talk[Order], what: Any, arguments: dict[str, Any], problem: str
) -> None:
    """A call that is not offered or does not fit fails the test, and nothing happens."""
    talk.user("a chair")
    before = talk.state
    with pytest.raises(TalkMismatch, match=problem):
        talk.calls(what, **arguments)

    assert before == talk.state


def test_calls_of_a_tool_that_is_not_offered_now_fail(talk: Talk[Order]) -> None:
    """A tool whose field is unset is not offered, and the failure says why."""
    at_desk(talk)
    with pytest.raises(TalkMismatch, match="bill is not offered: price is not set"):
        talk.calls(bill)


def test_calls_of_a_tool_that_was_not_offered_to_the_run_fail(talk: Talk[Order]) -> None:
    """A tool that could be called by now was still not offered, as the run started without it."""
    at_desk(talk)
    talk.calls(swap, item="table", price=3)
    with pytest.raises(TalkMismatch, match="bill is not offered: it was not when the run started"):
        talk.calls(bill)


def test_calls_of_another_function_of_that_name_fail(talk: Talk[Order]) -> None:
    """A tool is the function itself, not its name."""

    def choose(item: str) -> str:
        return item

    talk.user("a chair")
    with pytest.raises(TalkMismatch, match=r"the choose of front is another function, declared at .*talk_flow.py"):
        talk.calls(choose, item="chair")


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda talk: talk.says("hello"), id="says"),
        pytest.param(lambda talk: talk.calls(choose, item="chair"), id="calls"),
        pytest.param(lambda talk: talk.miscalls("sing"), id="miscalls"),
        pytest.param(lambda talk: talk.fails(), id="fails"),
        pytest.param(lambda talk: talk.incomplete("hel"), id="incomplete"),
    ],
)
def test_the_model_speaks_only_when_it_is_asked(talk: Talk[Order], step: Any) -> None:
    """While the thread rests, whatever the model does fails, and nothing happens."""
    before = talk.state
    with pytest.raises(TalkMismatch, match="no run waits for the model: the thread rests at front"):
        step(talk)

    assert before == talk.state


def test_a_failure_shows_the_whole_conversation(talk: Talk[Order]) -> None:
    """The text of a failure is the conversation, the step that differed, and where the thread stands."""
    talk.user("a chair")
    talk.calls(Answer("One moment.", (call(choose, item="chair"), call(look_up, item="chair"))))
    talk.user("hurry")
    with pytest.raises(TalkMismatch) as failure:
        talk.says("Hello", by=front)

    assert (
        "says('Hello', by=front): desk is to speak, not front\n"
        "\n"
        "    user     a chair\n"
        "    front    One moment.\n"
        "    front    choose(item='chair')\n"
        "    front    look_up(item='chair')\n"
        "    choose   chair it is\n"
        "    look_up  chair is in stock\n"
        "    handoff  front to desk, by choose\n"
        "  > says('Hello', by=front)\n"
        "\n"
        "Now:      run 2 of desk waits for the model\n"
        "Offered:  build(part), pack(), send(), discount(price), swap(item, price), ask_supplier(), phone(), "
        "give_up(), close_shop()\n"
        "Metadata: item='chair'\n"
        "Inbox:    user 'hurry' (queue)"
    ) == str(failure.value)


def test_long_texts_are_cut_in_a_failure(talk: Talk[Order]) -> None:
    """A very long text is shown in part, and the rest is counted."""
    talk.user("x" * 1000)

    assert f"user  {'x' * 600}… (400 characters more)" in str(talk)


@pytest.mark.parametrize(
    ("what", "arguments", "problem"),
    [
        pytest.param((), {}, "name a tool", id="nothing"),
        pytest.param((call(look_up, item="a"),), {"item": "b"}, "belong to a single tool", id="arguments-beside-calls"),
        pytest.param((Answer("hm"), call(look_up, item="a")), {}, "give it alone", id="answer-beside-calls"),
    ],
)
def test_calls_written_in_no_known_form_are_refused(
    talk: Talk[Order], what: tuple[Any, ...], arguments: dict[str, Any], problem: str
) -> None:
    """What is neither a tool with arguments, nor calls, nor an answer is a mistake of the test."""
    talk.user("hello")
    with pytest.raises(TypeError, match=problem):
        talk.calls(*what, **arguments)
