"""The search behind `explore`: all schedules of a world, the least disturbed first.

Worlds are played step by step, each way on from a fork of the world before; of equally disturbed schedules the shortest
come first, so the first failure is a smallest one. Two schedules that lead to the same world go on alike, and are
followed once.
"""

from __future__ import annotations

import heapq
import random
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from hashlib import blake2b
from typing import Any, Generic, TypeAlias

from handoff.declaration.assistants import M
from handoff.declaration.metadata import Deps
from handoff.errors import ConfigurationError, HandoffError
from handoff.testing.schedule import Broken, Step
from handoff.testing.soundness import problem_of
from handoff.testing.world import Check, World


class ScheduleFailed(HandoffError, AssertionError):
    """Under some schedule something does not hold. The text shows the whole conversation, and how to replay it.

    Attributes:
        schedule: the steps, as `explore(…, schedule=…)` takes them.
        problem: what does not hold.
        story: the conversation.
        explored: what was looked at before; None for a replay.
    """

    def __init__(self, schedule: str, problem: str, story: str, explored: Explored | None) -> None:
        shown = "\n".join(f"    {line}" for line in story.splitlines())
        seen = ""
        if explored is not None:
            smallest = "perhaps not the smallest" if explored.walked else "none that is less disturbed or shorter fails"
            seen = f"\nFound after {explored.states:,} states and {explored.steps:,} steps; {smallest}."
        super().__init__(f"{problem}\n\n{shown}\n{seen}\nReplay it: explore(…, schedule={schedule!r})")
        self.schedule = schedule
        self.problem = problem
        self.story = story
        self.explored = explored


@dataclass(frozen=True, slots=True)
class Explored:
    """What an exploration has looked at."""

    #: How many different worlds.
    states: int
    #: How many steps from one to another.
    steps: int
    #: How many schedules from the start to where all is said and done.
    schedules: int
    #: How many of the worlds are such ends.
    ends: int
    #: Whether that is all there is; else the bound cut it.
    whole: bool
    #: How many more schedules were followed at random, where the bound cut.
    walked: int = 0

    def __str__(self) -> str:
        cut = "" if self.whole else f", cut by the bound: there are more, {self.walked:,} of them followed at random"
        return f"{self.schedules:,} schedules ({self.states:,} states, {self.steps:,} steps, {self.ends:,} ends{cut})"


#: How many disturbances, how many steps, in which order it was found; the steps; and the world before the last of them.
_Way: TypeAlias = tuple[int, int, int, tuple[Step, ...], bytes, World[Any]]

#: One in so many worlds is made from nothing, and compared with what it is otherwise a fork of.
CHECKED = 16


