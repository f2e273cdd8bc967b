"""A Chat Completions server that answers by a script, byte for byte: what a faithful server never sends can be sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Script:
    """What is answered, request by request, and what was asked.

    Attributes:
        replies: bytes of whole HTTP responses, in order; the connection is closed behind each.
        base_url: where it listens.
        bodies: the bodies of the requests.
        headers: their headers.
        hangs: the request, from 1, whose connection stays open behind its reply.
        asked: set once there was a request.
        under_way: what serves the connections.
        hung_up: set once the client has closed such a connection.
    """

    replies: list[bytes]
    hangs: int | None = None
    base_url: str = ""
    bodies: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of the last request."""
        return list(self.bodies[-1]["messages"])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        assert task is not None
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        try:
            await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # a client that has given up, before it had asked or before it had its answer
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[1:-2]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head)}
        self.headers.append(headers)
        self.bodies.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
        self.asked.set()
        assert self.replies, "the script is over"
        writer.write(self.replies.pop(0))
        await writer.drain()
        if self.hangs == len(self.bodies):
            await reader.read()
            self.hung_up.set()


@asynccontextmanager
async def scripted(*replies: bytes, hangs: int | None = None) -> AsyncGenerator[Script]:
    """Serve these replies on a free port of this machine."""
    script = Script(list(replies), hangs)
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    script.base_url = f"http://{host}:{port}/v1"
    try:
        yield script
    finally:
        server.close()
        await server.wait_closed()
        while script.under_way:
            await asyncio.wait(script.under_way)


def response(body: Any, status: int = 200, **headers: str) -> bytes:
    """A JSON response; text goes out as it is."""
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, str) else "application/json"
    lines = [
        f"HTTP/1.1 {status} Reason",
        f"content-type: {kind}",
        f"content-length: {len(content)}",
        "connection: close",
    ]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def completion(message: Any = None, finish: str | None = "stop", usage: Any = None) -> bytes:
    """A whole answer."""
    return response({"choices": [{"index": 0, "message": message, "finish_reason": finish}], "usage": usage})


def error(status: int, message: str = "no", *, code: str | None = None, kind: str = "error", **headers: str) -> bytes:
    """A refusal."""
    return response({"error": {"message": message, "type": kind, "param": None, "code": code}}, status, **headers)


def events(*data: Any, done: bool = True) -> bytes:
    """A stream of events; text goes out as it is."""
    lines = [one if isinstance(one, str) else json.dumps(one) for one in data] + (["[DONE]"] if done else [])
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    return (head + "".join(f"data: {line}\n\n" for line in lines)).encode()


def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One event of a stream."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def called(*calls: Any, finish: str | None = None) -> dict[str, Any]:
    """An event with pieces of tool calls."""
    return chunk(finish, tool_calls=list(calls))


def piece(index: Any = None, id: Any = None, name: Any = None, arguments: Any = None) -> dict[str, Any]:  # noqa: A002 - as the wire calls it
    """A piece of a tool call; what is None is left out."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    pieces: Sequence[tuple[str, Any]] = (("index", index), ("id", id), ("function", function))
    return {key: value for key, value in pieces if value is not None}
