"""Whether a stored thread fits the flow as it is now, and the declared migration where it does not (V)."""

from __future__ import annotations

from typing import Any

from handoff.core.events import FlowMigrated
from handoff.core.state import END, State
from handoff.declaration.flow import Flow
from handoff.errors import FlowChanged, MetadataRefused


def fitted(flow: Flow[Any, Any], state: State, at: float) -> FlowMigrated | None:
    """Return the event that carries the thread over to this version of its flow; None if it needs none.

    Args:
        flow: the declaration, frozen.
        state: the thread.
        at: the time now, Unix seconds.

    Raises:
        FlowChanged: if the thread does not fit and no migration helps.
    """
    if state.flow != flow.name:
        raise FlowChanged(state.thread, (f"it belongs to the flow {state.flow}, this is {flow.name}",))
    if state.version == flow.version:
        return None
    found = differences(flow, state, state.assistant, state.metadata)
    migrate = flow.migrations.get(state.version)
    if migrate is None:
        if found:
            raise FlowChanged(state.thread, found)
        # A thread that fits and is locked is carried over at its next rest.
        return None if state.locked else _event(flow, state.assistant, dict(state.metadata), at)
    if state.locked:
        if found:
            raise FlowChanged(state.thread, (*found, "a run is active, so it cannot be migrated now"))
        return None
    migrated = migrate({"assistant": state.assistant, "metadata": dict(state.metadata)})
    found = differences(flow, state, migrated["assistant"], migrated["metadata"])
    if found:
        raise FlowChanged(state.thread, tuple(f"after the migration, {one}" for one in found))
    return _event(flow, migrated["assistant"], migrated["metadata"], at)


def _event(flow: Flow[Any, Any], assistant: str, metadata: dict[str, Any], at: float) -> FlowMigrated:
    return FlowMigrated(at, flow.version, assistant, flow.dump(flow.metadata_from(metadata)), flow.limits)


def differences(flow: Flow[Any, Any], state: State, assistant: str, metadata: Any) -> tuple[str, ...]:
    """Return one sentence for each thing of the thread that the flow does not know any more.

    Args:
        flow: the declaration.
        state: the thread, with its pending calls.
        assistant: the assistant it would stand at.
        metadata: the metadata it would have.
    """
    found: list[str] = []
    if assistant != END and assistant not in flow.assistants:
        found.append(f"there is no assistant {assistant}")
    asked = {(ticket.asker, ticket.call.tool) for ticket in state.tickets}
    if state.run is not None and state.run.batch is not None:
        asked |= {(state.run.assistant, one.call.tool) for one in state.run.batch.entries if one.call.answer is None}
    for asker, tool in sorted(asked):
        if asker not in flow.assistants or flow.tool_named(asker, tool) is None:
            found.append(f"a call of {tool} by {asker} is pending, and there is no such tool")
    try:
        flow.metadata_from(metadata)
    except MetadataRefused as error:
        found.append(str(error))
    return tuple(found)
