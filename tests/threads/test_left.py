"""What a close leaves behind when its patience is over: it is told of, writes nothing more, and stays to be settled."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

import handoff.sync
from handoff import Deps, Flow, LeftCall, Metadata, SqlStore, Store, Threads, ToolCall
from handoff.backends.base import Request
from handoff.backends.embedded import Embedded
from handoff.errors import ThreadsClosed
from handoff.store.memory import MemoryStore
from handoff.testing import ManualClock
from tests.support.gates import PATIENCE, Gate
from tests.support.law import Case, build_desk, build_firm
from tests.support.models import Held, Plays, call
from tests.support.workshop import Bench

KINDS = ("memory", "sql")


class Desk(Deps):
    """What the bodies are lent: where they stop, and what they have done."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.told = 0
        self.ended = threading.Event()
        self.asked: list[str] = []


def build(*, idempotent: bool = False) -> Flow[Metadata, Desk]:
    """A flow whose bodies do not end by themselves, each in its own way."""
    flow = Flow("desk", metadata=Metadata, deps=Desk)
    firm = build_other()
    front = flow.assistant("front", instructions="Work.")

    @front.tool(idempotent=idempotent)
    async def cling(desk: Desk) -> str:
        """Work, and ignore every cancellation."""
        while True:
            try:
                await desk.gate.halt()
            except asyncio.CancelledError:
                desk.told += 1
            else:
                desk.ended.set()
                return "clung"

    @front.tool(idempotent=idempotent)
    async def heed(desk: Desk) -> str:
        """Work until cancelled."""
        await desk.gate.halt()
        return "never"

    @front.tool(idempotent=idempotent)
    def dig(desk: Desk, call: ToolCall) -> str:
        """Work on a worker thread, and tell of it at the end."""
        desk.gate.stop()
        call.progress("nearly", 0.9)
        desk.ended.set()
        return "dug"

    @front.tool(consults=firm, idempotent=idempotent)
    def ask_late(desk: Desk, call: ToolCall) -> str:
        """Work on a worker thread, and ask at the end."""
        desk.gate.stop()
        try:
            return call.consult(firm, Metadata()).result().text
        except BaseException as error:
            desk.asked.append(type(error).__name__)
            raise
        finally:
            desk.ended.set()

    del cling, heed, dig, ask_late
    return flow


def build_other() -> Flow[Metadata, Any]:
    """A flow to be asked."""
    flow = Flow("firm", metadata=Metadata)
    flow.assistant("clerk", instructions="Answer.")
    return flow


