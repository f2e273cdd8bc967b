"""Models of the tests: they play steps in the order they are asked, and a step may wait at a gate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from handoff import Answer, call
from handoff.core.items import Asked, Note, Output, UserMessage
from handoff.declaration.prompt import Prompt
from tests.support.gates import Gate

Step = str | Asked | Sequence[Asked] | Answer | BaseException


@dataclass(slots=True)
class Held:
    """A step that first says `said`, then waits at a gate; what waited is cancelled with its request."""

    gate: Gate
    step: Step
    said: str = ""


class Plays:
    """Plays its steps one after the other, whoever asks; each request takes one.

    Attributes:
        prompts: what it was shown, in order.
    """

    def __init__(self, *steps: Step | Held) -> None:
        self.prompts: list[Prompt] = []
        self._steps = list(steps)

    async def answer(self, prompt: Prompt) -> AsyncIterator[str | Answer]:
        """Play the next step."""
        self.prompts.append(prompt)
        assert self._steps, f"no step is left for {prompt.items[-1]!r}"
        step = self._steps.pop(0)
        if isinstance(step, Held):
            if step.said:
                yield step.said
            await step.gate.halt()
            step = step.step
        if isinstance(step, BaseException):
            raise step
        yield _answer(step)


class Answers:
    """Answers by a function of the prompt, and counts.

    Attributes:
        prompts: what it was shown, in order.
    """

    def __init__(self, answer: Callable[[Prompt], Step]) -> None:
        self.prompts: list[Prompt] = []
        self._answer = answer

    def answer(self, prompt: Prompt) -> Answer:
        """Answer with what the function says."""
        self.prompts.append(prompt)
        return _answer(self._answer(prompt))


def _answer(step: object) -> Answer:
    match step:
        case Answer():
            return step
        case str():
            return Answer(step)
        case Asked():
            return Answer(calls=(step,))
        case list() | tuple():
            return Answer(calls=tuple(step))
        case _:
            raise TypeError(f"{step!r} is no step")


def echo(prompt: Prompt) -> str:
    """Say what the user said last."""
    said = [item.text for item in prompt.items if isinstance(item, UserMessage)]
    return f"{prompt.assistant} heard {said[-1]}"


def texts(prompt: Prompt) -> list[str]:
    """What the request adds to the transcript, as texts."""
    return [item.text for item in prompt.due if isinstance(item, UserMessage | Output | Note)]


__all__ = ["Answers", "Held", "Plays", "Step", "call", "echo", "texts"]
