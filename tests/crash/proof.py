"""Real processes, killed by SIGKILL at every moment that counts, and begun again: the thread must not notice.

`prove` goes through the points of a scenario, all of them or a sample. At each it kills one process, lets another
finish, and compares what came of the thread with what comes of it when nobody kills anybody. Then it sees to it that
there is no point beyond those it counted, but for requests to a server: how many there are depends on its speed.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests.crash.effects import wrong_effects
from tests.crash.life import REPORT
from tests.crash.moments import KINDS, Kind, Point
from tests.crash.outcome import Outcome, differences, outcome_of, read_state
from tests.crash.scenarios import ALL, Scenario
from tests.crash.server import Server

#: Further lives of a thread that did not come to the point where it was to be killed, where that depends on a server.
ATTEMPTS = 3


@dataclass(slots=True)
class Counts:
    """What a proof has seen and done."""

    #: How many moments the undisturbed process passed, by kind.
    seen: dict[Kind, int]
    #: At how many of them a process was killed.
    killed: dict[Kind, int]
    #: Of which kinds a process passes more moments than were counted.
    beyond: list[Kind] = field(default_factory=list)
    #: How many threads were killed a second time, while they recovered.
    killed_again: int = 0
    #: How many threads lost a process while another one served them too.
    killed_beside: int = 0
    #: How many threads came out with a body whose outcome a person had to settle.
    settled: int = 0
    #: What came out wrong, one sentence each, with the point.
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What all else is compared with."""

    outcome: Outcome
    #: The replies, by message.
    replies: dict[str, Any]
    #: The moments it passed, by kind, each in a few words.
    moments: dict[Kind, list[str]]

    def points(self, kinds: Iterable[Kind]) -> list[Point]:
        """Return all points of those kinds."""
        return [Point(kind, number) for kind in kinds for number in range(1, len(self.moments[kind]) + 1)]


def prove(
    name: str,
    directory: Path,
    *,
    kinds: Sequence[Kind] = KINDS,
    sample: int | None = None,
    again: int = 0,
    beside: int = 0,
    seed: int = 0,
    workers: int = 2,
) -> Counts:
    """Kill a process at each point of a scenario, let another finish, and compare.

    Args:
        name: name of the scenario.
        directory: where the files go, those of failures to stay; best in memory, as SIGKILL does not ask of disks.
        kinds: which points count.
        sample: how many of them; None for all.
        again: how many more threads are killed at a random point, and again at a random commit of their recovery.
        beside: how many more threads are served by two processes at once, one of which is to be killed at a random
            point; it may be that the other one does all the work.
        seed: of all that is random.
        workers: how many processes run at a time.
    """
    many = "all" if sample is None else sample
    print(f"proof: killing {name} at {many} points of {', '.join(kinds)}, seed {seed}")  # noqa: T201 - to have it again
    chance = random.Random(seed)  # noqa: S311 - a proof is to be repeatable
    with ExitStack() as servers, ThreadPoolExecutor(workers) as pool:
        idle: SimpleQueue[Server] = SimpleQueue()
        for _ in range(workers):
            idle.put(servers.enter_context(Server()))
        trials = _Trials(ALL[name], directory, idle)
        points = trials.wanted.points(kinds)
        chosen = points if sample is None else chance.sample(points, min(sample, len(points)))
        lives: list[tuple[Point, float | None]] = [(point, None) for point in chosen]
        seen = {kind: len(trials.wanted.moments[kind]) for kind in kinds}
        # After the last commit nothing is left to recover, and so nothing to be killed in again.
        unfinished = [point for point in points if point != Point("commit", seen.get("commit", 0))]
        lives += [(chance.choice(unfinished), chance.random()) for _ in range(again)]
        counts = Counts(seen, dict.fromkeys(kinds, 0))
        for (first, second), result in zip(lives, pool.map(trials.run, range(len(lives)), lives), strict=True):
            counts.killed[first.kind] += result.killed and second is None
            counts.killed_again += result.killed and second is not None
            counts.settled += result.settled
            counts.failures += result.failures
        for number in range(beside):
            result = trials.run_beside(number, chance.choice(points), pool)
            counts.killed_beside += result.killed
            counts.settled += result.settled
            counts.failures += result.failures
        counts.beyond = [kind for kind in kinds if trials.exact(kind) and trials.dies_at(Point(kind, seen[kind] + 1))]
    return counts


@dataclass(slots=True)
class _Result:
    """What came of one thread."""

    #: It was killed where it was to be.
    killed: bool = False
    #: A person had to settle a call.
    settled: bool = False
    #: That call was of a batch, so more was said than when nobody is killed.
    detour: bool = False
    failures: list[str] = field(default_factory=list)


