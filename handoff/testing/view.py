"""What a talk shows: the thread, what its model is given, and the failure of a step that does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from handoff.core import events as happened
from handoff.core.events import Event
from handoff.core.items import Item, Output
from handoff.core.state import Run, State, Ticket
from handoff.core.status import Status
from handoff.declaration.assistants import Assistant, M
from handoff.declaration.flow import Flow
from handoff.declaration.guards import name_of
from handoff.declaration.metadata import Deps
from handoff.declaration.prompt import Prompt
from handoff.declaration.tools import Tool
from handoff.events import ThreadEvent, told
from handoff.limits import Limits
from handoff.store.base import Store
from handoff.store.memory import MemoryStore
from handoff.testing.bodies import InlineBodies
from handoff.testing.clock import OffsetClock
from handoff.testing.driver import InlineDriver
from handoff.testing.loop import PrivateLoop
from handoff.testing.story import Story, TalkMismatch, fields_of
from handoff.thread import EditReceipt

#: Id of the thread of a talk.
THREAD = "talk"


@dataclass(frozen=True, slots=True)
class Within:
    """Where the thread of a talk lives."""

    #: Its id.
    thread: str
    store: Store
    clock: OffsetClock
    #: Where asynchronous bodies run.
    loop: PrivateLoop


class View(Generic[M]):
    """One thread of a flow, to be looked at.

    Args:
        flow: the declaration; frozen from here on.
        deps: an instance of the flow's Deps class, if it has one.
        metadata: what the thread starts with.
        limits: its bounds, where a test is to come to them sooner; None for those of the flow.
        store: where the thread is to live; in memory by default.

    Attributes:
        id: the thread's id.
        flow: the declaration.
        store: where the thread lives.
        events: all that the thread has told whoever watches it, text deltas excepted.
        edits: what came of each edit so far, in order.
    """

    #: What tells the time, and what looks after bodies.
    _clock_type: type[OffsetClock] = OffsetClock
    _bodies_type: type[InlineBodies] = InlineBodies
    #: Whether its bodies run, and need what the process lends them.
    _lends = True

    def __init__(
        self,
        flow: Flow[M, Any],
        *,
        deps: Deps | None = None,
        metadata: M | None = None,
        limits: Limits | None = None,
        store: Store | None = None,
        _within: Within | None = None,  # of a side room
    ) -> None:
        flow.freeze()
        if self._lends:
            flow.require_deps(deps)
        if _within is None:
            within = Within(THREAD, MemoryStore() if store is None else store, self._clock_type(), PrivateLoop())
        else:
            within = _within
        self.id = within.thread
        self.flow = flow
        self.store = within.store
        self.events: list[ThreadEvent] = []
        self.edits: list[EditReceipt] = []
        self._deps = deps
        self._is_room = _within is not None
        self._clock = within.clock
        self._story = Story()
        self._driver = InlineDriver(
            self.id,
            flow=flow,
            deps=deps,
            store=self.store,
            clock=self._clock,
            tell=self.events.append,
            observe=self._observe,
            loop=within.loop,
            bodies=self._bodies_type,
        )
        self._driver.open(flow.metadata() if metadata is None else metadata, limits)

    def _observe(self, before: State, event: Event, after: State) -> None:
        self.events.extend(told(before, event, after))
        self._story.tell(before, event, after)
        if isinstance(event, happened.Edited):
            self.edits.append(EditReceipt(applied=True))
        if isinstance(event, happened.EditDenied):
            self.edits.append(EditReceipt(applied=False, reason=event.reason))

    # -- the thread ----------------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The thread as a value; see `handoff.core.state.State`."""
        return self._driver.state

    @property
    def assistant(self) -> Assistant[M]:
        """The active assistant; `Flow.end` once the thread is closed."""
        return self.flow.end if self.state.closed else self.flow.assistants[self.state.assistant]

    @property
    def metadata(self) -> M:
        """A copy of the metadata."""
        return self.flow.metadata_from(self.state.metadata)

    @property
    def status(self) -> str:
        """`rest`, `closed`, or the status of the active run."""
        if self.state.run is not None:
            return str(self.state.run.status)
        return "closed" if self.state.closed else "rest"

    @property
    def tickets(self) -> tuple[Ticket, ...]:
        """The calls that outlive their batch and are not decided."""
        return self.state.tickets

    @property
    def transcript(self) -> tuple[Item, ...]:
        """What was said and done, in order, with what still waits to be sent. `str(talk)` is the same to be read."""
        return (*self._driver.transcript, *self.state.due)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs of the latest batch, in the order of its calls; empty text for a call that is still open."""
        run = self.state.run
        if run is not None and run.batch is not None:
            return tuple(entry.output for entry in run.batch.entries)
        found = [item for item in self.transcript if isinstance(item, Output)]
        latest = max(((one.run, one.batch) for one in found), default=None)
        return tuple(one.text for one in found if (one.run, one.batch) == latest)

    # -- what the model is given ---------------------------------------------------------------------------------------

    @property
    def instructions(self) -> str:
        """What the flow and the active assistant declare, rendered: as its run was given it, else as it would be now.

        The lines that tell an assistant who speaks here follow them in `prompt.instructions`. Empty once the thread is
        closed.

        Raises:
            InstructionsError: they cannot be rendered now.
        """
        if self.state.closed:
            return ""
        started = self._driver.started
        if self.state.run is not None and started is not None:
            lines = self.flow.attribution(started.assistant, self.state.previous, self.state.trigger)
            return started.instructions.removesuffix(lines).rstrip("\n")
        return self.flow.instructions_of(self.state.assistant, self.metadata)

    @property
    def offered(self) -> tuple[str, ...]:
        """Names of the tools the active assistant may call: as its run was started with, else as it would be now."""
        if self.state.closed:
            return ()
        started = self._driver.started
        if self.state.run is not None and started is not None:
            return started.tools
        metadata = self.metadata
        tools = self.flow.tools_of(self.state.assistant).values()
        return tuple(tool.name for tool in tools if tool.unavailable(metadata) is None)

    @property
    def prompt(self) -> Prompt | None:
        """All that the model was given at the latest request; None before the first one, or the first after a crash."""
        return self._driver.prompt

    @property
    def model_calls(self) -> int:
        """How many requests were made to the model, answered or not."""
        return self._driver.requests

    def _mismatch(self, step: str, problem: str) -> TalkMismatch:
        return TalkMismatch(step, problem, str(self._story), self._now())

    def _stands(self) -> str:
        return self._rests() if self.state.run is None else self._waits(self.state.run)

    def _waits(self, run: Run) -> str:
        if run.batch is None:
            return f"run {run.number} of {run.assistant} waits for the model"
        opened = ", ".join(entry.call.tool for entry in run.batch.entries if not entry.settled)
        rooms = [name for key in self._driver.bodies.held for name in self._driver.bodies.waits_for(key)]
        played = f": play {', '.join(f'rooms[{name!r}]' for name in rooms)}" if rooms else ""
        return f"run {run.number} of {run.assistant} waits for {opened}, not for the model{played}"

    def _rests(self) -> str:
        state, ended = self.state, self.state.ended
        if state.closed:
            return "the thread is closed"
        if ended is None or ended is Status.COMPLETED:
            return f"the thread rests at {state.assistant}"
        because = f": {state.reason}" if state.reason else ""
        return f"the thread rests at {state.assistant}, as the last turn ended {ended}{because}"

    def _held_names(self) -> str:
        return ", ".join(held.body.tool.name for held in self._driver.bodies.held.values())

    def _now(self) -> str:
        """Return where the conversation stands."""
        state = self.state
        offered = ", ".join(
            f"{name}({', '.join(self.flow.tools_of(state.assistant)[name].schema['properties'])})"
            for name in self.offered
        )
        metadata = fields_of({name: value for name, value in state.metadata.items() if value is not None})
        waiting = "; ".join(waiting_row(row.kind, row.data) for row in self.store.inbox(self.id))
        tickets = ", ".join(f"{one.id} of {one.call.tool} ({one.stage})" for one in state.tickets)
        lines = {
            "Now": self._stands(),
            "Offered": offered or "no tools",
            "Metadata": metadata,
            "Held": self._held_names(),
            "Tickets": tickets,
            "Inbox": waiting,
        }
        return "\n".join(f"{name + ':':<10}{text}" for name, text in lines.items() if text)

    def __str__(self) -> str:
        return f"{self._story}\n\n{self._now()}".lstrip("\n")

    def __repr__(self) -> str:
        return f"<talk with {self.flow.name}: {self._stands()}>"


def is_named(tool: Tool, named: Callable[..., Any] | str) -> bool:
    """Return whether the tool is the one a test names by function or name."""
    return tool.name == named if isinstance(named, str) else tool.function is named


def tool_name(tool: Callable[..., Any] | str) -> str:
    """Return the name of a tool a test gives as function or name."""
    return tool if isinstance(tool, str) else name_of(tool)


def waiting_row(kind: str, data: Mapping[str, Any]) -> str:
    """Return a row of the inbox as a person reads it."""
    return f"user {data['text']!r} ({data['policy']})" if kind == "message" else kind
