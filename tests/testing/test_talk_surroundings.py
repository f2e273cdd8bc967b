"""What happens around a conversation: slow tools, approvals, edits, time and crashes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from freezegun import freeze_time

from handoff import EditReceipt, Flow, FromMetadata, KeyReused, Metadata, TicketClosed, ToolStarted
from handoff.core.items import Note, Output, UserMessage
from handoff.errors import ConfigurationError
from handoff.testing import Talk, TalkMismatch, call
from tests.testing.talk_flow import (
    Order,
    Shop,
    ask_supplier,
    bill,
    build,
    choose,
    desk,
    discount,
    flow,
    front,
    give_up,
    look_up,
    pack,
    phone,
    send,
)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def talk(shop: Shop) -> Iterator[Talk[Order]]:
    """Where desk is to speak."""
    opened = Talk(flow, deps=shop)
    opened.user("a chair")
    opened.calls(choose, item="chair")
    shop.done.clear()
    yield opened
    opened.close(unfinished=True)


def due(talk: Talk[Order]) -> list[str]:
    """The texts of what the latest request added."""
    assert talk.prompt is not None
    return [item.text for item in talk.prompt.due if isinstance(item, UserMessage | Output | Note)]


# -- slow tools --------------------------------------------------------------------------------------------------------


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


# -- people who decide -------------------------------------------------------------------------------------------------


def test_an_approved_call_runs_and_its_result_is_told(talk: Talk[Order], shop: Shop) -> None:
    """The body runs at the approval, its fields are stored, and the active assistant answers."""
    talk.calls(discount, price=3)
    talk.says("I have asked.")
    before = list(shop.done)
    talk.approve(by="boss")

    assert ([], ["discount 3"], 3) == (before, shop.done, talk.metadata.price)
    talk.says("Three it is.", by=desk)


def test_an_approval_during_a_run_waits_for_it(talk: Talk[Order], shop: Shop) -> None:
    """A decision made while a run is active takes effect when it has ended."""
    talk.calls(discount, price=3)
    talk.approve()
    before = list(shop.done)
    talk.says("I have asked.")

    assert ([], ["discount 3"]) == (before, shop.done)


def test_a_refused_call_never_runs(talk: Talk[Order], shop: Shop) -> None:
    """The active assistant is told who refused and why."""
    talk.calls(discount, price=3)
    talk.says("I have asked.")
    talk.refuse("too cheap", by="boss")

    assert [] == shop.done
    assert ["discount (ticket T1), asked by desk, was refused by boss: too cheap. It was not run."] == due(talk)


def test_a_second_decision_gets_the_first(talk: Talk[Order]) -> None:
    """Whoever decides later is told what was decided."""
    talk.calls(discount, price=3)
    talk.says("I have asked.")
    talk.approve(by="boss")

    assert "approved" == talk.refuse("too cheap", ticket="T1").outcome


def test_deciding_without_a_ticket_that_waits_fails(talk: Talk[Order]) -> None:
    """Where no ticket is named there must be one to decide; a ticket that never was is a typed error."""
    with pytest.raises(TalkMismatch, match="expected one ticket waiting for approval, found none"):
        talk.approve()
    with pytest.raises(TicketClosed):
        talk.approve(ticket="T1")


def test_the_world_resolves_what_it_was_asked(talk: Talk[Order]) -> None:
    """A body that returned Pending has its result delivered by `resolve`."""
    talk.calls(ask_supplier)
    talk.says("I have asked.")
    talk.resolve("in May")

    assert ["Result of ask_supplier (ticket T1), asked by desk: in May"] == due(talk)


def test_an_edit_is_applied_at_rest(talk: Talk[Order]) -> None:
    """Metadata changed from outside is there at once while no run is active."""
    talk.says("Anything else?")

    assert (EditReceipt(applied=True), 5) == (talk.edit(price=5), talk.metadata.price)


def test_an_edit_waits_for_the_run(talk: Talk[Order]) -> None:
    """During a run an edit waits; `edits` says what came of it."""
    receipt = talk.edit(price=5)
    talk.says("Anything else?")

    assert (False, [EditReceipt(applied=True)], 5) == (receipt.applied, talk.edits, talk.metadata.price)


def test_an_edit_that_unsets_what_is_needed_is_refused(talk: Talk[Order]) -> None:
    """The active assistant's instructions name the field, so it is kept."""
    talk.says("Anything else?")
    receipt = talk.edit(item=None)

    assert (False, "chair") == (receipt.applied, talk.metadata.item)


