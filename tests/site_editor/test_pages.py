"""Pages change in the edited span only, byte for byte, and nothing outside the site or unasked for is ever touched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from flows.site_editor.edits import Edit, apply, difference, is_published, undo
from flows.site_editor.flow import flow, open_page, welcome
from flows.site_editor.pages import Pages, digest
from handoff import ToolError
from handoff.errors import ArgumentsRefused

PAGE = "# About\n\nA small bakery. Two bakers.\n"


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
    """Files of another kind, hidden ones and names that do not show are no pages; nor is what is built or others'."""
    for name in ("notes.txt", ".hidden.md", ".md", "two\nlines.md", "bell\a.md", "notes.md~"):
        (pages.root / name).write_text("no page")
    for folder in (".git", "node_modules", "blog/node_modules", "_site", "themes", "public", "vendor", "dist"):
        (pages.root / folder).mkdir()
        (pages.root / folder / "page.md").write_text("no page")

    assert ["about", "blog/first-loaf"] == pages.names()


def test_pages_have_the_names_of_their_files(pages: Pages) -> None:
    """Any spelling is a page's; only `.md` is left out, and no two pages have one name."""
    for name in ("Upper.md", "with space.md", "ünicode.markdown", "a.mdx", "a.mdx.md", "a.md", "READ_me.MD"):
        (pages.root / name).write_text(name)
    read = {page_id: pages.read(page_id) for page_id in pages.names() if page_id not in ("about", "blog/first-loaf")}

    assert {
        "READ_me.MD": "READ_me.MD",
        "Upper": "Upper.md",
        "a": "a.md",
        "a.mdx": "a.mdx",
        "a.mdx.md": "a.mdx.md",
        "with space": "with space.md",
        "ünicode.markdown": "ünicode.markdown",
    } == read


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
    root = Path(__file__).parents[2]
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
            lambda name=name: tool.parse(json.dumps({"page": name}))["page"],
            lambda name=name: name,
        ):
            try:
                page = refused_or_run()
                open_page(flow.metadata(), pages, page)
                opened.append(page)
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


def test_a_write_that_somebody_else_finished_is_done(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two bodies that write the same at once, the second finds the file beside the page gone and the work done."""
    replace = os.replace

    def twice(old: str, new: str) -> None:
        replace(old, new)
        replace(old, new)

    monkeypatch.setattr(os, "replace", twice)
    pages.write("about", "new")

    assert ("new", 2) == (pages.read("about"), len(tree(pages.root)))


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


# -- edits -------------------------------------------------------------------------------------------------------------


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
