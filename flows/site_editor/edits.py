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

NEWLINE = re.compile(r"\r\n|\r|\n")
"""What ends a line."""
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


def refined(edit: Edit) -> Edit:
    """The same edit without what stays at its begin and its end."""
    limit = min(len(edit.old), len(edit.new))
    begin = next((at for at in range(limit) if edit.old[at] != edit.new[at]), limit)
    limit -= begin
    end = next((at for at in range(limit) if edit.old[-1 - at] != edit.new[-1 - at]), limit)
    return Edit(
        at=edit.at + begin, old=edit.old[begin : len(edit.old) - end], new=edit.new[begin : len(edit.new) - end]
    )


def newline_of(text: str) -> str:
    """How the text ends its lines."""
    return "\r\n" if "\r\n" in text else "\n"


def with_ends(text: str, newline: str) -> str:
    """The text with its lines ended in one way."""
    return NEWLINE.sub(lambda _: newline, text)


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


def short(text: str) -> str:
    """A text as a refusal shows it: quoted, and not long."""
    return repr(text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…")
