"""A plain Python function becomes a tool.

What the model is offered, whether it may be called now, and what a call is bound to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from handoff.declaration.arguments import Arguments
from handoff.declaration.assistants import Destination, Speak
from handoff.declaration.effects import Bound, BoundProbe, Outcome
from handoff.declaration.guards import ask, is_async, name_of
from handoff.declaration.metadata import Deps, Metadata, ToolCall
from handoff.declaration.place import Place
from handoff.declaration.signature import Signature, Source

if TYPE_CHECKING:
    from handoff.declaration.flow import Flow

__all__ = ["Approval", "Bound", "BoundProbe", "Outcome", "Tool"]

logger = logging.getLogger("handoff")

Approval = bool | Callable[..., bool]
"""Whether a person must approve a call: always, never, or as a function of some of the tool's parameters says."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tool:
    """A function that the model of an assistant may call.

    Attributes:
        name: the function's name.
        description: what the model reads about it.
        function: the function itself.
        owners: names of the assistants that have it; empty until the freeze for one that every assistant has.
        signature: its parameters and what it returns.
        arguments: the parameters that the model fills.
        to: its destinations, in the order they are tried.
        sets: metadata fields it sets.
        clears: metadata fields it clears.
        allow: while it says no the tool is not offered.
        speak: whether the new assistant speaks at once; ``output``: the output is its reply.
        approval: whether a person must approve a call.
        approval_signature: the parameters of an approval that is a function.
        idempotent: the body may run again with the same idempotency key.
        probe: asked after a crash whether the call happened.
        probe_signature: the probe's parameters.
        timeout: seconds after which a call that is not done is answered pending and goes on as a ticket; None leaves it
            to the run's deadline.
        consults: the flows that the body may ask in side rooms.
        place: where the function starts.
    """

    name: str
    description: str
    function: Callable[..., Any]
    owners: tuple[str, ...]
    signature: Signature
    arguments: Arguments
    place: Place
    to: tuple[Destination[Any], ...] = ()
    sets: tuple[str, ...] = ()
    clears: tuple[str, ...] = ()
    allow: Callable[[Any], bool] | None = None
    speak: Speak = True
    approval: Approval = False
    approval_signature: Signature | None = None
    idempotent: bool = False
    probe: Callable[..., Any] | None = None
    probe_signature: Signature | None = None
    timeout: float | None = None
    consults: tuple[Flow[Any, Any], ...] = ()
    reads: tuple[str, ...] = field(init=False)
    takes_deps: bool = field(init=False)
    lane: bool = field(init=False)
    is_async: bool = field(init=False)

    def __post_init__(self) -> None:
        signature = self.signature
        reads = signature.named(Source.READS)
        touches = bool(signature.named(Source.METADATA, Source.READS) or self.sets or self.clears)
        object.__setattr__(self, "reads", reads)
        object.__setattr__(self, "takes_deps", bool(signature.named(Source.DEPS)))
        object.__setattr__(self, "lane", bool(touches or self.allow or self.to))
        object.__setattr__(self, "is_async", is_async(self.function))

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the parameters the model fills."""
        return self.arguments.schema

    @property
    def strict(self) -> bool:
        """Whether strict mode can express the schema."""
        return self.arguments.strict

    def parse(self, arguments: str) -> dict[str, Any]:
        """The values in a model's arguments, by parameter, with defaults filled in.

        Args:
            arguments: JSON text, not trusted.

        Raises:
            ArgumentsRefused: whatever is wrong with it; its text reads ``<field>: <problem>``.
        """
        return self.arguments.parse(arguments)

    def unavailable(self, metadata: Metadata) -> str | None:
        """Why the tool cannot be called now, or None: a field it reads is unset, or `allow` says no."""
        unset = [name for name in self.reads if getattr(metadata, name) is None]
        if unset:
            return f"{', '.join(unset)} {'is' if len(unset) == 1 else 'are'} not set"
        return ask(self.allow, metadata) if self.allow is not None else None

    def asks_approval(self, values: Mapping[str, Any], metadata: Metadata) -> bool:
        """Whether a person must approve this call. A policy that fails asks for approval; the failure is logged.

        Args:
            values: what `parse` gave.
            metadata: the thread's metadata.
        """
        if self.approval_signature is None or not callable(self.approval):
            return bool(self.approval)
        copy = metadata.model_copy(deep=True)
        given = {
            parameter.name: copy
            if parameter.source is Source.METADATA
            else values[parameter.name]
            if parameter.name in values
            else getattr(copy, parameter.name)
            for parameter in self.approval_signature.parameters
        }
        try:
            return bool(self.approval(**given))
        except Exception:
            logger.exception("the approval policy %s failed; approval is asked for", name_of(self.approval))
            return True

    def bind(self, values: Mapping[str, Any], metadata: Metadata, deps: Deps | None, call: ToolCall) -> Bound:
        """The body with all it is called with; it gets a copy of the metadata.

        Args:
            values: what `parse` gave.
            metadata: the thread's metadata, which never changes by this.
            deps: what the process lends.
            call: the call.
        """
        return Bound(self, values, metadata, deps, call)

    def bind_probe(
        self, values: Mapping[str, Any], metadata: Metadata, deps: Deps | None, call: ToolCall
    ) -> BoundProbe:
        """The probe with all it is called with, as `bind` does for the body.

        Raises:
            ValueError: the tool has no probe.
        """
        return BoundProbe(self, values, metadata, deps, call)

    def __repr__(self) -> str:
        return f"<tool {self.name} of {', '.join(self.owners) or 'every assistant'}>"