class Place:
    """Where the threads of a test live."""

    def __init__(self, kind: str, home: Path) -> None:
        self.kind = kind
        self.home = home
        self.memory = MemoryStore()
        self.clock = ManualClock()

    def store(self) -> Store:
        """The store, as another process opens it."""
        return self.memory if self.kind == "memory" else SqlStore(self.home / "threads.db")

    def threads(self, flow: Flow[Any, Any], deps: Any, *steps: Any) -> Threads[Any]:
        """Threads of a flow there."""
        return Threads(flow, deps=deps, backend=Embedded(Plays(*steps)), store=self.store(), clock=self.clock)

    async def patient(self, threads: Threads[Any], patience: float, cleaning: float = 0.0) -> tuple[LeftCall, ...]:
        """Close, and let as much time pass as that takes at most; return what was left."""
        closing = asyncio.create_task(threads.close(patience=patience))
        await self.clock.advance(patience + cleaning)
        async with asyncio.timeout(PATIENCE):
            return await closing

    def journal(self, thread: str = "t") -> list[dict[str, Any]]:
        """What is journaled of a thread."""
        store = self.store()
        try:
            return [dict(record.data) for record in store.journal(thread)]
        finally:
            if self.kind == "sql":
                store.close()

    async def stages(self, flow: Flow[Any, Any], deps: Any, *steps: Any) -> list[str]:
        """The tickets another process finds when it opens the thread."""
        async with self.threads(flow, deps, *steps) as threads:
            thread = await threads.open("t")
            if thread.tickets:
                await thread.wait()
            return [one.stage for one in thread.tickets]


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Threads in memory, and in a file that processes share."""
    return Place(request.param, tmp_path)


async def begun(place: Place, flow: Flow[Any, Any], desk: Desk, tool: str) -> Threads[Any]:
    """Threads with a body under way."""
    threads = place.threads(flow, desk, call(tool), "done")
    await (await threads.open("t")).post(tool)
    await desk.gate.reached()
    return threads


@pytest.mark.parametrize(
    ("tool", "cleaning", "running"),
    [
        pytest.param("cling", 1.0, True, id="a coroutine that ignores its cancellation"),
        pytest.param("heed", 0.0, False, id="a coroutine that heeds it"),
        pytest.param("dig", 0.0, True, id="a function"),
    ],
)
async def test_a_close_returns_when_its_patience_is_over_and_tells_what_is_left(
    place: Place, tool: str, cleaning: float, running: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A coroutine has a second more to clean up; whoever closes learns which calls are lost, and so does the log."""
    flow, desk = build(), Desk()
    threads = await begun(place, flow, desk, tool)
    with caplog.at_level(logging.WARNING, "handoff"):
        left = await place.patient(threads, 5.0, cleaning)
    desk.gate.open()
    await place.clock.advance(1.0)

    assert (LeftCall("t", 1, "call_1", tool, running=running),) == left
    assert [f"thread t: {tool} (call call_1) needs longer than the close waits"] == [
        record.getMessage().rpartition(": ")[0] for record in caplog.records
    ]


@pytest.mark.parametrize("tool", ["cling", "heed", "dig"])
async def test_a_body_has_all_of_the_patience(place: Place, tool: str) -> None:
    """Until then the close waits, and what ends meanwhile is kept."""
    flow, desk = build(), Desk()
    threads = await begun(place, flow, desk, tool)
    closing = asyncio.create_task(threads.close(patience=5.0))
    await place.clock.advance(4.9)
    waits = not closing.done()
    desk.gate.open()

    assert (True, ()) == (waits, await closing)
    assert 1 == sum(event["type"] == "CallDone" for event in place.journal())


@pytest.mark.parametrize("tool", ["cling", "dig"])
async def test_a_body_that_was_left_writes_nothing_more(place: Place, tool: str) -> None:
    """It ends after the close, and neither its outcome nor what it tells comes to the journal."""
    flow, desk = build(), Desk()
    await place.patient(await begun(place, flow, desk, tool), 0.0, 1.0)
    closed = place.journal()
    desk.gate.open()
    assert await asyncio.to_thread(desk.ended.wait, PATIENCE)
    await place.clock.advance(60.0)

    assert closed == place.journal()


@pytest.mark.parametrize("tool", ["cling", "dig"])
async def test_a_body_that_goes_on_is_taken_for_lost_only_when_it_ends(place: Place, tool: str) -> None:
    """While it runs it holds its lock; afterwards nobody knows what came of it, and a person has to say (E2, O)."""
    flow, desk = build(), Desk()
    await place.patient(await begun(place, flow, desk, tool), 0.0, 1.0)
    going_on = await place.stages(flow, desk, "asked")
    desk.gate.open()
    assert await asyncio.to_thread(desk.ended.wait, PATIENCE)
    async with asyncio.timeout(PATIENCE):
        while not (ended := await place.stages(flow, desk, "asked")):  # noqa: ASYNC110 - a lock tells nobody it is free
            await asyncio.sleep(0.01)

    assert ([], ["in_doubt"]) == (going_on, ended)


