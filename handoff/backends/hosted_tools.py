"""Tools that a server runs itself: how they are declared in each protocol, and what is told of what they did.

What came of a call is for the user and the journal; the model has it in its server's own history. Secrets go into the
declaration and nowhere else.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from handoff.backends.wire import LONGEST, listed, mapping
from handoff.core.answers import HostedCall, HostedKind
from handoff.declaration.hosted import MCP, CodeInterpreter, FileSearch, Hosted, WebSearch

logger = logging.getLogger("handoff")

#: Items of a Responses answer that say what a hosted tool did.
KINDS: Mapping[str, HostedKind] = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "mcp_call": "mcp",
}
#: Items that stand beside them in a history.
BESIDE = ("mcp_list_tools", "mcp_approval_request", "mcp_approval_response")
#: What has to be asked for to be told.
INCLUDED: Mapping[HostedKind, str] = {"code_interpreter": "code_interpreter_call.outputs"}


def responses_tool(tool: Hosted) -> dict[str, Any]:
    """Return a tool as a Responses server takes it.

    Args:
        tool: the tool.
    """
    match tool:
        case WebSearch():
            where = {"country": tool.country, "city": tool.city, "timezone": tool.timezone}
            known = {name: one for name, one in where.items() if one is not None}
            return _given(
                type="web_search",
                filters={"allowed_domains": [*tool.domains]} if tool.domains else None,
                search_context_size=tool.size,
                user_location={"type": "approximate", **known} if known else None,
            )
        case FileSearch():
            stores = [*tool.vector_store_ids]
            return _given(type="file_search", vector_store_ids=stores, max_num_results=tool.max_results)
        case CodeInterpreter():
            made = _given(type="auto", file_ids=[*tool.file_ids] or None)
            return {"type": "code_interpreter", "container": tool.container or made}
        case MCP():
            return _given(
                type="mcp",
                server_label=tool.server_label,
                server_url=tool.server_url,
                connector_id=tool.connector_id,
                server_description=tool.description or None,
                allowed_tools=[*tool.allowed_tools] or None,
                headers={**tool.headers} or None,
                authorization=tool.authorization,
                require_approval="never" if tool.approval == "never" else "always",
            )


def responses_choice(kind: str, tools: Sequence[Hosted]) -> dict[str, Any]:
    """Return the tool choice that forces a hosted tool on a Responses server.

    Args:
        kind: its kind.
        tools: the tools the assistant has.
    """
    server = next((tool for tool in tools if isinstance(tool, MCP)), None)
    if kind == "mcp" and server is not None:
        return {"type": "mcp", "server_label": server.server_label}
    if kind == "web_search":  # OpenAI has no name for forcing it alone
        return {"type": "allowed_tools", "mode": "required", "tools": [{"type": "web_search"}]}
    return {"type": kind}


def assistants_tool(tool: Hosted) -> dict[str, Any]:
    """Return a tool as a server that speaks Assistants takes it.

    Args:
        tool: a file search or a code interpreter.
    """
    if isinstance(tool, FileSearch) and tool.max_results is not None:
        return {"type": tool.kind, "file_search": {"max_num_results": tool.max_results}}
    return {"type": tool.kind}


def assistants_resources(tools: Sequence[Hosted]) -> dict[str, Any]:
    """Return the `tool_resources` of an assistant with these tools; empty if it needs none.

    Args:
        tools: file searches and code interpreters.
    """
    resources: dict[str, Any] = {}
    for tool in tools:
        if isinstance(tool, FileSearch):
            resources["file_search"] = {"vector_store_ids": [*tool.vector_store_ids]}
        elif isinstance(tool, CodeInterpreter) and tool.file_ids:
            resources["code_interpreter"] = {"file_ids": [*tool.file_ids]}
    return resources


def call_of(item: Mapping[str, Any], secrets: Sequence[str] = ()) -> HostedCall | None:
    """Return what an item of a Responses answer says a hosted tool did; None if it says nothing of the kind.

    Args:
        item: the item.
        secrets: what must not be told.
    """
    kind = KINDS.get(str(item.get("type")))
    if kind is None:
        return None
    name = given = output = ""
    match kind:
        case "web_search":
            action = mapping(item.get("action"))
            queries = [*listed(action.get("queries"))] or [action.get("query") or action.get("pattern")]
            given = _lines([*queries, action.get("url")])
            output = _lines([mapping(source).get("url") for source in listed(action.get("sources"))])
        case "file_search":
            given = _lines(listed(item.get("queries")))
            output = _lines([mapping(result).get("filename") for result in listed(item.get("results"))])
        case "code_interpreter":
            given = _text(item.get("code"))
            outputs = [mapping(one) for one in listed(item.get("outputs"))]
            output = _lines([one.get("logs") or one.get("url") for one in outputs])
        case "mcp":
            name = f"{item.get('server_label')}.{item.get('name')}"
            given = _text(item.get("arguments"))
            error = item.get("error")
            output = _text(item.get("output")) or (_text(error) or json.dumps(error) if error else "")
    failed = "failed" if kind == "mcp" and item.get("error") else "completed"
    status = _text(item.get("status")) or failed
    texts = [scrubbed(text, secrets) for text in (name, given, output)]
    return HostedCall(kind, _text(item.get("id")), status, *texts)


def decided(
    request: Mapping[str, Any], tools: Sequence[Hosted], secrets: Sequence[str]
) -> tuple[Any, HostedCall | None]:
    """Return the answer to an approval request of an MCP server; and what is told, if it is refused.

    Args:
        request: the item that asks.
        tools: the tools the assistant has.
        secrets: what must not be told.
    """
    label, name, arguments = (_text(request.get(key)) for key in ("server_label", "name", "arguments"))
    server = next((one for one in tools if isinstance(one, MCP) and one.server_label == label), None)
    approved, reason = False, "nobody is there to approve it"
    if server is not None and server.approval != "never":
        reason = "it was not approved"
        try:
            approved = server.approval(name, arguments) is True  # what else it returns is no yes
        except Exception:
            logger.exception("the approval of MCP server %s failed; its call is refused", label)
            reason = "whether it may be made could not be decided"
    answer = {"type": "mcp_approval_response", "approval_request_id": request.get("id"), "approve": approved}
    if approved:
        return answer, None
    texts = [scrubbed(text, secrets) for text in (f"{label}.{name}", arguments, reason)]
    return {**answer, "reason": reason}, HostedCall("mcp", _text(request.get("id")), "refused", *texts)


def scrubbed(text: str, secrets: Sequence[str] = ()) -> str:
    """Return a text of a server without secrets, and not too long.

    Args:
        text: the text.
        secrets: what must not be told.
    """
    for secret in secrets:
        text = text.replace(secret, "***")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _lines(values: Sequence[object]) -> str:
    return "\n".join(value for value in values if isinstance(value, str) and value)
