"""The sandbox as an ASGI application: authorization, faults and checks around every operation of `ROUTES`.

A request is refused before anything is done, or done whole; what is done is told as JSON or as server-sent events.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import math
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, asynccontextmanager, suppress
from fnmatch import fnmatchcase
from typing import TypeVar

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Path
from starlette.routing import WebSocketRoute
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from handoff.clock import Clock, SystemClock
from handoff.errors import ConfigurationError
from handoff.models import Model
from handoff.sandbox.calls import Call, Stream
from handoff.sandbox.faults import REFUSALS, Faults
from handoff.sandbox.model import PlainModel
from handoff.sandbox.routes import ROUTES, Route
from handoff.sandbox.rules import RUN_SECONDS, Refused, refused
from handoff.sandbox.steering import converse
from handoff.sandbox.validation import check, parsed
from handoff.sandbox.webhooks import Webhook
from handoff.sandbox.world import Wire, World

#: How many events a stalled stream sends before it goes silent.
STALL_AFTER = 3
_NOT_FOUND = 404

Given = TypeVar("Given")


class ConnectionDropped(httpx2.RemoteProtocolError):
    """The sandbox dropped the connection on purpose. In process it comes to the client as it would over a socket."""


class Sandbox:
    """OpenAI's HTTP API below /v1, in memory: an ASGI application.

    Attributes:
        world: all that it holds.
    """

    def __init__(
        self,
        model: Model | None = None,
        *,
        faults: Faults | None = None,
        expire: float = RUN_SECONDS,
        token: str | None = None,
        webhook: Webhook | None = None,
        clock: Clock | None = None,
        poll_milliseconds: int = 50,
    ) -> None:
        """Make an empty one.

        Args:
            model: who answers; left out, a plain deterministic one.
            faults: what goes wrong; left out, nothing.
            expire: seconds after which a run expires, and whatever is stuck or stalled ends.
            token: the only API key that is taken; left out, any is, and none.
            webhook: where background responses are told of.
            clock: its time and ids.
            poll_milliseconds: how long the SDK is told to wait between two looks at a run.

        Raises:
            ConfigurationError: a number is not positive or endless, or a fault is scripted for an operation there is
                none of.
        """
        if not 0 < expire < math.inf or poll_milliseconds <= 0:
            raise ConfigurationError("expire and poll_milliseconds must be more than nothing, and end some day")
        faults = faults or Faults()
        for operation in faults.operations:
            if not any(fnmatchcase(route.name, operation) for route in ROUTES):
                raise ConfigurationError(
                    f"there is no operation {operation!r}: write one as the SDK has it, such as responses.create, "
                    "chat.completions.create, runs.create or messages.create; * stands for anything"
                )
        self.world = World(
            clock or SystemClock(),
            model or PlainModel(),
            faults,
            expire,
            poll_milliseconds,
            webhook,
        )
        self.token = token
        self._application = Starlette(
            routes=[*(self._path(route) for route in ROUTES), WebSocketRoute("/v1/responses", self._converse)],
            exception_handlers={HTTPException: _not_routed, Exception: _failed},
            lifespan=self._lifespan,
        )
        self._application.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, as ASGI has it; whatever is answered has an id of its own."""

        async def numbered(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-request-id", self.world.new_id("req").encode())]
            await send(message)

        await self._application(scope, receive, numbered)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.world.close()

    def _path(self, route: Route) -> Path:
        async def endpoint(request: Request) -> Response:
            try:
                return await self._answer(route, request)
            except Refused as refusal:
                return _refusal(refusal, bare=route.bare_not_found and refusal.status == _NOT_FOUND)

        # no Mount: its pattern stops at a line break, which an id may hold
        return Path(f"/v1{route.path}", endpoint, methods=[route.method], name=route.name)

    async def _converse(self, socket: WebSocket) -> None:
        try:
            self._authorize(socket)
        except Refused as refusal:
            await socket.send_denial_response(_refusal(refusal))
            return
        await socket.accept()
        await converse(self.world, socket)

    async def _answer(self, route: Route, request: Request) -> Response:
        self._authorize(request)
        if route.beta and "assistants=v2" not in request.headers.get("openai-beta", ""):
            raise refused("no_beta_header")
        faults = self.world.faults
        fault = faults.take(route.name, *REFUSALS, "drop_before")
        if fault in REFUSALS:
            raise refused(REFUSALS[fault])
        if fault is not None:
            return _Dropped()
        body = parsed(await request.body()) if route.schema else {}
        if route.schema:
            check(route.schema, body)
        call = Call(self.world, route.name, request.path_params, request.query_params, body)
        if route.method != "GET" and faults.take(route.name, "late"):
            self.world.spawn(self._late(route, call))
            return _Dropped()
        given = await _while_heard(request, route.operation(call)) if route.heard else await route.operation(call)
        if given is None:
            return _Unheard()
        if faults.take(route.name, "drop_after"):
            if isinstance(given, Stream):
                await _drain(given)
            return _Dropped()
        if isinstance(given, Stream):
            stalls = faults.take(route.name, "stall") is not None
            events = _encoded(self.world, given, stalls=stalls)
            return StreamingResponse(events, media_type="text/event-stream")
        polled = route.name.startswith("runs.")
        return _json(given, headers={"openai-poll-after-ms": str(self.world.poll_milliseconds)} if polled else None)

    async def _late(self, route: Route, call: Call) -> None:
        """Do what was asked for when nobody waits for it any more; whoever asked never learns of a refusal."""
        await self.world.clock.sleep(self.world.faults.lateness)
        with suppress(Refused):
            given = await route.operation(call)
            if isinstance(given, Stream):
                await _drain(given)

    def _authorize(self, request: HTTPConnection) -> None:
        if self.token is None:
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise refused("no_key")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise refused("wrong_key")


async def _while_heard(request: Request, work: Awaitable[Given]) -> Given | None:
    """Do something for as long as its client listens; return None if it hung up before that was done."""
    doing = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(request.receive())  # the body has been read: what comes next is the end
    try:
        await asyncio.wait((doing, leaving), return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        doing.cancel()
        leaving.cancel()


class _Unheard(Response):
    """Says nothing: the client has hung up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send


class _Dropped(Response):
    """Promises a body and breaks the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        raise ConnectionDropped("the connection was dropped on purpose")


async def _encoded(world: World, stream: Stream, *, stalls: bool) -> AsyncGenerator[str, None]:
    sent = 0
    async with aclosing(stream.events):
        async for event in stream.events:
            yield _lines(event.name, _text(event.data))
            sent += 1
            if stalls and sent == STALL_AFTER:
                await world.clock.sleep(world.expire)
                return
    for name, data in stream.last:
        yield _lines(name, data)


async def _drain(stream: Stream) -> None:
    async with aclosing(stream.events):
        async for _ in stream.events:
            pass


def _lines(name: str | None, data: str) -> str:
    """One event as it is sent; its data has no line breaks."""
    return f"data: {data}\n\n" if name is None else f"event: {name}\ndata: {data}\n\n"


def _text(content: Wire) -> str:
    # ASCII, so that lone surrogates that came in go out again as they came
    return json.dumps(content, separators=(",", ":"))


def _json(content: Wire, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(_text(content), status, headers, media_type="application/json")


def _refusal(refusal: Refused, headers: dict[str, str] | None = None, *, bare: bool = False) -> Response:
    error: Wire = {"message": refusal.text, "type": refusal.kind, "param": refusal.param, "code": refusal.code}
    told = {**(headers or {})}
    if refusal.retry_after is not None:
        told["retry-after"] = str(refusal.retry_after)
    return _json({"error": error, **(error if bare else {})}, refusal.status, told)


def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    way = "no_method" if error.status_code == 405 else "no_url"  # noqa: PLR2004 - Method Not Allowed
    return _refusal(refused(way, method=request.method, path=request.url.path), dict(error.headers or {}))


def _failed(_: Request, __: Exception) -> Response:
    """What is the sandbox's own fault; Starlette logs it."""
    return _refusal(refused("server_error"))
