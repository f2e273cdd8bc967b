"""`handoff demo`: a scripted conversation over real files, and what it did to them. No key, no server.

The installed flows bring the demonstration along (entry point group `handoff.demo`); this only plays and shows it.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from contextlib import ExitStack
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from handoff import Deps, Flow, RunFailed, ThreadEvent, Threads, TransitionTaken
from handoff.cli.exits import Exit, UsageRefused, exit_code
from handoff.cli.interrupts import Guard, run
from handoff.cli.loading import imported
from handoff.cli.printing import Screen
from handoff.errors import ConfigurationError

GROUP = "handoff.demo"

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


class Demo(Protocol):
    """What the entry point names."""

    @property
    def flow(self) -> Flow[Any, Any]:
        """The flow, with its offline rules."""
        ...

    @property
    def messages(self) -> tuple[str, ...]:
        """What the user says, in order."""
        ...

    def prepare(self, directory: Path) -> Deps:
        """Put a copy of the files into the directory and lend it to the flow."""
        ...

    def diff(self, directory: Path) -> str:
        """Compare the copy with what it was."""
        ...


def demo(directory: Path | None) -> Exit:
    """Play the installed demonstration.

    Args:
        directory: where the edited files are kept; None for a temporary directory.
    """
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    if not points:
        raise ConfigurationError("no demonstration is installed: install the package again, flows included")
    played: Demo = imported(points[0].load, f"the demonstration {points[0].name}")
    with ExitStack() as stack:
        if directory is None:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="handoff-demo-"))
            copy = Path(made) / "site"
        else:
            copy = directory
        try:
            deps = played.prepare(copy)
        except OSError as error:
            raise UsageRefused(f"--dir {copy} cannot be used: {error}") from error
        return run(lambda guard: _play(guard, played, deps, copy, kept=directory is not None))


async def _play(guard: Guard, played: Demo, deps: Deps, directory: Path, *, kept: bool) -> Exit:
    flow = played.flow
    screen = Screen(tuple(flow.assistants))
    handoffs = 0

    def watch(event: ThreadEvent) -> None:
        nonlocal handoffs
        handoffs += isinstance(event, TransitionTaken)
        screen.show(event)

    screen.line(f"One thread, {len(flow.assistants)} assistants: {', '.join(flow.assistants)}.", "bold")
    screen.line("Fixed rules play the model: no API key, no server. The files are real.\n", "dim")
    async with Threads(flow, deps=deps) as threads:
        thread = await threads.open("demo")

        async def talk() -> Exit:
            for message in played.messages:
                await thread.send(message)
            return Exit.DONE

        with threads.watching("demo", watch):
            try:
                code = await guard(talk())
            except RunFailed as error:
                return exit_code(error)
        if code is None:
            await thread.cancel()
            return Exit.INTERRUPTED
    screen.line(f"\n{len(played.messages)} messages, {handoffs} handoffs, one thread. What changed on disk:\n", "bold")
    for line in played.diff(directory).splitlines() or ["nothing"]:
        screen.line(line, "bold" if line.startswith(("---", "+++")) else _STYLES.get(line[:1], "dim"))
    program = shlex.quote(sys.argv[0]) if Path(sys.argv[0]).stem == "handoff" else "handoff"
    if kept:
        screen.line(f"\nThe edited site is in {directory}. Go on editing it:", "bold")
        screen.line(f"  {program} chat {flow.name} --dep {shlex.quote(f'root={directory}')}")
    else:
        screen.line("\nNow you: keep a copy of the site, and edit it yourself.", "bold")
        screen.line(f"  {program} demo --dir site && {program} chat {flow.name} --dep root=site")
    return Exit.DONE
