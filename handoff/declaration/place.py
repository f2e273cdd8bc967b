"""Where something was declared.

A refused declaration names the user's own line: the nearest frame outside this package, or the line at which the
refused function starts.
"""

from __future__ import annotations

import difflib
import inspect
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from handoff.errors import DefinitionError

if TYPE_CHECKING:
    from types import FrameType

    from handoff.declaration.metadata import Deps, Metadata


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file.

    Attributes:
        file: path as Python reports it.
        line: line number from 1.
    """

    file: str
    line: int

    def refuse(self, problem: str) -> DefinitionError:
        """The error to raise about something declared here."""
        return DefinitionError(problem, file=self.file, line=self.line)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a function is declared, and what its annotations may mean there.

    Attributes:
        metadata: the flow's metadata class.
        deps: the flow's deps class, if it has one.
        names: the local names a function there can mean.
        place: the line.
    """

    metadata: type[Metadata]
    deps: type[Deps] | None
    names: Mapping[str, Any]
    place: Place

    def at(self, function: object) -> Scope:
        """The same, at the line where a function starts."""
        return replace(self, place=place_of(function, self.place))

    def refuse(self, problem: str) -> DefinitionError:
        """The error to raise about something declared here."""
        return self.place.refuse(problem)


def as_given(value: Any) -> Any:
    """The value without its declared type: at run time an author may have given anything."""
    return value


def caller_frame() -> FrameType:
    """The nearest frame that does not run code of this package."""
    # inspect.stack() would read every source file on the way.
    frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and f"{frame.f_globals.get('__name__')}.".startswith("handoff."):
        frame = frame.f_back
    return frame


def names_around(function: object) -> dict[str, Any]:
    """The local names that a function being declared can mean, the nearest first.

    Those of the running functions of its own module: annotations written as text may name what only they know.
    """
    own: object = getattr(inspect.unwrap(function) if callable(function) else function, "__globals__", None)
    frames = [frame for frame, _ in traceback.walk_stack(caller_frame()) if frame.f_globals is own]
    return {name: value for frame in reversed(frames) for name, value in frame.f_locals.items()}


def caller_place() -> Place:
    """The line outside this package that is being run."""
    frame = caller_frame()
    return Place(frame.f_code.co_filename, frame.f_lineno)


def place_of(function: object, otherwise: Place) -> Place:
    """The line at which a function starts; `otherwise` if it is not written in Python."""
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return Place(code.co_filename, code.co_firstlineno) if code is not None else otherwise


def refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...], place: Place) -> None:
    """Refuse keyword options that do not exist, naming the nearest that does.

    Raises:
        DefinitionError: an option in `given` is not among the known ones.
    """
    for option in sorted(given.keys() - set(known)):
        near = difflib.get_close_matches(option, known, n=1)
        hint = f"did you mean {near[0]}=?" if near else f"the options are {', '.join(known)}"
        raise place.refuse(f"there is no option {option}=; {hint}")
