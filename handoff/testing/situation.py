"""Where a schedule has come to: one thread, what is left to happen to it, and what may happen next."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Self, cast

from handoff.core import events as happened
from handoff.core.events import Event
from handoff.core.items import UserMessage
from handoff.core.state import Phase, State, Ticket
from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.driving import calls
from handoff.driving.judge import wake_at
from handoff.store.base import Store
from handoff.store.memory import MemoryStore
from handoff.testing.clock import StoppedClock
from handoff.testing.loop import PrivateLoop
from handoff.testing.scenario import Edit, Message, Scenario
from handoff.testing.schedule import Broken, Disturbance, ProcessDied, Ran, Step, WatchedBodies
from handoff.testing.view import THREAD, View
from handoff.thread import WhileRunning


class Situation(View[M]):
    """One thread of a scenario, as far as a schedule has come.

    Args:
        flow: the declaration.
        scenario: what is played.
        deps: an instance of the flow's Deps class, made for this world.
        metadata: what the thread starts with.
        store: where the thread lives; None: in memory.
        budget: how often each disturbance may happen.
        together: how many disturbances may happen in all.
        policies: what messages may do to an active run, beside what the scenario says.
        may_raise: what bodies may raise beside ToolError.
        loop: where asynchronous bodies run, and a model that is asynchronous.

    Attributes:
        deps: what the process lends.
        steps: the schedule so far.
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
        budget: dict[Disturbance, int],
        together: int,
        policies: Sequence[WhileRunning] = (),
        may_raise: tuple[type[BaseException], ...] = (),
        loop: PrivateLoop,
    ) -> None:
        self.steps: list[Step] = []
        self.deps: Any = deps
        self._scenario = scenario
        self._inputs = [Message(one) if isinstance(one, str) else one for one in scenario.messages]
        #: How many of them there have been.
        self._given = 0
        self._budget = dict(budget)
        self._together = together
        self._policies = tuple(policies)
        #: Ids of the messages that were sent, and of those that a closed thread refused.
        self._sent: list[str] = []
        self._refused: set[str] = set()
        self._graced = 0
        self.writes = 0
        self._dies_at = 0
        #: What has happened and was not told yet: an event between two states, or a speaker and a text.
        self._seen: list[tuple[State, Event, State] | tuple[str, str]] = []
        super().__init__(flow, deps=deps, metadata=metadata, store=store)
        self._bodies.may_raise = may_raise
        self._bodies.loop = loop
        self.store.hooks.append(self._write)

    @property
    def _bodies(self) -> WatchedBodies:
        return cast("WatchedBodies", self._driver.bodies)

    def fork(self, deps: Deps | None) -> Self:
        """Return the same world, which goes its own way from here on.

        Args:
            deps: made anew; what the bodies have done so far is done to it.
        """
        other = copy.copy(self)
        other.part(deps)
        return other

    def part(self, deps: Deps | None) -> None:
        """Go its own way from here on, where it is a `copy.copy` of another.

        Args:
            deps: as for `fork`.
        """
        self.deps, self.store, self._clock = deps, copy.copy(self.store), copy.copy(self._clock)
        assert isinstance(self.store, MemoryStore)
        self.store.part()
        self.store.hooks.append(self._write)
        self.steps, self._sent, self._refused = list(self.steps), list(self._sent), set(self._refused)
        self._budget, self._seen = dict(self._budget), list(self._seen)
        self.events, self.edits = list(self.events), list(self.edits)
        self._story = copy.copy(self._story)
        self._story.part()
        self._driver = copy.copy(self._driver)
        self._driver.part(deps, self.store, self._clock, self.events.append, self._observe)

    @property
    def forks(self) -> bool:
        """Whether it can be forked: its store is one in memory."""
        return isinstance(self.store, MemoryStore)

    # -- for the asserts of a test -------------------------------------------------------------------------------------

    @property
    def ran(self) -> tuple[Ran, ...]:
        """The bodies that ran to their end, in order, also those whose outcome a crash has lost."""
        return tuple(self._bodies.ran)

    @property
    def schedule(self) -> str:
        """The steps so far, as `explore(…, schedule=…)` takes them."""
        return " ".join(map(str, self.steps))

    @property
    def disturbed(self) -> tuple[Disturbance, ...]:
        """What has happened that is no ordinary course of things: early messages, crashes, cancels and so on."""
        return tuple(one for step in self.steps for one in step.disturbances)

    # -- what may happen -----------------------------------------------------------------------------------------------

    def enabled(self) -> list[Step]:
        """Return the steps that may be taken now."""
        return [*self._ordinary(), *self._disturbing()]

    @property
    def is_final(self) -> bool:
        """Whether all is said and done: only a disturbance could still change anything."""
        return not self._ordinary()

    def _ordinary(self) -> list[Step]:
        state = self.state
        run = state.run
        steps = [step for step in self._saying() if step.kind != "early"]
        if run is not None and run.batch is None:
            steps.append(Step("model"))
        names = [held.body.tool.name for held in self._bodies.held.values()]
        for index, name in enumerate(names):
            place = names[:index].count(name)
            steps.append(Step("tool", f"{name}#{place + 1}" if place else name))
        posted = {row.data.get("ticket") for row in self.store.inbox(THREAD) if row.kind == "resolved"}
        for ticket in state.tickets:
            if ticket.id not in posted:
                steps += [Step(kind, ticket.id) for kind in self._rulings(ticket)]
        return steps

    def _saying(self) -> Iterator[Step]:
        if self._given == len(self._inputs):
            return
        message = self._inputs[self._given]
        if not isinstance(message, Message):
            if self.at_rest:
                yield Step("edit" if isinstance(message, Edit) else "pause")
        elif self.at_rest:
            yield Step("user")
        elif self._together and self._budget["early"] and message.while_running != "reject":
            yield Step("early")
            for policy in self._policies:
                if policy not in {message.while_running, "reject"}:
                    yield Step("early", policy)

    def _rulings(self, ticket: Ticket) -> list[str]:
        if ticket.stage == "in_doubt":
            return ["settle"]
        known = [ruling.kind for ruling in self._scenario.rulings.get(ticket.call.tool, ())]
        if ticket.stage == "approval":
            return [kind for kind in dict.fromkeys(known) if kind != "resolve"] or ["approve", "refuse"]
        return ["resolve"] if ticket.stage == "waiting" and "resolve" in known else []

    def _disturbing(self) -> list[Step]:
        if not self._together:
            return []
        state, run, left = self.state, self.state.run, self._budget
        outstanding = run is not None or bool(self._bodies.held) or bool(self.store.inbox(THREAD))
        steps = [step for step in self._saying() if step.kind == "early"]
        steps += [Step("crash")] if left["crash"] and outstanding else []
        if run is not None:
            steps += [Step("cancel")] if left["cancel"] and run.stop is None else []
            if left["expire"]:
                steps.append(Step("expire"))
                if run.batch is not None and self._graced != run.number:
                    steps.append(Step("grace"))
                opened = [one for one in self._bodies.held.values() if calls.open_in_batch(state, one.command)]
                timed = (one.body.tool.name for one in opened if one.body.tool.timeout is not None)
                steps += [Step("timeout", name) for name in dict.fromkeys(timed)]
            if left["fail"] and run.batch is None:
                steps.append(Step("fail"))
        elif left["silence"] and wake_at(self.flow, state) is not None:
            steps.append(Step("silence"))
        return steps

    @property
    def may_die(self) -> bool:
        """Whether the process may still die."""
        return bool(self._budget["crash"] and self._together)

    # -- what is looked at ---------------------------------------------------------------------------------------------

    @property
    def sent(self) -> tuple[str, ...]:
        """Ids of the messages that were sent, in order."""
        return tuple(self._sent)

    @property
    def refused(self) -> frozenset[str]:
        """Ids of the messages that were refused because the thread was closed."""
        return frozenset(self._refused)

    @property
    def waiting(self) -> tuple[str, ...]:
        """Ids of the messages in the inbox, in order."""
        return tuple(row.data["id"] for row in self.store.inbox(THREAD) if row.kind == "message")

    @property
    def held(self) -> tuple[str, ...]:
        """Names of the tools whose bodies run."""
        return tuple(held.body.tool.name for held in self._bodies.held.values())

    @property
    def digest(self) -> str:
        """All that the future depends on, as text: two worlds of one digest go on alike."""
        state, now = self.state, self._clock.now()
        run = None if state.run is None else replace(state.run, deadline=state.run.deadline - now)
        since = None if state.silent_since is None else state.silent_since - now
        visited = sorted(state.counters.visited)
        counters = replace(state.counters, visited=frozenset())
        known = replace(state, run=run, silent_since=since, counters=counters)
        rows = [(row.kind, dict(row.data)) for row in self.store.inbox(THREAD)]
        # What the world outside is like follows from the bodies that have run.
        outside = [(one.key, one.output) for one in self._bodies.ran]
        started = self._driver.started
        shown = None if started is None else (started.digest, started.tools)
        mine = (shown, self._given, sorted(self._refused), self._budget, self._together, self._graced)
        parts = (known, visited, self._driver.transcript, rows, list(self._bodies.held), outside, mine)
        return repr(parts)

    @property
    def at_rest(self) -> bool:
        """Whether nothing is outstanding on the thread but tickets."""
        return self.state.phase is Phase.REST and not self.store.inbox(THREAD)

    @property
    def unsent(self) -> tuple[str, ...]:
        """Ids of the user messages that no request has carried yet."""
        return tuple(item.id for item in self.state.due if isinstance(item, UserMessage))

    def crashed(self, step: Step, writes: int) -> list[Step]:
        """Return the step with the process dying in it, at each write where that is a world of its own.

        Args:
            step: the step.
            writes: how many writes it took.
        """
        first = 1 if step.kind == "tool" else 2  # before anything was done or written, it is a crash between steps
        return [replace(step, dies=write) for write in range(first, writes + 1)]

    # -- what is noted -------------------------------------------------------------------------------------------------

    def _write(self, when: str, what: str, thread: str) -> None:
        del what, thread
        if when == "before":
            self.writes += 1
            if self.writes == self._dies_at:
                raise ProcessDied

    def _observe(self, before: State, event: Event, after: State) -> None:
        self._seen.append((before, event, after))
        if isinstance(event, happened.StartRefused) and event.cause == "instructions":
            raise Broken(f"no run could start: {event.reason}")
        if isinstance(event, happened.MessageRefused):
            self._refused.add(event.id)

    def tell(self) -> None:
        """Bring `events`, `edits` and the story up to date: most worlds are never looked at."""
        seen, self._seen = self._seen, []
        for one in seen:
            if len(one) == 2:  # noqa: PLR2004 - a speaker and a text
                self._story.add(*one)
            else:
                super()._observe(*one)

    def __str__(self) -> str:
        self.tell()
        return super().__str__()
