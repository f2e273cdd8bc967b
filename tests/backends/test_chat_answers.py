"""The chat backend and what servers answer: pieces, refusals, failures, and what is asked again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
from typing import Any

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.backends.base import Absent, Called, Delta, Ended, Report, Request
from handoff.backends.chat import Chat
from handoff.backends.chat.answer import ChatAnswer
from handoff.backends.responses.answer import ResponsesAnswer
from handoff.backends.server import NOT_OURS
from handoff.backends.wire import RETRIES, Refused, Unreadable, failure_of
from handoff.clock import SystemClock
from handoff.core.answers import Extra
from handoff.core.items import Asked, Item, Output, Spoken, UserMessage
from handoff.core.state import Mode
from handoff.core.status import Status
from handoff.core.usage import Usage
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.errors import ConfigurationError
from tests.support.chat_server import Script, called, chunk, completion, error, events, piece, response, scripted
from tests.support.waits import Waits

KEYS = st.sampled_from(
    [
        *("choices", "delta", "message", "content", "refusal", "tool_calls", "index", "id", "function", "name"),
        *("arguments", "finish_reason", "usage", "error", "code", "type", "response", "status", "output", "text"),
        *("incomplete_details", "reason", "prompt_tokens", "input_tokens"),
    ]
)
SECRET = "key-abc-123"  # noqa: S105 - the key of a server that takes any
TOO_LONG = error(400, "This model's maximum context length is 9 tokens.", code="context_length_exceeded")


def asked_for(*items: Item, run: int = 1, number: int = 1, transcript: tuple[Item, ...] = (), **prompt: Any) -> Request:
    due = items or (UserMessage("m1", "hi"),)
    return Request(
        "t", run, number, "send", Prompt("editor", "Edit.", prompt.pop("tools", ()), transcript, due, **prompt), 1600.0
    )


async def reports(
    *replies: bytes, request: Request | None = None, clock: Waits | None = None, **options: Any
) -> tuple[list[Report], Script]:
    """What the backend reports when the server answers so."""
    async with scripted(*replies) as script:
        chat = Chat("tiny", base_url=script.base_url, api_key=SECRET, clock=clock or Waits(1000.0), **options)
        try:
            return [report async for report in chat.open(request or asked_for())], script
        finally:
            await chat.close()


def last(found: tuple[list[Report], Script]) -> Any:
    return found[0][-1]


# -- answers -----------------------------------------------------------------------------------------------------------


async def test_a_streamed_reply_is_told_in_pieces() -> None:
    """Text comes as deltas as it is written, and as a whole with the end of the run."""
    found, _ = await reports(events(chunk(content="hel"), chunk(content="lo"), chunk("stop")))

    assert [Delta("hel"), Delta("lo"), Ended(Status.COMPLETED, "hello", stored=1, usage=Usage(model_calls=1))] == found


async def test_a_reply_that_comes_whole_is_told_at_once() -> None:
    """Without streaming one delta holds the reply."""
    found, script = await reports(completion({"content": "hello"}), stream=False)

    assert [Delta("hello"), Ended(Status.COMPLETED, "hello", stored=1, usage=Usage(model_calls=1))] == found
    assert "stream" not in script.bodies[0]


async def test_a_server_that_does_not_stream_is_read_all_the_same() -> None:
    """A JSON body where a stream was asked for is an answer."""
    assert "hello" == last(await reports(completion({"content": "hello"}))).text


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            [called(piece(0, "a", "look", "")), called(piece(0, arguments='{"w')), called(piece(0, arguments='":1}'))],
            [("a", "look", '{"w":1}')],
            id="as-openai",
        ),
        pytest.param(
            [called(piece(0, "a", "look", "{}"), piece(1, "b", "open", "")), called(piece(1, arguments="{}"))],
            [("a", "look", "{}"), ("b", "open", "{}")],
            id="two-in-one-piece",
        ),
        pytest.param(
            [
                called(piece(0, "a", "look", "{")),
                called(piece(1, "b", "open", "{")),
                called(piece(0, arguments="}"), piece(1, arguments="}")),
            ],
            [("a", "look", "{}"), ("b", "open", "{}")],
            id="interleaved",
        ),
        pytest.param(
            [
                called(piece(None, "a", "look", "{")),
                called(piece(None, arguments="}")),
                called(piece(None, "b", "open", "{}")),
            ],
            [("a", "look", "{}"), ("b", "open", "{}")],
            id="no-index",
        ),
        pytest.param(
            [called(piece(0, "a", "look", "{}")), called(piece(0, "b", "look", "{}"))],
            [("a", "look", "{}"), ("b", "look", "{}")],
            id="one-index-for-all",
        ),
        pytest.param(
            [called(piece(0, "a", "look", "{")), called(piece(0, "a", "look", "}"))],
            [("a", "look", "{}")],
            id="id-and-name-repeated",
        ),
        pytest.param(
            [called(piece(0, "a", "lo", "")), called(piece(0, None, "ok", "{}"))],
            [("a", "look", "{}")],
            id="name-in-pieces",
        ),
        pytest.param([called(piece(0, "a", "look", {"w": 1}))], [("a", "look", '{"w": 1}')], id="arguments-as-object"),
        pytest.param([called(piece(0, "a", "look", '{"w": '))], [("a", "look", '{"w": ')], id="arguments-cut-off"),
        pytest.param([called(piece(0, "a", "look"))], [("a", "look", "")], id="no-arguments"),
        pytest.param([called(piece(0, "", "look", "{}"))], [("call_1", "look", "{}")], id="no-id"),
        pytest.param(
            [called(piece(None, None, "look", "{}"), piece(None, None, "look", "{}"))],
            [("call_1", "look", "{}"), ("call_2", "look", "{}")],
            id="neither-index-nor-id",
        ),
        pytest.param(
            [called(piece(0, "a", "look", "{}"), piece(1, "a", "look", "{}"))],
            [("a", "look", "{}"), ("call_1", "look", "{}")],
            id="the-same-id-twice",
        ),
        pytest.param([called(7, None, piece(0, "a", "look", "{}"))], [("a", "look", "{}")], id="no-objects"),
    ],
)
async def test_calls_are_put_together_from_their_pieces(
    pieces: list[Any], expected: list[tuple[str, str, str]]
) -> None:
    """However a server cuts its calls, each comes out once, with an id of its own."""
    report = last(await reports(events(chunk(content="so"), *pieces, chunk("tool_calls"))))

    assert Called(tuple(Asked(*one) for one in expected), "so", 1, Usage(model_calls=1)) == report


async def test_calls_count_whatever_the_reason_to_stop_is_called() -> None:
    """Some servers end calls with `stop`."""
    report = last(await reports(completion({"content": None, "tool_calls": [piece(None, "a", "look", "{}")]})))

    assert (Asked("a", "look", "{}"),) == report.calls


async def test_an_id_of_the_transcript_is_not_taken_again() -> None:
    """A server that numbers its calls in every answer anew gets another id from us."""
    transcript = (UserMessage("m0", "hi"), Spoken("editor", 1, "", (Asked("call_1", "look", "{}"),)))
    request = asked_for(Output(1, 1, "call_1", "look", "nice"), transcript=transcript, number=2)
    report = last(await reports(events(called(piece(0, "call_1", "look", "{}")), chunk("tool_calls")), request=request))

    assert (Asked("call_2", "look", "{}"),) == report.calls


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        pytest.param("length", "the answer was cut off at its longest length", id="length"),
        pytest.param("content_filter", "a content filter stopped the answer", id="filter"),
    ],
)
@pytest.mark.parametrize(
    "calls", [pytest.param([], id="text"), pytest.param([piece(0, "a", "look", '{"w')], id="calls")]
)
async def test_half_an_answer_is_incomplete(finish: str, reason: str, calls: list[Any]) -> None:
    """What was cut off ends the run incomplete: its text is kept, its calls never happened."""
    report = last(await reports(events(chunk(content="so"), called(*calls), chunk(finish))))

    assert Ended(Status.INCOMPLETE, "so", reason, 1, usage=Usage(model_calls=1)) == report


async def test_a_refusal_is_a_reply_that_says_so() -> None:
    """What the model says to refuse is the reply, and the run's reason names it."""
    found, _ = await reports(events(chunk(refusal="I can"), chunk(refusal="not"), chunk("stop")))

    assert [Delta("I can"), Delta("not")] == found[:2]
    assert (
        Ended(
            Status.COMPLETED,
            "I cannot",
            "the model refused",
            1,
            usage=Usage(model_calls=1),
            extra=Extra(refused=True),
        )
        == found[2]
    )


