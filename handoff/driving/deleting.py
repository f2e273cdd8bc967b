"""Deleting a thread for good: with its side rooms, from the server where it keeps something, and from the store.

Their locks, and those of the bodies of their calls, are held from the first look until the store has none of them: who
drives a thread, or runs a body of it, is not deleted from under. The server comes first, because only the store knows
what it holds: refused or cut off in between, the thread is still in the store, and deleting it again goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handoff.driving.bodies import body_lock
from handoff.driving.side_rooms import room_place
from handoff.errors import ConfigurationError, ThreadBusy, ThreadUnknown
from handoff.store.base import JournalRecord, Store

if TYPE_CHECKING:
    from handoff.driving.host import Host

#: What to do about a thread that is not deleted now.
_DRIVEN = "it was not deleted. Cancel its run, or let it end, and delete it then."
_RUNNING = "it was not deleted, because a tool of it still runs. Delete it when that has ended."


@dataclass(frozen=True, slots=True)
class Held:
    """A thread that is to be deleted, under its locks."""

    #: Its id.
    name: str
    #: What servers call what they have, or had, of it; the oldest first.
    refs: tuple[str, ...]


async def deleted(host: Host, name: str, *, server: bool) -> None:
    """Delete a thread; see `Threads.delete`.

    Args:
        host: of its flow.
        name: its id.
        server: whether what the server holds is deleted, too.
    """
    with ExitStack() as locks:
        held = await host.call(taken, host.store, name, host.flow.name, locks)
        if server:
            for one in held:
                if one.refs:
                    await host.backend.delete(one.name, one.refs)
        names = [one.name for one in held]
        await host.call(host.store.delete, names)
        for gone in names:
            host.forget(gone)


def taken(store: Store, name: str, flow: str | None, locks: ExitStack) -> list[Held]:
    """Take the locks of a thread and its rooms, and return what is to be deleted, the thread first.

    Args:
        store: where it lives.
        name: its id.
        flow: name of the flow it has to be of; None for any.
        locks: gives them up when it ends.

    Raises:
        ThreadUnknown: there is no such thread.
        ThreadBusy: somebody drives it or a room, or runs a body of a call.
        ConfigurationError: it is a room, or of another flow.
    """
    place = room_place(name)
    if place is not None and store.summary(place.thread) is not None:
        raise ConfigurationError(f"{name} is a side room: delete the thread it belongs to, {place.thread}")
    held: list[Held] = []
    names = [name]
    while names:
        one = names.pop()
        if not _locked(store, one, locks):
            raise ThreadBusy(one, _DRIVEN)
        records, summary = store.journal(one), store.summary(one)
        if summary is None:  # somebody else was first
            continue
        if not held and flow not in {None, summary.flow}:
            raise ConfigurationError(f"thread {name} is of the flow {summary.flow}: delete it with the threads of that")
        born = records[0].data.get("birth") or one
        places = [(row.run, row.batch, row.call) for row in store.ledger(one) if row.progress != "done"]
        if not all(_locked(store, body_lock(one, born, place), locks) for place in places):
            raise ThreadBusy(one, _RUNNING)
        held.append(Held(one, tuple(dict.fromkeys(_refs(records)))))
        # Only now: as long as a body ran, there could have been one more.
        below = [(other, room_place(other)) for other, _ in store.threads(f"{one}/")]
        names += [other for other, found in below if found is not None and found.thread == one]
    if not held:
        raise ThreadUnknown(name)
    return held


def _locked(store: Store, name: str, locks: ExitStack) -> bool:
    lock = store.lock(name)
    if lock is not None:
        locks.callback(lock.release)
    return lock is not None


def _refs(records: list[JournalRecord]) -> Iterator[str]:
    for record in records:
        ref = record.data.get("ref")
        if isinstance(ref, str) and ref:
            yield ref
