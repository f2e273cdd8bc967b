"""Pages change in the edited span only, byte for byte, and nothing outside the site or unasked for is ever touched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.site_editor import front_matter
from flows.site_editor.edits import Edit, apply, difference, is_published, replacement, undo
from flows.site_editor.flow import flow, open_page, welcome
from flows.site_editor.pages import Pages, digest
from handoff import ToolError
from handoff.errors import ArgumentsRefused

PAGE = """---
# keep this comment
title: "About"   # and this one
draft: false
weight: 3
rate: 1.5
day: 2026-02-14
address: 'Rua da Rosa'
empty:
unknown_key: {a: 1}
tags: [one, two]
folded: >
  two
  lines
---
# About

A small bakery. Two bakers.
"""


def tree(root: Path) -> dict[str, bytes | str]:
    """All below a directory: files by content, links by target."""
    return {
        path.relative_to(root).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """A site with two pages, beside a secret."""
    root = tmp_path / "site"
    (root / "blog").mkdir(parents=True)
    (root / "about.md").write_text(PAGE)
    (root / "blog" / "first-loaf.md").write_text("# First\n")
    (tmp_path / "secret.md").write_text("secret")
    return Pages(root)


# -- finding -----------------------------------------------------------------------------------------------------------


def test_the_root_must_be_a_directory(tmp_path: Path) -> None:
    """A root that is not there is refused when the process lends it."""
    with pytest.raises(ValidationError, match="root"):
        Pages(root=tmp_path / "missing")


def test_a_root_may_be_given_as_text(tmp_path: Path) -> None:
    """The command line gives texts; they are validated into a path."""
    assert tmp_path == Pages(root=str(tmp_path)).root  # type: ignore[arg-type]


def test_pages_are_what_the_listing_finds(pages: Pages) -> None:
    """Files of another kind, hidden ones and names a page cannot have are no pages."""
    for name in ("notes.txt", ".hidden.md", "Upper.md", "with space.md", "ünicode.md", ".md", "under_score.md"):
        (pages.root / name).write_text("no page")

    assert ["about", "blog/first-loaf"] == pages.names()


@pytest.mark.parametrize(
    "page_id",
    [
        pytest.param("../secret", id="parent"),
        pytest.param("blog/../../secret", id="parent-below"),
        pytest.param("./about", id="dot"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("//about", id="double-slash"),
        pytest.param("about.md", id="suffix"),
        pytest.param("ABOUT", id="upper-case"),
        pytest.param("about\0", id="nul"),
        pytest.param("about\n", id="newline"),
        pytest.param("about/", id="trailing-slash"),
        pytest.param("blog\\first-loaf", id="backslash"),
        pytest.param("blog", id="directory"),
        pytest.param("", id="empty"),
        pytest.param("a" * 5000, id="long"),
        pytest.param("\ud800", id="half-a-character"),
    ],
)
def test_a_name_that_is_no_page_is_refused(pages: Pages, page_id: str) -> None:
    """Whatever a name looks like, it opens only what the listing finds; nothing happens otherwise."""
    before = tree(pages.root.parent)
    with pytest.raises(ToolError, match="There is no page"):
        pages.read(page_id)
    with pytest.raises(ToolError, match="There is no page"):
        pages.write(page_id, "taken over")

    assert before == tree(pages.root.parent)


def test_a_link_is_no_page(pages: Pages) -> None:
    """Neither a linked file nor a file in a linked directory is opened."""
    (pages.root / "link.md").symlink_to(pages.root.parent / "secret.md")
    (pages.root / "out").symlink_to(pages.root.parent, target_is_directory=True)

    assert ["about", "blog/first-loaf"] == pages.names()


def test_a_missing_page_names_candidates(pages: Pages) -> None:
    """The refusal says what there is."""
    with pytest.raises(ToolError, match=r"There is no page 'abuot'. The pages are about, blog/first-loaf."):
        pages.read("abuot")


def test_a_page_that_is_no_text_is_refused(pages: Pages) -> None:
    """Bytes that are no UTF-8 could not be kept as they are, so they are not edited."""
    (pages.root / "about.md").write_bytes(b"abc\xff")

    with pytest.raises(ToolError, match="byte 3 of its file is no UTF-8"):
        pages.read("about")


def naughty() -> list[str]:
    """The big list of naughty strings."""
    root = Path(__file__).parents[1]
    folder = root / os.environ.get("HANDOFF_TEST_DATA", "../shared/data")
    file = folder / "blns.json"
    if not file.exists():
        if os.environ.get("HANDOFF_TEST_REQUIRE") == "all" and folder.exists():
            pytest.fail(f"{file} is missing")
        pytest.skip(f"{file} is not there; HANDOFF_TEST_DATA names the folder that has it")
    strings: list[str] = json.loads(file.read_text())
    return strings


def test_naughty_page_names_leave_the_site_alone(pages: Pages) -> None:
    """None of the naughty strings opens or writes anything, as a model's argument or as a value."""
    before = tree(pages.root.parent)
    tool = flow.tools_of(welcome.name)["open_page"]
    opened: list[str] = []
    for name in naughty():
        for refused_or_run in (
            lambda name=name: tool.parse(json.dumps({"page_id": name}))["page_id"],
            lambda name=name: name,
        ):
            try:
                page_id = refused_or_run()
                open_page(flow.metadata(), pages, page_id)
                opened.append(page_id)
            except (ArgumentsRefused, ToolError):
                continue
        with pytest.raises(ToolError):
            pages.write(name, "taken over")

    assert ([], before) == (opened, tree(pages.root.parent))


