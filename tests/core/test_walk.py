"""Random walks keep every invariant far beyond the size that can be searched."""

from __future__ import annotations

import multiprocessing
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proof import Family, Walked, load, walk
from tests.proof.environment import Environment
from tests.proof.families import CARRY, COMPLETE, SWAP, ModeOf

#: More than can be searched, but small enough to read a counterexample.
SMALL = Family(
    "chosen", (SWAP, COMPLETE, CARRY),
    batches=(("ordinary", "set", "other_unset"), ("waits_move", "idempotent"), ("end",)),
    turns=6, posts=5, policies=("queue", "steer", "interrupt", "reject"), cancels=3, crashes=3, doubts=3, failures=3,
    ends=("failed", "expired", "incomplete"), settlings=3, grace=True, expires=True, edits=(None, 5), timers=2,
    repeats=2, acknowledges=True, open_calls=True, cut=True, races=True, then=True, on_limit=True,
)  # fmt: skip


def _half(seed: int) -> Walked:
    return walk(seed, 50_000)


def test_a_hundred_thousand_events() -> None:
    """No invariant is broken in 10^5 events of long threads on every kind of backend."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"proof: core walk, seeds {seed} and {seed + 1}")  # noqa: T201 - to walk it again
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        halves = pool.map(_half, (seed, seed + 1))

    assert sum(half.events for half in halves) >= 100_000
    assert sum(half.runs for half in halves) > 2_000


@settings(max_examples=60, deadline=None)
@given(mode=st.sampled_from(SMALL.modes), choices=st.lists(st.integers(0, 60), max_size=80))
def test_chosen_steps(mode: ModeOf, choices: list[int]) -> None:
    """Whatever is chosen among all that may happen, no invariant is broken; what breaks one is shrunk."""
    play = Environment(load(), SMALL)
    world = dict(play.roots())[mode]
    play.use(mode)
    for choice in choices:
        actions = play.actions(world)
        if not actions:
            break
        world = actions[choice % len(actions)][1]() or world

    assert world.seen.run == (world.state.run.number if world.state.run else 0)


def test_the_same_seed_walks_the_same_way() -> None:
    """A walk that fails can be walked again."""
    first, second = walk(7, 500), walk(7, 500)

    assert (first.events, first.threads, first.runs) == (second.events, second.threads, second.runs)
