"""A shop's front desk: the concierge finds out what a customer wants, and a specialist does it.

Nobody is passed around for long. Each way from one specialist to another is open once for a message of the customer;
after five runs the thread goes to `lead`, who has no tools and so can only answer; and whoever has used up its tool
calls is offered no more tools and can only answer, too.

What only reads, or writes under the key of its call, is idempotent and runs again after a crash. Paying back is not
run again: its probe asks the bank whether it happened.
"""

# ruff: noqa: D417  (a tool's docstring is for the model, which fills only some of the parameters)

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import StringConstraints

from flows.concierge.shop import CustomerId, OrderId, Shop, money
from handoff import Assistant, Flow, FromMetadata, Go, Limits, Metadata, ToolCall

ALONE = 5000
"""Cents that billing may pay back without anybody's approval."""
SILENCE = timedelta(minutes=30)
"""After this long without a word, what comes next goes to the concierge again."""

Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]


class Desk(Metadata):
    """What the assistants know of the customer."""

    customer: CustomerId | None = None
    """Who it is, once that has been made sure of."""
    name: str | None = None
    """The customer's name."""
    wish: str | None = None
    """What the customer wants, in a sentence: what a specialist is told by whoever hands over."""
    order_id: OrderId | None = None
    """The order that was spoken of last."""


def unknown(desk: Desk) -> bool:
    """The customer is known already."""
    return desk.customer is None


flow = Flow(
    "concierge",
    metadata=Desk,
    deps=Shop,
    # Five handoffs that use the runs up, the one to the lead, and the one back from there.
    limits=Limits(handoffs=7, calls=12, runs=5),
    instructions="""
        You work at the front desk of a shop. Do only what your tools do, promise nothing else, and tell the customer
        what they answered. Pass a customer on only if somebody else is needed.
        {% if name %}The customer is {{ name }}.{% endif %}
        {% if wish %}What the customer wants: {{ wish }}{% endif %}
        {% if order_id %}The order spoken of last is {{ order_id }}.{% endif %}
    """,
)
concierge = flow.assistant(
    "concierge",
    description="Finds out what the customer wants, and who can do it.",
    instructions="Find out what the customer wants, then pass it on. You know nothing of orders, money or devices.",
)
billing = flow.assistant(
    "billing",
    description="Knows what was paid, and pays back.",
    instructions="Pay back what the customer is owed. Have it made sure who the customer is first.",
)
technical = flow.assistant(
    "technical",
    description="Helps with devices that do not work, and books repairs.",
    instructions="Find out what is wrong, look it up, and book a repair only if the advice did not help.",
)
orders = flow.assistant(
    "orders",
    description="Knows where orders are; changes and cancels what has not left.",
    instructions="Say where orders are, change them, or cancel them if the customer says so.",
)
door = flow.assistant(
    "door",
    description="Makes sure who the customer is.",
    # What was said of a customer's affairs before is nothing to whoever asks who that is.
    view=3,
    instructions="Ask for the e-mail address and the postcode, both, and nothing else. Guess neither.",
)
lead = flow.assistant(
    "lead",
    description="Answers where the others came to no answer.",
    instructions="Say what was found out and done, what is still open, and ask what to do first. Promise nothing.",
)


# -- concierge ---------------------------------------------------------------------------------------------------------


@concierge.tool(to=(billing.when(times=2), technical.when(times=2), orders.when(times=2)), sets="wish", idempotent=True)
def pass_on(specialist: Assistant[Desk], wish: str) -> Go:
    """Pass the customer on to the specialist for what they want.

    Args:
        specialist: who can do it.
        wish: what the customer wants, in a sentence, with all details that were given.
    """
    return Go(specialist, f"Passed on: {wish}")


@concierge.tool(to=flow.end, speak="output", idempotent=True)
def say_goodbye() -> str:
    """End the conversation, because the customer says goodbye."""
    return "Goodbye, and thank you for your visit."


# -- all specialists ---------------------------------------------------------------------------------------------------


@flow.tool(billing, technical, orders, to=concierge, clears=("wish", "order_id"), idempotent=True)
def hand_back() -> str:
    """Hand the customer back, because what they want now is nobody's here, or everything is done."""
    return "Handed back."


@flow.tool(technical, orders, to=billing.when(times=1), sets="wish", idempotent=True)
def hand_to_billing(wish: str) -> str:
    """Hand the customer over to billing.

    Args:
        wish: what the customer wants there, in a sentence, with all details that were given.
    """
    return f"Handed to billing: {wish}"


@flow.tool(billing, orders, to=technical.when(times=1), sets="wish", idempotent=True)
def hand_to_technical(wish: str) -> str:
    """Hand the customer over to technical.

    Args:
        wish: what the customer wants there, in a sentence, with all details that were given.
    """
    return f"Handed to technical: {wish}"


