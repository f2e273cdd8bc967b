"""A flow's own test under every schedule: each message at any moment, each body ending when it likes, and disturbances.

A test that plays one conversation says what the user and the model say; which of it meets which is then tried out, the
process dying at each commit, runs cancelled and deadlines passing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.store.base import Store
from handoff.testing.following import Exploration, Explored
from handoff.testing.learning import LearningTalk
from handoff.testing.loop import PrivateLoop
from handoff.testing.scenario import Scenario, consulted_by
from handoff.testing.schedule import DISTURBANCES
from handoff.testing.talk import Talk
from handoff.testing.world import Check, World
from handoff.thread import WhileRunning

#: A flow's own test.
Test = Callable[[Talk[M]], object]


def explore(
    test: Test[M] | Scenario,
    flow: Flow[M, Any],
    *,
    deps: Callable[[], Deps] | None = None,
    metadata: M | None = None,
    at_rest: Check | None = None,
    always: Check | None = None,
    early: int = 2,
    crashes: int = 1,
    cancels: int = 1,
    expiries: int = 1,
    failures: int = 0,
    silences: int = 0,
    together: int = 2,
    while_running: Sequence[WhileRunning] = (),
    may_raise: tuple[type[BaseException], ...] = (),
    store: Callable[[], Store] | None = None,
    bound: int = 5_000,
    walks: int = 200,
    schedule: str | None = None,
) -> Explored:
    """Play a test under every interleaving of its messages and tool completions, with disturbances at every moment.

    A test that is a function is played once as it is, and must pass; what it plays is then explored, what happens in
    side rooms included. Whatever the schedule, no message may be lost or be in the transcript twice, each call has one
    output, no body runs twice for one call unless its tool is idempotent, instructions can be rendered, no body raises
    anything but ToolError, and the thread comes to rest.

    Args:
        test: a function over a `Talk`, or a `Scenario`.
        flow: the flow it is about.
        deps: makes what the process lends, anew for every schedule; what it holds lives through a crash.
        metadata: what the thread starts with.
        at_rest: called with the world wherever all is said and done; asserts what holds then.
        always: called with the world after each step; asserts what holds at every moment.
        early: how many messages may come before the thread rests: while a run is active, or behind another message.
        crashes: how often the process may die in one schedule: between steps, before and after each commit of a step,
            in side rooms, too, and between a body's end and the commit of its outcome. A person settles what is in
            doubt as it truly was.
        cancels: how often the user may cancel.
        expiries: how often a deadline may pass: the run's grace, the run's deadline, a tool's own timeout.
        failures: how often the model's request may fail.
        silences: how often the thread may come to the end of a silence.
        together: how many of all these there may be in one schedule.
        while_running: what an early message may do to an active run beside what the test says: steer, interrupt.
        may_raise: what bodies may raise beside ToolError.
        store: makes the store, anew for every schedule; in memory by default.
        bound: the most worlds to look at.
        walks: where that cuts something, how many more schedules to follow to their end; chosen at random, and the same
            ones each time.
        schedule: plays this one only.

    Returns:
        How much was looked at, and whether that is all.

    Raises:
        ScheduleFailed: something does not hold; no schedule that is less disturbed, or as much and shorter, fails.
        ConfigurationError: a flow that is consulted has no model; the schedule cannot be played; or the same steps do
            not lead to the same world: the deps are not made anew, or tools or model depend on chance or time.
    """
    __tracebackhide__ = True

    def lend() -> Deps | None:
        return deps() if deps else None

    if isinstance(test, Scenario):
        scenario = test
    else:
        with LearningTalk(flow, deps=lend(), metadata=metadata) as talk:
            test(talk)
        scenario = talk.scenario
    for consulted in consulted_by(flow):
        scenario.model_of(consulted)  # refused now, not in the middle of it

    loop = PrivateLoop()

    def begin() -> World[M]:
        return World(
            flow,
            scenario,
            deps=lend(),
            metadata=metadata,
            store=store() if store else None,
            budget=dict(zip(DISTURBANCES, (early, crashes, cancels, expiries, failures, silences), strict=True)),
            together=together,
            policies=while_running,
            may_raise=may_raise,
            loop=loop,
        )

    exploration = Exploration(begin, lend, at_rest, always)
    with _quiet(), closing(loop):
        if schedule is not None:
            return exploration.replay(schedule)
        explored = exploration.search(bound)
        for seed in range(0 if explored.whole else walks):
            exploration.walk(seed)
        return replace(explored, walked=exploration.walked)


@contextmanager
def _quiet() -> Generator[None]:
    """A tool that fails as it may is not logged thousands of times."""
    logger = logging.getLogger("handoff")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
