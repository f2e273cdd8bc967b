"""The bounds of a flow, declared here and counted by the core.

Counts are per stimulus (a user message, a late result, a decision, a timer); `factor` times that per user message.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one stimulus may set off.

    Attributes:
        handoffs: transitions that change the assistant.
        calls: tool calls.
        runs: runs.
        factor: how many times the three counts above one user message may add up to, late results, decisions and
            timers included.
        grace: seconds before the run's deadline at which a call still running becomes a ticket.
        deadline: seconds a run may take.

    Raises:
        ValueError: a bound is not above zero, a count is no whole number, or `grace` is not shorter than `deadline`.
    """

    handoffs: int = 10
    calls: int = 30
    runs: int = 20
    factor: int = 4
    grace: float = 10.0
    deadline: float = 600.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value: object = getattr(self, field.name)
            whole = field.name not in {"grace", "deadline"}
            kinds = (int,) if whole else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value) or value <= 0:
                kind = "a whole number" if whole else "a number of seconds"
                raise ValueError(f"Limits({field.name}={value!r}): give {kind} above zero")
        if self.grace >= self.deadline:
            raise ValueError(
                f"Limits(grace={self.grace}): make it shorter than the deadline of {self.deadline} seconds"
            )
