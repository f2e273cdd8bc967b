"""The probes, each a few requests: a protocol by its backend, stored responses, conversations, the lock of a thread."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol

from handoff.backends.base import Called, Delta, Ended, Report, Request
from handoff.backends.wire import mapping
from handoff.clock import Clock
from handoff.core.items import Item, Output, Spoken, UserMessage
from handoff.core.status import Status
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.doctor.asking import Asker, Reply
from handoff.doctor.report import Finding

#: The longest answer that is asked for, in tokens.
TOKENS = 256
#: How often a run is looked at, and after how many seconds again.
LOOKS, PAUSE = 20, 0.25
#: Where a run keeps its thread locked.
_ACTIVE = frozenset({"queued", "in_progress", "requires_action", "cancelling"})
#: The id of a response that no server has.
NOBODY = "resp_of_nobody"

_SCHEMA = {
    "type": "object",
    "properties": {"word": {"type": "string"}},
    "required": ["word"],
    "additionalProperties": False,
}
PING = OfferedTool("ping", "Answers with the word it is given.", _SCHEMA)
_FUNCTION = {"name": PING.name, "description": PING.description, "parameters": _SCHEMA}
_INSTRUCTIONS = "You are a probe. Answer with one word."
_ASSISTANT = "probe"


class Asked(Protocol):
    """A backend, as far as a probe needs it."""

    def open(self, request: Request) -> AsyncIterator[Report]:
        """Carry a request out."""
        ...

    async def close(self) -> None:
        """Release what is held."""
        ...


@dataclass(slots=True)
class Heard:
    """How a protocol is spoken there."""

    findings: list[Finding] = field(default_factory=list[Finding])
    works: bool = False
    note: str = ""


async def protocol_probe(name: str, backend: Asked, clock: Clock, seconds: float) -> Heard:
    """Ask for an answer, for a call, and for an answer to the call's output.

    Args:
        name: what the protocol is called.
        backend: what speaks it; closed afterwards.
        clock: the time.
        seconds: how long each answer may take.
    """
    found = Heard()

    async def ask(items: tuple[Item, ...], due: tuple[Item, ...], **options: Any) -> tuple[Called | Ended, bool]:
        tools = (PING,) if options or items else ()
        given = {"max_output_tokens": TOKENS, **options}
        prompt = Prompt(_ASSISTANT, _INSTRUCTIONS, tools, items, due, given)
        request = Request("doctor", 1, 2 if items else 1, "send", prompt, clock.now() + seconds)
        streamed = False
        reports: Any = backend.open(request)
        async with aclosing(reports):
            async for report in reports:
                streamed = streamed or isinstance(report, Delta)
                if isinstance(report, Called | Ended):
                    return report, streamed
        raise AssertionError("a request ends with a report")

    try:
        first, streamed = await ask((), (UserMessage("m1", "Say OK."),))
        answered = isinstance(first, Called) or first.status in {Status.COMPLETED, Status.INCOMPLETE}
        found.findings.append(Finding(name, answered, _said(first)))
        if not answered:
            return found
        found.works = True
        found.findings.append(
            Finding(f"{name}: streaming", streamed, "text comes in pieces" if streamed else "none seen")
        )
        counted = first.usage is not None and first.usage.input_tokens > 0
        found.findings.append(Finding(f"{name}: usage", counted, "tokens are counted" if counted else "none told"))
        question = UserMessage("m1", "Call ping with the word OK.")
        called, how = None, "the model decides"
        for choice in ("ping", "required"):
            report, _ = await ask((), (question,), tool_choice=choice)
            if isinstance(report, Ended) and report.status is Status.FAILED:
                found.findings.append(Finding(f"{name}: tools", able=False, seen=report.reason))
                found.note = "its model is not offered tools: flows cannot hand over there"
                return found
            if isinstance(report, Called):
                called, how = report, "by name" if choice == "ping" else "by required"
                break
        if called is None:
            found.findings.append(Finding(f"{name}: tools", able=None, seen="taken, but the model called none"))
            found.note = "its model called no tool when it was told to: a flow may not hand over there"
            return found
        found.findings.append(Finding(f"{name}: tools", able=True, seen=f"a call can be forced {how}"))
        spoken = Spoken(_ASSISTANT, 1, called.text, called.calls)
        outputs = tuple(Output(1, 1, call.id, call.tool, "OK") for call in called.calls)
        last, _ = await ask((question, spoken), outputs)
        able = isinstance(last, Called) or last.status in {Status.COMPLETED, Status.INCOMPLETE}
        found.findings.append(Finding(f"{name}: outputs of calls", able, _said(last)))
        found.works = able
    finally:
        await backend.close()
    return found


def _said(report: Called | Ended) -> str:
    if isinstance(report, Called):
        return "it calls a tool"
    if report.status is Status.COMPLETED:
        return "it answers"
    return report.reason or f"the run ended {report.status}"


async def stored_probe(asker: Asker, model: str) -> Finding:
    """Find out whether a response can be built on, and whether a wrong id is noticed.

    Args:
        asker: what asks.
        model: the model.
    """
    name = "responses: previous_response_id"
    asked = {"model": model, "input": "Say OK.", "max_output_tokens": TOKENS}
    first = await asker.ask("POST", "/responses", {**asked, "store": True})
    if not first.fine or not first.data.get("id"):
        return Finding(name, able=False, seen=first.trouble or "the response has no id")
    then = await asker.ask("POST", "/responses", {**asked, "previous_response_id": first.data["id"]})
    if not then.fine:
        return Finding(name, able=False, seen=then.trouble)
    wrong = await asker.ask("POST", "/responses", {**asked, "previous_response_id": NOBODY})
    for reply in (first, then, wrong):
        if reply.fine and reply.data.get("id"):
            await asker.ask("DELETE", f"/responses/{reply.data['id']}")
    if wrong.fine:
        return Finding(name, able=False, seen="taken and ignored: the server keeps no responses")
    return Finding(name, able=True, seen="the server keeps responses")


async def restricted_probe(asker: Asker, protocol: str, model: str) -> Finding:
    """Find out whether a list of tools can be restricted, and whether a restriction to what is not listed is noticed.

    Args:
        asker: what asks.
        protocol: `chat` or `responses`.
        model: the model.
    """
    name, chat = f"{protocol}: allowed_tools", protocol == "chat"
    path = "/chat/completions" if chat else "/responses"
    function: dict[str, Any] = (
        {"type": "function", "function": _FUNCTION} if chat else {"type": "function", **_FUNCTION}
    )

    async def ask(tool: str) -> Reply:
        named = {"type": "function", "function": {"name": tool}} if chat else {"type": "function", "name": tool}
        allowed = {"mode": "auto", "tools": [named]}
        choice = {"type": "allowed_tools", **({"allowed_tools": allowed} if chat else allowed)}
        said = [{"role": "user", "content": "Say OK."}]
        given = {"messages": said} if chat else {"input": said, "store": False}
        return await asker.ask("POST", path, {"model": model, **given, "tools": [function], "tool_choice": choice})

    taken = await ask(PING.name)
    if not taken.fine:
        return Finding(name, able=False, seen=taken.trouble)
    if (await ask("not_listed")).fine:
        return Finding(name, able=None, seen="taken, and so is a tool that is not listed: it may be ignored")
    return Finding(name, able=True, seen="a list of tools can be restricted: layout='cached' fits")


async def conversations_probe(asker: Asker) -> Finding:
    """Find out whether there are conversations.

    Args:
        asker: what asks.
    """
    made = await asker.ask("POST", "/conversations", {})
    if not made.fine or not made.data.get("id"):
        return Finding("responses: conversations", able=False, seen=_without(made))
    await asker.ask("DELETE", f"/conversations/{made.data['id']}")
    return Finding("responses: conversations", able=True, seen="the server keeps conversations")


async def lock_probe(asker: Asker, model: str, clock: Clock) -> list[Finding]:
    """Find out whether there are assistants and threads, and whether a run locks its thread.

    Args:
        asker: what asks.
        model: the model.
        clock: the time, between two looks at the run.
    """
    tools = [{"type": "function", "function": _FUNCTION}]
    asked = {"model": model, "name": "handoff doctor", "instructions": _INSTRUCTIONS, "tools": tools}
    assistant = await asker.ask("POST", "/assistants", asked)
    if not assistant.fine or not assistant.data.get("id"):
        return [Finding("assistants", able=False, seen=_without(assistant))]
    made = [f"/assistants/{assistant.data['id']}"]
    try:
        said = {"role": "user", "content": "Call ping with the word OK."}
        thread = await asker.ask("POST", "/threads", {"messages": [said]})
        if not thread.fine:
            return [Finding("assistants", able=False, seen=thread.trouble)]
        path = f"/threads/{thread.data.get('id')}"
        made.insert(0, path)
        begun = {"assistant_id": assistant.data["id"], "tool_choice": "required"}
        run = await asker.ask("POST", f"{path}/runs", begun)
        if not run.fine:
            return [Finding("assistants", able=False, seen=run.trouble)]
        locked = await asker.ask("POST", f"{path}/messages", said)
        status = await _status(asker, f"{path}/runs/{run.data.get('id')}", clock)
        await asker.ask("POST", f"{path}/runs/{run.data.get('id')}/cancel")
        able = status in {"requires_action", "completed"}
        seen = "a run is carried out" if able else f"a run came to {status}"
        return [Finding("assistants", able, seen), _lock(status, taken=locked.fine)]
    finally:
        for path in made:
            await asker.ask("DELETE", path)


def _lock(status: str, *, taken: bool) -> Finding:
    """What a message sent right after a run began says of the lock; a run that was quick may have been over by then.

    Args:
        status: where the run was found afterwards.
        taken: whether the message was.
    """
    if not taken:
        return Finding("assistants: lock", able=True, seen="a message is refused while a run is active")
    if status in _ACTIVE:
        return Finding("assistants: lock", able=False, seen="a message was taken beside a run")
    return Finding("assistants: lock", able=None, seen=f"the run was {status} before a message met it")


async def _status(asker: Asker, path: str, clock: Clock) -> str:
    """Where a run stops by itself, or where it is when patience ends."""
    status = "nothing"
    for _ in range(LOOKS):
        status = str(mapping((await asker.ask("GET", path)).data).get("status"))
        if status not in {"queued", "in_progress"}:
            break
        await clock.sleep(PAUSE)
    return status


def _without(reply: Reply) -> str:
    return "there are none" if reply.missing else reply.trouble or "what came has no id"
