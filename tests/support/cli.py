"""What the tests of the command line share: a flow in a file, and `handoff` called here or in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from handoff.cli import main

ROOT = Path(__file__).parents[2]

DESK = '''
"""A desk: front finds out what is wanted, store hands it out."""

import asyncio
import os
import signal
from pathlib import Path

from handoff import Deps, Flow, FromMetadata, Metadata, Pending, RuleModel, ToolError, call


class Order(Metadata):
    item: str | None = None
    count: int | None = None


flow = Flow("desk", metadata=Order)
front = flow.assistant("front", instructions="Find out what is wanted.")
store = flow.assistant("store", instructions="You hand out {{ item }}.")


@front.tool(to=store, sets="item")
def ask_for(item: str) -> str:
    """Ask the store for something."""
    return f"{item} is wanted."


@store.tool(approval=True)
def hand_out() -> str:
    """Hand it out."""
    return "handed out"


@store.tool()
def order() -> Pending:
    """Order it from far away."""
    return Pending("on its way")


@store.tool(to=front, clears="item")
def send_away() -> Pending:
    """Have it sent."""
    return Pending("sent")


@store.tool(to=flow.end, speak="output")
def close() -> str:
    """Close the desk."""
    return "good bye"


@front.tool(idempotent=True)
def survive(path: str) -> str:
    """Die once, then go on."""
    with Path(path).open("a") as file:
        file.write("ran\\n")
    if Path(path).read_text() == "ran\\n":
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


@front.tool()
async def wait_for_ever() -> str:
    """Never end."""
    await asyncio.Event().wait()
    return "never"


rules = RuleModel(flow)


@rules.when(front, "want (?P<item>.+)")
def wants(match):
    """want ITEM."""
    return call(ask_for, item=match["item"])


@rules.when(front, "survive (?P<path>.+)")
def survives(match):
    """survive."""
    return call(survive, path=match["path"])


@rules.when(front, "wait")
def waits(match):
    """wait."""
    return call(wait_for_ever)


@rules.when(front, "fail")
def fails(match):
    """fail."""
    raise RuntimeError("no paper")


@rules.when(front, "beep")
def beeps(match):
    """beep."""
    return "\\x1b[31mred\\x07"


@rules.when(store, "hand it out")
def hands(match):
    """hand it out."""
    return call(hand_out)


@rules.when(store, "order it")
def orders(match):
    """order it."""
    return call(order)


@rules.when(store, "send it")
def sends(match):
    """send it."""
    return call(send_away)


@rules.when(store, "close")
def closes(match):
    """close."""
    return call(close)
'''


@dataclass(frozen=True, slots=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON objects it printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The JSON objects of that type."""
        return [event for event in self.events if event["type"] == kind]


class Commands:
    """`handoff` in this process."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.desk = directory / "desk.py"
        self.desk.write_text(DESK)
        self.store = directory / "threads.db"
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self._opened: list[IO[str]] = []

    def __call__(self, *arguments: str | Path) -> Result:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        code = ended.value.code or 0
        assert isinstance(code, int)
        out, err = self._capsys.readouterr()
        return Result(code, out, err)

    def says(self, *lines: str) -> None:
        """Let standard input hold these lines."""
        path = self.directory / "stdin.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
        stream = path.open()
        self._opened.append(stream)
        self._monkeypatch.setattr(sys, "stdin", stream)

    def end(self) -> None:
        """Close what was opened."""
        for stream in self._opened:
            stream.close()

    def write(self, name: str, text: str) -> Path:
        """Write a file and return its path."""
        path = self.directory / name
        path.write_text(text)
        return path


@pytest.fixture
def handoff(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """`handoff` in this process, in an empty directory; what it imports is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    commands = Commands(tmp_path, capsys, monkeypatch)
    yield commands
    commands.end()
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def started(directory: Path, *arguments: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Start `handoff` as a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **options.pop("env", {})}
    command = [sys.executable, "-m", "handoff.cli", *map(str, arguments)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen(command, cwd=directory, env=environment, text=True, **pipes)


def finished(process: subprocess.Popen[str]) -> Result:
    """Wait for a process."""
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)
