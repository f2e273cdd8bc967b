"""Tools that the server runs itself, sources, refusals and answers that fit a schema, through the real SDK."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from handoff import Answer, Citation, File, HostedCall, Image, Text
from handoff.core.items import UserMessage
from handoff.declaration.prompt import Prompt
from handoff.sandbox import Sandbox
from tests.sandbox.conformance import Conformance
from tests.sandbox.conftest import Inside

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # the SDK calls Assistants deprecated

WEB: Any = {"type": "web_search"}
FILES: Any = {"type": "file_search", "vector_store_ids": ["vs_1"]}
CODE: Any = {"type": "code_interpreter", "container": {"type": "auto"}}
SHOP: Any = {"type": "mcp", "server_label": "shop", "server_url": "https://shop.example", "require_approval": "never"}
ASKS: Any = {**SHOP, "require_approval": "always", "headers": {"X-Key": "hidden-key"}, "authorization": "hidden-token"}


class Weather(BaseModel):
    """What the weather is."""

    city: str
    degrees: int


@pytest.mark.parametrize(
    ("text", "tool", "kind", "said"),
    [
        pytest.param("search rye bread", WEB, "web_search_call", "Found on the web: rye bread", id="web"),
        pytest.param("search rye bread", FILES, "file_search_call", "Found in the files: rye bread", id="files"),
        pytest.param("run 1 + 1", CODE, "code_interpreter_call", "Ran: 1 + 1", id="code"),
        pytest.param(
            'ask shop.order {"loaves": 2}', SHOP, "mcp_call", "shop.order returned: shop.order was called", id="mcp"
        ),
    ],
)
def test_a_message_has_a_hosted_tool_run(client: openai.OpenAI, text: str, tool: Any, kind: str, said: str) -> None:
    """The plain model obeys, where the tool is declared; the call is an item before the message."""
    made = client.responses.create(model="any", input=text, tools=[tool])
    without = client.responses.create(model="any", input=text)

    assert [kind, "message"] == [item.type for item in made.output]
    assert said == made.output_text
    assert f"You said: {text}" == without.output_text


@pytest.mark.parametrize(
    ("tool", "choice"),
    [
        pytest.param(FILES, {"type": "file_search"}, id="files"),
        pytest.param(CODE, {"type": "code_interpreter"}, id="code"),
        pytest.param(SHOP, {"type": "mcp", "server_label": "shop"}, id="mcp"),
        pytest.param(WEB, {"type": "allowed_tools", "mode": "required", "tools": [WEB]}, id="web"),
        pytest.param(WEB, "required", id="required"),
    ],
)
def test_a_forced_hosted_tool_is_run(client: openai.OpenAI, tool: Any, choice: Any) -> None:
    """A forced choice of a hosted tool is obeyed as that of a function is."""
    made = client.responses.create(model="any", input="hi", tools=[tool], tool_choice=choice)

    assert f"{tool['type']}_call" == made.output[0].type


def test_sources_are_annotations_of_the_text(client: openai.OpenAI) -> None:
    """A page and a file are cited, each in the form the API has for it."""
    page = client.responses.create(model="any", input="search rye", tools=[WEB]).output[1].content[0].annotations  # type: ignore[union-attr]
    file = client.responses.create(model="any", input="search rye", tools=[FILES]).output[1].content[0].annotations  # type: ignore[union-attr]

    assert ("url_citation", "https://example.com/?q=rye", 0, 21) == (
        page[0].type,
        page[0].url,
        page[0].start_index,
        page[0].end_index,
    )
    assert ("file_citation", "notes.txt") == (file[0].type, file[0].filename)


def test_outputs_of_code_are_told_where_they_are_asked_for(client: openai.OpenAI) -> None:
    """As with the real API: only with `include`."""
    told = client.responses.create(model="any", input="run 1", tools=[CODE], include=["code_interpreter_call.outputs"])
    untold = client.responses.create(model="any", input="run 1", tools=[CODE])

    assert "1" == told.output[0].outputs[0].logs  # type: ignore[union-attr]
    assert untold.output[0].outputs is None  # type: ignore[union-attr]


def test_an_mcp_tool_that_needs_approval_waits_for_it(client: openai.OpenAI) -> None:
    """The response asks; the next one, chained and with the answer, makes the call."""
    asked = client.responses.create(model="any", input="ask shop.order {}", tools=[ASKS])
    (request,) = asked.output
    answer: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}
    done = client.responses.create(model="any", previous_response_id=asked.id, input=[answer], tools=[ASKS])

    assert "mcp_approval_request" == request.type
    assert ["mcp_call", "message"] == [item.type for item in done.output]
    assert "shop.order returned: shop.order was called" == done.output_text


def test_an_mcp_tool_that_is_refused_is_not_called(client: openai.OpenAI) -> None:
    """The model is told why; the items may be sent in full where nothing is stored."""
    asked = client.responses.create(model="any", input="ask shop.order {}", tools=[ASKS], store=False)
    answer = {
        "type": "mcp_approval_response",
        "approval_request_id": asked.output[0].id,
        "approve": False,
        "reason": "too dear",
    }
    items: Any = [{"role": "user", "content": "ask shop.order {}"}, asked.output[0].to_dict(), answer]
    done = client.responses.create(model="any", input=items, tools=[ASKS], store=False)

    assert "shop.order returned: not approved: too dear" == done.output_text


def test_an_approval_nobody_asked_for_is_refused(client: openai.OpenAI) -> None:
    """It names what is not there."""
    answer: Any = {"type": "mcp_approval_response", "approval_request_id": "mcpr_none", "approve": True}
    with pytest.raises(openai.NotFoundError, match="Item with id 'mcpr_none' not found"):
        client.responses.create(model="any", input=[answer], tools=[ASKS])


def test_secrets_of_an_mcp_server_are_not_told_back(client: openai.OpenAI) -> None:
    """A response shows the tool without its headers and its token."""
    made = client.responses.create(model="any", input="hi", tools=[ASKS])

    assert "hidden" not in made.to_json()


@pytest.mark.parametrize("api", ["responses", "chat"])
def test_an_answer_fits_the_schema_it_is_asked_for(client: openai.OpenAI, api: str) -> None:
    """The SDK's own parsing takes what the plain model makes."""
    if api == "responses":
        value = client.responses.parse(model="any", input="hi", text_format=Weather).output_parsed
    else:
        messages: Any = [{"role": "user", "content": "hi"}]
        parsed = client.chat.completions.parse(model="any", messages=messages, response_format=Weather)
        value = parsed.choices[0].message.parsed

    assert Weather(city="text", degrees=0) == value


