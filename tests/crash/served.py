"""The site editor on an assistants server in a process of its own, which goes on while ours is dead.

The flow's offline rules answer there. Where the server is stands in the environment, because the processes that die are
begun by others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx2

from handoff.backends.assistants import Assistants
from handoff.core.state import State
from handoff.core.status import ACTIVE
from tests.crash import site
from tests.crash.life import Life
from tests.crash.moments import Moments

PLACE = "HANDOFF_CRASH_SERVER"
ROOT = Path(__file__).parents[2]


@contextmanager
def server() -> Generator[None]:
    """A server for all lives that are begun in the block."""
    command = [
        sys.executable,
        "-m",
        "handoff.cli",
        "sandbox",
        "--port",
        "0",
        "--model",
        "flows.site_editor.rules:rules",
    ]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        os.environ[PLACE] = process.stdout.readline().strip()
        try:
            yield
        finally:
            del os.environ[PLACE]
            process.terminate()


def life_of(finish: Literal["complete", "carry"], *, stream: bool) -> Callable[[Path, Moments], Life]:
    """Return what makes a process of the site editor, not begun.

    Args:
        finish: how transitions end their runs.
        stream: whether answers are streamed.
    """

    def life(directory: Path, moments: Moments) -> Life:
        made = site.life(directory, moments)
        made.backend = lambda: Assistants(
            "rules", finish=finish, stream=stream, poll=0.02, base_url=os.environ[PLACE], api_key="any"
        )
        return made

    return life


LIVES = {
    "site on assistants, complete": life_of("complete", stream=True),
    "site on assistants, carry": life_of("carry", stream=False),
}


def wrong_at_server(state: State) -> list[str]:
    """Return what is wrong with the server's thread, one sentence each: messages lost or twice, a run left alive.

    Args:
        state: our thread; its conversation is over.
    """
    thread = state.ref.removeprefix("assistants:")
    with httpx2.Client(base_url=os.environ[PLACE], headers={"OpenAI-Beta": "assistants=v2"}) as client:
        messages = _listed(client, f"/threads/{thread}/messages")
        runs = _listed(client, f"/threads/{thread}/runs")
    items = [(one["metadata"].get("item", ""), one["content"][0]["text"]["value"]) for one in messages]
    said = [text for item, text in items if item.startswith("message:")]
    alive = [run["id"] for run in runs if run["status"] in ACTIVE]
    wanted = list(site.MESSAGES.values())
    found = [] if said == wanted else [f"messages at the server: expected {wanted}, got {said}"]
    others = [item for item, _ in items if item and not item.startswith("message:")]
    found += [f"told twice at the server: {item}" for item in set(others) if others.count(item) > 1]
    return found + [f"a run is left alive at the server: {run}" for run in alive]


def _listed(client: httpx2.Client, path: str) -> list[dict[str, Any]]:
    answer = client.get(path, params={"limit": 100, "order": "asc"})
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]
    return found
