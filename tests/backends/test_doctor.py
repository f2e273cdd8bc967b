"""`handoff doctor`: what is found of a server over a socket, and what is said of one that cannot be used."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from handoff.doctor import Report, examine
from handoff.sandbox import Faults, Sandbox, Scripted, serving
from tests.support.cli import Commands, handoff
from tests.support.grudging import Grudging, Judge, no
from tests.support.waits import Waits

__all__ = ["handoff"]  # the fixture

SECRET = "key-very-secret-0123456789"  # noqa: S105 - opens the servers of these tests
Body = Mapping[str, Any]


async def found(judge: Judge, **options: Any) -> tuple[Report, Grudging]:
    """What is found of a server that a test stands in front of."""
    server = Grudging(judge)
    with serving(server) as url:
        return await examine(url, clock=Waits(), **options), server


def able(report: Report) -> dict[str, bool | None]:
    """What the server can do, by probe."""
    return {one.probe: one.able for one in report.findings}


def seen(report: Report, probe: str) -> str:
    """What a probe saw."""
    return next(one.seen for one in report.findings if one.probe == probe)


# -- what a server can do ----------------------------------------------------------------------------------------------


async def test_a_server_that_can_do_all_is_found_able() -> None:
    """The sandbox passes every probe, and every backend fits, with the options to say so."""
    report, server = await found(lambda *_: None)

    assert "" == report.problem
    assert {True} == set(able(report).values())
    assert ["responses", "chat", "assistants"] == [fit.backend for fit in report.fits]
    assert ("HANDOFF_HISTORY=chain",) == report.fits[0].settings
    assert ("--backend", "responses", "--base-url", report.base_url) == report.fits[0].options[:4]
    assert 30 >= len(server.asked)


async def test_nothing_is_left_behind() -> None:
    """What the probes made on the server is deleted again."""
    _, server = await found(lambda *_: None)

    assert ({}, {}, {}) == (server.world.assistants, server.world.threads, server.world.conversations)


@pytest.mark.parametrize(
    ("field", "probe"),
    [
        pytest.param("stream_options", "counts streamed answers", id="stream_options"),
        pytest.param("strict", "strict tools", id="strict"),
        pytest.param("name", "names of speakers", id="name"),
    ],
)
async def test_what_requests_have_to_do_without_is_said(field: str, probe: str) -> None:
    """A server that refuses a field on Chat still fits: requests leave it out."""

    def judge(_: str, path: str, body: Body, __: Any) -> Response | None:
        if path != "/chat/completions":
            return None
        there = {
            "stream_options": "stream_options" in body,
            "strict": "strict" in json.dumps(body.get("tools", [])),
            "name": any("name" in one for one in body["messages"]),
        }
        return no(f"property '{field}' is not supported") if there[field] else None

    report, _ = await found(judge)

    assert False is able(report)[probe]
    assert "chat" in [fit.backend for fit in report.fits]


@pytest.mark.parametrize(
    ("ignores", "said"),
    [
        pytest.param({"named"}, "a call can be forced by required", id="by-name"),
        pytest.param({"named", "required"}, "taken, but the model called none", id="at-all"),
    ],
)
async def test_a_server_may_ignore_that_a_call_is_forced(ignores: set[str], said: str) -> None:
    """What is ignored is found out by what comes back."""

    def judge(_: str, path: str, body: Body, __: Any) -> Response | None:
        choice = body.get("tool_choice")
        kind = "named" if isinstance(choice, dict) else choice
        if path != "/chat/completions" or kind not in ignores:
            return None
        message = {"role": "assistant", "content": "hello"}
        return JSONResponse({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})

    report, _ = await found(judge)

    assert said == seen(report, "chat: tools")
    assert "required" not in ignores or "called no tool" in report.fits[-2].note + report.fits[1].note


@pytest.mark.parametrize(
    ("refuses", "said"),
    [
        pytest.param(True, "allowed_tools is not supported", id="refused"),
        pytest.param(False, "it may be ignored", id="ignored"),
    ],
)
async def test_a_server_may_not_restrict_a_list_of_tools(refuses: bool, said: str) -> None:
    """It is refused, or taken and ignored; the protocol fits all the same."""

    def judge(_: str, path: str, body: Body, send: Any) -> Response | None:
        choice = body.get("tool_choice")
        if path != "/chat/completions" or not isinstance(choice, dict) or choice["type"] != "allowed_tools":
            return None
        if refuses:
            return no("tool_choice allowed_tools is not supported")
        return JSONResponse({"choices": [{"index": 0, "message": {"content": "OK"}, "finish_reason": "stop"}]})

    report, _ = await found(judge)

    assert said in seen(report, "chat: allowed_tools")
    assert (True, True) == (able(report)["responses: allowed_tools"], "chat" in [fit.backend for fit in report.fits])


async def test_a_server_without_tools_does_not_pass_for_one_with() -> None:
    """The fit says that a flow cannot hand over there."""

    def judge(_: str, path: str, body: Body, __: Any) -> Response | None:
        return no("tools are for others") if path == "/chat/completions" and "tools" in body else None

    report, _ = await found(judge)

    assert "400: tools are for others" == seen(report, "chat: tools")
    assert ["flows cannot hand over there"] == [
        fit.note.partition(": ")[2] for fit in report.fits if fit.backend == "chat"
    ]


@pytest.mark.parametrize(
    ("refuses", "said"),
    [
        pytest.param(True, "400: llama.cpp does not support 'previous_response_id'.", id="refused"),
        pytest.param(False, "taken and ignored: the server keeps no responses", id="ignored"),
    ],
)
async def test_a_server_that_keeps_no_responses_gets_the_whole_transcript(refuses: bool, said: str) -> None:
    """Whether `previous_response_id` is refused or silently ignored, the history is ours."""

    def judge(_: str, path: str, body: Body, __: Any) -> Response | None:
        if path != "/responses" or "previous_response_id" not in body:
            return None
        if refuses:
            return no("llama.cpp does not support 'previous_response_id'.")
        return JSONResponse({"id": "resp_1", "object": "response", "status": "completed", "output": [], "error": None})

    report, _ = await found(judge)

    assert said == seen(report, "responses: previous_response_id")
    assert [("HANDOFF_HISTORY=own",)] == [fit.settings for fit in report.fits if fit.backend == "responses"]
    assert "chat" == report.fits[0].backend


async def test_a_server_of_chat_alone_is_known_by_its_models() -> None:
    """Other protocols are said to be missing; the profile goes into the options."""

    def judge(method: str, path: str, _: Body, __: Any) -> Response | None:
        if path == "/models":
            return JSONResponse({"object": "list", "data": [{"id": "tiny", "object": "model", "owned_by": "llamacpp"}]})
        return None if path == "/chat/completions" else no(f"no {method} {path}", 404)

    report, _ = await found(judge)

    assert ("llama.cpp", "tiny") == (report.profile, report.model)
    assert [("chat", ("--profile", "llama.cpp"))] == [(fit.backend, fit.options[-2:]) for fit in report.fits]
    assert "there are none" == seen(report, "assistants")


async def test_a_model_can_be_named_where_none_is_listed() -> None:
    """A list of models is no condition."""
    judge: Judge = lambda _, path, __, ___: no("no such thing", 404) if path == "/models" else None  # noqa: E731
    unnamed, _ = await found(judge)
    named, _ = await found(judge, model="tiny")

    assert "it lists no model: name one with --model" == unnamed.problem
    assert ("", "tiny") == (named.problem, named.model)


async def test_a_thread_that_does_not_lock_is_noticed() -> None:
    """A server of Assistants that takes a message beside a run is no trouble for us, but is said."""
    refused = 0

    def judge(_: str, path: str, __: Body, ___: Any) -> Response | None:
        nonlocal refused
        if path.endswith("/messages"):
            refused += 1
            return JSONResponse({"id": "msg_1", "object": "thread.message"})
        return None

    report, _ = await found(judge)

    assert (1, False) == (refused, able(report)["assistants: lock"])


async def test_a_run_that_was_over_before_a_message_met_it_says_nothing_of_the_lock() -> None:
    """A model that answers at once, without the call it was told to make, leaves no time to try the lock."""

    def judge(method: str, path: str, __: Body, ___: Any) -> Response | None:
        if path.endswith("/messages"):
            return JSONResponse({"id": "msg_1", "object": "thread.message"})
        if method == "GET" and "/runs/" in path:
            return JSONResponse({"id": "run_1", "object": "thread.run", "status": "completed"})
        return None

    report, _ = await found(judge)

    assert able(report)["assistants: lock"] is None
    assert "the run was completed before a message met it" == seen(report, "assistants: lock")


# -- a server that cannot be used --------------------------------------------------------------------------------------


async def test_a_dead_port_is_said_to_be_dead() -> None:
    """Nothing listens: the report says so and asks no further."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    report = await examine(f"http://127.0.0.1:{port}/v1")

    assert report.problem.startswith("nothing answers there (ConnectError")
    assert () == report.findings


