"""What an assistant sees of its thread, for backends that send the transcript to a server (T).

A transcript is cut into pieces: a message, a note, or what an assistant said together with the outputs of its calls.
Views choose whole pieces, so a call is never cut off from its output (T3), and the journal is never touched (T4).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from handoff.core.items import Item, Output, Spoken, UserMessage
from handoff.declaration.prompt import Prompt

#: A token is estimated as this many bytes of JSON, rather too few than too many.
BYTES_A_TOKEN = 3

Piece: TypeAlias = list[Item]
"""An item; behind what an assistant said, the outputs of its calls, wherever they stood in the transcript."""


def pieces_of(items: Sequence[Item], due: int = 0) -> tuple[list[Piece], int]:
    """Return a transcript in pieces, and the index of the first piece that holds anything due.

    An output whose call is not there stands alone.

    Args:
        items: the transcript and what is due, in order.
        due: how many of the items are due.
    """
    pieces: list[Piece] = []
    asking: dict[str, int] = {}
    settled, first = len(items) - due, len(items)
    for position, item in enumerate(items):
        index = asking.pop(item.call, -1) if isinstance(item, Output) else -1
        if index >= 0:
            pieces[index].append(item)
        else:
            index = len(pieces)
            pieces.append([item])
            if isinstance(item, Spoken):
                for call in item.calls:
                    asking[call.id] = index
        if position >= settled and index < first:
            first = index
    return pieces, min(first, len(pieces))


def seen(prompt: Prompt, run: int) -> tuple[list[Piece], int]:
    """Return what the prompt's assistant sees, and how many of the last pieces it cannot do without.

    It always sees what this run is about: the turn in which the run began, and all that is due.

    Args:
        prompt: what the backend was given.
        run: number of the run it is for.
    """
    pieces, due = pieces_of(prompt.items, len(prompt.due))
    needed = _turn_of(pieces, min(due, _first_said(pieces, run)))
    view = prompt.view
    if view == "all":
        return pieces, len(pieces) - needed
    if view == "own":
        kept = [piece for piece in pieces if not _of_other(piece, prompt.assistant)]
        return kept, sum(not _of_other(piece, prompt.assistant) for piece in pieces[needed:])
    start = _since_active(pieces, prompt.assistant) if view == "since_active" else _last_turns(pieces, view)
    return pieces[min(start, needed) :], len(pieces) - needed


def shortened(pieces: list[Piece], sizes: Sequence[int], needed: int, budget: int) -> list[Piece]:
    """Return the latest whole turns that fit; always those that are needed.

    Args:
        pieces: what is seen.
        sizes: the size of each of them.
        needed: how many of the last ones cannot be left out.
        budget: the size all may have together.
    """
    start, left = len(pieces), budget
    for index in range(len(pieces) - 1, -1, -1):
        left -= sizes[index]
        if left < 0:
            break
        if index == 0 or _begins_turn(pieces, index):
            start = index
    return pieces[min(start, len(pieces) - needed) :]


def _begins_turn(pieces: Sequence[Piece], index: int) -> bool:
    """Whether a user speaks there who did not speak just before: messages in a row are one turn."""
    if pieces[index][0].__class__ is not UserMessage:
        return False
    return index == 0 or pieces[index - 1][0].__class__ is not UserMessage


def _turn_of(pieces: Sequence[Piece], index: int) -> int:
    """Where the turn begins that holds a piece; 0 before the first one."""
    while index > 0 and not (index < len(pieces) and _begins_turn(pieces, index)):
        index -= 1
    return index


def _last_turns(pieces: Sequence[Piece], turns: int) -> int:
    for index in range(len(pieces) - 1, -1, -1):
        if _begins_turn(pieces, index):
            turns -= 1
            if turns == 0:
                return index
    return 0


def _since_active(pieces: Sequence[Piece], assistant: str) -> int:
    """Behind its last word before somebody else spoke; the whole thread if it never spoke before that."""
    spoke = [(index, piece[0].assistant) for index, piece in enumerate(pieces) if isinstance(piece[0], Spoken)]
    ends = [index for (index, one), (_, other) in pairwise(spoke) if one == assistant != other]
    if not ends:
        return 0
    return ends[-1] + 1


def _first_said(pieces: Sequence[Piece], run: int) -> int:
    """The first piece that was said in this run, which is the latest one."""
    first = len(pieces)
    for index in range(len(pieces) - 1, -1, -1):
        said = pieces[index][0]
        if isinstance(said, Spoken):
            if said.run != run:
                break
            first = index
    return first


def _of_other(piece: Piece, assistant: str) -> bool:
    return isinstance(piece[0], Spoken) and piece[0].assistant != assistant
