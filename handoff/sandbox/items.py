"""Items of responses and conversations: how they are taken in, what must be true of their order, what the model sees.

A call and its output belong together: a stored call without output refuses everything but that output (R4), an output
needs its call (R5), nothing comes twice (R7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from handoff.core.items import Asked, Item, Output, Spoken
from handoff.sandbox.prompting import said, text_of
from handoff.sandbox.rules import refused
from handoff.sandbox.world import Wire, World

#: The kinds of items there are here, with the prefix of their ids.
PREFIXES: Final[dict[str, str]] = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "web_search_call": "ws",
    "file_search_call": "fs",
    "code_interpreter_call": "ci",
    "mcp_list_tools": "mcpl",
    "mcp_call": "mcp",
    "mcp_approval_request": "mcpr",
    "mcp_approval_response": "mcprs",
}
CALLS: Final = ("function_call", "custom_tool_call")
OUTPUTS: Final = ("function_call_output", "custom_tool_call_output")


def admit(
    world: World,
    given: str | Sequence[Wire] | None,
    history: Sequence[Wire] = (),
    find: Callable[[str], Wire | None] = lambda _: None,
) -> list[Wire]:
    """Return the items a request brings, as they are stored: complete, each with an id.

    Args:
        world: the sandbox.
        given: the `input`, or the `items`.
        history: what is stored; a reference to one of these adds nothing.
        find: looks up what any other reference points to.

    Raises:
        Refused: an item is of a kind there is none of here, or a reference points nowhere.
    """
    if isinstance(given, str):
        return [_message(world, {"role": "user", "content": given})]
    admitted: list[Wire] = []
    for index, item in enumerate(given or ()):
        kind = item.get("type") or ("message" if "role" in item else "item_reference")
        if kind == "item_reference":
            if any(one["id"] == item["id"] for one in history):
                continue
            found = find(item["id"])
            if found is None:
                raise refused("no_item", id=item["id"])
            admitted.append(found)
        elif kind == "message":
            admitted.append(_message(world, item))
        elif kind in PREFIXES:
            admitted.append(_other(world, kind, index, item))
        else:
            raise refused("item_unknown_kind", kind=kind, index=index)
    return admitted


def check(history: Sequence[Wire], new: Sequence[Wire], *, complete: bool = True) -> None:
    """Refuse items that cannot follow the history.

    Args:
        history: what is stored.
        new: what comes.
        complete: whether every call must have its output now.

    Raises:
        Refused: an id or output comes twice, an output has no call, or a call no output.
    """
    ids: set[str] = set()
    calls: dict[str, bool] = {}
    known = len(history)
    for place, item in enumerate([*history, *new]):
        if place >= known and item["id"] in ids:
            raise refused("item_repeated", id=item["id"])
        ids.add(item["id"])
        if item["type"] in CALLS:
            calls.setdefault(item["call_id"], False)
        elif item["type"] in OUTPUTS:
            call = item["call_id"]
            if place >= known and calls.get(call):
                raise refused("output_repeated", call=call)
            if place >= known and call not in calls:
                raise refused("call_missing", call=call)
            calls[call] = True
    asked = {item["id"] for item in (*history, *new) if item["type"] == "mcp_approval_request"}
    for item in new:
        if item["type"] == "mcp_approval_response" and item["approval_request_id"] not in asked:
            raise refused("no_item", id=item["approval_request_id"])
    unanswered = next((call for call, answered in calls.items() if not answered), None)
    if complete and unanswered is not None:
        raise refused("output_missing", call=unanswered)


def shown(
    items: Sequence[Wire], speakers: Mapping[str, str], assistant: str, answers: Mapping[str, Item]
) -> tuple[Item, ...]:
    """Return what the model sees: a message and the calls right after it are one thing said.

    Args:
        items: the history and what is new.
        speakers: who said an item, by its id.
        assistant: who is taken to have said what nobody is known to have.
        answers: what is told of an item that answers an approval request, by its id.
    """
    told: list[Item] = []
    tools: dict[str, str] = {}
    for item in items:
        speaker = speakers.get(item["id"], assistant)
        if item["type"] in CALLS:
            tools[item["call_id"]] = item["name"]
            asked = Asked(item["call_id"], item["name"], item["arguments"] if "arguments" in item else item["input"])
            last = told[-1] if told else None
            if isinstance(last, Spoken) and last.assistant == speaker:
                told[-1] = Spoken(speaker, 0, last.text, (*last.calls, asked))
            else:
                told.append(Spoken(speaker, 0, "", (asked,)))
        elif item["type"] in OUTPUTS:
            text = text_of(item["output"])
            told.append(Output(0, 0, item["call_id"], tools.get(item["call_id"], "a tool"), text))
        elif item["type"] == "mcp_approval_request":
            asked = Asked(item["id"], f"{item['server_label']}.{item['name']}", item["arguments"])
            told.append(Spoken(speaker, 0, "", (asked,)))
        elif item["id"] in answers:
            told.append(answers[item["id"]])
        elif item["type"] == "message" and item["role"] == "assistant":
            told.append(Spoken(speaker, 0, text_of(item["content"])))
        elif item["type"] == "message":
            told.append(said(item["id"], item["role"], item["content"]))
    return tuple(told)


def _message(world: World, item: Wire) -> Wire:
    content = item["content"]
    own = item["role"] == "assistant"
    if isinstance(content, str):
        content = [{"type": "input_text", "text": content}]
    message: Wire = {
        "id": item.get("id") or world.new_id("msg"),
        "type": "message",
        "role": item["role"],
        "status": item.get("status") or "completed",
        "content": [_spoken(part) if own else _heard(part) for part in content],
    }
    if item.get("phase") is not None:
        message["phase"] = item["phase"]
    return message


def _other(world: World, kind: str, index: int, item: Wire) -> Wire:
    """A call, an output, a reasoning item or what a hosted tool did: as it came, with what is always there."""
    if kind not in (*CALLS, *OUTPUTS, "reasoning"):
        return {**item, "id": item.get("id") or world.new_id(PREFIXES[kind])}
    kept = {key: value for key, value in item.items() if value is not None}
    kept.setdefault("id", world.new_id(PREFIXES[kind]))
    if kind == "reasoning":
        return kept
    if "call_id" not in kept:
        raise refused("field_missing", param=f"input[{index}].call_id")
    kept.setdefault("status", "completed")
    if isinstance(kept.get("output"), list):
        kept["output"] = [_heard(part) for part in kept["output"]]
    return kept


def _spoken(part: Wire) -> Wire:
    """A part of what an assistant said."""
    if part["type"] == "refusal":
        return part
    annotations: list[Wire] = part.get("annotations") or []
    return {"type": "output_text", "text": text_of([part]), "annotations": annotations, "logprobs": []}


def _heard(part: Wire) -> Wire:
    """A part of what anybody else said."""
    kept: dict[str, Any] = {key: value for key, value in part.items() if value is not None}
    if part["type"] == "input_image":
        kept.setdefault("detail", "auto")
    return kept
