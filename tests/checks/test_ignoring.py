"""A warning that its line says is meant so is counted, and not told."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from handoff.checks import Report, check

FLOW = """
from handoff import Flow, Metadata


class Desk(Metadata):
    seen: int | None = None


flow = Flow("desk", metadata=Desk)
clerk = flow.assistant("clerk", instructions="Help.")


@clerk.tool(sets="seen")
def look(seen: int) -> str:
    \"\"\"Look.\"\"\"
    return str(seen)
"""


LONELY = """
from handoff import Flow

flow = Flow("lonely")
first = flow.assistant("first", instructions="Help.")
second = flow.assistant("second", instructions="Help.")
"""


def checked(directory: Path, source: str, comment: str = "") -> Report:
    """The report about a flow, with a comment on the line of its only finding."""
    path = directory / "desk.py"
    path.write_text(source)
    (finding,) = _report(path).findings
    lines = source.splitlines()
    lines[finding.place.line - 1] += comment
    path = directory / "commented.py"
    path.write_text("\n".join(lines))
    return _report(path)


def _report(path: Path) -> Report:
    module = ModuleType(path.stem)
    exec(compile(path.read_text(), str(path), "exec"), module.__dict__)  # noqa: S102 - the file just written
    return check(module.flow)


@pytest.mark.parametrize(
    "comment",
    [
        pytest.param("  # handoff: ignore[never-read]", id="alone"),
        pytest.param("  # handoff: ignore[left-out, never-read]", id="one-of-several"),
        pytest.param("  # a counter for the reports  # handoff: ignore[never-read]", id="behind-a-reason"),
    ],
)
def test_what_is_meant_so_is_counted_only(tmp_path: Path, comment: str) -> None:
    """The code stands on the line that the report names."""
    report = checked(tmp_path, FLOW, comment)

    assert ((), 1) == (report.findings, report.ignored)
    assert report.as_text().endswith("no findings, 0 unknown, 1 ignored")


def test_another_code_ignores_nothing(tmp_path: Path) -> None:
    """A comment is about what it names."""
    report = checked(tmp_path, FLOW, "  # handoff: ignore[left-out]")

    assert (["never-read"], 0) == ([one.code for one in report.findings], report.ignored)


def test_an_error_stays(tmp_path: Path) -> None:
    """No comment makes a flow right that cannot work."""
    report = checked(tmp_path, LONELY, "  # handoff: ignore[unreachable-assistant]")

    assert (["unreachable-assistant"], 0) == ([one.code for one in report.findings], report.ignored)
