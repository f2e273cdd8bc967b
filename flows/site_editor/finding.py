"""Finding the page that somebody means, by its path, its title or words of either.

The closest kind of likeness that any page has decides; if several pages have it, nobody guesses: all are named.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from flows.site_editor import front_matter
from flows.site_editor.pages import SUFFIXES, PageId, Pages, candidates
from flows.site_editor.sections import sections
from handoff import ToolError

SHOWN = 50
"""How many pages a list names."""

_HOME = frozenset({"home", "homepage", "home page", "front page", "start page", "index"})
_DATE = re.compile(r"^\d{4}-\d\d-\d\d-")
_INDEX = re.compile(r"(?:^|/)(?:_?index|readme)$")


def title(text: str) -> str | None:
    """A page's title: the setting, else its first heading of the highest level, else None.

    Args:
        text: the page.
    """
    try:
        front = front_matter.read(text)
        found = front.values.get("title")
        if isinstance(found, str) and found.strip():
            return " ".join(found.split())
        headings = sections(text, front.body)
    except ToolError:
        return None
    return next((one.title for one in headings if one.level == 1), None)


def find(pages: Pages, wanted: str) -> PageId:
    """The page that somebody means.

    Args:
        pages: the site.
        wanted: its path, with or without suffix, the last part of it, its title, or words of the title or path.

    Raises:
        ToolError: there is none, or there are several; it names them.
    """
    names = pages.names()
    if wanted in names:
        return wanted
    asked = _plain(wanted)
    titles = {name: title(text) or "" for name, text in pages.texts().items()}
    words = set(_words(asked)) if "/" not in asked else set[str]()
    indexes = [name for name in names if _INDEX.search(_bare(name))]
    homes = [name for name in indexes if name.count("/") == min(one.count("/") for one in indexes)]
    kinds: list[Callable[[PageId], bool]] = [
        lambda name: asked == _plain(name),
        lambda name: bool(asked) and asked in {titles.get(name, "").casefold(), *_ends(name)},
        lambda name: asked in _HOME and name in homes,
        lambda name: bool(words) and words <= {*_words(titles.get(name, "")), *_words(_plain(name))},
    ]
    for is_like in kinds if wanted.isprintable() else ():
        found = [name for name in names if is_like(name)]
        if len(found) == 1:
            return found[0]
        if found:
            told = "; ".join(_line(name, titles.get(name)) for name in found[:SHOWN])
            raise ToolError(f"{len(found)} pages match {wanted!r}: {told}. Ask which one is meant.")
    raise ToolError(f"There is no page {wanted!r}. {candidates('The pages are', wanted, names)}")


def listing(pages: Pages, words: str) -> str:
    """The pages with their titles, one a line.

    Args:
        pages: the site.
        words: only pages whose path or title holds all of these; empty for all.
    """
    asked = set(_words(words))
    titles = dict.fromkeys(pages.names()) | {name: title(text) for name, text in pages.texts().items()}
    found = [name for name, found in titles.items() if asked <= {*_words(name), *_words(found or "")}]
    lines = [_line(name, titles[name]) for name in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN} more: name words of the path or the title")
    return "\n".join(lines)


def _line(name: PageId, found: str | None) -> str:
    return f"{name} ({found})" if found else name


def _plain(name: str) -> str:
    """A path in small letters, without suffix and without the index of a folder."""
    name = _bare(name)
    return _INDEX.sub("", name) or name


def _bare(name: str) -> str:
    """A path in small letters, without suffix, and without blanks and slashes around it."""
    name = " ".join(name.casefold().replace("\\", "/").split()).removeprefix("./").strip("/")
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _ends(name: PageId) -> set[str]:
    """The ends of a path, with and without the date that posts begin with, and the index that stands for a folder."""
    spellings = _bare(name).split("/"), _plain(name).split("/")
    ends = {"/".join(parts[at:]) for parts in spellings for at in range(len(parts))}
    return ends | {_DATE.sub("", spellings[1][-1])}


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold().replace("_", " "))
