"""Every flow runs unchanged on every backend: its offline rules, asked over a server, answer as they do in process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows import concierge, site_editor, writer_critic
from flows.concierge.shop import Shop
from flows.site_editor.demo import demo
from handoff import Flow, Threads
from handoff.backends.assistants import Assistants
from handoff.backends.base import Backend
from handoff.backends.chat import Chat
from handoff.backends.responses import Responses
from handoff.sandbox import Sandbox, serving
from tests.checks.operators import FLOWS

LENT: dict[str, tuple[Flow[Any, Any], Callable[[Path], Any]]] = {
    "concierge": (concierge.flow, Shop.sample),
    "site_editor": (site_editor.flow, demo.prepare),
    "writer_critic": (writer_critic.flow, lambda _: None),
}
BACKENDS: dict[str, Callable[..., Backend]] = {
    "chat": Chat,
    "chat, cached": lambda model, **server: Chat(model, profile="openai", layout="cached", **server),
    "chain": Responses,
    "conversation": lambda model, **server: Responses(model, history="conversation", **server),
    "own": lambda model, **server: Responses(model, history="own", **server),
    "complete": lambda model, **server: Assistants(model, poll=0.01, **server),
    "carry": lambda model, **server: Assistants(model, finish="carry", poll=0.01, **server),
}


async def played(name: str, directory: Path, backend: Backend | None = None) -> list[tuple[str, str, Any]]:
    """The script of a flow: after each line who replied, what, and the metadata then."""
    flow, lend = LENT[name]
    lines = (FLOWS / name / "hello.txt").read_text().splitlines()
    told: list[tuple[str, str, Any]] = []
    async with Threads(flow, deps=lend(directory), backend=backend) as threads:
        thread = await threads.open("t")
        for line in lines:
            if line and not line.startswith("#"):
                reply = await thread.send(line)
                told.append((reply.assistant, reply.text, thread.metadata))
    return told


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", LENT)
async def test_a_flow_goes_over_a_server_as_it_goes_in_process(name: str, backend: str, tmp_path: Path) -> None:
    """Each line of hello.txt gets the reply, the assistant and the metadata that it gets without a server."""
    expected = await played(name, tmp_path / "in process")
    with serving(Sandbox(LENT[name][0].offline)) as base_url:
        told = await played(name, tmp_path / "served", BACKENDS[backend]("m", base_url=base_url, api_key="any"))

    assert expected == told