async def test_an_idempotent_body_that_ignored_its_cancellation_is_run_again_when_it_has_ended(place: Place) -> None:
    """It may be run twice, and is not run twice at the same time (E2)."""
    flow, desk = build(idempotent=True), Desk()
    await place.patient(await begun(place, flow, desk, "cling"), 0.0, 1.0)
    desk.gate.open()
    assert await asyncio.to_thread(desk.ended.wait, PATIENCE)
    async with place.threads(flow, desk, "done") as threads:
        thread = await threads.open("t")
        await thread.wait()

    assert ["clung"] == [event["output"] for event in place.journal() if event["type"] == "CallDone"]


async def test_a_body_whose_loop_has_ended_goes_on_undisturbed(tmp_path: Path) -> None:
    """What it tells is told to nobody; it is not broken off by that."""
    flow, desk = build(), Desk()
    threads = handoff.sync.Threads(
        flow, deps=desk, backend=Embedded(Plays(call("dig"))), store=SqlStore(tmp_path / "t.db")
    )
    thread = await asyncio.to_thread(threads.open, "t")
    await asyncio.to_thread(thread.post, "dig")
    await desk.gate.reached()
    left = await asyncio.to_thread(threads.close, patience=0)
    desk.gate.open()

    assert (LeftCall("t", 1, "call_1", "dig", running=True),) == left
    assert await asyncio.to_thread(desk.ended.wait, PATIENCE)


async def test_a_body_that_was_left_opens_no_room(tmp_path: Path) -> None:
    """It is interrupted, as one that waits for a room when the threads are closed; its loop has ended."""
    flow, desk, model = build(), Desk(), Plays(call("ask_late"))
    store = SqlStore(tmp_path / "t.db")
    threads = handoff.sync.Threads(flow, deps=desk, backend=Embedded(model), store=store)
    thread = await asyncio.to_thread(threads.open, "t")
    await asyncio.to_thread(thread.post, "ask")
    await desk.gate.reached()
    await asyncio.to_thread(threads.close, patience=0)
    desk.gate.open()
    assert await asyncio.to_thread(desk.ended.wait, PATIENCE)

    assert (["Interrupted"], 1) == (desk.asked, len(model.prompts))


async def test_a_probe_that_ignored_its_cancellation_starts_no_body(place: Place) -> None:
    """Nothing begins after a close: the next process asks the probe again."""
    flow, bench, gate, ran = Flow("probed", metadata=Metadata), Desk(), Gate(), list[str]()
    front = flow.assistant("front", instructions="Work.")

    async def happened() -> str | None:
        """Nobody knows."""
        ran.append("probe")
        while True:
            try:
                await gate.halt()
            except asyncio.CancelledError:
                ran.append("cancelled")
            else:
                return None

    @front.tool(probe=happened)
    async def work() -> str:
        """Work."""
        ran.append("body")
        await bench.gate.halt()
        return "never"

    threads = place.threads(flow, None, call(work))
    await (await threads.open("t")).post("work")
    await bench.gate.reached()
    await place.patient(threads, 0.0)
    again = place.threads(flow, None)
    await again.open("t")
    await gate.reached()
    await place.patient(again, 0.0, 1.0)
    gate.open()
    await place.clock.advance(1.0)

    assert ["body", "probe", "cancelled"] == ran


# -- bodies that wait for a side room ----------------------------------------------------------------------------------

FIRM = build_firm()


@pytest.mark.parametrize("patience", [0.0, 5.0])
@pytest.mark.parametrize("tool", ["ask", "ask_blocking"])
async def test_a_body_that_waits_for_a_room_costs_no_patience(place: Place, tool: str, patience: float) -> None:
    """It is interrupted at once, so nothing is left; it is run again and finds its room where it stood (S)."""
    desk, bench, gate = build_desk(FIRM), Bench(), Gate()
    threads = place.threads(desk, bench, call(tool, country="A"), Held(gate, "never"))
    await (await threads.open("t")).post("May I?", key="1")
    await gate.reached()
    async with asyncio.timeout(PATIENCE):
        left = await threads.close(patience=patience)
    async with place.threads(desk, bench, "the law", "done") as threads:
        reply = await (await threads.open("t")).send("May I?", key="1")

    assert ((), "done", 2) == (left, reply.text, bench.count(tool))


