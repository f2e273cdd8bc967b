"""A local server that speaks OpenAI's HTTP API and really locks: threads, conversations, and histories that go wrong.

`Sandbox` is an ASGI application; `serving` puts it behind a socket. Needs the extra `sandbox`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from handoff.errors import ConfigurationError

if TYPE_CHECKING:
    from handoff.sandbox.app import ConnectionDropped, Sandbox
    from handoff.sandbox.faults import Faults, Scripted
    from handoff.sandbox.sockets import serve, serving
    from handoff.sandbox.webhooks import Webhook

__all__ = ["ConnectionDropped", "Faults", "Sandbox", "Scripted", "Webhook", "serve", "serving"]

_MODULES = {
    "ConnectionDropped": "app",
    "Faults": "faults",
    "Sandbox": "app",
    "Scripted": "faults",
    "Webhook": "webhooks",
    "serve": "sockets",
    "serving": "sockets",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for, and with it the web server."""
    from importlib import import_module  # noqa: PLC0415 - only where the sandbox is used

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "handoff":
            raise
        raise ConfigurationError(
            f"the sandbox needs {error.name}: install this package with its extra, as in handoff-flows[sandbox]"
        ) from error
