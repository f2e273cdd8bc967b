"""Sites as Jekyll, Hugo, MkDocs and Astro keep them: after each edit `git diff` shows what was asked for and no more.

Each edit is said in words to the offline flow, published, and compared with the lines that git finds removed and added.
The same edits on the same pages with other line ends, with a byte order mark, or without a final newline must come to
the same pages, written in that way.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from flows.site_editor import flow
from flows.site_editor.pages import SUFFIXES, Pages
from handoff.sync import Threads

SITES = Path(__file__).parent / "sites"


@dataclass(frozen=True)
class Case:
    """An edit, and what it does to the lines of its page."""

    site: str
    page: str
    file: str
    said: str
    lines: str


def case(where: str, said: str, lines: str, *, name: str) -> object:
    """An edit as a parameter of a test.

    Args:
        where: the site, how the page is called, and its file.
        said: what the user says to the editor.
        lines: the lines that git finds removed and added, each with its sign.
        name: the test's id.
    """
    site, page, file = where.split("|")
    return pytest.param(Case(site, page, file, said, lines.strip("\n")), id=f"{site}-{name}")


INDEX = "jekyll|index|index.md"
ABOUT = "jekyll|About the association|about.markdown"
RYE = "jekyll|rye-in-winter|_posts/2026-02-10-rye-in-winter.md"
SWAP = "jekyll|Seed swap|_posts/2026-03-01-seed-swap.md"
HOME = "hugo|_index.md|content/_index.md"
SHOP = "hugo|about us|content/about.md"
BLUES = "hugo|posts/rye-blues|content/posts/rye-blues.md"
SINGLE = "hugo|sourdough|content/posts/sourdough/index.md"
KETTLE = "mkdocs|Kettle|docs/index.md"
START = "mkdocs|Getting started|docs/guide/Getting started.md"
REFERENCE = "mkdocs|reference|docs/guide/reference.md"
NOTES = "astro|Field notes|src/pages/index.md"
HERON = "astro|heron|src/pages/notes/heron.md"
POST = "astro|first post|src/content/blog/first-post.mdx"

CASES = [
    # text
    case(
        INDEX,
        'Replace "*Riverside*" with "**Riverside**"',
        """
-From the station take the *Riverside* path. The gate is on the left.
+From the station take the **Riverside** path. The gate is on the left.
""",
        name="replace",
    ),
    case(
        INDEX,
        'Insert "and the hoses are out" after "The water is back on"',
        """
-- The water is back on.
+- The water is back on and the hoses are out.
""",
        name="insert",
    ),
    case(
        INDEX, 'Add "- The beans are in." before "- The water is back on."', "+- The beans are in.", name="insert-item"
    ),
    case(
        ABOUT,
        'Insert "| secretary | P. Ng |" after "| chair | R. Okafor |"',
        "+| secretary | P. Ng |",
        name="insert-row",
    ),
    case(INDEX, 'Delete "- The water is back on."', "-- The water is back on.", name="delete-item"),
    case(
        ABOUT,
        'Delete "The first plots were dug by railway workers."',
        """
-The first plots were dug by railway workers.
-
""",
        name="delete-paragraph",
    ),
    case(
        BLUES,
        'Change "side two" to "side one"',
        """
-It skips on side two, as it always did.
+It skips on side one, as it always did.
""",
        name="replace",
    ),
    case(
        KETTLE,
        'Replace "Never run it without water." with "Never run it dry."',
        """
-    Never run it without water.
+    Never run it dry.
""",
        name="replace-indented",
    ),
    # sections
    case(
        INDEX,
        "Delete the section By bus",
        """
-### By bus
-
-Lines 4 and 17 stop at Mill Lane.
-
""",
        name="delete-section",
    ),
    case(
        REFERENCE,
        "Remove the section Exit codes",
        """
-
-## Exit codes
-
-0 when it boils.
""",
        name="delete-last-section",
    ),
    case(
        INDEX,
        'Rewrite the section By bus as "No buses any more."',
        """
