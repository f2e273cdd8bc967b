"""A large flow: a ring of assistants with many transitions across it, fields that come and go, and guards on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from handoff import Flow, FromMetadata, Metadata


class Large(Metadata):
    first: str | None = None
    second: str | None = None
    third: Literal["a", "b", "c"] | None = None
    fourth: bool = False
    fifth: int | None = None
    sixth: str | None = None


def early(large: Large) -> bool:
    """The third is late."""
    return large.third in {"a", "b"} and not large.fourth


def set_first(first: str) -> str:
    """Set the first."""
    return first


def set_second(first: FromMetadata[str], second: str) -> str:
    """Set the second."""
    return first + second


def set_third(third: Literal["a", "b", "c"]) -> str:
    """Set the third."""
    return third


def set_fourth(*, fourth: bool) -> str:
    """Set the fourth."""
    return str(fourth)


def set_fifth(fifth: int) -> str:
    """Set the fifth."""
    return str(fifth)


def set_sixth(sixth: str) -> str:
    """Set the sixth."""
    return sixth


def move() -> str:
    """Go there."""
    return "Gone."


SETTERS: tuple[tuple[Callable[..., str], str], ...] = (
    (set_first, "first"),
    (set_second, "second"),
    (set_third, "third"),
    (set_fourth, "fourth"),
    (set_fifth, "fifth"),
    (set_sixth, "sixth"),
)
TEXT = "{% if first %}{{ first }}{% endif %}{{ second or third or fifth or 'nothing' }}{% if sixth %}!{% endif %}"


def large_flow(assistants: int, transitions: int, text: str = TEXT) -> Flow[Any, Any]:
    """Return a flow of that size; its transitions are one tool each, every third with a guard and a second way."""
    flow = Flow("large", metadata=Large)
    made = [flow.assistant(f"a{number}", instructions=text) for number in range(assistants)]
    each = transitions // assistants
    for number, assistant in enumerate(made):
        setter, field = SETTERS[number % len(SETTERS)]
        count = 1
        assistant.tool(to=made[(number + 1) % assistants], sets=field)(setter)
        for nth in range(each):
            if count >= each:
                break
            there = made[(number * 7 + nth * 13 + 2) % assistants]
            move.__name__ = f"move{nth}"
            if nth % 3 == 0 and each - count >= 2 and there is not made[number - 1]:
                assistant.tool(to=(there.when(early), made[number - 1]))(move)
                count += 2
            else:
                clears = SETTERS[(number + nth) % 5][1] if nth % 4 == 1 else ""
                options: dict[str, Any] = {"clears": clears} if clears and clears != "fourth" else {}
                assistant.tool(to=there, **options)(move)
                count += 1
    return flow
