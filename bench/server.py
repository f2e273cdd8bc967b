"""A server that costs next to nothing: canned answers on Chat Completions and Responses, whole or as a stream.

It parses no JSON. A request whose last word is the user's is answered by a call of `go`, one that holds the call's
output behind it by a sentence; so two requests make a handoff. `GET /stats` tells requests and bytes so far.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys

#: How a user's message of the bench ends, and the output of its tool: whichever comes last in a body decides.
USER, OUTPUT = b"please.", b"is open now."
ARGUMENTS = '{"page":"about"}'
SAID = "The page is open. What shall I change?"
CHAT_USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
USAGE = {
    "input_tokens": 100,
    "output_tokens": 10,
    "total_tokens": 110,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}


def chat(number: int, *, call: bool) -> dict[str, object]:
    """Return an answer of Chat Completions."""
    function = {"name": "go", "arguments": ARGUMENTS}
    message: dict[str, object] = {"role": "assistant", "content": None if call else SAID}
    if call:
        message["tool_calls"] = [{"id": f"call_{number}", "type": "function", "function": function}]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if call else "stop"}
    head = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": 1, "model": "bench"}
    return {**head, "choices": [choice], "usage": CHAT_USAGE}


def chat_events(number: int, *, call: bool) -> list[dict[str, object]]:
    """Return the same in pieces."""
    head = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": 1, "model": "bench"}
    function = {"name": "go", "arguments": ARGUMENTS}
    called = {"tool_calls": [{"index": 0, "id": f"call_{number}", "type": "function", "function": function}]}
    deltas = [called] if call else [{"content": part} for part in (SAID[:12], SAID[12:24], SAID[24:])]
    deltas = [{"role": "assistant", "content": None if call else ""}, *deltas]
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if call else "stop"}
    return [*chunks, {**head, "choices": [last]}, {**head, "choices": [], "usage": CHAT_USAGE}]


def response(number: int, *, call: bool) -> dict[str, object]:
    """Return a response."""
    text = {"type": "output_text", "text": SAID, "annotations": [], "logprobs": []}
    message = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [text]}
    asked = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": "go"}
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "bench",
        "output": [{**asked, "arguments": ARGUMENTS, "status": "completed"} if call else message],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": USAGE,
    }


def response_events(number: int, *, call: bool) -> list[dict[str, object]]:
    """Return the same in pieces, as few as a client can do with."""
    whole = response(number, call=call)
    created = {"type": "response.created", "sequence_number": 0, "response": {**whole, "status": "in_progress"}}
    place = {"item_id": f"msg_{number}", "output_index": 0, "content_index": 0, "logprobs": []}
    parts = [] if call else [SAID[:12], SAID[12:24], SAID[24:]]
    deltas = [
        {"type": "response.output_text.delta", "sequence_number": index, "delta": part, **place}
        for index, part in enumerate(parts, 1)
    ]
    return [created, *deltas, {"type": "response.completed", "sequence_number": 9, "response": whole}]


class Connection(asyncio.Protocol):
    """One connection; requests come one after the other."""

    requests = 0
    received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = bytearray()
        self._wanted = 0
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """Answer as soon as a request is there."""
        self._buffer += data
        while True:
            if not self._head:
                end = self._buffer.find(b"\r\n\r\n")
                if end < 0:
                    return
                self._head = bytes(self._buffer[: end + 4]).lower()
                del self._buffer[: end + 4]
                at = self._head.find(b"content-length:")
                self._wanted = 0 if at < 0 else int(self._head[at + 15 : self._head.index(b"\r", at)])
            if len(self._buffer) < self._wanted:
                return
            body = bytes(self._buffer[: self._wanted])
            del self._buffer[: self._wanted]
            head, self._head = self._head, b""
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        cls = type(self)
        if head.startswith(b"get /stats"):
            self._send(json.dumps({"requests": cls.requests, "bytes": cls.received}).encode())
            return
        cls.requests += 1
        cls.received += len(body)
        call = body.rfind(USER) > body.rfind(OUTPUT)
        is_chat = b"/chat/completions" in head[:60]
        if b'"stream":true' in body:
            events = (chat_events if is_chat else response_events)(cls.requests, call=call)
            kinds = ["" if is_chat else f"event: {event['type']}\n" for event in events]
            lines = [f"{kind}data: {json.dumps(event)}\n\n" for kind, event in zip(kinds, events, strict=True)]
            self._send("".join([*lines, "data: [DONE]\n\n"] if is_chat else lines).encode(), b"text/event-stream")
        else:
            self._send(json.dumps((chat if is_chat else response)(cls.requests, call=call)).encode())

    def _send(self, content: bytes, kind: bytes = b"application/json") -> None:
        length = str(len(content)).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ncontent-length: " + length + b"\r\n\r\n"
        self._transport.write(head + content)


async def main() -> None:
    """Listen on a free port, tell it, and serve until standard input is closed."""
    loop = asyncio.get_running_loop()
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    server = await loop.create_server(Connection, sock=listening)
    print(listening.getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
