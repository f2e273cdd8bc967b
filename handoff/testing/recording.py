"""What flows did, item by item and test by test: the raw data of coverage.

A record is JSON, and records add up: of several processes, of tests and of journals. Items are named as the flow
declares them, and a flow by its name and version, so the same flow imported twice is one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeAlias

from handoff.core import events as happened
from handoff.core import fold
from handoff.core.batch import winner, working_metadata
from handoff.core.codec import load
from handoff.core.events import Event
from handoff.core.state import Call, Move, State
from handoff.declaration.assistants import Transition
from handoff.declaration.flow import Flow
from handoff.declaration.tools import Tool
from handoff.driving.judge import silences
from handoff.errors import MetadataRefused
from handoff.events import moves
from handoff.observers import observing
from handoff.store.base import JournalRecord

Kind: TypeAlias = Literal["assistants", "transitions", "guards", "outcomes"]
#: How a call can come out: its body ran to the end; it failed; it was refused before its body; it became a ticket.
Outcome: TypeAlias = Literal["ok", "error", "refused", "pending"]

#: Times by flow, kind, item and test.
Record: TypeAlias = dict[str, dict[str, dict[str, dict[str, int]]]]

OUTCOMES: tuple[Outcome, ...] = ("ok", "error", "refused", "pending")


def flow_key(flow: Flow[Any, Any]) -> str:
    """Return what a flow is recorded under."""
    return f"{flow.name}@{flow.version}"


def guard_item(transition: Transition, *, held: bool) -> str:
    """Return the name of one outcome of a transition's guard."""
    return f"{transition.key} {transition.guard_name}={str(held).lower()}"


def allow_item(assistant: str, tool: Tool, *, held: bool) -> str:
    """Return the name of one outcome of the condition under which a tool is offered."""
    return f"{assistant}.{tool.name} {getattr(tool.allow, '__name__', 'allow')}={str(held).lower()}"


def outcome_item(assistant: str, tool: str, outcome: Outcome) -> str:
    """Return the name of one outcome of a tool's calls."""
    return f"{assistant}.{tool} {outcome}"


class Recorder:
    """An observer that notes what it sees; any thread may tell it.

    Attributes:
        test: what is going on, for the notes; empty for nothing in particular.
        record: the notes.
    """

    def __init__(self) -> None:
        self.test = ""
        self.record: Record = {}
        self._door = threading.Lock()

    def add(self, record: Record) -> None:
        """Take over what another recorder has noted.

        Args:
            record: its notes.
        """
        for flow, kinds in record.items():
            for kind, items in kinds.items():
                for item, tests in items.items():
                    for test, times in tests.items():
                        self._note(flow, kind, item, test, times)

    def guard_asked(self, flow: Flow[Any, Any], transition: Transition, *, held: bool) -> None:
        """Note what the guard of a transition said."""
        self._seen(flow, "guards", guard_item(transition, held=held))

    def step_taken(self, flow: Flow[Any, Any], transition: Transition) -> None:
        """Note a transition taken by `Flow.step`."""
        self._taken(flow, transition.key, transition.source, transition.dest)

    def committed(self, flow: Flow[Any, Any], before: State, event: Event, after: State) -> None:
        """Note what one journaled event shows."""
        for move, _ in moves(before, event, after):
            self._taken(flow, move.transition, move.source, move.dest)
        for assistant, tool, outcome in outcomes(before, event, after):
            self._seen(flow, "outcomes", outcome_item(assistant, tool, outcome))
        if isinstance(event, happened.RunStarted):
            self._seen(flow, "assistants", event.assistant)
            self._offered(flow, before, event)

    def _offered(self, flow: Flow[Any, Any], before: State, event: happened.RunStarted) -> None:
        """Note what `allow` said: a tool that has all it reads, and is not offered, was not allowed."""
        for tool in flow.frozen_form.offered.get(event.assistant, {}).values():
            held = tool.name in event.tools
            if tool.allow is not None and (held or all(before.metadata.get(name) is not None for name in tool.reads)):
                self._seen(flow, "guards", allow_item(event.assistant, tool, held=held))

    def _taken(self, flow: Flow[Any, Any], key: str, source: str, dest: str) -> None:
        self._seen(flow, "transitions", key)
        self._seen(flow, "assistants", source)
        self._seen(flow, "assistants", dest)

    def _seen(self, flow: Flow[Any, Any], kind: Kind, item: str) -> None:
        self._note(flow_key(flow), kind, item, self.test, 1)

    def _note(self, flow: str, kind: str, item: str, test: str, times: int) -> None:
        with self._door:
            tests = self.record.setdefault(flow, {}).setdefault(kind, {}).setdefault(item, {})
            tests[test] = tests.get(test, 0) + times


