"""A recorded conversation as it is played: what the user says, what each assistant says and calls, what must be true.

A script holds for every backend; how many requests a handoff takes there is no part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from handoff import Deps, Flow, ToolError

#: The slot of the service that is entered, and the service and slot whose values it takes.
Copy: TypeAlias = tuple[str, tuple[str, str]]


@dataclass(frozen=True)
class Called:
    """A tool call, with what must come of it."""

    tool: str
    arguments: Mapping[str, Any]
    #: What it returns: a text as it is, anything else as JSON.
    output: Any
    #: Whether it hands over.
    moves: bool = False


@dataclass(frozen=True)
class Said:
    """One answer of the model: a batch of calls, or a text."""

    assistant: str
    calls: tuple[Called, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Shown:
    """A line of the instructions an assistant gets in its first run after the user's message."""

    assistant: str
    name: str
    value: Any


@dataclass(frozen=True)
class Turn:
    """A message of the user and all that answers it; the last answer is a text."""

    user: str
    said: tuple[Said, ...]
    #: What the program writes to the metadata before it sends the message.
    edit: Mapping[str, Any] = field(default_factory=dict[str, Any])
    #: What a handoff copies in the metadata, for it is what the user means.
    copies: tuple[Copy, ...] = ()
    #: What the instructions must show although no argument has carried it there.
    shown: tuple[Shown, ...] = ()


@dataclass(frozen=True)
class Script:
    """A conversation."""

    name: str
    flow: Flow[Any, Any]
    turns: tuple[Turn, ...]
    #: The assistants, in the order they are active.
    states: tuple[str, ...]
    #: Makes what the tools are lent.
    lends: Callable[[], Tape]
    #: Metadata at the beginning and at the end; what is unset is left out.
    first: Mapping[str, Any]
    final: Mapping[str, Any]

    @property
    def calls(self) -> list[tuple[str, Called]]:
        """All calls with who makes them, in order."""
        return [(said.assistant, called) for turn in self.turns for said in turn.said for called in said.calls]


@dataclass(frozen=True)
class Recorded:
    """A call of a cassette."""

    tool: str
    arguments: Mapping[str, Any]
    output: Any
    #: What the call leaves behind, where that was recorded.
    after: str | None = None


class Tape(Deps):
    """A cassette: it takes a call at its turn only, and gives it the output that was recorded.

    Attributes:
        copies: what a handoff is to copy in this turn.
    """

    def __init__(self, recorded: Iterable[Recorded]) -> None:
        self.copies: tuple[Copy, ...] = ()
        self._left = list(recorded)

    @property
    def left(self) -> int:
        """How many recorded calls nobody has made."""
        return len(self._left)

    def play(self, tool: str, arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> Recorded:
        """Return what was recorded of this call, and go on to the next.

        Args:
            tool: its name.
            arguments: what its body was given.
            defaults: what a body is given for an argument that the call leaves out.

        Raises:
            ToolError: another call was recorded here.
        """
        if not self._left:
            raise ToolError(f"{tool}: nothing more was recorded")
        due = self._left[0]
        if (tool, dict(arguments)) != (due.tool, {**defaults, **due.arguments}):
            raise ToolError(f"{tool} with {dict(arguments)}: recorded is {due.tool} with {dict(due.arguments)}")
        return self._left.pop(0)


def lines(texts: Iterable[str]) -> str:
    """Return texts as lines."""
    return "\n".join(texts)
