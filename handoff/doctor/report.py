"""What an examination found: as a value, as JSON, and as rows for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one probe."""

    #: What was asked for.
    probe: str
    #: Whether the server can do it; None where it cannot be told.
    able: bool | None
    #: What was seen, in one line.
    seen: str


@dataclass(frozen=True, slots=True)
class Fit:
    """A backend that works there."""

    #: Which.
    backend: str
    #: Options of the command line, in order.
    options: tuple[str, ...]
    #: Settings for which there is no option.
    settings: tuple[str, ...] = ()
    #: What to know.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What is known of a server."""

    #: Where it is.
    base_url: str
    #: Why it cannot be used at all, and what to do; empty if it can.
    problem: str = ""
    #: The profile it is known by.
    profile: str | None = None
    #: The model that was asked.
    model: str | None = None
    #: The models it lists.
    models: tuple[str, ...] = ()
    #: What each probe found, in order.
    findings: tuple[Finding, ...] = ()
    #: The backends that work, the best first.
    fits: tuple[Fit, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {"type": "doctor", **asdict(self)}
