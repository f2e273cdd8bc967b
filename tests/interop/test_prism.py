"""Prism, a validating proxy, between the SDK and the sandbox: requests and answers fit OpenAI's document.

The document goes in without its contradictions, and with its `ErrorResponse` as the answer to what is refused. Prism
answers for itself where a request does not fit, and writes into a header what does not fit in an answer.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import openai
import pytest

from handoff.sandbox.routes import ROUTES
from tests.interop.processes import INSTALL_NODE, NODE, sandbox, wanting
from tests.sandbox.conformance import mended
from tests.sandbox.conftest import FLAT, TOOL

CALL = 'call add {"number": 3}'
#: In the SDK the Assistants API is deprecated. It is what this is about.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Watched:
    """The SDK through prism, and what passed."""

    def __init__(self, base_url: str) -> None:
        self.passed: list[tuple[str, str, int]] = []
        self.violations: list[str] = []
        self._http = httpx2.Client(event_hooks={"response": [self._note]})
        self.client = openai.OpenAI(base_url=base_url, api_key="any", max_retries=0, timeout=60, http_client=self._http)

    def close(self) -> None:
        self._http.close()

    def _note(self, response: httpx2.Response) -> None:
        request = response.request
        self.passed.append((request.method, request.url.path, response.status_code))
        broken = response.headers.get("sl-violations")
        if broken is not None:
            self.violations.append(f"{request.method} {request.url.path} {response.status_code}: {broken}")


@pytest.fixture(scope="module")
def contract(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The document as prism is given it."""
    whole = mended(document)
    refusal = {"description": "Refused", "content": {"application/json": {"schema": _schema("ErrorResponse")}}}
    for operations in whole["paths"].values():
        for operation in operations.values():
            operation["responses"] = {"200": operation["responses"]["200"], "4XX": refusal, "5XX": refusal}
    path = tmp_path_factory.mktemp("prism") / "openai.json"
    path.write_text(json.dumps(whole), "utf-8")
    return path


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


