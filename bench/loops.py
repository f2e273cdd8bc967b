"""The standard work, in each way it can be done: one turn of a user is one handoff, that is two requests.

A floor is the least code that does the same by hand: it keeps the messages, sends them, runs the tool, and swaps
instructions and tools. Ours are whole threads of the framework. All speak to `bench/server.py`.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

INSTRUCTIONS = {
    "a": "You are the front desk of a web site. Find out which page is meant, then hand over.",
    "b": "You are the editor of a web site. Change the page about as the user says, then hand over.",
}
TOOL: dict[str, Any] = {
    "name": "go",
    "description": "Open a page, and hand over.",
    "parameters": {
        "type": "object",
        "properties": {"page": {"type": "string"}},
        "required": ["page"],
        "additionalProperties": False,
    },
    "strict": True,
}
NESTED, FLAT = [{"type": "function", "function": TOOL}], [{"type": "function", **TOOL}]
OUTPUT = "about is open now."


def said(number: int) -> str:
    """What the user says in a turn."""
    return f"This is turn {number}: open the page about and make its first sentence a little shorter, please."


class Loop(Protocol):
    """A way to do the work."""

    async def turn(self, thread: int, number: int) -> None:
        """Do one turn of a thread."""
        ...


class ByHand:
    """Chat by hand: the messages of each thread are a list, sent whole with every request."""

    def __init__(self) -> None:
        self._messages: dict[int, list[dict[str, Any]]] = {}
        self._active: dict[int, str] = {}

    async def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer."""
        raise NotImplementedError

    def filled(self, thread: int, turns: int) -> None:
        """Begin a thread as it is after that many turns."""
        messages = self._messages[thread] = []
        for number in range(turns):
            call = {"id": f"c{number}", "type": "function", "function": {"name": "go", "arguments": '{"page":"about"}'}}
            messages += [
                {"role": "user", "content": said(number)},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": f"c{number}", "content": OUTPUT},
                {"role": "assistant", "content": "The page is open. What shall I change?"},
            ]

    async def turn(self, thread: int, number: int) -> None:
        """Do one turn of a thread."""
        messages = self._messages.setdefault(thread, [])
        messages.append({"role": "user", "content": said(number)})
        while True:
            active = self._active.get(thread, "a")
            system = {"role": "system", "content": INSTRUCTIONS[active]}
            answer = await self.post({"model": "bench", "tools": NESTED, "messages": [system, *messages]})
            message = answer["choices"][0]["message"]
            calls = message.get("tool_calls")
            if not calls:
                messages.append({"role": "assistant", "content": message["content"]})
                return
            kept = [{key: call[key] for key in ("id", "type", "function")} for call in calls]
            messages.append({"role": "assistant", "content": None, "tool_calls": kept})
            for call in calls:
                json.loads(call["function"]["arguments"])
                self._active[thread] = "b" if active == "a" else "a"
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": OUTPUT})


class Socket(ByHand):
    """Nothing but a socket and JSON."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._connection = socket.create_connection(("127.0.0.1", port))
        self._file = self._connection.makefile("rb")

    async def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer."""
        content = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: bench\r\ncontent-length: {len(content)}\r\n\r\n"
        self._connection.sendall(head.encode() + content)
        length = 0
        while (line := self._file.readline()) != b"\r\n":
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        answer: dict[str, Any] = json.loads(self._file.read(length))
        return answer

    def close(self) -> None:
        """Close the socket."""
        self._file.close()
        self._connection.close()


class Httpx(ByHand):
    """The HTTP client that the SDK stands on."""

    def __init__(self, http: Any) -> None:
        super().__init__()
        self._http = http

    async def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer."""
        answer: dict[str, Any] = (await self._http.post("chat/completions", json=body)).json()
        return answer


class Posted(ByHand):
    """`client.post`: the SDK without its transform of the request, with the same typed answer."""

    def __init__(self, client: Any) -> None:
        super().__init__()
        from openai.types.chat import ChatCompletion

        self._client, self._type = client, ChatCompletion

    async def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer."""
        answer = await self._client.post("/chat/completions", body=body, cast_to=self._type)
        return {"choices": [{"message": _plain(answer.choices[0].message)}]}


class Documented(Posted):
    """The SDK as its documentation says."""

    async def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer."""
        answer = await self._client.chat.completions.create(**body)
        return {"choices": [{"message": _plain(answer.choices[0].message)}]}


class Streamed(Posted):
    """`client.post` with a stream."""

    async def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the answer."""
        from openai import AsyncStream
        from openai.types.chat import ChatCompletionChunk

        told = {**body, "stream": True, "stream_options": {"include_usage": True}}
        kind = AsyncStream[ChatCompletionChunk]
        stream = await self._client.post(
            "/chat/completions", body=told, cast_to=ChatCompletionChunk, stream=True, stream_cls=kind
        )
        text, calls = "", list[dict[str, Any]]()
        async for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    function = {"name": call.function.name, "arguments": call.function.arguments}
                    calls.append({"id": call.id, "type": "function", "function": function})
        return {"choices": [{"message": {"content": text, "tool_calls": calls}}]}


def _plain(message: Any) -> dict[str, Any]:
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in message.tool_calls or ()
    ]
    return {"content": message.content, "tool_calls": calls}


