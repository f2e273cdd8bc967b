"""Sections are found by a Markdown parser, and rewritten, extended, moved and deleted with nothing else changed."""

from __future__ import annotations

import pytest

from flows.site_editor import front_matter, sections
from flows.site_editor.edits import Edit, apply
from handoff import ToolError

PAGE = """---
title: Kettle
---

# Kettle

Boils water.

## Install

Use the package.

### On Windows

Use the installer.

### On Linux

    # no heading

- # no heading either

## Use {#use}

Fill it.

```sh
## no heading
```


Last
----

## Use

Twice.
"""
BODY = front_matter.body_of(PAGE)


def after(page: str, edit: Edit) -> str:
    """The page with the edit made; whatever was edited, the front matter is as it was."""
    text = apply(page, [edit])
    assert text is not None
    assert text[: front_matter.body_of(page)] == page[: front_matter.body_of(page)]
    return text


def test_sections_are_the_headings_of_the_page_itself() -> None:
    """Code, lists and the front matter have none; both ways to write headings count."""
    assert [
        ("Kettle", 1, 5),
        ("Kettle > Install", 2, 9),
        ("Kettle > Install > On Windows", 3, 13),
        ("Kettle > Install > On Linux", 3, 17),
        ("Kettle > Use", 2, 23),
        ("Kettle > Last", 2, 32),
        ("Kettle > Use", 2, 35),
    ] == [(one.name, one.level, one.line) for one in sections.sections(PAGE, BODY)]


def test_code_of_the_generator_holds_no_headings() -> None:
    """What stands between the tags of a template language is no Markdown."""
    page = "{% highlight sh %}\n# a comment\n{% endhighlight %}\n# Title\n"

    assert ["Title"] == [one.title for one in sections.sections(page, 0)]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_sections_are_found_with_any_line_ends(newline: str) -> None:
    """A section's own text is what stands between the headings."""
    page = newline.join(["# A", "", "one", "", "## B", "two"])

    assert [newline + "one" + newline * 2, "two"] == [
        page[one.text : one.own_end] for one in sections.sections(page, 0)
    ]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("Install", id="title"),
        pytest.param("install", id="other-letters"),
        pytest.param("## Install", id="with-its-signs"),
        pytest.param("Kettle > Install", id="path"),
        pytest.param(" Kettle>install ", id="path-in-other-letters"),
    ],
)
def test_a_section_is_named_by_its_heading(name: str) -> None:
    """Letters, blanks and what it lies in do not matter where one section is meant."""
    assert "Kettle > Install" == sections.named(sections.sections(PAGE, BODY), name).name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        pytest.param(
            "Instal", r"There is no section 'Instal'\. The sections are: Kettle; Kettle > Install; ", id="none"
        ),
        pytest.param("Use", r"2 sections are called 'Use': Kettle > Use, line 23; Kettle > Use, line 35\.", id="two"),
        pytest.param("Use > Install", "There is no section", id="wrong-path"),
    ],
)
def test_a_section_that_is_not_clear_is_refused(name: str, problem: str) -> None:
    """The refusal lists the candidates."""
    with pytest.raises(ToolError, match=problem):
        sections.named(sections.sections(PAGE, BODY), name)


