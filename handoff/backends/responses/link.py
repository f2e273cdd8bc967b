"""What a Responses server holds of a thread, and what it calls that: a response to chain from, or a conversation.

A link is journaled with what it stands for, so it never says more than the journal does, and it is there after a
restart. What the server holds beyond it — an answer nobody journaled — is a branch nobody goes on from (C4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from handoff.core.items import Item, Spoken

Kind: TypeAlias = Literal["response", "conversation"]

_NONE = "-"


@dataclass(frozen=True, slots=True)
class Link:
    """Something that holds the beginning of a transcript."""

    #: A response, with all it chains from; or a conversation.
    kind: Kind
    #: Its id; empty while there is none yet.
    id: str = ""
    #: How many items of the transcript it holds.
    position: int = 0
    #: Id of the latest of them that the server has; whatever stands behind it in a conversation is not ours.
    item: str = ""
    #: Id of the response that is being made in the background.
    running: str = ""

    def ref(self) -> str:
        """Return it as it is journaled."""
        words = (self.id, str(self.position), self.item, self.running)
        return " ".join([self.kind, *(word or _NONE for word in words)])

    @classmethod
    def read(cls, ref: str) -> Link | None:
        """Return the link that was journaled so; None if it was none of this protocol.

        Args:
            ref: what was journaled.
        """
        kind, *words = ref.split(" ")
        if kind not in get_args(Kind) or len(words) != 4 or not words[1].isdecimal():  # noqa: PLR2004 - as in `ref`
            return None
        id_, position, item, running = ("" if word == _NONE else word for word in words)
        return cls(cast("Kind", kind), id_, int(position or "0"), item, running)

    def waiting(self, transcript: Sequence[Item]) -> set[str] | None:
        """Return the ids of the calls it holds without their outputs; None if the transcript is not what it holds.

        Args:
            transcript: all that is journaled.
        """
        if self.position == 0:
            return set()
        if len(transcript) < self.position:
            return None
        said = transcript[self.position - 1]
        return {call.id for call in said.calls} if isinstance(said, Spoken) else None
