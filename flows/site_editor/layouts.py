"""Which layouts a site has, and how a page names one: each generator keeps and spells them in its own way.

A site whose folders hold none takes any name. What a theme brings along is known as far as other pages use it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from flows.site_editor import front_matter
from flows.site_editor.front_matter import FrontMatter
from flows.site_editor.pages import PageId, Pages, candidates
from handoff import ToolError

KEYS = ("layout", "template")
"""The settings that name a page's layout."""

_NO_LAYOUTS = frozenset({"partials", "shortcodes", "_partials", "_shortcodes", "_markup"})


def key_of(pages: Pages, front: FrontMatter) -> str:
    """The setting that names the layout of a page.

    Args:
        pages: the site.
        front: the page's front matter.
    """
    present = [key for key in KEYS if key in front.values]
    is_mkdocs = any((pages.root / name).is_file() for name in ("mkdocs.yml", "mkdocs.yaml"))
    return present[0] if present else KEYS[is_mkdocs]


def value_of(pages: Pages, page_id: PageId, key: str, layout: str) -> str:
    """A layout as the page's setting names it.

    Args:
        pages: the site.
        page_id: the page.
        key: the setting.
        layout: the layout, by its name, its file's name or as a page names it.

    Raises:
        ToolError: there is no such layout, or there are several.
    """
    known = set(_of_site(pages.root, PurePosixPath(pages.file(page_id)).parent.as_posix()))
    if not known:
        return layout
    used = known | _in_use(pages, key)
    if layout in used:
        return layout
    found = sorted(value for value in used if _plain(layout) in (_plain(value), value.casefold()))
    if len(found) == 1:
        return found[0]
    if found:
        raise ToolError(f"{len(found)} layouts match {layout!r}: {', '.join(found)}. Ask which one is meant.")
    raise ToolError(f"There is no layout {layout!r}. {candidates('The layouts are', layout, sorted(used))}")


def _of_site(root: Path, folder: str) -> Iterator[str]:
    """The layouts in the site's folders, as a page in a folder names them."""
    for path in (*_files(root / "_layouts"), *_files(root / "layouts")):  # Jekyll, Hugo
        yield path.stem
    for inner in _folders(root / "layouts"):  # Hugo
        yield from (path.stem for path in _files(inner))
    for path in _files(root / "overrides"):  # MkDocs
        yield path.name
    for path in _files(root / "src" / "layouts"):  # Astro
        yield posixpath.relpath(path.relative_to(root).as_posix(), folder)


def _files(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(one for one in folder.iterdir() if one.is_file() and not one.is_symlink() and one.name[0] != ".")
    return []


def _folders(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(one for one in folder.iterdir() if one.is_dir() and one.name not in _NO_LAYOUTS)
    return []


def _in_use(pages: Pages, key: str) -> set[str]:
    """The layouts that pages name; relative paths mean something else on every page."""
    used: set[str] = set()
    for text in pages.texts().values():
        with suppress(ToolError):
            value = front_matter.read(text).values.get(key)
            if isinstance(value, str) and "/" not in value:
                used.add(value)
    return used


def _plain(layout: str) -> str:
    """A layout's name without folder and suffix, in small letters."""
    return PurePosixPath(layout.casefold()).name.partition(".")[0]
