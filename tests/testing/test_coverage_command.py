"""`handoff cover`: the threads of a store, and scripts played on new ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from handoff.sandbox import Sandbox, serving
from tests.support.cli import Commands, handoff

__all__ = ["handoff"]  # the fixture


# -- handoff cover -----------------------------------------------------------------------------------------------------


@pytest.fixture
def stored(handoff: Commands) -> Path:
    """A store with a thread that has gone from front to store."""
    handoff("run", handoff.desk, "want tea", "--store", handoff.store, "--thread", "t1")
    return handoff.store


def test_the_command_measures_the_threads_of_a_store(handoff: Commands, stored: Path) -> None:
    """`handoff cover` reads journals, names what was missed, and ends with 0."""
    found = handoff("cover", handoff.desk, "--store", stored)

    assert (0, "desk: 1 thread of") == (found.code, found.out[:17])
    assert "transitions     1 of 3" in found.out
    assert "missed: store.close->end" in found.out


def test_the_command_fails_below_what_is_required(handoff: Commands, stored: Path) -> None:
    """Too little ends with 1, and says so."""
    found = handoff("cover", handoff.desk, "--store", stored, "--fail-under", "34")

    assert (1, "desk: 33.3 % of transitions covered, 34 % are required\n") == (found.code, found.err)


def test_the_command_writes_json_and_a_picture(handoff: Commands, stored: Path) -> None:
    """The JSON names the threads that covered an item; the picture has red arrows."""
    picture = handoff.directory / "desk.mmd"
    found = handoff("cover", handoff.desk, "--store", stored, "--json", "--diagram", picture)

    assert ["t1"] == found.events[0]["transitions"]["items"]["front.ask_for->store"]["tests"]
    assert 2 == picture.read_text().count("color:#c0392b")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--thread", "t9"], "t9", id="no-such-thread"),
        pytest.param(["--fail-under", "edges=3"], "KIND=PERCENT", id="no-such-kind"),
        pytest.param(["--diagram", "x.png"], ".mmd, .dot, .svg, .txt, .json", id="no-such-form"),
    ],
)
def test_the_command_refuses_what_it_cannot_measure(
    handoff: Commands, stored: Path, options: list[str], said: str
) -> None:
    """A usage error says what is wrong, and nothing is printed."""
    found = handoff("cover", handoff.desk, "--store", stored, *options)

    assert (2, "") == (found.code, found.out)
    assert said in found.err


def test_a_thread_of_another_flow_is_left_out(handoff: Commands, stored: Path) -> None:
    """Only threads of the flow that is measured count."""
    handoff.write("bare.py", "import handoff\nf = handoff.Flow('bare')\na = f.assistant('a', instructions='Hello.')\n")
    found = handoff("cover", handoff.directory / "bare.py", "--store", stored)

    assert (0, "bare: 0 threads of") == (found.code, found.out[:18])


# -- handoff cover --script --------------------------------------------------------------------------------------------


def test_a_script_is_played_and_measured(handoff: Commands) -> None:
    """Without a store the script's own thread is measured, and stands under the script's name."""
    script = handoff.write("tea.txt", "# one\nwant tea\nclose\n")
    shown = handoff("cover", handoff.desk, "--script", script)
    found = handoff("cover", handoff.desk, "--script", script, "--json")

    assert (0, 0) == (shown.code, found.code)
    assert "desk: 1 thread of scripts\n" in shown.out
    assert "transitions     2 of 3" in shown.out
    assert ["tea"] == found.events[0]["transitions"]["items"]["store.close->end"]["tests"]
    assert 1 == len(found.events)


def test_several_scripts_go_on_threads_of_their_own(handoff: Commands) -> None:
    """Each begins at the beginning; with a store the threads are kept in it."""
    scripts = [handoff.write(f"{item}.txt", f"want {item}\n") for item in ("tea", "cake")]
    found = handoff("cover", handoff.desk, "--script", scripts[0], "--script", scripts[1], "--store", handoff.store)
    later = handoff("cover", handoff.desk, "--store", handoff.store)

    assert (0, 0) == (found.code, later.code)
    assert f"desk: 2 threads of {handoff.store}" in found.out
    assert "desk: 2 threads of" in later.out


def test_a_script_that_fails_is_measured_up_to_there(handoff: Commands) -> None:
    """The command ends with 1 and says which script it was."""
    script = handoff.write("bad.txt", "want tea\nclose\nagain\n")
    found = handoff("cover", handoff.desk, "--script", script)

    assert 1 == found.code
    assert "transitions     2 of 3" in found.out
    assert f"{script} was not played to its end" in found.err


def test_a_script_is_played_on_a_server(handoff: Commands) -> None:
    """The backend of the options answers, and what it does is measured."""
    script = handoff.write("tea.txt", 'call ask_for {"item": "tea"}\n')
    with serving(Sandbox()) as url:
        server = ("--backend", "chat", "--base-url", url, "--model", "tiny")
        found = handoff("cover", handoff.desk, "--script", script, *server)

    assert (0, True) == (found.code, "transitions     1 of 3" in found.out)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param([], "give --store FILE, or --script FILE", id="nothing-to-measure"),
        pytest.param(["--store", "none.db"], "there is no such file", id="no-such-store"),
        pytest.param(["--script", "none.txt"], "cannot be read", id="no-such-script"),
    ],
)
def test_there_has_to_be_something_to_measure(handoff: Commands, options: list[str], said: str) -> None:
    """A usage error says what is missing."""
    found = handoff("cover", handoff.desk, *options)

    assert (2, "") == (found.code, found.out)
    assert said in found.err
