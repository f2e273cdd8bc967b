"""Whether a backend carries what a flow declares; asked when the two are brought together, before anything is sent."""

from __future__ import annotations

from typing import Any

from handoff.backends.base import Backend, Capability, carried, layout_of, name_of_backend
from handoff.declaration.assistants import Assistant
from handoff.declaration.flow import Flow
from handoff.driving.sharing import require_shareable
from handoff.errors import ConfigurationError


def require_carried(flow: Flow[Any, Any], backend: Backend) -> None:
    """Refuse a backend that does not carry what an assistant declares, or has to lay out what does not fit.

    Args:
        flow: the declaration, frozen.
        backend: who is to run the model.

    Raises:
        ConfigurationError: it names the assistant, the option, the backend, and what to do.
    """
    if layout_of(backend) == "cached":
        require_shareable(flow)
    carries = carried(backend)
    for assistant in flow.assistants.values():
        for needed, declared in _needed(assistant):
            if needed not in carries:
                raise ConfigurationError(
                    f"{assistant.place}: {assistant.name} declares {declared}, which {name_of_backend(backend)} does "
                    f"not carry: use a backend whose `carries` names {needed!r}, or leave it out"
                )


def _needed(assistant: Assistant[Any]) -> list[tuple[Capability, str]]:
    options = assistant.options
    needed: list[tuple[Capability, str]] = [(tool.kind, f"hosted {type(tool).__name__}") for tool in options.hosted]
    if options.reply is not None:
        needed.append(("reply", f"reply={options.reply.__name__}"))
    return needed
