"""Chat Completions: the whole history comes with every request, each call followed by its output (C1-C3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from handoff.core.answers import Citation
from handoff.core.items import Asked, Item, Output, Spoken
from handoff.sandbox.calls import Call, Stream, page
from handoff.sandbox.hosting import annotation_of
from handoff.sandbox.prompting import (
    assistant_named,
    instructs,
    lists,
    offered,
    pieces,
    reply_of,
    said,
    text_of,
    tokens,
)
from handoff.sandbox.rules import Refused, refused
from handoff.sandbox.speaking import Cut, ModelFailed, Question, Refusal, speak
from handoff.sandbox.world import Event, Wire, World

_INSTRUCTING = ("system", "developer")


async def create(call: Call) -> Wire | Stream:
    """Answer a history.

    Args:
        call: the request.

    Raises:
        Refused: fields do not go together, the order of the history is not valid, or the model failed.
    """
    body = call.body
    _check_fields(body)
    _check_order(body["messages"])
    question = _question(call)
    completion: Wire = {
        "id": call.world.new_id("chatcmpl").replace("_", "-", 1),
        "object": "chat.completion",
        "created": call.world.now(),
        "model": body["model"],
        "choices": [],
    }
    chunks = _chunks(call, question, completion)
    if body.get("stream"):
        return Stream(chunks, last=((None, "[DONE]"),))
    async with aclosing(chunks):
        async for _ in chunks:
            pass
    return completion


async def retrieve(call: Call) -> Wire:
    """Return a stored completion.

    Args:
        call: the request.
    """
    return _stored(call)


async def listed(call: Call) -> Wire:
    """Return the stored completions, or those of a model, or with metadata that the query names.

    Args:
        call: the request.
    """
    model = call.query.get("model")
    wanted = {key[len("metadata[") : -1]: value for key, value in call.query.items() if key.startswith("metadata[")}
    completions = [
        one
        for one in call.world.completions.values()
        if model in (None, one["model"]) and wanted.items() <= (one["metadata"] or {}).items()
    ]
    return page(call, completions, order="asc")


async def update(call: Call) -> Wire:
    """Change the metadata of a stored completion.

    Args:
        call: the request.
    """
    completion = _stored(call)
    completion["metadata"] = call.body["metadata"]
    return completion


async def delete(call: Call) -> Wire:
    """Forget a stored completion.

    Args:
        call: the request.
    """
    completion = _stored(call)
    del call.world.completions[completion["id"]]
    return {"id": completion["id"], "object": "chat.completion.deleted", "deleted": True}


def _stored(call: Call) -> Wire:
    id = call.path["completion_id"]  # noqa: A001 - as the wire calls it
    found = call.world.completions.get(id)
    if found is None:
        raise refused("no_completion", id=id)
    return found


def _check_fields(body: Wire) -> None:
    """Refuse what is about tools or a stream that there is none of."""
    tools = body.get("tools")
    calls = {f"messages[{index}].tool_calls": one.get("tool_calls") for index, one in enumerate(body["messages"])}
    for param, given in {"tools": tools, **calls}.items():
        if given == []:
            raise refused("empty_array", param=param)
    for field in ("tool_choice", "parallel_tool_calls"):
        if tools is None and body.get(field) is not None:
            raise refused("only_with_tools", field=field)
    if body.get("stream_options") is not None and not body.get("stream"):
        raise refused("only_streamed")
    match body.get("tool_choice"):
        case {"type": "function", "function": {"name": name}} if not lists(tools or (), body["tool_choice"]):
            raise refused("function_not_listed", name=name)
        case _:
            pass


def _check_order(messages: Sequence[Wire]) -> None:
    """Each message with calls is followed by a message for each of them, and by no other (C1, C2)."""
    asking, open_calls, answered = 0, list[str](), set[str]()
    for index, message in enumerate([*messages, Wire(role="end")]):
        if message["role"] == "tool":
            call = message["tool_call_id"]
            if call in answered:
                raise refused("tool_message_repeated", call=call, index=index)
            if call not in open_calls:
                raise refused("tool_message_alone", index=index)
            open_calls.remove(call)
            answered.add(call)
            continue
        if open_calls:
            raise refused("tool_message_missing", calls=", ".join(open_calls), index=asking)
        asking, answered = index, set[str]()
        open_calls = [one["id"] for one in message.get("tool_calls") or ()]


def _question(call: Call) -> Question:
    body = call.body
    leading = 0
    while leading < len(body["messages"]) and body["messages"][leading]["role"] in _INSTRUCTING:
        leading += 1
    ending = len(body["messages"])
    while ending > leading and instructs(body["messages"][ending - 1]):
        ending -= 1
    instructions = "\n".join(text_of(message.get("content")) for message in body["messages"][:leading])
    last = "\n".join(text_of(message.get("content")) for message in body["messages"][ending:])
    assistant = assistant_named(body.get("metadata"), f"{instructions}\n{last}", body["model"])
    tools, forced = offered(body.get("tools") or (), body.get("tool_choice"))
    return Question(
        call.operation,
        assistant,
        body["model"],
        instructions,
        tuple(_items(body["messages"][leading:ending], assistant)),
        tools,
        forced,
        body.get("parallel_tool_calls", True) is not False,
        body.get("max_completion_tokens") or body.get("max_tokens"),
        reply=reply_of(body.get("response_format")),
        last=last,
        listed=tuple(body.get("tools") or ()),
    )


def _items(messages: Sequence[Wire], assistant: str) -> list[Item]:
    items: list[Item] = []
    called: dict[str, str] = {}
    for index, message in enumerate(messages):
        text = text_of(message.get("content"))
        if message["role"] == "assistant":
            asked = tuple(map(_asked, message.get("tool_calls") or ()))
            called |= {one.id: one.tool for one in asked}
            items.append(Spoken(message.get("name") or assistant, 0, text, asked))
        elif message["role"] == "tool":
            items.append(Output(0, 0, message["tool_call_id"], called[message["tool_call_id"]], text))
        else:
            items.append(said(str(index), message["role"], message.get("content")))
    return items


def _asked(call: Wire) -> Asked:
    if call["type"] == "custom":
        return Asked(call["id"], call["custom"]["name"], call["custom"]["input"])
    return Asked(call["id"], call["function"]["name"], call["function"]["arguments"])


async def _chunks(call: Call, question: Question, completion: Wire) -> AsyncGenerator[Event, None]:
    """Yield the answer as it is streamed; what it comes to is in `completion` at the end."""
    world, body = call.world, call.body
    indices = range(body.get("n") or 1)
    streamed = bool(body.get("stream"))
    options: Wire = body.get("stream_options") or {}
    counted: Wire = {"usage": None} if options.get("include_usage") else {}  # told by the last chunk

    def chunk(delta: Wire, finish: str | None = None) -> Event:
        choices = [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish} for index in indices]
        return Event({**completion, "object": "chat.completion.chunk", "choices": choices, **counted})

    text, refusal_text, asked, sources, cut = "", "", list[Asked](), list[Wire](), ""
    cached = world.cache.read(question.model, question.read, world.clock.now())
    yield chunk({"role": "assistant", "content": "", "refusal": None})
    try:
        await _interfere(world, call.operation)
        async with aclosing(speak(world, question)) as answer:
            async for piece in answer:
                if isinstance(piece, Cut):
                    cut = "content_filter" if piece.reason == "content_filter" else "length"
                told = piece.call if isinstance(piece, Cut) else piece
                if isinstance(told, Refusal):
                    refusal_text += told
                    yield chunk({"refusal": told})
                elif isinstance(told, str):
                    text += told
                    yield chunk({"content": told})
                elif isinstance(told, Citation):
                    sources += [annotation_of(told)] if told.url else []
                elif isinstance(told, Asked):
                    for delta in _deltas(told, len(asked)):
                        yield chunk({"tool_calls": [delta]})
                    asked.append(told)
    except (ModelFailed, Refused) as error:
        refusal = error if isinstance(error, Refused) else refused("server_error")
        if not streamed:
            raise refusal from error
        yield Event({"error": {"message": refusal.text, "type": refusal.kind, "param": None, "code": refusal.code}})
        return
    finish = cut or ("tool_calls" if asked else "stop")
    yield chunk({}, finish)
    said_tokens = tokens(text) + tokens(refusal_text) + sum(tokens(one.arguments) for one in asked)
    message: Wire = {"role": "assistant", "content": text or None, "refusal": refusal_text or None}
    message["annotations"] = [
        {"type": "url_citation", "url_citation": {key: one[key] for key in one if key != "type"}} for one in sources
    ]
    if asked:
        message["tool_calls"] = [_wire(one) for one in asked]
    completion["choices"] = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": finish} for index in indices
    ]
    completion["usage"] = {
        "prompt_tokens": question.size,
        "completion_tokens": said_tokens,
        "total_tokens": question.size + said_tokens,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
    }
    if body.get("store"):
        completion["metadata"] = body.get("metadata") or {}
        world.completions[completion["id"]] = completion
    if counted:
        yield Event({**completion, "object": "chat.completion.chunk", "choices": []})


async def _interfere(world: World, operation: str) -> None:
    fault = world.faults.take(operation, "stuck", "failed")
    if fault == "stuck":
        await world.clock.sleep(world.expire)
    if fault is not None:
        raise refused("server_error")


def _deltas(call: Asked, index: int) -> list[Wire]:
    opening: Wire = {"index": index, **_wire(call), "function": {"name": call.tool, "arguments": ""}}
    return [opening, *({"index": index, "function": {"arguments": part}} for part in pieces(call.arguments))]


def _wire(call: Asked) -> Wire:
    return {"id": call.id, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}
