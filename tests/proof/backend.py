"""The client of both kinds of backend, and the server's own moves.

The client does what a real one must: it tells what a request stored, reads back by key and call ids after every doubt
(C4), and calls "already terminal" a success (C1). A backend that swaps answers and forgets; the other kind keeps a run
that moves on its own, so what the driver knows of it lags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.proof import flow
from tests.proof.observer import tags_of
from tests.proof.server import Server, arrive

if TYPE_CHECKING:
    from tests.proof.environment import Action, Environment, World


def backend_actions(play: Environment, world: World) -> Iterator[Action]:
    """Return what client and server may do next."""
    run = world.state.run
    if run is None:
        return
    kinds = {type(command).__name__ for command in play.core.todo(world.state)}
    if play.family.refs and "SendRequest" in kinds and not world.sent and not world.state.ref:
        yield "the server has a name for the thread", partial(_word, play, world, world.server, "ThreadKnown", "named")
    if "SendRequest" in kinds and not world.sent:
        yield from _send(play, world)
    if "ReadBack" in kinds:
        yield from (_read_back_swapping if run.mode.swap else _read_back)(play, world)
    listens = "WatchRun" in kinds or ("SendRequest" in kinds and world.sent)
    if run.mode.swap:
        if listens and world.server.phase == "P":
            yield from _answers(play, world)
        if "CancelRun" in kinds:
            yield from _close(play, world)
        return
    yield from _moves(play, world)
    if listens and world.server.run == run.number:
        yield from _watch(play, world)
    if "CancelRun" in kinds:
        yield from _cancel(play, world)


def _word(play: Environment, world: World, server: Server, name: str, *args: Any, **changes: Any) -> World | None:
    """Tell the driver a word of its request: an event of that name, with what it shows to be stored."""
    run = world.state.run
    if name == "RunEnded":
        args = (play.core.status(args[0]), *args[1:])
    event = getattr(play.core.events, name)(0.0, run.number, run.request, *args)
    if play.family.refs and name in {"RequestAccepted", "CallsRequested", "RunEnded"}:
        event = replace(event, ref=f"{name} {server.messages}")
    return play.commit(world, event, server=server, **changes)


def _spend(world: World, **spent: int) -> Any:
    return world.budget._replace(**{name: getattr(world.budget, name) - amount for name, amount in spent.items()})


def _send(play: Environment, world: World) -> Iterator[Action]:
    run = world.state.run
    yield f"request {run.request} of run {run.number} arrives", partial(_arrives, play, world)
    if world.budget.doubts:
        yield (
            f"request {run.request} of run {run.number} is lost",
            partial(_word, play, world, world.server, "RequestDoubted", "", budget=_spend(world, doubts=1)),
        )


def _arrives(play: Environment, world: World) -> World | None:
    server = arrive(world.server, world.state, tags_of(world.state.due))
    if server is None:
        play.reached.add("a submit reaches a run that is over")
        return _word(play, world, world.server, "RequestDoubted", "400")
    return world._replace(server=server, sent=True)


def _doubt(play: Environment, world: World) -> Iterator[Action]:
    """The answer to a request that arrived is lost."""
    if world.budget.doubts and world.state.run.unacknowledged and world.sent:
        budget = _spend(world, doubts=1)
        lost = partial(_word, play, world, world.server, "RequestDoubted", "", budget=budget, sent=False)
        yield "its answer is lost", lost


# -- a backend that swaps ----------------------------------------------------------------------------------------------


def _answers(play: Environment, world: World) -> Iterator[Action]:
    server, stored = world.server, world.server.stored
    kept = server.keep()
    done = kept._replace(phase="")
    family = play.family
    if family.acknowledges and world.state.run.unacknowledged:
        yield "the request is acknowledged", partial(_word, play, world, kept, "RequestAccepted", stored)
    if world.budget.turns:
        for batch in batches(play, world):
            yield f"the model calls {', '.join(batch)}", partial(_calls, play, world, done, stored, batch)
    ends = partial(_word, play, world, done, "RunEnded")
    yield "the run is completed", partial(ends, "completed", stored, "hi")
    if world.budget.failures:
        budget = _spend(world, failures=1)
        for status in family.ends:
            if status in {"failed", "expired"} and not server.known:
                forgotten = partial(_word, play, world, server.forget(), "RunEnded", status, 0, budget=budget)
                yield f"the run is {status}, nothing stored", forgotten
            yield f"the run is {status}", partial(ends, status, stored, "part", budget=budget)
            if family.open_calls and status == "incomplete":
                yield "the run is incomplete with an open call", partial(_poisons, play, world, done, stored, status)
    yield from _doubt(play, world)


def batches(play: Environment, world: World) -> list[tuple[str, ...]]:
    """Return what the model may ask for in the next response."""
    assistant = world.state.run.assistant
    return [
        batch
        for batch in play.family.batches
        if not any(assistant in flow.dests(tool, assistant) for tool in batch) and assistant != "end"
    ]


def _calls(play: Environment, world: World, server: Server, stored: int, batch: tuple[str, ...]) -> World | None:
    run = world.state.run
    asked = {(run.number, run.batches + 1, str(index)) for index in range(len(batch))}
    server = server._replace(missing=server.missing | asked)
    calls = flow.calls(play.core, batch, run.assistant)
    return _word(play, world, server, "CallsRequested", stored, calls, budget=_spend(world, turns=1))


def _poisons(play: Environment, world: World, server: Server, stored: int, status: str, **spent: Any) -> World | None:
    """A response is stored with calls nobody will run (C2)."""
    run = world.state.run
    server = server._replace(missing=server.missing | {(run.number, run.batches + 1, "0")})
    calls = (play.core.items.Asked("0", "ordinary", "{}"),)
    budget = spent.get("budget", _spend(world, failures=1))
    return _word(play, world, server, "RunEnded", status, stored, "", "", calls, budget=budget)


def _read_back_swapping(play: Environment, world: World) -> Iterator[Action]:
    server, run = world.server, world.state.run
    if server.phase == "P" and (server.run, server.request) == (run.number, run.request):
        yield (
            "read back: the request is there",
            partial(_word, play, world, server.keep(), "RequestAccepted", server.stored, sent=True),
        )
        yield "read back: it never happened", partial(_word, play, world, server.forget(), "RequestAbsent")
    else:
        yield "read back: nothing is there", partial(_word, play, world, server, "RequestAbsent")


def _close(play: Environment, world: World) -> Iterator[Action]:
    """Closing our request is the terminal status (C1); what it carried is stored, or it never happened."""
    server, run = world.server, world.state.run
    ours = server.phase == "P" and (server.run, server.request) == (run.number, run.request)
    if not ours or not server.known:
        label = "our request is closed, nothing stored"
        yield label, partial(_word, play, world, server.forget(), "RunEnded", "cancelled", 0)
    if ours:
        done = server.keep()._replace(phase="")
        ends = partial(_word, play, world, done, "RunEnded", "cancelled", server.stored)
        yield "our request is closed, stored and cut off", partial(ends, "part")
        if play.family.open_calls:
            poisoned = partial(_poisons, play, world, done, server.stored, "cancelled", budget=world.budget)
            yield "our request is closed, stored with an open call", poisoned


# -- a backend that keeps the run --------------------------------------------------------------------------------------


def _moves(play: Environment, world: World) -> Iterator[Action]:
    """The server moves on its own."""
    server, budget = world.server, world.budget
    if server.phase == "P" and server.run == world.state.run.number:
        if budget.turns:
            for batch in batches(play, world):
                label = f"the server waits for {', '.join(batch)}"
                asked = server._replace(phase="A", asked=batch)
                yield label, partial(world._replace, server=asked, budget=_spend(world, turns=1))
        yield from _over(play, world, "completed")
    if server.phase in {"P", "A"} and budget.failures:
        for status in play.family.ends:
            if server.phase == "P" or status != "incomplete":
                yield from _over(play, world, status)
    if server.phase == "X":
        yield from _over(play, world, "cancelled")
        yield from _over(play, world, "completed")
        if "expired" in play.family.ends:
            yield from _over(play, world, "expired")


def _over(play: Environment, world: World, status: str) -> Iterator[Action]:
    del play
    spent = 0 if status in {"completed", "cancelled"} or world.server.phase == "X" else 1
    server = world.server._replace(phase="T", status=status)
    budget = _spend(world, failures=spent)
    yield f"on the server the run is {status}", partial(world._replace, server=server, budget=budget)


def _watch(play: Environment, world: World) -> Iterator[Action]:
    server, run = world.server, world.state.run
    if run.unacknowledged and server.request != run.request:
        return
    known = server._replace(known=True)
    if run.unacknowledged and (play.family.acknowledges or server.phase in {"P", "X"}):
        yield "the request is acknowledged", partial(_word, play, world, known, "RequestAccepted", server.stored)
    if server.phase == "A" and not server.told:
        yield "the driver is told of the calls", partial(_told, play, world, server.stored)
    if server.phase == "T":
        stored = server.stored if run.unacknowledged else 0
        yield "the driver is told of the end", partial(_ended, play, world, stored)
    yield from _doubt(play, world)


def _told(play: Environment, world: World, stored: int) -> World | None:
    server, run = world.server, world.state.run
    calls = flow.calls(play.core, server.asked, run.assistant)
    seen_before = run.batches >= run.request
    missing = server.missing
    if not seen_before:
        missing |= {(run.number, run.batches + 1, str(index)) for index in range(len(calls))}
    server = server._replace(known=True, told=True, missing=missing)
    return _word(play, world, server, "CallsRequested", stored, calls)


def _ended(play: Environment, world: World, stored: int) -> World | None:
    server = world.server
    text = "part" if server.status in {"cancelled", "failed"} and play.family.cut else ""
    return _word(play, world, server._replace(known=True), "RunEnded", server.status, stored, text)


def _read_back(play: Environment, world: World) -> Iterator[Action]:
    """By our key and the call ids, never by status alone (C4)."""
    server, run = world.server, world.state.run
    known = server._replace(known=True)
    if server.run != run.number:
        yield "read back: no such run", partial(_word, play, world, server, "RequestAbsent")
    elif server.phase == "T":
        stored = server.stored if server.request == run.request else 0
        yield "read back: the run is over", partial(_ended, play, world, stored)
    elif server.request == run.request:
        yield "read back: it is there", partial(_word, play, world, known, "RequestAccepted", server.stored, sent=True)
    else:
        yield "read back: the run still waits", partial(_word, play, world, server, "RequestAbsent")


def _cancel(play: Environment, world: World) -> Iterator[Action]:
    del play
    server = world.server
    if server.run != world.state.run.number:
        return
    if server.phase == "P":
        yield "the cancel arrives: cancelling", partial(world._replace, server=server._replace(phase="X"))
    if server.phase in {"P", "A"}:
        over = server._replace(phase="T", status="cancelled")
        yield "the cancel arrives: cancelled", partial(world._replace, server=over)
