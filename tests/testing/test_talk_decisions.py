"""People who decide: approvals, what the world answers, and edits from outside."""

from __future__ import annotations

import pytest

from handoff import EditReceipt, TicketClosed
from handoff.testing import Talk, TalkMismatch
from tests.testing.talk_flow import (
    Order,
    Shop,
    ask_supplier,
    at_desk,
    desk,
    discount,
    due,
)


@pytest.fixture
def talk(talk: Talk[Order], shop: Shop) -> Talk[Order]:
    """Where desk is to speak."""
    at_desk(talk)
    shop.done.clear()
    return talk


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
