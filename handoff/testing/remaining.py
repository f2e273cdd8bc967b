"""What is left to happen under a schedule: what the user still says, and the disturbances that there may still be.

The user's thread and its side rooms have one such account between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handoff.testing.scenario import Edit, Message, Pause
from handoff.testing.schedule import Disturbance, Step


class Remaining:
    """What is left.

    Args:
        messages: what the user says, and what happens between messages.
        often: how often each disturbance may happen.
        together: how many disturbances may happen in all.
    """

    def __init__(
        self, messages: Sequence[str | Message | Edit | Pause], often: Mapping[Disturbance, int], together: int
    ) -> None:
        self._messages = [Message(one) if isinstance(one, str) else one for one in messages]
        self._given = 0
        self._often = dict(often)
        self._together = together
        self._sent: list[str] = []
        self._refused: set[str] = set()

    def part(self) -> None:
        """Go its own way from here on, where it is a `copy.copy` of another."""
        self._often, self._sent, self._refused = dict(self._often), list(self._sent), set(self._refused)

    # -- what the user says --------------------------------------------------------------------------------------------

    @property
    def next(self) -> Message | Edit | Pause | None:
        """What comes next; None if all is said."""
        return self._messages[self._given] if self._given < len(self._messages) else None

    def give(self) -> str:
        """Let the next one come; return its id."""
        self._given += 1
        name = f"m{self._given}"
        if isinstance(self._messages[self._given - 1], Message):
            self._sent.append(name)
        return name

    def take_back(self) -> None:
        """Let the latest one not have come: who sent it has no receipt, and sends it again."""
        name = f"m{self._given}"
        self._given -= 1
        self._sent = [one for one in self._sent if one != name]

    def refuse(self, message: str) -> None:
        """Take note that a message was refused because the thread was closed.

        Args:
            message: its id.
        """
        self._refused.add(message)

    @property
    def sent(self) -> tuple[str, ...]:
        """Ids of the messages that were sent, in order."""
        return tuple(self._sent)

    @property
    def refused(self) -> frozenset[str]:
        """Ids of the messages that were refused."""
        return frozenset(self._refused)

    # -- disturbances --------------------------------------------------------------------------------------------------

    def allows(self, kind: Disturbance) -> bool:
        """Return whether there may be one more disturbance, of that kind."""
        return self._together > 0 and self._often[kind] > 0

    def spend(self, step: Step) -> None:
        """Take note of the disturbances of a step.

        Args:
            step: it is taken now.
        """
        for one in step.disturbances:
            self._often[one] -= 1
            self._together -= 1

    @property
    def digest(self) -> tuple[Any, ...]:
        """All that the future depends on."""
        return (self._given, sorted(self._refused), self._often, self._together)
