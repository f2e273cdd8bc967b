"""What a sender gets back: the reply to one user message, found in the journal as it goes by.

A message is answered when it leaves `State.unanswered` (L7): by a reply, or by a typed end that raises `RunFailed`.
The same collector serves a live sender and one that comes back with the same key after a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from handoff.core import events as happened
from handoff.core.state import State
from handoff.core.status import Status
from handoff.core.usage import NOTHING, Usage
from handoff.errors import HandoffError, RunFailed, ThreadClosed
from handoff.events import MessageAdded, told, usage_of


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a message."""

    #: The last thing an assistant said; empty if nobody spoke.
    text: str
    #: The assistant that is active now.
    assistant: str
    #: All that was said since the message, as (assistant, text).
    messages: tuple[tuple[str, str], ...] = ()
    #: What the answers since the message took, as far as servers told.
    usage: Usage = NOTHING

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class Collector:
    """Watches the journal for the answer to one message."""

    #: Id of the message.
    message: str
    #: The answer, once it is there.
    answer: Reply | HandoffError | None = None
    _messages: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _accepted: bool = False
    _usage: Usage = NOTHING

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
        self._usage += usage_of(event)
        for one in told(before, event, after):
            if isinstance(one, MessageAdded) and one.assistant is not None:
                self._messages.append((one.assistant, one.text))
        if self.message not in after.unanswered:
            self.answer = self._conclude(after)

    def _conclude(self, after: State) -> Reply | RunFailed:
        if after.ended is not None and after.ended is not Status.COMPLETED:
            return RunFailed(after.thread, str(after.ended), after.reason or f"the run is {after.ended}")
        text = self._messages[-1][1] if self._messages else ""
        return Reply(text, after.assistant, tuple(self._messages), self._usage)
