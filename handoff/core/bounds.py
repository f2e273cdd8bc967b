"""The bounds of a thread (G), as questions about its counters: is this transition blocked, is this start refused?

A blocked transition is a false guard: the driver passes the reason to the flow as one more condition, so that the
next destination is tried, and `receive` asks again. Nothing here changes a state; `counted` returns the counters
after a transition.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b

from handoff.core.replacing import replace
from handoff.core.state import JSON, Counters, MoveKind, State
from handoff.core.texts import tell
from handoff.limits import Limits


def digest(dest: str, metadata: Mapping[str, JSON], times: tuple[tuple[str, int], ...]) -> str:
    """Return what a loop is recognised by: an assistant, the facts it would find, and what `times` has counted."""
    facts = {name: value for name, value in metadata.items() if value is not None}
    text = json.dumps([dest, facts, times], sort_keys=True)
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _times(counters: Counters, transition: str) -> tuple[tuple[str, int], ...]:
    counts = dict(counters.times)
    counts[transition] = counts.get(transition, 0) + 1
    return tuple(sorted(counts.items()))


def _after(counters: Counters, transition: str, times: int | None) -> tuple[tuple[str, int], ...]:
    return counters.times if times is None else _times(counters, transition)


def blocked(
    counters: Counters,
    limits: Limits,
    metadata: Mapping[str, JSON],
    *,
    transition: str,
    dest: str,
    times: int | None,
    renewed: bool = False,
) -> str | None:
    """Return why the transition may not be taken now, in words for the model, or None.

    Args:
        counters: what has been used.
        limits: what may be used.
        metadata: the metadata the transition would leave.
        transition: key of the transition.
        dest: the assistant it goes to.
        times: how often it may be taken between two user messages; None for no such bound.
        renewed: whether something other than a transition came since the last one, so that arriving again is no loop.
    """
    if counters.handoffs >= limits.handoffs:
        return tell("handoff_limit", limit=limits.handoffs)
    if counters.total_handoffs >= limits.handoffs * limits.factor:
        return tell("handoff_limit", limit=limits.handoffs * limits.factor)
    if times is not None and dict(counters.times).get(transition, 0) >= times:
        return tell("times_spent", transition=transition, times=times)
    if not counters.visited:
        return None
    if not renewed and digest(dest, metadata, _after(counters, transition, times)) in counters.visited:
        return tell("loop", dest=dest)
    return None


def counted(
    counters: Counters,
    metadata: Mapping[str, JSON],
    *,
    transition: str,
    dest: str,
    times: int | None,
    renewed: bool = False,
) -> Counters:
    """Return the counters after that transition; the arguments are those of `blocked`."""
    after = _after(counters, transition, times)
    visited = frozenset[str]() if renewed else counters.visited
    return replace(
        counters,
        handoffs=counters.handoffs + 1,
        total_handoffs=counters.total_handoffs + 1,
        times=after,
        visited=visited | {digest(dest, metadata, after)},
    )


def ends_round(kind: MoveKind, *, speaks: bool) -> bool:
    """Return whether a transition ends the round, so that arriving where it goes is no loop: a reply nobody follows.

    Args:
        kind: what kind of transition it is.
        speaks: whether the next assistant speaks.
    """
    return kind == "then" and not speaks


def stimulated(counters: Counters) -> Counters:
    """Return the counters after a late result, a decision or a timer: the totals per user message stay."""
    return replace(counters, handoffs=0, calls=0, runs=0, visited=frozenset())


def calls_left(state: State) -> int:
    """Return how many more tool calls may run."""
    counters, limits = state.counters, state.limits
    return max(0, min(limits.calls - counters.calls, limits.calls * limits.factor - counters.total_calls))


def called_on(state: State) -> str:
    """Return why a run ends whose model called on after it was told that no calls are left, in words for a person."""
    counters, limits = state.counters, state.limits
    limit = limits.calls if counters.calls >= limits.calls else limits.calls * limits.factor
    return (
        f"limit of {limit} tool calls for this message reached, and the model called on after it was told; "
        "send another message, or raise Limits.calls"
    )


def start_refusal(state: State) -> str | None:
    """Return why no run may start now, in words for a person, or None."""
    counters, limits = state.counters, state.limits
    if counters.granted:
        return None
    if counters.runs >= limits.runs:
        return f"limit of {limits.runs} runs for this message reached"
    if counters.total_runs >= limits.runs * limits.factor:
        return f"limit of {limits.runs * limits.factor} runs for this message reached"
    return None
