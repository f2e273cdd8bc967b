"""An answer of a Responses server as it comes in: events of a stream, the last of which holds the whole response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any

from handoff.backends.citations import citations_of
from handoff.backends.hosted_tools import BESIDE, KINDS, call_of
from handoff.backends.wire import Refused, Unreadable, listed, mapping, whole
from handoff.core.answers import Citation, Extra, HostedCall
from handoff.core.items import Asked
from handoff.core.usage import Usage

# Tuples, since what is looked up in them may be anything JSON can hold.
#: Events whose `delta` is said to the user.
_SAID = ("response.output_text.delta", "response.refusal.delta")
#: Events that hold the response as it ended.
_LAST = ("response.completed", "response.incomplete", "response.failed")
#: Why an answer ends before its time.
CUT = {
    "max_output_tokens": "the answer was cut off at its longest length",
    "content_filter": "a content filter stopped the answer",
}


@dataclass(slots=True)
class ResponsesAnswer:
    """What has come so far; behind what an earlier answer of the same request said, if there was one."""

    #: The answer after which the server waited for more before it went on.
    earlier: InitVar[ResponsesAnswer | None] = None
    #: What must not be told.
    secrets: Sequence[str] = ()
    #: What was said, refusals included.
    text: str = ""
    #: Whether the model refused.
    refused: bool = False
    #: Why the answer ended before its time; empty if it did not.
    cut: str = ""
    #: The calls, in the model's order.
    calls: tuple[Asked, ...] = ()
    #: Id of the response.
    id: str = ""
    #: Id of its last item.
    last: str = ""
    #: Its reasoning items and what stood between them, which belong before its calls when these are sent again.
    reasoning: tuple[Mapping[str, Any], ...] = ()
    #: What the server's own tools did.
    hosted: tuple[HostedCall, ...] = ()
    #: The sources of the text.
    citations: tuple[Citation, ...] = ()
    #: MCP calls it waits with until they are approved.
    approvals: tuple[Mapping[str, Any], ...] = ()
    #: How many answers of the same request there were, with this one.
    rounds: int = 1
    #: All its items, as they came.
    output: tuple[Mapping[str, Any], ...] = ()
    #: What it took.
    usage: Usage = field(default_factory=lambda: Usage(model_calls=1))
    _over: bool = False
    #: What was said before this answer, and what it took.
    _before: str = ""
    _used: Usage = field(default_factory=Usage)

    def __post_init__(self, earlier: ResponsesAnswer | None) -> None:
        if earlier is not None:
            self._before = self.text = earlier.text
            self._used, self.usage = earlier.usage, earlier.usage + self.usage
            self.hosted, self.citations = earlier.hosted, earlier.citations
            self.reasoning, self.rounds = earlier.reasoning, earlier.rounds + 1

    @property
    def extra(self) -> Extra | None:
        """What it holds beside text and calls."""
        extra = Extra(self.hosted, self.citations, self.refused)
        return None if extra == Extra() else extra

    def take(self, data: object) -> str:
        """Add one event of a stream and return what it says.

        Args:
            data: the event.

        Raises:
            Refused: it is an error, or the response failed.
            Unreadable: it holds no response where one belongs.
        """
        event = mapping(data)
        kind = event.get("type")
        if kind == "error" or (kind is None and event.get("error")):
            raise Refused(event.get("error") or event)
        if kind in _LAST:
            self._take_response(mapping(event.get("response")))
            return ""
        said = event.get("delta") if kind in _SAID else ""
        if not isinstance(said, str):
            return ""
        if said and self._before and self.text == self._before:
            said = f"\n{said}"
        self.text += said
        return said

    def take_whole(self, data: object) -> str:
        """Take a response that came as one, and return what it says.

        Args:
            data: the body.

        Raises:
            Refused: it is an error, or the response failed.
            Unreadable: it is no response that is over.
        """
        body = mapping(data)
        if body.get("error") and "status" not in body:
            raise Refused(body["error"])
        self._take_response(body)
        return self.text[len(self._before) :]

    def end(self) -> None:
        """The stream is over.

        Raises:
            Unreadable: it broke off before the model was done.
        """
        if not self._over:
            raise Unreadable("the stream broke off")

    def _take_response(self, response: Mapping[str, Any]) -> None:
        status = response.get("status")
        if status == "failed":
            raise Refused(response.get("error") or response)
        if status not in ("completed", "incomplete"):
            raise Unreadable(f"the response has the status {status!r}")
        if status == "incomplete":
            reason = mapping(response.get("incomplete_details")).get("reason")
            self.cut = CUT.get(str(reason), f"the answer is incomplete: {reason}")
        self.id = str(response.get("id") or "")
        output = [mapping(item) for item in listed(response.get("output"))]
        messages = [listed(item.get("content")) for item in output if item.get("type") == "message"]
        parts = [mapping(part) for content in messages for part in content]
        self.refused = any(part.get("refusal") for part in parts)
        self._take_text(parts)
        self.calls = tuple(_call(item) for item in output if item.get("type") == "function_call")
        self.last = str(output[-1].get("id") or "") if output else ""
        if any(item.get("type") == "reasoning" for item in output):
            # A server that reasons refuses its thoughts without what it did next.
            kept = ("reasoning", *KINDS, *BESIDE)
            self.reasoning = (*self.reasoning, *(item for item in output if item.get("type") in kept))
        calls = [call_of(item, self.secrets) for item in output]
        self.hosted = (*self.hosted, *(call for call in calls if call is not None))
        self.approvals = tuple(item for item in output if item.get("type") == "mcp_approval_request")
        self.output = tuple(output)
        self.usage = self._used + _usage(mapping(response.get("usage")))
        self._over = True

    def _take_text(self, parts: Sequence[Mapping[str, Any]]) -> None:
        """The text of the whole response, which counts more than the pieces it was told in."""
        texts = [_text(part) for part in parts]
        if not any(texts):
            return
        self.text = self._before + "\n" if self._before else ""
        for part, text in zip(parts, texts, strict=True):
            self.citations = (*self.citations, *citations_of(part.get("annotations"), len(self.text)))
            self.text += text


def _text(part: Mapping[str, Any]) -> str:
    text = part.get("text") or part.get("refusal")
    return text if isinstance(text, str) else ""


def _call(item: Mapping[str, Any]) -> Asked:
    return Asked(*(str(item.get(name) or "") for name in ("call_id", "name", "arguments")))


def _usage(told: Mapping[str, Any]) -> Usage:
    return Usage(
        input_tokens=whole(told.get("input_tokens")),
        cached_tokens=whole(mapping(told.get("input_tokens_details")).get("cached_tokens")),
        output_tokens=whole(told.get("output_tokens")),
        model_calls=1,
    )
