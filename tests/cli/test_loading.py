"""FLOW on the command line, and what is said where there is none."""

from __future__ import annotations

import pytest

from tests.support.cli import Commands, handoff

__all__ = ["handoff"]  # the fixture

TWO = """
from handoff import Flow
one = Flow("one")
first = one.assistant("a", instructions="Hello.")
two = Flow("two")
second = two.assistant("a", instructions="Hello.")
again = one
"""


@pytest.mark.parametrize(
    "named",
    [
        pytest.param("desk", id="module"),
        pytest.param("desk:flow", id="module and name"),
        pytest.param("desk.py", id="path"),
        pytest.param("./desk.py:flow", id="path and name"),
        pytest.param("desks.inner", id="module of a package"),
        pytest.param("desks/inner.py", id="path into a package"),
    ],
)
def test_a_flow_is_found(handoff: Commands, named: str) -> None:
    """A module or a file that holds one flow needs no name."""
    (handoff.directory / "desks").mkdir()
    handoff.write("desks/__init__.py", "")
    handoff.write("desks/inner.py", handoff.desk.read_text())

    found = handoff("run", named, "want a pen")

    assert (0, "a pen is wanted.") == (found.code, found.out.splitlines()[-1].removeprefix("store  "))


def test_an_installed_flow_is_found_by_its_name(handoff: Commands) -> None:
    """A plain name that is no module is looked up among the installed flows."""
    found = handoff("run", "site_editor", "hello", "--dep", "root=.")

    assert 0 == found.code


def test_a_file_imports_what_stands_beside_it(handoff: Commands) -> None:
    """The directory of a file is on the path, as it is for a script."""
    (handoff.directory / "deep").mkdir()
    handoff.write("deep/beside.py", handoff.desk.read_text())
    handoff.write("deep/json.py", "from beside import flow\n")

    found = handoff("run", "deep/json.py", "want a pen")

    assert (0, "── front → store (ask_for) ──") == (found.code, found.out.splitlines()[-2])


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        pytest.param("nowhere", "there is no module 'nowhere'", id="no such module"),
        pytest.param("nowhere:flow", "there is no module 'nowhere'", id="no such module, with a name"),
        pytest.param("nowhere.py", "there is no file nowhere.py", id="no such file"),
        pytest.param("empty", "there is no module 'empty'", id="a directory is no module"),
        pytest.param("desk:missing", "desk has no flow called missing: it has flow", id="no such flow"),
        pytest.param("none.py", "none.py holds no flow", id="no flow"),
        pytest.param("two.py", "two.py holds several flows: say which, one of two.py:one, two.py:two", id="two flows"),
        pytest.param("two.py:first", "two.py has no flow called first: it has one, two, again", id="not a flow"),
        pytest.param(
            "bad.py", "bad.py:2: bad.py cannot be imported: SyntaxError: '(' was never closed", id="syntax error"
        ),
        pytest.param("needs.py", "needs.py:1: needs.py cannot be imported: ModuleNotFoundError", id="import error"),
        pytest.param(
            "needs", "needs.py:1: needs cannot be imported: ModuleNotFoundError", id="import error of a module"
        ),
        pytest.param("broken.py", "broken.py:3: there is no option colour=", id="definition error"),
        pytest.param("unused.py", "unused.py:2: lonely has no assistants", id="no assistants"),
        pytest.param("desk:", "'desk:' names no flow", id="no name after the colon"),
        pytest.param(":flow", "':flow' names no flow", id="no module before the colon"),
    ],
)
def test_no_flow(handoff: Commands, named: str, problem: str) -> None:
    """Where there is no flow to use, the command ends with exit code 2 and says where and what to do."""
    (handoff.directory / "empty").mkdir()
    handoff.write("none.py", "")
    handoff.write("two.py", TWO)
    handoff.write("bad.py", "\nprint((1)\n")
    handoff.write("needs.py", "import not_there_at_all\n")
    handoff.write(
        "broken.py", "from handoff import Flow\nf = Flow('f')\na = f.assistant('a', instructions='Hi.', colour='red')\n"
    )
    handoff.write("unused.py", "from handoff import Flow\nf = Flow('lonely')\n")

    found = handoff("run", named, "hello")

    assert (2, "") == (found.code, found.out)
    assert problem in found.err
    assert "Traceback" not in found.err
