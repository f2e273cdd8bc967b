"""The transcripts of threads as they went out last: a request encodes what is new, and copies the rest as bytes.

What was written is trusted only while the transcript still holds the very item it ended with. It ends where no call
waits for its output, because an output is written right behind its call.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from handoff.backends.spelling import Encoder
from handoff.backends.view import pieces_of
from handoff.core.items import Item, Output, Spoken
from handoff.declaration.prompt import Prompt

#: How many bytes are kept, of all threads together; the ones used longest ago are let go.
KEPT = 64 << 20


@dataclass(frozen=True, slots=True)
class _Part:
    """The beginning of a transcript, written."""

    #: How many items it holds.
    items: int = 0
    #: The last of them.
    last: Item | None = None
    text: bytes = b""


_NOTHING = _Part()


class Written:
    """What was written of each thread, for each assistant that has read it.

    Args:
        encoder: encodes pieces.
        alike: whether a transcript reads the same to every assistant.
    """

    def __init__(self, encoder: Encoder, *, alike: bool = False) -> None:
        self._encoder = encoder
        self._alike = alike
        self._parts: OrderedDict[tuple[str, str], _Part] = OrderedDict()
        self._size = 0

    def write(self, thread: str, prompt: Prompt) -> bytes:
        """Return the whole transcript with what is due, with commas between its parts.

        Args:
            thread: the thread's id.
            prompt: what its assistant is given.
        """
        key, transcript = (thread, "" if self._alike else prompt.assistant), prompt.transcript
        part = self._parts.pop(key, _NOTHING)
        self._size -= len(part.text)
        if part.items > len(transcript) or (part.items and transcript[part.items - 1] is not part.last):
            part = _NOTHING  # another thread of that name, or this one read anew
        settled = _settled(transcript, part.items)
        if settled > part.items:
            text = self._joined(part.text, transcript[part.items : settled], prompt.assistant)
            part = _Part(settled, transcript[settled - 1], text)
        self._parts[key] = part
        self._size += len(part.text)
        while self._size > KEPT and len(self._parts) > 1:
            self._size -= len(self._parts.popitem(last=False)[1].text)
        return self._joined(part.text, (*transcript[settled:], *prompt.due), prompt.assistant)

    def _joined(self, text: bytes, items: Sequence[Item], assistant: str) -> bytes:
        pieces = [self._encoder.encode(piece, assistant) for piece in pieces_of(items)[0]]
        return b",".join(filter(None, (text, *pieces)))


def _settled(transcript: Sequence[Item], start: int) -> int:
    """The last place, from `start` on, in front of which no call waits for its output."""
    waiting: set[str] = set()
    settled = start
    for index in range(start, len(transcript)):
        item = transcript[index]
        if item.__class__ is Spoken:
            assert isinstance(item, Spoken)
            waiting.update(call.id for call in item.calls)
        elif item.__class__ is Output:
            assert isinstance(item, Output)
            waiting.discard(item.call)
        if not waiting:
            settled = index + 1
    return settled
