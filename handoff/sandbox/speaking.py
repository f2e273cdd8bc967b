"""Asks the model, and gives its answer piece by piece, with the faults of an answer and within a budget of tokens."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

from handoff.backends.embedded import answers_of
from handoff.core.answers import Citation, HostedCall
from handoff.core.items import Asked, Item, Spoken
from handoff.declaration.hosted import Hosted
from handoff.declaration.prompt import OfferedTool, Prompt, ReplyFormat
from handoff.models import Answer
from handoff.sandbox.model import FORCED, arguments_for
from handoff.sandbox.prompting import pieces
from handoff.sandbox.world import Wire, World

logger = logging.getLogger("handoff")


class ModelFailed(Exception):
    """The model could not answer; the text says why."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The answer ends here, before its time."""

    #: The call that was cut off, its arguments as far as they came.
    call: Asked | None = None
    #: Why.
    reason: str = "max_output_tokens"


class Refusal(str):
    """A piece of text by which the model refuses."""

    __slots__ = ()


Piece: TypeAlias = str | Asked | HostedCall | Citation | Cut
"""A piece of an answer: text, a call with an id of its own, what a hosted tool did, a source of the text just said, or
its end before its time."""


@dataclass(frozen=True)
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
    #: The tools it has that are run here.
    hosted: tuple[Hosted, ...] = ()
    #: What its answer is to fit.
    reply: ReplyFormat | None = None
    #: What is done first, since the client has approved it.
    approved: tuple[HostedCall, ...] = ()
    #: Instructions that stand behind all it sees.
    last: str = ""
    #: The tools the request lists, whether or not it may use them, as they came.
    listed: tuple[Wire, ...] = ()

    @cached_property
    def read(self) -> tuple[str, ...]:
        """The tokens it reads, in the order of a provider: what an answer is to fit, tools, instructions, the rest."""
        schema = "" if self.reply is None else json.dumps(self.reply.schema)
        texts = [schema, *map(json.dumps, self.listed), self.instructions, *map(_text, self.items), self.last]
        return tuple(word for text in texts for word in pieces(text))

    @property
    def size(self) -> int:
        """How many tokens it reads."""
        return len(self.read)


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
            if left is None or not isinstance(piece, str | Asked):
                yield piece
                continue
            parts = pieces(piece if isinstance(piece, str) else piece.arguments)
            kept = "".join(parts[: max(left, 0)])
            left -= len(parts)
            if left < 0:
                yield Cut() if isinstance(piece, str) else Cut(replace(piece, arguments=kept))
                return
            yield piece


async def _answer(world: World, question: Question) -> AsyncGenerator[Piece, None]:
    options: dict[str, Any] = {"model": question.model}
    if question.forced is not None:
        options[FORCED] = question.forced
    prompt = Prompt(
        question.assistant,
        "\n\n".join(filter(None, (question.instructions, question.last))),
        question.tools,
        question.items,
        (),
        options,
        reply=question.reply,
        hosted=question.hosted,
    )
    for done in question.approved:
        yield done
    calls: list[Asked] = []
    try:
        async with aclosing(answers_of(world.model, prompt)) as answers:
            async for answer in answers:
                for one in _said(answer):
                    yield one
                calls += answer.calls
    except Exception as error:
        logger.exception("the model failed")
        raise ModelFailed(f"{type(error).__name__}: {error}") from error
    for call in _with_faults(world, question, calls) if calls else ():
        yield replace(call, id=world.new_id("call"))


def _said(answer: Answer) -> list[Piece]:
    """An answer in pieces, but its calls: what tools did comes before what is said of it."""
    texts = pieces(answer.text)
    said = [Refusal(text) for text in texts] if answer.refused else texts
    cut = [Cut(reason=answer.incomplete)] if answer.incomplete else []
    return [*answer.hosted, *said, *answer.citations, *cut]


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
