"""The invariants, each a named function over one event (what stood before, what happened, what stands after).

`old` and `new` are the onlooker's books (observer.py), `before` and `after` the core's state; an invariant returns
what is wrong, or None. Where they are of another kind they stand elsewhere: I1, I2 and I15 are the server's
(server.py), I14 the bodies' (environment.py), I19 the judge's (flow.py), I18, I20, I21 and I22 the search's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from tests.proof.flow import TOOLS
from tests.proof.observer import Step
from tests.proof.server import ACTIVE
from tests.proof.violation import Violation

Invariant: TypeAlias = Callable[[Step], str | None]

#: Every invariant by name, with its sentence.
SENTENCES: dict[str, str] = {
    "I1": "No start while a run is active on the server.",
    "I2": "A submit goes to the run that waits, with exactly its call ids.",
    "I3": "Every journaled call has exactly one output in transcript and due together.",
    "I4": "Every `pending` has exactly one of open ticket and late result.",
    "I5": "Transcript and due together hold every accepted message once, in commit order.",
    "I6": "A start's commit leaves the inbox empty.",
    "I7": "At rest there is no inbox, batch, pending transition or stop; due holds messages only after a failure.",
    "I8": "The thread is unlocked only at a terminal server status, with every call settled.",
    "I9": "The assistant is constant per run.",
    "I10": "A pending transition is what the next assistant is; nothing else changes the assistant.",
    "I11": "At most one winner per batch; no body of a call not taken; a false guard never wins.",
    "I12": "No body of a run starts after its transition is committed, tickets excepted.",
    "I13": "`then` fires only after a completed, unstopped run with nothing committed.",
    "I14": "A body that is not idempotent starts at most once over crashes.",
    "I15": "A request carries an output for every open call and no other, outputs before anything else.",
    "I16": "A started call is deferred only by grace, stop, the run's end, a crash, or its own word.",
    "I17": "Counters reset only by a stimulus, the totals only by a user message; nothing is counted twice.",
    "I18": "Stale events change nothing.",
    "I19": "Rendering never meets an unset declared field.",
    "I20": "From every state rest is reachable.",
    "I21": "One final transcript whatever the completion order.",
    "I22": "Folding the journal gives the state, and `todo` gives the commands.",
    "B3": "The lane runs in call order, one body at a time.",
    "B5": "What a call returned is its output; what was not run says so.",
    "B6": "A batch settles in one commit, as soon as every call has its output.",
    "C1": "One request in flight; a cancel waits for its acknowledgement and names the run that is active.",
    "C4": "What the server calls the thread is its last word that counted, through every end, crash and doubt.",
    "D3": "A late result's transition is taken only if its asker is active and none was taken in this drain.",
    "D5": "A silence is asked about once.",
    "E2": "A body under way is never answered as not run.",
    "G": "Bounds hold: no start, handoff or call beyond its limit, no request after calls of a model that was told so, "
    "and no loop.",
    "H4": "A transition ends its run as its tool says, and a run cancelled for it has completed.",
    "H5": "What its call returned is the reply exactly where the transition says so.",
    "H6": "A handoff adds exactly one note, and what was cut off stays due.",
    "L1": "A run's end unlocks the thread.",
    "L2": "While a run is active only its own outputs and steered messages are written.",
    "L4": "At an unlock: transition, inbox, then one start exactly if somebody is to speak.",
    "L6": "A cancel of the active run stops it, unless a user has stopped it before.",
    "L7": "A message is unanswered until the run that carried it ends.",
    "M": "Metadata is what settlements, late results and edits made of it.",
}


def _only(tags: tuple[Any, ...], kind: str) -> list[Any]:
    return [tag for tag in tags if tag[0] == kind]


def i1_one_run(step: Step) -> str | None:
    """No run is started while one is active."""
    if step.old.run or step.server.phase in ACTIVE:
        return f"run {step.event.run} is started while {step.server.run or step.old.run} is active"
    return None


def i3_one_output(step: Step) -> str | None:
    """The outputs that are due are those of the settled calls the transcript lacks."""
    expected, actual = _only(step.new.due, "O"), _only(step.tags, "O")
    return None if expected == actual else f"outputs due: expected {expected}, found {actual}"


def i4_tickets(step: Step) -> str | None:
    """Open tickets and due results are those of the calls answered pending."""
    expected, actual = _only(step.new.due, "N"), _only(step.tags, "N")
    if expected != actual:
        return f"late results due: expected {expected}, found {actual}"
    run = step.after.run
    open_batch = (run.number, run.batch.number) if run is not None and run.batch is not None else None
    open_tickets = [(one.id, one.stage) for one in step.after.tickets if (one.run, one.batch) != open_batch]
    told = [(one.id, one.stage) for one in step.new.tickets]
    return None if sorted(told) == sorted(open_tickets) else f"told pending: {told}, open: {open_tickets}"


def i5_messages(step: Step) -> str | None:
    """The messages that are due are the accepted ones the transcript lacks, in order."""
    expected, actual = _only(step.new.due, "U"), _only(step.tags, "U")
    return None if expected == actual else f"messages due: expected {expected}, found {actual}"


def i5_commit_order(step: Step) -> str | None:
    """Messages join in the order their senders were given receipts."""
    number = int(step.event.id[1:])
    if step.kind == "MessageRefused" and ("U", number) in step.old.due:
        return None if step.old.assistant == "end" else f"message {number} is refused"
    return None if number == step.old.accepted + 1 else f"message {number} joins after {step.old.accepted}"


def i7_rest(step: Step) -> str | None:
    """A thread that rests has nothing outstanding."""
    state = step.after
    if state.phase != "rest":
        return None
    if state.run is not None or state.wants or state.moved or state.replied:
        return "it rests with a run, or with somebody to speak"
    if _only(step.tags, "U") and not step.new.failed:
        return "a message is due and nothing failed"
    return None


def i8_unlock(step: Step) -> str | None:
    """The thread is unlocked only when the rules say so and the server is done."""
    if step.after.run is not None or not step.old.run:
        return None
    if step.new.run:
        return f"{step.kind} unlocks the thread"
    if step.server.phase in ACTIVE and step.server.run == step.old.run:
        return f"unlocked while the server is at {step.server.phase}"
    return None


def l1_unlocks(step: Step) -> str | None:
    """The run's end unlocks the thread."""
    if step.after.run is not None and not step.new.run:
        return f"{step.kind} does not unlock the thread"
    return None


