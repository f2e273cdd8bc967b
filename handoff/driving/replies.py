"""What a sender gets back: the reply to one user message, found in the journal as it goes by.

A message is answered when it leaves `State.unanswered` (L7): by a reply, or by a typed end that raises `RunFailed`.
The same collector serves a live sender and one that comes back with the same key after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from handoff.backends.base import Ended
from handoff.core import events as happened
from handoff.core.answers import Citation, Extra, HostedCall
from handoff.core.state import State
from handoff.core.status import Status
from handoff.core.usage import NOTHING, Usage
from handoff.declaration.flow import Flow
from handoff.declaration.reply_models import problem_of, value_of
from handoff.errors import HandoffError, ReplyUnfit, RunFailed, ThreadClosed
from handoff.events import spoken, usage_of

if TYPE_CHECKING:
    from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a message."""

    #: The last thing an assistant said; empty if nobody spoke.
    text: str
    #: The assistant that is active now, who answers next; who said the text is `speaker`.
    assistant: str
    #: All that was said since the message, as (assistant, text).
    messages: tuple[tuple[str, str], ...] = ()
    #: What the answers since the message took, as far as servers told.
    usage: Usage = NOTHING
    #: The text as an instance of the speaker's `reply` model; None if it declares none, or refused.
    value: BaseModel | None = None
    #: The model refused, and the text says so.
    refused: bool = False
    #: The sources of the text, where the server tells.
    citations: tuple[Citation, ...] = ()
    #: What the server's own tools did since the message, in order.
    hosted: tuple[HostedCall, ...] = ()

    @property
    def speaker(self) -> str | None:
        """The assistant that said the text, be it active no more; None if nobody spoke."""
        return self.messages[-1][0] if self.messages else None

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class Collector:
    """Watches the journal for the answer to one message."""

    #: Id of the message.
    message: str
    #: The declaration, frozen.
    flow: Flow[Any, Any]
    #: The answer, once it is there.
    answer: Reply | HandoffError | None = None
    _messages: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _accepted: bool = False
    _usage: Usage = NOTHING
    _hosted: list[HostedCall] = field(default_factory=list[HostedCall])
    #: The latest end of a run.
    _ended: happened.RunEnded | None = None
    #: Who ended it by what the latest message says.
    _speaker: str | None = None

    def see(self, before: State, event: happened.Event, after: State) -> None:
        """Take note of one journaled event.

        Args:
            before: the thread just before the event.
            event: the event.
            after: the thread just after it.
        """
        if self.answer is not None:
            return
        if isinstance(event, happened.MessageRefused) and event.id == self.message:
            self.answer = ThreadClosed(after.thread)
        if isinstance(event, happened.MessageAccepted) and event.id == self.message:
            self._accepted = True
        if not self._accepted:
            return
        spent = usage_of(event)
        if spent:  # most events took nothing
            self._usage += spent
        if isinstance(event, happened.CallsRequested | happened.RunEnded) and event.extra is not None:
            self._hosted += event.extra.hosted
        self._ended = event if isinstance(event, happened.RunEnded) else self._ended
        for assistant, text in spoken(before, event, after):
            self._messages.append((assistant, text))
            answers = isinstance(event, happened.RunEnded) and text == event.text
            self._speaker = assistant if answers else None
        if self.message not in after.unanswered:
            self.answer = self._conclude(after)

    def _conclude(self, after: State) -> Reply | RunFailed:
        extra = Extra() if self._ended is None or self._ended.extra is None else self._ended.extra
        if after.ended is not None and after.ended is not Status.COMPLETED:
            kind = ReplyUnfit if extra.unfit else RunFailed
            said = "" if self._ended is None else self._ended.text
            return kind(after.thread, str(after.ended), after.reason or f"the run is {after.ended}", said)
        text = self._messages[-1][1] if self._messages else ""
        if self._speaker is None:  # nobody said anything, or a tool's output is the reply
            return Reply(text, after.assistant, tuple(self._messages), self._usage, hosted=tuple(self._hosted))
        value = None if extra.refused else value_of(self.flow, self._speaker, text)
        beside = (value, extra.refused, extra.citations, tuple(self._hosted))
        return Reply(text, after.assistant, tuple(self._messages), self._usage, *beside)


def checked(model: type[BaseModel] | None, ended: Ended) -> Ended:
    """Return how a run ended, once its answer was held against the model it is to fit.

    Args:
        model: the assistant's `reply`.
        ended: what the backend reports.
    """
    extra = ended.extra or Extra()
    if model is None or ended.status is not Status.COMPLETED or ended.calls or extra.refused:
        return ended
    problem = problem_of(model, ended.text)
    if problem is None:
        return ended
    # The server has the answer as said; so the transcript keeps it, as it does of one that was cut off.
    reason = f"the answer does not fit {model.__name__}: {problem}"
    return replace(ended, status=Status.INCOMPLETE, reason=reason, extra=replace(extra, unfit=True))
