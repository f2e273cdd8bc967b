"""Tools that take their time: held until they finish, in any order, and late results."""

from __future__ import annotations

import pytest

from handoff.errors import ConfigurationError
from handoff.testing import Talk, TalkMismatch, call
from tests.testing.talk_flow import (
    Order,
    Shop,
    at_desk,
    bill,
    build,
    due,
    front,
    give_up,
    pack,
)


@pytest.fixture
def talk(talk: Talk[Order], shop: Shop) -> Talk[Order]:
    """Where desk is to speak."""
    at_desk(talk)
    shop.done.clear()
    return talk


def test_a_slow_body_does_not_run_before_it_is_finished(talk: Talk[Order], shop: Shop) -> None:
    """A held body keeps its batch open; at `finish` it runs, and the model gets all outputs."""
    with talk.slow(build):
        talk.calls(call(build, part="leg"), call(pack))
    held = (talk.status, talk.outputs, list(shop.done))
    talk.finish(build)

    assert ("requires_action", ("", "packed"), ["pack talk/2/1/call_3"]) == held
    assert ["leg is built", "packed"] == due(talk)


def test_slow_bodies_finish_in_any_order(talk: Talk[Order]) -> None:
    """Outputs stand in call order, whichever body finishes first."""
    with talk.slow(build, pack):
        talk.calls(call(build, part="leg"), call(pack))
    talk.finish(pack)
    talk.finish(build)

    assert ("leg is built", "packed") == talk.outputs


def test_two_bodies_of_a_tool_finish_in_the_order_they_started(talk: Talk[Order], shop: Shop) -> None:
    """`finish` takes the earliest held body of the tool."""
    with talk.slow("build"):
        talk.calls(call(build, part="leg"), call(build, part="seat"))
    talk.finish("build")

    assert ["build leg"] == shop.done


def test_a_call_made_in_the_block_is_slow_also_where_its_body_starts_later(talk: Talk[Order]) -> None:
    """A call of the lane that waits for its turn is held as well once the block is over."""
    talk.says("Anything else?")
    talk.edit(price=3)
    talk.user("the bill, twice")
    with talk.slow(bill):
        talk.calls(call(bill), call(bill))
    talk.finish(bill)

    assert ("3 to pay", "") == talk.outputs


def test_the_model_does_not_speak_while_a_tool_is_waited_for(talk: Talk[Order]) -> None:
    """The failure names the tool, and what to do about it."""
    with talk.slow(build):
        talk.calls(build, part="leg")
    with pytest.raises(TalkMismatch, match=r"run 2 of desk waits for build, not for the model: finish\(…\) it"):
        talk.says("Done")


def test_finishing_what_is_not_held_fails(talk: Talk[Order]) -> None:
    """Only a held body can finish; the failure lists those that are."""
    with talk.slow(build):
        talk.calls(build, part="leg")
    with pytest.raises(TalkMismatch, match="no body of pack is held; held are build"):
        talk.finish(pack)


def test_a_tool_there_is_not_cannot_be_slow(talk: Talk[Order]) -> None:
    """A misspelt tool is a mistake of the test."""
    with pytest.raises(ConfigurationError, match=r"slow\(sing\): shop has no such tool"), talk.slow("sing"):
        pass


def test_an_interrupt_makes_a_slow_call_a_ticket(talk: Talk[Order]) -> None:
    """An interrupting message does not wait for the tool: the next run carries the pending answer and the message."""
    with talk.slow(build):
        talk.calls(build, part="leg")
    talk.user("stop that", while_running="interrupt")

    assert [
        "Pending: still running (ticket T1). The result will arrive as a message. Do not call it again.",
        "stop that",
    ] == due(talk)


@pytest.mark.parametrize("stop", [pytest.param("cancel", id="cancel"), pytest.param("interrupt", id="interrupt")])
def test_a_stop_makes_an_uncommitted_body_a_ticket_too(talk: Talk[Order], stop: str) -> None:
    """An idempotent body is not committed as started before it runs; stopped, its result is not lost all the same."""
    with talk.slow(pack):
        talk.calls(pack)
    talk.cancel() if stop == "cancel" else talk.user("stop", while_running="interrupt")

    assert [("T1", "running")] == [(ticket.id, ticket.stage) for ticket in talk.tickets]


def test_a_late_result_is_answered_by_the_active_assistant(talk: Talk[Order]) -> None:
    """A body that finishes after its run starts a run of whoever is active then, who is told who asked."""
    with talk.slow(build):
        talk.calls(call(build, part="leg"), call(give_up))
    talk.grace()
    talk.says("What else?", by=front)
    talk.finish(build)

    assert ["Result of build (ticket T1), asked by desk: leg is built"] == due(talk)
    talk.says("Your leg is ready.", by=front)


def test_a_late_result_waits_for_the_lock(talk: Talk[Order], shop: Shop) -> None:
    """A body that finishes while a later run is active runs once; its result is told when that run has ended."""
    with talk.slow(build):
        talk.calls(build, part="leg")
    talk.grace()
    talk.finish(build)
    waiting = talk.status
    talk.says("It takes a while.")

    assert ("queued", ["build leg"]) == (waiting, shop.done)
    assert ["Result of build (ticket T1), asked by desk: leg is built"] == due(talk)


def test_a_steer_joins_when_the_slow_batch_settles(talk: Talk[Order]) -> None:
    """A message steered in while a tool runs rides with its output."""
    with talk.slow(build):
        talk.calls(build, part="leg")
    talk.user("in red", while_running="steer")
    talk.finish(build)

    assert ["leg is built", "in red"] == due(talk)
