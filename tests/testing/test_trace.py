"""A journal becomes a test that is green at once, and shows where a changed flow would decide otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from handoff import ConfigurationError, Deps, Flow, Go, Metadata, Pending, ToolCall, ToolError
from handoff.store.base import JournalRecord
from handoff.testing import RecordedTalk, Talk, TalkMismatch, World, call, compare, explore
from handoff.testing.reading import as_text
from handoff.testing.tracing import Trace
from handoff.testing.view import THREAD

WHOLE = bool(os.environ.get("HANDOFF_CAMPAIGN_MINUTES"))


class Order(Metadata):
    """What is known of the order."""

    dish: str | None = None
    total: int | None = None
    paid: bool | None = None


class Till(Deps):
    """Where the money is."""

    def __init__(self) -> None:
        self.charges: list[int] = []


def trattoria(
    *, limit: int = 5, bill: str = "Bill {{ dish }}.", price: int = 7, with_wine: bool = True
) -> Flow[Any, Any]:
    """A flow in which a conversation can do everything; the arguments are what may change between versions."""
    flow = Flow("trattoria", metadata=Order, deps=Till)
    waiter = flow.assistant("waiter", instructions="Find out what the guest wants.")
    cashier = flow.assistant("cashier", instructions=bill)
    host = flow.assistant("host", instructions="Say goodbye.")

    def is_dear(order: Order) -> bool:
        """The meal is expensive."""
        return (order.total or 0) > limit

    @waiter.tool(to=cashier, sets=("dish", "total"))
    def take_order(order: Order, dish: str) -> str:
        """Take the order."""
        order.total = price
        return f"One {dish}."

    @cashier.tool(to=(host.when(is_dear), waiter), sets="paid")
    def pay(order: Order, till: Till, amount: int) -> str:
        """Take the money."""
        if amount == 13:
            raise ToolError("Unlucky.")
        if amount == 0:
            raise OSError("no till")
        till.charges.append(amount)
        order.paid = True
        return "Paid."

    @cashier.tool(to=(waiter, host))
    def choose(where: str) -> Go:
        """Go somewhere."""
        return Go(waiter if where == "waiter" else host, f"To the {where}.")

    @cashier.tool(idempotent=True)
    def weigh(call: ToolCall, what: str) -> str:
        """Weigh something."""
        del call
        return f"{what} is heavy."

    @waiter.tool()
    def ring() -> Pending:
        """Ring for the cook."""
        return Pending("rung")

    @host.tool(to=waiter, clears=("dish", "total", "paid"))
    def again() -> str:
        """Begin again."""
        return "Again."

    @host.tool(to=flow.end)
    def close() -> str:
        """Close."""
        return "Closed."

    if with_wine:

        @waiter.tool(approval=True)
        def wine(till: Till, bottle: str) -> str:
            """Open a bottle."""
            till.charges.append(1)
            return f"Here is {bottle}."

    waiter.after(timedelta(minutes=10), to=host)
    return flow


flow = trattoria()


def played(test: Callable[[Talk[Any]], None]) -> list[JournalRecord]:
    """The journal of a conversation."""
    with Talk(flow, deps=Till()) as talk:
        test(talk)
    return talk.store.journal(THREAD)


def run(source: str) -> None:
    """Run a written test against the flow here."""
    names: dict[str, Any] = {"flow": flow}
    exec(compile(source.replace("from trattoria import flow\n", ""), "written", "exec"), names)  # noqa: S102 - just written
    names["test_talk"]()


# -- conversations -----------------------------------------------------------------------------------------------------


def ordinary(talk: Talk[Any]) -> None:
    talk.user("A pizza")
    talk.calls("take_order", dish="pizza")
    talk.says("Coming up.")
    talk.user("The bill")
    talk.calls(call("pay", amount=12), call("weigh", what="the tip"))
    talk.says("Goodbye.")
    talk.user("Bye")
    talk.calls("close")


def awkward(talk: Talk[Any]) -> None:
    talk.user("He said \"a \\pizza\"\nand 'left'")
    talk.miscalls("take_order", raw="{")
    talk.miscalls("no_such_tool", **{"class": 1})
    talk.calls("take_order", dish='"""')
    talk.incomplete("I was", "max_output_tokens")
    talk.user("The bill")
    talk.calls("pay", amount=13)
    talk.calls("pay", amount=0)
    talk.fails("server_error")
    talk.user("Well?")
    talk.calls("choose", where="host")
    talk.says("Hello.")
    talk.user("Again")
    talk.calls("again")
    talk.says("")


