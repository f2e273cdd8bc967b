"""Every error this framework raises, in one tree. Catch the branch that says whose move it is.

    HandoffError
    ├── FlowError                   your flow is wrong: mend the declaration
    │   ├── DefinitionError         refused while the flow is declared; says file and line
    │   ├── InstructionsError       instructions could not be rendered from the metadata
    │   ├── EffectRefused           a tool's body did other than its declaration says
    │   └── FlowChanged             a stored thread does not fit the flow as it is now
    ├── CallRefused                 this call is refused and nothing happened: call differently
    │   ├── NotTaken                no transition is taken from here (also: no such trigger)
    │   ├── ArgumentsRefused        a tool call's arguments do not fit the tool
    │   ├── MetadataRefused         values do not fit the flow's metadata
    │   ├── ContentRefused          a part of a message cannot be sent, or not to this backend
    │   ├── ThreadBusy              ``while_running="reject"``, or it is to be deleted, and the thread is busy
    │   ├── ThreadClosed            the flow reached its end; the thread takes no more messages
    │   ├── ThreadUnknown           no such thread in this store
    │   ├── ThreadsClosed           the Threads object was closed
    │   ├── KeyReused               an idempotency key came back with other content
    │   ├── TicketClosed            the ticket has another result, or never was
    │   ├── ConfigurationError      an option, path or combination that cannot work
    │   └── IllegalEvent            the core was told of something that cannot have happened
    ├── RunFailed                   the backend or a limit ended the turn without a reply
    │   └── ReplyUnfit              the answer does not fit the model its assistant declares as `reply`
    ├── NotDeleted                  the server did not delete what it holds of a thread, which is kept
    ├── ScriptMismatch              a scripted conversation did not go by its script (also an AssertionError)
    └── StoreError                  the journal could not be kept
        ├── StoreBehind             another writer appended first: load again
        └── StoreVersion            the file was written by another version; it is left untouched

    ToolError                       raised by a tool's body: the model reads its text, nothing is kept

Attributes carry what a program would want to look at; the text is for people and says what to do.
"""

from __future__ import annotations


class HandoffError(Exception):
    """The root: everything raised on purpose by this framework, `ToolError` excepted."""


# -- your flow is wrong ------------------------------------------------------------------------------------------------


class FlowError(HandoffError):
    """The flow as declared cannot work."""


class DefinitionError(FlowError):
    """A declaration was refused. The text starts with ``file:line:`` and says what to do.

    Attributes:
        file: path of the declaring file as Python reports it.
        line: line number in that file, from 1.
        problem: the text without the place.
    """

    def __init__(self, problem: str, *, file: str = "<unknown>", line: int = 0) -> None:
        super().__init__(f"{file}:{line}: {problem}")
        self.problem = problem
        self.file = file
        self.line = line


class InstructionsError(FlowError):
    """Instructions could not be rendered.

    Attributes:
        assistant: whose instructions.
        problem: what the template engine said.
    """

    def __init__(self, assistant: str, problem: str) -> None:
        super().__init__(f"the instructions of {assistant} cannot be rendered: {problem}")
        self.assistant = assistant
        self.problem = problem


class EffectRefused(FlowError):
    """A tool's body did other than its declaration says; nothing it wrote is kept.

    Attributes:
        tool: the tool's name.
        problem: what it did, and what to declare or return instead.
        fields: the metadata fields concerned, if any.
    """

    def __init__(self, tool: str, problem: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{tool} {problem}")
        self.tool = tool
        self.problem = problem
        self.fields = fields


class FlowChanged(FlowError):
    """A stored thread does not fit the flow as it is now.

    Attributes:
        thread: the thread's id.
        differences: one sentence for each thing that does not fit.
    """

    def __init__(self, thread: str, differences: tuple[str, ...]) -> None:
        listed = "; ".join(differences)
        super().__init__(
            f"thread {thread} was made by another version of this flow and does not fit it: {listed}. "
            "Declare a migration with Flow.migration, or open the thread with the older flow."
        )
        self.thread = thread
        self.differences = differences


# -- this call is refused ----------------------------------------------------------------------------------------------


class CallRefused(HandoffError):
    """The call was refused; nothing happened."""


class NotTaken(CallRefused):
    """No transition is taken.

    Attributes:
        assistant: where the thread stays.
        trigger: what was tried.
        reason: why, in the words the model is told.
    """

    def __init__(self, assistant: str, trigger: str, reason: str) -> None:
        super().__init__(f"{trigger} takes no transition from {assistant}: {reason}")
        self.assistant = assistant
        self.trigger = trigger
        self.reason = reason


class ArgumentsRefused(CallRefused):
    """A tool call's arguments do not fit the tool.

    Attributes:
        problems: pairs of a field and what is wrong with it; the field ``arguments`` stands for the whole.
    """

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in problems))
        self.problems = problems


class MetadataRefused(CallRefused):
    """Values do not fit the flow's metadata.

    Attributes:
        problems: pairs of a field and what is wrong with it; the field ``metadata`` stands for the whole.
    """

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in problems))
        self.problems = problems


class ContentRefused(CallRefused):
    """A part of a message cannot be sent, or not to this backend; nothing was kept.

    Attributes:
        part: ``text``, ``image``, ``file``, or ``message`` for the whole.
        problem: what is wrong with it, and what to do.
    """

    def __init__(self, part: str, problem: str) -> None:
        super().__init__(problem)
        self.part = part
        self.problem = problem


