"""Edits of words in a page: the text that is meant must stand there once, or nothing is changed.

A refusal shows what stands there instead: the lines that come near, or all the places where the text stands.
"""

from __future__ import annotations

import difflib
import re
from typing import Literal

from flows.site_editor.edits import SHOWN, Edit, newline_of, require_text, short, with_ends
from flows.site_editor.pages import NEAR
from handoff import ToolError

_ITEM = re.compile(r"[ \t]*(?:\||[-*+][ \t]|\d+[.)][ \t])")


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
    require_text(new)
    at, wanted = _only(text, start, old)
    new = with_ends(new, newline_of(text))
    if new == wanted:
        raise ToolError("The new text is the old text: there is nothing to change.")
    return Edit(at=at, old=wanted, new=new)


def insertion(text: str, start: int, new: str, place: Literal["before", "after"], anchor: str) -> Edit:
    """The edit that puts `new` before or after the only `anchor`.

    A blank comes between them where two words would run together; an item of a list or a row of a table that goes
    beside another gets a line of its own.

    Args:
        text: the page.
        start: where to begin to look, in characters.
        new: what to insert; its line ends become the page's.
        place: on which side of the anchor.
        anchor: text of the page.

    Raises:
        ToolError: the anchor is empty, not there or there several times, or `new` is empty or no text.
    """
    require_text(new)
    if not new:
        raise ToolError("There is no text to insert: give it as text.")
    at, found = _only(text, start, anchor)
    newline, whole = newline_of(text), _is_whole_line(text, start, at, found)
    at += len(found) if place == "after" else 0
    new = with_ends(new, newline)
    if whole and _ITEM.match(found) and _ITEM.match(new):
        return Edit(at=at, old="", new=newline + new if place == "after" else new + newline)
    lead = " " if _meet(text[:at], new) else ""
    return Edit(at=at, old="", new=lead + new + (" " if _meet(new, text[at:]) else ""))


def deletion(text: str, start: int, old: str) -> Edit:
    """The edit that takes the only `old` away, with the blank or the blank line that it would leave twice.

    Args:
        text: the page.
        start: where to begin to look, in characters.
        old: text of the page.

    Raises:
        ToolError: it is empty, not there or there several times.
    """
    at, found = _only(text, start, old)
    end = at + len(found)
    begins, ends = at == start or text[at - 1] in "\r\n", end == len(text) or text[end] in "\r\n"
    if _is_whole_line(text, start, at, found):
        after = re.compile(r"(?:\r\n|\r|\n)?").match(text, end)
        end = after.end() if after else end
        blank = re.compile(r"[ \t]*(?:\r\n|\r|\n)").match(text, end)
        if blank and re.search(r"(?:\A|\r|\n)[ \t]*(?:\r\n|\r|\n)\Z", text[:at]):
            end = blank.end()
    elif text[end : end + 1] in (" ", ".", ",", ";", ":", "!", "?") and text[at - 1 : at] == " ":
        at -= 1
    elif begins and text[end] == " ":
        end += 1
    elif ends and text[at - 1] == " ":
        at -= 1
    return Edit(at=at, old=text[at:end], new="")


def _only(text: str, start: int, old: str) -> tuple[int, str]:
    """Where the only `old` stands, and how it is written there.

    Raises:
        ToolError: it is empty, not there, or there several times.
    """
    if not old:
        raise ToolError("No text is given: give some text of the page as it stands there.")
    wanted = old if old in text[start:] else with_ends(old, newline_of(text))
    places = _places(text, start, wanted)
    if not places:
        raise ToolError(f"The page does not hold {short(old)}. {_near(text[start:], old)}")
    if len(places) > 1:
        told = "; ".join(_shown_at(text, place) for place in places[:NEAR])
        raise ToolError(f"{short(old)} stands {len(places)} times: {told}. Give more of what is around it.")
    return places[0], wanted


def _shown_at(text: str, place: int) -> str:
    """The line of a place with its number."""
    begin = text.rfind("\n", 0, place) + 1
    line = text[begin:].partition("\n")[0]
    first = max(0, min(place - begin - SHOWN // 3, len(line) - SHOWN))
    lead = "…" if first else ""
    number = text.count("\n", 0, place) + 1
    return f"line {number} {short(lead + line[first:].strip())}"


def _is_whole_line(text: str, start: int, at: int, found: str) -> bool:
    """Whether a text that stands somewhere fills its lines."""
    end = at + len(found)
    return (at == start or text[at - 1] in "\r\n") and (end == len(text) or text[end] in "\r\n")


def _meet(left: str, right: str) -> bool:
    """Whether a word would run into another where the two texts meet."""
    return bool(left and right) and left[-1].isalnum() and right[0].isalnum()


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
    return f"Near it: {'; '.join(short(line) for line in near[:3])}."


def _words(text: str) -> set[str]:
    """The words of a text that say something: those of four letters or more."""
    return set(re.findall(r"\w{4,}", text.lower()))
