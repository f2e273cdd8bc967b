"""What the bodies of a world have done so far, stretch by stretch, so that it can be done again to another world.

A body runs to its end in one stretch, or in several with side rooms between them: what waits on its way cannot be
copied. So a world that goes its own way has its bodies run anew, in the same order, each told the same by its rooms.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from handoff.core.commands import Key
from handoff.declaration.metadata import Deps
from handoff.driving import calls
from handoff.testing.bodies import Held, InlineBodies, run
from handoff.testing.driver import InlineDriver
from handoff.testing.loop import PrivateLoop
from handoff.testing.schedule import Broken, Ran
from handoff.testing.suspending import Suspending

Told: TypeAlias = tuple[tuple[str, ...], ...]
"""Each time a body was run on in a stretch, the names of the rooms it was told of."""


@dataclass(slots=True, eq=False)
class Attempt:
    """One run of a body, from its start to its end or to where its process died."""

    #: The body.
    body: calls.Body
    #: The arguments its call was written with.
    arguments: str
    #: What runs it where it consults.
    suspending: Suspending
    #: Where its progress goes; nowhere while it is run anew.
    report: Callable[[str, float | None], None] | None = None

    def anew(self, deps: Deps | None) -> Attempt:
        """Return the same from its start, in another world.

        Args:
            deps: what the process lends there.
        """
        other = copy.copy(self)
        other.report, other.suspending = None, self.suspending.anew()
        other.body = calls.again(self.body, self.arguments, deps, other.tell, other.suspending.consult)
        return other

    def tell(self, text: str, fraction: float | None) -> None:
        """Tell of the body's progress."""
        if self.report is not None:
            self.report(text, fraction)

    def catch_up(self, other: Attempt, told: Told, loop: PrivateLoop) -> None:
        """Run the stretch that another has run.

        Args:
            other: the same in another world.
            told: what it was told.
            loop: where it runs if it is asynchronous.
        """
        if not self.body.tool.consults:
            with suppress(Exception, SystemExit):  # as it came out the first time
                run(loop, self.body.bound)
            return
        for names in told:
            for name in names:
                self.suspending.asked[name].follow(other.suspending.asked[name])
            if self.suspending.proceed(self.body.bound):
                with suppress(Exception, SystemExit):
                    self.suspending.returned()


class Past:
    """What the bodies of a world have done, those of its side rooms, too."""

    def __init__(self) -> None:
        #: Every body that ran to its end, in order.
        self.ran: list[Ran] = []
        #: What has come of them, by their call's idempotency key.
        self.results: dict[str, calls.Result] = {}
        #: Each stretch: the body, and what it was told.
        self._stretches: list[tuple[Attempt, Told]] = []
        #: Those that wait for a room.
        self._waiting: list[Attempt] = []
        #: Those that a process has left where they waited.
        self._left: list[Attempt] = []
        #: What those that have waited have had the time to do.
        self._asked: list[tuple[str, Told, int]] = []

    def add(self, attempt: Attempt, told: Told, key: str, result: calls.Result | None) -> None:
        """Take note of a stretch.

        Args:
            attempt: the body.
            told: what it was told.
            key: its call's idempotency key.
            result: what came of it; None if it waits.
        """
        self._stretches.append((attempt, told))
        if attempt not in self._waiting:
            self._waiting.append(attempt)
        if result is None:
            self._asked.append((key, told, len(self.ran)))
            return
        self._waiting.remove(attempt)
        tool = attempt.body.tool
        self.ran.append(Ran(tool.name, attempt.arguments, key, result.output, tool.idempotent))
        self.results[key] = result

    def part(self, deps: Deps | None, loop: PrivateLoop) -> Mapping[Attempt, Attempt]:
        """Go its own way from here on, where it is a `copy.copy` of another; return its bodies by those of the other.

        Args:
            deps: what the process lends from here on; what the bodies have done is done to it.
            loop: where asynchronous bodies run.
        """
        self.ran, self.results, self._asked = list(self.ran), dict(self.results), list(self._asked)
        if deps is None:  # nothing outside was done, and whoever has ended leaves no trace
            self._stretches = [one for one in self._stretches if one[0] in self._waiting]
            self._left = []
        anew: dict[Attempt, Attempt] = {}
        for attempt, told in self._stretches:
            if attempt not in anew:
                anew[attempt] = attempt.anew(deps)
            anew[attempt].catch_up(attempt, told, loop)
        for attempt in self._waiting:
            for name, asked in attempt.suspending.asked.items():
                anew[attempt].suspending.asked[name].follow(asked)
        self._stretches = [(anew[attempt], told) for attempt, told in self._stretches]
        self._waiting = [anew[attempt] for attempt in self._waiting]
        self._left = [anew[attempt] for attempt in self._left]
        return anew

    def leave(self, attempt: Attempt) -> None:
        """Leave a body where it waits: its process is no more.

        Args:
            attempt: the body.
        """
        self._waiting.remove(attempt)
        self._left.append(attempt)

    def rest(self) -> None:
        """End the bodies that wait; their world can be looked at and forked, and goes no further."""
        for attempt in (*self._waiting, *self._left):
            attempt.suspending.abandon(attempt.body.bound)

    def digest(self, *, outside: bool) -> tuple[Any, ...]:
        """What the world outside is like follows from it.

        Args:
            outside: bodies can tell what others have done, and so in which order they ran.
        """
        return [(one.key, one.output) for one in self.ran], self._asked if outside else ()


