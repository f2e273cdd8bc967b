"""The backend contract: one request at a time, told as a stream of reports.

The shell asks for a request (send, watch, read back) and gets reports until one of them ends it; closing the stream
closes the request. A backend decides nothing about threads: what it can do is declared in its `Mode` and in what it
`carries`, what happened it reports, and it never raises for what a server may answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from handoff.core.answers import Extra
from handoff.core.items import Asked
from handoff.core.state import JSON, Mode
from handoff.core.status import Status
from handoff.core.usage import Usage
from handoff.declaration.prompt import Prompt
from handoff.errors import NotDeleted

Layout: TypeAlias = Literal["usual", "cached"]
"""Where a request has what: instructions and an assistant's own tools ahead of the thread, or a beginning that all
assistants of a flow share, for the provider's prompt cache."""

Capability: TypeAlias = Literal[
    "image_url",
    "image_data",
    "image_id",
    "file_url",
    "file_data",
    "file_id",
    "web_search",
    "file_search",
    "code_interpreter",
    "mcp",
    "reply",
]
"""What some backends carry and others cannot: parts of messages by how they name their content, the tools a server
runs itself, and replies that fit a model. What is not carried is refused before anything is sent."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a run. (thread, run, request) is our key for it (C4)."""

    #: Id of the thread.
    thread: str
    #: Number of the run.
    run: int
    #: Number of the request in the run.
    request: int
    #: Make it; wait for what an acknowledged one brings; find out whether it arrived.
    purpose: Literal["send", "watch", "read_back"]
    #: What the model is given.
    prompt: Prompt
    #: Unix time in seconds by which the run must end.
    deadline: float
    #: The thread's metadata, to be mirrored where it fits (M6).
    metadata: Mapping[str, JSON] = field(default_factory=dict[str, JSON])
    #: What a report last said the server calls what it has of this thread; empty where none did. It is journaled, so it
    #: is the same after a restart; it may be another backend's, which has to be told by its spelling and left alone.
    ref: str = ""
    #: Id of the assistant as it is declared: flow, name and a hash of what it is made of (A).
    assistant_id: str = ""
    #: How the run before this one ended; None before the first.
    before: Status | None = None
    #: For a watch: the calls this request brought are journaled, and only the end of the run is awaited.
    told: bool = False


# -- reports -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the reply's text. Never journaled."""

    text: str
    #: The answer is told from its beginning again, because the request was made again: what was told before is void.
    anew: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """The server has made something for this thread, which nobody would find again without its name.

    It is journaled before the backend goes on: whatever is put there afterwards is found again after a crash.
    """

    #: What the server calls it, in the backend's own spelling.
    ref: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server stored the first `stored` items of `due`, and the model works."""

    stored: int
    #: What the server calls what it has of the thread now; empty: as before. Journaled with what it stored.
    ref: str = ""
    #: The server's own id of the run's assistant, where it keeps assistants (A).
    assistant_id: str = ""


@dataclass(frozen=True, slots=True)
class Called:
    """The model asked for tools; ends the request."""

    #: The calls, in order; ids are unique among them.
    calls: tuple[Asked, ...]
    #: What was said beside them.
    text: str = ""
    #: How many items of `due` this answer shows to be stored.
    stored: int = 0
    #: What it took, where the server tells.
    usage: Usage | None = None
    #: As of `Accepted`.
    ref: str = ""
    #: What else the answer holds.
    extra: Extra | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The run's status is terminal; ends the request."""

    #: A terminal status.
    status: Status
    #: What was said.
    text: str = ""
    #: What is known of a failure.
    reason: str = ""
    #: How many items of `due` this shows to be stored.
    stored: int = 0
    #: Calls the response was stored with that nobody will run (C2).
    calls: tuple[Asked, ...] = ()
    #: What the last answer took, where the server tells.
    usage: Usage | None = None
    #: As of `Accepted`.
    ref: str = ""
    #: What else the last answer holds.
    extra: Extra | None = None


@dataclass(frozen=True, slots=True)
class Doubted:
    """The request was refused, or nobody knows whether it arrived; ends the request."""

    reason: str


@dataclass(frozen=True, slots=True)
class Absent:
    """Read back: the server knows nothing of the request; ends the request."""


Report: TypeAlias = Delta | Known | Accepted | Called | Ended | Doubted | Absent


class Backend(Protocol):
    """Who runs the model."""

    #: What it can do.
    mode: Mode
    #: What it carries beside text and function tools; a backend without it carries nothing else.
    carries: frozenset[Capability]

    def open(self, request: Request) -> AsyncIterator[Report]:
        """Carry the request out and yield what happens, up to the report that ends it.

        Closing the iterator early closes the request; where the server keeps no run, that ends the run.

        Args:
            request: what to do.
        """
        ...

    async def cancel(self, request: Request) -> None:
        """Ask the server to cancel the run. Nothing to do where it keeps none.

        Where the mode says `swap`, the request has been closed before, and the run ends with this. Else it goes on, and
        its terminal status comes by `open`.

        Args:
            request: the run's request.
        """
        ...

    async def delete(self, thread: str, refs: Sequence[str]) -> None:
        """Have the server delete what it holds of a thread that is deleted for good, on which nothing is under way.

        What is gone already is a success. Asked only where reports have told a `ref`.

        Args:
            thread: its id.
            refs: all that reports have ever said the server calls what it has of the thread, the oldest first.

        Raises:
            NotDeleted: something may still be there; or a ref is another backend's, and then nothing was deleted.
        """
        ...

    async def close(self) -> None:
        """Release what is held. A second call does nothing."""
        ...


def carried(backend: object) -> frozenset[Capability]:
    """Return what a backend carries beside text and function tools; nothing, for one that does not say."""
    return getattr(backend, "carries", frozenset())


def layout_of(backend: object) -> Layout:
    """Return how a backend lays its requests out; the usual way, for one that does not say."""
    return getattr(backend, "layout", "usual")


def name_of_backend(backend: object) -> str:
    """Return what a backend is called in messages to people."""
    return f"the {type(backend).__name__} backend"


def not_ours(thread: str, ref: str, backend: object) -> NotDeleted:
    """Return the error that a thread has something on a server which a backend does not speak to.

    Args:
        thread: id of the thread.
        ref: what that server calls it.
        backend: who was asked to delete it.
    """
    return NotDeleted(thread, f"{name_of_backend(backend)} does not know what {ref!r} is; use the backend that made it")
