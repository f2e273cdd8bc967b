"""How a thread is spelled for an Assistants server: messages, outputs, and what a run overrides of its assistant.

The server keeps the transcript. Only outputs of the waiting run go as outputs; one that missed its run is told in a
message, as data (M3). What an assistant said is on the server already, cut off or not, unless the thread is new there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from handoff.backends.base import Request
from handoff.backends.hosted_tools import assistants_tool
from handoff.backends.parts import assistants_content
from handoff.backends.spelling import encoded, forced, parted, quoted, reply_format
from handoff.backends.view import pieces_of, seen
from handoff.core.items import Item, Note, Output, Spoken, UserMessage
from handoff.core.status import Status
from handoff.core.texts import tell
from handoff.declaration.prompt import OfferedTool

#: What a server takes as metadata: pairs, characters of a key, characters of a value (A10).
PAIRS, KEY, VALUE = 16, 64, 512
#: The most tools of a run (A11), and the least it may be told to write or read at most.
TOOLS, LEAST_TOKENS = 20, 256
#: Metadata key of a message: which item of ours it is.
ITEM = "item"
#: Metadata key of a run: the server's id of the run it replaces.
REPLACES = "replaces"
#: What our name of a server's thread begins with: another backend's names are none of ours.
SPELLED = "assistants:"


def unable(request: Request) -> str:
    """Return why no run can be made of the request here; empty if one can.

    Args:
        request: a start.
    """
    prompt = request.prompt
    tools = len(prompt.tools) + len(prompt.hosted)
    if tools > TOOLS:
        return (
            f"{prompt.assistant} is offered {tools} tools, and a run on the Assistants API takes at most "
            f"{TOOLS}: split its work between assistants, or hide tools with allow="
        )
    if prompt.view == "own":
        return (
            f"{prompt.assistant} is declared with view='own', and a server that keeps the transcript cannot leave out "
            "what others said: use 'all', 'since_active' or a number of turns"
        )
    longest = prompt.options.get("max_output_tokens")
    if longest is not None and longest < LEAST_TOKENS:
        return (
            f"{prompt.assistant} is declared with max_output_tokens={longest}, and the Assistants API takes no less "
            f"than {LEAST_TOKENS}"
        )
    return ""


def run_fields(request: Request, model: str) -> dict[str, Any]:
    """Return what the run overrides of its assistant (A11).

    Args:
        request: a start.
        model: the model where the assistant declares none.
    """
    prompt = request.prompt
    fields: dict[str, Any] = {
        "model": prompt.options.get("model") or model,
        "instructions": prompt.instructions,
        "tools": [*map(_tool, prompt.tools), *map(assistants_tool, prompt.hosted)],
    }
    if prompt.reply is not None:
        fields["response_format"] = {"type": "json_schema", "json_schema": reply_format(prompt.reply)}
    if "temperature" in prompt.options:
        fields["temperature"] = prompt.options["temperature"]
    if "max_output_tokens" in prompt.options:
        fields["max_completion_tokens"] = prompt.options["max_output_tokens"]
    choice = forced(request)
    if choice is not None and fields["tools"]:
        ours = any(tool.name == choice for tool in prompt.tools)
        named = {"type": "function", "function": {"name": choice}} if ours else {"type": choice}
        fields["tool_choice"] = choice if choice in {"none", "required"} else named
    if prompt.view != "all":
        fields["truncation_strategy"] = {"type": "last_messages", "last_messages": _shown(request)}
    return fields


def messages_of(
    items: Sequence[Item],
    before: Status | None,
    *,
    fresh: bool = False,
    readers: Sequence[str] = (),
    place: int | None = None,
) -> list[dict[str, Any]]:
    """Return the messages by which due items reach the server.

    Args:
        items: what is due and not on the server yet, at a start.
        before: how the run before ended.
        fresh: the thread is new on the server: it does not hold what was cut off.
        readers: what files are attached for: kinds of the hosted tools that read them.
        place: how many items of the thread come before these; None where nobody will look for them.
    """
    found: list[dict[str, Any]] = []
    for number, item in enumerate(items):
        key = {ITEM: key_of(item, None if place is None else place + number)}
        match item:
            case Spoken():
                if fresh:
                    found += _spoken(item.assistant, item.text)
            case Output():
                told = {"tool": item.tool, "output": quoted(item.text)}
                # A run that completed has had its outputs: this one was cancelled on purpose, to carry them over.
                carried = before in {None, Status.COMPLETED}
                text = tell("carried", **told) if carried else tell("missed_run", status=before, **told)
                found.append(_message("user", text, key))
            case UserMessage() if item.parts:
                content, attached = assistants_content(item, readers)
                message = _message("user", content, key)
                found.append({**message, "attachments": attached} if attached else message)
            case UserMessage() | Note():
                found.append(_message("user", item.text, key))
    return found


def seed_of(items: Sequence[Item], readers: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return a whole transcript as messages, for a thread that is new on the server; calls are lines of text (T2).

    Args:
        items: the transcript, in order.
        readers: as for `messages_of`.
    """
    found: list[dict[str, Any]] = []
    for piece in pieces_of(items)[0]:
        first = piece[0]
        if isinstance(first, Spoken):
            text, _ = parted(piece, "")
            found += _spoken(first.assistant, text)
        else:
            found += messages_of((first,), None, readers=readers)
    return found


