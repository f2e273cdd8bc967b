"""Whether what one message can set off stays within the limits.

What is counted are handoffs that no model chooses: chains of `then`. A destination with `times` counts as often as it
may be taken; one with a guard counts once, for how often its guard lets it pass is the data's affair.
"""

from __future__ import annotations

from collections.abc import Iterator

from handoff.checks.findings import Finding, Hop, Unknown
from handoff.checks.states import Analysis
from handoff.checks.steps import Step
from handoff.declaration.assistants import END

MOST_CHAINS = 20_000
"""At most this many chains are followed."""

Spent = tuple[tuple[str, int], ...]
"""How often each bounded transition was taken, by its key."""


def check_bounds(analysis: Analysis, endless: bool) -> Iterator[Finding | Unknown]:
    """Findings about chains of handoffs.

    Args:
        analysis: what is known about the flow.
        endless: a cycle was found that nothing bounds; then there is no longest chain.
    """
    if endless:
        return
    limits = analysis.flow.limits
    most = min(limits.handoffs, limits.runs - 1)
    onward: dict[str, list[Step]] = {}
    for step in analysis.taken():
        if step.transition is not None and step.transition.kind == "then":
            onward.setdefault(step.source, []).append(step)
    if not onward:
        return
    try:
        chain = _chain(analysis, onward, most + 1)
    except OverflowError:
        yield Unknown("the longest chain of then()", "there are too many chains", analysis.flow.place)
        return
    if chain:
        bound = "handoffs" if limits.handoffs <= limits.runs - 1 else "runs"
        yield Finding(
            "over-limit",
            f"one message to {chain[0].source} can cause {len(chain)} handoffs or more without anybody choosing them, "
            f"but Limits({bound}={getattr(limits, bound)}) stops the thread before",
            f"Shorten the chain or lower times=, or declare Flow(..., limits=Limits({bound}={2 * len(chain)}, ...))",
            analysis.place_of_route(onward[chain[0].source][0]),
            (*analysis.path_to(chain[0].source), *chain),
        )


def _chain(analysis: Analysis, onward: dict[str, list[Step]], length: int) -> tuple[Hop, ...]:
    """A chain of that many handoffs, or none."""
    chains: dict[tuple[str, Spent], tuple[Hop, ...]] = {(name, ()): () for name in onward}
    for _ in range(length):
        longer: dict[tuple[str, Spent], tuple[Hop, ...]] = {}
        for (at, spent), hops in chains.items():
            for step in onward.get(at, ()):
                analysis.followed += 1
                after = _spend(step, spent)
                if after is not None:
                    longer.setdefault((step.dest, after), (*hops, step.hop))
        if len(longer) > MOST_CHAINS:
            raise OverflowError
        chains = longer
        if not chains:
            return ()
        if len(next(iter(chains.values()))) == length:
            return next(iter(chains.values()))
        chains = {key: hops for key, hops in chains.items() if key[0] != END}
    return ()


def _spend(step: Step, spent: Spent) -> Spent | None:
    """What is spent after a step, or None if it may not be taken any more."""
    transition = step.transition
    assert transition is not None
    times = transition.times if transition.times is not None else (1 if step.guard is not None else None)
    if times is None:
        return spent
    counts = dict(spent)
    counts[transition.key] = counts.get(transition.key, 0) + 1
    return None if counts[transition.key] > times else tuple(sorted(counts.items()))