@contextmanager
def _prism(contract: Path, upstream: str) -> Iterator[str]:
    """Prism in front of a server."""
    if not (NODE / "prism").exists():
        wanting(f"no prism: {INSTALL_NODE}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [NODE / "prism", "proxy", "--errors", "--host", "127.0.0.1", "--port", str(port), contract, upstream]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while "is listening" not in "".join(lines[-1:]):
                lines.append(process.stdout.readline())
                assert lines[-1], "".join(lines)
            Thread(target=process.stdout.read, daemon=True).start()  # it would stop once nobody reads
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def watched(contract: Path) -> Iterator[Watched]:
    """Every operation of the sandbox once through prism, by the SDK."""
    with sandbox() as upstream, _prism(contract, upstream) as base_url:
        made = Watched(base_url)
        client = made.client
        try:
            for play in (_chat, _responses, _conversations, _assistants, _threads, _runs, _models, _refused):
                play(client)
            yield made
        finally:
            made.close()


def _chat(client: openai.OpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": CALL}]
    tools: Any = [TOOL]
    called = client.chat.completions.create(model="any", messages=asked, tools=tools).choices[0].message
    assert called.tool_calls is not None
    output: Any = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "3"}
    stored = client.chat.completions.create(
        model="any", messages=[*asked, called.model_dump(exclude_none=True), output], tools=tools, store=True
    )
    client.chat.completions.list()
    client.chat.completions.retrieve(stored.id)
    client.chat.completions.update(stored.id, metadata={"a": "b"})
    client.chat.completions.delete(stored.id)


def _responses(client: openai.OpenAI) -> None:
    tools: Any = [FLAT]
    called = client.responses.create(model="any", input=CALL, tools=tools)
    output: Any = {"type": "function_call_output", "call_id": called.output[0].call_id, "output": "3"}
    said = client.responses.create(model="any", previous_response_id=called.id, input=[output], instructions="Be kind.")
    client.responses.input_tokens.count(model="any", input="hello")
    client.responses.retrieve(said.id)
    client.responses.input_items.list(said.id)
    client.responses.delete(said.id)
    late = client.responses.create(model="any", input="hello", background=True)
    while client.responses.retrieve(late.id).status != "completed":
        pass


def _conversations(client: openai.OpenAI) -> None:
    item: Any = {"type": "message", "role": "user", "content": "hello"}
    made = client.conversations.create(items=[item], metadata={"a": "b"})
    client.conversations.retrieve(made.id)
    client.conversations.update(made.id, metadata={"a": "c"})
    [added] = client.conversations.items.create(made.id, items=[item]).data
    assert added.id is not None
    client.responses.create(model="any", conversation=made.id, input="hello")
    client.conversations.items.list(made.id)
    client.conversations.items.retrieve(added.id, conversation_id=made.id)
    client.conversations.items.delete(added.id, conversation_id=made.id)
    client.conversations.delete(made.id)


def _assistants(client: openai.OpenAI) -> None:
    tools: Any = [TOOL]
    made = client.beta.assistants.create(model="any", name="waiter", instructions="Be kind.", tools=tools)
    client.beta.assistants.list()
    client.beta.assistants.retrieve(made.id)
    client.beta.assistants.update(made.id, description="A waiter.")
    client.beta.assistants.delete(made.id)


def _threads(client: openai.OpenAI) -> None:
    made = client.beta.threads.create(messages=[{"role": "user", "content": "hello"}], metadata={"a": "b"})
    client.beta.threads.retrieve(made.id)
    client.beta.threads.update(made.id, metadata={"a": "c"})
    message = client.beta.threads.messages.create(made.id, role="user", content="hello")
    client.beta.threads.messages.list(made.id)
    client.beta.threads.messages.retrieve(message.id, thread_id=made.id)
    client.beta.threads.messages.update(message.id, thread_id=made.id, metadata={"a": "b"})
    client.beta.threads.messages.delete(message.id, thread_id=made.id)
    client.beta.threads.delete(made.id)


def _runs(client: openai.OpenAI) -> None:
    tools: Any = [TOOL]
    runs = client.beta.threads.runs
    assistant = client.beta.assistants.create(model="any", tools=tools)
    asked: Any = {"messages": [{"role": "user", "content": CALL}]}
    run = client.beta.threads.create_and_run(assistant_id=assistant.id, thread=asked)
    thread = run.thread_id
    run = runs.poll(run.id, thread_id=thread)
    assert run.required_action is not None
    [call] = run.required_action.submit_tool_outputs.tool_calls
    runs.submit_tool_outputs(run.id, thread_id=thread, tool_outputs=[{"tool_call_id": call.id, "output": "3"}])
    runs.poll(run.id, thread_id=thread)
    steps = runs.steps.list(run.id, thread_id=thread)
    runs.steps.retrieve(steps.data[0].id, thread_id=thread, run_id=run.id)
    runs.list(thread)
    runs.update(run.id, thread_id=thread, metadata={"a": "b"})
    run = runs.create(thread, assistant_id=assistant.id, additional_messages=asked["messages"])
    runs.poll(run.id, thread_id=thread)
    runs.cancel(run.id, thread_id=thread)


def _models(client: openai.OpenAI) -> None:
    client.models.retrieve(client.models.list().data[0].id)


def _refused(client: openai.OpenAI) -> None:
    """A refusal of each API; a cancel of what is not in the background."""
    said = client.responses.create(model="any", input="hello")
    orphan: Any = {"type": "function_call_output", "call_id": "call_0", "output": "3"}
    nothing: Any = {"role": "tool", "tool_call_id": "call_0", "content": "3"}
    for refused in (
        lambda: client.responses.cancel(said.id),
        lambda: client.responses.retrieve("resp_0"),
        lambda: client.responses.create(model="any", input=[orphan]),
        lambda: client.chat.completions.create(model="any", messages=[nothing]),
        lambda: client.conversations.retrieve("conv_0"),
        lambda: client.beta.threads.retrieve("thread_0"),
        lambda: client.models.retrieve("gpt"),
    ):
        with pytest.raises(openai.APIStatusError):
            refused()


def test_nothing_that_passes_breaks_the_document(watched: Watched) -> None:
    """Prism finds no violation in any request or answer, refusals included."""
    assert [] == watched.violations


def test_every_operation_passes(watched: Watched) -> None:
    """Each operation that the sandbox has went through prism, and was answered by the sandbox."""
    patterns = {route.name: re.compile(re.sub(r"\{\w+\}", "[^/]+", route.path)) for route in ROUTES}

    def name(method: str, path: str) -> str:
        # Where a path with an id in it fits as well as a fixed one, the fixed one was meant.
        fitting = [route for route in ROUTES if route.method == method and patterns[route.name].fullmatch(path)]
        return min(fitting, key=lambda route: route.path.count("{")).name

    assert {route.name for route in ROUTES} == {name(method, path) for method, path, _ in watched.passed}


def test_what_breaks_the_document_is_found(contract: Path) -> None:
    """An answer or a refusal that lacks what the document asks for does not pass: prism is no rubber stamp."""

    class Wrong(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = self.path.endswith("/models")
            wrong = (
                {"object": "list", "data": [{"id": "any", "object": "model"}]} if listed else {"error": {"code": 404}}
            )
            body = json.dumps(wrong).encode()
            self.send_response(200 if listed else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base class calls it
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Wrong) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        with _prism(contract, f"http://127.0.0.1:{server.server_address[1]}") as base_url:
            key = {"Authorization": "Bearer any"}
            answer, refusal = (httpx2.get(base_url + path, headers=key) for path in ("/models", "/models/any"))
        server.shutdown()

    assert [500, 500] == [answer.status_code, refusal.status_code]
    assert "created" in answer.text
    assert "message" in refusal.text
