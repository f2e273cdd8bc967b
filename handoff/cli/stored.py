"""`handoff threads …`: what is in a store, and what a person decides about its tickets.

A decision is committed to the thread's inbox; whoever drives the thread next acts on it. With `--flow` this command
drives the thread itself, at once. A result that may change metadata or hand over needs the flow: an installed one is
found by the name the thread was made with.
"""

from __future__ import annotations

import datetime as dt
import sys
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from handoff import Decision, Deps, Flow, MessageAdded, SqlStore, SystemClock, Thread, Threads, ThreadUnknown
from handoff.cli.connecting import Server, backend_of
from handoff.cli.exits import Exit, UsageRefused
from handoff.cli.interrupts import Guard, run
from handoff.cli.lending import lent
from handoff.cli.loading import installed_flow, load_flow
from handoff.cli.printing import STAGES, Screen, clean, counted, notice, write, write_json
from handoff.cli.talking import printer_for
from handoff.driving.decisions import decide, deliver, needs_flow, thread_state
from handoff.driving.deleting import taken
from handoff.driving.history import folded, replay, under_way
from handoff.driving.side_rooms import room_place
from handoff.store import Summary

Verb: TypeAlias = Literal["approve", "refuse", "resolve", "settle"]


def list_threads(path: Path, *, limit: int | None = None, json: bool) -> Exit:
    """Show the threads of a store, the latest first. Side rooms are shown with their parents.

    Args:
        path: the store's file.
        limit: how many at most; None for all.
        json: whether each is printed as a JSON object.
    """
    with closing(SqlStore(path)) as store:
        own = [(name, summary) for name, summary in store.threads() if room_place(name) is None]
        rows = [(name, summary, _open_tickets(store, name)) for name, summary in own[:limit]]
    if json:
        for name, summary, tickets in rows:
            write_json(_as_json(name, summary, tickets))
        return Exit.DONE
    table = [("THREAD", "FLOW", "ASSISTANT", "STATUS", "TICKETS", "LATEST")]
    table += [(name, one.flow, one.assistant, one.status, str(len(open_)), _time(one.at)) for name, one, open_ in rows]
    widths = [max(len(clean(row[column])) for row in table) for column in range(len(table[0]))]
    for row in table:
        write("  ".join(clean(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() + "\n")
    return Exit.DONE


def show_thread(path: Path, name: str, *, json: bool) -> Exit:
    """Show a thread: where it stands, what happened on it, and what waits.

    Args:
        path: the store's file.
        name: the thread's id.
        json: whether it is printed as JSON: the thread, then its events, one a line.

    Raises:
        ThreadUnknown: if the store has no such thread.
    """
    with closing(SqlStore(path)) as store:
        summary = store.summary(name)
        if summary is None:
            raise ThreadUnknown(name)
        events = list(replay(store.journal(name)))
        state = folded(store.journal(name))
        tickets = [row for row in store.tickets(name) if row.stage != "closed"]
        waiting = store.inbox(name)
        below = store.threads(f"{name}/")
    rooms = [(place, one) for other, one in below if (place := room_place(other)) and place.thread == name]
    if json:
        from handoff.events import as_json  # noqa: PLC0415 - beside its only use

        shown = _as_json(name, summary, [row.id for row in tickets])
        spent = {} if state is None else {"usage": asdict(state.usage)}
        write_json({**shown, **spent, "rooms": sorted(str(place) for place, _ in rooms)})
        for event in events:
            write_json(as_json(event))
        return Exit.DONE
    speakers = {event.assistant for event in events if isinstance(event, MessageAdded) and event.assistant is not None}
    screen = Screen((summary.assistant, *speakers))
    screen.line(f"{name}: {summary.flow} at {summary.assistant}, {summary.status}, {_time(summary.at)}", "bold")
    for field_name, value in summary.metadata.items():
        if value is not None:
            screen.line(f"  {field_name} = {value!r}", "dim")
    if state is not None and state.usage:
        screen.line(f"  {counted(state.usage)}", "dim")
    for event in events:
        screen.show(event)
    for call, started in under_way(state):
        progress = "has started and not ended" if started else "has no output yet"
        screen.line(f"call {call.tool}({call.arguments}) {progress}", "yellow")
    for row in tickets:
        screen.line(
            f"ticket {row.id}: {row.tool}({row.arguments}), asked by {row.asker}, {STAGES[row.stage]}", "yellow"
        )
        screen.line(f"  {_advice(row.stage, name, row.id, path)}", "dim")
    for place, room in sorted(rooms, key=lambda found: str(found[0])):
        screen.line(f"room {place.name}: {room.flow} at {room.assistant}, {room.status}", "yellow")
        screen.line(f"  handoff threads show {place} --store {path}", "dim")
    if waiting:
        screen.line(f"{len(waiting)} in the inbox: whoever drives the thread next takes them up", "yellow")
    return Exit.DONE


def delete_thread(path: Path, name: str, *, ask: bool, json: bool) -> Exit:
    """Delete a thread and its side rooms from a store, and say what servers still hold.

    Args:
        path: the store's file.
        name: the thread's id.
        ask: whether to ask first.
        json: whether what came of it is printed as JSON.

    Raises:
        ThreadUnknown: if the store has no such thread.
        ThreadBusy: if somebody drives it, or a tool of it still runs.
        UsageRefused: if nobody is there to be asked, or the answer is no.
    """
    with closing(SqlStore(path)) as store:
        summary = store.summary(name)
        if summary is None:
            raise ThreadUnknown(name)
        if ask and not _agreed(f"Delete {name} ({summary.flow}, {_time(summary.at)}) for good? [y/N] "):
            raise UsageRefused(f"thread {name} was not deleted; say y, or give --yes")
        with ExitStack() as locks:
            held = taken(store, name, None, locks)
            store.delete([one.name for one in held])
    rooms = [one.name for one in held[1:]]
    left = [ref for one in held for ref in one.refs]
    if json:
        write_json({"type": "deleted", "thread": name, "rooms": rooms, "left": left})
    else:
        also = f" with its side rooms, {len(rooms)} in all" if rooms else ""
        write(clean(f"{name}: deleted{also}\n"))
    if left:
        notice(clean(f"left at the server: {', '.join(left)}"))
    return Exit.DONE


def _agreed(question: str) -> bool:
    notice(clean(question))
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


@dataclass(frozen=True, slots=True)
class Order:
    """A person's decision, as written."""

    #: What is decided.
    verb: Verb
    #: THREAD/TICKET, or THREAD where one ticket can be meant.
    named: str
    #: The store's file.
    store: Path
    #: What the model is told of a result.
    output: str = ""
    #: What the model is told of a refusal.
    reason: str = ""
    #: Who decides.
    by: str = ""
    #: Whether the call took effect.
    happened: bool = True
    #: FLOW, to drive the thread at once.
    flow: str | None = None
    #: What its tools borrow.
    deps: list[str] = field(default_factory=list[str])
    #: Whether the decision and what follows from it are printed as JSON.
    json: bool = False


def carry_out(order: Order) -> Exit:
    """Commit a decision and, if a flow is named, act on it.

    Args:
        order: the decision.

    Raises:
        ThreadUnknown: if the store has no such thread.
        TicketClosed: if the ticket is not open for that decision.
        UsageRefused: if it is not clear which ticket is meant, or the flow is needed and not named.
    """
    with closing(SqlStore(order.store)) as store:
        thread, ticket = _named(store, order)
        flow = load_flow(order.flow) if order.flow is not None else _judging_flow(store, order, thread, ticket)
        if flow is None:
            _told(order, thread, _post(store, order, thread, ticket))
            notice("it waits in the inbox for whoever drives the thread next; --flow FLOW acts on it at once")
            return Exit.DONE
    with lent(flow, order.deps, order.store) as deps:
        return run(lambda guard: _drive(guard, flow, deps, order, thread, ticket))


def _post(store: SqlStore, order: Order, thread: str, ticket: str) -> Decision:
    clock = SystemClock()
    match order.verb:
        case "approve":
            return decide(store, thread, ticket, "approved", by=order.by, clock=clock)
        case "refuse":
            return decide(store, thread, ticket, "refused", reason=order.reason, by=order.by, clock=clock)
        case _:
            return deliver(store, thread, ticket, order.output, happened=order.happened, by=order.by, clock=clock)


def _judging_flow(store: SqlStore, order: Order, thread: str, ticket: str) -> Flow[Any, Any] | None:
    """Return the flow that has to judge what a result changes; None if the decision can wait in the inbox."""
    if order.verb in {"approve", "refuse"} or not order.happened:
        return None
    state = thread_state(store, thread)
    found = state.ticket(ticket)
    if found is None or not needs_flow(found):
        return None
    flow = installed_flow(state.flow)
    if flow is None:
        raise UsageRefused(
            f"what {found.call.tool} changes is declared in the flow {state.flow}: name it with --flow (and its --dep)"
        )
    return flow


async def _drive(guard: Guard, flow: Flow[Any, Any], deps: Deps | None, order: Order, name: str, ticket: str) -> Exit:
    printer = printer_for(flow, json=order.json)
    backend = backend_of(Server())
    async with Threads(flow, deps=deps, backend=backend, store=SqlStore(order.store)) as threads:
        thread = await threads.get(name)

        async def act() -> Exit:
            with threads.watching(name, printer.show):
                _told(order, name, await _decided(thread, order, ticket))
                await thread.wait()
            return Exit.DONE

        code = await guard(act())
        if code is None:
            await thread.cancel()
            return Exit.INTERRUPTED
        return code


async def _decided(thread: Thread[Any], order: Order, ticket: str) -> Decision:
    match order.verb:
        case "approve":
            return await thread.approve(ticket, by=order.by)
        case "refuse":
            return await thread.refuse(ticket, order.reason, by=order.by)
        case _:
            return await thread.settle(ticket, order.output, happened=order.happened, by=order.by)


def _told(order: Order, thread: str, decision: Decision) -> None:
    if order.json:
        shown = {"thread": thread, "ticket": decision.ticket, "outcome": decision.outcome, "by": decision.by}
        write_json({"type": "decision", **{key: value for key, value in shown.items() if value}})
    else:
        by = f" by {decision.by}" if decision.by else ""
        write(clean(f"{thread}/{decision.ticket}: {decision.outcome}{by}\n"))


def _named(store: SqlStore, order: Order) -> tuple[str, str]:
    """Return thread and ticket: as written, or the one open ticket that this decision can be about."""
    if store.summary(order.named) is None:
        thread, slash, ticket = order.named.rpartition("/")
        if not slash or store.summary(thread) is None:
            raise ThreadUnknown(thread or order.named)
        return thread, ticket
    approval = order.verb in {"approve", "refuse"}
    rows = [row for row in store.tickets(order.named) if row.stage != "closed"]
    meant = [row.id for row in rows if (row.stage == "approval") is approval]
    if len(meant) != 1:
        found = f"has {', '.join(meant)}: say which, as {order.named}/{meant[0]}" if meant else "has none"
        raise UsageRefused(f"{order.verb} needs one open ticket that waits for it; thread {order.named} {found}")
    return order.named, meant[0]


def _open_tickets(store: SqlStore, thread: str) -> list[str]:
    return [row.id for row in store.tickets(thread) if row.stage != "closed"]


def _as_json(name: str, summary: Summary, tickets: list[str]) -> dict[str, Any]:
    return {
        "type": "thread",
        "thread": name,
        "flow": summary.flow,
        "assistant": summary.assistant,
        "status": summary.status,
        "metadata": dict(summary.metadata),
        "tickets": tickets,
        "at": summary.at,
    }


def _time(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).astimezone().isoformat(sep=" ", timespec="seconds")


def _advice(stage: str, thread: str, ticket: str, path: Path) -> str:
    verbs = {"approval": "approve|refuse", "waiting": "resolve", "in_doubt": "settle"}.get(stage)
    if verbs is None:
        return "its result will come by itself"
    output = "" if stage == "approval" else " --output TEXT"
    return f"handoff threads {verbs} {thread}/{ticket} --store {path}{output} [--flow FLOW]"
