"""What a schedule is made of: steps, some of which are disturbances.

A step is one thing that happens. It is written as a word, so that a whole schedule is a line that can be played again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar, get_args

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
    #: Whether it may run more than once for one call.
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a schedule. As text: `kind`, `kind:what`, `room/kind`, and `!n` where the process dies in it."""

    kind: str
    #: What it is about: a tool, a ticket, a policy.
    what: str = ""
    #: The process dies just before this write, from 1; 0: it does not.
    dies: int = 0
    #: The side room it happens in, `room/room` for one of a room; empty for the user's thread.
    room: str = ""

    def within(self, room: str) -> Step:
        """Return the step as it is called outside a room.

        Args:
            room: what the room is called there.
        """
        return replace(self, room=f"{room}/{self.room}" if self.room else room)

    def __str__(self) -> str:
        where, what = f"{self.room}/" if self.room else "", f":{self.what}" if self.what else ""
        return f"{where}{self.kind}{what}{f'!{self.dies}' if self.dies else ''}"

    @property
    def disturbances(self) -> list[Disturbance]:
        """What of it is no ordinary course of things."""
        found: list[Disturbance] = [one for one in DISTURBANCES if one == self.kind]
        if self.kind in {"grace", "timeout"}:
            found.append("expire")
        return [*found, *(["crash"] if self.dies else [])]  # type: ignore[list-item]


T = TypeVar("T")


def labelled(things: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Return things by what steps call them: of several of one name, the second is `name#2`.

    Args:
        things: each with its name, in a lasting order.
    """
    found: dict[str, T] = {}
    times = Counter[str]()
    for name, thing in things:
        times[name] += 1
        found[name if times[name] == 1 else f"{name}#{times[name]}"] = thing
    return found
