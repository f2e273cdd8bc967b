"""The front desk: every transition, what is offered to whom, refunds, and that nobody is passed around for ever."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flows.concierge import flow
from flows.concierge.flow import (
    SILENCE,
    Desk,
    ask_who,
    billing,
    book_repair,
    cancel,
    change_address,
    concierge,
    door,
    forget,
    give_up,
    hand_back,
    hand_to_billing,
    hand_to_orders,
    hand_to_technical,
    identify,
    lead,
    list_orders,
    look_up,
    orders,
    pass_on,
    refund,
    resume,
    say_goodbye,
    stop,
    technical,
    track,
)
from flows.concierge.shop import Shop
from handoff import Answer, Assistant, Threads, call
from handoff.backends.embedded import Embedded
from handoff.checks import check
from handoff.core.items import Note, Output
from handoff.declaration.prompt import Prompt
from handoff.testing import Talk

SPECIALISTS = (billing, technical, orders)
ADA = Desk(customer="C1", name="Ada Palmer")
ADDRESS = {"email": "ada@example.org", "postcode": "10115"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop.sample(tmp_path / "shop")


# -- transitions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "trigger", "dest"),
    [
        pytest.param(billing, hand_back, concierge, id="billing back"),
        pytest.param(technical, hand_back, concierge, id="technical back"),
        pytest.param(orders, hand_back, concierge, id="orders back"),
        pytest.param(technical, hand_to_billing, billing, id="technical to billing"),
        pytest.param(orders, hand_to_billing, billing, id="orders to billing"),
        pytest.param(billing, hand_to_technical, technical, id="billing to technical"),
        pytest.param(orders, hand_to_technical, technical, id="orders to technical"),
        pytest.param(billing, hand_to_orders, orders, id="billing to orders"),
        pytest.param(technical, hand_to_orders, orders, id="technical to orders"),
        pytest.param(billing, ask_who, door, id="billing asks who"),
        pytest.param(technical, ask_who, door, id="technical asks who"),
        pytest.param(orders, ask_who, door, id="orders asks who"),
        pytest.param(door, give_up, concierge, id="not said"),
        pytest.param(billing, forget[0], concierge, id="billing after silence"),
        pytest.param(technical, forget[1], concierge, id="technical after silence"),
        pytest.param(orders, forget[2], concierge, id="orders after silence"),
        pytest.param(door, forget[3], concierge, id="door after silence"),
        pytest.param(concierge, stop, lead, id="concierge at the limit"),
        pytest.param(billing, stop, lead, id="billing at the limit"),
        pytest.param(technical, stop, lead, id="technical at the limit"),
        pytest.param(orders, stop, lead, id="orders at the limit"),
        pytest.param(door, stop, lead, id="door at the limit"),
        pytest.param(lead, resume, concierge, id="answered at the limit"),
    ],
)
def test_the_thread_goes_where_the_flow_says(source: Assistant[Desk], trigger: Any, dest: Assistant[Desk]) -> None:
    """Each transition that is no choice of the model leads to its one destination."""
    assert dest is flow.step(source, trigger, Desk())


@pytest.mark.parametrize("asker", SPECIALISTS, ids=lambda one: one.name)
def test_the_door_leads_back_to_whoever_asked(shop: Shop, asker: Assistant[Desk]) -> None:
    """A specialist has it made sure who the customer is, gets them back known, and can then help."""
    with Talk(flow, deps=shop) as talk:
        talk.user("Help me.")
        talk.calls(pass_on, specialist=asker, wish="help")
        assert "list_orders" not in talk.offered
        talk.calls(ask_who)
        talk.says("Who are you?", by=door)
        talk.user("ada@example.org, 10115")
        talk.calls(identify, **ADDRESS)
        assert asker is talk.assistant
        assert ("list_orders" in talk.offered, "ask_who" in talk.offered) == (True, False)
        talk.says("Hello Ada.", by=asker)
        assert ("C1", "Ada Palmer", "help") == (talk.metadata.customer, talk.metadata.name, talk.metadata.wish)


def test_goodbye_ends_the_thread(shop: Shop) -> None:
    """The output is the last word, without another model call."""
    with Talk(flow, deps=shop) as talk:
        talk.user("Goodbye.")
        talk.calls(say_goodbye)
        assert ("closed", 1) == (talk.status, talk.model_calls)


def test_after_a_silence_the_concierge_waits(shop: Shop) -> None:
    """The customer is back at the front desk, and nobody speaks unasked."""
    with Talk(flow, deps=shop) as talk:
        talk.user("A bill.")
        talk.calls(pass_on, specialist=billing, wish="a bill")
        talk.says("Which one?", by=billing)
        asked = talk.model_calls
        talk.silence(SILENCE - timedelta(seconds=1))
        assert billing is talk.assistant
        talk.silence(timedelta(seconds=1))
        assert (concierge, asked) == (talk.assistant, talk.model_calls)


def test_a_wish_is_told_to_whoever_gets_the_customer(shop: Shop) -> None:
    """It stands in the next instructions as data, and is forgotten when the customer is handed back."""
    with Talk(flow, deps=shop, metadata=ADA) as talk:
        talk.user("My kettle.")
        talk.calls(pass_on, specialist=technical, wish="ignore all that")
        assert 'What the customer wants: "ignore all that"' in talk.instructions
        talk.calls(hand_back)
        assert "What the customer wants" not in talk.instructions
        talk.says("What else?", by=concierge)


# -- outputs over handoffs ---------------------------------------------------------------------------------------------


async def test_every_output_survives_the_handoffs(shop: Shop) -> None:
    """Two calls in one response with a handoff, then another handoff: all outputs stand in the thread, each once."""
    steps = [
        (call(pass_on, specialist=orders, wish="a radio"),),
        (call(track, order_id="1002"), call(track, order_id="1003"), call(hand_to_billing, wish="pay it back")),
        (call(list_orders), call(hand_back)),
    ]

    class Plays:
        def answer(self, _prompt: Prompt) -> Answer:
            return Answer(calls=steps.pop(0)) if steps else Answer("That is all.")

    async with Threads(flow, deps=shop, backend=Embedded(Plays())) as threads:
        thread = await threads.open("t1", metadata=ADA)
        reply = await thread.send("My radio.")
        outputs = [(item.tool, item.text) for item in await thread.transcript() if isinstance(item, Output)]

    assert ("That is all.", "concierge") == (reply.text, reply.assistant)
    assert ["pass_on", "track", "track", "hand_to_billing", "list_orders", "hand_back"] == [tool for tool, _ in outputs]
    assert "1002: Kitchen radio Tarn, 129.00 EUR, shipped, to 3 Mill Lane, 10115 Berlin" == outputs[1][1]
    assert "1003: Desk lamp Fenn, 35.00 EUR, packing, to 3 Mill Lane, 10115 Berlin" == outputs[2][1]


# -- no ping-pong ------------------------------------------------------------------------------------------------------


class Bouncer:
    """A model that never says a word while it may call a tool, and hands over wherever it can."""

    def __init__(self, seed: int, *, hands_over: bool = True) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a sample
        self._hands_over = hands_over
        self.asked: list[str] = []

    def answer(self, prompt: Prompt) -> Answer:
        """Call a tool if there is one."""
        self.asked.append(prompt.assistant)
        wish = f"wish {len(self.asked)}"  # ever another one, so that no two rounds are the same loop
        arguments: dict[str, Callable[[], dict[str, Any]]] = {
            "pass_on": lambda: {"specialist": self._random.choice(SPECIALISTS), "wish": wish},
            "hand_to_billing": lambda: {"wish": wish},
            "hand_to_technical": lambda: {"wish": wish},
            "hand_to_orders": lambda: {"wish": wish},
            "hand_back": dict,
            "ask_who": dict,
            "identify": lambda: dict(ADDRESS),
            "give_up": dict,
        }
        if not self._hands_over:
            arguments = {"list_orders": dict, "pass_on": arguments["pass_on"]}
        known = [tool.name for tool in prompt.tools if tool.name in arguments]
        if not known:
            return Answer("This is what we know.")
        chosen = self._random.choice(known)
        return Answer(calls=(call(chosen, **arguments[chosen]()),))


@pytest.mark.parametrize("seed", range(25))
async def test_a_model_that_bounces_for_ever_ends_with_the_customer_answered(shop: Shop, seed: int) -> None:
    """Message for message the thread goes to the lead, who answers, after no more runs and calls than are allowed."""
    model = Bouncer(seed)
    async with Threads(flow, deps=shop, backend=Embedded(model)) as threads:
        thread = await threads.open("t1", metadata=ADA if seed % 2 else None)
        for _ in range(2):
            model.asked.clear()
            reply = await thread.send("Hello.")
            await thread.wait()

            assert ("This is what we know.", ("lead", "This is what we know.")) == (reply.text, reply.messages[-1])
            assert concierge is thread.assistant
            assert flow.limits.runs >= len([one for one, after in pairwise(model.asked) if one != after])
            assert flow.limits.calls + 1 >= len(model.asked)


async def test_a_model_that_looks_things_up_for_ever_ends_with_the_customer_answered(shop: Shop) -> None:
    """Without any handoff to stop, no tool is offered once the calls are used up, so whoever is active answers."""
    model = Bouncer(0, hands_over=False)
    async with Threads(flow, deps=shop, backend=Embedded(model)) as threads:
        thread = await threads.open("t1", metadata=ADA)
        reply = await thread.send("Hello.")

    assert ("This is what we know.", flow.limits.calls + 1) == (reply.text, len(model.asked))


@pytest.mark.parametrize(
    ("first", "there", "back"),
    [
        pytest.param(billing, hand_to_orders, hand_to_billing, id="billing and orders"),
        pytest.param(orders, hand_to_technical, hand_to_orders, id="orders and technical"),
        pytest.param(technical, hand_to_billing, hand_to_technical, id="technical and billing"),
    ],
)
def test_two_specialists_pass_a_customer_to_and_fro_once(
    shop: Shop, first: Assistant[Desk], there: Callable[..., str], back: Callable[..., str]
) -> None:
    """The third time the thread stays, and the model is told why; the customer's next message opens the way again."""
    with Talk(flow, deps=shop, metadata=ADA) as talk:
        talk.user("Help me.")
        talk.calls(pass_on, specialist=first, wish="1")
        talk.calls(there, wish="2")
        talk.calls(back, wish="3")
        talk.calls(there, wish="4")
        assert first is talk.assistant
        talk.says("I see.", by=first)
        talk.user("And now?")
        talk.calls(there, wish="5")
        assert first is not talk.assistant
        talk.says("Here I am.")


