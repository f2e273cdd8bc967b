"""What holds for every flow of flows/: nothing to find, all ways taken by its tests, a script that plays, a picture."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from handoff.checks import check
from handoff.cli.loading import load_flow
from handoff.diagram import diagram_of, render
from tests.checks.operators import FLOWS, flows_of_this_project
from tests.support.measured import run_pytest

ROOT = Path(__file__).parents[2]
NAMES = sorted(flows_of_this_project())


def files_of(name: str) -> dict[Path, bytes]:
    """All files of a flow, with what they hold."""
    return {path: path.read_bytes() for path in (FLOWS / name).rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_every_flow_is_installed() -> None:
    """Each is found by its name, as an entry point, and is what its package holds."""
    installed = {point.name: point.load() for point in entry_points(group="handoff.flows")}

    assert flows_of_this_project() == {name: installed.get(name) for name in NAMES}


def test_flows_is_no_package_of_its_own() -> None:
    """A user's own flows/ does not hide these."""
    assert not (FLOWS / "__init__.py").exists()


@pytest.mark.parametrize("name", NAMES)
def test_there_is_nothing_to_find(name: str) -> None:
    """Nothing is found, and nothing is undecided."""
    report = check(load_flow(name))

    assert ((), 0) == (report.findings, len(report.unknown)), report.as_text()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "site_editor"])  # test_coverage_site_editor does it
def test_its_own_tests_take_every_transition(name: str, tmp_path: Path) -> None:
    """The tests that bear its name take all of its transitions."""
    files = [*(ROOT / "tests" / name).glob("test_*.py"), *(ROOT / "tests" / "flows").glob(f"test_{name}*.py")]
    own = sorted(str(path.relative_to(ROOT)) for path in files)
    found = run_pytest(ROOT, tmp_path / "report.json", "--handoff-cov", name, "--handoff-cov-fail-under", "100", *own)

    assert (0, []) == (found.code, found.kind("transitions")["missed"]), found.out


@pytest.mark.parametrize("name", NAMES)
def test_its_script_plays(name: str, tmp_path: Path) -> None:
    """hello.txt runs to its end with a handoff, understands every line, and leaves the flow's own files alone."""
    before = files_of(name)
    done = subprocess.run(
        [sys.executable, "-m", "handoff.cli", "chat", name, "--script", FLOWS / name / "hello.txt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert 0 == done.returncode, done.stderr
    assert re.search(r"^── \w+ → \w+ \(", done.stdout, re.MULTILINE)
    assert "I did not understand" not in done.stdout
    assert (before, []) == (files_of(name), list(tmp_path.iterdir()))


@pytest.mark.parametrize("name", NAMES)
def test_its_page_shows_its_picture(name: str) -> None:
    """The picture in its README is what `handoff graph` draws."""
    shown = re.findall(r"```mermaid\n(.*?)```", (FLOWS / name / "README.md").read_text(), re.DOTALL)

    assert [render(diagram_of(load_flow(name)), "mermaid")] == shown
