"""The responses backend: OpenAI's Responses API, chained, on a conversation, or with the transcript of our store.

Chained or on a conversation a request carries what is new, and the server has the rest; the transcript in our store
stays the truth, and is sent in full whenever what the server has cannot be built on. With `history="own"` it always is,
and the server stores nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args
from urllib.parse import quote

from handoff.backends.base import Accepted, Capability, Known, Layout, Request, not_ours
from handoff.backends.hosted_tools import decided
from handoff.backends.layout import require_known
from handoff.backends.profiles import profile_named
from handoff.backends.responses.answer import ResponsesAnswer
from handoff.backends.responses.background import Background, cancelled
from handoff.backends.responses.conversation import Beside
from handoff.backends.responses.items import items_of
from handoff.backends.responses.link import Kind, Link
from handoff.backends.responses.question import ResponsesQuestion
from handoff.backends.server import ServerBackend
from handoff.backends.spelling import Encoder
from handoff.backends.wire import Failure, Refused, Repeats, Unreadable
from handoff.clock import Clock
from handoff.core.items import Asked
from handoff.declaration.hosted import secrets_of
from handoff.errors import ConfigurationError, NotDeleted

if TYPE_CHECKING:
    from openai import AsyncOpenAI

logger = logging.getLogger("handoff")

History = Literal["chain", "conversation", "own"]
#: What requests build on, by the way the history is kept.
KINDS: Mapping[str, Kind | None] = {"chain": "response", "conversation": "conversation", "own": None}
#: How many threads' reasoning, and how many conversations nobody has to look at, are kept.
THREADS = 10_000
#: Seconds a cancel of a response in the background may take, and how often it is tried.
CANCELLING, TRIES = 5.0, 3
#: Seconds the server may take to delete a response or a conversation.
DELETING = 10.0
#: How often an MCP server may ask for approval in one request of ours.
ROUNDS = 10

_Kept = dict[str, tuple[Mapping[str, Any], ...]]


class Responses(ServerBackend[ResponsesQuestion, ResponsesAnswer]):
    """Asks a Responses server.

    Attributes:
        mode: outputs, steered messages and the next assistant go in one request.
        model: name of the model for assistants that declare none.
        layout: where a request has what.
    """

    path: ClassVar[str] = "/responses"
    #: All there is.
    carries: frozenset[Capability] = frozenset(get_args(Capability))

    def __init__(
        self,
        model: str,
        *,
        history: History = "chain",
        background: bool = False,
        reasoning: bool = False,
        profile: str | None = None,
        layout: Layout = "usual",
        base_url: str | None = None,
        api_key: str | None = None,
        client: AsyncOpenAI | None = None,
        stream: bool = True,
        input_tokens: int | None = None,
        timeout: float = 300.0,
        clock: Clock | None = None,
    ) -> None:
        """Speak to a server.

        Args:
            model: name of the model for assistants that declare none.
            history: `chain`: requests build on the response before, which the server keeps. `conversation`: they build
                on a conversation, which it keeps for as long as nobody deletes it. `own`: each request carries the
                transcript, and the server keeps nothing.
            background: the server makes answers by itself, and they are followed: a line that breaks, or a restart,
                loses nothing of one. Not with `own`, which has nothing stored.
            reasoning: with `own`, for models that reason: what they thought goes back with their calls, encrypted.
            profile: what the server is known to take, a key of `handoff.backends.profiles.PROFILES`; by default what
                its address tells.
            layout: `cached` for the provider's prompt cache: every request begins with the tools of the whole flow and
                the thread, and ends with the instructions. With `own`, for servers that take `tool_choice:
                allowed_tools`.
            base_url: where the server is; by default where the profile says, else what the SDK takes.
            api_key: the key; by default `OPENAI_API_KEY`. A server at a `base_url` may need none.
            client: a client of the SDK to use instead; it is left open.
            stream: whether text is told as it is written. Without, answers come whole.
            input_tokens: the most a request may carry that builds on nothing, roughly; the oldest turns are left out.
            timeout: seconds without a byte after which a request is made again.
            clock: the time, for waits; the same as that of the threads.

        Raises:
            ConfigurationError: there is no key, or an argument cannot work.
        """
        if history not in KINDS:
            raise ConfigurationError(f"history={history!r}: give 'chain', 'conversation' or 'own'")
        if reasoning and history != "own":
            raise ConfigurationError("reasoning=True goes with history='own': the server keeps it anyway")
        if background and history == "own":
            raise ConfigurationError("background=True needs a stored response: give history='chain' or 'conversation'")
        if layout == "cached" and history != "own":
            raise ConfigurationError(
                "layout='cached' puts the instructions behind the thread, and a server that keeps the thread would "
                "keep those of every assistant: give history='own', or leave the layout out"
            )
        known = profile_named(profile)
        require_known(layout, known, base_url, client)
        super().__init__(
            model,
            base_url=base_url if base_url is not None or client is not None else known.base_url,
            api_key=api_key,
            client=client,
            stream=stream,
            input_tokens=input_tokens,
            timeout=timeout,
            clock=clock,
        )
        self._kind: Kind | None = KINDS[history]
        self._background = background
        self.layout: Layout = layout
        self._encoder = Encoder(partial(items_of, full=history == "own", retold=layout == "usual"))
        #: Conversations that are known to hold what their link says, and nothing else.
        self._clear: OrderedDict[str, str] = OrderedDict()
        #: The responses that are followed here, by thread: they may have to be cancelled before they are journaled.
        self._running: dict[str, str] = {}
        #: Requests whose answer nobody waits for, until what they began is cancelled.
        self._abandoned: set[asyncio.Task[None]] = set()
        #: The reasoning of each thread's latest run, by the first call it came with.
        self._reasoning: OrderedDict[str, tuple[int, _Kept]] = OrderedDict()
        self._common: dict[str, Any] = {"store": self._kind is not None}
        if stream:
            self._common["stream"] = True
        if background:
            self._common["background"] = True
        if reasoning:
            self._common["include"] = ["reasoning.encrypted_content"]

    async def cancel(self, request: Request) -> None:
        """Cancel the response that is being made in the background; else closing what `open` gave was all.

        Args:
            request: the run's request.
        """
        link = Link.read(request.ref)
        running = self._running.pop(request.thread, "" if link is None else link.running)
        if not running:
            return
        await self._cancelled(running, request.thread)

    async def delete(self, thread: str, refs: Sequence[str]) -> None:
        """Delete the conversations, or each response that was journaled; others are not known by any id.

        Args:
            thread: id of the thread.
            refs: what the server calls what it has of it.

        Raises:
            NotDeleted: something may still be there; or a ref is another backend's, and then nothing was deleted.
        """
        paths: list[str] = []
        for ref in refs:
            link = Link.read(ref)
            if link is None:
                raise not_ours(thread, ref, self)
            held = "conversations" if link.kind == "conversation" else "responses"
            found = (("responses", link.running), (held, link.id))
            paths += [f"/{kind}/{quote(name, safe='')}" for kind, name in found if name]
        for path in dict.fromkeys(paths):
            failure = await self._deleted(path, thread)
            if failure is not None:
                raise NotDeleted(thread, f"the server keeps {path}: {failure.reason}")
        for kept in (self._clear, self._reasoning, self._running):
            kept.pop(thread, None)

    async def _deleted(self, path: str, thread: str) -> Failure | None:
        """Delete an object of the server; return why not, None if it is gone."""
        from openai import NotFoundError  # noqa: PLC0415 - slow to import

        client, repeats = self._client.get(), Repeats(self._clock, self._clock.now() + DELETING, thread=thread)
        while True:
            try:
                options: Any = self._options(repeats.left)
                await client.delete(path, cast_to=object, options=options)
            except NotFoundError:
                return None
            except Exception as error:
                failure = self._failure(error)
                if failure is None:
                    raise
                if not await repeats.wait(failure):
                    return failure
            else:
                return None

    async def close(self) -> None:
        """Cancel what was begun that nobody waits for, and close the client if it is ours. Again it does nothing."""
        while self._abandoned:
            await asyncio.wait(set(self._abandoned))
        await super().close()

    async def _cancelled(self, running: str, thread: str) -> None:
        client, repeats = self._client.get(), Repeats(self._clock, self._clock.now() + CANCELLING, thread=thread)
        for _ in range(TRIES):
            try:
                await cancelled(client, running, self._options(repeats.left))
            except Exception as error:
                failure = self._failure(error)
                if failure is None:
                    raise
                if not await repeats.wait(failure):
                    break
            else:
                return
        logger.warning("thread %s: the response %s could not be cancelled; it goes on by itself", thread, running)

    # -- one request ---------------------------------------------------------------------------------------------------

    def _question(self, request: Request) -> ResponsesQuestion:
        fields = self._common if "model" in request.prompt.options else {**self._common, "model": self.model}
        run, reasoning = self._reasoning.get(request.thread, (request.run, {}))
        known = Link.read(request.ref)
        link, kind = None, self._kind
        if kind is not None and request.prompt.view == "all":
            link = known if known is not None and known.kind == kind else Link(kind)
        question = ResponsesQuestion(
            request,
            self._encoder,
            link=link,
            reasoning=reasoning if run == request.run else {},
            fields=fields,
            input_tokens=self._input_tokens,
            cached=self.layout == "cached",
        )
        if known is not None and request.purpose == "watch":
            question.running = known.running
        return question

    def _answer(self, request: Request, earlier: ResponsesAnswer | None) -> ResponsesAnswer:
        return ResponsesAnswer(earlier, secrets_of(request.prompt.hosted))

    def _goes_on(self, request: Request, question: ResponsesQuestion, answer: ResponsesAnswer) -> bool:
        """Answer the approval requests of MCP servers by the declared policy, so that no run ever waits for them."""
        if not answer.approvals or answer.calls or answer.cut:
            return False
        if answer.rounds >= ROUNDS:
            answer.cut = f"an MCP server asked for approval {ROUNDS} times"
            return False
        kept = answer.id if self._kind is not None else ""
        question.answer(kept, answer.output, self._decided(request, answer))
        return True

    def _decided(self, request: Request, answer: ResponsesAnswer) -> list[Mapping[str, Any]]:
        hosted = request.prompt.hosted
        decisions = [decided(one, hosted, answer.secrets) for one in answer.approvals]
        answer.hosted = (*answer.hosted, *(refused for _, refused in decisions if refused is not None))
        given = [item for item, _ in decisions]
        if answer.reasoning:
            answer.reasoning = (*answer.reasoning, *given)
        return given

    def _watches(self, question: ResponsesQuestion) -> bool:
        return bool(question.running)

    async def _attempt(
        self, client: AsyncOpenAI, question: ResponsesQuestion, answer: ResponsesAnswer, repeats: Repeats
    ) -> AsyncGenerator[str | Known | Accepted, None]:
        fresh = not question.running and not question.answering
        looked: Link | None = None
        beside = Beside(client, repeats, options=self._options, failure=self._failure)
        if fresh and question.link is not None and question.link.kind == "conversation":
            ref, looked = await self._conversed(beside, question)
            if ref:
                yield Known(ref)
        asked = self._followed if self._background or question.running else super()._attempt
        async with aclosing(asked(client, question, answer, repeats)) as said:
            async for one in said:
                yield one
        if looked is not None and await _grown(beside, looked, question, answer):
            raise Unreadable("an answer that was left behind came into the conversation first")

    async def _conversed(self, beside: Beside, question: ResponsesQuestion) -> tuple[str, Link | None]:
        """See to it that the conversation holds what it is to hold.

        Returns:
            Its name, if it was made only now; and what it holds, if that had to be looked at.
        """
        thread, link = question.request.thread, question.link
        assert link is not None
        if link.id and self._clear.pop(thread, None) == link.ref():
            return "", None
        if link.id:
            if await beside.cleared(link):
                return "", link
            question.give_up()
        made_id = await beside.made(question.mirrored())
        if not made_id:
            raise Unreadable("the conversation that was made has no id")
        question.link = Link("conversation", made_id)
        return question.link.ref(), None

    async def _followed(
        self, client: AsyncOpenAI, question: ResponsesQuestion, answer: ResponsesAnswer, repeats: Repeats
    ) -> AsyncGenerator[str | Known | Accepted, None]:
        """Begin the response in the background, unless it was begun before, and follow it to its end."""
        thread, due = question.request.thread, len(question.request.prompt.due)

        def abandon(opening: asyncio.Future[Any]) -> None:
            self._abandon(work, opening, thread)

        work = Background(
            client,
            answer,
            clock=self._clock,
            options=self._options,
            failure=self._failure,
            abandon=abandon,
            stream=self._stream,
            running=question.running,
        )
        question.running = ""  # whatever ends this attempt, the next one begins another
        known = bool(work.running)
        phases = [] if known else [work.begin(question.body(), repeats.left)]
        for phase in (*phases, work.follow(repeats)):
            try:
                async with aclosing(phase) as texts:
                    async for text in texts:
                        if work.running and not known:
                            known = True
                            self._running[thread] = work.running
                            yield Accepted(due, self._made(question, work.running))
                        yield text
            except Exception as error:
                failure = None if isinstance(error, Refused) else self._failure(error)
                # One that has begun goes on though the line broke: it is followed, not made again.
                if phase not in phases or not known or failure is None or not failure.passing:
                    self._running.pop(thread, None)
                    if known and not isinstance(error, Refused):
                        await self._cancelled(work.running, thread)  # nobody will follow it any more
                    raise
        self._running.pop(thread, None)

    def _abandon(self, work: Background, opening: asyncio.Future[Any], thread: str) -> None:
        """Cancel what a request begins that nobody waits for any more, as soon as it is known."""

        async def end() -> None:
            try:
                async with asyncio.timeout(CANCELLING):
                    events = await opening
                if events is not None:
                    await events.aclose()
            except Exception as error:  # noqa: BLE001 - it was refused, or never arrived: nobody waits for it
                logger.info("thread %s: a response that is not wanted any more did not begin: %r", thread, error)
            if work.running:
                await self._cancelled(work.running, thread)

        task = asyncio.create_task(end())
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)

    def _made(self, question: ResponsesQuestion, running: str) -> str:
        """What the server has beside the response it is making now: the same as before."""
        kind: Kind = self._kind or "response"
        link = question.link or Link.read(question.request.ref) or Link(kind)
        return replace(link, running=running).ref()

    def _answered(
        self, question: ResponsesQuestion, request: Request, answer: ResponsesAnswer, calls: tuple[Asked, ...]
    ) -> str:
        prompt = request.prompt
        if answer.approvals:
            return ""  # asked beside calls of ours: what waits for an answer is left behind, and asked again if need be
        if self._kind is None:
            if calls and answer.reasoning:
                run, kept = self._reasoning.get(request.thread, (request.run, _Kept()))
                kept = kept if run == request.run else _Kept()
                _keep(self._reasoning, request.thread, (request.run, {**kept, calls[0].id: answer.reasoning}))
            return ""
        # Calls that had to be renamed are not known to the server under their names here.
        if prompt.view != "all" or calls != answer.calls or not (answer.text or calls):
            return ""
        position = len(prompt.transcript) + len(prompt.due) + 1
        if self._kind == "response":
            return Link("response", answer.id, position).ref() if answer.id else ""
        if question.link is None or not question.link.id or not answer.last:
            return ""
        ref = Link("conversation", question.link.id, position, answer.last).ref()
        _keep(self._clear, request.thread, ref)
        return ref


async def _grown(beside: Beside, link: Link, question: ResponsesQuestion, answer: ResponsesAnswer) -> bool:
    """Whether anything stands between what the conversation was to hold and the answer, but what was sent."""
    ours = {str(item.get("id")) for item in answer.output}
    behind = await beside.behind(link)
    first = next((place for place, item in enumerate(behind) if item in ours), 0)
    # As much once more, though all had been deleted, is what this server itself puts there.
    before, question.surplus = question.surplus, max(0, first - question.count())
    return question.surplus not in (0, before)


def _keep(values: OrderedDict[str, Any], thread: str, value: object) -> None:
    values[thread] = value
    values.move_to_end(thread)
    if len(values) > THREADS:
        values.popitem(last=False)
