"""Tools that the server runs itself: declared on an assistant, sent, told of, and refused where they cannot be."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from handoff import (
    MCP,
    Citation,
    CodeInterpreter,
    ConfigurationError,
    DefinitionError,
    FileSearch,
    Flow,
    HostedCall,
    HostedToolFinished,
    Image,
    MemoryStore,
    MessageAdded,
    RunFailed,
    Text,
    TextDelta,
    Threads,
    WebSearch,
)
from handoff.backends.chat import Chat
from handoff.backends.embedded import Embedded
from handoff.backends.hosted_tools import (
    assistants_resources,
    assistants_tool,
    call_of,
    responses_choice,
    responses_tool,
)
from handoff.backends.responses import Responses
from handoff.backends.responses.backend import ROUNDS
from handoff.cli.printing import Screen
from handoff.declaration.hosted import described, secrets_of
from handoff.driving.history import replay
from handoff.driving.judge import assistant_id
from handoff.events import as_json
from handoff.sandbox import Sandbox, serving
from handoff.testing import Talk, TalkMismatch
from tests.support.chat_server import Script, response, scripted
from tests.support.models import Plays

KEY, TOKEN = "Bearer hidden-header-key", "hidden-oauth-token"


def yes(tool: str, arguments: str) -> bool:
    """Every call may be made."""
    del tool, arguments
    return True


def no(tool: str, arguments: str) -> bool:
    """No call may be made."""
    return tool == "nothing" and arguments == ""


async def later(tool: str, arguments: str) -> bool:
    """Nobody waits for this."""
    return bool(tool or arguments)


def breaks(tool: str, arguments: str) -> bool:
    """Nobody knows."""
    raise LookupError(tool + arguments)


def shop(**options: Any) -> MCP:
    """An MCP server with secrets."""
    url = "https://shop.example/mcp"
    return MCP("shop", server_url=url, headers={"Authorization": KEY}, authorization=TOKEN, **options)


def desk(*hosted: Any, **options: Any) -> Flow[Any, Any]:
    """A flow whose assistant has these tools, and one of its own."""
    flow = Flow("desk")
    clerk = flow.assistant("clerk", instructions="Help.", hosted=hosted, **options)

    @clerk.tool()
    def look() -> str:
        """Look."""
        return "seen"

    return flow


@pytest.fixture(
    params=["chain", "chain-whole", "own", "own-whole", "conversation", "chain-background", "conversation-background"]
)
def backend(request: pytest.FixtureRequest) -> Iterator[Responses]:
    """The backend that carries them, its plain model behind a socket."""
    history, _, way = request.param.partition("-")
    with serving(Sandbox()) as url, ExitStack():
        options: Any = {"history": history, "stream": way != "whole", "background": way == "background"}
        yield Responses("tiny", base_url=url, api_key="any", **options)


PLAYED = [
    pytest.param(
        WebSearch(domains=["example.com"]),
        "search rye",
        "Found on the web: rye",
        HostedCall("web_search", input="rye"),
        [("rye", "https://example.com/?q=rye", "")],
        id="web",
    ),
    pytest.param(
        FileSearch(["vs_1"], max_results=3),
        "search rye",
        "Found in the files: rye",
        HostedCall("file_search", input="rye"),
        [("notes.txt", "", "file-notes")],
        id="files",
    ),
    pytest.param(
        CodeInterpreter(file_ids=["file-1"]),
        "run 1 + 1",
        "Ran: 1 + 1",
        HostedCall("code_interpreter", input="1 + 1", output="1 + 1"),
        [],
        id="code",
    ),
    pytest.param(
        shop(allowed_tools=["order"]),
        'ask shop.order {"loaves": 2}',
        "shop.order returned: shop.order was called",
        HostedCall("mcp", name="shop.order", input='{"loaves": 2}', output="shop.order was called"),
        [],
        id="mcp",
    ),
]


@pytest.mark.parametrize(("tool", "text", "said", "done", "sources"), PLAYED)
async def test_what_a_hosted_tool_did_comes_through(
    backend: Responses, tool: Any, text: str, said: str, done: HostedCall, sources: list[Any]
) -> None:
    """Text, call and sources are on the reply and in the events, live and replayed; the thread goes on."""
    store = MemoryStore()
    async with Threads(desk(tool), backend=backend, store=store) as threads:
        thread = await threads.open("t")
        events = [event async for event in thread.stream(text, key="k")]
        reply = await thread.send(text, key="k")
        after = [await thread.send("call look"), await thread.send("thanks")]
        replayed = [one for one in replay(store.journal("t")) if isinstance(one, HostedToolFinished)]

    (told,) = [event for event in events if isinstance(event, HostedToolFinished)]
    (call_told,) = reply.hosted
    assert said == reply.text
    assert (done.tool, done.name, done.input, done.output, "completed") == (
        call_told.tool,
        call_told.name,
        call_told.input,
        call_told.output,
        told.status,
    )
    assert [told] == replayed
    assert ("clerk", done.tool, call_told.id) == (told.assistant, told.tool, told.call_id)
    assert sources == [(one.title, one.url, one.file_id) for one in reply.citations]
    assert [0] * len(sources) == [one.start for one in reply.citations]
    assert ["look returned: seen", "You said: thanks"] == [one.text for one in after]
    assert [(), ()] == [one.hosted for one in after]


@pytest.mark.parametrize(
    ("approval", "said", "status"),
    [
        pytest.param(yes, "shop.order returned: shop.order was called", "completed", id="yes"),
        pytest.param(no, "shop.order returned: not approved: it was not approved", "refused", id="no"),
        pytest.param(breaks, "shop.order returned: not approved: whether it may be made", "refused", id="breaks"),
    ],
)
async def test_a_policy_answers_approval_requests(
    backend: Responses, approval: Any, said: str, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The server is answered in the same request of ours, and the reply is what it says then; nobody else is asked."""
    with caplog.at_level(logging.ERROR):
        async with Threads(desk(shop(approval=approval)), backend=backend) as threads:
            thread = await threads.open("t")
            reply = await thread.send('ask shop.order {"loaves": 2}')
            after = await thread.send("thanks")

    assert reply.text.startswith(said)
    assert [("shop.order", '{"loaves": 2}', status)] == [(one.name, one.input, one.status) for one in reply.hosted]
    assert "You said: thanks" == after.text
    assert (approval is breaks) == ("its call is refused" in caplog.text)


