"""A change is a list of edits, each a place in the text, what stood there and what stands there now.

It is made on the page as it was opened, replayed when it is published, and undone to find out whether that has
happened. Whatever is not edited stays byte for byte.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from flows.site_editor.pages import Digest, Pages, digest
from handoff import ToolError

_NEWLINE = re.compile(r"\r\n|\r|\n")
_CONTROL = re.compile(r"[^\t\n\r\x20-\x7e\x80-\ud7ff\ue000-\U0010ffff]")
SHOWN = 60
"""How many characters of a line a refusal shows."""


class Edit(BaseModel):
    """One replacement, on the text the edits before it have left."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: Annotated[int, Field(ge=0)]
    """Where it begins, in characters from the start of the file."""
    old: str
    """What stood there."""
    new: str
    """What stands there now."""


def apply(text: str, edits: Iterable[Edit]) -> str | None:
    """The text after the edits; None if they do not fit it."""
    for edit in edits:
        if not text.startswith(edit.old, edit.at):
            return None
        text = text[: edit.at] + edit.new + text[edit.at + len(edit.old) :]
    return text


def undo(text: str, edits: Iterable[Edit]) -> str | None:
    """The text before the edits; None if they did not lead to it."""
    return apply(text, [Edit(at=edit.at, old=edit.new, new=edit.old) for edit in reversed(list(edits))])


def draft(pages: Pages, page_id: str, opened: Digest, edits: Iterable[Edit]) -> str:
    """The page's text with the edits made, which no file holds yet.

    Raises:
        ToolError: the file changed since it was opened, or cannot be read.
    """
    text = apply(pages.read_as_opened(page_id, opened), edits)
    if text is None:
        raise ToolError(f"The change does not fit {page_id}. Drop it and start again.")
    return text


def is_published(text: str, opened: Digest, edits: Iterable[Edit]) -> bool:
    """Whether the text is what the edits made of the page as it was opened."""
    before = undo(text, edits)
    return before is not None and digest(before) == opened


def replacement(text: str, start: int, old: str, new: str) -> Edit:
    """The edit that puts `new` in the place of the only `old` from `start` on.

    Args:
        text: the page.
        start: where to begin to look, in characters.
        old: text of the page; its line ends may be written in any way.
        new: what is to stand there; its line ends become the page's.

    Raises:
        ToolError: `old` is empty, not there or there several times, or `new` changes nothing or is no text.
    """
    if not old:
        raise ToolError("There is no text to replace: give some text of the page as old.")
    require_text(new)
    newline = "\r\n" if "\r\n" in text else "\n"
    wanted = old if old in text[start:] else _NEWLINE.sub(lambda _: newline, old)
    places = _places(text, start, wanted)
    if not places:
        raise ToolError(f"The page does not hold {_short(old)}. {_near(text[start:], old)}")
    if len(places) > 1:
        lines = ", ".join(str(text.count("\n", 0, place) + 1) for place in places)
        raise ToolError(f"{_short(old)} stands {len(places)} times, in the lines {lines}: give more of what is around.")
    new = _NEWLINE.sub(lambda _: newline, new)
    if new == wanted:
        raise ToolError("The new text is the old text: there is nothing to change.")
    return Edit(at=places[0], old=wanted, new=new)


def require_text(text: str) -> None:
    """Refuse what does not belong in a text file: control characters and halves of characters.

    Raises:
        ToolError: there is one.
    """
    found = _CONTROL.search(text)
    if found is not None:
        raise ToolError(f"The character U+{ord(found[0]):04X} cannot stand in a page: leave it out.")


def difference(before: str, after: str, name: str) -> str:
    """The difference of two texts, as a unified diff; empty if there is none.

    Args:
        before: the old text.
        after: the new text.
        name: the file's name, for the head.
    """
    lines: list[str] = []
    for line in difflib.unified_diff(_lines(before), _lines(after), f"a/{name}", f"b/{name}", lineterm="\n"):
        lines.append(line.rstrip("\r\n"))
        if not line.endswith("\n"):
            lines.append("\\ No newline at end of file")
    return "\n".join(lines)


def _lines(text: str) -> list[str]:
    """The lines with their ends; only a line feed ends one, as for every tool that shows differences."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _places(text: str, start: int, wanted: str) -> list[int]:
    places: list[int] = []
    place = text.find(wanted, start)
    while place >= 0:
        places.append(place)
        place = text.find(wanted, place + 1)
    return places


def _near(text: str, wanted: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    near = difflib.get_close_matches(wanted.strip(), lines, n=3, cutoff=0.4)
    words = _words(wanted)
    near += [line for line in lines if line not in near and words & _words(line)]
    if not near:
        return "Read the page and give its text as it stands."
    return f"Near it: {'; '.join(_short(line) for line in near[:3])}."


def _words(text: str) -> set[str]:
    """The words of a text that say something: those of four letters or more."""
    return set(re.findall(r"\w{4,}", text.lower()))


def _short(text: str) -> str:
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")
