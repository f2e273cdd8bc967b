"""What all tests share: where the data is, and how a test that is a coroutine runs."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.forms import World

DATA = Path(os.environ.get("HANDOFF_TEST_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data").resolve()
#: With `all`, a missing tool is a failure; so is missing data where its directory exists.
REQUIRED = os.environ.get("HANDOFF_TEST_REQUIRE") == "all"
#: Seconds after which a test that hangs fails.
PATIENCE = 60.0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test on a loop of its own; what is left pending on it fails the test."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}

    async def scenario() -> None:
        async with asyncio.timeout(PATIENCE):
            await pyfuncitem.obj(**arguments)
        await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left pending: {left}"

    asyncio.run(scenario())
    return True


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show what the proofs printed, seeds and counts, although they passed: lines that begin with `proof: `."""
    printed = [
        line.removeprefix("proof: ")
        for report in terminalreporter.getreports("passed")
        for name, text in report.sections
        if name.startswith("Captured stdout")
        for line in text.splitlines()
        if line.startswith("proof: ")
    ]
    if printed:
        terminalreporter.section("proofs")
        for line in dict.fromkeys(printed):
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def data() -> Path:
    """The directory of recorded data; the test is skipped where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"no data at {DATA}: set HANDOFF_TEST_DATA")
    return DATA


def data_file(directory: Path, name: str) -> Path:
    """Return a file of the data directory; skip the test where it is missing, or fail if it is required."""
    path = directory / name
    if not path.is_file():
        (pytest.fail if REQUIRED else pytest.skip)(f"no {name} in {directory}")
    return path


@pytest.fixture(params=["asyncio", "sync"])
def form(request: pytest.FixtureRequest) -> str:
    """Each form of threads in turn."""
    return str(request.param)


@pytest.fixture(params=["memory", "sql"])
def place(request: pytest.FixtureRequest) -> str:
    """Each store in turn."""
    return str(request.param)


@pytest.fixture
def world(form: str, place: str, tmp_path: Path) -> Iterator[World]:
    """A world for a scenario, in each form and on each store."""
    made = World(form, place, tmp_path)
    yield made
    made.end()


@pytest.fixture
def durable(form: str, tmp_path: Path) -> Iterator[World]:
    """A world whose threads outlive their process, in each form."""
    made = World(form, "sql", tmp_path)
    yield made
    made.end()