# -- rewriting ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "name", "new", "expected"),
    [
        pytest.param("# A\n\none\n\n# B\n", "A", "two", "# A\n\ntwo\n\n# B\n", id="text"),
        pytest.param("# A\n\none\n\nmore\n", "A", "two\n\nthree", "# A\n\ntwo\n\nthree\n", id="paragraphs"),
        pytest.param("# A\none", "A", "two", "# A\ntwo", id="no-blank-line-and-no-final-newline"),
        pytest.param("# A\r\n\r\none\r\n", "A", "two\nthree", "# A\r\n\r\ntwo\r\nthree\r\n", id="crlf"),
        pytest.param("# A\n\n## B\n\nb\n", "A", "a", "# A\n\na\n\n## B\n\nb\n", id="text-where-there-is-none"),
        pytest.param("# A\n## B\n", "A", "a", "# A\n\na\n\n## B\n", id="no-blank-line-either"),
        pytest.param("# A", "A", "a", "# A\n\na", id="heading-only"),
        pytest.param("# A\n", "A", "a", "# A\n\na\n", id="heading-and-newline"),
        pytest.param("# A\n\none\n\n## B\n", "A", "", "# A\n\n## B\n", id="emptied"),
        pytest.param("# A\none\n\n## B\n", "A", "", "# A\n\n## B\n", id="emptied-without-blank-line"),
        pytest.param("# A\n\none\n", "A", "", "# A\n", id="emptied-at-the-end"),
        pytest.param("# A\n\none", "A", "", "# A", id="emptied-without-final-newline"),
        pytest.param("# A\n\none\n\n## B\n\nb\n", "A", "two", "# A\n\ntwo\n\n## B\n\nb\n", id="inner-sections-stay"),
    ],
)
def test_a_section_gets_a_new_text(page: str, name: str, new: str, expected: str) -> None:
    """The heading, the sections within it and all blank lines stay."""
    assert expected == after(page, sections.rewritten(page, 0, name, new))


@pytest.mark.parametrize(
    ("new", "problem"),
    [
        pytest.param("Boils water.", "nothing to change", id="same"),
        pytest.param("a\0", r"U\+0000", id="nul"),
    ],
)
def test_a_text_that_cannot_be_written_is_refused(new: str, problem: str) -> None:
    """Nothing is changed then."""
    with pytest.raises(ToolError, match=problem):
        sections.rewritten(PAGE, BODY, "Kettle", new)


# -- adding ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "place", "name", "expected"),
    [
        pytest.param("one\n", "end", "", "one\n\nnew\n", id="page"),
        pytest.param("one", "end", "", "one\n\nnew", id="page-without-final-newline"),
        pytest.param("one\n\n\n", "end", "", "one\n\nnew\n\n\n", id="page-with-blank-lines"),
        pytest.param("", "end", "", "new", id="empty-page"),
        pytest.param("---\na: 1\n---\n", "end", "", "---\na: 1\n---\n\nnew\n", id="front-matter-only"),
        pytest.param("---\na: 1\n---\n\none\n", "start", "", "---\na: 1\n---\n\nnew\n\none\n", id="start"),
        pytest.param("---\na: 1\n---\none\n", "start", "", "---\na: 1\n---\nnew\n\none\n", id="start-close"),
        pytest.param("---\r\na: 1\r\n---\r\none\r\n", "end", "", "---\r\na: 1\r\n---\r\none\r\n\r\nnew\r\n", id="crlf"),
        pytest.param("# A\n\na\n\n# B\n\nb\n", "end", "A", "# A\n\na\n\nnew\n\n# B\n\nb\n", id="section"),
        pytest.param("# A\n\na\n\n# B\n\nb\n", "start", "B", "# A\n\na\n\n# B\n\nnew\n\nb\n", id="section-start"),
        pytest.param("# A\n\na\n\n## B\n\nb\n", "end", "A", "# A\n\na\n\nnew\n\n## B\n\nb\n", id="before-inner-ones"),
        pytest.param("# A\na\n# B\n", "end", "A", "# A\na\n\nnew\n\n# B\n", id="no-blank-lines"),
        pytest.param("# A\n\n# B\n", "start", "A", "# A\n\nnew\n\n# B\n", id="empty-section"),
        pytest.param("\ufeffone\n", "end", "", "\ufeffone\n\nnew\n", id="byte-order-mark"),
        pytest.param("\n    code\n", "start", "", "\nnew\n\n    code\n", id="indented-code"),
    ],
)
def test_a_paragraph_is_set_apart(page: str, place: str, name: str, expected: str) -> None:
    """One blank line lies between it and its neighbours; the end of the page stays as it was."""
    edit = sections.paragraph(page, front_matter.body_of(page), "new\n", place, name)  # type: ignore[arg-type]

    assert expected == after(page, edit)


