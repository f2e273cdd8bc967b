"""Threads and their messages. While a run is active, no message is added (A3); metadata may still be changed (A10)."""

from __future__ import annotations

from collections.abc import Sequence

from handoff.sandbox.calls import Call, page
from handoff.sandbox.objects import Message, Thread
from handoff.sandbox.rules import refused
from handoff.sandbox.running import settle
from handoff.sandbox.validation import check_metadata
from handoff.sandbox.world import Wire, World


def find(world: World, id: str) -> Thread:  # noqa: A002 - as the wire calls it
    """Return a thread as it is now: a run that is too old has expired.

    Args:
        world: the sandbox.
        id: its id.

    Raises:
        Refused: there is none.
    """
    found = world.threads.get(id)
    if found is None:
        raise refused("no_such", kind="thread", id=id)
    settle(world, found)
    return found


def new(world: World, given: Wire) -> Thread:
    """Create a thread, with messages if there are any.

    Args:
        world: the sandbox.
        given: the request's body.
    """
    check_metadata(given.get("metadata"))
    messages = given.get("messages") or ()
    check_messages(messages)
    thread = Thread(world.new_id("thread"), world.now(), given.get("metadata") or {}, given.get("tool_resources"))
    for message in messages:
        add(world, thread, message)
    world.threads[thread.id] = thread
    return thread


def check_messages(given: Sequence[Wire]) -> None:
    """Refuse messages that cannot be added.

    Args:
        given: their bodies.

    Raises:
        Refused: the metadata of one is too large.
    """
    for message in given:
        check_metadata(message.get("metadata"))


def add(world: World, thread: Thread, given: Wire) -> Message:
    """Add a message.

    Args:
        world: the sandbox.
        thread: to which thread.
        given: its body.
    """
    content = given["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    message = Message(
        world.new_id("msg"),
        thread.id,
        world.now(),
        given["role"],
        [_part(part) for part in parts],
        metadata=given.get("metadata") or {},
        attachments=given.get("attachments") or [],
        ended_at=world.now(),
    )
    thread.entries.append(message)
    return message


def changed(call: Call, metadata: dict[str, str]) -> dict[str, str]:
    """Return an object's metadata after an update: replaced if the request names any.

    Args:
        call: the request.
        metadata: what it was.
    """
    given: dict[str, str] | None = call.body.get("metadata")
    return metadata if given is None else given


async def create(call: Call) -> Wire:
    """Create a thread.

    Args:
        call: the request.
    """
    return new(call.world, call.body).wire()


async def retrieve(call: Call) -> Wire:
    """Return a thread.

    Args:
        call: the request.
    """
    return _found(call).wire()


async def update(call: Call) -> Wire:
    """Change its metadata or resources, also while a run is active.

    Args:
        call: the request.
    """
    thread = _found(call)
    thread.metadata = changed(call, thread.metadata)
    thread.tool_resources = call.body.get("tool_resources", thread.tool_resources)
    return thread.wire()


async def delete(call: Call) -> Wire:
    """Delete it, and stop its run.

    Args:
        call: the request.
    """
    thread = _found(call)
    run = thread.active_run()
    if run is not None:
        run.feed.close()
        if run.task is not None:
            run.task.cancel()
    del call.world.threads[thread.id]
    return {"id": thread.id, "object": "thread.deleted", "deleted": True}


async def create_message(call: Call) -> Wire:
    """Add a message, if no run is active.

    Args:
        call: the request.

    Raises:
        Refused: one is.
    """
    thread = _found(call)
    run = thread.active_run()
    if run is not None:
        raise refused("thread_locked", thread=thread.id, run=run.id)
    return add(call.world, thread, call.body).wire()


async def retrieve_message(call: Call) -> Wire:
    """Return a message.

    Args:
        call: the request.
    """
    return _message(call).wire()


async def update_message(call: Call) -> Wire:
    """Change its metadata.

    Args:
        call: the request.
    """
    message = _message(call)
    message.metadata = changed(call, message.metadata)
    return message.wire()


async def delete_message(call: Call) -> Wire:
    """Remove a message.

    Args:
        call: the request.
    """
    thread, message = _found(call), _message(call)
    thread.entries.remove(message)
    return {"id": message.id, "object": "thread.message.deleted", "deleted": True}


async def list_messages(call: Call) -> Wire:
    """Return the messages, or those of one run, by pages.

    Args:
        call: the request.
    """
    run = call.query.get("run_id")
    return page(call, [one.wire() for one in _found(call).messages() if run in (None, one.run_id)])


def _found(call: Call) -> Thread:
    return find(call.world, call.path["thread_id"])


def _message(call: Call) -> Message:
    wanted = call.path["message_id"]
    found = next((one for one in _found(call).messages() if one.id == wanted), None)
    if found is None:
        raise refused("no_such", kind="message", id=wanted)
    return found


def _part(part: Wire) -> Wire:
    """A part as it is kept: text gets the form in which it comes back."""
    if part["type"] == "text":
        return {"type": "text", "text": {"value": part["text"], "annotations": []}}
    return part