# -- writing -----------------------------------------------------------------------------------------------------------


def test_writing_replaces_the_file_and_leaves_nothing_beside_it(pages: Pages) -> None:
    """The page has its new bytes and its old mode, and no other file is there."""
    (pages.root / "about.md").chmod(0o640)
    before = tree(pages.root)
    pages.write("about", "one\r\ntwo")

    assert ({**before, "about.md": b"one\r\ntwo"}, 0o640) == (
        tree(pages.root),
        (pages.root / "about.md").stat().st_mode & 0o777,
    )


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_page_as_it_was(pages: Pages, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """A full disk is an error the model can read; the old page stands and nothing is left beside it."""
    before = tree(pages.root)

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(ToolError, match="about could not be written: No space left on device"):
        pages.write("about", "new")

    assert before == tree(pages.root)


def test_a_write_that_was_killed_is_taken_up_by_the_next(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process left beside the page when it died is used up when the same text is written again."""
    before = tree(pages.root)

    class Killed(BaseException):
        """Stands for a death that cleans nothing up."""

    def die(*_arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(os, "replace", die)
        dying.setattr(os, "unlink", lambda *_arguments, **_options: None)
        with pytest.raises(Killed):
            pages.write("about", "new")
    left = tree(pages.root)
    pages.write("about", "new")

    assert (1, {**before, "about.md": b"new"}) == (len(left) - len(before), tree(pages.root))


def test_a_page_changed_since_it_was_opened_is_a_conflict(pages: Pages) -> None:
    """The digest of the file as opened guards what is read for an edit."""
    opened = digest(pages.read("about"))
    (pages.root / "about.md").write_text(PAGE + "More.\n")

    with pytest.raises(ToolError, match="Conflict: about was changed by someone else"):
        pages.read_as_opened("about", opened)


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
        pytest.param("", "x", "There is no text to replace", id="empty"),
        pytest.param("A small bakry", "x", r"does not hold 'A small bakry'\. Near it: 'A small bakery", id="near"),
        pytest.param("zebra", "x", r"does not hold 'zebra'\. Read the page", id="nothing-near"),
        pytest.param("ke", "x", r"'ke' stands 2 times, in the lines 18, 18", id="several"),
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
        replacement(PAGE, front_matter.read(PAGE).body, old, new)


def test_overlapping_places_are_several() -> None:
    """A text that stands twice in itself is not replaced at random."""
    with pytest.raises(ToolError, match="stands 2 times"):
        replacement("aaa", 0, "aa", "b")


EDITS = [Edit(at=2, old="b", new="dd"), Edit(at=0, old="a", new=""), Edit(at=1, old="dd", new="e")]


def test_edits_are_undone_in_reverse() -> None:
    """Undoing gives back what the edits were made on."""
    after = apply("a b c", EDITS)

    assert (" e c", "a b c") == (after, undo(after or "", EDITS))


def test_edits_that_do_not_fit_are_not_made() -> None:
    """An edit whose old text is not there gives nothing."""
    assert (None, None) == (apply("x y z", EDITS), undo("x y z", EDITS))


@pytest.mark.parametrize(
    ("text", "published"),
    [
        pytest.param(" e c", True, id="result"),
        pytest.param("a b c", False, id="as-opened"),
        pytest.param(" e d", False, id="something-else"),
        pytest.param("", False, id="empty"),
    ],
)
def test_the_result_of_a_change_is_known(text: str, published: bool) -> None:
    """A page holds the result of the edits only if undoing them gives what was opened."""
    assert published is is_published(text, digest("a b c"), EDITS)


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "old", "new"),
    [
        pytest.param("title", "About us", '"About"', '"About us"', id="double-quoted"),
        pytest.param("title", 'A "B" \\ C', '"About"', '"A \\"B\\" \\\\ C"', id="double-quotes-inside"),
        pytest.param("title", "true", '"About"', '"true"', id="text-that-looks-like-a-switch"),
        pytest.param("title", "two\nlines", '"About"', '"two\\nlines"', id="two-lines"),
        pytest.param("address", "L'Oven", "'Rua da Rosa'", "'L''Oven'", id="single-quoted"),
        pytest.param("draft", "true", "false", "true", id="switch"),
        pytest.param("draft", "Yes", "false", "true", id="switch-in-words"),
        pytest.param("weight", "12", "weight: 3", "weight: 12", id="whole-number"),
        pytest.param("rate", "2.25", "1.5", "2.25", id="number"),
        pytest.param("day", "2026-03-01", "2026-02-14", "2026-03-01", id="date"),
        pytest.param("empty", "full", "empty:", "empty: full", id="empty"),
        pytest.param("empty", "true", "empty:", "empty: true", id="empty-becomes-a-switch"),
        pytest.param("folded", "one line", ">\n  two\n  lines\n", '"one line"\n', id="block"),
    ],
)
def test_only_the_value_of_a_setting_changes(key: str, value: str, old: str, new: str) -> None:
    """Comments, other keys, their order and quoting stay byte for byte; the value keeps its kind and its quotes."""
    assert PAGE.replace(old, new, 1) == apply(PAGE, [front_matter.setting(PAGE, key, value)])


@pytest.mark.parametrize(
    ("page", "after"),
    [
        pytest.param("---\na: 1\n---\nText", "---\na: 1\nnew: x\n---\nText", id="last-line"),
        pytest.param("---\r\na: 1\r\n---\r\nText", "---\r\na: 1\r\nnew: x\r\n---\r\nText", id="crlf"),
        pytest.param("---\n---\nText", "---\nnew: x\n---\nText", id="empty-front-matter"),
        pytest.param("---\n# only this\n---\n", "---\n# only this\nnew: x\n---\n", id="comment-only"),
        pytest.param("Text", "---\nnew: x\n---\nText", id="none"),
        pytest.param("\ufeffText", "\ufeff---\nnew: x\n---\nText", id="byte-order-mark"),
        pytest.param("\ufeff---\na: 1\n---\n", "\ufeff---\na: 1\nnew: x\n---\n", id="byte-order-mark-and-front-matter"),
        pytest.param("---\na: 1\n...\nText", "---\na: 1\nnew: x\n...\nText", id="dots"),
        pytest.param("---\na: 1\n---", "---\na: 1\nnew: x\n---", id="nothing-after"),
        pytest.param("---\nText without an end", "---\nnew: x\n---\n---\nText without an end", id="rule-at-the-top"),
    ],
)
def test_a_new_setting_is_a_line_of_its_own(page: str, after: str) -> None:
    """A setting the page does not have is added at the end of the front matter, which is made if there is none."""
    assert after == apply(page, [front_matter.setting(page, "new", "x")])


@pytest.mark.parametrize(
    ("value", "line"),
    [
        pytest.param("true", "new: true", id="switch"),
        pytest.param("5", "new: 5", id="number"),
        pytest.param("12:30", "new: '12:30'", id="time-of-day"),
        pytest.param("007", "new: '007'", id="leading-zeros"),
        pytest.param("yes", "new: 'yes'", id="word"),
        pytest.param("a: b", "new: 'a: b'", id="colon"),
        pytest.param("# no comment", "new: '# no comment'", id="comment-sign"),
        pytest.param("[x]", "new: '[x]'", id="list-sign"),
        pytest.param("", "new: ''", id="nothing"),
        pytest.param("null", "new: 'null'", id="null"),
        pytest.param("x" * 200 + " y", "new: " + "x" * 200 + " y", id="long"),
        pytest.param("pão 🍞", "new: pão 🍞", id="not-ascii"),
    ],
)
def test_a_new_setting_is_quoted_where_it_must_be(value: str, line: str) -> None:
    """Switches and numbers are written bare, a text is never read as anything else."""
    edit = front_matter.setting("---\na: 1\n---\n", "new", value)

    assert f"{line}\n" == edit.new


@pytest.mark.parametrize(
    ("page", "key", "value", "problem"),
    [
        pytest.param(PAGE, "tags", "x", r"tags is a list; .* They are title, draft", id="list"),
        pytest.param(PAGE, "unknown_key", "x", "unknown_key is a group of settings", id="mapping"),
        pytest.param(PAGE, "draft", "maybe", "draft is true or false; 'maybe' is not", id="no-switch"),
        pytest.param(PAGE, "weight", "heavy", "weight is a whole number; 'heavy' is not", id="no-whole-number"),
        pytest.param(PAGE, "rate", "inf", "rate is a number; 'inf' is not", id="no-number"),
        pytest.param(PAGE, "day", "soon", "day is a date such as", id="no-date"),
        pytest.param(PAGE, "draft", "no", "draft is no already", id="same"),
        pytest.param(PAGE, "title", "a\0b", r"U\+0000", id="nul"),
        pytest.param("---\na: [\n---\n", "a", "x", "cannot be read as YAML", id="no-yaml"),
        pytest.param("---\n- a\n---\n", "a", "x", "no mapping", id="no-mapping"),
        pytest.param("---\n{a: 1}\n---\n", "b", "x", "cannot be changed in place|cannot be read", id="flow-mapping"),
        pytest.param("---\na: 1\na: 2\n---\n", "a", "x", "a stands 2 times", id="twice"),
        pytest.param("---\na: &x one\nb: *x\n---\n", "a", "y", "anchor", id="anchor"),
        pytest.param("---\na: &x one\nb: *x\n---\n", "b", "y", "anchor", id="alias"),
        pytest.param("---\na: !!str 1\n---\n", "a", "y", "tag", id="tag"),
        pytest.param("---\na: !x 1\n---\n", "a", "y", "cannot be read as YAML", id="unknown-tag"),
        pytest.param("---\n  a: 1\n---\n", "b", "x", "cannot be changed in place|cannot be read", id="indented"),
    ],
)
def test_a_setting_that_cannot_be_changed_is_refused(page: str, key: str, value: str, problem: str) -> None:
    """The refusal gives the reason; nothing is guessed."""
    with pytest.raises(ToolError, match=problem):
        front_matter.setting(page, key, value)


def test_naughty_values_are_kept_or_refused() -> None:
    """A naughty string becomes the value as it is, among unchanged others, or is refused."""
    before = front_matter.read(PAGE).values
    wrong: list[str] = []
    for text in naughty():
        for key in ("title", "new"):
            try:
                after = front_matter.read(apply(PAGE, [front_matter.setting(PAGE, key, text)]) or "").values
            except ToolError:
                continue
            value = after.pop(key)
            spelled = str(value).lower() if isinstance(value, bool) else str(value)
            if spelled != text or any(before[name] != after[name] for name in before if name != key):
                wrong.append(text)

    assert [] == wrong


# -- differences -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param("a\n", "a\n", [], id="none"),
        pytest.param("a\nb\n", "a\nc\n", ["--- a/x.md", "+++ b/x.md", "@@ -1,2 +1,2 @@", " a", "-b", "+c"], id="line"),
        pytest.param(
            "a",
            "b",
            [
                "--- a/x.md",
                "+++ b/x.md",
                "@@ -1 +1 @@",
                "-a",
                "\\ No newline at end of file",
                "+b",
                "\\ No newline at end of file",
            ],
            id="no-final-newline",
        ),
        pytest.param("a\r\n", "a\n", ["--- a/x.md", "+++ b/x.md", "@@ -1 +1 @@", "-a", "+a"], id="line-end"),
        pytest.param("", "a\n", ["--- a/x.md", "+++ b/x.md", "@@ -0,0 +1 @@", "+a"], id="added"),
        pytest.param(
            "a\x0cb\n", "a\x0cc\n", ["--- a/x.md", "+++ b/x.md", "@@ -1 +1 @@", "-a\x0cb", "+a\x0cc"], id="form-feed"
        ),
    ],
)
def test_a_difference_is_a_unified_diff(before: str, after: str, lines: list[str]) -> None:
    """Any difference shows, line ends and final newlines included."""
    assert "\n".join(lines) == difference(before, after, "x.md")
