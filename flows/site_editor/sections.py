"""The sections of a page: a Markdown parser says where its headings stand.

A heading counts if it belongs to the page itself, not to a quotation, a list or a piece of code. A section reaches to
the next heading of its level or a higher one; its own text ends at the next heading of any level.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from markdown_it import MarkdownIt

from flows.site_editor.edits import NEWLINE, Edit, apply, newline_of, refined, require_text, short, with_ends
from handoff import ToolError

Where = Literal["before", "after", "first", "last"]

_BLANK_LINES = re.compile(r"(?:[ \t]*(?:\r\n|\r|\n))*")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_ATTRIBUTES = re.compile(r"\s*\{[^{}]*\}\s*$")
_LIQUID = re.compile(r"\{%-?\s*(highlight|raw|comment)\b.*?\{%-?\s*end\1\s*-?%\}", re.DOTALL)
_MARKDOWN = MarkdownIt("commonmark")


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it. All places are in characters from the start of the page.

    Attributes:
        title: the heading's text, markup as it is written.
        level: 1 for the highest.
        path: the titles of the sections it lies in, then its own.
        line: the heading's line in the file, from 1.
        start: where the heading begins.
        text: where its own text begins.
        own_end: where its own text ends.
        end: where the whole section ends.
    """

    title: str
    level: int
    path: tuple[str, ...]
    line: int
    start: int
    text: int
    own_end: int
    end: int

    @property
    def name(self) -> str:
        """What tells it from other sections of the page."""
        return " > ".join(self.path)


def sections(text: str, body: int) -> list[Section]:
    """The sections of a page, in order.

    Args:
        text: the page.
        body: where its front matter ends, in characters.
    """
    # Code that the generator marks in its own way is no Markdown: as many characters, but no heading, stand for it.
    marked = _LIQUID.sub(lambda found: re.sub(r"[^\r\n]", "x", found[0]), text[body:])
    starts = [body + line.start() for line in _LINE.finditer(marked) if line.start() < len(marked)] + [len(text)]
    tokens = _MARKDOWN.parse(marked)
    found: list[tuple[int, int, int, str]] = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map is not None:
            begin, end = opening.map
            found.append((int(opening.tag[1:]), starts[begin], starts[end], _ATTRIBUTES.sub("", inline.content)))
    return [_section(text, found, index) for index in range(len(found))]


def _section(text: str, found: Sequence[tuple[int, int, int, str]], index: int) -> Section:
    level, start, after, _ = found[index]
    path: list[str] = []
    above = level + 1
    for one in reversed(found[: index + 1]):
        if one[0] < above:
            above = one[0]
            path.insert(0, " ".join(one[3].split()))
    following = found[index + 1 :]
    own_end = following[0][1] if following else len(text)
    end = next((one[1] for one in following if one[0] <= level), len(text))
    return Section(path[-1], level, tuple(path), text.count("\n", 0, start) + 1, start, after, own_end, end)