async def test_a_server_that_never_answers_is_given_up() -> None:
    """The wait is bounded."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        report = await examine(f"http://127.0.0.1:{silent.getsockname()[1]}/v1", seconds=0.2)

    assert "nothing answers there (no answer within 0.2 s)" in report.problem


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(HTMLResponse("<h1>hi</h1>"), "it answers 200 with text/html instead of JSON: the", id="html"),
        pytest.param(Response(b"\xff", 502), "it answers 502 with something instead of JSON", id="a-gateway"),
        pytest.param(
            RedirectResponse(f"https://elsewhere/v1?key={SECRET}", 308),
            "it redirects to https://elsewhere/v1: name the place",
            id="redirect",
        ),
        pytest.param(JSONResponse([1, 2]), "it lists no model", id="another-json"),
        pytest.param(no("Incorrect API key provided.", 401), "the key was refused (401: Incorrect", id="wrong-key"),
        pytest.param(no(f"what is {SECRET}?", 403), "the key was refused (403: what is ***?)", id="an-echo-of-the-key"),
    ],
)
async def test_what_is_no_api_is_said_to_be_none(answer: Response, said: str) -> None:
    """The problem says what came, and what to do."""
    report, server = await found(lambda *_: answer, api_key=SECRET)

    assert said in report.problem
    assert SECRET not in json.dumps(report.as_json())
    assert [("GET", "/models")] == server.asked


async def test_a_base_url_without_its_end_is_completed() -> None:
    """Where the API is one step below, the report says the address."""
    with serving(Sandbox()) as url:
        report = await examine(url.removesuffix("/v1"))

    assert report.problem.endswith(f": the API is at {url}")


async def test_a_server_that_breaks_on_everything_fits_nothing() -> None:
    """No backend gets an answer: the problem says so, the findings why."""

    def judge(_: str, path: str, __: Body, ___: Any) -> Response | None:
        return None if path == "/models" else no("on fire", 418)

    report, _ = await found(judge)

    assert ("no backend fits: see what it answered above", ()) == (report.problem, report.fits)
    assert "418: on fire" == seen(report, "chat")


async def test_a_server_that_goes_away_halfway_is_said_to() -> None:
    """What was found before is in the report."""
    dropping = Sandbox(faults=Faults([Scripted("drop_before", "assistants.create")]))
    with serving(dropping) as url:
        report = await examine(url, clock=Waits())

    assert report.problem.startswith("it stopped answering (")


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that takes one key only, which the environment holds."""
    monkeypatch.setenv("DESK_KEY", SECRET)
    with serving(Sandbox(token=SECRET)) as base_url:
        yield base_url