def outcomes(before: State, event: Event, after: State) -> Iterator[tuple[str, str, Outcome]]:
    """Yield (assistant, tool, outcome) of the calls that this event gave one.

    Args:
        before: the thread just before the event.
        event: the event.
        after: the thread just after it.
    """
    if isinstance(event, happened.Resolved):
        ticket = before.ticket(event.ticket)
        if ticket is not None and event.outcome in {"result", "refused"}:
            ran = event.outcome == "result" and event.ran
            failed = event.outcome == "result" and event.failed
            yield ticket.asker, ticket.call.tool, "ok" if ran else "error" if failed else "refused"
        return
    run = before.run
    if run is None:
        return
    known = {ticket.id for ticket in before.tickets}
    pending = {ticket.call.id: ticket.call for ticket in after.tickets if ticket.id not in known}
    for call in pending.values():
        yield run.assistant, call.tool, "pending"
    for call in _settled(before, event, after):
        if call.id in pending:
            continue
        if isinstance(event, happened.CallDone) and call.id == event.call:
            yield run.assistant, call.tool, "ok" if event.ran else "error" if event.failed else "refused"
        else:
            yield run.assistant, call.tool, "refused"
    for asked in event.calls if isinstance(event, happened.RunEnded) else ():
        yield run.assistant, asked.tool, "refused"


def _settled(before: State, event: Event, after: State) -> Iterator[Call]:
    """Yield the calls of the run that have their output now, and had none before."""
    if isinstance(event, happened.CallsRequested):
        opened = list(event.calls)
    else:
        entries = before.run.batch.entries if before.run is not None and before.run.batch is not None else ()
        opened = [entry.call for entry in entries if not entry.settled]
    batch = after.run.batch if after.run is not None else None
    open_still = {entry.call.id for entry in batch.entries if not entry.settled} if batch is not None else set[str]()
    yield from (call for call in opened if call.id not in open_still)


def record_journal(recorder: Recorder, flow: Flow[Any, Any], records: Iterable[JournalRecord]) -> None:
    """Note what a thread's journal shows. Guards are asked again, about the metadata as it was; nothing else is run.

    Args:
        recorder: who notes it.
        flow: the thread's flow, perhaps changed since.
        records: the journal from its start, as `Store.journal` returns it.

    Raises:
        StoreError: a record is of a version this one cannot read.
    """
    state: State | None = None
    with observing(recorder):
        for one in records:
            event = load(one.data)
            after = fold(state, event)
            if state is not None:
                recorder.committed(flow, state, event, after)
                for trigger, asked, patch, move in _questions(flow, state, event, after):
                    _ask_again(flow, asked, trigger, patch, move)
            state = after


#: A trigger, the thread it was judged by, what the call had changed by then, and what was taken.
_Question: TypeAlias = tuple[str, State, dict[str, Any], Move | None]


def _questions(flow: Flow[Any, Any], before: State, event: Event, after: State) -> Iterator[_Question]:
    """Yield what the flow was asked when this event came about."""
    if isinstance(event, happened.CallDone) and event.ran and before.run is not None and before.run.batch is not None:
        call = next(entry.call for entry in before.run.batch.entries if entry.call.id == event.call)
        if call.dests and winner(before.run.batch) is None:
            yield call.tool, before, {**working_metadata(before), **(event.patch or {})}, event.move
    elif isinstance(event, happened.Resolved) and event.outcome == "result" and event.ran:
        ticket = before.ticket(event.ticket)
        if ticket is not None and ticket.call.dests and ticket.asker == before.assistant and not before.moved:
            yield ticket.call.tool, before, dict(after.metadata), event.move
    elif isinstance(event, happened.Moved):
        yield event.move.trigger, before, dict(before.metadata), event.move
    elif isinstance(event, happened.TimerPassed):
        delays = silences(flow, before.assistant)
        if before.timed < len(delays):
            yield delays[before.timed][1], before, dict(before.metadata), None
    elif before.replied and not after.replied:
        yield "then", before, dict(before.metadata), None


def _ask_again(flow: Flow[Any, Any], state: State, trigger: str, metadata: dict[str, Any], move: Move | None) -> None:
    """Have the flow judge it again, up to the transition that was taken then."""
    tool = flow.tool_named(state.assistant, trigger)
    chose = tool is not None and tool.signature.may_choose
    if chose and move is None:
        return  # which destination the body chose is not journaled
    try:
        asked = flow.metadata_from(metadata)
    except MetadataRefused:
        return  # the flow has changed, and so has what its guards can be asked about
    taken = None if move is None else move.transition

    def passed_over(transition: Transition) -> str | None:
        return None if transition.key == taken else "not taken"

    go = None
    if chose and move is not None:
        go = "back" if move.transition.partition("->")[2].startswith("back:") else move.dest
    flow.judge(state.assistant, trigger, asked, previous=state.previous, go=go, blocked=passed_over)
