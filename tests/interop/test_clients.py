"""openai-agents and `llm`, each in a process of its own, as clients of `handoff sandbox` in another."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.processes import CLIENTS, HERE, INSTALL_CLIENTS, clean_environment, sandbox, wanting

READ_OUT = "waiter: add returned: 5"
HANDED_OVER = 'transfer_to_cook returned: {"assistant": "cook"}'
BUSY = "conversation_locked"
UNANSWERED = "No tool output found for function call CALL."
CONVERSED = ["message", "function_call", "function_call_output", "message", "message", "message"]

#: What openai-agents comes to on both APIs, by scenario of `agents_client.py`.
AGENTS: dict[str, Any] = {
    "plain": "waiter: You said: good morning",
    "streamed": [7, "waiter: You said: good morning to you"],
    "tool": READ_OUT,
    "tool_streamed": READ_OUT,
    "two_tools": f"{READ_OUT}\nadd returned: 9",
    "handoff": ["cook", f"cook: {HANDED_OVER}", "cook: You said: well?"],
    "handoff_streamed": [["waiter", "cook"], f"cook: {HANDED_OVER}"],
    "handoff_beside_a_tool": ["cook", f"cook: add returned: 5\n{HANDED_OVER}"],
    "own_history": [6, "waiter: You said: thanks"],
}
#: What it comes to where the server keeps the history.
KEPT: dict[str, Any] = {
    "chained": [READ_OUT, "waiter: You said: thanks"],
    "in_a_conversation": ["cook", "cook: You said: well?", CONVERSED],
    "conversations_session": ["waiter: You said: thanks", CONVERSED, 5],
    "locked": [BUSY, "waiter: You said: hello?"],
    "unanswered": ["5", [None, UNANSWERED], READ_OUT],
}
#: What `llm` comes to on both APIs, by scenario of `llm_client.py`.
LLM: dict[str, Any] = {
    "plain": ["waiter: You said: good morning", 2, 5],
    "streamed": [7, "waiter: You said: good morning to you"],
    "tool": [READ_OUT, READ_OUT],
    "two_tools": f"{READ_OUT}\nadd returned: 5",
    "tool_that_fails": "waiter: add returned: Error: add() missing 1 required positional argument: 'right'",
    "conversation": [READ_OUT, "waiter: You said: thanks", READ_OUT],
    "awaited": READ_OUT,
    "command": [0, "cook: add returned: 5\n"],
    "command_lists_models": [0, "handoff-sandbox\n"],
}


def _both(expected: dict[str, Any]) -> list[Any]:
    return [
        pytest.param(f"{api}.{name}", outcome, id=f"{api}-{name}")
        for api in ("responses", "chat")
        for name, outcome in expected.items()
    ]


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The command, answering as the plain model does, with the name of who speaks."""
    if not CLIENTS.is_file():
        wanting(f"no clients: {INSTALL_CLIENTS}")
    with sandbox("--model", "tests.interop.speaking:model") as url:
        yield url


@pytest.fixture(scope="module")
def agents(base_url: str) -> dict[str, Any]:
    """What came of the scenarios of openai-agents."""
    return _came_of("agents_client.py", base_url)


@pytest.fixture(scope="module")
def llm(base_url: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the scenarios of `llm`."""
    return _came_of("llm_client.py", base_url, LLM_USER_PATH=str(tmp_path_factory.mktemp("llm")))


def _came_of(script: str, base_url: str, **environment: str) -> dict[str, Any]:
    command = [str(CLIENTS), str(HERE / script), base_url]
    done = subprocess.run(
        command, env=clean_environment(**environment), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [*_both(AGENTS), *(pytest.param(f"responses.{name}", outcome, id=name) for name, outcome in KEPT.items())],
)
def test_openai_agents(agents: dict[str, Any], scenario: str, expected: Any) -> None:
    """Tools, streams, handoffs and histories of openai-agents work on the sandbox, and its locks are met as such."""
    assert expected == agents[scenario]


@pytest.mark.parametrize(("scenario", "expected"), _both(LLM))
def test_llm(llm: dict[str, Any], scenario: str, expected: Any) -> None:
    """Tools, streams and conversations of `llm` work on the sandbox, by its library and by its command."""
    assert expected == llm[scenario]


def test_no_scenario_is_left_out(agents: dict[str, Any], llm: dict[str, Any]) -> None:
    """What the clients play is what is expected of them above."""
    both = {f"{api}.{name}" for api in ("responses", "chat") for name in AGENTS}

    assert both | {f"responses.{name}" for name in KEPT} == agents.keys()
    assert {f"{api}.{name}" for api in ("responses", "chat") for name in LLM} == llm.keys()


def test_the_clients_do_without_this_project() -> None:
    """The environment of the clients holds nothing of ours."""
    if not CLIENTS.is_file():
        wanting(f"no clients: {INSTALL_CLIENTS}")
    search = "import importlib.util as util; print(util.find_spec('agents') is not None, util.find_spec('handoff'))"
    done = subprocess.run(
        [str(CLIENTS), "-c", search], cwd=HERE, env=clean_environment(), capture_output=True, text=True, check=True
    )

    assert "True None" == done.stdout.strip()
