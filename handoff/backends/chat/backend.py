"""The chat backend: any server that speaks Chat Completions, the transcript in our store.

The server remembers nothing, so nothing is ever in doubt. Every message is encoded once, and goes out past the SDK's
request transform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from handoff.backends.base import Capability, Layout, Request
from handoff.backends.chat.answer import ChatAnswer
from handoff.backends.chat.question import ChatQuestion, Spelling
from handoff.backends.layout import require_known
from handoff.backends.profiles import Profile, profile_named
from handoff.backends.server import ServerBackend
from handoff.clock import Clock

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class Chat(ServerBackend[ChatQuestion, ChatAnswer]):
    """Asks a Chat Completions server.

    Attributes:
        mode: outputs, steered messages and the next assistant go in one request.
        model: name of the model for assistants that declare none.
        layout: where a request has what.
    """

    path: ClassVar[str] = "/chat/completions"
    #: A file by its URL, and the tools a server runs itself, are not of this protocol.
    carries: frozenset[Capability] = frozenset({"image_url", "image_data", "file_data", "file_id", "reply"})

    def __init__(
        self,
        model: str,
        *,
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
            profile: what the server is known to take, a key of `handoff.backends.profiles.PROFILES`; by default what
                most servers take. What a server refuses is left out in any case.
            layout: `cached` for the provider's prompt cache: every request begins with the tools of the whole flow and
                the thread, and ends with the instructions. For servers that take `tool_choice: allowed_tools`.
            base_url: where the server is; by default where the profile says, else what the SDK takes.
            api_key: the key; by default `OPENAI_API_KEY`. A server at a `base_url` may need none.
            client: a client of the SDK to use instead; it is left open.
            stream: whether text is told as it is written. Without, answers come whole.
            input_tokens: the most a request may carry, roughly; the oldest turns are left out. None: all is sent.
            timeout: seconds without a byte after which a request is made again.
            clock: the time, for waits; the same as that of the threads.

        Raises:
            ConfigurationError: there is no key, or an argument cannot work.
        """
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
        self.layout: Layout = layout
        self._spelling = Spelling(known, layout)

    @property
    def profile(self) -> Profile:
        """How requests are spelled by now: as the profile says, without what the server has refused."""
        return self._spelling.profile

    def _question(self, request: Request) -> ChatQuestion:
        return ChatQuestion(
            request, self._spelling, model=self.model, stream=self._stream, input_tokens=self._input_tokens
        )

    def _answer(self, request: Request, earlier: ChatAnswer | None) -> ChatAnswer:
        del request, earlier
        return ChatAnswer()
