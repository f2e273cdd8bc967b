"""What is explored, learned from a test: who says what in which moment of the conversation it plays.

The model of such a scenario answers what the test answers to the same stimulus: the same words of the user, outputs of
the same tools, a handoff.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeAlias

from handoff.content import Content
from handoff.core.answers import Extra
from handoff.core.items import Asked as AskedCall
from handoff.core.items import Item, Note, Output, Spoken, UserMessage
from handoff.core.state import Run, Ticket
from handoff.core.status import Status
from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.declaration.prompt import Prompt
from handoff.driving.decisions import Decision
from handoff.driving.side_rooms import INQUIRY, copied_length
from handoff.errors import ConfigurationError
from handoff.models import Answer
from handoff.store.base import Receipt
from handoff.testing.driver import InlineDriver
from handoff.testing.scenario import AskedModel, Edit, Message, Pause, Ruling, Scenario, consulted_by
from handoff.testing.suspending import Asked
from handoff.testing.talk import Talk
from handoff.testing.view import Within
from handoff.thread import EditReceipt, WhileRunning

#: What the model of a learned scenario says where the test does not show what to say.
AT_A_LOSS = "(the test does not say what to answer here)"

#: An assistant and what it answers to.
Stimulus: TypeAlias = tuple[str, ...]


class Learned:
    """A model that answers as a test did to the same stimulus, however the conversation came to it.

    Each new message of the user is answered that the assistant knows an answer to, all in one response; without one,
    new outputs are; then notes. In a side room that was asked the same as one of the test, as in that one.
    """

    def __init__(self) -> None:
        #: By assistant, by what its room was asked (empty: whatever it was), and by what it answers to.
        self._answers: dict[tuple[str, str, Stimulus], list[Answer]] = defaultdict(list)

    def learn(self, prompt: Prompt, answer: Answer) -> None:
        """Remember what was answered.

        Args:
            prompt: what the model was shown.
            answer: what it answered.
        """
        stimuli = _stimuli(prompt.items)
        if stimuli:
            for question in dict.fromkeys((_question(prompt.items), "")):
                self._answers[prompt.assistant, question, stimuli[-1]].append(answer)

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
        questions = (_question(prompt.items), "")
        known = (self._answers.get((prompt.assistant, question, stimulus)) for question in questions)
        answers = next(filter(None, known), ())
        offered = {tool.name for tool in prompt.tools}
        fit = [one for one in answers if all(asked.tool in offered for asked in one.calls)]
        if not fit:
            return None
        before = sum(stimulus == ("user", _words(item)) for item in prompt.items if isinstance(item, UserMessage)) - 1
        return fit[min(max(before, 0), len(fit) - 1)]


def _new(items: Sequence[Item]) -> Sequence[Item]:
    spoken = [index for index, item in enumerate(items) if isinstance(item, Spoken)]
    return items[spoken[-1] + 1 :] if spoken else items


def _stimuli(items: Sequence[Item]) -> list[Stimulus]:
    """Return what is to be answered: the user's new messages, else what else is new."""
    said = [("user", _words(item)) for item in _new(items) if isinstance(item, UserMessage)]
    return [*said] or _other(items)


def _question(items: Sequence[Item]) -> str:
    """Return what a side room was asked; empty for the user's thread."""
    return next((_words(item) for item in items if isinstance(item, UserMessage) and item.id == INQUIRY), "")


def _words(message: UserMessage) -> str:
    """Return what a message says; what a room is asked without the conversation it was given a copy of."""
    if message.id != INQUIRY:
        return message.text
    return message.text[copied_length(message.text) :].lstrip("\n")


def _other(items: Sequence[Item]) -> list[Stimulus]:
    new = _new(items)
    tools = tuple(sorted(item.tool for item in new if isinstance(item, Output)))
    notes = [("note", item.kind) for item in new if isinstance(item, Note)]
    return [*([("outputs", *tools)] if tools else []), *notes[-1:]]


class LearningTalk(Talk[M]):
    """A talk that remembers what a test plays, in side rooms, too.

    Attributes:
        messages: what the user said, and what happened between messages.
        model: what the model answered to what.
        rulings: what people decided, by tool.
        models: what the models of side rooms answered, by the name of their flow.
    """

    def __init__(
        self,
        flow: Flow[M, Any],
        *,
        deps: Deps | None = None,
        metadata: M | None = None,
        _within: Within | None = None,
    ) -> None:
        super().__init__(flow, deps=deps, metadata=metadata, _within=_within)
        self.messages: list[str | Message | Edit | Pause] = []
        self.model = Learned()
        self.rulings: dict[str, list[Ruling]] = {}
        self.models: dict[str, Learned] = {}

    def _room(self, asked: Asked) -> tuple[Any, InlineDriver]:
        room, driver = super()._room(asked)
        room.rulings, room.models = self.rulings, self.models
        room.model = self.models.setdefault(room.flow.name, Learned())
        return room, driver

    def _add(self, message: Message | Edit | Pause) -> None:
        if self._is_room:
            raise ConfigurationError(
                "an exploration plays what happens in a side room by itself: leave out user(…), edit(…) and silence(…) "
                "there, and say to explore how often a silence may end"
            )
        self.messages.append(message)

    def user(self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None) -> Receipt:
        """See `Talk.user`. Schedules are told by words alone.

        Raises:
            ConfigurationError: the message has images or files.
        """
        if not isinstance(content, str):
            raise ConfigurationError("an exploration plays messages of text alone: say what the image or file shows")
        receipt = super().user(content, while_running=while_running, key=key)
        if not receipt.repeated:
            self._add(Message(content, while_running))
        return receipt

    def edit(self, **fields: Any) -> EditReceipt:
        """See `Talk.edit`."""
        self._add(Edit(fields))
        return super().edit(**fields)

    def silence(self, delay: timedelta = timedelta(0)) -> None:
        """See `Talk.silence`."""
        self._add(Pause())
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
                prompt, Answer(answer.text, tuple(AskedCall("", one.tool, one.arguments) for one in answer.calls))
            )

    @property
    def scenario(self) -> Scenario:
        """What the test has played."""
        rulings = {tool: tuple(all_) for tool, all_ in self.rulings.items()}
        return Scenario(tuple(self.messages), self.model, rulings, self._rooms())

    def _rooms(self) -> dict[str, AskedModel]:
        """Return the models of all flows that may be consulted; of one the test has not come to, what it has."""
        return {flow.name: self.models.get(flow.name) or flow.offline or Learned() for flow in consulted_by(self.flow)}