def i9_constant(step: Step) -> str | None:
    """While a run is active its assistant is the active one."""
    if not step.new.run or step.after.run is None:
        return None
    found = {step.after.assistant, step.after.run.assistant}
    return None if found == {step.new.assistant} else f"{step.new.assistant} runs, found {sorted(found)}"


def i10_next(step: Step) -> str | None:
    """Between runs the assistant is what transitions made it."""
    if step.new.run or step.after.assistant == step.new.assistant:
        return None
    return f"{step.new.assistant} is to be active, found {step.after.assistant}"


def i10_starts(step: Step) -> str | None:
    """The run is started for the active assistant."""
    expected = step.old.assistant
    return None if step.event.assistant == expected else f"{step.event.assistant} is started, {expected} is active"


def i11_winner(step: Step) -> str | None:
    """A second transition of the batch is not taken."""
    if step.event.move is not None and step.old.won is not None:
        return f"{step.event.call} wins after another call of its batch"
    return None


def b5_outputs(step: Step) -> str | None:
    """Outputs say what became of their calls."""
    if step.old.batch is None or step.new.batch is not None:
        return None
    texts = {(one.run, one.batch, one.call): one.text for one in step.after.due if type(one).__name__ == "Output"}
    finished = step.event.call if step.kind == "CallDone" and not step.event.pending else None
    for index, (tool, phase) in enumerate(step.old.batch):
        text = texts.get((step.old.run, step.old.batches, str(index)), "")
        if (phase == "d" or finished == str(index)) and not text.startswith("out"):
            return f"{tool} returned, and the model is told {text!r}"
        if phase == "r" and finished != str(index) and not text.startswith(("Not run", "Not taken", "Pending")):
            return f"{tool} did not run, and the model is told {text!r}"
    return None


def b6_settled(step: Step) -> str | None:
    """A batch is open exactly while a call lacks its output."""
    run = step.after.run
    if run is not None and run.batch is not None and step.new.batch is None and run.number == step.old.run:
        return f"{step.kind} leaves the batch open"
    return None


def i16_deferral(step: Step) -> str | None:
    """Only what may settle early settles early, and only what may defer defers."""
    run = step.after.run
    if step.new.batch is not None and (run is None or run.batch is None):
        return f"{step.kind} settles a batch with calls at {[phase for _, phase in step.new.batch]}"
    if step.kind in DEFERRING:
        return None
    grown = step.after.issued - step.before.issued
    return f"{step.kind} makes {grown} tickets" if grown else None


DEFERRING = frozenset({"GraceReached", "StopRequested", "RunEnded", "Recovered", "CallDone", "CallsRequested"})


def i16_only_its_own(step: Step) -> str | None:
    """A call's word defers nobody else; approvals alone are deferred when a batch is journaled."""
    if step.kind == "CallDone":
        allowed = 1 if step.event.pending else 0
    else:
        allowed = sum(1 for call in step.event.calls if call.approval)
    grown = step.after.issued - step.before.issued
    return None if grown <= allowed else f"{step.kind} makes {grown} tickets"


