"""The Assistants API through the real SDK: the thread's lock, runs and their refusals (A1-A15)."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import openai
import pytest
from openai.types.beta import AssistantStreamEvent
from pydantic import TypeAdapter

from handoff.sandbox import Faults, Sandbox, Scripted
from handoff.sandbox.rules import (
    INCOMPLETE_REASONS,
    LOCKING,
    MESSAGE_STATUSES,
    MOVES,
    RUN_SECONDS,
    STEP_KINDS,
    STEP_STATUSES,
)
from handoff.testing import ManualClock
from handoff.testing.clock import OffsetClock
from tests.sandbox.conformance import Conformance, events_of
from tests.sandbox.conftest import TOOL, Inside, named

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # the SDK calls this API deprecated

BETA = {"OpenAI-Beta": "assistants=v2"}


def assistant(client: openai.OpenAI, **options: Any) -> str:
    """The id of a new assistant."""
    return client.beta.assistants.create(
        **{"model": "any", "name": "editor", "tools": [TOOL, named("drop", TOOL)], **options}
    ).id


def waiting(client: openai.OpenAI, text: str = 'call add {"number": 1}', **options: Any) -> tuple[str, Any]:
    """A thread whose run waits for outputs, and the run."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": text}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant(client), **options)
    assert "requires_action" == run.status
    return thread.id, run


def calls(run: Any) -> list[str]:
    return [call.id for call in run.required_action.submit_tool_outputs.tool_calls]


def outputs(run: Any, text: str = "3") -> list[Any]:
    return [{"tool_call_id": call, "output": text} for call in calls(run)]


def texts(client: openai.OpenAI, thread: str) -> list[tuple[str, str]]:
    return [
        (message.role, message.content[0].text.value)
        for message in client.beta.threads.messages.list(thread, order="asc")
    ]


