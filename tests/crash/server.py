"""Processes that are begun quickly: a warm server forks one for each life, and says how it ended.

A forked child is a process like any other: it opens the store itself, holds kernel locks of its own, and loses them
when it dies. The server speaks lines of JSON: an order comes in, an exit code goes out.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.crash.life import begin
from tests.crash.moments import Moments, Point
from tests.crash.scenarios import ALL

ROOT = Path(__file__).parents[2]
#: Seconds a life may take. One that hangs is ended by SIGALRM then.
PATIENCE = 60


class Server:
    """A server, one life at a time. Use it as a context manager."""

    def __enter__(self) -> Self:
        """Start it."""
        command = [sys.executable, "-W", "error", "-c", f"from {__name__} import serve; serve()"]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it: it goes when nothing more can come in."""
        self._process.communicate()

    def run(self, scenario: str, directory: Path, fatal: Point | None = None) -> int:
        """Run a life to its end, and return its exit code: 0, or minus the number of the signal that ended it.

        Args:
            scenario: name of the scenario.
            directory: where its files are.
            fatal: where it is to die; None lets it live.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = [scenario, str(directory), None if fatal is None else [fatal.kind, fatal.number]]
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def serve() -> None:
    """Fork a life for each order, one after the other."""
    for scenario in ALL.values():
        scenario.flow.freeze()
    gc.freeze()  # so that a child's collector does not copy all of its parent's memory
    for line in sys.stdin:
        name, directory, fatal = json.loads(line)
        process = os.fork()
        if process == 0:
            os._exit(_live(name, Path(directory), None if fatal is None else Point(*fatal)))
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _live(name: str, directory: Path, fatal: Point | None) -> int:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a life prints is no exit code
    signal.alarm(PATIENCE)
    scenario = ALL[name]
    try:
        begin(scenario.life(directory, Moments(fatal)), scenario.converse)
    except BaseException:  # noqa: BLE001 - whatever it is, the parent's code must not go on in the child
        traceback.print_exc()
        return 1
    return 0
