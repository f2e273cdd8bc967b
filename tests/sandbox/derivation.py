"""Derives handoff/sandbox/requests.json from OpenAI's OpenAPI document: what a request body may be.

`python -m tests.sandbox.derivation DOCUMENT` writes it anew. Where the real server takes more than the document says,
the schemas are loosened here, each with its reason.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "handoff" / "sandbox" / "requests.json"
SOURCE = "github.com/openai/openai-openapi at f85dbe2, MIT licence, (c) OpenAI"
#: For people only; none of it restricts a body. Left out where it is no property of that name.
_PROSE = ("description", "title", "summary", "example", "examples", "default", "deprecated", "discriminator")
#: Extensions, and keywords of an older draft.
_FOREIGN = ("x-", "$recursive")
#: Clients leave these out and the real server takes it.
_NOT_REQUIRED = {
    "FunctionTool": {"parameters", "strict"},
    "InputImageContent": {"detail"},
    "MCPApprovalResponse": {"request_id"},
    "OutputMessage": {"type", "id", "status"},
    "OutputTextContent": {"annotations", "logprobs"},
}


def derive(document: dict[str, Any]) -> dict[str, Any]:
    """Return the request schemas of a document, by operation, with the definitions that they need."""
    schemas = document["components"]["schemas"]
    needed: dict[str, Any] = {}

    def loosen(schema: Any, *, names: bool = False) -> Any:
        if isinstance(schema, list):
            return [loosen(one) for one in schema]
        if not isinstance(schema, dict):
            return schema
        if names:
            return {name: loosen(one) for name, one in schema.items()}
        reference = schema.get("$ref")
        if reference is not None:
            name = reference.rpartition("/")[2]
            if name not in needed:
                needed[name] = None
                needed[name] = loosen(_required(name, schemas[name]))
            return {"$ref": f"#/$defs/{name}"}
        kept = {key: one for key, one in schema.items() if key not in _PROSE and not key.startswith(_FOREIGN)}
        nullable = kept.pop("nullable", False) or {"nullable": True} in kept.get("allOf", [])
        # One alternative that fits is enough: several that fit are the document's own ambiguity.
        loosened = {
            "anyOf" if key == "oneOf" else key: loosen(one, names=key in ("properties", "$defs"))
            for key, one in kept.items()
        }
        # The document says 3.1 and still writes `nullable`, which 3.1 does not know.
        return {"anyOf": [loosened, {"type": "null"}]} if nullable and loosened else loosened

    requests: dict[str, Any] = {}
    for path, operations in document["paths"].items():
        if "?" in path:
            continue
        for operation in operations.values():
            body = operation.get("requestBody")
            if body is not None:
                schema = loosen(body["content"]["application/json"]["schema"])
                # The real server refuses unknown fields, also where the document does not.
                requests[operation["operationId"]] = {**schema, "unevaluatedProperties": False}
    return {"source": SOURCE, "requests": requests, "$defs": dict(sorted(needed.items()))}


def _required(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    optional = _NOT_REQUIRED.get(name, set())
    required = [field for field in schema.get("required", []) if field not in optional]
    return {**schema, "required": required} if optional else schema


def written(document: dict[str, Any]) -> str:
    """Return the text of the file."""
    derived = derive(document)
    lines = [f"{json.dumps(name)}: {json.dumps(one, separators=(',', ':'))}" for name, one in derived["$defs"].items()]
    requests = [f"{json.dumps(name)}: {json.dumps(one)}" for name, one in derived["requests"].items()]
    return (
        f'{{"source": {json.dumps(derived["source"])},\n"requests": {{\n'
        + ",\n".join(requests)
        + '\n},\n"$defs": {\n'
        + ",\n".join(lines)
        + "\n}}\n"
    )


if __name__ == "__main__":
    TARGET.write_text(written(json.loads(Path(sys.argv[1]).read_text("utf-8"))), "utf-8")
