"""What may be consulted, and what is refused where it is declared or asked (S)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from handoff import ConfigurationError, DefinitionError, Deps, Flow, Metadata, ToolCall
from handoff.checks import check
from handoff.declaration.consulting import Interrupted, is_interruption
from handoff.driving.side_rooms import RoomPlace, room_place
from handoff.errors import MetadataRefused


class Case(Metadata):
    """What is asked."""

    country: str | None = None


class Books(Deps):
    """What the firm borrows."""


class Shelf(Books):
    """What the desk borrows, books among it."""


def firm(name: str = "firm", deps: type[Deps] | None = None) -> Flow[Case, Any]:
    """A flow to consult."""
    made = Flow(name, metadata=Case, deps=deps)
    made.assistant("lawyer", instructions="Answer.")
    return made


def ask(call: ToolCall) -> str:
    """Ask."""
    return call.id


def ask_without_a_call() -> str:
    """Ask nobody."""
    return ""


def consulting(consults: Any, function: Callable[..., str] = ask, deps: type[Deps] | None = None) -> Flow[Any, Any]:
    """A desk with one tool that consults."""
    desk = Flow("desk", deps=deps)
    front = desk.assistant("front", instructions="Answer.")
    front.tool(consults=consults)(function)
    return desk


def own_flow() -> None:
    """A tool that consults the flow it belongs to."""
    desk = Flow("desk")
    desk.assistant("front", instructions="Answer.").tool(consults=desk)(ask)


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        pytest.param(lambda: consulting("firm"), "ask has consults='firm', which is no flow", id="no flow"),
        pytest.param(lambda: consulting((firm(), 3)), "ask has consults=3, which is no flow", id="one is no flow"),
        pytest.param(lambda: consulting(()), "ask has consults=(): name a flow", id="none"),
        pytest.param(own_flow, "ask consults its own flow desk", id="its own flow"),
        pytest.param(lambda: consulting(firm("desk")), "ask consults another flow that is called desk", id="its name"),
        pytest.param(lambda: consulting((FIRM, FIRM)), "ask names a flow twice", id="twice"),
        pytest.param(
            lambda: consulting(firm(), ask_without_a_call), "has consults= but takes no ToolCall", id="no call"
        ),
        pytest.param(
            lambda: consulting(firm(deps=Books)), "which needs deps=Books, but the deps of desk are none", id="no deps"
        ),
        pytest.param(
            lambda: consulting(firm(deps=Shelf), deps=Books),
            "which needs deps=Shelf, but the deps of desk are Books: derive them from Shelf",
            id="other deps",
        ),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(declare: Callable[[], Any], problem: str) -> None:
    """With the line of the function, and what to do."""
    with pytest.raises(DefinitionError) as refused:
        declare()

    assert problem in refused.value.problem
    assert inspect.getsourcefile(ask) == refused.value.file
    assert 0 < refused.value.line


FIRM = firm()


@pytest.mark.parametrize("deps", [Books, Shelf])
def test_deps_reach_the_consulted_flow_by_their_class(deps: type[Deps]) -> None:
    """The consulted flow's Deps class is that of the parent, or a base of it."""
    desk = consulting(firm(deps=Books), deps=deps)

    assert ("firm",) == tuple(one.name for one in desk.consulted)


def test_rooms_without_end_are_refused_at_the_freeze() -> None:
    """Two flows that consult each other, at whatever remove."""
    one, two, three = Flow("one"), Flow("two"), Flow("three")
    for asking, asked in ((one, two), (two, three), (three, two)):
        asking.assistant("someone", instructions="Answer.").tool(consults=asked)(ask)

    with pytest.raises(DefinitionError, match="two consults three consults two: rooms would open rooms without end"):
        one.freeze()


def test_two_flows_of_one_name_are_refused_at_the_freeze() -> None:
    """Threads in a store are told by the name of their flow."""
    middle = Flow("middle")
    middle.assistant("someone", instructions="Answer.").tool(consults=firm())(ask)
    desk = consulting((firm(), middle))

    with pytest.raises(DefinitionError, match="two flows called firm are consulted from desk"):
        desk.freeze()


def test_the_freeze_freezes_what_is_consulted() -> None:
    """What a frozen flow asks does not change any more."""
    asked = firm()
    consulting(asked).freeze()

    assert asked.frozen


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"consults": FIRM}, True, id="it only asks"),
        pytest.param({"consults": FIRM, "idempotent": False}, False, id="it says otherwise"),
        pytest.param({}, False, id="it asks nobody"),
    ],
)
def test_a_tool_that_only_asks_may_run_again(options: dict[str, Any], expected: bool) -> None:
    """Without Deps it has no effect of its own, and what was answered is not asked again."""
    desk = Flow("desk")
    desk.assistant("front", instructions="Answer.").tool(**options)(ask)

    assert expected is desk.tools_of("front")["ask"].idempotent


