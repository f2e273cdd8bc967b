"""Hand-made mutants of the core and the turn: each breaks one rule, and one of the named invariants must say so.

A mutant is a few replacements in the source, each of a text that occurs exactly once. Where the core asks a second
time, the mutant takes that check away as well: an exception kills nobody, it only ends a path.
"""

# ruff: noqa: ISC004 - the texts of a change are told apart by their commas

from __future__ import annotations

from dataclasses import dataclass

from tests.proof.families import FAMILIES
from tests.proof.search import Report, run_family

UNLOCKED = "handoff/core/unlocked.py"
RUNNING = "handoff/core/running.py"
SETTLING = "handoff/core/settling.py"
ENDING = "handoff/core/ending.py"
MOVES = "handoff/core/moves.py"
BATCH = "handoff/core/batch.py"
STALE = "handoff/core/stale.py"
STATE = "handoff/core/state.py"
TODO = "handoff/core/todo.py"
BOUNDS = "handoff/core/bounds.py"
TICKETS = "handoff/core/tickets.py"
TURN = "handoff/driving/turn.py"

Change = tuple[str, str, str]


@dataclass(frozen=True)
class Mutant:
    """One rule broken."""

    name: str
    #: The invariants that may say so; the first is the expected one.
    killed_by: tuple[str, ...]
    #: The family it is searched in.
    family: str
    #: (path, old text, new text).
    changes: tuple[Change, ...]

    @property
    def patches(self) -> dict[str, list[tuple[str, str]]]:
        """The changes by path."""
        found: dict[str, list[tuple[str, str]]] = {}
        for path, old, new in self.changes:
            found.setdefault(path, []).append((old, new))
        return found


def run_mutant(mutant: Mutant) -> Report:
    """Search the mutant's family until an invariant speaks."""
    family = next(family for family in FAMILIES if family.name == mutant.family)
    return run_family(family, patches=mutant.patches)


DRAIN = "    for row in waiting:\n        log.consume(row, _event_of"
ACTIVE = '    demand(not state.locked, event, "a run is active")\n'

