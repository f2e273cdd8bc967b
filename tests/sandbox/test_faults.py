"""Faults on purpose: each at the request it was scripted for, or at its rate, and nothing else goes wrong."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from handoff import ConfigurationError
from handoff.sandbox import Faults, Sandbox, Scripted, serving
from handoff.sandbox.app import STALL_AFTER
from handoff.sandbox.faults import DURATIONS, FAULTS
from handoff.sandbox.rules import RUN_SECONDS
from handoff.testing import ManualClock
from tests.sandbox.conftest import FLAT, TOOL, Inside, named

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # the SDK calls Assistants deprecated


DOCS = Path(__file__).parents[2] / "docs"


def user(text: str) -> Any:
    return {"role": "user", "content": text}


@pytest.mark.parametrize(
    ("fault", "error", "header"),
    [
        pytest.param("429", openai.RateLimitError, "1", id="429"),
        pytest.param("500", openai.InternalServerError, None, id="500"),
        pytest.param("503", openai.InternalServerError, None, id="503"),
    ],
)
async def test_a_request_is_refused_with_nothing_done(
    inside: Inside, fault: str, error: type[openai.APIStatusError], header: str | None
) -> None:
    """The second creation is refused, with Retry-After where it helps; the first and third are not."""
    async with inside(Sandbox(faults=Faults([Scripted(fault, "threads.create", 2)]))) as client:
        await client.beta.threads.create()
        with pytest.raises(error) as refused:
            await client.beta.threads.create()
        await client.beta.threads.create()

    assert int(fault) == refused.value.status_code
    assert header == refused.value.response.headers.get("retry-after")


@pytest.mark.parametrize(
    ("fault", "kept"), [pytest.param("drop_before", 0, id="before"), pytest.param("drop_after", 1, id="after")]
)
def test_a_connection_drops_before_or_after_the_effect(fault: str, kept: int) -> None:
    """Over a socket the client sees a broken connection both times, and only after the effect is the thread there."""
    sandbox = Sandbox(faults=Faults([Scripted(fault)]))
    with serving(sandbox) as url, openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        with pytest.raises(openai.APIConnectionError):
            client.beta.threads.create()

        assert kept == len(sandbox.world.threads)


async def test_what_is_late_is_done_when_nobody_waits_for_it(inside: Inside) -> None:
    """The client sees a broken connection; what it asked for is done after its time, and only what writes is late."""
    clock = ManualClock()
    sandbox = Sandbox(clock=clock, faults=Faults([Scripted("late")], lateness=9))
    async with inside(sandbox) as client:
        await client.models.list()
        with pytest.raises(openai.APIConnectionError):
            await client.beta.threads.create()
        await clock.advance(8)
        before = len(sandbox.world.threads)
        await clock.advance(1)

        assert (0, 1) == (before, len(sandbox.world.threads))


async def test_what_is_late_may_be_refused(inside: Inside) -> None:
    """The thread is locked by then: nobody learns of it, and nothing is done."""
    clock = ManualClock()
    sandbox = Sandbox(clock=clock, faults=Faults.read("late@runs.create,lateness=2,slow=9"))
    async with inside(sandbox) as client:
        by = await client.beta.assistants.create(model="any")
        thread = await client.beta.threads.create()
        with pytest.raises(openai.APIConnectionError):
            await client.beta.threads.runs.create(thread.id, assistant_id=by.id, stream=True)
        run = await client.beta.threads.runs.create(thread.id, assistant_id=by.id)
        await clock.advance(3)

        assert [run.id] == [one.id for one in sandbox.world.threads[thread.id].runs]


def test_the_sdk_tries_again_after_a_dropped_connection() -> None:
    """With the SDK's own retries a write whose answer was lost happens twice: what backends must not let it do."""
    sandbox = Sandbox(faults=Faults([Scripted("drop_after")]))
    with serving(sandbox) as url, openai.OpenAI(base_url=url, api_key="any", max_retries=1) as client:
        client.beta.threads.create()

    assert 2 == len(sandbox.world.threads)


async def test_a_dropped_stream_has_had_its_effect(inside: Inside) -> None:
    """drop_after at a stream: the response was made and stored, and the client knows nothing of it."""
    sandbox = Sandbox(faults=Faults([Scripted("drop_after")]))
    async with inside(sandbox) as client:
        with pytest.raises(openai.APIConnectionError):
            await client.responses.create(model="any", input="hi", stream=True)

    assert ["completed"] == [response.wire["status"] for response in sandbox.world.responses.values()]


