"""`handoff init`: a new project with a small flow that works at once, to be changed into one's own.

What is written is a project that lies beside this module, as it is but for its name, which is that of the directory.
A directory that holds anything is refused, and nothing is ever written over.
"""

from __future__ import annotations

import keyword
import re
import shlex
import sys
import unicodedata
from importlib.metadata import packages_distributions
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from handoff.cli.exits import Exit, UsageRefused

#: The name of the project as it lies here: of its module, and of its distribution.
MODULE, DISTRIBUTION = "my_flow", "my-flow"
#: What it consists of.
FILES = ("README.md", "gitignore", "hello.txt", "my_flow.py", "pyproject.toml", "tests/test_my_flow.py")
#: What a file is called here where it would have an effect under its own name.
_RENAMED = {"gitignore": ".gitignore"}
#: What may be there already.
_ALLOWED = frozenset({".git", ".venv"})
#: The longest name of a flow.
_LONGEST = 32
#: Names that mean something else in a project.
_TAKEN = frozenset({"handoff", "pytest_handoff", "flows", "test", "tests", "conftest"})


def init(directory: Path) -> Exit:
    """Write a new project.

    Args:
        directory: where; it must be empty, or not be there yet: only `.git` and `.venv` may be. Its name becomes that
            of the flow.

    Raises:
        UsageRefused: it cannot be written there.
    """
    name = module_name(directory.resolve().name)
    try:
        if directory.exists() and {one.name for one in directory.iterdir()} - _ALLOWED:
            raise UsageRefused(f"{directory} is not empty: give a new directory, as in handoff init my_flow")
        written = _write(files("handoff.cli") / "project", directory, name)
    except OSError as error:
        raise UsageRefused(f"no project can be written to {directory}: {error}") from error
    sys.stdout.write(f"A flow called {name}, in {directory}:\n")
    sys.stdout.writelines(f"  {path.relative_to(directory)}\n" for path in written)
    there = "" if directory.resolve() == Path.cwd() else f"cd {shlex.quote(str(directory))} && "
    sys.stdout.write(f"\nTalk to it, then test it:\n  {there}handoff chat {name} --script hello.txt\n")
    sys.stdout.write(f"  {there}pytest -q --handoff-cov {name} --handoff-cov-fail-under 100\n")
    return Exit.DONE


def module_name(directory: str) -> str:
    """Return the name of the flow and its module: an identifier that nothing else has, near that of the directory.

    Args:
        directory: the directory's name.
    """
    name = re.sub(r"[^a-z0-9]+", "_", _plain(directory).lower())[:_LONGEST].strip("_")
    if not name or name[0].isdigit():
        name = f"flow_{name}".strip("_")
    taken = name in _TAKEN or keyword.iskeyword(name) or name in sys.stdlib_module_names
    return f"{name}_flow" if taken or name in packages_distributions() else name


def _plain(text: str) -> str:
    """Return the text with accents taken off."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _write(source: Traversable, target: Path, name: str) -> list[Path]:
    """Write the project, and return its files."""
    written: list[Path] = []
    for file in FILES:
        text = source.joinpath(*file.split("/")).read_text(encoding="utf-8")
        path = target / named(_RENAMED.get(file, file), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(named(text, name), encoding="utf-8")
        written.append(path)
    return written


def named(text: str, name: str) -> str:
    """Return a text of the project with its name put in.

    Args:
        text: the text.
        name: the name of the module.
    """
    return text.replace(MODULE, name).replace(DISTRIBUTION, name.replace("_", "-"))
