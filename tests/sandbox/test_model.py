"""Who answers: the plain model's rules, and model objects of the framework plugged in on each API."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from handoff import RuleModel, ScriptedModel, call
from handoff.core.items import Note, Output, Spoken, UserMessage
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.sandbox import Faults, Sandbox
from handoff.sandbox.model import PlainModel, arguments_for, asked_for
from handoff.testing import ManualClock
from tests.sandbox.conftest import FLAT, TOOL, Inside

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # the SDK calls Assistants deprecated

WELCOME = "You are welcome.\nOthers who speak in this thread: editor.\n\nFind out which page."
EDITOR = "You are editor."
ADD = OfferedTool("add", "Add.", {"type": "object"})
HANDOFF = "You are editor. welcome handed over to you by add."


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        pytest.param('call add {"number": 1}', [("add", '{"number": 1}')], id="one"),
        pytest.param("Call add", [("add", "{}")], id="no-arguments"),
        pytest.param(
            'call a {"x": "} and call b"} and call b {}', [("a", '{"x": "} and call b"}'), ("b", "{}")], id="two"
        ),
        pytest.param("call add {number: 1}", [], id="no-json"),
        pytest.param("call me later, please", [], id="talk"),
        pytest.param("please call add {}", [], id="inside"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_a_message_asks_for_calls(text: str, calls: list[tuple[str, str]]) -> None:
    """Only a message that is nothing but calls calls anything."""
    assert calls == [(one.tool, one.arguments) for one in asked_for(text)]


def test_what_a_run_that_was_ended_has_acted_on_is_not_done_again() -> None:
    """Its calls are not on the thread, only their outputs are, as words: the message in front of them is answered."""
    items = (
        UserMessage("1", "call add {}"),
        Note("late", 'While the earlier run was ended (expired), add returned: "1"'),
        UserMessage("2", "call add {}"),
        Note("late", 'add, called before the handover, returned: "2"'),
    )

    told = PlainModel().answer(Prompt("a", "", (), items, ()))
    asked = PlainModel().answer(Prompt("a", "", (ADD,), (*items, UserMessage("3", "call add {}")), ()))
    assert (False, [("add", "{}")]) == (bool(told.calls), [(one.tool, one.arguments) for one in asked.calls])


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        pytest.param({}, {}, id="none"),
        pytest.param(
            {"properties": {"a": {"type": "string"}, "b": {"type": "boolean"}}, "required": ["b"]},
            {"b": True},
            id="required-only",
        ),
        pytest.param(
            {"properties": {"a": {"enum": ["x", "y"]}, "b": {"const": 3}}, "required": ["a", "b"]},
            {"a": "x", "b": 3},
            id="values",
        ),
        pytest.param(
            {
                "properties": {"a": {"$ref": "#/$defs/A"}},
                "required": ["a"],
                "$defs": {"A": {"minimum": 5, "type": "integer"}},
            },
            {"a": 5},
            id="reference",
        ),
        pytest.param(
            {
                "properties": {"a": {"type": "array", "minItems": 2, "items": {"anyOf": [{"type": "string"}]}}},
                "required": ["a"],
            },
            {"a": ["text", "text"]},
            id="list",
        ),
        pytest.param(
            {"properties": {"a": {"type": ["string", "null"], "minLength": 6}}, "required": ["a"]},
            {"a": "textxx"},
            id="long",
        ),
        pytest.param({"properties": 3, "required": [[]]}, {}, id="no-schema"),
    ],
)
def test_arguments_are_made_from_a_schema(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    """Required properties get the simplest value of their kind; what is no schema gets none."""
    assert arguments == arguments_for(schema)


def test_a_recursive_schema_ends() -> None:
    """A schema that requires itself is followed only so far."""
    schema = {"type": "object", "properties": {"child": {"$ref": "#"}}, "required": ["child"]}
    schema = {"$defs": {"A": schema}, "$ref": "#/$defs/A"}
    schema["$defs"]["A"]["properties"]["child"]["$ref"] = "#/$defs/A"

    assert "child" in arguments_for(schema)


async def test_a_model_object_answers_on_chat(inside: Inside) -> None:
    """A scripted model sees who it is, its tools, and the whole history with everybody's names."""
    model = ScriptedModel({"welcome": [call("add", number=1)], "editor": ["What shall I change?"]})
    async with inside(Sandbox(model)) as client:
        first = await client.chat.completions.create(
            model="any",
            messages=[{"role": "system", "content": WELCOME}, {"role": "user", "content": "the about page"}],
            tools=[TOOL],
        )
        (asked,) = first.choices[0].message.tool_calls or ()
        second = await client.chat.completions.create(
            model="any",
            messages=[
                {"role": "system", "content": EDITOR},
                {"role": "user", "content": "the about page"},
                {"role": "assistant", "name": "welcome", "tool_calls": [asked.model_dump()]},
                {"role": "tool", "tool_call_id": asked.id, "content": "open"},
                {"role": "system", "content": HANDOFF},
            ],
        )
    model.close()
    seen = model.prompts[1]

    assert "What shall I change?" == second.choices[0].message.content
    assert ["add"] == [tool.name for tool in model.prompts[0].tools]
    assert [UserMessage, Spoken, Output, Note] == [type(item) for item in seen.items]
    assert "welcome" == seen.items[1].assistant
    assert "add" == seen.items[2].tool
    assert "handoff" == seen.items[3].kind