-Lines 4 and 17 stop at Mill Lane.
+No buses any more.
""",
        name="rewrite-section",
    ),
    case(
        HOME,
        'Rewrite the "Opening hours" section: Every day, ten to eight.',
        """
-Tuesday to Saturday, eleven to seven.
+Every day, ten to eight.
""",
        name="rewrite-section",
    ),
    case(
        POST,
        'The section First post should say "We begin at the bridge."',
        """
-We begin at the weir.
+We begin at the bridge.
""",
        name="rewrite-below-jsx",
    ),
    case(
        INDEX,
        'Add the paragraph "Dogs on leads." to the section How to find us',
        """
+Dogs on leads.
+
""",
        name="add-to-section",
    ),
    case(
        ABOUT,
        'Add the paragraph "See you there."',
        """
+
+See you there.
""",
        name="add-at-the-end",
    ),
    case(
        SWAP,
        'Begin the page with "Rain or shine."',
        """
+Rain or shine.
+
""",
        name="add-at-the-start",
    ),
    case(
        ABOUT,
        'Add a section "Money" with the text "Dues are low."',
        """
+
+## Money
+
+Dues are low.
""",
        name="add-section",
    ),
    # the order of the sections
    case(
        INDEX,
        "Move the section Waiting list before News",
        """
+## Waiting list
+
+The list is open. Write to plots@example.org.
+
-
-## Waiting list
-
-The list is open. Write to plots@example.org.
""",
        name="move-up",
    ),
    case(
        HOME,
        "Put Where we are at the top",
        """
+## Where we are
+
+Behind the market hall.
+
-
-## Where we are
-
-Behind the market hall.
""",
        name="move-to-the-top",
    ),
    case(
        SINGLE,
        "Move Side A after Side B",
        """
-## Side A {#side-a}
-
-Slow, and a little sour.
-
+
+## Side A {#side-a}
+
+Slow, and a little sour.
""",
        name="move-with-attributes",
    ),
    case(
        START,
        "Move On Windows above On Linux",
        """
-## On Linux
-
-Use the package.
-
+
+## On Linux
+
+Use the package.
""",
        name="move-without-front-matter",
    ),
    # layout
    case(INDEX, "Use the page layout", "-layout: default\n+layout: page", name="layout"),
    case(HOME, "Use the wide layout", '+layout = "wide"', name="layout-added"),
    case(SINGLE, "Use the wide layout", "-layout: single\n+layout: wide", name="layout"),
    case(KETTLE, "Use the home template", "-template: main.html\n+template: home.html", name="template"),
    case(START, "Use the home template", "+---\n+template: home.html\n+---", name="front-matter-made"),
    case(
        HERON,
        "Use the Base layout",
        "-layout: ../../layouts/Post.astro\n+layout: ../../layouts/Base.astro",
        name="layout-as-a-path",
    ),
    # settings
    case(
        INDEX,
        "Set the title to Mill Lane",
        """
-title:  "Mill Lane Allotments"   # two blanks, on purpose
+title:  "Mill Lane"   # two blanks, on purpose
""",
        name="title-with-comment",
    ),
    case(INDEX, "Set nav.order to 3", "-  order: 1\n+  order: 3", name="in-a-group"),
    case(INDEX, "Add the setting nav.icon with house", "+  icon: house", name="added-to-a-group"),
    case(
        INDEX,
        'Set the excerpt to "Forty-one plots."',
        """
