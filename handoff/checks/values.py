"""The values a metadata field can have, as far as a guard can tell them apart: a finite list of cases.

A bool, a Literal and an Enum are listed whole, and unset is a case of its own. What is left of any other type is one
case that says no more than that it is set (and true): a guard that looks closer cannot be decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from handoff.declaration.annotations import JSON, members, plain, takes_none
from handoff.declaration.metadata import Metadata

_EMPTY: Mapping[Any, Any] = {str: "", int: 0, float: 0.0, list: [], dict: {}}
"""The one value of a type that counts as false."""


class UndecidedError(BaseException):
    """A guard asked for what is not known here. No `except Exception` of a guard may swallow it."""


class Something:
    """A set value of which nothing else is known, unless `true` says that it counts as true."""

    __slots__ = ("_true",)

    def __init__(self, *, true: bool) -> None:
        self._true = true

    def __bool__(self) -> bool:
        if not self._true:
            raise UndecidedError
        return True

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        raise UndecidedError

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        raise UndecidedError

    def __getattribute__(self, name: str) -> Any:
        if name == "_true":
            return object.__getattribute__(self, name)
        raise UndecidedError  # also for __class__, which isinstance asks for

    def __repr__(self) -> str:
        return "set"


def _undecided(*_arguments: Any, **_options: Any) -> Any:
    raise UndecidedError


for _name in (
    *("lt", "le", "gt", "ge", "len", "iter", "next", "contains", "getitem", "call", "format", "str", "int", "float"),
    *("index", "add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "floordiv", "mod", "neg", "abs", "round"),
    *("and", "or", "xor", "rand", "ror", "reversed", "enter", "exit"),
):
    setattr(Something, f"__{_name}__", _undecided)


@dataclass(frozen=True, slots=True)
class Domain:
    """The cases of one field.

    Attributes:
        cases: what a guard is shown for each; None is unset.
    """

    cases: tuple[Any, ...]

    @property
    def whole(self) -> int:
        """The mask of all cases: bit n stands for case n."""
        return (1 << len(self.cases)) - 1

    @property
    def unset(self) -> int:
        """The mask of being unset; 0 if the field always has a value."""
        return self.mask(None)

    @property
    def set(self) -> int:
        """The mask of having a value."""
        return self.whole & ~self.unset

    @property
    def empty(self) -> int:
        """The mask of the empty text, list or dict."""
        empty = (number for number, case in enumerate(self.cases) if type(case) in (str, list, dict) and not case)
        return sum(1 << number for number in empty)

    def mask(self, value: Any) -> int:
        """The mask of the case a value belongs to."""
        for number, case in enumerate(self.cases):
            if case is value or (not isinstance(case, Something) and type(case) is type(value) and case == value):
                return 1 << number
        if value is None:
            return 0
        return sum(1 << number for number, case in enumerate(self.cases) if isinstance(case, Something))

    def of(self, annotation: Any) -> int:
        """The mask of the values a narrower type has, None left aside."""
        kept = [one for one in members(annotation) if one not in (None, NoneType)]
        listed = [_listed(one) for one in kept]
        if any(one is None for one in listed):
            return self.set
        return _or(self.mask(value) for values in listed if values for value in values) & self.set or self.set

    def spell(self, number: int) -> str:
        """A case for people."""
        case = self.cases[number]
        if case is None:
            return "unset"
        if isinstance(case, Something):
            return "set"
        return repr(case.value) if isinstance(case, Enum) else repr(case)

    def spell_mask(self, mask: int) -> str:
        """The cases of a mask for people."""
        return " or ".join(self.spell(number) for number in range(len(self.cases)) if mask >> number & 1)


def domains(kind: type[Metadata]) -> dict[str, Domain]:
    """The domain of each field of a metadata class."""
    return {name: _domain(field) for name, field in kind.model_fields.items()}


def initial(kind: type[Metadata], known: Mapping[str, Domain]) -> dict[str, int]:
    """The masks of a new thread's metadata."""
    made = kind()
    return {name: known[name].mask(getattr(made, name)) or known[name].whole for name in known}


def _domain(field: FieldInfo) -> Domain:
    cases: list[Any] = []
    rest: list[bool] = []
    for member in members(field.annotation):
        listed = _listed(member)
        if listed is not None:
            cases += listed
            continue
        if member is JSON:
            cases += [True, False]
        empty, true = _shape(member)
        if empty is not None and _accepts(field, empty):
            cases.append(empty)
        rest.append(true)
    if takes_none(field.annotation):
        cases.append(None)
    distinct: list[Any] = []
    for case in cases:
        if not any(type(case) is type(other) and case == other for other in distinct):
            distinct.append(case)
    if rest:
        distinct.append(Something(true=all(rest)))
    return Domain(tuple(distinct))


def _listed(member: Any) -> list[Any] | None:
    """All values of a type, or None if they are not listed."""
    if member in (None, NoneType):
        return [None]
    if member is bool:
        return [True, False]
    if get_origin(member) is Literal:
        values = list(get_args(member))
    elif isinstance(member, type) and issubclass(member, Enum):
        values = list(member)
    else:
        return None
    return values


def _shape(member: Any) -> tuple[Any, bool]:
    """The one false value of a type, if it has one, and whether all others are true."""
    kind: Any = get_origin(plain(member)) or plain(member)
    if kind in _EMPTY:
        return _EMPTY[kind], True
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return None, not (hasattr(kind, "__bool__") or hasattr(kind, "__len__"))
    return None, False


def _accepts(field: FieldInfo, value: Any) -> bool:
    """Whether the field takes the value as it is."""
    annotation: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    try:
        return bool(TypeAdapter(annotation).validate_python(value) == value)
    except ValidationError:
        return False


def _or(masks: Any) -> int:
    total = 0
    for mask in masks:
        total |= mask
    return total
