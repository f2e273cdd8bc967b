"""The responses backend: OpenAI's Responses API, chained by `previous_response_id` or with the transcript of our store.

Chained, a request carries what is new, and the server has the rest; the transcript in our store stays the truth, and
is sent in full whenever the chain cannot be used. With `history="own"` it always is, and the server stores nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from handoff.backends.base import Request
from handoff.backends.responses_answer import ResponsesAnswer
from handoff.backends.responses_items import items_of
from handoff.backends.responses_question import Link, ResponsesQuestion
from handoff.backends.server import ServerBackend
from handoff.backends.spelling import Encoder
from handoff.clock import Clock
from handoff.core.items import Asked, Spoken
from handoff.errors import ConfigurationError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: How many threads' links and reasoning are kept; the ones used longest ago are let go.
THREADS = 10_000

_Kept = dict[str, tuple[Mapping[str, Any], ...]]


class Responses(ServerBackend[ResponsesQuestion, ResponsesAnswer]):
    """Asks a Responses server.

    Attributes:
        mode: outputs, steered messages and the next assistant go in one request.
        model: name of the model for assistants that declare none.
    """

    path: ClassVar[str] = "/responses"

    def __init__(
        self,
        model: str,
        *,
        history: Literal["chain", "own"] = "chain",
        reasoning: bool = False,
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
            history: `chain`: requests build on the response before, which the server keeps. `own`: each request
                carries the transcript, and the server keeps nothing.
            reasoning: with `own`, for models that reason: what they thought goes back with their calls, encrypted.
            base_url: where the server is; by default what the SDK takes from the environment.
            api_key: the key; by default `OPENAI_API_KEY`. A server at a `base_url` may need none.
            client: a client of the SDK to use instead; it is left open.
            stream: whether text is told as it is written. Without, answers come whole.
            input_tokens: the most a request may carry that does not chain, roughly; the oldest turns are left out.
            timeout: seconds without a byte after which a request is made again.
            clock: the time, for waits; the same as that of the threads.

        Raises:
            ConfigurationError: there is no key, or an argument cannot work.
        """
        if history not in ("chain", "own"):
            raise ConfigurationError(f"history={history!r}: give 'chain' or 'own'")
        if reasoning and history == "chain":
            raise ConfigurationError("reasoning=True goes with history='own': a chain keeps it anyway")
        super().__init__(
            model,
            base_url=base_url,
            api_key=api_key,
            client=client,
            stream=stream,
            input_tokens=input_tokens,
            timeout=timeout,
            clock=clock,
        )
        self._chains = history == "chain"
        self._encoder = Encoder(items_of)
        self._links: OrderedDict[str, Link] = OrderedDict()
        #: The reasoning of each thread's latest run, by the first call it came with.
        self._reasoning: OrderedDict[str, tuple[int, _Kept]] = OrderedDict()
        self._common: dict[str, Any] = {"store": self._chains}
        if stream:
            self._common["stream"] = True
        if reasoning:
            self._common["include"] = ["reasoning.encrypted_content"]

    def _question(self, request: Request) -> ResponsesQuestion:
        fields = self._common if "model" in request.prompt.options else {**self._common, "model": self.model}
        run, reasoning = self._reasoning.get(request.thread, (request.run, {}))
        return ResponsesQuestion(
            request,
            self._encoder,
            link=self._links.get(request.thread) if request.prompt.view == "all" else None,
            reasoning=reasoning if run == request.run else {},
            fields=fields,
            input_tokens=self._input_tokens,
        )

    def _answer(self) -> ResponsesAnswer:
        return ResponsesAnswer()

    def _answered(self, request: Request, answer: ResponsesAnswer, calls: tuple[Asked, ...]) -> None:
        prompt = request.prompt
        if self._chains:
            # Calls that had to be renamed are not known to the server under their names here.
            if answer.id and prompt.view == "all" and calls == answer.calls and (answer.text or calls):
                said = Spoken(prompt.assistant, request.run, answer.text, calls)
                position = len(prompt.transcript) + len(prompt.due) + 1
                latest = (*prompt.due, said)
                link = Link(answer.id, position, (*prompt.transcript[:1], *latest)[0], latest, said)
                _keep(self._links, request.thread, link)
        elif calls and answer.reasoning:
            run, kept = self._reasoning.get(request.thread, (request.run, _Kept()))
            kept = kept if run == request.run else _Kept()
            _keep(self._reasoning, request.thread, (request.run, {**kept, calls[0].id: answer.reasoning}))


def _keep(values: OrderedDict[str, Any], thread: str, value: object) -> None:
    values[thread] = value
    values.move_to_end(thread)
    if len(values) > THREADS:
        values.popitem(last=False)