async def test_a_forced_hosted_tool_is_run_once(backend: Responses) -> None:
    """A choice that names the kind of a hosted tool is obeyed, and the run comes to its reply."""
    flow = desk(shop(approval=yes), tool_choice="mcp")
    async with Threads(flow, backend=backend) as threads:
        reply = await (await threads.open("t")).send("hi")

    assert [("shop.any", "completed")] == [(one.name, one.status) for one in reply.hosted]
    assert "shop.any returned: shop.any was called" == reply.text


async def test_secrets_are_sent_and_never_told(caplog: pytest.LogCaptureFixture) -> None:
    """They go to the server; they are in no journal, event, reply, log, error or text of a value."""
    echoing = made(
        {
            "type": "mcp_call",
            "id": "mcp_1",
            "server_label": "shop",
            "name": "order",
            "arguments": "{}",
            "error": f"401 for {KEY} and {TOKEN}",
        },
        said("done"),
    )
    refusal = response({"error": {"message": f"cannot reach shop with {KEY} {TOKEN}", "type": "x"}}, 400)
    store = MemoryStore()
    with caplog.at_level(logging.DEBUG):
        async with scripted(response(echoing), refusal) as script:
            flow = desk(shop())
            async with Threads(flow, backend=responses(script), store=store) as threads:
                thread = await threads.open("t")
                events = [as_json(event) async for event in thread.stream("go")]
                with pytest.raises(RunFailed) as failed:
                    await thread.send("go on")
                journal = json.dumps([record.data for record in store.journal("t")])

    sent = script.bodies[0]["tools"][1]
    assert ({"Authorization": KEY}, TOKEN) == (sent["headers"], sent["authorization"])
    handled = [record for record in caplog.records if record.name == "handoff"]
    told = [journal, json.dumps(events), str(failed.value), repr(shop()), str([one.getMessage() for one in handled])]
    assert [] == [text for text in told if "hidden" in text]
    assert "401 for *** and ***" in journal
    assert "hidden" not in json.dumps(described(shop()))


