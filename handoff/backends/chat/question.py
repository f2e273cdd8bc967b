"""One request to a Chat Completions server: the fields beside the messages, and as much of the thread as goes along."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from handoff.backends.base import Layout, Request
from handoff.backends.chat.messages import messages_of
from handoff.backends.layout import chat_choice, listed, parts_of
from handoff.backends.profiles import Profile, adapted
from handoff.backends.spelling import Encoder, encoded, forced, reply_format
from handoff.backends.view import BYTES_A_TOKEN, Piece, seen, shortened
from handoff.backends.wire import Failure
from handoff.backends.written import Written
from handoff.declaration.prompt import OfferedTool

logger = logging.getLogger("handoff")


class Spelling:
    """How requests to one server are spelled: by a profile, and by what the server has refused since.

    Args:
        profile: what the server takes.
        layout: where a request has what.
    """

    def __init__(self, profile: Profile, layout: Layout = "usual") -> None:
        self.profile = profile
        self.layout: Layout = layout
        cached = layout == "cached"
        spell = partial(messages_of, retold=not cached)
        self._encoders = {names: Encoder(partial(spell, named=names)) for names in (True, False)}
        self._written = {names: Written(encoder, alike=cached) for names, encoder in self._encoders.items()}

    @property
    def encoder(self) -> Encoder:
        """What encodes messages."""
        return self._encoders[self.profile.names]

    @property
    def written(self) -> Written:
        """The transcripts as they went out last."""
        return self._written[self.profile.names]

    def learn(self, used: Profile, failure: Failure) -> bool:
        """Leave out what the server has refused; return whether there is another way now.

        Args:
            used: how the refused request was spelled.
            failure: the refusal.
        """
        if used == self.profile:
            changed = adapted(used, failure.reason)
            if changed is None or (self.layout == "cached" and changed.choice != used.choice):
                return False  # without its choice of tools, a list of the whole flow's would mean something else
            self.profile = changed
            logger.warning("requests are spelled in another way from here on, as the server said: %s", failure.reason)
        return True  # or another request has learned meanwhile


class ChatQuestion:
    """A request, which can be spelled in another way, and made shorter.

    Args:
        request: what was asked for.
        spelling: how it is spelled.
        model: the model where the assistant declares none.
        stream: whether the answer is to be streamed.
        input_tokens: the most it may carry, roughly.
    """

    def __init__(
        self, request: Request, spelling: Spelling, *, model: str, stream: bool, input_tokens: int | None
    ) -> None:
        self._request, self._model, self._stream = request, model, stream
        #: What is sent; None while that is the whole transcript.
        self._pieces: list[Piece] | None = None
        self._assistant = request.prompt.assistant
        self._spelling = spelling
        self._tried: list[Profile] = []
        self._shortened = False
        self._spell()
        if request.prompt.view != "all":
            self._cut()
        if input_tokens is not None:
            around = len(self._head) + len(self._instructions) + len(self._last)
            self._fit(max(0, input_tokens * BYTES_A_TOKEN - around))

    def body(self) -> bytes:
        """Return the body of the request."""
        if self._pieces is None:
            thread = [self._spelling.written.write(self._request.thread, self._request.prompt)]
        else:
            thread = [self._encoder.encode(piece, self._assistant) for piece in self._pieces]
        messages = filter(None, (self._instructions, *thread, self._last))
        return self._head + b",".join(messages) + b"]}"

    def amend(self, failure: Failure) -> bool:
        """Spell it as the server takes it, or leave out the older turns, once, down to half the size (T3).

        Args:
            failure: why the last attempt brought no answer.
        """
        if self._profile not in self._tried and self._spelling.learn(self._profile, failure):
            self._tried.append(self._profile)
            self._spell()
            return True
        if not failure.too_long or self._shortened:
            return False
        self._shortened = self._fit(sum(self._sizes(self._cut())) // 2)
        return self._shortened

    def _spell(self) -> None:
        self._profile, self._encoder = self._spelling.profile, self._spelling.encoder
        prompt, cached = self._request.prompt, self._spelling.layout == "cached"
        fields = _fields(self._request, self._model, self._profile, stream=self._stream, cached=cached)
        self._head = encoded(fields)[:-1] + b',"messages":['
        first, last = parts_of(prompt) if cached else (prompt.instructions, "")
        self._instructions, self._last = self._instructing(first), self._instructing(last)

    def _instructing(self, text: str) -> bytes:
        return encoded({"role": self._profile.instructions, "content": text}) if text else b""

    def _cut(self) -> list[Piece]:
        """Return what is sent in pieces, some of which may be left out."""
        if self._pieces is None:
            self._pieces, self._needed = seen(self._request.prompt, self._request.run)
        return self._pieces

    def _sizes(self, pieces: list[Piece]) -> list[int]:
        return [self._encoder.size(piece, self._assistant) for piece in pieces]

    def _fit(self, budget: int) -> bool:
        before = self._cut()
        self._pieces = shortened(before, self._sizes(before), self._needed, budget)
        return len(self._pieces) < len(before)


def _fields(request: Request, model: str, profile: Profile, *, stream: bool, cached: bool) -> dict[str, Any]:
    options = request.prompt.options
    tools = listed(request.prompt)[0] if cached else request.prompt.tools
    fields: dict[str, Any] = {"model": options.get("model") or model}
    if stream:
        fields["stream"] = True
        if profile.counts_streams:
            fields["stream_options"] = {"include_usage": True}
    if "temperature" in options:
        fields["temperature"] = options["temperature"]
    if "max_output_tokens" in options:
        fields[profile.length] = options["max_output_tokens"]
    if request.prompt.reply is not None:
        fields["response_format"] = {"type": "json_schema", "json_schema": reply_format(request.prompt.reply)}
    if tools:
        fields["tools"] = [_tool(tool, profile) for tool in tools]
        choice = forced(request)
        if cached and choice in {None, "required"}:
            fields["tool_choice"] = chat_choice(request.prompt, required=choice == "required")
        elif choice is not None and profile.choice != "none":
            named = {"type": "function", "function": {"name": choice}}
            by_name = choice not in {"none", "required"} and profile.choice == "named"
            fields["tool_choice"] = named if by_name else "none" if choice == "none" else "required"
            if fields["tool_choice"] == "required" and choice != "required":
                # Where a tool cannot be forced by its name, it is the only one that is offered.
                fields["tools"] = [_tool(tool, profile) for tool in tools if tool.name == choice]
    return fields


def _tool(tool: OfferedTool, profile: Profile) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "description": tool.description, "parameters": tool.schema}
    if profile.strict:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}
