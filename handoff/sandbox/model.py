"""The model that answers where none is plugged in: plain, deterministic, and no AI.

It obeys a forced tool choice with arguments made from the schema; `call NAME {json}` calls that tool, `call A {…} and
call B {…}` both at once; outputs are read out; anything else is echoed in a sentence. Of the tools that servers run
themselves, `search WORDS`, `run CODE` and `ask LABEL.TOOL {json}` are obeyed where they are declared. Where the answer
is to fit a schema, it is the simplest value of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, cast
from urllib.parse import quote_plus

from handoff.content import shown
from handoff.core.answers import Citation, HostedCall
from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage
from handoff.declaration.hosted import MCP, CodeInterpreter, FileSearch, WebSearch
from handoff.declaration.prompt import Prompt
from handoff.models import Answer
from handoff.sandbox.hosting import ASKED
from handoff.sandbox.prompting import is_missed

#: Key of `Prompt.options`: the tool that must be called, or "required" for any.
FORCED: Final = "forced_tool"

_CALL = re.compile(r"\s*(?:and\s+)?call\s+([A-Za-z0-9_.-]+)\s*", re.IGNORECASE)
_WANTED: Final[Mapping[str, re.Pattern[str]]] = {
    "web_search": re.compile(r"\s*search\s+(.+)", re.IGNORECASE | re.DOTALL),
    "file_search": re.compile(r"\s*search\s+(.+)", re.IGNORECASE | re.DOTALL),
    "code_interpreter": re.compile(r"\s*run\s+(.+)", re.IGNORECASE | re.DOTALL),
    "mcp": re.compile(r"\s*ask\s+([\w-]+)\.([\w-]+)\s*(\{.*\})?\s*", re.IGNORECASE | re.DOTALL),
}
_DEEP = 8  # how far into a schema, and how many of a list, arguments are made up; a recursive schema ends there
_LONG = 1000  # how long a text is made up


class PlainModel:
    """Answers by the rules above."""

    def answer(self, prompt: Prompt) -> Answer:
        """Answer a prompt.

        Args:
            prompt: what the model is shown.
        """
        answer = self._answer(prompt)
        if prompt.reply is None or answer.calls or any(done.status == ASKED for done in answer.hosted):
            return answer
        return replace(answer, text=json.dumps(arguments_for(prompt.reply.schema)), citations=())

    def _answer(self, prompt: Prompt) -> Answer:
        offered = {tool.name: tool for tool in prompt.tools}
        forced = prompt.options.get(FORCED)
        kinds = {tool.kind for tool in prompt.hosted}
        if forced is not None and prompt.tools and (forced in offered or forced not in kinds):
            tool = offered.get(forced, prompt.tools[0])
            return Answer(calls=(Asked("", tool.name, json.dumps(arguments_for(tool.schema))),))
        new = _new(prompt.items)
        hosted = _hosted(prompt, forced, new)
        if hosted is not None:
            return hosted
        said = [shown(item.text, item.parts) for item in new if isinstance(item, UserMessage)]
        if said:
            calls = asked_for(said[-1])
            unknown = [call.tool for call in calls if call.tool not in offered]
            if unknown:
                return Answer(f"There is no tool {' or '.join(unknown)} here.")
            return Answer(calls=calls) if calls else Answer(f"You said: {said[-1]}")
        outputs = [f"{item.tool} returned: {item.text}" for item in new if isinstance(item, Output)]
        notes = [f"Noted: {item.text}" for item in new if isinstance(item, Note)]
        return Answer("\n".join(outputs + notes) or "There is nothing to answer.")


def _hosted(prompt: Prompt, forced: object, new: tuple[Item, ...]) -> Answer | None:
    """What the model has a hosted tool do, as it is forced or told to; None if it is neither."""
    said = [item.text for item in new if isinstance(item, UserMessage)]
    text = said[-1] if said else ""
    for tool in prompt.hosted:
        wanted = _WANTED[tool.kind].fullmatch(text)
        if wanted is None and forced != tool.kind:
            continue
        given = text if wanted is None else wanted[1]
        match tool:
            case WebSearch():
                url = f"https://example.com/?q={quote_plus(given)}"
                found = f"Found on the web: {given}"
                source = Citation(given, url, start=0, end=len(found))
                return Answer(found, hosted=(HostedCall(tool.kind, input=given, output=url),), citations=(source,))
            case FileSearch():
                found = f"Found in the files: {given}"
                source = Citation("notes.txt", file_id="file-notes", start=0, end=len(found))
                call = HostedCall(tool.kind, input=given, output="notes.txt")
                return Answer(found, hosted=(call,), citations=(source,))
            case CodeInterpreter():
                return Answer(f"Ran: {given}", hosted=(HostedCall(tool.kind, input=given, output=given),))
            case MCP():
                name, arguments = ("any", "{}") if wanted is None else (wanted[2], wanted[3] or "{}")
                if wanted is not None and wanted[1] != tool.server_label:
                    continue
                name = f"{tool.server_label}.{name}"
                if tool.approval != "never":
                    return Answer(hosted=(HostedCall("mcp", status=ASKED, name=name, input=arguments),))
                done = HostedCall("mcp", name=name, input=arguments, output=f"{name} was called")
                return Answer(f"{name} returned: {name} was called", hosted=(done,))
    return None


def asked_for(text: str) -> tuple[Asked, ...]:
    """Return the calls a message asks for, `call A {json} and call B {json}`; none if it is anything else.

    Args:
        text: what the user said.
    """
    calls: list[Asked] = []
    decoder = json.JSONDecoder()
    place = 0
    while place < len(text.rstrip()):
        match = _CALL.match(text, place)
        if match is None:
            return ()
        place = match.end()
        arguments = "{}"
        if text.startswith("{", place):
            try:
                _, end = decoder.raw_decode(text, place)
            except (ValueError, RecursionError):
                return ()
            arguments, place = text[place:end], end
        calls.append(Asked("", match.group(1), arguments))
    return tuple(calls)


def arguments_for(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments that fit a tool's schema: its required properties, each the simplest of its kind.

    Args:
        schema: JSON schema of an object.
    """
    try:
        made = _made(schema, schema, 0)
    except (TypeError, ValueError, LookupError, AttributeError):
        return {}  # what a client calls a schema need not be one
    return cast("dict[str, Any]", made) if isinstance(made, dict) else {}


