"""What a guard answers, found by asking it about every case of the fields it reads.

It is asked only if its code shows that its answer depends on the metadata alone (`handoff.checks.purity`). A case that
is not known well enough for it gives no answer, which is kept as such: nothing is guessed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType, MethodType
from typing import Any

from pydantic import BaseModel

from handoff.checks.purity import impurity
from handoff.checks.values import Domain, Something, UndecidedError
from handoff.declaration.guards import name_of
from handoff.declaration.metadata import Metadata
from handoff.declaration.place import Place, place_of

MOST_ASKED = 4096
"""A guard is asked at most this often."""

State = Mapping[str, int]
"""What a field can be, by field: a mask of the cases of its domain."""


@dataclass(frozen=True, slots=True)
class Branch:
    """What a guard answers in one case.

    Attributes:
        given: the case of each field it reads, by field.
        answer: its answer; None if it is not known.
        failed: it raised, which counts as no.
    """

    given: Mapping[str, int]
    answer: bool | None
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """All that is known about a guard.

    Attributes:
        guard: the guard.
        name: its name.
        place: the line it stands at.
        branches: its answers, together over all cases.
        unknown: why some answers are not known; empty if all are.
    """

    guard: Callable[[Any], bool]
    name: str
    place: Place
    branches: tuple[Branch, ...]
    unknown: str = ""
    fields: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        read = dict.fromkeys(name for branch in self.branches for name in branch.given)
        object.__setattr__(self, "fields", tuple(read))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The name of the parameter it takes the metadata in; none if it is not written in Python."""
        code = getattr(self.guard, "__code__", None)
        first = 1 if isinstance(self.guard, MethodType) else 0
        return tuple(code.co_varnames[: code.co_argcount][first : first + 1]) if code is not None else ()

    def answers(self, state: State) -> set[bool | None]:
        """What it can answer in a state."""
        return {branch.answer for branch in self.possible(state)}

    def possible(self, state: State) -> list[Branch]:
        """The branches that can occur in a state."""
        return [one for one in self.branches if all(state[name] >> case & 1 for name, case in one.given.items())]

    def refine(self, state: State, *, wanted: bool) -> dict[str, int] | None:
        """What is left of a state once the guard has answered so; None if it cannot."""
        branches = [one for one in self.possible(state) if one.answer in (wanted, None)]
        if not branches:
            return None
        refined = dict(state)
        for name in self.fields:
            mask = 0
            for branch in branches:
                mask |= 1 << branch.given[name] if name in branch.given else state[name]
            refined[name] &= mask
        return refined


def decide(guard: Callable[[Any], bool], kind: type[Metadata], known: Mapping[str, Domain], place: Place) -> Decision:
    """Ask a guard about every case.

    Args:
        guard: the guard.
        kind: the metadata class.
        known: the domain of each field.
        place: where it was given, for a guard without a line of its own.
    """
    place = place_of(guard, place)
    name = name_of(guard)
    if name == "<lambda>":
        name = f"the lambda in line {place.line}"
    try:
        reason = impurity(guard, kind)
    except RecursionError:
        reason = "it calls too deeply"
    if reason:
        return Decision(guard, name, place, (Branch({}, None),), reason)
    branches: list[Branch] = []
    waiting: list[dict[str, int]] = [{}]
    asked = 0
    while waiting:
        given = waiting.pop()
        asked += 1
        if asked > MOST_ASKED:
            return Decision(guard, name, place, (Branch({}, None),), "it tells too many cases apart")
        outcome = _ask(guard, kind, known, given)
        if isinstance(outcome, str):
            waiting += [{**given, outcome: case} for case in reversed(range(len(known[outcome].cases)))]
        else:
            branches.append(outcome)
    vague = next((one for one in branches if one.answer is None), None)
    reason = "" if vague is None else f"its answer depends on more than whether {_listed(vague.given, known)}"
    return Decision(guard, name, place, tuple(branches), reason)


def jointly(asked: Iterable[tuple[Decision, Iterable[bool | None]]], state: State) -> dict[str, int] | None:
    """A case of each field in which several guards answer as wanted, or None if there is none.

    Args:
        asked: guards, each with the answers that will do.
        state: what the fields can be.

    Raises:
        UndecidedError: there are too many cases to try.
    """
    found: list[dict[str, int]] = [{}]
    for decision, wanted in asked:
        fitting = [one.given for one in decision.possible(state) if one.answer in tuple(wanted)]
        found = [
            {**before, **given}
            for before in found
            for given in fitting
            if all(before.get(name, case) == case for name, case in given.items())
        ]
        if len(found) > MOST_ASKED:
            raise UndecidedError
        if not found:
            return None
    return found[0]


class _NeedsError(BaseException):
    """A guard reads a field of which no case was chosen yet."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Shown:
    """What a guard is asked about: looks like the metadata, and knows only the fields it is given."""

    __slots__ = ("_kind", "_values")

    def __init__(self, kind: type[Metadata], values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_kind", kind)
        object.__setattr__(self, "_values", values)

    def __getattribute__(self, name: str) -> Any:
        kind: type[Metadata] = object.__getattribute__(self, "_kind")
        if name == "__class__":
            return kind
        values: Mapping[str, Any] = object.__getattribute__(self, "_values")
        if name in values:
            return values[name]
        if name in kind.model_fields:
            raise _NeedsError(name)
        own = inspect.getattr_static(kind, name, None)
        inherited = inspect.getattr_static(BaseModel, name, None)
        if own is not None and own is not inherited:
            if isinstance(own, property) and own.fget is not None:
                return own.fget(self)
            if isinstance(own, FunctionType):
                return MethodType(own, self)
        raise UndecidedError

    def __setattr__(self, name: str, value: Any) -> None:
        raise UndecidedError

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        raise UndecidedError

    def __hash__(self) -> int:
        raise UndecidedError

    def __iter__(self) -> Any:
        raise UndecidedError

    def __repr__(self) -> str:
        raise UndecidedError


def _ask(
    guard: Callable[[Any], bool], kind: type[Metadata], known: Mapping[str, Domain], given: Mapping[str, int]
) -> Branch | str:
    """The branch of a case, or the name of a field that has to be chosen first."""
    values = {name: known[name].cases[case] for name, case in given.items()}
    vague = any(isinstance(value, Something) for value in values.values())
    try:
        answer = bool(guard(_Shown(kind, values)))
    except _NeedsError as needed:
        return needed.name
    except UndecidedError:
        return Branch(given, None)
    except Exception as error:  # noqa: BLE001  (a guard may raise anything, and then it says no)
        # Built-in code may have stumbled over what only stands for a value.
        return Branch(given, None) if vague else Branch(given, answer=False, failed=f"{type(error).__name__}: {error}")
    return Branch(given, answer)


def _listed(given: Mapping[str, int], known: Mapping[str, Domain]) -> str:
    if not given:
        return "fields are set"
    return " and ".join(f"{name} is {known[name].spell(case)}" for name, case in given.items())
