"""`handoff check`: what is wrong with a flow, found without running a tool or a model.

It ends with 0 if there is nothing to say, 1 if there are findings, 2 if the command cannot be carried out. A module
that cannot be imported and a declaration that is refused are findings too, with their line.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from handoff.checks import Finding, Report, check, refused
from handoff.cli.exits import Exit, UsageRefused
from handoff.cli.loading import ImportFailed, load_flow
from handoff.cli.printing import write
from handoff.declaration.place import Place
from handoff.errors import DefinitionError

Format = Literal["text", "json", "github"]


def check_flows(named: Iterable[str], given: Iterable[str], form: Format) -> Exit:
    """Check flows and print a report of each.

    Args:
        named: the flows, as on the command line.
        given: metadata fields that every thread is opened with.
        form: how the reports are written.

    Raises:
        UsageRefused: there is no such flow or field.
    """
    reports = [_report(one, tuple(given)) for one in named]
    for report in reports:
        text = {"text": report.as_text, "json": report.as_json, "github": report.as_github}[form]()
        if text:
            write(text + "\n")
    return Exit.FAILED if any(report.findings for report in reports) else Exit.DONE


def _report(named: str, given: tuple[str, ...]) -> Report:
    try:
        flow = load_flow(named)
    except DefinitionError as error:
        return refused(named, error)
    except ImportFailed as error:
        remedy = "Mend the module; the flow is checked once it loads"
        finding = Finding("import-failed", error.problem, remedy, Place(error.file, error.line))
        return Report(named, (finding,))
    try:
        return check(flow, given=given)
    except ValueError as error:
        raise UsageRefused(f"{error}: give the names of metadata fields with --given") from error
