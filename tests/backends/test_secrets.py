"""A key is told to the server it opens and to nobody else: no log, journal, event, error, line or report holds it."""

from __future__ import annotations

import json
import logging
import sqlite3
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from handoff import ConfigurationError, Connection, RunFailed, SqlStore, Threads, connect
from handoff.backends.assistants import Assistants
from handoff.backends.base import Backend
from handoff.backends.chat import Chat
from handoff.backends.responses import Responses
from handoff.doctor import examine
from handoff.events import as_json
from handoff.sandbox import serving
from tests.support.cli import Commands, handoff
from tests.support.grudging import Grudging, no
from tests.support.waits import Waits
from tests.support.workshop import Bench, build

__all__ = ["handoff"]  # the fixture

FLOW = build()
#: Unlike anything else, and unlike what is known to look like a key.
SECRET = "Zq7vXk2m.Geheim_41"  # noqa: S105 - opens nothing


def key_in(headers: Mapping[str, str]) -> str:
    """The key of a request."""
    return headers["authorization"].removeprefix("Bearer ")


def sse(text: str) -> Response:
    """A stream of one event."""
    return StreamingResponse(iter([f"data: {text}\n\n"]), media_type="text/event-stream")


#: How a server can give the key back that it was given.
ECHOES = {
    "401": lambda key: no(f"Incorrect API key provided: {key}.", 401, code="invalid_api_key"),
    "400": lambda key: no(f"You sent 'Authorization: Bearer {key}'", param=key),
    "429": lambda key: no(f"{key} has spent its quota", 429, code="insufficient_quota"),
    "500": lambda key: no(f"cannot look up {key}", 500),
    "html": lambda key: HTMLResponse(f"<pre>{key}</pre>"),
    "html-refusal": lambda key: HTMLResponse(f"<pre>{key}</pre>", 403),
    "text": lambda key: Response(f'{{"error": "{key}"', 200, media_type="application/json"),
    "string-error": lambda key: JSONResponse({"error": f"what is {key}?"}, 400),
    "other-json": lambda key: JSONResponse({"key": key}, 418),
    "in-a-stream": lambda key: sse(json.dumps({"error": {"message": f"no {key}", "code": key}})),
    "broken-stream": lambda key: sse(f"{{{key}"),
}


