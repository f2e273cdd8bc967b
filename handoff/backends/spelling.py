"""What all protocols share that carry our transcript: bytes, well-formed calls, and calls told as lines of text (T2).

What a model wrote may be anything, while servers refuse a name or arguments that are not well-formed: everything that
goes out is made to fit here, so that no history ever makes later requests invalid.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from handoff.backends.base import Request
from handoff.backends.parts import weight
from handoff.backends.view import Piece
from handoff.core.items import Asked, Output, Spoken
from handoff.declaration.prompt import ReplyFormat

#: How many encoded pieces are kept, of all threads together; then all are let go.
KEPT = 20_000
#: How many bytes they may have together.
KEPT_BYTES = 64 * 2**20

# Made once each: `json.dumps` makes an encoder for every text that is not written in the usual way.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_quote = json.JSONEncoder(ensure_ascii=False).encode

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64

Spell: TypeAlias = Callable[[Piece, str], list[dict[str, Any]]]
"""Spells a piece in a protocol for the assistant of that name."""


def encoded(value: object) -> bytes:
    """Return a value as JSON in UTF-8; half a surrogate pair, which servers refuse, becomes a question mark.

    Args:
        value: what JSON can hold.
    """
    return _encode(value).encode("utf-8", "replace")


class Encoder:
    """Encodes each piece of a transcript once for whoever made it, and once for everybody else.

    Args:
        spell: how a piece is spelled.
    """

    def __init__(self, spell: Spell) -> None:
        self._spell = spell
        self._kept: dict[tuple[int, bool], tuple[Piece, bytes]] = {}
        self._bytes = 0

    def encode(self, piece: Piece, assistant: str) -> bytes:
        """Return a piece as it goes out, with commas between its parts; empty if there is nothing to say.

        Args:
            piece: the piece.
            assistant: name of the assistant that is to read it.
        """
        first = piece[0]
        # What is kept holds on to the piece, so no other item can have its id; equality is mostly identity.
        key = (id(first), getattr(first, "assistant", assistant) == assistant)
        kept = self._kept.get(key)
        if kept is not None and kept[0] == piece:
            return kept[1]
        spelled = b",".join(map(encoded, self._spell(piece, assistant)))
        if len(self._kept) >= KEPT or self._bytes + len(spelled) > KEPT_BYTES:
            self._kept.clear()
            self._bytes = 0
        self._kept[key] = (piece, spelled)
        self._bytes += len(spelled)
        return spelled

    def size(self, piece: Piece, assistant: str) -> int:
        """Return what a piece counts in a token budget, in bytes: as it goes out, but for images and files.

        Args:
            piece: the piece.
            assistant: name of the assistant that is to read it.
        """
        return len(self.encode(piece, assistant)) + weight(piece)


def parted(piece: Piece, assistant: str, *, retold: bool = True) -> tuple[str, list[tuple[Asked, Output]]]:
    """Return what an assistant said as text, and its calls that go out as calls, each with its output.

    Args:
        piece: one that begins with what an assistant said.
        assistant: name of the assistant that is to read it; calls of others, and unanswered ones, are lines of text.
        retold: whether calls of others are; else they go out as the calls they were.
    """
    spoken = piece[0]
    assert isinstance(spoken, Spoken)
    outputs = {output.call: output for output in piece if isinstance(output, Output)}
    answered: list[tuple[Asked, Output]] = []
    lines: list[str] = []
    for call in spoken.calls:
        output = outputs.get(call.id)
        if output is not None and (spoken.assistant == assistant or not retold):
            answered.append((call, output))
        else:
            lines.append(_line(spoken.assistant, call, output))
    return "\n".join(part for part in (spoken.text, *lines) if part), answered


def returned(output: Output) -> str:
    """Return the line of text for an output whose call is not there."""
    return f"({output.tool} returned: {quoted(output.text)})"


def forced(request: Request) -> str | None:
    """Return the tool choice of a request: `none`, `required`, a tool's name or kind, or None to leave it open.

    A call is forced in the first request of a run, else the run would never come to its reply.

    Args:
        request: what was asked for.
    """
    choice: str | None = request.prompt.options.get("tool_choice")
    if choice == "none":
        return choice
    names = {tool.name for tool in request.prompt.tools} | {tool.kind for tool in request.prompt.hosted}
    return choice if request.request == 1 and (choice == "required" or choice in names) else None


def reply_format(reply: ReplyFormat) -> dict[str, Any]:
    """Return what a server is told of the model an answer is to fit.

    Args:
        reply: the model.
    """
    return {"name": reply.name, "schema": reply.schema, "strict": reply.strict}


def name_of(call: Asked) -> str:
    """Return the name of a call's tool as servers take it."""
    return _NOT_IN_NAMES.sub("_", call.tool)[:_LONGEST_NAME] or "unnamed"


def arguments_of(call: Asked) -> str:
    """Return a call's arguments as the JSON object servers take; what is none goes as the text it is, within one."""
    return call.arguments if isinstance(_parsed(call.arguments), Mapping) else json.dumps({"malformed": call.arguments})


def _line(assistant: str, call: Asked, output: Output | None) -> str:
    arguments = _parsed(call.arguments)
    given = quoted(call.arguments if arguments is None else arguments)
    result = "" if output is None else f", which returned: {quoted(output.text)}"
    return f"({assistant} called {quoted(call.tool)} with {given}{result})"


def quoted(value: object) -> str:
    """Return a value on one line, as data that cannot pass for words of the speaker (M3).

    Args:
        value: what JSON can hold.
    """
    return _quote(value)


def _parsed(arguments: str) -> Any:
    """What the arguments hold; None if they are no strict JSON."""
    try:
        return _STRICT.decode(arguments)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_STRICT = json.JSONDecoder(parse_constant=_refuse)
