"""Plays a script on a backdrop, and says in sentences what did not come out as it was recorded; nothing if all did.

Judged are three things that must agree: the journal with its ledger, what the model was shown over the wire, and what
the server holds at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from handoff.core.items import Asked, Item, Output, Spoken, UserMessage
from handoff.declaration.metadata import dump
from handoff.declaration.prompt import Prompt
from handoff.driving.history import replay as told_of
from handoff.errors import HandoffError
from handoff.events import MessageAdded, TransitionTaken
from tests.contract.backdrop import Backdrop, HandsOver
from tests.replay.script import Called, Said, Script, Turn
from tests.support.models import Step

#: A call of another assistant as a line of text, where the backend tells it so.
_LINE = re.compile(r'^\((\w+) called (".*?") with (\{.*\}), which returned: (".*")\)$')

#: The output of a call whose run was cancelled.
_CARRIED = re.compile(r'^(\w+), called before the handover, returned: (".*")$')


@dataclass
class Played:
    """What came of a script."""

    #: For each turn, what the model was shown.
    shown: list[list[Prompt]] = field(default_factory=list[list[Prompt]])
    #: The last message of each reply, and its assistant.
    replies: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    #: What went wrong on the way.
    failures: list[str] = field(default_factory=list[str])


async def replay(backdrop: Backdrop, script: Script) -> list[str]:
    """Play a script and return all that did not come out as it was recorded.

    Args:
        backdrop: a new one.
        script: what is played.
    """
    backdrop.plays(*(_step(said) for turn in script.turns for said in turn.said))
    tape = script.lends()
    played = Played()
    async with backdrop.threads(script.flow, deps=tape) as threads:
        thread = await threads.open("t", metadata=script.flow.metadata(**script.first))
        for turn in script.turns:
            tape.copies = turn.copies
            if not await _take(thread, turn, backdrop, played):
                break
        found = [
            *played.failures,
            *_journal(script, list(told_of(threads.store.journal("t")))),
            *_ledger(script, threads.store.ledger("t")),
            *_differs("the metadata", _said_of(script.final), _said_of(dump(thread.metadata))),
            *_differs("calls left on the tape", 0, tape.left),
            *_differs("what is still due", (), thread.state.due),
            *_prompts(script, played, backdrop),
            *judge_transcript(script, played, carries=backdrop.form.options.get("finish") == "carry"),
            *backdrop.troubles(thread),
        ]
    return [f"{script.name}: {one}" for one in found]


async def _take(thread: Any, turn: Turn, backdrop: Backdrop, played: Played) -> bool:
    """Take one turn; return whether it was answered."""
    before = len(backdrop.model.prompts)
    if turn.edit:
        receipt = await thread.edit(**turn.edit)
        if not receipt.applied:
            played.failures.append(f"the edit before {turn.user!r} was refused: {receipt.reason}")
    try:
        reply = await thread.send(turn.user)
    except HandoffError as error:
        played.failures.append(f"{turn.user!r} was not answered: {error}")
        return False
    played.replies.append((reply.assistant, reply.text))
    played.shown.append(backdrop.model.prompts[before:])
    return True


def _step(said: Said) -> Step | HandsOver:
    calls = [Asked("", one.tool, json.dumps(one.arguments)) for one in said.calls]
    return HandsOver(calls) if any(one.moves for one in said.calls) else calls or said.text


# -- the journal -------------------------------------------------------------------------------------------------------


def _journal(script: Script, events: Sequence[object]) -> Iterator[str]:
    users = [one.text for one in events if isinstance(one, MessageAdded) and one.assistant is None]
    yield from _differs("the user's messages", [turn.user for turn in script.turns], users)
    moves = [one.dest for one in events if isinstance(one, TransitionTaken)]
    yield from _differs("the assistants", list(script.states), [script.states[0], *moves])


def _ledger(script: Script, rows: Sequence[Any]) -> Iterator[str]:
    expected = [_call(assistant, called) for assistant, called in script.calls]
    actual = [(row.assistant, row.tool, json.loads(row.arguments)) for row in rows]
    yield from _differs("the ledger", expected, actual)
    for (_, called), row in zip(script.calls, rows, strict=False):
        if row.progress != "done" or not _returned(called, row.output):
            yield f"the output of {called.tool}: expected {called.output!r}, is {row.progress} with {row.output!r}"


# -- what the model was shown ------------------------------------------------------------------------------------------


def _prompts(script: Script, played: Played, backdrop: Backdrop) -> Iterator[str]:
    """Who was asked in each turn, and what was known then."""
    ends = [(turn.said[-1].assistant, turn.said[-1].text) for turn in script.turns]
    yield from _differs("the replies", ends, played.replies)
    for turn, prompts in zip(script.turns, played.shown, strict=False):
        asked: list[str] = []
        for said in turn.said:
            moves = any(one.moves for one in said.calls)
            asked += [said.assistant] * (2 if moves and backdrop.form.handoff_calls > 2 else 1)
        yield from _differs(f"who was asked after {turn.user!r}", asked, [one.assistant for one in prompts])
        for fact in turn.shown:
            first = next((one for one in prompts if one.assistant == fact.assistant), None)
            lines = [] if first is None else first.instructions.splitlines()
            if f"{fact.name}: {json.dumps(fact.value, ensure_ascii=False)}" not in lines:
                yield f"{fact.assistant} is not told {fact.name}: {fact.value} after {turn.user!r}, but {lines}"


def judge_transcript(script: Script, played: Played, *, carries: bool = False) -> Iterator[str]:
    """Say what is wrong with what was shown last: it is all that the server, or the request, holds.

    Args:
        script: what was played.
        played: what came of it.
        carries: the run of a batch that hands over is cancelled, so that its outputs alone are told, in lines.
    """
    if not played.shown or not played.shown[-1]:
        return
    items = played.shown[-1][-1].items
    users = {turn.user for turn in script.turns}
    heard = [item.text for item in items if isinstance(item, UserMessage) and item.text in users]
    yield from _differs("the user's messages at the server", [turn.user for turn in script.turns], heard)
    expected = [
        (None, called.tool, None) if carries and any(one.moves for one in said.calls) else _call(said.assistant, called)
        for turn in script.turns
        for said in turn.said
        for called in said.calls
    ]
    told = list(_told(items))
    yield from _differs("the calls at the server", expected, [one[:3] for one in told])
    for (_, called), (_, _, _, outputs) in zip(script.calls, told, strict=False):
        if len(outputs) != 1 or not _returned(called, outputs[0]):
            yield f"the output of {called.tool} at the server: expected {called.output!r}, there is {outputs!r}"


def _told(items: Sequence[Item]) -> Iterator[tuple[str | None, str, Any, list[str]]]:
    """The calls that a transcript tells of, with who made them and all outputs each has."""
    outputs = [item for item in items if isinstance(item, Output)]
    for item in items:
        for line in () if isinstance(item, Output) else item.text.splitlines():
            if found := _LINE.match(line):
                yield found[1], json.loads(found[2]), json.loads(found[3]), [json.loads(found[4])]
            elif found := _CARRIED.match(line):
                yield None, found[1], None, [json.loads(found[2])]
        for call in item.calls if isinstance(item, Spoken) else ():
            own = [one.text for one in outputs if one.call == call.id]
            yield item.assistant, call.tool, json.loads(call.arguments), own


# -- comparing ---------------------------------------------------------------------------------------------------------


def _call(assistant: str, called: Called) -> tuple[str, str, Any]:
    return assistant, called.tool, called.arguments


def _returned(called: Called, text: str) -> bool:
    """Whether a text is what a call returned."""
    if isinstance(called.output, str):
        return called.output == text
    try:
        return bool(called.output == json.loads(text))
    except ValueError:
        return False


def _said_of(metadata: Any) -> Any:
    """Metadata without what is unset, and without records that say nothing."""
    if not isinstance(metadata, dict):
        return metadata
    said = {name: _said_of(value) for name, value in metadata.items()}
    return {name: value for name, value in said.items() if value not in (None, {})}


def _differs(what: str, expected: Any, actual: Any) -> Iterator[str]:
    """Say where two values differ; of lists, the first place."""
    if expected == actual:
        return
    if isinstance(expected, list) and isinstance(actual, list):
        place = next((at for at, pair in enumerate(zip(expected, actual, strict=False)) if pair[0] != pair[1]), None)
        if place is None:
            place = min(len(expected), len(actual))
        yield f"{what}: at {place} of {len(expected)}, expected {expected[place:][:1]}, found {actual[place:][:1]}"
    else:
        yield f"{what}: expected {expected!r}, found {actual!r}"
