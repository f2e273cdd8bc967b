"""What all assistants of a flow have together: one list of tools, and the words their instructions begin with.

A backend that lays requests out for the provider's prompt cache puts it in front of each of them, so there is one
order, and one tool of each name. A flow in which that cannot be is refused when it meets such a backend.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from handoff.backends.layout import TOOLS
from handoff.declaration.flow import Flow
from handoff.declaration.hosted import MCP, Hosted
from handoff.declaration.prompt import OfferedTool, Shared
from handoff.errors import ConfigurationError

_KNOWN: WeakKeyDictionary[Flow[Any, Any], Shared] = WeakKeyDictionary()


def shared_by(flow: Flow[Any, Any]) -> Shared:
    """Return what the assistants of a flow share; of two tools of one name, the first.

    Args:
        flow: the declaration, frozen.
    """
    known = _KNOWN.get(flow)
    if known is None:
        tools: dict[str, OfferedTool] = {}
        hosted: dict[tuple[str, str], Hosted] = {}
        for name, assistant in flow.assistants.items():
            for tool in flow.tools_of(name).values():
                tools.setdefault(tool.name, OfferedTool(tool.name, tool.description, tool.schema, tool.strict))
            for one in assistant.options.hosted:
                hosted.setdefault(_key(one), one)
        common = "" if flow.instructions is None else flow.instructions.constant
        known = _KNOWN[flow] = Shared(tuple(tools.values()), tuple(hosted.values()), common)
    return known


def require_shareable(flow: Flow[Any, Any]) -> None:
    """Refuse a flow whose tools do not fit in one list.

    Args:
        flow: the declaration, frozen.

    Raises:
        ConfigurationError: two tools of one name differ, or there are too many; says what to do.
    """
    shared = shared_by(flow)
    named = {tool.name: tool for tool in shared.tools}
    hosted = {_key(one): one for one in shared.hosted}
    for name, assistant in flow.assistants.items():
        for tool in flow.tools_of(name).values():
            if named[tool.name] != OfferedTool(tool.name, tool.description, tool.schema, tool.strict):
                raise ConfigurationError(
                    f"{tool.place}: {name} has a tool {tool.name} that takes or says something else than that of "
                    "another assistant, and layout='cached' lists one tool of each name: rename one, or leave the "
                    "layout out"
                )
        for one in assistant.options.hosted:
            if hosted[_key(one)] != one:
                raise ConfigurationError(
                    f"{assistant.place}: {name} declares another {type(one).__name__} than an assistant before it, "
                    "and layout='cached' lists one of each: declare the same, or leave the layout out"
                )
    if len(named) + len(hosted) > TOOLS:
        raise ConfigurationError(
            f"{flow.name} has {len(named) + len(hosted)} tools, and layout='cached' lists them all, while a request "
            f"takes at most {TOOLS}: leave the layout out"
        )


def _key(tool: Hosted) -> tuple[str, str]:
    """What a restriction names a tool by that a server runs itself."""
    return (tool.kind, tool.server_label if isinstance(tool, MCP) else "")