def interrupted(talk: Talk[Any]) -> None:
    talk.user("A pizza")
    talk.user("No, pasta", while_running="interrupt")
    with talk.slow("take_order"):
        talk.calls("take_order", dish="pasta")
        talk.user("Quick", while_running="steer")
        talk.user("The bill")
        talk.finish("take_order")
    talk.says("Coming up.")
    talk.user("Well?")
    talk.cancel()


def waiting(talk: Talk[Any]) -> None:
    talk.user("Wine")
    talk.calls(call("wine", bottle="red"), call("ring"))
    talk.says("One moment.")
    talk.approve(by="the owner")
    talk.says("Here.")
    talk.resolve("The cook comes.", by="the cook")
    talk.says("The cook comes.")
    talk.user("More")
    talk.calls("wine", bottle="white")
    talk.refuse("too much", by="the owner")
    talk.says("No.")
    talk.says("No.")
    talk.edit(total=3)
    talk.silence(timedelta(minutes=10))
    talk.says("Goodbye.")


def late(talk: Talk[Any]) -> None:
    talk.user("A pizza")
    talk.calls("take_order", dish="pizza")
    with talk.slow("weigh", "pay"):
        talk.calls(call("weigh", what="the tip"), call("pay", amount=3))
        talk.grace()
        talk.says("It takes a while.")
        talk.finish("weigh")
        talk.says("It is heavy.")
        talk.finish("pay")
    talk.says("Paid.")
    talk.user("And?")
    talk.expire()


def crashed(talk: Talk[Any]) -> None:
    talk.user("A pizza")
    talk.crash()
    with talk.slow("take_order"):
        talk.calls("take_order", dish="pizza")
        talk.crash(after="take_order")
    talk.says("I do not know.")
    talk.settle("One pizza.", by="the cook")
    talk.says("Coming up.")


def twice(talk: Talk[Any]) -> None:
    talk.user("Wine, twice")
    with talk.slow("wine"):
        talk.calls(call("wine", bottle="red"), call("wine", bottle="white"))
        talk.approve(ticket="T1")
        talk.approve(ticket="T2")
        talk.says("One moment.")
    first, second = talk._driver.bodies.held.values()
    talk._driver.bodies.finish(second)
    talk.says("White.")
    talk._driver.bodies.finish(first)
    talk.says("Red.")


def out_of_turn(talk: Talk[Any]) -> None:
    talk.user("A pizza")
    talk.calls("take_order", dish="pizza")
    with talk.slow("weigh"):
        talk.calls(call("weigh", what="this"), call("weigh", what="that"))
    first, second = talk._driver.bodies.held.values()
    talk._driver.bodies.finish(second)
    talk._driver.bodies.finish(first)
    assert ("this is heavy.", "that is heavy.") == talk.outputs
    talk.says("Heavy.")


def at_once(talk: Talk[Any]) -> None:
    talk.user("Wine")
    talk.calls("wine", bottle="red")
    talk.says("One moment.")
    talk._driver.waits = True
    talk.refuse("too early")
    talk.user("A pizza")
    talk.user("Quick")
    talk._driver.waits = False
    talk._driver.feed()
    talk.says("No wine.")


CONVERSATIONS = [
    pytest.param(one, id=one.__name__)
    for one in (ordinary, awkward, interrupted, waiting, late, crashed, at_once, twice, out_of_turn)
]


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_a_test_of_a_journal_is_green_at_once(conversation: Callable[[Talk[Any]], None]) -> None:
    """The test that is written plays the conversation through, without the tools and what they borrow."""
    source = Trace(played(conversation)).test("trattoria")

    run(source)


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_a_journal_goes_the_same_way_with_the_same_flow(conversation: Callable[[Talk[Any]], None]) -> None:
    """Nothing differs, and decisions were asked for."""
    found = compare(played(conversation), flow)

    assert (None, True) == (found.difference, found.version)
    assert found.asked > 3


@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_a_written_test_leads_to_the_same_transcript(conversation: Callable[[Talk[Any]], None]) -> None:
    """The journal of the written test reads as the one it was written of, but for crashes that changed nothing."""
    journal = played(conversation)
    source = Trace(journal).test("trattoria").replace("as talk:", "as talk:\n        KEPT.append(talk)", 1)
    kept: list[RecordedTalk[Any]] = []
    names: dict[str, Any] = {"flow": flow, "KEPT": kept}
    exec(compile(source.replace("from trattoria import flow\n", ""), "written", "exec"), names)  # noqa: S102 - just written
    names["test_talk"]()

    assert _spoken(journal) == _spoken(kept[0].store.journal(THREAD))


