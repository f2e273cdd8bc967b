"""What a proof is, and what it finds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Found:
    """What a proof has found."""

    #: How much of what it looked at, by name.
    counts: Mapping[str, int]
    #: What came out wrong, one sentence each.
    failures: Sequence[str] = ()

    def __str__(self) -> str:
        """Return the counts."""
        return ", ".join(f"{number:,} {name}" for name, number in self.counts.items()) or "nothing"


@dataclass(frozen=True, slots=True)
class Proof:
    """One proof."""

    #: Its name in the table.
    name: str
    #: What it proves, in one sentence.
    says: str
    #: Runs it: from the minutes it may take, and the seed of all that is random.
    run: Callable[[float, int], Found]
    #: Whether it could go on for ever; else it runs to its end.
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One run of a proof."""

    proof: str
    found: Found
    seed: int
    seconds: float
    #: What it ran on.
    commit: str
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
