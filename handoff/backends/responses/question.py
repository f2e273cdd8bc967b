"""One request to a Responses server: what it builds on, and the items the server does not have yet.

What it builds on holds the beginning of the transcript. Where it cannot be used, or the server does not have it any
more, the whole transcript goes out: so nothing is ever lost with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from handoff.backends import layout
from handoff.backends.base import Request
from handoff.backends.hosted_tools import INCLUDED, responses_choice, responses_tool
from handoff.backends.responses.items import output_of
from handoff.backends.responses.link import Link
from handoff.backends.spelling import Encoder, encoded, forced, reply_format
from handoff.backends.view import BYTES_A_TOKEN, Piece, pieces_of, seen, shortened
from handoff.backends.wire import Failure
from handoff.core.items import Item, Output, Spoken
from handoff.declaration.prompt import OfferedTool

#: What a server takes as metadata: pairs, characters of a key, characters of a value (M6).
PAIRS, KEY, VALUE = 16, 64, 512

Reasoning = Mapping[str, Sequence[Mapping[str, Any]]]
"""Reasoning items by the id of the first call that came with them."""


class ResponsesQuestion:
    """A request, which can be spelled in full, and then made shorter.

    Args:
        request: what was asked for.
        encoder: encodes items.
        link: what it may build on; a conversation without an id is one that is still to be made.
        reasoning: what goes along with calls of this run.
        fields: what the backend adds to every request.
        input_tokens: the most it may carry, roughly.
        cached: whether it is laid out for the provider's prompt cache; then it builds on nothing.
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
        cached: bool = False,
    ) -> None:
        self.request = request
        #: What it builds on.
        self.link: Link | None = None
        #: Id of the response that is being made for it in the background.
        self.running = ""
        #: How many items more than were sent stood in the conversation when it was looked at behind an answer.
        self.surplus = 0
        self._encoder = encoder
        self._reasoning = reasoning
        first, last = layout.parts_of(request.prompt) if cached else (request.prompt.instructions, "")
        self._fields = {**_fields(request, first, cached=cached), **fields}
        #: Instructions that stand behind the thread.
        self._last = encoded({"role": "developer", "content": last}) if last else b""
        if include := [*_included(request), *fields.get("include", ())]:
            self._fields["include"] = include
        #: What follows all that, since the server waits for it.
        self._more: list[bytes] = []
        #: The response that waits for it, where the server keeps that.
        self._asked = ""
        self._shortened = False
        self._input = b""
        self._whole = False
        self._pieces: list[Piece] = []
        self._needed = 0
        self._anew = Link("conversation") if link is not None and link.kind == "conversation" else None
        new = None if link is None or not link.id else _behind(link, request)
        if new is None:
            self._start_over()
            if input_tokens is not None:
                self._fit(input_tokens * BYTES_A_TOKEN)
        else:
            self.link = link
            self._input = self._spelled(*new)

    def body(self) -> bytes:
        """Return the body of the request."""
        fields, link = self._fields, self.link
        if link is not None and link.kind == "conversation":
            fields = {**fields, "conversation": link.id}
        elif self._asked or link is not None:
            fields = {**fields, "previous_response_id": self._asked or (link.id if link is not None else "")}
        spelled = self._spelled((), self._pieces) if self._whole else self._input
        sent = self._more if self._asked else [spelled, *self._more, self._last]
        return encoded(fields)[:-1] + b',"input":[' + b",".join(filter(None, sent)) + b"]}"

    def count(self) -> int:
        """Return how many items it brings."""
        return len(json.loads(self.body())["input"])

    @property
    def answering(self) -> bool:
        """Whether it brings what the server has asked for, to go on with the same answer."""
        return bool(self._more)

    def answer(self, response: str, output: Sequence[Mapping[str, Any]], answers: Sequence[Mapping[str, Any]]) -> None:
        """Go on where the server waits for answers to what it asked.

        Args:
            response: id of the response that asks; empty where the server does not keep it.
            output: its items, which go along where the server does not keep them.
            answers: the answers.
        """
        self._asked = response
        self._more = [] if response else [*self._more, *map(encoded, output)]
        self._more += map(encoded, answers)
        if self._fields.get("tool_choice") != "none":
            self._fields.pop("tool_choice", None)  # what was forced has been called

    def amend(self, failure: Failure) -> bool:
        """Send the whole transcript where its beginning was not there, and less of it where it was too long (T3).

        Args:
            failure: why the last attempt brought no answer.
        """
        if not (failure.lost or failure.too_long) or self._shortened:
            return False
        if self._more and failure.lost:  # the server has lost what it asked: it is asked anew, as if it never had
            self._asked, self._more = "", []
            self._start_over()
            return True
        built = not self._whole
        if built or self._anew is not None:
            self._start_over()
        if failure.lost:
            return built
        self._shortened = self._fit(sum(self._sizes()) // 2)
        return self._shortened

    def give_up(self) -> None:
        """Leave what it builds on, which cannot be built on any more."""
        self._start_over()

    def mirrored(self) -> dict[str, str]:
        """Return the active assistant and the thread's metadata, as far as they fit (M6)."""
        return _mirrored(self.request)

    def _start_over(self) -> None:
        """Build on nothing, or on a conversation that is still to be made, and bring all that is seen."""
        self._whole, self.link = True, self._anew
        self._pieces, self._needed = seen(self.request.prompt, self.request.run)

    def _spelled(self, outputs: Sequence[Output], pieces: Sequence[Piece]) -> bytes:
        parts = [encoded(output_of(output)) for output in outputs]
        for piece in pieces:
            said = piece[0]
            if isinstance(said, Spoken) and said.calls and said.assistant == self.request.prompt.assistant:
                parts += map(encoded, self._reasoning.get(said.calls[0].id, ()))
            parts.append(self._encoder.encode(piece, self.request.prompt.assistant))
        return b",".join(filter(None, parts))

    def _sizes(self) -> list[int]:
        return [self._encoder.size(piece, self.request.prompt.assistant) for piece in self._pieces]

    def _fit(self, budget: int) -> bool:
        before = len(self._pieces)
        self._pieces = shortened(self._pieces, self._sizes(), self._needed, budget)
        return len(self._pieces) < before


def _behind(link: Link, request: Request) -> tuple[list[Output], list[Piece]] | None:
    """The outputs the response waits for, and what else it does not have; None if an output is not there (I15)."""
    prompt = request.prompt
    waiting = link.waiting(prompt.transcript)
    if waiting is None:
        return None
    new = (*prompt.transcript[link.position :], *prompt.due)
    outputs: list[Output] = []
    rest: list[Item] = []
    for item in new:
        if isinstance(item, Output) and item.call in waiting:
            waiting.remove(item.call)
            outputs.append(item)
        else:
            rest.append(item)
    return None if waiting else (outputs, pieces_of(rest)[0])


def _fields(request: Request, instructions: str, *, cached: bool) -> dict[str, Any]:
    prompt = request.prompt
    fields: dict[str, Any] = {"metadata": _mirrored(request)}
    if instructions:
        fields["instructions"] = instructions
    for name in ("model", "temperature", "max_output_tokens"):
        if name in prompt.options:
            fields[name] = prompt.options[name]
    if prompt.reply is not None:
        fields["text"] = {"format": {"type": "json_schema", **reply_format(prompt.reply)}}
    tools, hosted = layout.listed(prompt) if cached else (prompt.tools, prompt.hosted)
    if tools or hosted:
        fields["tools"] = [*map(_tool, tools), *map(responses_tool, hosted)]
        choice = forced(request)
        if cached and choice in {None, "required"}:
            fields["tool_choice"] = layout.responses_choice(prompt, required=choice == "required")
        elif choice is not None:
            fields["tool_choice"] = _choice(choice, request)
    return fields


def _choice(choice: str, request: Request) -> str | dict[str, Any]:
    if choice in {"none", "required"}:
        return choice
    if any(tool.name == choice for tool in request.prompt.tools):
        return {"type": "function", "name": choice}
    return responses_choice(choice, request.prompt.hosted)


def _included(request: Request) -> list[str]:
    """What has to be asked for, of what the hosted tools do."""
    return [INCLUDED[tool.kind] for tool in request.prompt.hosted if tool.kind in INCLUDED]


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
