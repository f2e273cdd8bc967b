"""A replay notices what goes wrong, and a script says what its rows say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handoff.core.items import Asked, Item, Output, Spoken, UserMessage
from handoff.declaration.prompt import Prompt
from tests.contract.backdrop import Backdrop, Server
from tests.contract.forms import FORMS
from tests.replay import dialogues, tasks
from tests.replay.replay import Played, judge_transcript, replay
from tests.replay.script import Called, Recorded, Said, Script, Shown, Tape, Turn

SLOTS = ("city", "date", "seats")


def schema(name: str, method: str) -> dict[str, Any]:
    """A service with a few slots and one method."""
    return {
        "service_name": name,
        "description": f"what is on at {name}",
        "slots": [{"name": slot, "description": f"the {slot}"} for slot in SLOTS],
        "intents": [
            {
                "name": method,
                "description": "Find one",
                "is_transactional": False,
                "required_slots": ["city"],
                "optional_slots": {"seats": "1"},
            }
        ],
    }


SERVICES = dialogues.Services([schema("Films", "FindFilm"), schema("Meals", "FindMeal"), schema("Rides", "FindRide")])
FOUND = [{"title": "Alien"}]
DIALOGUE: dict[str, Any] = {
    "id": "made/1",
    "services": ["Films", "Meals", "Rides"],
    "states": ["Films", "Meals", "Films"],
    "turns": [
        {"u": "A film in Rome.", "svc": "Films", "set": {"Films": {"city": ["Rome"]}}},
        {
            "s": "Alien?",
            "svc": "Films",
            "call": {"svc": "Films", "method": "FindFilm", "args": {"city": "Rome"}},
            "result": FOUND,
        },
        {
            "u": "Yes, for two, and then a meal there.",
            "svc": "Meals",
            "set": {"Films": {"seats": ["2", "two"]}, "Meals": {"city": ["Rome"], "seats": ["2"], "date": ["today"]}},
            "carried": [["Meals", "city"], ["Meals", "seats"]],
        },
        {"s": "Where?", "svc": "Meals"},
        {
            "u": "Wherever, and take me there. Not today.",
            "svc": "Meals",
            "set": {"Rides": {"city": ["Rome"]}},
            "dropped": {"Meals": ["date"]},
        },
        {"s": "Done.", "svc": "Meals"},
        {"u": "Which film?", "svc": "Films", "dropped": [["Rides", "city"]]},
        {"s": "Alien.", "svc": "Films"},
        {"u": "That day, then.", "svc": "Films", "set": {"Films": {"date": ["May 2"]}}, "carried": [["Films", "date"]]},
    ],
    "final": {
        "Films": {"city": ["Rome"], "seats": ["2", "two"], "date": ["May 2"]},
        "Meals": {"city": ["Rome"], "seats": ["2"]},
        "Rides": {},
    },
}
STATES = {"desk": ["look"], "till": ["buy", "think"]}
STEPS = [
    {"state": "desk", "tool": "look", "args": {"what": "A", "near": {"x": 1}}, "output": "seen A"},
    {"state": "desk", "tool": "look", "args": {"what": "B", "near": {"x": 1, "y": 2.5}}, "output": "seen B"},
    {"state": "desk", "handoff": "till"},
    {"state": "till", "tool": "buy", "args": {"lots": [{"id": "A", "n": 2}]}, "output": "bought", "db_after": "two"},
    {"state": "till", "tool": "buy", "args": {"lots": []}, "output": "bought", "db_after": "three"},
]
TASK = {
    "id": "made/2",
    "instruction": "Buy both.",
    "outputs": ["7"],
    "db_before": "one",
    "db_gold": "three",
    "states": STATES,
    "steps": STEPS,
}


def made(row: dict[str, Any]) -> Script:
    """The script of a row of either kind."""
    return tasks.script_of(row, tasks.flow_of(row, [row])) if "steps" in row else dialogues.script_of(row, SERVICES)


def findings(script: Script, server: Server, path: Path, form: str = "embedded") -> list[str]:
    """What a replay on a backend says."""
    (chosen,) = (one for one in FORMS if one.name == form)
    return asyncio.run(replay(Backdrop(chosen, server, path, stream=True), script))


# -- scripts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [pytest.param(DIALOGUE, id="dialogue"), pytest.param(TASK, id="task")])
def test_made_rows_are_replayed(row: dict[str, Any], server: Server, tmp_path: Path) -> None:
    """All that the format has comes out: what is dropped, what two services get at once, optional keys, no answer."""
    assert [] == findings(made(row), server, tmp_path)


def test_a_handoff_copies_what_is_carried_and_no_argument_names_it() -> None:
    """The new assistant is told what the metadata holds; only what the user said beyond that is written down there."""
    turn = made(DIALOGUE).turns[1]

    assert (("city", ("Films", "city")), ("seats", ("Films", "seats"))) == turn.copies
    assert (Shown("Meals", "city", ["Rome"]), Shown("Meals", "seats", ["2", "two"])) == turn.shown
    assert [
        ("Films", "remember", {"slot": "seats", "values": ["2", "two"]}),
        ("Films", "go_to_Meals", {}),
        ("Meals", "remember", {"slot": "seats", "values": ["2"]}),
        ("Meals", "remember", {"slot": "date", "values": ["today"]}),
    ] == [(said.assistant, one.tool, one.arguments) for said in turn.said for one in said.calls]


def test_what_is_nobodys_who_speaks_the_program_writes() -> None:
    """Another service's slots, and what is carried without a handoff, are edited before the message is sent."""
    turns = made(DIALOGUE).turns

    assert [
        {},
        {},
        {"Rides": {"city": ["Rome"]}},
        {"Rides": {}},
        {"Films": {"city": ["Rome"], "seats": ["2", "two"], "date": ["May 2"]}},
    ] == [turn.edit for turn in turns]


