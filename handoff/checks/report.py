"""A report for people, for programs and for the annotations of a pull request.

File names are written relative to the current directory where they lie below it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handoff.checks.findings import Finding, Hop, Severity, Unknown
from handoff.declaration.place import Place


@dataclass(frozen=True, slots=True)
class Report:
    """What a check of one flow found.

    Attributes:
        flow: the flow's name.
        findings: what is wrong, errors first, then by place.
        unknown: what could not be decided.
        followed: how many steps from one assistant to the next were looked at; a measure of the work done.
        ignored: how many warnings the flow's lines say are meant so.
    """

    flow: str
    findings: tuple[Finding, ...]
    unknown: tuple[Unknown, ...] = ()
    followed: int = 0
    ignored: int = 0

    def as_text(self) -> str:
        """The report for people."""
        lines = [line for finding in self.findings for line in _paragraph(finding)]
        lines += [f"{_where(one.place)}: unknown: {one.subject}: {one.reason}" for one in self.unknown]
        ignored = f", {self.ignored} ignored" if self.ignored else ""
        lines.append(f"{self.flow}: {_count(self.findings)}, {len(self.unknown)} unknown{ignored}")
        return "\n".join(lines)

    def as_json(self) -> str:
        """The report for programs: one JSON object."""
        found = [
            {
                "code": one.code,
                "severity": one.severity.value,
                "problem": one.problem,
                "remedy": one.remedy,
                "file": _shown(one.place.file),
                "line": one.place.line,
                "path": [{"source": hop.source, "trigger": hop.trigger, "dest": hop.dest} for hop in one.path],
            }
            for one in self.findings
        ]
        unknown = [
            {"subject": one.subject, "reason": one.reason, "file": _shown(one.place.file), "line": one.place.line}
            for one in self.unknown
        ]
        whole: dict[str, Any] = {"flow": self.flow, "findings": found, "unknown": unknown, "ignored": self.ignored}
        return json.dumps(whole, ensure_ascii=False)

    def as_github(self) -> str:
        """The report as workflow commands, which a forge shows beside the lines."""
        lines = [
            _command(
                one.severity.value,
                one.place,
                one.code,
                " ".join(
                    [
                        *map(_sentence, (one.problem, one.remedy)),
                        *([f"Path: {path_text(one.path)}"] if one.path else []),
                    ]
                ),
            )
            for one in self.findings
        ]
        lines += [_command("notice", one.place, "unknown", f"{one.subject}: {one.reason}") for one in self.unknown]
        return "\n".join(lines)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def path_text(path: Iterable[Hop]) -> str:
    """A path on one line: ``welcome -open_page-> editor``."""
    hops = tuple(path)
    return "".join(f"{hop.source} -{hop.trigger}-> " for hop in hops) + (hops[-1].dest if hops else "")


def _paragraph(finding: Finding) -> list[str]:
    lines = [f"{_where(finding.place)}: {finding.severity.value}: {finding.problem} [{finding.code}]"]
    if finding.path:
        lines.append(f"    path: {path_text(finding.path)}")
    return [*lines, f"    {finding.remedy}"]


def _count(findings: tuple[Finding, ...]) -> str:
    if not findings:
        return "no findings"
    errors = sum(one.severity is Severity.ERROR for one in findings)
    return ", ".join(
        f"{number} {word}{'' if number == 1 else 's'}"
        for number, word in ((errors, "error"), (len(findings) - errors, "warning"))
        if number
    )


def _where(place: Place) -> str:
    return f"{_shown(place.file)}:{place.line}"


def _shown(file: str) -> str:
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return file


def _command(kind: str, place: Place, title: str, text: str) -> str:
    return f"::{kind} file={_property(_shown(place.file))},line={place.line},title={_property(title)}::{_escaped(text)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
