"""What a thread tells whoever watches it: typed events, the same that `--json` prints, each with its `type`.

They are a view of the journal: `told` derives them from one journaled event and the thread before and after it, so a
live stream and a replay say the same. Only text deltas, tool starts and progress are never journaled; they exist
where the thread is driven.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, TypeAlias

from handoff.core import events as happened
from handoff.core.answers import Citation, Extra
from handoff.core.items import Output
from handoff.core.parts import Part, Text
from handoff.core.state import Move, Run, State
from handoff.core.status import Status
from handoff.core.usage import NOTHING, Usage


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of a reply as it is written; the whole comes as a message."""

    type: ClassVar[str] = "text.delta"
    thread: str
    run: int
    assistant: str
    text: str
    #: The reply is told from its beginning again, because the request was made again: what was told before is void.
    anew: bool = False


@dataclass(frozen=True, slots=True)
class MessageAdded:
    """A message: of an assistant, or of the user where `assistant` is None."""

    type: ClassVar[str] = "message"
    thread: str
    run: int | None
    assistant: str | None
    text: str
    #: The user message's id; None for an assistant's.
    id: str | None = None
    #: The user message's parts, where it is more than text.
    parts: tuple[Part, ...] = ()
    #: The sources of what an assistant said, where the server tells.
    citations: tuple[Citation, ...] = ()
    #: The model refused, and the text says so.
    refused: bool = False


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """The body of a call is about to run."""

    type: ClassVar[str] = "tool.started"
    thread: str
    run: int
    assistant: str
    call_id: str
    tool: str
    #: JSON as the model wrote it.
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolProgress:
    """A body said how far it is."""

    type: ClassVar[str] = "tool.progress"
    thread: str
    run: int
    call_id: str
    tool: str
    text: str
    #: How much is done, from 0 to 1; None if it did not say.
    fraction: float | None


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A call has its output, whether its body ran or not."""

    type: ClassVar[str] = "tool.finished"
    thread: str
    run: int
    call_id: str
    tool: str
    output: str


@dataclass(frozen=True, slots=True)
class HostedToolFinished:
    """A tool that the server ran itself is done; nobody has to answer it."""

    type: ClassVar[str] = "hosted.finished"
    thread: str
    run: int
    assistant: str
    #: `web_search`, `file_search`, `code_interpreter` or `mcp`.
    tool: str
    #: The server's id of the call.
    call_id: str
    #: How it ended: `completed`, `failed`, `incomplete`, or `refused` for an MCP call that was not approved.
    status: str
    #: Of MCP: the server's label and the tool, as in `shop.order`.
    name: str
    #: The query, the code, or the arguments.
    input: str
    #: What came of it, as far as the server tells.
    output: str


@dataclass(frozen=True, slots=True)
class TransitionTaken:
    """The active assistant changed, or was started anew by a transition to itself."""

    type: ClassVar[str] = "transition"
    thread: str
    source: str
    dest: str
    trigger: str


@dataclass(frozen=True, slots=True)
class RunChanged:
    """A run has another status."""

    type: ClassVar[str] = "run.status"
    thread: str
    run: int
    assistant: str
    status: Status
    #: What is known of a failure.
    reason: str = ""
    #: What all answers of the run took; told at its end, where servers count it.
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class LimitReached:
    """No run could start: a limit was reached, or the instructions could not be rendered."""

    type: ClassVar[str] = "limit"
    thread: str
    assistant: str
    text: str


@dataclass(frozen=True, slots=True)
class TicketChanged:
    """A call outlives its batch, or its ticket was decided (stage `closed`)."""

    type: ClassVar[str] = "ticket"
    thread: str
    ticket: str
    #: approval, approved, running, waiting, in_doubt, closed.
    stage: str
    call_id: str
    tool: str


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """A call consults another flow: its side room was opened, has answered, or failed."""

    type: ClassVar[str] = "room"
    thread: str
    run: int
    call_id: str
    tool: str
    #: The room's name, unique in its call.
    room: str
    #: opened, answered, failed.
    stage: str
    #: Id of the room's own thread.
    room_thread: str
    #: Name of the flow that is consulted.
    flow: str
    #: What it answered, or why it failed.
    text: str = ""
    #: How many characters of the conversation were copied into it, as it was opened.
    shared: int = 0


ThreadEvent: TypeAlias = (
    TextDelta
    | MessageAdded
    | ToolStarted
    | ToolProgress
    | ToolFinished
    | HostedToolFinished
    | TransitionTaken
    | RunChanged
    | LimitReached
    | TicketChanged
    | RoomChanged
)


#: The events that report what a model answered.
ANSWERS = (happened.CallsRequested, happened.RunEnded)


def as_json(event: ThreadEvent) -> dict[str, Any]:
    """Return the event as a JSON object; fields that say nothing are left out."""
    values = {one.name: getattr(event, one.name) for one in fields(event)}
    if isinstance(event, RunChanged) and event.usage is not None:
        values["usage"] = asdict(event.usage)
    said = {name: _json(value) for name, value in values.items() if value not in (None, "", (), False)}
    return {"type": event.type, **said}


def _json(value: Any) -> Any:
    """A value of an event as JSON; of bytes, how many there are."""
    if isinstance(value, tuple):
        return [_json(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Citation):
        return {one.name: said for one in fields(value) if (said := getattr(value, one.name)) not in (None, "")}
    if not isinstance(value, Part):
        return value
    kind = type(value).__name__.lower()
    known = {one.name: getattr(value, one.name) for one in fields(value)}
    if not isinstance(value, Text) and value.data is not None:
        known["data"] = None
        known["bytes"] = len(value.data)
    return {"type": kind, **{name: one for name, one in known.items() if one not in (None, "")}}


def told(before: State, event: happened.Event, after: State) -> Iterator[ThreadEvent]:
    """Yield what one journaled event tells whoever watches.

    Args:
        before: the thread just before the event.
        event: the event.
        after: the thread just after it.
    """
    thread = after.thread
    if isinstance(event, happened.MessageAccepted):
        yield MessageAdded(thread, None, None, event.text, event.id, event.parts)
    if before.run is not None:
        run = before.run
        if isinstance(event, ANSWERS):
            yield from _said(thread, run, event)
        yield from _outputs(before, after)
    yield from _tickets(before, after)
    yield from _runs(before, event, after)
    for move, output in moves(before, event, after):
        if output is not None:
            yield MessageAdded(thread, None if before.run is None else before.run.number, move.source, output)
        yield TransitionTaken(thread, move.source, move.dest, move.trigger)
    if isinstance(event, happened.StartRefused):
        yield LimitReached(thread, after.assistant, event.reason)


def spoken(before: State, event: happened.Event, after: State) -> Iterator[tuple[str, str]]:
    """Yield the messages of assistants among what `told` yields: who spoke, and the text.

    Args:
        before: the thread just before the event.
        event: the event.
        after: the thread just after it.
    """
    if before.run is not None and isinstance(event, ANSWERS) and event.text:
        yield before.run.assistant, event.text
    for move, output in moves(before, event, after):
        if output is not None:
            yield move.source, output


def _said(
    thread: str, run: Run, event: happened.CallsRequested | happened.RunEnded
) -> Iterator[HostedToolFinished | MessageAdded]:
    extra = event.extra or Extra()
    for call in extra.hosted:
        known = (call.tool, call.id, call.status, call.name, call.input, call.output)
        yield HostedToolFinished(thread, run.number, run.assistant, *known)
    if event.text:
        who = (thread, run.number, run.assistant)
        yield MessageAdded(*who, event.text, citations=extra.citations, refused=extra.refused)


def _answered(state: State) -> dict[tuple[int, int, str], Output]:
    found = {(one.run, one.batch, one.call): one for one in state.due if isinstance(one, Output)}
    if state.run is not None and state.run.batch is not None:
        run, batch = state.run.number, state.run.batch.number
        for entry in state.run.batch.entries:
            if entry.settled:
                found[run, batch, entry.call.id] = Output(run, batch, entry.call.id, entry.call.tool, entry.output)
    return found


def _outputs(before: State, after: State) -> Iterator[ToolFinished]:
    known = _answered(before)
    for key, output in _answered(after).items():
        if key not in known:
            yield ToolFinished(after.thread, output.run, output.call, output.tool, output.text)


def _tickets(before: State, after: State) -> Iterator[TicketChanged]:
    if before.tickets == after.tickets:
        return
    stages = {ticket.id: ticket.stage for ticket in before.tickets}
    for ticket in after.tickets:
        if stages.pop(ticket.id, None) != ticket.stage:
            yield TicketChanged(after.thread, ticket.id, ticket.stage, ticket.call.id, ticket.call.tool)
    for ticket in before.tickets:
        if ticket.id in stages:
            yield TicketChanged(after.thread, ticket.id, "closed", ticket.call.id, ticket.call.tool)


def usage_of(event: happened.Event) -> Usage:
    """Return what the answer that this event reports took; nothing for all other events.

    Args:
        event: the event.
    """
    spent = event.usage if isinstance(event, ANSWERS) else None
    return spent or NOTHING


def _runs(before: State, event: happened.Event, after: State) -> Iterator[RunChanged]:
    old, new = before.run, after.run
    if old is not None and new is None and after.ended is not None:
        spent = old.usage + usage_of(event)
        yield RunChanged(after.thread, old.number, old.assistant, after.ended, after.reason, spent or None)
    elif new is not None and (old is None or old.status is not new.status):
        yield RunChanged(after.thread, new.number, new.assistant, new.status)


def moves(before: State, event: happened.Event, after: State) -> Iterator[tuple[Move, str | None]]:
    """Yield the transition that was applied, with the output that is its reply where nobody else speaks.

    Args:
        before: the thread just before the event.
        event: the event.
        after: the thread just after it.
    """
    if isinstance(event, happened.Moved):
        yield event.move, None
    elif isinstance(event, happened.Resolved) and event.move is not None and before.assistant == event.move.source:
        yield event.move, event.output if event.move.speak == "output" else None
    elif before.run is not None and after.run is None:
        committed = before.run.move
        move, output = (committed, before.run.reply) if committed is not None else _won(before, event, after)
        if move is not None:
            yield move, output


def _won(before: State, event: happened.Event, after: State) -> tuple[Move | None, str | None]:
    """Return the transition of the batch that this event settled."""
    run = before.run
    assert run is not None
    if run.batch is None:
        return None, None
    for entry in run.batch.entries:
        move = entry.move
        if isinstance(event, happened.CallDone) and entry.call.id == event.call and not entry.settled:
            move = event.move
        if move is not None:
            output = _answered(after)[run.number, run.batch.number, entry.call.id].text
            return move, output if move.replies else None
    return None, None
