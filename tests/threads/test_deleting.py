"""Deleting a thread for good, and going through the list of threads page by page, over both forms and each store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from handoff import ConfigurationError, Flow, NotDeleted, SqlStore, ThreadBusy, Threads, ThreadUnknown
from handoff.backends.assistants import Assistants
from handoff.backends.embedded import Embedded
from handoff.backends.responses import Responses
from handoff.store import Commit
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.law import build_desk, build_firm
from tests.support.models import Answers, Held, Plays, call
from tests.support.servers import Servers
from tests.support.waits import Waits
from tests.support.workshop import Bench, Job, build

FLOW = build()
#: Seconds until a run's grace.
GRACE = 590.0


def left_of(store: Any, *names: str) -> list[Any]:
    """All that a store has of these threads."""
    read = (store.journal, store.inbox, store.ledger, store.tickets)
    return [found for name in names for one in read if (found := one(name))] + store.threads() + store.outstanding()


async def test_all_of_a_thread_goes(world: World) -> None:
    """Nothing of it can be read again, whatever it had: history, calls, tickets, a row that waits."""
    async with world.threads(FLOW, Plays(call("buy", note="paint"), "I asked")) as threads:
        thread = await threads.open("t")
        await thread.send("buy paint")
        await threads.delete("t")
        found = left_of(threads.store, "t")

    assert [] == found


async def test_other_threads_stay(world: World) -> None:
    """A thread whose id only begins alike is none of it."""
    async with world.threads(FLOW, Plays()) as threads:
        for name in ("t", "t/1", "tt"):
            await threads.open(name)
        await threads.delete("t")
        found = await threads.summaries()

    assert ["t/1", "tt"] == sorted(name for name, _ in found)


async def test_side_rooms_go_with_their_thread(world: World) -> None:
    """Rooms are deleted with what they hold; one of them alone is not."""
    firm = build_firm()
    model = Answers(lambda prompt: _asks(prompt) if prompt.assistant == "front" else "the law")
    async with world.threads(build_desk(firm), model) as threads:
        thread = await threads.open("t")
        await thread.send("May I?")
        (room,) = await thread.rooms()
        with pytest.raises(ConfigurationError, match="side room"):
            await threads.delete(room.id)
        await threads.delete("t")
        found = left_of(threads.store, "t", room.id)

    assert [] == found


def _asks(prompt: Any) -> Any:
    return "done" if len(prompt.items) > 1 else call("ask", country="Italy")


async def test_an_unknown_thread_is_told(world: World) -> None:
    """What is not there is not deleted; nor is a thread twice."""
    async with world.threads(FLOW, Plays()) as threads:
        await threads.open("t")
        await threads.delete("t")
        with pytest.raises(ThreadUnknown) as refused:
            await threads.delete("t")

    assert "t" == refused.value.thread


async def test_a_thread_of_another_flow_is_refused(world: World) -> None:
    """It is for the threads of its own flow, whose backend knows what its server holds."""
    async with world.threads(build_firm(), Plays()) as threads:
        await threads.open("t")
        store = threads.store
        async with Threads(FLOW, deps=Bench(), backend=Embedded(Plays()), store=store) as others:
            with pytest.raises(ConfigurationError, match="firm"):
                await others.delete("t")
            found = store.summary("t")

    assert found is not None


async def test_an_active_run_is_a_reason_to_refuse(world: World) -> None:
    """While it is driven nothing is deleted; after a cancel it is."""
    gate = Gate()
    async with world.threads(FLOW, Plays(Held(gate, "never"))) as threads:
        thread = await threads.open("t")
        await thread.post("hello")
        await gate.reached()
        with pytest.raises(ThreadBusy, match="Cancel its run") as refused:
            await threads.delete("t")
        await thread.cancel()
        await threads.delete("t")
        found = left_of(threads.store, "t")

    assert ("t", []) == (refused.value.thread, found)


async def test_whoever_holds_a_deleted_thread_is_told(world: World) -> None:
    """Every call of an object made before says that the thread is gone, and none of them brings it back."""
    async with world.threads(FLOW, Plays("hello")) as threads:
        thread = await threads.open("t")
        await thread.send("hello")
        await threads.delete("t")
        calls = [
            lambda: thread.send("again"),
            lambda: thread.post("again"),
            thread.transcript,
            thread.cancel,
            thread.wake,
            thread.rooms,
            lambda: thread.edit(note="x"),
            lambda: thread.approve("T1"),
            lambda: threads.get("t"),
        ]
        errors = [await _raised(one()) for one in calls]
        found = left_of(threads.store, "t")

    assert ([ThreadUnknown] * len(calls), []) == (errors, found)


async def _raised(work: Any) -> type[BaseException] | None:
    try:
        await work
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return type(error)
    return None


async def test_the_id_may_be_opened_anew(world: World) -> None:
    """It is another thread: nothing of the old one is known, keys are free, and the old object does not reach it."""
    async with world.threads(FLOW, Plays("one", "two")) as threads:
        old = await threads.open("t", metadata=Job(note="old"))
        await old.send("hello", key="k")
        await threads.delete("t")
        new = await threads.open("t")
        reply = await new.send("another text", key="k")
        told = await _raised(old.send("hello"))
        births = old.state.birth != new.state.birth

    assert ("two", None, ThreadUnknown, True) == (reply.text, new.metadata.note, told, births)


async def test_a_body_that_runs_is_a_reason_to_refuse(world: World) -> None:
    """What a tool still does for a ticket would come to nobody: when it has ended, the thread is deleted."""
    world.bench = Bench("dig")
    async with world.threads(FLOW, Plays(call("dig", what="gold"), "still digging", "found")) as threads:
        thread = await threads.open("t")
        await thread.post("dig", key="1")
        await world.bench.gates["dig"].reached()
        await world.advance(threads, GRACE)
        await thread.send("dig", key="1")
        with pytest.raises(ThreadBusy, match="a tool of it still runs") as refused:
            await threads.delete("t")
        world.bench.open_all()
        await thread.wait()
        await threads.delete("t")
        found = left_of(threads.store, "t")

    assert ("t", []) == (refused.value.thread, found)


async def test_a_room_that_is_driven_is_a_reason_to_refuse(world: World) -> None:
    """As long as a call asks its room, neither of them is deleted."""
    gate = Gate()
    model = Plays(call("ask", country="Italy"), Held(gate, "the law"), "done")
    async with world.threads(build_desk(build_firm()), model) as threads:
        thread = await threads.open("t")
        await thread.post("May I?", key="1")
        await gate.reached()
        with pytest.raises(ThreadBusy):
            await threads.delete("t")
        gate.open()
        reply = await thread.send("May I?", key="1")

    assert "done" == reply.text


async def test_a_thread_that_a_crash_left_is_deleted(tmp_path: Any) -> None:
    """A run and a body that nobody is at any more are no hindrance."""
    path, bench = tmp_path / "t.db", Bench("watch")
    left = Threads(FLOW, deps=bench, backend=Embedded(Plays(call("watch", what="birds"))), store=SqlStore(path))
    await (await left.open("t")).post("watch")
    await bench.gates["watch"].reached()
    await left.close(patience=0)
    async with Threads(FLOW, deps=Bench(), backend=Embedded(Plays()), store=SqlStore(path)) as threads:
        before = threads.store.outstanding()
        await threads.delete("t")
        found = left_of(threads.store, "t")

    assert (["t"], []) == (before, found)


async def test_a_body_that_was_left_is_a_reason_to_refuse(tmp_path: Any) -> None:
    """Its process let it go, and it has not ended: what it does is not to happen on a thread that is gone."""
    path, bench = tmp_path / "t.db", Bench("look")
    left = Threads(FLOW, deps=bench, backend=Embedded(Plays(call("look", what="birds"))), store=SqlStore(path))
    await (await left.open("t")).post("look")
    await bench.gates["look"].reached()
    await left.close(patience=0)
    async with Threads(FLOW, deps=Bench(), backend=Embedded(Plays()), store=SqlStore(path)) as threads:
        with pytest.raises(ThreadBusy, match="still runs"):
            await threads.delete("t")
        bench.open_all()
        found = threads.store.summary("t")

    assert found is not None


async def test_a_delete_that_is_cut_off_is_done_again(world: World) -> None:
    """The store refuses at the last moment: the thread is whole, goes on, and is deleted by the next attempt."""
    refusing = [True]

    def refuse(moment: str, what: str, thread: str) -> None:
        del thread
        if (moment, what) == ("before", "delete") and refusing.pop():
            raise OSError("the disk is full")

    async with world.threads(FLOW, Plays("one", "two")) as threads:
        thread = await threads.open("t")
        await thread.send("hello")
        threads.store.hooks.append(refuse)
        with pytest.raises(OSError, match="disk"):
            await threads.delete("t")
        reply = await thread.send("again")
        threads.store.hooks.clear()
        await threads.delete("t")
        found = left_of(threads.store, "t")

    assert ("two", []) == (reply.text, found)


async def test_no_body_begins_on_a_deleted_thread(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Deleted when its body was about to take its lock, a call that nobody has seen start has no effect."""
    flow, bench, path = Flow("kiosk", deps=Bench), Bench(), tmp_path / "t.db"
    front = flow.assistant("front", instructions="Sell.")

    @front.tool(approval=True, idempotent=True)
    def buy(bench: Bench) -> str:
        """Buy it, if a person agrees."""
        bench.begin("buy")
        return "bought"

    async with Threads(flow, deps=bench, backend=Embedded(Plays(call("buy"), "wait")), store=SqlStore(path)) as threads:
        thread = await threads.open("t")
        await thread.send("buy")
        take = threads.store.lock

        def lock(name: str) -> Any:
            if "\0" in name:
                threads.store.delete(["t"])
            return take(name)

        threads.store.lock = lock  # type: ignore[method-assign]
        await thread.approve(thread.tickets[0].id)
        await thread.wait()
        found = left_of(threads.store, "t")

    assert (0, []) == (bench.count("buy"), found)
    assert [] == [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_no_room_is_opened_under_a_deleted_thread(world: World) -> None:
    """Deleted when its call was about to open one, the thread leaves nothing behind."""
    async with world.threads(build_desk(build_firm()), Plays(call("ask", country="Italy"))) as threads:
        thread = await threads.open("t")
        append = threads.store.append

        def appended(name: str, commit: Any) -> int:
            if "/room:" in name:
                threads.store.delete(["t"])
            return int(append(name, commit))

        threads.store.append = appended
        told = await _raised(thread.send("May I?"))
        found = left_of(threads.store, "t")

    assert (ThreadUnknown, []) == (told, found)


def replaced(store: Any) -> None:
    """Delete the thread, and open another one of its id."""
    (opened, *_), summary = store.journal("t"), store.summary("t")
    store.delete(["t"])
    store.append("t", Commit(0, [{**opened.data, "birth": opened.data["birth"] + "+"}], (), None, summary))


@pytest.mark.parametrize("act", [pytest.param("decide", id="decision"), pytest.param("silence", id="silence")])
async def test_what_is_about_the_one_before_does_not_reach_the_next(world: World, act: str) -> None:
    """Another process opened the id anew just before the row was committed: it is refused."""
    model = Plays(call("open_page", page="about"), call("buy", note="paint"), "wait")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("buy paint")
        post = threads.store.post

        def posted(name: str, *args: Any, **given: Any) -> Any:
            replaced(threads.store)
            return post(name, *args, **given)

        threads.store.post = posted
        if act == "decide":
            told = await _raised(thread.approve(thread.tickets[0].id))
        else:
            await world.advance(threads, 600.0)
            await threads.sweep()
            told = ThreadUnknown
    store = world.store()  # by now nobody looks at silences any more
    found = len(store.journal("t")), store.inbox("t")
    store.close()

    assert (ThreadUnknown, (1, [])) == (told, found)


async def test_who_still_knows_the_one_before_does_not_disturb_the_next() -> None:
    """A driver that was left behind tells nobody who waits for the new thread that it is gone."""
    async with Threads(FLOW, deps=Bench(), backend=Embedded(Plays("one"))) as threads:
        await (await threads.open("t")).send("hello")
        behind = threads._host.driver("t")
        await threads.delete("t")
        watching = asyncio.create_task(_last((await threads.open("t")).watch()))
        await asyncio.sleep(0)
        told = await _raised(behind.catch_up())
        found = watching.done()

    assert (ThreadUnknown, False) == (told, found)
    await watching


async def test_a_watcher_is_told(tmp_path: Any) -> None:
    """Whoever watches in this process gets the error instead of waiting for ever."""
    async with Threads(FLOW, deps=Bench(), backend=Embedded(Plays()), store=SqlStore(tmp_path / "t.db")) as threads:
        thread = await threads.open("t")
        watching = asyncio.create_task(_last(thread.watch()))
        await asyncio.sleep(0)
        await threads.delete("t")
        with pytest.raises(ThreadUnknown):
            await watching

    assert watching.done()


async def _last(events: AsyncGenerator[Any, None]) -> None:
    async for _ in events:
        pass


async def test_others_on_the_same_file_are_told(tmp_path: Any) -> None:
    """Another owner of the store who has the thread open gets the error, also where the id was opened anew."""
    path = tmp_path / "t.db"

    def owner() -> Threads[Any]:
        return Threads(FLOW, deps=Bench(), backend=Embedded(Plays("one", "two", "three")), store=SqlStore(path))

    async with owner() as here, owner() as there:
        mine = await here.open("t")
        await mine.send("hello")
        theirs = await there.open("t")
        await here.delete("t")
        first = [await _raised(theirs.transcript()), await _raised(theirs.send("hello"))]
        new = await here.open("t")
        second = [await _raised(theirs.send("hello")), await _raised(theirs.transcript())]
        seen = await new.transcript()
        again = await (await there.open("t")).send("hello")

    assert ([ThreadUnknown] * 2, [ThreadUnknown] * 2, ()) == (first, second, seen)
    assert "one" == again.text


async def test_an_id_that_another_owner_opened_anew_is_opened(tmp_path: Any) -> None:
    """What is known here of the one before is no hindrance."""
    path = tmp_path / "t.db"

    def owner() -> Threads[Any]:
        return Threads(FLOW, deps=Bench(), backend=Embedded(Plays("one", "two")), store=SqlStore(path))

    async with owner() as here, owner() as there:
        await (await there.open("t", metadata=Job(note="old"))).send("hello")
        await here.delete("t")
        await here.open("t", metadata=Job(note="new"))
        found = await there.open("t")
        reply = await found.send("hello")

    assert ("new", "two", 1) == (found.metadata.note, reply.text, found.state.runs)


async def test_another_owner_who_drives_it_is_a_reason_to_refuse(tmp_path: Any) -> None:
    """Who does not get the lock does not delete."""
    gate, path = Gate(), tmp_path / "t.db"
    driving = Threads(FLOW, deps=Bench(), backend=Embedded(Plays(Held(gate, "done"))), store=SqlStore(path))
    async with driving as there, Threads(FLOW, deps=Bench(), backend=Embedded(Plays()), store=SqlStore(path)) as here:
        thread = await there.open("t")
        await thread.post("hello", key="k")
        await gate.reached()
        with pytest.raises(ThreadBusy):
            await here.delete("t")
        gate.open()
        reply = await thread.send("hello", key="k")

    assert "done" == reply.text


async def test_a_sender_who_waits_is_told(tmp_path: Any) -> None:
    """A message that waited for the lock goes with the thread, and its sender is told instead of waiting for ever."""
    path, posted = tmp_path / "t.db", asyncio.Event()
    async with Threads(FLOW, deps=Bench(), backend=Embedded(Plays()), store=SqlStore(path)) as there:
        thread = await there.open("t")
        loop = asyncio.get_running_loop()

        def committed(moment: str, what: str, name: str) -> None:
            del name
            if (moment, what) == ("after", "post"):
                loop.call_soon_threadsafe(posted.set)

        there.store.hooks.append(committed)
        store = SqlStore(path)
        lock = store.lock("t")
        sending = asyncio.create_task(_raised(thread.send("hello")))
        await posted.wait()
        store.delete(["t"])
        assert lock is not None
        lock.release()
        told = await sending
        store.close()

    assert told is ThreadUnknown


# -- what the server holds ---------------------------------------------------------------------------------------------


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


SERVED = [
    pytest.param(Responses, {"history": "chain"}, "responses", id="chain"),
    pytest.param(Responses, {"history": "conversation"}, "conversations", id="conversation"),
    pytest.param(Assistants, {}, "threads", id="assistants"),
]


@pytest.mark.parametrize(("make", "options", "kept"), SERVED)
async def test_the_server_deletes_what_it_holds(stack: ExitStack, make: Any, options: Any, kept: str) -> None:
    """All that the journal knows an id of is gone at the server."""
    place: Servers[Any] = Servers(stack, make, {"clock": Waits(), **options})
    backend = place.start(Plays(*["hello"] * 2))
    async with Threads(FLOW, deps=Bench(), backend=backend) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        await thread.send("and now?")
        held = len(getattr(place.sandbox.world, kept))
        await threads.delete("t")

    assert held
    assert 0 == len(getattr(place.sandbox.world, kept))


@pytest.mark.parametrize(("make", "options", "kept"), SERVED)
async def test_what_the_server_does_not_delete_is_kept(stack: ExitStack, make: Any, options: Any, kept: str) -> None:
    """Nothing is lost: the store keeps the thread, with what it is called there, until the server is rid of it."""
    place: Servers[Any] = Servers(stack, make, {"clock": Waits(), **options})
    # As often as it is asked within the seconds it has.
    backend = place.start(Plays("hello"), *(f"500@{kept}.delete#{nth}" for nth in range(1, 6)))
    async with Threads(FLOW, deps=Bench(), backend=backend) as threads:
        await (await threads.open("t")).send("hello")
        with pytest.raises(NotDeleted) as refused:
            await threads.delete("t")
        between = [name for name, _ in await threads.summaries()], len(getattr(place.sandbox.world, kept))
        await threads.delete("t")
        found = left_of(threads.store, "t")

    assert ("t", (["t"], 1)) == (refused.value.thread, between)
    assert ([], 0) == (found, len(getattr(place.sandbox.world, kept)))


@pytest.mark.parametrize(("make", "options", "kept"), SERVED)
async def test_what_another_backend_has_is_not_forgotten(
    stack: ExitStack, make: Any, options: Any, kept: str, tmp_path: Any
) -> None:
    """Who cannot delete it at the server says so; with `server=False` it stays there."""
    place: Servers[Any] = Servers(stack, make, {"clock": Waits(), **options})
    path, backend = tmp_path / "t.db", place.start(Plays("hello"))
    async with Threads(FLOW, deps=Bench(), backend=backend, store=SqlStore(path)) as threads:
        await (await threads.open("t")).send("hello")
    async with Threads(FLOW, deps=Bench(), backend=Embedded(Plays()), store=SqlStore(path)) as threads:
        with pytest.raises(NotDeleted, match="the Embedded backend does not know"):
            await threads.delete("t")
        before = [name for name, _ in await threads.summaries()]
        await threads.delete("t", server=False)
        found = left_of(threads.store, "t")

    assert (["t"], [], 1) == (before, found, len(getattr(place.sandbox.world, kept)))


# -- page by page ------------------------------------------------------------------------------------------------------


async def test_pages_stay_right_while_threads_change(world: World) -> None:
    """A thread that moves to the front meanwhile is not shown twice, and those left alone are all shown."""
    async with world.threads(FLOW, Plays("hello")) as threads:
        for number in range(7):
            await threads.open(f"t{number}")
            if number % 2:  # the others are of the same time
                await world.advance(threads, 1.0)
        seen, after = [], None
        while page := await threads.summaries(limit=2, after=after):
            seen += [name for name, _ in page]
            if len(seen) == 2:
                await (await threads.get(seen[0])).send("hello")
            name, last = page[-1]
            after = last.at, name

    assert ["t6", "t4", "t5", "t2", "t3", "t0", "t1"] == seen


async def test_a_page_is_full_though_others_threads_stand_between(world: World) -> None:
    """Threads of other flows in the store, and side rooms, do not count."""
    async with (
        world.threads(FLOW, Plays()) as threads,
        Threads(build_firm(), deps=Bench(), backend=Embedded(Plays()), store=threads.store) as others,
    ):
        for number in range(3):
            await threads.open(f"t{number}")
            await others.open(f"other{number}")
        pages = [[name for name, _ in await threads.summaries(limit=limit)] for limit in (2, 3, 4)]

    assert [["t0", "t1"], ["t0", "t1", "t2"], ["t0", "t1", "t2"]] == pages


async def test_a_page_without_threads_is_refused(world: World) -> None:
    """A limit below one is a mistake."""
    async with world.threads(FLOW, Plays()) as threads:
        with pytest.raises(ConfigurationError, match="limit=0"):
            await threads.summaries(limit=0)
