"""The embedded backend: a model object called in this process, the transcript in our store.

There is no server, so nothing is ever in doubt: a request that has no answer did not happen, and closing it is its end.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Final

from handoff.backends.base import Absent, Called, Capability, Delta, Ended, Report, Request, not_ours
from handoff.backends.wire import REFUSED, with_unique_ids
from handoff.core.answers import Extra
from handoff.core.items import Asked
from handoff.core.state import Mode
from handoff.core.status import Status
from handoff.declaration.prompt import Prompt
from handoff.models.base import Answer, Model

logger = logging.getLogger("handoff")

#: A model object is shown every part of a message, and the model a reply is to fit; there is no server to run tools.
CARRIES: Final[frozenset[Capability]] = frozenset(
    {"image_url", "image_data", "image_id", "file_url", "file_data", "file_id", "reply"}
)


class Embedded:
    """Asks a model object.

    A model whose `answer` is a plain function is asked on the event loop; one that takes its time is `async def` or an
    async generator.

    Attributes:
        mode: outputs, steered messages and the next assistant go in one request.
        carries: every part of a message, and `reply`.
        model: the model object.
    """

    def __init__(self, model: Model) -> None:
        """Speak to a model object.

        Args:
            model: whatever has `answer`; its `close`, if it has one, is called with ours.
        """
        self.mode = Mode(swap=True, carry=False, steer=True)
        self.carries = CARRIES
        self.model = model
        self._closed = False

    async def open(self, request: Request) -> AsyncGenerator[Report, None]:
        """Ask the model; anything it raises ends the run as failed. What was asked before a crash is not there.

        Args:
            request: what to do.
        """
        if request.purpose != "send":
            yield Absent()
            return
        prompt = request.prompt
        text, calls, extra, incomplete = "", list[Asked](), Extra(), ""
        try:
            async with aclosing(answers_of(self.model, prompt)) as answers:
                async for answer in answers:
                    text += answer.text
                    calls += answer.calls
                    extra = Extra(
                        (*extra.hosted, *answer.hosted),
                        (*extra.citations, *answer.citations),
                        extra.refused or answer.refused,
                    )
                    incomplete = incomplete or answer.incomplete
                    if answer.text:
                        yield Delta(answer.text)
        except Exception as error:
            logger.exception("thread %s: the model failed", request.thread)
            yield Ended(Status.FAILED, text=text, reason=f"{type(error).__name__}: {error}")
            return
        stored = len(prompt.due)
        beside = None if extra == Extra() else extra
        if incomplete:
            yield Ended(Status.INCOMPLETE, text, incomplete, stored, extra=beside)
        elif calls:
            yield Called(with_unique_ids(calls, prompt.items), text, stored, extra=beside)
        else:
            reason = REFUSED if extra.refused else ""
            yield Ended(Status.COMPLETED, text, reason, stored, extra=beside)

    async def cancel(self, request: Request) -> None:
        """Nothing to do: closing what `open` gave ends the request.

        Args:
            request: the run's request.
        """

    async def delete(self, thread: str, refs: Sequence[str]) -> None:
        """Nothing to do: there is no server.

        Args:
            thread: id of the thread.
            refs: what another backend's server calls what it has of it.

        Raises:
            NotDeleted: there is something of another backend.
        """
        for ref in refs:
            raise not_ours(thread, ref, self)

    async def close(self) -> None:
        """Close the model. A second call does nothing.

        Raises:
            ScriptMismatch: the model is scripted and something did not go by the script.
        """
        if self._closed:
            return
        self._closed = True
        close = getattr(self.model, "close", None)
        if close is not None:
            closed = close()
            if inspect.isawaitable(closed):
                await closed


async def answers_of(model: Model, prompt: Prompt) -> AsyncGenerator[Answer, None]:
    """Yield the pieces of a model's answer, in whichever form it gives them.

    Args:
        model: the model object.
        prompt: what it is shown.

    Raises:
        TypeError: it gives none.
    """
    given = model.answer(prompt)
    if isinstance(given, AsyncIterator):
        try:
            async for piece in given:
                yield _checked(Answer(piece) if isinstance(piece, str) else piece)
        finally:
            if isinstance(given, AsyncGenerator):
                await given.aclose()
    elif isinstance(given, Answer):
        yield _checked(given)
    elif inspect.isawaitable(given):
        yield _checked(await given)
    else:
        _checked(given)


def _checked(answer: Any) -> Answer:
    """The answer, if it is one: what a model object gives is journaled, so it is looked at once."""
    if not isinstance(answer, Answer):
        raise TypeError(f"the model answered {answer!r}: it must give an Answer, or a stream of str and Answer")
    texts = [answer.text, *(part for asked in answer.calls for part in (asked.id, asked.tool, asked.arguments))]
    for text in texts:
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  (models are not all typed)
            raise TypeError(f"the model answered with {text!r} where a text belongs: arguments are JSON text")
    return answer
