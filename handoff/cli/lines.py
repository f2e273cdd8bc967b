"""Where user messages come from: a script, a pipe, or somebody at the terminal; one message a line, no empty ones.

In a script a line that starts with `#` is a comment. A script is played once on a thread: each line has a key made of
all lines up to it, so that a script that was interrupted goes on where it was, and one that grew says what is new.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from handoff.cli.exits import UsageRefused


@dataclass(frozen=True, slots=True)
class Line:
    """A user message."""

    #: What the user says.
    text: str
    #: Its idempotency key, if the line can come again.
    key: str | None = None


def script_lines(path: Path) -> list[Line]:
    """Return the messages of a script.

    Args:
        path: a UTF-8 text file.

    Raises:
        UsageRefused: if it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageRefused(f"--script {path} cannot be read: {error}") from error
    lines: list[Line] = []
    digest = hashlib.sha256()
    for one in text.split("\n"):
        said = one.strip()
        if said and not said.startswith("#"):
            digest.update(said.encode() + b"\n")
            lines.append(Line(said, f"script:{digest.hexdigest()[:32]}"))
    return lines


async def standard_input() -> AsyncIterator[Line]:
    """Yield the lines of standard input as they come."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        try:
            for text in _input_lines():
                loop.call_soon_threadsafe(queue.put_nowait, text)
            loop.call_soon_threadsafe(queue.put_nowait, None)
        except RuntimeError:  # the loop was closed while this waited for a line
            return

    # A daemon: whoever leaves the chat is not held back by a read that never ends.
    threading.Thread(target=read, name="handoff input", daemon=True).start()
    while (text := await queue.get()) is not None:
        if text.strip():
            yield Line(text.strip())


def _input_lines() -> Iterator[str]:
    """Read the descriptor itself: a thread that waits in `sys.stdin` would hold a lock the interpreter needs to end."""
    if sys.stdin is None:
        return
    rest = b""
    descriptor = sys.stdin.fileno()
    while chunk := os.read(descriptor, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")
    if rest:
        yield rest.decode(errors="replace")