def _spoken(journal: Sequence[JournalRecord]) -> list[str]:
    return [line for line in as_text(journal).splitlines() if not line.startswith(("recovered", "raised"))]


def test_every_end_of_an_exploration_can_be_written_as_a_test() -> None:
    """Whatever happens in a conversation, its test is green, or it is said that no talk can play it."""
    counts = {"green": 0, "refused": 0}

    def write(world: World[Any]) -> None:
        journal = world.store.journal(THREAD)
        assert compare(journal, flow).difference is None
        try:
            source = Trace(journal).test("trattoria")
        except ConfigurationError:
            counts["refused"] += 1
            return
        run(source)
        counts["green"] += 1

    for conversation in (waiting, ordinary):
        explore(
            conversation,
            flow,
            deps=Till,
            at_rest=write,
            cancels=2,
            failures=1,
            together=3,
            while_running=("steer", "interrupt"),
            bound=20,
            walks=1_500 if WHOLE else 12,
        )

    assert counts["green"] > 10 * counts["refused"]


# -- recorded talks ----------------------------------------------------------------------------------------------------


def test_nothing_runs_in_a_recorded_talk() -> None:
    """A body comes to what was said of it; what the flow makes of it is the flow's."""
    with RecordedTalk(flow) as talk:
        talk.user("A pizza")
        talk.returns("take_order", "As recorded.", sets={"total": 99})
        talk.calls("take_order", dish="pizza")
        talk.says("Coming up.")

        assert ("As recorded.",) == talk.outputs
        assert {"dish": "pizza", "total": 99} == talk.facts


def test_bodies_run_where_they_are_let() -> None:
    """With `real`, the same test runs the tools."""
    till = Till()
    with RecordedTalk(flow, deps=till, real=True) as talk:
        talk.user("A pizza")
        talk.returns("take_order", "As recorded.", sets={"total": 99})
        talk.calls("take_order", dish="pizza")
        talk.calls("pay", amount=3)
        talk.says("Bye.")

    assert [3] == till.charges


def test_a_body_that_was_to_run_and_did_not_is_told_of() -> None:
    """What was recorded and not asked for fails the talk at its end."""
    talk = RecordedTalk(flow)
    talk.returns("pay", "Paid.")

    with pytest.raises(TalkMismatch, match="bodies of pay were to run, and did not"):
        talk.close()


def test_a_body_of_which_nothing_is_known_does_not_end() -> None:
    """It is held until `finish`, which needs an outcome."""
    talk = RecordedTalk(flow)
    talk.user("A pizza")
    talk.calls("take_order", dish="pizza")

    with pytest.raises(TalkMismatch, match=r"nothing says what it comes to: returns\(…\)"):
        talk.finish("take_order")


def test_a_thread_carried_over_cannot_be_written_as_a_test() -> None:
    """The error says why."""
    journal = played(ordinary)
    migrated = {
        "type": "FlowMigrated",
        "at": 1.0,
        "version": "x",
        "assistant": "end",
        "metadata": {},
        "limits": journal[0].data["limits"],
    }

    with pytest.raises(ConfigurationError, match="carried over to another version"):
        Trace([*journal, JournalRecord(len(journal) + 1, migrated)]).test("trattoria")


# -- changed flows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "what", "was", "now"),
    [
        pytest.param(
            {"bill": "Take {{ total }}."}, "the instructions of cashier", 'Bill "pizza".', "Take 7.", id="text"
        ),
        pytest.param({"limit": 50}, "where pay of cashier led", "to host", "to waiter", id="guard"),
        pytest.param({"with_wine": False}, "what waiter is offered", "wine", "take_order, ring", id="tool"),
    ],
)
def test_the_first_difference_is_shown(changed: dict[str, Any], what: str, was: str, now: str) -> None:
    """What was decided, and what the changed flow would decide."""
    found = compare(played(ordinary), trattoria(**changed)).difference

    assert found is not None
    assert what == found.what
    assert was in found.was
    assert now in found.now


def test_what_bodies_do_is_not_asked_again() -> None:
    """A body that would return something else is no difference: it is not run."""
    assert None is compare(played(ordinary), trattoria(price=8)).difference


def test_an_assistant_that_is_gone_is_a_difference() -> None:
    """The thread has nowhere to be."""
    other = Flow("trattoria", metadata=Order)
    other.assistant("greeter", instructions="Greet.")

    found = compare(played(ordinary), other).difference

    assert "the assistant waiter" == (found.what if found else None)