def test_an_answer_may_be_asked_to_be_any_object(client: openai.OpenAI) -> None:
    """`json_object` is one without fields."""
    messages: Any = [{"role": "user", "content": "hi"}]
    made = client.chat.completions.create(model="any", messages=messages, response_format={"type": "json_object"})

    assert {} == json.loads(made.choices[0].message.content or "")


class Says:
    """A model that gives one answer."""

    def __init__(self, answer: Answer) -> None:
        self.prompts: list[Prompt] = []
        self._answer = answer

    def answer(self, prompt: Prompt) -> Answer:
        """Give it."""
        self.prompts.append(prompt)
        return self._answer


async def test_a_model_object_refuses(inside: Inside) -> None:
    """A refusal is a refusal on both APIs, and no text."""
    sandbox = Sandbox(Says(Answer("I will not.", refused=True)))
    async with inside(sandbox) as client:
        response = await client.responses.create(model="any", input="hi")
        chat = await client.chat.completions.create(model="any", messages=[{"role": "user", "content": "hi"}])

    assert "I will not." == response.output[0].content[0].refusal  # type: ignore[union-attr]
    assert ("I will not.", None) == (chat.choices[0].message.refusal, chat.choices[0].message.content)


async def test_a_model_object_is_stopped_by_a_filter(inside: Inside) -> None:
    """An answer may end before its time for another reason than its length."""
    sandbox = Sandbox(Says(Answer("So far", incomplete="content_filter")))
    async with inside(sandbox) as client:
        response = await client.responses.create(model="any", input="hi")
        chat = await client.chat.completions.create(model="any", messages=[{"role": "user", "content": "hi"}])
        by = await client.beta.assistants.create(model="any")
        run = await client.beta.threads.create_and_run_poll(assistant_id=by.id)
        said = (await client.beta.threads.messages.list(run.thread_id)).data[0]

    assert ("incomplete", None) == (run.status, run.incomplete_details.reason)  # type: ignore[union-attr]
    assert ("incomplete", "content_filter") == (said.status, said.incomplete_details.reason)  # type: ignore[union-attr]
    assert ("incomplete", "content_filter") == (response.status, response.incomplete_details.reason)  # type: ignore[union-attr]
    assert ("So far", "content_filter") == (chat.choices[0].message.content, chat.choices[0].finish_reason)