async def test_a_stalled_stream_goes_silent(inside: Inside) -> None:
    """After its first events a stalled stream sends nothing more, until long after it ends without its last."""
    clock = ManualClock()
    async with inside(Sandbox(clock=clock, faults=Faults([Scripted("stall")]))) as client:
        request = asyncio.create_task(client.responses.create(model="any", input="hi", stream=True))
        await clock.advance(RUN_SECONDS - 1)
        silent = not request.done()
        await clock.advance(1)
        events = [event async for event in await request]

    assert silent
    assert STALL_AFTER == len(events)


async def test_a_stuck_response_fails_in_the_end(inside: Inside) -> None:
    """A response in the background stays in progress, and fails when its time is over."""
    clock = ManualClock()
    async with inside(Sandbox(clock=clock, faults=Faults([Scripted("stuck")]))) as client:
        made = await client.responses.create(model="any", input="hi", background=True)
        await clock.advance(RUN_SECONDS - 1)
        going = await client.responses.retrieve(made.id)
        await clock.advance(1)
        over = await client.responses.retrieve(made.id)

    assert ("in_progress", "failed") == (going.status, over.status)


async def test_a_run_expires_instead_of_waiting(inside: Inside) -> None:
    """`expire`: the run asks for nothing, and its thread is free."""
    async with inside(Sandbox(faults=Faults([Scripted("expire")]))) as client:
        by = await client.beta.assistants.create(model="any", tools=[TOOL])
        run = await client.beta.threads.create_and_run_poll(
            assistant_id=by.id, thread={"messages": [user("call add {}")]}, poll_interval_ms=1
        )
        await client.beta.threads.messages.create(run.thread_id, role="user", content="hi")

    assert ("expired", None) == (run.status, run.required_action)


async def test_a_run_fails(inside: Inside) -> None:
    """`failed`: the run says that the server had an error."""
    async with inside(Sandbox(faults=Faults([Scripted("failed")]))) as client:
        by = await client.beta.assistants.create(model="any")
        run = await client.beta.threads.create_and_run_poll(assistant_id=by.id, poll_interval_ms=1)

    assert "failed" == run.status
    assert run.last_error is not None
    assert "server_error" == run.last_error.code


async def test_a_response_fails(inside: Inside) -> None:
    """`failed`: the response is there, with its error, and its conversation did not grow."""
    async with inside(Sandbox(faults=Faults([Scripted("failed")]))) as client:
        conversation = await client.conversations.create()
        response = await client.responses.create(model="any", input="hi", conversation=conversation.id)
        items = await client.conversations.items.list(conversation.id)

    assert "failed" == response.status
    assert response.error is not None
    assert "server_error" == response.error.code
    assert [] == items.data


def test_a_completion_fails() -> None:
    """`failed`: a server error, in a stream as an event that the SDK raises."""
    faults = Faults([Scripted("failed"), Scripted("failed", nth=2)])
    with serving(Sandbox(faults=faults)) as url, openai.OpenAI(base_url=url, api_key="any", max_retries=0) as client:
        with pytest.raises(openai.InternalServerError, match="The server had an error"):
            client.chat.completions.create(model="any", messages=[user("hi")])
        with (
            client.chat.completions.create(model="any", messages=[user("hi")], stream=True) as chunks,
            pytest.raises(openai.APIError, match="The server had an error"),
        ):
            list(chunks)


async def test_arguments_are_cut_off(inside: Inside) -> None:
    """`bad_arguments`: the first call's arguments are no JSON any more."""
    async with inside(Sandbox(faults=Faults([Scripted("bad_arguments")]))) as client:
        response = await client.responses.create(model="any", input='call add {"number": 1}', tools=[FLAT])
    (call,) = response.output

    assert "completed" == response.status
    with pytest.raises(json.JSONDecodeError):
        json.loads(call.arguments)


async def test_two_handoffs_come_in_one_response(inside: Inside) -> None:
    """`two_handoffs`: beside the call that was meant comes one of another tool."""
    async with inside(Sandbox(faults=Faults([Scripted("two_handoffs")]))) as client:
        response = await client.responses.create(
            model="any", input='call add {"number": 1}', tools=[FLAT, named("drop", FLAT)]
        )

    assert [("add", '{"number": 1}'), ("drop", '{"number": 0}')] == [
        (call.name, call.arguments) for call in response.output
    ]


