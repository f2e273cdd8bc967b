"""Responses through the real SDK: chains, streams, the background, and inputs that are refused (R1-R11, R13)."""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import httpx2
import openai
import pytest

from handoff.declaration.prompt import Prompt
from handoff.errors import ConfigurationError
from handoff.models import Answer
from handoff.sandbox import Faults, Sandbox, Scripted, Webhook, responses, serving
from handoff.sandbox.calls import Call, Stream
from handoff.sandbox.conversations import Conversation
from handoff.sandbox.rules import RESPONSE_SECONDS, RESPONSE_STATUSES
from handoff.sandbox.webhooks import over_http, signed
from handoff.testing import ManualClock
from handoff.testing.clock import OffsetClock
from tests.sandbox.conformance import Conformance, events_of
from tests.sandbox.conftest import FLAT, Inside, named

SECRET = "whsec_c2VjcmV0"  # noqa: S105 - of nothing


def output(call: str, text: str = "3", **fields: Any) -> Any:
    return {"type": "function_call_output", "call_id": call, "output": text, **fields}


def called(client: openai.OpenAI, **options: Any) -> tuple[Any, Any]:
    """A response with one call, and the call."""
    response = client.responses.create(model="any", input='call add {"number": 1}', tools=[FLAT], **options)
    return response, response.output[0]


def test_a_message_is_echoed(client: openai.OpenAI) -> None:
    """What is no order is said back, with its words counted as tokens."""
    response = client.responses.create(model="any", input="good morning", instructions="Be kind.")

    assert "You said: good morning" == response.output_text
    assert "completed" == response.status
    assert response.usage is not None
    assert (4, 4, 8) == (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens)


def test_a_response_chains_by_the_previous_one(client: openai.OpenAI) -> None:
    """A call and its output go from response to response by previous_response_id alone."""
    first, call = called(client)

    second = client.responses.create(model="any", previous_response_id=first.id, input=[output(call.call_id)])

    assert "add returned: 3" == second.output_text


def test_r1_the_statuses_are_those_of_the_document(document: dict[str, Any]) -> None:
    """A response has exactly the statuses of the document."""
    properties = document["components"]["schemas"]["Response"]["allOf"][2]["properties"]

    assert set(properties["status"]["enum"]) == RESPONSE_STATUSES


def test_r1_a_conversation_excludes_a_previous_response(client: openai.OpenAI) -> None:
    """A response has one history."""
    first = client.responses.create(model="any", input="hi")
    conversation = client.conversations.create()

    with pytest.raises(openai.BadRequestError, match="Mutually exclusive parameters") as refused:
        client.responses.create(model="any", input="hi", previous_response_id=first.id, conversation=conversation.id)

    assert "mutually_exclusive_parameters" == refused.value.code


def test_r1_a_conversation_grows_by_input_and_output(client: openai.OpenAI) -> None:
    """A conversation's items come before the input, and both input and output are added to it."""
    conversation = client.conversations.create(items=[{"role": "user", "content": "earlier"}])

    response = client.responses.create(model="any", input="now", conversation=conversation.id)
    texts = [
        item.content[0].text
        for item in client.conversations.items.list(conversation.id, order="asc")
        if item.type == "message"
    ]

    assert ["earlier", "now", "You said: now"] == texts
    assert response.conversation is not None
    assert conversation.id == response.conversation.id
    assert 4 == (response.usage and response.usage.input_tokens) + 2


def test_r2_instructions_and_tools_are_those_of_the_request(client: openai.OpenAI) -> None:
    """Nothing but the items is carried over: a swap of the assistant is free."""
    first = client.responses.create(model="one", instructions="Be kind.", input="hi", tools=[FLAT])

    second = client.responses.create(model="two", previous_response_id=first.id, input="call add {}")

    assert (None, "two", []) == (second.instructions, second.model, second.tools)
    assert "There is no tool add here." == second.output_text