def test_another_key_is_the_same_assistant() -> None:
    """Ids and versions are made without secrets: a key that is renewed changes neither."""

    def known(key: str) -> tuple[str, str]:
        flow = desk(MCP("shop", server_url="https://shop.example", headers={"X": key}, authorization=key))
        return flow.version, assistant_id(flow, "clerk")

    assert known("first-secret") == known("second-secret")


def test_other_tools_are_another_version() -> None:
    """What is declared is part of a flow's structure; a flow without such tools keeps the version it had."""
    flows = [desk(), desk(WebSearch()), desk(FileSearch(["a"])), desk(FileSearch(["b"])), desk(shop(approval=yes))]

    assert 5 == len({flow.version for flow in flows})
    assert 5 == len({assistant_id(flow, "clerk") for flow in flows})


def test_short_texts_are_no_secrets() -> None:
    """A header that says `1` would be found everywhere."""
    server = MCP("shop", server_url="https://a", headers={"X-V": "1", "A": "Bearer abcdef123"}, authorization="")

    assert ["Bearer abcdef123", "abcdef123"] == secrets_of([WebSearch(), server])


# -- servers that do what the sandbox does not -------------------------------------------------------------------------


def said(text: str) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def asks(name: str = "order", id: str = "mcpr_1") -> dict[str, Any]:  # noqa: A002 - as the wire calls it
    return {"type": "mcp_approval_request", "id": id, "server_label": "shop", "name": name, "arguments": "{}"}


def made(*output: Any, id: str = "resp_1") -> dict[str, Any]:  # noqa: A002 - as the wire calls it
    return {"id": id, "object": "response", "status": "completed", "output": list(output), "error": None}


def responses(script: Script, **options: Any) -> Responses:
    return Responses("tiny", base_url=script.base_url, api_key="any", stream=False, **options)


@pytest.mark.parametrize("history", ["chain", "own"])
async def test_a_server_that_asks_although_it_need_not_is_refused(history: Any) -> None:
    """The run ends, the call is told as refused, and the next turn is valid."""
    replies = [made(asks()), made(said("I could not."), id="resp_2"), made(said("ok"), id="resp_3")]
    async with (
        scripted(*map(response, replies)) as script,
        Threads(desk(shop()), backend=responses(script, history=history)) as threads,
    ):
        thread = await threads.open("t")
        reply = await thread.send("order bread")
        await thread.send("thanks")

    answer = {
        "type": "mcp_approval_response",
        "approval_request_id": "mcpr_1",
        "approve": False,
        "reason": "nobody is there to approve it",
    }
    assert ("I could not.", "refused") == (reply.text, reply.hosted[0].status)
    first, second, third = script.bodies
    if history == "chain":
        assert ("resp_1", [answer]) == (second["previous_response_id"], second["input"])
        assert ("resp_2", [{"role": "user", "content": "thanks"}]) == (third["previous_response_id"], third["input"])
    else:
        assert [*first["input"], asks(), answer] == second["input"]
        asked, refused, thanked = third["input"]
        assert [{"role": "user", "content": "order bread"}, {"role": "user", "content": "thanks"}] == [asked, thanked]
        assert ("assistant", ["I could not."]) == (refused["role"], [part["text"] for part in refused["content"]])


async def test_a_server_that_asks_for_ever_ends_the_run() -> None:
    """After a few rounds the turn is incomplete, and says why; nothing is wedged."""
    replies = [response(made(asks(id=f"mcpr_{index}"), id=f"resp_{index}")) for index in range(ROUNDS)]
    async with (
        scripted(*replies, response(made(said("ok")))) as script,
        Threads(desk(shop(approval=yes)), backend=responses(script)) as threads,
    ):
        thread = await threads.open("t")
        with pytest.raises(RunFailed, match=f"an MCP server asked for approval {ROUNDS} times") as failed:
            await thread.send("order bread")
        reply = await thread.send("hello")

    assert "incomplete" == failed.value.status
    assert "ok" == reply.text


