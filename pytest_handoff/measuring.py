"""Measuring while tests run, in this process or in those of pytest-xdist, and the report at the end.

Everything any flow does is noted; the flows asked for are loaded, and read, where the report is written.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from handoff import ConfigurationError, Flow, HandoffError
from handoff.cli.loading import load_flow
from handoff.diagram import Form, form_of, render
from handoff.observers import observing
from handoff.testing.coverage import Coverage, coverage_of, required, table
from handoff.testing.recording import Recorder

#: What a worker of pytest-xdist hands over its notes as.
OUTPUT = "handoff_coverage"


class Measuring:
    """The plugin while it measures.

    Args:
        config: pytest's.

    Raises:
        pytest.UsageError: an option cannot work.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._recorder = Recorder()
        self._flows: list[Flow[Any, Any]] = []
        self._reports: list[Coverage] = []
        self._lost: list[str] = []
        self._observing = ExitStack()
        self._named: list[str] = config.option.handoff_cov
        self._json: Path | None = config.option.handoff_cov_json
        self._diagram: Path | None = config.option.handoff_cov_diagram
        if not self._named:
            raise pytest.UsageError("--handoff-cov FLOW is missing: which flow is to be measured?")
        if self._diagram is not None and len(self._named) != 1:
            raise pytest.UsageError("--handoff-cov-diagram draws one flow: give --handoff-cov once")
        try:
            self._least = required(config.option.handoff_cov_fail_under)
            self._form: Form | None = None if self._diagram is None else form_of(self._diagram)
        except ConfigurationError as error:
            raise pytest.UsageError(str(error)) from error
        self._observing.enter_context(observing(self._recorder))

    @property
    def _worker(self) -> dict[str, Any] | None:
        """What this process hands over as a worker of pytest-xdist; None where it is none."""
        output: dict[str, Any] | None = getattr(self._config, "workeroutput", None)
        return output

    def pytest_sessionstart(self) -> None:
        """Load the flows, so that a name that is wrong is told before any test runs."""
        if self._worker is None:
            try:
                self._flows = [load_flow(name) for name in self._named]
            except HandoffError as error:
                raise pytest.UsageError(f"--handoff-cov: {error}") from error

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note what happens from here on under the test's name."""
        self._recorder.test = item.nodeid
        try:
            return (yield)
        finally:
            self._recorder.test = ""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take over what a worker has noted."""
        record = getattr(node, "workeroutput", {}).get(OUTPUT)
        if record is None:
            self._lost.append(f"{node.gateway.id}: {error or 'it ended without a report'}")
        else:
            self._recorder.add(record)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports, and fail the run if too little was covered."""
        if self._worker is not None:
            self._worker[OUTPUT] = self._recorder.record
            return
        self._reports = [coverage_of(flow, self._recorder.record) for flow in self._flows]
        if any(report.below(self._least) for report in self._reports) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        if self._json is not None:
            reports = {"flows": [report.as_json() for report in self._reports]}
            self._json.write_text(json.dumps(reports, indent=2) + "\n")
        if self._diagram is not None and self._form is not None:
            for flow, report in zip(self._flows, self._reports, strict=True):
                self._diagram.write_text(render(report.diagram(flow), self._form), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show what was covered, and name what was missed."""
        for report in self._reports:
            terminalreporter.section(f"coverage of {report.flow}", sep="-")
            for line in table(report):
                terminalreporter.write_line(line, red=line.startswith(" "))
            for sentence in report.below(self._least):
                terminalreporter.write_line(f"FAILED {sentence}", red=True, bold=True)
        for lost in self._lost:
            terminalreporter.write_line(f"what a worker covered is missing: {lost}", yellow=True)

    def pytest_unconfigure(self) -> None:
        """End measuring."""
        self._observing.close()
