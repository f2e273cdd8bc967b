"""A thread as its journal says: folded event by event, and what follows from that for a commit and for a prompt.

Both drivers stand on it, the one on asyncio and the one of a talk; it does nothing by itself and has no clock.
"""

from __future__ import annotations

from typing import Any

from handoff.core import fold
from handoff.core.bounds import calls_left
from handoff.core.codec import dump
from handoff.core.events import Event, RunStarted
from handoff.core.items import Item
from handoff.core.state import Progress, State
from handoff.core.transcript import stored_by
from handoff.declaration.flow import Flow
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.declaration.reply_models import format_of
from handoff.driving.ledger import ledger_rows, summary_of, ticket_rows
from handoff.driving.sharing import shared_by
from handoff.driving.turn import Advance
from handoff.store.base import Commit


class Journaled:
    """One thread, folded.

    Args:
        flow: the declaration, frozen.
    """

    def __init__(self, flow: Flow[Any, Any]) -> None:
        self._flow = flow
        #: Sequence number of the latest event; 0 before the first.
        self.seq = 0
        #: What the backend's transcript holds, in order.
        self.transcript: list[Item] = []
        #: How the latest run was started.
        self.started: RunStarted | None = None
        self._state: State | None = None

    def part(self) -> None:
        """Go its own way from here on, where it is a `copy.copy` of another."""
        self.transcript = list(self.transcript)

    @property
    def known(self) -> bool:
        """Whether there is a thread yet."""
        return self._state is not None

    @property
    def birth(self) -> str | None:
        """What tells the thread from an earlier and a later one of its id; None before its first event."""
        return None if self._state is None else self._state.birth

    @property
    def state(self) -> State:
        """The thread as a value; there is one after the first event."""
        assert self._state is not None
        return self._state

    def apply(self, event: Event, after: State | None = None) -> State | None:
        """Fold the next event of the journal; return the thread just before it.

        Args:
            event: the event.
            after: the thread after it, where whoever decided on the event has found that already.
        """
        before = self._state
        self._state = fold(before, event) if after is None else after
        if before is not None:
            self.transcript.extend(stored_by(before, event))
        if isinstance(event, RunStarted):
            self.started = event
        self.seq += 1
        return before

    def commit(self, decided: Advance, at: float) -> Commit:
        """Return all that an append writes.

        Args:
            decided: its events and the rows they consume.
            at: the time now, Unix seconds.
        """
        return Commit(
            expect=self.seq,
            events=[dump(event) for event in decided.events],
            consumed=decided.consumed,
            last_row=decided.last_row,
            summary=summary_of(self._flow, decided.state, at),
            ledger=ledger_rows(self.state, decided),
            tickets=ticket_rows(self.state, decided.state),
        )

    def prompt(self) -> Prompt:
        """Return what the model of the active run is given; there must be one."""
        started, state = self.started, self.state
        assert started is not None
        assistant = self._flow.assistants[started.assistant]
        tools = self._flow.tools_of(assistant.name).values()
        offered = tuple(
            OfferedTool(tool.name, tool.description, tool.schema, tool.strict)
            for tool in tools
            if tool.name in started.tools
        )
        options = {
            "model": assistant.model,
            "temperature": assistant.options.temperature,
            "tool_choice": assistant.options.tool_choice,
            "max_output_tokens": assistant.options.max_output_tokens,
        }
        given = {name: value for name, value in options.items() if value is not None}
        if not calls_left(state):  # told to answer with what it has, a model that could call might go on for ever (G)
            offered = ()
            given.pop("tool_choice", None)
        return Prompt(
            assistant.name,
            started.instructions,
            offered,
            tuple(self.transcript),
            state.due,
            given,
            assistant.options.view,
            None if assistant.options.reply is None else format_of(assistant.options.reply),
            assistant.options.hosted,
            shared_by(self._flow),
        )

    def begun(self) -> list[tuple[int, int, str]]:
        """Return (run, batch, call id) of the bodies that are committed as started and have no outcome yet."""
        state, run = self.state, self.state.run
        found = [(ticket.run, ticket.batch, ticket.call.id) for ticket in state.tickets if ticket.stage == "running"]
        if run is not None and run.batch is not None:
            started = [entry.call.id for entry in run.batch.entries if entry.progress is Progress.STARTED]
            found += [(run.number, run.batch.number, call) for call in started]
        return found


def result_key(run: int, batch: int, call: str) -> str:
    """Return the inbox key under which a body posts its result: a second one of the same call is none.

    Args:
        run: number of the run that asked.
        batch: number of the batch in that run.
        call: id of the call.
    """
    return f"body:{run}/{batch}/{call}"