def _made(schema: Any, root: Any, depth: int) -> Any:
    """The simplest value of a schema."""
    if depth > _DEEP:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    if "$ref" in schema:
        return _made(_resolved(schema["$ref"], root), root, depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _made(schema[key][0], root, depth + 1)
    kind: Any = schema.get("type", "object" if "properties" in schema else "null")
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            properties = schema.get("properties", {})
            required = [name for name in schema.get("required", ()) if name in properties]
            return {name: _made(properties[name], root, depth + 1) for name in required}
        case "array":
            return [
                _made(schema.get("items", {}), root, depth + 1) for _ in range(min(schema.get("minItems", 0), _DEEP))
            ]
        case "string":
            return "text".ljust(min(schema.get("minLength", 0), _LONG), "x")
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return True
        case _:
            return None


def _resolved(reference: str, root: Any) -> Any:
    found = root
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def _new(items: tuple[Item, ...]) -> tuple[Item, ...]:
    """What has come since anybody spoke; without the messages in front of an output of a run that was ended.

    Such a run leaves no calls behind (A14), and its messages have been acted on.
    """
    spoken = [index for index, item in enumerate(items) if isinstance(item, Spoken)]
    new = items[spoken[-1] + 1 :] if spoken else items
    missed = max((index for index, item in enumerate(new) if is_missed(item)), default=0)
    return tuple(item for index, item in enumerate(new) if index >= missed or not isinstance(item, UserMessage))
