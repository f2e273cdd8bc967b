"""Asking a server until it has answered: what all backends that keep the transcript with us do in the same way.

A backend says how a request is spelled (`Question`) and how an answer is read (`Answer`); here are the client, the
attempts within the run's deadline, and the pieces of text that are told on the way. What has no answer did not happen:
it is made again, and closing a request is its end (C1).
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from handoff.backends.base import Absent, Accepted, Called, Capability, Delta, Ended, Known, Report, Request, not_ours
from handoff.backends.client import ServerClient
from handoff.backends.wire import REFUSED, Failure, Repeats, events_of, failure_of, with_unique_ids
from handoff.clock import Clock, SystemClock
from handoff.core.answers import Extra
from handoff.core.items import Asked
from handoff.core.state import Mode
from handoff.core.status import Status
from handoff.core.usage import Usage
from handoff.declaration.hosted import secrets_of
from handoff.errors import ConfigurationError

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

#: Why a run cannot be watched that a backend of another kind has begun.
NOT_OURS = "the run was begun on a server that keeps runs, and this backend speaks to one that keeps none"


class Question(Protocol):
    """A request as it goes out."""

    def body(self) -> bytes:
        """Return the body of the request."""
        ...

    def amend(self, failure: Failure) -> bool:
        """Spell the request in another way, if this failure asks for one and there is one; return whether it did.

        Args:
            failure: why the last attempt brought no answer.
        """
        ...


class Answer(Protocol):
    """An answer as it comes in. What cannot be one raises `Refused` or `Unreadable`."""

    #: What was said so far, refusals included.
    text: str
    #: Whether the model refused.
    refused: bool
    #: What it took.
    usage: Usage

    @property
    def cut(self) -> str:
        """Why the answer ended before its time; empty if it did not."""
        ...

    @property
    def extra(self) -> Extra | None:
        """What it holds beside text and calls, if anything."""
        ...

    @property
    def calls(self) -> tuple[Asked, ...]:
        """The calls, in the model's order; an id may be missing or repeated."""
        ...

    def take(self, data: object) -> str:
        """Add one event of a stream and return what it says."""
        ...

    def take_whole(self, data: object) -> str:
        """Take an answer that came as one, and return what it says."""
        ...

    def end(self) -> None:
        """The stream is over."""
        ...


Q = TypeVar("Q", bound=Question)
A = TypeVar("A", bound=Answer)


