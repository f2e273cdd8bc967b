"""Tool bodies, and the crashes that cut them off.

A body that is not idempotent is committed as started before it begins (E1); what it did is known only when it returns,
into its batch or, if that has settled, through the inbox. At a crash each body under way had its effect or not, and
afterwards each is run again, asked of its probe, or left to a person, as its tool declares (E2).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.proof.commits import starting
from tests.proof.flow import TOOLS, route
from tests.proof.violation import Violation

if TYPE_CHECKING:
    from tests.proof.environment import Action, Budget, Environment, World

Key: TypeAlias = tuple[int, int, str]


def body_actions(play: Environment, world: World) -> Iterator[Action]:
    waiting = {row.data["ticket"] for row in world.rows if row.kind == "resolved"}
    for command in play.core.todo(world.state):
        if command.key[0] != "body" or command.ticket in waiting:
            continue  # a result in the inbox is as good as a body under way
        key = command.key[1:]
        label = f"{key[0]}.{key[1]}.{key[2]}"
        if key in world.bodies:
            yield f"body {label} returns", partial(_returns, play, world, command)
        else:
            yield from _begin(play, world, command, label)


def _begin(play: Environment, world: World, command: Any, label: str) -> Iterator[Action]:
    key, state = command.key[1:], world.state
    started = play.core.events.CallStarted(0.0, command.run, command.batch, command.call)
    bodies = world.bodies | {key}
    if command.ticket is not None:
        ticket = state.ticket(command.ticket)
        call, waits = ticket.call, ticket.stage == "approved"
    else:
        entry = next(one for one in state.run.batch.entries if one.call.id == command.call)
        call, waits = entry.call, entry.progress == "ready"
    if waits and not (call.idempotent and command.ticket is None):
        yield f"body {label} ({call.tool}) starts", partial(play.commit, world, started, bodies=bodies)
    elif waits:
        yield f"body {label} ({call.tool}) starts, idempotent", partial(_launch, play, world, command, bodies)
    elif call.probed:
        yield from _probe(play, world, command, label)
    else:
        yield f"body {label} ({call.tool}) is run again", partial(_launch, play, world, command, bodies)


def _launch(play: Environment, world: World, command: Any, bodies: frozenset[Key]) -> World:
    """Start a body without a commit of its own."""
    ready = command.ticket is None
    refuse(starting(world.seen, command.run, command.batch, command.call, asked=not ready))
    return world._replace(bodies=bodies)


def _probe(play: Environment, world: World, command: Any, label: str) -> Iterator[Action]:
    """Ask a tool what became of a body that a crash cut off: it happened, it did not, or nobody can tell."""
    key = command.key[1:]
    play.reached.add("a probe is asked")
    if key in world.begun:
        yield f"probe {label}: it happened", partial(_returns, play, world, command)
    else:
        bodies = world.bodies | {key}
        yield f"probe {label}: it did not happen", partial(world._replace, bodies=bodies)
    if command.ticket is None:
        event = play.core.events.CallDone(0.0, *key, "", pending="in_doubt")
        yield f"probe {label}: nobody can tell", partial(play.commit, world, event)
    else:
        data = {"ticket": command.ticket, "outcome": "in_doubt"}
        yield f"probe {label}: nobody can tell", partial(play.post, world, "resolved", data)


def _begun(play: Environment, world: World, key: Key, tool: str) -> frozenset[Key]:
    """Note that the body has had its effect, once if it is not idempotent (I14)."""
    if TOOLS[tool].idempotent:
        return world.begun
    if key in world.begun and key in world.bodies:
        raise Violation("I14", f"{tool} {key} has run before")
    return world.begun | {key}


def _returns(play: Environment, world: World, command: Any) -> World | None:
    """A body returns: into its batch, or through the inbox if its batch has settled."""
    key, state = command.key[1:], world.state
    bodies = world.bodies - {key}
    if command.ticket is not None:
        ticket = state.ticket(command.ticket)
        begun = _begun(play, world, key, ticket.call.tool)
        return play.post(world, "resolved", late_result(ticket), bodies=bodies, begun=begun)
    entry = next(one for one in state.run.batch.entries if one.call.id == command.call)
    begun = _begun(play, world, key, entry.call.tool)
    return play.commit(world, _done(play, state, entry.call), bodies=bodies, begun=begun)


def _done(play: Environment, state: Any, call: Any) -> Any:
    """Return what the shell reports of a body that has returned, with the flow's verdict."""
    tool, number, batch = TOOLS[call.tool], state.run.number, state.run.batch.number
    done = partial(play.core.events.CallDone, 0.0, number, batch, call.id)
    if tool.waits:
        return done("", pending="waiting")
    if tool.fails:
        return done("out: it failed", ran=False)
    patch = None if tool.sets is None else {"x": tool.sets}
    if not call.dests:
        return done("out", patch=patch)
    if play.core.winner(state.run.batch) is not None:
        return done(f"out {call.id}", patch=patch)
    facts = {**play.core.working_metadata(state), **(patch or {})}
    renewed = play.core.renewed(state.run.batch)
    move, denied = route(play.core, state.counters, state.limits, call.tool, state.assistant, facts, renewed=renewed)
    return done(f"out {call.id}", patch=patch, move=move, denied=denied)


def crash_actions(play: Environment, world: World) -> Iterator[Action]:
    """The process dies; each body under way had its effect or not; another process takes over."""
    under_way = sorted(
        key for key in world.bodies if key not in world.begun and not TOOLS[_tool(play, world, key)].idempotent
    )
    budget = world.budget._replace(crashes=world.budget.crashes - 1)
    for happened in product((False, True), repeat=len(under_way)):
        begun = world.begun | {key for key, did in zip(under_way, happened, strict=True) if did}
        label = f"the process dies ({sum(happened)} of {len(under_way)} bodies had their effect)"
        yield label, partial(_recover, play, world, begun, budget)


def _tool(play: Environment, world: World, key: Key) -> str:
    state = world.state
    for ticket in state.tickets:
        if (ticket.run, ticket.batch, ticket.call.id) == key:
            return str(ticket.call.tool)
    return str(next(one.call.tool for one in state.run.batch.entries if one.call.id == key[2]))


def _recover(play: Environment, world: World, begun: frozenset[Key], budget: Budget) -> World | None:
    state = world.state
    waiting = {row.data["ticket"] for row in world.rows if row.kind == "resolved"}
    lost = [
        (one.run, one.batch, one.call.id) for one in state.tickets if one.stage == "running" and one.id not in waiting
    ]
    if state.run is not None and state.run.batch is not None:
        number, batch = state.run.number, state.run.batch
        lost += [(number, batch.number, one.call.id) for one in batch.entries if one.progress == "started"]
    died = world._replace(
        bodies=frozenset(), begun=begun, budget=budget, sent=False, server=world.server._replace(told=False)
    )
    return play.commit(died, play.core.events.Recovered(0.0, tuple(lost)), server=died.server)


def late_result(ticket: Any) -> dict[str, Any]:
    """Return the row of a body or of the world that has its result, or of a body that says it comes later."""
    if TOOLS[ticket.call.tool].waits and ticket.stage in {"approved", "running"}:
        return {"ticket": ticket.id, "outcome": "waiting"}
    sets = TOOLS[ticket.call.tool].sets
    patch = None if sets is None else {"x": sets}
    return {"ticket": ticket.id, "outcome": "result", "output": "out late", "patch": patch}


def refuse(problem: tuple[str, str] | None) -> None:
    """Raise what is wrong, if anything is."""
    if problem is not None:
        raise Violation(*problem)
