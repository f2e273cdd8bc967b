"""The fixtures of the contract: one server for a module, and a backdrop for each scenario on each backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.backdrop import Backdrop, Server, shared_server
from tests.contract.forms import Form, cases


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One sandbox behind a socket for a module: its loop would stand still for ever beside a test that freezes time."""
    with shared_server() as server:
        yield server


@pytest.fixture(params=list(cases()))
def backdrop(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Backdrop:
    """A place for a scenario, on each backend in turn."""
    form, stream = _case(request)
    return Backdrop(form, server, tmp_path, stream=stream)


@pytest.fixture(params=list(cases(served=True)))
def served(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Backdrop:
    """The same on each backend that speaks to a server."""
    form, stream = _case(request)
    return Backdrop(form, server, tmp_path, stream=stream)


def _case(request: pytest.FixtureRequest) -> tuple[Form, bool]:
    form, stream = request.param
    return form, stream
