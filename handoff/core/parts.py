"""The parts of a user's message that is more than text: texts, images and files, in order.

A part names its content in exactly one way: by a URL, by the bytes themselves, or by the id a server knows it by. One
that does not is refused where it is made, so that whatever is journaled can be sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from handoff.errors import ContentRefused

Source: TypeAlias = Literal["url", "data", "id"]


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text."""

    #: What is said.
    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  (callers are not all typed)
            raise ContentRefused("text", f"Text({self.text!r}) holds no text: give a str")


@dataclass(frozen=True, slots=True)
class Image:
    """An image: `Image(url=…)`, `Image(data=…, media_type="image/png")` or `Image(file_id=…)`.

    Raises:
        ContentRefused: if not exactly one of the three is given, or the media type is none of an image.
    """

    #: Where the server finds it; http or https.
    url: str | None = None
    #: The image itself.
    data: bytes | None = field(default=None, repr=False)
    #: The id under which it was uploaded to the server.
    file_id: str | None = None
    #: What it is, with `data`: `image/png`, `image/jpeg`, `image/webp` or `image/gif`.
    media_type: str = ""
    #: How closely the model looks at it; what `auto` means is the server's.
    detail: Literal["auto", "low", "high"] = "auto"

    def __post_init__(self) -> None:
        _check("image", "Image", self.url, self.data, self.file_id)
        if self.data is not None and not self.media_type.startswith("image/"):
            problem = f"Image(data=…) has media_type={self.media_type!r}: say what it is, such as 'image/png'"
            raise ContentRefused("image", problem)
        if self.detail not in ("auto", "low", "high"):  # pyright: ignore[reportUnnecessaryContains]
            raise ContentRefused("image", f"Image(detail={self.detail!r}): give 'auto', 'low' or 'high'")

    @property
    def source(self) -> Source:
        """How its content is named."""
        return _source(self.url, self.data)


@dataclass(frozen=True, slots=True)
class File:
    """A file for the model to read: `File(url=…)`, `File(data=…, name=…, media_type=…)` or `File(file_id=…)`.

    Raises:
        ContentRefused: if not exactly one of the three is given, or `data` comes without its name or media type.
    """

    #: Where the server finds it; http or https.
    url: str | None = None
    #: The file itself.
    data: bytes | None = field(default=None, repr=False)
    #: The id under which it was uploaded to the server.
    file_id: str | None = None
    #: What it is, with `data`: `application/pdf`, `text/plain` and the like.
    media_type: str = ""
    #: What it is called; the model reads it.
    name: str = ""

    def __post_init__(self) -> None:
        _check("file", "File", self.url, self.data, self.file_id)
        if self.data is not None and not (self.name and "/" in self.media_type):
            problem = "File(data=…) needs name= and media_type=, such as 'menu.pdf' and 'application/pdf'"
            raise ContentRefused("file", problem)

    @property
    def source(self) -> Source:
        """How its content is named."""
        return _source(self.url, self.data)


Part: TypeAlias = Text | Image | File


def _source(url: str | None, data: bytes | None) -> Source:
    return "url" if url is not None else "data" if data is not None else "id"


def _check(part: str, kind: str, url: object, data: object, file_id: object) -> None:
    given = [name for name, one in (("url", url), ("data", data), ("file_id", file_id)) if one is not None]
    if len(given) != 1:
        raise ContentRefused(part, f"{kind} got {' and '.join(given) or 'nothing'}: give one of url=, data=, file_id=")
    if data is not None and not (isinstance(data, bytes) and data):
        raise ContentRefused(part, f"{kind}(data=…) holds no bytes: read the file with Path.read_bytes()")
    if url is not None and not (isinstance(url, str) and url.startswith(("http://", "https://"))):
        raise ContentRefused(part, f"{kind}(url={str(url)[:80]!r}): give an http or https URL, or data=")
    if file_id is not None and not (isinstance(file_id, str) and file_id):
        raise ContentRefused(part, f"{kind}(file_id={file_id!r}): give the id the server told at the upload")
