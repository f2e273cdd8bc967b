"""Responses over a WebSocket: made one after another on one connection, and steered while they are made (R12).

Input that steers is accepted, not applied: it waits until its response is over. Then a successor starts by itself, or,
where outputs of calls are owed, the input waits for the request that brings them; no tool is called again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from handoff.sandbox import items, responses
from handoff.sandbox.calls import Call
from handoff.sandbox.responding import Stored
from handoff.sandbox.rules import Refused, refused
from handoff.sandbox.validation import check, parsed
from handoff.sandbox.world import Wire, World

_OPERATION = "responses.connect"


@dataclass(slots=True, eq=False)
class _Lane:
    """A response made on the connection, what asked for it, and what steers it."""

    asked: Wire
    response: Stored
    #: Accepted and not applied: id and input of each.
    waiting: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])


async def converse(world: World, socket: WebSocket) -> None:
    """Serve one connection until the client hangs up; what is being made for it then never was.

    Args:
        world: the sandbox.
        socket: the connection, accepted.
    """
    connection = _Connection(world, socket)
    try:
        while True:
            await connection.take(await socket.receive_text())
    except WebSocketDisconnect:
        pass
    finally:
        await connection.close()


class _Connection:
    def __init__(self, world: World, socket: WebSocket) -> None:
        self._world = world
        self._socket = socket
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def take(self, text: str) -> None:
        """Do what one message of the client asks for."""
        try:
            message = parsed(text.encode("utf-8", "surrogatepass"))
            match message.get("type"):
                case "response.create":
                    task = self._world.spawn(self._create({**message}))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                case "response.steer":
                    await self._steer(message)
                case kind:
                    await self._refuse(refused("field_value", param="type", problem=f"there is no event {kind!r}"))
        except Refused as refusal:
            await self._refuse(refusal)

    async def close(self) -> None:
        """Drop what is being made."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _create(self, message: Wire) -> None:
        """Make a response, and successors for as long as it was steered meanwhile."""
        stream_id = message.pop("stream_id", None)
        marks: Wire = {} if stream_id is None else {"stream_id": stream_id}
        asked = {key: value for key, value in message.items() if key != "type"}
        try:
            lane = await self._make(asked, marks)
        except Refused as refusal:
            await self._refuse(refusal)
            return
        while await self._has_successor(lane, marks):
            previous = lane.response.id
            try:
                lane = await self._make({**lane.asked, "previous_response_id": previous, "input": []}, marks)
            except Refused as refusal:
                await self._return(lane, "successor_creation_failed", refusal.text)
                return

    async def _make(self, asked: Wire, marks: Wire) -> _Lane:
        """Make one response; what steered the one before comes first in its input."""
        check("createResponse", asked)
        before = self._lanes.get(asked.get("previous_response_id") or "")
        queued = [] if before is None else [one for _, given in before.waiting for one in _messages(given) or ()]
        given: Any = asked.get("input")
        own = [{"role": "user", "content": given}] if isinstance(given, str) else given
        body = {**asked, "input": [*queued, *own]} if queued and own is not None else asked
        response, work = responses.begin(Call(self._world, _OPERATION, body=body))
        lane = self._lanes[response.id] = _Lane(asked, response)
        async with aclosing(work):
            async for event in work:
                if before is not None:  # the successor is there, and what steered is applied
                    before.waiting.clear()
                await self._send({**event.data, **marks})
        return lane

    async def _has_successor(self, lane: _Lane, marks: Wire) -> bool:
        """Whether accepted input makes a successor now; else say what becomes of it."""
        wire = lane.response.wire
        if lane.waiting and wire["status"] != "completed":
            await self._return(lane, "response_not_active", f"it is {wire['status']}")
        owed = [
            {"type": f"{item['type']}_output", "call_id": item["call_id"], "name": item["name"]}
            for item in wire["output"]
            if item["type"] in items.CALLS
        ]
        for steer, _ in lane.waiting if owed else ():
            event = lane.response.tell(
                "response.steer.pending",
                reason="waiting_for_required_input",
                required_input=owed,
                steer={"id": steer, "previous_response_id": wire["id"]},
            )
            await self._send({**event.data, **marks})
        return bool(lane.waiting) and not owed

    async def _return(self, lane: _Lane, code: str, why: str) -> None:
        """Give accepted input back."""
        for steer, given in lane.waiting:
            await self._fail(lane.response.id, given, code, why, steer)
        lane.waiting.clear()

    async def _steer(self, message: Wire) -> None:
        target, given = message.get("previous_response_id"), message.get("input")
        lane = self._lanes.get(target) if isinstance(target, str) else None
        if lane is None:
            await self._fail(target, given, "response_not_found", "it was not made on this connection")
        elif _messages(given) is None:
            await self._fail(target, given, "invalid_input", "only messages of the user steer")
        elif lane.response.conversation is not None:
            await self._fail(target, given, "steering_not_supported", "it is bound to a conversation")
        elif lane.response.wire["status"] != "in_progress":
            await self._fail(target, given, "response_already_completed", "it is over")
        else:
            steer = self._world.new_id("steer")
            lane.waiting.append((steer, given))
            accepted = {"id": steer, "previous_response_id": target}
            await self._send(lane.response.tell("response.steer.accepted", steer=accepted).data)

    async def _fail(self, target: Any, given: Any, code: str, why: str, steer: str | None = None) -> None:
        returned = {"previous_response_id": target, "input": given, **({} if steer is None else {"id": steer})}
        error = {"type": "invalid_request_error", "code": code, "message": f"Response {target} is not steered: {why}."}
        await self._send({"type": "response.steer.failed", "sequence_number": 0, "steer": returned, "error": error})

    async def _refuse(self, refusal: Refused) -> None:
        error = {"code": refusal.code, "message": refusal.text, "param": refusal.param}
        await self._send({"type": "error", "sequence_number": 0, "status": refusal.status, **error})

    async def _send(self, message: Mapping[str, Any]) -> None:
        await self._socket.send_text(json.dumps(message))


def _messages(given: Any) -> list[Wire] | None:
    """The user messages that steer; None if it is anything else."""
    messages: list[Wire] = [{"role": "user", "content": given}] if isinstance(given, str) else given
    try:
        check("createResponse", {"input": messages})
    except Refused:
        return None
    steers = all(one.get("role") == "user" and one.get("type", "message") == "message" for one in messages)
    return messages if messages and steers else None
