"""The bodies of a thread that is driven without an event loop: started, held where the test says so, run to their end.

They run in the caller's own time, one at a time. A body that consults stops where it waits for a side room, and goes on
when that has answered. What came of a body goes to its batch, or to the inbox where a ticket has taken the call over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handoff.core import events as happened
from handoff.core.commands import Key, RunBody
from handoff.declaration.effects import Bound, BoundProbe
from handoff.declaration.metadata import Deps
from handoff.declaration.tools import Tool
from handoff.driving import calls
from handoff.driving.journaled import result_key
from handoff.errors import ConfigurationError
from handoff.events import ToolProgress, ToolStarted
from handoff.testing.loop import PrivateLoop
from handoff.testing.suspending import Asked, Suspending

if TYPE_CHECKING:
    from handoff.testing.driver import InlineDriver

logger = logging.getLogger("handoff")


@dataclass(frozen=True, slots=True)
class Held:
    """A body that has started and has not ended."""

    #: Which one.
    command: RunBody
    #: The body, bound to what it was started with.
    body: calls.Body
    #: Unix time in seconds it was started.
    at: float
    #: What runs it where it consults.
    suspending: Suspending


def _opens_none(command: RunBody, tool: Tool, asked: Asked) -> None:
    """Where nobody plays rooms, none is opened."""
    del command, tool
    raise ConfigurationError(f"nobody plays the side room {asked.place.name}")


class InlineBodies:
    """The bodies of one thread.

    Args:
        driver: the thread.
        deps: what the process lends.
        loop: where asynchronous bodies run.
    """

    def __init__(self, driver: InlineDriver, deps: Deps | None, loop: PrivateLoop) -> None:
        #: Those that have started and not ended, the earliest first.
        self.held: dict[Key, Held] = {}
        #: Says whether a body that starts is to be held: it ends when the test says so.
        self.holds: Callable[[calls.Body], bool] = lambda _: False
        #: Does what a body is to have done, in its place, and returns what it returns; None for bodies that run.
        self.pretend: Callable[[calls.Body], Callable[[], object] | None] = lambda _: None
        #: Opens a side room for a body that waits for it.
        self.enters: Callable[[RunBody, Tool, Asked], None] = _opens_none
        #: Where asynchronous bodies run.
        self.loop = loop
        self._driver = driver
        self._deps = deps

    # -- started -------------------------------------------------------------------------------------------------------

    def start(self, command: RunBody) -> None:
        """Start a body, and run it unless it is to be held.

        Args:
            command: which body.
        """
        driver = self._driver
        call, asker, _ = calls.asked(driver.state, command)
        now, report = driver.clock.now(), self.reporting(command)
        suspending = Suspending(driver.thread, command, self.loop)
        consult = suspending.consult
        body = calls.prepare(driver.flow, driver.state, command, self._deps, report, at=now, consult=consult)
        if isinstance(body, calls.Result):
            self._deliver(command, body)
            return
        if body.commit_first:
            driver.commit(happened.CallStarted(now, command.run, command.batch, command.call))
        driver.tell(ToolStarted(driver.thread, command.run, asker, call.id, call.tool, call.arguments))
        self.held[command.key] = held = Held(command, body, now, suspending)
        found = self._probed(body)
        if found is None and self.holds(body):
            return
        result = self.outcome(held) if found is None else found
        if result is not None:
            self._end(held, result)

    def reporting(self, command: RunBody) -> Callable[[str, float | None], None]:
        """Return where the progress of a body goes.

        Args:
            command: which body.
        """
        driver = self._driver
        call, _, _ = calls.asked(driver.state, command)

        def report(text: str, fraction: float | None) -> None:
            driver.tell(ToolProgress(driver.thread, command.run, call.id, call.tool, text, fraction))

        return report

    def _probed(self, body: calls.Body) -> calls.Result | None:
        """Ask the probe of a body that a crash has lost; None if there is none, or the call did not happen."""
        if body.probe is None:
            return None
        try:
            found = body.probe.finish(run(self.loop, body.probe))
        except Exception:
            logger.exception("the probe of %s failed; a person has to settle the call", body.tool.name)
            return calls.Result("", {}, in_doubt=True)
        return None if found is None else calls.finished(body, found)

    # -- run to its end ------------------------------------------------------------------------------------------------

    def finish(self, held: Held) -> None:
        """Run a held body on: to its end, with all that follows from it, or to where it waits for a side room.

        Args:
            held: one of `held`.
        """
        result = self.outcome(held)
        if result is not None:
            self._end(held, result)
            self._driver.feed()

    def outcome(self, held: Held) -> calls.Result | None:
        """Run a held body on and return what came of it, without committing it; None if it waits for a room.

        Args:
            held: one of `held`.

        Raises:
            ConfigurationError: it is asynchronous, and a loop is running here.
        """
        pretended = self.pretend(held.body)
        if pretended is None and held.body.bound.is_async:
            self.loop.require()  # the test's own mistake, which is no failure of the tool
        consults = bool(held.body.tool.consults) and pretended is None
        if consults and not self._proceed(held):
            return None
        try:
            if pretended is not None:
                returned = pretended()
            else:
                returned = held.suspending.returned() if consults else run(self.loop, held.body.bound)
            return calls.finished(held.body, returned)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a tool raises, its call is answered
            return self.failed(held, error)

    def failed(self, held: Held, error: BaseException) -> calls.Result:
        """Return what the model is told of a body that raised.

        Args:
            held: the body.
            error: what it raised, or what its effects were refused with.
        """
        del held
        return calls.failed(error)

    def _proceed(self, held: Held) -> bool:
        """Run a body that consults up to its end, or to where it waits for a room that has not answered."""
        suspending = held.suspending
        while not suspending.proceed(held.body.bound):
            for asked in list(suspending.asked.values()):
                if not asked.opened:
                    self.enters(held.command, held.body.tool, asked)
            if not suspending.may_go_on:
                return False
        return True

    def _end(self, held: Held, result: calls.Result) -> None:
        self.held.pop(held.command.key, None)
        self._deliver(held.command, result)

    def _deliver(self, command: RunBody, result: calls.Result) -> None:
        driver = self._driver
        if calls.open_in_batch(driver.state, command):
            driver.commit(calls.done(driver.flow, driver.state, command, result, driver.clock.now()))
            return
        ticket = calls.ticket_of(driver.state, command)
        if ticket is not None:
            key, row = result_key(*command.place), calls.late(ticket, result)
            driver.store.post(driver.thread, "resolved", row, at=driver.clock.now(), key=key)
            driver.commit()

    # -- and side rooms ------------------------------------------------------------------------------------------------

    def go_on(self, key: Key) -> None:
        """Run a body on that waited for a side room, which has come to its end.

        Args:
            key: which one.
        """
        if key in self.held:
            self.finish(self.held[key])

    def waits_for(self, key: Key) -> list[str]:
        """Return the names of the side rooms that a body waits for.

        Args:
            key: which body.
        """
        suspending = self.held[key].suspending
        return suspending.open_rooms if suspending.blocked else []

    def lose(self) -> None:
        """Forget all of them, as a process that dies does."""
        held, self.held = self.held, {}
        for one in held.values():
            one.suspending.abandon(one.body.bound)


def run(loop: PrivateLoop, bound: Bound | BoundProbe) -> object:
    """Call a body that consults nobody, or a probe; return what it returned.

    Args:
        loop: where it runs if it is asynchronous.
        bound: the body.
    """
    return loop.run(bound.run()) if bound.is_async else bound.run()