async def test_text_in_parts_is_joined() -> None:
    """Content may come as a list of parts; what is no text is left out."""
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "hel"}, {"type": "text", "text": "lo"}]

    assert "hello" == last(await reports(completion({"content": parts}))).text


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 8}},
            Usage(9, 8, 2, 1),
            id="all",
        ),
        pytest.param(
            {"prompt_tokens": 9, "completion_tokens": None, "prompt_tokens_details": None}, Usage(9, 0, 0, 1), id="some"
        ),
        pytest.param({"prompt_tokens": "many"}, Usage(model_calls=1), id="nonsense"),
        pytest.param(None, Usage(model_calls=1), id="none"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_usage_is_reported_as_far_as_it_is_told(told: Any, expected: Usage, stream: bool) -> None:
    """Tokens read, cached and written come with the report that ends the request; a model call is counted always."""
    reply = (
        events(chunk(content="x"), chunk("stop"), {"choices": [], "usage": told})
        if stream
        else completion({"content": "x"}, usage=told)
    )

    assert expected == last(await reports(reply, stream=stream)).usage


# -- what is asked again -----------------------------------------------------------------------------------------------

FINE = completion({"content": "fine"})


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(error(408), id="408"),
        pytest.param(error(409), id="409"),
        pytest.param(error(429), id="429"),
        pytest.param(error(500), id="500"),
        pytest.param(error(503), id="503"),
        pytest.param(error(400, x_should_retry="true"), id="server-says-so"),
        pytest.param(b"", id="dropped"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", id="dropped-in-the-body"),
        pytest.param(response("<html>bad gateway</html>"), id="no-json"),
        pytest.param(response({"id": "x"}), id="no-choices"),
        pytest.param(response({"error": {"message": "no", "code": 502}}), id="error-with-200"),
        pytest.param(events(done=False), id="empty-stream"),
        pytest.param(events("{"), id="stream-that-is-no-json"),
        pytest.param(events({"error": {"message": "no", "type": "server_error"}}), id="error-in-stream"),
        pytest.param(events(chunk(role="assistant"), done=False), id="stream-broken-off"),
    ],
)
async def test_a_failure_that_passes_is_asked_again(failure: bytes) -> None:
    """The same request is made again after a wait, and its answer counts; the SDK does not repeat it by itself."""
    clock = Waits(1000.0)
    found, script = await reports(failure, FINE, clock=clock)

    assert [Delta("fine"), Ended(Status.COMPLETED, "fine", stored=1, usage=Usage(model_calls=1))] == found
    assert script.bodies[0] == script.bodies[1]
    assert 2 == len(script.bodies)
    assert 0.375 <= clock.slept[0] <= 0.5


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({"retry_after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry_after_ms": "250", "retry_after": "7"}, 0.25, id="milliseconds"),
        pytest.param({"retry_after": "Thu, 01 Jan 1970 00:16:50 GMT"}, 10.0, id="date"),
    ],
)
async def test_a_server_says_how_long_to_wait(headers: dict[str, str], expected: float) -> None:
    """Retry-After is kept to, in each of its forms."""
    clock = Waits(1000.0)
    await reports(error(429, **headers), FINE, clock=clock)

    assert [expected] == clock.slept