@pytest.mark.parametrize("history", ["chain", "own"])
async def test_an_approval_that_is_asked_beside_a_call_is_left_behind(history: Any) -> None:
    """Calls of ours come first, and nothing builds on a response that waits for an answer: the model may ask again."""
    look = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}"}
    replies = [made(asks(), look), made(said("done"), id="resp_2")]
    async with (
        scripted(*map(response, replies)) as script,
        Threads(desk(shop(approval=yes)), backend=responses(script, history=history)) as threads,
    ):
        thread = await threads.open("t")
        reply = await thread.send("order bread")

    sent = [item.get("type", "message") for item in script.bodies[1]["input"]]
    assert "done" == reply.text
    assert ["message", "function_call", "function_call_output"] == sent
    assert "previous_response_id" not in script.bodies[1]


async def test_what_was_said_before_an_approval_is_part_of_the_reply() -> None:
    """Text, usage and sources of both answers belong to the one run; places of sources are those in the whole text."""
    source = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 4}
    end = said("Done")
    end["content"][0]["annotations"] = [source]
    usage = {"input_tokens": 5, "output_tokens": 1}
    replies = [made(said("Wait."), asks()) | {"usage": usage}, made(end, id="resp_2") | {"usage": usage}]
    store = MemoryStore()
    async with (
        scripted(*map(response, replies)) as script,
        Threads(desk(shop(approval=yes)), backend=responses(script), store=store) as threads,
    ):
        thread = await threads.open("t")
        events = [event async for event in thread.stream("order bread")]

    message = events[-2]
    assert isinstance(message, MessageAdded)
    assert "Wait.\nDone" == message.text == "".join(event.text for event in events if event.type == "text.delta")
    assert [(6, 10)] == [(one.start, one.end) for one in message.citations]
    last = [record.data for record in store.journal("t")][-2]
    assert {"input_tokens": 10, "output_tokens": 2, "model_calls": 2} == last["usage"]


async def test_a_response_that_was_lost_while_it_asked_is_asked_anew() -> None:
    """The server forgot it: the whole request is made again, not half of it."""
    lost = response({"error": {"message": "Previous response with id 'resp_1' not found.", "type": "x"}}, 400)
    replies = [response(made(asks())), lost, response(made(said("done"), id="resp_2"))]
    async with (
        scripted(*replies) as script,
        Threads(desk(shop(approval=yes)), backend=responses(script)) as threads,
    ):
        reply = await (await threads.open("t")).send("order bread")

    assert "done" == reply.text
    assert script.bodies[0]["input"] == script.bodies[2]["input"]
    assert "previous_response_id" not in script.bodies[2]


async def test_thoughts_go_back_with_all_they_led_to() -> None:
    """A server that reasons refuses a thought without the item after it: hosted calls go along, in order."""
    first = [
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "x"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "rye"}},
        {"type": "reasoning", "id": "rs_2", "encrypted_content": "y"},
    ]
    look = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}"}
    replies = [made(*first, look), made(said("done"), id="resp_2")]
    async with scripted(*map(response, replies)) as script:
        options = {"history": "own", "reasoning": True}
        async with Threads(desk(WebSearch(), CodeInterpreter()), backend=responses(script, **options)) as threads:
            reply = await (await threads.open("t")).send("rye?")

    kinds = [item.get("type", "message") for item in script.bodies[1]["input"]]
    assert ["message", "reasoning", "web_search_call", "reasoning", "function_call", "function_call_output"] == kinds
    assert ["code_interpreter_call.outputs", "reasoning.encrypted_content"] == script.bodies[0]["include"]
    assert ["web_search"] == [one.tool for one in reply.hosted]


# -- words of the protocols --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "wire"),
    [
        pytest.param(WebSearch(), {"type": "web_search"}, id="web"),
        pytest.param(
            WebSearch(["a.com"], size="low", country="DE", city="Bonn", timezone="Europe/Berlin"),
            {
                "type": "web_search",
                "filters": {"allowed_domains": ["a.com"]},
                "search_context_size": "low",
                "user_location": {
                    "type": "approximate",
                    "country": "DE",
                    "city": "Bonn",
                    "timezone": "Europe/Berlin",
                },
            },
            id="web-all",
        ),
        pytest.param(
            FileSearch(["a", "b"], 7),
            {"type": "file_search", "vector_store_ids": ["a", "b"], "max_num_results": 7},
            id="files",
        ),
        pytest.param(CodeInterpreter(), {"type": "code_interpreter", "container": {"type": "auto"}}, id="code"),
        pytest.param(
            CodeInterpreter(container="cntr_1"), {"type": "code_interpreter", "container": "cntr_1"}, id="container"
        ),
        pytest.param(
            MCP("mail", connector_id="connector_gmail", description="Mail.", allowed_tools=["read"], approval=yes),
            {
                "type": "mcp",
                "server_label": "mail",
                "connector_id": "connector_gmail",
                "server_description": "Mail.",
                "allowed_tools": ["read"],
                "require_approval": "always",
            },
            id="mcp",
        ),
    ],
)
def test_each_tool_in_the_words_of_responses(tool: Any, wire: dict[str, Any]) -> None:
    """What is not given is left out."""
    assert wire == responses_tool(tool)