def test_a_run_completes(client: openai.OpenAI) -> None:
    """create_and_poll waits for the reply, which is a message of the assistant and the run."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "good morning"}])
    by = assistant(client)
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=by)
    reply = client.beta.threads.messages.list(thread.id).data[0]
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread.id).data

    assert [("user", "good morning"), ("assistant", "You said: good morning")] == texts(client, thread.id)
    assert (by, run.id, "completed") == (reply.assistant_id, reply.run_id, reply.status)
    assert ("message_creation", "completed") == (step.type, step.status)
    assert (2, 4, 6) == (run.usage.prompt_tokens, run.usage.completion_tokens, run.usage.total_tokens)


def test_a1_statuses_and_kinds_are_those_of_the_document(document: dict[str, Any]) -> None:
    """Runs, steps and messages have exactly the statuses, kinds and reasons of the document."""
    schemas = document["components"]["schemas"]
    message, step = schemas["MessageObject"]["properties"], schemas["RunStepObject"]["properties"]
    reasons = next(one for one in message["incomplete_details"]["anyOf"] if "properties" in one)

    assert set(schemas["RunObject"]["properties"]["status"]["enum"]) == set(MOVES)
    assert set(step["status"]["enum"]) == STEP_STATUSES
    assert set(step["type"]["enum"]) == STEP_KINDS
    assert set(message["status"]["enum"]) == MESSAGE_STATUSES
    assert set(reasons["properties"]["reason"]["enum"]) == INCOMPLETE_REASONS


def test_a2_a_run_moves_by_the_table() -> None:
    """Every status can be come to, exactly the locking ones can be left, and no other is named."""
    reached = {status for onward in MOVES.values() for status in onward}

    assert set(MOVES) == reached | {"queued"}
    assert {"queued", "in_progress", "requires_action", "cancelling"} == LOCKING


def test_a3_no_message_is_added_while_a_run_is_active(client: openai.OpenAI) -> None:
    """A waiting run locks its thread, and the refusal names both; afterwards the thread takes messages."""
    thread, run = waiting(client)

    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.messages.create(thread, role="user", content="hello?")

    assert f"Can't add messages to {thread} while a run {run.id} is active." == refused.value.body["message"]
    assert ("invalid_request_error", None) == (refused.value.type, refused.value.code)
    client.beta.threads.runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread, tool_outputs=outputs(run))
    client.beta.threads.messages.create(thread, role="user", content="hello?")
    assert ("user", "hello?") == texts(client, thread)[-1]


def test_a4_no_second_run_is_started_while_one_is_active(client: openai.OpenAI) -> None:
    """The refusal names the run that is active, and nothing of the request is added."""
    thread, run = waiting(client)

    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.runs.create(
            thread,
            assistant_id=run.assistant_id,
            additional_messages=[{"role": "user", "content": "hello?"}],
        )

    assert f"Thread {thread} already has an active run {run.id}." == refused.value.body["message"]
    assert [("user", 'call add {"number": 1}')] == texts(client, thread)


def test_a5_a_run_that_is_over_is_not_cancelled(client: openai.OpenAI) -> None:
    """A waiting run is cancelled through `cancelling`; cancelled once more it is refused."""
    thread, run = waiting(client)
    going = client.beta.threads.runs.cancel(run.id, thread_id=thread)
    over = client.beta.threads.runs.poll(run.id, thread_id=thread)

    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.runs.cancel(run.id, thread_id=thread)

    assert ("cancelling", "cancelled") == (going.status, over.status)
    assert "Cannot cancel run with status 'cancelled'." == refused.value.body["message"]


def test_a5_a_completed_run_is_not_cancelled(client: openai.OpenAI) -> None:
    """The text names the status the run ended in."""
    run = client.beta.threads.create_and_run_poll(assistant_id=assistant(client))

    with pytest.raises(openai.BadRequestError, match=r"Cannot cancel run with status 'completed'\."):
        client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)


def test_a6_only_a_waiting_run_takes_outputs(client: openai.OpenAI) -> None:
    """Outputs that are submitted twice are refused by the status the run has moved to."""
    thread, run = waiting(client)
    client.beta.threads.runs.submit_tool_outputs_and_poll(run_id=run.id, thread_id=thread, tool_outputs=outputs(run))

    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=outputs(run))

    assert 'Runs in status "completed" do not accept tool outputs.' == refused.value.body["message"]


def test_a7_all_outputs_come_in_one_request(client: openai.OpenAI) -> None:
    """Some of them are refused with what was expected, and the run still waits."""
    thread, run = waiting(client, "call add {} and call drop {}")
    first, second = calls(run)

    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.runs.submit_tool_outputs(
            run.id, thread_id=thread, tool_outputs=[{"tool_call_id": first, "output": "3"}]
        )

    assert (
        f"Expected tool outputs for call_ids ['{first}', '{second}'], got ['{first}']" == refused.value.body["message"]
    )
    assert "requires_action" == client.beta.threads.runs.retrieve(run.id, thread_id=thread).status


def test_a8_a_call_is_answered_once(client: openai.OpenAI) -> None:
    """Two outputs for one call are refused."""
    thread, run = waiting(client)
    (call,) = calls(run)

    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=outputs(run) * 2)

    assert f"Duplicate call_ids submitted: ['{call}', '{call}']" == refused.value.body["message"]


def test_a8_an_output_names_its_call(client: openai.OpenAI) -> None:
    """An output without an id is refused."""
    thread, run = waiting(client)

    with pytest.raises(openai.BadRequestError, match="field required"):
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=[{"output": "3"}])


def test_a9_a_waiting_run_expires(client: openai.OpenAI, clock: OffsetClock) -> None:
    """Past its time a run is expired, takes no outputs, and its thread is free."""
    thread, run = waiting(client)

    clock.move_to(run.expires_at + 1)  # what is told has no fractions
    over = client.beta.threads.runs.retrieve(run.id, thread_id=thread)

    assert run.created_at + RUN_SECONDS == run.expires_at
    assert "expired" == over.status
    with pytest.raises(openai.BadRequestError, match='Runs in status "expired" do not accept tool outputs'):
        client.beta.threads.runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=outputs(run))
    assert "expired" == client.beta.threads.runs.steps.list(run.id, thread_id=thread).data[0].status
    client.beta.threads.messages.create(thread, role="user", content="hello?")


async def test_a9_a_stuck_run_expires(inside: Inside) -> None:
    """A run stuck in progress is ended by its own time, though nobody looks."""
    clock = ManualClock()
    sandbox = Sandbox(clock=clock, faults=Faults([Scripted("stuck")]), expire=60)
    async with inside(sandbox) as client:
        by = await client.beta.assistants.create(model="any")
        run = await client.beta.threads.create_and_run(assistant_id=by.id)
        await clock.advance(59)
        before = sandbox.world.threads[run.thread_id].runs[0].status
        await clock.advance(1)
        after = sandbox.world.threads[run.thread_id].runs[0].status

    assert ("in_progress", "expired") == (before, after)


@pytest.mark.parametrize("expire", [0.5, 1.0])
async def test_a9_a_short_life_is_as_long_as_it_was_asked_to_be(inside: Inside, expire: float) -> None:
    """A run that begins within a second does not lose the part of it that is over."""
    clock = ManualClock()
    await clock.advance(0.4)
    async with inside(Sandbox(clock=clock, expire=expire)) as client:
        by = await client.beta.assistants.create(model="any", tools=[TOOL])
        run = await client.beta.threads.create_and_run(
            assistant_id=by.id, thread={"messages": [{"role": "user", "content": "call add {}"}]}
        )
        await clock.advance(expire - 0.1)
        before = await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        await clock.advance(0.1)
        after = await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)

    assert ("requires_action", "expired") == (before.status, after.status)


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        pytest.param({str(key): "" for key in range(17)}, "object_above_max_properties", id="pairs"),
        pytest.param({"k" * 65: ""}, "property_name_above_max_length", id="key"),
        pytest.param({"key": "v" * 513}, "string_above_max_length", id="value"),
        pytest.param({"key": 1}, "invalid_type", id="type"),
    ],
)
def test_a10_metadata_has_limits(client: openai.OpenAI, metadata: Any, code: str) -> None:
    """Too many pairs, a long key, a long value and what is no text are refused."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.create(metadata=metadata)

    assert code == refused.value.code