async def test_waits_grow_and_end() -> None:
    """A server that stays down is asked a few times, ever less often; then the run fails with its words."""
    clock = Waits(1000.0)
    report = last(await reports(*[error(500, "down")] * (RETRIES + 1), clock=clock))

    assert Ended(Status.FAILED, reason="500: down") == report
    assert RETRIES == len(clock.slept)
    assert 0.75 <= clock.slept[1] <= 1
    assert 6 <= clock.slept[-1] <= 8


async def test_nothing_is_asked_again_past_the_deadline() -> None:
    """A wait that would end after the run's deadline is not begun."""
    clock = Waits(1000.0)
    report = last(await reports(error(429, "slow down", retry_after="600"), clock=clock))

    assert (Status.FAILED, "429: slow down") == (report.status, report.reason)
    assert [] == clock.slept


async def test_a_silent_server_is_asked_again() -> None:
    """A stream that stays open without a byte is given up, and the request is made again."""
    async with scripted(events(chunk(content="he"), done=False), FINE, hangs=1) as script:
        chat = Chat("tiny", base_url=script.base_url, api_key=SECRET, clock=Waits(1000.0), timeout=0.05)
        found = [report async for report in chat.open(asked_for())]
        await chat.close()

    assert [Delta("he"), Delta("fine", anew=True)] == found[:2]


