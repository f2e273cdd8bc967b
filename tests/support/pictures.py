"""The real readers of pictures: Mermaid's own parser, run by node, and Graphviz. A test is skipped where they miss."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

MERMAID = Path(__file__).parents[1] / "mermaid"
#: With `all`, a missing tool is a failure.
REQUIRED = os.environ.get("HANDOFF_TEST_REQUIRE") == "all"


def _missing(what: str) -> None:
    (pytest.fail if REQUIRED else pytest.skip)(what)


def read_by_mermaid(texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return what Mermaid reads in each text: its `boxes` and `arrows`, or its `error`."""
    if shutil.which("node") is None:
        _missing("no node: install it to have diagrams read by Mermaid")
    if not (MERMAID / "node_modules" / "mermaid").is_dir():
        _missing("no Mermaid: npm install --prefix tests/mermaid --no-package-lock")
    done = subprocess.run(
        ["node", MERMAID / "read.mjs"], input=json.dumps(texts), check=True, capture_output=True, text=True, timeout=120
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def require_graphviz() -> None:
    """Skip the test where Graphviz is not installed."""
    if shutil.which("dot") is None:
        _missing("no dot: install graphviz")
