"""The editor's tools: each makes one edit of the open page, adds it to the change and hands over to the reviewer.

An edit that cannot be made as asked changes nothing; its refusal says what there is instead.
"""

# ruff: noqa: D417  (a tool's docstring is for the model, which fills only some of the parameters)

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import StringConstraints

from flows.site_editor import front_matter, layouts, sections, wording
from flows.site_editor.edits import Edit, draft
from flows.site_editor.flow import Site, changed, editor, reviewer, shown, unchanged, welcome
from flows.site_editor.front_matter import SettingName
from flows.site_editor.pages import Digest, PageId, Pages, candidates
from flows.site_editor.sections import Where
from handoff import FromMetadata, ToolError

LayoutName = Annotated[str, StringConstraints(pattern=r"^[\w./-]([\w ./-]{0,198}[\w./-])?$")]
"""The name of a layout, such as ``wide`` or ``../layouts/Wide.astro``."""

COMMON = frozenset(
    {
        *("title", "linktitle", "subtitle", "description", "summary", "slug", "permalink", "url", "layout", "template"),
        *("date", "pubdate", "updated", "updateddate", "lastmod", "draft", "published", "status"),
        *("tags", "keywords", "category", "categories", "author", "authors", "aliases", "image"),
        *("weight", "menu", "nav_order", "sidebar_position"),
    }
)
"""Settings that a page may be given although no page of the site has them yet, in small letters."""


@editor.tool(idempotent=True)
def read_page(site: Site, pages: Pages, page_id: FromMetadata[PageId], opened: FromMetadata[Digest]) -> str:
    """Read the open page, unpublished edits included."""
    return draft(pages, page_id, opened, site.change or [])


# -- text --------------------------------------------------------------------------------------------------------------


@editor.tool(to=reviewer, sets="change", idempotent=True)
def replace_text(
    site: Site, pages: Pages, page_id: FromMetadata[PageId], opened: FromMetadata[Digest], old: str, new: str
) -> str:
    """Replace a piece of the page's text. Its settings are left alone.

    Args:
        old: the text to replace, as it stands in the page; it must stand there once.
        new: the text to put there.
    """
    return _keep(site, pages, page_id, opened, lambda text: wording.replacement(text, _body(text), old, new))


@editor.tool(to=reviewer, sets="change", idempotent=True)
def insert_text(
    site: Site,
    pages: Pages,
    page_id: FromMetadata[PageId],
    opened: FromMetadata[Digest],
    text: str,
    place: Literal["before", "after"],
    anchor: str,
) -> str:
    """Insert some words into the page's text. For whole paragraphs take add_paragraph.

    Args:
        text: what to insert.
        place: on which side of the anchor.
        anchor: text that stands in the page once.
    """
    return _keep(site, pages, page_id, opened, lambda page: wording.insertion(page, _body(page), text, place, anchor))


@editor.tool(to=reviewer, sets="change", idempotent=True)
def delete_text(
    site: Site, pages: Pages, page_id: FromMetadata[PageId], opened: FromMetadata[Digest], text: str
) -> str:
    """Delete a piece of the page's text.

    Args:
        text: what to delete, as it stands in the page; it must stand there once.
    """
    return _keep(site, pages, page_id, opened, lambda page: wording.deletion(page, _body(page), text))


@editor.tool(to=reviewer, sets="change", idempotent=True)
def add_paragraph(
    site: Site,
    pages: Pages,
    page_id: FromMetadata[PageId],
    opened: FromMetadata[Digest],
    text: str,
    section: str = "",
    place: Literal["start", "end"] = "end",
) -> str:
    """Add a paragraph, a list or a new section with its heading, set apart by blank lines.

    Args:
        text: the Markdown to add.
        section: the heading of the section to add it to; empty for the page as a whole.
        place: at the start or at the end of that section's own text, before the sections within it.
    """
    return _keep(site, pages, page_id, opened, lambda page: sections.paragraph(page, _body(page), text, place, section))


# -- sections ----------------------------------------------------------------------------------------------------------


@editor.tool(to=reviewer, sets="change", idempotent=True)
def rewrite_section(
    site: Site, pages: Pages, page_id: FromMetadata[PageId], opened: FromMetadata[Digest], section: str, text: str
) -> str:
    """Give a section a new text. Its heading stays, and so do the sections within it.

    Args:
        section: the section's heading; if several have it, with what it lies in: Visit us > Hours.
        text: the Markdown that is to stand below the heading.
    """
    return _keep(site, pages, page_id, opened, lambda page: sections.rewritten(page, _body(page), section, text))


@editor.tool(to=reviewer, sets="change", idempotent=True)
def delete_section(
    site: Site, pages: Pages, page_id: FromMetadata[PageId], opened: FromMetadata[Digest], section: str
) -> str:
    """Delete a section with its heading and the sections within it.

    Args:
        section: the section's heading; if several have it, with what it lies in: Visit us > Hours.
    """
    return _keep(site, pages, page_id, opened, lambda page: sections.deleted(page, _body(page), section))


