"""A flow's offline rules: patterns on what a user says, and what to say or call.

This is no AI and never pretends to be one. What it does not understand changes nothing, and the reply names what it
does understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from handoff.core.items import Asked, Note, Output, UserMessage
from handoff.declaration.assistants import Assistant
from handoff.declaration.flow import Flow
from handoff.declaration.guards import name_of
from handoff.declaration.place import Place, caller_place, place_of
from handoff.declaration.prompt import Prompt
from handoff.models.base import Answer
from handoff.models.heard import new_items

Said: TypeAlias = str | Asked | tuple[Asked, ...] | Answer
"""What a rule gives: a reply, a call, several calls, or both."""

ByMatch = TypeVar("ByMatch", bound=Callable[[re.Match[str]], Said])
ByText = TypeVar("ByText", bound=Callable[[str], Said])


@dataclass(frozen=True, slots=True)
class _Pattern:
    assistant: str
    ability: str
    patterns: tuple[re.Pattern[str], ...]
    offered: str | None
    function: Callable[[re.Match[str]], Said]


@dataclass(frozen=True, slots=True)
class _Result:
    assistant: str
    tools: frozenset[str]
    #: What to say about the outputs; None: go by the user's last message.
    function: Callable[[str], Said] | None


class RuleModel:
    """The offline model of a flow. Making it sets `flow.offline`, which is used where no backend is given.

    Of what is new since anybody spoke, the last user message counts first (`when`), then outputs of calls (`after`,
    `hears`), then the handoff (`started`). Rules are tried in the order they were declared. Outputs that no rule takes
    are read out; a user message that no rule takes is answered with the assistant's abilities.
    """

    def __init__(self, flow: Flow[Any, Any]) -> None:
        """Begin the rules of a flow.

        Args:
            flow: the flow, its assistants declared.
        """
        self._flow = flow
        self._patterns: list[_Pattern] = []
        self._results: list[_Result] = []
        self._started: dict[str, Callable[[str], Said]] = {}
        flow.offline = self

    # -- declaring -----------------------------------------------------------------------------------------------------

    def when(
        self, assistant: Assistant[Any], *patterns: str, offered: Callable[..., Any] | None = None
    ) -> Callable[[ByMatch], ByMatch]:
        """Declare what to do when a message matches as a whole, upper or lower case, blanks around it left aside.

        Args:
            assistant: while which assistant is active.
            *patterns: regular expressions, tried in order. The function gets the match; the first line of its docstring
                is the ability that is named to users.
            offered: a tool's function; the rule is left aside while that tool is not offered. None: it always applies.

        Raises:
            DefinitionError: a pattern cannot be compiled, the assistant is of another flow, or there is no docstring.
        """
        place = caller_place()
        self._require_own(assistant, place)
        if not patterns:
            raise place.refuse(f"the rule of {assistant.name} has no pattern: give a regular expression")
        compiled = tuple(_compile(pattern, place) for pattern in patterns)

        def declare(function: ByMatch) -> ByMatch:
            ability = (function.__doc__ or "").strip().partition("\n")[0].rstrip(".")
            if not ability:
                own_place = place_of(function, place)
                raise own_place.refuse(f"{name_of(function)} has no docstring: say in it what users can ask for")
            tool = None if offered is None else name_of(offered)
            self._patterns.append(_Pattern(assistant.name, ability, compiled, tool, function))
            return function

        return declare

    def after(self, assistant: Assistant[Any], *tools: Callable[..., Any]) -> Callable[[ByText], ByText]:
        """Declare what to say about the outputs of calls just made.

        Args:
            assistant: who is active now: after a call that handed over, the new assistant.
            *tools: the tools' functions. The function gets their outputs, each on lines of its own.

        Raises:
            DefinitionError: the assistant is of another flow, or no tool is named.
        """
        place = caller_place()
        self._require_own(assistant, place)
        if not tools:
            raise place.refuse(f"the rule of {assistant.name} names no tool: say after which tools it applies")
        names = frozenset(map(name_of, tools))

        def declare(function: ByText) -> ByText:
            self._results.append(_Result(assistant.name, names, function))
            return function

        return declare

    def hears(self, assistant: Assistant[Any], *tools: Callable[..., Any]) -> None:
        """Declare that after calls of these tools an assistant goes by the user's last message, as if it came just now.

        It is for tools that hand a wish over: whoever gets the thread takes the wish up in the words it was said in.

        Args:
            assistant: who is active after the call.
            *tools: the tools' functions.

        Raises:
            DefinitionError: the assistant is of another flow, or no tool is named.
        """
        place = caller_place()
        self._require_own(assistant, place)
        if not tools:
            raise place.refuse(f"{assistant.name} hears after no tool: say after which tools")
        self._results.append(_Result(assistant.name, frozenset(map(name_of, tools)), None))

    def started(self, assistant: Assistant[Any]) -> Callable[[ByText], ByText]:
        """Declare what an assistant says or calls when it was handed over to and nothing else is new.

        Args:
            assistant: the assistant. The function gets the note of the handoff.

        Raises:
            DefinitionError: the assistant is of another flow, or has such a rule.
        """
        place = caller_place()
        self._require_own(assistant, place)
        if assistant.name in self._started:
            raise place.refuse(f"{assistant.name} has a started rule already: keep one")

        def declare(function: ByText) -> ByText:
            self._started[assistant.name] = function
            return function

        return declare

    def _require_own(self, assistant: Assistant[Any], place: Place) -> None:
        if assistant.flow is not self._flow:
            raise place.refuse(f"{assistant!r} is of another flow: give an assistant of {self._flow.name}")

    # -- answering -----------------------------------------------------------------------------------------------------

    def answer(self, prompt: Prompt) -> Answer:
        """Answer by the first rule that applies; for an assistant of a consulted flow, by the rules of that flow.

        One model answers for all of them where it is asked over a server, such as the sandbox.

        Args:
            prompt: what the model is shown.
        """
        consulted = self._consulted(prompt.assistant)
        if consulted is not None:
            return consulted.answer(prompt)
        offered = {tool.name for tool in prompt.tools}
        answer = _answer(self._said(prompt, offered))
        missing = [asked.tool for asked in answer.calls if asked.tool not in offered]
        if missing:
            return Answer(f"That cannot be done now ({', '.join(missing)}). {self.abilities(prompt.assistant)}")
        return answer

    def abilities(self, assistant: str) -> str:
        """What an assistant understands, in one line.

        Args:
            assistant: its name.
        """
        known = "; ".join(map(_within, self._abilities(assistant)))
        return f"I understand: {known}." if known else "I have no rules for what users say here."

    def describe(self) -> str:
        """What this model is and all it understands, for people."""
        lines = [
            f"{self._flow.name} answers by fixed rules here, not by an AI.",
            "Words in capitals stand for what you put in; upper and lower case are the same.",
        ]
        for name in self._flow.assistants:
            known = self._abilities(name)
            lines += [f"{name}:", *(f"  - {ability}" for ability in known)] if known else []
        return "\n".join(lines)

    def _consulted(self, assistant: str) -> RuleModel | None:
        """The rules of the consulted flow that has this assistant; None for one of our own, or if there is none."""
        if assistant in self._flow.assistants:
            return None
        flows, seen = [*self._flow.consulted], set[int]()
        while flows:
            flow = flows.pop(0)
            if id(flow) in seen:
                continue
            seen.add(id(flow))
            if assistant in flow.assistants and isinstance(flow.offline, RuleModel):
                return flow.offline
            flows += flow.consulted
        return None

    def _abilities(self, assistant: str) -> list[str]:
        return list(dict.fromkeys(rule.ability for rule in self._patterns if rule.assistant == assistant))

    def _said(self, prompt: Prompt, offered: Collection[str]) -> Said:
        new = new_items(prompt.items)
        messages = [item.text for item in new if isinstance(item, UserMessage)]
        if messages:
            return self._to_message(prompt.assistant, messages[-1], offered)
        outputs = [item for item in new if isinstance(item, Output)]
        for rule in self._results if outputs else ():
            taken = [output.text for output in outputs if output.tool in rule.tools]
            if rule.assistant == prompt.assistant and taken:
                if rule.function is not None:
                    return rule.function("\n".join(taken))
                heard = [item.text for item in prompt.items if isinstance(item, UserMessage)]
                return self._to_message(prompt.assistant, heard[-1] if heard else "", offered)
        notes = [item.text for item in new if isinstance(item, Note)]
        told = [output.text for output in outputs]
        told += [item.text for item in new if isinstance(item, Note) and item.kind != "handoff"]
        if not told and notes and prompt.assistant in self._started:
            return self._started[prompt.assistant](notes[-1])
        return "\n".join(told) or self.abilities(prompt.assistant)

    def _to_message(self, assistant: str, text: str, offered: Collection[str]) -> Said:
        for rule in self._patterns:
            if rule.assistant != assistant or (rule.offered is not None and rule.offered not in offered):
                continue
            for pattern in rule.patterns:
                match = pattern.fullmatch(text.strip())
                if match is not None:
                    return rule.function(match)
        return f"I did not understand that. {self.abilities(assistant)}"


def _within(ability: str) -> str:
    """An ability as it stands within a sentence; a word in capitals stays."""
    return ability if ability.partition(" ")[0].isupper() else ability[0].lower() + ability[1:]


def _compile(pattern: str, place: Place) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise place.refuse(f"{pattern!r} is no regular expression: {error}") from None


def _answer(said: Said) -> Answer:
    match said:
        case Answer():
            return said
        case str():
            return Answer(said)
        case Asked():
            return Answer(calls=(said,))
        case _:
            return Answer(calls=said)