-excerpt: >-
-  Forty plots between the railway
-  and the river.
+excerpt: "Forty-one plots."
""",
        name="block-of-text",
    ),
    case(ABOUT, "Set last_checked to 2026-02-28", "-last_checked: 2026-01-31\n+last_checked: 2026-02-28", name="date"),
    case(ABOUT, "Set members to 113", "-members: 112\n+members: 113", name="number"),
    case(ABOUT, "Set open to no", "-open: yes\n+open: no", name="switch"),
    case(ABOUT, "Add the tag maps", "-tags: [history, people]\n+tags: [history, people, maps]", name="tag-added"),
    case(
        ABOUT,
        "Set the tags to people, maps and beans",
        "-tags: [history, people]\n+tags: [people, maps, beans]",
        name="tags",
    ),
    case(ABOUT, "Remove the permalink", "-permalink: /about/", name="removed"),
    case(
        RYE,
        "Set the date to 2026-02-11 08:00:00 +0100",
        "-date: 2026-02-10 09:30:00 +0100\n+date: 2026-02-11 08:00:00 +0100",
        name="date-with-zone",
    ),
    case(RYE, "It is no longer a draft", "-draft: true\n+draft: false", name="draft"),
    case(RYE, "Call it Rye, and why", "-title: 'Rye in winter'\n+title: 'Rye, and why'", name="title-quoted"),
    case(RYE, "Add winter wheat to the tags", "+    - winter wheat", name="tag-on-its-own-line"),
    case(RYE, "Remove the category winter", "-- winter   # the frost series", name="category-removed"),
    case(SWAP, "Tag it seeds", "+tags: [seeds]", name="first-tag"),
    case(SWAP, "Mark it as a draft", "+draft: true", name="draft-added"),
    case(SHOP, "Make it no draft", "-draft = true\n+draft = false", name="draft"),
    case(SHOP, "Set the author to Mika's cat", "-author = 'Mika'\n+author = \"Mika's cat\"", name="quotes-changed"),
    case(
        SHOP,
        "Set date to 2026-01-13T08:00:00+01:00",
        "-date = 2026-01-12T08:00:00+01:00\n+date = 2026-01-13T08:00:00+01:00",
        name="date",
    ),
    case(
        SHOP,
        "Set params.subtitle to Three people",
        """
-  subtitle = "Two people and a cat"   # shown below the title
+  subtitle = "Three people"   # shown below the title
""",
        name="in-a-group",
    ),
    case(SHOP, "Add the setting params.color with red", '+  color = "red"', name="added-to-a-group"),
    case(SHOP, "Add the setting lead with yes", '+lead = "yes"', name="added-before-the-groups"),
    case(
        SHOP,
        "Remove the keyword records",
        '-keywords = ["records", "shop"]\n+keywords = ["shop"]',
        name="keyword-removed",
    ),
    case(BLUES, "Add the tag vinyl", '+  "vinyl",', name="tag-on-its-own-line"),
    case(BLUES, "Untag it blues", '-  "blues",', name="tag-removed"),
    case(SINGLE, "Tag it bread", "-tags: []\n+tags: [bread]", name="first-tag"),
    case(SINGLE, 'Set cover.alt to "The sleeve"', '-  alt: ""\n+  alt: "The sleeve"', name="in-a-group"),
    case(KETTLE, "Remove toc from hide", "-  - toc", name="item-removed"),
    case(START, "Set the title to Start here", "+---\n+title: Start here\n+---", name="front-matter-made-for-a-title"),
    case(
        HERON,
        'Tag it "grey, tall"',
        '-tags: ["birds", "river"]\n+tags: ["birds", "river", "grey, tall"]',
        name="tag-quoted",
    ),
    case(HERON, "Set pubdate to 2026-01-21", "-pubDate: 2026-01-20\n+pubDate: 2026-01-21", name="key-in-other-letters"),
    case(POST, "Set updatedDate to 2026-02-01", "-updatedDate:\n+updatedDate: 2026-02-01", name="empty"),
    case(POST, "Remove the setting updatedDate", "-updatedDate:", name="removed"),
    case(
        NOTES,
        "Set the description to Birds: all of them",
        """
-description: "Notes from the field: birds, mostly."
+description: "Birds: all of them"
""",
        name="colon",
    ),
]


def git(directory: Path, *arguments: str) -> str:
    """What git prints, its configuration our own."""
    options = ["-c", "core.autocrlf=false", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", "-C", str(directory), *options, *arguments], capture_output=True, check=True, text=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All sites in one repository, committed."""
    root = tmp_path_factory.mktemp("repository") / "sites"
    shutil.copytree(SITES, root)
    git(root, "init", "-q")
    git(root, "add", "-Af")
    git(root, "commit", "-qm", "before")
    return root


@pytest.fixture
def committed(repository: Path) -> Iterator[Path]:
    """The repository as it was committed, whatever a test does to it."""
    yield repository
    git(repository, "checkout", "-q", ".")


