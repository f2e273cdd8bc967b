"""The fixtures of the replays: the recorded conversations, and one server for each module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import data_file
from tests.contract.backdrop import Server, shared_server
from tests.replay import dialogues, tasks
from tests.replay.script import Script


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One sandbox behind a socket for a module: its loop would stand still for ever beside a test that freezes time."""
    with shared_server() as server:
        yield server


@pytest.fixture(scope="session")
def recorded(data: Path) -> dict[str, list[Script]]:
    """All recorded conversations, by kind."""
    data_file(data, "sgd_train_schema.json")
    data_file(data, "tau_airline_cassettes.jsonl")
    return {"dialogues": dialogues.read_scripts(data), "tasks": tasks.read_scripts(data)}
