"""`llm` as a client of the sandbox: run by the interpreter of `.clients` with a base URL.

It prints one object of JSON: for each scenario what came of it, or the error it ended with. The models are those that
`llm openai endpoint` makes of a base URL.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from typing import Any

import llm
from click.testing import CliRunner
from llm.cli import cli
from llm.default_plugins.openai_models import AsyncChat, AsyncResponses, Chat, Responses

FUNCTION = '''
def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right
'''
CALL = 'call add {"left": 2, "right": 3}'


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


class Place:
    """The models of a base URL on one of the two APIs."""

    def __init__(self, base_url: str, api: str) -> None:
        kinds = (Responses, AsyncResponses) if api == "responses" else (Chat, AsyncChat)
        self.model, self.awaited = [
            kind(model_id="waiter", model_name="waiter", api_base=base_url, supports_tools=True) for kind in kinds
        ]
        self.model.needs_key = self.awaited.needs_key = None
        self.command = ["openai", "endpoint", base_url, "-m", "waiter"]
        if api == "responses":
            self.command.append("--responses")


def plain(place: Place) -> Any:
    answer = place.model.prompt("good morning", stream=False)
    usage = answer.text() and answer.usage()
    return [answer.text(), usage.input, usage.output]


def streamed(place: Place) -> Any:
    pieces = list(place.model.prompt("good morning to you"))
    return [len(pieces), "".join(pieces)]


def tool(place: Place) -> Any:
    return [place.model.chain(CALL, tools=[add], stream=stream).text() for stream in (False, True)]


def two_tools(place: Place) -> Any:
    return place.model.chain(f"{CALL} and {CALL}", tools=[add]).text()


def tool_that_fails(place: Place) -> Any:
    return place.model.chain('call add {"left": 2}', tools=[add]).text()


def conversation(place: Place) -> Any:
    talk = place.model.conversation(tools=[add])
    return [talk.chain(CALL).text(), talk.chain("thanks").text(), talk.chain(CALL).text()]


def awaited(place: Place) -> Any:
    async def answered() -> Any:
        return await place.awaited.chain(CALL, tools=[add]).text()

    return asyncio.run(answered())


def command(place: Place) -> Any:
    done = CliRunner().invoke(cli, [*place.command, CALL, "--functions", FUNCTION, "-s", "You are cook."])
    return [done.exit_code, done.output]


def command_lists_models(place: Place) -> Any:
    done = CliRunner().invoke(cli, [*place.command[:3], "--models"])
    return [done.exit_code, done.output]


SCENARIOS = [
    plain, streamed, tool, two_tools, tool_that_fails, conversation, awaited, command, command_lists_models
]  # fmt: skip


def main(base_url: str) -> None:
    found: dict[str, Any] = {}
    for api in ("responses", "chat"):
        for scenario in SCENARIOS:
            try:
                outcome = scenario(Place(base_url, api))
            except Exception:  # noqa: BLE001 - whatever it is, it is what came of it
                outcome = traceback.format_exc()
            found[f"{api}.{scenario.__name__}"] = outcome
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    llm.user_dir()  # made where LLM_USER_PATH says
    main(sys.argv[1])
