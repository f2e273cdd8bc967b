"""What a model object is: it is shown a prompt and answers with text, tool calls or both.

It need not remember anything: all it must know is in the prompt, so that it goes on after a restart as if there had
been none.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from handoff.core.answers import Citation, HostedCall
from handoff.core.items import Asked
from handoff.declaration.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one prompt."""

    #: The text; may be empty beside calls.
    text: str = ""
    #: The tools it asks for, in order. A call whose id is empty or given twice gets one.
    calls: tuple[Asked, ...] = ()
    #: What tools did that its server ran itself.
    hosted: tuple[HostedCall, ...] = ()
    #: The sources of its text.
    citations: tuple[Citation, ...] = ()
    #: It refuses, and the text says so.
    refused: bool = False
    #: Why the text ends before its time, as `content_filter`; empty if it is whole.
    incomplete: str = ""


Answering: TypeAlias = Answer | Awaitable[Answer] | AsyncIterator[str | Answer]
"""An answer; something to await for it; or a stream, which is added up: a str is a piece of the text, an `Answer` adds
its text and its calls."""


class Model(Protocol):
    """Anything that answers a prompt. One that also has ``close()`` is closed with its backend."""

    def answer(self, prompt: Prompt) -> Answering:
        """Answer a prompt. `def` answers at once, on the event loop; one that takes its time is `async def`.

        Args:
            prompt: the assistant, its instructions, the tools it is offered and all it sees of the thread.

        Raises:
            Exception: anything raised ends the run as failed; nothing of the prompt counts as stored.
        """
        ...
