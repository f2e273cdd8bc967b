"""Responses: requests that chain by previous_response_id or grow a conversation, in the foreground or background.

A foreground response is made while its request is open: who hangs up has no response. One in the background goes on by
itself, and its stream can be taken up again (R8).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from handoff.sandbox import conversations, hosting, items
from handoff.sandbox.calls import TRUE, Call, Stream, page, whole
from handoff.sandbox.prompting import assistant_named, instructs, offered, reply_of, require_listed, text_of
from handoff.sandbox.responding import Stored, release, respond
from handoff.sandbox.rules import RESPONSE_SECONDS, refused
from handoff.sandbox.speaking import Question
from handoff.sandbox.webhooks import tell
from handoff.sandbox.world import Event, Wire, World

__all__ = ["Stored", "begin", "cancel", "count_tokens", "create", "delete", "input_items", "retrieve"]


def begin(call: Call) -> tuple[Stored, AsyncGenerator[Event, None]]:
    """Prepare a response: its conversation is locked, and iterating makes it.

    Args:
        call: the request.

    Returns:
        The response, and its events.

    Raises:
        Refused: it forces a tool it does not list; its history is not there, is locked, or does not go with its input.
    """
    body = call.body
    for field in ("model", "input"):
        if body.get(field) is None:
            raise refused("field_missing", param=field)
    if body.get("background") and body.get("store") is False:
        raise refused("background_unstored")
    choice: Wire | str | None = body.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] != "allowed_tools":
        require_listed((choice,), body.get("tools") or ())
    response, history = _prepared(call)
    question = _question(call, history, response.input)
    response.assistant = question.assistant
    return response, respond(call.world, response, question)


async def create(call: Call) -> Wire | Stream:
    """Make a response.

    Args:
        call: the request.

    Raises:
        Refused: as `begin`.
    """
    world, body = call.world, call.body
    response, work = begin(call)
    if body.get("background"):
        world.responses[response.id] = response
        first = await anext(work)  # it has begun before anybody can cancel it
        response.task = world.spawn(_carry_on(world, response, work))
        return Stream(response.follow()) if body.get("stream") else first.data["response"]
    if body.get("stream"):
        return Stream(work)
    async with aclosing(work):
        async for _ in work:
            pass
    return response.wire


async def retrieve(call: Call) -> Wire | Stream:
    """Return a response, or its stream from where it was left.

    Args:
        call: the request.

    Raises:
        Refused: it has no stream that could be taken up again.
    """
    response = _found(call)
    if call.query.get("stream") in TRUE:
        for field in ("background", "stream"):
            if not response.asked.get(field):
                raise refused("not_streamed", field=field)
        return Stream(response.follow(max(0, whole(call, "starting_after", -1) + 1)))
    return response.wire


async def delete(call: Call) -> Wire:
    """Forget a response, and stop it if it is being made; those that chain from it keep what it said.

    Args:
        call: the request.
    """
    response = _found(call)
    if response.task is not None:
        response.task.cancel()  # else it would be kept again at its end
        release(call.world, response)
    del call.world.responses[response.id]
    return {"id": response.id, "object": "response", "deleted": True}


async def cancel(call: Call) -> Wire:
    """Stop a response in the background; once more is no error (R8).

    Args:
        call: the request.

    Raises:
        Refused: it is not in the background, or over.
    """
    response = _found(call)
    status = response.wire["status"]
    if not response.wire["background"]:
        raise refused("not_in_background")
    if status == "cancelled":
        return response.wire
    if status not in ("queued", "in_progress"):
        raise refused("response_over", status=status)
    response.wire["status"] = "cancelled"
    if response.task is not None:
        response.task.cancel()
    release(call.world, response)
    tell(call.world, response.wire)
    return response.wire


async def input_items(call: Call) -> Wire:
    """Return what a response was given, its history included.

    Args:
        call: the request.
    """
    response = _found(call)
    return page(call, [*(response.previous.chain() if response.previous else ()), *response.input])


async def count_tokens(call: Call) -> Wire:
    """Return how many tokens a request would count, by the sandbox's own count: words.

    Args:
        call: the request.
    """
    _, history = _prepared(call, lock=False)
    return {"object": "response.input_tokens", "input_tokens": _question(call, history).size}


def _found(call: Call) -> Stored:
    found = _kept(call.world, call.path["response_id"])
    if found is None:
        raise refused("no_response", id=call.path["response_id"])
    return found


def _kept(world: World, id: str) -> Stored | None:  # noqa: A002 - as the wire calls it
    """A stored response, unless it is too old (R9)."""
    found = world.responses.get(id)
    if found is not None and world.now() >= found.wire["created_at"] + RESPONSE_SECONDS:
        del world.responses[id]
        return None
    return found


def _prepared(call: Call, *, lock: bool = True) -> tuple[Stored, list[Wire]]:
    """The response to be, its conversation locked, and all the items the model is to see."""
    world, body = call.world, call.body
    previous_id, named = body.get("previous_response_id"), body.get("conversation")
    if previous_id is not None and named is not None:
        raise refused("two_histories")
    previous = None if previous_id is None else _kept(world, previous_id)
    if previous_id is not None and previous is None:
        raise refused("no_previous", id=previous_id)
    conversation = None
    if named is not None:
        conversation = conversations.find(world, named if isinstance(named, str) else named["id"])
        conversation.require_unlocked()
    history = previous.chain() if previous else [*conversation.items] if conversation else []
    new = items.admit(world, body.get("input"), history, lambda wanted: _item(world, wanted))
    items.check(history, new)
    response = Stored(_wire(world, body), body, new, previous, conversation)
    if conversation is not None and lock:
        conversation.busy = response.id
    return response, [*history, *new]


def _item(world: World, id: str) -> Wire | None:  # noqa: A002 - as the wire calls it
    for response in world.responses.values():
        said: list[Wire] = response.wire["output"]
        for item in (*response.input, *said):
            if item["id"] == id:
                return item
    return None


def _question(call: Call, history: list[Wire], new: Sequence[Wire] = ()) -> Question:
    body = call.body
    instructions = body.get("instructions") or ""
    model = body.get("model") or ""
    history, last = _parted(history)
    assistant = assistant_named(body.get("metadata"), f"{instructions}\n{last}", model)
    given, choice = body.get("tools") or (), body.get("tool_choice")
    tools, forced = offered(given, choice)
    text: Wire = body.get("text") or {}
    requests = {item["id"]: item for item in history if item["type"] == "mcp_approval_request"}
    _, told = hosting.approved(history, requests.get)
    done, _ = hosting.approved(new, requests.get)
    return Question(
        call.operation,
        assistant,
        model,
        instructions,
        items.shown(history, call.world.speakers, assistant, told),
        tools,
        hosting.forced_kind(choice, given) or forced,
        body.get("parallel_tool_calls") is not False,
        body.get("max_output_tokens"),
        () if choice == "none" else hosting.declared(given),
        reply_of(text.get("format")),
        done,
        last,
        tuple(given),
    )


def _parted(history: list[Wire]) -> tuple[list[Wire], str]:
    """The items of a history, and the instructions that stand behind them."""
    end = len(history)
    while end and history[end - 1]["type"] == "message" and instructs(history[end - 1]):
        end -= 1
    return history[:end], "\n".join(text_of(item["content"]) for item in history[end:])


def _wire(world: World, body: Wire) -> Wire:
    """A response before anything was said: what was asked for, with the defaults of what was not."""

    def asked(field: str, otherwise: Any) -> Any:
        return otherwise if body.get(field) is None else body[field]

    conversation = body.get("conversation")
    wire: Wire = {
        "id": world.new_id("resp"),
        "object": "response",
        "created_at": world.now(),
        "completed_at": None,
        "status": "in_progress",
        "background": asked("background", otherwise=False),
        "conversation": {"id": conversation} if isinstance(conversation, str) else conversation,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": body.get("model"),
        "output": [],
        "parallel_tool_calls": asked("parallel_tool_calls", otherwise=True),
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": asked("reasoning", {"effort": None, "summary": None}),
        "service_tier": asked("service_tier", "default"),
        "store": asked("store", otherwise=True),
        "temperature": asked("temperature", 1.0),
        "text": asked("text", {"format": {"type": "text"}}),
        "tool_choice": asked("tool_choice", "auto"),
        "tools": [_tool(tool) for tool in body.get("tools") or ()],
        "top_p": asked("top_p", 1.0),
        "truncation": asked("truncation", "disabled"),
        "metadata": asked("metadata", {}),
    }
    for field in ("max_tool_calls", "prompt_cache_key", "safety_identifier", "top_logprobs", "user"):
        if body.get(field) is not None:
            wire[field] = body[field]
    return wire


def _tool(tool: Wire) -> Wire:
    if tool["type"] == "mcp":
        return {name: value for name, value in tool.items() if name not in ("headers", "authorization")}
    return {"parameters": None, "strict": True, **tool} if tool["type"] == "function" else tool


async def _carry_on(world: World, response: Stored, work: AsyncGenerator[Event, None]) -> None:
    """Make a background response to its end, then tell of it."""
    try:
        async with aclosing(work):
            async for _ in work:
                pass
    except asyncio.CancelledError:
        if response.wire["status"] != "cancelled":
            raise
        return
    tell(world, response.wire)
