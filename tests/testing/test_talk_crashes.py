"""A process that dies in a talk: what runs again, what is asked, and what a person settles."""

from __future__ import annotations

import pytest

from handoff import KeyReused, ToolStarted
from handoff.testing import Talk
from tests.testing.talk_flow import (
    Order,
    Shop,
    at_desk,
    build,
    choose,
    discount,
    due,
    flow,
    pack,
    send,
)


@pytest.fixture
def talk(talk: Talk[Order], shop: Shop) -> Talk[Order]:
    """Where desk is to speak."""
    at_desk(talk)
    shop.done.clear()
    return talk


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