def test_a10_metadata_at_its_limits_is_taken(client: openai.OpenAI) -> None:
    """16 pairs, keys of 64 and values of 512 characters are kept as they are."""
    metadata = {f"{key:064}": "v" * 512 for key in range(16)}

    assert metadata == client.beta.threads.create(metadata=metadata).metadata


def test_a10_metadata_is_changed_while_a_run_is_active(client: openai.OpenAI) -> None:
    """The lock is on messages and runs, not on metadata."""
    thread, run = waiting(client)

    client.beta.threads.update(thread, metadata={"page": "about"})
    client.beta.threads.runs.update(run.id, thread_id=thread, metadata={"run": "1"})

    assert {"page": "about"} == client.beta.threads.retrieve(thread).metadata
    assert {"run": "1"} == client.beta.threads.runs.retrieve(run.id, thread_id=thread).metadata


def test_a11_a_run_overrides_its_assistant(client: openai.OpenAI) -> None:
    """Model, instructions and tools of the request replace the assistant's, for this run only."""
    by = assistant(client, instructions="You edit.", temperature=0.5)
    thread = client.beta.threads.create()
    options: dict[str, Any] = {
        "model": "other",
        "instructions": "You review.",
        "additional_instructions": "Be kind.",
        "tools": [named("drop", TOOL)],
        "additional_messages": [{"role": "user", "content": "call add {}"}],
    }

    overridden = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=by, **options)
    plain = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=by)

    assert ("other", "You review.\nBe kind.") == (overridden.model, overridden.instructions)
    assert ["drop"] == [tool.function.name for tool in overridden.tools]
    assert ("assistant", "There is no tool add here.") == texts(client, thread.id)[1]
    assert ("any", "You edit.", 0.5) == (plain.model, plain.instructions, plain.temperature)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        pytest.param({"tools": [TOOL] * 21}, "tools", id="tools"),
        pytest.param({"max_prompt_tokens": 255}, "max_prompt_tokens", id="prompt-tokens"),
    ],
)
def test_a11_what_a_run_may_not_ask_for(client: openai.OpenAI, options: Any, param: str) -> None:
    """At most 20 tools, at least 256 prompt tokens: refused, and no run was started."""
    thread = client.beta.threads.create()

    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.runs.create(thread.id, assistant_id=assistant(client), **options)

    assert param == refused.value.param
    assert [] == client.beta.threads.runs.list(thread.id).data


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({"max_completion_tokens": 256}, "max_completion_tokens", id="completion"),
        pytest.param({"max_prompt_tokens": 256}, "max_prompt_tokens", id="prompt"),
    ],
)
def test_a11_token_limits_leave_a_run_incomplete(client: openai.OpenAI, options: Any, reason: str) -> None:
    """A run over a limit is incomplete and says why; so is the message that was cut off."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "word " * 300}])

    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant(client), **options)
    message = client.beta.threads.messages.list(thread.id).data[0]

    assert ("incomplete", reason) == (run.status, run.incomplete_details.reason)
    if reason == "max_completion_tokens":
        assert ("incomplete", "max_tokens") == (message.status, message.incomplete_details.reason)


def test_a12_a_stream_ends_where_the_run_waits(client: openai.OpenAI) -> None:
    """Events come in order, a step before its deltas; the stream goes on with submit_tool_outputs_stream."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": 'call add {"number": 1}'}])
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant(client)) as stream:
        first = [event.event for event in stream]
        run = stream.current_run
    with client.beta.threads.runs.submit_tool_outputs_stream(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs(run)
    ) as stream:
        second = [event.event for event in stream]
        said = stream.get_final_messages()

    assert [
        "thread.run.created",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.run.step.delta",
        "thread.run.step.delta",
        "thread.run.requires_action",
    ] == first
    assert [
        "thread.run.step.completed",
        "thread.run.queued",
        "thread.run.in_progress",
        "thread.run.step.created",
        "thread.run.step.in_progress",
        "thread.message.created",
        "thread.message.in_progress",
        "thread.message.delta",
        "thread.message.delta",
        "thread.message.delta",
        "thread.message.completed",
        "thread.run.step.completed",
        "thread.run.completed",
    ] == second
    assert ["add returned: 3"] == [message.content[0].text.value for message in said]


