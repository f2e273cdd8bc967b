"""Asks the model, and gives its answer piece by piece, with the faults of an answer and within a budget of tokens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from handoff.backends.base import Called, Delta, Ended, OfferedTool, Prompt, Request
from handoff.backends.embedded import Embedded
from handoff.core.items import Asked, Item, Spoken
from handoff.core.status import Status
from handoff.sandbox.model import FORCED, arguments_for
from handoff.sandbox.prompting import pieces, tokens
from handoff.sandbox.world import World


class ModelFailed(Exception):
    """The model could not answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The budget is spent, and the answer ends here."""

    #: The call that was cut off, its arguments as far as they came.
    call: Asked | None = None


Piece: TypeAlias = str | Asked | Cut
"""A piece of an answer: text, a call with an id of its own, or its end before its time."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the model is asked, on any of the APIs."""

    #: The operation that asks, for the faults.
    operation: str
    #: The assistant that is to answer.
    assistant: str
    #: The model's name.
    model: str
    #: Its instructions.
    instructions: str
    #: All it sees.
    items: tuple[Item, ...]
    #: The tools it is offered.
    tools: tuple[OfferedTool, ...]
    #: The tool it must call, "required" for any, or None.
    forced: str | None = None
    #: Whether it may call several at once.
    parallel: bool = True
    #: How many tokens it may say; None for any number.
    budget: int | None = None

    @property
    def size(self) -> int:
        """How many tokens it is shown."""
        return tokens(self.instructions) + sum(tokens(_text(item)) for item in self.items)


async def speak(world: World, question: Question) -> AsyncGenerator[Piece, None]:
    """Yield the model's answer.

    Args:
        world: the sandbox.
        question: what it is asked.

    Raises:
        ModelFailed: the model raised.
    """
    if world.faults.slow:
        await world.clock.sleep(world.faults.slow)
    left = question.budget
    async with aclosing(_answer(world, question)) as answer:
        async for piece in answer:
            await asyncio.sleep(0)  # whoever hangs up or cancels meanwhile is heard
            if left is None:
                yield piece
                continue
            parts = pieces(piece if isinstance(piece, str) else piece.arguments)
            kept = "".join(parts[: max(left, 0)])
            left -= len(parts)
            if left < 0:
                yield Cut() if isinstance(piece, str) else Cut(replace(piece, arguments=kept))
                return
            yield piece


async def _answer(world: World, question: Question) -> AsyncGenerator[str | Asked, None]:
    options: dict[str, Any] = {"model": question.model}
    if question.forced is not None:
        options[FORCED] = question.forced
    prompt = Prompt(question.assistant, question.instructions, question.tools, question.items, (), options)
    request = Request("", 0, 0, "send", prompt, world.clock.now() + world.expire)
    async with aclosing(Embedded(world.model).open(request)) as reports:
        async for report in reports:
            if isinstance(report, Delta):
                for piece in pieces(report.text):
                    yield piece
            elif isinstance(report, Called):
                for call in _with_faults(world, question, report.calls):
                    yield replace(call, id=world.new_id("call"))
            elif isinstance(report, Ended) and report.status is Status.FAILED:
                raise ModelFailed(report.reason)


def _with_faults(world: World, question: Question, calls: Sequence[Asked]) -> list[Asked]:
    given = list(calls)
    if question.tools and world.faults.take(question.operation, "two_handoffs"):
        names = [tool.name for tool in question.tools]
        after = names.index(given[0].tool) + 1 if given[0].tool in names else 0
        other = question.tools[after % len(names)]
        given.insert(1, Asked("", other.name, json.dumps(arguments_for(other.schema))))
    elif not question.parallel:
        del given[1:]
    if world.faults.take(question.operation, "bad_arguments"):
        given[0] = replace(given[0], arguments=given[0].arguments[: len(given[0].arguments) // 2])
    return given


def _text(item: Item) -> str:
    return " ".join([item.text, *(call.arguments for call in item.calls)]) if isinstance(item, Spoken) else item.text