def test_a_tool_is_typed_by_all_its_recorded_calls() -> None:
    """A key that not all of them have may be left out; numbers keep their kind."""
    schema = made(TASK).flow.tools_of("desk")["look"].schema

    (near,) = schema["$defs"].values()
    assert {"x": "integer", "y": "number"} == {
        name: one.get("type") or one["anyOf"][0]["type"] for name, one in near["properties"].items()
    }


def test_a_cassette_takes_a_call_at_its_turn_only() -> None:
    """Another tool, other arguments, or one call too many are errors that the model reads."""
    tape = Tape([Recorded("look", {"what": "A"}, "seen")])
    refused: list[str] = []
    for tool, arguments in (("buy", {"what": "A"}), ("look", {"what": "B"}), ("look", {"what": "A"}), ("look", {})):
        try:
            tape.play(tool, arguments, {})
        except Exception as error:  # noqa: BLE001 - compared below
            refused.append(str(error))

    assert [
        "buy with {'what': 'A'}: recorded is look with {'what': 'A'}",
        "look with {'what': 'B'}: recorded is look with {'what': 'A'}",
        "look: nothing more was recorded",
    ] == refused


# -- judging -----------------------------------------------------------------------------------------------------------


def _turn(script: Script, place: int, change: Callable[[Turn], Turn]) -> Script:
    turns = list(script.turns)
    turns[place] = change(turns[place])
    return replace(script, turns=tuple(turns))


def _call(script: Script, tool: str, change: Callable[[Called], Called]) -> Script:
    """The script with its first call of a tool changed; the tape keeps what was recorded."""
    done: list[Called] = []

    def changed(called: Called) -> Called:
        if called.tool != tool or done:
            return called
        done.append(called)
        return change(called)

    turns = tuple(
        replace(turn, said=tuple(replace(said, calls=tuple(map(changed, said.calls))) for said in turn.said))
        for turn in script.turns
    )
    return replace(script, turns=turns)