@flow.tool(billing, technical, to=orders.when(times=1), sets="wish", idempotent=True)
def hand_to_orders(wish: str) -> str:
    """Hand the customer over to orders.

    Args:
        wish: what the customer wants there, in a sentence, with all details that were given.
    """
    return f"Handed to orders: {wish}"


@flow.tool(billing, technical, orders, to=door.when(times=1), allow=unknown, idempotent=True)
def ask_who() -> str:
    """Have it made sure who the customer is; the customer comes back here afterwards."""
    return "Please say who you are."


@flow.tool(billing, technical, orders, idempotent=True)
def list_orders(shop: Shop, customer: FromMetadata[CustomerId]) -> str:
    """List the customer's orders: number, product, what was paid, and how far each is."""
    return "\n".join(map(str, shop.orders(customer))) or "There are no orders."


# -- door --------------------------------------------------------------------------------------------------------------


@door.tool(to=flow.back, sets=("customer", "name"), idempotent=True)
def identify(desk: Desk, shop: Shop, email: Email, postcode: str) -> str:
    """Make sure who the customer is, by what they say of themselves.

    Args:
        email: the e-mail address.
        postcode: the postcode.
    """
    desk.customer, desk.name = shop.customer(email, postcode)
    return f"The customer is {desk.name}."


@door.tool(to=concierge, clears=("wish", "order_id"), idempotent=True)
def give_up() -> str:
    """Send the customer back to the concierge, because they cannot or will not say who they are."""
    return "It stays open who the customer is."


# -- billing -----------------------------------------------------------------------------------------------------------


def large(cents: int) -> bool:
    """Whether a person has to approve a refund."""
    return cents > ALONE


def paid_back(shop: Shop, call: ToolCall) -> str | None:
    """What refund answered, if the bank has the payment."""
    found = shop.payment(call.idempotency_key)
    return None if found is None else _told(*found)


@billing.tool(sets="order_id", approval=large, probe=paid_back)
def refund(shop: Shop, call: ToolCall, customer: FromMetadata[CustomerId], order_id: OrderId, cents: int) -> str:
    """Pay back what was paid for an order, or a part of it. Large refunds wait for approval.

    Args:
        order_id: the order.
        cents: how much, in cents.
    """
    shop.pay_back(call.idempotency_key, customer, order_id, cents)
    return _told(order_id, cents)


def _told(order_id: OrderId, cents: int) -> str:
    return f"{money(cents)} of order {order_id} went back."


# -- technical ---------------------------------------------------------------------------------------------------------


@technical.tool(sets="order_id", idempotent=True)
def look_up(shop: Shop, customer: FromMetadata[CustomerId], order_id: OrderId, symptom: str) -> str:
    """Look up what the manual of an ordered device says.

    Args:
        order_id: the order the device came with.
        symptom: what it does or does not do.
    """
    order = shop.order(customer, order_id)
    found = shop.advice(order.product, symptom)
    return f"{order.name}: {found or 'the manual says nothing about that; it can be repaired.'}"


@technical.tool(sets="order_id", idempotent=True)
def book_repair(shop: Shop, call: ToolCall, customer: FromMetadata[CustomerId], order_id: OrderId, problem: str) -> str:
    """Book a repair of a device that was delivered.

    Args:
        order_id: the order the device came with.
        problem: what is wrong with it.
    """
    return shop.book_repair(call.idempotency_key, customer, order_id, problem)


# -- orders ------------------------------------------------------------------------------------------------------------


@orders.tool(sets="order_id", idempotent=True)
def track(shop: Shop, customer: FromMetadata[CustomerId], order_id: OrderId) -> str:
    """Say how far an order is, and where it goes.

    Args:
        order_id: the order.
    """
    order = shop.order(customer, order_id)
    return f"{order}, to {order.address}"


@orders.tool(sets="order_id", idempotent=True)
def change_address(
    shop: Shop, call: ToolCall, customer: FromMetadata[CustomerId], order_id: OrderId, address: str
) -> str:
    """Send an order that has not left to another address.

    Args:
        order_id: the order.
        address: the whole address.
    """
    return shop.send_to(call.idempotency_key, customer, order_id, address)


@orders.tool(sets="order_id", idempotent=True)
def cancel(shop: Shop, call: ToolCall, customer: FromMetadata[CustomerId], order_id: OrderId) -> str:
    """Cancel an order that has not left.

    Args:
        order_id: the order.
    """
    return shop.cancel(call.idempotency_key, customer, order_id)


# -- what no tool sets off ---------------------------------------------------------------------------------------------

#: Whoever comes back after a while is asked anew what they want; nobody speaks unasked.
forget = tuple(one.after(SILENCE, to=concierge, speak=False) for one in (billing, technical, orders, door))
#: Who has been with five of us for one message gets an answer here.
stop = flow.on_limit(lead)
#: The lead answers once.
resume = lead.then(concierge, speak=False)
