"""What README and docs say is run: each page's Python blocks, in order, as one program."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """The code blocks of a page in that language, each with the line it starts at."""
    text = page.read_text()
    return [(text[: found.start(2)].count("\n"), found[2]) for found in BLOCK.finditer(text) if found[1] == language]


def section(page: Path, title: str) -> str:
    """The text of a section."""
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", page.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page.name} has no section {title}"
    return found[1]


def anchor(heading: str) -> str:
    """What a heading is linked by."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES if blocks(page, "python")])
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a page run in an empty directory, without a warning."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": f"docs_{page.stem}"}
    # Annotations and templates are looked up by module, so the page is one.
    module = type(sys)(str(names["__name__"]))
    monkeypatch.setitem(sys.modules, module.__name__, module)

    for line, source in blocks(page, "python"):
        exec(compile("\n" * line + source, str(page), "exec"), module.__dict__)  # noqa: S102 - our own documentation


def test_the_readme_has_exactly_two_commands() -> None:
    """The section `## Two commands` holds two shell commands, each on one line."""
    found = re.findall(r"^```sh\n(.*?)^```$", section(ROOT / "README.md", "Two commands"), re.MULTILINE | re.DOTALL)

    assert [2] == [len(block.splitlines()) for block in found]
    assert all(line.startswith("python3 -m venv ") for line in found[0].splitlines())


def test_the_readme_s_flow_is_short() -> None:
    """The flow that newcomers read has fewer than 30 lines."""
    ((_, source),) = blocks(ROOT / "README.md", "python")

    assert 30 > len(source.splitlines())


def test_the_readme_s_flow_prints_what_the_readme_says(tmp_path: Path) -> None:
    """The output below the flow is what it prints."""
    ((_, source),) = blocks(ROOT / "README.md", "python")
    (tmp_path / "trattoria.py").write_text(source)
    said = re.findall(r"^```text\n(.*?)^```$", section(ROOT / "README.md", "A flow"), re.MULTILINE | re.DOTALL)

    found = subprocess.run([sys.executable, tmp_path / "trattoria.py"], check=True, capture_output=True, text=True)

    assert said == [found.stdout]


def test_the_readme_s_transcript_is_what_the_demo_shows() -> None:
    """The transcript in the README is a piece of what `handoff demo` prints."""
    transcript = BLOCK.search((ROOT / "README.md").read_text())
    assert transcript is not None

    found = subprocess.run(
        [sys.executable, "-m", "handoff.cli", "demo"], check=True, capture_output=True, text=True, cwd=ROOT
    )

    assert transcript[2] in found.stdout


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link of a page leads to a file, and to a heading in it where it names one."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, heading = target.partition("#")
        file = (page.parent / path) if path else page
        assert file.is_file(), f"{page.name} links to {target}"
        headings = [anchor(one) for one in re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)]
        assert not heading or heading in headings, f"{page.name} links to {target}"


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_no_text_tells_anyone_to_install_somebody_else_s_package(page: Path) -> None:
    """The distribution is called handoff-flows; no page says `pip install handoff`."""
    assert not re.findall(r"pip install(?: -\S+)* handoff\b(?!-flows)", page.read_text())
