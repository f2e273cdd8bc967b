"""`handoff demo`: the newcomer's first minute."""

from __future__ import annotations

import filecmp
from pathlib import Path

from flows.site_editor.demo import demo
from tests.support.cli import Commands, handoff

__all__ = ["handoff"]  # the fixture


def test_demo_shows_the_handoffs_and_the_diff(handoff: Commands) -> None:
    """The conversation moves from welcome to editor to reviewer, and the changed line of the file is shown last."""
    found = handoff("demo")

    lines = found.out.splitlines()
    assert 0 == found.code
    assert [
        "── welcome → editor (open_page) ──",
        "── editor → reviewer (replace_text) ──",
        "── reviewer → welcome (publish) ──",
    ] == [line for line in lines if line.startswith("──")][:3]
    assert "+We are a family bakery in the old town. Two bakers, one oven, no hurry." in lines


def test_demo_leaves_nothing_behind(handoff: Commands) -> None:
    """Without a directory nothing is written where it was started."""
    before = sorted(handoff.directory.iterdir())

    handoff("demo")

    assert before == sorted(handoff.directory.iterdir())


def test_demo_keeps_the_edited_copy(handoff: Commands) -> None:
    """With a directory the edited site stays there, and exactly one page differs from the sample."""
    handoff("demo", "--dir", "site")

    compared = filecmp.dircmp(demo.sample, handoff.directory / "site")
    assert ["about.md"] == compared.diff_files


def test_the_kept_copy_can_be_edited_on(handoff: Commands) -> None:
    """The command that the demonstration ends with works as it is printed."""
    found = handoff("demo", "--dir", "my site")
    hint = found.out.splitlines()[-1].split("'")[-2]

    assert "root=my site" == hint
    assert 0 == handoff("run", "site_editor", "edit the about page", "--dep", hint).code


def test_demo_does_not_write_into_what_is_there(handoff: Commands) -> None:
    """A directory that holds something is refused with exit code 2 and left as it is."""
    found = handoff("demo", "--dir", handoff.directory)

    assert 2 == found.code
    assert [Path("desk.py")] == [one.relative_to(handoff.directory) for one in handoff.directory.iterdir()]