def readers_of(request: Request) -> tuple[str, ...]:
    """Return what files are attached for: the kinds of the assistant's own tools, or else a search in them.

    Args:
        request: a start.
    """
    return tuple(tool.kind for tool in request.prompt.hosted) or ("file_search",)


def outputs_of(request: Request) -> list[dict[str, str]]:
    """Return the outputs the run waits for.

    Args:
        request: a submit.
    """
    outputs = [item for item in request.prompt.due if isinstance(item, Output) and item.run == request.run]
    return [{"tool_call_id": output.call, "output": output.text} for output in outputs]


def thread_of(request: Request) -> str:
    """Return the server's id of the thread; empty if it has none.

    Args:
        request: any request.
    """
    return request.ref.removeprefix(SPELLED) if request.ref.startswith(SPELLED) else ""


def key_of(item: Item, place: int | None = None) -> str:
    """Return what tells an item from all others of its thread; empty if nothing does.

    Args:
        item: the item; what an assistant said is never looked for.
        place: how many items of the thread come before it, which is all that tells a handoff's note from others.
    """
    match item:
        case UserMessage():
            return fitting(f"message:{item.id}")
        case Output():
            return fitting(f"output:{item.run}/{item.batch}/{item.call}")
        case Note() if item.ticket is not None:
            return f"{item.kind}:{item.ticket}"
        case Note() if place is not None:
            return f"{item.kind}:{place}"
        case _:
            return ""


def run_metadata(request: Request, replaces: str) -> dict[str, str]:
    """Return our key for the run (C4), and as much of the thread's metadata as fits beside it (M6).

    Args:
        request: a start.
        replaces: the server's id of the run whose place it takes, one of ours that failed; empty for none.
    """
    key = {**run_key(request), **({REPLACES: replaces} if replaces else {})}
    return {**mirrored(request, PAIRS - len(key) + 1), **key}


def run_key(request: Request) -> dict[str, str]:
    """Return our key for the run, as its metadata has it.

    Args:
        request: any request of the run.
    """
    return {"thread": fitting(request.thread), "run": str(request.run)}


def mirrored(request: Request, pairs: int = PAIRS) -> dict[str, str]:
    """Return the thread, its active assistant and its metadata, as far as they fit (M6).

    Args:
        request: what was asked for.
        pairs: how many fit.
    """
    texts = {"thread": fitting(request.thread), "assistant": request.prompt.assistant}
    for name, value in request.metadata.items():
        if value is not None and name not in texts and name not in {"run", REPLACES}:
            texts[name] = value if isinstance(value, str) else encoded(value).decode()
    found = {name: text for name, text in texts.items() if len(name) <= KEY and len(text) <= VALUE}
    return dict(list(found.items())[:pairs])


def fitting(text: str) -> str:
    """Return a text as metadata can hold it: one that is too long is known by its hash.

    Args:
        text: an id.
    """
    return text if len(text) <= VALUE else hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _shown(request: Request) -> int:
    """How many of the server's latest messages are what the assistant is to see (T1)."""
    pieces, _ = seen(request.prompt, request.run)
    items = request.prompt.items
    first = pieces[0][0] if pieces else None
    start = next((index for index, item in enumerate(items) if item is first), len(items))
    count = 0
    speaking: int | None = None
    for item in reversed(items[start:]):
        match item:
            case Spoken():
                speaking = item.run
                count += bool(item.text)
            case Output():
                count += speaking != item.run  # it missed its run: the next word is not of that run
            case _:
                count += 1
    return max(1, count)


def _spoken(assistant: str, text: str) -> list[dict[str, Any]]:
    return [_message("assistant", text, {"assistant": assistant})] if text else []


def _message(role: str, text: str | list[dict[str, Any]], metadata: dict[str, str]) -> dict[str, Any]:
    """A message; a server takes none without text."""
    given = {name: value for name, value in metadata.items() if value and len(value) <= VALUE}
    return {"role": role, "content": text or " ", "metadata": given}


def _tool(tool: OfferedTool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.schema, "strict": tool.strict}
    return {"type": "function", "function": function}