async def test_r3_a_conversation_is_locked_while_a_response_is_made(inside: Inside) -> None:
    """A second response on the conversation, its items and its deletion are refused until the first is over."""
    clock = ManualClock()
    async with inside(Sandbox(clock=clock, faults=Faults(slow=5))) as client:
        conversation = await client.conversations.create()
        first = await client.responses.create(model="any", input="one", conversation=conversation.id, background=True)
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(model="any", input="two", conversation=conversation.id)
        with pytest.raises(openai.BadRequestError, match="Another process is currently operating"):
            await client.conversations.items.create(conversation.id, items=[{"role": "user", "content": "three"}])
        with pytest.raises(openai.BadRequestError, match="Another process is currently operating"):
            await client.conversations.delete(conversation.id)
        await clock.advance(5)
        second = asyncio.create_task(client.responses.create(model="any", input="two", conversation=conversation.id))
        await clock.advance(5)
        over = await client.responses.retrieve(first.id)

        assert "You said: two" == (await second).output_text

    assert ("conversation_locked", "conversation") == (refused.value.code, refused.value.param)
    assert (
        "Another process is currently operating on this conversation. Please retry in a few seconds."
        == refused.value.body["message"]
    )
    assert "completed" == over.status


def test_r4_a_call_without_an_output_is_refused(client: openai.OpenAI) -> None:
    """A chain whose last response called a tool goes on with its output only."""
    first, call = called(client)

    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="any", previous_response_id=first.id, input="never mind")

    assert f"No tool output found for function call {call.call_id}." == refused.value.body["message"]
    assert "input" == refused.value.param


def test_r4_a_conversation_is_poisoned_until_the_output_is_supplied(client: openai.OpenAI) -> None:
    """An open call in a conversation refuses every response; adding the output as an item heals it."""
    conversation = client.conversations.create()
    _, call = called(client, conversation=conversation.id)
    with pytest.raises(openai.BadRequestError, match="No tool output found"):
        client.responses.create(model="any", input="hello?", conversation=conversation.id)

    client.conversations.items.create(conversation.id, items=[output(call.call_id, "late")])

    assert (
        "You said: hello?"
        == client.responses.create(model="any", input="hello?", conversation=conversation.id).output_text
    )