@pytest.mark.parametrize(
    ("new", "problem"),
    [pytest.param("  \n", "no text to add", id="blank"), pytest.param("\x1b", r"U\+001B", id="escape")],
)
def test_an_empty_paragraph_is_refused(new: str, problem: str) -> None:
    """There must be something to add, and it must be text."""
    with pytest.raises(ToolError, match=problem):
        sections.paragraph(PAGE, BODY, new, "end", "")


# -- deleting ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "name", "expected"),
    [
        pytest.param("# A\n\na\n\n## B\n\nb\n\n## C\n\nc\n", "B", "# A\n\na\n\n## C\n\nc\n", id="middle"),
        pytest.param("# A\n\na\n\n## B\n\nb\n", "B", "# A\n\na\n", id="last"),
        pytest.param("# A\n\na\n\n## B\n\nb", "B", "# A\n\na", id="last-without-final-newline"),
        pytest.param("# A\n\n## B\n\n### C\n\nc\n\n## D\n", "B", "# A\n\n## D\n", id="with-inner-ones"),
        pytest.param("# A\n\na\n", "A", "\n", id="only-one"),
        pytest.param("---\na: 1\n---\n# A\n\na\n", "A", "---\na: 1\n---\n\n", id="only-one-below-front-matter"),
        pytest.param("# A\r\n\r\na\r\n\r\n# B\r\n", "B", "# A\r\n\r\na\r\n", id="crlf"),
    ],
)
def test_a_section_is_deleted_whole(page: str, name: str, expected: str) -> None:
    """It goes with the sections within it and the blank lines that set it apart."""
    assert expected == after(page, sections.deleted(page, front_matter.body_of(page), name))


# -- moving ------------------------------------------------------------------------------------------------------------

ORDER = "---\na: 1\n---\nIntro.\n\n## A\n\na\n\n## B\n\nb\n### B1\n\n\n## C\nc"


@pytest.mark.parametrize(
    ("name", "where", "other", "expected"),
    [
        pytest.param("C", "first", "", "## C\nc\n\n## A\n\na\n\n\n## B\n\nb\n### B1", id="first"),
        pytest.param("A", "last", "", "## B\n\nb\n### B1\n\n## C\nc\n\n\n## A\n\na", id="last"),
        pytest.param("A", "after", "B", "## B\n\nb\n### B1\n\n## A\n\na\n\n\n## C\nc", id="after"),
        pytest.param("C", "before", "b", "## A\n\na\n\n## C\nc\n\n\n## B\n\nb\n### B1", id="before"),
    ],
)
def test_sections_change_their_order(name: str, where: str, other: str, expected: str) -> None:
    """They move with the sections within them; the blank lines between and the end of the page stay in place."""
    edit = sections.moved(ORDER, front_matter.body_of(ORDER), name, where, other)  # type: ignore[arg-type]

    assert ORDER[: ORDER.index("## A")] + expected == after(ORDER, edit)


@pytest.mark.parametrize(
    ("name", "where", "other", "problem"),
    [
        pytest.param("A", "first", "", "A stands there already", id="there-already"),
        pytest.param("A", "before", "B", "A stands there already", id="before-the-next"),
        pytest.param("A", "after", "A", r"only among the sections beside it\. They are: B; C\.", id="itself"),
        pytest.param("A", "after", "B1", "only among the sections beside it", id="inside-another"),
        pytest.param("B1", "after", "C", r"They are: none\.", id="out-of-another"),
        pytest.param("D", "first", "", r"There is no section 'D'", id="not-there"),
        pytest.param("A", "before", "", r"There is no section ''", id="beside-nothing"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused(name: str, where: str, other: str, problem: str) -> None:
    """The refusal says which sections there are to move it to."""
    with pytest.raises(ToolError, match=problem):
        sections.moved(ORDER, front_matter.body_of(ORDER), name, where, other)  # type: ignore[arg-type]


def test_a_move_that_would_change_more_is_refused() -> None:
    """Code that is never closed would swallow the sections that come behind it."""
    page = "## A\n\na\n\n## B\n\n```\nopen\n"

    with pytest.raises(ToolError, match="cannot be moved without changing more"):
        sections.moved(page, 0, "B", "first", "")
