"""`handoff trace`: a stored thread as text, as JSON, as a test; and put to a changed flow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import DESK, ROOT, Commands, handoff

__all__ = ["handoff"]  # the fixture


@pytest.fixture
def traced(handoff: Commands) -> Commands:
    """A thread t1 on which something was asked for."""
    handoff.says("want ink", "order it")
    handoff("chat", handoff.desk, "--thread", "t1", "--store", handoff.store)
    return handoff


def test_a_thread_is_shown_as_people_read_it(traced: Commands) -> None:
    """Who said what, which calls came to what, who handed over to whom."""
    found = traced("trace", "t1", "--store", traced.store)

    lines = [" ".join(line.split()) for line in found.out.splitlines()]
    assert 0 == found.code
    assert "front ask_for(item='ink')" in lines
    assert "handoff front to store, by ask_for" in lines


def test_a_thread_is_shown_as_its_events(traced: Commands) -> None:
    """One journaled event a line, numbered."""
    found = traced("trace", "t1", "--store", traced.store, "--as", "json")

    events = [json.loads(line) for line in found.out.splitlines()]
    assert list(range(1, len(events) + 1)) == [event["seq"] for event in events]
    assert "ThreadOpened" == events[0]["type"]


def test_a_thread_is_written_as_a_test_that_is_green(traced: Commands) -> None:
    """Pytest runs it beside the flow, without a store."""
    found = traced("trace", "t1", "--store", traced.store, "--as", "pytest", "--flow", traced.desk)
    (traced.directory / "test_t1.py").write_text(found.out)

    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_t1.py"]
    environment = {"PYTHONPATH": f"{ROOT}:{traced.directory}"}
    ran = subprocess.run(command, cwd=traced.directory, env=environment, check=False, capture_output=True, text=True)

    assert "from desk import flow" in found.out
    assert "1 passed" in ran.stdout, ran.stdout


def test_a_test_needs_to_know_where_the_flow_is(traced: Commands) -> None:
    """A flow that is not installed has to be named."""
    found = traced("trace", "t1", "--store", traced.store, "--as", "pytest")

    assert 2 == found.code
    assert "the flow desk is not installed: say with --flow" in found.err


def test_a_test_is_of_the_thread_s_own_flow(traced: Commands) -> None:
    """Another flow is refused."""
    other = traced.write("other.py", DESK.replace('Flow("desk"', 'Flow("other"'))

    found = traced("trace", "t1", "--store", traced.store, "--as", "pytest", "--flow", other)

    assert 2 == found.code
    assert "the thread is one of desk" in found.err


def test_an_unknown_thread_is_refused(traced: Commands) -> None:
    """Exit code 2, in every form."""
    assert 2 == traced("trace", "t2", "--store", traced.store).code
    assert 2 == traced("trace", "t2", "--store", traced.store, "--against", traced.desk).code


def test_the_same_flow_decides_the_same(traced: Commands) -> None:
    """Exit code 0, and the number of decisions."""
    found = traced("trace", "t1", "--store", traced.store, "--against", traced.desk)

    assert 0 == found.code
    assert found.out.startswith("t1 goes the same way with desk: ")


def changed(handoff: Commands) -> Path:
    """The desk with other words for the store."""
    return handoff.write("changed.py", DESK.replace("You hand out {{ item }}.", "You keep {{ item }}."))


def test_a_changed_flow_is_told_apart(traced: Commands) -> None:
    """Exit code 1, and the first difference with what was and what would be."""
    found = traced("trace", "t1", "--store", traced.store, "--against", changed(traced))

    assert 1 == found.code
    assert "the instructions of store" in found.out
    assert '-You hand out "ink".' in found.out
    assert '+You keep "ink".' in found.out


def test_a_difference_is_told_as_json(traced: Commands) -> None:
    """One object, with the difference or null."""
    found = traced("trace", "t1", "--store", traced.store, "--against", changed(traced), "--as", "json")

    told = json.loads(found.out)
    assert ("t1", "desk") == (told["thread"], told["flow"])
    assert "the instructions of store" == told["difference"]["what"]


def test_comparing_writes_no_test(traced: Commands) -> None:
    """`--against` and `--as pytest` do not go together."""
    found = traced("trace", "t1", "--store", traced.store, "--against", traced.desk, "--as", "pytest")

    assert 2 == found.code
