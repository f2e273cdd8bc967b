"""A tool call from the model's words to its outcome, without running anything: the shells run the bodies.

`journaled` turns what the model wrote into calls the core can judge (B2); `prepare` binds a body to the values,
metadata and dependencies it is called with; `done` turns what came of it into the event of its batch, `late` into a
row for the inbox.
"""

from __future__ import annotations

import datetime as dt
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from handoff.core.batch import open_batch, renewed, winner, working_metadata
from handoff.core.commands import RunBody
from handoff.core.events import CallDone
from handoff.core.items import Asked
from handoff.core.state import JSON, Call, Entry, Progress, State, Ticket
from handoff.core.texts import joined, tell
from handoff.declaration.consulting import Consultation, Inquiry
from handoff.declaration.effects import Bound, BoundProbe
from handoff.declaration.flow import Denied, Flow
from handoff.declaration.metadata import Deps, ToolCall
from handoff.declaration.tools import Tool
from handoff.driving.judge import decide, unfit
from handoff.errors import ArgumentsRefused, EffectRefused, ToolError

logger = logging.getLogger("handoff")


def journaled(flow: Flow[Any, Any], state: State, written: Sequence[Asked]) -> tuple[Call, ...]:
    """Return the calls of one response with the facts the core judges them by.

    Args:
        flow: the declaration.
        state: the thread; a run is active.
        written: the calls as the model wrote them.
    """
    return tuple(replace(_call(flow, state, one), position=position) for position, one in enumerate(written))


def _call(flow: Flow[Any, Any], state: State, asked: Asked) -> Call:
    tool = flow.tool_named(state.assistant, asked.tool)
    if tool is None:
        answer = tell("unknown_tool", tool=asked.tool)
        return Call(asked.id, asked.tool, asked.arguments, answer=answer)
    try:
        values = tool.parse(asked.arguments)
    except ArgumentsRefused as error:
        answer = tell("bad_arguments", problem=error)
        return Call(asked.id, asked.tool, asked.arguments, answer=answer)
    return Call(
        asked.id,
        asked.tool,
        asked.arguments,
        lane=tool.lane,
        dests=flow.destinations(state.assistant, tool.name),
        idempotent=tool.idempotent,
        probed=tool.probe is not None,
        approval=tool.approval is not False and _asks_approval(tool, values, flow.metadata_from(state.metadata)),
    )


def _asks_approval(tool: Tool, values: dict[str, Any], metadata: Any) -> bool:
    try:
        return tool.asks_approval(values, metadata)
    except Exception:
        # A policy that fails must not let the call through.
        logger.exception("the approval policy of %s failed; the call waits for approval", tool.name)
        return True


