"""Assistants servers of the tests, and backends that speak to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from handoff.backends.assistants import Assistants
from handoff.clock import Clock
from handoff.sandbox import Faults, Scripted
from handoff.sandbox.objects import Run, Thread
from tests.support import servers
from tests.support.brisk import Brisk

#: Every kind of the backend: how transitions end their runs, and whether answers are streamed.
KINDS: dict[str, dict[str, Any]] = {
    "complete-stream": {"finish": "complete"},
    "complete-whole": {"finish": "complete", "stream": False},
    "carry-stream": {"finish": "carry"},
    "carry-whole": {"finish": "carry", "stream": False},
}


class Servers(servers.Servers[Assistants]):
    """Starts sandboxes, and makes assistants backends of one kind that speak to them.

    Attributes:
        clock: the backends', with its waits.
    """

    def __init__(self, stack: ExitStack, options: dict[str, Any], clock: Clock) -> None:
        self.clock = Brisk(clock)
        super().__init__(stack, Assistants, {"poll": 0.5, "timeout": 10.0, "clock": self.clock, **options})

    @property
    def carries(self) -> bool:
        """Whether transitions carry their outputs over."""
        return bool(self.options.get("finish") == "carry")

    @property
    def thread(self) -> Thread:
        """The only thread of the latest server that holds anything."""
        (found,) = [thread for thread in self.sandbox.world.threads.values() if thread.entries or thread.runs]
        return found

    @property
    def runs(self) -> list[Run]:
        """The runs of that thread."""
        return self.thread.runs

    def said(self) -> list[str]:
        """What users said on that thread, in order."""
        return said_on(self.thread)


def said_on(thread: Thread) -> list[str]:
    """Return what users said on a thread, in order.

    Args:
        thread: the server's.
    """
    metadata = [(one.metadata.get("item", ""), one) for one in thread.messages() if one.role == "user"]
    return [one.content[0]["text"]["value"] for item, one in metadata if item.startswith("message:")]


@contextmanager
def servers_of(options: dict[str, Any], clock: Clock) -> Iterator[Servers]:
    """Servers that are stopped at the end of the block.

    Args:
        options: the backend's.
        clock: the threads'.
    """
    with ExitStack() as stack:
        yield Servers(stack, options, clock)


__all__ = ["KINDS", "Faults", "Scripted", "Servers", "said_on", "servers_of"]
