"""The site editor on every server backend, the server in a process of its own, which goes on while ours is dead.

The flow's offline rules answer there. Where the server is stands in the environment, because the processes that die are
begun by others. They may die, besides, when a request that does something is about to be sent, and when the first of
its answer has come.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import openai

from handoff.backends.assistants import Assistants
from handoff.backends.base import Backend
from handoff.backends.chat import Chat
from handoff.backends.responses import Responses
from handoff.backends.responses.link import Link
from handoff.clock import SystemClock
from handoff.core.state import State
from handoff.core.status import ACTIVE
from tests.crash import site
from tests.crash.life import Life
from tests.crash.moments import Moments
from tests.support.brisk import Brisk
from tests.support.faulty import wrong_items

PLACE = "HANDOFF_CRASH_SERVER"
ROOT = Path(__file__).parents[2]
WANTED = list(site.MESSAGES.values())


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


# -- what a server has of the thread in the end ------------------------------------------------------------------------


def wrong_on_assistants(state: State) -> list[str]:
    """Return what is wrong with the server's thread, one sentence each: messages lost or twice, a run left alive.

    Args:
        state: our thread; its conversation is over.
    """
    thread = f"/threads/{state.ref.removeprefix('assistants:')}"
    messages, runs = _listed(f"{thread}/messages"), _listed(f"{thread}/runs")
    items = [(one["metadata"].get("item", ""), one["content"][0]["text"]["value"]) for one in messages]
    said = [text for item, text in items if item.startswith("message:")]
    alive = [run["id"] for run in runs if run["status"] in ACTIVE]
    found = [] if said == WANTED else [f"messages at the server: expected {WANTED}, got {said}"]
    others = [item for item, _ in items if item and not item.startswith("message:")]
    found += [f"told twice at the server: {item}" for item in set(others) if others.count(item) > 1]
    return found + [f"a run is left alive at the server: {run}" for run in alive]


def wrong_on_chain(state: State) -> list[str]:
    """Return what is wrong with what the thread's last response builds on: messages lost or twice, calls unanswered.

    Args:
        state: our thread; its conversation is over.
    """
    link = _link(state)
    # The last answer, which nobody has built on yet, is not among them, and calls nothing.
    return wrong_items(_listed(f"/responses/{link.id}/input_items"), WANTED) + _followed(link)


def wrong_on_conversation(state: State) -> list[str]:
    """Return what is wrong with the thread's conversation: messages lost or twice, calls unanswered.

    Args:
        state: our thread; its conversation is over.
    """
    link = _link(state)
    return wrong_items(_listed(f"/conversations/{link.id}/items"), WANTED) + _followed(link)


def _link(state: State) -> Link:
    link = Link.read(state.ref)
    assert link is not None
    return link


def _followed(link: Link) -> list[str]:
    return [f"a response is followed that nobody waits for: {link.running}"] if link.running else []


def _listed(path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with httpx2.Client(base_url=os.environ[PLACE], headers={"OpenAI-Beta": "assistants=v2"}) as client:
        more = True
        while more:
            after = {"after": found[-1]["id"]} if found else {}
            answer = client.get(path, params={"limit": "100", "order": "asc", **after})
            answer.raise_for_status()
            page = answer.json()
            found += page["data"]
            more = page["has_more"]
    return found


# -- the lives ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Served:
    """The site editor on one kind of server."""

    #: Makes the backend.
    make: Callable[..., Backend]
    #: Its options.
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    #: Looks at what the server has of the thread, and returns what is wrong there; None where it keeps nothing.
    wrong: Callable[[State], list[str]] | None = None

    def life(self, directory: Path, moments: Moments) -> Life:
        """Return a process of the site editor, not begun.

        Args:
            directory: where its files are.
            moments: its moments.
        """

        async def before(request: httpx2.Request) -> None:
            if request.method != "GET":
                moments.passed("model", f"{request.method} {request.url.path} is to be sent")

        async def after(response: httpx2.Response) -> None:
            if response.request.method != "GET":
                moments.passed("model", f"{response.request.method} {response.request.url.path} is answered")

        async def backend(stack: AsyncExitStack) -> Backend:
            hooks = {"request": [before], "response": [after]}
            http = openai.DefaultAioHttpClient(verify=False, event_hooks=hooks)
            client = openai.AsyncOpenAI(base_url=os.environ[PLACE], api_key="any", http_client=http)
            await stack.enter_async_context(client)
            return self.make("rules", client=client, **self.options)

        made = site.life(directory, moments)
        made.backend = backend
        return made


def _responses(history: str, wrong: Callable[[State], list[str]] | None, **options: Any) -> Served:
    return Served(Responses, {"history": history, "clock": Brisk(SystemClock()), **options}, wrong)


SERVED = {
    "site on assistants, complete": Served(Assistants, {"finish": "complete", "poll": 0.02}, wrong_on_assistants),
    "site on assistants, carry": Served(
        Assistants, {"finish": "carry", "stream": False, "poll": 0.02}, wrong_on_assistants
    ),
    "site on chat": Served(Chat, {"clock": Brisk(SystemClock())}),
    "site on chat, whole": Served(Chat, {"clock": Brisk(SystemClock()), "stream": False}),
    "site on responses, chained": _responses("chain", wrong_on_chain),
    "site on responses, chained, whole": _responses("chain", wrong_on_chain, stream=False),
    "site on responses, conversation": _responses("conversation", wrong_on_conversation),
    "site on responses, conversation, whole": _responses("conversation", wrong_on_conversation, stream=False),
    "site on responses, own": _responses("own", None),
    "site on responses, own, whole": _responses("own", None, stream=False),
    "site on responses, background": _responses("chain", wrong_on_chain, background=True),
    "site on responses, background, whole": _responses("chain", wrong_on_chain, background=True, stream=False),
    "site on responses, background, conversation": _responses("conversation", wrong_on_conversation, background=True),
}