def test_their_words_on_assistants() -> None:
    """Tools, and the resources beside them."""
    tools = [FileSearch(["vs"], 3), CodeInterpreter(["file-1"])]

    assert [
        {"type": "file_search", "file_search": {"max_num_results": 3}},
        {"type": "code_interpreter"},
    ] == [assistants_tool(tool) for tool in tools]
    assert {
        "file_search": {"vector_store_ids": ["vs"]},
        "code_interpreter": {"file_ids": ["file-1"]},
    } == assistants_resources(tools)
    assert {"type": "mcp", "server_label": "shop"} == responses_choice("mcp", [*tools, shop()])


@pytest.mark.parametrize(
    ("item", "done"),
    [
        pytest.param({"type": "message"}, None, id="message"),
        pytest.param({}, None, id="nothing"),
        pytest.param(
            {"type": "web_search_call", "status": "failed", "action": {"type": "open_page", "url": "https://a"}},
            HostedCall("web_search", status="failed", input="https://a"),
            id="page",
        ),
        pytest.param(
            {"type": "file_search_call", "queries": ["a", 5, "b"], "results": [{"filename": "x"}, None]},
            HostedCall("file_search", input="a\nb", output="x"),
            id="files",
        ),
        pytest.param({"type": "code_interpreter_call", "code": None}, HostedCall("code_interpreter"), id="no-code"),
        pytest.param(
            {"type": "mcp_call", "server_label": "s", "name": "t", "error": {"code": 5}},
            HostedCall("mcp", status="failed", name="s.t", output='{"code": 5}'),
            id="mcp-error",
        ),
        pytest.param(
            {"type": "mcp_call", "server_label": "s", "name": "t", "output": "x" * 30_000},
            HostedCall("mcp", name="s.t", output="x" * 19_999 + "…"),
            id="mcp-long",
        ),
    ],
)
def test_items_of_any_server_are_read(item: dict[str, Any], done: HostedCall | None) -> None:
    """Servers are not all typed, and what they tell may be long."""
    assert done == call_of(item)


