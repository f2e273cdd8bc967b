"""A model for tests: it says what its script says.

The step is picked by how often its assistant has spoken in the transcript it is shown, so a script goes on after a
restart. What does not go by the script is an error that shows what was offered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pydantic_core import to_jsonable_python

from handoff.core.items import Asked, Note, Output, Spoken, UserMessage
from handoff.declaration.assistants import Assistant
from handoff.declaration.guards import name_of
from handoff.declaration.prompt import Prompt
from handoff.errors import ScriptMismatch
from handoff.models.base import Answer

Step: TypeAlias = str | Asked | tuple[Asked, ...] | Answer | BaseException
"""A turn: a reply, a call, a batch of calls, an answer with both, or an exception, with which the request fails."""


def call(tool: Callable[..., Any] | str, *, raw: str | None = None, **arguments: Any) -> Asked:
    """A tool call as a model writes it.

    Args:
        tool: the tool's function or its name.
        raw: the arguments as text, for what is no JSON object; instead of `arguments`.
        **arguments: the arguments; pydantic models, enums and dates are written as JSON, an assistant as its name.

    Raises:
        ValueError: both are given, or an argument cannot be written as JSON.
    """
    if raw is not None and arguments:
        raise ValueError(f"raw= replaces the arguments {', '.join(arguments)}: give one or the other")
    name = tool if isinstance(tool, str) else name_of(tool)
    return Asked("", name, json.dumps(arguments, default=_as_json) if raw is None else raw)


def _as_json(value: object) -> Any:
    return value.name if isinstance(value, Assistant) else to_jsonable_python(value)


class ScriptedModel:
    """A model that says what it is told to.

    Attributes:
        prompts: all prompts it was shown, in order; `prompts[-1].tools` is what it was offered last.
    """

    def __init__(self, script: Mapping[Assistant[Any] | str, Sequence[Step]], *, strict: bool = True) -> None:
        """Take a script.

        Args:
            script: the steps of each assistant, by the assistant or its name. Every thread plays it from its start; an
                exception is raised once, and the next request gets the step after it.
            strict: a call of a tool that is not offered fails the request, and `close` reports steps nobody came to.
                False: calls go out as written, and steps may be left over.

        Raises:
            TypeError: the steps of an assistant are one text instead of a list.
        """
        for steps in script.values():
            if isinstance(steps, str):
                raise TypeError(f"the steps of an assistant are a list: write [{steps!r}]")
        self.prompts: list[Prompt] = []
        self._steps = {name if isinstance(name, str) else name.name: tuple(steps) for name, steps in script.items()}
        self._strict = strict
        self._played: set[tuple[str, int]] = set()
        self._problems: list[str] = []

    def answer(self, prompt: Prompt) -> Answer:
        """Play the next step of the prompt's assistant.

        Args:
            prompt: what the model is shown.

        Raises:
            ScriptMismatch: the script has no such turn, or calls a tool that is not offered.
            BaseException: the step is an exception.
        """
        self.prompts.append(prompt)
        turn = sum(isinstance(item, Spoken) and item.assistant == prompt.assistant for item in prompt.items)
        steps = self._steps.get(prompt.assistant, ())
        index = self._index(prompt.assistant, steps, turn)
        if index >= len(steps):
            raise self._mismatch(f"{prompt.assistant} has no step for its turn {turn + 1}{_seen(prompt)}")
        self._played.add((prompt.assistant, index))
        step = steps[index]
        if isinstance(step, BaseException):
            raise step
        answer = _answer(step)
        offered = {tool.name for tool in prompt.tools}
        for asked in answer.calls if self._strict else ():
            if asked.tool not in offered:
                raise self._mismatch(f"{prompt.assistant} calls {asked.tool}, which it is not offered{_seen(prompt)}")
        return answer

    def close(self) -> None:
        """Report, once, all that did not go by the script.

        Raises:
            ScriptMismatch: a turn differed or, if strict, a step was not played.
        """
        problems, self._problems = [*self._problems], []
        if self._strict:
            for name, steps in self._steps.items():
                left = [repr(step) for index, step in enumerate(steps) if (name, index) not in self._played]
                problems += [f"{name} did not come to {', '.join(left)}"] if left else []
                self._played |= {(name, index) for index in range(len(steps))}
        if problems:
            raise ScriptMismatch(tuple(problems))

    def _index(self, assistant: str, steps: Sequence[Step], turn: int) -> int:
        """Where the script stands after `turn` turns: exceptions leave no turn behind, so they are counted by us."""
        spoken = 0
        for index, step in enumerate(steps):
            if isinstance(step, BaseException):
                if spoken == turn and (assistant, index) not in self._played:
                    return index
            elif spoken == turn:
                return index
            else:
                spoken += 1
        return len(steps)

    def _mismatch(self, problem: str) -> ScriptMismatch:
        self._problems.append(problem)
        return ScriptMismatch((problem,))


def _answer(step: str | Asked | tuple[Asked, ...] | Answer) -> Answer:
    match step:
        case Answer():
            return step
        case str():
            return Answer(step)
        case Asked():
            return Answer(calls=(step,))
        case _:
            return Answer(calls=step)


def _seen(prompt: Prompt) -> str:
    tools = ", ".join(tool.name for tool in prompt.tools) or "no tools"
    last = f" after {_item(prompt.items[-1])}" if prompt.items else ""
    return f"{last}; it was offered {tools}"


def _item(item: object) -> str:
    """The latest item of a transcript in words; what is no message and no output as it is written."""
    match item:
        case UserMessage(text=text):
            return f"the user's {text!r}"
        case Output(tool=tool, text=text):
            return f"{tool}'s output {text!r}"
        case Note(text=text):
            return f"the note {text!r}"
        case _:
            return repr(item)
