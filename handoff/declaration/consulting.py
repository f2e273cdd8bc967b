"""What a tool's body sees of a side room: the question it asks, the answer it waits for, and the answer (S).

Nothing is driven here. Whoever runs the body begins the consultation, and answers it once the room has come to rest.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, cast

from typing_extensions import TypeVar

from handoff.core.usage import Usage
from handoff.errors import ConfigurationError

if TYPE_CHECKING:
    from handoff.declaration.flow import Flow
    from handoff.declaration.metadata import Metadata

C = TypeVar("C", bound="Metadata", default="Metadata")

Share: TypeAlias = Literal["all", "none"] | int
"""How much of the conversation a room is given a copy of: all of it, none, or the last n turns."""

#: What a room may be called.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Inquiry(Generic[C]):
    """What a body asks a flow.

    Attributes:
        flow: the flow.
        request: the metadata its thread starts with.
        room: the room's name, unique in its call.
        message: what the room is told first; None writes the request out.
        share: how much of the conversation goes with it.
    """

    flow: Flow[C, Any]
    request: C
    room: str
    message: str | None = None
    share: Share = "none"


@dataclass(frozen=True, slots=True)
class RoomReply(Generic[C]):
    """What a room answered.

    Attributes:
        text: the last thing an assistant said there; empty if nobody spoke.
        metadata: the room's metadata as it is at the end: the typed answer.
        assistant: the assistant that is active there.
        thread: id of the room's thread.
        usage: what its model calls took.
        shared: how many characters of the conversation were copied into it.
    """

    text: str
    metadata: C
    assistant: str
    thread: str
    usage: Usage = field(default_factory=Usage)
    shared: int = 0

    def __str__(self) -> str:
        return self.text


class Interrupted(BaseException):
    """The process stops while a body waits for a room: the body ends without an outcome, as by a crash.

    It is no `Exception`, so that a body that catches what a room may raise lets it through.
    """


def is_interruption(error: BaseException) -> bool:
    """Whether an error is the interruption, alone or among those of a task group."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return any(is_interruption(one) for one in group.exceptions)
    return isinstance(error, Interrupted)


class Consultation(Generic[C]):
    """A question that was asked; the room is under way. An `async` body awaits it, any other calls `result`.

    Args:
        answer: gets the answer.
        waiting: called when the body begins to wait for an answer that is not there.
    """

    def __init__(
        self, answer: concurrent.futures.Future[RoomReply[C]], waiting: Callable[[], None] | None = None
    ) -> None:
        self._answer = answer
        self._waiting = waiting

    @property
    def done(self) -> bool:
        """Whether the answer is there."""
        return self._answer.done()

    def __await__(self) -> Generator[Any, None, RoomReply[C]]:
        self._wait()
        return (yield from asyncio.wrap_future(self._answer).__await__())

    def result(self) -> RoomReply[C]:
        """Wait for the answer, blocking this thread.

        Raises:
            RunFailed: the room came to rest without a reply.
            KeyReused: this call asked a room of that name something else.
            ConfigurationError: an event loop runs in this thread: await the consultation.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._wait()
            return self._answer.result()
        raise ConfigurationError("an async tool cannot block: write `await call.consult(...)` instead of `.result()`")

    def _wait(self) -> None:
        if self._waiting is not None and not self._answer.done():
            self._waiting()


def check_inquiry(inquiry: Inquiry[Any]) -> None:
    """Refuse a question that cannot be asked.

    Raises:
        ConfigurationError: the request is no metadata of the flow, or a name or number cannot work.
        MetadataRefused: the request is not valid.
    """
    flow, request, share = inquiry.flow, inquiry.request, inquiry.share
    if not isinstance(request, flow.metadata):
        raise ConfigurationError(
            f"{flow.name} is consulted with {type(request).__name__}: give {flow.metadata.__name__}(...)"
        )
    flow.metadata_from(flow.dump(request))  # what was written past the validation is refused here
    if not _NAME.fullmatch(inquiry.room):
        raise ConfigurationError(f"room={inquiry.room!r} cannot be a room's name: use letters, digits, _ and -")
    turns = isinstance(share, int) and not isinstance(share, bool) and share > 0
    if not turns and share not in ("all", "none"):
        raise ConfigurationError(f"share={share!r}: give 'all', 'none' or how many turns, from 1")
