"""Assistants as objects, and what leads from one to another.

They are only declarations: which destination is taken is decided by the flow, and where a thread stands is kept with
the thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, Never, TypeAlias, TypedDict, TypeVar, Unpack

from typing_extensions import TypeVar as TypeVarWithDefault

from handoff.declaration.guards import check_guard, name_of, reason_of
from handoff.declaration.hosted import Hosted
from handoff.declaration.metadata import Metadata
from handoff.declaration.place import Place, Scope, as_given, caller_place, names_around, refuse_unknown
from handoff.declaration.prompt import View

if TYPE_CHECKING:
    from pydantic import BaseModel

    from handoff.declaration.flow import Flow
    from handoff.declaration.instructions import Instructions

M = TypeVarWithDefault("M", bound=Metadata, default=Metadata)
F = TypeVar("F", bound=Callable[..., Any])

Kind = Literal["tool", "then", "after", "limit"]
Speak = Literal[True, False, "output"]

END = "end"
BACK = "back"


@dataclass(frozen=True, slots=True)
class Options:
    """What a model request of an assistant is made with; None leaves it to the backend.

    Attributes:
        temperature: randomness of the model's choice of words, from 0 to 2.
        tool_choice: ``auto``, ``none``, ``required`` or the name of one of the assistant's tools.
        max_output_tokens: the longest answer, in tokens.
        view: what it sees of the thread, where the backend sends it: `all`, all but what others said and did (`own`),
            what has come `since_active`, or a number of turns.
        reply: the model its answers fit; None for any text.
        hosted: the tools that the server runs itself.
    """

    temperature: float | None = None
    tool_choice: str | None = None
    max_output_tokens: int | None = None
    view: View = "all"
    reply: type[BaseModel] | None = None
    hosted: tuple[Hosted, ...] = ()


@dataclass(frozen=True, slots=True)
class Destination(Generic[M]):
    """An assistant with the condition under which a transition leads there.

    Attributes:
        assistant: where it leads.
        guard: asked with the metadata; None always says yes.
        times: how often the transition may be taken between two user messages; None is any number.
    """

    assistant: Assistant[M]
    guard: Callable[[M], bool] | None = None
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One way from an assistant to another.

    Attributes:
        key: names the transition within the flow, such as ``welcome.open_page->editor``.
        trigger: the tool's name, ``then``, ``after:<seconds>`` or ``on_limit``.
        source: name of the assistant it leads from; ``*`` in what `Flow.on_limit` returns.
        dest: name of the assistant it leads to; ``end`` for the flow's end.
        kind: what triggers it: a tool, a reply, silence or a limit.
        guard: asked with the metadata; None always says yes.
        times: how often it may be taken between two user messages.
        speak: whether the new assistant speaks at once; ``output``: the tool's output is its reply.
        delay: the silence that triggers it, for the kind ``after``.
        back: it was declared as a way back, so it is taken only towards the assistant active before.
        place: where it was declared; two transitions differ by more than that.
        reason: what the model is told when the guard says no.
    """

    key: str
    trigger: str
    source: str
    dest: str
    kind: Kind
    guard: Callable[[Any], bool] | None = None
    times: int | None = None
    speak: Speak = True
    delay: timedelta | None = None
    back: bool = False
    place: Place | None = field(default=None, compare=False, repr=False)

    @property
    def reason(self) -> str:
        """What the model is told when the guard says no."""
        return reason_of(self.guard) if self.guard is not None else ""

    @property
    def guard_name(self) -> str | None:
        """The guard's name, for hashes and diagrams."""
        return name_of(self.guard) if self.guard is not None else None


