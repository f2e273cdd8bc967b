"""Where a server is and what opens it, looked at before anything is sent.

Addresses end up in logs and texts, so one that holds a secret is refused; so is a key no header can carry, which the
transport would tell in full. No text here repeats what it refuses.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from handoff.errors import ConfigurationError

_KEY = re.compile(r"[!-~]+", re.ASCII)


def checked_address(base_url: str | None) -> str | None:
    """Return a base URL as it is, if requests can go there and it holds no secret: addresses end up in logs.

    Args:
        base_url: where a server is; None for what the SDK takes.

    Raises:
        ConfigurationError: it cannot be one.
    """
    if base_url is None:
        return None
    try:
        parts = urlsplit(base_url)
        port_fits = parts.port is None or parts.port >= 0
    except ValueError:
        parts, port_fits = urlsplit(""), False
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("base_url holds a user name or a password: leave them out, and give a key by api_key=")
    if parts.query or parts.fragment:
        raise ConfigurationError("base_url ends in ?… or #…: leave that out, and give a key by api_key=")
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_fits:
        raise ConfigurationError("base_url is no address: write http://HOST:PORT/v1 or https://HOST/v1")
    return base_url


def checked_key(api_key: str | None) -> str | None:
    """Return an API key as it is, if a header can carry it; the SDK would tell the whole key otherwise.

    Args:
        api_key: the key.

    Raises:
        ConfigurationError: it cannot be one.
    """
    if api_key is not None and not _KEY.fullmatch(api_key):
        raise ConfigurationError(
            "the API key holds a space, a line break or a character that no header can carry: look where it comes from"
        )
    return api_key
