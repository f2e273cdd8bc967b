"""What the sandbox's tests share: clients of the real SDK whose every JSON body is held against OpenAI's document."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx2
import openai
import pytest

from handoff.sandbox import Sandbox, serving
from handoff.testing.clock import OffsetClock
from tests.conftest import DATA, data_file
from tests.sandbox.conformance import Conformance

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Add a number.",
        "parameters": {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]},
    },
}
FLAT: dict[str, Any] = {"type": "function", **TOOL["function"], "strict": False}


def named(name: str, tool: dict[str, Any]) -> Any:
    """The same tool under another name, nested or flat."""
    if "function" in tool:
        return {"type": "function", "function": {**tool["function"], "name": name}}
    return {**tool, "name": name}


@pytest.fixture(scope="session")
def document(data: Path) -> dict[str, Any]:
    """OpenAI's OpenAPI document."""
    loaded: dict[str, Any] = json.loads(data_file(data, "openai-openapi-subset.json").read_text("utf-8"))
    return loaded


@pytest.fixture(scope="session")
def conformance() -> Conformance | None:
    """What bodies are held against; None where there is no data, and then they are not."""
    path = DATA / "openai-openapi-subset.json"
    if path.is_file():
        return Conformance(json.loads(path.read_text("utf-8")))
    if DATA.is_dir() and os.environ.get("HANDOFF_TEST_REQUIRE") == "all":
        pytest.fail(f"no {path.name} in {DATA}")
    return None


@pytest.fixture(scope="module")
def clock() -> OffsetClock:
    """The clock of the module's server: real, and moved ahead by tests."""
    return OffsetClock()


@pytest.fixture(scope="module")
def base_url(clock: OffsetClock) -> Generator[str]:
    """A sandbox behind a socket, one for the module."""
    with serving(Sandbox(clock=clock, poll_milliseconds=5)) as url:
        yield url


@pytest.fixture(scope="module")
def client(base_url: str, conformance: Conformance | None) -> Generator[openai.OpenAI]:
    """The SDK over the socket, with its own retries off."""

    def held(response: httpx2.Response) -> None:
        if conformance is not None and response.headers["content-type"] == "application/json":
            response.read()
            _hold(conformance, response)

    with httpx2.Client(event_hooks={"response": [held]}) as http:
        yield openai.OpenAI(base_url=base_url, api_key="any", max_retries=0, http_client=http)


class Inside(Protocol):
    """Makes clients of a sandbox in this process."""

    def __call__(self, sandbox: Sandbox) -> AbstractAsyncContextManager[openai.AsyncOpenAI]: ...


@pytest.fixture
def inside(conformance: Conformance | None) -> Inside:
    """The asynchronous SDK on a sandbox in this process, no socket between."""

    async def held(response: httpx2.Response) -> None:
        if conformance is not None and response.headers["content-type"] == "application/json":
            await response.aread()
            _hold(conformance, response)

    @asynccontextmanager
    async def made(sandbox: Sandbox) -> AsyncGenerator[openai.AsyncOpenAI]:
        transport = httpx2.ASGITransport(app=sandbox)
        async with httpx2.AsyncClient(transport=transport, event_hooks={"response": [held]}) as http:
            try:
                yield openai.AsyncOpenAI(base_url="http://sandbox/v1", api_key="any", max_retries=0, http_client=http)
            finally:
                await sandbox.world.close()

    return made


def _hold(conformance: Conformance, response: httpx2.Response) -> None:
    request = response.request
    conformance.check_body(request.method, request.url.path.removeprefix("/v1"), response.status_code, response.json())
