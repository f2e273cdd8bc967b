"""An old journal put to a flow as it is now: would it have decided the same?

Nothing is run. Each recorded decision of the flow (what a run was told and offered, how a call was taken, where a
result, a reply or a silence led, whether an edit was allowed) is asked for again, with the thread as it then was.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from handoff.core import events as happened
from handoff.core.batch import renewed, winner, working_metadata
from handoff.core.items import Asked
from handoff.core.state import END, Call, Mode, Move, State
from handoff.declaration.flow import Denied, Flow
from handoff.driving import calls
from handoff.driving.judge import FlowJudge, decide
from handoff.errors import InstructionsError, MetadataRefused
from handoff.store.base import JournalRecord
from handoff.testing.reading import Recorded, recorded


@dataclass(frozen=True, slots=True)
class Difference:
    """The first decision that would be another one.

    Attributes:
        seq: number of the journaled event, from 1.
        what: what was decided there.
        was: what it was.
        now: what it would be.
    """

    seq: int
    what: str
    was: str
    now: str

    def __str__(self) -> str:
        if "\n" not in self.was + self.now:
            return f"event {self.seq}, {self.what}\n  was: {self.was}\n  now: {self.now}"
        lines = list(difflib.unified_diff(self.was.splitlines(), self.now.splitlines(), "was", "now", lineterm="", n=1))
        return "\n".join([f"event {self.seq}, {self.what}", *(f"  {line}" for line in lines)])


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of putting a journal to a flow.

    Attributes:
        asked: how many decisions were asked for again.
        difference: the first that would be another one; None if all are the same.
        version: whether the journal was made by this version of the flow.
    """

    asked: int
    difference: Difference | None
    version: bool


def compare(records: Sequence[JournalRecord], flow: Flow[Any, Any]) -> Comparison:
    """Ask a flow for all that was decided in a journal, up to the first difference.

    Args:
        records: a thread's journal from its start.
        flow: the flow as it is now; frozen from here on.

    Raises:
        StoreError: a record is of a version this one cannot read.
    """
    flow.freeze()
    past = recorded(records)
    version = bool(past) and past[-1].after.version == flow.version
    asked = 0
    for seq, one in enumerate(past, 2):
        for what, was, now in _decisions(flow, one):
            asked += 1
            if was != now:
                return Comparison(asked, Difference(seq, what, was, now), version)
    return Comparison(asked, None, version)


def _decisions(flow: Flow[Any, Any], one: Recorded) -> Iterator[tuple[str, str, str]]:
    """Yield (what, was, would be) of each decision an event holds."""
    event, before = one.event, one.before
    if before.assistant not in flow.assistants and before.assistant != END:
        yield f"the assistant {before.assistant}", "was active", f"{flow.name} has no such assistant"
        return
    try:
        flow.metadata_from(before.metadata)
    except MetadataRefused as error:
        yield "the metadata", "valid", f"no longer valid: {error}"
        return
    judge = FlowJudge(flow, before.run.mode if before.run is not None else Mode())
    if before.replied:
        move = event.move if isinstance(event, happened.Moved) and event.move.kind == "then" else None
        yield f"after the reply of {before.assistant}", _led(move), _led(judge.then(before))
    match event:
        case happened.RunStarted():
            yield from _start(flow, before, event)
        case happened.StartRefused() if event.cause == "instructions":
            yield from _refused(judge, before, event)
        case happened.CallsRequested():
            yield from _calls(flow, before, event)
        case happened.CallDone():
            yield from _done(flow, before, event)
        case happened.Moved() if event.move.kind == "after":
            yield f"at the end of a silence of {before.assistant}", _led(event.move), _led(judge.silence(before))
        case happened.TimerPassed():
            yield f"at the end of a silence of {before.assistant}", event.reason, _led(judge.silence(before))
        case happened.Moved() if event.move.kind == "limit":
            yield f"at a limit of {before.assistant}", _led(event.move), _led(judge.limit(before))
        case happened.Resolved() if event.outcome == "result":
            yield from _late(judge, before, event)
        case happened.Edited():
            yield f"the edit of {', '.join(event.patch)}", "applied", judge.edit(before, event.patch) or "applied"
        case _:
            pass


