"""One thread under a schedule, the user's or a side room: what may happen to it next, and what comes of each step.

Bodies start by themselves and go on when the schedule says so; the model answers, people decide and deadlines pass when
it says so. A room's steps are steps of the thread whose call has opened it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from handoff.core import events as happened
from handoff.core.events import Event
from handoff.core.items import UserMessage
from handoff.core.state import Phase, State, Ticket
from handoff.core.status import Status
from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.driving import calls
from handoff.driving.decisions import decide
from handoff.driving.judge import wake_at
from handoff.driving.side_rooms import INQUIRY
from handoff.errors import ConfigurationError
from handoff.events import RoomChanged
from handoff.store.base import RowKind, Store
from handoff.testing.bodies import Held
from handoff.testing.clock import OffsetClock, StoppedClock
from handoff.testing.driver import InlineDriver
from handoff.testing.loop import PrivateLoop
from handoff.testing.past import Attempt, Past, WatchedBodies
from handoff.testing.remaining import Remaining
from handoff.testing.rooms import PlayedRooms
from handoff.testing.scenario import Scenario, ask
from handoff.testing.schedule import Broken, Step, labelled
from handoff.testing.suspending import Asked
from handoff.testing.telling import ToldLate
from handoff.testing.view import Within


class Situation(ToldLate[M]):
    """One thread of a scenario, as far as a schedule has come.

    Args:
        flow: the declaration.
        scenario: what is played.
        deps: an instance of the flow's Deps class, made for this world.
        metadata: what the thread starts with.
        store: where the thread is to live; in memory by default.
        remaining: what is left to happen.
        past: what bodies have done.
        may_raise: what bodies may raise beside ToolError.
        loop: where asynchronous bodies run, and a model that is asynchronous.

    Attributes:
        deps: what the process lends.
        rooms: the side rooms that its calls have opened, by name.
        remaining: what is left to happen.
    """

    _clock_type = StoppedClock
    _bodies_type = WatchedBodies

    def __init__(
        self,
        flow: Flow[M, Any],
        scenario: Scenario,
        *,
        deps: Deps | None,
        metadata: M | None = None,
        store: Store | None = None,
        remaining: Remaining,
        past: Past,
        may_raise: tuple[type[BaseException], ...],
        loop: PrivateLoop,
        _within: Within | None = None,
    ) -> None:
        self.deps: Any = deps
        self._scenario = scenario
        self.remaining = remaining
        self._graced = 0
        super().__init__(flow, deps=deps, metadata=metadata, store=store, _within=_within)
        self._bodies.past = past
        self._bodies.may_raise = may_raise
        self._bodies.loop = loop
        self.rooms: PlayedRooms[Situation[Any]] = PlayedRooms(
            self._room, self._mismatch, self._driver, self._told_of_room
        )
        self._wire()

    @property
    def _bodies(self) -> WatchedBodies:
        return cast("WatchedBodies", self._driver.bodies)

    def _room(self, asked: Asked) -> tuple[Situation[Any], InlineDriver]:
        """Make what plays a side room, and its driver."""
        inquiry = asked.inquiry
        room = Situation[Any](
            inquiry.flow,
            self._scenario,
            deps=None if inquiry.flow.deps is None else self.deps,
            metadata=inquiry.request,
            remaining=self.remaining,
            past=self.past,
            may_raise=self._bodies.may_raise,
            loop=self._bodies.loop,
            _within=Within(str(asked.place), self.store, self._clock, self._bodies.loop),
        )
        return room, room._driver

    def _wire(self) -> None:
        self._bodies.enters = self.rooms.enter
        self._driver.fed.append(self.rooms.look_after)

    def part(
        self,
        deps: Deps | None,
        store: Store,
        clock: OffsetClock,
        remaining: Remaining,
        past: Past,
        anew: Mapping[Attempt, Attempt],
    ) -> InlineDriver:
        """Go its own way from here on, where it is a `copy.copy` of another; return its driver.

        Args:
            deps: what the process lends.
            store: where it lives.
            clock: the time.
            remaining: what is left to happen.
            past: what has been done to the deps.
            anew: the bodies that did it, by those of the other.
        """
        self.deps, self.store, self._clock, self.remaining = deps, store, clock, remaining
        self.part_story()
        self._driver = copy.copy(self._driver)
        self._driver.part(store, clock, self.events.append, self._observe)
        self._driver.bodies = bodies = copy.copy(self._bodies)
        bodies.part(self._driver, deps, past, anew)

        def fork(room: Situation[Any]) -> tuple[Situation[Any], InlineDriver]:
            other = copy.copy(room)
            lent = None if room.flow.deps is None else deps
            return other, other.part(lent, store, clock, remaining, past, anew)

        self.rooms = copy.copy(self.rooms)
        self.rooms.part(self._room, self._mismatch, self._driver, self._told_of_room, fork)
        self._wire()
        return self._driver

    # -- what may happen -----------------------------------------------------------------------------------------------

    def ordinary(self) -> list[Step]:
        """Return the steps that may be taken now, disturbances left out."""
        run = self.state.run
        steps = [Step("model")] if run is not None and run.batch is None else []
        bodies = self._labelled().items()
        steps += [Step("tool", label) for label, held in bodies if self._may_go_on(held)]
        posted = {row.data.get("ticket") for row in self.store.inbox(self.id) if row.kind == "resolved"}
        for ticket in self.state.tickets:
            if ticket.id not in posted:
                steps += [Step(kind, ticket.id) for kind in self._scenario.decisions_on(ticket)]
        return steps + [step.within(label) for label, room in self._rooms() for step in room.ordinary()]

    def disturbing(self) -> list[Step]:
        """Return the disturbances there may be now."""
        state, run, allows = self.state, self.state.run, self.remaining.allows
        steps: list[Step] = []
        if run is not None and allows("expire"):
            steps.append(Step("expire"))
            if run.batch is not None and self._graced != run.number:
                steps.append(Step("grace"))
            opened = [one for one in self._bodies.held.values() if calls.open_in_batch(state, one.command)]
            timed = (one.body.tool.name for one in opened if one.body.tool.timeout is not None)
            steps += [Step("timeout", name) for name in dict.fromkeys(timed)]
        if run is not None and run.batch is None and allows("fail"):
            steps.append(Step("fail"))
        if run is None and allows("silence") and wake_at(self.flow, state) is not None:
            steps.append(Step("silence"))
        return steps + [step.within(label) for label, room in self._rooms() for step in room.disturbing()]

    def _rooms(self) -> list[tuple[str, Situation[Any]]]:
        return list(self.rooms.labelled.items())

    def _labelled(self) -> dict[str, Held]:
        """Return the bodies that run, as steps call them."""
        return labelled((held.body.tool.name, held) for held in self._bodies.held.values())

    @staticmethod
    def _may_go_on(held: Held) -> bool:
        return not held.body.tool.consults or held.suspending.may_go_on

    # -- what comes of it ----------------------------------------------------------------------------------------------

    def act(self, step: Step) -> None:
        """Take a step, with all that follows from it.

        Args:
            step: one of those that may be taken.

        Raises:
            ConfigurationError: there is no such step.
        """
        if step.room:
            label, _, rest = step.room.partition("/")
            self.rooms.labelled[label].act(replace(step, room=rest))
            return
        run, now = self.state.run, self._clock.now()
        match step.kind:
            case "model":
                self._answer()
            case "tool":
                self._bodies.finish(self._labelled()[step.what])
            case "approve" | "refuse":
                self._decide(step.kind, step.what)
            case "resolve" | "settle":
                self._settle(step.what)
            case "expire" if run is not None:
                self._clock.move_to(run.deadline)
                self._driver.feed(happened.StopRequested(self._clock.now(), run.number, "expired"))
            case "grace" if run is not None and run.batch is not None:
                self._graced = run.number
                self._driver.feed(happened.GraceReached(now, run.number, run.batch.number))
            case "timeout":
                command = self._labelled()[step.what].command
                where = (now, command.run, command.batch, command.call)
                self._driver.feed(happened.CallDone(*where, "", ran=False, pending="running"))
            case "fail" if run is not None:
                ended = happened.RunEnded(now, run.number, run.request, Status.FAILED, 0, "", "server_error")
                self._driver.feed(ended)
            case "silence":
                self.be_silent()
            case _:
                raise ConfigurationError(f"{step} is no step of a schedule")

    def post(self, kind: RowKind, data: Mapping[str, Any], key: str) -> None:
        """Commit a row to the inbox, and let it act as far as it may.

        Args:
            kind: what it is.
            data: its content.
            key: its idempotency key.

        Raises:
            ThreadClosed: it is a message, and the flow reached its end.
        """
        self._driver.post(kind, data, key)

    def cancel(self) -> None:
        """Stop the run, if one is active."""
        run = self.state.run
        if run is not None:
            self.post("stop", {"run": run.number, "cause": "cancel"}, f"cancel:{run.number}")

    def crash(self) -> None:
        """Forget all but the store, and go on from there."""
        self._graced = 0
        self.rooms.forget()
        self._driver.crash()
        self._driver.feed()

    def be_silent(self) -> None:
        """Let the silence end that the thread waits for, if it does."""
        at = wake_at(self.flow, self.state)
        if at is not None:
            self._clock.move_to(at)
            data = {"stimuli": self.state.stimuli, "timed": self.state.timed}
            self.post("timer", data, f"timer:{data['stimuli']}:{data['timed']}")

    def _answer(self) -> None:
        run, prompt = self.state.run, self.prompt
        assert run is not None
        assert prompt is not None
        model = self._scenario.model_of(self.flow) if self._is_room else self._scenario.model
        answer = ask(model, prompt, self._bodies.loop)
        where = (self._clock.now(), run.number, run.request)
        stored = len(self.state.due)
        if not answer.calls:
            self._driver.feed(happened.RunEnded(*where, Status.COMPLETED, stored, answer.text))
            return
        made = sum(len(getattr(item, "calls", ())) for item in self.transcript)
        named = [replace(one, id=f"call_{number}") for number, one in enumerate(answer.calls, made + 1)]
        batch = calls.journaled(self.flow, self.state, named)
        self._driver.feed(happened.CallsRequested(*where, stored, batch, answer.text))

    def _decide(self, kind: Literal["approve", "refuse"], ticket: str) -> None:
        outcome: Literal["approved", "refused"] = "approved" if kind == "approve" else "refused"
        ruling = self._scenario.ruling(self._ticket(ticket), kind)
        decide(self.store, self.id, ticket, outcome, reason=ruling.text if ruling else "", clock=self._clock)
        self._driver.feed()

    def _settle(self, name: str) -> None:
        """Say what became of a call: as the world answered, or, for a call in doubt, as it truly was."""
        ticket = self._ticket(name)
        ruling = self._scenario.ruling(ticket, "resolve") if ticket.stage == "waiting" else None
        result = self.past.results.get(f"{self.id}/{ticket.run}/{ticket.batch}/{ticket.call.id}")
        took_effect = ruling is not None or (result is not None and result.ran)
        output = ruling.text if ruling else result.output if result else "it did not happen"
        row = calls.settled_by(self.flow, self.state, ticket, output, happened=took_effect, by="")
        self.post("resolved", row, f"settle:{name}")

    def _ticket(self, name: str) -> Ticket:
        found = self.state.ticket(name)
        assert found is not None
        return found

    # -- what is looked at ---------------------------------------------------------------------------------------------

    @property
    def at_rest(self) -> bool:
        """Whether nothing is outstanding on the thread but tickets."""
        return self.state.phase is Phase.REST and not self.store.inbox(self.id)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Ids of the messages in the inbox, in order."""
        return tuple(row.data["id"] for row in self.store.inbox(self.id) if row.kind == "message")

    @property
    def unsent(self) -> tuple[str, ...]:
        """Ids of the user messages that no request has carried yet."""
        return tuple(item.id for item in self.state.due if isinstance(item, UserMessage))

    @property
    def sent(self) -> tuple[str, ...]:
        """Ids of the messages that were sent to the thread, in order."""
        return (INQUIRY,)

    @property
    def refused(self) -> frozenset[str]:
        """Ids of the messages that were refused because the thread was closed."""
        return frozenset()

    @property
    def held(self) -> tuple[str, ...]:
        """Names of the tools whose bodies run."""
        return tuple(held.body.tool.name for held in self._bodies.held.values())

    @property
    def digest(self) -> str:
        """All that the future of this thread depends on, as text, but for what is the same in all its world."""
        state, now = self.state, self._clock.now()
        run = None if state.run is None else replace(state.run, deadline=state.run.deadline - now)
        since = None if state.silent_since is None else state.silent_since - now
        visited = sorted(state.counters.visited)
        counters = replace(state.counters, visited=frozenset())
        known = replace(state, run=run, silent_since=since, counters=counters)
        rows = [(row.kind, dict(row.data)) for row in self.store.inbox(self.id)]
        started = self._driver.started
        shown = None if started is None else (started.digest, started.tools)
        bodies = [(key, held.suspending.told, held.suspending.news) for key, held in self._bodies.held.items()]
        rooms = [room.digest for room in self.rooms.all]
        return repr((known, visited, self._driver.transcript, rows, bodies, shown, self._graced, rooms))

    @property
    def past(self) -> Past:
        """What bodies have done so far, those of side rooms included."""
        return self._bodies.past

    # -- what is noted -------------------------------------------------------------------------------------------------

    def _observe(self, before: State, event: Event, after: State) -> None:
        super()._observe(before, event, after)
        if isinstance(event, happened.StartRefused) and event.cause == "instructions":
            where = f" in the side room {self.id}" if self._is_room else ""
            raise Broken(f"no run could start{where}: {event.reason}")

    def _told_of_room(self, event: RoomChanged) -> None:
        self.events.append(event)
        self.note(f"room {event.room}", f"{event.stage}: {event.text}" if event.text else event.stage)

    def tell(self) -> None:
        """See `ToldLate.tell`; of the side rooms, too."""
        super().tell()
        for room in self.rooms.all:
            room.tell()

    def __str__(self) -> str:
        parts = [super().__str__()]
        for room in self.rooms.all:
            shown = "\n".join(f"    {line}" for line in str(room).splitlines())
            parts.append(f"The room {room.id.rpartition('room:')[2]} of {self.id}:\n{shown}")
        return "\n\n".join(parts)
