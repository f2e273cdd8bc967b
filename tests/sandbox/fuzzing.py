"""Requests nobody thought of: generated from OpenAI's document, their answers held against it.

Every operation is sent generated requests as they are, and generated requests about objects that are there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx2
import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.sandbox.conformance import Conformance, mended
from tests.sandbox.conftest import FLAT, TOOL

CHECKS = (not_a_server_error, content_type_conformance, response_schema_conformance)
BETA = {"OpenAI-Beta": "assistants=v2"}


def fuzz(base_url: str, document: dict[str, Any], examples: int, seed: int) -> dict[str, set[int]]:
    """Send generated requests to all operations; raise at the first answer that is not as the document says.

    Args:
        base_url: of the sandbox.
        document: OpenAI's.
        examples: how many requests of each of the two kinds an operation is sent.
        seed: of what is random.

    Returns:
        The statuses seen, by operation.
    """
    statuses: dict[str, set[int]] = {}
    conformance = Conformance(document)
    with httpx2.Client(base_url=base_url, headers=BETA) as client:
        objects = Objects(client)
        for result in schemathesis.openapi.from_dict(mended(document)).get_all_operations():
            operation = result.ok()

            def send(case: schemathesis.Case, operation: Any = operation) -> None:
                for known in (False, True):
                    if known:
                        case.path_parameters = objects.ids(operation.path)
                        if operation.path.endswith("/items") and operation.method == "post":
                            case.body = {}  # the document does not even say that it is an object
                        if isinstance(case.body, dict):
                            _about_what_is_there(case.body, operation.path, objects)
                    response = case.call(base_url=base_url, headers=BETA)
                    statuses.setdefault(operation.label, set()).add(response.status_code)
                    case.validate_response(response, checks=CHECKS)
                    if response.headers["content-type"][0].startswith("text/event-stream"):
                        conformance.check_stream(response.text)

            _repeated(send, operation.as_strategy(), examples, seed)
    return statuses


def _repeated(send: Callable[[schemathesis.Case], None], cases: Any, examples: int, seed: int) -> None:
    @hypothesis.seed(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def sent(case: schemathesis.Case) -> None:
        send(case)

    sent()


class Objects:
    """Makes the objects whose ids a path needs, so that generated requests get past "not found"."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self.assistant_id = self._post("/assistants", model="any", tools=[TOOL])["id"]

    def ids(self, path: str) -> dict[str, str]:
        """Fresh objects for the ids in a path."""
        makers: dict[str, Callable[[], dict[str, str]]] = {
            "{assistant_id}": lambda: {"assistant_id": self._post("/assistants", model="any")["id"]},
            "{completion_id}": self._completion,
            "{conversation_id}": self._conversation,
            "{response_id}": lambda: {"response_id": self._post("/responses", model="any", input="hi")["id"]},
            "{run_id}": self._run,
            "{thread_id}": self._thread,
            "{model}": lambda: {"model": "handoff-sandbox"},
        }
        made: dict[str, str] = {}
        for placeholder, make in makers.items():
            if placeholder in path and placeholder.strip("{}") not in made:
                made |= make()
        return {name: value for name, value in made.items() if f"{{{name}}}" in path}

    def _post(self, path: str, **body: Any) -> Any:
        response = self._client.post(path, json=body)
        assert 200 == response.status_code, response.text
        return response.json()

    def _completion(self) -> dict[str, str]:
        made = self._post("/chat/completions", model="any", store=True, messages=[{"role": "user", "content": "hi"}])
        return {"completion_id": made["id"]}

    def _conversation(self) -> dict[str, str]:
        made = self._post("/conversations", items=[{"role": "user", "content": "hi"}])["id"]
        self._post("/responses", model="any", input="call add {}", tools=[FLAT], conversation=made)
        items = self._client.get(f"/conversations/{made}/items").json()["data"]
        return {"conversation_id": made, "item_id": items[0]["id"]}

    def _thread(self) -> dict[str, str]:
        made = self._post("/threads", messages=[{"role": "user", "content": "hi"}])["id"]
        messages = self._client.get(f"/threads/{made}/messages").json()["data"]
        return {"thread_id": made, "message_id": messages[0]["id"]}

    def _run(self) -> dict[str, str]:
        """A thread that is locked by a waiting run."""
        body = {
            "assistant_id": self.assistant_id,
            "stream": True,
            "thread": {"messages": [{"role": "user", "content": "call add {}"}]},
        }
        whole = self._client.post("/threads/runs", json=body).text
        return {
            f"{name}_id": re.findall(rf'"({name}_[0-9a-f]{{32}})"', whole)[-1] for name in ("thread", "run", "step")
        }


def _about_what_is_there(body: dict[str, Any], path: str, objects: Objects) -> None:
    """Let a generated body name no object that is not there."""
    if "assistant_id" in body:
        body["assistant_id"] = objects.assistant_id
    for field in ("previous_response_id", "conversation"):
        body.pop(field, None)
    if path == "/responses":
        body.setdefault("model", "any")
    if path == "/responses" or ("input" in body and not isinstance(body["input"], str)):
        body["input"] = "hi"
    if path.endswith("/items"):
        body["items"] = [{"role": "user", "content": "hi"}, {"type": "reasoning", "id": "rs_1", "summary": []}]
