"""What the model is shown, made from what clients send: tools, texts, and who speaks.

The three APIs spell the same things differently; here they become the framework's own items, so that any model object
can answer.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from handoff.core.items import Item, Note, NoteKind, UserMessage
from handoff.core.parts import File, Image, Part, Text
from handoff.declaration.prompt import OfferedTool, ReplyFormat
from handoff.errors import ContentRefused
from handoff.sandbox.hosting import KINDS
from handoff.sandbox.rules import refused

#: Metadata key by which a request may say which assistant it is for.
ASSISTANT_KEY = "assistant"

_INTRODUCED = re.compile(r"^You are ([A-Za-z0-9_-]+)\.$", re.MULTILINE)
_MISSED = r"While the earlier run was ended \(|\S+, called before the handover, returned: "
_NOTES: Final[dict[NoteKind, re.Pattern[str]]] = {
    "handoff": re.compile(r"You are \S+\. \S+ handed over to you"),
    "late": re.compile(rf"Result of \S+ \(ticket \S+\), asked by |{_MISSED}"),
    "refused": re.compile(r"\S+ \(ticket \S+\), asked by \S+, was refused by "),
}
_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,(.*)", re.DOTALL)
_TEXTS = ("text", "input_text", "output_text")


def offered(tools: Iterable[Mapping[str, Any]], choice: Any) -> tuple[tuple[OfferedTool, ...], str | None]:
    """Return the function tools a request offers, and the one it forces: its name, or "required" for any.

    Args:
        tools: as they came, flat or nested; other kinds are left out.
        choice: the `tool_choice`, in any of its forms.

    Raises:
        Refused: what it allows is not among the tools.
    """
    tools = tuple(tools)
    functions = [tool for tool in tools if tool.get("type") == "function"]
    known = tuple(_tool(tool.get("function", tool)) for tool in functions)
    if isinstance(choice, str):
        return (() if choice == "none" else known), ("required" if choice == "required" else None)
    match choice:
        case {"type": "function"}:
            return known, _name(choice)
        case {"type": "allowed_tools"}:
            allowed = choice.get("allowed_tools", choice)
            if not allowed["tools"]:
                raise refused("empty_array", param="tool_choice.tools")
            require_listed(allowed["tools"], tools)
            names = {_name(tool) for tool in allowed["tools"] if tool.get("type") == "function"}
            mode = "required" if allowed["mode"] == "required" else None
            return tuple(tool for tool in known if tool.name in names), mode
        case _:
            return known, None


def lists(tools: Iterable[Mapping[str, Any]], choice: Mapping[str, Any]) -> bool:
    """Return whether a choice names a tool of the list: functions by name, MCP servers by label, others by type.

    Args:
        tools: as they came, flat or nested.
        choice: a `tool_choice` of one tool.
    """
    return _identity(choice) in set(map(_identity, tools))


def require_listed(choices: Iterable[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> None:
    """Refuse a choice that is not among the tools of a response.

    Args:
        choices: what is forced or allowed.
        tools: as they came.

    Raises:
        Refused: one is not.
    """
    for choice in choices:
        if not lists(tools, choice):
            raise refused("tool_not_listed", name=_identity(choice)[1] or choice.get("type"))


def _identity(tool: Mapping[str, Any]) -> tuple[str, str]:
    kind = str(KINDS.get(tool.get("type", ""), tool.get("type")))
    return kind, _name(tool) if kind == "function" else str(tool.get("server_label") or "") if kind == "mcp" else ""


def reply_of(format_: Any) -> ReplyFormat | None:
    """Return what an answer is to fit, as a request says it; None for any text.

    Args:
        format_: the `response_format`, or the `format` of `text`.
    """
    match format_:
        case {"type": "json_schema"}:
            told = format_.get("json_schema", format_)
            return ReplyFormat(
                told.get("name") or "", told.get("schema") or {"type": "object"}, bool(told.get("strict"))
            )
        case {"type": "json_object"}:
            return ReplyFormat("", {"type": "object"}, strict=False)
        case _:
            return None


def text_of(content: Any) -> str:
    """Return the text of a message's content; parts that are no text are named in brackets.

    Args:
        content: text, a list of parts, or None.
    """
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(_part(part) for part in content)


def said(id: str, role: str, content: Any) -> Item:  # noqa: A002 - as the wire calls it
    """Return the item for what somebody other than an assistant said.

    Args:
        id: of the message.
        role: user, or system and developer, whose later messages are notes.
        content: text, a list of parts, or None.
    """
    text = text_of(content)
    for kind, begins in _NOTES.items():
        if begins.match(text):
            return Note(kind, text)
    if role != "user":
        return Note("late", text)
    if content is None or isinstance(content, str) or all(part.get("type") in _TEXTS for part in content):
        return UserMessage(id, text)
    parts = tuple(map(_shown, content))
    return UserMessage(id, "\n".join(part.text for part in parts if isinstance(part, Text)), parts)


def instructs(message: Mapping[str, Any]) -> bool:
    """Return whether a message instructs, as those at the beginning and at the end of a history do.

    Args:
        message: as it came; one that reads like a note is none.
    """
    text = text_of(message.get("content"))
    return message.get("role") in ("system", "developer") and not any(note.match(text) for note in _NOTES.values())


def is_missed(item: Item) -> bool:
    """Return whether an item tells of an output that missed its run.

    Args:
        item: the item.
    """
    return isinstance(item, Note) and re.match(_MISSED, item.text) is not None


def assistant_named(metadata: Mapping[str, str] | None, instructions: str, otherwise: str) -> str:
    """Return the assistant a request is for: named in its metadata, introduced in its instructions, or neither.

    Args:
        metadata: of the request.
        instructions: of the request.
        otherwise: what it is called if nothing tells.
    """
    if metadata and ASSISTANT_KEY in metadata:
        return metadata[ASSISTANT_KEY]
    introduced = _INTRODUCED.search(instructions)
    return introduced.group(1) if introduced else otherwise


def tokens(text: str) -> int:
    """Return how many tokens a text counts: its words.

    Args:
        text: any text.
    """
    return len(pieces(text))


def pieces(text: str) -> list[str]:
    """Return a text in the pieces it is streamed in: its words, blanks before them.

    Args:
        text: any text.
    """
    return re.findall(r"\s*\S+(?:\s+$)?|\s+", text)


def _tool(function: Mapping[str, Any]) -> OfferedTool:
    return OfferedTool(
        function["name"],
        function.get("description") or "",
        function.get("parameters") or {},
        bool(function.get("strict")),
    )


def _name(tool: Mapping[str, Any]) -> str:
    return str(tool.get("function", tool).get("name", ""))


def _shown(part: Mapping[str, Any]) -> Part:
    """A part as a model object sees it; what it cannot be shown is named in brackets."""
    try:
        match part:
            case {"type": "image_url", "image_url": image}:
                return _image(image["url"], image)
            case {"type": "input_image", "image_url": str(url)}:
                return _image(url, part)
            case {"type": "image_file", "image_file": {"file_id": id_}} | {"type": "input_image", "file_id": str(id_)}:
                return Image(file_id=id_)
            case {"type": "file", "file": file} | ({"type": "input_file"} as file):
                return _file(file)
            case _:
                return Text(_part(part))
    except (ContentRefused, ValueError):  # also what is no base 64
        return Text(_part(part))


def _image(url: str, more: Mapping[str, Any]) -> Image:
    detail: Any = more.get("detail") or "auto"
    data = _DATA_URL.fullmatch(url)
    if data is None:
        return Image(url=url, detail=detail)
    return Image(data=b64decode(data[2], validate=True), media_type=data[1], detail=detail)


def _file(file: Mapping[str, Any]) -> File:
    name = file.get("filename") or ""
    if file.get("file_data"):
        data = _DATA_URL.fullmatch(file["file_data"])
        media_type, encoded = ("application/pdf", file["file_data"]) if data is None else (data[1], data[2])
        return File(data=b64decode(encoded, validate=True), media_type=media_type, name=name or "file")
    if file.get("file_url"):
        return File(url=file["file_url"], name=name)
    return File(file_id=file.get("file_id"), name=name)


def _part(part: Mapping[str, Any]) -> str:
    text = part.get("text", part.get("refusal"))
    if isinstance(text, Mapping):
        return str(text["value"])  # pyright: ignore[reportUnknownArgumentType]  (a message of a thread)
    return text if isinstance(text, str) else f"[{part.get('type')}]"
