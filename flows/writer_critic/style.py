"""What a critic can count: faults of style that need no taste, each with the mend that a machine can make.

A fault is a kind and the words it is about. Mending takes one kind at a time, so that whoever reads along sees what
was changed for which reason; a text without faults comes back as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile

LONGEST = 20
"""Words a sentence may have."""

_FILLERS = r"really|very|quite|just|simply|actually|basically|literally|of course|needless to say|in fact"
_PADDED = {
    "due to the fact that": "because",
    "in spite of the fact that": "although",
    "at this point in time": "now",
    "in order to": "to",
    "a large number of": "many",
    "has the ability to": "can",
    "in the event that": "if",
}
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")
_DOUBLED = re.compile(r"\b(\w+)(\s+\1\b)+", re.IGNORECASE)
_FILLER = re.compile(rf"\b(?:{_FILLERS})\b,?\s*", re.IGNORECASE)
_PADDING = re.compile("|".join(rf"\b{phrase}\b" for phrase in _PADDED), re.IGNORECASE)
_LOUD = re.compile(r"[!?]{2,}|!")
_OPEN = re.compile(r"\w+[^\w.!?…]*$")
_BREAK = re.compile(
    r",?\s+(?:and|but|so)\s+(?=(?:it|he|she|we|they|you|i|there|this|that|the|people|everybody)\b)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: what it is called.
        find: the words in a text that have it.
        mend: the text without it, as far as a machine can.
    """

    name: str
    find: Callable[[str], list[str]]
    mend: Callable[[str], str]


def faults(text: str) -> list[str]:
    """What is wrong with a text, the gravest first: each kind with the words it is about; empty if nothing is.

    Args:
        text: the text.
    """
    found = ((kind.name, kind.find(text)) for kind in KINDS)
    return [f"{name}: {', '.join(dict.fromkeys(words))}" for name, words in found if words]


def mended(text: str) -> str:
    """The text with the gravest kind of fault mended, as far as a machine can.

    Args:
        text: the text.
    """
    for kind in KINDS:
        if kind.find(text):
            return _tidy(kind.mend(text))
    return text


def _all(pattern: re.Pattern[str]) -> Callable[[str], list[str]]:
    return lambda text: [match[0].strip(" ,") for match in pattern.finditer(text)]


def _long(text: str) -> list[str]:
    sentences = (sentence.split() for sentence in _SENTENCE.findall(text))
    return [f"{' '.join(words[:4])} … ({len(words)} words)" for words in sentences if len(words) > LONGEST]


def _divided(text: str) -> str:
    return "".join(_parts(sentence) if len(sentence.split()) > LONGEST else sentence for sentence in _every(text))


def _every(text: str) -> Iterator[str]:
    yield from _SENTENCE.findall(text)


def _parts(sentence: str) -> str:
    """A sentence in several, parted where a clause with a subject of its own begins."""
    blanks = "".join(takewhile(str.isspace, sentence))
    return blanks + ". ".join(_capital(part.strip()) for part in _BREAK.split(sentence))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tidy(text: str) -> str:
    """Blanks single, and a capital where a sentence begins."""
    single = re.sub(r"[ \t]+", " ", text).strip()
    return re.sub(
        r"(^|[.!?]\s+)([a-z])", lambda match: match[1] + match[2].upper(), re.sub(r" ([,.!?])", r"\1", single)
    )


KINDS = (
    Kind("a word twice", _all(_DOUBLED), lambda text: _DOUBLED.sub(r"\1", text)),
    Kind("filler", _all(_FILLER), lambda text: _FILLER.sub("", text)),
    Kind("padding", _all(_PADDING), lambda text: _PADDING.sub(lambda match: _PADDED[match[0].lower()], text)),
    Kind("shouting", _all(_LOUD), lambda text: _LOUD.sub(lambda match: "?" if "?" in match[0] else ".", text)),
    Kind("no end", _all(_OPEN), lambda text: f"{text.rstrip()}."),
    Kind("too long a sentence", _long, _divided),
)
"""The kinds of faults, the gravest first."""
