"""Each code has a page, and the pages are true: the flow triggers it in the words shown, and mended it does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff.checks import CODES
from tests.checks.pages import DOCS, CommandLine, Page, command_line, pages, write

PAGES = pages()
EACH = [pytest.param(page, id=page.code) for page in PAGES]


@pytest.fixture
def handoff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    """The command line in an empty directory."""
    yield from command_line(tmp_path, monkeypatch, capsys)


def test_each_code_has_a_page() -> None:
    """No code is without a page, and no page without a code."""
    assert sorted(CODES) == [page.code for page in PAGES]


def test_the_index_lists_each_code_with_its_severity() -> None:
    """The index links to every page, in the order of the table."""
    listed = re.findall(
        r"^\| \[`([a-z-]+)`\]\(([a-z-]+)\.md\) \| (\w+) \|", (DOCS / "index.md").read_text(), re.MULTILINE
    )

    assert listed == [(code, code, severity.value) for code, severity in CODES.items()]


@pytest.mark.parametrize("page", EACH)
def test_the_page_says_its_severity(page: Page) -> None:
    """The first word under the heading is the code's severity."""
    assert page.text.startswith(f"# `{page.code}`\n\n{CODES[page.code].value.capitalize()}. ")


@pytest.mark.parametrize("page", EACH)
def test_the_faulty_flow_gets_what_the_page_says(page: Page, handoff: CommandLine) -> None:
    """The report is the one on the page, the code is in it, and the command ends with 1."""
    code, said, error = handoff("check", write(page.faulty, handoff.directory))

    assert (1, page.said) == (code, said), error
    assert f"[{page.code}]" in said


@pytest.mark.parametrize("page", EACH)
def test_the_mended_flow_gets_nothing(page: Page, handoff: CommandLine) -> None:
    """The mended flow has no findings at all, and the command ends with 0."""
    code, said, error = handoff("check", write(page.mended, handoff.directory))

    assert 0 == code, said + error
    assert ": no findings, " in said
