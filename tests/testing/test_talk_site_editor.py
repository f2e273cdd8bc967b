"""The site editor's transitions, played by talks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from flows.site_editor import flow
from flows.site_editor.editing import (
    add_paragraph,
    add_to_setting,
    change_setting,
    delete_section,
    delete_text,
    insert_text,
    leave_page,
    move_section,
    remove_from_setting,
    remove_setting,
    replace_text,
    review,
    rewrite_section,
    set_layout,
)
from flows.site_editor.flow import (
    Site,
    drop,
    editor,
    go_on,
    list_pages,
    open_page,
    publish,
    reviewer,
    show_change,
    undo,
    welcome,
)
from flows.site_editor.pages import Pages
from handoff.testing import Talk, call

ABOUT = """---
title: About us
layout: page
tags: [oven, rye]
---

We bake bread.

## Where

In the old town.

## When

From seven.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "about.md").write_text(ABOUT)
    return tmp_path


@pytest.fixture
def talk(root: Path) -> Talk[Site]:
    """Where the editor has been told what to change."""
    opened = Talk(flow, deps=Pages(root=root))
    opened.user("the about page")
    opened.calls(open_page, page="about")
    opened.says("What shall I change?", by=editor)
    opened.user("bread becomes cake")
    return opened


def test_opening_a_page_hands_over_to_the_editor(root: Path) -> None:
    """The editor speaks next and knows the page; that takes two model calls."""
    talk = Talk(flow, deps=Pages(root=root))
    talk.user("the about page")
    talk.calls(open_page, page="about")
    talk.says("What shall I change?", by=editor)

    assert 'You edit the page "about".' in talk.instructions
    assert 2 == talk.model_calls


def test_a_page_that_is_not_there_stays_with_welcome(root: Path) -> None:
    """The model reads that there is no such page, and nothing is open."""
    talk = Talk(flow, deps=Pages(root=root))
    talk.user("the abut page")
    talk.calls(open_page, page="abut")
    talk.says("Do you mean about?", by=welcome)

    assert None is talk.metadata.page_id


def test_an_edit_goes_to_the_reviewer_and_writes_nothing(talk: Talk[Site], root: Path) -> None:
    """The change waits in the metadata until it is published."""
    talk.calls(replace_text, old="bread", new="cake")
    talk.says("Publish it?", by=reviewer)

    assert ABOUT == (root / "about.md").read_text()
    assert "+We bake cake." in talk.outputs[0]


def test_two_edits_of_one_batch_both_happen(talk: Talk[Site]) -> None:
    """Parallel edits that go to the same assistant are no rivals."""
    talk.calls(call(replace_text, old="bread", new="cake"), call(change_setting, key="title", value="Us"))

    assert 2 == len(talk.metadata.change or [])


def test_publishing_writes_the_page(talk: Talk[Site], root: Path) -> None:
    """After `publish` the file is changed and welcome takes over with nothing open."""
    talk.calls(replace_text, old="bread", new="cake")
    talk.says("Publish it?")
    talk.user("yes")
    talk.calls(publish)
    talk.says("What else?", by=welcome)

    assert (ABOUT.replace("bread", "cake"), Site()) == ((root / "about.md").read_text(), talk.metadata)


def test_publishing_survives_a_crash(talk: Talk[Site], root: Path) -> None:
    """A crash between the write and its commit publishes the same page, once."""
    talk.calls(replace_text, old="bread", new="cake")
    talk.says("Publish it?")
    talk.user("yes")
    with talk.slow(publish):
        talk.calls(publish)
    talk.crash(after=publish)
    talk.says("What else?", by=welcome)

    assert (("about is published.",), ABOUT.replace("bread", "cake")) == (talk.outputs, (root / "about.md").read_text())


def test_a_dropped_change_leaves_the_page(talk: Talk[Site], root: Path) -> None:
    """After `drop` the file is as it was."""
    talk.calls(replace_text, old="bread", new="cake")
    talk.calls(drop)
    talk.says("What else?", by=welcome)

    assert ABOUT == (root / "about.md").read_text()


def test_a_forgotten_change_comes_up_again(talk: Talk[Site]) -> None:
    """After ten minutes of silence the reviewer shows what is not published."""
    talk.calls(replace_text, old="bread", new="cake")
    talk.calls(go_on)
    talk.says("Go ahead.", by=editor)
    talk.silence(timedelta(minutes=10))
    talk.says("There is an unpublished change.", by=reviewer)

    assert reviewer is talk.assistant


