"""Tools that a server runs itself: how they are declared here, and how what they did goes over the wire.

Nothing is searched, run or called: the model says what such a tool did, and the sandbox tells it in the words of the
API. An MCP tool that needs approval is asked about first, and done once the client has approved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from handoff.core.answers import Citation, HostedCall, HostedKind
from handoff.core.items import Output
from handoff.declaration.hosted import MCP, CodeInterpreter, FileSearch, Hosted, WebSearch
from handoff.errors import DefinitionError
from handoff.sandbox.world import Wire, World

#: Status of a call of MCP that waits for approval.
ASKED: Final = "asked"
#: The kinds, by the types under which they are declared or forced.
KINDS: Final[Mapping[str, HostedKind]] = {
    "web_search": "web_search",
    "web_search_2025_08_26": "web_search",
    "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search",
    "file_search": "file_search",
    "code_interpreter": "code_interpreter",
    "mcp": "mcp",
}
#: Prefix of the id, and the states an item goes through before it is done, by the type of the item.
_STAGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "web_search_call": ("ws", ("in_progress", "searching")),
    "file_search_call": ("fs", ("in_progress", "searching")),
    "code_interpreter_call": ("ci", ("in_progress", "interpreting")),
    "mcp_call": ("mcp", ("in_progress",)),
    "mcp_approval_request": ("mcpr", ()),
}


def declared(tools: Iterable[Wire]) -> tuple[Hosted, ...]:
    """Return the hosted tools a request declares; what a flow could not declare either is left out.

    Args:
        tools: as they came.
    """
    found: list[Hosted] = []
    for tool in tools:
        try:
            made = _made(tool)
        except DefinitionError:
            continue
        if made is not None:
            found.append(made)
    return tuple(found)


def _made(tool: Wire) -> Hosted | None:
    match KINDS.get(tool.get("type", "")):
        case "web_search":
            return WebSearch()
        case "file_search":
            return FileSearch(tool.get("vector_store_ids") or ["any"])
        case "code_interpreter":
            return CodeInterpreter()
        case "mcp":
            asks = tool.get("require_approval") not in ("never", None)
            allowed = tool.get("allowed_tools")
            return MCP(
                tool["server_label"],
                server_url=tool.get("server_url") or "https://connector.invalid",
                allowed_tools=allowed if isinstance(allowed, list) else (),  # pyright: ignore[reportUnknownArgumentType]
                approval=_ask if asks else "never",
            )
        case _:
            return None


def _ask(tool: str, arguments: str) -> bool:
    """Stands for the client, who is asked."""
    raise NotImplementedError


def forced_kind(choice: Any, tools: Iterable[Wire]) -> HostedKind | None:
    """Return the kind of hosted tool that a request forces, or None.

    Args:
        choice: the `tool_choice`, in any of its forms.
        tools: the tools it declares.
    """
    match choice:
        case {"type": "allowed_tools"}:
            allowed = choice.get("allowed_tools", choice)
            types = [one.get("type", "") for one in allowed["tools"]]
            only = allowed["mode"] == "required" and "function" not in types
            return next((KINDS[kind] for kind in types if kind in KINDS), None) if only else None
        case {"type": str(kind)}:
            return KINDS.get(kind)
        case "required" if not any(tool.get("type") == "function" for tool in tools):
            return next((tool.kind for tool in declared(tools)), None)
        case _:
            return None


def item_of(world: World, call: HostedCall, include: Sequence[str] = ()) -> Wire:
    """Return what a hosted tool did as an item of a response.

    Args:
        world: the sandbox.
        call: what it did.
        include: what the request asks to be told besides.
    """
    label, _, name = call.name.partition(".")
    kind = "mcp_approval_request" if call.status == ASKED else f"{call.tool}_call"
    item: Wire = {"id": call.id or world.new_id(_STAGES[kind][0]), "type": kind}
    named = {"server_label": label, "name": name, "arguments": call.input}
    match kind:
        case "web_search_call":
            action: Wire = {"type": "search", "query": call.input, "queries": [call.input]}
            if "web_search_call.action.sources" in include:
                action["sources"] = [{"type": "url", "url": url} for url in call.output.splitlines()]
            return {**item, "status": call.status, "action": action}
        case "file_search_call":
            return {**item, "status": call.status, "queries": [call.input], "results": None}
        case "code_interpreter_call":
            told = "code_interpreter_call.outputs" in include
            outputs = [{"type": "logs", "logs": call.output}] if told else None
            container = world.new_id("cntr")
            return {**item, "status": call.status, "code": call.input, "container_id": container, "outputs": outputs}
        case "mcp_call":
            failed = call.status == "failed"
            error = {"type": "mcp_tool_execution_error", "content": [call.output]} if failed else None
            output = None if failed else call.output
            return {**item, **named, "status": call.status, "output": output, "error": error}
        case _:
            return {**item, **named}


def stages_of(item: Wire) -> list[str]:
    """Return the events an item is told in, between its beginning and its end.

    Args:
        item: what `item_of` returned.
    """
    kind = item["type"]
    if kind == "mcp_approval_request":
        return []
    over = "failed" if item["status"] == "failed" and kind == "mcp_call" else "completed"
    return [f"response.{kind}.{stage}" for stage in (*_STAGES[kind][1], over)]


def begun(item: Wire) -> Wire:
    """Return an item as it is when it begins.

    Args:
        item: what `item_of` returned.
    """
    if item["type"] == "mcp_approval_request":
        return item
    empty: Wire = {"mcp_call": {"arguments": "", "output": None}, "code_interpreter_call": {"code": ""}}
    return {**item, "status": "in_progress", **empty.get(item["type"], {})}


def annotation_of(citation: Citation) -> Wire:
    """Return a source as Responses names it.

    Args:
        citation: the source.
    """
    start, end = citation.start or 0, citation.end or citation.start or 0
    if citation.url:
        where = {"start_index": start, "end_index": end}
        return {"type": "url_citation", "url": citation.url, "title": citation.title, **where}
    return {"type": "file_citation", "file_id": citation.file_id, "filename": citation.title, "index": start}


def approved(
    items: Sequence[Wire], find: Callable[[str], Wire | None]
) -> tuple[tuple[HostedCall, ...], dict[str, Output]]:
    """Return the MCP calls that these items let happen, and what the model is told of each answer.

    Args:
        items: what a request brings.
        find: looks up an approval request by its id.

    Returns:
        The calls, as they were done; and by id of the answering item, what is told.
    """
    done: list[HostedCall] = []
    told: dict[str, Output] = {}
    for item in items:
        request = find(item["approval_request_id"]) if item["type"] == "mcp_approval_response" else None
        if request is None:
            continue
        name = f"{request['server_label']}.{request['name']}"
        if item["approve"]:
            text = f"{name} was called"
            done.append(HostedCall("mcp", name=name, input=request["arguments"], output=text))
        else:
            text = f"not approved: {item.get('reason') or 'no reason given'}"
        told[item["id"]] = Output(0, 0, request["id"], name, text)
    return tuple(done), told
