"""What is new to a flow's rules, however they are shown the thread: in this process, or by a server.

A server shows calls of others as lines of text (T2), leaves out what a view leaves out, and may let the old assistant
have a last word before the next one is asked. Here all of that becomes the output of the call that handed over, behind
which stands the note of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage

_HANDED = re.compile(r"You are \S+\. \S+ handed over to you by (\S+)\.")
_QUOTED = r'("(?:[^"\\]|\\.)*")'
_CARRIED = re.compile(rf"(\S+), called before the handover, returned: {_QUOTED}")
_CALLED = re.compile(rf"\((\S+) called {_QUOTED} with (.+?)(?:, which returned: {_QUOTED})?\)")


def new_items(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return what has come since anybody spoke; of a handover by a call, the output of that call and what came later.

    Args:
        items: the transcript and what is due, in order, as the model is shown them.
    """
    told = [one for item in items for one in _told(item)]
    spoken = [index for index, item in enumerate(told) if isinstance(item, Spoken)]
    begin = spoken[-1] + 1 if spoken else 0
    before, new = told[:begin], told[begin:]
    notes = [(index, item) for index, item in enumerate(new) if isinstance(item, Note)]
    handed = _HANDED.fullmatch(notes[-1][1].text) if notes else None
    if handed is None or any(note.kind != "handoff" for _, note in notes):
        return tuple(new)
    outputs = [index for index, item in enumerate(new) if _is_output(item, handed[1])]
    place = outputs[0] if outputs else notes[-1][0]
    kept = [item for index, item in enumerate(new) if index > place or not isinstance(item, UserMessage)]
    if outputs:
        return tuple(kept)
    last = next((item for item in reversed(before) if _is_output(item, handed[1])), Output(0, 0, "", handed[1], ""))
    return (last, *kept)


def untold(text: str) -> tuple[str, list[tuple[Asked, str | None]]]:
    """Return a text without the lines by which a backend tells of calls, and these calls with their outputs.

    Args:
        text: what an assistant said.
    """
    lines = text.split("\n")
    told: list[tuple[Asked, str | None]] = []
    while lines and (match := _CALLED.fullmatch(lines[-1])) is not None:
        try:
            tool, output = json.loads(match[2]), json.loads(match[4] or "null")
        except ValueError:
            break
        told.insert(0, (Asked("", tool, match[3]), output))
        del lines[-1]
    return "\n".join(lines), told


def _is_output(item: Item, tool: str) -> bool:
    return isinstance(item, Output) and item.tool == tool


def _told(item: Item) -> Iterator[Item]:
    """An item; if it is text that tells of calls, what was said and the outputs."""
    if isinstance(item, Spoken) and not item.calls:
        text, told = untold(item.text)
        yield Spoken(item.assistant, item.run, text, tuple(call for call, _ in told), item.cut) if told else item
        yield from (Output(0, 0, "", call.tool, output) for call, output in told if output is not None)
    elif isinstance(item, Note) and (carried := _CARRIED.fullmatch(item.text)) is not None:
        yield Output(0, 0, "", carried[1], json.loads(carried[2]))
    else:
        yield item
