"""Random conversations on the assistants backend while everything goes wrong: faults at rates, restarts, stops.

One seed is one conversation. What it must never come to is listed by `played`: a message lost, said twice or out of
order, a body run twice, a call answered twice or not at all, a thread left locked.
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

from handoff import RunFailed, SqlStore, Thread, Threads
from handoff.clock import SystemClock
from handoff.core.codec import load
from handoff.core.events import CallStarted, MessageAccepted, MessageRefused
from handoff.core.items import Output, UserMessage
from handoff.errors import CallRefused, TicketClosed
from handoff.sandbox import Faults
from tests.support.assistants_servers import KINDS, Servers, servers_of
from tests.support.workshop import Bench, build

#: How often each fault happens, as a share of the rate that a conversation is played at.
SHARES = {
    "429": 1.0, "500": 1.0, "503": 1.0, "drop_before": 1.0, "drop_after": 1.0, "bad_arguments": 1.0,
    "two_handoffs": 0.5, "stall": 0.3, "expire": 0.3, "failed": 0.3, "stuck": 0.05, "cancel_race": 1.0,
}  # fmt: skip
STEPS = 8


@dataclass(slots=True)
class Played:
    """What a conversation came to."""

    #: Messages that were sent, runs, faults, restarts.
    counts: Counter[str] = field(default_factory=Counter[str])
    #: What must not be, one sentence each.
    problems: list[str] = field(default_factory=list)


def played(seed: int, directory: Path) -> Played:
    """Play a conversation and look at what it came to.

    Args:
        seed: of all that is random.
        directory: an empty one, for its store.
    """
    chance = random.Random(seed)  # noqa: S311 - a conversation is to be repeatable
    kind = chance.choice(list(KINDS))
    rate = chance.choice([0.03, 0.1, 0.2, 0.3])
    faults = Faults(rates={name: min(1.0, share * rate) for name, share in SHARES.items()}, seed=seed)
    with servers_of({**KINDS[kind], "timeout": 0.25, "poll": 0.2}, SystemClock()) as servers:
        servers.start(faults=faults, expire=2.0)
        return asyncio.run(_Conversation(chance, servers, directory / "threads.db").play())


class _Conversation:
    def __init__(self, chance: random.Random, servers: Servers, store: Path) -> None:
        self._chance = chance
        self._servers = servers
        self._store = store
        self._flow = build()
        self._bench = Bench()
        self._said = 0
        self._played = Played()

    async def play(self) -> Played:
        """Play it to its end, and then once more with nothing going wrong."""
        left = STEPS
        while left > 0:
            lasts = self._chance.randint(1, 4)
            async with self._threads() as threads:
                thread = await threads.open("t")
                for _ in range(min(lasts, left)):
                    await self._step(thread)
            left -= lasts
            self._played.counts["restarts"] += 1
        faults = self._servers.sandbox.world.faults
        self._played.counts["faults"] = faults.happened.total()
        faults._rates.clear()
        async with self._threads() as threads:
            thread = await threads.open("t")
            await thread.wait()
            if not thread.state.closed:
                await self._bye(thread)
            await thread.wait()
            await self._look(thread, threads)
        return self._played

    def _threads(self) -> Threads[Any]:
        backend = self._servers.again()
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
        reply = await thread.send("bye")
        said = [text for _, text in reply.messages]
        self._claim("You said: bye" in said, lambda: f"the last message was answered {said!r}")

    def _claim(self, holds: bool, problem: Callable[[], str]) -> None:
        if not holds:
            self._played.problems.append(problem())

    async def _look(self, thread: Thread[Any], threads: Threads[Any]) -> None:
        records = await threads.call(threads.store.journal, "t")
        events = [load(record.data) for record in records]
        refused = {one.id for one in events if isinstance(one, MessageRefused)}
        accepted = [one.text for one in events if isinstance(one, MessageAccepted) and one.id not in refused]
        due = [item.text for item in thread.state.due if isinstance(item, UserMessage)]
        told = accepted[: len(accepted) - len(due)]
        said = self._servers.said()
        self._claim(told == said, lambda: f"accepted {told}, on the server {said}")
        begun = Counter((one.run, one.batch, one.call) for one in events if isinstance(one, CallStarted))
        self._claim(max(begun.values(), default=0) <= 1, lambda: f"bodies begun twice: {begun.most_common(2)}")
        ran = len(self._bench.ran)
        self._claim(ran <= begun.total(), lambda: f"{ran} bodies ran, {begun.total()} were begun")
        items = [*await thread.transcript()]
        outputs = Counter((one.run, one.batch, one.call) for one in items if isinstance(one, Output))
        rows = await threads.call(threads.store.ledger, "t")
        calls = Counter((row.run, row.batch, row.call) for row in rows)
        self._claim(calls == outputs, lambda: f"calls {calls - outputs} lack an output, {outputs - calls} have two")
        self._claim(thread.status in {"rest", "closed"}, lambda: f"the thread is {thread.status}")
        active = self._servers.thread.active_run()
        self._claim(
            active is None, lambda: f"the server's thread is locked by a run that is {active and active.status}"
        )
        self._played.counts.update(messages=len(accepted), runs=thread.state.runs, bodies=ran, conversations=1)
