"""The flow's verdicts on a thread: what `turn.advance` and the calls of a batch ask the declaration.

Every destination is decided by `Flow.judge`, which fires the Machine; what the bounds block is handed to it as one more
condition, so that the next destination is tried. A verdict becomes data here (`Move`), because the core knows no flow.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from handoff.core.bounds import blocked, ends_round, stimulated
from handoff.core.state import END, JSON, Counters, Mode, Move, Phase, Speak, State, Ticket
from handoff.core.texts import tell
from handoff.core.tickets import late_patch
from handoff.declaration.assistants import Options, Transition
from handoff.declaration.flow import Denied, Flow
from handoff.declaration.hosted import described
from handoff.declaration.reply_models import format_of
from handoff.driving.turn import Brief, Verdict
from handoff.errors import InstructionsError, MetadataRefused

SPEAK: dict[object, Speak] = {True: "yes", False: "no", "output": "output"}


def move_of(transition: Transition) -> Move:
    """Return a transition as the core knows it."""
    return Move(
        transition.key,
        transition.trigger,
        transition.source,
        transition.dest,
        transition.kind,
        SPEAK[transition.speak],
        transition.times,
    )


def decide(
    flow: Flow[Any, Any],
    state: State,
    trigger: str,
    metadata: Mapping[str, JSON],
    *,
    go: str | None = None,
    counters: Counters | None = None,
    renewed: bool = False,
) -> Move | Denied:
    """Ask the flow for a destination, within the bounds.

    Args:
        flow: the declaration.
        state: the thread.
        trigger: name of the tool, or of a transition without one.
        metadata: what the guards read.
        go: the destination the body chose.
        counters: what has been used, if not what the thread says.
        renewed: whether something new has come since the last transition (see `bounds.blocked`).
    """
    used = state.counters if counters is None else counters

    def bound(transition: Transition) -> str | None:
        return blocked(
            used,
            state.limits,
            metadata,
            transition=transition.key,
            dest=transition.dest,
            times=transition.times,
            renewed=renewed or ends_round(transition.kind, speaks=bool(transition.speak)),
        )

    asked = flow.metadata_from(metadata)
    verdict = flow.judge(state.assistant, trigger, asked, previous=state.previous, go=go, blocked=bound)
    return verdict if isinstance(verdict, Denied) else move_of(verdict)


def silences(flow: Flow[Any, Any], assistant: str) -> list[tuple[float, str]]:
    """Return (seconds, trigger) of the assistant's `after` transitions, the shortest first."""
    found = {
        (one.delay.total_seconds(), one.trigger)
        for one in flow.transitions
        if one.kind == "after" and one.source == assistant and one.delay is not None
    }
    return sorted(found)


def wake_at(flow: Flow[Any, Any], state: State) -> float | None:
    """Return when the thread's next silence ends, Unix seconds, or None."""
    if state.phase is not Phase.REST or state.silent_since is None or state.closed:
        return None
    delays = silences(flow, state.assistant)
    return state.silent_since + delays[state.timed][0] if state.timed < len(delays) else None


def assistant_id(flow: Flow[Any, Any], assistant: str) -> str:
    """Return the assistant's id: flow, name, and a hash of what it is made of (A).

    Args:
        flow: the declaration, frozen.
        assistant: its name.
    """
    declared = flow.assistants[assistant]
    tools = [(tool.name, tool.description, tool.schema) for tool in flow.tools_of(assistant).values()]
    template = None if declared.instructions is None else declared.instructions.text
    made_of = json.dumps([template, declared.model, _options(declared.options), tools], sort_keys=True)
    return f"{flow.name}.{assistant}@{hashlib.sha256(made_of.encode()).hexdigest()[:12]}"


def _options(options: Options) -> dict[str, Any]:
    """Options as JSON, without secrets; what is not declared leaves no trace in the hash."""
    known: dict[str, Any] = {
        "temperature": options.temperature,
        "tool_choice": options.tool_choice,
        "max_output_tokens": options.max_output_tokens,
        "view": options.view,
    }
    if options.reply is not None:
        known["reply"] = format_of(options.reply).schema
    if options.hosted:
        known["hosted"] = [described(tool) for tool in options.hosted]
    return known


def unfit(flow: Flow[Any, Any], state: State, assistant: str, metadata: Mapping[str, JSON]) -> str | None:
    """Return why that assistant could not be instructed with that metadata, or None.

    Args:
        flow: the declaration.
        state: the thread.
        assistant: who would be active.
        metadata: valid metadata.
    """
    if assistant == END:
        return None
    try:
        flow.render(assistant, flow.metadata_from(metadata), previous=state.previous, trigger=state.trigger)
    except InstructionsError as error:
        return error.problem
    return None