# -- refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tool", [WebSearch(), FileSearch(["vs"]), CodeInterpreter(), shop()], ids=lambda tool: tool.kind
)
@pytest.mark.parametrize("kind", ["embedded", "chat"])
def test_a_backend_that_does_not_carry_them_is_refused(kind: str, tool: Any) -> None:
    """Where threads are made: it names the assistant, the option, the backend and what to do."""
    backend: Any = Embedded(Plays()) if kind == "embedded" else Chat("tiny", api_key="any")
    with pytest.raises(ConfigurationError) as refused:
        Threads(desk(tool), backend=backend)

    problem = f"clerk declares hosted {type(tool).__name__}, which the {kind.capitalize()} backend does not carry"
    assert f"{problem}: use a backend whose `carries` names {tool.kind!r}" in str(refused.value)


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        pytest.param(lambda: desk(WebSearch), "clerk has hosted <class", id="class"),
        pytest.param(lambda: desk(WebSearch(), WebSearch()), "clerk has WebSearch twice in hosted=", id="twice"),
        pytest.param(lambda: desk(shop(), shop()), "clerk has the MCP server shop twice", id="label-twice"),
        pytest.param(lambda: desk("web_search"), "clerk has hosted 'web_search': give WebSearch(…)", id="text"),
        pytest.param(
            lambda: Flow("a").assistant("b", instructions="c", hosted=WebSearch()),  # type: ignore[arg-type]
            "b has hosted=WebSearch(…): give a list",
            id="single",
        ),
        pytest.param(
            lambda: Flow("a").assistant("b", instructions="c", hosted="web_search"),  # type: ignore[arg-type]
            "b has hosted='web_search': give a list",
            id="bare-text",
        ),
        pytest.param(lambda: desk(tool_choice="web_search").freeze(), "tool_choice='web_search'", id="choice"),
        pytest.param(lambda: WebSearch("a.com"), "WebSearch has domains='a.com': give a list", id="domains"),
        pytest.param(lambda: WebSearch(size="huge"), "WebSearch(size='huge')", id="size"),  # type: ignore[arg-type]
        pytest.param(lambda: FileSearch([]), "FileSearch has no vector stores", id="no-stores"),
        pytest.param(lambda: FileSearch([""]), "none of them empty", id="empty-store"),
        pytest.param(lambda: FileSearch(["a"], 51), "FileSearch(max_results=51)", id="results"),
        pytest.param(lambda: CodeInterpreter(["a"], "b"), "got container= and file_ids=", id="container"),
        pytest.param(lambda: MCP("my shop", server_url="https://a"), "MCP(server_label='my shop')", id="label"),
        pytest.param(
            lambda: MCP("shop", "https://a", approval=later),  # type: ignore[arg-type]
            "MCP shop has an approval that waits: write `def`",
            id="async-approval",
        ),
        pytest.param(lambda: MCP("shop"), "MCP shop needs one of server_url= and connector_id=", id="no-url"),
        pytest.param(lambda: MCP("shop", "https://a", "c"), "needs one of server_url= and connector_id=", id="both"),
        pytest.param(lambda: MCP("shop", "shop.example"), "MCP shop has no http or https URL", id="url"),
        pytest.param(lambda: MCP("shop", "https://a", headers={"a": 1}), "headers that are no texts", id="headers"),  # type: ignore[dict-item]
        pytest.param(
            lambda: MCP("shop", "https://a", approval="always"),  # type: ignore[arg-type]
            "MCP shop has approval='always': give 'never', or a function",
            id="approval",
        ),
    ],
)
def test_a_tool_that_cannot_be_is_refused_where_it_is_declared(declare: Any, problem: str) -> None:
    """The error names the file and the line, and no secret."""
    with pytest.raises(DefinitionError) as refused:
        declare()

    assert problem in str(refused.value)
    assert Path(__file__).name == Path(refused.value.file).name
    assert "hidden" not in str(refused.value)


# -- what people see ---------------------------------------------------------------------------------------------------


def test_people_see_what_the_server_did_and_its_sources(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each call, the reply, and a line for each source; images and files of a message are named."""
    screen = Screen(("clerk",))
    picture = Image(data=b"x" * 1234, media_type="image/png")
    screen.show(MessageAdded("t", None, None, "look", "m", (Text("look"), picture, Image(url="https://a/b.png"))))
    screen.show(HostedToolFinished("t", 1, "clerk", "web_search", "ws_1", "completed", "", "rye", "https://a"))
    screen.show(HostedToolFinished("t", 1, "clerk", "mcp", "mcp_1", "refused", "shop.order", "{}", "no"))
    screen.show(MessageAdded("t", 1, "clerk", "Found.", citations=(Citation("Rye", "https://a"),)))
    screen.show(TextDelta("t", 2, "clerk", "Again."))
    screen.show(MessageAdded("t", 2, "clerk", "Again.", citations=(Citation("a.txt", file_id="file-1"),)))

    assert [
        "you    look",
        "       [image: image/png, 1,234 bytes]",
        "       [image: https://a/b.png]",
        "       · web_search(rye)",
        "       · shop.order({}) refused",
        "clerk  Found.",
        "         [Rye https://a]",
        "clerk  Again.",
        "         [a.txt file-1]",
    ] == capsys.readouterr().out.splitlines()


def test_a_talk_plays_any_flow_and_shows_parts() -> None:
    """The test plays the model, so no backend has to carry anything; the story names images and files."""
    flow = desk(WebSearch())
    with Talk(flow) as talk:
        talk.user([Text("look"), Image(url="https://a/b.png")])
        with pytest.raises(TalkMismatch) as differs:
            talk.calls("nothing")
        talk.says("fine")

    assert "user  look\n      [image: https://a/b.png]" in differs.value.story
