"""The pages of docs/checks: a flow that triggers the code, what the check says of it, and the flow mended."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from handoff.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "checks"
_BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """A page taken apart."""

    code: str
    text: str
    faulty: str
    said: str
    mended: str

    @classmethod
    def read(cls, path: Path) -> Page:
        """Read the page: three blocks of code, in that order."""
        text = path.read_text()
        (_, faulty), (_, said), (_, mended) = _BLOCK.findall(text)
        return cls(path.stem, text, faulty, said, mended)


def pages() -> list[Page]:
    """All pages but the index."""
    return [Page.read(path) for path in sorted(DOCS.glob("*.md")) if path.stem != "index"]


def write(source: str, directory: Path) -> str:
    """Write a block of a page into a directory: one module, or several that each begin with `# file: NAME`.

    Returns:
        The flow as it is named on the command line.
    """
    parts = re.split(r"^# file: (\S+)\n", source, flags=re.MULTILINE)
    files = dict(zip(parts[1::2], parts[2::2], strict=True)) or {"shop.py": source}
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(text.rstrip("\n") + "\n")
    return "shop" if parts[1:] else "shop.py"


@dataclass
class CommandLine:
    """The command line, run within this process in a directory of its own."""

    directory: Path
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command: its exit code, and what it wrote to standard output and standard error."""
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        written = self.capsys.readouterr()
        return int(ended.value.code or 0), written.out, written.err


def command_line(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    """Give a command line in a directory; modules it imports are forgotten afterwards."""
    monkeypatch.chdir(directory)
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    importlib.invalidate_caches()
    yield CommandLine(directory, capsys)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None) or "").startswith(str(directory)):
            del sys.modules[name]