class Exploration(Generic[M]):
    """One search.

    Args:
        begin: makes a world.
        lend: makes what the process lends.
        at_rest: see `explore`.
        always: see `explore`.
    """

    def __init__(
        self,
        begin: Callable[[], World[M]],
        lend: Callable[[], Deps | None],
        at_rest: Check | None,
        always: Check | None,
    ) -> None:
        self._begin = begin
        self._lend = lend
        self._at_rest = at_rest
        self._always = always
        #: The worlds each world leads to, by digest.
        self._next: dict[bytes, list[bytes]] = {}
        #: How many schedules were followed at random.
        self.walked = 0
        self._steps = 0
        self._ways = 0
        self._ends = 0

    def search(self, bound: int) -> Explored:
        """Follow all schedules: those with the fewest disturbances first, and of these the shortest.

        Args:
            bound: the most worlds to look at.
        """
        __tracebackhide__ = True
        waiting: list[_Way] = []
        with self._begun() as world:
            self._judge(world, ())
            start = _digest(world)
            self._next[start] = []
            self._fork(waiting, world, (), start)
        while waiting and len(self._next) < bound:
            _, _, number, path, mark, parent = heapq.heappop(waiting)
            forked = parent.forks and number % CHECKED
            with self._forked(parent, path[:-1]) if forked else self._played(path[:-1]) as world:
                if not forked and _digest(world) != mark:
                    raise _by_chance(path[:-1])
                step = path[-1]
                self._taken(world, path[:-1], step)
                self._steps += 1
                if world.may_die and not step.dies:
                    for dying in world.crashed(step, world.writes):
                        self._add(waiting, (*path[:-1], dying), mark, parent)
                reached = _digest(world)
                self._next[mark].append(reached)
                if reached not in self._next:
                    self._next[reached] = []
                    self._fork(waiting, world, path, reached)
        return self._explored(whole=not waiting)

    def walk(self, seed: int) -> None:
        """Follow one schedule to its end, chosen at random; what fails is made as small as leaving steps out makes it.

        Args:
            seed: of the choice.
        """
        __tracebackhide__ = True
        chance = random.Random(seed)  # noqa: S311 - no secret
        path: list[Step] = []
        with self._begun() as world:
            while steps := world.enabled():
                ordinary = [step for step in steps if not step.disturbances]
                disturbing = [step for step in steps if step.disturbances]
                step = chance.choice(
                    disturbing if disturbing and (not ordinary or not chance.randrange(8)) else ordinary
                )
                if not ordinary and not chance.randrange(2):
                    break
                if world.may_die and not step.disturbances and not chance.randrange(8):
                    step = replace(step, dies=chance.randrange(1, 4))
                try:
                    self._taken(world, path, step)
                except ScheduleFailed as failed:
                    raise self._smaller(failed) from failed.__cause__
                path.append(step)
        self.walked += 1

    def _smaller(self, failed: ScheduleFailed) -> ScheduleFailed:
        """Leave out every step that is not needed for a failure."""
        index = 0
        while index < len(tokens := failed.schedule.split()):
            smaller = self._fails(tokens[:index] + tokens[index + 1 :])
            if smaller is None:
                index += 1
            else:
                failed = smaller
        explored = replace(self._explored(whole=False), walked=self.walked) if self._next else None
        return ScheduleFailed(failed.schedule, failed.problem, failed.story, explored)

    def _fails(self, tokens: Sequence[str]) -> ScheduleFailed | None:
        try:
            self.replay(" ".join(tokens))
        except ScheduleFailed as failed:
            return failed
        except Exception:  # noqa: BLE001 - what is left is no schedule
            return None
        return None

    def _fork(self, waiting: list[_Way], world: World[M], path: tuple[Step, ...], mark: bytes) -> None:
        """Note the ways on from a world."""
        self._ends += world.is_final
        for step in world.enabled():
            self._add(waiting, (*path, step), mark, world)

    def _add(self, waiting: list[_Way], path: tuple[Step, ...], mark: bytes, world: World[M]) -> None:
        disturbances = sum(len(step.disturbances) for step in path)
        self._ways += 1
        heapq.heappush(waiting, (disturbances, len(path), self._ways, path, mark, world))

    @contextmanager
    def _begun(self) -> Generator[World[M]]:
        """Make a world, and let it rest afterwards."""
        world = self._begin()
        try:
            yield world
        finally:
            world.rest()

    @contextmanager
    def _forked(self, parent: World[M], path: Sequence[Step]) -> Generator[World[M]]:
        """Fork a world, and let it rest afterwards."""
        try:
            world = parent.fork(self._lend())
        except LookupError as error:  # a body asked other rooms than the first time
            raise _by_chance(path) from error
        try:
            yield world
        finally:
            world.rest()

    @contextmanager
    def _played(self, path: Sequence[Step]) -> Generator[World[M]]:
        """Make a world and play it so far, and let it rest afterwards."""
        with self._begun() as world:
            try:
                for step in path:
                    world.take(step)
            except Exception as error:
                raise _by_chance(path) from error
            yield world

    def _taken(self, world: World[M], path: Sequence[Step], step: Step) -> World[M]:
        __tracebackhide__ = True
        try:
            world.take(step)
        except Broken as broken:
            raise self._failure(world, (*path, step), str(broken)) from broken.__cause__
        except HandoffError as error:
            raise self._failure(world, (*path, step), f"{type(error).__name__}: {error}") from error
        self._judge(world, (*path, step))
        return world

    def _judge(self, world: World[M], path: Sequence[Step]) -> None:
        """Let the test assert what it will."""
        __tracebackhide__ = True
        problem = problem_of(world)
        if problem is not None:
            raise self._failure(world, path, problem)
        checks = {"always": self._always, "at_rest": self._at_rest if world.is_final else None}
        for name, check in checks.items():
            if check is None:
                continue
            world.tell()
            try:
                check(world)
            except Exception as error:
                raise self._failure(world, path, f"{name}: {_said(error)}") from error

    def _failure(self, world: World[M], path: Sequence[Step], problem: str) -> ScheduleFailed:
        explored = self._explored(whole=False) if self._next else None
        return ScheduleFailed(" ".join(map(str, path)), problem, str(world), explored)

    def replay(self, schedule: str) -> Explored:
        """Play one schedule.

        Args:
            schedule: its steps.
        """
        __tracebackhide__ = True
        path: list[Step] = []
        with self._begun() as world:
            self._judge(world, path)
            for token in schedule.split():
                step = self._parsed(world, token, path)
                self._taken(world, path, step)
                path.append(step)
            return Explored(len(path) + 1, len(path), 1, int(world.is_final), whole=world.is_final)

    def _parsed(self, world: World[M], token: str, path: Sequence[Step]) -> Step:
        text, mark, dies = token.partition("!")
        found = {str(step): step for step in world.enabled()}
        if text not in found or (mark and not dies.isdecimal()):
            after = f" after {' '.join(map(str, path))!r}" if path else ""
            raise ConfigurationError(f"{token!r} cannot happen{after}: what can is {', '.join(found) or 'nothing'}")
        step = found[text]
        return Step(step.kind, step.what, int(dies)) if mark else step

    def _explored(self, *, whole: bool) -> Explored:
        ways: dict[bytes, int] = {}  # a world is never reached again from what it leads to, so there is an order
        for mark in TopologicalSorter(self._next).static_order():
            ways[mark] = sum(ways[one] for one in self._next[mark]) or 1
        first = next(iter(self._next))
        return Explored(len(self._next), self._steps, ways[first], self._ends, whole)


def _said(error: Exception) -> str:
    """Return what an assert says; where it says nothing, the line it stands in."""
    if not isinstance(error, AssertionError):
        return repr(error)
    frames = traceback.extract_tb(error.__traceback__)
    return str(error) or (frames[-1].line if frames else None) or "an assert failed"


def _by_chance(path: Sequence[Step]) -> ConfigurationError:
    return ConfigurationError(
        f"the schedule {' '.join(map(str, path))!r} did not lead to the same conversation twice: make deps anew for "
        "each schedule, and let neither tools nor the model depend on chance, time or what was before"
    )


def _digest(world: World[Any]) -> bytes:
    return blake2b(world.digest.encode("utf-8", "surrogatepass"), digest_size=16).digest()
