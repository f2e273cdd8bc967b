"""What every exploration looks at without being told, with something broken around the flow."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest

from handoff.core.items import Asked, Note, Output, Spoken, UserMessage
from handoff.core.state import State
from handoff.declaration.prompt import Prompt
from handoff.models import Answer
from handoff.store import MemoryStore
from handoff.testing import Message, Scenario, ScheduleFailed, World, call, explore
from handoff.testing.soundness import problem_of
from tests.testing.explore_flow import Till, dinner, flow, take_order

#: The module, which `handoff.core.receive` the function hides.
core = importlib.import_module("handoff.core.receive")


@contextmanager
def losing_messages() -> Iterator[None]:
    """A core that takes a message up right after a handoff, and shows it to nobody."""
    message = core.RULES[core.happened.MessageAccepted]

    def losing(state: State, event: Any) -> State:
        after = message(state, event)
        handed_over = any(isinstance(item, Note) and item.kind == "handoff" for item in state.due)
        return replace(after, due=state.due) if handed_over else after

    with mock.patch.dict(core.RULES, {core.happened.MessageAccepted: losing}):
        yield


@contextmanager
def doubling_messages() -> Iterator[None]:
    """A core that takes every message up twice."""
    message = core.RULES[core.happened.MessageAccepted]

    def doubling(state: State, event: Any) -> State:
        after = message(state, event)
        return replace(after, due=(*after.due, after.due[-1]))

    with mock.patch.dict(core.RULES, {core.happened.MessageAccepted: doubling}):
        yield


@contextmanager
def running_lost_bodies_again() -> Iterator[None]:
    """A core that takes every lost body for one that may run again."""
    recovered = core.RULES[core.happened.Recovered]

    def careless(state: State, event: Any) -> State:
        run = state.run
        if run is not None and run.batch is not None:
            entries = tuple(replace(one, call=replace(one.call, idempotent=True)) for one in run.batch.entries)
            state = replace(state, run=replace(run, batch=replace(run.batch, entries=entries)))
        return recovered(state, event)

    with mock.patch.dict(core.RULES, {core.happened.Recovered: careless}):
        yield


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        pytest.param(losing_messages, "message m2 was taken, and is lost", id="message lost"),
        pytest.param(doubling_messages, "message m1 is in the transcript 2 times", id="message twice"),
        pytest.param(running_lost_bodies_again, "the body of take_order ran 2 times", id="body twice"),
    ],
)
def test_what_must_hold_is_looked_at(broken: Any, problem: str) -> None:
    """A framework that loses or doubles something is caught without any assert of the test."""

    def model(prompt: Prompt) -> Answer | str:
        last = prompt.items[-1]
        ordering = prompt.assistant == "waiter" and isinstance(last, UserMessage)
        return Answer(calls=(call(take_order, dish="pizza"),)) if ordering else "Well."

    scenario = Scenario([Message("A pizza"), Message("Quickly!", "steer")], model)

    with broken(), pytest.raises(ScheduleFailed) as failed:
        explore(scenario, flow, deps=Till, cancels=0, expiries=0)

    assert problem in failed.value.problem


def test_nobody_is_left_waiting() -> None:
    """A thread that cannot go on is stuck, and said to be."""

    class Deaf(MemoryStore):
        def inbox(self, thread: str) -> list[Any]:
            del thread
            return []

    with pytest.raises(ScheduleFailed, match="message m1 was taken, and is lost"):
        explore(dinner, flow, deps=Till, store=Deaf)


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        pytest.param(0, "the call c1 of pay has 0 outputs", id="none"),
        pytest.param(1, None, id="one"),
        pytest.param(2, "the call c1 of pay has 2 outputs", id="two"),
    ],
)
def test_each_call_has_one_output(outputs: int, problem: str | None) -> None:
    """A call of a settled batch is answered once."""
    spoken = Spoken("cashier", 1, "", (Asked("c1", "pay", "{}"),))
    transcript = (spoken, *(Output(1, 1, "c1", "pay", "Paid.") for _ in range(outputs)))
    world = SimpleNamespace(
        transcript=transcript,
        waiting=(),
        refused=(),
        sent=(),
        state=SimpleNamespace(run=None),
        ran=(),
        rooms=SimpleNamespace(known=()),
        is_final=False,
    )

    assert problem == problem_of(cast("World[Any]", world))