def i13_then(step: Step) -> str | None:
    """`then` follows a reply."""
    if step.event.move.kind == "then" and not step.old.replied:
        return "`then` fires, but no run has just completed undisturbed"
    return None


def i15_order(step: Step) -> str | None:
    """What is due keeps its order, outputs first."""
    return None if step.tags == step.new.due else f"due: expected {step.new.due}, found {step.tags}"


def i17_counters(step: Step) -> str | None:
    """The counters are what an onlooker counts."""
    found = step.after.counters
    counted = (
        found.handoffs, found.calls, found.runs, found.total_handoffs, found.total_calls, found.total_runs,
    )  # fmt: skip
    if counted != step.new.tally:
        return f"{step.kind}: counted {counted}, expected {step.new.tally}"
    if len(found.visited) != len(step.new.visited):
        return f"{step.kind}: {len(found.visited)} places visited, expected {len(step.new.visited)}"
    times = sum(count for _, count in found.times)
    return None if times == step.new.times else f"`times` counted {times}, expected {step.new.times}"


def g_start(step: Step) -> str | None:
    """A start stays within the limits, but for the one `on_limit` grants."""
    limits, tally = step.before.limits, step.old.tally
    within = tally[2] < limits.runs and tally[5] < limits.runs * limits.factor
    return None if within or step.old.granted else f"a run is started after {tally[2]} of {limits.runs}"


def g_called_on(step: Step) -> str | None:
    """A model that was told that no calls are left is not asked a third time: the run ends instead."""
    run = step.after.run
    if not step.old.warned or step.old.stop is not None or step.old.pending is not None or run is None:
        return None
    asks = run.unacknowledged and run.request > step.before.run.request
    return f"request {run.request} goes to a model that called on after it was told not to" if asks else None


def g_refused(step: Step) -> str | None:
    """A start is refused for a limit only beyond it."""
    limits, tally = step.before.limits, step.old.tally
    within = tally[2] < limits.runs and tally[5] < limits.runs * limits.factor
    return f"refused after {tally[2]} of {limits.runs} runs" if within and step.event.cause == "limit" else None


def g_move(step: Step) -> str | None:
    """A handoff stays within the limits, and does not loop."""
    move = step.event.move
    if move is None:
        return None
    if step.kind == "Moved" and move.kind == "limit":
        return "on_limit is taken twice for one message" if step.old.limit_taken else None
    limits, (handoffs, _, _, total, _, _) = step.before.limits, step.old.tally
    if step.kind == "Resolved" or (step.kind == "Moved" and move.kind == "after"):
        handoffs = 0
    if handoffs >= limits.handoffs or total >= limits.handoffs * limits.factor:
        return f"a handoff after {handoffs} of {limits.handoffs}"
    if move.times is not None and step.old.times >= move.times:
        return f"{move.transition} is taken more than {move.times} times"
    if step.kind == "CallDone":
        fresh = any(not TOOLS[name].goes for name in step.old.ran)
        facts = step.old.lane_x if not step.event.patch else step.event.patch["x"]
        if not fresh and (move.dest, facts, step.old.times) in step.old.visited:
            return f"{move.dest} is reached again with the same facts"
    return None


def c4_ref(step: Step) -> str | None:
    """The core knows what the server calls the thread."""
    found = step.after.ref
    return None if found == step.new.ref else f"the server calls it {step.new.ref!r}, found {found!r}"


def d3_late_move(step: Step) -> str | None:
    """A late result moves the thread only from its asker, and once a drain."""
    if step.event.move is None:
        return None
    ticket = next((one for one in step.old.tickets if one.id == step.event.ticket), None)
    if ticket is None or ticket.asker != step.old.assistant or step.old.moved:
        return f"the late result of {step.event.ticket} moves the thread"
    return None


def d3_moved(step: Step) -> str | None:
    """The core knows whether this drain has taken a transition."""
    found = step.after.moved
    return None if found == step.new.moved else f"moved in this drain: expected {step.new.moved}, found {found}"


def d5_once(step: Step) -> str | None:
    """A silence that passed is counted, so that it is not asked about again."""
    expected, found = step.before.timed + 1, step.after.timed
    return None if found == expected else f"timers passed: expected {expected}, found {found}"


def h4_ended(step: Step) -> str | None:
    """A run that is over ended as what happened to it says: cancelled for its transition, it has completed."""
    if not step.old.run or step.new.run or step.after.run is not None:
        return None
    expected, found = step.new.failed or "completed", str(step.after.ended)
    return None if found == expected else f"the run ended {found}, expected {expected}"