async def test_a_run_that_is_over_is_not_asked_for_again() -> None:
    """A server that is silent until the run's deadline ends it expired."""
    async with scripted(events(chunk(content="he"), done=False), hangs=1) as script:
        chat = Chat("tiny", base_url=script.base_url, api_key=SECRET)
        request = Request("t", 1, 1, "send", asked_for().prompt, SystemClock().now() + 1.0)
        found = [report async for report in chat.open(request)]
        await chat.close()

    silence = "SocketTimeoutError: Timeout on reading data from socket"
    assert [Delta("he"), Ended(Status.EXPIRED, "he", silence)] == found


async def test_an_answer_that_broke_off_is_told_anew() -> None:
    """The first piece of the repeated answer voids what was told before; the reply is the second one alone."""
    found, _ = await reports(
        events(chunk(content="he"), done=False), events(chunk(content="hello"), chunk(content="!"), chunk("stop"))
    )

    assert [Delta("he"), Delta("hello", anew=True), Delta("!")] == found[:3]
    assert "hello!" == last((found, Script([]))).text


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        pytest.param(error(400, "bad order"), "400: bad order", id="400"),
        pytest.param(error(401, "who are you"), "401: who are you", id="401"),
        pytest.param(error(404, "no such model"), "404: no such model", id="404"),
        pytest.param(error(422, "what"), "422: what", id="422"),
        pytest.param(error(429, "pay first", code="insufficient_quota"), "429: pay first", id="quota"),
        pytest.param(error(500, "never", x_should_retry="false"), "500: never", id="server-says-so"),
        pytest.param(response({"error": {"message": "bad", "code": 400}}), "bad", id="error-with-200"),
        pytest.param(
            events({"error": {"message": "bad", "type": "invalid_request_error"}}), "bad", id="error-in-stream"
        ),
    ],
)
async def test_a_refusal_for_good_fails_the_run_at_once(failure: bytes, reason: str) -> None:
    """What no waiting mends ends the run failed, nothing stored, with the server's words."""
    found, script = await reports(failure)

    assert [Ended(Status.FAILED, reason=reason)] == found
    assert 1 == len(script.bodies)


# -- too long ----------------------------------------------------------------------------------------------------------

LONG = tuple(
    item
    for number in range(1, 5)
    for item in (UserMessage(f"m{number}", f"question {number}"), Spoken("editor", number, f"answer {number}"))
)


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(TOO_LONG, id="openai"),
        pytest.param(
            error(400, "the request exceeds the available context size", kind="exceed_context_size_error"),
            id="llama.cpp",
        ),
        pytest.param(error(400, "maximum context length is 9", code="400"), id="text"),
        pytest.param(events({"error": {"message": "no", "code": "context_length_exceeded"}}), id="in-stream"),
    ],
)
async def test_a_request_that_is_too_long_is_made_shorter_once(refusal: bytes) -> None:
    """Older turns are left out down to half, the instructions and what is due stay (T3)."""
    clock = Waits(1000.0)
    found, script = await reports(refusal, FINE, request=asked_for(transcript=LONG, run=9), clock=clock)

    assert Status.COMPLETED is last((found, script)).status
    assert ["Edit.", "question 4", "answer 4", "hi"] == [one["content"] for one in script.messages]
    assert [] == clock.slept


async def test_a_request_that_stays_too_long_fails() -> None:
    """There is one shorter attempt; then the run fails with the server's words (T3)."""
    found, script = await reports(TOO_LONG, TOO_LONG, request=asked_for(transcript=LONG, run=9))

    assert [Ended(Status.FAILED, reason="400: This model's maximum context length is 9 tokens.")] == found
    assert 2 == len(script.bodies)


async def test_a_request_that_cannot_be_shorter_fails_at_once() -> None:
    """What is due is never left out, so there is nothing to try again."""
    found, script = await reports(TOO_LONG)

    assert Status.FAILED is last((found, script)).status
    assert 1 == len(script.bodies)


async def test_older_turns_are_left_out_beyond_the_budget() -> None:
    """With input_tokens a request carries the latest turns that fit."""
    _, script = await reports(FINE, request=asked_for(transcript=LONG, run=9), input_tokens=130)

    assert ["Edit.", "question 3", "answer 3", "question 4", "answer 4", "hi"] == [
        one["content"] for one in script.messages
    ]


# -- what is sent ------------------------------------------------------------------------------------------------------

LOOK = OfferedTool("look", "Look.", {"type": "object", "properties": {}, "required": []})