WRONG: list[Any] = [
    pytest.param(
        DIALOGUE,
        lambda script: _turn(script, 1, lambda turn: replace(turn, copies=())),
        ["the metadata", "Meals is not told city", "Meals is not told seats"],
        id="nothing-is-carried",
    ),
    pytest.param(
        DIALOGUE, lambda script: replace(script, states=("Films", "Meals")), ["the assistants"], id="another-assistant"
    ),
    pytest.param(DIALOGUE, lambda script: replace(script, final={}), ["the metadata"], id="other-metadata-at-the-end"),
    pytest.param(
        DIALOGUE,
        lambda script: _turn(script, 2, lambda turn: replace(turn, edit={"Rides": {"colour": ["red"]}})),
        ["the edit before"],
        id="an-edit-that-does-not-fit",
    ),
    pytest.param(
        DIALOGUE,
        lambda script: _call(script, "FindFilm", lambda call: replace(call, output=[{"title": "Aliens"}])),
        ["the output of FindFilm", "the output of FindFilm at the server"],
        id="another-result",
    ),
    pytest.param(
        TASK,
        lambda script: _call(script, "look", lambda call: replace(call, arguments={"what": "C", "near": {"x": 1}})),
        ["the output of look", "calls left on the tape"],
        id="other-arguments",
    ),
    pytest.param(
        TASK,
        lambda script: replace(script, lends=lambda: Tape([])),
        ["the output of buy", "the metadata"],
        id="an-empty-tape",
    ),
]


@pytest.mark.parametrize(("row", "change", "said"), WRONG)
@pytest.mark.parametrize("form", ["embedded", "chat", "chained"])
def test_what_goes_wrong_is_said(
    form: str,
    row: dict[str, Any],
    change: Callable[[Script], Script],
    said: list[str],
    server: Server,
    tmp_path: Path,
) -> None:
    """Each thing that is judged can be found wrong."""
    found = findings(change(made(row)), server, tmp_path, form)

    assert [] == [one for one in said if not any(f"{row['id']}: {one}" in line for line in found)]


ASKED = UserMessage("u1", "Buy both.")
CALLS = [Called("look", {"what": "A"}, "seen A"), Called("look", {"what": "B"}, "seen B")]
SPOKEN = Spoken("desk", 1, "", (Asked("c1", "look", '{"what": "A"}'), Asked("c2", "look", '{"what": "B"}')))
SEEN_A, SEEN_B = Output(1, 1, "c1", "look", "seen A"), Output(1, 1, "c2", "look", "seen B")
TOLD = Spoken(
    "desk",
    1,
    '(desk called "look" with {"what": "A"}, which returned: "seen A")\n'
    '(desk called "look" with {"what": "B"}, which returned: "seen B")',
)


@pytest.mark.parametrize(
    ("items", "said"),
    [
        pytest.param([ASKED, SPOKEN, SEEN_B, SEEN_A], [], id="all-is-well"),
        pytest.param([ASKED, TOLD], [], id="all-is-well-in-lines"),
        pytest.param([ASKED, ASKED, SPOKEN, SEEN_A, SEEN_B], ["the user's messages"], id="a-message-twice"),
        pytest.param([SPOKEN, SEEN_A, SEEN_B], ["the user's messages"], id="no-message"),
        pytest.param([ASKED, SPOKEN, SEEN_A], ["the output of look"], id="an-unanswered-call"),
        pytest.param([ASKED, SPOKEN, SEEN_A, SEEN_B, SEEN_B], ["the output of look"], id="an-output-twice"),
        pytest.param(
            [ASKED, SPOKEN, replace(SEEN_A, call="c2"), replace(SEEN_B, call="c1")],
            ["the output of look", "the output of look"],
            id="outputs-at-each-other's-calls",
        ),
        pytest.param([ASKED, replace(SPOKEN, calls=SPOKEN.calls[::-1]), SEEN_A, SEEN_B], ["the calls"], id="order"),
        pytest.param([ASKED, SPOKEN, SEEN_A, SEEN_B, TOLD], ["the calls"], id="calls-twice"),
        pytest.param([ASKED, replace(SPOKEN, assistant="till"), SEEN_A, SEEN_B], ["the calls"], id="another-speaker"),
    ],
)
def test_what_a_server_holds_is_judged(items: list[Item], said: list[str]) -> None:
    """Every message once and in order, every call once with its own output."""
    turn = Turn("Buy both.", (Said("desk", tuple(CALLS)), Said("desk", text="Bought.")))
    script = replace(made(TASK), turns=(turn,))
    played = Played(shown=[[Prompt("desk", "", (), tuple(items), ())]])

    found = list(judge_transcript(script, played))

    # The order of calls being wrong, their outputs are too.
    assert said == [line.partition(" at the server")[0] for line in found][: len(said) or None]
