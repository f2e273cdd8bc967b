"""How a transcript is spelled for a Responses server, by the same rules as for any other (T2).

Ids of items are left out: with them a server would ask for whatever came beside them.
"""

from __future__ import annotations

from typing import Any

from handoff.backends.parts import responses_content
from handoff.backends.spelling import arguments_of, name_of, parted, returned
from handoff.backends.view import Piece
from handoff.core.items import Asked, Output, Spoken, UserMessage


def items_of(piece: Piece, assistant: str) -> list[dict[str, Any]]:
    """Return the input items of one piece of the transcript.

    Args:
        piece: the piece.
        assistant: name of the assistant that is to read them.
    """
    first = piece[0]
    if isinstance(first, Output):
        return [{"role": "user", "content": returned(first)}]
    if isinstance(first, UserMessage):
        return [{"role": "user", "content": responses_content(first)}]
    if not isinstance(first, Spoken):
        return [{"role": "user", "content": first.text}]
    text, answered = parted(piece, assistant)
    said = [{"role": "assistant", "content": text}] if text else []
    return [*said, *(_call(call) for call, _ in answered), *(output_of(output) for _, output in answered)]


def output_of(output: Output) -> dict[str, Any]:
    """Return the input item of an output.

    Args:
        output: one whose call the server has, or is sent before it.
    """
    return {"type": "function_call_output", "call_id": output.call, "output": output.text}


def _call(call: Asked) -> dict[str, Any]:
    return {
        "type": "function_call",
        "call_id": call.id,
        "name": name_of(call),
        "arguments": arguments_of(call),
    }
