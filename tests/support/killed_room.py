"""A process of its own: a thread whose call asks in two rooms, of which A answers and B's model kills the process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from handoff import SqlStore, Threads
from handoff.backends.embedded import Embedded
from handoff.declaration.prompt import Prompt
from tests.support.law import build_desk, build_firm
from tests.support.models import Plays, call
from tests.support.workshop import Bench


class Deadly:
    """The desk asks; A answers; B waits until A's answer is stored, and kills."""

    def __init__(self, store: SqlStore) -> None:
        self._desk = Plays(call("ask_several", countries=["A", "B"]))
        self._answered = asyncio.Event()
        loop = asyncio.get_running_loop()
        store.hooks.append(lambda moment, what, thread: self._look(loop, moment, what, thread))
        self._spoke = False

    def _look(self, loop: asyncio.AbstractEventLoop, moment: str, what: str, thread: str) -> None:
        if self._spoke and (moment, what) == ("after", "append") and thread.endswith("room:A"):
            loop.call_soon_threadsafe(self._answered.set)

    async def answer(self, prompt: Prompt) -> Any:
        """Answer, or kill."""
        if prompt.assistant == "front":
            async for piece in self._desk.answer(prompt):
                yield piece
        elif '"A"' in prompt.instructions:
            self._spoke = True
            yield "law of A"
        else:
            await self._answered.wait()
            os.kill(os.getpid(), signal.SIGKILL)


async def main(path: Path) -> None:
    """Send the message."""
    store = SqlStore(path)
    async with Threads(build_desk(build_firm()), deps=Bench(), backend=Embedded(Deadly(store)), store=store) as threads:
        await (await threads.open("t")).send("May I?", key="1")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