async def test_a_request_holds_instructions_messages_and_tools() -> None:
    """The instructions stand first, and a tool goes out with its schema; the body is told to be JSON."""
    _, script = await reports(FINE, request=asked_for(tools=(LOOK,)))

    assert {
        "model": "tiny",
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look.", "parameters": LOOK.schema, "strict": True},
            }
        ],
        "messages": [{"role": "system", "content": "Edit."}, {"role": "user", "content": "hi"}],
    } == script.bodies[0]
    assert "application/json" == script.headers[0]["content-type"]


async def test_the_options_of_an_assistant_are_sent() -> None:
    """Model, temperature and length are those the assistant declares."""
    options = {"model": "big", "temperature": 0.0, "max_output_tokens": 9}
    _, script = await reports(FINE, request=asked_for(options=options))

    assert ("big", 0.0, 9) == tuple(
        script.bodies[0][name] for name in ("model", "temperature", "max_completion_tokens")
    )


@pytest.mark.parametrize(
    ("choice", "number", "expected"),
    [
        pytest.param("auto", 1, None, id="auto"),
        pytest.param("none", 2, "none", id="none"),
        pytest.param("required", 1, "required", id="required"),
        pytest.param("required", 2, None, id="required-once"),
        pytest.param("look", 1, {"type": "function", "function": {"name": "look"}}, id="named"),
        pytest.param("look", 2, None, id="named-once"),
        pytest.param("other", 1, None, id="not-offered-now"),
    ],
)
async def test_a_forced_call_is_forced_once_a_run(choice: str, number: int, expected: Any) -> None:
    """A choice that forces a call holds for the first request of a run, so that the run comes to its reply."""
    _, script = await reports(FINE, request=asked_for(tools=(LOOK,), options={"tool_choice": choice}, number=number))

    assert expected == script.bodies[0].get("tool_choice")


async def test_no_choice_is_sent_without_tools() -> None:
    """Servers refuse a tool_choice where no tools are."""
    _, script = await reports(FINE, request=asked_for(options={"tool_choice": "required"}))

    assert {"tools", "tool_choice"}.isdisjoint(script.bodies[0])


async def test_a_client_of_ones_own_is_used_and_left_open() -> None:
    """A given client makes the requests, without its own retries, and is not closed with the backend."""
    async with (
        scripted(error(500), FINE) as script,
        openai.AsyncOpenAI(base_url=script.base_url, api_key=SECRET) as client,
    ):
        chat = Chat("tiny", client=client, clock=Waits(1000.0))
        found = [report async for report in chat.open(asked_for())]
        await chat.close()
        closed = client.is_closed()

    assert Delta("fine") == found[0]
    assert not closed


async def test_azure_is_spoken_to_at_the_models_own_path() -> None:
    """Azure's client makes the path of the model's name, which it reads from the body."""
    async with scripted(FINE) as script:
        root = script.base_url.removesuffix("/v1")
        client = openai.AsyncAzureOpenAI(azure_endpoint=root, api_key=SECRET, api_version="2024-10-21")
        chat = Chat("tiny", client=client, clock=Waits(1000.0))
        found = [report async for report in chat.open(asked_for())]
        await client.close()

    assert Delta("fine") == found[0]
    assert "tiny" == script.bodies[0]["model"]


# -- anything at all ---------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON | st.dictionaries(KEYS, JSON, max_size=5), max_size=4))
def test_no_event_breaks_an_answer(data: list[Any]) -> None:
    """Whatever JSON a server sends is taken in, or refused by the two errors that say so."""
    for answer in (ChatAnswer(), ResponsesAnswer()):
        with contextlib.suppress(Refused, Unreadable):
            for event in data:
                assert isinstance(answer.take(event), str)
        with contextlib.suppress(Refused, Unreadable):
            for event in data:
                assert isinstance(answer.take_whole(event), str)
        assert all(isinstance(part, str) for call in answer.calls for part in (call.id, call.tool, call.arguments))


@given(st.lists(st.dictionaries(KEYS, JSON, max_size=3) | JSON, max_size=5), st.sampled_from(["delta", "message"]))
def test_no_message_breaks_an_answer(pieces: list[Any], key: str) -> None:
    """However wrong the pieces of a choice are, each call has texts for its parts."""
    answer = ChatAnswer()
    for one in pieces:
        taken = {"choices": [{key: one, "finish_reason": "stop"}, {key: {"tool_calls": [one, {"function": one}]}}]}
        (answer.take if key == "delta" else answer.take_whole)(taken)

    assert all(isinstance(part, str) for call in answer.calls for part in (call.id, call.tool, call.arguments))