@dataclass(frozen=True, slots=True)
class Denied:
    """No transition is taken.

    Attributes:
        reason: why, in the words the model is told.
    """

    reason: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Assistant(Generic[M]):
    """A state of the flow: a model, instructions and tools. Made by `Flow.assistant`; compared by identity.

    As the annotation of a tool's parameter, `Assistant[Desk]` is one of the tool's `to`, chosen by the model.

    Attributes:
        name: its name, unique in the flow.
        flow: the flow it belongs to.
        instructions: its template; None for `Flow.end` and `Flow.back`.
        model: the model's name at the backend; None leaves it to the backend.
        description: one sentence that the other assistants are told about it.
        options: what its model requests are made with.
        place: where it was declared.
    """

    name: str
    flow: Flow[M, Any]
    instructions: Instructions | None
    model: str | None
    description: str
    options: Options
    place: Place

    def tool(self, *misplaced: Never, **options: Unpack[ToolOptions[M]]) -> Callable[[F], F]:
        """Declare a function as a tool of this assistant. The function is returned as it is.

        Args:
            *misplaced: refused.
            **options: see `ToolOptions`.

        Raises:
            DefinitionError: the function or an option cannot work.
        """
        if misplaced:
            raise caller_place().refuse(f"write @{self.name}.tool() with parentheses, and its options as keywords")
        return self.flow.tool(self, **options)

    def when(self, guard: Callable[[M], bool] | None = None, *, times: int | None = None) -> Destination[M]:
        """This assistant as a destination under a condition.

        Args:
            guard: a plain function from the metadata to bool. The first line of its docstring tells the model why not.
            times: how often the transition may be taken between two user messages, at least once.

        Raises:
            DefinitionError: the guard cannot be asked, `times` is below one, or neither is given.
        """
        place = caller_place()
        if guard is None and times is None:
            raise place.refuse(f"{self.name}.when() names no condition: give a guard or times=")
        if guard is not None:
            scope = Scope(self.flow.metadata, self.flow.deps, names_around(guard), place)
            check_guard(guard, f"the guard of {self.name}", scope)
        given = as_given(times)
        if given is not None and (given is True or not isinstance(given, int) or given < 1):
            raise place.refuse(f"times={times!r}: give a whole number from 1")
        return Destination(self, guard, times)

    def then(
        self, *destinations: Assistant[M] | Destination[M], speak: Literal[True, False] = True, **unknown: Never
    ) -> Transition:
        """Declare where the thread goes after this assistant's reply: the first destination that may be taken.

        Args:
            *destinations: assistants, or `assistant.when(...)`, in the order they are tried.
            speak: whether the new assistant speaks at once, or waits for the next message.
            **unknown: refused.

        Returns:
            The transition, which `Flow.step` accepts as its trigger.

        Raises:
            DefinitionError: a destination cannot work, or this assistant has a `then` already.
        """
        place = caller_place()
        refuse_unknown(unknown, ("speak",), place)
        return self.flow.routes.declare(self, "then", destinations, speak=speak, place=place)

    def after(self, delay: timedelta, *, to: To[M], speak: Literal[True, False] = True, **unknown: Never) -> Transition:
        """Declare where the thread goes after silence while this assistant is active.

        Args:
            delay: how long the silence lasts, from the end of its last run.
            to: where to, as for `tool`.
            speak: whether the new assistant speaks at once, or waits for the next message.
            **unknown: refused.

        Returns:
            The transition, which `Flow.step` accepts as its trigger.

        Raises:
            DefinitionError: a destination cannot work, or the delay is not above zero or was declared before.
        """
        place = caller_place()
        refuse_unknown(unknown, ("to", "speak"), place)
        return self.flow.routes.declare(self, "after", to, speak=speak, delay=delay, place=place)

    def __repr__(self) -> str:
        return f"<assistant {self.name} of {self.flow.name}>"


To: TypeAlias = Assistant[M] | Destination[M] | tuple[Assistant[M] | Destination[M], ...]
"""Where a transition leads: an assistant, one under a condition, or several in the order they are tried."""


class ToolOptions(TypedDict, Generic[M], total=False):
    """The options of a tool."""

    to: To[M]
    """Where the call leads. Of several, the first that may be taken, or the one the body names by returning `Go`."""
    sets: str | tuple[str, ...]
    """Metadata fields the call sets: from the argument of that name, else by the body on its copy of the metadata."""
    clears: str | tuple[str, ...]
    """Metadata fields that become None once the body succeeded."""
    allow: Callable[[M], bool]
    """While it says no the tool is not offered. The first line of its docstring tells the model why."""
    speak: Speak
    """Whether the new assistant speaks at once (True), waits (False), or the output is its reply (``output``)."""
    approval: bool | Callable[..., bool]
    """Whether a person must approve the call; a function of some of the tool's parameters may decide it."""
    idempotent: bool
    """The body may run again with the same `ToolCall.idempotency_key`: after a crash it does."""
    probe: Callable[..., Any]
    """Asked after a crash, with some of the tool's parameters: the output if the call happened, else None."""
    consults: Flow[Any, Any] | tuple[Flow[Any, Any], ...]
    """The flows that the body may ask in side rooms, by `ToolCall.consult`."""
    timeout: float | None
    """Seconds after which a call not done is answered pending and goes on as a ticket; None: the run's deadline."""


TOOL_OPTIONS = tuple(ToolOptions.__annotations__)
