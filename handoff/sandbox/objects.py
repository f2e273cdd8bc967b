"""What the Assistants API keeps: assistants, threads with their messages, runs with their steps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from handoff.core.answers import HostedCall
from handoff.core.items import Asked
from handoff.sandbox.rules import LOCKING
from handoff.sandbox.world import Event, Feed, Wire


@dataclass(slots=True, eq=False)
class Assistant:
    """An assistant: what the client gave, with an id."""

    id: str
    created_at: int
    given: Wire

    def wire(self) -> Wire:
        """Return it as it goes over the wire."""
        given = {key: value for key, value in self.given.items() if value is not None}
        return {
            "id": self.id,
            "object": "assistant",
            "created_at": self.created_at,
            "name": None,
            "description": None,
            "instructions": None,
            "tools": [],
            "tool_resources": None,
            "metadata": {},
            "temperature": 1.0,
            "top_p": 1.0,
            "response_format": "auto",
            **given,
        }


@dataclass(slots=True, eq=False)
class Message:
    """A message of a thread."""

    id: str
    thread_id: str
    created_at: int
    role: str
    content: list[Wire]
    #: Who said it, and in which run; None if it was posted.
    assistant_id: str | None = None
    run_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    attachments: list[Wire] = field(default_factory=list[Wire])
    status: str = "completed"
    ended_at: int | None = None
    #: Why it is incomplete.
    reason: str | None = None

    def wire(self) -> Wire:
        """Return it as it goes over the wire."""
        return {
            "id": self.id,
            "object": "thread.message",
            "created_at": self.created_at,
            "thread_id": self.thread_id,
            "status": self.status,
            "incomplete_details": None if self.reason is None else {"reason": self.reason},
            "completed_at": self.ended_at if self.status == "completed" else None,
            "incomplete_at": self.ended_at if self.status == "incomplete" else None,
            "role": self.role,
            "content": [*self.content],
            "assistant_id": self.assistant_id,
            "run_id": self.run_id,
            "attachments": self.attachments,
            "metadata": self.metadata,
        }


@dataclass(slots=True, eq=False)
class Step:
    """A step of a run: a message that was written, or a batch of calls."""

    id: str
    run: Run
    created_at: int
    #: The message it writes; None if it calls.
    message: Message | None = None
    #: The calls.
    calls: tuple[Asked, ...] = ()
    #: Their outputs, by call; empty until they were submitted.
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    status: str = "in_progress"
    ended_at: int | None = None
    usage: Wire | None = None
    #: What a tool did that was run here, if it is such a step.
    hosted: HostedCall | None = None

    @property
    def kind(self) -> str:
        """Its type."""
        return "tool_calls" if self.message is None else "message_creation"

    def details(self) -> Wire:
        """Return what it did."""
        if self.message is not None:
            return {"type": self.kind, "message_creation": {"message_id": self.message.id}}
        if self.hosted is not None:
            return {"type": self.kind, "tool_calls": [_hosted(self.hosted)]}
        return {"type": self.kind, "tool_calls": [called(call, self.outputs.get(call.id)) for call in self.calls]}

    def wire(self) -> Wire:
        """Return it as it goes over the wire."""
        return {
            "id": self.id,
            "object": "thread.run.step",
            "created_at": self.created_at,
            "assistant_id": self.run.assistant_id,
            "thread_id": self.run.thread_id,
            "run_id": self.run.id,
            "type": self.kind,
            "status": self.status,
            "step_details": self.details(),
            "last_error": self.run.last_error if self.status == "failed" else None,
            **{f"{end}_at": self.ended_at if end == self.status else None for end in _STEP_ENDS},
            "metadata": {},
            "usage": self.usage,
        }


_STEP_ENDS = ("expired", "cancelled", "failed", "completed")


@dataclass(slots=True, eq=False)
class Run:
    """A run, and the stream of the request that last set it going."""

    id: str
    thread_id: str
    assistant_id: str
    #: Name of the assistant.
    speaker: str
    created_at: int
    #: When it expires: not rounded, so that a short life is as long as it was asked to be.
    expires_at: float
    model: str
    instructions: str
    tools: list[Wire]
    #: What the client asked for beside these.
    asked: Wire
    metadata: dict[str, str]
    #: The operation that set it going last, for the faults.
    operation: str
    status: str = "queued"
    steps: list[Step] = field(default_factory=list[Step])
    #: When it came to a status, by status.
    times: dict[str, int] = field(default_factory=dict[str, int])
    last_error: Wire | None = None
    #: Why it is incomplete; empty for what its message tells.
    reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    feed: Feed = field(default_factory=Feed)
    #: What carries it out.
    task: asyncio.Task[None] | None = None

    @property
    def active(self) -> bool:
        """Whether it locks its thread."""
        return self.status in LOCKING

    def waiting(self) -> tuple[Asked, ...]:
        """Return the calls it waits for."""
        return self.steps[-1].calls if self.status == "requires_action" else ()

    def usage(self) -> Wire:
        """Return how many tokens it took so far."""
        total = self.prompt_tokens + self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": total,
        }

    def tell(self, kind: str, data: Wire) -> None:
        """Add an event to its stream.

        Args:
            kind: name of the event.
            data: the object it is about.
        """
        self.feed.add(Event(data, kind))

    def wire(self) -> Wire:
        """Return it as it goes over the wire."""
        calls = [called(call) for call in self.waiting()]
        for call in calls:
            del call["function"]["output"]
        return {
            "id": self.id,
            "object": "thread.run",
            "created_at": self.created_at,
            "thread_id": self.thread_id,
            "assistant_id": self.assistant_id,
            "status": self.status,
            "required_action": {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
            if calls
            else None,
            "last_error": self.last_error,
            "expires_at": int(self.expires_at) if self.active else None,
            "started_at": self.times.get("in_progress"),
            "cancelled_at": self.times.get("cancelled"),
            "failed_at": self.times.get("failed"),
            "completed_at": self.times.get("completed"),
            "incomplete_details": None if self.reason is None else {"reason": self.reason} if self.reason else {},
            "model": self.model,
            "instructions": self.instructions,
            "tools": self.tools,
            "metadata": self.metadata,
            "usage": None if self.active else self.usage(),
            **{key: self._asked(key, otherwise) for key, otherwise in _RUN_DEFAULTS.items()},
        }

    def _asked(self, key: str, otherwise: Any) -> Any:
        given = self.asked.get(key)
        return otherwise if given is None else given


_RUN_DEFAULTS: Wire = {
    "temperature": 1.0,
    "top_p": 1.0,
    "max_prompt_tokens": None,
    "max_completion_tokens": None,
    "truncation_strategy": {"type": "auto", "last_messages": None},
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "response_format": "auto",
}

Entry: TypeAlias = Message | Step
"""What a model sees of a thread: a message, or a batch of calls with its outputs."""


@dataclass(slots=True, eq=False)
class Thread:
    """A thread."""

    id: str
    created_at: int
    metadata: dict[str, str]
    tool_resources: Wire | None = None
    #: Messages and batches, in the order they came.
    entries: list[Entry] = field(default_factory=list[Entry])
    runs: list[Run] = field(default_factory=list[Run])

    def messages(self) -> list[Message]:
        """Return its messages, oldest first."""
        return [entry for entry in self.entries if isinstance(entry, Message)]

    def active_run(self) -> Run | None:
        """Return the run that locks it, if one does."""
        last = self.runs[-1] if self.runs else None
        return last if last is not None and last.active else None

    def wire(self) -> Wire:
        """Return it as it goes over the wire."""
        return {
            "id": self.id,
            "object": "thread",
            "created_at": self.created_at,
            "tool_resources": self.tool_resources,
            "metadata": self.metadata,
        }


def _hosted(call: HostedCall) -> Wire:
    """What a tool did that was run here, as it goes over the wire."""
    if call.tool == "code_interpreter":
        outputs = [{"type": "logs", "logs": call.output}]
        done: Wire = {"input": call.input, "outputs": outputs}
        return {"id": call.id, "type": "code_interpreter", "code_interpreter": done}
    return {"id": call.id, "type": "file_search", "file_search": {}}


def called(call: Asked, output: str | None = None) -> Wire:
    """Return a call as it goes over the wire.

    Args:
        call: the call.
        output: its output, once there is one.
    """
    function = {"name": call.tool, "arguments": call.arguments, "output": output}
    return {"id": call.id, "type": "function", "function": function}
