"""What a tool's own words promise and its declaration does not keep: a handoff, a way back, a field that is dropped.

A model that was told of a handoff tells the user of it, so the words are wrong if the declaration is right. Read are
the name and the first sentence of the description, and all of it for what is said of others: who goes on afterwards,
and that the conversation comes back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from handoff.checks.causes import listed
from handoff.checks.findings import Finding
from handoff.checks.states import Analysis
from handoff.declaration.assistants import BACK, END
from handoff.declaration.signature import Source
from handoff.declaration.tools import Tool

_HANDING = r"(?:hand|pass|send|transfer|refer|forward|escalate|return)"
_WHOM = r"(?:customer|user|caller|guest|client|visitor|patient|student|conversation|talk|chat|thread|case)"
_OVER = re.compile(rf"{_HANDING} (?:the |this |a )?{_WHOM} (?:back|on|over)\b", re.IGNORECASE)
_TO = re.compile(
    rf"{_HANDING}(?: (?:the |this |a )?{_WHOM})?(?: (?:back|on|over))? to (?:the )?([\w ]+)", re.IGNORECASE
)
_ENDING = re.compile(r"(?:end|close|finish) (?:the |this )?(?:conversation|talk|chat|thread)\b", re.IGNORECASE)
_MOVING = re.compile(r"go (?:on|back)\b", re.IGNORECASE)
_GOES_ON = re.compile(r"\b(?:the )?([a-z_]+) (?:takes (?:[\w' ]+ )?(?:up|over)|goes on|carries on)\b", re.IGNORECASE)
_COMES_BACK = re.compile(
    rf"\b{_WHOM} (?:then )?(?:comes back|returns|is (?:sent|handed|passed|brought) back) here\b", re.IGNORECASE
)
_DROPPING = re.compile(r"(?:drop|clear|discard|forget|reset) (?:the |this )?(\w+(?: \w+)*)", re.IGNORECASE)
_PART_OF = frozenset({"at", "for", "from", "in", "of", "off", "on"})
"""What follows a word that stands for a part of something else, as in "drop the item from the order"."""


def check_words(analysis: Analysis, tools: tuple[Tool, ...]) -> Iterator[Finding]:
    """Findings about words that the declaration does not keep.

    Args:
        analysis: what is known about the flow.
        tools: its tools, each once.
    """
    names = {name.replace("_", " ").lower(): name for name in analysis.flow.assistants}
    for tool in tools:
        yield from _told(tool, names)
        yield from _comes_back(analysis, tool)
        yield from _dropped(analysis, tool)


def _told(tool: Tool, assistants: Mapping[str, str]) -> Iterator[Finding]:
    dests = {one.assistant.name for one in tool.to}
    sentence = _first_sentence(tool)
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
    if not dests and (_OVER.match(sentence) or (_only_speaks(tool) and _MOVING.match(sentence))):
        yield _finding(tool, sentence, "leads nowhere", "Give it to=")
    elif END not in dests and _ENDING.match(sentence):
        yield _finding(tool, sentence, "does not lead to the end", "Give it to=flow.end")
    elif not dests:
        for found in _GOES_ON.finditer(tool.description):
            name = assistants.get(found[1].replace("_", " ").lower())
            if name is not None and name not in tool.owners:
                yield _finding(tool, found[0], "leads nowhere", f"Add {name} to to=")
                return


def _only_speaks(tool: Tool) -> bool:
    """Whether a call can do nothing in the world: it is given nothing to work on, and at most clears fields."""
    takes = tool.signature.named(Source.MODEL)
    return not (takes or tool.sets or tool.takes_deps or tool.consults or tool.approval)


def _comes_back(analysis: Analysis, tool: Tool) -> Iterator[Finding]:
    """Tools that say that the conversation comes back, from where no way leads back."""
    said = _COMES_BACK.search(tool.description)
    owners = [name for name in analysis.states if analysis.flow.tool_named(name, tool.name) is tool]
    dests = [one.assistant.name for one in tool.to if one.assistant.name not in (BACK, END)]
    if said is None or not owners:
        return
    for dest in dests:
        back = {row.dest for row in analysis.flow.transitions if row.source == dest and row.kind != "limit"}
        missing = [name for name in owners if name not in back]
        staying = listed(call.tool.name for call in analysis.calls[dest] if not call.tool.to)
        if missing and dest in analysis.states:
            yield Finding(
                "says-handover",
                f"nothing leads back from {dest} to {', '.join(missing)}, but {tool.name} is told of to the model as "
                f"{said[0]!r}",
                f"Give {staying or 'a tool'} of {dest} to=flow.back, or change the description of {tool.name}",
                tool.place,
                analysis.path_to(dest),
            )


def _dropped(analysis: Analysis, tool: Tool) -> Iterator[Finding]:
    """Tools that say that they drop what a field is called, and leave it as it is."""
    said = _DROPPING.match(_first_sentence(tool))
    if said is None:
        return
    words = said[1].lower().split()
    count = next((count for count in range(len(words), 0, -1) if "_".join(words[:count]) in analysis.known), 0)
    name = "_".join(words[:count])
    if not count or name in (*tool.clears, *tool.sets) or _PART_OF & {*words[count : count + 1]}:
        return
    if analysis.known[name].unset:
        told = said[0][: said.start(1) + len(name)]
        yield Finding(
            "says-dropped",
            f"{tool.name} leaves {name} as it is, but is told of to the model as {told!r}",
            f"Add {name} to clears=, or say in the description what it drops",
            tool.place,
        )


def _first_sentence(tool: Tool) -> str:
    return re.split(r"[.;\n]", tool.description.strip(), maxsplit=1)[0]


def _finding(tool: Tool, text: str, fact: str, remedy: str) -> Finding:
    return Finding(
        "says-handover",
        f"{tool.name} {fact}, but is told of to the model as {text!r}",
        f"{remedy}, or say in the name and the description what it does",
        tool.place,
    )


def _where(dests: Iterable[str]) -> str:
    return f"to {', '.join(sorted(dests))}" if dests else "nowhere"
