"""Words of a page are edited where they stand once, and nothing else changes."""

from __future__ import annotations

import pytest

from flows.site_editor import front_matter
from flows.site_editor.edits import apply
from flows.site_editor.wording import deletion, insertion, replacement
from handoff import ToolError

PAGE = """---
title: About
---
# About

A small bakery. Two bakers.

- rye
- salt

Come by.
"""

# -- replacing text ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "old", "new", "after"),
    [
        pytest.param("a b c", "b", "d", "a d c", id="word"),
        pytest.param("a b c", " b", "", "a c", id="deleted"),
        pytest.param("a b", "b", "d", "a d", id="no-final-newline"),
        pytest.param("\ufeffa b\n", "b", "d", "\ufeffa d\n", id="byte-order-mark"),
        pytest.param("a\r\nb\r\nc\r\n", "b", "d\ne", "a\r\nd\r\ne\r\nc\r\n", id="crlf-in-new"),
        pytest.param("a\r\nb\r\nc\r\n", "a\nb", "d", "d\r\nc\r\n", id="crlf-in-old"),
        pytest.param("a\nb\nc", "a\r\nb", "d\r\ne", "d\ne\nc", id="lf-page"),
        pytest.param("a\r\nb\nc", "b\nc", "d", "a\r\nd", id="mixed-ends"),
        pytest.param("één 🍞 x", "🍞", "🥖", "één 🥖 x", id="not-ascii"),
        pytest.param("a\tb  \n\n\nc", "c", "d", "a\tb  \n\n\nd", id="blanks"),
    ],
)
def test_only_the_replaced_span_changes(page: str, old: str, new: str, after: str) -> None:
    """What is not replaced stays as it is, and new line ends are the page's."""
    assert after == apply(page, [replacement(page, 0, old, new)])


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        pytest.param("", "x", "No text is given", id="empty"),
        pytest.param("A small bakry", "x", r"does not hold 'A small bakry'\. Near it: 'A small bakery", id="near"),
        pytest.param("zebra", "x", r"does not hold 'zebra'\. Read the page", id="nothing-near"),
        pytest.param("ke", "x", r"'ke' stands 2 times: line 6 'A small bakery. Two bakers.'; line 6", id="several"),
        pytest.param("title", "x", "does not hold 'title'", id="front-matter"),
        pytest.param("bakery", "bakery", "nothing to change", id="same"),
        pytest.param("bakery", "a\0b", r"U\+0000", id="nul"),
        pytest.param("bakery", "\x1b[31m", r"U\+001B", id="escape"),
        pytest.param("bakery", "\ud800", r"U\+D800", id="half-a-character"),
    ],
)
def test_a_text_that_cannot_be_replaced_is_refused(old: str, new: str, problem: str) -> None:
    """The refusal gives the reason, and candidates where there are any."""
    with pytest.raises(ToolError, match=problem):
        replacement(PAGE, front_matter.body_of(PAGE), old, new)


def test_overlapping_places_are_several() -> None:
    """A text that stands twice in itself is not replaced at random."""
    with pytest.raises(ToolError, match="stands 2 times"):
        replacement("aaa", 0, "aa", "b")


# -- inserting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "anchor", "old", "new"),
    [
        pytest.param("very", "before", "small", "A small", "A very small", id="word-before"),
        pytest.param("old", "after", "small", "A small", "A small old", id="word-after"),
        pytest.param(" (new)", "after", "bakery", "bakery.", "bakery (new).", id="no-word"),
        pytest.param("- flour", "before", "- salt", "- salt\n", "- flour\n- salt\n", id="item-before"),
        pytest.param("- flour", "after", "- salt", "- salt\n", "- salt\n- flour\n", id="item-after"),
        pytest.param("- flour", "after", "rye", "- rye\n", "- rye- flour\n", id="not-a-whole-line"),
        pytest.param("a\r\nb ", "before", "Come", "Come", "a\nb Come", id="line-ends"),
    ],
)
def test_text_is_inserted_beside_what_is_named(text: str, place: str, anchor: str, old: str, new: str) -> None:
    """Words do not run together, and items and rows get lines of their own."""
    edit = insertion(PAGE, front_matter.body_of(PAGE), text, place, anchor)  # type: ignore[arg-type]

    assert PAGE.replace(old, new, 1) == apply(PAGE, [edit])


@pytest.mark.parametrize(
    ("text", "anchor", "problem"),
    [
        pytest.param("x", "baker", r"'baker' stands 2 times: line 6", id="several"),
        pytest.param("x", "zebra", "does not hold 'zebra'", id="nowhere"),
        pytest.param("x", "", "No text is given", id="no-anchor"),
        pytest.param("", "Come", "There is no text to insert", id="nothing"),
        pytest.param("\0", "Come", r"U\+0000", id="nul"),
        pytest.param("x", "title", "does not hold 'title'", id="front-matter"),
    ],
)
def test_what_cannot_be_inserted_is_refused(text: str, anchor: str, problem: str) -> None:
    """The refusal gives the reason and the candidates."""
    with pytest.raises(ToolError, match=problem):
        insertion(PAGE, front_matter.body_of(PAGE), text, "after", anchor)


# -- deleting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "gone", "left"),
    [
        pytest.param("small", "A small bakery", "A bakery", id="word"),
        pytest.param("Two bakers", " Two bakers", "", id="last-words-before-the-stop"),
        pytest.param("A small bakery.", "A small bakery. ", "", id="first-sentence"),
        pytest.param("Two bakers.", " Two bakers.", "", id="last-sentence"),
        pytest.param("- salt", "- salt\n", "", id="line"),
        pytest.param("Come by.", "Come by.\n", "", id="last-paragraph"),
        pytest.param("A small bakery. Two bakers.", "A small bakery. Two bakers.\n\n", "", id="paragraph"),
        pytest.param("- rye\n- salt", "- rye\n- salt\n\n", "", id="lines"),
        pytest.param("ome b", "Come by", "Cy", id="inside-words"),
    ],
)
def test_a_deletion_takes_the_blank_that_would_be_left_twice(old: str, gone: str, left: str) -> None:
    """No double blank and no double blank line stays behind; all else is untouched."""
    assert PAGE.replace(gone, left, 1) == apply(PAGE, [deletion(PAGE, front_matter.body_of(PAGE), old)])


def test_an_ambiguous_deletion_is_refused() -> None:
    """The candidates are shown with their lines."""
    with pytest.raises(ToolError, match=r"'baker' stands 2 times: line 6 'A small bakery\. Two bakers\.'; line 6"):
        deletion(PAGE, 0, "baker")
