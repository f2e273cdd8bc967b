"""The page that is meant is found by path or title; where several match, nobody guesses. Layouts likewise."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.site_editor import front_matter
from flows.site_editor.finding import find, listing, title
from flows.site_editor.layouts import key_of, value_of
from flows.site_editor.pages import Pages
from handoff import ToolError

FILES = {
    "index.md": "---\ntitle: Home\n---\n",
    "about.md": "---\ntitle: About us\n---\n",
    "team/about.md": "+++\ntitle = 'The team'\n+++\n",
    "team/_index.md": "# Everybody\n",
    "de/contact.md": "---\ntitle: Kontakt\n---\n",
    "en/contact.md": "---\ntitle: Contact\n---\n",
    "_posts/2026-01-05-first-loaf.markdown": "---\ntitle: The first loaf\n---\n",
    "_posts/2026-02-05-rye.md": "---\ntitle: Rye bread\n---\n",
    "_posts/2026-03-05-again.md": "---\ntitle: Bread again\n---\n",
    "guide/Getting Started.mdx": "Text\n\n## Steps\n",
    "broken.md": "---\na: [\n---\n# Never read\n",
    "bytes.md": b"\xff",
}


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """A site with pages of all kinds."""
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Pages(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "page_id"),
    [
        pytest.param("about", "about", id="path"),
        pytest.param("team/about", "team/about", id="path-in-a-folder"),
        pytest.param("about.md", "about", id="file"),
        pytest.param("./About.md", "about", id="file-in-other-letters"),
        pytest.param("About us", "about", id="title"),
        pytest.param("about  US", "about", id="title-in-other-letters"),
        pytest.param("The team", "team/about", id="toml-title"),
        pytest.param("everybody", "team/_index", id="heading"),
        pytest.param("team", "team/_index", id="folder"),
        pytest.param("team/", "team/_index", id="folder-with-slash"),
        pytest.param("team/_index.md", "team/_index", id="index"),
        pytest.param("rye", "_posts/2026-02-05-rye", id="end-without-date"),
        pytest.param("2026-02-05-rye", "_posts/2026-02-05-rye", id="end-with-date"),
        pytest.param("first-loaf", "_posts/2026-01-05-first-loaf.markdown", id="other-suffix"),
        pytest.param("loaf", "_posts/2026-01-05-first-loaf.markdown", id="word-of-the-title"),
        pytest.param("bread rye", "_posts/2026-02-05-rye", id="words-in-any-order"),
        pytest.param("en contact", "en/contact", id="words-of-the-path"),
        pytest.param("Kontakt", "de/contact", id="title-of-one"),
        pytest.param("getting started", "guide/Getting Started.mdx", id="blanks"),
        pytest.param("broken", "broken", id="page-that-cannot-be-read-as-yaml"),
        pytest.param("bytes", "bytes", id="page-that-is-no-text"),
    ],
)
def test_a_page_is_found_by_path_or_title(pages: Pages, wanted: str, page_id: str) -> None:
    """The closest kind of likeness decides."""
    assert page_id == find(pages, wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param("english contact", id="a-word-too-many"),
        pytest.param("../about", id="parent"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("team/../about", id="parent-of-a-folder"),
        pytest.param("", id="nothing"),
        pytest.param("?!", id="no-word"),
        pytest.param("about\0", id="nul"),
        pytest.param("\ud800", id="half-a-character"),
    ],
)
def test_what_is_no_page_is_not_found(pages: Pages, wanted: str) -> None:
    """The refusal names the pages there are, and nothing is opened."""
    with pytest.raises(ToolError, match=r"There is no page .* (?:The pages are|Near it)"):
        find(pages, wanted)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        pytest.param("contact", "2 pages match 'contact': de/contact (Kontakt); en/contact (Contact).", id="end"),
        pytest.param(
            "bread",
            "2 pages match 'bread': _posts/2026-02-05-rye (Rye bread); _posts/2026-03-05-again (Bread again).",
            id="word",
        ),
    ],
)
def test_several_pages_that_match_are_asked_about(pages: Pages, wanted: str, told: str) -> None:
    """All are named with their titles, and none is opened."""
    with pytest.raises(ToolError) as refused:
        find(pages, wanted)

    assert f"{told} Ask which one is meant." == str(refused.value)


def test_a_list_names_paths_and_titles(pages: Pages) -> None:
    """A page without a title is named by its path alone."""
    assert [
        "_posts/2026-01-05-first-loaf.markdown (The first loaf)",
        "_posts/2026-02-05-rye (Rye bread)",
        "_posts/2026-03-05-again (Bread again)",
        "about (About us)",
        "broken",
        "bytes",
        "de/contact (Kontakt)",
        "en/contact (Contact)",
        "guide/Getting Started.mdx",
        "index (Home)",
        "team/_index (Everybody)",
        "team/about (The team)",
    ] == listing(pages, "").splitlines()


def test_a_long_list_is_cut(tmp_path: Path) -> None:
    """Fifty pages are named, and how to find the others is said."""
    for number in range(60):
        (tmp_path / f"{number:02}.md").write_text("")

    assert (51, "and 10 more: name words of the path or the title") == (
        len(listing(Pages(tmp_path), "").splitlines()),
        listing(Pages(tmp_path), "").splitlines()[-1],
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("---\ntitle: A\n---\n# B\n", "A", id="setting"),
        pytest.param("---\nlayout: x\n---\n## C\n# B\n", "B", id="heading"),
        pytest.param("---\ntitle: 5\n---\n# B\n", "B", id="no-text"),
        pytest.param("---\ntitle:\n---\n", None, id="empty"),
        pytest.param("Text", None, id="none"),
        pytest.param("---\na: [\n---\n# B\n", None, id="broken"),
    ],
)
def test_a_title_is_the_setting_or_the_first_heading(text: str, expected: str | None) -> None:
    """A page that has neither has no title."""
    assert expected == title(text)


# -- layouts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "page", "wanted", "value"),
    [
        pytest.param(["_layouts/post.html"], "a", "Post", "post", id="jekyll"),
        pytest.param(["_layouts/post.html"], "a", "post.html", "post", id="jekyll-by-file"),
        pytest.param(["layouts/_default/wide.html"], "a", "wide", "wide", id="hugo"),
        pytest.param(["layouts/wide.html"], "a", "wide", "wide", id="hugo-top"),
        pytest.param(["overrides/home.html"], "a", "home", "home.html", id="mkdocs"),
        pytest.param(["src/layouts/Post.astro"], "a", "post", "src/layouts/Post.astro", id="astro-top"),
        pytest.param(["src/layouts/Post.astro"], "b/c", "Post", "../src/layouts/Post.astro", id="astro-folder"),
        pytest.param([], "a", "anything", "anything", id="no-layouts"),
        pytest.param(["_layouts/post.html"], "a", "theme-own", "theme-own", id="in-use-on-another-page"),
    ],
)
def test_a_layout_is_spelled_as_the_generator_wants_it(
    tmp_path: Path, files: list[str], page: str, wanted: str, value: str
) -> None:
    """Its name is enough; the folder it is kept in says how pages name it."""
    for name in [*files, "a.md", "b/c.md"]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("---\nlayout: theme-own\n---\n")

    assert value == value_of(Pages(tmp_path), page, "layout", wanted)


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        pytest.param("fancy", r"There is no layout 'fancy'\. The layouts are page, post\.", id="none"),
        pytest.param("footer", "There is no layout 'footer'", id="a-part-of-layouts"),
    ],
)
def test_a_layout_that_is_not_there_is_refused(tmp_path: Path, wanted: str, problem: str) -> None:
    """The refusal names the layouts there are."""
    for name in ("_layouts/page.html", "layouts/_default/post.html", "layouts/partials/footer.html", "a.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    with pytest.raises(ToolError, match=problem):
        value_of(Pages(tmp_path), "a", "layout", wanted)


def test_two_layouts_of_one_name_are_asked_about(tmp_path: Path) -> None:
    """Neither is taken."""
    for name in ("src/layouts/Post.astro", "src/layouts/post.jsx", "a.md"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    with pytest.raises(ToolError, match=r"2 layouts match 'post': src/layouts/Post.astro, src/layouts/post.jsx"):
        value_of(Pages(tmp_path), "a", "layout", "post")


@pytest.mark.parametrize(
    ("text", "files", "key"),
    [
        pytest.param("", [], "layout", id="usual"),
        pytest.param("", ["mkdocs.yml"], "template", id="mkdocs"),
        pytest.param("---\ntemplate: x\n---\n", [], "template", id="page-has-template"),
        pytest.param("---\nlayout: x\n---\n", ["mkdocs.yml"], "layout", id="page-has-layout"),
    ],
)
def test_the_setting_that_names_the_layout(tmp_path: Path, text: str, files: list[str], key: str) -> None:
    """The page decides, else the generator."""
    for name in files:
        (tmp_path / name).write_text("")

    assert key == key_of(Pages(tmp_path), front_matter.read(text))