# -- time --------------------------------------------------------------------------------------------------------------


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


# -- crashes -----------------------------------------------------------------------------------------------------------


def test_a_crash_asks_the_model_again(talk: Talk[Order]) -> None:
    """A request that had no answer is made again, with the same prompt; nothing is said twice."""
    before = talk.prompt
    talk.crash()

    assert (before, 3) == (talk.prompt, talk.model_calls)


def test_a_crash_changes_nothing_at_rest(talk: Talk[Order]) -> None:
    """The thread is what its journal says."""
    talk.says("Anything else?")
    before = (talk.state, talk.transcript)
    talk.crash()

    assert before == (talk.state, talk.transcript)


def test_a_lost_body_becomes_a_ticket_of_unknown_outcome(talk: Talk[Order], shop: Shop) -> None:
    """A started body that is not idempotent is not run again; the model is told that a person looks into it."""
    with talk.slow(build):
        talk.calls(build, part="leg")
    talk.crash(after=build)

    assert ["build leg"] == shop.done
    assert ["Pending: outcome unknown after a restart (ticket T1). A person is checking. Do not call it again."] == due(
        talk
    )


@pytest.mark.parametrize(
    ("happened", "price"),
    [pytest.param(True, 3, id="happened"), pytest.param(False, None, id="did-not-happen")],
)
def test_a_person_settles_an_unknown_outcome(talk: Talk[Order], happened: bool, price: int | None) -> None:
    """What the call declares to set is stored only if it took effect."""
    talk.calls(discount, price=3)
    talk.says("I have asked.")
    with talk.slow(discount):
        talk.approve()
    talk.crash()
    talk.settle("looked it up", happened=happened, by="boss")

    assert price == talk.metadata.price


def test_an_idempotent_body_runs_again_with_its_key(talk: Talk[Order], shop: Shop) -> None:
    """After a crash it runs once more under the same idempotency key, and its batch goes on."""
    with talk.slow(pack):
        talk.calls(pack)
    talk.crash(after=pack)

    assert ["pack talk/2/1/call_2"] * 2 == shop.done
    assert ["packed"] == due(talk)


def test_a_probed_body_is_asked_whether_it_happened(talk: Talk[Order], shop: Shop) -> None:
    """A probe that finds the effect answers the call; the body does not run again, however slow it is."""
    with talk.slow(send):
        talk.calls(send)
        talk.crash(after=send)

    assert (["send"], ["sent"]) == (shop.done, due(talk))


def test_a_probed_body_that_did_not_happen_runs(talk: Talk[Order], shop: Shop) -> None:
    """A probe that finds nothing lets the body run."""
    with talk.slow(send):
        talk.calls(send)
    talk.crash()

    assert (["send"], ["sent"]) == (shop.done, due(talk))


def test_a_result_that_waits_survives_a_crash(talk: Talk[Order], shop: Shop) -> None:
    """A late result that was posted is delivered by the next process; its body is not lost, and not run again."""
    with talk.slow(build):
        talk.calls(build, part="leg")
    talk.grace()
    talk.finish(build)
    talk.crash()
    stages = [ticket.stage for ticket in talk.tickets]
    talk.says("It takes a while.")

    assert (["running"], ["build leg"]) == (stages, shop.done)
    assert ["Result of build (ticket T1), asked by desk: leg is built"] == due(talk)