def edit(root: Path, one: Case) -> list[str]:
    """Open the page, say the wish, publish it; who was active after each.

    Args:
        root: where the sites are.
        one: the edit.
    """
    with Threads(flow, deps=Pages(root / one.site)) as threads:
        thread = threads.open()
        active: list[str] = []
        for said in (f"Edit {one.page}", one.said, "Publish it"):
            thread.send(said)
            active.append(thread.assistant.name)
    return active


def test_there_are_edits_enough() -> None:
    """Forty of all kinds were promised."""
    assert len(CASES) >= 40


@pytest.mark.parametrize("one", CASES)
def test_git_finds_the_requested_change_and_no_other(committed: Path, one: Case) -> None:
    """One file is changed, and the lines removed and added are those that were asked for."""
    active = edit(committed, one)
    found = [line for line in git(committed, "diff", "-U0").splitlines()[4:] if line[0] in "+-"]

    assert (["editor", "reviewer", "welcome"], [f" M {one.site}/{one.file}"], one.lines.splitlines()) == (
        active,
        [line.replace('"', "") for line in git(committed, "status", "--porcelain").splitlines()],
        found,
    )


def test_git_counts_the_lines_of_the_requested_change(committed: Path) -> None:
    """What `git diff --numstat` prints after several edits of several pages is their sum."""
    for said in ("jekyll-replace", "hugo-move-to-the-top"):
        edit(committed, next(one.values[0] for one in CASES if one.id == said))  # type: ignore[attr-defined]

    assert ["4\t4\thugo/content/_index.md", "1\t1\tjekyll/index.md"] == git(committed, "diff", "--numstat").splitlines()


AFTER: dict[Case, bytes] = {}


def edited(root: Path, one: Case) -> bytes:
    """The page after the edit, as the site is kept here; each is made once."""
    if one not in AFTER:
        edit(root, one)
        AFTER[one] = (root / one.site / one.file).read_bytes()
    return AFTER[one]


def with_crlf(content: bytes) -> bytes:
    return content.replace(b"\n", b"\r\n")


def with_mark(content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content


def without_final_newline(content: bytes) -> bytes:
    return content.removesuffix(b"\n")


def with_all(content: bytes) -> bytes:
    return with_mark(with_crlf(without_final_newline(content)))


@pytest.mark.parametrize("written", [with_crlf, without_final_newline, with_all])
@pytest.mark.parametrize("one", CASES)
def test_an_edit_keeps_how_the_page_is_written(
    tmp_path: Path, committed: Path, one: Case, written: Callable[[bytes], bytes]
) -> None:
    """Line ends, byte order mark and a missing final newline: the edit comes to the same page, written in that way."""
    before, after = (SITES / one.site / one.file).read_bytes(), edited(committed, one)
    shutil.copytree(SITES / one.site, tmp_path / one.site)
    for path in tmp_path.rglob("*"):
        if path.suffix in SUFFIXES:
            path.write_bytes(written(path.read_bytes()))
    edit(tmp_path, one)

    assert (True, written(after)) == (before != after, (tmp_path / one.site / one.file).read_bytes())


@pytest.mark.parametrize(
    ("site", "names"),
    [
        pytest.param(
            "jekyll",
            ["_posts/2026-02-10-rye-in-winter", "_posts/2026-03-01-seed-swap", "about.markdown", "index"],
            id="jekyll",
        ),
        pytest.param(
            "hugo",
            ["content/_index", "content/about", "content/posts/rye-blues", "content/posts/sourdough/index"],
            id="hugo",
        ),
        pytest.param("mkdocs", ["docs/guide/Getting started", "docs/guide/reference", "docs/index"], id="mkdocs"),
        pytest.param(
            "astro", ["src/content/blog/first-post.mdx", "src/pages/index", "src/pages/notes/heron"], id="astro"
        ),
    ],
)
def test_pages_are_those_of_the_site(site: str, names: list[str]) -> None:
    """What was built, installed or brought along by a theme is no page of the site."""
    assert names == Pages(SITES / site).names()
