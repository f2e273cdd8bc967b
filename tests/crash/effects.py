"""What tool bodies did to the world: one line each in a file that outlives the process, appended by one write.

The world is not the store: what stands here was done, whatever the process lived to say about it.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handoff import Flow
    from tests.crash.outcome import Outcome


class Effects:
    """The file, as bodies and probes use it.

    Args:
        path: where it is; made when the first body has run.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, tool: str, key: str) -> None:
        """Do what the tool does: append its line.

        Args:
            tool: name of the tool.
            key: the call's idempotency key.
        """
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, f"{tool} {key}\n".encode())
        finally:
            os.close(file)

    def count(self) -> Counter[tuple[str, str]]:
        """Return how often each (tool, idempotency key) was done."""
        if not self._path.exists():
            return Counter()
        lines = self._path.read_text().splitlines()
        return Counter((tool, key) for tool, _, key in (line.partition(" ") for line in lines))


def wrong_effects(flow: Flow[Any, Any], expected: Outcome, actual: Outcome) -> list[str]:
    """Return what bodies did to the world that they may not have done, or did not do, one sentence each.

    Args:
        flow: the declaration.
        expected: the undisturbed outcome.
        actual: the outcome after crashes.
    """
    tools = {tool.name: tool for assistant in flow.assistants for tool in flow.tools_of(assistant).values()}
    unknown = {call for _, _, call in actual.unknown}
    done: Counter[tuple[str, str]] = Counter()
    for effect, times in actual.effects.items():
        done[_call_of(effect)] += times  # under another key it is one time more
    calls = {_call_of(effect) for effect in expected.effects}
    found = [f"{tool} was done for {call}, which nobody asked for" for tool, call in done.keys() - calls]
    for name, call in sorted(calls):
        times = done.get((name, call), 0)
        tool = tools.get(name)
        right = times >= 1 if tool is None or tool.idempotent else times == 1 or (times == 0 and call in unknown)
        if not right:
            found.append(f"{name} was done {times} times for {call}")
    return found


def _call_of(effect: tuple[str, str]) -> tuple[str, str]:
    """Return an effect without the number of its run: a detour takes a run of its own."""
    tool, key = effect
    return tool, key.rpartition("/")[2]
