"""Whether what the sandbox sends is what OpenAI's own document says.

The document contradicts itself, which `mended` mends and nothing else: it says 3.1 and writes `nullable`; it has
discriminators over the names of schemas while the values are others; it says in prose only that a run whose `stream` is
true is answered with events; and where it has a schema for events, that is one of their data, so streams are checked
event by event (`check_stream`).
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import jsonschema_rs

_EVENTS = "text/event-stream"
#: The schemas of the objects that events of a run carry.
_OBJECTS = {
    "thread": "ThreadObject",
    "thread.run": "RunObject",
    "thread.run.step": "RunStepObject",
    "thread.message": "MessageObject",
}


def mended(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document without its contradictions."""
    whole: dict[str, Any] = _mended(copy.deepcopy(document))
    for operations in whole["paths"].values():
        for operation in operations.values():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            asked = [parameter["name"] for parameter in operation.get("parameters", ())]
            named = whole["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], body)
            content = operation["responses"]["200"].get("content", {})
            if _EVENTS in content or "stream" in asked or "stream" in named.get("properties", {}):
                content[_EVENTS] = {"schema": {}}
    return whole


def _mended(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_mended(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: _mended(one)
        for key, one in schema.items()
        if not (key == "discriminator" and isinstance(one, dict) and "propertyName" in one)
        and key not in ("$recursiveAnchor", "$recursiveRef")
    }
    nullable = kept.get("nullable") is True or {"nullable": True} in kept.get("allOf", [])
    if not nullable:
        return kept
    kept.pop("nullable", None)
    return {"anyOf": [kept, {"type": "null"}]} if kept else {}


class Conformance:
    """Validates bodies and events against the document."""

    def __init__(self, document: dict[str, Any]) -> None:
        whole = mended(document)
        self._schemas = whole["components"]["schemas"]
        self._validators: dict[str, jsonschema_rs.Draft202012Validator] = {}
        self._paths = [
            (method.upper(), re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path))), operation)
            for path, operations in whole["paths"].items()
            if "?" not in path
            for method, operation in operations.items()
        ]

    def check_body(self, method: str, path: str, status: int, body: Any) -> None:
        """Fail unless a JSON body is what the document says about that operation and status."""
        if status >= 400:
            self.check("ErrorResponse", body)
            return
        fitting = [operation for verb, pattern, operation in self._paths if verb == method and pattern.fullmatch(path)]
        # Where a path with an id in it fits as well as a fixed one, the fixed one was meant.
        content = min(fitting, key=lambda one: len(one.get("parameters", ())))["responses"][str(status)].get("content")
        if content is not None:
            self.check(content["application/json"]["schema"]["$ref"].rpartition("/")[2], body)

    def check_stream(self, text: str) -> None:
        """Fail unless every event of a stream is one of those the document knows."""
        for _, data in events_of(text):
            if data == "[DONE]" or "error" in data:
                continue
            kind = data.get("object", "")
            if kind == "chat.completion.chunk":
                self.check("CreateChatCompletionStreamResponse", data)
            elif kind in _OBJECTS:
                self.check(_OBJECTS[kind], data)
            elif not kind.endswith(".delta"):  # the deltas of runs are not in the document
                self.check("ResponseStreamEvent", data)

    def check(self, schema: str, value: Any) -> None:
        """Fail unless a value fits a schema of the document."""
        if schema not in self._validators:
            root = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": self._schemas}}
            self._validators[schema] = jsonschema_rs.Draft202012Validator(root)
        error = next(self._validators[schema].iter_errors(value), None)
        assert error is None, f"{schema}: {error}"


def events_of(text: str) -> list[tuple[str | None, Any]]:
    """Return the events of a stream, by name and data; data that is no JSON as text."""
    events: list[tuple[str | None, Any]] = []
    for block in filter(None, text.replace("\r\n", "\n").split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if fields:
            data = fields["data"]
            events.append((fields.get("event"), data if data == "[DONE]" else json.loads(data)))
    return events
