"""What a flow's functions are given and what they give back.

The thread's metadata, what the process lends, the tool call itself, and the two answers that are more than text.
Metadata is JSON; a field is unset while it is None.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from handoff.declaration.consulting import Consultation, Inquiry, Share, check_inquiry
from handoff.errors import ConfigurationError, MetadataRefused

if TYPE_CHECKING:
    from handoff.declaration.assistants import Assistant
    from handoff.declaration.flow import Flow

T = TypeVar("T")
C = TypeVar("C", bound="Metadata")


class Metadata(BaseModel):
    """Base of a flow's metadata: typed fields that travel with the thread. Every field has a default; None is unset."""

    model_config = ConfigDict(validate_assignment=True, extra="forbid", allow_inf_nan=False)


class Deps:
    """Base of what the process lends to tools (files, databases, clients). It is never stored."""

    @classmethod
    def sample(cls, directory: Path) -> Self | None:
        """Lend a copy of sample data, for trying the flow out; a class that brings some along overrides this.

        The command line asks for it where it is given nothing else to lend.

        Args:
            directory: where the copy belongs. It is made if the directory is not there yet, else taken as it is.

        Returns:
            What works on the copy; None, as here, if there is no sample.
        """
        del directory
        return None


@dataclass(frozen=True, slots=True)
class Reads:
    """The mark that `FromMetadata` leaves on an annotation."""


FromMetadata = Annotated[T, Reads()]
"""`page_id: FromMetadata[str]`: the set metadata field of that name. While it is unset the tool is not offered."""


def _unheard(_text: str, _fraction: float | None) -> None:
    """Progress nobody listens to."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The tool call a body runs for.

    Attributes:
        id: the call's id, unique in its thread.
        idempotency_key: the same for every attempt at this call, and for no other call of any thread in any store.
        thread_id: the thread.
        deadline: when the call becomes a ticket if it is not done; None if nothing waits for it.
        report: where `progress` goes.
        consulting: who opens the rooms of `consult`; None where nobody does.
    """

    id: str
    idempotency_key: str
    thread_id: str
    deadline: datetime | None = None
    report: Callable[[str, float | None], None] = field(default=_unheard, repr=False, compare=False)
    consulting: Callable[[Inquiry[Any]], Consultation[Any]] | None = field(default=None, repr=False, compare=False)

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Tell whoever watches the thread how far the body is.

        Args:
            text: what is being done.
            fraction: how much of it is done, from 0 to 1.

        Raises:
            ValueError: `fraction` is not between 0 and 1.
        """
        if fraction is not None and not (math.isfinite(fraction) and 0 <= fraction <= 1):
            raise ValueError(f"progress fraction {fraction!r} is not between 0 and 1")
        self.report(text, fraction)

    def consult(
        self,
        flow: Flow[C, Any],
        request: C | None = None,
        *,
        room: str | None = None,
        message: str | None = None,
        share: Share = "none",
    ) -> Consultation[C]:
        """Ask another flow, in a side room: a thread of its own under this call (S).

        The room is opened at once, so several can be under way; it is asked once: the same room of the same call, also
        in a later attempt at it, has the same answer.

        Args:
            flow: one of those the tool declares by `consults=`.
            request: the metadata the room starts with; None leaves all at its default.
            room: the room's name, unique in this call: letters, digits, _ and -. None names it after the flow.
            message: what the room is told first; None writes the request out.
            share: how much of the conversation it is given a copy of: `all`, `none`, or the last so many turns.

        Returns:
            What to await, or in a body that is not `async`, to call `result` on. Waiting raises `RunFailed` if the room
            came to rest without a reply.

        Raises:
            EffectRefused: the tool does not declare that it consults this flow.
            KeyReused: this call asked a room of that name something else.
            MetadataRefused: the request is no valid metadata of the flow.
            ConfigurationError: an argument cannot work, or nobody drives this call.
        """
        if self.consulting is None:
            raise ConfigurationError(
                "nobody drives this call, so it cannot consult: run the tool in a Talk or in Threads"
            )
        asked = flow.metadata() if request is None else request.model_copy(deep=True)
        inquiry = Inquiry(flow, asked, flow.name if room is None else room, message, share)
        check_inquiry(inquiry)
        return self.consulting(inquiry)


@dataclass(frozen=True, slots=True)
class Go:
    """Returned by a body that chooses its destination itself.

    Attributes:
        assistant: one of the tool's `to`.
        output: what the model reads.
    """

    assistant: Assistant[Any]
    output: str = ""


@dataclass(frozen=True, slots=True)
class Pending:
    """Returned by a body whose result comes later from outside; `Thread.resolve` delivers it.

    Attributes:
        text: what the model reads meanwhile.
    """

    text: str = ""


def dump(metadata: Metadata) -> dict[str, Any]:
    """The metadata as JSON values; an unset field is None."""
    return metadata.model_dump(mode="json", round_trip=True)


def load(kind: type[Metadata], values: Mapping[str, Any]) -> Metadata:
    """Metadata from JSON values.

    Raises:
        MetadataRefused: a value is not what its field takes, or there is no such field.
    """
    try:
        require_utf8(values)
        return kind.model_validate(dict(values))
    except ValidationError as error:
        problems = tuple(
            (
                ".".join(str(part) for part in problem["loc"]) or "metadata",
                "there is no such field" if problem["type"] == "extra_forbidden" else problem["msg"],
            )
            for problem in error.errors()
        )
    except ValueError as error:
        problems = (("metadata", str(error)),)
    raise MetadataRefused(problems)


#: Made once: `json.dumps` makes an encoder for every text that is written in another way than the usual one.
_written = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str).encode


def require_utf8(values: Any) -> None:
    """Refuse what no UTF-8 JSON can hold: lone surrogates, NaN and infinities.

    Raises:
        ValueError: there is such a value.
    """
    if isinstance(values, str) and values.isascii():
        return
    try:
        _written(values).encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character (a lone surrogate)") from None