class ServerBackend(Generic[Q, A]):
    """A backend whose server is asked anew for every request.

    Attributes:
        mode: outputs, steered messages and the next assistant go in one request.
        model: name of the model for assistants that declare none.
    """

    #: Where requests go, below the base URL.
    path: ClassVar[str]
    #: What it carries beside text and function tools.
    carries: frozenset[Capability]

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        api_key: str | None,
        client: AsyncOpenAI | None,
        stream: bool,
        input_tokens: int | None,
        timeout: float,
        clock: Clock | None,
    ) -> None:
        self._client = ServerClient(base_url=base_url, api_key=api_key, client=client)
        if input_tokens is not None and input_tokens < 1:
            raise ConfigurationError(f"input_tokens={input_tokens}: give a whole number above zero, or None")
        if timeout <= 0:
            raise ConfigurationError(f"timeout={timeout}: give seconds, more than none")
        self.mode = Mode(swap=True, carry=False, steer=True)
        self.model = model
        self._stream = stream
        self._input_tokens = input_tokens
        self._timeout = timeout
        self._clock: Clock = clock or SystemClock()
        #: What must not be told of the tools that servers run.
        self._private: set[str] = set()

    async def open(self, request: Request) -> AsyncGenerator[Report, None]:
        """Ask the model, as often as it takes within the run's deadline. What was asked before a crash is not there.

        Args:
            request: what to do.
        """
        question = self._question(request)
        if request.purpose == "read_back" or (request.purpose == "watch" and not self._watches(question)):
            yield Absent() if request.purpose == "read_back" else Ended(Status.FAILED, reason=NOT_OURS)
            return
        client = self._client.get()
        repeats = Repeats(self._clock, request.deadline, thread=request.thread)
        self._private |= set(secrets_of((*request.prompt.hosted, *request.prompt.shared.hosted)))
        earlier: A | None = None
        told, due = False, len(request.prompt.due)
        while True:
            void, told, answer = told, False, self._answer(request, earlier)
            try:
                async with aclosing(self._attempt(client, question, answer, repeats)) as said:
                    async for one in said:
                        if isinstance(one, Accepted):
                            yield one if due else Known(one.ref)  # made again: it was accepted before
                            due = 0
                        elif isinstance(one, Known):
                            yield one
                        elif one:
                            again = earlier.text if void and earlier is not None else ""
                            yield Delta(again + one, anew=void)
                            void, told = False, True
            except Exception as error:
                failure = self._failure(error)
                if failure is None:
                    raise
            else:
                if self._goes_on(request, question, answer):
                    earlier, told = answer, False
                    continue
                yield self._report(question, request, answer, due)
                return
            told = told or void
            if not question.amend(failure) and not await repeats.wait(failure):
                status = Status.FAILED if repeats.left > 0 else Status.EXPIRED
                yield Ended(status, text=answer.text, reason=failure.reason)
                return

    async def cancel(self, request: Request) -> None:
        """Nothing to do: closing what `open` gave ends the request.

        Args:
            request: the run's request.
        """

    async def delete(self, thread: str, refs: Sequence[str]) -> None:
        """Nothing to do: the server keeps nothing.

        Args:
            thread: id of the thread.
            refs: what another backend's server calls what it has of it.

        Raises:
            NotDeleted: there is something of another backend.
        """
        for ref in refs:
            raise not_ours(thread, ref, self)

    async def close(self) -> None:
        """Close the client, if it is ours. A second call does nothing."""
        await self._client.close()

    # -- what a backend says -------------------------------------------------------------------------------------------

    def _question(self, request: Request) -> Q:
        raise NotImplementedError

    def _answer(self, request: Request, earlier: A | None) -> A:
        """An answer that is to come, behind what an earlier one of the same request said.

        Args:
            request: what is asked for.
            earlier: the answer after which the server wanted more before it goes on.
        """
        raise NotImplementedError

    def _goes_on(self, request: Request, question: Q, answer: A) -> bool:
        """Whether the server waits for more before it goes on, and `question` brings it now; never, by default.

        Args:
            request: what was asked for.
            question: what was sent; what is to be sent next.
            answer: what came; it is whole.
        """
        del request, question, answer
        return False

    def _watches(self, question: Q) -> bool:
        """Whether the server still makes what was asked for before; where it keeps no run it never does.

        Args:
            question: what was asked for.
        """
        del question
        return False

    def _attempt(
        self, client: AsyncOpenAI, question: Q, answer: A, repeats: Repeats
    ) -> AsyncGenerator[str | Known | Accepted, None]:
        """Ask once; yield what is said, and what the server is known by, while `answer` takes it all in.

        Args:
            client: the client.
            question: what is asked.
            answer: takes what comes.
            repeats: tells how much time is left.
        """
        return self._ask(client, question.body(), repeats.left, answer)

    def _answered(self, question: Q, request: Request, answer: A, calls: tuple[Asked, ...]) -> str:
        """Keep what a later request may use, and return what the server calls what it has; nothing by default.

        Args:
            question: how it was asked.
            request: what was asked for.
            answer: what came; it is whole.
            calls: its calls as they are reported.
        """
        del question, request, answer, calls
        return ""

    def _report(self, question: Q, request: Request, answer: A, stored: int) -> Report:
        prompt = request.prompt
        if answer.cut:  # the transcript is ours: calls of half an answer never happened (C2)
            return Ended(Status.INCOMPLETE, answer.text, answer.cut, stored, usage=answer.usage, extra=answer.extra)
        calls = with_unique_ids(answer.calls, prompt.items)
        ref = self._answered(question, request, answer, calls)
        if calls:
            return Called(calls, answer.text, stored, answer.usage, ref, answer.extra)
        reason = REFUSED if answer.refused else ""
        return Ended(Status.COMPLETED, answer.text, reason, stored, usage=answer.usage, ref=ref, extra=answer.extra)

    # -- the client ----------------------------------------------------------------------------------------------------

    def _failure(self, error: Exception) -> Failure | None:
        secrets = [*self._client.secrets(), *sorted(self._private, key=len, reverse=True)]
        return failure_of(error, secrets, self._clock.now())

    def _options(self, left: float) -> dict[str, Any]:
        """The SDK's options of a request: no repeats of its own (C3)."""
        return {"max_retries": 0, "timeout": max(0.001, min(self._timeout, left))}

    async def _ask(
        self, client: AsyncOpenAI, body: bytes, left: float, answer: A
    ) -> AsyncGenerator[str | Known | Accepted, None]:
        """Make the request once; yield what is said while `answer` takes it all in."""
        import httpx2  # noqa: PLC0415 - only where a server is spoken to
        from openai import AsyncAzureOpenAI  # noqa: PLC0415 - slow to import

        # Azure's client reads the model from a body that is no bytes yet, to build the path.
        sent: Any = {"body": json.loads(body)} if isinstance(client, AsyncAzureOpenAI) else {"content": body}
        sent["options"] = self._options(left)
        # The response as it is, unread where it is streamed: the SDK would go through all that an answer holds.
        response: Any = await client.post(self.path, cast_to=httpx2.Response, stream=self._stream, **sent)
        if not self._stream:
            yield answer.take_whole(json.loads(response.content))
            return
        async with aclosing(read(response, answer)) as texts:
            async for text in texts:
                yield text


async def read(response: httpx2.Response, answer: Answer) -> AsyncGenerator[str, None]:
    """Yield what a stream says while `answer` takes it all in; then it is closed.

    Args:
        response: one whose body has not been read; some servers answer whole all the same.
        answer: takes what comes.

    Raises:
        Refused: it is an error.
        Unreadable: it is no answer, or broke off.
    """
    try:
        if response.headers.get("content-type", "").startswith("application/json"):
            yield answer.take_whole(json.loads(await response.aread()))
            return
        async with aclosing(events_of(response)) as events:
            async for event in events:
                yield answer.take(event)
        answer.end()
    finally:
        await response.aclose()
