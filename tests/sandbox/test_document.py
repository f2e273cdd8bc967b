"""The sandbox against OpenAI's own document: its rules, the schemas of its requests, and requests nobody thought of."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from handoff.sandbox.routes import ROUTES
from handoff.sandbox.rules import REFUSALS, RULES, Refused
from handoff.sandbox.validation import check
from tests.sandbox.conftest import FLAT, TOOL, named
from tests.sandbox.derivation import TARGET, written
from tests.sandbox.fuzzing import fuzz

HERE = Path(__file__).parent
BETA = {"OpenAI-Beta": "assistants=v2"}
SEED = 20_261_122
#: Requests an operation is sent, of each of the two kinds.
EXAMPLES = 25 if "HANDOFF_CAMPAIGN_MINUTES" in os.environ else 3


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_test(rule: str) -> None:
    """Each rule is the name of at least one test."""
    texts = [path.read_text("utf-8") for path in HERE.glob("test_*.py")]

    assert any(re.search(rf"def test_{rule.lower()}_", text) for text in texts)


def test_every_refusal_of_a_rule_names_one() -> None:
    """A refusal that keeps a rule names one there is."""
    assert {refusal.rule for refusal in REFUSALS.values()} - {""} <= set(RULES)


def test_the_schemas_of_requests_are_derived_from_the_document(document: dict[str, Any]) -> None:
    """requests.json is what its derivation makes of OpenAI's document."""
    assert written(document) == TARGET.read_text("utf-8")


def test_every_body_has_its_schema(document: dict[str, Any]) -> None:
    """An operation that takes a body is checked against the schema the document has for it."""
    bodies = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path)): operation["operationId"]
        for path, operations in document["paths"].items()
        if "?" not in path
        for method, operation in operations.items()
        if "requestBody" in operation
    }

    assert {(route.method, re.sub(r"\{\w+\}", "{}", route.path)): route.schema for route in ROUTES if route.schema} == {
        key: name for key, name in bodies.items() if name != "Compactconversation"
    }


@pytest.mark.parametrize(
    ("schema", "body", "text", "param"),
    [
        pytest.param("createThread", {"x": 1}, "Unknown parameter: 'x'.", "x", id="unknown"),
        pytest.param("createResponse", {"model": "m", "x": 1}, "Unknown parameter: 'x'.", "x", id="unknown-closed"),
        pytest.param("createConversation", {"tools": "x"}, "Unknown parameter: 'tools'.", "tools", id="unknown-tools"),
        pytest.param(
            "Getinputtokencounts", {"metadata": 5}, "Unknown parameter: 'metadata'.", "metadata", id="unknown-5"
        ),
        pytest.param("createRun", {}, "Missing required parameter: 'assistant_id'.", "assistant_id", id="missing"),
        pytest.param(
            "createMessage",
            {"role": "user", "content": [{"type": "text"}]},
            "Missing required parameter: 'content[0].text'.",
            "content[0].text",
            id="missing-inside",
        ),
        pytest.param(
            "createChatCompletion",
            {"model": "m", "messages": [{"role": "user", "content": 5}]},
            "Invalid value for 'messages[0].content': it fits none of its forms.",
            "messages[0].content",
            id="form",
        ),
        pytest.param(
            "createResponse",
            {"model": 5, "input": "hi"},
            "Invalid value for 'model': it fits none of its forms.",
            "model",
            id="form-closed",
        ),
        pytest.param(
            "createChatCompletion",
            {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 3},
            "Invalid value for 'temperature': the value is greater than the maximum of 2.",
            "temperature",
            id="limit",
        ),
        pytest.param(
            "createChatCompletion",
            {"model": "m", "messages": []},
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "messages",
            id="nothing in a list",
        ),
        pytest.param(
            "createConversation",
            {"items": [{"role": "user", "content": "hi"}] * 21},
            "Invalid value for 'items': the value has more than 20 items.",
            "items",
            id="limit of a list",
        ),
        pytest.param(
            "submitToolOuputsToRun",
            {"tool_outputs": "no"},
            "Invalid type for 'tool_outputs': the value is not of type \"array\".",
            "tool_outputs",
            id="type",
        ),
    ],
)
def test_a_body_that_does_not_fit_is_refused(schema: str, body: dict[str, Any], text: str, param: str) -> None:
    """The refusal says what is wrong, and where."""
    with pytest.raises(Refused) as refused:
        check(schema, body)

    assert (text, param) == (refused.value.text, refused.value.param)


@pytest.mark.parametrize(
    ("schema", "body", "param", "most"),
    [
        pytest.param(
            "createChatCompletion",
            {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
            "tools[1].function.name",
            64,
            id="chat",
        ),
        pytest.param("createAssistant", {"model": "m"}, "tools[1].function.name", 64, id="assistant"),
        pytest.param("createRun", {"assistant_id": "a"}, "tools[1].function.name", 64, id="run"),
        pytest.param("createResponse", {"model": "m", "input": "hi"}, "tools[1].name", 128, id="response"),
    ],
)
@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("", "Invalid '{param}': empty string.", id="empty"),
        pytest.param("shop.order", "Invalid '{param}': string does not match pattern.", id="dot"),
        pytest.param("größe", "Invalid '{param}': string does not match pattern.", id="letter"),
        pytest.param(
            "n" * 129, "Invalid '{param}': string too long. Expected a string with maximum length {most}", id="long"
        ),
    ],
)
def test_a_function_is_named_as_a_model_can_be_given_it(
    schema: str, body: dict[str, Any], param: str, most: int, name: str, text: str
) -> None:
    """Letters, digits, underscores and dashes, not too many: the refusal says which name it is about."""
    tool = FLAT if schema == "createResponse" else TOOL

    check(schema, {**body, "tools": [tool, named("n" * most, tool)]})
    with pytest.raises(Refused) as refused:
        check(schema, {**body, "tools": [tool, named(name, tool)]})

    expected = text.format(param=param, most=most)
    assert (expected, param) == (refused.value.text[: len(expected)], refused.value.param)


