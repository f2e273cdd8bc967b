"""Another process that sends a message to a thread somebody else drives: `python -m tests.support.poster FILE TEXT`.

It prints `posted` when the message is committed, then the reply. Its own model would fail: it must not be the one that
answers.
"""

from __future__ import annotations

import asyncio
import sys

from handoff import SqlStore, Threads
from handoff.backends.embedded import Embedded
from handoff.declaration.prompt import Prompt
from tests.support.models import Answers
from tests.support.workshop import Bench, build


def _refuse(prompt: Prompt) -> str:
    raise AssertionError(f"the poster was asked to be {prompt.assistant}")


async def _main(file: str, text: str) -> None:
    backend = Embedded(Answers(_refuse))
    async with Threads(build(), deps=Bench(), backend=backend, store=SqlStore(file)) as threads:
        thread = await threads.open("t")
        await thread.post(text, key="other")
        sys.stdout.write("posted\n")
        sys.stdout.flush()
        sys.stdout.write(f"{await thread.send(text, key='other')}\n")


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