def test_r5_an_output_without_its_call_is_refused(client: openai.OpenAI) -> None:
    """An output answers a call of the history or of the input."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="any", input=[output("call_X")])

    assert "No tool call found for function call output with call_id call_X." == refused.value.body["message"]
    assert "input" == refused.value.param


@pytest.mark.parametrize("gone", [pytest.param(False, id="never-there"), pytest.param(True, id="not-stored")])
def test_r6_a_previous_response_that_is_not_there_is_refused(client: openai.OpenAI, gone: bool) -> None:
    """Neither a made-up response nor one that was not stored can be chained from."""
    gone_id = client.responses.create(model="any", input="hi", store=False).id if gone else "resp_X"

    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="any", input="hi", previous_response_id=gone_id)

    assert "previous_response_not_found" == refused.value.code
    assert f"Previous response with id '{gone_id}' not found." == refused.value.body["message"]


def test_r7_an_item_that_is_there_already_is_refused(client: openai.OpenAI) -> None:
    """An item of the chain does not come again under its own id."""
    first, call = called(client)
    again = {
        "type": "function_call",
        "id": call.id,
        "call_id": call.call_id,
        "name": "add",
        "arguments": "{}",
    }

    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="any", previous_response_id=first.id, input=[again, output(call.call_id)])

    assert f"Duplicate item found with id {call.id}" == refused.value.body["message"]


def test_r7_an_output_that_comes_twice_is_refused(client: openai.OpenAI) -> None:
    """A call has one output."""
    first, call = called(client)

    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(
            model="any", previous_response_id=first.id, input=[output(call.call_id), output(call.call_id)]
        )

    assert f"Duplicate function_call_output for call_id {call.call_id}" == refused.value.body["message"]


def test_a_reference_stands_for_its_item(client: openai.OpenAI) -> None:
    """An item_reference brings a stored item; one that is in the history already adds nothing."""
    first, call = called(client)

    second = client.responses.create(
        model="any", input=[{"type": "item_reference", "id": call.id}, output(call.call_id)]
    )
    third = client.responses.create(
        model="any",
        previous_response_id=first.id,
        input=[{"type": "item_reference", "id": call.id}, output(call.call_id)],
    )

    assert ["add returned: 3"] * 2 == [second.output_text, third.output_text]


def test_r8_the_background_needs_the_store(client: openai.OpenAI) -> None:
    """What is not stored cannot be polled."""
    with pytest.raises(openai.BadRequestError, match="background can only be true if store is true"):
        client.responses.create(model="any", input="hi", background=True, store=False)


async def test_r8_a_background_response_is_polled(inside: Inside) -> None:
    """It is queued, in progress while the model takes its time, then completed."""
    clock = ManualClock()
    async with inside(Sandbox(clock=clock, faults=Faults(slow=5))) as client:
        made = await client.responses.create(model="any", input="hi", background=True)
        await clock.advance(1)
        going = await client.responses.retrieve(made.id)
        await clock.advance(4)
        over = await client.responses.retrieve(made.id)

    assert ("queued", "in_progress", "completed") == (made.status, going.status, over.status)
    assert "You said: hi" == over.output_text


async def test_r8_cancelling_in_the_background_is_idempotent(inside: Inside) -> None:
    """Cancelled is cancelled, once more as well; the conversation is free and did not grow."""
    async with inside(Sandbox(clock=ManualClock(), faults=Faults(slow=5))) as client:
        conversation = await client.conversations.create()
        made = await client.responses.create(model="any", input="hi", background=True, conversation=conversation.id)
        first = await client.responses.cancel(made.id)
        second = await client.responses.cancel(made.id)
        items = await client.conversations.items.list(conversation.id)
        await client.conversations.delete(conversation.id)

    assert ["cancelled"] * 2 == [first.status, second.status]
    assert [] == items.data


def test_r8_a_response_in_the_foreground_is_not_cancelled(client: openai.OpenAI) -> None:
    """Cancelling is for the background only."""
    made = client.responses.create(model="any", input="hi")

    with pytest.raises(openai.BadRequestError, match=r"Cannot cancel a synchronous response\."):
        client.responses.cancel(made.id)


def test_r8_a_completed_response_is_not_cancelled(client: openai.OpenAI) -> None:
    """What is over stays as it is."""
    with client.responses.stream(model="any", input="hi", background=True) as stream:
        made = stream.get_final_response()

    with pytest.raises(openai.BadRequestError, match=r"Cannot cancel a completed response\."):
        client.responses.cancel(made.id)


def test_r8_a_stream_is_taken_up_again(client: openai.OpenAI) -> None:
    """starting_after goes on with the next sequence number, as often as asked for."""
    with client.responses.create(model="any", input="a b c", background=True, stream=True) as stream:
        whole = list(stream)
    made = whole[0].response

    with client.responses.retrieve(made.id, stream=True, starting_after=3) as stream:
        rest = list(stream)

    assert list(range(len(whole))) == [event.sequence_number for event in whole]
    assert whole[4:] == rest


@pytest.mark.parametrize(
    ("options", "field"),
    [
        pytest.param({}, "background", id="in the foreground"),
        pytest.param({"stream": True}, "background", id="streamed in the foreground"),
        pytest.param({"background": True}, "stream", id="not streamed"),
    ],
)
def test_r8_only_what_was_streamed_in_the_background_is_streamed_again(
    client: openai.OpenAI, options: dict[str, Any], field: str
) -> None:
    """Any other response has no stream to go on with."""
    made: Any = client.responses.create(model="any", input="hi", **options)
    response = list(made)[-1].response if "stream" in options else made

    with pytest.raises(openai.BadRequestError, match=f"it was not created with {field}=true"):
        client.responses.retrieve(response.id, stream=True)


async def test_r8_a_response_that_is_deleted_while_it_is_made_stays_gone(inside: Inside) -> None:
    """Its end does not bring it back, its conversation is free at once, and did not grow."""
    clock = ManualClock()
    async with inside(Sandbox(clock=clock, faults=Faults(slow=5))) as client:
        conversation = await client.conversations.create()
        made = await client.responses.create(model="any", input="hi", background=True, conversation=conversation.id)
        await client.responses.delete(made.id)
        await client.conversations.items.create(conversation.id, items=[{"role": "user", "content": "next"}])
        await clock.advance(5)
        with pytest.raises(openai.NotFoundError):
            await client.responses.retrieve(made.id)
        items = await client.conversations.items.list(conversation.id)

    assert 1 == len(items.data)


class Endless:
    """A model that never answers, and tells when it is let off."""

    def __init__(self) -> None:
        self.let_off = threading.Event()

    async def answer(self, prompt: Prompt) -> Answer:
        """Wait."""
        try:
            await asyncio.Event().wait()
        finally:
            self.let_off.set()
        return Answer(prompt.assistant)


@pytest.mark.parametrize("stream", [False, True])
def test_r8_to_hang_up_is_to_cancel_a_response_in_the_foreground(*, stream: bool) -> None:
    """Whoever gives up waiting has no response, and finds the conversation free and as it was."""
    model = Endless()
    sandbox = Sandbox(model)
    with serving(sandbox) as base_url, openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as client:
        conversation = client.conversations.create().id
        options: dict[str, Any] = {"conversation": conversation, "stream": stream, "timeout": 0.2}
        with pytest.raises((openai.APITimeoutError, httpx2.TimeoutException)):
            list(client.responses.create(model="any", input="hi", **options))
        assert model.let_off.wait(10)
        added = client.conversations.items.create(conversation, items=[{"role": "user", "content": "next"}])
        items = client.conversations.items.list(conversation)

    assert (added.data, {}) == (items.data, sandbox.world.responses)


def test_r9_a_response_lives_thirty_days(client: openai.OpenAI, clock: OffsetClock) -> None:
    """After thirty days a response is not found, and cannot be chained from."""
    made = client.responses.create(model="any", input="hi")

    clock.move_to(clock.now() + RESPONSE_SECONDS + 1)

    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.BadRequestError, match="Previous response with id"):
        client.responses.create(model="any", input="hi", previous_response_id=made.id)


async def test_r10_a_webhook_tells_how_a_background_response_ended(inside: Inside) -> None:
    """The SDK takes the signature, and the event names the response and how it ended."""
    told: asyncio.Queue[tuple[bytes, Mapping[str, str]]] = asyncio.Queue()

    async def deliver(payload: bytes, headers: Mapping[str, str]) -> None:
        await told.put((payload, headers))

    clock = OffsetClock()
    sandbox = Sandbox(clock=clock, faults=Faults([Scripted("failed", nth=2)]), webhook=Webhook(deliver, SECRET))
    async with inside(sandbox) as client:
        made = [await client.responses.create(model="any", input="hi", background=True) for _ in range(2)]
        webhooks = [await told.get() for _ in range(2)]
        events = [client.webhooks.unwrap(payload, headers, secret=SECRET) for payload, headers in webhooks]

    assert {("response.completed", made[0].id), ("response.failed", made[1].id)} == {
        (event.type, event.data.id) for event in events
    }


@pytest.mark.parametrize("secret", ["whsec_no base64!", "whsec_abc"])
def test_r10_a_secret_that_cannot_sign_is_refused(secret: str) -> None:
    """It is refused before anything is served, not when the first response has ended."""
    with pytest.raises(ConfigurationError, match="whsec_ and then base64"):
        Webhook(over_http("http://127.0.0.1:9/hook"), secret)


async def test_r10_a_webhook_with_another_secret_is_refused_by_the_sdk(inside: Inside) -> None:
    """What is signed with another secret is not believed."""
    told: asyncio.Queue[tuple[bytes, Mapping[str, str]]] = asyncio.Queue()

    async def deliver(payload: bytes, headers: Mapping[str, str]) -> None:
        await told.put((payload, headers))

    async with inside(Sandbox(webhook=Webhook(deliver, SECRET))) as client:
        await client.responses.create(model="any", input="hi", background=True)
        payload, headers = await told.get()

        with pytest.raises(openai.InvalidWebhookSignatureError):
            client.webhooks.unwrap(payload, headers, secret="whsec_b3RoZXI=")  # noqa: S106 - as above


class Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    received: ClassVar[queue.Queue[tuple[bytes, dict[str, str]]]] = queue.Queue()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.put((body, dict(self.headers.items())))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def test_r10_a_webhook_is_posted(client: openai.OpenAI) -> None:
    """over_http carries body and signature to an address; nobody there is logged, and nothing else happens."""
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    headers = signed(SECRET, "evt_1", int(time.time()), b'{"type": "response.completed"}')
    await over_http(f"http://127.0.0.1:{server.server_port}/")(b'{"type": "response.completed"}', headers)
    thread.join()
    server.server_close()
    await over_http(f"http://127.0.0.1:{server.server_port}/")(b"{}", headers)
    body, received = Receiver.received.get_nowait()

    client.webhooks.verify_signature(body, received, secret=SECRET)


def test_r11_events_come_in_order_and_items_keep_their_ids(client: openai.OpenAI) -> None:
    """Each event has the next number, and what is added is done under the same id: the helper adds it up."""
    with client.responses.stream(model="any", input='call add {"number": 1}', tools=[FLAT]) as stream:
        events = list(stream)
        final = stream.get_final_response()
    added = [event.item.id for event in events if event.type == "response.output_item.added"]
    done = [event.item.id for event in events if event.type == "response.output_item.done"]

    assert [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.completed",
    ] == [event.type for event in events]
    assert list(range(8)) == [event.sequence_number for event in events]
    assert added == done == [item.id for item in final.output]


@pytest.mark.parametrize(
    ("body", "last"),
    [
        pytest.param({"input": "one two"}, "response.completed", id="text"),
        pytest.param({"input": "call add {}", "tools": [FLAT]}, "response.completed", id="call"),
        pytest.param(
            {"input": "call add {} and call drop {}", "tools": [FLAT, named("drop", FLAT)]},
            "response.completed",
            id="calls",
        ),
        pytest.param({"input": "hi", "background": True}, "response.completed", id="background"),
        pytest.param(
            {"input": " ".join("word" for _ in range(30)), "max_output_tokens": 16},
            "response.incomplete",
            id="incomplete",
        ),
    ],
)
def test_r11_events_are_what_the_document_says(
    base_url: str, conformance: Conformance | None, body: dict[str, Any], last: str
) -> None:
    """Every event of a stream fits the document, by the name it is sent under."""
    response = httpx2.post(f"{base_url}/responses", json={"model": "any", "stream": True, **body})
    events = events_of(response.text)
    if conformance is not None:
        conformance.check_stream(response.text)

    assert [name for name, _ in events] == [data["type"] for _, data in events]
    assert last == events[-1][0]


def test_r13_allowed_tools_restrict_a_fixed_list_flat(client: openai.OpenAI) -> None:
    """On Responses `allowed_tools` is flat, and may require one of them."""
    response = client.responses.create(
        model="any",
        input="call add {}",
        tools=[FLAT, named("drop", FLAT)],
        tool_choice={
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "drop"}],
        },
    )

    assert ["drop"] == [item.name for item in response.output if item.type == "function_call"]


def test_what_was_read_before_is_told_as_cached(client: openai.OpenAI) -> None:
    """Responses count as Chat does, their tools and instructions included; another model has read nothing."""
    long = " ".join(str(number) for number in range(1200))
    asked: list[Any] = [{"model": "any"}, {"model": "any"}, {"model": "any", "tools": [FLAT]}, {"model": "other"}]
    usages = [client.responses.create(input=long, **one).usage for one in asked]

    assert [0, 1152, 0, 0] == [one.input_tokens_details.cached_tokens for one in usages if one is not None]


def test_instructions_may_be_the_last_item(client: openai.OpenAI) -> None:
    """They are no part of what was said: the last message of the user is what is answered."""
    given: Any = [{"role": "user", "content": "good morning"}, {"role": "developer", "content": "You edit."}]
    response = client.responses.create(model="any", input=given)

    assert "You said: good morning" == response.output_text


def test_an_answer_is_cut_off_at_its_length(client: openai.OpenAI) -> None:
    """max_output_tokens ends the response as incomplete, its text as far as it came."""
    response = client.responses.create(
        model="any", input=" ".join(str(number) for number in range(30)), max_output_tokens=16
    )

    assert "incomplete" == response.status
    assert response.incomplete_details is not None
    assert "max_output_tokens" == response.incomplete_details.reason
    assert "You said: " + " ".join(str(number) for number in range(14)) == response.output_text


def test_an_incomplete_response_may_leave_an_open_call(client: openai.OpenAI) -> None:
    """A call that was cut off is stored with what came of its arguments, and poisons the chain."""
    arguments = json.dumps({"text": " ".join("word" for _ in range(40))})
    response = client.responses.create(model="any", input=f"call add {arguments}", tools=[FLAT], max_output_tokens=16)
    (call,) = response.output

    assert ("incomplete", "incomplete") == (response.status, call.status)
    assert arguments.startswith(call.arguments)
    with pytest.raises(openai.BadRequestError, match="No tool output found"):
        client.responses.create(model="any", previous_response_id=response.id, input="hi")


async def test_a_foreground_stream_that_is_dropped_never_happened() -> None:
    """Who hangs up has no response, and the conversation is free and did not grow."""
    world = Sandbox(clock=ManualClock()).world
    conversation = Conversation("conv_1", 0, {})
    world.conversations[conversation.id] = conversation
    body = {"model": "any", "input": "a b c", "stream": True, "conversation": conversation.id}
    stream = await responses.create(Call(world, "responses.create", body=body))
    assert isinstance(stream, Stream)

    await anext(stream.events)
    locked_by = conversation.busy
    await stream.events.aclose()

    assert locked_by is not None
    assert conversation.busy is None
    assert {} == world.responses
    assert [] == conversation.items


def test_what_a_response_was_given_is_listed_by_pages(client: openai.OpenAI) -> None:
    """Input items are those of the chain and the request, latest first, by pages."""
    first = client.responses.create(model="any", input="one")
    second = client.responses.create(model="any", input="two", previous_response_id=first.id)

    page = client.responses.input_items.list(second.id, limit=2)
    texts = [item.content[0].text for item in client.responses.input_items.list(second.id, limit=1)]

    assert 2 == len(page.data)
    assert page.has_more
    assert ["two", "You said: one", "one"] == texts


def test_a_deleted_response_is_gone_but_what_chains_from_it_is_not(client: openai.OpenAI) -> None:
    """Deleting a response leaves the history of those after it."""
    first, call = called(client)
    second = client.responses.create(model="any", previous_response_id=first.id, input=[output(call.call_id)])

    client.responses.delete(first.id)

    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    third = client.responses.create(model="any", previous_response_id=second.id, input="and now?")
    assert 5 == len(client.responses.input_items.list(third.id).data)


def test_input_tokens_are_counted(client: openai.OpenAI) -> None:
    """Tokens are the words of instructions and history, counted without making a response."""
    counted = client.responses.input_tokens.count(model="any", input="one two", instructions="be kind")

    assert 4 == counted.input_tokens


@pytest.mark.parametrize("field", ["model", "input"])
def test_a_response_needs(client: openai.OpenAI, field: str) -> None:
    """Model and input are needed here, and the refusal names what is missing."""
    body = {"model": "any", "input": "hi"}
    del body[field]

    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/responses", body=body, cast_to=object)

    assert (f"Missing required parameter: '{field}'.", field) == (
        refused.value.body["message"],
        refused.value.param,
    )


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        pytest.param({"type": "function", "name": "drop"}, "drop", id="function"),
        pytest.param({"type": "web_search_preview"}, "web_search_preview", id="hosted"),
        pytest.param({"type": "mcp", "server_label": "maps"}, "maps", id="mcp"),
    ],
)
def test_a_forced_tool_has_to_be_listed(client: openai.OpenAI, choice: Any, name: str) -> None:
    """What is forced and not among the tools is refused, and nothing else is called in its place."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="any", input="hi", tools=[FLAT], tool_choice=choice)

    assert f"Tool choice '{name}' not found in 'tools' parameter." == refused.value.body["message"]


def test_an_item_there_is_none_of_here_is_refused(client: openai.OpenAI) -> None:
    """Items of hosted tools are not played: they are refused rather than half understood."""
    with pytest.raises(openai.BadRequestError, match="The sandbox has no items of type 'compaction_trigger'"):
        client.responses.create(model="any", input=[{"type": "compaction_trigger"}])
