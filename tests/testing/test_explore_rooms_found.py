"""What `explore` finds where bodies consult: the smallest schedule, and whoever forgets when killed."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from handoff import ConfigurationError, Deps, Flow, Metadata, RunFailed, ToolCall, ToolError
from handoff.core.items import UserMessage
from handoff.declaration.prompt import Prompt
from handoff.models import Answer
from handoff.testing import Scenario, ScheduleFailed, World, call, explore
from tests.testing.rooms_flow import (
    ORDINARY,
    Desk,
    LegalCase,
    Order,
    checked_as_answered,
    forgetful,
    in_a_room,
    legal,
    once,
    shop,
    to_norway,
    to_two_countries,
)

# -- what is found -----------------------------------------------------------------------------------------------------


def explored_forgetful(**changed: Any) -> Any:
    """Explore the flow with the mistake, its runs never expiring."""
    return explore(to_norway, forgetful, deps=Desk, at_rest=checked_as_answered, expiries=0, together=1, **changed)


def test_what_a_body_forgets_when_killed_after_its_answer_is_found() -> None:
    """The smallest schedule: the process dies between the room's answer and the outcome of the body that asked."""
    with pytest.raises(ScheduleFailed) as failed:
        explored_forgetful()

    error = failed.value
    ordinary = ORDINARY.replace("may_ship", "may_ship_once")
    assert f"{ordinary} tool:may_ship_once!1 tool:may_ship_once model" == error.schedule
    assert "at_rest: checked is False" == error.problem.partition("\n")[0]


def test_the_failing_schedule_is_replayed() -> None:
    """With its schedule given, exactly that conversation is played, and fails in the same way."""
    schedule = f"{ORDINARY} tool:may_ship!1 tool:may_ship model".replace("may_ship", "may_ship_once")

    with pytest.raises(ScheduleFailed, match="at_rest: checked is False") as failed:
        explored_forgetful(schedule=schedule)

    assert failed.value.explored is None


def test_without_that_death_the_mistake_does_not_show() -> None:
    """It is the death at that commit that shows it, and no other disturbance."""
    found = explored_forgetful(crashes=0)

    assert found.whole


def test_a_failure_shows_what_was_said_in_the_rooms() -> None:
    """Below the user's conversation, each under the name of its room."""
    with pytest.raises(ScheduleFailed) as failed:
        explored_forgetful()

    assert "rule(allowed=True)" in failed.value.story.partition("The room legal of talk:")[2]


def test_a_body_that_lets_the_failure_of_a_room_through_is_found() -> None:
    """A room may come to its end without an answer, and then the model is to be told why."""
    with pytest.raises(ScheduleFailed, match="the body of may_ship_once raised RunFailed") as failed:
        explore(to_norway, forgetful, deps=Desk, crashes=0)

    assert "user model tool:may_ship_once legal/expire tool:may_ship_once" == failed.value.schedule


def test_a_body_that_asks_by_chance_is_refused() -> None:
    """A body that does not ask the same twice cannot be run anew, and the error says so."""
    desk = Flow("desk", metadata=Metadata)
    front = desk.assistant("front", instructions="Ask.")
    asked: list[str] = []

    @front.tool(consults=legal)
    async def ask(call: ToolCall) -> str:
        """Ask in another room each time."""
        asked.append("again")
        return (await call.consult(legal, LegalCase(country="Chile"), room=f"room{len(asked)}")).text

    scenario = Scenario(["Well?"], once("ask", "So."), rooms={"legal": in_a_room})

    with pytest.raises(ConfigurationError, match="did not lead to the same conversation twice"):
        explore(scenario, desk, early=0)


# -- a process that dies -----------------------------------------------------------------------------------------------


def test_a_body_in_doubt_is_settled_and_its_room_left() -> None:
    """One that may have acted on the world does not run again; its room goes no further."""
    ledger = Flow("ledger", metadata=Order, deps=Desk)
    keeper = ledger.assistant("keeper", instructions="Ask.")

    @keeper.tool(consults=legal, sets="country")
    async def book(call: ToolCall, desk: Desk, country: str) -> str:
        """Ask, and book it."""
        reply = await call.consult(legal, LegalCase(country=country))
        desk.kept.add(call.idempotency_key)
        return reply.text

    def model(prompt: Prompt) -> Answer | str:
        fresh = isinstance(prompt.items[-1], UserMessage)
        return Answer(calls=(call(book, country="Chile"),)) if fresh else "Booked."

    booked: set[tuple[bool, bool]] = set()

    def note(world: World[Order]) -> None:
        settled = any(step.kind == "settle" for step in world.steps)
        booked.add((settled, bool(world.deps.kept)))
        assert bool(world.deps.kept) is (world.metadata.country is not None)

    scenario = Scenario(["To Chile"], model, rooms={"legal": in_a_room})
    found = explore(scenario, ledger, deps=Desk, at_rest=note, early=0, cancels=0, expiries=0, together=1)

    assert found.whole
    assert {(False, True), (True, True), (True, False)} == booked


def test_a_process_that_dies_does_nothing_more() -> None:
    """Not even what a body does in `finally`: that would be done by a process that lives on."""

    class Door(Deps):
        def __init__(self) -> None:
            self.open = 0

    house = Flow("house", metadata=Metadata, deps=Door)
    porter = house.assistant("porter", instructions="Ask.")

    @porter.tool(consults=legal, idempotent=True)
    async def ask(call: ToolCall, door: Door) -> str:
        """Ask with the door open."""
        door.open += 1
        try:
            return (await call.consult(legal, LegalCase(country="Chile"))).text
        except RunFailed as error:
            raise ToolError(error.reason) from error
        finally:
            door.open -= 1

    left_open: set[int] = set()

    def note(world: World[Metadata]) -> None:
        left_open.add(world.deps.open)

    scenario = Scenario(["Well?"], once("ask", "So."), rooms={"legal": in_a_room})
    explore(scenario, house, deps=Door, at_rest=note, early=0, together=1)

    assert {0, 1} == left_open


def test_nothing_is_left_running() -> None:
    """Bodies on threads of their own end with the exploration, also where it fails."""

    def never(world: World[Order]) -> None:
        assert "Norway" not in world.rooms

    with pytest.raises(ScheduleFailed):
        explore(to_two_countries, shop, always=never)

    assert [] == [one.name for one in threading.enumerate() if one.name.startswith("handoff")]
