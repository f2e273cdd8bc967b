"""Pytest in a process of its own, measuring a flow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of pytest left behind."""

    code: int
    out: str
    #: What `--handoff-cov-json` wrote; None if nothing.
    report: Any

    def kind(self, kind: str) -> dict[str, Any]:
        """The measure of a kind in the first report."""
        found: dict[str, Any] = self.report["flows"][0][kind]
        return found


def run_pytest(directory: Path, report: Path | None, *arguments: str | Path) -> Run:
    """Run pytest in a directory, without what this run of pytest would hand down to it.

    Args:
        directory: where.
        report: where `--handoff-cov-json` is to be written; None to leave that out.
        *arguments: more of pytest's.
    """
    environment = {
        name: value for name, value in os.environ.items() if not re.match("PYTEST_|COV_|NO_COLOR|FORCE_COLOR", name)
    }
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # other plugins take longer to load than these tests to run
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-p", "xdist.plugin", "-p", "pytest_handoff"]  # xdist: the options in pyproject.toml are its own
    done = subprocess.run(
        [*command, *([] if report is None else ["--handoff-cov-json", report]), *map(str, arguments)],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    written = json.loads(report.read_text()) if report is not None and report.is_file() else None
    return Run(done.returncode, done.stdout + done.stderr, written)
