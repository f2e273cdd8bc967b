"""What a tool's own words promise and its declaration does not keep: a handoff that it tells the model of.

Read are its name and the first sentence of its description. A model that was told of a handoff tells the user of it,
so the words are wrong if the declaration is right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from handoff.checks.findings import Finding
from handoff.checks.states import Analysis
from handoff.declaration.assistants import BACK, END
from handoff.declaration.tools import Tool

_HANDING = r"(?:hand|pass|send|transfer|refer|forward|escalate|return)"
_WHOM = r"(?:customer|user|caller|guest|client|visitor|patient|student|conversation|talk|chat|thread|case)"
_OVER = re.compile(rf"{_HANDING} (?:the |this |a )?{_WHOM} (?:back|on|over)\b", re.IGNORECASE)
_TO = re.compile(
    rf"{_HANDING}(?: (?:the |this |a )?{_WHOM})?(?: (?:back|on|over))? to (?:the )?([\w ]+)", re.IGNORECASE
)
_ENDING = re.compile(r"(?:end|close|finish) (?:the |this )?(?:conversation|talk|chat|thread)\b", re.IGNORECASE)


def check_words(analysis: Analysis, tools: tuple[Tool, ...]) -> Iterator[Finding]:
    """Findings about words that the declaration does not keep.

    Args:
        analysis: what is known about the flow.
        tools: its tools, each once.
    """
    names = {name.replace("_", " ").lower(): name for name in analysis.flow.assistants}
    for tool in tools:
        yield from _told(tool, names)


def _told(tool: Tool, assistants: Mapping[str, str]) -> Iterator[Finding]:
    dests = {one.assistant.name for one in tool.to}
    sentence = re.split(r"[.;\n]", tool.description.strip(), maxsplit=1)[0]
    if BACK in dests or tool.consults:
        return
    for text in (tool.name.replace("_", " "), sentence):
        found = _TO.match(text)
        words = found[1].lower().split() if found is not None else []
        called = (assistants.get(" ".join(words[:count])) for count in range(len(words), 0, -1))
        name = next((one for one in called if one is not None), None)
        if name is not None and name not in (*dests, *tool.owners):
            yield _finding(tool, text, f"leads {_where(dests)}", f"Add {name} to to=")
            return
    if not dests and _OVER.match(sentence):
        yield _finding(tool, sentence, "leads nowhere", "Give it to=")
    elif END not in dests and _ENDING.match(sentence):
        yield _finding(tool, sentence, "does not lead to the end", "Give it to=flow.end")


def _finding(tool: Tool, text: str, fact: str, remedy: str) -> Finding:
    return Finding(
        "says-handover",
        f"{tool.name} {fact}, but is told of to the model as {text!r}",
        f"{remedy}, or say in the name and the description what it does",
        tool.place,
    )


def _where(dests: Iterable[str]) -> str:
    return f"to {', '.join(sorted(dests))}" if dests else "nowhere"
