"""A model for the sandbox: the plain one, that says the name of its assistant, and holds on when it is told `hold`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from handoff import Answer
from handoff.core.items import UserMessage
from handoff.declaration.prompt import Prompt
from handoff.models.base import Answering
from handoff.sandbox.model import PlainModel


class Speaking:
    """The plain model with a name."""

    def answer(self, prompt: Prompt) -> Answering:
        """Answer a prompt.

        Args:
            prompt: what the model is shown.
        """
        last = prompt.items[-1] if prompt.items else None
        if isinstance(last, UserMessage) and last.text == "hold":
            return _holding()
        answer = PlainModel().answer(prompt)
        return Answer(f"{prompt.assistant}: {answer.text}" if answer.text else "", answer.calls)


async def _holding() -> AsyncIterator[str | Answer]:
    yield "Holding "
    await asyncio.Event().wait()


model = Speaking()
