"""What holds in every world of every flow, whatever the schedule: nothing lost, nothing twice, nobody stuck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from handoff.core.items import Output, Spoken, UserMessage
from handoff.core.status import Status
from handoff.testing.world import World


def problem_of(world: World[Any]) -> str | None:
    """Return, in a sentence, the first thing that does not hold; None if all does.

    Args:
        world: the world, after a step.
    """
    return next((problem for law in LAWS for problem in law(world)), None)


def _messages(world: World[Any]) -> Iterator[str]:
    """Each message the user sent is in the transcript once, or waits, or was refused; in the order they were sent."""
    found = [item.id for item in world.transcript if isinstance(item, UserMessage)]
    for name, times in Counter(found).items():
        if times > 1:
            yield f"the user's message {name} is in the transcript {times} times"
    known = {*found, *world.waiting, *world.refused}
    for name in world.sent:
        if name not in known:
            yield f"the user's message {name} was taken, and is lost: neither in the transcript nor in the inbox"
    expected = [name for name in world.sent if name in found]
    if found != expected:
        yield f"the user's messages are answered out of order: {', '.join(found)}"


def _calls(world: World[Any]) -> Iterator[str]:
    """Each call has one output, once its batch has settled."""
    run = world.state.run
    opened = set[str]() if run is None or run.batch is None else {entry.call.id for entry in run.batch.entries}
    outputs = Counter(item.call for item in world.transcript if isinstance(item, Output))
    for item in world.transcript:
        for call in item.calls if isinstance(item, Spoken) else ():
            times = outputs[call.id]
            if times != 1 and not (call.id in opened and not times):
                yield f"the call {call.id} of {call.tool} has {times} outputs"


def _bodies(world: World[Any]) -> Iterator[str]:
    """A body runs twice for one call only if its tool is idempotent."""
    for (tool, key), times in Counter((one.tool, one.key) for one in world.ran).items():
        idempotent = any(
            tools[tool].idempotent for tools in map(world.flow.tools_of, world.flow.assistants) if tool in tools
        )
        if times > 1 and not idempotent:
            yield f"the body of {tool} ran {times} times for the call {key.rpartition('/')[2]}, and is not idempotent"


def _end(world: World[Any]) -> Iterator[str]:
    """Where all is said and done the thread rests, and every message was answered or the turn failed."""
    if not world.is_final:
        return
    if not world.at_rest and not world.state.closed:
        yield f"the thread is stuck: {world.status}, and nothing is left that could happen"
    if world.unsent and world.state.ended in {None, Status.COMPLETED}:
        yield f"the thread rests with messages that no assistant was shown: {', '.join(world.unsent)}"


LAWS: tuple[Callable[[World[Any]], Iterator[str]], ...] = (_messages, _calls, _bodies, _end)
