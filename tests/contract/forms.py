"""The backends under the contract, and what each of them must be able to do. Nobody is excused from a scenario.

A scenario reads what differs from the form, never from the backend: so a backend that does less than the table says
fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest

from handoff.backends.assistants import Assistants
from handoff.backends.base import Backend, Capability
from handoff.backends.chat import Chat
from handoff.backends.embedded import Embedded
from handoff.backends.responses import Responses
from handoff.clock import Clock
from handoff.declaration.prompt import View
from handoff.models import Model

#: Every part of a message, replies that fit a model, and every tool that a server runs itself.
EVERYTHING: frozenset[Capability] = frozenset(get_args(Capability))
#: What only a server can do.
RUN_BY_SERVERS: frozenset[Capability] = frozenset({"web_search", "file_search", "code_interpreter", "mcp"})


@dataclass(frozen=True)
class Form:
    """One kind of backend, with its options."""

    #: What the test is called by.
    name: str
    #: Makes a backend that speaks to a server; None where a model object is asked in process.
    connect: Callable[..., Backend] | None = None
    #: More arguments for it.
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    #: The next assistant's instructions go in the request that carries the outputs (H4).
    swaps: bool = True
    #: Messages can join a run with its outputs (L5).
    steers: bool = True
    #: Model calls a handoff by a tool of the domain takes, until the next assistant has spoken (H4).
    handoff_calls: int = 2
    #: The server keeps the run: it goes on while nobody listens, and after a restart.
    keeps: bool = False
    #: An assistant sees what its view says; else the server shows it all of the thread (T).
    views: bool = True
    #: Views the server cannot keep: a run for such an assistant is refused before anything is sent.
    refuses: tuple[View, ...] = ()
    #: Calls of other assistants come to the model as lines of text; else as the calls they were (T2).
    retells: bool = True
    #: Speakers are told by name; else by their words alone.
    names: bool = True
    #: The operation that asks the model, as the sandbox's faults name it; empty where there is no server.
    asks: str = ""
    #: An answer that is under way outlives our process, and is taken up again.
    lasts: bool = False
    #: The server keeps the thread's metadata beside what it holds (M6).
    mirrors: bool = False
    #: What it carries beside text and function tools; the rest is refused before anything is kept.
    carries: frozenset[Capability] = EVERYTHING

    def backend(self, client: Any, model: Model, *, stream: bool, clock: Clock, timeout: float) -> Backend:
        """Return a new backend of this form.

        Args:
            client: a client of the SDK that knows where the server is.
            model: who answers where there is no server.
            stream: whether answers are streamed.
            clock: what it waits on.
            timeout: seconds without a byte, of the real world, after which it asks again.
        """
        if self.connect is None:
            return Embedded(model)
        wire = {"client": client, "stream": stream, "clock": clock, "timeout": timeout}
        return self.connect("tiny", **wire, **self.options)


#: What the Assistants API has a place for: no data of images and files, and no web.
ON_ASSISTANTS: frozenset[Capability] = frozenset(
    {"image_url", "image_id", "file_id", "file_search", "code_interpreter", "reply"}
)

FORMS: tuple[Form, ...] = (
    Form("embedded", retells=False, views=False, carries=EVERYTHING - RUN_BY_SERVERS),
    Form(
        "chat",
        Chat,
        asks="chat.completions.create",
        carries=EVERYTHING - RUN_BY_SERVERS - {"image_id", "file_url"},
    ),
    Form(
        "chat-cached",
        Chat,
        {"profile": "openai", "layout": "cached"},
        retells=False,
        asks="chat.completions.create",
        carries=EVERYTHING - RUN_BY_SERVERS - {"image_id", "file_url"},
    ),
    Form("chained", Responses, retells=False, asks="responses.create", mirrors=True),
    Form(
        "background", Responses, {"background": True}, retells=False, asks="responses.create", lasts=True, mirrors=True
    ),
    Form(
        "conversation",
        Responses,
        {"history": "conversation"},
        retells=False,
        asks="responses.create",
        mirrors=True,
    ),
    Form("own", Responses, {"history": "own"}, asks="responses.create", names=False),
    Form(
        "own-cached",
        Responses,
        {"history": "own", "profile": "openai", "layout": "cached"},
        asks="responses.create",
        retells=False,
        names=False,
    ),
    Form(
        "complete",
        Assistants,
        swaps=False,
        keeps=True,
        lasts=True,
        steers=False,
        handoff_calls=3,
        refuses=("own",),
        retells=False,
        asks="runs.create",
        mirrors=True,
        carries=ON_ASSISTANTS,
    ),
    Form(
        "carry",
        Assistants,
        {"finish": "carry"},
        refuses=("own",),
        swaps=False,
        keeps=True,
        lasts=True,
        steers=False,
        asks="runs.create",
        mirrors=True,
        carries=ON_ASSISTANTS,
    ),
)


def cases(*, served: bool = False) -> Iterator[Any]:
    """Yield (form, whether it streams) as parameters.

    Args:
        served: only those with a server.
    """
    for form in FORMS:
        if form.connect is None:
            if not served:
                yield pytest.param((form, True), id=form.name)
            continue
        yield pytest.param((form, True), id=f"{form.name}-stream")
        yield pytest.param((form, False), id=f"{form.name}-whole")
