"""What one operation is given and gives back, and the pages of a list: the same on every API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from handoff.sandbox.rules import refused
from handoff.sandbox.world import Event, Wire, World

LIMIT_DEFAULT, LIMIT_MOST = 20, 100
TRUE: Final = ("true", "1")


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    #: The sandbox.
    world: World
    #: What is asked for, as the SDK calls it: `responses.create`.
    operation: str
    #: The ids in the path.
    path: Mapping[str, str] = field(default_factory=dict[str, str])
    #: What stands behind the question mark.
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    #: The body, checked.
    body: Wire = field(default_factory=Wire)


@dataclass(frozen=True, slots=True)
class Stream:
    """Server-sent events instead of one object. Closing `events` is what a client does that hangs up."""

    #: The events.
    events: AsyncGenerator[Event, None]
    #: What is sent when they are over, without a JSON object.
    last: Sequence[tuple[str | None, str]] = ()


def page(call: Call, objects: Sequence[Wire], *, order: str = "desc") -> Wire:
    """Return one page of a list.

    Args:
        call: the request, whose query says which page.
        objects: all there are, oldest first.
        order: the order where the query names none.

    Raises:
        Refused: the query cannot be read, or names an object that is not in the list.
    """
    wanted = call.query.get("order", order)
    if wanted not in ("asc", "desc"):
        raise refused("field_value", param="order", problem=f"{wanted!r} is neither 'asc' nor 'desc'")
    limit = whole(call, "limit", LIMIT_DEFAULT)
    if not 1 <= limit <= LIMIT_MOST:
        raise refused("field_value", param="limit", problem=f"{limit} is not from 1 to {LIMIT_MOST}")
    listed = [*objects] if wanted == "asc" else [*reversed(objects)]
    ids = [one["id"] for one in listed]
    start, stop = 0, len(listed)
    if "after" in call.query:
        start = _place(ids, call.query["after"], "after") + 1
    before = call.query.get("before")
    if before is not None:
        stop = _place(ids, before, "before")
        start = max(start, stop - limit)
    shown = listed[start:stop][:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else "",
        "last_id": shown[-1]["id"] if shown else "",
        "has_more": start > 0 if before is not None else start + len(shown) < stop,
    }


def whole(call: Call, name: str, otherwise: int) -> int:
    """Return a whole number of the query.

    Args:
        call: the request.
        name: which.
        otherwise: the number if the query names none.

    Raises:
        Refused: it is no whole number.
    """
    given = call.query.get(name)
    if given is None:
        return otherwise
    try:
        return int(given)
    except ValueError as error:
        raise refused("field_type", param=name, problem="expected an integer") from error


def _place(ids: Sequence[str], id: str, param: str) -> int:  # noqa: A002 - as the wire calls it
    try:
        return ids.index(id)
    except ValueError as error:
        raise refused("field_value", param=param, problem=f"there is no {id!r} in this list") from error
