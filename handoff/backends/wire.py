"""What all backends that speak to a server share: which failures pass, how long to wait, and what is told of them.

A request that was refused or lost is made again only by this module's word, within the run's deadline and on the
injected clock; the SDK's own retries stay off (C3). What is told never holds a secret. Importing it imports no openai.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import random
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast

from handoff.clock import Clock
from handoff.core.items import Asked, Item, Spoken

if TYPE_CHECKING:
    import httpx2

logger = logging.getLogger("handoff")

#: How often a request is made again before it is given up.
RETRIES = 10
#: Seconds before the first repeat; doubled for each further one.
FIRST_WAIT = 0.5
#: Seconds that a first wait takes at most to be no warning in the log.
SHORT_WAIT = 1.0
#: The longest wait that is ours to choose, in seconds.
LONGEST_WAIT = 8.0
#: Seconds a stream is read on after its last event, so that its connection can be used again.
DRAIN = 0.5
#: The longest text of a server that is passed on.
TOLD = 500
#: What is known of a run that ended in a refusal.
REFUSED = "the model refused"
#: The longest text of what a hosted tool was given or did, in characters.
LONGEST = 20_000

_PASSING = frozenset({408, 409, 429})
_FIRST_SERVER_ERROR = 500
#: A 429 that no waiting mends.
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
#: How codes begin that say the request itself is wrong.
_WRONG = ("invalid_", "image_")
#: OpenAI and vLLM, llama.cpp; some servers say it in the text alone.
_TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error"})
_TOO_LONG_TEXT = re.compile(r"(?i)maximum context length|context length exceeded|exceeds the available context")
#: Refused now, and taken in a few seconds.
LOCKED = "conversation_locked"
#: Of a response to build on: OpenAI's code. vLLM and SGLang have none, and call it a response like any other.
_NO_PREVIOUS = "previous_response_not_found"
_LOST = re.compile(
    r"(Previous response|Response|Conversation) with id .* not found|No tool (output|call) found for function"
    r"|Duplicate (item found|function_call_output)|"
    r"(?i:n.t support|not supported|unsupported|unknown|unrecogni[sz]ed).{0,40}\bprevious_response_id\b|"
    r"\bprevious_response_id\b.{0,40}(?i:not support|unsupported|not permitted|not allowed)"
)
_STATUS = re.compile(r"[1-5][0-9]{2}", re.ASCII)
_SECRET = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}|\bBearer\s+[A-Za-z0-9._~+/=-]{16,}")


class Unreadable(Exception):
    """The server's answer is none, or broke off: nothing of it counts."""


class Refused(Exception):
    """The server sent an error object where an answer belongs.

    Attributes:
        body: the error object.
    """

    def __init__(self, body: object) -> None:
        super().__init__("the server sent an error instead of an answer")
        self.body = body


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request brought no answer."""

    #: What is known of it, without secrets.
    reason: str
    #: Whether the same request may succeed later.
    passing: bool = False
    #: Seconds the server asks to wait.
    after: float | None = None
    #: The server cannot take as much as was sent.
    too_long: bool = False
    #: Somebody else is at it: waiting is all it takes.
    busy: bool = False
    #: The server does not have what the request builds on, or not in a state that can be built on.
    lost: bool = False


def failure_of(error: Exception, secrets: Sequence[str], now: float) -> Failure | None:
    """Return what an exception of the SDK comes to; None if it is no failure of a server.

    Args:
        error: what was raised.
        secrets: what must not be told.
        now: the time, Unix seconds.
    """
    import anyio  # noqa: PLC0415 - only where a server is spoken to
    import httpx2  # noqa: PLC0415 - as above
    import openai  # noqa: PLC0415 - as above

    if isinstance(error, Refused):
        return _told_inside(error.body, "", secrets)
    if isinstance(error, Unreadable | ValueError | RecursionError):  # the latter two: what is no JSON
        return Failure(told(f"the answer could not be read: {error}", secrets), passing=True)
    if isinstance(error, httpx2.RequestError | OSError | anyio.EndOfStream):  # while a stream is read
        return Failure(told(_named(error), secrets), passing=True)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__
        return Failure(told(error.message if cause is None else _named(cause), secrets), passing=True)
    if isinstance(error, openai.APIStatusError):
        return _refusal(error, secrets, now)
    if isinstance(error, openai.APIError):  # told in the middle of a stream
        return _told_inside(error.body, error.message, secrets)
    return Failure(told(str(error), secrets)) if isinstance(error, openai.OpenAIError) else None


def told(text: str, secrets: Sequence[str]) -> str:
    """Return a text on one line, not too long and without secrets.

    Args:
        text: what a server or the SDK said.
        secrets: what must not be told; what looks like a key is left out besides.
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    text = " ".join(_SECRET.sub("***", text).split())
    return text if len(text) <= TOLD else f"{text[: TOLD - 1]}…"


def _named(error: BaseException) -> str:
    """An exception of the transport in words; some say nothing but their name.

    The SDK tells whatever happens to a connection of aiohttp as a timeout: the cause says what did.
    """
    cause = error.__cause__
    if cause is not None and type(cause).__module__.partition(".")[0] == "aiohttp":
        error = cause
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _refusal(error: Any, secrets: Sequence[str], now: float) -> Failure:
    status, body = int(error.status_code), mapping(error.body)
    said = body.get("message")
    message = said if isinstance(said, str) and said else error.message
    headers: Mapping[str, str] = error.response.headers
    too_long = _is_too_long(error.code or "", error.type or "", message)
    passing = {"true": True, "false": False}.get(headers.get("x-should-retry", ""), _passes(status))
    passing = passing and not too_long and error.code not in _SPENT and error.type not in _SPENT
    busy = error.code == LOCKED
    lost = error.code == _NO_PREVIOUS or _LOST.search(message) is not None
    reason = told(f"{status}: {message}", secrets)
    return Failure(reason, passing or busy, _asked_wait(headers, now), too_long, busy, lost)


