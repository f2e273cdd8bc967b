"""What is more than text on the assistants backend: what the server is sent, and what it tells of its own tools."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from handoff import (
    Answer,
    Citation,
    CodeInterpreter,
    ConfigurationError,
    File,
    FileSearch,
    Flow,
    HostedCall,
    HostedToolFinished,
    Image,
    Text,
    Threads,
    WebSearch,
    call,
)
from handoff.backends.assistants import Assistants
from handoff.backends.assistants.messages import messages_of, readers_of, run_fields, unable
from handoff.backends.assistants.run import extra_of, hosted_in
from handoff.backends.base import Request
from handoff.core.answers import Extra
from handoff.core.items import UserMessage
from handoff.declaration.prompt import OfferedTool, Prompt, ReplyFormat
from handoff.sandbox import Sandbox, serving
from tests.support.models import Plays


class Weather(BaseModel):
    """What the weather is."""

    city: str


def request(**given: Any) -> Request:
    """A start."""
    options, tools = given.pop("options", {}), given.pop("tools", ())
    return Request("t", 1, 1, "send", Prompt("clerk", "Help.", tools, (), (), options, **given), 1600.0)


def test_files_are_attached_and_images_are_parts() -> None:
    """A file is for the tools that read it; where it is all there is it is named in words, as a message has content."""
    both = UserMessage("m", "look", (Text("look"), Image(url="https://a/b.png"), File(file_id="file-1")))
    alone = UserMessage("n", "", (File(file_id="file-2"),))
    readers = readers_of(request(hosted=(CodeInterpreter(), FileSearch(["vs"]))))
    first, second = messages_of([both, alone], None, readers=readers)

    assert [{"type": "text", "text": "look"}, "image_url"] == [first["content"][0], first["content"][1]["type"]]
    tools = [{"type": "code_interpreter"}, {"type": "file_search"}]
    assert [{"file_id": "file-1", "tools": tools}] == first["attachments"]
    assert [{"type": "text", "text": "(a file: file-2)"}] == second["content"]
    assert ("file_search",) == readers_of(request())


def test_a_run_is_told_of_tools_and_reply() -> None:
    """Hosted tools stand beside ours; a choice names either; the reply is a response format."""
    look = OfferedTool("look", "Look.", {"type": "object"})
    hosted = (FileSearch(["vs"], 3), CodeInterpreter())
    reply = ReplyFormat("Weather", {"type": "object"})
    fields = run_fields(request(tools=(look,), hosted=hosted, reply=reply, options={"tool_choice": "file_search"}), "m")
    ours = run_fields(request(tools=(look,), hosted=hosted, options={"tool_choice": "look"}), "m")

    assert ["function", "file_search", "code_interpreter"] == [tool["type"] for tool in fields["tools"]]
    assert {"type": "file_search"} == fields["tool_choice"]
    assert {"type": "function", "function": {"name": "look"}} == ours["tool_choice"]
    assert {
        "type": "json_schema",
        "json_schema": {"name": "Weather", "schema": {"type": "object"}, "strict": True},
    } == fields["response_format"]


def test_hosted_tools_count_among_the_tools_of_a_run() -> None:
    """The server takes twenty in all."""
    tools = tuple(OfferedTool(f"t{index}", "", {}) for index in range(20))

    assert "" == unable(request(tools=tools))
    assert "is offered 21 tools" in unable(request(tools=tools, hosted=(CodeInterpreter(),)))


def clerk(*hosted: Any, **options: Any) -> Flow[Any, Any]:
    """A flow whose assistant has these tools, and one of its own."""
    flow = Flow("desk")
    assistant = flow.assistant("clerk", instructions="Help.", hosted=hosted, **options)

    @assistant.tool()
    def look() -> str:
        """Look."""
        return "seen"

    return flow


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_each_answer_tells_what_tools_did_for_it(stream: bool) -> None:
    """What came before a call of ours is told with the call, what came after it with the reply; nothing twice."""
    code, search = HostedCall("code_interpreter", input="1+1", output="2"), HostedCall("file_search")
    source = Citation(file_id="file-1", start=0, end=5)
    model = Plays(
        Answer("Wait.", calls=(call("look"),), hosted=(code,)),
        Answer("There it is.", hosted=(search,), citations=(source,)),
        "bye",
    )
    with serving(Sandbox(model)) as url:
        backend = Assistants("tiny", base_url=url, api_key="any", stream=stream, poll=0.01)
        async with Threads(clerk(CodeInterpreter(), FileSearch(["vs"])), backend=backend) as threads:
            thread = await threads.open("t")
            events = [event async for event in thread.stream("go", key="k")]
            reply = await thread.send("go", key="k")
            after = await thread.send("thanks")

    kinds = [event.type for event in events if event.type in ("hosted.finished", "tool.finished", "message")][1:]
    assert ["hosted.finished", "message", "tool.finished", "hosted.finished", "message"] == kinds
    assert [("1+1", "2"), ("", "")] == [
        (event.input, event.output) for event in events if isinstance(event, HostedToolFinished)
    ]
    assert ["code_interpreter", "file_search"] == [one.tool for one in reply.hosted]
    assert [("file-1", 0, 5)] == [(one.file_id, one.start, one.end) for one in reply.citations]
    assert ("bye", ()) == (after.text, after.hosted)


async def test_an_assistant_is_registered_with_what_its_tools_read() -> None:
    """A run overrides the tools and not their resources; a forced search is made."""
    sandbox = Sandbox()
    with serving(sandbox) as url:
        backend = Assistants("tiny", base_url=url, api_key="any", poll=0.01)
        flow = clerk(FileSearch(["vs_1"]), CodeInterpreter(["file-1"]), tool_choice="file_search")
        async with Threads(flow, backend=backend) as threads:
            reply = await (await threads.open("t")).send("rye")
        (registered,) = sandbox.world.assistants.values()

    assert {
        "file_search": {"vector_store_ids": ["vs_1"]},
        "code_interpreter": {"file_ids": ["file-1"]},
    } == registered.wire()["tool_resources"]
    assert ("Found in the files: rye", ["file_search"]) == (reply.text, [one.tool for one in reply.hosted])


async def test_a_schema_reaches_the_model() -> None:
    """The plain model makes a value of it."""
    with serving(Sandbox()) as url:
        backend = Assistants("tiny", base_url=url, api_key="any", poll=0.01)
        async with Threads(clerk(reply=Weather), backend=backend) as threads:
            reply = await (await threads.open("t")).send("Rome?")

    assert Weather(city="text") == reply.value


def test_the_web_is_none_of_this_protocol() -> None:
    """It is refused when threads are made."""
    backend = Assistants("tiny", base_url="http://127.0.0.1:1/v1", api_key="any")
    with pytest.raises(ConfigurationError, match="hosted WebSearch, which the Assistants backend does not carry"):
        Threads(clerk(WebSearch()), backend=backend)


def test_places_of_sources_are_those_in_the_whole_text() -> None:
    """An answer may be several messages, a line each."""

    def message(text: str, *annotations: Any) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": {"value": text, "annotations": list(annotations)}}]}

    source = {"type": "file_citation", "file_citation": {"file_id": "f"}, "start_index": 0, "end_index": 2}
    extra = extra_of([message("Wait."), message("Here", source)], ())

    assert Extra(citations=(Citation(file_id="f", start=6, end=8),)) == extra
    assert extra_of([message("Wait.")], ()) is None


def test_steps_of_any_server_are_read() -> None:
    """What a server leaves out is left out."""
    calls = [
        {"type": "code_interpreter", "id": "c", "code_interpreter": {"input": "x", "outputs": [{"logs": "y"}, None]}},
        {"type": "file_search", "file_search": {"results": [{"file_name": "a.txt"}, {}]}},
        {"type": "function", "function": {}},
        None,
    ]

    assert [
        HostedCall("code_interpreter", "c", "completed", input="x", output="y"),
        HostedCall("file_search", "", "completed", output="a.txt"),
    ] == hosted_in({"status": "completed", "step_details": {"tool_calls": calls}})
    assert [] == hosted_in({})
