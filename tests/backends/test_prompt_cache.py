"""The cached layout: how its requests are spelled, where it is refused, and how much of what is read was cached."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator

from handoff import ConfigurationError, Flow, MemoryStore, Threads, WebSearch, connect
from handoff.backends.base import Backend, Request
from handoff.backends.chat import Chat
from handoff.backends.chat.question import ChatQuestion, Spelling
from handoff.backends.profiles import PROFILES
from handoff.backends.responses import Responses
from handoff.backends.responses.items import items_of
from handoff.backends.responses.question import ResponsesQuestion
from handoff.backends.spelling import Encoder
from handoff.backends.wire import Failure
from handoff.core.items import Asked, Item, Output, Spoken, UserMessage
from handoff.declaration.prompt import OfferedTool, Prompt, Shared
from handoff.driving.sharing import shared_by
from tests.sandbox.conformance import mended

BENCH = Path(__file__).parents[2] / "bench" / "prompt_cache.py"
ADD = OfferedTool("add", "Adds.", {"type": "object", "properties": {}})
DROP = OfferedTool("drop", "Drops.", {"type": "object", "properties": {}})
SHARED = Shared((ADD, DROP), (), "Be kind.")
THREAD: tuple[Item, ...] = (
    UserMessage("m1", "hello"),
    Spoken("welcome", 1, "", (Asked("c1", "add", "{}"),)),
    Output(1, 1, "c1", "add", "3"),
)
NAMED = {"type": "function", "function": {"name": "drop"}}


def request(*tools: OfferedTool, hosted: tuple[Any, ...] = (), **options: Any) -> Request:
    prompt = Prompt("editor", "Be kind.\n\nYou edit.", tools, THREAD, (), options, hosted=hosted, shared=SHARED)
    return Request("t", 1, 1, "send", prompt, 1e12)


def chat_body(asked: Request) -> Any:
    spelling = Spelling(PROFILES["openai"], "cached")
    return json.loads(ChatQuestion(asked, spelling, model="m", stream=False, input_tokens=None).body())


def responses_body(asked: Request) -> Any:
    encoder = Encoder(lambda piece, assistant: items_of(piece, assistant, full=True, retold=False))
    question = ResponsesQuestion(
        asked, encoder, link=None, reasoning={}, fields={"model": "m"}, input_tokens=None, cached=True
    )
    return json.loads(question.body())


def test_a_chat_request_begins_with_what_all_share_and_ends_with_the_instructions() -> None:
    """The flow's tools and words come first, then the thread with all calls as calls, then what differs."""
    body = chat_body(request(DROP))

    assert ["add", "drop"] == [tool["function"]["name"] for tool in body["tools"]]
    assert ["developer", "user", "assistant", "tool", "developer"] == [one["role"] for one in body["messages"]]
    assert ("Be kind.", "You edit.") == (body["messages"][0]["content"], body["messages"][-1]["content"])
    assert "add" == body["messages"][2]["tool_calls"][0]["function"]["name"]


def test_a_responses_request_ends_with_the_instructions_as_an_item() -> None:
    """What all begin with are its instructions; what differs is the last item, a developer's."""
    body = responses_body(request(DROP))

    assert ["add", "drop"] == [tool["name"] for tool in body["tools"]]
    assert ("Be kind.", {"role": "developer", "content": "You edit."}) == (body["instructions"], body["input"][-1])
    assert ["function_call", "function_call_output"] == [item.get("type") for item in body["input"][1:3]]


@pytest.mark.parametrize(
    ("tools", "options", "chat", "responses"),
    [
        pytest.param(
            (DROP,),
            {},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}},
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "drop"}]},
            id="some",
        ),
        pytest.param(
            (DROP,),
            {"tool_choice": "required"},
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "drop"}]},
            id="required",
        ),
        pytest.param((DROP,), {"tool_choice": "drop"}, NAMED, {"type": "function", "name": "drop"}, id="forced"),
        pytest.param((DROP,), {"tool_choice": "none"}, "none", "none", id="forbidden"),
        pytest.param((), {}, "none", "none", id="none offered"),
    ],
)
def test_the_choice_restricts_the_list_of_tools(tools: Any, options: Any, chat: Any, responses: Any) -> None:
    """Only what the assistant is offered may be called; a forced call stays one, and nothing offered means none."""
    asked = request(*tools, **options)

    assert (chat, responses) == (chat_body(asked)["tool_choice"], responses_body(asked)["tool_choice"])


def test_hosted_tools_are_listed_and_allowed() -> None:
    """A tool that the server runs itself is allowed by its type."""
    choice = responses_body(request(DROP, hosted=(WebSearch(),)))["tool_choice"]

    assert [{"type": "function", "name": "drop"}, {"type": "web_search"}] == choice["tools"]


def test_what_an_assistant_said_goes_in_full_where_nothing_is_stored(data: Path) -> None:
    """It is an output message of OpenAI's document, with an id of ours that stays the same."""
    schemas = mended(json.loads((data / "openai-openapi-subset.json").read_bytes()))["components"]
    schema = {"$ref": "#/components/schemas/OutputMessage", "components": schemas}
    said = [Spoken("editor", run, "ok") for run in (1, 2, 1)]
    items = [items_of([one], "editor", full=True)[0] for one in said]

    assert [] == [error.message for item in items for error in Draft202012Validator(schema).iter_errors(item)]
    assert (items[0], 2) == (items[2], len({item["id"] for item in items}))
    assert {"role": "assistant", "content": "ok"} == items_of([said[0]], "editor")[0]


