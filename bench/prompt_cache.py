"""What a prompt cache spares in each layout: tokens read that were cached, as the sandbox counts them.

A round of assistants, each of which hands over to the next one at every turn of the user. Counts, not times: they are
the same on every machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from handoff import Answer, Flow, Threads, call
from handoff.backends.base import Backend, Layout
from handoff.backends.chat import Chat
from handoff.backends.responses import Responses
from handoff.core.usage import Usage
from handoff.declaration.prompt import Prompt
from handoff.sandbox import Sandbox, serving

#: (what it is called, assistants, words of each one's instructions, words of what a tool returns).
WORK: Sequence[tuple[str, int, int, int]] = (
    ("two assistants", 2, 30, 200),
    ("eight assistants", 8, 30, 200),
    ("two with long instructions", 2, 800, 20),
)
BACKENDS: dict[str, Callable[[str, Layout], Backend]] = {
    "chat": lambda url, layout: Chat("any", profile="openai", layout=layout, base_url=url, api_key="any"),
    "responses, own": lambda url, layout: Responses(
        "any", history="own", profile="openai", layout=layout, base_url=url, api_key="any"
    ),
}


class Model:
    """Hands over after a user's message, speaks after that."""

    def answer(self, prompt: Prompt) -> Answer:
        """Answer a prompt.

        Args:
            prompt: what the model is shown.
        """
        if prompt.items[-1].text.startswith("turn"):
            return Answer(calls=(call(prompt.tools[0].name),))
        return Answer(f"{prompt.assistant} has read it and says what comes next.")


def build(assistants: int, instructions: int, output: int) -> Flow[Any]:
    """Return a flow in which each assistant hands over to the next one.

    Args:
        assistants: how many.
        instructions: how many words each of them is told.
        output: how many words its tool returns.
    """
    flow = Flow("round")
    told = " ".join(f"rule-{number}" for number in range(instructions))
    made = [flow.assistant(f"a{number}", instructions=f"Assistant {number}. {told}") for number in range(assistants)]
    for number, one in enumerate(made):

        def next_one() -> str:
            """Read the page and hand over."""
            return " ".join(f"word-{number}" for number in range(output))

        next_one.__name__ = f"hand_on_{number}"
        one.tool(to=made[(number + 1) % assistants])(next_one)
    return flow


async def worked(flow: Flow[Any], connect: Callable[[str], Backend], turns: int) -> Usage:
    """Do the work on a server of its own, and return what it took.

    Args:
        flow: the flow.
        connect: makes the backend, of a base URL.
        turns: how many handoffs.
    """
    with serving(Sandbox(Model())) as base_url:
        async with Threads(flow, backend=connect(base_url)) as threads:
            thread = await threads.open("t")
            for turn in range(turns):
                await thread.send(f"turn {turn}")
            return thread.usage


def measure(turns: int) -> list[dict[str, Any]]:
    """Do all work in both layouts.

    Args:
        turns: how many handoffs each.
    """
    rows: list[dict[str, Any]] = []
    for work, *sizes in WORK:
        for backend, connect in BACKENDS.items():
            row: dict[str, Any] = {"work": work, "backend": backend}
            layouts: tuple[Layout, ...] = ("usual", "cached")
            for layout in layouts:
                usage = asyncio.run(worked(build(*sizes), lambda url: connect(url, layout), turns))  # noqa: B023 - used at once
                row[layout] = {"read": usage.input_tokens, "cached": usage.cached_tokens, "calls": usage.model_calls}
            rows.append(row)
    return rows


def main() -> None:
    """Print a row for each work and backend."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if not given.json:
        print(f"{'':44}{'usual layout':>28}{'cached layout':>28}")
        print(f"{'tokens of ' + str(given.turns) + ' handoffs':44}" + f"{'read':>9}{'cached':>8}{'not':>11}" * 2)
    for row in measure(given.turns):
        if given.json:
            print(json.dumps(row))
            continue
        cells = (row[layout] for layout in ("usual", "cached"))
        figures = "".join(
            f"{cell['read']:9}{cell['cached'] / cell['read']:8.0%}{cell['read'] - cell['cached']:11}" for cell in cells
        )
        print(f"{row['work'] + ', ' + row['backend']:44}{figures}")


if __name__ == "__main__":
    main()