@given(JSON | st.dictionaries(KEYS, JSON, max_size=5))
def test_no_error_breaks_a_failure(body: Any) -> None:
    """Whatever stands where an error object belongs comes to a failure with a short text."""
    failure = failure_of(Refused(body), [SECRET], 0.0)

    assert failure is not None
    assert len(failure.reason) <= 500


# -- closing, secrets, configuration -----------------------------------------------------------------------------------


async def test_closing_a_request_hangs_up() -> None:
    """Closing the reports closes the connection: where the server keeps no run, that is the run's end (C1)."""
    async with scripted(events(chunk(content="he"), done=False), hangs=1) as script:
        chat = Chat("tiny", base_url=script.base_url, api_key=SECRET, clock=Waits(1000.0))
        opened = chat.open(asked_for())
        first = await anext(opened)
        await opened.aclose()
        await script.hung_up.wait()
        await chat.close()

    assert Delta("he") == first


async def test_a_cancelled_request_hangs_up() -> None:
    """A task that is cancelled while the server is silent leaves no connection behind."""
    async with scripted(b"", hangs=1) as script:
        chat = Chat("tiny", base_url=script.base_url, api_key=SECRET, clock=Waits(1000.0))

        async def ask() -> None:
            async for _ in chat.open(asked_for()):
                pass

        task = asyncio.create_task(ask())
        await script.asked.wait()
        task.cancel()
        await script.hung_up.wait()
        with pytest.raises(asyncio.CancelledError):
            await task
        await chat.close()


@pytest.mark.parametrize(
    ("purpose", "report"),
    [
        pytest.param("read_back", Absent(), id="read back"),
        pytest.param("watch", Ended(Status.FAILED, reason=NOT_OURS), id="watched"),
    ],
)
async def test_what_was_asked_before_a_crash_is_not_there(purpose: Any, report: Any) -> None:
    """The server remembers nothing: a request is made again, and one that another backend had acknowledged is over."""
    asked = asked_for()
    request = Request(asked.thread, asked.run, asked.request, purpose, asked.prompt, asked.deadline)

    assert ([report], 0) == ((found := await reports(request=request))[0], len(found[1].bodies))


async def test_secrets_are_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A server that repeats the key finds it left out of reports and logs."""
    caplog.set_level(logging.DEBUG, "handoff")
    said = f"wrong key {SECRET}, try sk-abcdefghijkl or Bearer abcdefghijklmnopqrst"
    found, _ = await reports(error(500, said), error(401, said))

    assert "401: wrong key ***, try *** or ***" == last((found, Script([]))).reason
    assert "wrong key ***" in caplog.text
    assert SECRET not in caplog.text


async def test_what_a_server_says_is_cut_to_one_short_line() -> None:
    """A page of HTML does not fill the journal."""
    reason = last(await reports(error(400, "a\n\nb" + "x" * 5000))).reason

    assert reason.startswith("400: a b")
    assert 500 == len(reason)


def test_the_backend_swaps_and_steers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs, steered messages and the next assistant's instructions go in one request."""
    assert Mode(swap=True, carry=False, steer=True) == Chat("tiny", base_url="http://localhost/v1").mode


def test_the_sdk_is_not_imported_before_it_is_used() -> None:
    """It is slow to import, so making a backend does without it."""
    program = (
        "import sys; from handoff.backends.chat import Chat; from handoff.backends.responses import Responses; "
        "Chat('m', base_url='http://x/v1'); Responses('m', base_url='http://x/v1'); "
        "print({'openai', 'httpx2', 'anyio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "set()" == done.stdout.strip()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param({}, "no API key", id="no-key"),
        pytest.param({"client": object(), "api_key": "k"}, "give either", id="client-and-key"),
        pytest.param({"base_url": "http://x/v1", "input_tokens": 0}, "input_tokens=0", id="no-tokens"),
        pytest.param({"base_url": "http://x/v1", "timeout": 0}, "timeout=0", id="no-time"),
    ],
)
def test_what_cannot_work_is_refused(monkeypatch: pytest.MonkeyPatch, options: Any, problem: str) -> None:
    """A backend that could never speak is not made."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ConfigurationError, match=problem):
        Chat("tiny", **options)