def test_the_command_says_what_fits(handoff: Commands, url: str) -> None:
    """Rows for people, then the command lines to use; exit code 0."""
    found = handoff("doctor", "--base-url", url, "--api-key-env", "DESK_KEY")

    assert (0, "") == (found.code, found.err)
    assert f"{url}: handoff-sandbox was asked" == found.out.splitlines()[0]
    assert f"  handoff chat FLOW --backend chat --base-url {url} --model handoff-sandbox" in found.out.splitlines()


def test_what_the_command_advises_works(handoff: Commands, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options that are said to fit run a flow."""
    report = handoff("doctor", "--base-url", url, "--api-key-env", "DESK_KEY", "--json").events[0]
    fits = [fit for fit in report["fits"] if fit["backend"] != "assistants"]
    for setting in fits[0]["settings"]:
        name, _, value = setting.partition("=")
        monkeypatch.setenv(name, value)
    codes = [handoff("run", "desk.py", "hi", *fit["options"], "--api-key-env", "DESK_KEY").code for fit in fits]

    assert ["responses", "chat"] == [fit["backend"] for fit in fits]
    assert [0, 0] == codes


def test_the_command_ends_with_3_where_nothing_fits(handoff: Commands, url: str) -> None:
    """The problem stands on standard error, also beside JSON; the key does not."""
    found = handoff("doctor", "--base-url", url, "--json")

    assert 3 == found.code
    assert "the key was refused" in found.err
    assert found.events[0]["problem"] in found.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param([], "give --base-url URL", id="nothing"),
        pytest.param(["--base-url", f"http://me:{SECRET}@h/v1"], "leave them out", id="credentials"),
        pytest.param(["--base-url", "http://h/v1", "--api-key-env", SECRET], "NAME of one", id="the-key-itself"),
    ],
)
def test_the_command_refuses_what_it_cannot_ask(
    handoff: Commands, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    """Exit code 3 and a sentence without secrets."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    found = handoff("doctor", *options)

    assert (3, "") == (found.code, found.out)
    assert said in found.err
    assert SECRET not in found.err
