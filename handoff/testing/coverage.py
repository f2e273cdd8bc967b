"""How much of a flow was exercised: its assistants, transitions, guards both ways, and what came of tool calls.

What there is to cover is read from the flow, what was covered from a record; the rest was missed, and is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from handoff.declaration.flow import Flow
from handoff.diagram import Diagram, diagram_of
from handoff.errors import ConfigurationError
from handoff.testing.recording import (
    OUTCOMES,
    Kind,
    Record,
    Recorder,
    allow_item,
    flow_key,
    guard_item,
    outcome_item,
    record_journal,
)

__all__ = ["Coverage", "Covered", "Measure", "Recorder", "coverage_of", "record_journal", "required", "table"]

KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Covered:
    """One thing there is to cover."""

    #: Its name.
    name: str
    #: How often it happened.
    times: int
    #: The tests it happened in.
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """All things of one kind."""

    #: Which kind.
    kind: Kind
    #: The things, in the order of the flow.
    items: tuple[Covered, ...]

    @property
    def missed(self) -> tuple[str, ...]:
        """Names of the things that never happened."""
        return tuple(item.name for item in self.items if not item.times)

    @property
    def covered(self) -> int:
        """How many happened."""
        return len(self.items) - len(self.missed)

    @property
    def percent(self) -> float:
        """How many of a hundred happened; 100 where there is nothing to cover."""
        return 100.0 * self.covered / len(self.items) if self.items else 100.0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a flow was exercised."""

    #: The flow's name.
    flow: str
    #: The flow's structural hash.
    version: str
    #: One measure for each kind.
    measures: tuple[Measure, ...]

    def __getitem__(self, kind: Kind) -> Measure:
        """Return the measure of a kind."""
        return next(measure for measure in self.measures if measure.kind == kind)

    def below(self, least: Mapping[Kind, float]) -> list[str]:
        """Return a sentence for each kind that falls short.

        Args:
            least: percent by kind.
        """
        return [
            f"{self.flow}: {self[kind].percent:.1f} % of {kind} covered, {percent:g} % are required"
            for kind, percent in least.items()
            if self[kind].percent < percent
        ]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        kinds: dict[str, Any] = {
            measure.kind: {
                "covered": measure.covered,
                "total": len(measure.items),
                "percent": round(measure.percent, 2),
                "missed": list(measure.missed),
                "items": {item.name: {"times": item.times, "tests": list(item.tests)} for item in measure.items},
            }
            for measure in self.measures
        }
        return {"flow": self.flow, "version": self.version, **kinds}

    def diagram(self, flow: Flow[Any, Any]) -> Diagram:
        """Return the picture of the flow with what was missed in red.

        Args:
            flow: the flow.
        """
        return diagram_of(flow).marked(self["assistants"].missed, self["transitions"].missed)


def coverage_of(flow: Flow[Any, Any], record: Record) -> Coverage:
    """Return how much of a flow a record covers. Freezes the flow.

    Args:
        flow: the declaration.
        record: the notes of a `Recorder`.
    """
    noted = record.get(flow_key(flow), {})
    measures: list[Measure] = []
    for kind in KINDS:
        tests_of = noted.get(kind, {})
        items = [
            Covered(name, sum(tests.values()), tuple(sorted(test for test in tests if test)))
            for name in dict.fromkeys(_items(flow, kind))
            for tests in (tests_of.get(name, {}),)
        ]
        measures.append(Measure(kind, tuple(items)))
    return Coverage(flow.name, flow.version, tuple(measures))


def _items(flow: Flow[Any, Any], kind: Kind) -> Iterator[str]:
    """Yield what there is to cover."""
    match kind:
        case "assistants":
            yield from (box.name for box in diagram_of(flow).boxes)
        case "transitions":
            yield from (one.key for one in flow.transitions)
        case "guards":
            for one in flow.transitions:
                if one.guard is not None:
                    yield from (guard_item(one, held=held) for held in (True, False))
            for name in flow.assistants:
                for tool in flow.tools_of(name).values():
                    if tool.allow is not None:
                        yield from (allow_item(name, tool, held=held) for held in (True, False))
        case "outcomes":
            for name in flow.assistants:
                for called in flow.tools_of(name):
                    yield from (outcome_item(name, called, outcome) for outcome in OUTCOMES)


def table(coverage: Coverage) -> list[str]:
    """Return the lines of a table for the terminal, what was missed among them.

    Args:
        coverage: what is shown.
    """
    lines: list[str] = []
    for measure in coverage.measures:
        percent = int(measure.percent)  # 100 only where nothing was missed
        lines.append(f"{measure.kind:<12} {measure.covered:>4} of {len(measure.items):<4} {percent:>4} %")
        lines += [f"    missed: {text}" for text in _grouped(measure.missed)]
    return lines


def _grouped(missed: Sequence[str]) -> list[str]:
    """Return the names, the outcomes of one thing together."""
    groups: dict[str, list[str]] = {}
    for name in missed:
        thing, _, outcome = name.partition(" ")
        groups.setdefault(thing, []).extend([outcome] if outcome else [])
    return [f"{thing}: {', '.join(outcomes)}" if outcomes else thing for thing, outcomes in groups.items()]


def required(given: Iterable[str]) -> dict[Kind, float]:
    """Return what has to be reached: percent by kind.

    Args:
        given: each `PERCENT`, which is meant of transitions, or `KIND=PERCENT`.

    Raises:
        ConfigurationError: one is neither.
    """
    least: dict[Kind, float] = {}
    for one in given:
        name, equals, number = one.rpartition("=")
        wanted = name if equals else "transitions"
        kind: Kind | None = next((known for known in KINDS if known == wanted), None)
        try:
            percent = float(number)
        except ValueError:
            percent = -1.0
        if kind is None or not 0 <= percent <= 100:  # noqa: PLR2004 - percent
            raise ConfigurationError(f"{one!r}: give PERCENT of transitions, or KIND=PERCENT of {', '.join(KINDS)}")
        least[kind] = percent
    return least