class FlowJudge:
    """A flow as `turn.advance` asks it.

    Args:
        flow: the declaration, frozen.
        mode: what the backend of the next run can do.
    """

    def __init__(self, flow: Flow[Any, Any], mode: Mode) -> None:
        self._flow = flow
        self._mode = mode
        self._ids: dict[str, str] = {}
        #: Whose reply may be followed by a transition.
        self._followed = frozenset(one.source for one in flow.transitions if one.kind == "then")

    def then(self, state: State) -> Move | None:
        """Return the transition that follows the reply just given, if one may be taken."""
        if state.assistant not in self._followed:
            return None
        verdict = decide(self._flow, state, "then", state.metadata)
        return None if isinstance(verdict, Denied) else verdict

    def limit(self, state: State) -> Move | None:
        """Return the transition to take where a start is refused by a limit; no bound holds it back."""
        verdict = self._flow.judge(
            state.assistant, "on_limit", self._flow.metadata_from(state.metadata), previous=state.previous
        )
        return None if isinstance(verdict, Denied) else move_of(verdict)

    def silence(self, state: State) -> Move | str:
        """Return the transition of the silence that has ended, or why none is taken."""
        delays = silences(self._flow, state.assistant)
        if state.timed >= len(delays):
            return f"{state.assistant} waits for no silence any more"
        if state.moved:
            return tell("drain_moved")
        verdict = decide(self._flow, state, delays[state.timed][1], state.metadata, counters=stimulated(state.counters))
        return verdict.reason if isinstance(verdict, Denied) else verdict

    def late(self, state: State, ticket: Ticket, data: Mapping[str, Any]) -> Verdict:
        """Judge a late result by the thread as the rows before it left it (D3)."""
        applied, _ = late_patch(state, ticket, data.get("patch") or {})
        metadata = {**state.metadata, **applied}
        misfit = Verdict(misfit=True, denied=self._unmoved(ticket, tell("patch_refused")))
        try:
            self._flow.metadata_from(metadata)
        except MetadataRefused:
            return misfit
        verdict = self._late_move(state, ticket, data, metadata)
        if verdict.move is not None:
            # A field that kept its value may be what the destination is instructed with.
            reason = unfit(self._flow, state, verdict.move.dest, metadata)
            verdict = verdict if reason is None else Verdict(denied=reason)
        unsets = verdict.move is None and any(value is None for value in applied.values())
        return misfit if unsets and unfit(self._flow, state, state.assistant, metadata) else verdict

    def _late_move(
        self, state: State, ticket: Ticket, data: Mapping[str, Any], metadata: Mapping[str, JSON]
    ) -> Verdict:
        if not ticket.call.dests or not data.get("ran", True):
            return Verdict()
        if state.assistant != ticket.asker:
            return Verdict(denied=tell("asker_gone", asker=ticket.asker))
        if state.moved:
            return Verdict(denied=tell("drain_moved"))
        counters = stimulated(state.counters)
        verdict = decide(self._flow, state, ticket.call.tool, metadata, go=data.get("go"), counters=counters)
        return Verdict(denied=verdict.reason) if isinstance(verdict, Denied) else Verdict(move=verdict)

    def edit(self, state: State, patch: Mapping[str, JSON]) -> str | None:
        """Return why the edit may not be applied, or None (M5)."""
        try:
            metadata = self._flow.metadata_from({**state.metadata, **patch})
        except MetadataRefused as error:
            return str(error)
        return unfit(self._flow, state, state.assistant, self._flow.dump(metadata))

    def start(self, state: State) -> Brief:
        """Render the active assistant's instructions and list what it is offered (M2).

        Raises:
            InstructionsError: if they cannot be rendered.
        """
        metadata = self._flow.metadata_from(state.metadata)
        text = self._flow.render(state.assistant, metadata, previous=state.previous, trigger=state.trigger)
        tools = self._flow.tools_of(state.assistant).values()
        offered = tuple(tool.name for tool in tools if tool.unavailable(metadata) is None)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if state.assistant not in self._ids:
            self._ids[state.assistant] = assistant_id(self._flow, state.assistant)
        return Brief(text, digest, offered, self._mode, self._ids[state.assistant])

    @staticmethod
    def _unmoved(ticket: Ticket, reason: str) -> str:
        return reason if ticket.call.dests else ""