@pytest.fixture(params=list(ECHOES))
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that gives the key back in each of these ways."""
    with serving(Grudging(lambda _, __, ___, headers: ECHOES[request.param](key_in(headers)))) as base_url:
        yield base_url


class Records(logging.Handler):
    """Keeps all that is logged, as text with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, with its arguments."""
        self.lines.append(f"{self.format(record)} {record.args!r} {vars(record)!r}")


@pytest.fixture(autouse=True)
def logged() -> Iterator[Records]:
    """All that is logged during the test, of any library, at any level."""
    records, root = Records(), logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(records)
    for name in ("openai", "httpx2", "httpcore2", "handoff"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    yield records
    root.removeHandler(records)
    root.setLevel(before)
    for name in ("openai", "httpx2", "httpcore2", "handoff"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def told_by(error: BaseException) -> str:
    """All that an exception tells, its causes and where it came from included."""
    chain, found = [], error
    while found is not None and found not in chain:
        chain.append(found)
        found = found.__cause__ or found.__context__
    return "\n".join([*traceback.format_exception(error), *map(repr, chain), *map(str, chain)])


def kept_in(path: Path) -> str:
    """All that a database file holds."""
    database = sqlite3.connect(path)
    tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
    rows = [repr(database.execute(f"select * from {table}").fetchall()) for table in tables]  # noqa: S608 - its own names
    database.close()
    assert any("RunEnded" in row for row in rows)
    return "\n".join(rows)


def backend(kind: str, url: str, *, stream: bool) -> Backend:
    """A backend that opens that server with the secret."""
    made = {"chat": Chat, "responses": Responses}[kind]
    return made("tiny", base_url=url, api_key=SECRET, stream=stream, clock=Waits())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("kind", ["chat", "responses"])
async def test_a_server_that_gives_the_key_back_is_not_passed_on(
    kind: str, url: str, tmp_path: Path, logged: Records, *, stream: bool
) -> None:
    """Neither the error, nor events, nor the journal, nor what any library logs holds the key."""
    told: list[Any] = []
    store = SqlStore(tmp_path / "t.db")
    async with Threads(FLOW, deps=Bench(), backend=backend(kind, url, stream=stream), store=store) as threads:
        thread = await threads.open("t")
        with threads.watching("t", told.append), pytest.raises(RunFailed) as failed:
            await thread.send("hello")
        kept = repr(thread.state)

    assert logged.lines
    assert SECRET not in "\n".join(logged.lines)
    assert SECRET not in told_by(failed.value) + kept
    assert SECRET not in json.dumps([as_json(event) for event in told])
    assert SECRET not in kept_in(tmp_path / "t.db")


async def test_a_key_of_a_client_that_was_handed_in_is_hidden_too(url: str, logged: Records) -> None:
    """The backend asks the client for its key, to leave it out of what it tells."""
    from openai import AsyncOpenAI

    async with (
        AsyncOpenAI(base_url=url, api_key=SECRET) as client,
        Threads(FLOW, deps=Bench(), backend=Chat("tiny", client=client, clock=Waits())) as threads,
    ):
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("hello")

    assert SECRET not in told_by(failed.value) + "\n".join(logged.lines)


async def test_an_examination_does_not_pass_it_on(url: str, logged: Records) -> None:
    """What a server says to the probes is told without the key."""
    report = await examine(url, api_key=SECRET, model="tiny", clock=Waits())

    assert report.problem
    assert SECRET not in json.dumps(report.as_json()) + repr(report) + "\n".join(logged.lines)


@pytest.mark.parametrize("url", ["401", "500", "in-a-stream"], indirect=True)
@pytest.mark.parametrize("command", ["run", "run --json", "doctor", "doctor --json", "cover"])
def test_the_command_line_does_not_pass_it_on(
    handoff: Commands, url: str, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Neither standard output nor standard error holds it, in either form."""
    monkeypatch.setenv("HANDOFF_API_KEY", SECRET)
    monkeypatch.setenv("HANDOFF_TIMEOUT", "1")
    monkeypatch.setattr("handoff.backends.wire.LONGEST_WAIT", 0.01)
    name, *options = command.split()
    server = ["--base-url", url, "--model", "tiny", *options]
    script = handoff.write("hi.txt", "hi\n")
    words = {"run": ["desk.py", "hi"], "doctor": [], "cover": ["desk.py", "--script", str(script)]}[name]
    found = handoff(name, *words, *server)

    assert found.code in {1, 3}
    assert SECRET not in found.out + found.err


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param({"base_url": f"http://me:{SECRET}@127.0.0.1:1/v1"}, id="password"),
        pytest.param({"base_url": f"http://{SECRET}@127.0.0.1:1/v1"}, id="user"),
        pytest.param({"base_url": f"http://127.0.0.1:1/v1?key={SECRET}"}, id="query"),
        pytest.param({"base_url": f"{SECRET}"}, id="the-key-in-the-wrong-place"),
        pytest.param({"api_key": f"{SECRET} {SECRET}"}, id="space"),
        pytest.param({"api_key": f"{SECRET}\r\nX-Header: 1"}, id="line-break"),
        pytest.param({"api_key": f"{SECRET}\u00e9"}, id="accent"),
    ],
)
@pytest.mark.parametrize("made", [Chat, Responses, Assistants, lambda model, **rest: connect(model=model, **rest)])
def test_a_setting_that_cannot_work_is_refused_without_repeating_it(made: Any, setting: dict[str, str]) -> None:
    """The refusal tells what to do, and its traceback holds no value either."""
    with pytest.raises(ConfigurationError) as refused:
        made("tiny", **{"base_url": "http://127.0.0.1:1/v1", **setting})

    assert SECRET not in told_by(refused.value)


def test_nothing_that_can_be_printed_shows_it() -> None:
    """A connection and the backends show no key."""
    connection = Connection(backend="chat", model="m", base_url="http://127.0.0.1:1/v1", api_key=SECRET)
    shown = [repr(connection), str(connection), connection.model_dump_json(), repr(connection.connect())]

    assert SECRET not in "\n".join(shown)


async def test_the_server_is_given_the_key() -> None:
    """The server does get the key: the tests above would pass with none."""
    got: list[str] = []

    def judge(_: str, __: str, ___: Any, headers: Mapping[str, str]) -> Response | None:
        got.append(headers["authorization"])
        return None

    with serving(Grudging(judge)) as url:
        async with Threads(FLOW, deps=Bench(), backend=backend("chat", url, stream=True)) as threads:
            await (await threads.open("t")).send("hello")

    assert [f"Bearer {SECRET}"] == got