def _start(flow: Flow[Any, Any], before: State, event: happened.RunStarted) -> Iterator[tuple[str, str, str]]:
    try:
        brief = FlowJudge(flow, event.mode).start(before)
    except InstructionsError as error:
        yield f"the instructions of {event.assistant}", event.instructions, f"cannot be rendered: {error.problem}"
        return
    yield f"the instructions of {event.assistant}", event.instructions, brief.instructions
    yield f"what {event.assistant} is offered", _listed(event.tools), _listed(brief.tools)


def _refused(judge: FlowJudge, before: State, event: happened.StartRefused) -> Iterator[tuple[str, str, str]]:
    try:
        brief = judge.start(before)
    except InstructionsError:
        return
    yield f"the instructions of {before.assistant}", f"could not be rendered: {event.reason}", brief.instructions


def _calls(flow: Flow[Any, Any], before: State, event: happened.CallsRequested) -> Iterator[tuple[str, str, str]]:
    written = [Asked(call.id, call.tool, call.arguments) for call in event.calls]
    for was, now in zip(event.calls, calls.journaled(flow, before, written), strict=True):
        yield f"the call {was.tool}({was.arguments}) of {before.assistant}", *_taken(was, replace(now, id=was.id))


def _taken(was: Call, now: Call) -> tuple[str, str]:
    """Return how a call was taken and how it would be, each with what differs only."""
    if was == now:
        return "the same", "the same"
    if was.answer is not None or now.answer is not None:
        return was.answer or "accepted", now.answer or "accepted"
    names = [one.name for one in fields(Call) if getattr(was, one.name) != getattr(now, one.name)]
    return tuple(", ".join(f"{name}={getattr(call, name)!r}" for name in names) for call in (was, now))  # type: ignore[return-value]


def _done(flow: Flow[Any, Any], before: State, event: happened.CallDone) -> Iterator[tuple[str, str, str]]:
    run = before.run
    if run is None or run.batch is None or not event.ran or event.pending is not None:
        return
    call = next((entry.call for entry in run.batch.entries if entry.call.id == event.call), None)
    if call is None or not call.dests or winner(run.batch) is not None:
        return
    metadata = {**working_metadata(before), **(event.patch or {})}
    what = f"where {call.tool} of {before.assistant} led"
    try:
        flow.metadata_from(metadata)
    except MetadataRefused as error:
        yield what, _led(event.move, event.denied), f"what it set is no longer valid: {error}"
        return
    tool = flow.tool_named(before.assistant, call.tool)
    chose = tool is not None and tool.signature.may_choose and event.move is not None
    go = event.move.dest if chose and event.move is not None else None
    if go is not None and go not in flow.destinations(before.assistant, call.tool):
        yield what, _led(event.move), f"{go} is none of its destinations"
        return
    if tool is not None and tool.signature.may_choose and event.move is None:
        return  # which destination the body had chosen is not recorded
    verdict = decide(flow, before, call.tool, metadata, go=go, renewed=renewed(run.batch))
    now = _led(None, verdict.reason) if isinstance(verdict, Denied) else _led(verdict)
    yield what, _led(event.move, event.denied), now


def _late(judge: FlowJudge, before: State, event: happened.Resolved) -> Iterator[tuple[str, str, str]]:
    ticket = before.ticket(event.ticket)
    if ticket is None:
        return
    data = {"patch": event.patch, "ran": event.ran, "go": None if event.move is None else event.move.dest}
    verdict = judge.late(before, ticket, data)
    what = f"the late result of {ticket.call.tool}"
    yield what, _applied(event.misfit, event.move, event.denied), _applied(verdict.misfit, verdict.move, verdict.denied)


def _applied(misfit: bool, move: Move | None, denied: str) -> str:
    return f"{'its patch is refused; ' if misfit else ''}{_led(move, denied)}"


def _led(move: Move | str | None, denied: str = "") -> str:
    if isinstance(move, Move):
        return f"to {move.dest} ({move.transition}{'' if move.speak == 'yes' else f', speak={move.speak}'})"
    return move or (f"nowhere: {denied}" if denied else "nowhere")


def _listed(tools: Sequence[str]) -> str:
    return ", ".join(tools) or "nothing"