@pytest.mark.parametrize(
    "text", [pytest.param("one two", id="text"), pytest.param("call add {} and call drop {}", id="calls")]
)
def test_a12_events_are_what_the_document_says(
    base_url: str, client: openai.OpenAI, conformance: Conformance | None, text: str
) -> None:
    """Each event has a name of the SDK's, its object fits the document, and [DONE] is the last."""
    body = {
        "assistant_id": assistant(client),
        "stream": True,
        "thread": {"messages": [{"role": "user", "content": text}]},
    }
    response = httpx2.post(f"{base_url}/threads/runs", json=body, headers=BETA)
    *events, last = events_of(response.text)
    if conformance is not None:
        conformance.check_stream(response.text)
    for name, data in events:
        TypeAdapter[Any](AssistantStreamEvent).validate_python({"event": name, "data": data})

    assert ("thread.created", ("done", "[DONE]")) == (events[0][0], last)


async def test_a12_dropping_a_stream_does_not_stop_the_run(inside: Inside) -> None:
    """A run goes on without its stream, and its thread stays locked until it is over."""
    clock = ManualClock()
    sandbox = Sandbox(clock=clock, faults=Faults(slow=5))
    async with inside(sandbox) as client:
        by = await client.beta.assistants.create(model="any")
        thread = await client.beta.threads.create()
        listening = asyncio.create_task(client.beta.threads.runs.create(thread.id, assistant_id=by.id, stream=True))
        await clock.advance(1)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        with pytest.raises(openai.BadRequestError, match="while a run"):
            await client.beta.threads.messages.create(thread.id, role="user", content="hi")
        await clock.advance(4)
        (run,) = (await client.beta.threads.runs.list(thread.id)).data

    assert "completed" == run.status


