"""How a transcript is spelled for a Chat Completions server.

The order is always valid: a call is followed by its output at once, and a call without one is no call but a line of
text. So are the calls of other assistants: what another has done is told, never shown as something to imitate (T2).
"""

from __future__ import annotations

from typing import Any

from handoff.backends.parts import chat_content
from handoff.backends.spelling import arguments_of, name_of, parted, returned
from handoff.backends.view import Piece
from handoff.core.items import Asked, Output, Spoken, UserMessage


def messages_of(piece: Piece, assistant: str, *, named: bool = True, retold: bool = True) -> list[dict[str, Any]]:
    """Return the messages of one piece of the transcript.

    Args:
        piece: the piece.
        assistant: name of the assistant that is to read them.
        named: whether a message says by its `name` which assistant speaks.
        retold: whether calls of others are told as lines of text.
    """
    first = piece[0]
    if isinstance(first, Output):
        return [{"role": "user", "content": returned(first)}]
    if isinstance(first, UserMessage):
        return [{"role": "user", "content": chat_content(first)}]
    if not isinstance(first, Spoken):
        # Notes speak as the user does: many servers take instructions at the very beginning only.
        return [{"role": "user", "content": first.text}]
    text, answered = parted(piece, assistant, retold=retold)
    message: dict[str, Any] = {"role": "assistant", "name": first.assistant, "content": text or None}
    if not named:
        del message["name"]
    if answered:
        message["tool_calls"] = [_call(call) for call, _ in answered]
    elif not text:
        return []
    outputs = [{"role": "tool", "tool_call_id": call.id, "content": output.text} for call, output in answered]
    return [message, *outputs]


def _call(call: Asked) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": name_of(call), "arguments": arguments_of(call)}}
