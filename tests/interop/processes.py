"""What runs beside the tests: the sandbox in a process of its own, and where other people's software is installed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.conftest import REQUIRED

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: The interpreter of the virtual environment that has the clients.
CLIENTS = HERE / ".clients" / "bin" / "python"
INSTALL_CLIENTS = (
    "python3 -m venv tests/interop/.clients && tests/interop/.clients/bin/pip install -r tests/interop/clients.txt"
)
#: The interpreter of the virtual environment that has the servers.
SERVERS = HERE / ".servers" / "bin" / "python"
INSTALL_SERVERS = (
    "python3 -m venv tests/interop/.servers && tests/interop/.servers/bin/pip install -r tests/interop/servers.txt"
)
#: Programs of node.
NODE = HERE / "node_modules" / ".bin"
INSTALL_NODE = "npm install --prefix tests/interop --no-package-lock"


@contextmanager
def sandbox(*options: str) -> Iterator[str]:
    """Serve `handoff sandbox` in a process of its own, for as long as the block lasts, and yield its base URL.

    Args:
        options: of the command.
    """
    command = [sys.executable, "-m", "handoff.cli", "sandbox", "--port", "0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def clean_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without what would point a client elsewhere.

    Args:
        more: what is added.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "PYTHON", "LLM_"))}
    return {**kept, **more}


def wanting(what: str) -> NoReturn:
    """End a test that lacks a tool: skipped, or failed where all of them are required.

    Args:
        what: is missing, and how it is installed.
    """
    (pytest.fail if REQUIRED else pytest.skip)(what)
    raise AssertionError(what)
