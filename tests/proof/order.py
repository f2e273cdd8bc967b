"""Whatever the order in which bodies complete, one batch comes to one end (I21).

Every batch of up to three calls is played in every order of starting and returning, with nothing else happening: no
deadline, stop, crash or failure. The transcript, the metadata and the active assistant must come out the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from tests.proof.environment import Environment, World
from tests.proof.families import COMPLETE, SWAP, Family
from tests.proof.modules import Core
from tests.proof.violation import Violation

#: Tools whose verdicts depend on what others did before them.
PALETTE = ("ordinary", "set", "set_two", "other", "third", "other_unset", "third_set", "either", "bad", "idempotent")


@dataclass
class Orders:
    """What was played."""

    batches: int = 0
    paths: int = 0


def check_orders(core: Core, batches: Iterator[tuple[str, ...]] | None = None) -> Orders:
    """Play every batch in every order.

    Args:
        core: the core under proof.
        batches: the batches; all of one to three tools of the palette by default.

    Raises:
        Violation: if two orders end differently (I21).
    """
    report = Orders()
    for batch in batches or (batch for size in (1, 2, 3) for batch in product(PALETTE, repeat=size)):
        for mode in (SWAP, COMPLETE):
            play = Environment(core, replace(BASE, batches=(batch,), modes=(mode,)))
            ((_, world),) = play.roots()
            play.use(mode)
            ends: dict[str, tuple[str, ...]] = {}
            for end, path in _ends(play, world, (), ()):
                report.paths += 1
                ends.setdefault(end, path)
            report.batches += 1
            if len(ends) != 1:
                raise Violation("I21", f"{batch} ends in {len(ends)} ways: {sorted(ends)}", next(iter(ends.values())))
    return report


BASE = Family("orders", (SWAP,), turns=1)


def _ends(
    play: Environment, world: World, transcript: tuple[Any, ...], path: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return how each order ends: everything the transcript, metadata and ownership came to."""
    steps = [(label, act) for label, act in play.actions(world) if label.startswith("body ")]
    if not steps:
        steps = _forward(play, world)
    if not steps:
        state = world.state
        yield repr((transcript, state.due, sorted(state.metadata.items()), state.assistant, state.counters)), path
    for label, act in steps:
        play.last = None
        after = act()
        if after is not None:
            yield from _ends(play, after, transcript + _stored(play), (*path, label))


def _forward(play: Environment, world: World) -> list[tuple[str, Any]]:
    """Return the one next step that is no body's: the model calls once, and then replies."""
    found = play.actions(world)
    told = [one for one in found if one[0].startswith(("the model calls", "the server waits", "the driver is told"))]
    return told[:1] or found[:1]


def _stored(play: Environment) -> tuple[Any, ...]:
    if play.last is None:
        return ()
    advance = play.last[1]
    pairs = zip(advance.before, advance.events, strict=True)
    return tuple(item for before, event in pairs for item in play.core.stored_by(before, event))
