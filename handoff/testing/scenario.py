"""What is explored: what a user says, and models that answer by what they are shown.

In an exploration messages come at any moment, so a model cannot go by a list of turns.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from handoff.core.state import Ticket
from handoff.declaration.flow import Flow
from handoff.declaration.prompt import Prompt
from handoff.errors import ConfigurationError
from handoff.models import Answer
from handoff.testing.loop import PrivateLoop
from handoff.testing.schedule import Broken
from handoff.thread import WhileRunning


@dataclass(frozen=True, slots=True)
class Message:
    """Something the user says."""

    #: The words.
    text: str
    #: What it does to an active run, as for `Thread.send`.
    while_running: WhileRunning = "queue"


@dataclass(frozen=True, slots=True)
class Edit:
    """Metadata changed from outside, while the thread rests."""

    #: The fields and their new values; None unsets one.
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Nobody says anything until the next silence of the active assistant ends."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What people decide about calls of a tool that waits for them."""

    #: Let it run; refuse it; or deliver what the world answered.
    kind: Literal["approve", "refuse", "resolve"]
    #: The reason of a refusal, or the output.
    text: str = ""


@runtime_checkable
class Answerer(Protocol):
    """A model object: `RuleModel`, for example, or anything whose answer depends on the prompt alone."""

    def answer(self, prompt: Prompt) -> Any:
        """Answer a prompt, as `handoff.Model` does."""
        ...


AskedModel: TypeAlias = Answerer | Callable[[Prompt], Answer | str]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What an exploration plays.

    Attributes:
        messages: what the user says, in this order, each at any moment; and what happens between messages.
        model: answers by what it is shown, and by nothing else: a model object, or a function of the prompt.
        rulings: by tool, what people decide; an approval that is not listed is both given and refused.
        rooms: by the name of a flow that is consulted, the model of its side rooms; without one, its offline rules.
    """

    messages: Sequence[str | Message | Edit | Pause]
    model: AskedModel
    rulings: Mapping[str, Sequence[Ruling]] = field(default_factory=dict[str, "Sequence[Ruling]"])
    rooms: Mapping[str, AskedModel] = field(default_factory=dict[str, "AskedModel"])

    def model_of(self, flow: Flow[Any, Any]) -> AskedModel:
        """Return the model of a flow's side rooms.

        Args:
            flow: it is consulted.

        Raises:
            ConfigurationError: there is none.
        """
        model: AskedModel | None = self.rooms.get(flow.name, flow.offline)
        if model is None:
            raise ConfigurationError(
                f"{flow.name} is consulted and has no offline rules: say what its model answers, as in "
                f"Scenario(…, rooms={{{flow.name!r}: …}})"
            )
        return model

    def decisions_on(self, ticket: Ticket) -> list[str]:
        """Return what people may say about a call that waits for them.

        Args:
            ticket: its ticket.
        """
        if ticket.stage == "in_doubt":
            return ["settle"]
        known = [ruling.kind for ruling in self.rulings.get(ticket.call.tool, ())]
        if ticket.stage == "approval":
            return [kind for kind in dict.fromkeys(known) if kind != "resolve"] or ["approve", "refuse"]
        return ["resolve"] if ticket.stage == "waiting" and "resolve" in known else []

    def ruling(self, ticket: Ticket, kind: Literal["approve", "refuse", "resolve"]) -> Ruling | None:
        """Return how people decide so.

        Args:
            ticket: the ticket of the call they decide about.
            kind: what they decide.
        """
        return next((one for one in self.rulings.get(ticket.call.tool, ()) if one.kind == kind), None)


def ask(model: AskedModel, prompt: Prompt, loop: PrivateLoop) -> Answer:
    """Return what a model answers.

    Args:
        model: the model.
        prompt: what it is shown.
        loop: where it is awaited, if it is asynchronous.

    Raises:
        Broken: it gave neither an Answer nor a text.
    """
    given: Any = model.answer(prompt) if isinstance(model, Answerer) else model(prompt)
    if isinstance(given, AsyncIterator):
        given = _added_up(given)  # pyright: ignore[reportUnknownArgumentType]
    if inspect.isawaitable(given):
        given = loop.run(given)
    if isinstance(given, str):
        return Answer(given)
    if not isinstance(given, Answer):
        raise Broken(f"the model answered {given!r}: it must give an Answer or a text")
    return given


async def _added_up(pieces: AsyncIterator[Any]) -> Answer:
    text, asked = "", list[Any]()
    async for piece in pieces:
        answer = Answer(piece) if isinstance(piece, str) else piece
        text += answer.text
        asked += answer.calls
    return Answer(text, tuple(asked))


def consulted_by(flow: Flow[Any, Any]) -> tuple[Flow[Any, Any], ...]:
    """Return the flows that a flow's tools may consult, and those that theirs may.

    Args:
        flow: the flow.
    """
    found: list[Flow[Any, Any]] = []
    waiting = [flow]
    for one in waiting:
        for other in (consulted for tool in one.declared_tools for consulted in tool.consults):
            if other is not flow and other not in found:
                found.append(other)
                waiting.append(other)
    return tuple(found)
