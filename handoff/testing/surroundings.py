"""What happens around a conversation: tools that take their time, people who decide, time itself, and crashes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_jsonable_python

from handoff.core.commands import Key
from handoff.core.state import Ticket
from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.declaration.tools import Tool
from handoff.driving import calls
from handoff.driving.decisions import Decision, decide, delivered
from handoff.errors import ConfigurationError, TicketClosed
from handoff.events import RoomChanged
from handoff.limits import Limits
from handoff.testing.bodies import Held
from handoff.testing.driver import InlineDriver
from handoff.testing.passing import Passing
from handoff.testing.rooms import PlayedRooms
from handoff.testing.suspending import Asked
from handoff.testing.view import View, Within, is_named, tool_name
from handoff.thread import EditReceipt

if TYPE_CHECKING:
    from handoff.testing.talk import Talk


class Surroundings(View[M]):
    """A thread whose surroundings the test plays."""

    def __init__(
        self,
        flow: Flow[M, Any],
        *,
        deps: Deps | None = None,
        metadata: M | None = None,
        limits: Limits | None = None,
        _within: Within | None = None,
    ) -> None:
        super().__init__(flow, deps=deps, metadata=metadata, limits=limits, _within=_within)
        #: The side rooms that calls have opened, by name; each is a talk of its own.
        self.rooms: PlayedRooms[Talk[Any]] = PlayedRooms(self._room, self._mismatch, self._driver, self._told_of_room)
        self._driver.bodies.enters = self.rooms.enter
        self._driver.fed.append(self.rooms.look_after)
        self._passing = Passing(flow, self._driver, self._clock)
        self._slow: list[Callable[..., Any] | str] = []
        self._counts: dict[str, int] = {}
        #: Bodies of calls that were made while their tool was slow, and may start later.
        self._slowed: set[Key] = set()
        self._driver.bodies.holds = lambda body: self._is_slow(body.tool) or body.command.key in self._slowed

    def _room(self, asked: Asked) -> tuple[Any, InlineDriver]:
        """Make the talk of a side room, and its driver."""
        inquiry, kind = asked.inquiry, cast("Any", type(self))
        deps = None if inquiry.flow.deps is None else self._deps
        within = Within(str(asked.place), self.store, self._clock, self._driver.bodies.loop)
        room = kind(inquiry.flow, deps=deps, metadata=inquiry.request, _within=within)
        return room, room._driver  # noqa: SLF001 - one of us

    def _told_of_room(self, event: RoomChanged) -> None:
        self.events.append(event)
        self._story.add(f"room {event.room}", f"{event.stage}: {event.text}" if event.text else event.stage)

    def _is_slow(self, tool: Tool) -> bool:
        return any(is_named(tool, slow) for slow in self._slow)

    def _new(self, kind: str) -> str:
        """Return the next id of its kind: the same in every run of the test."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}{self._counts[kind]}"

    # -- the tools -----------------------------------------------------------------------------------------------------

    @contextmanager
    def slow(self, *tools: Callable[..., Any] | str) -> Generator[None]:
        """Hold the bodies of these tools that are called or started in the block: each runs at its `finish`.

        Args:
            *tools: functions, or names.

        Raises:
            ConfigurationError: the flow has no such tool.
        """
        known = [tool for name in self.flow.assistants for tool in self.flow.tools_of(name).values()]
        for slow in tools:
            if not any(is_named(tool, slow) for tool in known):
                raise ConfigurationError(f"slow({tool_name(slow)}): {self.flow.name} has no such tool")
        earlier, self._slow = self._slow, [*self._slow, *tools]
        try:
            yield
        finally:
            self._slow = earlier

    def finish(self, tool: Callable[..., Any] | str) -> None:
        """Let the earliest held body of a tool run to its end: into its batch, or as a late result of its ticket.

        Args:
            tool: its function or name.

        Raises:
            TalkMismatch: no body of it is held.
        """
        __tracebackhide__ = True
        step = f"finish({tool_name(tool)})"
        self._passing.catch_up()
        held = self._held(step, tool)
        if rooms := self._driver.bodies.waits_for(held.command.key):
            named = ", ".join(f"rooms[{name!r}]" for name in rooms)
            raise self._mismatch(step, f"{held.body.tool.name} waits for its side rooms: play {named}")
        self._driver.bodies.finish(held)

    def _held(self, step: str, tool: Callable[..., Any] | str) -> Held:
        __tracebackhide__ = True
        for held in self._driver.bodies.held.values():
            if is_named(held.body.tool, tool):
                return held
        raise self._mismatch(step, f"no body of {tool_name(tool)} is held; held are {self._held_names() or 'none'}")

    # -- people who decide ---------------------------------------------------------------------------------------------

    def approve(self, *, ticket: Ticket | str | None = None, by: str = "") -> Decision:
        """Let a call that waits for approval run.

        Args:
            ticket: its ticket or the ticket's id; None for the only one that waits.
            by: who decides.

        Returns:
            The decision, or the first one where there was one.

        Raises:
            TalkMismatch: not exactly one waits, and none was named.
            TicketClosed: the ticket named never waited for approval.
        """
        __tracebackhide__ = True
        found = self._ticket("approve()", ticket, approval=True)
        decision = decide(self.store, self.id, found, "approved", by=by, clock=self._clock)
        self._driver.feed()
        return decision

    def refuse(self, reason: str = "", *, ticket: Ticket | str | None = None, by: str = "") -> Decision:
        """Refuse a call that waits for approval: its body never runs, and the active assistant is told.

        Args:
            reason: what the model is told.
            ticket: as for `approve`.
            by: who decides.

        Returns:
            As for `approve`.

        Raises:
            TalkMismatch: as for `approve`.
            TicketClosed: as for `approve`.
        """
        __tracebackhide__ = True
        found = self._ticket(f"refuse({reason!r})", ticket, approval=True)
        decision = decide(self.store, self.id, found, "refused", reason=reason, by=by, clock=self._clock)
        self._driver.feed()
        return decision

    def resolve(self, output: str, *, ticket: Ticket | str | None = None, by: str = "") -> Decision:
        """Deliver the result of a call that waits for the world: `settle`, for one that happened."""
        __tracebackhide__ = True
        return self.settle(output, ticket=ticket, by=by)

    def settle(
        self, output: str, *, happened: bool = True, ticket: Ticket | str | None = None, by: str = ""
    ) -> Decision:
        """Say what became of a call whose outcome is not known here.

        Args:
            output: what the model is told.
            happened: whether the call took effect.
            ticket: its ticket or the ticket's id; None for the only one that does not wait for approval.
            by: who says so.

        Raises:
            TalkMismatch: not exactly one is open, and none was named.
            TicketClosed: the ticket named is not open, waits for approval, or has another result.
        """
        __tracebackhide__ = True
        name = self._ticket(f"settle({output!r})", ticket, approval=False)
        first = delivered(self.store, self.id, name, output, happened=happened)
        if first is not None:
            return first
        found = self.state.ticket(name)
        if found is None or found.stage == "approval":
            raise TicketClosed(self.id, name)
        row = calls.settled_by(self.flow, self.state, found, output, happened=happened, by=by)
        self._driver.post("resolved", row, self._new(f"settle:{name}:"))
        return Decision(name, "result", by)

    def edit(self, **fields: Any) -> EditReceipt:
        """Change metadata from outside.

        Args:
            **fields: the fields and their new values; None unsets one.

        Returns:
            What came of it. While a run is active it waits, and is not applied yet: then see `edits`.
        """
        self._passing.catch_up()
        judged = len(self.edits)
        name = self._new("edit")
        self._driver.post("edit", {"id": name, "patch": to_jsonable_python(fields)}, f"edit:{name}")
        return self.edits[-1] if len(self.edits) > judged else EditReceipt(applied=False, reason="a run is active")

    def _ticket(self, step: str, ticket: Ticket | str | None, *, approval: bool) -> str:
        """Return the id of the ticket that is meant."""
        __tracebackhide__ = True
        self._passing.catch_up()
        if ticket is not None:
            return ticket.id if isinstance(ticket, Ticket) else ticket
        found = [one.id for one in self.tickets if (one.stage == "approval") is approval]
        if len(found) != 1:
            what = "waiting for approval" if approval else "open and not waiting for approval"
            raise self._mismatch(step, f"expected one ticket {what}, found {', '.join(found) or 'none'}")
        return found[0]

    # -- time and crashes ----------------------------------------------------------------------------------------------

    def silence(self, delay: timedelta = timedelta(0)) -> None:
        """Let time pass in which nobody speaks, or until a run starts: silences end, runs come to grace and expire.

        Args:
            delay: how long; by default only what freezegun has moved on by takes effect.

        Raises:
            ValueError: it is negative.
        """
        if delay < timedelta(0):
            raise ValueError(f"silence({delay}): time does not go back")
        if delay:
            self._story.add("silence", str(delay))
        self._passing.until(self._clock.now() + delay.total_seconds())

    def grace(self) -> None:
        """Come to the moment just before the run's deadline: calls that are not done become tickets.

        Raises:
            TalkMismatch: no call is open.
        """
        __tracebackhide__ = True
        run = self.state.run
        if run is None or run.batch is None:
            raise self._mismatch("grace()", "no call is open: have one with slow(…)")
        self._passing.grace()

    def expire(self) -> None:
        """Come to the run's deadline, unprepared: without the grace before it. `silence` comes to both.

        Raises:
            TalkMismatch: no run is active.
        """
        __tracebackhide__ = True
        if self.state.run is None:
            raise self._mismatch("expire()", f"no run is active: {self._rests()}")
        self._passing.expire()

    def crash(self, *, after: Callable[..., Any] | str | None = None) -> None:
        """Lose the process, and go on from the store as the next one would.

        Args:
            after: a slow tool whose held body still runs to its end, so that only its outcome is lost.

        Raises:
            TalkMismatch: no body of that tool is held.
        """
        __tracebackhide__ = True
        step = "crash()" if after is None else f"crash(after={tool_name(after)})"
        self._passing.catch_up()
        if after is not None:
            self._driver.bodies.outcome(self._held(step, after))
        self._story.add("crash", "" if after is None else f"after {tool_name(after)} had run")
        self._passing.forget()
        self._slowed.clear()
        self.rooms.forget()
        self._driver.crash()
