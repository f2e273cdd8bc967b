"""A conversation as people read it: who said what, which calls came to what, who handed over to whom.

Written from the journal's events as they happen, so that a step that differs can be shown where it happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from handoff.content import shown
from handoff.core import events as happened
from handoff.core.events import Event
from handoff.core.items import Asked, Note
from handoff.core.state import Call, State
from handoff.core.status import Status
from handoff.errors import HandoffError
from handoff.events import (
    HostedToolFinished,
    LimitReached,
    MessageAdded,
    RunChanged,
    ThreadEvent,
    TicketChanged,
    ToolFinished,
    TransitionTaken,
    told,
)

#: The longest text shown whole, in characters.
LONGEST = 600


class TalkMismatch(HandoffError, AssertionError):
    """The conversation did not go as the test plays it. The text shows all of it, the step that differed last.

    Attributes:
        step: the step as the test wrote it.
        problem: what was expected there, and what was found.
        story: the conversation before it.
    """

    def __init__(self, step: str, problem: str, story: str, now: str) -> None:
        told_so_far = "\n".join(f"    {line}" for line in story.splitlines()) or "    (nothing has been said)"
        super().__init__(f"{step}: {problem}\n\n{told_so_far}\n  > {step}\n\n{now}")
        self.step = step
        self.problem = problem
        self.story = story


class Story:
    """The lines of one conversation, each with its speaker."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def part(self) -> None:
        """Go its own way from here on, where it is a `copy.copy` of another."""
        self._lines = list(self._lines)

    def add(self, speaker: str, text: str) -> None:
        """Write a line.

        Args:
            speaker: who or what speaks.
            text: what is said; further lines are indented.
        """
        shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text) - LONGEST} characters more)"
        self._lines.append((speaker, shown))

    def tell(self, before: State, event: Event, after: State) -> None:
        """Write what one journaled event comes to.

        Args:
            before: the thread just before the event.
            event: the event.
            after: the thread just after it.
        """
        for speaker, text in _happened(before, event):
            self.add(speaker, text)
        for one in told(before, event, after):
            if isinstance(event, happened.CallsRequested) and isinstance(one, MessageAdded):
                continue  # said beside the calls, and written before them
            for speaker, text in _told(one):
                self.add(speaker, text)
        for note in after.due[len(before.due) :]:
            if isinstance(note, Note) and note.kind != "handoff":
                self.add("note", note.text)

    def __str__(self) -> str:
        width = max((len(speaker) for speaker, _ in self._lines), default=0)
        indent = "\n" + " " * (width + 2)
        return "\n".join(f"{speaker:<{width}}  {indent.join(text.splitlines())}" for speaker, text in self._lines)


def _happened(before: State, event: Event) -> Iterable[tuple[str, str]]:
    """What the public events do not tell."""
    match event:
        case happened.CallsRequested():
            speaker = before.assistant
            if event.text:
                yield speaker, event.text
            for call in event.calls:
                yield speaker, spelled(call)
        case happened.CallDone() if event.trace:
            yield "raised", event.trace.strip().splitlines()[-1]
        case happened.Resolved() if event.outcome in {"approved", "refused"}:
            who = f" by {event.by}" if event.by else ""
            why = f": {event.reason}" if event.reason else ""
            yield "decision", f"{event.ticket} {event.outcome}{who}{why}"
        case happened.MessageRefused():
            yield "user", "(refused: the thread is closed)"
        case happened.Edited():
            yield "edit", fields_of(event.patch)
        case happened.EditDenied():
            yield "edit", f"refused: {event.reason}"
        case happened.TimerPassed():
            yield "silence", f"no transition: {event.reason}"
        case happened.StopRequested():
            yield "stop", f"run {event.run}: {event.cause}"
        case happened.GraceReached():
            yield "grace", f"run {event.run} is about to expire: what is not done becomes a ticket"
        case happened.Recovered():
            lost = ", ".join(_tool_of(before, key) for key in event.lost)
            yield "recovered", f"bodies that were running: {lost}" if lost else "no body was running"
        case _:
            pass


def _tool_of(state: State, key: tuple[int, int, str]) -> str:
    """Return the tool of a call that is open in its batch or as a ticket."""
    run, _, call = key
    for ticket in state.tickets:
        if (ticket.run, ticket.batch, ticket.call.id) == key:
            return ticket.call.tool
    active = state.run
    entries = () if active is None or active.batch is None or active.number != run else active.batch.entries
    return next((entry.call.tool for entry in entries if entry.call.id == call), call)


def _told(event: ThreadEvent) -> Iterable[tuple[str, str]]:
    match event:
        case MessageAdded():
            yield event.assistant or "user", shown(event.text, event.parts)
        case ToolFinished():
            yield event.tool, event.output
        case HostedToolFinished():
            yield event.name or event.tool, f"{event.input}: {event.output or event.status}"
        case TransitionTaken():
            yield "handoff", f"{event.source} to {event.dest}, by {event.trigger}"
        case RunChanged() if event.status not in {
            Status.QUEUED,
            Status.REQUIRES_ACTION,
            Status.CANCELLING,
            Status.COMPLETED,
        }:
            yield f"run {event.run}", f"{event.status}: {event.reason}" if event.reason else str(event.status)
        case LimitReached():
            yield "limit", event.text
        case TicketChanged():
            yield "ticket", f"{event.ticket} of {event.tool}: {event.stage}"
        case _:
            pass


def spelled(call: Call | Asked) -> str:
    """Return a call as Python would write it, or with its raw arguments where they are no JSON object."""
    try:
        values = json.loads(call.arguments)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        return f"{call.tool}(raw={call.arguments!r})"
    return f"{call.tool}({fields_of(values)})"  # pyright: ignore[reportUnknownArgumentType]


def fields_of(values: Mapping[str, Any]) -> str:
    """Return the fields as keyword arguments are written."""
    return ", ".join(f"{name}={value!r}" for name, value in values.items())
