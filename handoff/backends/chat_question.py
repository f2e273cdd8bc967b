"""One request to a Chat Completions server: the fields beside the messages, and as much of the thread as goes along."""

from __future__ import annotations

from typing import Any

from handoff.backends.base import OfferedTool, Request
from handoff.backends.spelling import Encoder, encoded, forced, reply_format
from handoff.backends.view import BYTES_A_TOKEN, seen, shortened
from handoff.backends.wire import Failure


class ChatQuestion:
    """A request, which can be made shorter.

    Args:
        request: what was asked for.
        encoder: encodes messages.
        model: the model where the assistant declares none.
        stream: whether the answer is to be streamed.
        input_tokens: the most it may carry, roughly.
    """

    def __init__(
        self, request: Request, encoder: Encoder, *, model: str, stream: bool, input_tokens: int | None
    ) -> None:
        prompt = request.prompt
        self._pieces, self._needed = seen(prompt, request.run)
        self._assistant = prompt.assistant
        self._encoder = encoder
        self._shortened = False
        self._head = encoded(_fields(request, model, stream=stream))[:-1] + b',"messages":['
        system = {"role": "system", "content": prompt.instructions}
        self._instructions = encoded(system) if prompt.instructions else b""
        if input_tokens is not None:
            self._fit(max(0, input_tokens * BYTES_A_TOKEN - len(self._head) - len(self._instructions)))

    def body(self) -> bytes:
        """Return the body of the request."""
        messages = [self._instructions, *(self._encoder.encode(piece, self._assistant) for piece in self._pieces)]
        return self._head + b",".join(filter(None, messages)) + b"]}"

    def amend(self, failure: Failure) -> bool:
        """Leave out the older turns, down to half the size: once, and if there are any to leave out (T3).

        Args:
            failure: why the last attempt brought no answer.
        """
        if not failure.too_long or self._shortened:
            return False
        self._shortened = self._fit(sum(self._sizes()) // 2)
        return self._shortened

    def _sizes(self) -> list[int]:
        return [self._encoder.size(piece, self._assistant) for piece in self._pieces]

    def _fit(self, budget: int) -> bool:
        before = len(self._pieces)
        self._pieces = shortened(self._pieces, self._sizes(), self._needed, budget)
        return len(self._pieces) < before


def _fields(request: Request, model: str, *, stream: bool) -> dict[str, Any]:
    options, tools = request.prompt.options, request.prompt.tools
    fields: dict[str, Any] = {"model": options.get("model") or model}
    if stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    if "temperature" in options:
        fields["temperature"] = options["temperature"]
    if "max_output_tokens" in options:
        fields["max_completion_tokens"] = options["max_output_tokens"]
    if request.prompt.reply is not None:
        fields["response_format"] = {"type": "json_schema", "json_schema": reply_format(request.prompt.reply)}
    if tools:
        fields["tools"] = [_tool(tool) for tool in tools]
        choice = forced(request)
        if choice is not None:
            named = {"type": "function", "function": {"name": choice}}
            fields["tool_choice"] = choice if choice in {"none", "required"} else named
    return fields


def _tool(tool: OfferedTool) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.schema, "strict": tool.strict}
    return {"type": "function", "function": function}
