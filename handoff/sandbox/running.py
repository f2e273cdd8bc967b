"""How a run goes on by itself: queued, asked, waiting for outputs or over (A1, A2, A12).

Every change of its status goes through `move`, which knows the table; every end through `end`, which unlocks the
thread. A run does not care who listens: it goes on without a stream.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace

from handoff.core.answers import Citation, HostedCall
from handoff.core.items import Asked, Item, Output, Spoken
from handoff.sandbox.hosting import declared, forced_kind
from handoff.sandbox.objects import Message, Run, Step, Thread, called
from handoff.sandbox.prompting import ASSISTANT_KEY, offered, reply_of, said, text_of, tokens
from handoff.sandbox.rules import MOVES, REFUSALS
from handoff.sandbox.speaking import ModelFailed, Question, Refusal, speak
from handoff.sandbox.world import Wire, World

#: Why a message is incomplete, by how its run ended.
_REASONS = {
    "incomplete": "max_tokens",
    "cancelled": "run_cancelled",
    "expired": "run_expired",
    "failed": "run_failed",
}
#: Why a message is incomplete; among the reasons of a run there is none for it.
_FILTERED = "content_filter"


def move(world: World, run: Run, status: str) -> None:
    """Move a run to a status and tell of it.

    Args:
        world: the sandbox.
        run: the run.
        status: one that `MOVES` allows from where it is.
    """
    assert status in MOVES[run.status], f"{run.status} does not move to {status}"
    run.status = status
    run.times[status] = world.now()
    run.tell(f"thread.run.{status}", run.wire())


def end(world: World, run: Run, status: str) -> None:
    """End a run, what it has begun included; its thread is unlocked.

    Args:
        world: the sandbox.
        run: the run.
        status: its terminal status.
    """
    step = run.steps[-1] if run.steps else None
    if step is not None and step.status == "in_progress":
        _end_step(world, step, status)
    move(world, run, status)
    run.feed.close()
    if run.task is not None and run.task is not asyncio.current_task():
        run.task.cancel()


def settle(world: World, thread: Thread) -> None:
    """Let a run that is too old expire (A9): pending calls are lost.

    Args:
        world: the sandbox.
        thread: its thread.
    """
    run = thread.active_run()
    if run is not None and run.status != "cancelling" and world.clock.now() >= run.expires_at:
        end(world, run, "expired")


def begin(world: World, thread: Thread, run: Run) -> None:
    """Set a queued run going.

    Args:
        world: the sandbox.
        thread: its thread.
        run: the run.
    """
    run.task = world.spawn(_carry_out(world, thread, run))


def cancel(world: World, run: Run, operation: str) -> None:
    """Begin to cancel a run; it ends in its own time, and may complete first (A2).

    Args:
        world: the sandbox.
        run: an active run.
        operation: who asks, for the faults.
    """
    races = run.status == "in_progress" and world.faults.take(operation, "cancel_race") is not None
    if run.task is not None and not races:
        run.task.cancel()
    move(world, run, "cancelling")
    if not races:
        run.task = world.spawn(_stop(world, run))


async def _stop(world: World, run: Run) -> None:
    await world.clock.sleep(world.faults.cancelling)
    end(world, run, "cancelled")


async def _carry_out(world: World, thread: Thread, run: Run) -> None:
    """One leg of a run: from queued until it waits for outputs or is over."""
    move(world, run, "in_progress")
    fault = world.faults.take(run.operation, "stuck", "expire", "failed")
    if fault == "stuck":
        await world.clock.sleep(max(0.0, run.expires_at - world.clock.now()))
        end(world, run, "cancelled" if run.status == "cancelling" else "expired")
        return
    question = _question(thread, run)
    run.prompt_tokens += question.size
    most = run.asked.get("max_prompt_tokens")
    if most is not None and question.size > most:
        run.reason = "max_prompt_tokens"
        end(world, run, "incomplete")
        return
    if fault == "failed":
        run.last_error = {"code": "server_error", "message": REFUSALS["server_error"].text}
        end(world, run, "failed")
        return
    try:
        calls, cut = await _answered(world, thread, run, question)
    except ModelFailed as error:
        run.last_error = {"code": "server_error", "message": str(error)}
        end(world, run, "cancelled" if run.status == "cancelling" else "failed")
        return
    if run.status == "cancelling":  # the model was first, unless it wants tools
        end(world, run, "cancelled" if calls or cut else "completed")
    elif cut:
        run.reason = "" if cut == _FILTERED else "max_completion_tokens"
        end(world, run, "incomplete")
    elif fault == "expire":
        end(world, run, "expired")
    elif calls:
        _call(world, thread, run, calls)
    else:
        end(world, run, "completed")


async def _answered(world: World, thread: Thread, run: Run, question: Question) -> tuple[tuple[Asked, ...], str]:
    """Write what the model says; return the calls it makes, and why it was cut off, if it was."""
    calls: list[Asked] = []
    cut = ""
    step: Step | None = None
    async with aclosing(speak(world, question)) as answer:
        async for piece in answer:
            if isinstance(piece, str):
                step = step or _begin_message(world, thread, run)
                _write(run, step, piece)
            elif isinstance(piece, HostedCall):
                if step is not None:
                    _end_step(world, step, "completed")
                step = None
                _host(world, run, piece)
            elif isinstance(piece, Citation):
                if step is not None:
                    _cite(step, piece)
            elif isinstance(piece, Asked):
                calls.append(piece)
                run.completion_tokens += tokens(piece.arguments)
            else:
                cut = piece.reason
    if step is not None:
        _end_step(world, step, "incomplete" if cut else "completed", _FILTERED if cut == _FILTERED else None)
    return tuple(calls), cut


def _host(world: World, run: Run, call: HostedCall) -> None:
    """Tell of a tool that was run here: a step of its own, which nobody answers."""
    step = Step(world.new_id("step"), run, world.now(), None, hosted=replace(call, id=world.new_id("call")))
    run.steps.append(step)
    for status in ("created", "in_progress"):
        run.tell(f"thread.run.step.{status}", step.wire())
    _end_step(world, step, "completed")


def _cite(step: Step, citation: Citation) -> None:
    """Add a source to the message that is being written; a page is none that this API knows."""
    message = step.message
    if message is None or not message.content or not citation.file_id or "text" not in message.content[0]:
        return
    start, end = citation.start or 0, citation.end or citation.start or 0
    message.content[0]["text"]["annotations"].append(
        {
            "type": "file_citation",
            "text": text_of(message.content)[start:end],
            "file_citation": {"file_id": citation.file_id},
            "start_index": start,
            "end_index": end,
        }
    )


def _question(thread: Thread, run: Run) -> Question:
    asked_before = any(step.message is None for step in run.steps)
    choice = run.asked.get("tool_choice")
    tools, forced = offered(run.tools, choice)
    forced = forced_kind(choice, run.tools) or forced
    budget = run.asked.get("max_completion_tokens")
    return Question(
        run.operation,
        run.speaker,
        run.model,
        run.instructions,
        _items(thread, run),
        tools,
        None if asked_before else forced,  # a forced choice is obeyed once a run
        run.asked.get("parallel_tool_calls") is not False,
        None if budget is None else max(0, budget - run.completion_tokens),
        () if choice == "none" else declared(run.tools),
        reply_of(run.asked.get("response_format")),
    )


def _items(thread: Thread, run: Run) -> tuple[Item, ...]:
    """What the model sees of the thread. Calls that were never answered left nothing (A14)."""
    speakers = {one.id: one.speaker for one in thread.runs}
    entries = thread.entries
    truncation: Wire = run.asked.get("truncation_strategy") or {}
    last: int | None = truncation.get("last_messages")
    if last is not None:
        places = [place for place, entry in enumerate(entries) if isinstance(entry, Message)]
        entries = entries[places[-last] :] if 0 < last <= len(places) else entries
    items: list[Item] = []
    for place, entry in enumerate(entries):
        if isinstance(entry, Message):
            text = text_of(entry.content)
            speaker = speakers.get(entry.run_id or "", entry.metadata.get(ASSISTANT_KEY, "assistant"))
            own = entry.role == "assistant"
            items.append(Spoken(speaker, 0, text) if own else said(entry.id, entry.role, _content(entry)))
        elif entry.outputs:
            before = entries[place - 1] if place else None
            beside = isinstance(before, Message) and before.run_id == entry.run.id
            spoken = items.pop() if beside else None  # one answer: text, and calls beside it
            items.append(Spoken(entry.run.speaker, 0, spoken.text if isinstance(spoken, Spoken) else "", entry.calls))
            items += [Output(0, 0, call.id, call.tool, entry.outputs[call.id]) for call in entry.calls]
    return tuple(items)


def _content(message: Message) -> list[Wire]:
    """The parts of a message, and the files attached to it."""
    files = [one["file_id"] for one in message.attachments if one.get("file_id")]
    return [*message.content, *({"type": "file", "file": {"file_id": file_id}} for file_id in files)]


def _begin_message(world: World, thread: Thread, run: Run) -> Step:
    message = Message(
        world.new_id("msg"),
        thread.id,
        world.now(),
        "assistant",
        [],
        assistant_id=run.assistant_id,
        run_id=run.id,
        status="in_progress",
    )
    thread.entries.append(message)
    step = _begin_step(world, run, message)
    for status in ("created", "in_progress"):
        run.tell(f"thread.message.{status}", message.wire())
    return step


def _begin_step(world: World, run: Run, message: Message | None) -> Step:
    step = Step(world.new_id("step"), run, world.now(), message)
    run.steps.append(step)
    for status in ("created", "in_progress"):
        run.tell(f"thread.run.step.{status}", step.wire())
    return step


def _write(run: Run, step: Step, text: str) -> None:
    message = step.message
    assert message is not None
    refusing = isinstance(text, Refusal)
    message.content = [_said_part(text_of(message.content) + text, refusing=refusing)]
    run.completion_tokens += tokens(text)
    part: Wire = {"index": 0, **_said_part(text, refusing=refusing)}
    run.tell(
        "thread.message.delta",
        {"id": message.id, "object": "thread.message.delta", "delta": {"content": [part]}},
    )


def _said_part(text: str, *, refusing: bool) -> Wire:
    if refusing:
        return {"type": "refusal", "refusal": text}
    return {"type": "text", "text": {"value": text, "annotations": []}}


def _call(world: World, thread: Thread, run: Run, calls: tuple[Asked, ...]) -> None:
    """Ask for tools, and wait."""
    step = _begin_step(world, run, None)
    thread.entries.append(step)
    step.calls = calls
    for index, call in enumerate(calls):
        whole = called(call)
        named = {**whole, "index": index, "function": {**whole["function"], "arguments": ""}}
        for part in (named, {"index": index, "type": "function", "function": {"arguments": call.arguments}}):
            details = {"type": "tool_calls", "tool_calls": [part]}
            run.tell(
                "thread.run.step.delta",
                {"id": step.id, "object": "thread.run.step.delta", "delta": {"step_details": details}},
            )
    move(world, run, "requires_action")
    run.feed.close()


def take_outputs(world: World, run: Run, outputs: dict[str, str]) -> None:
    """Give a waiting run its outputs; it is queued again.

    Args:
        world: the sandbox.
        run: a run in requires_action.
        outputs: by call, one for each it waits for.
    """
    step = run.steps[-1]
    step.outputs = outputs
    _end_step(world, step, "completed")
    move(world, run, "queued")


def _end_step(world: World, step: Step, status: str, reason: str | None = None) -> None:
    """End a step and its message; a step has no status `incomplete`, its message has, and a reason for it."""
    run = step.run
    message = step.message
    if message is not None:
        message.status = "completed" if status == "completed" else "incomplete"
        message.reason = reason or _REASONS.get(status)
        message.ended_at = world.now()
        run.tell(f"thread.message.{message.status}", message.wire())
    step.status = "completed" if status == "incomplete" else status
    step.ended_at = world.now()
    step.usage = run.usage()
    run.tell(f"thread.run.step.{step.status}", step.wire())
