"""What a proof reports: the invariant that does not hold, and how the thread got there."""

from __future__ import annotations


class Violation(AssertionError):
    """An invariant does not hold.

    Attributes:
        name: of the invariant, e.g. ``I3``.
        problem: what was found.
        trace: the environment's steps that lead there, the first one first.
    """

    def __init__(self, name: str, problem: str, trace: tuple[str, ...] = ()) -> None:
        steps = "".join(f"\n  {number:2}. {label}" for number, label in enumerate(trace, 1))
        super().__init__(f"{name}: {problem}{steps}")
        self.name = name
        self.problem = problem
        self.trace = trace

    def __reduce__(self) -> tuple[type[Violation], tuple[str, str, tuple[str, ...]]]:
        """Travel between processes whole."""
        return Violation, (self.name, self.problem, self.trace)
