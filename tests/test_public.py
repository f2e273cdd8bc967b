"""What is public is what the documentation lists, and importing it stays quick."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import handoff
from handoff.cli.app import app
from handoff.cli.exits import CODES, Exit
from handoff.errors import HandoffError
from handoff.limits import Limits

DOCS = Path(__file__).parent.parent / "docs"


def names_in(cell: str) -> list[str]:
    """The names a table's cell lists."""
    return re.findall(r"`(\w+)`", cell)


def rows(text: str) -> list[list[str]]:
    """The cells of all table rows, headings left out."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in {"for", "field", "error", "code", "command"}]


def test_the_documentation_lists_what_is_exported() -> None:
    """docs/public.md names everything in `handoff.__all__`, once, and nothing else."""
    listed = [name for row in rows((DOCS / "public.md").read_text()) for name in names_in(row[1])]

    assert sorted(handoff.__all__) == sorted(listed)


@pytest.mark.parametrize("name", handoff.__all__)
def test_what_is_exported_is_there(name: str) -> None:
    """Every exported name can be used, the ones that are imported late included."""
    assert getattr(handoff, name) is not None


def test_the_documentation_lists_the_events_with_their_fields() -> None:
    """docs/events.md has a section for each event, with its type, its class, and its fields in order."""
    sections = re.findall(
        r"^## `(\S+)`: `(\w+)`\n(.*?)(?=^## |\Z)", (DOCS / "events.md").read_text(), re.MULTILINE | re.DOTALL
    )
    listed = [(kind, name, [names_in(row[0])[0] for row in rows(text)]) for kind, name, text in sections]

    assert [
        (event.type, event.__name__, [field.name for field in dataclasses.fields(event)])
        for event in typing.get_args(handoff.ThreadEvent)
    ] == listed


def test_the_documentation_lists_the_errors_with_their_attributes() -> None:
    """docs/errors.md has a row for each exported error, and each attribute it names is documented on the class."""
    listed = {names_in(row[0])[0]: names_in(row[2]) for row in rows((DOCS / "errors.md").read_text())}
    exported = {
        name
        for name in handoff.__all__
        if isinstance(getattr(handoff, name), type) and issubclass(getattr(handoff, name), Exception)
    }

    assert exported == set(listed)
    for name, attributes in listed.items():
        _, _, documentation = (inspect.getdoc(getattr(handoff, name)) or "").partition("Attributes:\n")
        documented = re.findall(r"^ {4}(\w+):", documentation, re.MULTILINE)
        assert sorted(documented) == sorted(attributes), name


def test_the_documentation_lists_the_exit_codes() -> None:
    """docs/cli.md has a row for each exit code."""
    listed = [int(row[0]) for row in rows((DOCS / "cli.md").read_text()) if row[0].isdigit()]

    assert [code.value for code in Exit] == listed


def test_every_error_has_an_exit_code() -> None:
    """The table of exit codes ends with the root of all errors, so that none is left without one."""
    assert HandoffError is CODES[-1][0]


def test_the_documentation_lists_the_commands() -> None:
    """docs/cli.md shows how each command is written."""
    block = re.search(r"```text\n(.*?)```", (DOCS / "cli.md").read_text(), re.DOTALL)
    assert block is not None
    written = {" ".join(re.findall(r"^handoff ((?:threads )?[a-z]+)", line)) for line in block[1].splitlines()}
    commands = {str(one.name or one.callback.__name__) for one in app.registered_commands if one.callback}
    (group,) = app.registered_groups
    assert group.typer_instance is not None
    nested = group.typer_instance.registered_commands
    commands |= {f"threads {one.name or one.callback.__name__}" for one in nested if one.callback}

    assert commands == written


def test_the_limits_of_the_documentation_are_declared() -> None:
    """docs/design.md names no limit that `Limits` does not have."""
    named = set(re.findall(r"`Limits\.(\w+)`", (DOCS / "design.md").read_text()))

    assert named <= {field.name for field in dataclasses.fields(Limits)}


@pytest.mark.parametrize("heavy", ["openai", "sqlalchemy", "starlette", "uvicorn", "typer", "rich", "flows", "tests"])
def test_importing_handoff_does_not_import(heavy: str) -> None:
    """What is heavy is imported when it is first used, and a flow never."""
    script = f"import sys, handoff, handoff.sync; sys.exit({heavy!r} in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", script], check=False).returncode


def test_asking_for_help_imports_no_more_than_it_needs() -> None:
    """`handoff --help` loads no command, no terminal library and no backend."""
    script = (
        "import sys, contextlib\nfrom handoff.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        "found = {'openai', 'sqlalchemy', 'rich', 'handoff.cli.talking'} & set(sys.modules)\n"
        "sys.exit(', '.join(found) or None)"
    )

    found = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)

    assert (0, "") == (found.returncode, found.stderr)


@pytest.mark.parametrize("module", sorted((DOCS.parent / "handoff" / "core").glob("*.py")), ids=lambda path: path.stem)
def test_the_core_imports_the_standard_library_only(module: Path) -> None:
    """A module of the core imports nothing else but the core, the errors and the limits."""
    imports = [one for one in ast.walk(ast.parse(module.read_text())) if isinstance(one, ast.Import | ast.ImportFrom)]
    names = {alias.name for one in imports if isinstance(one, ast.Import) for alias in one.names}
    names |= {one.module or "" for one in imports if isinstance(one, ast.ImportFrom)}
    ours = {name for name in names if name.startswith(("handoff.core", "handoff.errors", "handoff.limits"))}

    assert {name.partition(".")[0] for name in names - ours} <= sys.stdlib_module_names


def test_the_version_is_the_distribution_s() -> None:
    """`handoff.__version__` and pyproject.toml agree."""
    project = (DOCS.parent / "pyproject.toml").read_text()

    assert f'version = "{handoff.__version__}"' in project
