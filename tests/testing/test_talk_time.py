"""Time in a talk: silences, grace, expiry and a tool's own timeout, also as freezegun has it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from freezegun import freeze_time

from handoff.testing import Talk, TalkMismatch, call
from tests.testing.talk_flow import (
    Order,
    Shop,
    at_desk,
    build,
    choose,
    desk,
    discount,
    due,
    flow,
    front,
    give_up,
    look_up,
    pack,
    phone,
)


@pytest.fixture
def talk(talk: Talk[Order], shop: Shop) -> Talk[Order]:
    """Where desk is to speak."""
    at_desk(talk)
    shop.done.clear()
    return talk


@pytest.fixture
def priced(talk: Talk[Order]) -> Talk[Order]:
    """At rest, with a price: desk speaks again after ten minutes of silence."""
    talk.says("Anything else?")
    talk.edit(price=3)
    return talk


def test_a_silence_takes_its_transition(priced: Talk[Order]) -> None:
    """When the silence has lasted long enough, the next assistant speaks."""
    priced.silence(timedelta(minutes=10))
    priced.says("Are you still there?", by=desk)

    assert "rest" == priced.status


def test_a_shorter_silence_does_nothing(priced: Talk[Order]) -> None:
    """A moment before it, nobody speaks; the two silences add up."""
    priced.silence(timedelta(minutes=9, seconds=59))
    before = priced.status
    priced.silence(timedelta(seconds=1))

    assert ("rest", "queued") == (before, priced.status)


def test_a_silence_ends_where_an_assistant_is_to_speak(priced: Talk[Order]) -> None:
    """However long the silence was to be, the run it starts does not expire in it."""
    priced.silence(timedelta(days=1))

    assert "queued" == priced.status


def test_a_silence_whose_guard_does_not_hold_passes_once(talk: Talk[Order]) -> None:
    """Without a price nobody is reminded, and the silence is not asked again."""
    talk.says("Anything else?")
    talk.silence(timedelta(days=1))

    assert ("rest", 1) == (talk.status, talk.state.timed)


def test_freezegun_moves_a_silence(shop: Shop) -> None:
    """Time that freezegun has moved on by takes effect with the next step, or with an empty silence."""
    with freeze_time("2026-01-01 12:00:00") as frozen:
        talk = Talk(flow, deps=shop, metadata=Order(price=3))
        talk.user("a chair")
        talk.calls(choose, item="chair")
        talk.says("Anything else?")
        frozen.tick(timedelta(minutes=10))
        talk.silence()

        assert "queued" == talk.status
        talk.says("Are you still there?", by=desk)


def test_a_silence_under_a_clock_that_stands_still(shop: Shop) -> None:
    """Under freezegun a talk lets time pass by itself as well."""
    with freeze_time("2026-01-01 12:00:00"):
        talk = Talk(flow, deps=shop, metadata=Order(price=3))
        talk.user("a chair")
        talk.calls(choose, item="chair")
        talk.says("Anything else?")
        talk.silence(timedelta(minutes=10))

        assert "queued" == talk.status


def test_time_does_not_go_back(talk: Talk[Order]) -> None:
    """A negative silence is a mistake of the test."""
    with pytest.raises(ValueError, match="time does not go back"):
        talk.silence(timedelta(seconds=-1))


def test_freezegun_expires_a_run_before_the_next_step(shop: Shop) -> None:
    """A model that answers after the deadline is too late."""
    with freeze_time("2026-01-01 12:00:00") as frozen:
        talk = Talk(flow, deps=shop)
        talk.user("a chair")
        frozen.tick(timedelta(minutes=10))

        with pytest.raises(TalkMismatch, match="as the last turn ended expired"):
            talk.says("Sorry, I was thinking.")


def test_a_run_comes_to_grace_and_then_expires(talk: Talk[Order]) -> None:
    """In the course of time a slow call becomes a ticket first, and the run ends ten seconds later."""
    with talk.slow(build):
        talk.calls(build, part="leg")
    talk.silence(timedelta(minutes=9, seconds=51))
    before = (talk.status, [ticket.stage for ticket in talk.tickets])
    talk.silence(timedelta(seconds=10))

    assert (("queued", ["running"]), "expired") == (before, str(talk.state.ended))


def test_an_idempotent_body_that_runs_becomes_a_ticket(talk: Talk[Order], shop: Shop) -> None:
    """It was never committed as started, and is pending at the grace all the same, not "not run"."""
    with talk.slow(pack):
        talk.calls(pack)
    talk.grace()
    pending = due(talk)
    talk.says("It takes a while.")
    talk.finish(pack)

    assert (
        ["Pending: still running (ticket T1). The result will arrive as a message. Do not call it again."],
        1,
        ["Result of pack (ticket T1), asked by desk: packed"],
    ) == (pending, len(shop.done), due(talk))


def test_a_process_that_comes_after_the_grace_acts_on_it(talk: Talk[Order]) -> None:
    """A batch opened after the grace is settled at the deadline; a new process settles it at once."""
    with talk.slow(build, pack):
        talk.calls(build, part="leg")
        talk.grace()
        talk.calls(pack)
        talk.silence()
        before = talk.status
        talk.crash()
        talk.silence()

    assert ("requires_action", "queued") == (before, talk.status)


def test_a_tool_s_own_timeout_makes_it_a_ticket(talk: Talk[Order]) -> None:
    """A call that is not done after its timeout is answered pending long before the run's grace."""
    with talk.slow(phone):
        talk.calls(phone)
    talk.silence(timedelta(seconds=30))

    assert ["Pending: still running (ticket T1). The result will arrive as a message. Do not call it again."] == due(
        talk
    )


