"""Tests that a flow writes itself: `paths(flow)` is a list of conversations, each of which plays itself in a `Talk`.

Each is the shortest that covers one thing: a transition, a pair of them, an answer of a guard, an outcome of a tool.
Tools are simulated unless they are given arguments: no body runs, and what a tool sets is made up so that guards let
the thread pass. What cannot be reached is in the list too, as a test that fails and says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Generic, Literal, Never, TypeAlias, get_args

from handoff.checks.states import analyse
from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps, Metadata
from handoff.errors import ConfigurationError, HandoffError
from handoff.limits import Limits
from handoff.observers import observing_alone
from handoff.testing.choices import Arguments, Choices, Values
from handoff.testing.playing import Played, play_step
from handoff.testing.recording import Recorder
from handoff.testing.rehearsal import ModelCalls, ModelCallsSlowly, Rehearsal
from handoff.testing.searching import Goal, Search, Way
from handoff.testing.talk import Talk
from handoff.testing.unreached import goals_of, is_possible, reason_of

Cover: TypeAlias = Literal["transitions", "pairs", "guards", "outcomes"]

#: A tool's body is run as this says; see `paths`.
Lent: TypeAlias = Deps | Callable[[], Deps] | None

#: With so many runs for a message, and fewer, a bound is come to where `on_limit` is to be taken.
MOST_RUNS = 4
#: The same where two transitions in a row are looked for.
MOST_RUNS_OF_PAIRS = 2


class PathUnreached(HandoffError, AssertionError):
    """No conversation was found that covers something.

    Attributes:
        goal: what it is.
        reason: why, in one sentence.
    """

    def __init__(self, goal: str, reason: str) -> None:
        super().__init__(f"{goal} is not reached: {reason}")
        self.goal = goal
        self.reason = reason


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Path(Generic[M]):
    """A conversation that plays itself. `str(path)` names what it covers, and is the id of its test.

    Attributes:
        flow: the flow.
        covers: what it is the shortest conversation for.
        steps: what happens, in order, and where the thread stands after each.
        metadata: what the thread starts with.
        limits: the thread's bounds, tighter than the flow's where one is to be reached.
    """

    flow: Flow[M, Any]
    covers: tuple[str, ...]
    steps: Way
    metadata: M
    limits: Limits
    _lent: Lent = field(default=None)

    #: The pytest plugin marks tests that are given one of these as `generated`.
    generated_by_handoff: ClassVar[bool] = True

    def play(self, *, deps: Deps | None = None) -> Talk[M]:
        """Play it, and assert after each step that the thread stands where it should.

        Asserted are the transitions taken, the active assistant, whether a run waits for it, the metadata fields that
        a tool had to set or to clear, and that the instructions render.

        Args:
            deps: what the process lends to the tools whose bodies run; else what `paths` was given.

        Returns:
            The talk, for whatever else there is to assert; closed.

        Raises:
            TalkMismatch: the thread stands elsewhere; the text shows the whole conversation.
            DefinitionError: a body that is to run needs deps, and none are given.
        """
        __tracebackhide__ = True
        lent = self._lent if deps is None else deps
        calls = [action.what for action, _ in self.steps if isinstance(action, ModelCalls | ModelCallsSlowly)]
        talk = Played(
            self.flow,
            deps=lent if isinstance(lent, Deps) or lent is None else lent(),
            metadata=self.metadata.model_copy(deep=True),
            limits=self.limits,
            lends=any(what.real for what in calls) or lent is not None,
        )
        try:
            for action, after in self.steps:
                play_step(talk, action, after)
        finally:
            talk.close(unfinished=True)
        return talk

    def __str__(self) -> str:
        return self.covers[0]

    def __repr__(self) -> str:
        return f"<path to {self}: {len(self.steps)} steps>"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Unreached:
    """What no conversation was found for: a test that fails and says why.

    Attributes:
        goal: what it is.
        reason: why it is not reached.
    """

    goal: str
    reason: str

    #: As of a `Path`.
    generated_by_handoff: ClassVar[bool] = True

    def play(self, *, deps: Deps | None = None) -> Never:
        """Fail.

        Args:
            deps: as for a `Path`.

        Raises:
            PathUnreached: always.
        """
        del deps
        __tracebackhide__ = True
        raise PathUnreached(self.goal, self.reason)

    def __str__(self) -> str:
        return self.goal

    def __repr__(self) -> str:
        return f"<unreached: {self.goal}: {self.reason}>"


def paths(
    flow: Flow[M, Any],
    cover: Cover = "transitions",
    *,
    arguments: Arguments | None = None,
    values: Values | None = None,
    metadata: M | None = None,
    deps: Lent = None,
) -> list[Path[M] | Unreached]:
    """Find the shortest conversations that cover a flow; the same ones in every run. Freezes the flow.

    Args:
        flow: the flow.
        cover: ``transitions``: each is taken; ``pairs``: also each two that can follow each other; ``guards``: each is
            taken, and each guard says yes and no; ``outcomes``: each is taken, and the calls of each tool come out as
            ``ok``, ``error``, ``refused`` and ``pending``.
        arguments: arguments of tools whose bodies are to run, by function or name; a list of them to choose from. What
            such a body sets beside its arguments is assumed to let the thread pass.
        values: values of metadata fields and parameters, by name, instead of made-up ones; a list of them to choose
            from (so the one value ``["a"]`` is written ``[["a"]]``).
        metadata: what every thread starts with.
        deps: what the process lends to the tools whose bodies run, or a function that makes it anew for each path;
            `Path.play` may be given it instead.

    Returns:
        The conversations, the shortest first; at the end what was not reached.

    Raises:
        ConfigurationError: an argument or a value does not fit, or none could be made up: it says which one to give.
    """
    if cover not in get_args(Cover):
        raise ConfigurationError(f"paths(cover={cover!r}): give one of {', '.join(get_args(Cover))}")
    flow.freeze()
    start: M = flow.metadata() if metadata is None else metadata
    analysis = analyse(flow, _given(start))
    choices = Choices(analysis, arguments or {}, values or {})
    wanted = goals_of(analysis, cover)
    ways, exhausted = _searched(flow, choices, start, wanted)
    together: dict[int, list[Goal]] = {}
    for goal in wanted:
        if goal in ways:
            together.setdefault(id(ways[goal][0]), []).append(goal)
    made: list[Path[M]] = []
    for goals in together.values():
        way, limits = ways[goals[0]]
        made.append(Path(flow, tuple(map(name_of_goal, goals)), way, start, limits, deps))
    made.sort(key=lambda path: len(path.steps))
    unreached = [
        Unreached(name_of_goal(goal), reason_of(analysis, choices, goal, exhausted=exhausted))
        for goal in wanted
        if goal not in ways
        and all(("transitions", key) in ways for key in goal[1:] if goal[0] == "pairs")
        and is_possible(analysis, choices, goal, exhausted=exhausted)
    ]
    return [*made, *unreached]


def name_of_goal(goal: Goal) -> str:
    """Return what a goal is called: its transition, its two transitions, its guard's answer, or its tool's outcome."""
    return " + ".join(goal[1:])


def _searched(
    flow: Flow[M, Any], choices: Choices, start: M, wanted: list[Goal]
) -> tuple[dict[Goal, tuple[Way, Limits]], bool]:
    """Return the ways found, each with the bounds of its thread, and whether a search ended before all was tried.

    Where `on_limit` leads is found under bounds so tight that it comes about, then all else under the flow's own; at
    last, what only comes after a bound.
    """
    found: dict[Goal, tuple[Way, Limits]] = {}
    broken: dict[Goal, tuple[Way, Limits]] = {}
    limited = {row.key for row in flow.transitions if row.kind == "limit"}
    counts = range(1, min(MOST_RUNS, flow.limits.runs) + 1) if limited else ()
    tight = [replace(flow.limits, runs=runs, factor=1) for runs in counts]

    def bounded(goal: Goal) -> bool:
        return not limited.isdisjoint(part.partition(" ")[0] for part in goal[1:])

    def after_bound(goal: Goal) -> bool:
        only_there = (("transitions", key) not in found or found["transitions", key][1] in tight for key in goal[1:])
        return not bounded(goal) and (goal[0] != "pairs" or any(only_there))

    phases: list[tuple[Limits, Callable[[Goal], bool]]] = [
        *((limits, bounded) for limits in tight[:MOST_RUNS_OF_PAIRS]),
        *((limits, lambda goal: goal[0] != "pairs" and bounded(goal)) for limits in tight[MOST_RUNS_OF_PAIRS:]),
        (flow.limits, lambda goal: goal[0] != "pairs" or not bounded(goal)),
        *((limits, after_bound) for limits in tight[:MOST_RUNS_OF_PAIRS]),
    ]
    exhausted = False
    recorder = Recorder()
    with observing_alone(recorder):
        rehearsal = Rehearsal(flow, recorder)
        for limits, is_meant in phases:
            missing = [goal for goal in wanted if goal not in found and is_meant(goal)]
            search = Search(
                flow, rehearsal, choices, pairs=any(goal[0] == "pairs" for goal in missing), deep=limits in tight
            )
            search.run(start, limits, missing)
            found |= {goal: (way, limits) for goal, way in search.found.items()}
            broken |= {goal: (way, limits) for goal, way in search.broken.items()}
            exhausted |= search.exhausted
    return {**broken, **found}, exhausted


def _given(metadata: Metadata) -> list[str]:
    """Return the fields that a thread is opened with although a new one has them unset."""
    fresh = type(metadata)()
    return [
        name
        for name in type(metadata).model_fields
        if getattr(metadata, name) is not None and getattr(metadata, name) != getattr(fresh, name)
    ]
