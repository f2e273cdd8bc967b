"""What is explored: what a user says, and a model that answers by what it is shown.

In an exploration messages come at any moment, so the model cannot go by a list of turns. A scenario learned from a test
answers what the test answers to the same stimulus: the same words of the user, outputs of the same tools, a handoff.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from handoff.backends.base import Prompt
from handoff.content import Content
from handoff.core.answers import Extra
from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage
from handoff.core.state import Run, Ticket
from handoff.core.status import Status
from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.driving.decisions import Decision
from handoff.errors import ConfigurationError
from handoff.models import Answer
from handoff.store.base import Receipt
from handoff.testing.talk import Talk
from handoff.thread import EditReceipt, WhileRunning

#: What the model of a learned scenario says where the test does not show what to say.
AT_A_LOSS = "(the test does not say what to answer here)"


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
    """

    messages: Sequence[str | Message | Edit | Pause]
    model: AskedModel
    rulings: Mapping[str, Sequence[Ruling]] = field(default_factory=dict[str, "Sequence[Ruling]"])


#: An assistant and what it answers to.
Stimulus: TypeAlias = tuple[str, ...]


class Learned:
    """A model that answers as a test did to the same stimulus, however the conversation came to it.

    Each new message of the user is answered that the assistant knows an answer to, all in one response; without one,
    new outputs are; then notes.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[str, Stimulus], list[Answer]] = defaultdict(list)

    @property
    def called(self) -> set[str]:
        """The names of the tools that it has learned to call."""
        return {asked.tool for answers in self._answers.values() for answer in answers for asked in answer.calls}

    def learn(self, prompt: Prompt, answer: Answer) -> None:
        """Remember what was answered.

        Args:
            prompt: what the model was shown.
            answer: what it answered.
        """
        stimuli = _stimuli(prompt.items)
        if stimuli:
            self._answers[prompt.assistant, stimuli[-1]].append(answer)

    def answer(self, prompt: Prompt) -> Answer:
        """Answer what is new since anybody spoke.

        Args:
            prompt: what the model is shown.
        """
        told = [found for one in _stimuli(prompt.items) if (found := self._known(prompt, one)) is not None]
        if not told:
            told = [found for one in _other(prompt.items) if (found := self._known(prompt, one)) is not None][:1]
        text = " ".join(one.text for one in told if one.text)
        asked = tuple(dict.fromkeys(one for answer in told for one in answer.calls))
        return Answer(text or ("" if asked else AT_A_LOSS), asked)

    def _known(self, prompt: Prompt, stimulus: Stimulus) -> Answer | None:
        answers = self._answers.get((prompt.assistant, stimulus), ())
        offered = {tool.name for tool in prompt.tools}
        fit = [one for one in answers if all(asked.tool in offered for asked in one.calls)]
        if not fit:
            return None
        before = sum(stimulus == ("user", item.text) for item in prompt.items if isinstance(item, UserMessage)) - 1
        return fit[min(max(before, 0), len(fit) - 1)]


def _new(items: Sequence[Item]) -> Sequence[Item]:
    spoken = [index for index, item in enumerate(items) if isinstance(item, Spoken)]
    return items[spoken[-1] + 1 :] if spoken else items


def _stimuli(items: Sequence[Item]) -> list[Stimulus]:
    """Return what is to be answered: the user's new messages, else what else is new."""
    said = [("user", item.text) for item in _new(items) if isinstance(item, UserMessage)]
    return [*said] or _other(items)


def _other(items: Sequence[Item]) -> list[Stimulus]:
    new = _new(items)
    tools = tuple(sorted(item.tool for item in new if isinstance(item, Output)))
    notes = [("note", item.kind) for item in new if isinstance(item, Note)]
    return [*([("outputs", *tools)] if tools else []), *notes[-1:]]


class Rehearsal(Talk[M]):
    """A talk that remembers what a test plays.

    Attributes:
        messages: what the user said, and what happened between messages.
        model: what the model answered to what.
        rulings: what people decided, by tool.
    """

    def __init__(self, flow: Flow[M, Any], **options: Any) -> None:  # those of a Talk; a room's talk is one, too
        super().__init__(flow, **options)
        self.messages: list[str | Message | Edit | Pause] = []
        self.model = Learned()
        self.rulings: dict[str, list[Ruling]] = {}

    def user(self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None) -> Receipt:
        """See `Talk.user`. Schedules are told by words alone.

        Raises:
            ConfigurationError: the message has images or files.
        """
        if not isinstance(content, str):
            raise ConfigurationError("an exploration plays messages of text alone: say what the image or file shows")
        receipt = super().user(content, while_running=while_running, key=key)
        if not receipt.repeated:
            self.messages.append(Message(content, while_running))
        return receipt

    def edit(self, **fields: Any) -> EditReceipt:
        """See `Talk.edit`."""
        self.messages.append(Edit(fields))
        return super().edit(**fields)

    def silence(self, delay: timedelta = timedelta(0)) -> None:
        """See `Talk.silence`."""
        self.messages.append(Pause())
        super().silence(delay)

    def approve(self, *, ticket: Ticket | str | None = None, by: str = "") -> Decision:
        """See `Talk.approve`."""
        before = self.tickets
        return self._ruled(before, super().approve(ticket=ticket, by=by), Ruling("approve"))

    def refuse(self, reason: str = "", *, ticket: Ticket | str | None = None, by: str = "") -> Decision:
        """See `Talk.refuse`."""
        before = self.tickets
        return self._ruled(before, super().refuse(reason, ticket=ticket, by=by), Ruling("refuse", reason))

    def settle(
        self, output: str, *, happened: bool = True, ticket: Ticket | str | None = None, by: str = ""
    ) -> Decision:
        """See `Talk.settle`."""
        before = self.tickets
        return self._ruled(
            before, super().settle(output, happened=happened, ticket=ticket, by=by), Ruling("resolve", output)
        )

    def _ruled(self, before: tuple[Ticket, ...], decision: Decision, ruling: Ruling) -> Decision:
        tool = next(one.call.tool for one in before if one.id == decision.ticket)
        self.rulings.setdefault(tool, []).append(ruling)
        return decision

    def _end(
        self,
        run: Run,
        status: Status,
        *,
        text: str = "",
        reason: str = "",
        stored: int | None = None,
        extra: Extra | None = None,
    ) -> None:
        prompt = self.prompt
        super()._end(run, status, text=text, reason=reason, stored=stored, extra=extra)
        if prompt is not None and status is Status.COMPLETED:
            self.model.learn(prompt, Answer(text))

    def _call(self, run: Run, answer: Answer) -> None:
        prompt = self.prompt
        super()._call(run, answer)
        if prompt is not None:
            self.model.learn(
                prompt, Answer(answer.text, tuple(Asked("", one.tool, one.arguments) for one in answer.calls))
            )

    @property
    def scenario(self) -> Scenario:
        """What the test has played."""
        return Scenario(tuple(self.messages), self.model, {tool: tuple(all_) for tool, all_ in self.rulings.items()})
