"""Runs: started, looked at, cancelled, given their outputs. Each refusal here is one that real clients met (A4-A8)."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from handoff.sandbox import assistants, running, threads
from handoff.sandbox.calls import Call, Stream, page
from handoff.sandbox.objects import Run, Step, Thread
from handoff.sandbox.rules import refused
from handoff.sandbox.world import Event, Feed, Wire

_CANCELLABLE = ("queued", "in_progress", "requires_action")


async def create(call: Call) -> Wire | Stream:
    """Start a run, if none is active; its additional messages are added with it.

    Args:
        call: the request.

    Raises:
        Refused: one is active, or there is no such assistant.
    """
    world, body = call.world, call.body
    thread = threads.find(world, call.path["thread_id"])
    active = thread.active_run()
    if active is not None:
        raise refused("run_active", thread=thread.id, run=active.id)
    additional = body.get("additional_messages") or ()
    threads.check_messages(additional)
    run = _new(call, thread)
    for message in additional:
        threads.add(world, thread, message)
    return _started(call, thread, run)


async def create_with_thread(call: Call) -> Wire | Stream:
    """Create a thread and start a run on it.

    Args:
        call: the request.
    """
    assistants.find(call.world, call.body["assistant_id"])
    thread = threads.new(call.world, call.body.get("thread") or {})
    run = _new(call, thread)
    run.tell("thread.created", thread.wire())
    return _started(call, thread, run)


async def retrieve(call: Call) -> Wire:
    """Return a run.

    Args:
        call: the request.
    """
    return _found(call)[1].wire()


async def listed(call: Call) -> Wire:
    """Return the runs of a thread, by pages.

    Args:
        call: the request.
    """
    return page(call, [run.wire() for run in threads.find(call.world, call.path["thread_id"]).runs])


async def update(call: Call) -> Wire:
    """Change its metadata.

    Args:
        call: the request.
    """
    _, run = _found(call)
    run.metadata = threads.changed(call, run.metadata)
    return run.wire()


async def cancel(call: Call) -> Wire:
    """Begin to cancel a run.

    Args:
        call: the request.

    Raises:
        Refused: it is over, or being cancelled.
    """
    _, run = _found(call)
    if run.status not in _CANCELLABLE:
        raise refused("not_cancellable", status=run.status)
    running.cancel(call.world, run, call.operation)
    return run.wire()


async def submit_tool_outputs(call: Call) -> Wire | Stream:
    """Give a waiting run the outputs of all its calls.

    Args:
        call: the request.

    Raises:
        Refused: it does not wait, or these are not its calls.
    """
    thread, run = _found(call)
    if run.status != "requires_action":
        raise refused("takes_no_outputs", status=run.status)
    outputs: list[Wire] = call.body["tool_outputs"]
    for index, output in enumerate(outputs):
        if output.get("tool_call_id") is None:
            raise refused("call_id_missing", index=index)
    given = [output["tool_call_id"] for output in outputs]
    expected = [one.id for one in run.waiting()]
    if len(given) > len(set(given)):
        raise refused("outputs_repeated", given=given)
    if set(given) != set(expected):
        raise refused("outputs_missing", expected=expected, given=given)
    run.feed = Feed()
    run.operation = call.operation
    running.take_outputs(call.world, run, {one["tool_call_id"]: one.get("output") or "" for one in outputs})
    return _going(call, thread, run)


async def list_steps(call: Call) -> Wire:
    """Return the steps of a run, by pages.

    Args:
        call: the request.
    """
    return page(call, [step.wire() for step in _found(call)[1].steps])


async def retrieve_step(call: Call) -> Wire:
    """Return a step.

    Args:
        call: the request.
    """
    wanted = call.path["step_id"]
    found: Step | None = next((step for step in _found(call)[1].steps if step.id == wanted), None)
    if found is None:
        raise refused("no_such", kind="run step", id=wanted)
    return found.wire()


def _found(call: Call) -> tuple[Thread, Run]:
    thread = threads.find(call.world, call.path["thread_id"])
    wanted = call.path["run_id"]
    found = next((run for run in thread.runs if run.id == wanted), None)
    if found is None:
        raise refused("no_such", kind="run", id=wanted)
    return thread, found


def _new(call: Call, thread: Thread) -> Run:
    """A run as asked for: what the request names overrides the assistant (A11)."""
    world, body = call.world, call.body
    assistant = assistants.find(world, body["assistant_id"])
    given = assistant.given
    instructions = body.get("instructions")
    if instructions is None:
        instructions = given.get("instructions") or ""
    if body.get("additional_instructions"):
        instructions = f"{instructions}\n{body['additional_instructions']}".lstrip("\n")
    asked = {**{key: given[key] for key in ("temperature", "top_p", "response_format") if key in given}}
    return Run(
        world.new_id("run"),
        thread.id,
        assistant.id,
        given.get("name") or assistant.id,
        world.now(),
        world.clock.now() + world.expire,
        body.get("model") or given["model"],
        instructions,
        (given.get("tools") or []) if body.get("tools") is None else body["tools"],
        asked | {key: value for key, value in body.items() if value is not None},
        body.get("metadata") or {},
        call.operation,
    )


def _started(call: Call, thread: Thread, run: Run) -> Wire | Stream:
    thread.runs.append(run)
    for status in ("created", "queued"):
        run.tell(f"thread.run.{status}", run.wire())
    return _going(call, thread, run)


def _going(call: Call, thread: Thread, run: Run) -> Wire | Stream:
    """Set it going; the stream of this request ends where the run waits or is over."""
    running.begin(call.world, thread, run)
    if call.body.get("stream"):
        return Stream(_followed(run.feed), last=(("done", "[DONE]"),))
    return run.wire()


async def _followed(feed: Feed) -> AsyncGenerator[Event, None]:
    async for event in feed.follow():
        yield event
