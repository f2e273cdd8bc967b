"""How a transcript is spelled for a Responses server, by the same rules as for any other (T2).

Ids that servers gave are left out: with them a server would ask for whatever came beside them.
"""

from __future__ import annotations

import hashlib
from typing import Any

from handoff.backends.parts import responses_content
from handoff.backends.spelling import arguments_of, name_of, parted, returned
from handoff.backends.view import Piece
from handoff.core.items import Asked, Output, Spoken, UserMessage


def items_of(piece: Piece, assistant: str, *, full: bool = False, retold: bool = True) -> list[dict[str, Any]]:
    """Return the input items of one piece of the transcript.

    Args:
        piece: the piece.
        assistant: name of the assistant that is to read them.
        full: whether what an assistant said goes as the message it was, rather than in short. Some servers take nothing
            else; such a message has to have an id, one of ours, so it is for servers that store nothing.
        retold: whether calls of others are told as lines of text.
    """
    first = piece[0]
    if isinstance(first, Output):
        return [{"role": "user", "content": returned(first)}]
    if isinstance(first, UserMessage):
        return [{"role": "user", "content": responses_content(first)}]
    if not isinstance(first, Spoken):
        return [{"role": "user", "content": first.text}]
    text, answered = parted(piece, assistant, retold=retold)
    message = _message(first, text) if full else {"role": "assistant", "content": text}
    said = [message] if text else []
    return [*said, *(_call(call) for call, _ in answered), *(output_of(output) for _, output in answered)]


def output_of(output: Output) -> dict[str, Any]:
    """Return the input item of an output.

    Args:
        output: one whose call the server has, or is sent before it.
    """
    return {"type": "function_call_output", "call_id": output.call, "output": output.text}


def _message(said: Spoken, text: str) -> dict[str, Any]:
    """What an assistant said, in full (OutputMessage of OpenAI's document); llama.cpp takes no other form."""
    calls = ",".join(call.id for call in said.calls)
    told = "\0".join((str(said.run), said.assistant, calls, text)).encode("utf-8", "replace")
    return {
        "type": "message",
        "id": f"msg_{hashlib.blake2b(told, digest_size=16).hexdigest()}",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}],
    }


def _call(call: Asked) -> dict[str, Any]:
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": name_of(call),
        "arguments": arguments_of(call),
    }
