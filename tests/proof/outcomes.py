"""Outcomes: what must have happened somewhere in a search, or the search proves nothing.

Each is a question about one event and what the onlooker knew before and after it, listed by the kind of event that
shows it. The environment notes a few more by itself, where no event shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.proof.flow import TOOLS
from tests.proof.observer import Seen

#: Outcomes no event shows; the environment notes them where they happen.
NOTED = (
    "a message is rejected",
    "a probe is asked",
    "a submit reaches a run that is over",
    "an append is judged again, as the inbox grew",
)

#: Outcomes by the event that shows them.
OUTCOMES: dict[str, tuple[tuple[str, Callable[[Any, Seen, Seen], bool]], ...]] = {
    "CallDone": (
        (
            "the second handoff wins after the first's guard failed",
            lambda event, old, _: event.move is not None
            and any(dests_of(tool) and phase == "d" for tool, phase in (old.batch or ())[: int(event.call)]),
        ),
        (
            "a call is not taken",
            lambda event, old, new: event.move is not None
            and any(phase == "r" and dests_of(tool) for tool, phase in old.batch or ())
            and sum(phase == "n" for _, phase in new.batch or ()) > sum(phase == "n" for _, phase in old.batch or ()),
        ),
        (
            "two handoffs to the same assistant both run",
            lambda event, old, _: old.won is not None and dests_of((old.batch or ())[int(event.call)][0]),
        ),
        ("a guard that held at journaling fails at its turn", lambda event, old, _: "unset" in event.denied
            and old.x is None and old.lane_x is not None),
        ("a body says that its result comes later", lambda event, _old, _new: event.pending == "waiting"),
        ("a probe cannot tell", lambda event, _old, _new: event.pending == "in_doubt"),
        ("a loop is blocked", lambda event, _old, _new: "was just active" in event.denied),
        ("the handoff limit is reached", lambda event, _old, _new: "limit of" in event.denied),
        ("a body fails", lambda event, _old, _new: not event.ran),
    ),
    "RunEnded": (
        ("a run expires with a committed transition",
            lambda event, old, _: event.status == "expired" and old.pending is not None),
        ("a run fails with a committed transition",
            lambda event, old, _: event.status == "failed" and old.pending is not None),
        ("a run completes with a committed transition",
            lambda event, old, _: event.status == "completed" and old.pending is not None),
        ("a cancel loses against completion",
            lambda event, old, _: event.status == "completed" and old.stop is not None),
        ("outputs miss their run", lambda _event, _old, new: bool(new.due) and new.due[0][0] == "O"),
        ("a response is stored with open calls", lambda event, _old, _new: bool(event.calls)),
        ("text is cut off", lambda _event, _old, new: any(tag[0] == "S" for tag in new.due)),
        ("a run ends while its batch is open", lambda _event, old, _new: old.batch is not None),
        ("a run is incomplete", lambda event, _old, _new: event.status == "incomplete"),
        ("a run is carried over", lambda event, old, _: event.status == "cancelled" and old.carry
            and old.pending is not None and old.stop is None),
        ("a message stays due after a failure", lambda _event, _old, new: any(tag[0] == "U" for tag in new.due)),
    ),
    "Resolved": (
        ("a late result after a handoff", lambda event, old, _: event.outcome == "result"
            and _asker(old, event) not in {None, old.assistant}),
        ("a late result moves the thread", lambda event, _old, _new: event.move is not None),
        ("a late result is not handed over", lambda event, _old, _new: bool(event.denied)),
        ("a late field had changed and is kept", lambda event, old, new: bool(event.patch)
            and old.x == new.x != event.patch["x"]),
        ("an approval is granted", lambda event, _old, _new: event.outcome == "approved"),
        ("an approval is refused", lambda event, _old, _new: event.outcome == "refused"),
        ("a late result reaches a closed thread", lambda _event, old, _: old.assistant == "end"),
        ("a second late result finds the thread moved", lambda event, old, _: old.moved and bool(event.denied)),
        ("an unknown outcome is settled", lambda event, old, _: _stage(old, event) == "in_doubt"),
    ),
    "MessageAccepted": (
        ("a message is steered to a model that was told that no calls are left", lambda _event, old, _: old.warned),
        ("a message is steered in", lambda _event, old, _: old.run != 0),
        ("a queued message is steered in before a steer", lambda _event, old, new: old.run != 0
            and len(new.unanswered) > 2),
        ("a queued message is answered by the next assistant", lambda _event, old, _: not old.run
            and any(tag[0] == "H" for tag in old.due)),
    ),
    "MessageRefused": (("a message reaches a closed thread", lambda _event, _old, _new: True),),
    "StopRequested": (
        ("an interrupt with a pending handoff", lambda event, old, _: event.cause == "interrupt"
            and (old.pending is not None or old.won is not None)),
        ("a cancel with a pending handoff", lambda event, old, _: event.cause == "cancel"
            and (old.pending is not None or old.won is not None)),
        ("a stop while bodies run", lambda _event, old, _: any(phase == "s" for _, phase in old.batch or ())),
        ("a cancel after a model called on", lambda event, old, _: old.stop == "limit" and event.cause == "cancel"),
        ("a cancel after our deadline", lambda event, old, _: old.stop == "expired" and event.cause == "cancel"),
        ("our deadline passes", lambda event, _old, _new: event.cause == "expired"),
    ),
    "GraceReached": (
        ("a slow call becomes a ticket", lambda _event, old, new: len(new.tickets) > len(old.tickets)),
        ("grace with a transition won", lambda _event, old, _: old.won is not None),
    ),
    "Recovered": (
        ("a crash leaves a call in doubt", lambda _event, old, new: _in_doubt(new) > _in_doubt(old)),
        ("a crash settles a batch", lambda _event, old, new: old.batch is not None and new.batch is None),
        ("an idempotent ticket runs again", lambda _event, old, new: sum(t.stage == "approved" for t in new.tickets)
            > sum(t.stage == "approved" for t in old.tickets)),
        ("a crash with a request in flight", lambda _event, old, _: bool(old.run) and old.batch is None),
    ),
    "CallsRequested": (
        ("tools are asked for after the transition", lambda _event, old, _: old.pending is not None),
        ("tools are asked for after a stop", lambda _event, old, _: old.stop is not None),
        ("the call limit is reached", lambda event, old, new: new.tally[1] - old.tally[1] < len(event.calls)
            and old.pending is None and old.stop is None),
        ("a model calls on after it was told not to", lambda _event, old, _: old.warned and old.stop is None),
        ("a batch is settled when it is journaled", lambda _event, old, new: new.batch is None
            and old.pending is None and old.stop is None),
        ("a second batch in one run", lambda _event, old, _: old.batches > 0),
    ),
    "Moved": (
        ("then is taken", lambda event, _old, _new: event.move.kind == "then"),
        ("a silence moves the thread", lambda event, _old, _new: event.move.kind == "after"),
        ("on_limit is taken", lambda event, _old, _new: event.move.kind == "limit"),
    ),
    "TimerPassed": (("a silence passes without a transition", lambda _event, _old, _new: True),),
    "Edited": (("an edit is applied", lambda _event, _old, _new: True),),
    "EditDenied": (("an edit is denied", lambda _event, _old, _new: True),),
    "Drained": (
        ("speak no: nobody starts", lambda _event, old, _: bool(old.due) and old.due[-1][0] == "H" and not old.failed),
        ("a cancelled run's handoff starts nobody", lambda _event, old, _: bool(old.due) and old.due[-1][0] == "H"
            and old.failed == "cancelled"),
    ),
    "StartRefused": (
        ("a start is refused at a limit", lambda event, _old, _new: event.cause == "limit"),
        ("instructions cannot be rendered", lambda event, _old, _new: event.cause == "instructions"),
    ),
    "ThreadKnown": (("the server has a name for the thread", lambda _event, _old, _new: True),),
    "RequestAbsent": (
        ("a request never arrived and is made again", lambda _event, old, _: old.stop is None),
        ("a stopped run was never started", lambda event, old, _: old.stop is not None and event.request == 1),
        ("a refused submit", lambda event, _old, _new: event.request > 1),
    ),
    "RequestAccepted": (("a request is acknowledged", lambda _event, _old, _new: True),),
    "RunStarted": (
        ("three messages ride in one start", lambda _event, old, _: sum(tag[0] == "U" for tag in old.due) > 2),
        ("outputs and a message start together", lambda _event, old, _: {"O", "U"} <= {tag[0] for tag in old.due}),
        ("speak no, but a message waits", lambda _event, old, _: old.granted is False
            and any(tag[0] == "H" for tag in old.due) and old.due[-1][0] == "U"),
    ),
}  # fmt: skip


def dests_of(tool: str) -> bool:
    """Return whether the tool may move the thread."""
    return bool(TOOLS[tool].goes)


def _asker(seen: Seen, event: Any) -> str | None:
    return next((one.asker for one in seen.tickets if one.id == event.ticket), None)


def _stage(seen: Seen, event: Any) -> str | None:
    return next((one.stage for one in seen.tickets if one.id == event.ticket), None)


def _in_doubt(seen: Seen) -> int:
    return sum(one.stage == "in_doubt" for one in seen.tickets) + sum(phase == "I" for _, phase in seen.batch or ())
