"""An answer of a Chat Completions server as it comes in: a stream of pieces, or one message as a whole.

Servers differ in how they cut tool calls: a piece may lack its index, repeat its id or name, or carry the arguments
as an object. What cannot be an answer raises; arguments are never mended, the tool's own check answers them (B2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from handoff.backends.citations import citations_of
from handoff.backends.wire import Refused, Unreadable, listed, mapping, whole
from handoff.core.answers import Citation, Extra
from handoff.core.items import Asked
from handoff.core.usage import Usage

#: Why an answer ends before its time.
CUT = {
    "length": "the answer was cut off at its longest length",
    "content_filter": "a content filter stopped the answer",
}


@dataclass(slots=True)
class _Call:
    """A tool call as far as it has come."""

    index: object = None
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class ChatAnswer:
    """What has come so far."""

    #: What was said, a refusal included.
    text: str = ""
    #: Whether the model refused.
    refused: bool = False
    #: Why the model stopped, as the server calls it; empty until it is told.
    finish: str = ""
    #: What it took.
    usage: Usage = field(default_factory=lambda: Usage(model_calls=1))
    _calls: list[_Call] = field(default_factory=list[_Call])
    _citations: list[Citation] = field(default_factory=list[Citation])

    @property
    def calls(self) -> tuple[Asked, ...]:
        """The calls, in the model's order; an id may be missing or repeated."""
        return tuple(Asked(call.id, call.name, call.arguments) for call in self._calls)

    @property
    def cut(self) -> str:
        """Why the answer ended before its time; empty if it did not."""
        return CUT.get(self.finish, "")

    @property
    def extra(self) -> Extra | None:
        """What it holds beside text and calls: its sources, and whether it is a refusal."""
        extra = Extra(citations=tuple(self._citations), refused=self.refused)
        return None if extra == Extra() else extra

    def take(self, data: object) -> str:
        """Add one event of a stream and return what it says.

        Args:
            data: the event.

        Raises:
            Refused: it is an error.
        """
        return self._take(data, "delta")

    def take_whole(self, data: object) -> str:
        """Take an answer that came as one, and return what it says.

        Args:
            data: the body of the response.

        Raises:
            Refused: it is an error.
            Unreadable: it is no answer.
        """
        said = self._take(data, "message")
        if not listed(mapping(data).get("choices")):
            raise Unreadable("the body holds no choices")
        self.finish = self.finish or "stop"  # some servers leave it out
        return said

    def end(self) -> None:
        """The stream is over.

        Raises:
            Unreadable: it broke off before the model was done.
        """
        if not self.finish:
            raise Unreadable("the stream broke off")

    def _take(self, data: object, key: str) -> str:
        event = mapping(data)
        if event.get("error"):
            raise Refused(event["error"])
        if event.get("usage"):
            self.usage = _usage(mapping(event["usage"]))
        said = ""
        for choice in map(mapping, listed(event.get("choices"))):
            if choice.get("index"):
                continue  # one answer was asked for
            said += self._take_message(mapping(choice.get(key)))
            finish = choice.get("finish_reason")
            self.finish = finish if isinstance(finish, str) else self.finish
        return said

    def _take_message(self, message: Mapping[str, Any]) -> str:
        said = _text(message.get("content"))
        refusal = _text(message.get("refusal"))
        self.refused = self.refused or bool(refusal)
        self.text += said + refusal
        self._citations += citations_of(message.get("annotations"))
        for call in map(mapping, listed(message.get("tool_calls"))):
            self._take_call(call)
        return said + refusal

    def _take_call(self, piece: Mapping[str, Any]) -> None:
        given, index = piece.get("id"), piece.get("index")
        id_ = given if isinstance(given, str) else ""
        function = mapping(piece.get("function"))
        name, arguments = function.get("name"), function.get("arguments")
        call = self._continued(id_, index, starts=bool(name))
        call.id = call.id or id_
        if isinstance(name, str) and name != call.name:
            call.name += name
        if isinstance(arguments, str):
            call.arguments += arguments
        elif arguments is not None:
            call.arguments += json.dumps(arguments)

    def _continued(self, id_: str, index: object, *, starts: bool) -> _Call:
        """The call a piece goes on with; a new one where index or id say so, and a name where neither is there."""
        for call in reversed(self._calls):
            same_index = index is None or call.index is None or call.index == index
            same_id = not id_ or not call.id or call.id == id_
            if same_index and same_id and (index is not None or id_ or not starts):
                return call
        self._calls.append(_Call(index))
        return self._calls[-1]


def _text(content: object) -> str:
    """Text as it is, or the texts of a list of parts."""
    if isinstance(content, str):
        return content
    texts = [mapping(part).get("text") for part in listed(content)]
    return "".join(text for text in texts if isinstance(text, str))


def _usage(told: Mapping[str, Any]) -> Usage:
    return Usage(
        input_tokens=whole(told.get("prompt_tokens")),
        cached_tokens=whole(mapping(told.get("prompt_tokens_details")).get("cached_tokens")),
        output_tokens=whole(told.get("completion_tokens")),
        model_calls=1,
    )
