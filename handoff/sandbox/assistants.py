"""Assistants: created, found, changed and deleted; a run takes from one what its request does not override (A11)."""

from __future__ import annotations

from handoff.sandbox.calls import Call, page
from handoff.sandbox.objects import Assistant
from handoff.sandbox.rules import refused
from handoff.sandbox.world import Wire, World


def find(world: World, id: str) -> Assistant:  # noqa: A002 - as the wire calls it
    """Return an assistant.

    Args:
        world: the sandbox.
        id: its id.

    Raises:
        Refused: there is none.
    """
    found = world.assistants.get(id)
    if found is None:
        raise refused("no_such", kind="assistant", id=id)
    return found


async def create(call: Call) -> Wire:
    """Create one.

    Args:
        call: the request.
    """
    assistant = Assistant(call.world.new_id("asst"), call.world.now(), call.body)
    call.world.assistants[assistant.id] = assistant
    return assistant.wire()


async def retrieve(call: Call) -> Wire:
    """Return one.

    Args:
        call: the request.
    """
    return find(call.world, call.path["assistant_id"]).wire()


async def update(call: Call) -> Wire:
    """Change what the request names; runs that exist keep what they were started with.

    Args:
        call: the request.
    """
    assistant = find(call.world, call.path["assistant_id"])
    assistant.given = {**assistant.given, **call.body}
    return assistant.wire()


async def delete(call: Call) -> Wire:
    """Delete one; what it said stays.

    Args:
        call: the request.
    """
    assistant = find(call.world, call.path["assistant_id"])
    del call.world.assistants[assistant.id]
    return {"id": assistant.id, "object": "assistant.deleted", "deleted": True}


async def listed(call: Call) -> Wire:
    """Return all of them, by pages.

    Args:
        call: the request.
    """
    return page(call, [assistant.wire() for assistant in call.world.assistants.values()])
