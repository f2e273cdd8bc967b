"""What a transcript is made of: messages, what assistants said and asked for, outputs of calls, and notes of ours.

Items wait in `State.due` until an event says that the backend stored them; only then are they part of the transcript.
Texts are final: nobody rewrites an item, and a backend only decides how to spell it in its own protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from handoff.core.parts import Part


@dataclass(frozen=True, slots=True)
class UserMessage:
    """A message of the user."""

    #: Id of the message, unique in its thread.
    id: str
    #: What the user said; of a message with parts, its texts.
    text: str
    #: All of it, in order, where it is more than text; else empty.
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One tool call as the model wrote it."""

    #: The provider's id of the call, unique in its batch.
    id: str
    #: Name of the tool.
    tool: str
    #: The arguments as the model wrote them: JSON if all is well.
    arguments: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """What an assistant said, with the calls it made in the same response."""

    #: The speaker (A).
    assistant: str
    #: Number of the run it was said in.
    run: int
    #: The text; may be empty beside calls.
    text: str
    #: The calls of that response, in the model's order.
    calls: tuple[Asked, ...] = ()
    #: True where the response was cut off by a stop.
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """The one output of a call (B5)."""

    #: Number of the run that asked.
    run: int
    #: Number of the batch in that run.
    batch: int
    #: Id of the call.
    call: str
    #: Name of the tool.
    tool: str
    #: What the model is told.
    text: str


NoteKind: TypeAlias = Literal["handoff", "late", "refused"]


@dataclass(frozen=True, slots=True)
class Note:
    """An item added for the model: who it is now, a late result, a refusal."""

    #: Which of them.
    kind: NoteKind
    #: What the model is told.
    text: str
    #: The ticket a late result or a refusal belongs to.
    ticket: str | None = None


Item: TypeAlias = UserMessage | Spoken | Output | Note