class Chained:
    """Responses by hand: a request holds what is new, and names the response before."""

    def __init__(self, client: Any, *, documented: bool) -> None:
        from openai.types.responses import Response

        self._client, self._type, self._documented = client, Response, documented
        self._latest: dict[int, str] = {}
        self._active: dict[int, str] = {}

    async def turn(self, thread: int, number: int) -> None:
        """Do one turn of a thread."""
        new: list[dict[str, Any]] = [{"role": "user", "content": said(number)}]
        while True:
            active = self._active.get(thread, "a")
            body: dict[str, Any] = {"model": "bench", "instructions": INSTRUCTIONS[active], "tools": FLAT, "input": new}
            if thread in self._latest:
                body["previous_response_id"] = self._latest[thread]
            if self._documented:
                answer = await self._client.responses.create(**body)
            else:
                answer = await self._client.post("/responses", body=body, cast_to=self._type)
            self._latest[thread] = answer.id
            calls = [item for item in answer.output if item.type == "function_call"]
            if not calls:
                return
            new = []
            for call in calls:
                json.loads(call.arguments)
                self._active[thread] = "b" if active == "a" else "a"
                new.append({"type": "function_call_output", "call_id": call.call_id, "output": OUTPUT})


def _go(*, worker: bool) -> Callable[[str], Any]:
    """One tool for each assistant, of the same name: the server calls `go`, whoever is active.

    A coroutine runs where the floors run theirs, on the loop; a function, on a worker thread.
    """
    if worker:

        def go(page: str) -> str:
            """Open a page, and hand over."""
            return f"{page} is open now."

        return go

    async def go_on_loop(page: str) -> str:
        """Open a page, and hand over."""
        return f"{page} is open now."

    go_on_loop.__name__ = "go"
    return go_on_loop


class Ours:
    """Threads of the framework: two assistants, each with one tool that hands over to the other."""

    def __init__(self, backend: Any, store: Any, *, worker: bool = False) -> None:
        from handoff import Flow, Limits, Metadata, Threads

        class Site(Metadata):
            page: str | None = None

        flow = Flow("bench", metadata=Site, limits=Limits())
        front = flow.assistant("a", instructions=INSTRUCTIONS["a"])
        editor = flow.assistant("b", instructions=INSTRUCTIONS["b"].replace("about", "{{ page }}", 1))

        front.tool(to=editor, sets="page")(_go(worker=worker))
        editor.tool(to=front)(_go(worker=worker))
        self.threads = Threads(flow, backend=backend, store=store)
        self._opened: dict[int, Any] = {}

    async def turn(self, thread: int, number: int) -> None:
        """Do one turn of a thread."""
        found = self._opened.get(thread)
        if found is None:
            found = self._opened[thread] = await self.threads.open(f"t{thread}")
        await found.send(said(number))


# -- all of them -------------------------------------------------------------------------------------------------------

Make = Callable[[AsyncExitStack, int, Path], Coroutine[Any, Any, Loop]]


def _client(stack: AsyncExitStack, port: int, *, aiohttp: bool = False) -> Any:
    from openai import AsyncOpenAI, DefaultAioHttpClient

    http = DefaultAioHttpClient() if aiohttp else None
    client = AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="bench", max_retries=0, http_client=http)
    stack.push_async_callback(client.close)
    return client


async def _socket(stack: AsyncExitStack, port: int, _: Path) -> Loop:
    made = Socket(port)
    stack.callback(made.close)
    return made


async def _httpx(stack: AsyncExitStack, port: int, _: Path) -> Loop:
    import httpx2

    http = await stack.enter_async_context(httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}/v1/"))
    return Httpx(http)


def _sdk(kind: Callable[[Any], Loop], *, aiohttp: bool = False) -> Make:
    async def make(stack: AsyncExitStack, port: int, _: Path) -> Loop:
        return kind(_client(stack, port, aiohttp=aiohttp))

    return make


def _ours(
    backend: str, *, stream: bool = False, durable: bool = False, httpx2: bool = False, worker: bool = False
) -> Make:
    async def make(stack: AsyncExitStack, port: int, directory: Path) -> Loop:
        from handoff import SqlStore
        from handoff.backends.chat import Chat
        from handoff.backends.responses import Responses

        kind = Chat if backend == "chat" else Responses
        where: dict[str, Any] = {"base_url": f"http://127.0.0.1:{port}/v1", "api_key": "bench"}
        if httpx2:
            where = {"client": _client(stack, port)}
        made = kind("bench", stream=stream, **where)
        ours = Ours(made, SqlStore(directory / "threads.db") if durable else None, worker=worker)
        await stack.enter_async_context(ours.threads)
        return ours

    return make


#: What is measured, by name.
WAYS: dict[str, Make] = {
    "bare socket": _socket,
    "httpx2": _httpx,
    "client.post": _sdk(Posted),
    "SDK as documented": _sdk(Documented),
    "client.post, aiohttp": _sdk(Posted, aiohttp=True),
    "handoff chat": _ours("chat"),
    "handoff chat, worker thread": _ours("chat", worker=True),
    "handoff chat, httpx2": _ours("chat", httpx2=True),
    "handoff chat, durable": _ours("chat", durable=True),
    "client.post, streamed": _sdk(Streamed),
    "handoff chat, streamed": _ours("chat", stream=True),
    "previous_response_id, SDK": _sdk(lambda client: Chained(client, documented=True)),
    "previous_response_id, post": _sdk(lambda client: Chained(client, documented=False)),
    "handoff responses": _ours("responses"),
    "handoff responses, durable": _ours("responses", durable=True),
}


async def concurrent(loop: Loop, threads: int, turns: int) -> None:
    """Do turns on many threads at the same time, one after the other on each."""

    async def one(thread: int) -> None:
        for number in range(turns):
            await loop.turn(thread, number)

    await asyncio.gather(*(one(thread) for thread in range(threads)))