def test_a_refused_choice_is_not_left_out() -> None:
    """Without it the model might call any tool of the flow, so the refusal stands."""
    spelling = Spelling(PROFILES["openai"], "cached")
    question = ChatQuestion(request(DROP), spelling, model="m", stream=False, input_tokens=None)

    assert not question.amend(Failure("400: unsupported tool_choice"))
    assert "named" == spelling.profile.choice


@pytest.mark.parametrize(
    ("options", "why"),
    [
        pytest.param({"layout": "upside down"}, "give 'usual' or 'cached'", id="no layout"),
        pytest.param({"layout": "cached", "base_url": "http://127.0.0.1:1/v1"}, "nothing is known", id="unknown"),
        pytest.param({"layout": "cached", "profile": "llama.cpp"}, "llama.cpp does not take", id="llama.cpp"),
        pytest.param({"layout": "cached", "profile": "ollama"}, "ollama does not take", id="ollama"),
        pytest.param({"layout": "cached", "profile": "vllm"}, "vllm does not take", id="vllm"),
    ],
)
@pytest.mark.parametrize("made", [Chat, lambda model, **more: Responses(model, history="own", **more)])
def test_it_is_for_servers_that_restrict_lists(made: Callable[..., Backend], options: Any, why: str) -> None:
    """Where that is not known, the layout is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match=why):
        made("m", api_key="any", **options)


@pytest.mark.parametrize("history", ["chain", "conversation"])
def test_a_server_that_keeps_the_thread_would_keep_all_instructions(history: Any) -> None:
    """There the layout is refused, and the text says what to do."""
    with pytest.raises(ConfigurationError, match="give history='own'"):
        Responses("m", history=history, layout="cached", api_key="any")


def test_openai_is_known_by_its_address() -> None:
    """Without a profile and an address requests go to OpenAI, which restricts lists; settings say it as well."""
    backend = connect(backend="responses", model="m", api_key="any", history="own", layout="cached")

    assert ("cached", "cached") == (Chat("m", api_key="any", layout="cached").layout, backend.layout)  # type: ignore[union-attr]


def clashing(*, hosted: bool = False) -> Flow[Any]:
    flow = Flow("clash")
    for number in (1, 2):
        tools = [WebSearch(domains=[f"{number}.example"])] if hosted else []
        one = flow.assistant(f"a{number}", instructions="Help.", hosted=tools)
        if not hosted:

            def look(word: str) -> str:
                """Look."""
                return word

            look.__doc__ = f"Look in {number}."
            one.tool()(look)
    return flow


def crowded() -> Flow[Any]:
    flow = Flow("crowd")
    one = flow.assistant("one", instructions="Help.")
    for number in range(129):

        def tool() -> str:
            """Do it."""
            return ""

        tool.__name__ = f"tool_{number}"
        one.tool()(tool)
    return flow


@pytest.mark.parametrize(
    ("flow", "why"),
    [
        pytest.param(clashing(), "a2 has a tool look that takes or says something else", id="one name"),
        pytest.param(clashing(hosted=True), "a2 declares another WebSearch", id="hosted"),
        pytest.param(crowded(), "crowd has 129 tools", id="too many"),
    ],
)
def test_a_flow_whose_tools_fit_in_no_list_is_refused(flow: Flow[Any], why: str) -> None:
    """One list has one tool of each name and at most 128; other layouts take such a flow."""
    backend = Responses("m", history="own", api_key="any", layout="cached")

    with pytest.raises(ConfigurationError, match=why):
        Threads(flow, backend=backend, store=MemoryStore())
    Threads(flow, backend=Responses("m", api_key="any"), store=MemoryStore())


def test_what_assistants_share_is_found_in_the_flow() -> None:
    """All tools in the order of their declaration, and the flow's own instructions, if no metadata is in them."""
    shared = [shared_by(plain(told)) for told in ("Be kind.", "{% if 1 > 0 %}Yes.{% endif %}")]

    assert [["there", "home"]] * 2 == [[tool.name for tool in one.tools] for one in shared]
    assert ["Be kind.", ""] == [one.instructions for one in shared]


def plain(instructions: str) -> Flow[Any]:
    flow = Flow("plain", instructions=instructions)
    one = flow.assistant("one", instructions="Help.")
    two = flow.assistant("two", instructions="Help too.")

    @one.tool(to=two)
    def there() -> str:
        """Go there."""
        return ""

    @two.tool(to=one)
    def home() -> str:
        """Go back."""
        return ""

    return flow


def test_what_is_cached_is_counted() -> None:
    """Where many hand over a long thread the layout spares most of what is read anew; long instructions cost more."""
    command = [sys.executable, BENCH, "--turns", "24", "--json"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    rows = {(row["work"], row["backend"]): row for row in map(json.loads, found.stdout.splitlines())}
    anew = {key: [row[way]["read"] - row[way]["cached"] for way in ("usual", "cached")] for key, row in rows.items()}

    assert {48} == {row[way]["calls"] for row in rows.values() for way in ("usual", "cached")}
    for backend in ("chat", "responses, own"):
        usual, cached = anew["eight assistants", backend]
        assert cached < usual / 2, anew
        usual, cached = anew["two assistants", backend]
        assert cached < usual, anew
        usual, cached = anew["two with long instructions", backend]
        assert usual < cached, anew
