"""A sandbox in front of which a test stands: it may answer any request in the sandbox's place."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from handoff.sandbox import Sandbox

#: Given method, path below /v1, body and headers, what is answered; None lets the sandbox answer.
Judge = Callable[[str, str, Mapping[str, Any], Mapping[str, str]], Response | None]


class Grudging(Sandbox):
    """A sandbox that takes less than it could.

    Attributes:
        asked: method and path of every request, in order.
    """

    def __init__(self, judge: Judge, **options: Any) -> None:
        super().__init__(**options)
        self.asked: list[tuple[str, str]] = []
        self._judge = judge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge the request, and let the sandbox answer what is let through."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        raw = await request.body()
        path = request.url.path.removeprefix("/v1")
        self.asked.append((request.method, path))
        answer = self._judge(request.method, path, json.loads(raw) if raw else {}, request.headers)
        if answer is not None:
            await answer(scope, receive, send)
            return
        handed = False

        async def again() -> Message:
            nonlocal handed
            if handed:
                return await receive()
            handed = True
            return {"type": "http.request", "body": raw, "more_body": False}

        await super().__call__(scope, again, send)


def no(message: str, status: int = 400, **error: Any) -> Response:
    """A refusal, as OpenAI's protocols have it."""
    told = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **error}
    return JSONResponse({"error": told}, status)
