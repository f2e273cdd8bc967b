"""Random conversations on every server backend while everything goes wrong: faults at rates, restarts, stops.

One seed is one conversation. What it must never come to is listed by `played`: a message lost, said or answered twice,
or out of order, a body run twice, a call answered twice or not at all, a thread left locked, a conversation poisoned.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openai

from handoff import Limits, RunFailed, SqlStore, Thread, Threads
from handoff.backends.base import Backend
from handoff.clock import SystemClock
from handoff.core.codec import load
from handoff.core.events import CallStarted, MessageAccepted, MessageRefused, RunEnded
from handoff.core.items import Output, Spoken, UserMessage
from handoff.core.status import Status
from handoff.errors import CallRefused, TicketClosed
from handoff.sandbox import Faults, serving
from tests.support.brisk import Brisk
from tests.support.faulty import FAULTY, LATENESS, Faulty, Told, Watched
from tests.support.workshop import Bench, build

RATES = (0.03, 0.1, 0.2, 0.3)
#: How long an answer takes, in seconds: where it takes a while, it may still be made when its request is made again.
SLOW = (0.0, 0.0, 0.05)
STEPS = 8
#: Seconds without a byte after which a request is made again.
TIMEOUT = 0.25
#: Seconds a run may take that is never short of them.
LONG = 60.0
#: How often the last message is said where runs may take less: what was left behind may still be at work for a moment,
#: and so may others on the same machine.
BYES = 5


@dataclass(slots=True)
class Played:
    """What a conversation came to."""

    #: Messages that were sent, runs, faults, restarts.
    counts: Counter[str] = field(default_factory=Counter[str])
    #: What must not be, one sentence each.
    problems: list[str] = field(default_factory=list)


def played(backend: str, seed: int, directory: Path, *, only: str | None = None, rate: float | None = None) -> Played:
    """Play a conversation and look at what it came to.

    Args:
        backend: on which, of `FAULTY`.
        seed: of all that is random.
        directory: an empty one, for its store.
        only: the only fault that happens; None: all that the backend's server can have.
        rate: how often; None: one of `RATES`.
    """
    chance = random.Random(seed)  # noqa: S311 - a conversation is to be repeatable
    faulty = FAULTY[backend]
    form = chance.choice(list(faulty.forms))
    drawn = chance.choice(RATES)
    rate = drawn if rate is None else rate
    shares = faulty.shares if only is None else {only: 1.0}
    rates = {name: min(1.0, share * rate) for name, share in shares.items()}
    faults = Faults(rates=rates, seed=seed, slow=chance.choice(SLOW), lateness=LATENESS)
    sandbox = Watched(faults, faulty.expire)
    limits = Limits(deadline=chance.choice(faulty.deadlines), grace=0.5)
    with serving(sandbox) as url:
        playing = _Conversation(chance, faulty, form, limits, sandbox, url, directory / "threads.db")
        return asyncio.run(playing.play())


class _Conversation:
    def __init__(
        self,
        chance: random.Random,
        faulty: Faulty,
        form: str,
        limits: Limits,
        sandbox: Watched,
        url: str,
        store: Path,
    ) -> None:
        self._chance = chance
        self._faulty = faulty
        self._form = form
        self._sandbox = sandbox
        self._url = url
        self._store = store
        self._clock = Brisk(SystemClock())
        self._flow = build(limits=limits)
        self._bench = Bench()
        self._said = 0
        self._played = Played()

    async def play(self) -> Played:
        """Play it to its end, and then once more with nothing going wrong."""
        # No certificates are loaded: that would take longer than most conversations.
        http = openai.DefaultAioHttpClient(verify=False)
        async with openai.AsyncOpenAI(base_url=self._url, api_key="any", http_client=http) as self._client:
            left = STEPS
            while left > 0:
                lasts = self._chance.randint(1, 4)
                async with self._threads() as threads:
                    thread = await threads.open("t")
                    for _ in range(min(lasts, left)):
                        await self._step(thread)
                left -= lasts
                self._played.counts["restarts"] += 1
            self._played.counts["faults"] = self._sandbox.world.faults.happened.total()
            self._sandbox.world.faults = Faults()
            if "late" in self._faulty.shares:
                await asyncio.sleep(2 * LATENESS)  # a closed thread makes no more starts that would find it
            async with self._threads() as threads:
                thread = await threads.open("t")
                await thread.wait()
                if not thread.state.closed:
                    await self._bye(thread)
                await thread.wait()
                await self._look(thread, threads)
        self._played.problems = [f"{self._form}: {one}" for one in self._played.problems]
        return self._played

    def _threads(self) -> Threads[Any]:
        options = {"client": self._client, "clock": self._clock, "timeout": TIMEOUT, **self._faulty.forms[self._form]}
        backend: Backend = self._faulty.make("tiny", **options)
        return Threads(self._flow, deps=self._bench, backend=backend, store=SqlStore(self._store))

    async def _step(self, thread: Thread[Any]) -> None:
        what = self._chance.choice(["send", "send", "send", "send", "queue", "interrupt", "cancel", "leave", "resolve"])
        with suppress(RunFailed, CallRefused):
            if what == "send":
                await thread.send(self._text())
            elif what == "resolve":
                for ticket in thread.tickets:
                    with suppress(TicketClosed):
                        await thread.resolve(ticket.id, "resolved")
            elif what == "leave":
                await thread.post(self._text())
            else:
                await self._beside(thread, what)

    async def _beside(self, thread: Thread[Any], what: str) -> None:
        first = asyncio.ensure_future(thread.send(self._text()))
        await asyncio.sleep(self._chance.choice([0.0, 0.01, 0.03]))
        if what == "cancel":
            await thread.cancel()
        else:
            with suppress(RunFailed, CallRefused):
                await thread.send(self._text(), while_running="interrupt" if what == "interrupt" else "queue")
        await first

    def _text(self) -> str:
        self._said += 1
        number = self._said
        return self._chance.choice(
            [
                f"hello {number}",
                f'call look {{"what": "w{number}"}}',
                f'call look {{"what": "w{number}"}} and call watch {{"what": "v{number}"}}',
                f'call jot {{"note": "n{number}"}} and call look {{"what": "w{number}"}}',
                f'call open_page {{"page": "p{number}"}} and call look {{"what": "w{number}"}}',
                f'call check_page {{"page": "p{number}"}}',
                f'call order {{"what": "o{number}"}}',
                'call explode {"how": "error"}',
                "call put_away {}",
                "call return_page {}",
            ]
        )

    async def _bye(self, thread: Thread[Any]) -> None:
        said: list[str] = []
        for _ in range(BYES if thread.state.limits.deadline < LONG else 1):
            try:
                said = [text for _, text in (await thread.send("bye")).messages]
                break
            except RunFailed as failed:
                said = [str(failed)]
                await asyncio.sleep(TIMEOUT)
        self._claim("You said: bye" in said, lambda: f"the last message was answered {said!r}")

    def _claim(self, holds: bool, problem: Callable[[], str]) -> None:
        if not holds:
            self._played.problems.append(problem())

    async def _look(self, thread: Thread[Any], threads: Threads[Any]) -> None:
        records = await threads._host.call(threads.store.journal, "t")
        events = [load(record.data) for record in records]
        refused = {one.id for one in events if isinstance(one, MessageRefused)}
        accepted = [one.text for one in events if isinstance(one, MessageAccepted) and one.id not in refused]
        due = [item.text for item in thread.state.due if isinstance(item, UserMessage)]
        owed = [item.call for item in thread.state.due if isinstance(item, Output)]
        items = (*await thread.transcript(),)
        told = Told(thread.state.ref, accepted, accepted[: len(accepted) - len(due)], items, (*owed,))
        self._played.problems += self._faulty.wrong(self._sandbox, told)
        begun = Counter((one.run, one.batch, one.call) for one in events if isinstance(one, CallStarted))
        self._claim(max(begun.values(), default=0) <= 1, lambda: f"bodies begun twice: {begun.most_common(2)}")
        bodies = len(self._bench.ran)
        self._claim(bodies <= begun.total(), lambda: f"{bodies} bodies ran, {begun.total()} were begun")
        outputs = Counter((one.run, one.batch, one.call) for one in items if isinstance(one, Output))
        rows = await threads._host.call(threads.store.ledger, "t")
        calls = Counter((row.run, row.batch, row.call) for row in rows)
        self._claim(calls == outputs, lambda: f"calls {calls - outputs} lack an output, {outputs - calls} have two")
        self._claim(thread.status in {"rest", "closed"}, lambda: f"the thread is {thread.status}")
        replies = [item.text for item in items if isinstance(item, Spoken)]
        answers = Counter(text for text in replies if text.startswith("You said: hello"))
        self._claim(max(answers.values(), default=0) <= 1, lambda: f"answered twice: {answers.most_common(2)}")
        # Each message asks for something else. What reads the metadata may be called again, as the sandbox's faults do.
        ran = [(tool, what) for tool, what in self._bench.ran if tool != "read_note"]
        works = Counter((tool, what) for tool, what in ran if any(map(str.isdigit, what)))
        self._claim(max(works.values(), default=0) <= 1, lambda: f"done twice: {works.most_common(2)}")
        failed = sum(isinstance(one, RunEnded) and one.status is Status.FAILED for one in events)
        self._played.counts["failed runs"] += failed
        self._played.counts.update(messages=len(accepted), runs=thread.state.runs, bodies=bodies, conversations=1)
