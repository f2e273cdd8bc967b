"""A close that does not wait for ever: what is left, and what the next process finds."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

import handoff.sync
from handoff import Flow, Metadata, SqlStore, Store, Threads
from handoff.backends.embedded import Embedded
from handoff.errors import ThreadsClosed
from handoff.store.memory import MemoryStore
from tests.support.gates import PATIENCE
from tests.support.models import Plays, call


class Yard:
    """A flow whose bodies last until they are let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.ended: list[str] = []
        flow = Flow("yard", metadata=Metadata)
        desk = flow.assistant("desk", instructions="Dig.")

        @desk.tool()
        def dig() -> str:
            """Dig."""
            self.begun.set()
            self.go.wait(PATIENCE)
            self.ended.append("dig")
            return "dug"

        @desk.tool()
        async def soak() -> str:
            """Soak."""
            self.begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.append("soak")
            return "soaked"

        @desk.tool(approval=True)
        async def pour() -> str:
            """Pour, once somebody agrees."""
            self.begun.set()
            await asyncio.Event().wait()
            return "poured"

        del dig, soak, pour
        self.flow = flow


def stored(kind: str, home: Path) -> Store:
    """A store of that kind; the memory's own is handed on."""
    return SqlStore(home / "threads.db") if kind == "sql" else MemoryStore()


async def begin(yard: Yard, tool: str, store: Store) -> Threads:
    """Threads with a body under way."""
    threads = Threads(yard.flow, backend=Embedded(Plays(call(tool), "done")), store=store)
    thread = await threads.open("t")
    await thread.post(tool)
    await asyncio.to_thread(yard.begun.wait, PATIENCE)
    return threads


@pytest.mark.parametrize("kind", ["memory", "sql"])
async def test_a_coroutine_that_needs_longer_is_cancelled_and_lost(kind: str, tmp_path: Path) -> None:
    """It may clean up; the next process finds a call whose outcome nobody knows."""
    yard, store = Yard(), stored(kind, tmp_path)
    await (await begin(yard, "soak", store)).close(patience=0)
    ended = list(yard.ended)
    again = stored(kind, tmp_path) if kind == "sql" else store
    async with Threads(yard.flow, backend=Embedded(Plays("asked")), store=again) as threads:
        thread = await threads.open("t")
        await thread.wait()

    assert (["soak"], ["in_doubt"]) == (ended, [one.stage for one in thread.tickets])


async def test_another_process_learns_that_a_body_is_lost_by_opening_the_thread(tmp_path: Path) -> None:
    """Whoever only looks takes it for running; nobody tells that the process is gone which ran it (O)."""
    yard = Yard()
    owner = Threads(yard.flow, backend=Embedded(Plays(call("pour"), "asked")), store=stored("sql", tmp_path))
    async with Threads(yard.flow, backend=Embedded(Plays("lost")), store=stored("sql", tmp_path)) as other:
        thread = await owner.open("t")
        await thread.send("pour")
        await thread.approve("T1", by="Ann")
        await asyncio.to_thread(yard.begun.wait, PATIENCE)
        theirs = await other.open("t")
        await owner.close(patience=0)
        await theirs.transcript()
        looked = [one.stage for one in theirs.tickets]
        await other.open("t")
        await theirs.wait()

        assert (["running"], ["in_doubt"]) == (looked, [one.stage for one in theirs.tickets])


async def test_a_function_that_needs_longer_goes_on_without_a_result(tmp_path: Path) -> None:
    """While it runs on its worker thread nobody takes it for lost; then its outcome is unknown: it is not repeated."""
    yard = Yard()

    async def stages() -> list[str]:
        """The tickets that another process finds."""
        async with Threads(yard.flow, backend=Embedded(Plays("asked")), store=stored("sql", tmp_path)) as threads:
            thread = await threads.open("t")
            if thread.tickets:
                await thread.wait()
            return [one.stage for one in thread.tickets]

    await (await begin(yard, "dig", stored("sql", tmp_path))).close(patience=0)
    while_running = (await stages(), list(yard.ended))
    yard.go.set()
    async with asyncio.timeout(PATIENCE):
        while not (found := await stages()):  # noqa: ASYNC110 - a kernel lock tells nobody that it is free
            await asyncio.sleep(0.01)

    assert (([], []), ["in_doubt"], ["dig"]) == (while_running, found, yard.ended)


async def test_a_body_that_ends_in_time_keeps_its_outcome() -> None:
    """Patience is a bound, not a wait: what ends before it is journaled."""
    yard, store = Yard(), MemoryStore()
    threads = await begin(yard, "dig", store)
    closing = asyncio.create_task(threads.close(patience=PATIENCE))
    await asyncio.sleep(0)
    yard.go.set()
    await closing

    assert "dug" in [record.data.get("output") for record in store.journal("t")]


def test_the_blocking_close_is_bounded_too() -> None:
    """The loop thread ends though a body goes on; whoever waited is told."""
    yard, told = Yard(), list[type[BaseException]]()
    threads = handoff.sync.Threads(yard.flow, backend=Embedded(Plays(call("dig"), "done")))
    thread = threads.open("t")

    def wait() -> None:
        try:
            thread.send("dig")
        except ThreadsClosed as error:
            told.append(type(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    yard.begun.wait(PATIENCE)
    threads.close(patience=0)
    waiting.join(PATIENCE)
    before = list(yard.ended)
    yard.go.set()

    assert ([ThreadsClosed], []) == (told, before)