@pytest.mark.parametrize("tool", ["ask", "ask_blocking"])
async def test_a_body_that_waits_for_a_room_and_may_not_run_again_is_in_doubt(place: Place, tool: str) -> None:
    """A person settles it; its room stays as it is."""
    desk, bench, gate = build_desk(FIRM, idempotent=False), Bench(), Gate()
    threads = place.threads(desk, bench, call(tool, country="A"), Held(gate, "never"))
    await (await threads.open("t")).post("May I?", key="1")
    await gate.reached()
    async with asyncio.timeout(PATIENCE):
        left = await threads.close(patience=0.0)

    assert ((), ["in_doubt"]) == (left, await place.stages(desk, bench, "asked"))


async def test_a_body_in_a_room_is_left_like_any_other(place: Place) -> None:
    """Whoever waits for the room is interrupted; what is left is the call in the room, and nothing of it is written."""
    desk, bench = build_desk(FIRM), Bench("search")
    threads = place.threads(desk, bench, call("ask", country="A"), call("search", what="it"))
    thread = await threads.open("t")
    await thread.post("May I?", key="1")
    await bench.gates["search"].reached()
    (room,) = await thread.rooms()
    left = await place.patient(threads, 2.0)
    closed = place.journal(room.id)
    bench.open_all()
    await place.clock.advance(1.0)

    assert (LeftCall(room.id, 1, "call_1", "search", running=True),) == left
    assert closed == place.journal(room.id)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_that_waits_for_a_room_and_ignores_the_interruption_is_left(kind: str, tmp_path: Path) -> None:
    """A bare `except` catches even that; then patience ends it."""

    class Both(Bench, Desk):
        """What both flows are lent."""

        def __init__(self) -> None:
            Bench.__init__(self)
            Desk.__init__(self)

    place, flow, desk, gate = Place(kind, tmp_path), Flow("deaf", metadata=Metadata, deps=Both), Both(), Gate()
    front = flow.assistant("front", instructions="Work.")

    @front.tool(consults=FIRM, idempotent=True)
    async def ask(call: ToolCall, desk: Both) -> str:
        """Ask, and go on whatever comes."""
        try:
            await call.consult(FIRM, Case(country="A"))
        except BaseException as error:  # noqa: BLE001 - as a careless body does
            desk.asked.append(type(error).__name__)
        await desk.gate.halt()
        return "never"

    threads = place.threads(flow, desk, call(ask), Held(gate, "never"))
    await (await threads.open("t")).post("May I?")
    await gate.reached()
    left = await place.patient(threads, 3.0, 1.0)

    assert (["Interrupted"], (LeftCall("t", 1, "call_1", "ask", running=False),)) == (desk.asked, left)


# -- the rest of a close -----------------------------------------------------------------------------------------------


class Noted(Embedded):
    """A backend that notes that it was closed, and may ignore being cancelled."""

    def __init__(self, *steps: Any, gate: Gate | None = None) -> None:
        super().__init__(Plays(*steps))
        self.closed = False
        self._gate = gate

    async def open(self, request: Request) -> Any:
        """Answer; first wait at the gate, whoever wants it to end."""
        while self._gate is not None:
            try:
                await self._gate.halt()
            except asyncio.CancelledError:
                continue
            break
        async for report in super().open(request):
            yield report

    async def close(self) -> None:
        """Take some steps, then note it."""
        for _ in range(5):
            await asyncio.sleep(0)
        self.closed = True
        await super().close()


