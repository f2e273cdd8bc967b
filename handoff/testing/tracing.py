"""A thread's journal as a test: the steps of a `RecordedTalk` that lead through the same conversation.

A journal says when a message was taken up, not when it was sent: one that was taken up as a run ended is sent just
before that run's last step. Bodies that ended while nothing else happened end by themselves in the test, too; the
others are held, and finished where they ended.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from handoff.core import events as happened
from handoff.core.codec import load
from handoff.core.state import Call, Phase, Progress, State, Ticket
from handoff.core.status import Status
from handoff.core.todo import runnable
from handoff.errors import ConfigurationError
from handoff.store.base import JournalRecord
from handoff.testing.reading import Reading, Recorded
from handoff.testing.spelling import called, keywords, literal, returned

#: What begins a step in which several things come together.
AT_ONCE = "with talk.at_once():"


@dataclass(slots=True)
class _Written:
    """The steps so far, each a few lines without indentation."""

    steps: list[list[str]] = field(default_factory=list[list[str]])

    def add(self, *lines: str) -> None:
        self.steps.append(list(lines))

    def with_last(self, *lines: str) -> None:
        """Add to the last step what had come together with it."""
        last = self.steps[-1]
        if last[0] != AT_ONCE:
            last[:] = [AT_ONCE, *(f"    {line}" for line in last)]
        last += [f"    {line}" for line in lines]

    def before_last(self, *lines: str) -> None:
        """Add a step before the one that has just ended the run: what it says had been waiting."""
        self.steps.insert(max(0, len(self.steps) - 1), list(lines))


class Trace:
    """A journal, rewritten as a test.

    Args:
        records: a thread's journal from its start.
    """

    def __init__(self, records: Sequence[JournalRecord]) -> None:
        opened = load(records[0].data)
        assert isinstance(opened, happened.ThreadOpened)
        self._opened = opened
        self._journal = Reading(records)
        self._written = _Written()
        #: Calls whose bodies the test finishes one by one: (run, batch, call id).
        self._held: set[tuple[int, int, str]] = set()
        #: How the talk will name each call.
        self._names: dict[tuple[int, int, str], str] = {}
        #: Ids of messages that are written already.
        self._said: set[str] = set()
        self._offered: tuple[str, ...] = ()
        #: The thread rested when the rows now taken up came.
        self._woken = False
        #: The steps in which the process died, each with the calls whose bodies had ended before.
        self._crashes: list[tuple[list[str], set[tuple[int, int, str]]]] = []
        #: Who was said to be active last.
        self._active = opened.assistant

    def test(self, module: str, flow: str = "flow", *, origin: str = "") -> str:
        """Return the source of a test module.

        Args:
            module: where the flow is imported from.
            flow: its name there.
            origin: where the journal was found, for the docstring.

        Raises:
            ConfigurationError: the journal holds what no talk can play.
        """
        for index, one in enumerate(self._journal.past):
            self._write(index, one)
        facts = {name: value for name, value in self._opened.metadata.items() if value is not None}
        metadata = f", metadata={flow}.metadata(**{literal(facts)})" if facts else ""
        body = "\n".join(f"        {line}" if line else "" for step in self._written.steps for line in step).rstrip()
        text = "from datetime import timedelta\n\n" if "timedelta(" in body else ""
        names = ["Answer"] if "Answer(" in body else []
        names += ["RecordedTalk", *(["call"] if re.search(r"\bcall\(", body) else [])]
        name = re.sub(r"\W+", "_", self._opened.thread).strip("_") or "thread"
        end = "" if self._journal.ended else "        talk.close(unfinished=True)\n"
        said = _escaped(f"Thread {self._opened.thread} of {self._opened.flow}{origin}, as it was recorded.")
        return (
            f'"""{said}"""\n\n{text}from handoff.testing import {", ".join(names)}\n'
            f"from {module} import {flow}\n\n\n"
            f"def test_{name}() -> None:\n"
            f'    """The recorded conversation comes out the same; no tool runs."""\n'
            f"    with RecordedTalk({flow}{metadata}) as talk:\n{body or '        pass'}\n{end}"
        )

    # -- one event -----------------------------------------------------------------------------------------------------

    def _write(self, index: int, one: Recorded) -> None:
        event, before, out = one.event, one.before, self._written
        if isinstance(event, happened.RunStarted | happened.StartRefused | happened.Drained):
            self._woken = False
        match event:
            case happened.RunStarted():
                self._offered = event.tools
                if event.assistant != self._active:
                    self._active = event.assistant
                    out.add(f"assert {literal(event.assistant)} == talk.assistant.name")
            case happened.MessageAccepted() | happened.MessageRefused():
                self._message(one)
            case happened.CallsRequested():
                self._calls(index, one)
            case happened.CallDone():
                self._done(one)
            case happened.RunEnded():
                self._ended(one)
            case happened.StopRequested():
                self._stopped(index, one)
            case happened.GraceReached():
                out.add("talk.grace()")
            case happened.Recovered():
                self._recovered(one)
            case happened.Resolved():
                self._resolved(one)
            case happened.Edited():
                self._place(before, f"talk.edit({keywords(event.patch)})")
            case happened.EditDenied():
                pass  # it changed nothing, and is not recorded with what it would have changed
            case happened.TimerPassed():
                self._silence(one)
            case happened.Moved() if event.move.kind == "after":
                self._silence(one)
            case happened.FlowMigrated():
                raise ConfigurationError(
                    f"thread {before.thread} was carried over to another version of its flow: no test can play that"
                )
            case happened.Drained() | happened.StartRefused():
                self._rest(one)
            case _:
                pass  # what a test does not see, or what follows by itself

    def _place(self, before: State, *lines: str) -> None:
        """Write a step where it was taken: now, or before the step that ended the run it waited for."""
        if before.phase is Phase.REST or not self._written.steps:
            self._woken = True
            self._written.add(*lines)
        elif self._woken:
            self._written.with_last(*lines)
        else:
            self._written.before_last(*lines)

    def _rest(self, one: Recorded) -> None:
        after = one.after
        facts = {name: value for name, value in sorted(after.metadata.items()) if value is not None}
        self._active = after.assistant
        self._written.add(
            f"assert {literal(after.assistant)} == talk.assistant.name", f"assert {literal(facts)} == talk.facts", ""
        )

    # -- who speaks ----------------------------------------------------------------------------------------------------

    def _message(self, one: Recorded) -> None:
        event, before = one.event, one.before
        if isinstance(event, happened.MessageRefused) or event.id in self._said:  # type: ignore[union-attr]
            return
        assert isinstance(event, happened.MessageAccepted)
        if event.parts:
            raise ConfigurationError("a message has images or files, whose bytes belong in no test: write it by hand")
        if before.run is not None:
            self._written.before_last(f'talk.user({literal(event.text)}, while_running="steer")')
        else:
            self._place(before, f"talk.user({literal(event.text)})")

    def _stopped(self, index: int, one: Recorded) -> None:
        event = one.event
        assert isinstance(event, happened.StopRequested)
        if event.cause == "expired":
            self._written.add("talk.expire()")
        elif event.cause == "cancel":
            self._written.add("talk.cancel()")
        else:
            taken = list(self._journal.taken_up(index))
            if taken:
                self._said.add(taken[-1].id)
                self._written.add(f'talk.user({literal(taken[-1].text)}, while_running="interrupt")')

    def _ended(self, one: Recorded) -> None:
        event, run = one.event, one.before.run
        assert isinstance(event, happened.RunEnded)
        if run is None or run.move is not None or run.stop is not None:
            return  # it follows from what its batch or a stop had decided
        match event.status:
            case Status.COMPLETED:
                self._written.add(f"talk.says({literal(event.text)})")
            case Status.INCOMPLETE:
                self._written.add(f"talk.incomplete({literal(event.text)}, {literal(event.reason)})")
            case _:
                self._written.add(f"talk.fails({literal(event.reason)})")

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _calls(self, index: int, one: Recorded) -> None:
        event, run = one.event, one.after.run
        assert isinstance(event, happened.CallsRequested)
        assert one.before.run is not None
        asked = event.calls
        place = (event.run, one.before.run.batches + 1)
        for call in asked:
            self._names[(*place, call.id)] = f"call_{len(self._names) + 1}"
        outcomes, undisturbed = self._journal.outcomes(index, place, asked)
        verb = "calls" if all(call.answer is None and call.tool in self._offered for call in asked) else "miscalls"
        step = f"talk.{verb}({called(asked, event.text)})"
        positions = [call.position for _, call in outcomes]
        if (undisturbed and positions == sorted(positions)) or run is None or run.batch is None:
            lines = [line for done in outcomes for line in self._outcome(done)]
            self._written.add(*lines, step)
            return
        self._held |= {(*place, call.id) for call in asked}
        self._written.add(step)  # nothing says yet what the bodies come to, so they are held

    @staticmethod
    def _outcome(done: tuple[Recorded, Call]) -> list[str]:
        """Return the line that says what a body came to; none for a call whose body did not run."""
        one, call = done
        event = one.event
        assert isinstance(event, happened.CallDone)
        if event.pending == "waiting":
            return [f"talk.returns({literal(call.tool)}, {literal(event.output)}, pending=True)"]
        if event.failed:
            text = "" if event.trace else f", {literal(event.output)}"
            return [f"talk.raises({literal(call.tool)}{text})"]
        if not event.ran:
            return []
        to = event.move.dest if event.move is not None else None
        return [returned(call, event.output, event.patch or {}, to)]

    def _done(self, one: Recorded) -> None:
        event, run = one.event, one.before.run
        assert isinstance(event, happened.CallDone)
        place = (event.run, event.batch, event.call)
        if place not in self._held or run is None or run.batch is None:
            return
        call = next(entry.call for entry in run.batch.entries if entry.call.id == event.call)
        if event.pending == "running":
            started = self._journal.started(one)
            seconds = max(0, math.ceil(event.at - started))
            self._written.add(f"talk.silence(timedelta(seconds={seconds}))")
        elif event.pending == "in_doubt":
            raise ConfigurationError(
                f"a probe of {call.tool} could not tell what happened: no recorded talk plays that"
            )
        else:
            lines = self._outcome((one, call))
            if lines:
                self._written.add(*lines, self._finish(one.before, call.tool, place))

    def _finish(self, before: State, tool: str, place: tuple[int, int, str]) -> str:
        """Return the line that ends a body, which is named where others of its tool run."""
        run = before.run
        entries = () if run is None or run.batch is None else run.batch.entries
        running = [entry.call for entry in entries if not entry.settled]
        running += [ticket.call for ticket in before.tickets if ticket.stage in {"running", "approved"}]
        named = sum(call.tool == tool for call in running) > 1
        return f"talk.finish({literal(tool)}{f', call={literal(self._names[place])}' if named else ''})"

    # -- what happens around it ----------------------------------------------------------------------------------------

    def _recovered(self, one: Recorded) -> None:
        event, run = one.event, one.before.run
        assert isinstance(event, happened.Recovered)
        opened = () if run is None or run.batch is None else runnable(run.batch)
        tickets = [ticket for ticket in one.before.tickets if ticket.stage == "running"]
        if not event.lost:
            return  # nobody notices: and the bodies that a talk has started at once are not to be lost
        lost = {call for _, _, call in event.lost}
        ready = [entry.call for entry in opened if entry.call.answer is None and entry.call.id not in lost]
        ready += [ticket.call for ticket in one.before.tickets if ticket.stage == "approved"]
        if not all(call.idempotent for call in ready):
            raise ConfigurationError("the process died beside a body that had not started: no talk plays that")
        self._written.add("talk.crash()")
        places = {(ticket.run, ticket.batch, ticket.call.id) for ticket in tickets}
        if run is not None and run.batch is not None:
            started = [entry.call.id for entry in opened if entry.progress is Progress.STARTED]
            places |= {(run.number, run.batch.number, call) for call in started}
        self._crashes.append((self._written.steps[-1], places - {*event.lost}))

    def _ended_body(self, before: State, ticket: Ticket, *lines: str) -> None:
        """Write the end of a ticket's body: before a crash that it survived, as its outcome waited already."""
        place = (ticket.run, ticket.batch, ticket.call.id)
        for step, ended in self._crashes:
            if place in ended:
                index = next(index for index, one in enumerate(self._written.steps) if one is step)
                self._written.steps.insert(index, list(lines))
                return
        self._place(before, *lines)

    def _resolved(self, one: Recorded) -> None:
        event, before = one.event, one.before
        assert isinstance(event, happened.Resolved)
        ticket = before.ticket(event.ticket)
        if ticket is None:
            return
        tool, named = (
            ticket.call.tool,
            f"ticket={literal(ticket.id)}{f', by={literal(event.by)}' if event.by else ''}",
        )
        body = ticket.stage in {"running", "approved"}
        match event.outcome:
            case "approved":
                self._place(before, f"talk.approve({named})")
            case "refused":
                self._place(before, f"talk.refuse({literal(event.reason)}, {named})")
            case "waiting":
                finish = self._finish(before, tool, (ticket.run, ticket.batch, ticket.call.id))
                self._ended_body(before, ticket, f"talk.returns({literal(tool)}, pending=True)", finish)
            case "in_doubt":
                raise ConfigurationError(f"a probe of {tool} could not tell what happened: no recorded talk plays that")
            case "result" if not body:
                happening = "" if event.ran else ", happened=False"
                self._place(before, f"talk.settle({literal(event.output)}{happening}, {named})")
            case "result":
                to = event.move.dest if event.move is not None else None
                said = returned(ticket.call, event.output, event.patch or {}, to)
                if event.failed:
                    said = f"talk.raises({literal(tool)}, {literal(event.output)})"
                finish = self._finish(before, tool, (ticket.run, ticket.batch, ticket.call.id))
                self._ended_body(before, ticket, said, finish)

    def _silence(self, one: Recorded) -> None:
        since = one.before.silent_since
        seconds = 0 if since is None else max(0, math.ceil(one.event.at - since))
        self._written.add(f"talk.silence(timedelta(seconds={seconds}))")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")
