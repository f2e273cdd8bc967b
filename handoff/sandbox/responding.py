"""How one response comes about: its events in order, each with its number, and what is stored at its end (R1, R11)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from handoff.core.answers import Citation, HostedCall
from handoff.core.items import Asked
from handoff.sandbox.conversations import Conversation
from handoff.sandbox.hosting import annotation_of, begun, item_of, stages_of
from handoff.sandbox.prompting import pieces, tokens
from handoff.sandbox.rules import REFUSALS
from handoff.sandbox.speaking import Cut, ModelFailed, Piece, Question, Refusal, speak
from handoff.sandbox.world import Event, Feed, Wire, World


@dataclass(slots=True, eq=False)
class Stored:
    """A response, with what the wire does not show."""

    wire: Wire
    #: The request's body.
    asked: Wire
    #: The items it brought.
    input: list[Wire]
    #: What it chains from.
    previous: Stored | None
    #: What it grows.
    conversation: Conversation | None
    #: Who made it.
    assistant: str = ""
    #: All its events.
    feed: Feed = field(default_factory=Feed)
    #: What makes it, in the background.
    task: asyncio.Task[None] | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.wire["id"])

    def chain(self) -> list[Wire]:
        """Return all items up to its own output, oldest first."""
        linked: list[Stored] = [self]
        while linked[-1].previous is not None:
            linked.append(linked[-1].previous)
        return [item for one in reversed(linked) for item in (*one.input, *one.wire["output"])]

    def tell(self, kind: str, **fields: Any) -> Event:
        """Add an event, under the next number.

        Args:
            kind: its type.
            fields: what else it says.
        """
        event = Event({"type": kind, "sequence_number": len(self.feed.events), **fields}, kind)
        self.feed.add(event)
        return event

    async def follow(self, after: int = 0) -> AsyncGenerator[Event, None]:
        """Yield its events, those to come included.

        Args:
            after: how many to leave out.
        """
        async for event in self.feed.follow(after):
            yield event


def release(world: World, response: Stored) -> None:
    """Let go of what a response that is over holds. Once more does nothing.

    Args:
        world: the sandbox.
        response: it.
    """
    conversation = response.conversation
    if conversation is not None and conversation.busy == response.id:
        conversation.busy = None
    response.feed.close()
    for item in response.wire["output"]:
        world.speakers[item["id"]] = response.assistant


async def respond(world: World, response: Stored, question: Question) -> AsyncGenerator[Event, None]:
    """Make a response and yield its events. Closed early, it was never made.

    Args:
        world: the sandbox.
        response: what is filled in.
        question: what the model is asked.
    """
    wire = response.wire
    writing = _Writing(response, world)
    cached = world.cache.read(question.model, question.read, world.clock.now())
    try:
        if wire["background"]:
            wire["status"] = "queued"
        yield writing.whole("response.created")
        if wire["background"]:
            yield writing.whole("response.queued")
            await asyncio.sleep(0)  # a client sees it queued before it goes on
            wire["status"] = "in_progress"
        yield writing.whole("response.in_progress")
        outcome = "completed"
        try:
            await _interfere(world, question.operation)
            async with aclosing(speak(world, question)) as answer:
                async for piece in answer:
                    if isinstance(piece, Cut):
                        outcome = "incomplete"
                        wire["incomplete_details"] = {"reason": piece.reason}
                    for event in writing.events(piece):
                        yield event
            for event in writing.end_text(outcome):
                yield event
        except ModelFailed as error:
            outcome = "failed"
            wire["error"] = {"code": "server_error", "message": str(error)}
        yield _finished(world, response, question, outcome, writing, cached)
    finally:
        release(world, response)


def _finished(
    world: World, response: Stored, question: Question, outcome: str, writing: _Writing, cached: int
) -> Event:
    """Store a response that is over, and its items with its conversation."""
    wire = response.wire
    wire["status"] = outcome
    if outcome == "completed":
        wire["completed_at"] = world.now()
    wire["usage"] = {
        "input_tokens": question.size,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": writing.tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": question.size + writing.tokens,
    }
    if wire["store"]:
        world.responses[response.id] = response
    if response.conversation is not None and outcome != "failed":
        response.conversation.items += [*response.input, *wire["output"]]
    event = writing.whole(f"response.{outcome}")
    release(world, response)
    return event


async def _interfere(world: World, operation: str) -> None:
    fault = world.faults.take(operation, "stuck", "failed")
    if fault == "stuck":
        await world.clock.sleep(world.expire)
    if fault is not None:
        raise ModelFailed(REFUSALS["server_error"].text)


class _Writing:
    """Turns pieces of an answer into events, and into the output of the response."""

    def __init__(self, response: Stored, world: World) -> None:
        self.tokens = 0
        self._response = response
        self._world = world
        self._message: str | None = None
        self._text = ""
        self._refusing = False
        self._annotations: list[Wire] = []

    def whole(self, kind: str) -> Event:
        """An event with the response as it is now."""
        wire = self._response.wire
        return self._response.tell(kind, response={**wire, "output": [*wire["output"]]})

    def events(self, piece: Piece) -> list[Event]:
        """The events of a piece."""
        if isinstance(piece, str):
            refusing = isinstance(piece, Refusal)
            turned = [] if self._message is None or refusing is self._refusing else self.end_text("completed")
            self._refusing = refusing
            return [*turned, *self._said(piece)]
        if isinstance(piece, HostedCall):
            return [*self.end_text("completed"), *self._hosted(piece)]
        if isinstance(piece, Citation):
            return self._cited(piece)
        call, status = (piece.call, "incomplete") if isinstance(piece, Cut) else (piece, "completed")
        return [] if call is None else [*self.end_text("completed"), *self._called(call, status)]

    def end_text(self, status: str) -> list[Event]:
        """The events that end the message, if one was begun."""
        if self._message is None:
            return []
        part = self._part(self._text)
        place = self._place(self._message)
        item = _message(self._message, "incomplete" if status == "incomplete" else "completed", [part])
        over = (
            self._response.tell("response.refusal.done", **place, refusal=self._text)
            if self._refusing
            else self._response.tell("response.output_text.done", **place, text=self._text, logprobs=[])
        )
        done = [
            over,
            self._response.tell("response.content_part.done", **place, part=part),
            self._response.tell("response.output_item.done", output_index=place["output_index"], item=item),
        ]
        self._response.wire["output"].append(item)
        self._message = None
        self._annotations = []
        return done

    def _said(self, text: str) -> list[Event]:
        events: list[Event] = []
        if self._message is None:
            self._message, self._text = self._world.new_id("msg"), ""
            place = self._place(self._message)
            opened = _message(self._message, "in_progress", [])
            events.append(
                self._response.tell("response.output_item.added", output_index=place["output_index"], item=opened)
            )
            events.append(self._response.tell("response.content_part.added", **place, part=self._part("")))
        self._text += text
        self.tokens += tokens(text)
        place = self._place(self._message)
        if self._refusing:
            return [*events, self._response.tell("response.refusal.delta", **place, delta=text)]
        return [*events, self._response.tell("response.output_text.delta", **place, delta=text, logprobs=[])]

    def _cited(self, citation: Citation) -> list[Event]:
        """The event of a source; there is none where nothing was said."""
        if self._message is None or self._refusing:
            return []
        annotation = annotation_of(citation)
        place = {**self._place(self._message), "annotation_index": len(self._annotations)}
        self._annotations.append(annotation)
        return [self._response.tell("response.output_text.annotation.added", **place, annotation=annotation)]

    def _hosted(self, call: HostedCall) -> list[Event]:
        """The events of what a hosted tool did."""
        item = item_of(self._world, call, self._response.asked.get("include") or ())
        index = len(self._response.wire["output"])
        place = {"item_id": item["id"], "output_index": index}
        tell = self._response.tell
        events = [tell("response.output_item.added", output_index=index, item=begun(item))]
        *going, over = stages_of(item) or [""]
        events += [tell(stage, **place) for stage in going]
        if item["type"] == "mcp_call":
            events.append(tell("response.mcp_call_arguments.delta", **place, delta=item["arguments"]))
            events.append(tell("response.mcp_call_arguments.done", **place, arguments=item["arguments"]))
        if item["type"] == "code_interpreter_call":
            events.append(tell("response.code_interpreter_call_code.delta", **place, delta=item["code"]))
            events.append(tell("response.code_interpreter_call_code.done", **place, code=item["code"]))
        if over:
            events.append(tell(over, **place))
        events.append(tell("response.output_item.done", output_index=index, item=item))
        self._response.wire["output"].append(item)
        return events

    def _part(self, text: str) -> Wire:
        if self._refusing:
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "text": text, "annotations": [*self._annotations], "logprobs": []}

    def _called(self, call: Asked, status: str) -> list[Event]:
        self.tokens += tokens(call.arguments)
        item = {
            "id": self._world.new_id("fc"),
            "type": "function_call",
            "call_id": call.id,
            "name": call.tool,
            "arguments": call.arguments,
            "status": status,
        }
        index = len(self._response.wire["output"])
        place = {"item_id": item["id"], "output_index": index}
        opened = {**item, "arguments": "", "status": "in_progress"}
        events = [self._response.tell("response.output_item.added", output_index=index, item=opened)]
        events += [
            self._response.tell("response.function_call_arguments.delta", **place, delta=part)
            for part in pieces(call.arguments)
        ]
        arguments = {**place, "name": call.tool, "arguments": call.arguments}
        events.append(self._response.tell("response.function_call_arguments.done", **arguments))
        events.append(self._response.tell("response.output_item.done", output_index=index, item=item))
        self._response.wire["output"].append(item)
        return events

    def _place(self, item: str) -> dict[str, Any]:
        return {"item_id": item, "output_index": len(self._response.wire["output"]), "content_index": 0}


def _message(id: str, status: str, content: list[Wire]) -> Wire:  # noqa: A002 - as the wire calls it
    return {"id": id, "type": "message", "role": "assistant", "status": status, "content": content}
