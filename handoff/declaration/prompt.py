"""What a model is given for one request: an assistant as it is declared, rendered, and the thread so far.

Backends spell it for their servers, and model objects answer it; neither needs to know the flow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from handoff.core.items import Item

if TYPE_CHECKING:
    from handoff.declaration.hosted import Hosted

NamedView: TypeAlias = Literal["all", "own", "since_active"]
View: TypeAlias = NamedView | int
"""What an assistant sees of its thread (T1): all of it; all but what the others said and did; what has come since it
was active before; or the last n turns, each from a user's message to the next."""


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool as the model is offered it."""

    #: Its name.
    name: str
    #: What it does, for the model.
    description: str
    #: JSON schema of its arguments.
    schema: Mapping[str, Any]
    #: Whether the schema is one that strict mode can express.
    strict: bool = True


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """What an answer without calls is to fit."""

    #: What it is called.
    name: str
    #: JSON schema of an object.
    schema: Mapping[str, Any]
    #: Whether the schema is one that strict mode can express.
    strict: bool = True


@dataclass(frozen=True, slots=True)
class Shared:
    """What stands the same in front of every assistant of a flow, where the layout is `cached`."""

    #: The tools of all assistants, one of each name, in the order of their declaration.
    tools: tuple[OfferedTool, ...] = ()
    #: The tools of all assistants that the server runs itself.
    hosted: tuple[Hosted, ...] = ()
    #: What the instructions of all of them begin with, whatever the metadata.
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is given."""

    #: The assistant that is to answer.
    assistant: str
    #: Its instructions, rendered.
    instructions: str
    #: The tools it may call.
    tools: tuple[OfferedTool, ...]
    #: What the transcript holds, in order.
    transcript: tuple[Item, ...]
    #: What this request adds to it, in order, outputs first.
    due: tuple[Item, ...]
    #: Model, temperature and the like, as the flow declares them; empty where it does not.
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    #: What the assistant sees of `items`, where the backend sends the transcript to a server.
    view: View = "all"
    #: What the answer is to fit; None for any text.
    reply: ReplyFormat | None = None
    #: The tools that the server runs itself.
    hosted: tuple[Hosted, ...] = ()
    #: What it has together with the other assistants of its flow.
    shared: Shared = field(default_factory=Shared, repr=False)

    @property
    def items(self) -> tuple[Item, ...]:
        """The whole thread."""
        return self.transcript + self.due
