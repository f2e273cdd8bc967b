"""Exhaustive search: every world a family can reach, breadth first, so that a counterexample is as short as it gets.

A world is expanded once, under its canonical key; an edge checks every invariant. What is no matter of one step is
checked here: stale events change nothing (I18), rest is reachable from everywhere (I20), and the journal folds to the
state (I22).
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from handoff.errors import IllegalEvent
from tests.proof.canonical import key_of
from tests.proof.environment import Environment, Pruned, World
from tests.proof.families import FAMILIES, Family
from tests.proof.modules import Core, Patches, load
from tests.proof.stale import check_stale, shape
from tests.proof.violation import Violation


@dataclass
class Report:
    """What a search has found."""

    #: Name of the family, or of the sum.
    family: str
    states: int = 0
    edges: int = 0
    #: States at rest with an empty inbox.
    resting: int = 0
    seconds: float = 0.0
    #: Outcomes that were reached.
    reached: set[str] = field(default_factory=set)
    #: The first violation, if there is one; its text holds the steps.
    violation: Violation | None = None
    #: Whether every state was expanded.
    whole: bool = True


class Search:
    """One family over one core."""

    def __init__(self, family: Family, core: Core, *, lenient: bool = False, most: int | None = None) -> None:
        self.family = family
        self.core = core
        self.play = Environment(core, family, lenient=lenient)
        self.most = most
        self.report = Report(family.name)
        self.parents: list[tuple[int, str]] = []
        self.edges: list[list[int]] = []
        self.resting: set[int] = set()
        self.shapes: set[Any] = set()

    def run(self) -> Report:
        """Search all there is, or up to `most` states, or up to the first violation."""
        began = time.process_time()
        try:
            for mode, root in self.play.roots():
                self.play.use(mode)
                self._from(root, str(mode))
        except Violation as violation:
            self.report.violation = violation
        self.report.states = len(self.parents)
        self.report.edges = sum(map(len, self.edges))
        self.report.resting = len(self.resting)
        self.report.reached = self.play.reached
        self.report.seconds = time.process_time() - began
        return self.report

    def _from(self, root: World, label: str) -> None:
        counters = self.family.limits is not None
        known: dict[bytes, int] = {}
        queue: deque[tuple[int, World]] = deque()
        first = len(self.parents)

        def index_of(world: World, parent: int, step: str) -> int:
            key = key_of(world, counters=counters)
            found = known.get(key)
            if found is not None:
                return found
            known[key] = found = len(self.parents)
            self.parents.append((parent, step))
            self.edges.append([])
            self._new(world, found)
            queue.append((found, world))
            return found

        try:
            here = -1
            index_of(root, -1, f"backend (swap, carry, steer) = {label}")
            while queue:
                here, world = queue.popleft()
                if self.most is not None and len(self.parents) >= self.most:
                    self.report.whole = False
                    return
                edges = self.edges[here]
                for step, act in self.play.actions(world):
                    try:
                        after = act()
                    except Pruned:
                        continue
                    if after is not None:
                        edges.append(index_of(after, here, step))
        except Violation as violation:
            steps = self._trace(here)
            last = (step,) if "step" in locals() and here >= 0 else ()
            raise Violation(violation.name, violation.problem, (*steps, *last)) from violation
        self._rest_is_reachable(first)

    def _trace(self, index: int) -> tuple[str, ...]:
        steps: list[str] = []
        while index >= 0:
            index, step = self.parents[index]
            steps.append(step)
        return tuple(reversed(steps))

    def _new(self, world: World, index: int) -> None:
        """Check what concerns a world met for the first time."""
        state = world.state
        if state.phase == "rest" and not world.rows:
            self.resting.add(index)
        if self.play.last is not None:
            self._folds()
        found = shape(world)
        if found not in self.shapes:
            self.shapes.add(found)
            check_stale(self.core, world, lenient=self.play.lenient)

    def _folds(self) -> None:
        """The journal folds to the state, and the commands follow from it (I22)."""
        before, advance = self.play.last
        self.play.last = None
        state, commands = before, self.core.todo(before)
        for event in advance.events:
            try:
                state, commands = self.core.receive(state, event)
            except IllegalEvent as error:
                if self.play.lenient:
                    return
                raise Violation("I22", f"the journal does not fold: {error}") from error
        if state != advance.state or commands != self.core.todo(advance.state):
            raise Violation("I22", "folding the events gives another state")

    def _rest_is_reachable(self, first: int) -> None:
        """From every state there is a way to rest with an empty inbox (I20)."""
        back: dict[int, list[int]] = {}
        for source in range(first, len(self.edges)):
            for target in self.edges[source]:
                back.setdefault(target, []).append(source)
        reached = {index for index in self.resting if index >= first}
        waiting = list(reached)
        while waiting:
            for source in back.get(waiting.pop(), ()):
                if source not in reached:
                    reached.add(source)
                    waiting.append(source)
        stuck = [index for index in range(first, len(self.edges)) if index not in reached]
        if stuck:
            raise Violation("I20", f"from {len(stuck)} states there is no way to rest", self._trace(stuck[0]))


def run_family(family: Family, *, patches: Patches | None = None, most: int | None = None) -> Report:
    """Search a family, whole or up to `most` states.

    Args:
        family: what may happen.
        patches: a mutant's changes to the source; an exception of the mutant's then leads nowhere.
        most: how many states to visit at most.
    """
    return Search(family, load(patches), lenient=bool(patches), most=most).run()


def _run_named(name: str) -> Report:
    return run_family(next(family for family in FAMILIES if family.name == name))


def run_all(processes: int = 2) -> list[Report]:
    """Search every family whole, on that many processes."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return list(pool.imap(_run_named, [family.name for family in FAMILIES], chunksize=1))


def table(reports: list[Report]) -> str:
    """Return states and edges of each family and in total, as text."""
    lines = [f"{'family':<28}{'states':>10}{'edges':>10}{'at rest':>9}{'seconds':>9}"]
    lines += [
        f"{one.family:<28}{one.states:>10,}{one.edges:>10,}{one.resting:>9,}{one.seconds:>9.1f}" for one in reports
    ]
    states, edges = sum(one.states for one in reports), sum(one.edges for one in reports)
    resting, seconds = sum(one.resting for one in reports), sum(one.seconds for one in reports)
    lines.append(f"{'all':<28}{states:>10,}{edges:>10,}{resting:>9,}{seconds:>9.1f}")
    return "\n".join(lines)
