"""A thread thought through: the real core and the real flow, without a store, a body, or anybody who is told of it.

A moment is a value, so that one may go on from it in several ways. What a tool would do is given with its call: the
body does not run, and what it was to set is assigned as it is given here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from handoff.core import events as happened
from handoff.core import fold, todo
from handoff.core.commands import RunBody
from handoff.core.events import Event
from handoff.core.items import Asked
from handoff.core.state import JSON, Move, Phase, State
from handoff.core.status import Status
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Go, Metadata
from handoff.driving import calls
from handoff.driving.judge import FlowJudge, silences
from handoff.driving.turn import advance
from handoff.errors import MetadataRefused, ToolError
from handoff.events import moves
from handoff.limits import Limits
from handoff.store.base import InboxRow, RowKind
from handoff.testing.driver import MODE
from handoff.testing.recording import Kind, Recorder, flow_key
from handoff.testing.story import fields_of

#: Arguments that no tool takes: they are no object.
MISFIT = "[]"
#: The kinds of coverage items that a moment is noted with.
KINDS: tuple[Kind, ...] = ("transitions", "guards", "outcomes")
#: The time at which all is thought to happen, Unix seconds: no clock matters here.
AT = 0.0


@dataclass(frozen=True, slots=True)
class Pretence:
    """What a tool is to have done."""

    #: Name of the tool.
    tool: str
    #: What the model gives it.
    arguments: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    #: The metadata fields its body assigns, and their values.
    assigned: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    #: The destination its body chooses.
    go: str | None = None
    #: Its body runs after all, where the path is played; what it assigns is only assumed.
    real: bool = False
    #: Its body raises a ToolError.
    fails: bool = False


@dataclass(frozen=True, slots=True)
class UserSpeaks:
    """The user says something."""


@dataclass(frozen=True, slots=True)
class ModelReplies:
    """The model replies, and the run completes."""


@dataclass(frozen=True, slots=True)
class ModelIsCutOff:
    """The run ends incomplete, which is no reply that `then` would follow."""


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """The model calls a tool."""

    #: The call and what comes of it.
    what: Pretence


@dataclass(frozen=True, slots=True)
class ModelMiscalls:
    """The model calls a tool with arguments that no tool takes."""

    #: Name of the tool.
    tool: str


@dataclass(frozen=True, slots=True)
class PersonApproves:
    """A person approves the only call that waits for it."""

    #: The call and what comes of it.
    what: Pretence


@dataclass(frozen=True, slots=True)
class ModelCallsSlowly:
    """The model calls a tool that is not done before the run's grace, so that the call becomes a ticket."""

    #: The call and what comes of it later.
    what: Pretence


@dataclass(frozen=True, slots=True)
class ResultComesLate:
    """The body of the only call that outlives its batch comes to its end."""

    #: The call and what comes of it.
    what: Pretence


@dataclass(frozen=True, slots=True)
class SilencePasses:
    """Nobody speaks for a while."""

    #: How long, in seconds.
    seconds: float