async def test_a_cancelled_run_may_complete_first(inside: Inside) -> None:
    """`cancel_race`: the run is cancelling, then completed, with its reply whole."""
    clock = ManualClock()
    faults = Faults([Scripted("cancel_race")], slow=5)
    async with inside(Sandbox(clock=clock, faults=faults)) as client:
        by = await client.beta.assistants.create(model="any")
        run = await client.beta.threads.create_and_run(assistant_id=by.id, thread={"messages": [user("good morning")]})
        await clock.advance(1)
        going = await client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        await clock.advance(4)
        over = await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)
        (reply, _) = (await client.beta.threads.messages.list(run.thread_id)).data

    assert ("cancelling", "completed") == (going.status, over.status)
    assert "You said: good morning" == reply.content[0].text.value


async def test_a_stuck_run_that_is_cancelled_ends_by_its_own_time(inside: Inside) -> None:
    """`stuck` and `cancel_race` at once: what races with the cancel never comes, and the run is no lock for ever."""
    clock = ManualClock()
    faults = Faults([Scripted("stuck"), Scripted("cancel_race")])
    async with inside(Sandbox(clock=clock, faults=faults, expire=60)) as client:
        by = await client.beta.assistants.create(model="any")
        run = await client.beta.threads.create_and_run(assistant_id=by.id, thread={"messages": [user("hello")]})
        await clock.advance(1)
        await client.beta.threads.runs.cancel(run.id, thread_id=run.thread_id)
        await clock.advance(60)
        over = await client.beta.threads.runs.retrieve(run.id, thread_id=run.thread_id)

    assert "cancelled" == over.status


async def test_every_answer_takes_its_time(inside: Inside) -> None:
    """`slow`: an answer comes after that many seconds of the sandbox's clock."""
    clock = ManualClock()
    async with inside(Sandbox(clock=clock, faults=Faults(slow=2))) as client:
        request = asyncio.create_task(client.chat.completions.create(model="any", messages=[user("hi")]))
        await clock.advance(1)
        early = request.done()
        await clock.advance(1)
        await request

    assert not early


def test_rates_are_kept_from_one_seed() -> None:
    """A rate is met over many requests, and the same seed gives the same faults."""
    first, second = Faults(rates={"500": 0.3}, seed=1), Faults(rates={"500": 0.3}, seed=1)

    taken = [first.take("runs.create", "500", "429") for _ in range(1000)]

    assert taken == [second.take("runs.create", "500", "429") for _ in range(1000)]
    assert 250 < first.happened["500"] < 350
    assert {"500", None} == set(taken)


def test_one_fault_a_request() -> None:
    """Of two faults scripted for one request the second happens at the next."""
    faults = Faults([Scripted("429"), Scripted("500")])

    assert ["429", "500", None] == [faults.take("runs.create", "500", "429") for _ in range(3)]


def test_faults_are_read_from_the_command_line() -> None:
    """Rates, scripted faults, lengths and the seed stand in one line."""
    faults = Faults.read("429=1, drop_after@responses.*#2, slow=0.5, cancelling=0.25, lateness=2, seed=7")

    assert (0.5, 0.25, 2) == (faults.slow, faults.cancelling, faults.lateness)
    assert [None, None, "drop_after"] == [
        faults.take(operation, "drop_after") for operation in ("responses.create", "runs.create", "responses.create")
    ]
    assert "429" == faults.take("runs.create", "429")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("boom", "there is no fault 'boom': write one of 429, .*, or seconds of slow", id="unknown"),
        pytest.param("429=often", "'429=often' is no fault", id="no-number"),
        pytest.param("429=1.5", "the rate of 429 is 1.5", id="rate"),
        pytest.param("429@runs.create#0", "count from 1", id="nth"),
        pytest.param("slow=-1", "not negative", id="negative"),
    ],
)
def test_faults_that_cannot_be_are_refused(text: str, problem: str) -> None:
    """What is no fault is refused with what to write."""
    with pytest.raises(ConfigurationError, match=problem):
        Faults.read(text)


def test_a_fault_of_an_operation_there_is_none_of_is_refused() -> None:
    """A misspelt operation would never come: it is refused with what to write."""
    with pytest.raises(ConfigurationError, match=r"no operation 'respones\.create'"):
        Sandbox(faults=Faults([Scripted("500", "respones.create")]))


def test_the_documentation_lists_the_faults() -> None:
    """docs/sandbox.md has a row for each fault and each length, in order."""
    text = (DOCS / "sandbox.md").read_text("utf-8")
    listed = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]

    assert [*FAULTS, *DURATIONS] == [name for name in listed if name in {**FAULTS, **DURATIONS}]
