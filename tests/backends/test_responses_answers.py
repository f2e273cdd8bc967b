"""The responses backend and what servers answer: chains, what is sent again in full, events, and failures."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from handoff.backends.base import Called, Delta, Ended, Report, Request
from handoff.backends.responses import Responses
from handoff.core.answers import Extra
from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage
from handoff.core.status import Status
from handoff.core.usage import Usage
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.errors import ConfigurationError
from tests.support.chat_server import Script, error, events, response, scripted
from tests.support.waits import Waits

HI = UserMessage("m1", "hi")
MORE = UserMessage("m2", "more")
LOOK = Asked("call_a", "look", "{}")
SEEN = Output(1, 1, "call_a", "look", "nice")
ONE = Usage(model_calls=1)
#: What is journaled of a first response.
REF = "response resp_1 2 - -"


def said(text: str) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}


def calls(*asked: Asked) -> list[dict[str, Any]]:
    return [
        {"id": f"fc_{one.id}", "type": "function_call", "call_id": one.id, "name": one.tool, "arguments": one.arguments}
        for one in asked
    ]


def made(*output: Any, id: str = "resp_1", status: str = "completed", **fields: Any) -> dict[str, Any]:  # noqa: A002 - as the wire calls it
    return {"id": id, "object": "response", "status": status, "output": list(output), "error": None, **fields}


def streamed(*deltas: str, last: dict[str, Any]) -> bytes:
    kinds: list[Any] = [{"type": "response.created", "response": made(status="in_progress")}]
    kinds += [{"type": "response.output_text.delta", "delta": delta} for delta in deltas]
    return events(*kinds, {"type": f"response.{last['status']}", "response": last}, done=False)


def asked_for(*due: Item, transcript: tuple[Item, ...] = (), run: int = 1, number: int = 1, **given: Any) -> Request:
    metadata = given.pop("metadata", {})
    assistant, instructions = given.pop("assistant", "editor"), given.pop("instructions", "Edit.")
    prompt = Prompt(assistant, instructions, given.pop("tools", ()), transcript, due, **given)
    return Request("t", run, number, "send", prompt, 1600.0, metadata)


async def talked(
    *turns: tuple[Request, bytes | list[bytes]], **options: Any
) -> tuple[list[list[Report]], Script, Waits]:
    """What one backend reports, request by request, and what it sent; each request is told what was last journaled."""
    replies = [reply for _, given in turns for reply in (given if isinstance(given, list) else [given])]
    clock = Waits(1000.0)
    found: list[list[Report]] = []
    async with scripted(*replies) as script:
        backend = Responses(
            "tiny", base_url=script.base_url, api_key="any", clock=clock, **{"stream": False, **options}
        )
        ref = ""
        for request, _ in turns:
            found.append([report async for report in backend.open(replace(request, ref=ref or request.ref))])
            ref = getattr(found[-1][-1], "ref", "") or ref
        await backend.close()
    return found, script, clock


# -- answers -----------------------------------------------------------------------------------------------------------


async def test_a_streamed_reply_is_told_in_pieces() -> None:
    """Text comes as deltas; the last event holds the whole, with what it took."""
    usage = {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 8}, "output_tokens": 2}
    reply = streamed("hel", "lo", last=made(said("hello"), usage=usage))
    found, script, _ = await talked((asked_for(HI), reply), stream=True)

    assert [
        [Delta("hel"), Delta("lo"), Ended(Status.COMPLETED, "hello", stored=1, usage=Usage(9, 8, 2, 1), ref=REF)]
    ] == found
    assert script.bodies[0]["stream"] is True


@pytest.mark.parametrize("stream", [True, False])
async def test_calls_are_reported_with_what_was_said_beside_them(stream: bool) -> None:
    """Function calls come in the model's order, other items are left out."""
    last = made({"type": "reasoning", "id": "rs_1"}, said("so"), *calls(LOOK, Asked("call_b", "open", '{"w":1}')))
    reply = streamed("so", last=last) if stream else response(last)
    found, _, _ = await talked((asked_for(HI), reply), stream=stream)

    assert Called((LOOK, Asked("call_b", "open", '{"w":1}')), "so", 1, ONE, REF) == found[0][-1]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        pytest.param("max_output_tokens", "the answer was cut off at its longest length", id="length"),
        pytest.param("content_filter", "a content filter stopped the answer", id="filter"),
        pytest.param("other", "the answer is incomplete: other", id="unknown"),
    ],
)
async def test_an_incomplete_response_keeps_its_text_and_drops_its_calls(reason: str, told: str) -> None:
    """Nobody chains from it, so the calls it was stored with never happened."""
    last = made(said("so"), *calls(LOOK), status="incomplete", incomplete_details={"reason": reason})
    found, _, _ = await talked((asked_for(HI), response(last)))

    assert Ended(Status.INCOMPLETE, "so", told, 1, usage=ONE) == found[0][-1]