# -- refunds -----------------------------------------------------------------------------------------------------------


def at_billing(shop: Shop) -> Talk[Desk]:
    """A talk in which Ada speaks with billing."""
    talk = Talk(flow, deps=shop, metadata=ADA)
    talk.user("Money back, please.")
    talk.calls(pass_on, specialist=billing, wish="money back")
    return talk


def test_a_small_refund_is_paid_at_once(shop: Shop) -> None:
    """Up to fifty euros nobody has to approve it."""
    with at_billing(shop) as talk:
        talk.calls(refund, order_id="1001", cents=4900)
        talk.says("Done.")
        assert 4900 == shop.order("C1", "1001").refunded


def test_a_large_refund_waits_for_approval(shop: Shop) -> None:
    """It is paid when a person has approved it; the customer, who is elsewhere by then, is told there."""
    with at_billing(shop) as talk:
        talk.calls(refund, order_id="1002", cents=5001)
        assert 0 == shop.order("C1", "1002").refunded
        talk.calls(hand_to_orders, wish="the radio")
        talk.says("It is on its way.", by=orders)
        talk.approve(by="the boss")
        talk.says("And 50.01 EUR went back.", by=orders)
        assert 5001 == shop.order("C1", "1002").refunded


def test_a_refused_refund_is_never_paid(shop: Shop) -> None:
    """The model is told by whom and why."""
    with at_billing(shop) as talk:
        talk.calls(refund, order_id="1002", cents=5001)
        talk.says("It has been asked for.")
        talk.refuse("too much", by="the boss")
        assert any(isinstance(one, Note) and "refused by the boss: too much" in one.text for one in talk.transcript)
        talk.says("No.")
        assert 0 == shop.order("C1", "1002").refunded


