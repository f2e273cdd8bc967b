"""The flow's table and referee: one `transitions.Machine` for a flow, shared by all its threads.

It is fired on a cursor that holds nothing but a state, and is the only thing that decides a destination; its three ways
of saying no become one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from transitions.core import EventData, Machine, MachineError
from transitions.core import Transition as MachineRow

from handoff.declaration.assistants import Transition
from handoff.declaration.guards import ask
from handoff.declaration.metadata import Metadata


@dataclass(slots=True)
class Question:
    """What one firing is asked about, and what came of it.

    Attributes:
        metadata: what guards are asked about.
        previous: the assistant active before, for ways back.
        go: the destination the body chose; None takes the first that may be taken.
        blocked: why the core forbids a transition, or None.
        refusals: the reasons given so far, in the order of the destinations.
        taken: the transition that was taken.
        told: called with what each guard said; None if nobody wants to know.
    """

    metadata: Metadata
    previous: str | None = None
    go: str | None = None
    blocked: Callable[[Transition], str | None] | None = None
    refusals: list[str] = field(default_factory=list[str])
    taken: Transition | None = None
    told: Callable[[Transition, bool], None] | None = None


class Cursor:
    """Where a firing starts and ends."""

    __slots__ = ("state",)

    def __init__(self, state: str) -> None:
        self.state = state


class Row(MachineRow):
    """A row of the Machine that says which declared transition it is."""

    def __init__(self, *arguments: Any, declared: Transition, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.declared = declared

    def execute(self, event_data: EventData) -> bool:
        """Try this row; when it is taken, note so in the question."""
        taken = super().execute(event_data)
        if taken:
            event_data.kwargs["question"].taken = self.declared
        return taken


class Table(Machine):
    """A flow's Machine."""

    transition_cls = Row


def build(states: Iterable[str], initial: str, rows: Iterable[Transition]) -> Table:
    """The Machine of a flow.

    Args:
        states: names of all assistants, the end included.
        initial: the first assistant; one of `states`.
        rows: the concrete transitions, those of one trigger in the order they are tried.
    """
    table = Table(model=None, states=list(states), initial=initial, auto_transitions=False, send_event=True)
    for row in rows:
        table.add_transition(
            row.trigger,
            row.source,
            row.dest,
            conditions=[_chosen(row), _guarded(row), _unblocked(row)],
            declared=row,
        )
    return table


def fire(table: Table, source: str, trigger: str, question: Question) -> Transition | None:
    """The transition the Machine takes, or None; then `question.refusals` says why."""
    if trigger not in table.events or source not in table.states:
        return None
    try:
        moved = table.events[trigger].trigger(Cursor(source), question=question)
    except MachineError:
        return None
    return question.taken if moved else None


def _chosen(row: Transition) -> Callable[[EventData], bool]:
    """Whether this row is meant: by the body's choice, and towards whoever was active before."""

    def chosen(event_data: EventData) -> bool:
        question: Question = event_data.kwargs["question"]
        if row.back and row.dest != question.previous:
            return False
        return question.go is None or question.go == ("back" if row.back else row.dest)

    return chosen


def _guarded(row: Transition) -> Callable[[EventData], bool]:
    """Whether the guard says yes."""

    def guarded(event_data: EventData) -> bool:
        question: Question = event_data.kwargs["question"]
        if row.guard is None:
            return True
        refusal = ask(row.guard, question.metadata)
        if question.told is not None:
            question.told(row, refusal is None)
        return _noted(question, refusal)

    return guarded


def _unblocked(row: Transition) -> Callable[[EventData], bool]:
    """Whether the core lets it be taken."""

    def unblocked(event_data: EventData) -> bool:
        question: Question = event_data.kwargs["question"]
        return _noted(question, question.blocked(row) if question.blocked is not None else None)

    return unblocked


def _noted(question: Question, refusal: str | None) -> bool:
    if refusal is not None and refusal not in question.refusals:
        question.refusals.append(refusal)
    return refusal is None
