"""Where the flow may go: what `to`, `then`, `after` and `on_limit` declare.

Once all assistants are known this comes to concrete transitions. A way back (`Flow.back`) becomes one transition to
each assistant that can have been active before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from handoff.declaration.assistants import BACK, END, Assistant, Destination, Kind, Speak, Transition
from handoff.declaration.place import Place

if TYPE_CHECKING:
    from handoff.declaration.flow import Flow

ON_LIMIT = "on_limit"
EVERYWHERE = "*"
"""Source of what leads from every assistant but its destination."""


@dataclass(frozen=True, slots=True)
class Route:
    """One declaration: a trigger at an assistant and its destinations in the order they are tried.

    Attributes:
        source: name of the assistant; ``*`` for every one but the destinations.
        trigger: the trigger's name.
        kind: what triggers it.
        destinations: where it leads.
        speak: whether the new assistant speaks at once.
        delay: the silence that triggers it, for the kind ``after``.
        place: where it was declared.
    """

    source: str
    trigger: str
    kind: Kind
    destinations: tuple[Destination[Any], ...]
    speak: Speak = True
    delay: timedelta | None = None
    place: Place | None = None

    def transition(self, source: str, destination: Destination[Any], dest: str) -> Transition:
        """The transition from `source` to `dest` that `destination` comes to."""
        back = destination.assistant.name == BACK
        return Transition(
            key=f"{source}.{self.trigger}->{BACK + ':' if back and dest != BACK else ''}{dest}",
            trigger=self.trigger,
            source=source,
            dest=dest,
            kind=self.kind,
            guard=destination.guard,
            times=destination.times,
            speak=self.speak,
            delay=self.delay,
            back=back,
            place=self.place,
        )


class Routes:
    """The routes of a flow that no tool triggers; those of tools are added at the freeze."""

    def __init__(self, flow: Flow[Any, Any]) -> None:
        self._flow = flow
        self._declared: dict[tuple[str, str], Route] = {}

    def declare(
        self,
        source: Assistant[Any] | None,
        kind: Kind,
        to: object,
        *,
        place: Place,
        speak: Speak = True,
        delay: timedelta | None = None,
    ) -> Transition:
        """Add a route; None as its source is every assistant but the destinations.

        Raises:
            DefinitionError: it cannot work, or the trigger has destinations at this assistant already.
        """
        self._flow.require_open(place)
        if source is not None:
            require_source(source, place)
        if kind == "after" and not (isinstance(delay, timedelta) and delay > timedelta(0)):
            raise place.refuse(f"after({delay!r}): give a timedelta above zero, the silence to wait for")
        if speak not in (True, False):
            raise place.refuse(f"speak={speak!r}: {kind} has no output to speak; give True or False")
        trigger = {"after": after_trigger(delay) if delay else "", "limit": ON_LIMIT}.get(kind, kind)
        name = source.name if source is not None else EVERYWHERE
        if (name, trigger) in self._declared:
            owner = self._flow.name if source is None else name
            raise place.refuse(f"{owner} has {trigger} already: give all destinations in one declaration")
        destinations = read_destinations(self._flow, to, place, what=trigger)
        route = Route(name, trigger, kind, destinations, speak, delay, place)
        self._declared[name, trigger] = route
        return route.transition(name, destinations[0], destinations[0].assistant.name)

    def all(self, assistants: Iterable[str]) -> Iterator[Route]:
        """The declared routes, each at one assistant."""
        names = tuple(assistants)
        for route in self._declared.values():
            reached = {destination.assistant.name for destination in route.destinations}
            sources = [name for name in names if name not in reached] if route.source == EVERYWHERE else [route.source]
            for source in sources:
                yield replace(route, source=source)


def after_trigger(delay: timedelta) -> str:
    """The trigger's name for a silence."""
    seconds = delay.total_seconds()
    return f"after:{int(seconds) if seconds.is_integer() else seconds!r}"


def require_source(assistant: Assistant[Any], place: Place) -> None:
    """Refuse `Flow.end` and `Flow.back` where an assistant that acts is needed.

    Raises:
        DefinitionError: it is one of them.
    """
    if assistant.name in (END, BACK):
        raise place.refuse(
            f"flow.{assistant.name} is only a destination: it has no tools and no transitions of its own"
        )


def is_assistant(value: object) -> TypeGuard[Assistant[Any]]:
    """Whether the value is an assistant."""
    return isinstance(value, Assistant)


def is_destination(value: object) -> TypeGuard[Destination[Any]]:
    """Whether the value is a destination."""
    return isinstance(value, Destination)


def read_destinations(
    flow: Flow[Any, Any], to: object, place: Place, *, what: str, chooses: bool = False
) -> tuple[Destination[Any], ...]:
    """The destinations in what an author wrote.

    Args:
        flow: the flow they must belong to.
        to: an assistant, a destination, or several in a tuple.
        place: where it was written.
        what: the trigger, for messages.
        chooses: the body may return `Go`, so that each destination can be reached whatever stands before it.

    Raises:
        DefinitionError: one is no assistant of this flow, is given twice, or can never be reached.
    """
    given: tuple[Any, ...] = tuple(cast("tuple[Any, ...]", to)) if isinstance(to, (tuple, list)) else (to,)
    destinations: list[Destination[Any]] = []
    for one in given:
        destination: Any = Destination(one) if is_assistant(one) else one
        if not is_destination(destination):
            raise place.refuse(f"{what} leads to {one!r}: give an assistant of {flow.name}, or assistant.when(...)")
        name = destination.assistant.name
        if destination.assistant.flow is not flow:
            other = destination.assistant.flow
            which = other.name if other.name != flow.name else f"another flow that is also called {other.name}"
            raise place.refuse(f"{what} leads to {name} of {which}: give an assistant of this flow, {flow.name}")
        if any(before.assistant is destination.assistant for before in destinations):
            raise place.refuse(f"{what} leads to {name} twice: put both conditions in one guard")
        first = next((before for before in destinations if before.guard is None and before.times is None), None)
        if first is not None and not chooses and first.assistant.name != BACK:
            raise place.refuse(
                f"{what} never gets to {name}, because {first.assistant.name} before it has no condition: "
                f"write {first.assistant.name}.when(...), or return Go(...) and say so in the return annotation"
            )
        destinations.append(destination)
    if not destinations:
        raise place.refuse(f"{what} has an empty list of destinations: name one, or leave it out")
    return tuple(destinations)


def expand(routes: Iterable[Route], assistants: Iterable[str]) -> tuple[Transition, ...]:
    """The concrete transitions of all routes, in the order they are tried.

    A way back leads to every assistant from which this one can have been reached, ways back included. One pass finds
    them: taking a way back from here to there adds here to what was before there, and there is before here already.
    """
    routes = tuple(routes)
    before: dict[str, set[str]] = {name: set() for name in assistants}
    for route in routes:
        for destination in route.destinations:
            if destination.assistant.name in before:
                before[destination.assistant.name].add(route.source)
    for source in {route.source for route in routes for one in route.destinations if one.assistant.name == BACK}:
        for reached in before[source]:
            before[reached].add(source)
    return tuple(_concrete(routes, before))


def _concrete(routes: Iterable[Route], before: Mapping[str, set[str]]) -> Iterator[Transition]:
    for route in routes:
        for destination in route.destinations:
            if destination.assistant.name != BACK:
                yield route.transition(route.source, destination, destination.assistant.name)
                continue
            for name in before:
                if name in before[route.source] and name != route.source:
                    yield route.transition(route.source, destination, name)
