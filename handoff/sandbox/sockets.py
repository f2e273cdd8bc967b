"""Serves a sandbox over a socket: for as long as a `with` block lasts, or until it is stopped.

Off loopback it wants a token, since anybody who reaches it may use it.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn
from starlette.requests import ClientDisconnect

from handoff.errors import ConfigurationError
from handoff.sandbox.app import ConnectionDropped, Sandbox


@contextmanager
def serving(sandbox: Sandbox, *, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Serve from a thread while the block lasts.

    Args:
        sandbox: what to serve.
        host: the address to listen on.
        port: the port; 0 for any that is free.

    Yields:
        The base URL for a client.

    Raises:
        ConfigurationError: the address is not loopback and there is no token, or it cannot be listened on.
    """
    listening = _listen(sandbox, host, port)
    server = _server(sandbox)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="sandbox", daemon=True)
    thread.start()
    try:
        yield base_url(listening)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def serve(sandbox: Sandbox, *, host: str, port: int, started: Callable[[str], None]) -> None:
    """Serve until Ctrl-C.

    Args:
        sandbox: what to serve.
        host: the address to listen on.
        port: the port; 0 for any that is free.
        started: told the base URL once it listens.

    Raises:
        ConfigurationError: the address is not loopback and there is no token, or it cannot be listened on.
    """
    listening = _listen(sandbox, host, port)
    started(base_url(listening))
    with listening:
        _server(sandbox).run(sockets=[listening])


def base_url(listening: socket.socket) -> str:
    """Return the base URL for a client.

    Args:
        listening: a listening socket.
    """
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


def _listen(sandbox: Sandbox, host: str, port: int) -> socket.socket:
    if sandbox.token is None and not _is_loopback(host):
        raise ConfigurationError(f"{host} can be reached from elsewhere: give a token, or listen on 127.0.0.1")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise ConfigurationError(f"cannot listen on {host}, port {port}: {error}") from error
    # Inherited by its connections: without it a client waits 40 ms between the headers and the body of an answer.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _server(sandbox: Sandbox) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").addFilter(_not_on_purpose)
    # Streams that nobody ends are cut off a second after the end was asked for.
    config = uvicorn.Config(
        sandbox, log_level="warning", timeout_graceful_shutdown=1, lifespan="on", ws="websockets-sansio"
    )
    return uvicorn.Server(config)


def _not_on_purpose(record: logging.LogRecord) -> bool:
    """Whether a record tells of anything but a connection that was dropped on purpose, or left by its client."""
    return not (record.exc_info and isinstance(record.exc_info[1], ConnectionDropped | ClientDisconnect))