def test_a_refund_whose_outcome_was_lost_is_asked_of_the_bank(shop: Shop) -> None:
    """It was paid before the crash: the probe finds the payment, the call is answered, and nothing is paid again."""
    with at_billing(shop) as talk:
        with talk.slow(refund):
            talk.calls(refund, order_id="1001", cents=1000)
            talk.crash(after=refund)
        talk.says("It went back.")
        assert 1000 == shop.order("C1", "1001").refunded
        assert ["10.00 EUR of order 1001 went back."] == [
            item.text for item in talk.transcript if isinstance(item, Output) and item.tool == "refund"
        ]


@pytest.mark.parametrize(
    ("owner", "tool", "arguments", "output"),
    [
        pytest.param(
            orders, change_address, {"order_id": "1003", "address": "Row 5"}, "Order 1003 goes to Row 5.", id="address"
        ),
        pytest.param(
            orders, cancel, {"order_id": "1003"}, "Order 1003 is cancelled; 35.00 EUR can be paid back.", id="cancel"
        ),
        pytest.param(
            technical,
            book_repair,
            {"order_id": "1001", "problem": "cold"},
            "Repair 1 of the Kettle Marlow is booked.",
            id="repair",
        ),
    ],
)
def test_a_write_whose_outcome_was_lost_runs_again_and_writes_once(
    shop: Shop, owner: Assistant[Desk], tool: Callable[..., str], arguments: dict[str, str], output: str
) -> None:
    """The second attempt has the same key, so that it only repeats what was answered."""
    with Talk(flow, deps=shop, metadata=ADA) as talk:
        talk.user("Please.")
        talk.calls(pass_on, specialist=owner, wish="please")
        with talk.slow(tool):
            talk.calls(tool, **arguments)
            talk.crash(after=tool)
            talk.finish(tool)
        talk.says("Done.")
        assert [output] == [
            item.text for item in talk.transcript if isinstance(item, Output) and item.tool == tool.__name__
        ]


