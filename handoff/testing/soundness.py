"""What holds in every world of every flow, whatever the schedule: nothing lost, nothing twice, nobody stuck."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from handoff.core.items import Output, Spoken, UserMessage
from handoff.core.status import Status
from handoff.testing.situation import Situation
from handoff.testing.world import World


def problem_of(world: World[Any]) -> str | None:
    """Return, in a sentence, the first thing that does not hold; None if all does.

    Args:
        world: the world, after a step.
    """
    threads = _threads(world)
    found = (problem for law in LAWS for thread in threads for problem in law(thread))
    return next(chain(found, _bodies(world), _end(world)), None)


def _threads(situation: Situation[Any]) -> list[Situation[Any]]:
    """Return the thread, and the side rooms under it that its process knows of."""
    return [situation, *(found for room in situation.rooms.known for found in _threads(room))]


def _messages(world: Situation[Any]) -> Iterator[str]:
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


def _calls(world: Situation[Any]) -> Iterator[str]:
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
    for (tool, key), times in Counter((one.tool, one.key) for one in world.ran if not one.idempotent).items():
        if times > 1:
            yield f"the body of {tool} ran {times} times for the call {key.rpartition('/')[2]}, and is not idempotent"


def _end(world: World[Any]) -> Iterator[str]:
    """Where all is said and done the thread rests, and every message was answered or the turn failed."""
    if not world.is_final:
        return
    threads = _threads(world)
    if any(thread.tickets and thread.at_rest for thread in threads[1:]):
        return  # a room waits for the world, and so does the call that has opened it
    for thread in threads:
        name = "the thread" if thread is world else f"the side room {thread.id}"
        if not thread.at_rest and not thread.state.closed:
            yield f"{name} is stuck: {thread.status}, and nothing is left that could happen"
        if thread.unsent and thread.state.ended in {None, Status.COMPLETED}:
            yield f"{name} rests with messages that no assistant was shown: {', '.join(thread.unsent)}"


LAWS: tuple[Callable[[Situation[Any]], Iterator[str]], ...] = (_messages, _calls)