OPEN = "'additionalProperties' is required to be supplied and to be false."
SOME = "'required' is required to be supplied and to be an array including every key in properties. Missing 'b'."
CLOSED: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}


def strictly(schema: dict[str, Any], place: str) -> tuple[str, dict[str, Any]]:
    """The name of an operation, and a body that has a strict schema in some place."""
    hi = [{"role": "user", "content": "hi"}]
    reply = {"name": "add", "schema": schema, "strict": True}
    function = {"name": "add", "parameters": schema, "strict": True}
    match place:
        case "chat":
            tools = [{"type": "function", "function": function}]
            return "createChatCompletion", {"model": "m", "messages": hi, "tools": tools}
        case "responses":
            return "createResponse", {"model": "m", "input": "hi", "tools": [{"type": "function", **function}]}
        case "reply of chat":
            format_ = {"type": "json_schema", "json_schema": reply}
            return "createChatCompletion", {"model": "m", "messages": hi, "response_format": format_}
        case _:
            return "createResponse", {"model": "m", "input": "hi", "text": {"format": {"type": "json_schema", **reply}}}


@pytest.mark.parametrize(
    ("place", "of", "param", "code"),
    [
        pytest.param("chat", "function", "tools[0].function.parameters", "invalid_function_parameters", id="chat"),
        pytest.param("responses", "function", "tools[0].parameters", "invalid_function_parameters", id="responses"),
        pytest.param("reply of chat", "response_format", "response_format", None, id="reply of chat"),
        pytest.param("reply of responses", "response_format", "text.format.schema", "invalid_json_schema", id="reply"),
    ],
)
@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        pytest.param({"type": "object", "properties": {}}, f"In context=(), {OPEN}", id="open"),
        pytest.param(
            {**CLOSED, "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]},
            f"In context=(), {SOME}",
            id="optional",
        ),
        pytest.param(
            {**CLOSED, "properties": {"a": {"type": "array", "items": {"type": "object"}}}, "required": ["a"]},
            f"In context=('properties', 'a', 'items'), {OPEN}",
            id="open inside",
        ),
        pytest.param(
            {**CLOSED, "properties": {"a": {"anyOf": [{"type": "null"}, {"type": "object"}]}}, "required": ["a"]},
            f"In context=('properties', 'a', 'anyOf', '1'), {OPEN}",
            id="open alternative",
        ),
    ],
)
def test_what_is_strict_has_to_be_closed(
    place: str, of: str, param: str, code: str | None, schema: dict[str, Any], problem: str
) -> None:
    """An object that leaves anything open is refused with its place; what is not strict may."""
    operation, body = strictly(schema, place)

    check(*strictly(CLOSED, place))
    check(operation, json.loads(json.dumps(body).replace('"strict": true', '"strict": false')))
    with pytest.raises(Refused) as refused:
        check(operation, body)

    told = refused.value
    assert (f"Invalid schema for {of} 'add': {problem}", param, code) == (told.text, told.param, told.code)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"{", id="cut-off"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b"\xff", id="no-text"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"metadata": {"a": NaN}}', id="nan"),
        pytest.param(b'{"metadata": {"a": 1e999}}', id="infinite"),
        pytest.param(b'{"metadata": {"a": ' + b"1" * 5000 + b"}}", id="long-integer"),
    ],
)
def test_what_is_no_json_is_refused(base_url: str, body: bytes) -> None:
    """A body that cannot be parsed is the client's fault, and said so."""
    response = httpx2.post(f"{base_url}/conversations", content=body)

    assert 400 == response.status_code
    assert "We could not parse the JSON body" in response.json()["error"]["message"]


def test_text_comes_back_as_it_came(base_url: str, data: Path) -> None:
    """Naughty strings and lone surrogates survive the way in and out."""
    texts = [*json.loads((data / "blns.json").read_text("utf-8")), "\ud800"]
    messages = [{"role": "user", "content": text} for text in texts]
    thread = httpx2.post(f"{base_url}/threads", content=json.dumps({"messages": messages}), headers=BETA).json()
    listed: list[str] = []
    page: dict[str, Any] = {"has_more": True, "last_id": None}
    while page["has_more"]:
        query = {"limit": 100, "order": "asc"} | ({"after": page["last_id"]} if page["last_id"] else {})
        page = httpx2.get(f"{base_url}/threads/{thread['id']}/messages", params=query, headers=BETA).json()
        listed += [message["content"][0]["text"]["value"] for message in page["data"]]

    assert texts == listed


def test_generated_requests_are_answered_as_the_document_says(base_url: str, document: dict[str, Any]) -> None:
    """No server error, and nothing but what the document promises, for every operation it has."""
    print(f"proof: sandbox fuzzing, seed {SEED}")  # noqa: T201 - so that a failure can be had again

    statuses = fuzz(base_url, document, EXAMPLES, SEED)

    assert {
        "DELETE /models/{model}",
        "GET /chat/completions/{completion_id}/messages",
        "POST /responses/compact",
        "POST /responses/compact?beta=true",
        "POST /responses/{response_id}/cancel",  # there are foreground responses only
        "POST /responses/{response_id}/cancel?beta=true",
        "POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs",  # nobody guesses the ids of calls
    } >= {label for label, seen in statuses.items() if 200 not in seen}
