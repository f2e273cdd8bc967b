"""The sandbox as a server: addresses, tokens, the command, the asynchronous SDK over a socket, and what it imports."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from handoff import ConfigurationError
from handoff.cli.exits import Exit, UsageRefused
from handoff.cli.sandbox import load_model
from handoff.sandbox import Sandbox, serve, serving
from handoff.sandbox.model import PlainModel
from tests.sandbox.conftest import FLAT
from tests.support.cli import ROOT

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")  # the SDK calls Assistants deprecated

LOUD = """
from handoff import Answer

class Loud:
    def answer(self, prompt):
        return Answer("LOUD")

model = Loud()
"""


async def test_the_asynchronous_sdk_streams_over_a_socket(base_url: str) -> None:
    """Events of a response and of a run come to the asynchronous helpers as they happen."""
    async with openai.AsyncOpenAI(base_url=base_url, api_key="any") as client:
        async with client.responses.stream(model="any", input="call add {}", tools=[FLAT]) as stream:
            kinds = [event.type async for event in stream]
            response = await stream.get_final_response()
        by = await client.beta.assistants.create(model="any")
        thread = await client.beta.threads.create(messages=[{"role": "user", "content": "hi"}])
        async with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id=by.id) as run:
            text = "".join([delta async for delta in run.text_deltas])

    assert "response.completed" == kinds[-1]
    assert ["function_call"] == [item.type for item in response.output]
    assert "You said: hi" == text


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        pytest.param({}, 401, None, id="none"),
        pytest.param({"Authorization": "Bearer wrong"}, 401, "invalid_api_key", id="wrong"),
        pytest.param({"Authorization": "Basic right"}, 401, None, id="scheme"),
        pytest.param({"Authorization": "Bearer right"}, 200, None, id="right"),
    ],
)
async def test_only_the_token_is_taken(headers: dict[str, str], status: int, code: str | None) -> None:
    """With a token a request needs it; what is refused says why."""
    transport = httpx2.ASGITransport(app=Sandbox(token="right"))  # noqa: S106 - of nothing
    async with httpx2.AsyncClient(transport=transport, base_url="http://sandbox/v1") as client:
        response = await client.get("/models", headers=headers)

    assert status == response.status_code
    assert code == response.json().get("error", {}).get("code")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])  # noqa: S104 - to be refused
def test_off_loopback_a_token_is_needed(host: str) -> None:
    """What others can reach is not served without a token."""
    with pytest.raises(ConfigurationError, match="give a token, or listen on"):
        serve(Sandbox(), host=host, port=0, started=print)


def test_a_port_that_is_taken_is_refused() -> None:
    """The text says which address could not be listened on."""
    with serving(Sandbox()) as url, pytest.raises(ConfigurationError, match=r"cannot listen on 127\.0\.0\.1"):
        serve(Sandbox(), host="127.0.0.1", port=httpx2.URL(url).port or 0, started=print)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nowhere", 404, id="path"),
        pytest.param("GET", "/models/", 404, id="slash"),
        pytest.param("PUT", "/models", 405, id="method"),
    ],
)
def test_what_is_not_there_is_refused_as_json(base_url: str, method: str, path: str, status: int) -> None:
    """A path or method there is none of gets an error like any other."""
    response = httpx2.request(method, f"{base_url}{path}")

    assert status == response.status_code
    assert "invalid_request_error" == response.json()["error"]["type"]


def test_every_answer_has_an_id_of_its_own(client: openai.OpenAI, base_url: str) -> None:
    """A refusal can be named in a report, like any answer."""
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("nowhere")
    ids = [
        refused.value.request_id,
        *(httpx2.get(f"{base_url}/{path}").headers["x-request-id"] for path in ("models", "")),
    ]

    assert ["req_"] * 3 == [str(one)[:4] for one in ids]
    assert 3 == len(set(ids))


def test_there_is_one_model(client: openai.OpenAI) -> None:
    """One model is listed; another is not found."""
    (model,) = client.models.list().data

    assert model == client.models.retrieve(model.id)
    with pytest.raises(openai.NotFoundError, match="The model 'gpt' does not exist"):
        client.models.retrieve("gpt")


@pytest.mark.parametrize(
    "options", [{"expire": 0}, {"expire": math.inf}, {"expire": math.nan}, {"poll_milliseconds": 0}], ids=str
)
def test_numbers_of_nothing_are_refused(options: dict[str, Any]) -> None:
    """Times must be more than nothing, and no endless ones."""
    with pytest.raises(ConfigurationError, match="more than nothing"):
        Sandbox(**options)


def test_the_command_serves_until_ctrl_c(tmp_path: Path) -> None:
    """`handoff sandbox` prints where it listens, answers by the model it was given, and ends by Ctrl-C with 130."""
    (tmp_path / "shop.py").write_text(LOUD)
    command = [sys.executable, "-m", "handoff.cli", "sandbox", "--port", "0", "--model", "shop:model"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with openai.OpenAI(base_url=url, api_key="any") as client:
            said = client.responses.create(model="any", input="hi").output_text
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=15)

    assert "LOUD" == said
    assert Exit.INTERRUPTED == code


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        pytest.param("shop", "names no model object", id="no-object"),
        pytest.param("nowhere_at_all:model", "cannot be imported", id="no-module"),
        pytest.param("handoff.sandbox.model:Other", "has no Other", id="no-name"),
        pytest.param("handoff.sandbox.model:PlainModel", "is no model object", id="class"),
        pytest.param("handoff.sandbox.model:FORCED", "is no model object", id="no-answer"),
        pytest.param("tests.threads.test_sync:FLOW", "has no offline rules", id="flow-without-rules"),
    ],
)
def test_a_model_that_is_none_is_refused(named: str, problem: str) -> None:
    """What is no model object is refused with what to write."""
    with pytest.raises(UsageRefused, match=problem):
        load_model(named)


def test_a_model_object_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """`module:object` is the object itself, also inside another."""
    import handoff.sandbox.model

    monkeypatch.setattr(handoff.sandbox.model, "one", PlainModel(), raising=False)

    assert handoff.sandbox.model.one is load_model("handoff.sandbox.model:one")


def test_a_flow_stands_for_its_offline_rules() -> None:
    """What plays the model where nothing else is given is named by naming the flow."""
    from flows.site_editor import flow

    assert flow.offline is load_model("flows.site_editor:flow")


@pytest.mark.parametrize("module", ["handoff", "handoff.sandbox", "handoff.cli"])
def test_the_web_server_is_imported_when_it_is_used(module: str) -> None:
    """Neither the package nor its command line loads what the sandbox needs."""
    heavy = {"starlette", "uvicorn", "jsonschema_rs", "httpx2"}
    script = f"import sys, {module}; sys.exit(bool({heavy} & set(sys.modules)))"

    assert 0 == subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT).returncode


def test_without_its_extra_the_sandbox_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing web server is named, with the extra that brings it."""
    import handoff.sandbox

    monkeypatch.delitem(sys.modules, "handoff.sandbox.app")
    monkeypatch.setitem(sys.modules, "starlette.applications", None)

    with pytest.raises(ConfigurationError, match=r"needs starlette.*handoff-flows\[sandbox\]"):
        handoff.sandbox.__getattr__("Sandbox")
