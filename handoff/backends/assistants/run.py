"""A run as an Assistants server tells of it: an object that is looked at, or the events of a stream (A1, A12)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from handoff.backends.assistants.api import Failed, Wire
from handoff.backends.assistants.messages import REPLACES
from handoff.backends.base import Accepted, Ended, Report, Request
from handoff.backends.citations import citations_of
from handoff.backends.hosted_tools import scrubbed
from handoff.backends.wire import Failure, listed, mapping, told, whole
from handoff.core.answers import Citation, Extra, HostedCall
from handoff.core.items import Asked
from handoff.core.status import ACTIVE, TERMINAL, Status
from handoff.core.usage import Usage

REQUIRES_ACTION = str(Status.REQUIRES_ACTION)
#: Statuses in which a run can be cancelled.
CANCELLABLE = frozenset({str(Status.QUEUED), str(Status.IN_PROGRESS), REQUIRES_ACTION})
#: Codes of failures that pass.
PASSING = frozenset({"server_error", "rate_limit_exceeded"})
#: Why an answer ends before its time.
CUT = {
    "max_completion_tokens": "the answer was cut off at its longest length",
    "max_prompt_tokens": "the thread is longer than a run may read",
    "content_filter": "a content filter stopped the answer",
}
_FILTERED = "content_filter"


@dataclass(slots=True, eq=False)
class Leg:
    """What one request of ours set going, up to the calls or the end of the run."""

    #: What was asked for.
    request: Request
    #: The server's id of the thread.
    thread: str = ""
    #: The server's id of the run; empty until it is known.
    run: str = ""
    #: The server's id of our run that came to nothing, whose place the next start takes; empty for the first one.
    replaces: str = ""
    #: The server's ids of the thread's runs when it was last settled.
    seen: frozenset[str] = frozenset()
    #: The run as it was last seen.
    latest: Wire = field(default_factory=dict[str, Any])
    #: Set when the run is to be cancelled: its end is looked for more often.
    hurried: asyncio.Event = field(default_factory=asyncio.Event)
    #: How long the stream may be silent, while it is read.
    patience: asyncio.Timeout | None = None
    #: What was told as deltas so far.
    told: str = ""
    #: What was told before is void.
    void: bool = False
    #: The server has what the request carried.
    taken: bool = False
    #: The messages of this leg, whole, by id.
    messages: dict[str, Wire] = field(default_factory=dict[str, Wire])
    _texts: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def status(self) -> str:
        """The run's status."""
        return str(self.latest.get("status") or "")

    @property
    def over(self) -> bool:
        """Whether the run is over."""
        return self.status in TERMINAL

    @property
    def waits(self) -> bool:
        """Whether the run waits for outputs that this request has not been told of."""
        return self.status == REQUIRES_ACTION and not self.request.told

    @property
    def text(self) -> str:
        """What was said, as far as the stream has told."""
        return "\n".join(filter(None, self._texts.values()))

    def forget(self) -> None:
        """The run came to nothing, and another one takes its place: what it said is void."""
        self.latest, self.run, self.replaces = {}, "", self.run
        self.void, self.told = self.void or bool(self.told), ""
        self._texts.clear()
        self.messages.clear()

    def note(self, report: Report) -> None:
        """Take note of what is reported: whether the server has what the request carried.

        Args:
            report: the report.
        """
        self.taken = self.taken or isinstance(report, Accepted) or (isinstance(report, Ended) and report.stored > 0)

    def passes(self, report: Report) -> bool:
        """Return whether a report is the end of a run that may be followed by another one.

        Args:
            report: the report.
        """
        wanted = self.taken and not self.request.told and not self.hurried.is_set()
        return wanted and isinstance(report, Ended) and passing(self.latest)

    def see(self, run: Wire) -> None:
        """Take note of the run.

        Args:
            run: the run as it is now.
        """
        self.latest = run
        self.run = str(run.get("id") or self.run)

    def take(self, event: Wire, secrets: list[str]) -> str:
        """Take an event of the stream in, and return what it says.

        Args:
            event: its data.
            secrets: what must not be told.

        Raises:
            Failed: it is an error.
        """
        kind = event.get("object")
        if kind == "thread.run":
            self.see(event)
        elif kind == "thread.message.delta":
            text = _text(mapping(event.get("delta")))
            id_ = str(event.get("id"))
            said = f"\n{text}" if text and self._texts and id_ not in self._texts else text
            self._texts[id_] = self._texts.get(id_, "") + text
            return said
        elif kind == "thread.message" and event.get("role", "assistant") == "assistant":
            self._texts[str(event.get("id"))] = _text(event) or self._texts.get(str(event.get("id")), "")
            self.messages[str(event.get("id"))] = event
        elif kind is None:
            error = mapping(event.get("error") or event)
            raise Failed(Failure(told(str(error.get("message") or event), secrets), passing=True))
        return ""


def active(run: Wire) -> bool:
    """Return whether a run locks its thread.

    Args:
        run: the run.
    """
    return str(run.get("status")) in ACTIVE


def ours_in(runs: Sequence[Wire], key: Wire) -> Wire | None:
    """Return the run that is ours by key; None if there is none (C4).

    A start names the run it replaces, one that came to nothing. Of several that replace the same one, or none, the
    first is ours: the others are starts that came late.

    Args:
        runs: the latest of a thread, the latest first.
        key: our key, as the run's metadata has it.
    """
    chain = _chain(runs, key)
    return chain[-1] if chain else None


