"""The bench itself, with next to nothing to do: every way does the same work, and what it prints can be read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parent.parent / "bench"
WAYS = [
    "bare socket",
    "httpx2",
    "client.post",
    "SDK as documented",
    "client.post, aiohttp",
    "handoff chat",
    "handoff chat, worker thread",
    "handoff chat, httpx2",
    "handoff chat, durable",
    "client.post, streamed",
    "handoff chat, streamed",
    "previous_response_id, SDK",
    "previous_response_id, post",
    "handoff responses",
    "handoff responses, durable",
]


def run(*arguments: str) -> list[str]:
    """The lines that the bench prints."""
    command = [sys.executable, BENCH / "standard.py", *arguments]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return found.stdout.splitlines()


def test_every_way_does_the_standard_work() -> None:
    """Two requests make a handoff, and chained requests do not grow with the thread, in each way."""
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in run("--turns", "3", "--threads", "none", "--rounds", "1", "--json")
    ]

    assert WAYS == [row["way"] for row in rows]
    assert {2.0} == {row["requests"] for row in rows}
    assert all(row["ms"] > 0 and row["rss_mb"] > 0 for row in rows)
    flat = [row["late_bytes"] / row["early_bytes"] for row in rows if "respons" in row["way"]]
    assert all(0.9 < ratio < 1.1 for ratio in flat)


def test_many_threads_and_a_table_for_people() -> None:
    """Threads run at the same time; a way with a budget stands beside its floor."""
    lines = run(
        "--turns", "", "--threads", "3x2", "--rounds", "1", "--only", "client.post", "--only", "handoff chat"
    )  # fmt: skip

    assert "3 threads at once, 2 turns each; per handoff, quickest of 1" == lines[1]
    assert ["client.post", "handoff chat"] == [line[:28].strip() for line in lines[3:]]
    assert " × client.post, at most 1.3 " in lines[4]


@pytest.mark.parametrize("name", ["server.py", "loops.py", "standard.py", "core.py", "import_time.py", "check.py"])
def test_the_readme_names_what_is_there(name: str) -> None:
    """Each file of the bench is in its README."""
    assert name in (BENCH / "README.md").read_text()