async def test_a_refusal_is_a_reply_that_says_so() -> None:
    """What the model says to refuse is the reply."""
    last = made({"type": "message", "content": [{"type": "refusal", "refusal": "I cannot"}]})
    reply = events(
        {"type": "response.refusal.delta", "delta": "I cannot"}, {"type": "response.completed", "response": last}
    )
    found, _, _ = await talked((asked_for(HI), reply), stream=True)

    assert [
        Delta("I cannot"),
        Ended(Status.COMPLETED, "I cannot", "the model refused", 1, usage=ONE, ref=REF, extra=Extra(refused=True)),
    ] == found[0]


FINE = response(made(said("fine")))


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(error(500), id="500"),
        pytest.param(
            error(400, "Another process is currently operating on this conversation.", code="conversation_locked"),
            id="locked",
        ),
        pytest.param(
            response(made(status="failed") | {"error": {"code": "server_error", "message": "no"}}), id="failed"
        ),
        pytest.param(response(made(status="in_progress")), id="not-over"),
        pytest.param(response({}), id="no-response"),
        pytest.param(events({"type": "error", "code": "server_error", "message": "no"}), id="error-event"),
        pytest.param(
            streamed(last=made(status="failed") | {"error": {"code": "rate_limit_exceeded"}}), id="failed-event"
        ),
        pytest.param(events({"type": "response.output_text.delta", "delta": ""}, done=False), id="broken-off"),
    ],
)
async def test_a_failure_that_passes_is_asked_again(failure: bytes) -> None:
    """A response that failed or never ended is asked for again; the answer of the second attempt counts."""
    found, script, clock = await talked((asked_for(HI), [failure, FINE]), stream=True)

    assert Ended(Status.COMPLETED, "fine", stored=1, usage=ONE, ref=REF) == found[0][-1]
    assert script.bodies[0] == script.bodies[1]
    assert 1 == len(clock.slept)


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(error(400, "bad"), id="400"),
        pytest.param(
            response(made(status="failed") | {"error": {"code": "invalid_prompt", "message": "bad"}}), id="failed"
        ),
    ],
)
async def test_a_refusal_for_good_fails_the_run_at_once(failure: bytes) -> None:
    """What no waiting mends ends the run failed, nothing stored."""
    found, script, _ = await talked((asked_for(HI), failure))

    assert (Status.FAILED, 0) == (found[0][-1].status, found[0][-1].stored)
    assert found[0][-1].reason.endswith("bad")
    assert 1 == len(script.bodies)


# -- the chain ---------------------------------------------------------------------------------------------------------

FIRST = (asked_for(HI), response(made(*calls(LOOK))))
ASKED = (HI, Spoken("editor", 1, "", (LOOK,)))
ANSWERED = (*ASKED, SEEN, Spoken("editor", 1, "fine"))
SECOND = (asked_for(SEEN, transcript=ASKED, number=2), response(made(said("fine"), id="resp_2")))

USER_HI = {"role": "user", "content": "hi"}
USER_MORE = {"role": "user", "content": "more"}
OUTPUT = {"type": "function_call_output", "call_id": "call_a", "output": "nice"}
CALL = {"type": "function_call", "call_id": "call_a", "name": "look", "arguments": "{}"}


