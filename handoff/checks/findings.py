"""What a check says: findings, each with a code, and what it could not decide.

The codes are a table; a page of the documentation stands for each. A finding is an error where a thread would fail or
be stuck in front of a user, else a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from handoff.declaration.place import Place


class Severity(Enum):
    """How bad it is."""

    ERROR = "error"  #: a thread fails, is stuck, or never gets where the flow says it does
    WARNING = "warning"  #: it works, and is probably not what was meant


CODES: dict[str, Severity] = {
    # the flow cannot be had
    "import-failed": Severity.ERROR,
    "definition-refused": Severity.ERROR,
    # structure
    "unreachable-assistant": Severity.ERROR,
    "trap": Severity.ERROR,
    "endless-handoffs": Severity.ERROR,
    "dead-transition": Severity.ERROR,
    "stays-true": Severity.WARNING,
    "stays-alone": Severity.WARNING,
    "left-out": Severity.WARNING,
    "waits-alone": Severity.WARNING,
    "cannot-end": Severity.WARNING,
    # guards
    "shadowed-destination": Severity.ERROR,
    "hole": Severity.WARNING,
    "guard-never-holds": Severity.ERROR,
    "guard-always-holds": Severity.WARNING,
    "guard-fails": Severity.ERROR,
    "guard-bars-tools": Severity.WARNING,
    "unused-guard": Severity.WARNING,
    # metadata
    "possibly-unset": Severity.ERROR,
    "nothing-sets": Severity.ERROR,
    "never-shown": Severity.WARNING,
    "hardly-shown": Severity.WARNING,
    "never-written": Severity.WARNING,
    "never-read": Severity.WARNING,
    "left-over": Severity.WARNING,
    "changed-apart": Severity.WARNING,
    "not-kept": Severity.WARNING,
    "sets-not-performed": Severity.ERROR,
    "undeclared-write": Severity.ERROR,
    "never-fits-backend": Severity.WARNING,
    "permissive-pattern": Severity.WARNING,
    # tools
    "never-offered": Severity.ERROR,
    "hardly-offered": Severity.WARNING,
    "says-handover": Severity.WARNING,
    "says-dropped": Severity.WARNING,
    "similar-names": Severity.WARNING,
    "not-strict": Severity.WARNING,
    "too-many-tools": Severity.WARNING,
    "missing-description": Severity.WARNING,
    "unknown-tool": Severity.WARNING,
    "undeclared-go": Severity.ERROR,
    "unused-go": Severity.WARNING,
    "undeclared-consults": Severity.ERROR,
    "unused-consults": Severity.WARNING,
    "in-doubt-after-crash": Severity.WARNING,
    # modules
    "misnamed-variable": Severity.WARNING,
    "module-not-imported": Severity.ERROR,
    # bounds
    "over-limit": Severity.ERROR,
}
"""Every code and its severity."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a path.

    Attributes:
        source: name of the assistant it starts at.
        trigger: what is called or happens there.
        dest: name of the assistant that is active afterwards; the same one where the thread stays.
    """

    source: str
    trigger: str
    dest: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or probably is.

    Attributes:
        code: which kind of thing; a key of `CODES`.
        problem: what is wrong, in one sentence.
        remedy: what to do about it.
        place: the line to look at.
        path: the shortest way from the start of a thread to where it shows; empty if it needs none.
    """

    code: str
    problem: str
    remedy: str
    place: Place
    path: tuple[Hop, ...] = ()

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CODES[self.code]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that could not be decided, so nothing is said about it.

    Attributes:
        subject: what was looked at.
        reason: why it could not be decided.
        place: where it is.
    """

    subject: str
    reason: str
    place: Place