class ThreadBusy(CallRefused):
    """A run is active or messages wait, and the sender asked to be rejected then; or it is to be deleted meanwhile.

    Attributes:
        thread: the thread's id; that of a side room, where it stands in the way.
    """

    def __init__(
        self, thread: str, advice: str = "nothing was kept. Send again later, or with while_running='queue'."
    ) -> None:
        super().__init__(f"thread {thread} is busy; {advice}")
        self.thread = thread


class ThreadClosed(CallRefused):
    """The flow reached its end on this thread.

    Attributes:
        thread: the thread's id.
    """

    def __init__(self, thread: str) -> None:
        super().__init__(f"thread {thread} has ended and takes no more messages; open another thread")
        self.thread = thread


class ThreadUnknown(CallRefused):
    """The store has no such thread.

    Attributes:
        thread: the id that was asked for.
    """

    def __init__(self, thread: str) -> None:
        super().__init__(f"there is no thread {thread!r} in this store; `handoff threads ls` lists them")
        self.thread = thread


class ThreadsClosed(CallRefused):
    """The `Threads` object was closed; what was committed before goes on when the store is opened again."""

    def __init__(self) -> None:
        super().__init__("these Threads were closed; make new ones on the same store; what was sent is kept")


class KeyReused(CallRefused):
    """An idempotency key came back with other content.

    Attributes:
        thread: the thread's id.
        key: the key.
    """

    def __init__(self, thread: str, key: str) -> None:
        super().__init__(f"the key {key!r} was used on thread {thread} with other content; use a new key")
        self.thread = thread
        self.key = key


class TicketClosed(CallRefused):
    """The ticket was decided before, or never existed.

    Attributes:
        thread: the thread's id.
        ticket: the ticket's id.
        decided: the result it has, in words; empty if it has none.
    """

    def __init__(self, thread: str, ticket: str, decided: str = "") -> None:
        why = f"was decided before: {decided}" if decided else "is not open"
        super().__init__(f"ticket {ticket} of thread {thread} {why}; `handoff threads show {thread}` lists those open")
        self.thread = thread
        self.ticket = ticket
        self.decided = decided


class ConfigurationError(CallRefused):
    """An option, a path or a combination of both that cannot work; the text says what would."""


class IllegalEvent(CallRefused):
    """The core was told of something that cannot have happened; its state is as before.

    Attributes:
        event: name of the event's class.
        reason: which rule it breaks.
    """

    def __init__(self, event: str, reason: str) -> None:
        super().__init__(f"{event} cannot happen now: {reason}")
        self.event = event
        self.reason = reason


# -- the backend or the store failed -----------------------------------------------------------------------------------


class RunFailed(HandoffError):
    """A turn ended without a reply: the backend failed, the run expired or was cancelled, or a limit was reached.

    Attributes:
        thread: the thread's id.
        status: the run status it ended with (``failed``, ``incomplete``, ``expired``, ``cancelled``).
        reason: what is known, in one sentence.
        text: what had been said; of an incomplete answer, as far as it came.
    """

    def __init__(self, thread: str, status: str, reason: str, text: str = "") -> None:
        super().__init__(f"the run on thread {thread} ended {status}: {reason}")
        self.thread = thread
        self.status = status
        self.reason = reason
        self.text = text


class ReplyUnfit(RunFailed):
    """The answer does not fit the model that its assistant declares as `reply`; `text` is the answer.

    The turn ends incomplete, and the answer stays in the transcript: the next message may ask to mend it.

    Attributes:
        thread: the thread's id.
        status: `incomplete`.
        reason: what is wrong with it, in one sentence.
        text: the answer.
    """


class NotDeleted(HandoffError):
    """The server did not delete what it holds of a thread: the store keeps the thread, and what it is called there.

    Attributes:
        thread: the thread's id; that of a side room, where it is what stays.
        reason: what the server said.
    """

    def __init__(self, thread: str, reason: str) -> None:
        super().__init__(
            f"thread {thread} was not deleted: {reason}. Delete it again, or with server=False, which leaves what the "
            "server holds."
        )
        self.thread = thread
        self.reason = reason


class ScriptMismatch(HandoffError, AssertionError):
    """The conversation did not go by the script.

    Attributes:
        problems: one sentence for each thing that differed.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class StoreError(HandoffError):
    """The journal could not be read or written."""


class StoreBehind(StoreError):
    """Another writer appended to the thread first.

    Attributes:
        thread: the thread's id.
        expected: the sequence number this writer expected.
        found: the sequence number the store holds.
    """

    def __init__(self, thread: str, expected: int, found: int) -> None:
        super().__init__(f"thread {thread} is at {found}, not at {expected}: another process drives it; load it again")
        self.thread = thread
        self.expected = expected
        self.found = found


class StoreVersion(StoreError):
    """The store was written by another version of this package. It is left untouched.

    Attributes:
        path: the file.
        found: the schema number in it.
        supported: the schema number this version writes.
    """

    def __init__(self, path: str, found: int, supported: int) -> None:
        super().__init__(
            f"{path} has schema {found}, this version of handoff reads {supported}; it was left untouched. "
            "Use the version that wrote it, or another file."
        )
        self.path = path
        self.found = found
        self.supported = supported


# -- raised by tools ---------------------------------------------------------------------------------------------------


class ToolError(Exception):
    """Raised by a tool's body: the model reads the text, nothing the body wrote is kept, the thread stays."""