async def test_a_request_carries_what_the_response_before_does_not_hold() -> None:
    """The first is sent in full, the next ones name the response before them and bring what is new."""
    third = (asked_for(MORE, transcript=ANSWERED, run=2), FINE)
    _, script, _ = await talked(FIRST, SECOND, third)

    assert [None, "resp_1", "resp_2"] == [body.get("previous_response_id") for body in script.bodies]
    assert [[USER_HI], [OUTPUT], [USER_MORE]] == [body["input"] for body in script.bodies]
    assert [True] * 3 == [body["store"] for body in script.bodies]


async def test_a_handoff_rides_with_the_outputs() -> None:
    """The next assistant's request closes the open call and brings its own instructions, tools and note (H4, R2)."""
    note = Note("handoff", "You are reviewer.")
    tool = OfferedTool("publish", "Publish.", {"type": "object"})
    second = asked_for(SEEN, note, transcript=ASKED, run=2, assistant="reviewer", instructions="Review.", tools=(tool,))
    _, script, _ = await talked(FIRST, (second, FINE))

    body = script.bodies[1]
    assert ("resp_1", "Review.", ["publish"]) == (
        body["previous_response_id"],
        body["instructions"],
        [one["name"] for one in body["tools"]],
    )
    assert [OUTPUT, {"role": "user", "content": "You are reviewer."}] == body["input"]


async def test_without_a_link_the_transcript_is_sent_in_full() -> None:
    """After a restart the first request carries everything, calls with their outputs, and begins a new chain."""
    third = (asked_for(MORE, transcript=ANSWERED, run=2), response(made(said("ok"), id="resp_3")))
    fourth = (asked_for(HI, transcript=(*ANSWERED, MORE, Spoken("editor", 2, "ok")), run=3), FINE)
    _, script, _ = await talked(third, fourth)

    assert [USER_HI, CALL, OUTPUT, {"role": "assistant", "content": "fine"}, USER_MORE] == script.bodies[0]["input"]
    assert ("resp_3", [USER_HI]) == (script.bodies[1]["previous_response_id"], script.bodies[1]["input"])


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(
            error(400, "Previous response with id 'resp_1' not found.", code="previous_response_not_found"), id="gone"
        ),
        pytest.param(error(404, "Previous response with id 'resp_1' not found."), id="gone-404"),
        pytest.param(error(404, "Response with id 'resp_1' not found."), id="gone-vllm"),
        pytest.param(error(400, "There is no parent.", code="previous_response_not_found"), id="gone-by-its-code"),
        pytest.param(error(400, "No tool output found for function call call_x."), id="poisoned"),
        pytest.param(
            error(400, "No tool call found for function call output with call_id call_a."), id="another-chain"
        ),
    ],
)
async def test_a_chain_that_cannot_be_built_on_is_left(refusal: bytes) -> None:
    """The same request goes out at once with the whole transcript (R4-R6)."""
    found, script, clock = await talked(FIRST, (SECOND[0], [refusal, FINE]))

    assert Status.COMPLETED is found[1][-1].status
    assert "previous_response_id" not in script.bodies[2]
    assert [USER_HI, CALL, OUTPUT] == script.bodies[2]["input"]
    assert [] == clock.slept


async def test_a_transcript_that_is_not_in_the_server_fails_once() -> None:
    """If the whole transcript is refused too, the run fails with the server's words."""
    lost = error(400, "No tool output found for function call call_x.")
    found, script, _ = await talked(FIRST, (SECOND[0], [lost, lost]))

    assert (Status.FAILED, 3) == (found[1][-1].status, len(script.bodies))


@pytest.mark.parametrize(
    "ref",
    [
        pytest.param("", id="nothing"),
        pytest.param("thread thread_1", id="another-protocol"),
        pytest.param("conversation conv_1 2 msg_1 -", id="a-conversation"),
        pytest.param("response resp_1 two - -", id="nonsense"),
        pytest.param("response resp_1 9 - -", id="more-than-was-said"),
        pytest.param("response resp_1 1 - -", id="not-an-answer"),
    ],
)
async def test_what_is_not_known_is_not_built_on(ref: str) -> None:
    """A name that another backend journaled, or that does not fit the transcript, is left alone."""
    transcript = (HI, Spoken("editor", 1, "fine"))
    request = replace(asked_for(MORE, transcript=transcript, run=2), ref=ref)
    _, script, _ = await talked((request, FINE))

    assert "previous_response_id" not in script.bodies[-1]
    assert 3 == len(script.bodies[-1]["input"])