@pytest.mark.parametrize(
    ("tool", "arguments", "lines"),
    [
        pytest.param(
            replace_text, {"old": "bread", "new": "cake"}, ["-We bake bread.", "+We bake cake."], id="replace_text"
        ),
        pytest.param(
            insert_text,
            {"text": "good", "place": "before", "anchor": "bread"},
            ["-We bake bread.", "+We bake good bread."],
            id="insert_text",
        ),
        pytest.param(delete_text, {"text": "In the old town."}, ["-In the old town.", "-"], id="delete_text"),
        pytest.param(
            add_paragraph, {"text": "Ring first.", "section": "When"}, ["+", "+Ring first."], id="add_paragraph"
        ),
        pytest.param(
            rewrite_section, {"section": "When", "text": "From six."}, ["-From seven.", "+From six."], id="rewrite"
        ),
        pytest.param(
            delete_section, {"section": "Where"}, ["-## Where", "-", "-In the old town.", "-"], id="delete_section"
        ),
        pytest.param(
            move_section,
            {"section": "When", "where": "first"},
            ["+## When", "+", "+From seven.", "+", "-", "-## When", "-", "-From seven."],
            id="move_section",
        ),
        pytest.param(set_layout, {"layout": "wide"}, ["-layout: page", "+layout: wide"], id="set_layout"),
        pytest.param(
            change_setting, {"key": "title", "value": "Us"}, ["-title: About us", "+title: Us"], id="change_setting"
        ),
        pytest.param(remove_setting, {"key": "tags"}, ["-tags: [oven, rye]"], id="remove_setting"),
        pytest.param(
            add_to_setting,
            {"key": "tags", "item": "salt"},
            ["-tags: [oven, rye]", "+tags: [oven, rye, salt]"],
            id="add_to_setting",
        ),
        pytest.param(
            remove_from_setting,
            {"key": "tags", "item": "oven"},
            ["-tags: [oven, rye]", "+tags: [rye]"],
            id="remove_from_setting",
        ),
    ],
)
def test_each_edit_leads_to_the_reviewer(
    talk: Talk[Site], tool: Callable[..., str], arguments: dict[str, str], lines: list[str]
) -> None:
    """Whatever is edited, the reviewer speaks next and has been handed exactly that difference."""
    talk.calls(tool, **arguments)
    talk.says("Publish it?", by=reviewer)

    assert lines == [line for line in talk.outputs[0].splitlines()[2:] if line[0] in "+-"]


def test_a_failed_edit_stays_with_the_editor(talk: Talk[Site]) -> None:
    """The model reads what there is instead, and nothing has changed."""
    talk.calls(rewrite_section, section="Whence", text="x")
    talk.says("Where or When?", by=editor)

    assert (("There is no section 'Whence'. The sections are: Where; When.",), None) == (
        talk.outputs,
        talk.metadata.change,
    )


def test_pages_are_listed_before_one_is_opened(root: Path) -> None:
    """Listing stays with welcome."""
    talk = Talk(flow, deps=Pages(root=root))
    talk.user("what is there?")
    talk.calls(list_pages)
    talk.says("The about page.", by=welcome)

    assert ("about (About us)",) == talk.outputs


def test_leaving_a_page_leads_back_to_welcome(talk: Talk[Site], root: Path) -> None:
    """A page without a change is left as it was."""
    talk.calls(leave_page)
    talk.says("Which page is next?", by=welcome)

    assert (Site(), ABOUT) == (talk.metadata, (root / "about.md").read_text())


def test_an_undone_edit_leads_back_to_the_editor(talk: Talk[Site], root: Path) -> None:
    """The editor goes on without the edit, and the page can be left."""
    talk.calls(replace_text, old="bread", new="cake")
    talk.calls(undo)
    talk.says("What else?", by=editor)
    talk.user("leave it")
    talk.calls(leave_page)
    talk.says("Which page is next?", by=welcome)

    assert (Site(), ABOUT) == (talk.metadata, (root / "about.md").read_text())


def test_a_change_gone_on_with_can_be_reviewed(talk: Talk[Site]) -> None:
    """The editor hands an unpublished change back without editing further; the reviewer can show it again."""
    talk.calls(replace_text, old="bread", new="cake")
    talk.calls(go_on)
    talk.says("What else?", by=editor)
    talk.user("that is all")
    talk.calls(review)
    talk.says("Publish it?", by=reviewer)
    talk.user("show it again")
    talk.calls(show_change)
    talk.says("Publish it?", by=reviewer)

    assert "+We bake cake." in talk.outputs[0]


def test_a_page_that_is_not_clear_stays_with_welcome(root: Path) -> None:
    """Where two pages match, the model reads both and asks; nothing is open."""
    (root / "team").mkdir()
    for name in ("team/rye", "rye"):
        (root / f"{name}.md").write_text(f"---\ntitle: Rye, {name}\n---\n")
    talk = Talk(flow, deps=Pages(root=root))
    talk.user("the rye one")
    talk.calls(open_page, page="Rye,")
    talk.says("rye or team/rye?", by=welcome)

    assert (("2 pages match 'Rye,': rye (Rye, rye); team/rye (Rye, team/rye). Ask which one is meant.",), None) == (
        talk.outputs,
        talk.metadata.page_id,
    )