async def test_a_model_object_answers_on_responses(inside: Inside) -> None:
    """The sandbox remembers who said what in a chain, so a script of two assistants plays."""
    model = ScriptedModel({"welcome": [call("add", number=1), "Bye."], "editor": ["What shall I change?"]})
    async with inside(Sandbox(model)) as client:
        first = await client.responses.create(model="any", instructions=WELCOME, input="the about page", tools=[FLAT])
        output = {"type": "function_call_output", "call_id": first.output[0].call_id, "output": "open"}
        second = await client.responses.create(
            model="any",
            instructions=EDITOR,
            previous_response_id=first.id,
            input=[output, {"role": "developer", "content": HANDOFF}],
        )
        third = await client.responses.create(
            model="any",
            metadata={"assistant": "welcome"},
            previous_response_id=second.id,
            input="and good bye",
        )
    model.close()

    assert ("What shall I change?", "Bye.") == (second.output_text, third.output_text)


async def test_a_model_object_answers_on_assistants(inside: Inside) -> None:
    """A run is the assistant's own, by its name; text beside calls is one turn."""
    model = ScriptedModel({"welcome": [call("add", number=1), "It is open."]})
    async with inside(Sandbox(model)) as client:
        by = await client.beta.assistants.create(model="any", name="welcome", tools=[TOOL])
        run = await client.beta.threads.create_and_run_poll(
            assistant_id=by.id, thread={"messages": [{"role": "user", "content": "hi"}]}, poll_interval_ms=1
        )
        (asked,) = run.required_action.submit_tool_outputs.tool_calls
        await client.beta.threads.runs.submit_tool_outputs_and_poll(
            run_id=run.id,
            thread_id=run.thread_id,
            tool_outputs=[{"tool_call_id": asked.id, "output": "open"}],
            poll_interval_ms=1,
        )
    model.close()

    assert [Spoken, Output] == [type(item) for item in model.prompts[1].items][1:]


async def test_a_model_that_raises_fails_the_run(inside: Inside) -> None:
    """What a model object raises is a failed run, a failed response, a server error on chat."""
    model = ScriptedModel({"any": [ValueError("no"), ValueError("no")], "welcome": [ValueError("no")]})
    async with inside(Sandbox(model)) as client:
        response = await client.responses.create(model="any", input="hi")
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(model="any", messages=[{"role": "user", "content": "hi"}])
        by = await client.beta.assistants.create(model="any", name="welcome")
        run = await client.beta.threads.create_and_run_poll(assistant_id=by.id, poll_interval_ms=1)

    assert ("failed", "failed") == (response.status, run.status)


async def test_a_flow_s_offline_rules_answer(inside: Inside) -> None:
    """The rules a flow brings along can be plugged in as they are."""
    from flows.site_editor import flow

    assert isinstance(flow.offline, RuleModel)
    async with inside(Sandbox(flow.offline)) as client:
        response = await client.responses.create(model="any", instructions="You are welcome.", input="what?")

    assert "I did not understand that" in response.output_text


async def test_ids_of_calls_never_come_twice(inside: Inside) -> None:
    """Two answers to one history call under ids of their own."""
    async with inside(Sandbox(clock=ManualClock(), faults=Faults())) as client:
        responses = [await client.responses.create(model="any", input="call add {}", tools=[FLAT]) for _ in range(2)]

    assert 2 == len({response.output[0].call_id for response in responses})
