"""The model's turn in a talk: what it is given, what comes of its calls, and how it errs."""

from __future__ import annotations

import pytest

from handoff import (
    Answer,
    ThreadClosed,
    TransitionTaken,
)
from handoff.core.items import Asked, Note, Output, Spoken, UserMessage
from handoff.testing import Talk, call
from tests.testing.talk_flow import (
    Order,
    Shop,
    at_desk,
    bill,
    break_down,
    choose,
    close_shop,
    desk,
    flow,
    front,
    give_up,
    look_up,
    swap,
)

# -- the model's turn --------------------------------------------------------------------------------------------------


def test_a_tool_hands_over_in_two_model_calls(talk: Talk[Order]) -> None:
    """A call whose transition is allowed makes the next assistant speak, in the request after it."""
    talk.user("a chair")
    talk.calls(choose, item="chair")
    talk.says("Anything else?", by=desk)

    assert (desk, "rest", 2, Order(item="chair")) == (talk.assistant, talk.status, talk.model_calls, talk.metadata)


def test_the_transcript_is_that_of_a_thread(talk: Talk[Order]) -> None:
    """All that was said and done is there in order, notes for the model included, with ids that are counted."""
    talk.user("a chair")
    talk.calls(Answer("One moment.", (call(choose, item="chair"),)))
    talk.says("Anything else?")

    assert (
        UserMessage("m1", "a chair"),
        Spoken("front", 1, "One moment.", (Asked("call_1", "choose", '{"item": "chair"}'),)),
        Output(1, 1, "call_1", "choose", "chair it is"),
        Note("handoff", "You are desk. front handed over to you by choose."),
        Spoken("desk", 2, "Anything else?"),
    ) == talk.transcript


def test_a_batch_has_its_outputs_in_call_order(talk: Talk[Order]) -> None:
    """All calls of one response are one batch; `outputs` is what they came to."""
    talk.user("hello")
    talk.calls(call(look_up, item="chair"), call(look_up, item="table"))

    assert ("chair is in stock", "table is in stock") == talk.outputs


def test_a_second_handoff_of_a_batch_is_not_taken(talk: Talk[Order], shop: Shop) -> None:
    """The first allowed transition wins, and the body of another one never runs."""
    at_desk(talk)
    talk.calls(call(give_up), call(close_shop))

    assert ("no chair then", "Not taken: this turn already goes to front. The tool was not run.") == talk.outputs
    assert front is talk.assistant


def test_a_tool_error_keeps_nothing(talk: Talk[Order]) -> None:
    """The model reads the error, nothing is stored, and the assistant stays."""
    talk.user("gold")
    talk.calls(choose, item="gold")

    assert (("There is no gold.",), Order(), front) == (talk.outputs, talk.metadata, talk.assistant)


def test_a_tool_that_fails_is_answered_neutrally_and_shown_to_the_test(talk: Talk[Order]) -> None:
    """The model is told that the tool failed; the conversation as the test reads it says how."""
    talk.user("hello")
    talk.calls(break_down)

    assert ("error: the tool failed. Nothing was changed.",) == talk.outputs
    assert "ZeroDivisionError: the till is empty" in str(talk)


def test_instructions_are_what_the_flow_declares(talk: Talk[Order]) -> None:
    """`instructions` leaves out the lines about who speaks here; the prompt has them."""
    at_desk(talk)

    assert 'Be kind.\n\nCarry out the order of "chair".' == talk.instructions
    assert talk.prompt is not None
    assert talk.prompt.instructions.startswith(f"{talk.instructions}\n\nYou are desk.")


def test_instructions_at_rest_are_those_of_the_next_run(talk: Talk[Order]) -> None:
    """While no run is active, the active assistant's instructions are rendered from the metadata as it is now."""
    at_desk(talk)
    talk.says("Anything else?")
    talk.edit(item="table")

    assert 'Be kind.\n\nCarry out the order of "table".' == talk.instructions


