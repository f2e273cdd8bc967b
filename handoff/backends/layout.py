"""The cached layout: a request begins with what all assistants of the flow share, and ends with the instructions.

The provider's prompt cache keeps beginnings. So the list of tools is the whole flow's, in one order, restricted by
`tool_choice: allowed_tools` to what the assistant is offered; the thread reads the same to every assistant; and what
differs between them, the instructions, stands behind it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from handoff.backends.base import Layout
from handoff.backends.profiles import ANY, PROFILES, Profile, profile_of
from handoff.declaration.hosted import MCP, Hosted
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.errors import ConfigurationError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

#: The most tools one request may list (OpenAI's document: CreateChatCompletionRequest, `tools`).
TOOLS = 128

_OPENAI = "https://api.openai.com/v1"


def require_known(layout: Layout, profile: Profile, base_url: str | None, client: AsyncOpenAI | None) -> None:
    """Refuse the cached layout where the server is not known to restrict a list of tools.

    Args:
        layout: what is asked for.
        profile: what the server is known to take; where nothing is, the address may tell.
        base_url: where the server is; None for what the SDK takes.
        client: the client, where there is one already.

    Raises:
        ConfigurationError: it is not known to, or there is no such layout.
    """
    if layout not in get_args(Layout):
        raise ConfigurationError(f"layout={layout!r}: give {' or '.join(map(repr, get_args(Layout)))}")
    if layout == "usual":
        return
    address = base_url or (str(client.base_url) if client else os.environ.get("OPENAI_BASE_URL")) or _OPENAI
    known = profile if profile != ANY else profile_of(address)
    if known is not None and known.allowed_tools:
        return
    able = ", ".join(repr(one.name) for one in PROFILES.values() if one.allowed_tools)
    raise ConfigurationError(
        "layout='cached' restricts the flow's list of tools by tool_choice allowed_tools, "
        + (
            f"which {known.name} does not take: leave it out"
            if known is not None
            else f"and nothing is known of this server: give profile= one of {able} if it takes that, else leave it out"
        )
    )


def listed(prompt: Prompt) -> tuple[Sequence[OfferedTool], Sequence[Hosted]]:
    """Return the tools a request lists: those of the whole flow.

    Args:
        prompt: what the assistant is given; by itself it may have tools of nobody's flow.
    """
    shared = prompt.shared
    return shared.tools or prompt.tools, shared.hosted or prompt.hosted


def chat_choice(prompt: Prompt, *, required: bool) -> str | dict[str, Any]:
    """Return the tool choice that restricts the list to what an assistant is offered, on Chat Completions.

    Args:
        prompt: what it is given.
        required: whether it has to call one of them.
    """
    tools = [{"type": "function", "function": {"name": tool.name}} for tool in prompt.tools]
    return {"type": "allowed_tools", "allowed_tools": _allowed(tools, required)} if tools else "none"


def responses_choice(prompt: Prompt, *, required: bool) -> str | dict[str, Any]:
    """Return the tool choice that restricts the list to what an assistant has, on Responses.

    Args:
        prompt: what it is given.
        required: whether it has to call one of them.
    """
    tools: list[dict[str, Any]] = [{"type": "function", "name": tool.name} for tool in prompt.tools]
    for tool in prompt.hosted:
        named = {"server_label": tool.server_label} if isinstance(tool, MCP) else {}
        tools.append({"type": tool.kind, **named})
    return {"type": "allowed_tools", **_allowed(tools, required)} if tools else "none"


def parts_of(prompt: Prompt) -> tuple[str, str]:
    """Return the instructions in two parts: what all assistants begin with, and what follows for this one.

    Args:
        prompt: what it is given.
    """
    common = prompt.shared.instructions
    if not common or not prompt.instructions.startswith(common):
        return "", prompt.instructions
    return common, prompt.instructions[len(common) :].lstrip("\n")


def _allowed(tools: list[dict[str, Any]], required: bool) -> dict[str, Any]:
    return {"mode": "required" if required else "auto", "tools": tools}
