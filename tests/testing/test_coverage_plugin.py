"""`pytest --handoff-cov`: what is shown, written and failed, in one process and in several."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.measured import Run, run_pytest

SHOP = '''
from handoff import Flow, Metadata


class Order(Metadata):
    dish: str | None = None


def hungry(order: Order) -> bool:
    """Nobody is hungry."""
    return order.dish is not None


flow = Flow("shop", metadata=Order)
waiter = flow.assistant("waiter", instructions="Ask.")
cook = flow.assistant("cook", instructions="Cook.")


@waiter.tool(to=cook.when(hungry), sets="dish")
def order(dish: str) -> str:
    """Order it."""
    return dish


@cook.tool(to=waiter)
def serve() -> str:
    """Serve it."""
    return "served"
'''

TESTS = """
from handoff.testing import Talk
from shop import Order, cook, flow, order, serve, waiter


def test_step():
    assert cook is flow.step(waiter, order, Order(dish="soup"))


def test_talk():
    with Talk(flow) as talk:
        talk.user("soup")
        talk.calls(order, dish="soup")
        talk.says("cooking", by=cook)


def test_serve():
    assert waiter is flow.step(cook, serve, Order())
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a flow and its tests."""
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "shop.py").write_text(SHOP)
    (directory / "test_shop.py").write_text(TESTS)
    return directory


def measured(project: Path, *arguments: str | Path) -> Run:
    """Run the project's tests, measuring its flow."""
    return run_pytest(project, project / "coverage.json", "--handoff-cov", "shop", *arguments)


def test_the_summary_names_what_was_missed(project: Path) -> None:
    """The table stands at the end of the run, which passes where nothing is required."""
    found = measured(project, "--deselect", "test_shop.py::test_serve")

    assert 0 == found.code, found.out
    assert "coverage of shop" in found.out
    assert "transitions     1 of 2      50 %\n    missed: cook.serve->waiter\n" in found.out


@pytest.mark.parametrize(
    ("least", "code"),
    [
        pytest.param(["100"], 0, id="reached"),
        pytest.param(["100", "guards=50"], 0, id="reached-twice"),
        pytest.param(["100", "guards=51"], 1, id="one-of-two"),
    ],
)
def test_too_little_fails_the_run(project: Path, least: list[str], code: int) -> None:
    """Tests that pass are not enough where too little is covered."""
    found = measured(project, *(f"--handoff-cov-fail-under={one}" for one in least))

    assert code == found.code, found.out
    assert bool(code) is ("FAILED shop: 50.0 % of guards covered, 51 % are required" in found.out)


def test_the_json_says_which_test_covered_what(project: Path) -> None:
    """Each item has the tests it happened in: steps and talks alike."""
    items = measured(project).kind("transitions")["items"]

    assert ["test_shop.py::test_step", "test_shop.py::test_talk"] == items["waiter.order->cook"]["tests"]
    assert {"times": 1, "tests": ["test_shop.py::test_serve"]} == items["cook.serve->waiter"]


def test_workers_measure_as_one_process_does(project: Path) -> None:
    """With pytest-xdist the notes of all workers are one record."""
    alone, together = measured(project), measured(project, "-n", "2")

    assert (0, 0) == (alone.code, together.code), together.out
    assert alone.report == together.report


def test_a_flow_given_as_a_path_is_the_one_the_tests_import(project: Path) -> None:
    """The file is loaded once more, and is the same flow all the same."""
    found = run_pytest(project, project / "c.json", "--handoff-cov", "shop.py", "--handoff-cov-fail-under", "100")

    assert 0 == found.code, found.out


def test_the_picture_shows_what_was_missed_in_red(project: Path) -> None:
    """The missed transition is red in the diagram, and only that one."""
    measured(project, "--deselect", "test_shop.py::test_serve", "--handoff-cov-diagram", "shop.mmd")
    picture = (project / "shop.mmd").read_text()

    assert ["  linkStyle 2 stroke:#c0392b,stroke-width:2px,color:#c0392b"] == [
        line for line in picture.splitlines() if "#c0392b" in line
    ]
    assert '-->|"serve"|' in picture.splitlines()[6]


def test_tests_that_fail_are_still_measured(project: Path) -> None:
    """The report is there after a failure, too, and the exit code is the tests'."""
    (project / "test_bad.py").write_text("def test_bad():\n    assert False\n")
    found = measured(project, "--handoff-cov-fail-under", "100")

    assert (1, 100.0) == (found.code, found.kind("transitions")["percent"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--handoff-cov", "nowhere"], "no module 'nowhere'", id="no-such-flow"),
        pytest.param(["--handoff-cov", "shop", "--handoff-cov-fail-under", "x"], "KIND=PERCENT", id="percent"),
        pytest.param(["--handoff-cov-fail-under", "5"], "--handoff-cov FLOW is missing", id="no-flow"),
        pytest.param(["--handoff-cov", "shop", "--handoff-cov-diagram", "x.png"], ".mmd", id="picture"),
        pytest.param(
            ["--handoff-cov", "shop", "--handoff-cov", "shop:flow", "--handoff-cov-diagram", "x.mmd"],
            "one flow",
            id="two-flows-in-a-picture",
        ),
    ],
)
def test_options_that_cannot_work_are_refused_before_any_test_runs(
    project: Path, arguments: list[str], said: str
) -> None:
    """A usage error says what is wrong, and no test runs."""
    found = run_pytest(project, project / "c.json", *arguments)

    assert 4 == found.code, found.out
    assert said in found.out
    assert " passed" not in found.out


def test_who_does_not_ask_pays_nothing(tmp_path: Path) -> None:
    """Without the options the plugin imports nothing of handoff, nor what it stands on."""
    heavy = {"handoff", "pydantic", "typer", "jinja2"}
    (tmp_path / "test_it.py").write_text(f"import sys\ndef test_it():\n    assert not {heavy!r} & set(sys.modules)\n")
    found = run_pytest(tmp_path, None, "test_it.py")

    assert 0 == found.code, found.out
    assert "coverage of" not in found.out


def test_the_plugin_is_registered(pytestconfig: pytest.Config) -> None:
    """Whoever installs the distribution has the options: this very run has them."""
    assert pytestconfig.pluginmanager.has_plugin("pytest_handoff")
