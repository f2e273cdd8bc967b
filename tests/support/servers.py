"""Sandboxes behind sockets, and backends of one kind that speak to them: what tests of all server backends share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Generic, TypeVar

from handoff.backends.base import Backend
from handoff.sandbox import Faults, Sandbox, serving

B = TypeVar("B", bound=Backend)


class Servers(Generic[B]):
    """Starts sandboxes, and makes backends that speak to them.

    Args:
        stack: ends the sandboxes.
        make: makes a backend, of its `base_url` and further options.
        options: its options, for all of them.

    Attributes:
        sandbox: the latest of them.
        url: where it is.
    """

    sandbox: Sandbox

    def __init__(self, stack: ExitStack, make: Callable[..., B], options: dict[str, Any]) -> None:
        self._stack = stack
        self._make = make
        self.options = options
        self.url = ""

    def start(self, model: Any = None, *script: str, faults: Faults | None = None, **given: Any) -> B:
        """A backend with a server of its own, where this model object answers.

        Args:
            model: the model object; by default the sandbox's plain one.
            script: faults, each as FAULT@OPERATION#NTH.
            faults: all faults, instead of a script.
            given: further arguments of the sandbox.
        """
        return self.serve(Sandbox(model, faults=faults or Faults.read(",".join(script)), **given))

    def serve(self, sandbox: Sandbox, **options: Any) -> B:
        """A backend with this sandbox for a server.

        Args:
            sandbox: the server.
            options: as of `again`.
        """
        self.sandbox = sandbox
        self.url = self._stack.enter_context(serving(sandbox))
        return self.again(**options)

    def again(self, **options: Any) -> B:
        """Another backend with the latest server, as after a restart.

        Args:
            options: further options of the backend, or others than its own.
        """
        return self._make("tiny", base_url=self.url, **{"api_key": "any", **self.options, **options})


@contextmanager
def servers_of(make: Callable[..., B], **options: Any) -> Iterator[Servers[B]]:
    """Servers that are stopped at the end of the block.

    Args:
        make: makes a backend, of its `base_url` and further options.
        options: its options, for all of them.
    """
    with ExitStack() as stack:
        yield Servers(stack, make, options)
