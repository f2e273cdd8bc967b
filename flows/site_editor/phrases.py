"""What the offline rules are made of: pieces of patterns, each for a whole message, and what they capture."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from handoff import Answer, call

POLITE = (
    r"(?:(?:please|ok|okay|now|then|also|and|so|well|just|next|first|finally|yes|hi|hello|hey|go ahead and"
    r"|(?:can|could|will|would|may) (?:you|i|we)|i (?:want|need)(?: you)? to"
    r"|i(?:['’]d| would) (?:like|love)(?: you)? to|let['’]?s|let us|let me|help me(?: to)?|we should|you can)[, ]+)*"
)
END = r"(?:,? (?:please|thanks|thank you|now|then|for me|if you can|if possible))*\s*[.!?]*"
OPENING, CLOSING = r"[\"'“‘«`]", r"[\"'”’»`]"
UNQUOTED = r"[^\"“”‘«»`]"
GOOD = (
    r"(?:yes|yep|yeah|sure|ok|okay|fine|good|great|agreed|perfect|excellent|lovely|wonderful|lgtm|all good"
    r"|(?:it |that |this )?(?:looks|sounds|seems|reads) (?:good|fine|right|great|perfect)(?: to me)?"
    r"|(?:that is|it is|this is) (?:good|fine|right|great|perfect|it|what i want(?:ed)?))"
)
YES, NO = rf"(?:{GOOD}[,.!; ]*)?", r"(?:no|nope)?[, ]*"
IT = r"(?: (?:it|this|that|them|all|everything|(?:the|this|that|my|all) (?:changes?|edits?|page|draft|of it)))?"
_NAME = r"[A-Za-z_][\w-]*"
KEY = rf"(?:the )?(?:page'?s )?(?:setting )?(?!(?:it|this|that|the|them)\b)(?P<key>{_NAME}(?:\.{_NAME})*)(?: setting)?"
VALUE = rf"(?:{OPENING}(?P<quoted>.*){CLOSING}|(?P<value>\S.*?))"
LISTS = frozenset({"tags", "categories", "keywords", "authors", "aliases"})
"""Settings that are lists on every site."""

_SHORT_FORMS = {
    "what is": "what(?: i|['’]?)s",
    "it is": "it(?: i|['’]?)s",
    "that is": "that(?: i|['’]?)s",
    "i am": "i(?: a|['’]?)m",
    "do not": "do(?: not|n['’]?t)",
}
_AND = re.compile(r"\s*,\s*(?:and\s+)?|\s+and\s+|\s*;\s*")


def whole(*phrases: str) -> tuple[str, ...]:
    """The phrases as patterns for a whole message, with politeness around them and with short forms allowed."""
    return tuple(f"(?s:{POLITE}(?:{_with_short_forms(phrase)}){END})" for phrase in phrases)


def _with_short_forms(phrase: str) -> str:
    for long, pattern in _SHORT_FORMS.items():
        phrase = phrase.replace(long, pattern)
    return phrase


def quoted(name: str, *, empty: bool = False) -> str:
    """The pattern of a text in quotes, captured under a name.

    Args:
        name: the name.
        empty: whether nothing may stand in them.
    """
    return rf"{OPENING}(?P<{name}>.{'*' if empty else '+'}?){CLOSING}"


def value(match: re.Match[str]) -> str:
    """The value in a match, quoted or not."""
    found = match.groupdict()
    return str(found.get("quoted") or found.get("value") or "")


def key(match: re.Match[str]) -> str:
    """The key in a match; only a first letter that begins a sentence is made small."""
    found = match["key"]
    return found.lower() if found.istitle() or found.isupper() else found


def items(text: str) -> list[str]:
    """The items of a list that is written as a sentence has it: a, b and c."""
    return [one.strip("\"'“”‘’«»` ") for one in _AND.split(text.strip("[] ")) if one.strip()]


def calling(tool: Callable[..., str], **arguments: Any) -> Answer:
    """The answer that calls a tool and says nothing beside it."""
    return Answer(calls=(call(tool, **arguments),))
