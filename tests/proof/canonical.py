"""Two worlds that can only do the same are one: the key under which the search knows a world.

Runs, batches, rows and tickets are named relative to the present, texts and times are dropped, items of `due` are
folded to what identifies them. Counters stay where a family has limits, else only what the loop rule reads.
"""

from __future__ import annotations

import marshal
from hashlib import blake2b
from typing import Any

from tests.proof.environment import World
from tests.proof.observer import tags_of


def key_of(world: World, *, counters: bool) -> bytes:
    """Return the world's key.

    Args:
        world: the world.
        counters: whether its counters can matter, because limits are near.
    """
    state, seen, server = world.state, world.seen, world.server
    runs = state.runs
    names = {ticket.id: index for index, ticket in enumerate(state.tickets)}

    def due(tags: Any) -> list[Any]:
        return [
            ("O", runs - tag[1], *tag[2:])
            if tag[0] == "O"
            else ("N", names.get(tag[1], -1))
            if tag[0] == "N"
            else ("S",)
            if tag[0] == "S"
            else tag
            for tag in tags
        ]

    def keys(found: Any) -> list[Any]:
        return sorted((runs - run, batch, call) for run, batch, call in found)

    tally = state.counters
    key = (
        state.assistant,
        state.metadata.get("x"),
        state.ref,
        str(state.phase),
        _run(state),
        due(tags_of(state.due)),
        [
            (one.call.tool, runs - one.run, one.batch, one.call.id, one.asker, one.stage, one.base.get("x"))
            for one in state.tickets
        ],
        (tally.times, sorted(tally.visited) if _may_move(world) else (), tally.limit_taken, tally.granted),
        (tally.handoffs, tally.calls, tally.runs, tally.total_handoffs, tally.total_calls, tally.total_runs)
        if counters
        else None,
        (state.wants, state.replied, state.moved, state.unanswered, state.silent_since is None),
        [_row(row, state, names) for row in world.rows],
        (server.messages, keys(server.missing)),
        _active(server, state, keys),
        tuple(world.budget),
        keys(world.bodies),
        keys(world.begun & _alive(state)) if world.begun else (),
        world.sent,
        _seen(seen, due, names, runs, counters=counters),
    )
    return blake2b(marshal.dumps(key, 2), digest_size=16).digest()


def _active(server: Any, state: Any, keys: Any) -> Any:
    """Return what still matters of the server's latest run: nothing once it is over and known to be."""
    if state.run is None or server.run != state.run.number or (state.run.mode.swap and not server.phase):
        return None
    return (
        server.phase, server.request - state.run.request, server.status, server.asked, server.stored, server.known,
        server.told, server.new_messages, keys(server.new_outputs),
    )  # fmt: skip


def _alive(state: Any) -> set[tuple[int, int, str]]:
    """Return the calls whose bodies may still run."""
    alive = {(one.run, one.batch, one.call.id) for one in state.tickets}
    run = state.run
    if run is not None and run.batch is not None:
        alive |= {(run.number, run.batch.number, entry.call.id) for entry in run.batch.entries}
    return alive


def _may_move(world: World) -> bool:
    """Return whether a transition may still be asked for, so that the loop rule matters."""
    state = world.state
    open_batch = state.run is not None and state.run.batch is not None
    return bool(
        world.budget.turns or world.budget.timers or open_batch or state.tickets or world.rows or world.server.phase
    )


def _run(state: Any) -> Any:
    run = state.run
    if run is None:
        return None
    batch = None
    if run.batch is not None:
        batch = [
            (
                entry.call.tool,
                str(entry.progress),
                None if entry.patch is None else entry.patch["x"],
                entry.move is None,
                entry.ran,
                entry.output[:4],
            )
            for entry in run.batch.entries
        ]
    move = None if run.move is None else (run.move.dest, run.move.speak)
    return (
        run.assistant, run.mode.swap, run.mode.carry, run.mode.steer, str(run.status), run.unacknowledged, run.doubt,
        batch, run.batches, run.request, move, run.reply, run.stop, run.warned,
    )  # fmt: skip


def _row(row: Any, state: Any, names: dict[str, int]) -> Any:
    data = row.data
    if row.kind == "message":
        return ("m", data["policy"])
    if row.kind == "stop":
        return ("s", state.runs - data["run"])
    if row.kind == "resolved":
        return ("r", names.get(data["ticket"], -1), data["outcome"])
    if row.kind == "edit":
        return ("e", data["patch"]["x"])
    return ("t", data["stimuli"] == state.stimuli, data["timed"] == state.timed)


def _seen(seen: Any, due: Any, names: dict[str, int], runs: int, *, counters: bool) -> Any:
    return (
        seen.assistant, seen.x, seen.posted, seen.accepted, due(seen.due), seen.run == runs, seen.swap, seen.carry,
        seen.reply, seen.batch, seen.batches, seen.lane_x, len(seen.ran), seen.won, seen.pending, seen.stop,
        [(names.get(one.id, -1), one.stage, one.base) for one in seen.tickets],
        seen.wants, seen.replied, seen.moved, seen.tally if counters else None, seen.times,
        seen.limit_taken, seen.granted, bool(seen.failed), seen.unanswered, seen.warned,
    )  # fmt: skip
