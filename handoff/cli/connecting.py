"""Who runs the model, as the command line and the environment say; secrets come from the environment only."""

from __future__ import annotations

import os
from dataclasses import dataclass

from handoff import Backend, ConfigurationError
from handoff.cli.printing import notice


@dataclass(frozen=True, slots=True)
class Server:
    """What is said of a backend on the command line; what is None is left to the environment."""

    #: Which protocol, or the offline rules.
    backend: str | None = None
    #: Name of the model.
    model: str | None = None
    #: Where the server is.
    base_url: str | None = None
    #: What it is known to take.
    profile: str | None = None
    #: The environment variable that holds the key.
    key_variable: str | None = None


def backend_of(server: Server) -> Backend | None:
    """Return the backend, and say which it is; None for the flow's offline rules.

    Args:
        server: what the command line says.

    Raises:
        ConfigurationError: a setting cannot work.
    """
    if server == Server() and not any(name.upper().startswith("HANDOFF_") for name in os.environ):
        return None  # settings are slow to import
    from handoff import Connection  # noqa: PLC0415 - as above

    connection = Connection(
        backend=server.backend,
        model=server.model,
        base_url=server.base_url,
        profile=server.profile,
        api_key=key_in(server.key_variable),
    )
    backend = connection.connect()
    if backend is not None:
        notice(f"{connection.model} answers, by the {connection.kind} backend at {connection.address or 'OpenAI'}.")
    return backend


#: What to do about a failure, by how its reason begins: a status, or the name of what broke the connection.
_ADVICE = {
    "401": "put the right key in HANDOFF_API_KEY or OPENAI_API_KEY, or in the variable that --api-key-env names",
    "404": "is the address right (it usually ends in /v1), and the model's name? handoff doctor --base-url URL looks",
    "ClientConnector": "is the server running, and the address right? handoff doctor --base-url URL looks",
}


def advice_about(reason: str) -> str:
    """Return what whoever set the server up can do about a failed turn; empty if nothing is known.

    Args:
        reason: why it failed.
    """
    return next((advice for begins, advice in _ADVICE.items() if reason.startswith(begins)), "")


def key_in(variable: str | None) -> str | None:
    """Return the key that an environment variable holds; None if none is named.

    Args:
        variable: its name.

    Raises:
        ConfigurationError: it is not set.
    """
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise ConfigurationError("--api-key-env names no variable that is set: give the NAME of one that holds a key")
    return key