def test_a_tool_that_borrows_is_not_taken_for_idempotent() -> None:
    """It may have acted on the world when it crashed."""

    def ask_and_act(call: ToolCall, books: Books) -> str:
        """Ask, and act."""
        return f"{call.id} {books}"

    desk = consulting(FIRM, ask_and_act, deps=Books)

    assert not desk.tools_of("front")["ask_and_act"].idempotent


# -- what is asked -----------------------------------------------------------------------------------------------------

CALL = ToolCall("c1", "k", "t", consulting=lambda inquiry: inquiry)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param({"request": Metadata()}, "firm is consulted with Metadata: give Case(...)", id="request"),
        pytest.param({"room": "a/b"}, "room='a/b' cannot be a room's name", id="room"),
        pytest.param({"room": ""}, "room='' cannot be a room's name", id="no room"),
        pytest.param({"share": 0}, "share=0: give 'all', 'none' or how many turns", id="no turns"),
        pytest.param({"share": True}, "share=True: give", id="a bool"),
        pytest.param({"share": "some"}, "share='some': give", id="a word"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(arguments: dict[str, Any], problem: str) -> None:
    """With what to write instead."""
    with pytest.raises(ConfigurationError) as refused:
        CALL.consult(FIRM, **arguments)

    assert problem in str(refused.value)


def test_a_request_that_no_json_can_hold_is_refused() -> None:
    """Half a character, for instance, before any room is opened."""
    with pytest.raises(MetadataRefused, match="half a character"):
        CALL.consult(FIRM, Case(country="\ud800"))


def test_what_is_asked_is_as_it_was_when_asked() -> None:
    """Changing the request afterwards changes nothing."""
    request = Case(country="A")
    inquiry: Any = CALL.consult(FIRM, request)
    request.country = "B"

    assert "A" == inquiry.request.country


def test_a_call_made_by_hand_cannot_consult() -> None:
    """The error says where to run the tool."""
    with pytest.raises(ConfigurationError, match="run the tool in a Talk or in Threads"):
        ToolCall("c1", "k", "t").consult(FIRM)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("t/1/2/c/room:x", RoomPlace("t", 1, 2, "c", "x"), id="a room"),
        pytest.param("a/b/1/2/c/d/room:x", RoomPlace("a/b", 1, 2, "c/d", "x"), id="slashes"),
        pytest.param("t/1/1/c/room:x/2/3/d/room:y", RoomPlace("t/1/1/c/room:x", 2, 3, "d", "y"), id="a room of a room"),
        pytest.param("t", None, id="a thread"),
        pytest.param("t/1/2/c", None, id="a thread with slashes"),
        pytest.param("t/1/2/c/room:", None, id="no name"),
    ],
)
def test_a_room_is_known_by_its_thread_s_id(name: str, expected: RoomPlace | None) -> None:
    """The id says whose room it is, and is written from that again."""
    found = room_place(name)

    assert expected == found
    assert found is None or name == str(found)


def test_an_interruption_in_a_task_group_is_seen() -> None:
    """A body that waits for rooms in a task group is interrupted, too."""
    assert is_interruption(BaseExceptionGroup("tasks", [BaseExceptionGroup("inner", [Interrupted()])]))
    assert not is_interruption(ExceptionGroup("tasks", [ValueError()]))


def test_a_flow_that_consults_has_no_findings() -> None:
    """`handoff check` takes what is declared and asked as it is."""
    desk = Flow("desk")

    @desk.assistant("front", instructions="Answer.").tool(consults=FIRM)
    async def ask_firm(call: ToolCall, country: str) -> str:
        """Ask the firm."""
        return str(await call.consult(FIRM, Case(country=country)))

    assert () == check(desk).findings


@pytest.mark.parametrize(("idempotent", "expected"), [(False, ["in-doubt-after-crash"]), (True, [])])
def test_a_tool_that_acts_and_waits_for_rooms_may_be_in_doubt(idempotent: bool, expected: list[str]) -> None:
    """A crash while it waits leaves nobody knowing whether it had acted, unless it may run again."""
    desk = Flow("desk", deps=Books)

    @desk.assistant("front", instructions="Answer.").tool(consults=FIRM, idempotent=idempotent)
    async def ask_and_act(call: ToolCall, books: Books) -> str:
        """Act, and ask the firm."""
        return f"{books}: {await call.consult(FIRM)}"

    assert expected == [finding.code for finding in check(desk).findings]
