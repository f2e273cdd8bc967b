"""What a schedule is made of, and the bodies it ends: each that runs is noted, and none may fail.

A step is one thing that happens. It is written as a word, so that a whole schedule is a line that can be played again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from handoff.declaration.metadata import Deps
from handoff.driving import calls
from handoff.testing.bodies import Held, InlineBodies, again
from handoff.testing.driver import InlineDriver

Disturbance: TypeAlias = Literal["early", "crash", "cancel", "expire", "fail", "silence"]
#: All kinds of what is no ordinary course of things: a message that comes before the thread rests, and so on.
DISTURBANCES: tuple[Disturbance, ...] = get_args(Disturbance)


class Broken(AssertionError):
    """Something that must hold does not."""


class ProcessDied(BaseException):
    """The process is no more; what it had committed is."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A body that ran to its end, whether or not anybody heard of it."""

    #: Name of the tool.
    tool: str
    #: The arguments as the model wrote them.
    arguments: str
    #: The same for every attempt at one call.
    key: str
    #: What came of it.
    output: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a schedule. As text: `kind`, `kind:what`, and `!n` where the process dies before its nth write."""

    kind: str
    #: What it is about: a tool, a ticket, a policy.
    what: str = ""
    #: The process dies just before this write, from 1; 0: it does not.
    dies: int = 0

    def __str__(self) -> str:
        return f"{self.kind}{f':{self.what}' if self.what else ''}{f'!{self.dies}' if self.dies else ''}"

    @property
    def disturbances(self) -> list[Disturbance]:
        """What of it is no ordinary course of things."""
        found: list[Disturbance] = [one for one in DISTURBANCES if one == self.kind]
        if self.kind in {"grace", "timeout"}:
            found.append("expire")
        return [*found, *(["crash"] if self.dies else [])]  # type: ignore[list-item]


class WatchedBodies(InlineBodies):
    """Bodies that are held until a step ends them; it is noted which have run, and a failure fails the test."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        #: Every body that ran to its end, in order.
        self.ran: list[Ran] = []
        #: What bodies may raise beside ToolError.
        self.may_raise: tuple[type[BaseException], ...] = ()
        #: What has come of them, by call.
        self.results: dict[tuple[int, int, str], calls.Result] = {}
        self.holds = lambda _: True
        #: Each body that ran, and the arguments its call was written with.
        self._past: list[tuple[calls.Body, str]] = []

    def part(self, driver: InlineDriver, deps: Deps | None) -> None:
        """See `InlineBodies.part`. What the bodies have done so far is done to the new dependencies, too."""
        super().part(driver, deps)
        self.ran, self.results, self._past = list(self.ran), dict(self.results), list(self._past)
        for body, arguments in self._past:
            with suppress(Exception, SystemExit):  # as it came out the first time
                self.run(again(body, arguments, deps).bound)

    def outcome(self, held: Held) -> calls.Result:
        """See `InlineBodies.outcome`."""
        result = super().outcome(held)
        assert result is not None  # it would wait for a side room, and `explore` refuses such flows
        run, batch, call = held.command.place
        driver = self._driver
        asked, _, _ = calls.asked(driver.state, held.command)
        key = f"{driver.thread}/{run}/{batch}/{call}"
        self.ran.append(Ran(held.body.tool.name, asked.arguments, key, result.output))
        self.results[held.command.place] = result
        self._past.append((held.body, asked.arguments))
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
