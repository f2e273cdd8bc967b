"""`explore` where bodies consult: what happens in side rooms interleaves as well, and may be cut off anywhere."""

from __future__ import annotations

import threading
from typing import Any
from unittest import mock

import pytest

from handoff import ConfigurationError, Deps, Flow, Metadata, RuleModel, RunFailed, ToolCall, ToolError
from handoff.backends.base import Prompt
from handoff.core.items import Spoken, UserMessage
from handoff.models import Answer
from handoff.testing import Scenario, ScheduleFailed, Talk, World, call, explore
from tests.testing.rooms_flow import (
    Desk,
    LegalCase,
    Order,
    forgetful,
    legal,
    may_ship,
    pass_on,
    rule,
    shop,
    to_norway,
    to_two_countries,
)

#: The schedule in which nothing is out of the ordinary.
ORDINARY = "user model tool:may_ship legal/model legal/tool:pass_on legal/model legal/tool:rule legal/model"


def checked_as_answered(world: World[Any]) -> None:
    """Whoever was told that it is allowed knows it."""
    if any(ran.tool.startswith("may_ship") and ran.output == "It is allowed." for ran in world.ran):
        assert world.metadata.checked is True, f"checked is {world.metadata.checked}"


def in_a_room(prompt: Prompt) -> Answer | str:
    """Answer as lawyers do."""
    if prompt.assistant == "clerk":
        return Answer(calls=(call(pass_on, finding="It depends."),))
    ruled = any(isinstance(item, Spoken) and item.assistant == "judge" for item in prompt.items)
    return "Done." if ruled else Answer(calls=(call(rule, allowed=True),))


def asking(prompt: Prompt) -> Answer | str:
    """Ask whenever the user says something."""
    fresh = isinstance(prompt.items[-1], UserMessage)
    return Answer(calls=(call(may_ship, country="Chile"),)) if fresh else "On its way."


# -- what is looked at -------------------------------------------------------------------------------------------------


def test_undisturbed_rooms_are_played_as_in_the_test() -> None:
    """What the test plays in a room its model answers there; the body goes on in a step of its own."""
    schedules: list[str] = []

    found = explore(to_norway, shop, at_rest=lambda world: schedules.append(world.schedule), together=0)

    assert (1, 1, True) == (found.schedules, found.ends, found.whole)
    assert [f"{ORDINARY} tool:may_ship model"] == schedules


def test_a_flow_that_consults_rightly_holds_under_every_schedule_with_one_disturbance() -> None:
    """The process dies at each commit, also of a room, and rooms expire: whoever was answered has kept it."""
    seen: set[str] = set()

    def note(world: World[Order]) -> None:
        seen.update(map(str, world.steps))

    found = explore(to_norway, shop, always=note, at_rest=checked_as_answered, together=1)

    assert found.whole
    assert {"tool:may_ship!1", "tool:may_ship!2", "tool:may_ship!3", "legal/model!2", "legal/tool:rule!1"} <= seen
    assert {"legal/expire", "legal/grace", "expire", "grace", "cancel", "crash"} <= seen


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param(f"{ORDINARY} tool:may_ship!1 tool:may_ship model", id="answered"),
        pytest.param(f"user model tool:may_ship crash {ORDINARY[11:]} tool:may_ship model", id="under way"),
        pytest.param(f"user model tool:may_ship!2 {ORDINARY[11:]} tool:may_ship model", id="opened"),
    ],
)
def test_a_room_is_asked_once_whenever_the_process_dies(schedule: str) -> None:
    """The body that runs again finds its room as it stands: with its question, and with its answer where it has one."""
    said: list[str] = []

    def note(world: World[Order]) -> None:
        items = world.rooms["legal"].transcript
        said.extend(item.text for item in items if isinstance(item, Spoken | UserMessage) and item.text)

    explore(to_norway, shop, at_rest=note, schedule=schedule)

    assert ['Consulted by may_ship of shop.\ncountry: "Norway"', "It is allowed."] == said


def test_rooms_under_way_at_once_answer_in_either_order() -> None:
    """Without disturbances, either may be the first to answer, and the body goes on when both have."""
    answered: set[frozenset[str]] = set()

    def note(world: World[Order]) -> None:
        answered.add(frozenset(world.rooms) - set(world.rooms.labelled))

    def ends(world: World[Order]) -> None:
        assert ("Chile",) == world.outputs

    found = explore(to_two_countries, shop, always=note, at_rest=ends, together=0)

    assert found.whole
    assert {frozenset(), frozenset({"Norway"}), frozenset({"Chile"}), frozenset({"Norway", "Chile"})} == answered


def test_a_world_that_is_forked_is_as_one_that_is_played() -> None:
    """Bodies that wait cannot be copied; run anew up to where they wait, they lead to the same worlds."""
    with mock.patch.object(World, "forks", new=False):
        played = explore(to_two_countries, shop, bound=120, walks=0)

    assert played == explore(to_two_countries, shop, bound=120, walks=0)


