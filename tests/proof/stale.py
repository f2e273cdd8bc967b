"""Events that come too late, made up for a world: each must change nothing (I18).

They are made from what the onlooker knows: of another run, of an earlier request or batch, of a call that is settled,
of a ticket nobody knows, of a request whose word has been heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handoff.errors import IllegalEvent
from tests.proof.environment import World
from tests.proof.modules import Core
from tests.proof.observer import SETTLED
from tests.proof.violation import Violation


def shape(world: World) -> Any:
    """Return what decides which events are stale, so that each such situation is asked once."""
    seen, run = world.seen, world.state.run
    request = None if run is None else (run.request, run.unacknowledged, run.doubt, str(run.status))
    stages = tuple(sorted(one.stage for one in seen.tickets))
    return (
        seen.runs > 1, seen.swap, seen.carry, seen.batches, seen.batch, seen.stop, seen.pending, request, stages,
    )  # fmt: skip


def stale_events(core: Core, world: World) -> Iterator[Any]:
    """Return events that come too late for this world."""
    events, seen, run = core.events, world.seen, world.state.run
    call = core.state.Call("0", "ordinary", "{}")
    others = {seen.runs - 1, seen.runs + 1} | ({seen.runs} if not seen.run else set())
    for other in sorted(others - {0, -1}):
        yield from _of_request(core, other, 1, call)
        if not _has_ticket(seen, other):
            yield events.CallStarted(0.0, other, 1, "0")
        yield events.CallDone(0.0, other, 1, "0", "out")
        yield events.GraceReached(0.0, other, 1)
        yield events.StopRequested(0.0, other, "cancel")
    for outcome in ("result", "approved", "refused"):
        yield events.Resolved(0.0, "T0", outcome)
    for ticket in seen.tickets:
        if ticket.stage != "approval":
            yield events.Resolved(0.0, ticket.id, "approved")
            yield events.Resolved(0.0, ticket.id, "refused")
        else:
            yield events.Resolved(0.0, ticket.id, "result")
    if not seen.run or run is None:
        return
    for request in (run.request - 1, run.request + 1):
        yield from _of_request(core, seen.run, request, call)
    for batch in {seen.batches - 1, seen.batches + 1, *(() if seen.batch else (seen.batches,))}:
        yield events.CallDone(0.0, seen.run, batch, "0", "out")
        yield events.GraceReached(0.0, seen.run, batch)
    for index, (_, phase) in enumerate(seen.batch or ()):
        if phase in SETTLED:
            yield events.CallDone(0.0, seen.run, seen.batches, str(index), "out again", {"x": 9})
        if phase != "r":
            yield events.CallStarted(0.0, seen.run, seen.batches, str(index))
    if seen.stop in {"cancel", "interrupt"}:
        yield events.StopRequested(0.0, seen.run, "expired")
    if seen.stop == "limit":
        yield events.StopRequested(0.0, seen.run, "expired")
        yield events.StopRequested(0.0, seen.run, "interrupt")
    if not run.unacknowledged:
        yield events.RequestAccepted(0.0, seen.run, run.request, 0)
        yield events.RequestDoubted(0.0, seen.run, run.request, "")
        yield events.RequestAbsent(0.0, seen.run, run.request)
    if seen.batches >= run.request:
        yield events.CallsRequested(0.0, seen.run, run.request, 0, (call,))
    if seen.stop and seen.swap:
        yield events.ThreadKnown(0.0, seen.run, run.request, "late")
        yield events.RequestAccepted(0.0, seen.run, run.request, 0)
        yield events.CallsRequested(0.0, seen.run, run.request, 0, (call,))


def _has_ticket(seen: Any, run: int) -> bool:
    return any(one.key == (run, 1, "0") for one in seen.tickets)


def _of_request(core: Core, run: int, request: int, call: Any) -> Iterator[Any]:
    events = core.events
    yield events.ThreadKnown(0.0, run, request, "late")
    yield events.RequestAccepted(0.0, run, request, 0, "late")
    yield events.RequestDoubted(0.0, run, request, "")
    yield events.RequestAbsent(0.0, run, request)
    yield events.CallsRequested(0.0, run, request, 0, (call,))
    yield events.RunEnded(0.0, run, request, core.status("completed"), 0, "late")


def check_stale(core: Core, world: World, *, lenient: bool = False) -> None:
    """Feed every stale event.

    Args:
        core: the core under proof.
        world: where it stands.
        lenient: whether an exception counts for nothing (for mutants).

    Raises:
        Violation: if one changes the state, or is called illegal.
    """
    for event in stale_events(core, world):
        try:
            after, _ = core.receive(world.state, event)
        except Exception as error:
            if lenient:
                continue
            if not isinstance(error, IllegalEvent):
                raise
            raise Violation("I18", f"a stale event is called illegal: {error}") from error
        if after != world.state:
            name = "I14" if isinstance(event, core.events.CallStarted) else "I18"
            raise Violation(name, f"a stale event changes the thread: {event}")
