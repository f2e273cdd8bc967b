"""How the parts of a user's message are spelled in each protocol, and what they weigh.

What a protocol cannot say is a line of text, so that a history that came by another backend stays valid; a message that
could not be carried was refused when it was sent.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from handoff.core.items import Item, UserMessage
from handoff.core.parts import File, Image, Part, Text

#: Tokens an image or a file of unknown size is taken to cost. OpenAI counts an image up to about 1,500.
TOKENS = 1_500
#: Bytes of a file that are taken to cost a token, unless it is text: a page of a PDF has some 50 kB.
BYTES_A_TOKEN = 32
#: The same, of a file that is text.
TEXT_BYTES_A_TOKEN = 3


def chat_content(message: UserMessage) -> str | list[dict[str, Any]]:
    """Return a message's content for a Chat Completions server.

    Args:
        message: the message.
    """
    return [_chat(part) for part in message.parts] or message.text


def responses_content(message: UserMessage) -> str | list[dict[str, Any]]:
    """Return a message's content for a Responses server.

    Args:
        message: the message.
    """
    return [_responses(part) for part in message.parts] or message.text


def assistants_content(
    message: UserMessage, tools: Sequence[str]
) -> tuple[str | list[dict[str, Any]], list[dict[str, Any]]]:
    """Return a message's content and attachments for a server that speaks Assistants.

    Args:
        message: the message.
        tools: the types of the hosted tools that may read its files.
    """
    attached = [part for part in message.parts if isinstance(part, File) and part.source == "id"]
    readers = [{"type": tool} for tool in tools if tool in ("file_search", "code_interpreter")]
    content = [_assistants(part) for part in message.parts if part not in attached]
    if message.parts and not content:
        content = [{"type": "text", "text": _told(attached[0])}]  # a message has content
    return content or message.text, [{"file_id": part.file_id, "tools": readers} for part in attached]


def data_url(part: Image | File) -> str:
    """Return the bytes of a part as a URL that holds them.

    Args:
        part: one with `data`.
    """
    return f"data:{part.media_type};base64,{b64encode(part.data or b'').decode()}"


def weight(items: Sequence[Item]) -> int:
    """Return how many bytes more a token budget is to count than go out: fewer than none, as a rule.

    An image costs about the same however many bytes it has; without this, one would crowd out the thread.

    Args:
        items: a piece of the transcript.
    """
    parts = [part for item in items if isinstance(item, UserMessage) for part in item.parts]
    media = [part for part in parts if not isinstance(part, Text)]
    return sum(_tokens(part) * TEXT_BYTES_A_TOKEN - _encoded(part) for part in media)


def _tokens(part: Image | File) -> int:
    if isinstance(part, Image) or part.data is None:
        return TOKENS
    a_token = TEXT_BYTES_A_TOKEN if part.media_type.startswith("text/") else BYTES_A_TOKEN
    return max(TOKENS, len(part.data) // a_token)


def _encoded(part: Image | File) -> int:
    return 0 if part.data is None else (len(part.data) + 2) // 3 * 4


def _chat(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image() if part.source != "id":
            url = part.url or data_url(part)
            detail = {} if part.detail == "auto" else {"detail": part.detail}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        case File() if part.source == "data":
            return {"type": "file", "file": {"filename": part.name, "file_data": data_url(part)}}
        case File() if part.source == "id":
            return {"type": "file", "file": {"file_id": part.file_id}}
        case _:
            return {"type": "text", "text": _told(part)}


def _responses(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "input_text", "text": part.text}
        case Image():
            named = {"file_id": part.file_id} if part.source == "id" else {"image_url": part.url or data_url(part)}
            return {"type": "input_image", "detail": part.detail, **named}
        case File() if part.source == "data":
            return {"type": "input_file", "filename": part.name, "file_data": data_url(part)}
        case File():
            return {"type": "input_file", **({"file_url": part.url} if part.url else {"file_id": part.file_id})}


def _assistants(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case Image() if part.source == "url":
            return {"type": "image_url", "image_url": {"url": part.url, "detail": part.detail}}
        case Image() if part.source == "id":
            return {"type": "image_file", "image_file": {"file_id": part.file_id, "detail": part.detail}}
        case _:
            return {"type": "text", "text": _told(part)}


def _told(part: Image | File) -> str:
    """A part in words, where nothing else can be said of it."""
    kind = "an image" if isinstance(part, Image) else "a file"
    name = part.name if isinstance(part, File) else ""
    return f"({kind}: {name or part.url or part.file_id or part.media_type})"