def test_a13_the_sdk_is_told_how_often_to_poll(client: openai.OpenAI) -> None:
    """openai-poll-after-ms comes with a run."""
    thread, run = waiting(client)

    response = client.beta.threads.runs.with_raw_response.retrieve(run.id, thread_id=thread)

    assert "5" == response.headers["openai-poll-after-ms"]


def test_a14_the_run_after_a_cancelled_one_works(client: openai.OpenAI) -> None:
    """Calls that were never answered left nothing the next run would stumble over."""
    thread, run = waiting(client)
    client.beta.threads.runs.cancel(run.id, thread_id=thread)
    client.beta.threads.runs.poll(run.id, thread_id=thread)
    client.beta.threads.messages.create(thread, role="user", content="still there?")

    again = client.beta.threads.runs.create_and_poll(thread_id=thread, assistant_id=run.assistant_id)
    (step,) = client.beta.threads.runs.steps.list(run.id, thread_id=thread).data

    assert "completed" == again.status
    assert ("assistant", "You said: still there?") == texts(client, thread)[-1]
    assert ("cancelled", None) == (step.status, step.step_details.tool_calls[0].function.output)


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a15_messages_are_created_by_users_and_assistants(client: openai.OpenAI, role: Any) -> None:
    """Both roles can be added by a client."""
    thread = client.beta.threads.create()

    client.beta.threads.messages.create(thread.id, role=role, content="hi")

    assert [(role, "hi")] == texts(client, thread.id)


def test_a15_no_other_role_is_taken(client: openai.OpenAI) -> None:
    """A system message is refused, and the field is named."""
    thread = client.beta.threads.create()

    with pytest.raises(openai.BadRequestError) as refused:
        client.beta.threads.messages.create(thread.id, role="system", content="hi")

    assert "role" == refused.value.param


async def test_a_cancelled_run_ends_in_its_own_time(inside: Inside) -> None:
    """While it is cancelling the thread stays locked."""
    clock = ManualClock()
    async with inside(Sandbox(clock=clock, faults=Faults(slow=9, cancelling=3))) as client:
        by = await client.beta.assistants.create(model="any")
        run = await client.beta.threads.create_and_run(assistant_id=by.id)
        await clock.advance(1)
        await client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        await clock.advance(2)
        with pytest.raises(openai.BadRequestError, match="already has an active run"):
            await client.beta.threads.runs.create(run.thread_id, assistant_id=by.id)
        with pytest.raises(openai.BadRequestError, match="Cannot cancel run with status 'cancelling'"):
            await client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        await clock.advance(1)
        over = await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)

    assert "cancelled" == over.status


def test_a_forced_choice_is_obeyed_once_a_run(client: openai.OpenAI) -> None:
    """The run calls the forced tool, and answers after its outputs."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "hello"}])
    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id=assistant(client), tool_choice="required"
    )
    over = client.beta.threads.runs.submit_tool_outputs_and_poll(
        run_id=run.id, thread_id=thread.id, tool_outputs=outputs(run)
    )

    assert "completed" == over.status


def test_only_the_last_messages_are_shown(client: openai.OpenAI) -> None:
    """truncation_strategy last_messages leaves out what came before."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": text} for text in ("a b c", "d")])

    run = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id,
        assistant_id=assistant(client),
        truncation_strategy={"type": "last_messages", "last_messages": 1},
    )

    assert 1 == run.usage.prompt_tokens