def _told_inside(body: object, message: str, secrets: Sequence[str]) -> Failure:
    """What an error object comes to that has no status of its own; some put one in its code."""
    error = mapping(body)
    code, kind = str(error.get("code") or ""), str(error.get("type") or "")
    message = message or str(error.get("message") or body)
    too_long = _is_too_long(code, kind, message)
    wrong = kind == "invalid_request_error" or code in _SPENT or code.startswith(_WRONG)
    final = not _passes(int(code)) if _STATUS.fullmatch(code) else wrong
    return Failure(told(message, secrets), passing=not (too_long or final), too_long=too_long)


def _passes(status: int) -> bool:
    return status in _PASSING or status >= _FIRST_SERVER_ERROR


def _is_too_long(code: str, kind: str, message: str) -> bool:
    return code in _TOO_LONG or kind in _TOO_LONG or _TOO_LONG_TEXT.search(message) is not None


def _asked_wait(headers: Mapping[str, str], now: float) -> float | None:
    """The wait a server asks for, in seconds: in milliseconds, in seconds, or until a date."""
    for header, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(header, "")) / unit
        except ValueError:
            continue
        return seconds if math.isfinite(seconds) and seconds >= 0 else None
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now)
    except ValueError:
        return None


async def events_of(response: httpx2.Response) -> AsyncGenerator[object, None]:
    """Yield the events of a stream, parsed, up to `[DONE]`.

    The SDK's reader would leave a generator behind for the garbage collector to close.

    Args:
        response: one whose body has not been read; whoever asks closes it.

    Raises:
        ValueError: an event is no JSON.
    """
    rest = b""
    async with aclosing(response.aiter_bytes()) as chunks:
        async for chunk in chunks:
            # Only these bytes end a line here, whatever else of Unicode does.
            *lines, rest = (rest + chunk).replace(b"\r", b"").split(b"\n")
            for line in lines:
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    await _drain(chunks)
                    return
                yield json.loads(data)


async def _drain(chunks: AsyncGenerator[bytes, None]) -> None:
    try:
        async with asyncio.timeout(DRAIN):
            async for _ in chunks:
                pass
    except TimeoutError:
        pass


class Repeats:
    """Waits between the attempts of one request.

    Args:
        clock: the time.
        deadline: Unix time in seconds after which no attempt may begin.
        most: how often the request may be made again; None: until the deadline.
        thread: our id of the thread it is made for, as the log tells it.
    """

    def __init__(self, clock: Clock, deadline: float, most: int | None = RETRIES, *, thread: str) -> None:
        self._clock = clock
        self._deadline = deadline
        self._most = most
        self._thread = thread
        self._made = 0

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - self._clock.now()

    def another(self) -> Repeats:
        """Return the waits of another request, which has to be done by the same deadline."""
        return Repeats(self._clock, self._deadline, self._most, thread=self._thread)

    def give_up(self) -> None:
        """Make the request no more, whatever fails."""
        self._most = 0

    async def wait(self, failure: Failure) -> bool:
        """Wait until the request may be made again; at once False if it may not.

        Args:
            failure: why it has to be.
        """
        spent = self._most is not None and self._made >= self._most and not failure.busy
        if not failure.passing or spent:
            return False
        # A thousand threads that were refused together must not come back together.
        ours = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(self._made, RETRIES)) * random.uniform(0.75, 1)  # noqa: S311 - dice, no secret
        seconds = ours if failure.after is None else failure.after
        if seconds >= self.left:
            return False
        # A hiccup is nobody's concern; a server that stays away, or a long wait, should not look like a hang.
        level = logging.WARNING if self._made or seconds >= SHORT_WAIT else logging.INFO
        self._made += 1
        logger.log(level, "thread %s: a request is made again in %.1f s (%s)", self._thread, seconds, failure.reason)
        await self._clock.sleep(seconds)
        return True


def with_unique_ids(calls: Sequence[Asked], items: Sequence[Item]) -> tuple[Asked, ...]:
    """Return the calls with ids that no call of the transcript has; a repeat gives the same.

    Args:
        calls: as the model made them; an id may be missing.
        items: the transcript.
    """
    if not calls:
        return ()
    # By class: this looks at every item of what may be a long thread.
    spoken = cast("list[Spoken]", [item for item in items if item.__class__ is Spoken])
    taken = {asked.id for item in spoken for asked in item.calls}
    count = len(taken)
    named: list[Asked] = []
    for asked in calls:
        unique = asked.id
        while not unique or unique in taken:
            count += 1
            unique = f"call_{count}"
        taken.add(unique)
        named.append(replace(asked, id=unique))
    return tuple(named)


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object as it is, and an empty one for anything else: servers are not all typed."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def listed(value: object) -> Sequence[Any]:
    """Return a JSON array as it is, and an empty one for anything else."""
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()


def whole(value: object) -> int:
    """Return a count as it is, and 0 for anything else."""
    return value if isinstance(value, int) and value > 0 else 0
