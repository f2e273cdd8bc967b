"""Where a scenario plays: threads on one backend, a server that is shared by all, and what the server holds afterwards.

The model plays the same steps wherever it is asked, in process or behind the server, so what it was shown is what came
over the wire.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

import handoff
from handoff import Answer, Deps, Flow, MemoryStore, Store
from handoff.backends.base import Backend
from handoff.core.items import Item, Output, Spoken
from handoff.core.state import State
from handoff.core.status import ACTIVE, TERMINAL
from handoff.declaration.prompt import Prompt
from handoff.driving.history import replay
from handoff.events import RunChanged
from handoff.sandbox import Faults, Sandbox, serving
from handoff.testing import ManualClock
from tests.contract.forms import Form
from tests.support.brisk import Brisk as Following
from tests.support.gates import Gate
from tests.support.models import Held, Plays, Step
from tests.support.workshop import Bench, Job, build

FLOW = build()

#: The HTTP clients that the SDK comes with, by what they stand on.
TRANSPORTS = {"httpx2": openai.DefaultAsyncHttpxClient, "aiohttp": openai.DefaultAioHttpClient}
#: What carries the requests of scenarios that do not say: what backends take where no client is handed in.
TRANSPORT = os.environ.get("HANDOFF_TEST_TRANSPORT", "aiohttp")


@dataclass(frozen=True)
class HandsOver:
    """A step whose calls hand the thread over: where the old run has to end first, its assistant speaks once more."""

    step: Step | Held


class Brisk:
    """A backend's clock: its waits take no more than a moment, and the time moves on by the whole of them."""

    def __init__(self) -> None:
        self._now = 1_000_000_000.0

    def now(self) -> float:
        """The time: Unix seconds."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait for a moment: long enough that a server gets to do something."""
        self._now += seconds
        await asyncio.sleep(min(seconds, 0.005))

    def new_id(self) -> str:
        """No id is ever asked of it."""
        raise NotImplementedError


class Steady(Plays):
    """Plays its steps in order, and answers a question it has heard before as it did then."""

    def __init__(self, *steps: Step | Held) -> None:
        super().__init__(*steps)
        self._answers: dict[tuple[str, ...], list[str | Answer]] = {}

    async def answer(self, prompt: Prompt) -> AsyncIterator[str | Answer]:
        """Play the next step, or one that was played."""
        question = (prompt.assistant, *map(text_of, prompt.items))
        if question not in self._answers:
            self._answers[question] = [piece async for piece in super().answer(prompt)]
        for piece in self._answers[question]:
            yield piece


class Stage(Sandbox):
    """A sandbox that hears one scenario only.

    A request that was given up when the scenario before ended may come long after: it would play a step of this one.

    Attributes:
        scenario: the key of the scenario that is on.
    """

    scenario = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        given = dict(scope.get("headers", ())).get(b"authorization")
        if scope["type"] == "http" and given != f"Bearer {self.scenario}".encode():
            await PlainTextResponse("that scenario is over", 410)(scope, receive, send)
            return
        await super().__call__(scope, receive, send)


@dataclass
class Server:
    """The sandbox that the scenarios of a module share, one after the other."""

    sandbox: Stage
    url: str
    scenarios: int = 0

    def next(self) -> str:
        """Begin another scenario; return the key that its clients show."""
        self.scenarios += 1
        self.sandbox.scenario = f"scenario-{self.scenarios}"
        return self.sandbox.scenario

    def client(self, key: str, transport: str) -> openai.AsyncOpenAI:
        """A new client of the SDK. Its certificates are not loaded: that would take longer than most scenarios.

        Args:
            key: the scenario's.
            transport: what carries its requests, one of `TRANSPORTS`.
        """
        return openai.AsyncOpenAI(base_url=self.url, api_key=key, http_client=TRANSPORTS[transport](verify=False))

    def begin(self, model: Any, faults: Faults) -> None:
        """Let another model answer, and forget what was before."""
        world = self.sandbox.world
        world.model, world.faults = model, faults
        self.forget()

    def forget(self) -> None:
        """Lose all that is held."""
        world = self.sandbox.world
        for held in (world.assistants, world.threads, world.responses, world.conversations, world.completions):
            held.clear()  # type: ignore[attr-defined]


@contextmanager
def shared_server() -> Iterator[Server]:
    """One sandbox behind a socket."""
    sandbox = Stage(poll_milliseconds=1)
    with serving(sandbox) as url:
        yield Server(sandbox, url)