def named(known: Sequence[Section], name: str) -> Section:
    """The section of a name.

    Args:
        known: the sections of the page.
        name: its title, or the titles it lies in and its own, separated by ``>``.

    Raises:
        ToolError: there is none, or there are several; it names them.
    """
    wanted = tuple(_plain(part) for part in re.split(r"\s*>\s*", name.strip().lstrip("#")))
    found = [one for one in known if tuple(map(_plain, one.path))[-len(wanted) :] == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        told = "; ".join(f"{one.name}, line {one.line}" for one in found)
        raise ToolError(f"{len(found)} sections are called {short(name)}: {told}. Name one by what it lies in: A > B.")
    told = "; ".join(one.name for one in known) or "none"
    raise ToolError(f"There is no section {short(name)}. The sections are: {told}.")


def rewritten(text: str, body: int, name: str, new: str) -> Edit:
    """The edit that gives a section a new text of its own; its heading and the sections in it stay.

    Args:
        text: the page.
        body: where its front matter ends, in characters.
        name: the section.
        new: its text; empty for none.

    Raises:
        ToolError: there is no such section, or the text is its text.
    """
    require_text(new)
    section = named(sections(text, body), name)
    begin, old = section.text, text[section.text : section.own_end]
    core, new = old.strip(), with_ends(new.strip(), newline_of(text))
    if core == new:
        raise ToolError("The new text is the old text: there is nothing to change.")
    if not core:
        return _appended(text, section.own_end, new)
    if new:
        return refined(Edit(at=begin + old.index(core), old=core, new=new))
    if section.own_end < len(text):
        return refined(Edit(at=begin, old=old, new=newline_of(text)))
    at, end = len(text[:begin].rstrip()), len(text.rstrip())
    return Edit(at=at, old=text[at:end], new="")


def paragraph(text: str, body: int, new: str, place: Literal["start", "end"], name: str) -> Edit:
    """The edit that adds a paragraph, with a blank line between it and its neighbours.

    Args:
        text: the page.
        body: where its front matter ends, in characters.
        new: the paragraph, or several.
        place: at which end of the section's own text, or of the page.
        name: the section; empty for the page.

    Raises:
        ToolError: there is no such section, or there is nothing to add.
    """
    require_text(new)
    new = with_ends(new.strip("\r\n"), newline_of(text))
    if not new.strip():
        raise ToolError("There is no text to add: give the paragraph as text.")
    begin, end = body, len(text)
    if name:
        section = named(sections(text, body), name)
        begin, end = section.text, section.own_end
    at = _BLANK_LINES.match(text, begin, end)
    if place == "end" or at is None or not text[begin:end].strip():
        return _appended(text, end, new)
    return Edit(at=at.end(), old="", new=new + 2 * newline_of(text))


def deleted(text: str, body: int, name: str) -> Edit:
    """The edit that takes a section away, the sections in it included.

    Raises:
        ToolError: there is no such section.
    """
    section = named(sections(text, body), name)
    if section.end < len(text):
        return Edit(at=section.start, old=text[section.start : section.end], new="")
    # The last section goes with the blank lines before it; the page ends as it did.
    content = text[section.start :].rstrip()
    before = text[body : section.start].rstrip()
    at = body + len(before) if before else section.start
    return Edit(at=at, old=text[at : section.start] + content, new="")


def moved(text: str, body: int, name: str, where: Where, other: str) -> Edit:
    """The edit that changes the order of sections which lie in the same one; what separates them stays in its place.

    Args:
        text: the page.
        body: where its front matter ends, in characters.
        name: the section to move.
        where: where to.
        other: before or after which section; empty for first and last.

    Raises:
        ToolError: there is no such section, the two do not lie in the same one, or it stands there already.
    """
    known = sections(text, body)
    section = named(known, name)
    siblings = [one for one in known if one.level == section.level and _parent(known, one) == _parent(known, section)]
    order = [one for one in siblings if one is not section]
    if where in ("before", "after"):
        target = named(known, other)
        if target not in order:
            told = "; ".join(one.name for one in order) or "none"
            raise ToolError(f"{section.name} can be moved only among the sections beside it. They are: {told}.")
        order.insert(order.index(target) + (where == "after"), section)
    else:
        order.insert(0 if where == "first" else len(order), section)
    if order == siblings:
        raise ToolError(f"{section.name} stands there already: there is nothing to change.")
    pieces = [text[one.start : one.end] for one in siblings]
    blanks = [piece[len(piece.rstrip()) :] for piece in pieces]
    new = "".join(text[one.start : one.end].rstrip() + blank for one, blank in zip(order, blanks, strict=True))
    edit = Edit(at=siblings[0].start, old="".join(pieces), new=new)
    after = apply(text, [edit]) or ""
    if sorted(one.path for one in sections(after, body)) != sorted(one.path for one in known):
        raise ToolError(f"{section.name} cannot be moved without changing more: move it in the file by hand.")
    return refined(edit)


def _parent(known: Sequence[Section], section: Section) -> Section | None:
    around = [one for one in known if one.level < section.level and one.start < section.start < one.end]
    return around[-1] if around else None


def _appended(text: str, end: int, new: str) -> Edit:
    """The edit that puts a paragraph behind the last text before `end`, with blank lines around it."""
    newline, at = newline_of(text), len(text[:end].rstrip())
    lead = 2 * newline if text[:at].strip("\ufeff") else ""
    ends = len(NEWLINE.findall(text[at:end]))
    return Edit(at=at, old="", new=lead + new + newline * (max(0, 2 - ends) if text[end:].strip() else 0))


def _plain(title: str) -> str:
    return " ".join(title.casefold().split()).rstrip("#").strip().rstrip(".:")