def test_approvals_in_rooms_are_given_and_refused() -> None:
    """A room whose call waits for a person has not answered; both decisions are tried."""
    court = Flow("court", metadata=Metadata)
    lone = court.assistant("lone", instructions="Decide.")

    @lone.tool(approval=True)
    def sentence() -> str:
        """Sentence somebody."""
        return "Guilty."

    street = Flow("street", metadata=Metadata)
    officer = street.assistant("officer", instructions="Ask the court.")

    @officer.tool(consults=court)
    async def ask(call: ToolCall) -> str:
        """Ask the court."""
        return (await call.consult(court)).text

    def test(talk: Talk[Metadata]) -> None:
        talk.user("What now?")
        talk.calls(ask)
        talk.rooms["court"].calls(sentence)
        talk.rooms["court"].says("Wait.")
        talk.rooms["court"].approve()
        talk.rooms["court"].says("As decided.")
        talk.says("So be it.")

    decided: set[str] = set()

    def note(world: World[Metadata]) -> None:
        decided.update(str(step) for step in world.steps if step.kind in {"approve", "refuse"})

    explore(test, street, at_rest=note, together=0)
    scenario = Scenario(["What now?"], _once("ask", "So be it."), rooms={"court": _once("sentence", "As decided.")})
    explore(scenario, street, at_rest=note, together=0)

    assert {"court/approve:t1", "court/refuse:t1"} == {step.lower() for step in decided}


def _once(tool: str, text: str) -> Any:
    def model(prompt: Prompt) -> Answer | str:
        return Answer(calls=(call(tool),)) if isinstance(prompt.items[-1], UserMessage) else text

    return model


def test_rooms_of_rooms_are_explored() -> None:
    """A step of a room's own room is named by both, and the process dies there, too."""
    expert = Flow("expert", metadata=Metadata)
    expert.assistant("scholar", instructions="Know.")
    office = Flow("office", metadata=Metadata)
    lawyer = office.assistant("lawyer", instructions="Ask the scholar.")

    @lawyer.tool(consults=expert)
    def look_up(call: ToolCall) -> str:
        """Look it up."""
        return call.consult(expert).result().text

    street = Flow("street", metadata=Metadata)
    officer = street.assistant("officer", instructions="Ask the lawyer.")

    @officer.tool(consults=office)
    async def ask(call: ToolCall) -> str:
        """Ask a lawyer."""
        return (await call.consult(office)).text

    models = {"office": _once("look_up", "It is so."), "expert": lambda _: "So it is written."}
    scenario = Scenario(["What now?"], _once("ask", "I see."), rooms=models)
    seen: set[str] = set()
    outputs: set[str] = set()

    def note(world: World[Metadata]) -> None:
        seen.update(map(str, world.steps))
        outputs.update(ran.output for ran in world.ran if ran.tool == "ask")

    found = explore(scenario, street, at_rest=note, early=0, cancels=0, expiries=0, together=1)

    assert found.whole
    assert {"office/expert/model", "office/tool:look_up!1"} <= seen
    assert {"It is so."} == outputs


# -- who answers in a room ---------------------------------------------------------------------------------------------


def test_a_scenario_names_the_model_of_a_room() -> None:
    """By the flow's name; it is asked with what the room's assistant is shown."""
    scenario = Scenario(["To Chile"], asking, rooms={"legal": in_a_room})

    found = explore(scenario, shop, at_rest=lambda world: _assert_checked(world.metadata), together=0)

    assert found.whole


def _assert_checked(order: Order) -> None:
    assert order.checked is True


def test_without_one_the_offline_rules_of_the_consulted_flow_answer() -> None:
    """As in `Threads` without a backend."""
    fair = Flow("fair", metadata=Metadata)
    lone = fair.assistant("lone", instructions="Decide.")
    rules = RuleModel(fair)

    @rules.when(lone, "(?s).*")
    def decide(match: Any) -> str:
        """Decide."""
        del match
        return "By the rules."

    fair.offline = rules
    market = Flow("market", metadata=Metadata)
    guard = market.assistant("guard", instructions="Ask.")

    @guard.tool(consults=fair)
    async def ask(call: ToolCall) -> str:
        """Ask."""
        return (await call.consult(fair)).text

    outputs: set[str] = set()
    scenario = Scenario(["May I?"], _once("ask", "You heard it."))

    explore(scenario, market, at_rest=lambda world: outputs.update(ran.output for ran in world.ran), together=0)

    assert {"By the rules."} == outputs


def test_a_room_that_nobody_answers_in_is_refused_at_once() -> None:
    """The error says where to name its model."""
    with pytest.raises(ConfigurationError, match=r"legal is consulted .* rooms=\{'legal': …\}"):
        explore(Scenario(["To Chile"], asking), shop)


def test_what_a_test_says_in_a_room_as_the_user_is_refused() -> None:
    """Rooms are asked by their call alone; nothing would bring such a message about."""

    def test(talk: Talk[Order]) -> None:
        talk.user("To Chile")
        talk.calls(may_ship, country="Chile")
        talk.rooms["legal"].user("Hurry!")

    with pytest.raises(ConfigurationError, match="what happens in a side room by itself"):
        explore(test, shop)


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

    scenario = Scenario(["Well?"], _once("ask", "So."), rooms={"legal": in_a_room})

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

    scenario = Scenario(["Well?"], _once("ask", "So."), rooms={"legal": in_a_room})
    explore(scenario, house, deps=Door, at_rest=note, early=0, together=1)

    assert {0, 1} == left_open


def test_nothing_is_left_running() -> None:
    """Bodies on threads of their own end with the exploration, also where it fails."""

    def never(world: World[Order]) -> None:
        assert "Norway" not in world.rooms

    with pytest.raises(ScheduleFailed):
        explore(to_two_countries, shop, always=never)

    assert [] == [one.name for one in threading.enumerate() if one.name.startswith("handoff")]
