"""What a user sends: a text, or a list of parts; read once, before anything is kept.

Text alone stays text, however it was given. Whatever a backend cannot carry is refused here, so that a message is
either in the inbox and can be sent, or was never there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from handoff.backends.base import Capability, carried, name_of_backend
from handoff.core.codec import dump_parts
from handoff.core.parts import File, Image, Part, Text
from handoff.errors import ContentRefused

Content: TypeAlias = str | Sequence[str | Text | Image | File]
"""A text; or texts, images and files in order."""

#: The most bytes the parts of one message may hold together: they are journaled, and on some backends sent with every
#: request. OpenAI takes 50 MB a request.
LARGEST = 20 * 2**20

#: What a backend has to carry for a part, by its class and how it names its content.
NEEDED: Mapping[tuple[type, str], Capability] = {
    (Image, "url"): "image_url",
    (Image, "data"): "image_data",
    (Image, "id"): "image_id",
    (File, "url"): "file_url",
    (File, "data"): "file_data",
    (File, "id"): "file_id",
}


def message_row(message: str, content: Content, policy: str, backend: object = None) -> dict[str, Any]:
    """Return the inbox row of a message.

    Args:
        message: the message's id.
        content: what the user says.
        policy: what it does to an active run.
        backend: who would have to carry it; None carries everything.

    Raises:
        ContentRefused: a part cannot be sent, or not to this backend.
    """
    text, parts = read(content)
    if backend is not None:
        _require(parts, backend)
    row = {"id": message, "text": text, "policy": policy}
    return {**row, "parts": dump_parts(parts)} if parts else row


def read(content: Content) -> tuple[str, tuple[Part, ...]]:
    """Return a message's text, and all its parts where it is more than text.

    Args:
        content: what the user says.

    Raises:
        ContentRefused: it is neither a text nor a list of parts, is empty, or is too large.
    """
    if isinstance(content, str):
        return clean(content), ()
    if not isinstance(content, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]  (callers are not all typed)
        raise ContentRefused("message", f"{content!r} is no message: give a str, or a list of Text, Image and File")
    parts = tuple(_part(part) for part in content)
    if not parts:
        raise ContentRefused("message", "the message has no parts: give a str, or a list of Text, Image and File")
    size = sum(len(part.data or b"") for part in parts if not isinstance(part, Text))
    if size > LARGEST:
        problem = f"the message's images and files hold {size:,} bytes, and {LARGEST:,} may be sent"
        raise ContentRefused("message", f"{problem}: give url= or file_id=")
    text = "\n".join(part.text for part in parts if isinstance(part, Text))
    return text, () if all(isinstance(part, Text) for part in parts) else parts


def clean(text: str) -> str:
    """Return the text as UTF-8 can hold it: a lone surrogate becomes the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def described(part: Part) -> str:
    """Return a part on one line, for people: an image or a file by what is known of it."""
    if isinstance(part, Text):
        return part.text
    kind = "image" if isinstance(part, Image) else "file"
    size = f"{len(part.data):,} bytes" if part.data is not None else ""
    name = part.name if isinstance(part, File) else ""
    known = [one for one in (name, part.media_type, size, part.url, part.file_id) if one]
    return f"[{kind}: {', '.join(known)}]"


def shown(text: str, parts: Sequence[Part]) -> str:
    """Return a message for people: its text, or all its parts, each on a line."""
    return "\n".join(map(described, parts)) if parts else text


def _part(part: object) -> Part:
    if isinstance(part, Text):
        return replace(part, text=clean(part.text))
    if isinstance(part, str):
        return Text(clean(part))
    if not isinstance(part, Image | File):
        raise ContentRefused("message", f"{part!r} is no part of a message: give Text(…), Image(…) or File(…)")
    return part


def _require(parts: Sequence[Part], backend: object) -> None:
    carries = carried(backend)
    for part in parts:
        if isinstance(part, Text):
            continue
        needed = NEEDED[type(part), part.source]
        if needed in carries:
            continue
        kind = needed.partition("_")[0]
        ways = [f"{name}=" for name in ("url", "data", "id") if f"{kind}_{name}" in carries]
        ways = ["file_id=" if way == "id=" else way for way in ways]
        given = "file_id" if part.source == "id" else part.source
        instead = f"it takes {' or '.join(ways)}" if ways else f"it takes no {kind}s; use a backend that does"
        raise ContentRefused(kind, f"{name_of_backend(backend)} carries no {kind} by {given}=: {instead}")