@dataclass(frozen=True, slots=True)
class Body:
    """A body ready to run."""

    #: The command it serves.
    command: RunBody
    #: Its tool.
    tool: Tool
    #: The body with all it is called with.
    bound: Bound
    #: Its probe, where the body was started before and lost: asked first whether it happened (E2).
    probe: BoundProbe | None
    #: Whether it must be committed as started first (E1).
    commit_first: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a body, or why it did not run."""

    #: What the model is told.
    output: str
    #: The metadata fields it assigned.
    patch: dict[str, JSON]
    #: The destination it chose.
    go: str | None = None
    #: It ran to its end and did not fail.
    ran: bool = False
    #: The result comes later from outside.
    pending: bool = False
    #: Its probe could not tell what happened.
    in_doubt: bool = False
    #: Its body was started and failed.
    failed: bool = False
    #: Traceback of a failure, for people.
    trace: str = ""


def prepare(
    flow: Flow[Any, Any],
    state: State,
    command: RunBody,
    deps: Deps | None,
    report: Callable[[str, float | None], None],
    *,
    at: float,
    consult: Callable[[Inquiry[Any]], Consultation[Any]] | None = None,
) -> Body | Result:
    """Bind a body to what it is called with; a Result if it cannot run now.

    Args:
        flow: the declaration.
        state: the thread, with the call in its batch or as a ticket.
        command: which body.
        deps: what the process lends.
        report: where the body's progress goes.
        at: the time now, Unix seconds.
        consult: opens a side room for the body.
    """
    call, asker, begun = asked(state, command)
    tool = flow.tool_named(asker, call.tool)
    if tool is None:
        return Result(tell("unknown_tool", tool=call.tool), {})
    metadata = flow.metadata_from(working_metadata(state))
    if not begun:
        reason = tool.unavailable(metadata)
        if reason is not None:
            return Result(tell("not_now", reason=reason), {})
    try:
        values = tool.parse(call.arguments)
    except ArgumentsRefused as error:
        return Result(tell("bad_arguments", problem=error), {})
    key = f"{state.birth}/{command.run}/{command.batch}/{command.call}"  # of no other store, whatever its ids are
    deadline = _deadline(state, command, tool, at)
    tool_call = ToolCall(command.call, key, state.thread, deadline, report, _declared(tool, consult))
    bound = tool.bind(values, metadata, deps, tool_call)
    probe = tool.bind_probe(values, metadata, deps, tool_call) if begun and call.probed else None
    return Body(command, tool, bound, probe, commit_first=not call.idempotent and not begun)


def again(
    body: Body,
    arguments: str,
    deps: Deps | None,
    report: Callable[[str, float | None], None],
    consult: Callable[[Inquiry[Any]], Consultation[Any]] | None,
) -> Body:
    """Return the same body, not run, as another world would run it.

    Args:
        body: the body.
        arguments: as the model wrote them.
        deps: what the process lends there.
        report: where the body's progress goes there.
        consult: opens a side room for the body there.
    """
    values, consulting = body.tool.parse(arguments), _declared(body.tool, consult)
    return replace(body, bound=body.bound.again(values, deps, report=report, consulting=consulting))


def _declared(
    tool: Tool, consult: Callable[[Inquiry[Any]], Consultation[Any]] | None
) -> Callable[[Inquiry[Any]], Consultation[Any]] | None:
    """What opens rooms for the flows that the tool declares, and for no others."""
    if consult is None:
        return None

    def begin(inquiry: Inquiry[Any]) -> Consultation[Any]:
        if all(one is not inquiry.flow for one in tool.consults):
            name = inquiry.flow.name
            raise EffectRefused(tool.name, f"consulted {name} without declaring it: add consults={name}")
        return consult(inquiry)

    return begin


def _deadline(state: State, command: RunBody, tool: Tool, at: float) -> dt.datetime | None:
    """Return when the call is answered pending if it is not done; None once it is a ticket."""
    if command.ticket is not None or state.run is None:
        return None
    grace = state.run.deadline - state.limits.grace
    return dt.datetime.fromtimestamp(grace if tool.timeout is None else min(grace, at + tool.timeout), dt.UTC)


def asked(state: State, command: RunBody) -> tuple[Call, str, bool]:
    """Return the call, who asked, and whether its body was started before.

    Args:
        state: the thread, with the call in its batch or as a ticket.
        command: which body.
    """
    for ticket in state.tickets:
        if (ticket.run, ticket.batch, ticket.call.id) == (command.run, command.batch, command.call):
            return ticket.call, ticket.asker, ticket.stage == "running"
    entry = _entry(state, command)
    return entry.call, state.assistant, entry.progress is Progress.STARTED


def _entry(state: State, command: RunBody) -> Entry:
    return next(entry for entry in open_batch(state).entries if entry.call.id == command.call)


def finished(body: Body, returned: object) -> Result:
    """Return what the body's return value comes to: effects declared and performed, or a failure.

    Args:
        body: the body.
        returned: what it returned, awaited.
    """
    try:
        outcome = body.bound.finish(returned)
    except EffectRefused as error:
        return failed(error)
    return Result(outcome.output, dict(outcome.patch), outcome.go, ran=True, pending=outcome.pending)


def spoken(error: BaseException) -> Result | None:
    """Return what the model is told of a body that raised a ToolError; None if it raised anything else."""
    return Result(str(error), {}, failed=True) if isinstance(error, ToolError) else None


def failed(error: BaseException) -> Result:
    """Return what the model is told of a body that raised: its own words for a ToolError, else a neutral text."""
    told = spoken(error)
    if told is not None:
        return told
    trace = "".join(traceback.format_exception(error))
    logger.error("a tool failed: %s", error, exc_info=error)
    return Result(tell("tool_failed"), {}, failed=True, trace=trace)


def done(flow: Flow[Any, Any], state: State, command: RunBody, result: Result, at: float) -> CallDone:
    """Return the event of a call in its batch, with the flow's verdict on its transition.

    Args:
        flow: the declaration.
        state: the thread as journaled now; the call is open in its batch.
        command: which body.
        result: what came of it.
        at: the time now, Unix seconds.
    """
    where = (at, command.run, command.batch, command.call)
    if result.in_doubt or result.pending:
        return CallDone(*where, result.output, ran=False, pending="in_doubt" if result.in_doubt else "waiting")
    if not result.ran:
        return CallDone(*where, result.output, ran=False, trace=result.trace, failed=result.failed)
    batch, call = open_batch(state), _entry(state, command).call
    if not call.dests or winner(batch) is not None:
        return CallDone(*where, result.output, result.patch)
    metadata = {**working_metadata(state), **result.patch}
    verdict = decide(flow, state, call.tool, metadata, go=result.go, renewed=renewed(batch))
    if not isinstance(verdict, Denied):
        return CallDone(*where, result.output, result.patch, verdict)
    unsets = any(value is None for value in result.patch.values())
    if unsets and unfit(flow, state, state.assistant, metadata) is not None:
        # What it cleared was for the assistant it did not get to: the one that stays needs it.
        output = joined(result.output, tell("patch_refused"))
        return CallDone(*where, output, {}, denied=verdict.reason)
    return CallDone(*where, result.output, result.patch, denied=verdict.reason)


def late(ticket: Ticket, result: Result) -> dict[str, Any]:
    """Return the inbox row of a body whose batch has settled without it.

    Args:
        ticket: the ticket that took the call over.
        result: what came of it.
    """
    if result.in_doubt or result.pending:
        return {"ticket": ticket.id, "outcome": "in_doubt" if result.in_doubt else "waiting"}
    return {
        "ticket": ticket.id,
        "outcome": "result",
        "output": result.output,
        "patch": result.patch,
        "go": result.go,
        "ran": result.ran,
        "failed": result.failed,
        "trace": result.trace,
    }


def settled_by(
    flow: Flow[Any, Any], state: State, ticket: Ticket, output: str, *, happened: bool, by: str
) -> dict[str, Any]:
    """Return the inbox row of a call whose outcome comes from outside: the world's, or a person's word.

    Args:
        flow: the declaration.
        state: the thread.
        ticket: the ticket of the call.
        output: what the model is told.
        happened: whether the call took effect; its arguments named in `sets` are stored then, and its transition may be
            taken, unless its body was to set a field that is still unset.
        by: who says so.
    """
    result = Result(output, {}, ran=happened)
    if happened:
        command = RunBody(ticket.run, ticket.batch, ticket.call.id, ticket.id)
        body = prepare(flow, state, command, None, lambda _text, _fraction: None, at=0.0)
        if isinstance(body, Body):
            try:
                outcome = body.bound.finish(output)
            except EffectRefused:
                # What only the body could have assigned is missing: without it the transition would lead into nothing.
                result = replace(result, ran=False)
            else:
                result = Result(outcome.output, dict(outcome.patch), outcome.go, ran=True)
    return {**late(ticket, result), "by": by}


def is_decided(state: State, command: RunBody) -> bool:
    """Return whether the call has its outcome: it is open neither in its batch nor as a ticket."""
    return not open_in_batch(state, command) and ticket_of(state, command) is None


def open_in_batch(state: State, command: RunBody) -> bool:
    """Return whether the call is still open in its batch; else a ticket may have taken it over."""
    run = state.run
    if run is None or run.batch is None or (run.number, run.batch.number) != (command.run, command.batch):
        return False
    return any(entry.call.id == command.call and not entry.settled for entry in run.batch.entries)


def ticket_of(state: State, command: RunBody) -> Ticket | None:
    """Return the open ticket of the call."""
    key = (command.run, command.batch, command.call)
    return next((one for one in state.tickets if (one.run, one.batch, one.call.id) == key), None)
