"""The backends that conversations are played on while everything goes wrong, and what each server has seen of them.

A backend is a row of `FAULTY`: how it is made, which faults its server can have, and where its server keeps what it was
told. What a server was told is judged the same way everywhere: each request that reached its model, and what it holds
in the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from handoff.backends.assistants import Assistants
from handoff.backends.base import Backend
from handoff.backends.chat import Chat
from handoff.backends.responses import Responses
from handoff.backends.responses.link import Link
from handoff.core.items import Item, Output, Spoken, UserMessage
from handoff.declaration.prompt import Prompt
from handoff.models import Model
from handoff.sandbox import Faults, Sandbox
from handoff.sandbox.model import PlainModel
from handoff.sandbox.world import Wire
from tests.support.assistants_servers import said_on

#: How often each fault of a request, and of one answer, happens, as a share of the rate a conversation is played at.
REQUESTS = {"429": 1.0, "500": 1.0, "503": 1.0, "drop_before": 1.0, "drop_after": 1.0}
ANSWERS = {"bad_arguments": 1.0, "two_handoffs": 0.5, "failed": 0.3, "stuck": 0.05}
STREAMS = {"stall": 0.3}
RUNS = {"expire": 0.3, "cancel_race": 1.0, "late": 0.5}
#: Seconds after which a late request takes effect.
LATENESS = 0.25
_BAD_REQUESTS, _RATE_LIMITED, _SERVER_ERRORS = 400, 429, 500


class Watched(Sandbox):
    """A sandbox that notes what its model was shown, and which requests it refused for what they are.

    Attributes:
        shown: the items of each request that came to the model.
        refused: each refusal that no fault explains, as `METHOD /path STATUS`.
    """

    def __init__(self, faults: Faults, expire: float) -> None:
        self.shown: list[tuple[Item, ...]] = []
        self.refused: list[str] = []
        super().__init__(_Noting(self.shown), faults=faults, expire=expire)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, and note a refusal."""

        async def noting(message: Message) -> None:
            status = message.get("status", 0)
            if _BAD_REQUESTS <= status < _SERVER_ERRORS and status != _RATE_LIMITED:
                self.refused.append(f"{scope['method']} {scope['path']} {status}")
            await send(message)

        await super().__call__(scope, receive, noting)


class _Noting:
    """The sandbox's plain model, with a note of what it is shown."""

    def __init__(self, shown: list[tuple[Item, ...]]) -> None:
        self._shown = shown
        self._model: Model = PlainModel()

    def answer(self, prompt: Prompt) -> Any:
        self._shown.append(prompt.items)
        return self._model.answer(prompt)


@dataclass(frozen=True, slots=True)
class Told:
    """What a thread came to, as its journal has it."""

    #: What it says its server calls what it has of it.
    ref: str
    #: Texts of the messages that were accepted, in order.
    messages: list[str]
    #: Those of them that a server was told.
    told: list[str]
    #: The whole transcript.
    transcript: tuple[Item, ...] = ()
    #: Calls whose outputs no request has brought: a thread that is closed makes none.
    owed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Faulty:
    """A backend that conversations are played on."""

    #: Makes it.
    make: Callable[..., Backend]
    #: Its forms: options of each.
    forms: Mapping[str, Mapping[str, Any]]
    #: How often each fault happens, as a share of the rate.
    shares: Mapping[str, float]
    #: Looks at what the server was told, and returns what is wrong there, one sentence each.
    wrong: Callable[[Watched, Told], list[str]]
    #: Seconds after which the server's runs expire, and what is stuck ends.
    expire: float = 0.5
    #: Seconds our runs may take. Where a server ends them, they end that way often enough.
    deadlines: Sequence[float] = (600.0, 600.0, 1.5)


# -- what a server was told --------------------------------------------------------------------------------------------


def wrong_requests(server: Watched, told: Told, *allowed: str, doubled: bool = False) -> list[str]:
    """Return what is wrong with the requests, one sentence each: every one shows the messages once and in order.

    Args:
        server: what they came to.
        told: the thread.
        allowed: how refusals begin that are no mistake of the requests.
        doubled: whether a request may show what an answer that was left behind has brought to a conversation meanwhile:
            it is found out afterwards, and the request made again.
    """
    found = [f"refused: {one}" for one in server.refused if not one.startswith(allowed)]
    for number, items in enumerate(server.shown):
        found += [f"request {number}: {one}" for one in _wrong_items(items, told, doubled=doubled)]
    # One that was given up may come to the model behind the last one.
    if not any(_heard(items, told) == told.told for items in server.shown):
        found.append(f"no request has shown all of {told.told}")
    return found


def _wrong_items(items: Sequence[Item], told: Told, *, doubled: bool) -> list[str]:
    heard = _heard(items, told)
    found = [] if doubled or heard == told.messages[: len(heard)] else [f"it held the messages {heard}"]
    calls = Counter(call.id for item in items if isinstance(item, Spoken) for call in item.calls)
    outputs = Counter(item.call for item in items if isinstance(item, Output))
    if calls != outputs or any(times > 1 for times in calls.values()):
        found.append(f"its calls {dict(calls)} have the outputs {dict(outputs)}")
    return found


def _heard(items: Sequence[Item], told: Told) -> list[str]:
    known = set(told.messages)
    return [item.text for item in items if isinstance(item, UserMessage) and item.text in known]