@editor.tool(to=reviewer, sets="change", idempotent=True)
def move_section(
    site: Site,
    pages: Pages,
    page_id: FromMetadata[PageId],
    opened: FromMetadata[Digest],
    section: str,
    where: Where,
    other: str = "",
) -> str:
    """Change the order of the page's sections.

    Args:
        section: the heading of the section to move, with the sections within it.
        where: before or after another one, or the first or the last of those beside it.
        other: the heading of that other section; empty for first and last.
    """
    return _keep(site, pages, page_id, opened, lambda page: sections.moved(page, _body(page), section, where, other))


# -- layout and settings -----------------------------------------------------------------------------------------------


@editor.tool(to=reviewer, sets="change", idempotent=True)
def set_layout(
    site: Site, pages: Pages, page_id: FromMetadata[PageId], opened: FromMetadata[Digest], layout: LayoutName
) -> str:
    """Choose the page's layout.

    Args:
        layout: the layout's name.
    """

    def make(text: str) -> Edit:
        key = layouts.key_of(pages, front_matter.read(text))
        return front_matter.setting(text, key, layouts.value_of(pages, page_id, key, layout))

    return _keep(site, pages, page_id, opened, make)


@editor.tool(to=reviewer, sets="change", idempotent=True)
def change_setting(
    site: Site,
    pages: Pages,
    page_id: FromMetadata[PageId],
    opened: FromMetadata[Digest],
    key: SettingName,
    value: str | list[str],
    new: bool = False,
) -> str:
    """Change a setting of the page, such as its title, its date or whether it is a draft.

    Args:
        key: the setting's name as it stands in the front matter; for one in a group, group.name.
        value: its new value as it is written there, without quotes: true or false for a switch, texts for a list.
        new: true for a setting that no page of the site has yet.
    """

    def make(text: str) -> Edit:
        if not new:
            _require_known(pages, text, key)
        return front_matter.setting(text, key, value)

    return _keep(site, pages, page_id, opened, make)


@editor.tool(to=reviewer, sets="change", idempotent=True)
def remove_setting(
    site: Site, pages: Pages, page_id: FromMetadata[PageId], opened: FromMetadata[Digest], key: SettingName
) -> str:
    """Remove a setting from the page.

    Args:
        key: the setting's name as it stands in the front matter.
    """
    return _keep(site, pages, page_id, opened, lambda text: front_matter.without(text, key))


@editor.tool(to=reviewer, sets="change", idempotent=True)
def add_to_setting(
    site: Site,
    pages: Pages,
    page_id: FromMetadata[PageId],
    opened: FromMetadata[Digest],
    key: SettingName,
    item: str,
) -> str:
    """Add an item to a setting that is a list, such as a tag.

    Args:
        key: the setting's name, such as tags.
        item: what to add.
    """

    def make(text: str) -> Edit:
        _require_known(pages, text, key)
        return front_matter.with_item(text, key, item)

    return _keep(site, pages, page_id, opened, make)


@editor.tool(to=reviewer, sets="change", idempotent=True)
def remove_from_setting(
    site: Site,
    pages: Pages,
    page_id: FromMetadata[PageId],
    opened: FromMetadata[Digest],
    key: SettingName,
    item: str,
) -> str:
    """Remove an item from a setting that is a list, such as a tag.

    Args:
        key: the setting's name, such as tags.
        item: what to remove.
    """
    return _keep(site, pages, page_id, opened, lambda text: front_matter.without_item(text, key, item))


# -- leading on --------------------------------------------------------------------------------------------------------


@editor.tool(to=reviewer, allow=changed, idempotent=True)
def review(
    pages: Pages, page_id: FromMetadata[PageId], opened: FromMetadata[Digest], change: FromMetadata[list[Edit]]
) -> str:
    """Have the unpublished change reviewed as it is."""
    return shown(pages, page_id, opened, change)


@editor.tool(to=welcome, clears=("page_id", "opened", "change"), allow=unchanged, idempotent=True)
def leave_page(page_id: FromMetadata[PageId]) -> str:
    """Leave the page as it is, to edit another one."""
    return f"{page_id} is left as it was."


def _body(text: str) -> int:
    return front_matter.body_of(text)


def _keep(site: Site, pages: Pages, page_id: PageId, opened: Digest, make: Callable[[str], Edit]) -> str:
    """Make an edit of the page as the edits before it have left it, add it to the change and show all of it."""
    change = site.change or []
    site.change = [*change, make(draft(pages, page_id, opened, change))]
    return shown(pages, page_id, opened, site.change)


def _require_known(pages: Pages, text: str, key: str) -> None:
    """Refuse a setting that neither this page nor another one has, unless it is one that any page may have.

    Raises:
        ToolError: it is one.
    """
    front = front_matter.read(text)
    known = front_matter.names(front)
    inner = [name for name in known if name.casefold().endswith(f".{key.casefold()}")]
    if front_matter.path_of(front, key) is not None:
        return
    if inner:
        raise ToolError(f"{key} stands in a group: name it as {' or '.join(inner)}, or say that it is new.")
    if key.casefold() in COMMON:
        return
    for other in pages.texts().values():
        with suppress(ToolError):
            if key in front_matter.names(front_matter.read(other)):
                return
    told = candidates("Its settings are", key, known)
    raise ToolError(f"The page has no setting {key!r}, nor has any other. {told} To add it, say that it is new.")