def test_offered_follows_the_metadata(talk: Talk[Order]) -> None:
    """A tool that reads an unset field is not offered."""
    at_desk(talk)
    talk.says("Anything else?")
    before = talk.offered
    talk.edit(price=3)

    assert ("bill",) == tuple(sorted(set(talk.offered) - set(before)))


def test_a_run_keeps_what_it_was_started_with(talk: Talk[Order]) -> None:
    """Within a run neither instructions nor tools follow the metadata; the next run has them anew."""
    at_desk(talk)
    talk.calls(swap, item="table", price=3)
    during = ("bill" in talk.offered, "chair" in talk.instructions)
    talk.says("A table.")

    assert ((False, True), (True, False)) == (during, ("bill" in talk.offered, "chair" in talk.instructions))


def test_the_prompt_carries_what_is_due(talk: Talk[Order]) -> None:
    """The request after a handoff carries the outputs first, then the handoff's note."""
    at_desk(talk)

    assert talk.prompt is not None
    assert [Output, Note] == [type(item) for item in talk.prompt.due]


def test_a_failed_run_keeps_the_message_due(talk: Talk[Order]) -> None:
    """After a failure of the backend the thread rests, and the message rides in the next request."""
    talk.user("a chair")
    talk.fails("server_error")
    talk.user("hello?")

    assert talk.prompt is not None
    assert ["a chair", "hello?"] == [item.text for item in talk.prompt.due if isinstance(item, UserMessage)]


def test_an_incomplete_run_keeps_what_was_said(talk: Talk[Order]) -> None:
    """What the model said before it was cut off stays; the turn ends incomplete."""
    talk.user("a chair")
    talk.incomplete("A chair has fo")

    assert ("incomplete", "A chair has fo") == (str(talk.state.ended), talk.transcript[-1].text)  # type: ignore[union-attr]


def test_the_end_closes_the_thread(talk: Talk[Order]) -> None:
    """A tool that goes to the end closes the thread: no instructions, no tools, no further message."""
    at_desk(talk)
    talk.calls(close_shop)

    assert (flow.end, "closed", "", ()) == (talk.assistant, talk.status, talk.instructions, talk.offered)
    with pytest.raises(ThreadClosed):
        talk.user("hello?")


def test_events_are_those_of_a_stream(talk: Talk[Order]) -> None:
    """Whoever watches the thread is told of the transition."""
    at_desk(talk)

    assert [TransitionTaken("talk", "front", "desk", "choose")] == [
        event for event in talk.events if isinstance(event, TransitionTaken)
    ]


# -- mistakes of the model ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "output"),
    [
        pytest.param(call(choose, raw='{"item":'), "error: arguments: ", id="malformed"),
        pytest.param(call(choose, item=3), "error: item: ", id="wrong-type"),
        pytest.param(call("sing"), "error: sing: there is no such tool here.", id="unknown"),
        pytest.param(call(bill), "error: bill: there is no such tool here.", id="of-another-assistant"),
    ],
)
def test_a_model_that_errs_is_answered(talk: Talk[Order], asked: Asked, output: str) -> None:
    """`miscalls` checks nothing: the call is answered as a real model's would be, and its siblings run."""
    talk.user("a chair")
    talk.miscalls(asked, call(look_up, item="chair"))

    assert talk.outputs[0].startswith(output)
    assert "chair is in stock" == talk.outputs[1]


def test_a_tool_that_is_not_offered_now_answers_so(talk: Talk[Order]) -> None:
    """A call of a tool whose field is unset is answered "not now"."""
    at_desk(talk)
    talk.miscalls(bill)

    assert ("Not now: price is not set. The tool was not run.",) == talk.outputs


def test_raw_arguments_may_be_malformed(talk: Talk[Order]) -> None:
    """`raw=` says that the arguments are what they are on purpose."""
    talk.user("a chair")
    talk.calls(choose, raw="{")

    assert talk.outputs[0].startswith("error: arguments: ")
