"""The site editor's transitions, played by talks."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from flows.site_editor import flow
from flows.site_editor.flow import (
    Site,
    change_setting,
    drop,
    editor,
    go_on,
    open_page,
    publish,
    replace_text,
    reviewer,
    welcome,
)
from flows.site_editor.pages import Pages
from handoff.testing import Talk, call

ABOUT = "---\ntitle: About us\nlayout: page\n---\n\nWe bake bread.\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "about.md").write_text(ABOUT)
    return tmp_path


@pytest.fixture
def talk(root: Path) -> Talk[Site]:
    """Where the editor has been told what to change."""
    opened = Talk(flow, deps=Pages(root=root))
    opened.user("the about page")
    opened.calls(open_page, page_id="about")
    opened.says("What shall I change?", by=editor)
    opened.user("bread becomes cake")
    return opened


def test_opening_a_page_hands_over_to_the_editor(root: Path) -> None:
    """The editor speaks next and knows the page; that takes two model calls."""
    talk = Talk(flow, deps=Pages(root=root))
    talk.user("the about page")
    talk.calls(open_page, page_id="about")
    talk.says("What shall I change?", by=editor)

    assert "You edit the page about." in talk.instructions
    assert 2 == talk.model_calls


def test_a_page_that_is_not_there_stays_with_welcome(root: Path) -> None:
    """The model reads that there is no such page, and nothing is open."""
    talk = Talk(flow, deps=Pages(root=root))
    talk.user("the abut page")
    talk.calls(open_page, page_id="abut")
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