async def test_a_chain_goes_on_after_a_restart() -> None:
    """What was journaled is all another process needs: it brings what is new (C4)."""
    transcript = (HI, Spoken("editor", 1, "fine"))
    request = replace(asked_for(MORE, transcript=transcript, run=2), ref=REF)
    _, script, _ = await talked((request, FINE))

    assert ("resp_1", [USER_MORE]) == (script.bodies[0]["previous_response_id"], script.bodies[0]["input"])


async def test_an_incomplete_answer_is_not_built_on() -> None:
    """The next request chains from the response before it and brings the words that were kept (C2)."""
    cut = response(made(said("so"), *calls(LOOK), id="resp_2", status="incomplete"))
    transcript = (HI, Spoken("editor", 1, "fine"), MORE, Spoken("editor", 2, "so"))
    _, script, _ = await talked(
        (asked_for(HI), FINE),
        (asked_for(MORE, transcript=transcript[:2], run=2), cut),
        (asked_for(HI, transcript=transcript, run=3), FINE),
    )

    assert "resp_1" == script.bodies[2]["previous_response_id"]
    assert [USER_MORE, {"role": "assistant", "content": "so"}, USER_HI] == script.bodies[2]["input"]


async def test_an_open_call_without_its_output_is_never_left_open() -> None:
    """If the output is not there, the chain is left, and the call is told as a line of text (I15)."""
    _, script, _ = await talked(FIRST, (asked_for(MORE, transcript=ASKED, run=2), FINE))

    assert "previous_response_id" not in script.bodies[1]
    assert [USER_HI, {"role": "assistant", "content": '(editor called "look" with {})'}, USER_MORE] == script.bodies[1][
        "input"
    ]


async def test_calls_that_were_renamed_are_not_built_on() -> None:
    """An id the transcript has already gets another one of ours, which the server does not know."""
    again = (asked_for(MORE, transcript=ANSWERED, run=2), response(made(*calls(LOOK), id="resp_3")))
    found, script, _ = await talked(FIRST, SECOND, again)
    (renamed,) = found[2][-1].calls
    output = Output(2, 1, renamed.id, "look", "nice")
    transcript = (*ANSWERED, MORE, Spoken("editor", 2, "", (renamed,)))
    _, script, _ = await talked(FIRST, SECOND, again, (asked_for(output, transcript=transcript, run=2, number=2), FINE))

    assert renamed.id != "call_a"
    assert "resp_2" == script.bodies[3]["previous_response_id"]
    assert [USER_MORE, {**CALL, "call_id": renamed.id}, {**OUTPUT, "call_id": renamed.id}] == script.bodies[3]["input"]


async def test_a_view_is_sent_in_full_and_not_built_on() -> None:
    """The server would show its whole chain, so an assistant that sees less gets what it sees, each time."""
    transcript = (HI, Spoken("editor", 1, "fine"))
    forgetful = asked_for(MORE, transcript=transcript, run=2, view=1)
    after = (*transcript, MORE, Spoken("editor", 2, "ok"))
    _, script, _ = await talked(
        (asked_for(HI), FINE),
        (forgetful, response(made(said("ok"), id="resp_2"))),
        (asked_for(HI, transcript=after, run=3), FINE),
    )

    assert [None, None, "resp_1"] == [body.get("previous_response_id") for body in script.bodies]
    assert [USER_MORE] == script.bodies[1]["input"]
    assert [USER_MORE, {"role": "assistant", "content": "ok"}, USER_HI] == script.bodies[2]["input"]


async def test_a_chain_that_has_grown_too_long_is_begun_anew_and_shorter() -> None:
    """Older turns are left out once, and the next request builds on what was taken (T3)."""
    too_long = error(400, "no", code="context_length_exceeded")
    one, two = Spoken("editor", 1, "one " * 20), Spoken("editor", 2, "two")
    transcript = (HI, one, MORE, two)
    third = asked_for(HI, transcript=transcript, run=3)
    fourth = asked_for(MORE, transcript=(*transcript, HI, Spoken("editor", 3, "fine")), run=4)
    _, script, _ = await talked(
        (asked_for(HI), response(made(said(one.text)))),
        (asked_for(MORE, transcript=transcript[:2], run=2), response(made(said("two"), id="resp_2"))),
        (third, [too_long, response(made(said("fine"), id="resp_3"))]),
        (fourth, FINE),
    )

    assert [None, "resp_1", "resp_2", None, "resp_3"] == [body.get("previous_response_id") for body in script.bodies]
    assert [USER_MORE, {"role": "assistant", "content": "two"}, USER_HI] == script.bodies[3]["input"]


