"""Whoever measures what flows do in this process, such as coverage, is told here. Usually nobody, which costs one look.

There are three places: the door to the Machine (guards), `Flow.step` (a test takes a transition), and the commit.
Observers are told in whichever thread it happens, and must not raise.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from handoff.core.events import Event
    from handoff.core.state import State
    from handoff.declaration.assistants import Transition
    from handoff.declaration.flow import Flow


class Observer(Protocol):
    """Who is told."""

    def guard_asked(self, flow: Flow[Any, Any], transition: Transition, *, held: bool) -> None:
        """Take note of what the guard of a transition said."""
        ...

    def step_taken(self, flow: Flow[Any, Any], transition: Transition) -> None:
        """Take note that `Flow.step` took a transition."""
        ...

    def committed(self, flow: Flow[Any, Any], before: State, event: Event, after: State) -> None:
        """Take note of an event that this process appended to a journal."""
        ...


#: All observers. Looked at, never copied: it is empty but while something is measured.
OBSERVERS: list[Observer] = []


@contextmanager
def observing(observer: Observer) -> Generator[None]:
    """Tell an observer all that happens in the block.

    Args:
        observer: who is told.
    """
    OBSERVERS.append(observer)
    try:
        yield
    finally:
        OBSERVERS.remove(observer)


@contextmanager
def observing_alone(observer: Observer) -> Generator[None]:
    """Tell nobody but this observer what happens in the block: it is thought through, and not done.

    Args:
        observer: who is told.
    """
    others = list(OBSERVERS)
    OBSERVERS[:] = [observer]
    try:
        yield
    finally:
        OBSERVERS[:] = others
