"""Assistants servers of the tests, and backends that speak to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from handoff.backends.assistants import Assistants
from handoff.clock import Clock
from handoff.sandbox import Faults, Sandbox, Scripted, serving
from handoff.sandbox.objects import Run, Thread
from tests.support.brisk import Brisk

#: Every kind of the backend: how transitions end their runs, and whether answers are streamed.
KINDS: dict[str, dict[str, Any]] = {
    "complete-stream": {"finish": "complete"},
    "complete-whole": {"finish": "complete", "stream": False},
    "carry-stream": {"finish": "carry"},
    "carry-whole": {"finish": "carry", "stream": False},
}


class Servers:
    """Starts sandboxes behind sockets, and makes backends of one kind that speak to them.

    Attributes:
        sandbox: the latest of them.
        options: the backend's.
        clock: the backends', with its waits.
    """

    sandbox: Sandbox

    def __init__(self, stack: ExitStack, options: dict[str, Any], clock: Clock) -> None:
        self._stack = stack
        self.options = options
        self.clock = Brisk(clock)
        self.url = ""

    @property
    def carries(self) -> bool:
        """Whether transitions carry their outputs over."""
        return bool(self.options.get("finish") == "carry")

    def start(self, model: Any = None, *script: str, faults: Faults | None = None, **given: Any) -> Assistants:
        """A backend with a server of its own, where this model object answers.

        Args:
            model: the model object; by default the sandbox's plain one.
            script: faults, each as FAULT@OPERATION#NTH.
            faults: all faults, instead of a script.
            given: further arguments of the sandbox.
        """
        faults = faults or Faults.read(",".join(script))
        self.sandbox = Sandbox(model, faults=faults, **given)
        self.url = self._stack.enter_context(serving(self.sandbox))
        return self.again()

    def again(self, **options: Any) -> Assistants:
        """Another backend with the latest server, as after a restart."""
        given = {"poll": 0.5, "timeout": 10.0, "api_key": "any", **self.options, **options}
        return Assistants("tiny", base_url=self.url, clock=self.clock, **given)

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
        metadata = [(one.metadata.get("item", ""), one) for one in self.thread.messages() if one.role == "user"]
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


__all__ = ["KINDS", "Faults", "Scripted", "Servers", "servers_of"]