class Backdrop:
    """Where one scenario plays.

    Attributes:
        form: which kind of backend.
        stream: whether it streams.
        clock: the threads' time, moved by `clock.advance`.
        bench: what the tools are lent.
        faults: what goes wrong at the server; set it before `threads`.
        model: who answers; set by `plays`.
        timeout: the backend's, in seconds of the real world.
        transport: what carries requests, one of `TRANSPORTS`.
    """

    def __init__(self, form: Form, server: Server, path: Path, *, stream: bool) -> None:
        self.form = form
        self.stream = stream
        self.clock = ManualClock()
        self.bench = Bench()
        self.faults = Faults()
        self.model = Plays()
        self.timeout = 300.0
        self.transport = TRANSPORT
        self._server = server
        self._key = server.next()
        self._path = path
        self._memory = MemoryStore()
        self._clients: list[openai.AsyncOpenAI] = []

    # -- before --------------------------------------------------------------------------------------------------------

    def plays(self, *steps: Step | Held | HandsOver, steady: bool = False) -> Plays:
        """Let the model play these steps, whoever asks; return it.

        Args:
            steps: what it says and calls, in order.
            steady: the same question gets the same answer: a step is played again where it is asked for again.
        """
        played: list[Step | Held] = []
        for step in steps:
            if not isinstance(step, HandsOver):
                played.append(step)
                continue
            played.append(step.step)
            if self.form.handoff_calls > 2:
                played.append("One moment.")
        self.model = Steady(*played) if steady else Plays(*played)
        self._server.begin(self.model, self.faults)
        return self.model

    def holds(self, *tools: str) -> None:
        """Let the bodies of these tools stop at their gates, until the test opens them."""
        self.bench.gates.update({tool: Gate() for tool in tools})

    def backend(self) -> Backend:
        """A new backend: what an earlier one knew is not there."""
        client = self._server.client(self._key, self.transport)
        self._clients.append(client)
        # A run that a server keeps is looked at again and again, which must not take the time its deadline is told in.
        clock = Brisk() if self.form.swaps else Following(self.clock)
        return self.form.backend(client, self.model, stream=self.stream, clock=clock, timeout=self.timeout)

    @asynccontextmanager
    async def threads(
        self, flow: Flow[Any, Any] = FLOW, *, durable: bool = False, deps: Deps | None = None
    ) -> AsyncGenerator[Any]:
        """Threads of the flow, with a new backend; closed afterwards, with every gate open.

        Args:
            flow: the declaration.
            durable: whether they are stored in a file, as they must be for a restart.
            deps: what the tools are lent, where it is not the bench.
        """
        store: Store = handoff.SqlStore(self._path / "threads.db") if durable else self._memory
        deps = deps or (None if flow.deps is None else self.bench)
        threads = handoff.Threads(flow, deps=deps, backend=self.backend(), store=store, clock=self.clock)
        await threads.__aenter__()
        try:
            yield threads
        finally:
            self.bench.open_all()
            await threads.close()
            while self._clients:
                await self._clients.pop().close()

    # -- afterwards ----------------------------------------------------------------------------------------------------

    def prompts_of(self, assistant: str) -> list[Prompt]:
        """What that assistant was shown, in order."""
        return [prompt for prompt in self.model.prompts if prompt.assistant == assistant]

    def last(self) -> tuple[Item, ...]:
        """All items the model was shown last."""
        return self.model.prompts[-1].items

    async def acknowledged(self, thread: Any) -> None:
        """Return once it is journaled that the server has the request, where answers outlive our process."""
        while self.form.lasts and thread.state.run.unacknowledged:  # noqa: ASYNC110 - of the journal's own word
            await asyncio.sleep(0.001)

    def calm(self) -> None:
        """Let nothing more go wrong at the server."""
        self._server.sandbox.world.faults = Faults()

    def forget(self) -> None:
        """Let the server lose all it holds."""
        self._server.forget()

    def mirrored(self) -> dict[str, str] | None:
        """The facts of the latest response or thread the server holds; None where it holds none."""
        world = self._server.sandbox.world
        found = [one.wire["metadata"] for one in world.responses.values()]
        found += [one.metadata for one in world.threads.values()]
        return found[-1] if found else None

    def ends(self, threads: Any) -> list[str]:
        """How the runs of thread `t` ended, in order."""
        events = replay(threads.store.journal("t"))
        return [str(one.status) for one in events if isinstance(one, RunChanged) and one.status in TERMINAL]

    def troubles(self, thread: Any) -> list[str]:
        """What is wrong with what the server holds: a lock, or a call that nobody answered and nobody will.

        Args:
            thread: the thread, at rest; outputs it still owes are none of the server's faults.
        """
        state: State = thread.state
        world = self._server.sandbox.world
        owed = [item.tool for item in state.due if isinstance(item, Output)]
        found = [f"{one.id} is locked by {one.busy}" for one in world.conversations.values() if one.busy]
        found += [f"run {one.id} is {one.status}" for one in _runs(world) if one.status in ACTIVE]
        found += [
            f"{one.id} is {one.wire['status']}"
            for one in world.responses.values()
            if one.wire["status"] in {"queued", "in_progress"}
        ]
        for conversation in world.conversations.values():
            calls = [one["name"] for one in _unanswered(conversation.items)]
            if sorted(calls) != sorted(owed[: len(calls)]):
                found.append(f"{conversation.id} waits for outputs of {calls}, owed are {owed}")
        return found


def _runs(world: Any) -> list[Any]:
    return [run for thread in world.threads.values() for run in thread.runs]


def _unanswered(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    answered = {one["call_id"] for one in items if one["type"] == "function_call_output"}
    return [one for one in items if one["type"] == "function_call" and one["call_id"] not in answered]


# -- what a model was shown --------------------------------------------------------------------------------------------


def text_of(item: Item) -> str:
    """All that an item says, with the arguments of its calls."""
    calls = item.calls if isinstance(item, Spoken) else ()
    return " ".join([item.text, *(f"{call.tool} {call.arguments}" for call in calls)])


def heard(items: Sequence[Item], *messages: str) -> list[str]:
    """Those of the messages that stand among the items, as often and in the order they do."""
    return [item.text for item in items if item.text in messages]


def told(items: Sequence[Item], text: str) -> int:
    """How often the model is told a text: as an output, in a line, or in a message."""
    return sum(text_of(item).count(text) for item in items)


def in_order(items: Sequence[Item], *parts: str) -> bool:
    """Whether all texts are told, each in the item of the one ahead of it or in a later one."""
    at = 0
    for part in parts:
        at = next((index for index in range(at, len(items)) if part in text_of(items[index])), len(items))
    return at < len(items)


__all__ = ["FLOW", "Backdrop", "HandsOver", "Job", "Server", "heard", "in_order", "shared_server", "told"]