def late_in(runs: Sequence[Wire], key: Wire) -> list[Wire]:
    """Return the runs of our thread that are none of ours: starts that came late, after another one or a failure (C4).

    Args:
        runs: the latest of a thread, the latest first.
        key: our key of any run of the thread.
    """
    named = [run for run in runs if mapping(run.get("metadata")).get("thread") == key["thread"]]
    keys = [{"thread": key["thread"], "run": mapping(run.get("metadata")).get("run")} for run in named]
    ours = {one.get("id") for number in keys for one in _chain(named, number)}
    return [run for run in named if run.get("id") not in ours]


def _chain(runs: Sequence[Wire], key: Wire) -> list[Wire]:
    """Our runs of one key, each but the first in the place of the one before it."""
    chain: list[Wire] = []
    for run in reversed(runs):
        metadata = mapping(run.get("metadata"))
        if any(metadata.get(name) != value for name, value in key.items()):
            continue
        if not chain or metadata.get(REPLACES) == chain[-1].get("id"):
            chain.append(run)
    return chain


def waiting(run: Wire) -> tuple[Asked, ...]:
    """Return the calls a run waits for.

    Args:
        run: the run.
    """
    action = mapping(mapping(run.get("required_action")).get("submit_tool_outputs"))
    return tuple(_call(mapping(call)) for call in listed(action.get("tool_calls")))


def called(step: Wire) -> dict[str, bool]:
    """Return the function calls of a step by id, each with whether it has its output.

    Args:
        step: a step of a run.
    """
    calls = map(mapping, listed(mapping(step.get("step_details")).get("tool_calls")))
    functions = [(str(call.get("id")), mapping(call.get("function"))) for call in calls if call.get("function")]
    return {id_: function.get("output") is not None for id_, function in functions}


def written(step: Wire) -> str:
    """Return the id of the message a step wrote; empty if it wrote none.

    Args:
        step: a step of a run.
    """
    return str(mapping(mapping(step.get("step_details")).get("message_creation")).get("message_id") or "")


def said_in(message: Wire) -> str:
    """Return the text of a message, refusals included.

    Args:
        message: a message of a thread.
    """
    return _text(message)


def hosted_in(step: Wire) -> list[HostedCall]:
    """Return what a step says of tools that the server ran itself.

    Args:
        step: a step of a run.
    """
    found: list[HostedCall] = []
    for call in map(mapping, listed(mapping(step.get("step_details")).get("tool_calls"))):
        done = mapping(call.get(str(call.get("type"))))
        known = (str(call.get("id") or ""), str(step.get("status") or ""))
        if call.get("type") == "code_interpreter":
            logs = [mapping(one).get("logs") for one in listed(done.get("outputs"))]
            output = "\n".join(log for log in logs if isinstance(log, str))
            given = str(done.get("input") or "")
            found.append(HostedCall("code_interpreter", *known, input=scrubbed(given), output=scrubbed(output)))
        elif call.get("type") == "file_search":
            names = [mapping(one).get("file_name") for one in listed(done.get("results"))]
            found.append(HostedCall("file_search", *known, output="\n".join(n for n in names if isinstance(n, str))))
    return found


def extra_of(messages: Iterable[Wire], hosted: Sequence[HostedCall]) -> Extra | None:
    """Return what an answer holds beside its text and calls; places of sources are those in the whole text.

    Args:
        messages: what was said, in order.
        hosted: what the server's own tools did.
    """
    citations: list[Citation] = []
    refused, offset = False, 0
    for message in messages:
        for part in map(mapping, listed(message.get("content"))):
            text = mapping(part.get("text"))
            citations += citations_of(text.get("annotations"), offset)
            refused = refused or bool(part.get("refusal"))
            offset += len(str(text.get("value") or part.get("refusal") or ""))
        offset += bool(offset)  # the line between two messages
    extra = Extra(tuple(hosted), tuple(citations), refused)
    return None if extra == Extra() else extra


def reason_of(run: Wire, secrets: list[str], messages: Iterable[Wire] = ()) -> str:
    """Return what a run says of an end that was not wanted; empty if it says nothing.

    Args:
        run: a run that is over.
        secrets: what must not be told.
        messages: what was said in it: a run has no reason for a content filter, its message has.
    """
    if run.get("status") == Status.INCOMPLETE:
        reasons = [mapping(one.get("incomplete_details")).get("reason") for one in (*messages, run)]
        reason = _FILTERED if _FILTERED in reasons else str(reasons[-1])
        return CUT.get(reason, told(f"the answer is incomplete: {reason}", secrets))
    error = mapping(run.get("last_error"))
    return told(str(error.get("message") or error.get("code") or ""), secrets)


def passing(run: Wire) -> bool:
    """Return whether a run failed of something that may be over when it is tried again (C3).

    Args:
        run: a run that is over.
    """
    error = mapping(run.get("last_error"))
    return run.get("status") == Status.FAILED and str(error.get("code")) in PASSING


def usage_of(run: Wire, *, told_before: bool) -> Usage:
    """Return what a run took in all, as the server counts it, with one call of the model more.

    Args:
        run: a run that is over.
        told_before: the last call of the model was counted with the calls it brought.
    """
    usage = mapping(run.get("usage"))
    return Usage(
        input_tokens=whole(usage.get("prompt_tokens")),
        cached_tokens=whole(mapping(usage.get("prompt_token_details")).get("cached_tokens")),
        output_tokens=whole(usage.get("completion_tokens")),
        model_calls=0 if told_before else 1,
    )


def _call(call: Wire) -> Asked:
    function = mapping(call.get("function"))
    return Asked(*(str(one or "") for one in (call.get("id"), function.get("name"), function.get("arguments"))))


def _text(message: Wire) -> str:
    found: list[str] = []
    for part in map(mapping, listed(message.get("content"))):
        text = mapping(part.get("text")).get("value", part.get("refusal"))
        found.append(text if isinstance(text, str) else "")
    return "".join(found)
