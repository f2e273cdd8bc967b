"""Functions that answer yes or no about metadata: guards of destinations, and `allow`.

They route and do not change anything: each is asked on a copy, and one that fails counts as no.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable
from typing import Any, get_type_hints

from handoff.declaration.annotations import plain, spell
from handoff.declaration.metadata import Metadata
from handoff.declaration.place import Scope

logger = logging.getLogger("handoff")

Guard = Callable[[Any], bool]


def resolve_hints(function: Callable[..., Any], scope: Scope) -> dict[str, Any]:
    """The annotations of a function as objects, also where they are written as text.

    Args:
        function: the function; names it closes over are known to its annotations.
        scope: where it was declared.

    Raises:
        DefinitionError: an annotation names what is not defined there.
    """
    target = inspect.unwrap(function)
    try:
        return get_type_hints(target, localns={**scope.names, **_closed_over(target)}, include_extras=True)
    except NameError as error:
        raise scope.refuse(
            f"{name_of(function)} has an annotation that names {error.name}, which is not defined here: "
            "import it outside TYPE_CHECKING, or define it before the function"
        ) from None
    except (TypeError, SyntaxError) as error:
        raise scope.refuse(f"{name_of(function)} has an annotation that is no type: {error}") from None


def _closed_over(function: Callable[..., Any]) -> dict[str, Any]:
    """What a function closes over; a name that is assigned only later is left out."""
    found: dict[str, Any] = {}
    if inspect.isfunction(function):
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):
                found[name] = cell.cell_contents
    return found


def name_of(function: Callable[..., Any]) -> str:
    """A function's name for messages."""
    return str(getattr(function, "__name__", type(function).__name__))


def reason_of(guard: Guard) -> str:
    """What the model is told when the guard says no: the first line of its docstring, else its name."""
    text = inspect.getdoc(guard) if inspect.isroutine(guard) else None
    first = text.strip().splitlines()[0].rstrip(".") if text and text.strip() else name_of(guard)
    return "its condition does not hold" if first == "<lambda>" else first


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling the function gives something to await."""
    return any(
        inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in (inspect.unwrap(function), getattr(function, "func", None), type(function).__call__)
    )


def check_guard(guard: Any, role: str, scope: Scope) -> None:
    """Refuse what cannot be asked about this flow's metadata.

    Args:
        guard: what was given as the guard.
        role: what it is, for messages, such as ``the guard of editor``.
        scope: where it was declared.

    Raises:
        DefinitionError: it is no function, is async, or does not take the metadata alone and return a bool.
    """
    metadata = scope.metadata
    if not callable(guard) or isinstance(guard, type):
        raise scope.refuse(f"{role} is {guard!r}: give a function from {metadata.__name__} to bool")
    scope = scope.at(guard)
    role = f"{role}, {name_of(guard)},"
    if is_async(guard):
        raise scope.refuse(f"{role} is async: write a plain function; let a tool find out what it needs")
    parameters = [
        parameter
        for parameter in inspect.signature(guard).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]
    if len(parameters) != 1 or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise scope.refuse(f"{role} must take exactly one argument, the metadata")
    if not inspect.isroutine(guard):
        return
    hints = resolve_hints(guard, scope)
    taken = plain(hints.get(parameters[0].name, Any))
    if not (taken in (Any, object) or (isinstance(taken, type) and issubclass(metadata, taken))):
        raise scope.refuse(f"{role} takes {spell(taken)}, but the metadata here is {metadata.__name__}")
    if plain(hints.get("return", bool)) not in (bool, Any):
        raise scope.refuse(f"{role} returns {spell(hints['return'])}: it must return bool")


def ask(guard: Guard, metadata: Metadata) -> str | None:
    """None if the guard says yes, else the reason why not. A guard that fails says no; the failure is logged."""
    try:
        verdict: object = guard(metadata.model_copy(deep=True))
        if inspect.iscoroutine(verdict):
            verdict.close()
            raise TypeError(f"{name_of(guard)} returned something to await, not a bool")  # noqa: TRY301  (logged alike)
        if verdict:
            return None
    except Exception:
        logger.exception("the guard %s failed and counts as no", name_of(guard))
        return f"{reason_of(guard)} (this could not be checked)"
    return reason_of(guard)
