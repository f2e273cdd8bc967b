"""Invariants of what is no single event: a whole commit, the commands that are outstanding, a body that is to start."""

from __future__ import annotations

from typing import Any

from tests.proof.flow import TOOLS, dests
from tests.proof.observer import SETTLED, Seen
from tests.proof.server import Server
from tests.proof.violation import Violation


def starting(old: Seen, run: int, batch: int, call: str, asked: bool = False) -> tuple[str, str] | None:
    """Return why that body may not start, as the name of an invariant and what is wrong.

    Args:
        old: what the onlooker knows.
        run: number of the run that asked.
        batch: number of the batch.
        call: id of the call.
        asked: whether it is started again after a crash to be asked what became of it.
    """
    ticket = next((one for one in old.tickets if one.key == (run, batch, call)), None)
    if ticket is not None:
        fits = ticket.stage == "approved" or (asked and ticket.stage == "running")
        return None if fits else ("I14", f"the body of a ticket starts at {ticket.stage}")
    if old.run != run or old.pending is not None:
        return "I12", f"a body of run {run} starts after its transition or its end"
    if old.batch is None or old.batches != batch:
        return "B6", "a body starts after its batch was settled"
    tool, phase = old.batch[int(call)]
    goes = dests(tool, old.assistant)
    if phase == "n" and goes and old.won is not None and goes != old.won[:1]:
        return "I11", f"the body of {tool} starts, though it is not taken"
    if phase != ("s" if asked else "r"):
        return "I14", f"the body of {tool} starts at {phase}"
    earlier = [name for name, progress in old.batch[: int(call)] if TOOLS[name].lane and progress not in SETTLED]
    if TOOLS[tool].lane and earlier:
        return "B3", f"{tool} starts before {earlier[0]} is settled"
    return None


def check_commit(events: tuple[Any, ...], left: tuple[Any, ...], state: Any, seen: Seen) -> None:
    """Ask what concerns a whole commit.

    Args:
        events: what it holds.
        left: the inbox rows that wait after it.
        state: the thread after it.
        seen: what the onlooker knows after it.

    Raises:
        Violation: if a message is lost on the way (I5), a start's commit leaves the inbox behind (I6), or a commit
            leaves the thread open (L4) or at rest over a waiting row (I7).
    """
    waiting = sum(1 for row in left if row.kind == "message")
    if seen.posted - seen.accepted != waiting:
        raise Violation("I5", f"{seen.posted} messages posted, {seen.accepted} taken in, {waiting} wait")
    if any(type(event).__name__ == "RunStarted" for event in events) and left:
        raise Violation("I6", f"a run is started while {len(left)} rows wait")
    if state.phase == "open":
        raise Violation("L4", "the commit leaves the thread open: neither a start nor rest")
    if state.phase == "rest" and events and left:
        raise Violation("I7", f"it comes to rest while {len(left)} rows wait")


def check_bodies(bodies: frozenset[Any], old: Seen, new: Seen) -> None:
    """Ask what became of the bodies under way in a batch that a commit settled.

    Args:
        bodies: (run, batch, call) of the bodies under way that have not returned.
        old: what the onlooker knew before the commit.
        new: what it knows after it.

    Raises:
        Violation: if one has no ticket to return to (E2).
    """
    settled = old.batch is not None and (new.batch is None or (new.run, new.batches) != (old.run, old.batches))
    if bodies and settled:
        tickets = {one.key for one in new.tickets}
        lost = [key for key in bodies if key[:2] == (old.run, old.batches) and key not in tickets]
        if lost:
            raise Violation("E2", f"bodies {lost} are under way, and their calls are answered without them")


def check_stops(consumed: list[Any], old: Seen, new: Seen) -> None:
    """Ask whether the cancels a commit consumed were heard.

    Args:
        consumed: the rows.
        old: what the onlooker knew before the commit.
        new: what it knows after it.

    Raises:
        Violation: if the run a cancel names goes on (L6).
    """
    named = {row.data["run"] for row in consumed if row.kind == "stop"}
    if new.run and new.run == old.run and new.run in named and new.stop not in {"cancel", "interrupt"}:
        raise Violation("L6", f"run {new.run} was cancelled and goes on")


def check_commands(seen: Seen, commands: tuple[Any, ...], sent: bool, server: Server) -> None:
    """Ask what concerns the outstanding commands.

    Raises:
        Violation: if a request and a cancel are outstanding at once or without a run (C1), a transition ends its
            run another way than its tool says (H4), or a body may not start.
    """
    kinds = [type(command).__name__ for command in commands]
    requests = [kind for kind in kinds if kind in {"SendRequest", "ReadBack"}]
    of_run = [kind for kind in kinds if kind != "RunBody"]
    if of_run and not seen.run:
        raise Violation("I7", f"{of_run} are outstanding and no run is active")
    if len(requests) > 1 or (requests and len(of_run) > 1):
        raise Violation("C1", f"{of_run} are outstanding at once")
    stopping = seen.stop is not None or (seen.pending is not None and seen.carry)
    if stopping and seen.batch is None and not requests and "CancelRun" not in kinds:
        raise Violation("C1", f"the run is to be stopped, and only {of_run} is outstanding")
    if seen.pending is not None and seen.batch is None and seen.stop is None and not seen.swap:
        if requests and seen.carry:
            raise Violation("H4", f"the run is to be cancelled for its transition, and {requests} are outstanding")
        if "CancelRun" in kinds and not seen.carry:
            raise Violation("H4", "the run is to complete for its transition, and is cancelled")
    if "CancelRun" in kinds and not seen.swap and sent and not server.known:
        raise Violation("C1", "a cancel does not wait for the acknowledgement of its request")
