"""`explore`: what it plays, what it finds, and the smallest schedule that it shows."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from handoff import ConfigurationError, Flow, RuleModel, ToolError
from handoff.core.items import UserMessage
from handoff.declaration.prompt import Prompt
from handoff.models import Answer
from handoff.store import MemoryStore
from handoff.testing import Message, Ruling, Scenario, ScheduleFailed, Talk, World, call, explore
from tests.testing.explore_flow import Order, Till, charged_by_key, charged_once, dinner, flow, ring, take_order, wine

# -- what is looked at -------------------------------------------------------------------------------------------------


def test_undisturbed_a_test_is_one_conversation_in_each_order_of_its_bodies() -> None:
    """Without disturbances, only bodies that run together end in either order."""
    found = explore(dinner, flow, deps=Till, together=0)

    assert (2, 2, True) == (found.schedules, found.ends, found.whole)


def test_everything_up_to_a_bound_is_looked_at() -> None:
    """With one disturbance in each schedule, all schedules are followed, the same number each time."""
    found = explore(dinner, flow, deps=Till, at_rest=charged_by_key, together=1)

    assert found == explore(dinner, flow, deps=Till, at_rest=charged_by_key, together=1)
    assert found.whole
    assert found.schedules > 50


def test_a_bound_that_cuts_is_told_of() -> None:
    """Beyond the bound some schedules are followed at random, and the text says that there are more."""
    found = explore(dinner, flow, deps=Till, bound=20, walks=5)

    assert (False, 5) == (found.whole, found.walked)
    assert "cut by the bound: there are more, 5 of them followed at random" in str(found)


def test_every_moment_is_looked_at() -> None:
    """Messages come early, runs are cancelled, expire and fail, and the process dies before every write of a step."""
    seen: set[str] = set()

    def note(world: World[Any]) -> None:
        seen.update(str(step) for step in world.steps)

    explore(dinner, flow, deps=Till, always=note, together=1, failures=1, while_running=("steer", "interrupt"))

    expected = {"early", "early:steer", "early:interrupt", "cancel", "expire", "grace", "fail", "crash"}
    assert expected <= seen
    assert {"user!2", "model!2", "tool:take_order!1", "tool:pay!1"} <= seen


def test_a_lost_body_is_settled_as_it_truly_was() -> None:
    """A body that ran and was not heard of is in doubt; a person finds that it happened, else that it did not."""
    outcomes: dict[bool, set[str]] = {True: set(), False: set()}

    def note(world: World[Any]) -> None:
        kinds = [step.kind for step in world.steps]
        if "settle" in kinds:
            ran = any(one.tool == "take_order" for one in world.ran)
            outcomes[ran].add(world.assistant.name)

    scenario = Scenario(["A pizza"], _order)
    explore(scenario, flow, deps=Till, at_rest=note, together=1, early=0, cancels=0, expiries=0)

    assert {True: {"cashier"}, False: {"waiter"}} == outcomes


def _order(prompt: Prompt) -> Answer | str:
    fresh = isinstance(prompt.items[-1], UserMessage)
    return Answer(calls=(call(take_order, dish="pizza"),)) if fresh else "Well."


def test_approvals_are_given_and_refused() -> None:
    """Where the scenario does not say what is decided, both are tried; what the world answers is delivered."""
    ends: set[str] = set()

    def model(prompt: Prompt) -> Answer | str:
        if isinstance(prompt.items[-1], UserMessage):
            return Answer(calls=(call(wine, bottle="red"), call(ring)))
        return "Well."

    def note(world: World[Any]) -> None:
        ends.update(step.kind for step in world.steps)
        assert not world.tickets

    scenario = Scenario([Message("Wine!")], model, rulings={"ring": [Ruling("resolve", "The cook comes.")]})
    explore(scenario, flow, deps=Till, at_rest=note, together=0)

    assert {"approve", "refuse", "resolve"} <= ends


def test_the_offline_rules_of_a_flow_can_be_explored() -> None:
    """A model object is asked as the embedded backend asks it."""
    shop = Flow("shop", metadata=Order)
    clerk = shop.assistant("clerk", instructions="Sell.")
    rules = RuleModel(shop)

    @rules.when(clerk, "buy (.*)")
    def buy(match: Any) -> str:
        """Buy something."""
        return f"Sold: {match[1]}"

    said: set[str] = set()

    def note(world: World[Any]) -> None:
        said.update(line for line in str(world).splitlines() if "Sold" in line)

    explore(Scenario(["buy tea"], rules), shop, at_rest=note, crashes=0, together=0)

    assert ["clerk  Sold: tea"] == [line.strip() for line in said]


def test_a_store_of_ones_own_is_explored() -> None:
    """A store that is not one in memory is not forked: each schedule is played from its start."""

    class Own(MemoryStore):
        made = 0

        def __init__(self) -> None:
            super().__init__()
            Own.made += 1

    found = explore(dinner, flow, deps=Till, store=Own, together=0)

    assert found.whole
    assert Own.made >= 1


def test_edits_and_silences_between_messages_are_played() -> None:
    """They happen where the test has them, while the thread rests."""
    desk = Flow("desk", metadata=Order)
    front = desk.assistant("front", instructions="Ask.")
    night = desk.assistant("night", instructions="Say that {{ dish }} is left.")
    front.after(timedelta(minutes=10), to=night)

    def test(talk: Talk[Order]) -> None:
        talk.user("Hello")
        talk.says("Hello.")
        talk.edit(dish="soup")
        talk.silence(timedelta(minutes=10))
        talk.says("Soup is left.", by=night)

    ends: list[tuple[str, str | None]] = []

    found = explore(
        test, desk, at_rest=lambda world: ends.append((world.assistant.name, world.metadata.dish)), together=1
    )

    assert found.whole
    assert {("night", "soup")} == set(ends)


# -- what is found -----------------------------------------------------------------------------------------------------


def test_an_effect_taken_twice_is_found_with_the_smallest_schedule() -> None:
    """The process dies after the body and before its outcome is committed, and nothing else happens."""
    with pytest.raises(ScheduleFailed) as failed:
        explore(dinner, flow, deps=Till, at_rest=charged_once)

    error = failed.value
    assert "user model tool:take_order model user model tool:weigh tool:pay!1 tool:pay model" == error.schedule
    assert "at_rest: 2 charges" == error.problem.partition("\n")[0]
    assert "crash" in error.story
    assert f"explore(…, schedule={error.schedule!r})" in str(error)


def test_a_schedule_is_replayed() -> None:
    """With its schedule given, exactly that conversation is played, and fails in the same way."""
    schedule = "user model tool:take_order model user model tool:weigh tool:pay!1 tool:pay model"

    with pytest.raises(ScheduleFailed, match="at_rest: 2 charges") as failed:
        explore(dinner, flow, deps=Till, at_rest=charged_once, schedule=schedule)

    assert failed.value.explored is None


def test_a_schedule_that_cannot_be_is_refused() -> None:
    """The error says what can happen instead."""
    with pytest.raises(ConfigurationError, match="'tool:pay' cannot happen after 'user': what can is model"):
        explore(dinner, flow, deps=Till, schedule="user tool:pay")


def test_a_test_that_fails_as_it_is_fails_as_it_is() -> None:
    """Before anything is explored, the test is played once."""

    def wrong(talk: Talk[Order]) -> None:
        dinner(talk)
        assert talk.metadata.dish == "pasta"

    with pytest.raises(AssertionError) as failed:
        explore(wrong, flow, deps=Till)

    assert not isinstance(failed.value, ScheduleFailed)


def test_a_body_that_raises_is_found() -> None:
    """Anything but a ToolError is a failure, unless it may be raised."""
    shaky = Flow("shaky", metadata=Order)
    clerk = shaky.assistant("clerk", instructions="Sell.")

    @clerk.tool()
    def sell(what: str) -> str:
        """Sell something."""
        if what == "nothing":
            raise ToolError("Say what.")
        raise OSError("no shelf")

    def buying(what: str) -> Scenario:
        return Scenario(
            ["buy"],
            lambda prompt: (
                Answer(calls=(call(sell, what=what),)) if isinstance(prompt.items[-1], UserMessage) else "Sorry."
            ),
        )

    with pytest.raises(ScheduleFailed, match="the body of sell raised OSError: no shelf") as failed:
        explore(buying("tea"), shaky)

    assert "user model tool:sell" == failed.value.schedule
    assert explore(buying("tea"), shaky, may_raise=(OSError,), together=0).whole
    assert explore(buying("nothing"), shaky, together=0).whole


def test_instructions_that_cannot_be_rendered_are_found() -> None:
    """A message that comes early is answered by an assistant that lacks its facts."""
    desk = Flow("desk", metadata=Order)
    front = desk.assistant("front", instructions="Ask.")
    cook = desk.assistant("cook", instructions="You make {{ dish }}.")

    @front.tool(to=cook)
    def go_on() -> str:
        """Go on."""
        return "on"

    def test(talk: Talk[Order]) -> None:
        talk.user("on")
        talk.calls(go_on)

    with pytest.raises(ScheduleFailed, match="no run could start: the instructions of cook"):
        explore(test, desk)


def test_what_depends_on_chance_is_refused() -> None:
    """Deps that are not made anew lead to another conversation each time, and the error says so."""
    shared = Till()

    def model(prompt: Prompt) -> Answer | str:
        return f"{random.random()}"  # noqa: S311 - chance is what it is about

    with pytest.raises(ConfigurationError, match="did not lead to the same conversation twice"):
        explore(Scenario(["a", "b", "c"], model), flow, deps=lambda: shared)