def test_keys_outlive_a_crash(talk: Talk[Order]) -> None:
    """The store knows a key that was used before."""
    talk.says("Anything else?")
    talk.user("a table", key="k")
    talk.crash()

    assert talk.user("a table", key="k").repeated
    with pytest.raises(KeyReused):
        talk.user("a bed", key="k")


def test_a_body_may_speak_for_the_user(shop: Shop) -> None:
    """A message sent from within a body waits like any other, and no body runs twice."""
    talk = Talk(flow, deps=shop)
    shop.done = _Telling(talk)
    talk.user("a chair")
    talk.calls(choose, item="chair")

    assert (1, ["chair it is", "You are desk. front handed over to you by choose.", "hurry"]) == (
        sum(isinstance(event, ToolStarted) for event in talk.events),
        due(talk),
    )


class _Telling(list[str]):
    """Says something as the user when a body notes what it did."""

    def __init__(self, talk: Talk[Order]) -> None:
        super().__init__()
        self._talk = talk

    def append(self, _: str) -> None:
        self._talk.user("hurry")


# -- what would leave the active assistant without its facts -----------------------------------------------------------


class _Trip(Metadata):
    town: str | None = None
    open: bool | None = None


def _is_open(trip: _Trip) -> bool:
    """The desk is closed."""
    return trip.open is True


def _trips() -> tuple[Flow[_Trip], Callable[..., str]]:
    flow = Flow("trips", metadata=_Trip)
    guide = flow.assistant("guide", instructions="You know {{ town }}.")
    desk = flow.assistant("desk", instructions="Sell tickets.")

    @guide.tool(to=desk.when(_is_open), clears="town")
    def leave(town: FromMetadata[str]) -> str:
        """Leave the town."""
        return f"left {town}"

    return flow, leave


def test_a_refused_handoff_does_not_clear_what_the_staying_assistant_needs() -> None:
    """The output is kept and the model is told; the field stays, so the next run can be instructed."""
    flow, leave = _trips()
    talk = Talk(flow, metadata=_Trip(town="Rome"))
    talk.user("let us go")
    talk.calls(leave)

    assert (
        "Rome",
        [
            (
                "left Rome\nWhat it would have changed no longer fits and was not kept.\n"
                "Not handed over: The desk is closed. Stay and continue."
            )
        ],
    ) == (talk.metadata.town, [item.text for item in talk.prompt.due if isinstance(item, Output)])


def test_a_late_result_does_not_clear_what_the_active_assistant_needs() -> None:
    """A late patch that would leave nobody to answer is refused whole, and the active assistant answers."""
    flow, leave = _trips()
    talk = Talk(flow, metadata=_Trip(town="Rome", open=True))
    talk.user("let us go")
    with talk.slow(leave):
        talk.calls(leave)
    talk.user("wait", while_running="interrupt")
    talk.says("I wait.")
    talk.edit(open=False)
    talk.finish(leave)

    assert ("Rome", 'You know "Rome".') == (talk.metadata.town, talk.instructions)


def test_a_late_result_whose_fact_changed_meanwhile_does_not_hand_over() -> None:
    """The field keeps its newer value, and an assistant that could not be instructed with it is not gone to."""
    flow = Flow("moves", metadata=_Trip)
    guide = flow.assistant("guide", instructions="Find a town.")
    desk = flow.assistant("desk", instructions="Sell tickets to {{ town }}.")

    @guide.tool(to=desk, sets="town")
    def choose_town(town: str) -> str:
        """Choose a town."""
        return f"{town} it is"

    talk = Talk(flow, metadata=_Trip(town="Rome"))
    talk.user("Paris")
    with talk.slow(choose_town):
        talk.calls(choose_town, town="Paris")
    talk.user("no, nowhere", while_running="interrupt")
    talk.says("As you like.")
    talk.edit(town=None)
    talk.finish(choose_town)

    assert (guide, None) == (talk.assistant, talk.metadata.town)
    assert "town had changed meanwhile and was kept." in str(talk)