def h5_reply(step: Step) -> str | None:
    """The run tells the output of the call that won, where that is the reply, and no other."""
    run = step.after.run
    if run is None or step.new.batch is not None or run.move is None:
        return None
    return None if run.reply == step.new.reply else f"the reply: expected {step.new.reply!r}, found {run.reply!r}"


def h6_notes(step: Step) -> str | None:
    """Handoff notes and cut-off text are due as they came."""
    for kind in "HS":
        expected, actual = _only(step.new.due, kind), _only(step.tags, kind)
        if expected != actual:
            return f"notes due: expected {expected}, found {actual}"
    return None


def l2_locked(step: Step) -> str | None:
    """Nothing from the inbox is written while a run is active, steered messages excepted."""
    if not step.old.run:
        return None
    if step.kind != "MessageAccepted":
        return f"{step.kind} while run {step.old.run} is active"
    old = step.old
    fits = old.steer and old.batch is None and old.batches and not step.sent and old.stop is None
    return None if fits and old.pending is None else "a message joins the run where it may not"


def l4_start(step: Step) -> str | None:
    """A run starts only if somebody is to speak."""
    return None if step.old.wants else "a run is started, though nobody is to speak"


def l4_rest(step: Step) -> str | None:
    """The thread rests only if nobody is to speak."""
    return "it rests, though somebody is to speak" if step.old.wants else None


def l4_wants(step: Step) -> str | None:
    """The core knows whether somebody is to speak."""
    found = step.after.wants
    return None if found == step.new.wants else f"somebody is to speak: expected {step.new.wants}, found {found}"


def i13_replied(step: Step) -> str | None:
    """Only a completed, undisturbed run counts as a reply."""
    found = step.after.replied
    return None if found == step.new.replied else f"a reply: expected {step.new.replied}, found {found}"


def l7_unanswered(step: Step) -> str | None:
    """Messages stay unanswered until a run that carried them ends."""
    found = tuple(int(one[1:]) for one in step.after.unanswered)
    return None if found == step.new.unanswered else f"unanswered: expected {step.new.unanswered}, found {found}"


def m_metadata(step: Step) -> str | None:
    """`x` is what events made of it."""
    found = step.after.metadata.get("x")
    return None if found == step.new.x else f"{step.kind}: x is {found}, expected {step.new.x}"


#: Asked after these kinds of events, in this order.
OF_KIND: dict[str, tuple[tuple[str, Invariant], ...]] = {
    "RunStarted": (("I1", i1_one_run), ("I10", i10_starts), ("L4", l4_start), ("G", g_start)),
    "MessageAccepted": (("I5", i5_commit_order), ("L2", l2_locked)),
    "MessageRefused": (("I5", i5_commit_order), ("L2", l2_locked)),
    "Resolved": (("L2", l2_locked), ("D3", d3_late_move), ("G", g_move)),
    "Edited": (("L2", l2_locked),),
    "EditDenied": (("L2", l2_locked),),
    "Moved": (("L2", l2_locked), ("I13", i13_then), ("G", g_move)),
    "TimerPassed": (("L2", l2_locked), ("D5", d5_once)),
    "Drained": (("L4", l4_rest),),
    "StartRefused": (("G", g_refused),),
    "CallDone": (("I11", i11_winner), ("I16", i16_only_its_own), ("G", g_move)),
    "CallsRequested": (("I16", i16_only_its_own), ("G", g_called_on)),
}

#: Asked after every event, in this order: the more telling name first.
OF_ALL: tuple[tuple[str, Invariant], ...] = (
    ("I16", i16_deferral),
    ("I9", i9_constant),
    ("I8", i8_unlock),
    ("B6", b6_settled),
    ("L1", l1_unlocks),
    ("I10", i10_next),
    ("I3", i3_one_output),
    ("I5", i5_messages),
    ("H4", h4_ended),
    ("H5", h5_reply),
    ("H6", h6_notes),
    ("I4", i4_tickets),
    ("I15", i15_order),
    ("B5", b5_outputs),
    ("M", m_metadata),
    ("C4", c4_ref),
    ("I17", i17_counters),
    ("D3", d3_moved),
    ("I13", i13_replied),
    ("L4", l4_wants),
    ("L7", l7_unanswered),
    ("I7", i7_rest),
)


def check(step: Step) -> None:
    """Ask every invariant that concerns the event.

    Raises:
        Violation: if one does not hold.
    """
    for name, invariant in OF_KIND.get(step.kind, ()):
        problem = invariant(step)
        if problem is not None:
            raise Violation(name, problem)
    for name, invariant in OF_ALL:
        problem = invariant(step)
        if problem is not None:
            raise Violation(name, problem)
