"""What is to be done, as data. A command is outstanding exactly while `todo(state)` returns it.

The shell compares `todo` with what it has under way, by `key`: it starts what is missing and drops what is no longer
wanted. After a crash nothing is under way, so recovery is the same comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Key: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Make request number `request` of the run, carrying all of `due`: a start (1) or a submit (above)."""

    run: int
    request: int

    @property
    def key(self) -> Key:
        """What the shell knows it by."""
        return ("request", self.run, self.request)


@dataclass(frozen=True, slots=True)
class WatchRun:
    """Wait for what the acknowledged request brings."""

    run: int
    request: int

    @property
    def key(self) -> Key:
        """The same as of the request: one stream serves both."""
        return ("request", self.run, self.request)


@dataclass(frozen=True, slots=True)
class ReadBack:
    """Find out by our key and the call ids whether the request arrived (C4)."""

    run: int
    request: int

    @property
    def key(self) -> Key:
        """What the shell knows it by."""
        return ("read_back", self.run, self.request)


@dataclass(frozen=True, slots=True)
class CancelRun:
    """End the run: close our request where the server keeps no run, else cancel it there (C1)."""

    run: int
    request: int

    @property
    def key(self) -> Key:
        """What the shell knows it by."""
        return ("cancel", self.run, self.request)


@dataclass(frozen=True, slots=True)
class RunBody:
    """Run the body of a call, in its batch or for its ticket."""

    run: int
    batch: int
    call: str
    #: The ticket it runs for, if its batch has settled.
    ticket: str | None = None

    @property
    def place(self) -> tuple[int, int, str]:
        """Which call of the thread it is."""
        return (self.run, self.batch, self.call)

    @property
    def key(self) -> Key:
        """The same in the batch and for the ticket: the body goes on while its batch settles."""
        return ("body", *self.place)


Command: TypeAlias = SendRequest | WatchRun | ReadBack | CancelRun | RunBody
