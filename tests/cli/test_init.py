"""`handoff init`: a new project that is green at once."""

from __future__ import annotations

import importlib.util
import keyword
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from handoff.cli.starting import FILES, module_name
from tests.conftest import REQUIRED
from tests.support.cli import ROOT, Commands, Result, finished, handoff, started
from tests.support.measured import run_pytest

__all__ = ["handoff"]  # the fixture

WHOLE = pytest.mark.skipif("HANDOFF_CAMPAIGN_MINUTES" not in os.environ, reason="takes long: in the campaign")
PROJECT = ROOT / "handoff" / "cli" / "project"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new project, in a directory whose name has to be changed for a module."""
    directory = tmp_path_factory.mktemp("new") / "Ada's 1st Flow"
    found = finished(started(directory.parent, "init", directory.name))
    assert 0 == found.code, found.err
    return directory


def ran(project: Path, *arguments: str) -> Result:
    """What `handoff` says in the project."""
    return finished(started(project, *arguments))


def test_all_its_files_are_written(project: Path) -> None:
    """It holds a flow, tests, a script, and what packages and describes them, named after the directory."""
    written = sorted(str(path.relative_to(project)) for path in project.rglob("*") if path.is_file())

    assert [
        ".gitignore",
        "README.md",
        "ada_s_1st_flow.py",
        "hello.txt",
        "pyproject.toml",
        "tests/test_ada_s_1st_flow.py",
    ] == [name for name in written if "cache" not in name]
    assert not [
        path for path in project.rglob("*.*") if path.is_file() and "my_flow" in path.read_text(errors="replace")
    ]


def test_what_is_written_is_what_lies_in_the_package() -> None:
    """Every file of the project in this repository is written, and none besides."""
    tracked = subprocess.run(["git", "ls-files", PROJECT], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode or not tracked.stdout:
        pytest.skip("not in a clone of the repository")

    assert sorted(FILES) == sorted(str((ROOT / line).relative_to(PROJECT)) for line in tracked.stdout.splitlines())


def test_its_tests_are_green_and_take_every_transition(project: Path, tmp_path: Path) -> None:
    """The command of its README passes: all tests, and 100 % of transitions, assistants and guards."""
    least = ["--handoff-cov-fail-under", "100", "--handoff-cov-fail-under", "guards=100"]

    found = run_pytest(project, tmp_path / "report.json", "--handoff-cov", "ada_s_1st_flow", *least)

    assert 0 == found.code, found.out
    assert [] == found.kind("transitions")["missed"] + found.kind("assistants")["missed"]


def test_its_own_tests_suffice(project: Path, tmp_path: Path) -> None:
    """The tests written by hand take every transition without the generated ones."""
    options = ["-m", "not generated", "--handoff-cov", "ada_s_1st_flow", "--handoff-cov-fail-under", "100"]

    found = run_pytest(project, tmp_path / "report.json", *options)

    assert 0 == found.code, found.out
    assert "deselected" in found.out


def test_nothing_is_found_in_it(project: Path) -> None:
    """`handoff check` has no findings, and knows the answers of every guard."""
    found = ran(project, "check", "ada_s_1st_flow")

    assert (0, "ada_s_1st_flow: no findings, 0 unknown\n") == (found.code, found.out)


def test_its_script_is_played(project: Path) -> None:
    """The other command of its README plays a conversation in which both other assistants take part."""
    found = ran(project, "chat", "ada_s_1st_flow", "--script", "hello.txt")

    assert 0 == found.code, found.err
    assert [
        "── host → booker (take_guests) ──",
        "── booker → host (book_table) ──",
        "── host → planner (take_guests) ──",
        "── planner → host (order_menu) ──",
    ] == [line for line in found.out.splitlines() if line.startswith("──")]


def test_it_runs(project: Path) -> None:
    """One message gets a reply."""
    found = ran(project, "run", "ada_s_1st_flow", "A table for 3, please")

    assert 0 == found.code, found.err
    assert found.out.endswith("booker   A table for 3.\n")


def test_its_readme_names_two_commands(project: Path) -> None:
    """They are the ones that the tests above run."""
    text = (project / "README.md").read_text()

    assert [
        "handoff chat ada_s_1st_flow --script hello.txt",
        "pytest -q --handoff-cov ada_s_1st_flow --handoff-cov-fail-under 100",
    ] == text.partition("```sh\n")[2].partition("```")[0].splitlines()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["ruff", "check", "."], id="ruff"),
        pytest.param(["ruff", "format", "--check", "."], id="format"),
        pytest.param(["mypy", "--strict", "."], id="mypy", marks=WHOLE),
    ],
)
def test_its_code_is_clean(project: Path, tmp_path: Path, command: list[str]) -> None:
    """Lint, format and strict types have nothing to say."""
    if importlib.util.find_spec(command[0]) is None:
        (pytest.fail if REQUIRED else pytest.skip)(f"{command[0]} is not installed")
    copy = shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("*cache*"))

    found = subprocess.run([sys.executable, "-m", *command], cwd=copy, capture_output=True, text=True, check=False)

    assert 0 == found.returncode, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("directory", "expected"),
    [
        pytest.param("shop", "shop", id="as it is"),
        pytest.param("My-Shop.v2", "my_shop_v2", id="signs"),
        pytest.param("Café Olé", "cafe_ole", id="accents"),
        pytest.param("2nd", "flow_2nd", id="digit first"),
        pytest.param("店", "flow", id="no letter that Python and all backends take"),
        pytest.param("class", "class_flow", id="keyword"),
        pytest.param("json", "json_flow", id="standard library"),
        pytest.param("pytest", "pytest_flow", id="installed"),
        pytest.param("handoff", "handoff_flow", id="this package"),
        pytest.param("tests", "tests_flow", id="directory of the project"),
        pytest.param("", "flow", id="the root"),
        pytest.param("a" * 50, "a" * 32, id="too long"),
    ],
)
def test_the_name_is_one_that_nothing_else_has(directory: str, expected: str) -> None:
    """The name of the directory becomes an identifier that hides no other module."""
    found = module_name(directory)

    assert expected == found
    assert found.isidentifier()
    assert not keyword.iskeyword(found)


def test_the_current_directory(handoff: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a directory it is the current one."""
    (handoff.directory / "desk").mkdir()
    monkeypatch.chdir(handoff.directory / "desk")

    found = handoff("init")

    assert 0 == found.code
    assert (handoff.directory / "desk" / "desk.py").is_file()
    assert "\n  handoff chat desk --script hello.txt\n" in found.out


def test_a_directory_with_something_in_it_is_refused(handoff: Commands) -> None:
    """Nothing is written beside what is there, and nothing over it."""
    before = {path: path.read_bytes() for path in handoff.directory.iterdir()}

    found = handoff("init", ".")

    assert 2 == found.code
    assert ". is not empty: give a new directory" in found.err
    assert before == {path: path.read_bytes() for path in handoff.directory.iterdir()}


def test_a_repository_and_an_environment_may_be_there(handoff: Commands) -> None:
    """A directory that was made with `git init` and has a virtual environment counts as empty."""
    (handoff.directory / "new" / ".git").mkdir(parents=True)
    (handoff.directory / "new" / ".venv").mkdir()

    found = handoff("init", "new")

    assert 0 == found.code
    assert (handoff.directory / "new" / "new.py").is_file()


def test_a_file_is_no_directory(handoff: Commands) -> None:
    """A path that is a file is refused."""
    found = handoff("init", "desk.py")

    assert 2 == found.code


def test_a_place_that_cannot_be_written_is_refused(handoff: Commands) -> None:
    """A directory below a file cannot be made; the refusal says so."""
    found = handoff("init", "desk.py/new")

    assert 2 == found.code
    assert "no project can be written to desk.py/new" in found.err
