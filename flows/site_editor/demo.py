"""The demonstration: what is said to the site editor, on which site, and what it did to the files in the end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.site_editor.edits import difference
from flows.site_editor.flow import flow
from flows.site_editor.pages import SAMPLE, Pages
from handoff import Flow

__all__ = ["SAMPLE", "Demo", "demo", "difference_of_directories"]


@dataclass(frozen=True, slots=True)
class Demo:
    """A scripted conversation over a copy of a site.

    Attributes:
        flow: the flow; its `offline` rules answer.
        messages: what the user says, in order.
        sample: the site before it.
    """

    flow: Flow[Any, Pages]
    messages: tuple[str, ...]
    sample: Path

    def prepare(self, directory: Path) -> Pages:
        """Copy the sample site and lend the copy to the flow.

        Args:
            directory: where to; it must not exist yet, or be empty.

        Raises:
            OSError: it holds something, or cannot be written.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise FileExistsError(f"{directory} is not empty: give an empty or a new directory")
        shutil.copytree(self.sample, directory, dirs_exist_ok=True)
        return Pages(directory)

    def diff(self, directory: Path) -> str:
        """What the conversation did to the files: the copy compared with the sample.

        Args:
            directory: the copy.
        """
        return difference_of_directories(self.sample, directory)


def difference_of_directories(before: Path, after: Path) -> str:
    """The difference of all files below two directories, as one unified diff; empty if there is none.

    Args:
        before: the old directory.
        after: the new directory.
    """
    old, new = _texts(before), _texts(after)
    parts = [difference(old.get(name, ""), new.get(name, ""), name) for name in sorted(old.keys() | new.keys())]
    return "\n".join(part for part in parts if part)


def _texts(directory: Path) -> dict[str, str]:
    """The files below a directory, by their path in it; bytes that are no UTF-8 are shown as such."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes().decode(errors="backslashreplace")
        for path in directory.rglob("*")
        if path.is_file()
    }


demo = Demo(
    flow,
    (
        "Which pages are there?",
        "Edit the about page",
        'Replace "a small bakery" with "a family bakery"',
        "Publish it",
        "Open opening-hours",
        "Use the fancy layout",
        "Use the landing layout",
        "Drop it",
    ),
    SAMPLE,
)