Action: TypeAlias = (
    UserSpeaks
    | ModelReplies
    | ModelIsCutOff
    | ModelCalls
    | ModelMiscalls
    | PersonApproves
    | ModelCallsSlowly
    | ResultComesLate
    | SilencePasses
)


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a thread stands."""

    #: The thread.
    state: State
    #: Names of the tools the active run was started with.
    offered: tuple[str, ...] = ()
    #: The transitions that led here in the last action.
    moves: tuple[Move, ...] = ()
    #: What the last action covered: kinds and names of coverage items.
    items: tuple[tuple[str, str], ...] = ()
    #: Why the last action left no run, where one was to start and its instructions could not be rendered.
    broken: str = ""


def pretend(flow: Flow[Any, Any], body: calls.Body, what: Pretence) -> object:
    """Do in place of a body what it is to have done, and return what it returns.

    Args:
        flow: the declaration.
        body: the body; it does not run.
        what: what it is to have done.

    Raises:
        MetadataRefused: the flow's metadata does not take what is to be assigned.
        ToolError: it is to fail.
    """
    if what.fails:
        raise ToolError(f"{what.tool} was simulated, and fails.")
    copy, tool = body.bound.copy, body.tool
    stored = {name: value for name, value in what.arguments.items() if name in tool.sets}
    values = flow.metadata_from({**flow.dump(copy), **stored, **what.assigned, **dict.fromkeys(tool.clears)})
    for name in what.assigned:
        # Not by assignment, at which a rule about several fields would be asked before all of them are there.
        vars(copy)[name] = getattr(values, name)
        copy.model_fields_set.add(name)
    done = f": {fields_of(what.assigned)}" if what.assigned else ""
    output = f"{what.tool} was simulated{done}."
    if what.go is None:
        return output
    special = {one.name: one for one in (flow.end, flow.back)}
    return Go(special.get(what.go) or flow.assistants[what.go], output)


class Rehearsal:
    """Thinks a flow through.

    Args:
        flow: the declaration; frozen from here on.
        recorder: who notes what is covered; the only observer while this is used.
    """

    def __init__(self, flow: Flow[Any, Any], recorder: Recorder) -> None:
        flow.freeze()
        self._flow = flow
        self._recorder = recorder
        self._judge = FlowJudge(flow, MODE)
        self._key = flow_key(flow)

    def open(self, metadata: Metadata, limits: Limits) -> Moment:
        """Return a new thread.

        Args:
            metadata: what it starts with.
            limits: its bounds.
        """
        flow = self._flow
        facts = flow.dump(metadata)
        opened = happened.ThreadOpened(AT, "rehearsal", flow.name, flow.version, flow.initial.name, facts, limits)
        state = fold(None, opened)
        return Moment(state)

    def act(self, moment: Moment, action: Action) -> Moment | None:
        """Return what an action leads to; None if a tool could not do what it is to have done.

        Args:
            moment: where the thread stands; the action can happen there.
            action: what happens.
        """
        self._recorder.record = {}
        after = self._acted(replace(moment, moves=(), broken=""), action)
        if after is None:
            return None
        noted = self._recorder.record.get(self._key, {})
        items = tuple((kind, name) for kind in KINDS for name in noted.get(kind, {}))
        return replace(after, items=items)

    def _acted(self, moment: Moment, action: Action) -> Moment | None:
        state = moment.state
        match action:
            case UserSpeaks():
                data = {"id": f"m{state.stimuli}", "text": "", "policy": "queue"}
                return self._row(moment, "message", data)
            case SilencePasses():
                return self._row(moment, "timer", {"stimuli": state.stimuli, "timed": state.timed})
            case ModelReplies():
                return self._ended(moment, Status.COMPLETED)
            case ModelIsCutOff():
                return self._ended(moment, Status.INCOMPLETE)
            case ModelCalls():
                return self._run(self._called(moment, action.what), action.what)
            case ModelMiscalls():
                return self._asked(moment, action.tool, MISFIT)
            case ModelCallsSlowly():
                return self._slowed(self._called(moment, action.what))
            case ResultComesLate():
                return self._run(moment, action.what)
            case PersonApproves():
                ticket = next(one for one in state.tickets if one.stage == "approval")
                approved = self._row(moment, "resolved", {"ticket": ticket.id, "outcome": "approved"})
                return self._run(approved, action.what)

    def _ended(self, moment: Moment, status: Status) -> Moment:
        run = moment.state.run
        assert run is not None
        return self._commit(
            moment, [happened.RunEnded(AT, run.number, run.request, status, len(moment.state.due), "", "")]
        )

    def _called(self, moment: Moment, what: Pretence) -> Moment:
        return self._asked(moment, what.tool, json.dumps(what.arguments))

    def _asked(self, moment: Moment, tool: str, arguments: str) -> Moment:
        run = moment.state.run
        assert run is not None
        asked = Asked(f"c{run.batches}", tool, arguments)
        batch = calls.journaled(self._flow, moment.state, [asked])
        requested = happened.CallsRequested(AT, run.number, run.request, len(moment.state.due), batch, "")
        return self._commit(moment, [requested])

    def _slowed(self, moment: Moment) -> Moment | None:
        """Begin the body that is outstanding, and come to the run's grace."""
        run = moment.state.run
        command = next((one for one in todo(moment.state) if isinstance(one, RunBody)), None)
        if command is None or run is None or run.batch is None:
            return None
        if not isinstance(self._prepared(moment, command), calls.Body):
            return None
        facts: list[Event] = [
            happened.CallStarted(AT, command.run, command.batch, command.call),
            happened.GraceReached(AT, run.number, run.batch.number),
        ]
        return self._commit(moment, facts)

    def _prepared(self, moment: Moment, command: RunBody) -> calls.Body | calls.Result:
        return calls.prepare(self._flow, moment.state, command, None, lambda _text, _fraction: None, at=AT)

    def _run(self, moment: Moment, what: Pretence) -> Moment | None:
        """Pretend to run the body that is outstanding, if one is."""
        command = next((one for one in todo(moment.state) if isinstance(one, RunBody)), None)
        if command is None:
            return moment
        body = self._prepared(moment, command)
        if isinstance(body, calls.Result):
            return None
        try:
            result = calls.finished(body, pretend(self._flow, body, what))
        except MetadataRefused:
            return None
        except ToolError as error:
            result = calls.failed(error)
        if body.commit_first:
            moment = self._commit(moment, [happened.CallStarted(AT, command.run, command.batch, command.call)])
        if not (result.ran or what.fails):
            return None
        if calls.open_in_batch(moment.state, command):
            done = calls.done(self._flow, moment.state, command, result, AT)
            return self._commit(moment, [done])
        ticket = calls.ticket_of(moment.state, command)
        return moment if ticket is None else self._row(moment, "resolved", calls.late(ticket, result))

    def _row(self, moment: Moment, kind: RowKind, data: Mapping[str, Any]) -> Moment:
        return self._commit(moment, [], [InboxRow(1, moment.state.thread, kind, data, None, AT)])

    def _commit(self, moment: Moment, facts: Sequence[Event], rows: Sequence[InboxRow] = ()) -> Moment:
        decided = advance(moment.state, facts, rows, self._judge, at=AT)
        if decided is None:
            return moment
        taken, offered, broken = list(moment.moves), moment.offered, moment.broken
        for before, event, after in zip(
            decided.before, decided.events, (*decided.before[1:], decided.state), strict=True
        ):
            self._recorder.committed(self._flow, before, event, after)
            taken += [move for move, _ in moves(before, event, after)]
            if isinstance(event, happened.RunStarted):
                offered = event.tools
            elif isinstance(event, happened.StartRefused) and event.cause == "instructions":
                broken = event.reason
        return Moment(decided.state, offered, tuple(taken), (), broken)


def silence_of(flow: Flow[Any, Any], state: State) -> SilencePasses | None:
    """Return the silence that the thread waits for, from the one before it; None if there is none.

    Args:
        flow: the declaration.
        state: the thread.
    """
    if state.phase is not Phase.REST or state.closed:
        return None
    delays = [0.0, *(seconds for seconds, _ in silences(flow, state.assistant))]
    if state.timed + 1 >= len(delays):
        return None
    return SilencePasses(delays[state.timed + 1] - delays[state.timed])