async def test_a_close_that_is_cancelled_has_no_patience_any_more(place: Place) -> None:
    """What runs is left, and backend and store are closed all the same: nobody comes back to do it."""
    flow, desk, backend = build(), Desk(), Noted(call("heed"))
    threads = Threads(flow, deps=desk, backend=backend, store=place.store(), clock=place.clock)
    await (await threads.open("t")).post("heed")
    await desk.gate.reached()
    closing = asyncio.create_task(threads.close())
    await place.clock.advance(1.0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    assert (True, ["in_doubt"]) == (backend.closed, await place.stages(flow, desk, "asked"))


@pytest.mark.parametrize("steps", range(20))
async def test_a_close_that_is_cancelled_at_once_leaves_nobody_waiting(place: Place, steps: int) -> None:
    """Wherever it is when it is cancelled: the sender is told, and backend and store are closed."""
    flow, desk, backend = build(), Desk(), Noted(call("heed"))
    async with asyncio.timeout(PATIENCE):
        threads = await Threads(flow, deps=desk, backend=backend, store=place.store(), clock=place.clock).__aenter__()
        sending = asyncio.create_task((await threads.open("t")).send("heed"))
        await desk.gate.reached()
        closing = asyncio.create_task(threads.close())
        for _ in range(steps + 1):
            await asyncio.sleep(0)
        closing.cancel()
        await asyncio.sleep(0)
        closing.cancel()  # as often as anybody likes
        closed, sent = await asyncio.gather(closing, sending, return_exceptions=True)

    assert (asyncio.CancelledError, ThreadsClosed, True) == (type(closed), type(sent), backend.closed)


def test_a_blocking_close_that_ctrl_c_breaks_into_closes_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever pressed it goes on at once with the exception; nothing stays open behind it."""
    flow, desk, backend = build(), Desk(), Noted(call("heed"))
    threads = handoff.sync.Threads(flow, deps=desk, backend=backend)
    threads.open("t").post("heed")
    asyncio.run(desk.gate.reached())
    submit = asyncio.run_coroutine_threadsafe

    def pressed(work: Any, loop: asyncio.AbstractEventLoop) -> Any:
        future = submit(work, loop)
        begun = threading.Event()
        loop.call_soon_threadsafe(begun.set)  # behind the first step of the close
        assert begun.wait(PATIENCE)
        monkeypatch.setattr(future, "result", interrupted)
        return future

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", pressed)
    with pytest.raises(KeyboardInterrupt):
        threads.close()

    assert backend.closed


async def test_a_request_that_ignores_its_cancellation_is_left_too(place: Place) -> None:
    """A backend cannot hold up a close with patience, and what it reports later is not written."""
    flow, gate = build_other(), Gate()
    backend = Noted("late", gate=gate)
    threads = Threads(flow, backend=backend, store=place.store(), clock=place.clock)
    await (await threads.open("t")).post("hello")
    await gate.reached()
    left = await place.patient(threads, 5.0, 1.0)
    closed = place.journal()
    gate.open()
    await place.clock.advance(60.0)

    assert ((), closed, True) == (left, place.journal(), backend.closed)


async def test_what_had_ended_in_time_is_kept_though_another_commit_was_in_its_way(tmp_path: Path) -> None:
    """Two bodies end together; the second waits for the first one's commit when patience ends, and is not lost."""
    flow, store, gate, held = Flow("twins", metadata=Metadata), SqlStore(tmp_path / "t.db"), Gate(), Gate()
    front = flow.assistant("front", instructions="Work.")

    @front.tool()
    async def work(what: str) -> str:
        """Work."""
        await gate.halt()
        return what

    def hook(point: str, *_: object) -> None:
        if point == "before":
            held.stop()

    threads = Threads(flow, backend=Embedded(Plays([call(work, what="one"), call(work, what="two")])), store=store)
    await (await threads.open("t")).post("work")
    await gate.reached(2)
    store.hooks.append(hook)
    gate.open()
    await held.reached()
    closing = asyncio.create_task(threads.close(patience=0))
    for _ in range(20):
        await asyncio.sleep(0)
    held.open()
    left = await closing
    again = SqlStore(tmp_path / "t.db")
    done = [record.data["output"] for record in again.journal("t") if record.data["type"] == "CallDone"]
    again.close()

    assert ((), ["one", "two"]) == (left, done)