def _wrong_held(items: Sequence[Wire], told: Told) -> list[str]:
    """What is wrong with the items a server holds of the thread in the end."""
    found = wrong_items(items, told.told, told.owed)
    outputs = [(one["call_id"], one["output"]) for one in items if one["type"] == "function_call_output"]
    ours = {(item.call, item.text) for item in told.transcript if isinstance(item, Output)}
    found += [f"the server holds the output {one}, which nobody gave" for one in outputs if one not in ours]
    said = Counter(_text(one) for one in items if one["type"] == "message" and one["role"] == "assistant")
    spoken = Counter(item.text for item in told.transcript if isinstance(item, Spoken))
    return found + [f"{text!r} stands {times} times" for text, times in said.items() if times > max(1, spoken[text])]


def wrong_items(items: Sequence[Wire], messages: Sequence[str], owed: Sequence[str] = ()) -> list[str]:
    """Return what is wrong with the items of a response or a conversation, one sentence each.

    Args:
        items: all that it builds on, or holds.
        messages: what the user has said; each is to be there once and in order.
        owed: ids of calls whose outputs it does not have yet.
    """
    users = [_text(one) for one in items if one["type"] == "message" and one["role"] == "user"]
    heard = [text for text in users if text in messages]
    found = [] if heard == list(messages) else [f"messages at the server: expected {list(messages)}, got {heard}"]
    calls = Counter(one["call_id"] for one in items if one["type"] == "function_call")
    outputs = Counter(one["call_id"] for one in items if one["type"] == "function_call_output")
    return (
        found
        if calls == outputs + Counter(owed)
        else [*found, f"the calls {dict(calls)} have the outputs {dict(outputs)}"]
    )


def _text(item: Wire) -> str:
    return "".join(part.get("text") or part.get("refusal") or "" for part in item["content"])


def _wrong_on_chat(server: Watched, told: Told) -> list[str]:
    return wrong_requests(server, told)


def _wrong_on_chain(server: Watched, told: Told) -> list[str]:
    found = wrong_requests(server, told, *_CANCELS)
    link = Link.read(told.ref)
    last = None if link is None else server.world.responses.get(link.id)
    if link is None or last is None:
        return [*found, f"the thread's response {told.ref!r} is not there"]
    return [*found, *_wrong_held(last.chain(), told), *_alive(server, told)]


def _wrong_on_conversation(server: Watched, told: Told) -> list[str]:
    found = wrong_requests(server, told, *_CANCELS, "DELETE /v1/conversations/", "POST /v1/responses 400", doubled=True)
    link = Link.read(told.ref)
    conversations = server.world.conversations
    ours = None if link is None else conversations.get(link.id)
    if link is None or ours is None:
        return [*found, f"the thread's conversation {told.ref!r} is not there"]
    found += [f"{one.id} is locked by {one.busy}" for one in conversations.values() if one.busy]
    return [*found, *_wrong_held(ours.items, told), *_alive(server, told)]


#: One that is over cannot be cancelled, and one that nobody could tell us of is not there.
_CANCELS = ("POST /v1/responses/",)


def _alive(server: Watched, told: Told) -> list[str]:
    """Responses that are still made although the thread is at rest and knew of them."""
    link = Link.read(told.ref)
    running = "" if link is None else link.running
    return [f"{running} is followed though the thread is at rest"] if running in server.world.responses else []


def _wrong_on_assistants(server: Watched, told: Told) -> list[str]:
    (thread,) = [one for one in server.world.threads.values() if one.entries or one.runs]
    said, active = said_on(thread), thread.active_run()
    found = [] if told.told == said else [f"accepted {told.told}, on the server {said}"]
    return found if active is None else [*found, f"the server's thread is locked by a run that is {active.status}"]


def _responses(history: str, *, background: bool = False) -> dict[str, dict[str, Any]]:
    options: dict[str, Any] = {"history": history, "background": True} if background else {"history": history}
    return {f"{history}-stream": options, f"{history}-whole": {**options, "stream": False}}


_SERVER = {**REQUESTS, **ANSWERS, **STREAMS}

FAULTY: dict[str, Faulty] = {
    "chat": Faulty(Chat, {"stream": {}, "whole": {"stream": False}}, _SERVER, _wrong_on_chat),
    "responses, chained": Faulty(Responses, _responses("chain"), _SERVER, _wrong_on_chain),
    "responses, conversation": Faulty(Responses, _responses("conversation"), _SERVER, _wrong_on_conversation),
    "responses, own": Faulty(Responses, _responses("own"), _SERVER, _wrong_on_chat),
    "responses, background": Faulty(Responses, _responses("chain", background=True), _SERVER, _wrong_on_chain),
    "responses, background, conversation": Faulty(
        Responses, _responses("conversation", background=True), _SERVER, _wrong_on_conversation
    ),
    "assistants": Faulty(
        Assistants,
        {
            f"{finish}-{'stream' if stream else 'whole'}": {"finish": finish, "stream": stream, "poll": 0.2}
            for finish in ("complete", "carry")
            for stream in (True, False)
        },
        {**_SERVER, **RUNS},
        _wrong_on_assistants,
        expire=2.0,
        deadlines=(600.0,),
    ),
}

__all__ = ["FAULTY", "LATENESS", "Faulty", "Told", "Watched", "wrong_items", "wrong_requests"]
