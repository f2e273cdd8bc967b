"""The user's thread under a schedule, with its side rooms, its store and what the process lends: all there is.

The user speaks and the process dies when the schedule says so. Nothing here is random and no clock is read, so the same
steps lead to the same world; and a world can be forked, so that each of its ways on is tried.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, TypeAlias

from pydantic_core import to_jsonable_python

from handoff.core import events as happened
from handoff.core.events import Event
from handoff.core.state import State
from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.errors import ThreadClosed
from handoff.store.base import Store
from handoff.store.memory import MemoryStore
from handoff.testing.clock import OffsetClock
from handoff.testing.driver import InlineDriver
from handoff.testing.loop import PrivateLoop
from handoff.testing.past import Attempt, Past
from handoff.testing.remaining import Remaining
from handoff.testing.scenario import Edit, Message, Scenario
from handoff.testing.schedule import Disturbance, ProcessDied, Ran, Step
from handoff.testing.situation import Situation
from handoff.thread import WhileRunning


class World(Situation[M]):
    """All there is under a schedule, as far as that has come; `always` and `at_rest` of `explore` are given it.

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
        rooms: the side rooms that calls have opened, by name; each can be looked at as the world itself.
        steps: the schedule so far.
        writes: how often the latest step has written to the store.
    """

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
        self.writes = 0
        self._policies = tuple(policies)
        self._dies_at = 0
        remaining = Remaining(scenario.messages, budget, together)
        super().__init__(
            flow,
            scenario,
            deps=deps,
            metadata=metadata,
            store=store,
            remaining=remaining,
            past=Past(),
            may_raise=may_raise,
            loop=loop,
        )
        self._loop = loop
        self.store.hooks.append(self._write)

    def fork(self, deps: Deps | None) -> Self:
        """Return the same world, which goes its own way from here on.

        Args:
            deps: made anew; what the bodies have done so far is done to it.
        """
        assert isinstance(self.store, MemoryStore)
        other, past, remaining = copy.copy(self), copy.copy(self.past), copy.copy(self.remaining)
        store, clock = copy.copy(self.store), copy.copy(self._clock)
        store.part()
        remaining.part()
        anew = past.part(deps, self._loop)
        other.part(deps, store, clock, remaining, past, anew)
        return other

    def part(
        self,
        deps: Deps | None,
        store: Store,
        clock: OffsetClock,
        remaining: Remaining,
        past: Past,
        anew: Mapping[Attempt, Attempt],
    ) -> InlineDriver:
        """See `Situation.part`."""
        self.steps = list(self.steps)
        store.hooks.append(self._write)
        return super().part(deps, store, clock, remaining, past, anew)

    @property
    def forks(self) -> bool:
        """Whether it can be forked: its store is one in memory."""
        return isinstance(self.store, MemoryStore)

    def rest(self) -> None:
        """Let go of what runs: the world goes no further, but can still be forked."""
        self.past.rest()

    # -- for the asserts of a test -------------------------------------------------------------------------------------

    @property
    def ran(self) -> tuple[Ran, ...]:
        """The bodies that ran to their end, in order, those in side rooms and those whose outcome was lost included."""
        return tuple(self.past.ran)

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
        return [*self.ordinary(), *self.disturbing()]

    @property
    def is_final(self) -> bool:
        """Whether all is said and done: only a disturbance could still change anything."""
        return not self.ordinary()

    @property
    def may_die(self) -> bool:
        """Whether the process may still die."""
        return self.remaining.allows("crash")

    def ordinary(self) -> list[Step]:
        """See `Situation.ordinary`."""
        return [*(step for step in self._saying() if not step.disturbances), *super().ordinary()]

    def disturbing(self) -> list[Step]:
        """See `Situation.disturbing`."""
        run, allows = self.state.run, self.remaining.allows
        steps = [step for step in self._saying() if step.disturbances]
        outstanding = run is not None or bool(self.held) or bool(self.store.inbox(self.id))
        steps += [Step("crash")] if outstanding and allows("crash") else []
        steps += [Step("cancel")] if run is not None and run.stop is None and allows("cancel") else []
        return [*steps, *super().disturbing()]

    def _saying(self) -> Iterator[Step]:
        message = self.remaining.next
        if message is None:
            return
        if not isinstance(message, Message):
            if self.at_rest:
                yield Step("edit" if isinstance(message, Edit) else "pause")
        elif self.at_rest:
            yield Step("user")
        elif self.remaining.allows("early") and message.while_running != "reject":
            yield Step("early")
            for policy in self._policies:
                if policy not in {message.while_running, "reject"}:
                    yield Step("early", policy)

    def crashed(self, step: Step, writes: int) -> list[Step]:
        """Return the step with the process dying in it, at each write where that is a world of its own.

        Args:
            step: the step.
            writes: how many writes it took.
        """
        first = 1 if step.kind == "tool" else 2  # before anything was done or written, it is a crash between steps
        return [replace(step, dies=write) for write in range(first, writes + 1)]

    # -- what comes of it ----------------------------------------------------------------------------------------------

    def take(self, step: Step) -> None:
        """Take a step, with all that follows from it.

        Args:
            step: one of `enabled`, with or without the process dying in it.

        Raises:
            Broken: something that shows at once does not hold.
        """
        self.steps.append(step)
        self.remaining.spend(step)
        self.writes, self._dies_at = 0, step.dies
        try:
            self.act(step)
        except ProcessDied:
            self.note("crash", f"before write {step.dies} of {replace(step, dies=0)}")
            self._dies_at = 0
            if step.kind in {"user", "early", "edit"} and step.dies == 1:
                self.remaining.take_back()
            self.crash()

    def act(self, step: Step) -> None:
        """See `Situation.act`."""
        match step.kind:
            case "user" | "early":
                self._say(step.what)
            case "edit":
                self._edit()
            case "pause":
                self.remaining.give()
                self.be_silent()
            case "cancel":
                self.cancel()
            case "crash":
                self.note("crash", "between two steps")
                self.crash()
            case _:
                super().act(step)

    def _edit(self) -> None:
        edit = self.remaining.next
        assert isinstance(edit, Edit)
        name = self.remaining.give()
        self.post("edit", {"id": name, "patch": to_jsonable_python(edit.fields)}, f"edit:{name}")

    def _say(self, policy: str) -> None:
        message = self.remaining.next
        assert isinstance(message, Message)
        name = self.remaining.give()
        data = {"id": name, "text": message.text, "policy": policy or message.while_running}
        try:
            self.post("message", data, f"user:{name}")
        except ThreadClosed:
            self.remaining.refuse(name)

    # -- what is looked at ---------------------------------------------------------------------------------------------

    @property
    def sent(self) -> tuple[str, ...]:
        """Ids of the messages that were sent, in order."""
        return self.remaining.sent

    @property
    def refused(self) -> frozenset[str]:
        """Ids of the messages that were refused because the thread was closed."""
        return self.remaining.refused

    @property
    def digest(self) -> str:
        """All that the future depends on, as text: two worlds of one digest go on alike."""
        outside = self.past.digest(outside=self.deps is not None)
        return repr((super().digest, outside, self.remaining.digest))

    # -- what is noted -------------------------------------------------------------------------------------------------

    def _write(self, when: str, what: str, thread: str) -> None:
        del what, thread
        if when == "before":
            self.writes += 1
            if self.writes == self._dies_at:
                raise ProcessDied

    def _observe(self, before: State, event: Event, after: State) -> None:
        super()._observe(before, event, after)
        if isinstance(event, happened.MessageRefused):
            self.remaining.refuse(event.id)


#: Called with a world: asserts of a test.
Check: TypeAlias = Callable[[World[Any]], object]