# -- our own transcript ------------------------------------------------------------------------------------------------


async def test_with_our_own_history_nothing_is_stored_and_all_is_sent() -> None:
    """Each request carries the transcript, and the server is told to keep nothing."""
    _, script, _ = await talked(FIRST, SECOND, history="own")

    assert [False, False] == [body["store"] for body in script.bodies]
    assert [[USER_HI], [USER_HI, CALL, OUTPUT]] == [body["input"] for body in script.bodies]
    assert all("previous_response_id" not in body and "include" not in body for body in script.bodies)


async def test_reasoning_goes_back_before_its_calls() -> None:
    """What the model thought stands before the calls it led to, as it came, for as long as the run lasts."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xyz"}
    first = (asked_for(HI), response(made(thought, *calls(LOOK))))
    third = (asked_for(MORE, transcript=ANSWERED, run=2), FINE)
    _, script, _ = await talked(first, SECOND, third, history="own", reasoning=True)

    assert [["reasoning.encrypted_content"]] * 3 == [body["include"] for body in script.bodies]
    assert [USER_HI, thought, CALL, OUTPUT] == script.bodies[1]["input"]
    assert thought not in script.bodies[2]["input"]


# -- what is sent ------------------------------------------------------------------------------------------------------


async def test_options_and_tools_are_sent() -> None:
    """Model, temperature, length, tools and choice are those of the assistant."""
    options = {"model": "big", "temperature": 0.0, "max_output_tokens": 16, "tool_choice": "look"}
    tool = OfferedTool("look", "Look.", {"type": "object"}, strict=False)
    _, script, _ = await talked((asked_for(HI, options=options, tools=(tool,)), FINE))

    body = script.bodies[0]
    assert ("big", 0.0, 16) == (body["model"], body["temperature"], body["max_output_tokens"])
    assert {"type": "function", "name": "look"} == body["tool_choice"]
    assert [
        {"type": "function", "name": "look", "description": "Look.", "parameters": {"type": "object"}, "strict": False}
    ] == body["tools"]


async def test_a_forced_call_is_forced_once_a_run() -> None:
    """A choice that forces a call holds for the first request of a run alone."""
    tool = OfferedTool("look", "Look.", {"type": "object"})
    _, script, _ = await talked((asked_for(HI, options={"tool_choice": "required"}, tools=(tool,), number=2), FINE))

    assert "tool_choice" not in script.bodies[0]


async def test_assistant_and_metadata_are_mirrored_as_far_as_they_fit() -> None:
    """Sixteen pairs of short texts go along; what is unset or too long is left out (M6)."""
    metadata: Any = {"page": "about", "count": 2, "unset": None, "long": "x" * 513, "k" * 65: "y"}
    metadata |= {f"f{number}": "v" for number in range(20)}
    _, script, _ = await talked((asked_for(HI, metadata=metadata), FINE))

    mirrored = script.bodies[0]["metadata"]
    assert {"assistant": "editor", "thread": "t", "page": "about", "count": "2"}.items() <= mirrored.items()
    assert 16 == len(mirrored)
    assert {"unset", "long", "k" * 65}.isdisjoint(mirrored)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        pytest.param({"history": "theirs"}, "history='theirs'", id="history"),
        pytest.param({"reasoning": True}, "goes with history='own'", id="reasoning-in-a-chain"),
        pytest.param({"background": True, "history": "own"}, "needs a stored response", id="background-unstored"),
    ],
)
def test_what_cannot_work_is_refused(options: Any, problem: str) -> None:
    """Options that do not go together are refused where the backend is made."""
    with pytest.raises(ConfigurationError, match=problem):
        Responses("tiny", base_url="http://localhost/v1", **options)