class _Trials:
    """The threads of one proof, each in a directory of its own.

    Args:
        scenario: what is killed.
        directory: where their directories are.
        idle: the servers nobody uses.
    """

    def __init__(self, scenario: Scenario, directory: Path, idle: SimpleQueue[Server]) -> None:
        self._scenario = scenario
        self._directory = directory
        self._idle = idle
        # What a server keeps for all threads, such as assistants, it has from then on: no other life makes it anew.
        self._live(self._prepared("first"))
        self._undisturbed = home = self._prepared("undisturbed")
        code = self._live(home)
        assert code == 0, f"{scenario.name} does not end well when nobody kills it: exit code {code}"
        report = json.loads((home / REPORT).read_text())
        self.wanted = Undisturbed(outcome_of(home, scenario.files), report["replies"], report["moments"])

    def dies_at(self, point: Point) -> bool:
        """Return whether a process ever comes to that point; one that ends otherwise than well has proved nothing."""
        code = self._live(self._prepared(f"beyond-{point.kind}"), point)
        assert code in {0, -signal.SIGKILL}, f"a process that nobody killed ended with exit code {code}"
        return code == -signal.SIGKILL

    def exact(self, kind: Kind) -> bool:
        """Return whether every life passes as many points of that kind; requests to a server depend on its speed."""
        return self._scenario.at_server is None or kind != "model"

    def run(self, number: int, life: tuple[Point, float | None]) -> _Result:
        """Kill a thread where it is said, let it finish, and compare.

        Args:
            number: of the trial; names its directory.
            life: where it is killed, and how far into its recovery it is killed again: from 0 to 1, or not at all.
        """
        first, second = life
        home = self._prepared(f"trial-{number}")
        where = self._words(first)
        code = self._live(home, first)
        for attempt in range(0 if self.exact(first.kind) else ATTEMPTS):
            if code != 0:
                break
            shutil.rmtree(home)
            home = self._prepared(f"trial-{number}-{attempt}")
            code = self._live(home, first)
        if code == -signal.SIGKILL and second is not None:
            again = self._point_of_recovery(home, first, second)
            where += f", again at {again} of the recovery"
            code = self._live(home, again)
        result = _Result(code == -signal.SIGKILL)
        if not result.killed:
            return self._concluded(home, where, result, [f"the process to die ended with exit code {code}"])
        wrong = self._finish(home, result)
        if not wrong and not result.detour and self._replies(home) != self.wanted.replies:
            wrong = [f"replies: expected {self.wanted.replies}, got {self._replies(home)}"]
        return self._concluded(home, where, result, wrong)

    def run_beside(self, number: int, point: Point, pool: ThreadPoolExecutor) -> _Result:
        """Let two processes serve a thread at once, kill one of them where it is said, and compare.

        Args:
            number: of the trial; names its directory.
            point: where the one is killed, if it gets there.
            pool: where the one is run.
        """
        home = self._prepared(f"beside-{number}")
        killed = pool.submit(self._live, home, point)
        code = self._live(home)
        result = _Result(killed.result() == -signal.SIGKILL)
        wrong = [f"the process beside it ended with exit code {code}"] if code else self._finish(home, result)
        return self._concluded(home, f"{self._words(point)}, beside another process", result, wrong)

    def _words(self, point: Point) -> str:
        return f"{point} ({self.wanted.moments[point.kind][point.number - 1]})"

    def _concluded(self, home: Path, where: str, result: _Result, wrong: list[str]) -> _Result:
        result.failures = [f"{self._scenario.name}, killed at {where}: {one} [{home}]" for one in wrong]
        if not wrong:
            shutil.rmtree(home)
        return result

    def _prepared(self, name: str) -> Path:
        home = self._directory / f"{self._scenario.name}-{name}"
        home.mkdir()
        self._scenario.prepare(home)
        return home

    def _live(self, home: Path, fatal: Point | None = None) -> int:
        server = self._idle.get()
        try:
            return server.run(self._scenario.name, home, fatal)
        finally:
            self._idle.put(server)

    def _point_of_recovery(self, home: Path, first: Point, share: float) -> Point:
        """Let a copy of the thread recover, to learn how many commit points that takes, and choose one of them."""
        if self._scenario.at_server is not None:
            # What a server has cannot be copied: the next commits are there in any case, if so many are left at all.
            commits = len(self.wanted.moments["commit"])
            left = commits - first.number if first.kind == "commit" else 1
            return Point("commit", 1 + int(share * max(1, min(left, 12))))
        rehearsal = home.with_name(f"{home.name}-rehearsal")
        shutil.copytree(home, rehearsal)
        code = self._live(rehearsal)
        assert code == 0, f"{rehearsal} does not recover: exit code {code}"
        passed = len(json.loads((rehearsal / REPORT).read_text())["moments"]["commit"])
        assert passed, f"nothing was left to commit in {home}, yet the conversation was not over"
        shutil.rmtree(rehearsal)
        return Point("commit", 1 + int(share * passed))

    @staticmethod
    def _replies(home: Path) -> dict[str, Any]:
        replies: dict[str, Any] = json.loads((home / REPORT).read_text())["replies"]
        return replies

    def _finish(self, home: Path, result: _Result) -> list[str]:
        """Let a process finish what is left, and return what is wrong then, one sentence each."""
        code = self._live(home)
        if code != 0:
            return [f"the process that recovers ended with exit code {code}"]
        outcome = outcome_of(home, self._scenario.files)
        result.settled = bool(outcome.unknown)
        result.detour = bool(outcome.lost)
        wrong = differences(self.wanted.outcome, outcome, self._scenario.waits)
        if self._scenario.at_server is not None:
            wrong += self._scenario.at_server(read_state(home))
        if self._scenario.beside is not None:
            wrong += self._scenario.beside(self._undisturbed, home)
        return wrong + wrong_effects(self._scenario.flow, self.wanted.outcome, outcome)