def test_assistants_are_listed_changed_and_deleted(client: openai.OpenAI) -> None:
    """An assistant keeps what was not changed; deleted, it runs nothing."""
    by = assistant(client, metadata={"hash": "1"})
    client.beta.assistants.update(by, name="reviewer")

    found = next(one for one in client.beta.assistants.list(limit=100) if one.id == by)

    assert ("reviewer", {"hash": "1"}) == (found.name, found.metadata)
    assert client.beta.assistants.delete(by).deleted
    with pytest.raises(openai.NotFoundError, match=f"No assistant found with id '{by}'"):
        client.beta.threads.create_and_run(assistant_id=by)


def test_messages_are_changed_and_deleted(client: openai.OpenAI) -> None:
    """A message has metadata; deleted, no run sees it."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "a b c"}])
    (message,) = client.beta.threads.messages.list(thread.id).data
    changed = client.beta.threads.messages.update(message.id, thread_id=thread.id, metadata={"a": "b"})
    client.beta.threads.messages.delete(message.id, thread_id=thread.id)

    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant(client))

    assert {"a": "b"} == changed.metadata
    assert 0 == run.usage.prompt_tokens
    with pytest.raises(openai.NotFoundError):
        client.beta.threads.messages.retrieve(message.id, thread_id=thread.id)


def test_messages_of_one_run_are_listed(client: openai.OpenAI) -> None:
    """run_id leaves the messages of one run."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "hi"}])
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant(client))

    assert ["assistant"] == [one.role for one in client.beta.threads.messages.list(thread.id, run_id=run.id)]


@pytest.mark.parametrize(
    ("order", "page", "expected"),
    [
        pytest.param("asc", {"limit": 2}, ["0", "1"], id="first"),
        pytest.param("desc", {"limit": 2}, ["4", "3"], id="latest"),
        pytest.param("asc", {"after": 1}, ["2", "3", "4"], id="after"),
        pytest.param("asc", {"before": 3, "limit": 2}, ["1", "2"], id="before"),
    ],
)
def test_a_list_comes_by_pages(client: openai.OpenAI, order: Any, page: dict[str, int], expected: list[str]) -> None:
    """limit, order, after and before choose a page."""
    thread = client.beta.threads.create(messages=[{"role": "user", "content": str(index)} for index in range(5)])
    ids = [message.id for message in client.beta.threads.messages.list(thread.id, order="asc")]
    chosen = {key: value if key == "limit" else ids[value] for key, value in page.items()}

    listed = client.beta.threads.messages.list(thread.id, order=order, **chosen)

    assert expected == [message.content[0].text.value for message in listed.data]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("limit=0", id="no-limit"),
        pytest.param("limit=101", id="limit"),
        pytest.param("limit=x", id="no-number"),
        pytest.param("order=up", id="order"),
        pytest.param("after=msg_X", id="after"),
    ],
)
def test_a_page_that_cannot_be_is_refused(client: openai.OpenAI, query: str) -> None:
    """What the query says is checked, and the field is named."""
    thread = client.beta.threads.create()

    with pytest.raises(openai.BadRequestError) as refused:
        client.get(f"/threads/{thread.id}/messages?{query}", cast_to=object, options={"headers": BETA})

    assert query.partition("=")[0] == refused.value.param


def test_a_deleted_thread_is_gone_with_its_run(client: openai.OpenAI) -> None:
    """Deleting a thread ends the run on it."""
    thread, run = waiting(client)

    assert client.beta.threads.delete(thread).deleted
    with pytest.raises(openai.NotFoundError, match=f"No thread found with id '{thread}'"):
        client.beta.threads.runs.retrieve(run.id, thread_id=thread)


def test_without_its_header_the_api_is_refused(base_url: str) -> None:
    """The Assistants API wants OpenAI-Beta: assistants=v2."""
    response = httpx2.post(f"{base_url}/threads", json={})

    assert (400, "invalid_beta") == (response.status_code, response.json()["error"]["code"])