MUTANTS: tuple[Mutant, ...] = (
    # -- the inbox
    Mutant(
        "newest-first inbox", ("I5",), "messages",
        ((TURN, DRAIN, "    for row in reversed(waiting):\n        log.consume(row, _event_of"),),
    ),
    Mutant(
        "newest-first inbox behind its head (needs 3 messages)", ("I5",), "messages",
        ((TURN, DRAIN, "    for row in (*waiting[:1], *reversed(waiting[1:])):\n        log.consume(row, _event_of"),),
    ),
    Mutant(
        "drain only one", ("I6", "I7"), "messages",
        ((TURN, DRAIN, "    for row in waiting[:1]:\n        log.consume(row, _event_of"),),
    ),
    Mutant(
        "a row that came in meanwhile is overlooked", ("I6", "I7"), "messages",
        ((TURN, "last_row = max((row.id for row in rows), default=0)", "last_row = None"),),
    ),
    Mutant(
        "a row that came into an empty inbox meanwhile is overlooked", ("I7", "I6"), "messages",
        ((TURN, "default=0)\n        _drain", "default=1 << 62)\n        _drain"),),
    ),
    Mutant(
        "two late results move the thread in one drain", ("D3",), "late moves",
        (
            (UNLOCKED, "state = replace(counted_move(state, event.move, event), moved=True)",
                "state = counted_move(state, event.move, event)"),
        ),
    ),
    Mutant(
        "a silence is asked about again and again", ("D5",), "silence",
        ((UNLOCKED, "timed=state.timed + 1", "timed=state.timed"),),
    ),
    Mutant(
        "a tool's output does not end a loop", ("I17",), "loops",
        ((BATCH, "        counters = replace(counters, visited=frozenset())\n", "        pass\n"),),
    ),
    Mutant(
        "an interrupt swallows its message", ("I5",), "interrupt, handoff, queue",
        ((
            TURN,
            'log.add(StopRequested(at, log.state.run.number, "interrupt"))\n',
            'log.add(StopRequested(at, log.state.run.number, "interrupt"))\n'
            "            log.consumed.append(row.id)\n            continue\n",
        ),),
    ),
    Mutant(
        "swap after drain", ("I10", "I19"), "metadata",
        (
            (TURN, "from handoff.core import fold\n",
                "from handoff.core import fold\nfrom handoff.core.moves import take\n"),
            (ENDING, "    state = take(state, run.move)\n    return replace(state, wants=wants,",
                "    state = replace(state, reason=run.move)\n    return replace(state, wants=wants,"),
            (TURN, "    if log.state.wants:\n        log.add(_start(",
                "    if not isinstance(log.state.reason, str):\n"
                "        log.state = take(log.state, log.state.reason)\n"
                "    if log.state.wants:\n        log.add(_start("),
        ),
    ),
    Mutant(
        "edit applied at once", ("L2",), "metadata",
        (
            (TURN, "        waiting.append(row)\n",
                '        if row.kind == "edit":\n'
                '            log.consume(row, Edited(at, row.data["id"], row.data["patch"]), at)\n'
                "            continue\n        waiting.append(row)\n"),
            (UNLOCKED, "def _edited(state: State, event: happened.Edited) -> State:\n" + ACTIVE,
                "def _edited(state: State, event: happened.Edited) -> State:\n"
                "    if state.run is not None:\n"
                "        return replace(state, metadata={**state.metadata, **event.patch})\n"),
        ),
    ),
    Mutant(
        "a steer overtakes the queue", ("I5",), "steer, handoff",
        ((TURN, "messages[: steers[-1] + 1 if steers else 0]", "messages[steers[-1] :] if steers else []"),),
    ),
    Mutant(
        "a steer joins a request that has left", ("L2",), "steer, handoff",
        ((TURN, "    elif boundary and log.state.run.joinable:", "    elif log.state.run.joinable:"),),
    ),
    Mutant(
        "a steer joins a run whose transition is committed", ("L2",), "steer, handoff",
        ((STATE, "and self.stop is None and self.move is None", "and self.stop is None"),),
    ),
    Mutant(
        "outputs after messages", ("I15",), "steer, handoff",
        ((UNLOCKED, "due=(*state.due, UserMessage(event.id, event.text, event.parts)),",
            "due=(*(one for one in state.due if type(one).__name__ != 'Output'),\n"
            "             UserMessage(event.id, event.text, event.parts),\n"
            "             *(one for one in state.due if type(one).__name__ == 'Output')),"),),
    ),
    Mutant(
        "messages of a closed thread are forgotten", ("I7",), "the end",
        ((TURN, "        _refuse_uncarried(log, at)\n", ""),),
    ),
    # -- what is due
    Mutant(
        "lost open call", ("I3",), "lane",
        ((BATCH, "entry.output) for entry in batch.entries\n",
            "entry.output) for entry in batch.entries if entry.progress is Progress.DONE\n"),),
    ),
    Mutant(
        "lost open call of a stored response", ("I3", "I15"), "cancel, answer, expiry",
        ((RUNNING, "outputs = tuple(Output(run.number, run.batches + 1, one.id, one.tool, tell(line)) "
            "for one in event.calls)", "outputs = tuple(Output(1, 1, line, line, line) for one in event.calls[1:])"),),
    ),
    Mutant(
        "refused submit dropped", ("I3",), "cancel, submit, expiry",
        ((RUNNING, "    del event\n    return replace(state, run=replace(active_run(state), doubt=True))",
            "    due = () if event.request > 1 else state.due\n"
            "    return replace(state, due=due, run=replace(active_run(state), doubt=True))"),),
    ),
    Mutant(
        "expired outputs dropped", ("I3",), "cancel, submit, expiry",
        ((RUNNING, '    demand(event.status in TERMINAL, event, f"{event.status} is not terminal")\n',
            '    demand(event.status in TERMINAL, event, f"{event.status} is not terminal")\n'
            "    if event.status is Status.EXPIRED:\n"
            "        state = replace(state, due=tuple(one for one in state.due if not isinstance(one, Output)))\n"),),
    ),
    Mutant(
        "a failed request takes its messages along", ("I5",), "messages",
        ((RUNNING, '    demand(event.status in TERMINAL, event, f"{event.status} is not terminal")\n',
            '    demand(event.status in TERMINAL, event, f"{event.status} is not terminal")\n'
            "    if event.status is Status.FAILED:\n"
            "        state = replace(state, due=())\n"
            "        event = happened.RunEnded(event.at, event.run, event.request, event.status)\n"),),
    ),
    Mutant(
        "cut-off text dropped", ("H6",), "cancel, answer, expiry",
        ((RUNNING, "state = replace(state, due=(*state.due, Spoken(run.assistant, run.number, event.text, cut=True)))",
            "pass"),),
    ),
    Mutant(
        "a handoff without its note", ("H6",), "lane",
        ((MOVES, '        due = (*due, Note("handoff", text))\n', "        del text\n"),),
    ),
    Mutant(
        "everything leaves with the first item", ("I3", "I5", "H6"), "steer, handoff",
        ((RUNNING, "due=due[stored:], ref=", "due=due[stored + 1 :], ref="),
         (ENDING, "    state = replace(state, run=None, phase=Phase.OPEN, ended=status, reason=reason)\n",
            "    due = state.due[1:]\n"
            "    state = replace(state, run=None, phase=Phase.OPEN, ended=status, reason=reason, due=due)\n")),
    ),
    # -- the batch
    Mutant(
        "bodies after commitment", ("B6", "I12"), "steer, handoff",
        (
            (BATCH, "over = run.stop is not None or run.move is not None", "over = run.stop is not None"),
            (RUNNING, "    if run.stop is None and run.move is None:\n", "    if run.stop is None:\n"),
        ),
    ),
    Mutant(
        "parallel transitions", ("B3",), "lane",
        ((TODO, "            lane_free = False\n", "            lane_free = True\n"),),
    ),
    Mutant(
        "the body of a call not taken runs", ("B6", "I11"), "lane",
        ((BATCH, "    if move is None:\n        return state\n    entries = tuple(",
            "    if move is None or len(batch.entries) > 1:\n        return state\n    entries = tuple("),),
    ),
    Mutant(
        "guard re-evaluated", ("I10", "L1", "I17"), "lane",
        ((BATCH, "    move = winner(batch)\n    if move is not None:\n        counters = counted(",
            "    move = winner(batch)\n"
            "    won = [one.move is not None for one in batch.entries]\n"
            "    if move is not None and any(one.patch for one in batch.entries[won.index(True) + 1 :]):\n"
            "        move = None\n"
            "    if move is not None:\n        counters = counted("),),
    ),
    Mutant(
        "deferral without a deadline", ("I16",), "lane",
        ((SETTLING, "    return after_call(advance_lane(with_entry(state, done)))",
            '    return after_call(settle_at_once(advance_lane(with_entry(state, done)), "grace"))'),),
    ),
    Mutant(
        "a started call is answered not run", ("I4",), "lane",
        ((BATCH, "        if entry.progress is Progress.STARTED:\n            state, entry = deferred(",
            '        if entry.progress is Progress.STARTED and cause != "grace":\n'
            "            state, entry = deferred("),),
    ),
    Mutant(
        "an unstarted call becomes a ticket", ("I4",), "lane",
        ((BATCH, "        if entry.progress is Progress.STARTED:\n            state, entry = deferred(",
            "        if entry.progress is not Progress.DONE:\n            state, entry = deferred("),),
    ),
    Mutant(
        "a body that runs uncommitted is answered not run", ("E2",), "lane",
        ((TURN, "            self._commit_starts(event.at)\n", "            pass\n"),),
    ),
    Mutant(
        "a patch at once, before its batch settles", ("M",), "lane",
        ((SETTLING, "    return after_call(advance_lane(with_entry(state, done)))",
            "    state = replace(state, metadata={**state.metadata, **(patch or {})})\n"
            "    return after_call(advance_lane(with_entry(state, done)))"),),
    ),
    Mutant(
        "an output is replaced by the handoff's", ("B5",), "lane",
        ((BATCH, "Output(run.number, batch.number, entry.call.id, entry.call.tool, entry.output) for",
            'Output(run.number, batch.number, entry.call.id, entry.call.tool, "" if winner(batch) else entry.output) '
            "for"),),
    ),
    Mutant(
        "approval is not waited for", ("B6", "I14", "I4"), "late results",
        ((BATCH, "        elif call.approval:\n", "        elif call.approval and call.dests:\n"),),
    ),
    # -- the handoff
    Mutant(
        "swap early: before the run ends", ("I9",), "cancel, submit, expiry",
        ((BATCH, "        metadata=metadata,\n        due=with_outputs",
            "        metadata=metadata,\n        assistant=move.dest if move else state.assistant,\n"
            "        due=with_outputs"),),
    ),
    Mutant(
        "swap early: the next run starts over the old one", ("I8",), "cancel, submit, expiry",
        ((SETTLING, "    if run.move is not None and run.mode.swap:\n", "    if run.move is not None:\n"),),
    ),
    Mutant(
        "carry does not wait for the cancelled run", ("I8",), "cancel, submit, expiry",
        ((SETTLING, "return replace(state, run=replace(run, status=Status.CANCELLING))",
            "return end(state, Status.CANCELLED)"),),
    ),
    Mutant(
        "a transition is lost when its run expires", ("I10",), "cancel, submit, expiry",
        ((ENDING, "    if run.move is None:\n        replied",
            "    if run.move is None or status is Status.EXPIRED:\n        replied"),),
    ),
    Mutant(
        "a transition is lost when its run is cancelled", ("I10",), "interrupt, handoff, queue",
        ((ENDING, "    if run.move is None:\n        replied",
            "    if run.move is None or run.stop is not None:\n        replied"),),
    ),
    Mutant(
        "then always", ("I13",), "then",
        (
            (UNLOCKED, '        demand(state.replied, event, "no run has just completed with a reply")\n',
                "        pass\n"),
            (TURN, "    if log.state.replied:\n", "    if not log.state.closed:\n"),
        ),
    ),
    Mutant(
        "a reply after which nobody speaks is a loop", ("G",), "then, nobody speaks",
        ((BOUNDS, 'return kind == "then" and not speaks', "return False"),),
    ),
    Mutant(
        "a transition that ends its run otherwise ends it as all others", ("H4",), "finish by transition",
        ((STATE, "return self.carry != (trigger in self.otherwise)", "return self.carry"),),
    ),
    Mutant(
        "a run cancelled for its transition ends cancelled", ("H4",), "finish by transition",
        ((RUNNING, "        status = Status.COMPLETED  # cancelled", "        pass  # cancelled"),),
    ),
    Mutant(
        "at the end of the flow nothing is the reply", ("H5",), "the end",
        ((STATE, 'return self.speak == "output" or (self.dest == END and self.speak == "yes")',
            'return self.speak == "output"'),),
    ),
    Mutant(
        "the output of another call is the reply", ("H5",), "silence",
        ((BATCH, "if entry.move is not None and entry.move.replies), None)",
            "if any(one.move is not None and one.move.replies for one in batch.entries)), None)"),),
    ),
    Mutant(
        "then after a stopped run", ("I13",), "then",
        ((ENDING, "replied = status is Status.COMPLETED and run.stop is None", "replied = True"),),
    ),
    Mutant(
        "speak no is not heard", ("L4",), "silence",
        ((ENDING, 'wants = run.move.speak == "yes" and not stopped', "wants = not stopped"),),
    ),
    Mutant(
        "a cancelled run's handoff speaks", ("L4",), "cancel, answer, expiry",
        ((ENDING, 'stopped = run.stop in {"cancel", "interrupt"}', "stopped = False"),),
    ),
    Mutant(
        "late result answered by its asker", ("I10",), "late results",
        ((UNLOCKED, "state = replace(state, metadata={**state.metadata, **patch}, due=",
            "state = replace(state, assistant=ticket.asker, metadata={**state.metadata, **patch}, due="),),
    ),
    Mutant(
        "a late patch overwrites", ("M",), "late results",
        ((TICKETS, "kept = tuple(name for name in patch if state.metadata.get(name) != ticket.base.get(name))",
            "kept: tuple[str, ...] = ()"),),
    ),
    Mutant(
        "a late patch conflicts with its own batch", ("M",), "metadata",
        ((BATCH, "replace(ticket, base=metadata) if", "ticket if"),),
    ),
    Mutant(
        "a decided ticket stays open", ("I4",), "late results",
        ((UNLOCKED, "tickets=tuple(one for one in state.tickets if one is not ticket), wants=not state.closed)",
            "wants=not state.closed)"),),
    ),
    Mutant(
        "a late result is not told", ("I4",), "late results",
        ((UNLOCKED, 'due=(*state.due, Note("late", text, ticket.id)))', "due=state.due)"),),
    ),
    # -- the backend
    Mutant(
        "no read-back after a doubt", ("I1",), "messages",
        ((TODO, "    if run.doubt:\n        return (ReadBack(run.number, run.request),)\n", ""),),
    ),
    Mutant(
        "no read-back after a crash", ("I1",), "messages",
        ((SETTLING, "        if state.run.unacknowledged:\n",
            "        if state.run.unacknowledged and event.lost:\n"),),
    ),
    Mutant(
        "two requests in flight", ("C1",), "cancel, submit, expiry",
        ((TODO, "    if run.unacknowledged:\n        return (SendRequest(run.number, run.request),)\n",
            "    if run.unacknowledged:\n"
            "        send = SendRequest(run.number, run.request)\n"
            "        stop = CancelRun(run.number, run.request)\n"
            "        return (send, stop) if run.status is Status.CANCELLING else (send,)\n"),),
    ),
    Mutant(
        "a cancel unlocks at once", ("I8",), "cancel, submit, expiry",
        ((RUNNING, "    if run.batch is None:\n        return state\n    return end_stopped(",
            "    if run.batch is None:\n        return end(state, STOPPED[event.cause])\n    return end_stopped("),),
    ),
    Mutant(
        "a stop unlocks while the server's run is active", ("I8",), "interrupt, handoff, queue",
        ((ENDING, "return end(state, STOPPED[run.stop]) if run.mode.swap else state",
            "return end(state, STOPPED[run.stop])"),),
    ),
    Mutant(
        "a read-back of a stopped submit leads nowhere", ("I20",), "two crashes",
        ((RUNNING, "    return replace(state, run=replace(run, doubt=False, unacknowledged=False))\n\n\ndef _calls",
            "    return state\n\n\ndef _calls"),),
    ),
    Mutant(
        "an event is applied and not journaled", ("I22",), "metadata",
        ((TURN, "        self.before.append(self.state)\n        self.events.append(event)\n",
            "        if not isinstance(event, Drained):\n"
            "            self.before.append(self.state)\n            self.events.append(event)\n"),),
    ),
    Mutant(
        "a stopped run is not cancelled once it is acknowledged", ("C1",), "cancel, submit, expiry",
        ((RUNNING, "    if run.status is not Status.CANCELLING:\n"
            "        run = with_status(run, Status.IN_PROGRESS, event)",
            "    if run.status is not Status.IN_PROGRESS:\n        run = replace(run, status=Status.IN_PROGRESS)"),),
    ),
    Mutant(
        "our deadline hides a user's cancel", ("L6",), "cancel, submit, expiry",
        ((STALE, 'not (run.stop in {"expired", "limit"} and event.cause == "cancel")', "event.cause != run.stop"),),
    ),
    Mutant(
        "a stopped run that never arrived is waited for", ("L1",), "cancel, submit, expiry",
        ((RUNNING, "    if run.request == 1:\n        return end(state, STOPPED[run.stop])\n", ""),),
    ),
    # -- stale events
    Mutant(
        "event of another run accepted", ("I18",), "messages",
        ((STALE, "(run.number, run.request) != (event.run, event.request)", "run.request != event.request"),),
    ),
    Mutant(
        "a result of another run's batch accepted", ("I18", "I14"), "lane",
        ((STALE, "(active.number, active.batch.number) == (run, batch)", "active.batch.number == batch"),),
    ),
    Mutant(
        "cancel hits any run", ("I18",), "messages",
        ((STALE, "if run is None or run.number != event.run:", "if run is None:"),),
    ),
    Mutant(
        "the calls of one answer are journaled twice", ("I18",), "cancel, submit, expiry",
        ((STALE, "run.batches >= run.request", "run.batch is not None"),),
    ),
    Mutant(
        "an approval is granted twice", ("I18",), "late results",
        ((STALE, '"approved": frozenset({"approval"})', '"approved": frozenset({"approval", "running", "waiting"})'),),
    ),
    Mutant(
        "a name for the thread that comes too late is taken", ("I18",), "what the server calls it",
        ((STALE, "        case happened.ThreadKnown():\n            return closed\n",
            "        case happened.ThreadKnown():\n            return False\n"),),
    ),
    Mutant(
        "the server's name for the thread is forgotten where an event has none", ("C4",), "messages",
        ((RUNNING, "ref=event.ref or state.ref", 'ref=event.ref or "forgotten"'),),
    ),
    Mutant(
        "the server's name for the thread is not taken with what it stored", ("C4",), "what the server calls it",
        ((RUNNING, "ref=event.ref or state.ref", "ref=state.ref"),),
    ),
    Mutant(
        "the server's name for the thread is forgotten with its run", ("C4",), "what the server calls it",
        ((ENDING, "    state = replace(state, run=None, phase=Phase.OPEN, ended=status, reason=reason)\n",
            "    state = replace(state, run=None, phase=Phase.OPEN, ended=status, reason=reason, ref='')\n"),),
    ),
    # -- crashes
    Mutant(
        "a body of unknown outcome runs again", ("I14", "I4"), "two crashes",
        (
            (SETTLING, "        if entry.call.idempotent:\n            state = with_entry(",
                "        if not entry.call.probed:\n            state = with_entry("),
        ),
    ),
    Mutant(
        "a ticket of unknown outcome runs again", ("I4", "I14"), "crash, parallel calls, late",
        ((SETTLING, 'return "running" if probed else "in_doubt"', 'return "running" if probed else "approved"'),),
    ),
    Mutant(
        "a body runs before its approval", ("I14",), "late results",
        ((TODO, 'if ticket.stage in {"approved", "running"}', 'if ticket.stage != "waiting"'),
         (STALE, 'return ticket.stage != "approved"', 'return ticket.stage not in {"approved", "approval"}')),
    ),
    # -- bounds
    Mutant(
        "counters never reset", ("I17",), "messages",
        ((UNLOCKED, "counters=Counters(),", "counters=state.counters,"),),
    ),
    Mutant(
        "a late result does not count as a stimulus", ("I17",), "late results",
        ((BOUNDS, "return replace(counters, handoffs=0, calls=0, runs=0, visited=frozenset())", "return counters"),),
    ),
    Mutant(
        "a late result resets the totals", ("I17",), "late results",
        ((BOUNDS, "return replace(counters, handoffs=0, calls=0, runs=0, visited=frozenset())",
            "return Counters(times=counters.times)"),),
    ),
    Mutant(
        "on_limit twice", ("G",), "run limit",
        (
            (UNLOCKED, '        demand(not state.counters.limit_taken, event, '
                '"it was taken since the user\'s last message")\n', ""),
            (TURN, "is not None and not log.state.counters.limit_taken:", "is not None:"),
        ),
    ),
    Mutant(
        "on_limit lifts the limit for good", ("G",), "run limit",
        ((UNLOCKED, "granted=False),", "granted=counters.granted),"),),
    ),
    Mutant(
        "one run too many", ("G",), "run limit",
        ((BOUNDS, "if counters.runs >= limits.runs:", "if counters.runs > limits.runs:"),),
    ),
    Mutant(
        "one call too many", ("B6", "I14", "I17"), "limits",
        ((BATCH, "        elif position >= left:\n", "        elif position > left:\n"),),
    ),
    Mutant(
        "a model that calls on is asked again and again", ("G",), "calls beyond their limit",
        ((RUNNING, "return _called_on(state) if warned else after_call(state)", "return after_call(state)"),),
    ),
    Mutant(
        "a model is told twice that no calls are left", ("G",), "calls beyond their limit",
        ((RUNNING, "return _called_on(state) if warned else after_call(state)",
            "return _called_on(state) if warned and run.batches > 1 else after_call(state)"),),
    ),
    Mutant(
        "a model is not told before its run ends for calling on", ("I8", "L1"), "calls beyond their limit",
        ((BATCH, "warned = run.warned or (not over and len(calls) > left)", "warned = run.warned or not over"),),
    ),
    Mutant(
        "a message does not lift what the model was told of its calls", ("I8", "I16"), "calls beyond their limit",
        ((UNLOCKED, "        state = replace(state, run=replace(run, warned=False))\n", ""),),
    ),
    Mutant(
        "a run whose model calls on ends while the server's is active", ("I8",), "calls beyond their limit",
        ((RUNNING, "return end_stopped(replace(state, run=replace(active_run(state), status=Status.CANCELLING, "
            'stop="limit")))',
            'return end(replace(state, run=replace(active_run(state), stop="limit")), Status.INCOMPLETE)'),),
    ),
    Mutant(
        "a run whose model calls on counts as cancelled", ("H4",), "calls beyond their limit",
        ((ENDING, '"limit": Status.INCOMPLETE', '"limit": Status.CANCELLED'),),
    ),
    Mutant(
        "a model that called on hides a user's cancel", ("L6",), "calls beyond their limit",
        ((STALE, 'run.stop in {"expired", "limit"} and', 'run.stop == "expired" and'),),
    ),
    Mutant(
        "loops are not seen", ("G",), "loops",
        ((BOUNDS, "    if not renewed and digest(", "    if renewed and digest("),),
    ),
    Mutant(
        "messages are answered by nobody", ("L7",), "interrupt, handoff, queue",
        ((ENDING, "    return replace(state, wants=wants, unanswered=state.unanswered if wants else ())\n",
            "    return replace(state, wants=wants, unanswered=())\n"),),
    ),
)  # fmt: skip
