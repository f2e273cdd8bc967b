"""Random walks far beyond what can be searched: long threads, every kind of backend, all of it at once.

A walk is a plain loop over a seeded generator, not hypothesis: at 10^7 events its bookkeeping would cost more than the
walk. It asks the same invariants after every event, and the same seed walks the same way.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from handoff.limits import Limits
from tests.proof.environment import Budget, Environment, World
from tests.proof.families import CARRY, CARRY_STEER, COMPLETE, COMPLETE_STEER, SWAP, SWAP_NO_STEER, Family
from tests.proof.flow import TOOLS
from tests.proof.modules import Core, load
from tests.proof.stale import check_stale
from tests.proof.violation import Violation

#: After so many events a thread is left, and another one begun.
LENGTH = 400
PLENTY = Budget(*[10**9] * len(Budget._fields))

#: How much rarer than other steps these are, so that threads also get somewhere.
RARE = {
    "the process dies": 0.15, "a user cancels": 0.15, "request": 1.0, "our deadline": 0.15, "grace": 0.3,
    "x is edited": 0.3, "a user posts": 0.3, "a silence": 0.3, "its answer": 0.2, "on the server": 0.5,
}  # fmt: skip


@dataclass
class Walked:
    """What a walk came to."""

    seed: int
    events: int = 0
    threads: int = 0
    runs: int = 0
    seconds: float = 0.0
    reached: set[str] = field(default_factory=set)


def walk(seed: int, events: int, core: Core | None = None) -> Walked:
    """Walk until that many events have happened.

    Args:
        seed: of the generator; printed by whoever calls.
        events: how many events at least.
        core: the core under proof; the project's own by default.

    Raises:
        Violation: if an invariant does not hold; its trace ends with the thread's last steps.
    """
    began = time.perf_counter()
    chance = random.Random(seed)  # noqa: S311 - chance, no secret
    core = core or load()
    report = Walked(seed)
    while report.events < events:
        play = Environment(core, _family(chance))
        ((mode, world),) = play.roots()
        play.use(mode)
        _thread(play, world._replace(budget=PLENTY), chance, report)
        report.threads += 1
        report.reached |= play.reached
    report.seconds = time.perf_counter() - began
    return report


def _family(chance: random.Random) -> Family:
    """Return what may happen on the next thread."""
    tools = sorted(set(TOOLS) - {"end"}) * 3 + ["end"]
    batches = tuple(tuple(chance.choices(tools, k=chance.randint(1, 4))) for _ in range(6))
    mode = chance.choice((SWAP, COMPLETE, CARRY, SWAP_NO_STEER, COMPLETE_STEER, CARRY_STEER))
    small = Limits(handoffs=chance.randint(1, 3), calls=chance.randint(1, 5), runs=chance.randint(1, 4), factor=2)
    return Family(
        "walk", (mode,), batches=batches, policies=("queue", "steer", "interrupt", "reject"),
        ends=("failed", "expired", "incomplete"), grace=True, expires=True, edits=(None, 5, 6), acknowledges=True,
        open_calls=True, cut=True, races=True, then=chance.random() < 0.5, on_limit=chance.random() < 0.5,
        limits=chance.choice((None, small)),
    )  # fmt: skip


def _thread(play: Environment, world: World, chance: random.Random, report: Walked) -> None:
    path: list[str] = []
    walked = 0
    try:
        while walked < LENGTH:
            actions = play.actions(world)
            if not actions:
                break
            weights = [_weight(label, world) for label, _ in actions]
            label, act = chance.choices(actions, weights)[0]
            path.append(label)
            play.last = None
            after = act()
            if play.last is not None:
                walked += len(play.last[1].events)
            if after is not None:
                world = after._replace(budget=PLENTY)
            if chance.random() < 0.01:
                check_stale(play.core, world)
    except Violation as violation:
        trace = (f"seed {report.seed}, thread {report.threads}: {play.family}", *path[-40:])
        raise Violation(violation.name, violation.problem, trace) from violation
    report.events += walked
    report.runs += world.state.runs


def _weight(label: str, world: World) -> float:
    weight = next((weight for start, weight in RARE.items() if label.startswith(start)), 1.0)
    return weight / 4 if len(world.rows) > 3 and label.startswith("a user posts") else weight
