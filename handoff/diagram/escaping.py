"""Names as each language of pictures can hold them.

A name that came from anywhere must neither break a picture nor give commands in it, and must still read as it is.
"""

from __future__ import annotations

import re
import unicodedata

#: Marks that reverse the direction of writing, and would reorder what stands around the name.
_REORDERING = frozenset(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))

#: What Mermaid would take for markup: all ASCII punctuation, but for the underscores inside a word; and the signs that
#: it puts in the place of entity codes while it reads.
_MERMAID = re.compile(r"[!-/:-@\[-^`{-~ﬂ¶]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def printable(text: str) -> str:
    """Return the text on one line, without what no picture can show.

    Args:
        text: any text; line breaks and tabs become spaces, other controls the replacement character.
    """
    return "".join(_printable(character) for character in text)


def _printable(character: str) -> str:
    if character.isspace():
        return " "
    kind = unicodedata.category(character)
    if kind in ("Cc", "Cs") or character in _REORDERING or character in "\ufeff\ufffe\uffff":
        return "\N{REPLACEMENT CHARACTER}"
    return character


def mermaid(text: str) -> str:
    """Return a name as it stands in a quoted Mermaid label: markup as entity codes, such as ``#34;`` for a quote."""
    return _MERMAID.sub(lambda found: f"#{ord(found[0])};", printable(text))


def dot(text: str) -> str:
    """Return a name as it stands in a quoted DOT label."""
    return printable(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
