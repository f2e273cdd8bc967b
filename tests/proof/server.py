"""What really keeps the transcript, whatever the driver believes: one active run or response, and what it stored.

A backend that swaps keeps one response at a time, and an answer that nobody saw may never have happened; the other
kind keeps a run with its key and status, refuses what does not fit, and moves on its own. Both kinds check what
reaches them: a request that they could not take in the real world is a violation, not a retry.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.proof.observer import Tag
from tests.proof.violation import Violation


class Server(NamedTuple):
    """The backend's side of a thread."""

    #: "" nothing active, P in progress, A requires action, X cancelling, T terminal.
    phase: str = ""
    run: int = 0
    request: int = 0
    #: The status of a run in phase T.
    status: str = ""
    #: The tools a run in phase A asked for.
    asked: tuple[str, ...] = ()
    #: How many items the latest request brought, and whether the driver knows that.
    got: int = 0
    known: bool = True
    #: Whether this process has been told of phase A.
    told: bool = False
    #: How many user messages the transcript holds: they are numbered, and come in order.
    messages: int = 0
    #: Calls in the transcript that lack their output: (run, batch, call).
    missing: frozenset[tuple[int, int, str]] = frozenset()
    #: What the latest request adds to both, while it may still turn out never to have happened.
    new_messages: int = 0
    new_outputs: frozenset[tuple[int, int, str]] = frozenset()

    @property
    def stored(self) -> int:
        """How many items the next word of the request shows to be stored."""
        return 0 if self.known else self.got

    def keep(self) -> Server:
        """The latest request happened, and the driver is being told."""
        if self.known:
            return self
        return self._replace(
            known=True,
            messages=self.messages + self.new_messages,
            missing=self.missing - self.new_outputs,
            new_messages=0,
            new_outputs=frozenset(),
        )

    def forget(self) -> Server:
        """The latest request never happened."""
        return self._replace(phase="", known=True, new_messages=0, new_outputs=frozenset())


ACTIVE = frozenset({"P", "A", "X"})


def arrive(server: Server, state: Any, tags: tuple[Tag, ...]) -> Server | None:
    """Take a request in and return the server after it; None where it is refused for its lateness.

    Raises:
        Violation: if no backend could take it (I1, I2), or it spoils the transcript (I3, I5, I15).
    """
    run = state.run
    if run.request == 1 or run.mode.swap:
        if server.phase in ACTIVE:
            raise Violation("I1", f"request {run.request} of run {run.number} while run {server.run} is active")
    elif server.run != run.number or server.phase not in {"A", "T"}:
        raise Violation("I2", f"outputs for run {run.number}, but the server is at {server.phase or 'nothing'}")
    elif server.phase == "T":
        return None
    outputs = [tag[1:] for tag in tags if tag[0] == "O"]
    _check_items(server, tags, outputs)
    messages = sum(1 for tag in tags if tag[0] == "U")
    if not run.mode.swap and run.request > 1:
        wanted = {(run.number, run.batches, str(index)) for index in range(len(server.asked))}
        if set(outputs) != wanted:
            raise Violation("I2", f"the run waits for {sorted(wanted)}, the submit brings {outputs}")
    missing = server.missing - frozenset(outputs)
    if missing:
        raise Violation("I15", f"no output for {sorted(missing)}")
    after = server._replace(
        phase="P", run=run.number, request=run.request, status="", asked=(), got=len(tags), known=False, told=False,
        new_messages=messages, new_outputs=frozenset(outputs),
    )  # fmt: skip
    if run.mode.swap:
        return after
    kept = after.keep()
    return kept._replace(known=False)


def _check_items(server: Server, tags: tuple[Tag, ...], outputs: list[Any]) -> None:
    kinds = "".join(tag[0] for tag in tags)
    if "O" in kinds.lstrip("O"):
        raise Violation("I15", f"an output behind other items: {kinds}")
    if len(set(outputs)) != len(outputs) or not set(outputs) <= server.missing:
        raise Violation("I3", f"outputs {outputs}, but the transcript lacks {sorted(server.missing)}")
    numbers = [tag[1] for tag in tags if tag[0] == "U"]
    if numbers != list(range(server.messages + 1, server.messages + 1 + len(numbers))):
        raise Violation("I5", f"messages {numbers} reach a transcript that holds {server.messages}")
