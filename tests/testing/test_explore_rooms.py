"""`explore` where bodies consult: what happens in side rooms interleaves as well, and may be cut off anywhere."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from handoff import ConfigurationError, Flow, Metadata, RuleModel, ToolCall
from handoff.core.items import Spoken, UserMessage
from handoff.testing import Scenario, Talk, World, explore
from tests.testing.rooms_flow import (
    ORDINARY,
    Order,
    asking,
    checked_as_answered,
    in_a_room,
    may_ship,
    once,
    shop,
    to_norway,
    to_two_countries,
)

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
    scenario = Scenario(["What now?"], once("ask", "So be it."), rooms={"court": once("sentence", "As decided.")})
    explore(scenario, street, at_rest=note, together=0)

    assert {"court/approve:t1", "court/refuse:t1"} == {step.lower() for step in decided}


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

    models = {"office": once("look_up", "It is so."), "expert": lambda _: "So it is written."}
    scenario = Scenario(["What now?"], once("ask", "I see."), rooms=models)
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
    scenario = Scenario(["May I?"], once("ask", "You heard it."))

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
