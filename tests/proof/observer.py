"""What an onlooker knows of a thread: folded over the events alone, by the rules, without the core's bookkeeping.

The onlooker keeps what must be in `due`, which calls run, which transition was won, what counts and who is to speak.
Invariants compare this with the state; so a mutant that breaks the core's own books is judged by books of ours. It
reads one thing back from the state: the ticket ids the model is told in its outputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.proof.flow import TOOLS, dests

#: An item of `due`, folded: ("O", run, batch, call) | ("U", number) | ("N", ticket) | ("H", assistant) | ("S", run).
Tag = tuple[Any, ...]

TICKET = re.compile(r"ticket (T\d+)")

#: Phases of a call: ready, started, done by its body, answered without one, or one of the tickets below.
TICKETS = {"A": "approval", "W": "waiting", "R": "running", "I": "in_doubt"}
SETTLED = frozenset({"d", "n", *TICKETS})
#: What the end of a run is called that was stopped by nobody's wish.
ENDS = {"expired": "expired", "limit": "incomplete"}
NOTHING = (0, 0, 0, 0, 0, 0)


class SeenTicket(NamedTuple):
    """A call that was answered pending and is not resolved."""

    id: str
    tool: str
    asker: str
    #: `x` as its batch left it.
    base: Any
    #: (run, batch, call).
    key: tuple[int, int, str]
    stage: str


class Seen(NamedTuple):
    """What the onlooker knows."""

    assistant: str = "a"
    x: Any = None
    #: How many user messages the inbox took, and how many of them the thread took or refused.
    posted: int = 0
    accepted: int = 0
    due: tuple[Tag, ...] = ()
    #: The active run, 0 for none, and what its backend can do.
    run: int = 0
    runs: int = 0
    swap: bool = True
    #: Whether its transition cancels it: once one is won, as its tool says; always once it asks for more after that.
    carry: bool = False
    otherwise: tuple[str, ...] = ()
    #: The call of the run whose output is the reply, as the model wrote the output.
    reply: str | None = None
    steer: bool = False
    #: The open batch: (tool, phase) by position; what the lane left of `x`; the transition won: (dest, speak, ...).
    batch: tuple[tuple[str, str], ...] | None = None
    batches: int = 0
    lane_x: Any = None
    ran: tuple[str, ...] = ()
    won: tuple[str, str] | None = None
    #: The transition a settled batch committed.
    pending: tuple[str, str] | None = None
    stop: str | None = None
    #: Whether the model of the run was told that no calls are left.
    warned: bool = False
    tickets: tuple[SeenTicket, ...] = ()
    wants: bool = False
    replied: bool = False
    moved: bool = False
    #: handoffs, calls, runs since the last stimulus; the same since the last user message.
    tally: tuple[int, int, int, int, int, int] = NOTHING
    times: int = 0
    visited: frozenset[tuple[str, Any, int]] = frozenset()
    limit_taken: bool = False
    granted: bool = False
    #: How the last turn ended: "" for a reply, else a typed failure.
    failed: str = ""
    #: The messages no run has answered yet.
    unanswered: tuple[int, ...] = ()
    #: What the server calls what it has of the thread.
    ref: str = ""


class Step(NamedTuple):
    """One event, as invariants see it."""

    kind: str
    event: Any
    before: Any
    after: Any
    old: Seen
    new: Seen
    #: The items that are due afterwards, folded.
    tags: tuple[Tag, ...]
    server: Any
    #: Whether the current request has left this process.
    sent: bool


def tags_of(due: tuple[Any, ...]) -> tuple[Tag, ...]:
    """Return the items folded to what identifies them."""
    return tuple([_tag(item) for item in due])


def _tag(item: Any) -> Tag:
    kind = type(item).__name__
    if kind == "Output":
        return ("O", item.run, item.batch, item.call)
    if kind == "UserMessage":
        return ("U", int(item.id[1:]))
    if kind == "Spoken":
        return ("S", item.run)
    if item.kind == "handoff":
        return ("H", item.text.split()[2].rstrip("."))
    return ("N", item.ticket)


def _behind_outputs(due: tuple[Tag, ...], outputs: tuple[Tag, ...]) -> tuple[Tag, ...]:
    head = 0
    while head < len(due) and due[head][0] == "O":
        head += 1
    return due[:head] + outputs + due[head:]


def _told(after: Any) -> dict[tuple[int, int, str], str]:
    """Return the ticket ids the due outputs tell the model, by call."""
    told = {}
    for item in after.due:
        if type(item).__name__ == "Output" and "Pending: " in item.text:
            found = TICKET.search(item.text)
            told[(item.run, item.batch, item.call)] = found.group(1) if found else "?"
    return told


def settle(seen: Seen, after: Any) -> Seen:
    """Close the open batch: all of it in one step (B6)."""
    batch = seen.batch or ()
    keys = [(seen.run, seen.batches, str(index)) for index in range(len(batch))]
    told = _told(after) if any(phase in TICKETS for _, phase in batch) else {}
    tickets = tuple(
        SeenTicket(told.get(key, "?"), tool, seen.assistant, seen.lane_x, key, TICKETS[phase])
        for key, (tool, phase) in zip(keys, batch, strict=True)
        if phase in TICKETS
    )
    visited = frozenset() if any(not TOOLS[tool].goes for tool in seen.ran) else seen.visited
    tally, pending = seen.tally, seen.pending
    if seen.won is not None:
        handoffs, calls, runs, all_handoffs, all_calls, all_runs = tally
        tally = (handoffs + 1, calls, runs, all_handoffs + 1, all_calls, all_runs)
        visited |= {(seen.won[0], seen.lane_x, seen.times)}
        pending = pending or seen.won
    due = _behind_outputs(seen.due, tuple([("O", *key) for key in keys]))
    return seen._replace(
        batch=None, won=None, ran=(), due=due, x=seen.lane_x, tickets=seen.tickets + tickets,
        pending=pending, tally=tally, visited=visited,
    )  # fmt: skip


def settle_now(seen: Seen, after: Any) -> Seen:
    """Settle at once: started calls become tickets, unstarted ones are answered."""
    if seen.batch is None:
        return seen
    cut = {"s": "R", "r": "n"}
    return settle(seen._replace(batch=tuple((tool, cut.get(phase, phase)) for tool, phase in seen.batch)), after)


def unlock(old: Seen, status: str) -> Seen:
    """End the run: the committed transition is applied, else the turn ends here unless `then` fires (H3, H5, L4)."""
    failed = "" if status == "completed" else status
    seen = old._replace(run=0, stop=None, pending=None, failed=failed, batches=0)
    if old.pending is None:
        replied = not failed and old.stop is None
        return seen._replace(wants=False, replied=replied, unanswered=old.unanswered if replied else ())
    dest, speak = old.pending
    wants = speak == "yes" and old.stop not in {"cancel", "interrupt"} and dest != "end"
    return _arrive(seen, dest)._replace(wants=wants, replied=False, unanswered=old.unanswered if wants else ())


def _arrive(seen: Seen, dest: str) -> Seen:
    due = seen.due if dest in {seen.assistant, "end"} else (*seen.due, ("H", dest))
    return seen._replace(assistant=dest, due=due)


def _phase(seen: Seen, call: str, phase: str) -> Seen:
    position = int(call)
    batch = tuple((tool, phase if index == position else old) for index, (tool, old) in enumerate(seen.batch or ()))
    return seen._replace(batch=batch)


def _stimulus(seen: Seen) -> Seen:
    return seen._replace(tally=(0, 0, 0, *seen.tally[3:]), visited=frozenset())


def _handed(seen: Seen, dest: str) -> Seen:
    handoffs, calls, runs, all_handoffs, all_calls, all_runs = seen.tally
    visited = seen.visited | {(dest, seen.x, seen.times)}
    return seen._replace(tally=(handoffs + 1, calls, runs, all_handoffs + 1, all_calls, all_runs), visited=visited)


# -- one function for each kind of event -------------------------------------------------------------------------------


def _message(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    return seen._replace(
        accepted=seen.accepted + 1, due=(*seen.due, ("U", int(event.id[1:]))), wants=seen.wants or not seen.run,
        tally=NOTHING, times=0, visited=frozenset(), limit_taken=False, granted=False,
        unanswered=(*seen.unanswered, int(event.id[1:])), warned=False,
    )  # fmt: skip


def _refused(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    number = int(event.id[1:])
    if number > seen.accepted:
        return seen._replace(accepted=number)
    due = tuple(tag for tag in seen.due if tag != ("U", number))
    return seen._replace(due=due, unanswered=tuple(one for one in seen.unanswered if one != number))


def _resolved(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    ticket = next((one for one in seen.tickets if one.id == event.ticket), None)
    if ticket is None:
        return seen
    if event.outcome in {"approved", "waiting", "in_doubt"}:
        tickets = tuple(one._replace(stage=event.outcome) if one is ticket else one for one in seen.tickets)
        seen = seen._replace(tickets=tickets)
        return _stimulus(seen) if event.outcome == "approved" else seen
    seen = _stimulus(seen)
    seen = seen._replace(
        tickets=tuple(one for one in seen.tickets if one is not ticket),
        due=(*seen.due, ("N", ticket.id)),
        wants=seen.assistant != "end",
    )
    if event.outcome == "refused":
        return seen
    if event.patch and not event.misfit and seen.x == ticket.base:
        seen = seen._replace(x=event.patch["x"])
    if event.move is None:
        return seen
    seen = _arrive(_handed(seen, event.move.dest), event.move.dest)
    return seen._replace(moved=True, wants=event.move.dest != "end")


def _edited(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    return seen._replace(x=event.patch["x"])


def _same(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del event, after, limits
    return seen


def _moved(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    move = event.move
    if move.kind == "after":
        seen = _stimulus(seen)._replace(moved=True)
    elif move.kind == "limit":
        seen = seen._replace(limit_taken=True, granted=True)
    if move.times is not None:
        seen = seen._replace(times=seen.times + 1)
    ends = move.dest == "end"
    wants = not ends and (move.speak == "yes" or seen.wants)
    seen = _arrive(_handed(seen, move.dest), move.dest)
    return seen._replace(wants=wants, replied=False, unanswered=seen.unanswered if wants else ())


def _drained(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del event, after, limits
    return seen._replace(moved=False, wants=False, unanswered=())


def _start_refused(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    return seen._replace(moved=False, wants=False, failed=event.cause, unanswered=())


def _started(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    handoffs, calls, runs, all_handoffs, all_calls, all_runs = seen.tally
    return seen._replace(
        run=event.run, runs=event.run, swap=event.mode.swap, carry=event.mode.carry,
        otherwise=event.mode.otherwise, reply=None, steer=event.mode.steer, warned=False,
        wants=False, moved=False, batches=0, granted=False, failed="",
        tally=(handoffs, calls, runs + 1, all_handoffs, all_calls, all_runs + 1),
    )  # fmt: skip


def _stop(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del limits
    open_batch = seen.batch is not None
    seen = settle_now(seen._replace(stop=event.cause), after)
    if not (open_batch and seen.swap):
        return seen
    return unlock(seen, "expired" if event.cause == "expired" else "cancelled")


def _grace(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del event, limits
    return _settled(settle_now(seen, after), after, closed=True)


def _accepted(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    return seen._replace(due=seen.due[event.stored :])


def _absent(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    stopped = "expired" if seen.stop == "expired" else "cancelled"
    return unlock(seen, stopped) if seen.stop and event.request == 1 else seen


def calls_left(seen: Seen, limits: Any) -> int:
    """Return how many tool calls may still run (G)."""
    return max(0, min(limits.calls - seen.tally[1], limits.calls * limits.factor - seen.tally[4]))


def _calls(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    left = calls_left(seen, limits)
    over = seen.stop is not None or seen.pending is not None
    batch = []
    for index, call in enumerate(event.calls):
        tool = TOOLS[call.tool]
        answered = over or tool.bad or index >= left
        batch.append((call.tool, "n" if answered else "A" if tool.approval else "r"))
    seen = seen._replace(
        due=seen.due[event.stored :], batch=tuple(batch), batches=seen.batches + 1, lane_x=seen.x, ran=(), won=None
    )
    if over:
        return settle(seen._replace(carry=True), after)  # it goes on after its transition: nothing but a cancel ends it
    taken = min(left, len(batch))
    handoffs, calls, runs, all_handoffs, all_calls, all_runs = seen.tally
    warned, told = seen.warned, left < len(batch)
    tally = (handoffs, calls + taken, runs, all_handoffs, all_calls + taken, all_runs)
    seen = seen._replace(tally=tally, warned=warned or told)
    if not warned:
        return _settled(seen, after)
    seen = settle(seen._replace(stop="limit"), after)
    return unlock(seen, "incomplete") if seen.swap else seen


def _settled(seen: Seen, after: Any, *, closed: bool = False) -> Seen:
    """Settle the batch if every call has its output; a backend that swaps is then done with the run."""
    if not closed:
        if seen.batch is None or any(phase not in SETTLED for _, phase in seen.batch):
            return seen
        seen = settle(seen, after)
    return unlock(seen, "completed") if seen.swap and seen.pending else seen


def _run_ended(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del limits
    seen = settle_now(seen._replace(due=seen.due[event.stored :]), after)
    if event.calls:
        outputs = tuple(("O", seen.run, seen.batches + 1, one.id) for one in event.calls)
        seen = seen._replace(due=_behind_outputs(seen.due, outputs))
    elif event.text and event.status not in {"completed", "incomplete"}:
        seen = seen._replace(due=(*seen.due, ("S", seen.run)))
    status = str(event.status)
    if status == "cancelled" and seen.stop in ENDS:
        status = ENDS[seen.stop]
    elif status == "cancelled" and seen.stop is None and seen.pending is not None:
        status = "completed"  # cancelled to carry a transition over: no failure
    return unlock(seen, status)


def _call_started(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del after, limits
    key = (event.run, event.batch, event.call)
    if any(one.key == key for one in seen.tickets):
        tickets = tuple(one._replace(stage="running") if one.key == key else one for one in seen.tickets)
        return seen._replace(tickets=tickets)
    return _phase(seen, event.call, "s")


def _call_done(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del limits
    tool = (seen.batch or ())[int(event.call)][0]
    if event.pending:
        return _settled(_phase(seen, event.call, "W" if event.pending == "waiting" else "I"), after)
    seen = _phase(seen, event.call, "d")
    if event.ran:
        seen = seen._replace(ran=(*seen.ran, tool))
        if event.patch:
            seen = seen._replace(lane_x=event.patch["x"])
    if event.move is not None:
        won = (event.move.dest, event.move.speak)
        batch = tuple(
            (name, "n") if phase == "r" and dests(name, seen.assistant) not in {(), won[:1]} else (name, phase)
            for name, phase in seen.batch or ()
        )
        replies = event.move.speak == "output" or (event.move.dest == "end" and event.move.speak == "yes")
        carry = seen.carry != (tool in seen.otherwise)
        seen = seen._replace(won=won, batch=batch, carry=carry, reply=event.output if replies else None)
    return _settled(seen, after)


def _recovered(seen: Seen, event: Any, after: Any, limits: Any) -> Seen:
    del limits
    if seen.batch is not None:
        batch = tuple(
            (tool, _after_crash(tool, phase)) if (seen.run, seen.batches, str(index)) in event.lost else (tool, phase)
            for index, (tool, phase) in enumerate(seen.batch)
        )
        seen = seen._replace(batch=batch)
    tickets = tuple(
        one._replace(stage=_stage_after_crash(one)) if one.key in event.lost else one for one in seen.tickets
    )
    return _settled(seen._replace(tickets=tickets), after)


def _after_crash(tool: str, phase: str) -> str:
    if phase != "s":
        return phase
    return "r" if TOOLS[tool].idempotent else "s" if TOOLS[tool].probed else "I"


def _stage_after_crash(ticket: SeenTicket) -> str:
    if ticket.stage != "running":
        return ticket.stage
    tool = TOOLS[ticket.tool]
    return "approved" if tool.idempotent else "running" if tool.probed else "in_doubt"


OBSERVE: dict[str, Callable[[Seen, Any, Any, Any], Seen]] = {
    "MessageAccepted": _message,
    "MessageRefused": _refused,
    "Resolved": _resolved,
    "Edited": _edited,
    "EditDenied": _same,
    "RowIgnored": _same,
    "Moved": _moved,
    "TimerPassed": _same,
    "Drained": _drained,
    "RunStarted": _started,
    "StartRefused": _start_refused,
    "StopRequested": _stop,
    "GraceReached": _grace,
    "ThreadKnown": _same,
    "RequestAccepted": _accepted,
    "RequestDoubted": _same,
    "RequestAbsent": _absent,
    "CallsRequested": _calls,
    "RunEnded": _run_ended,
    "CallStarted": _call_started,
    "CallDone": _call_done,
    "Recovered": _recovered,
}


def observe(seen: Seen, kind: str, event: Any, after: Any) -> Seen:
    """Return what the onlooker knows after the event."""
    if seen.replied and not (kind == "Moved" and event.move.kind == "then"):
        seen = seen._replace(replied=False, unanswered=())
    ref = getattr(event, "ref", "")
    return OBSERVE[kind](seen._replace(ref=ref) if ref else seen, event, after, after.limits)
