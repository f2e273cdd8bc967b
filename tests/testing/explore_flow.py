"""A trattoria whose tools are idempotent and are not, wait for people, and run side by side; and its dinner."""

from __future__ import annotations

from typing import Any

from handoff import Deps, Flow, Metadata, Pending, ToolCall
from handoff.testing import Talk, World, call


class Order(Metadata):
    """What is known of the order."""

    dish: str | None = None
    paid: bool | None = None


class Till(Deps):
    """Where the money is."""

    def __init__(self) -> None:
        self.charges: list[int] = []
        self.keys: dict[str, int] = {}


flow = Flow("trattoria", metadata=Order, deps=Till)


waiter = flow.assistant("waiter", instructions="Find out what the guest wants.")


cashier = flow.assistant("cashier", instructions="Bill {{ dish }}.")


@waiter.tool(to=cashier, sets="dish")
def take_order(dish: str) -> str:
    """Take the order."""
    return f"One {dish}."


@cashier.tool(to=waiter, sets="paid", idempotent=True)
async def pay(order: Order, till: Till, call: ToolCall, amount: int) -> str:
    """Take the money."""
    order.paid = True
    till.keys.setdefault(call.idempotency_key, amount)
    till.charges.append(amount)
    return "Paid."


@cashier.tool()
def weigh(till: Till, what: str) -> str:
    """Weigh something."""
    del till
    return f"{what} is heavy."


@waiter.tool(approval=True)
def wine(till: Till, bottle: str) -> str:
    """Open a bottle."""
    till.charges.append(1)
    return f"Here is {bottle}."


@waiter.tool()
def ring() -> Pending:
    """Ring for the cook."""
    return Pending("rung")


def dinner(talk: Talk[Order]) -> None:
    """A guest orders and pays."""
    talk.user("A pizza")
    talk.calls(take_order, dish="pizza")
    talk.says("Coming up.")
    talk.user("The bill")
    talk.calls(call(pay, amount=12), call(weigh, what="tip"))
    talk.says("Goodbye.")


def charged_by_key(world: World[Any]) -> None:
    """What was paid was paid once for each call."""
    assert len(world.deps.keys) == len({ran.key for ran in world.ran if ran.tool == "pay"})


def charged_once(world: World[Any]) -> None:
    """No more was charged than calls were made."""
    calls = {ran.key for ran in world.ran if ran.tool == "pay"}
    assert len(world.deps.charges) <= len(calls), f"{len(world.deps.charges)} charges"
