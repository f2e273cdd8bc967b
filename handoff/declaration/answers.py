"""What a flow answers: its transitions and tools, where a trigger leads, what the model of an assistant is told.

The first question freezes the flow. It is the only place that decides a destination, and it does so by firing the
flow's Machine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, cast

from handoff.declaration.assistants import END, Assistant, Denied, M, Transition
from handoff.declaration.attribution import attribute
from handoff.declaration.guards import name_of
from handoff.declaration.metadata import Metadata, dump, load
from handoff.declaration.place import Place, as_given, caller_place
from handoff.declaration.routes import EVERYWHERE, is_assistant
from handoff.declaration.tools import Tool
from handoff.errors import InstructionsError, NotTaken
from handoff.observers import OBSERVERS

if TYPE_CHECKING:
    from handoff.declaration.flow import Flow
    from handoff.declaration.frozen import Frozen
    from handoff.declaration.instructions import Instructions
    from handoff.declaration.machine import Table

NO_ASSISTANTS = "{0} has no assistants: declare one with {0}.assistant(...)"


class Answers(ABC, Generic[M]):
    """What is asked of a flow; `Flow` declares what is answered.

    Attributes:
        name: the flow's name.
        metadata: its metadata class.
        instructions: the template put before those of every assistant, if there is one.
        end: the destination that closes the thread.
        place: where it was declared.
    """

    name: str
    metadata: type[M]
    instructions: Instructions | None
    end: Assistant[M]
    place: Place

    @property
    @abstractmethod
    def assistants(self) -> Mapping[str, Assistant[M]]:
        """The assistants by name, in the order they were declared."""

    @property
    @abstractmethod
    def frozen_form(self) -> Frozen:
        """The flow as a value: its tools, its transitions and its Machine. Freezes the flow."""

    @property
    def _flow(self) -> Flow[M, Any]:
        return cast("Flow[M, Any]", self)  # there is no other

    # -- the flow ------------------------------------------------------------------------------------------------------

    @property
    def initial(self) -> Assistant[M]:
        """The assistant threads start with: the one declared first.

        Raises:
            DefinitionError: there is none.
        """
        for assistant in self.assistants.values():
            return assistant
        raise self.place.refuse(NO_ASSISTANTS.format(self.name))

    @property
    def version(self) -> str:
        """Hash of the flow's structure; 16 hexadecimal digits. Freezes the flow."""
        return self.frozen_form.version

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """All transitions, ways back expanded, in the order they are tried. Freezes the flow."""
        return self.frozen_form.transitions

    @property
    def table(self) -> Table:
        """The Machine that decides every destination. Freezes the flow."""
        return self.frozen_form.table

    def tools_of(self, assistant: str) -> Mapping[str, Tool]:
        """The tools of an assistant by name, whether or not they can be called now. Freezes the flow.

        Raises:
            KeyError: there is no such assistant.
        """
        return self.frozen_form.offered[assistant]

    def tool_named(self, assistant: str, name: str) -> Tool | None:
        """One tool of an assistant, or None. Freezes the flow."""
        return self.frozen_form.offered.get(assistant, {}).get(name)

    def destinations(self, assistant: str, tool: str) -> tuple[str, ...]:
        """Names of the assistants a call of this tool can lead to, a way back as all it may mean. Freezes the flow."""
        return self.frozen_form.destinations(assistant, tool)

    def step(
        self,
        assistant: Assistant[M],
        trigger: Callable[..., Any] | Tool | Transition,
        metadata: M,
        *,
        previous: Assistant[M] | None = None,
        go: Assistant[M] | None = None,
    ) -> Assistant[M]:
        """The assistant a trigger leads to: one transition, without a thread or a model. Freezes the flow.

        Args:
            assistant: the active assistant.
            trigger: a tool (or its function), or what `then`, `after` or `on_limit` returned.
            metadata: as it is once the call's changes are applied.
            previous: the assistant active before, which `back` leads to.
            go: the destination the body chose, if it returned `Go`.

        Raises:
            NotTaken: the thread stays; its `reason` is what the model would be told.
            DefinitionError: the assistant or the trigger is given by name.
        """
        if not is_assistant(as_given(assistant)) or isinstance(as_given(trigger), str):
            raise caller_place().refuse(
                f"step({assistant!r}, {trigger!r}, …): give the assistant and the tool's function, not their names"
            )
        name = trigger.trigger if isinstance(trigger, Transition) else self._tool_name(assistant, trigger)
        if assistant.flow is not self:
            raise NotTaken(assistant.name, name, f"{assistant.name} belongs to another flow")
        if isinstance(trigger, Transition) and trigger.source not in (assistant.name, EVERYWHERE):
            raise NotTaken(assistant.name, name, f"it leads from {trigger.source}")
        verdict = self.judge(
            assistant.name,
            name,
            metadata,
            previous=previous.name if previous is not None else None,
            go=go.name if go is not None else None,
        )
        if isinstance(verdict, Denied):
            raise NotTaken(assistant.name, name, verdict.reason)
        for observer in OBSERVERS:
            observer.step_taken(self._flow, verdict)
        return self.end if verdict.dest == END else self.assistants[verdict.dest]

    def judge(
        self,
        assistant: str,
        trigger: str,
        metadata: M,
        *,
        previous: str | None = None,
        go: str | None = None,
        blocked: Callable[[Transition], str | None] | None = None,
    ) -> Transition | Denied:
        """Fire the Machine: the transition that is taken, or why none is. Freezes the flow.

        Args:
            assistant: name of the active assistant.
            trigger: the trigger's name.
            metadata: what guards are asked about; they get a copy.
            previous: name of the assistant active before.
            go: name of the destination the body chose.
            blocked: why a transition must not be taken now, or None; asked last, so the next destination is tried.
        """
        told = self._guard_asked if OBSERVERS else None
        return self.frozen_form.judge(
            assistant, trigger, metadata, previous=previous, go=go, blocked=blocked, told=told
        )

    def _guard_asked(self, transition: Transition, held: bool) -> None:
        for observer in OBSERVERS:
            observer.guard_asked(self._flow, transition, held=held)

    def _tool_name(self, assistant: Assistant[M], trigger: Callable[..., Any] | Tool) -> str:
        function = trigger.function if isinstance(trigger, Tool) else trigger
        for name, tool in self.frozen_form.offered.get(assistant.name, {}).items():
            if tool.function is function:
                return name
        raise NotTaken(assistant.name, name_of(function), f"it is no tool of {assistant.name}")

    # -- metadata and instructions -------------------------------------------------------------------------------------

    def metadata_from(self, values: Mapping[str, Any]) -> M:
        """Metadata from JSON values.

        Raises:
            MetadataRefused: a value is not what its field takes, or there is no such field.
        """
        return cast("M", load(self.metadata, values))

    def dump(self, metadata: Metadata) -> dict[str, Any]:
        """The metadata as JSON values; an unset field is None."""
        return dump(metadata)

    def instructions_of(self, assistant: str, metadata: M) -> str:
        """The rendered instructions: the flow's, then the assistant's.

        Raises:
            InstructionsError: a placeholder stands on an unset field, or a template failed.
        """
        templates = (self.instructions, self.assistants[assistant].instructions)
        texts = [template.render(metadata) for template in templates if template is not None]
        return "\n\n".join(text for text in texts if text.strip())

    def render(self, assistant: str, metadata: M, *, previous: str | None, trigger: str | None) -> str:
        """What the model of an assistant is told: its instructions, then who it is and who else speaks here.

        Args:
            assistant: its name.
            metadata: the thread's metadata.
            previous: name of the assistant that handed over last, if any did.
            trigger: the trigger of that handoff.

        Raises:
            InstructionsError: a placeholder stands on an unset field, a template failed, or there is no such assistant.
        """
        if assistant not in self.assistants:
            raise InstructionsError(assistant, f"{self.name} has no such assistant")
        return "\n\n".join(
            text
            for text in (self.instructions_of(assistant, metadata), self.attribution(assistant, previous, trigger))
            if text
        )

    def attribution(self, assistant: str, previous: str | None, trigger: str | None) -> str:
        """The lines that tell an assistant its name, who else speaks in the thread, and the last handoff."""
        return attribute(assistant, self.assistants, previous, trigger)