class WatchedBodies(InlineBodies):
    """Bodies that are held until a step runs them on; it is noted what they do, and none may fail."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        #: What they and those of other threads have done.
        self.past = Past()
        #: What bodies may raise beside ToolError.
        self.may_raise: tuple[type[BaseException], ...] = ()
        self.holds = lambda _: True
        self._attempts: dict[Key, Attempt] = {}

    def part(self, driver: InlineDriver, deps: Deps | None, past: Past, anew: Mapping[Attempt, Attempt]) -> None:
        """Go their own way from here on, where they are a `copy.copy` of others.

        Args:
            driver: the thread, which has gone its own way.
            deps: what the process lends from here on.
            past: what has been done to it.
            anew: as `Past.part` gave it.
        """
        self._driver, self._deps, self.past = driver, deps, past
        self._attempts = {key: anew[attempt] for key, attempt in self._attempts.items()}
        self.held = {key: self._again(held) for key, held in self.held.items()}

    def _again(self, held: Held) -> Held:
        report, attempt = self.reporting(held.command), self._attempts.get(held.command.key)
        if attempt is not None:
            attempt.report = report
            return replace(held, body=attempt.body, suspending=attempt.suspending)
        asked, _, _ = calls.asked(self._driver.state, held.command)
        suspending = held.suspending.anew()
        body = calls.again(held.body, asked.arguments, self._deps, report, suspending.consult)
        return replace(held, body=body, suspending=suspending)

    def outcome(self, held: Held) -> calls.Result | None:
        """See `InlineBodies.outcome`."""
        key = held.command.key
        asked, _, _ = calls.asked(self._driver.state, held.command)
        attempt = self._attempts.setdefault(key, Attempt(held.body, asked.arguments, held.suspending))
        before, result = len(held.suspending.told), None
        try:
            result = super().outcome(held)
        finally:
            told = tuple(held.suspending.told[before:])
            self.past.add(attempt, told, "/".join((self._driver.thread, *map(str, held.command.place))), result)
            if result is not None:
                del self._attempts[key]
        return result

    def failed(self, held: Held, error: BaseException) -> calls.Result:
        """See `InlineBodies.failed`."""
        result = calls.failed(error) if isinstance(error, self.may_raise) else None
        if result is None:
            told = calls.spoken(error)
            if told is None:
                raise Broken(f"the body of {held.body.tool.name} raised {type(error).__name__}: {error}") from error
            result = told
        return result

    def go_on(self, key: Key) -> None:
        """A room has come to its end: when its body goes on is a step of its own."""

    def lose(self) -> None:
        """Forget all of them. They stay where they wait: a process that dies does nothing more, not even `finally`."""
        for attempt in self._attempts.values():
            self.past.leave(attempt)
        self.held, self._attempts = {}, {}
