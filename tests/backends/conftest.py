"""Worlds of threads for the tests of backends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forms import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world of one form and store: what differs between them is tested elsewhere."""
    made = World("asyncio", "memory", tmp_path)
    yield made
    made.end()


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[World]:
    """A world whose threads outlive their process."""
    made = World("asyncio", "sql", tmp_path)
    yield made
    made.end()