async def test_hosted_tools_of_an_assistant_are_steps_of_its_run(inside: Inside) -> None:
    """Each is a step of its own, done before anybody could answer it; sources are annotations of the message."""
    calls = (HostedCall("code_interpreter", input="1+1", output="2"), HostedCall("file_search", input="rye"))
    sandbox = Sandbox(
        Says(Answer("Two.", hosted=calls, citations=(Citation("a.txt", file_id="file-1", start=0, end=4),)))
    )
    async with inside(sandbox) as client:
        made = await client.beta.assistants.create(model="any", tools=[{"type": "code_interpreter"}])
        thread = await client.beta.threads.create(messages=[{"role": "user", "content": "hi"}])
        run = await client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=made.id)
        steps = await client.beta.threads.runs.steps.list(run.id, thread_id=thread.id, order="asc")
        messages = await client.beta.threads.messages.list(thread.id)

    assert "completed" == run.status
    assert (
        [["code_interpreter"], ["file_search"]]
        == [
            [call.type for call in step.step_details.tool_calls]  # type: ignore[union-attr]
            for step in steps.data[:2]
        ]
    )
    assert "file-1" == messages.data[0].content[0].text.annotations[0].file_citation.file_id  # type: ignore[union-attr]


async def test_images_and_attached_files_of_a_thread_come_to_the_model(inside: Inside) -> None:
    """A model object sees them as parts of the message, attached files last."""
    model = Says(Answer("Nice."))
    parts: Any = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}},
        {"type": "image_file", "image_file": {"file_id": "file-1"}},
    ]
    attached: Any = [{"file_id": "file-2", "tools": [{"type": "file_search"}]}]
    async with inside(Sandbox(model)) as client:
        made = await client.beta.assistants.create(model="any")
        thread = await client.beta.threads.create(
            messages=[{"role": "user", "content": parts, "attachments": attached}]
        )
        await client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=made.id)

    (said,) = model.prompts[0].items
    assert isinstance(said, UserMessage)
    image = Image(url="https://example.com/a.png", detail="low")
    assert ("look", (Text("look"), image, Image(file_id="file-1"), File(file_id="file-2"))) == (said.text, said.parts)


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        pytest.param("search rye", WEB, id="web"),
        pytest.param("search rye", FILES, id="files"),
        pytest.param("run 1", CODE, id="code"),
        pytest.param("ask shop.order {}", SHOP, id="mcp"),
        pytest.param("ask shop.order {}", ASKS, id="approval"),
    ],
)
def test_their_events_are_those_of_the_document(
    base_url: str, conformance: Conformance | None, text: str, tool: Any
) -> None:
    """A stream tells each of them in order, and every event is as OpenAI's document has it."""
    body = {"model": "any", "input": text, "tools": [tool], "stream": True}
    response = httpx2.post(f"{base_url}/responses", json=body)
    if conformance is not None:
        conformance.check_stream(response.text)
    with (
        openai.OpenAI(base_url=base_url, api_key="any") as client,
        client.responses.stream(model="any", input=text, tools=[tool]) as events,
    ):
        kinds = [event.type for event in events]

    assert "response.output_item.added" == kinds[2]
    assert "response.completed" == kinds[-1]
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done")


async def test_a_stream_tells_a_refusal_as_one(conformance: Conformance | None) -> None:
    """Its pieces are no text."""
    sandbox = Sandbox(Says(Answer("I will not.", refused=True)))
    transport = httpx2.ASGITransport(app=sandbox)
    async with httpx2.AsyncClient(transport=transport, base_url="http://sandbox/v1") as client:
        response = await client.post("/responses", json={"model": "any", "input": "hi", "stream": True})
    await sandbox.world.close()
    if conformance is not None:
        conformance.check_stream(response.text)

    assert 3 == response.text.count("event: response.refusal.delta")
    assert "output_text.delta" not in response.text
