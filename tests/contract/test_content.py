"""What is more than text: parts of messages, replies that fit a model, refusals, and tools that the server runs.

What a backend carries comes through as it is; what it does not is refused with a typed error, and nothing is kept.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from handoff import (
    MCP,
    Answer,
    Citation,
    CodeInterpreter,
    ConfigurationError,
    ContentRefused,
    File,
    FileSearch,
    Flow,
    HostedCall,
    HostedToolFinished,
    Image,
    MessageAdded,
    ReplyUnfit,
    RunFailed,
    Text,
    WebSearch,
)
from handoff.core.items import UserMessage
from handoff.core.parts import Part
from tests.contract.backdrop import Backdrop

LOOK = Text("look")
PARTS: dict[str, Part] = {
    "image_url": Image(url="https://example.com/menu.png"),
    "image_data": Image(data=b"\x89PNG\r\n\x1a\n" + bytes(range(64)), media_type="image/png", detail="low"),
    "image_id": Image(file_id="file-1"),
    "file_url": File(url="https://example.com/menu.pdf"),
    "file_data": File(data=b"%PDF-1.7 menu", media_type="application/pdf", name="menu.pdf"),
    "file_id": File(file_id="file-2"),
}
#: A tool, what is told of it, and a source it may give.
HOSTED: dict[str, tuple[Any, HostedCall]] = {
    "web_search": (WebSearch(), HostedCall("web_search", input="rye")),
    "file_search": (FileSearch(["vs_1"]), HostedCall("file_search")),
    "code_interpreter": (CodeInterpreter(), HostedCall("code_interpreter", input="1 + 1", output="2")),
    "mcp": (
        MCP("shop", server_url="https://shop.example"),
        HostedCall("mcp", name="shop.order", input="{}", output="ordered"),
    ),
}


class Weather(BaseModel):
    """What the weather is."""

    city: str
    degrees: int


WARM = '{"city": "Rome", "degrees": 31}'


def station(**options: Any) -> Flow[Any, Any]:
    """A flow with one assistant."""
    flow = Flow("station")
    flow.assistant("reporter", instructions="Say what the weather is.", **options)
    return flow


@pytest.mark.parametrize("capability", PARTS)
async def test_a_part_comes_through_or_is_refused(backdrop: Backdrop, capability: Any) -> None:
    """The model is shown it in this and in every later request; else there is no row, no receipt and no request."""
    model, part = backdrop.plays("nice", "bye"), PARTS[capability]
    async with backdrop.threads(station()) as threads:
        thread = await threads.open("t")
        if capability not in backdrop.form.carries:
            with pytest.raises(ContentRefused, match=f"carries no {capability.partition('_')[0]} by "):
                await thread.send([LOOK, part])

            assert [] == list(threads.store.inbox("t")) == model.prompts
            return
        await thread.send([LOOK, part])
        await thread.send("thanks")

    for prompt in model.prompts:
        shown = [(item.text, item.parts) for item in prompt.items if isinstance(item, UserMessage)]
        assert ("look", (LOOK, part)) == shown[0]


async def test_parts_outlive_a_restart(backdrop: Backdrop) -> None:
    """A new process on the same store sends them as they were."""
    carried = [part for capability, part in PARTS.items() if capability in backdrop.form.carries]
    model = backdrop.plays("nice", "bye")
    async with backdrop.threads(station(), durable=True) as threads:
        await (await threads.open("t")).send([LOOK, *carried])
    backdrop.forget()
    async with backdrop.threads(station(), durable=True) as threads:
        await (await threads.open("t")).send("thanks")

    shown = [item.parts for item in model.prompts[-1].items if isinstance(item, UserMessage)]
    assert (LOOK, *carried) == shown[0]


async def test_a_reply_is_a_value(backdrop: Backdrop) -> None:
    """The model is shown what to fit, and the reply has the instance."""
    model = backdrop.plays(WARM)
    async with backdrop.threads(station(reply=Weather)) as threads:
        reply = await (await threads.open("t")).send("Rome?")

    assert "reply" in backdrop.form.carries
    assert (WARM, Weather(city="Rome", degrees=31)) == (reply.text, reply.value)
    assert ["Weather"] == [prompt.reply.name for prompt in model.prompts if prompt.reply is not None]


async def test_an_answer_that_does_not_fit_is_a_typed_error(backdrop: Backdrop) -> None:
    """It has the answer; the thread goes on, and the model is shown once what it had said."""
    model = backdrop.plays("It is warm.", WARM)
    async with backdrop.threads(station(reply=Weather)) as threads:
        thread = await threads.open("t")
        with pytest.raises(ReplyUnfit) as unfit:
            await thread.send("Rome?")
        reply = await thread.send("again, please")

    assert ("incomplete", "It is warm.") == (unfit.value.status, unfit.value.text)
    assert Weather(city="Rome", degrees=31) == reply.value
    assert 1 == sum("It is warm." in item.text for item in model.prompts[-1].items)


async def test_an_incomplete_answer_is_a_typed_error_with_its_text(backdrop: Backdrop) -> None:
    """Its reason is told, the text so far is there, and the thread goes on."""
    backdrop.plays(Answer("So far", incomplete="content_filter"), "fine")
    async with backdrop.threads(station()) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed, match=r"content.filter") as failed:
            await thread.send("Rome?")
        reply = await thread.send("again")

    assert ("incomplete", "So far") == (failed.value.status, failed.value.text)
    assert "fine" == reply.text


@pytest.mark.parametrize("capability", HOSTED)
async def test_a_tool_of_the_server_is_told_or_refused(backdrop: Backdrop, capability: Any) -> None:
    """What it did is on the reply and in the events, and its sources with it; else threads are not even made."""
    tool, done = HOSTED[capability]
    source = Citation("menu.pdf", file_id="file-1", start=0, end=4)
    backdrop.plays(Answer("Done.", hosted=(done,), citations=(source,)), "bye")
    flow = station(hosted=[tool])
    if capability not in backdrop.form.carries:
        with pytest.raises(ConfigurationError, match=f"reporter declares hosted {type(tool).__name__}"):
            async with backdrop.threads(flow):
                pass
        return
    async with backdrop.threads(flow) as threads:
        thread = await threads.open("t")
        events = [event async for event in thread.stream("go", key="k")]
        reply = await thread.send("go", key="k")
        after = await thread.send("thanks")

    (told,) = [event for event in events if isinstance(event, HostedToolFinished)]
    (call,) = reply.hosted
    assert (done.tool, done.name, done.input, done.output) == (call.tool, call.name, call.input, call.output)
    assert (call.tool, call.id, "completed") == (told.tool, told.call_id, told.status)
    assert ["file-1"] == [one.file_id for one in reply.citations]
    assert ("Done.", "bye") == (reply.text, after.text)


async def test_a_refusal_is_a_reply_that_says_so(backdrop: Backdrop) -> None:
    """It is flagged on the reply and on the event; its text is the reply."""
    backdrop.plays(Answer("I will not.", refused=True), "fine")
    async with backdrop.threads(station()) as threads:
        thread = await threads.open("t")
        events = [event async for event in thread.stream("Rome?", key="k") if isinstance(event, MessageAdded)]
        reply = await thread.send("Rome?", key="k")
        after = await thread.send("please")

    assert ("I will not.", True) == (reply.text, reply.refused)
    assert [False, True] == [event.refused for event in events]
    assert "fine" == after.text