def test_expiry_keeps_a_committed_transition(talk: Talk[Order]) -> None:
    """A run that expires with a won transition and a slow sibling hands over, and the sibling becomes a ticket."""
    with talk.slow(build):
        talk.calls(call(give_up), call(build, part="leg"))
    talk.expire()

    assert "no chair then" == due(talk)[0]
    assert (["T1"], front) == ([ticket.id for ticket in talk.tickets], talk.assistant)
    talk.says("What else?", by=front)


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        pytest.param(lambda talk: talk.grace(), "no call is open", id="grace"),
        pytest.param(lambda talk: talk.expire(), "no run is active: the thread rests at desk", id="expire"),
    ],
)
def test_no_run_no_deadline(talk: Talk[Order], step: object, problem: str) -> None:
    """While the thread rests nothing can expire."""
    talk.says("Anything else?")
    with pytest.raises(TalkMismatch, match=problem):
        step(talk)  # type: ignore[operator]


def test_an_asynchronous_tool_sleeps_under_freezegun(shop: Shop) -> None:
    """Bodies run on a loop whose clock freezegun cannot stop, so a sleep in one ends."""
    with freeze_time("2026-01-01 12:00:00"):
        talk = Talk(flow, deps=shop)
        talk.user("a chair")
        talk.calls(look_up, item="chair")

        assert ("chair is in stock",) == talk.outputs


def test_the_story_tells_what_happened_around(talk: Talk[Order]) -> None:
    """What is no message is there to be read as well: decisions, edits, time, crashes, and what came of them."""
    with talk.slow(build):
        talk.calls(call(build, part="leg"), call(discount, price=3))
    talk.crash()
    talk.says("I have asked.")
    talk.edit(price=4)
    talk.refuse("too cheap", by="boss")
    talk.expire()
    lines = [line.split("  ", 1) for line in str(talk).partition("\n\n")[0].splitlines()]
    around = {"crash", "recovered", "edit", "decision", "stop", "run 3"}

    assert [
        ("crash", ""),
        ("recovered", "bodies that were running: build"),
        ("edit", "price=4"),
        ("decision", "T1 refused by boss: too cheap"),
        ("stop", "run 3: expired"),
        ("run 3", "expired"),
    ] == [(speaker, text.strip()) for speaker, text in lines if speaker.strip() in around]