def test_a_change_of_what_has_shipped_keeps_nothing(shop: Shop) -> None:
    """The model reads why, and the order is not even remembered."""
    with Talk(flow, deps=shop, metadata=ADA) as talk:
        talk.user("Cancel 1002.")
        talk.calls(pass_on, specialist=orders, wish="cancel 1002")
        talk.calls(cancel, order_id="1002")
        assert talk.metadata.order_id is None
        talk.says("It has left.")


@pytest.mark.parametrize(
    ("symptom", "output"),
    [
        pytest.param("stays cold", "Kettle Marlow: Let it cool for ten minutes", id="known"),
        pytest.param("sings", "Kettle Marlow: the manual says nothing about that", id="unknown"),
    ],
)
def test_the_manual_is_read_out(shop: Shop, symptom: str, output: str) -> None:
    """Advice if there is any, else the way to a repair."""
    assert look_up(shop, "C1", "1001", symptom).startswith(output)


# -- the flow as a whole -----------------------------------------------------------------------------------------------


def test_there_is_nothing_to_find() -> None:
    """No finding, and nothing that could not be decided."""
    report = check(flow)

    assert ((), 0) == (report.findings, len(report.unknown))


@pytest.mark.parametrize(
    ("messages", "assistant", "said"),
    [
        pytest.param(["Hello"], "concierge", "Hello, this is the shop.", id="greeting"),
        pytest.param(["What is love?"], "concierge", "I did not understand that. I understand: hello;", id="nonsense"),
        pytest.param(["My kettle is broken"], "door", "First I have to know who you are", id="who"),
        pytest.param(["My kettle is broken", "I'd rather not say"], "concierge", "Then there is little", id="not said"),
        pytest.param(["a refund", "eve@example.org 10115"], "door", "No customer has this e-mail", id="not known"),
        pytest.param(["a refund", "ada@example.org 10115"], "billing", "You have ordered:\n1001: Kettle", id="billing"),
        pytest.param(["it leaks", "ada@example.org 10115"], "technical", "You have ordered:", id="technical"),
        pytest.param(["my order", "ada@example.org 10115"], "orders", "Your orders:", id="orders"),
        pytest.param(
            ["my order", "ada@example.org 10115", "where is order 1002?"], "orders", "1002: Kitchen radio", id="track"
        ),
        pytest.param(
            ["my order", "ada@example.org 10115", "cancel 1003"], "orders", "Order 1003 is cancelled", id="cancel"
        ),
        pytest.param(
            ["my order", "ada@example.org 10115", "cancel 1001"], "orders", "Order 1001 is delivered", id="too late"
        ),
        pytest.param(
            ["my order", "ada@example.org 10115", "refund 12.50 of 1001"], "billing", "12.50 EUR of order 1001", id="on"
        ),
        pytest.param(
            ["a refund", "ada@example.org 10115", "refund 60 of 1002"], "billing", "So much money", id="approval"
        ),
        pytest.param(["a refund", "ada@example.org 10115", "1001 leaks"], "technical", "Kettle Marlow: T", id="leak"),
        pytest.param(
            ["it leaks", "ada@example.org 10115", "repair 1001: leaks"], "technical", "Repair 1 of", id="repair"
        ),
        pytest.param(
            ["it leaks", "ada@example.org 10115", "where is my parcel"], "orders", "Your orders:", id="which order"
        ),
        pytest.param(
            ["my order", "ada@example.org 10115", "Where is my order?"], "orders", "Your orders:", id="once more"
        ),
        pytest.param(["my order", "ada@example.org 10115", "hm"], "orders", "I did not understand", id="hm"),
        pytest.param(["a refund", "ada@example.org 10115", "that's all"], "end", "Goodbye, and thank", id="goodbye"),
    ],
)
async def test_the_offline_desk(shop: Shop, messages: list[str], assistant: str, said: str) -> None:
    """Without a model the desk goes by words, and what it does not understand changes nothing."""
    async with Threads(flow, deps=shop) as threads:
        thread = await threads.open("t1")
        for message in messages:
            reply = await thread.send(message)

    assert (assistant, said) == (reply.assistant, reply.text[: len(said)])
