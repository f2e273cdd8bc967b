"""One request to a Responses server: what it chains from, and the items the server does not have yet.

A link says which response holds the beginning of the transcript. It is trusted only while the transcript still is what
the link says, and given up for the whole transcript when the server does not have it any more: so nothing is ever lost
with it, and nothing has to be kept for a restart. An answer nobody journaled is a branch nobody chains from (C4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handoff.backends.base import OfferedTool, Request
from handoff.backends.responses_items import output_of
from handoff.backends.spelling import Encoder, encoded, forced
from handoff.backends.view import BYTES_A_TOKEN, Piece, pieces_of, seen, shortened
from handoff.backends.wire import Failure
from handoff.core.items import Item, Output, Spoken

#: What a server takes as metadata: pairs, characters of a key, characters of a value (M6).
PAIRS, KEY, VALUE = 16, 64, 512

Reasoning = Mapping[str, Sequence[Mapping[str, Any]]]
"""Reasoning items by the id of the first call that came with them."""


@dataclass(frozen=True, slots=True)
class Link:
    """A response that holds the transcript up to what it said."""

    #: Its id.
    response: str
    #: How many items of the transcript it holds, with those before it.
    position: int
    #: The first of them; users' messages have ids of their own, so it tells one thread from another of the same name.
    first: Item
    #: The last of them: what its request brought, and what it said.
    latest: tuple[Item, ...]
    #: What it said.
    said: Spoken

    def holds(self, transcript: Sequence[Item]) -> bool:
        """Return whether the transcript begins with what the response holds."""
        if len(transcript) < self.position or transcript[0] != self.first:
            return False
        return tuple(transcript[self.position - len(self.latest) : self.position]) == self.latest


class ResponsesQuestion:
    """A request, which can be spelled in full, and then made shorter.

    Args:
        request: what was asked for.
        encoder: encodes items.
        link: what it may chain from.
        reasoning: what goes along with calls of this run.
        fields: what the backend adds to every request.
        input_tokens: the most it may carry, roughly.
    """

    def __init__(
        self,
        request: Request,
        encoder: Encoder,
        *,
        link: Link | None,
        reasoning: Reasoning,
        fields: Mapping[str, Any],
        input_tokens: int | None,
    ) -> None:
        self._request = request
        self._encoder = encoder
        self._reasoning = reasoning
        self._fields = {**_fields(request), **fields}
        self._shortened = False
        self._input = b""
        self._link = link if link is not None and link.holds(request.prompt.transcript) else None
        if self._link is not None:
            new = _behind(self._link, request)
            if new is None:
                self._link = None
            else:
                self._input = self._spelled(*new)
        if self._link is None:
            self._pieces, self._needed = seen(request.prompt, request.run)
            if input_tokens is not None:
                self._fit(input_tokens * BYTES_A_TOKEN)

    def body(self) -> bytes:
        """Return the body of the request."""
        if self._link is not None:
            head = encoded({**self._fields, "previous_response_id": self._link.response})
            return head[:-1] + b',"input":[' + self._input + b"]}"
        return encoded(self._fields)[:-1] + b',"input":[' + self._spelled((), self._pieces) + b"]}"

    def amend(self, failure: Failure) -> bool:
        """Send the whole transcript where its beginning was not there, and less of it where it was too long (T3).

        Args:
            failure: why the last attempt brought no answer.
        """
        if not (failure.lost or failure.too_long) or self._shortened:
            return False
        chained, self._link = self._link is not None, None
        if chained:
            self._pieces, self._needed = seen(self._request.prompt, self._request.run)
        if failure.lost:
            return chained
        self._shortened = self._fit(sum(self._sizes()) // 2)
        return self._shortened

    def _spelled(self, outputs: Sequence[Output], pieces: Sequence[Piece]) -> bytes:
        parts = [encoded(output_of(output)) for output in outputs]
        for piece in pieces:
            said = piece[0]
            if isinstance(said, Spoken) and said.calls and said.assistant == self._request.prompt.assistant:
                parts += map(encoded, self._reasoning.get(said.calls[0].id, ()))
            parts.append(self._encoder.encode(piece, self._request.prompt.assistant))
        return b",".join(filter(None, parts))

    def _sizes(self) -> list[int]:
        return [len(self._encoder.encode(piece, self._request.prompt.assistant)) for piece in self._pieces]

    def _fit(self, budget: int) -> bool:
        before = len(self._pieces)
        self._pieces = shortened(self._pieces, self._sizes(), self._needed, budget)
        return len(self._pieces) < before


def _behind(link: Link, request: Request) -> tuple[list[Output], list[Piece]] | None:
    """The outputs the response waits for, and what else it does not have; None if an output is not there (I15)."""
    prompt = request.prompt
    new = (*prompt.transcript[link.position :], *prompt.due)
    waiting = {call.id for call in link.said.calls}
    outputs: list[Output] = []
    rest: list[Item] = []
    for item in new:
        if isinstance(item, Output) and item.call in waiting:
            waiting.remove(item.call)
            outputs.append(item)
        else:
            rest.append(item)
    return None if waiting else (outputs, pieces_of(rest)[0])


def _fields(request: Request) -> dict[str, Any]:
    prompt = request.prompt
    fields: dict[str, Any] = {"metadata": _mirrored(request)}
    if prompt.instructions:
        fields["instructions"] = prompt.instructions
    for name in ("model", "temperature", "max_output_tokens"):
        if name in prompt.options:
            fields[name] = prompt.options[name]
    if prompt.tools:
        fields["tools"] = [_tool(tool) for tool in prompt.tools]
        choice = forced(request)
        if choice is not None:
            fields["tool_choice"] = choice if choice in {"none", "required"} else {"type": "function", "name": choice}
    return fields


def _mirrored(request: Request) -> dict[str, str]:
    """The active assistant and the thread's metadata, as far as they fit (M6)."""
    pairs = {"assistant": request.prompt.assistant, "thread": request.thread}
    for name, value in request.metadata.items():
        text = value if isinstance(value, str) else encoded(value).decode()
        if value is not None and name not in pairs:
            pairs[name] = text
    fitting = {name: text for name, text in pairs.items() if len(name) <= KEY and len(text) <= VALUE}
    return dict(list(fitting.items())[:PAIRS])


def _tool(tool: OfferedTool) -> dict[str, Any]:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.schema,
        "strict": tool.strict,
    }
