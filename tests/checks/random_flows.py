"""Small random flows, and what really happens in them: every thread is walked through with concrete metadata."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal

from handoff import Flow, FromMetadata, Metadata
from handoff.declaration.flow import Denied, Transition


class Facts(Metadata):
    text: str | None = None
    kind: Literal["a", "b"] | None = None
    ready: bool = False


VALUES: dict[str, tuple[Any, ...]] = {"text": ("", "x"), "kind": ("a", "b"), "ready": (True, False)}


def has_text(facts: Facts) -> bool:
    """There is no text."""
    return facts.text is not None


def no_text(facts: Facts) -> bool:
    """There is a text."""
    return not facts.text


def is_a(facts: Facts) -> bool:
    """It is no a."""
    return facts.kind == "a"


def not_a(facts: Facts) -> bool:
    """It is an a."""
    return facts.kind != "a"


def ready(facts: Facts) -> bool:
    """It is not ready."""
    return facts.ready


def ready_b(facts: Facts) -> bool:
    """It is no ready b."""
    return facts.ready and facts.kind is not None and facts.kind != "a"


GUARDS: tuple[Callable[[Facts], bool], ...] = (has_text, no_text, is_a, not_a, ready, ready_b)


def plain() -> str:
    """Do nothing."""
    return ""


def with_text(text: str) -> str:
    """Set the text."""
    return text


def with_kind(kind: Literal["a", "b"]) -> str:
    """Set the kind."""
    return kind


def with_ready(*, ready: bool) -> str:
    """Set whether it is ready."""
    return str(ready)


def make_ready(facts: Facts) -> str:
    """Make it ready."""
    facts.ready = True
    return "ready"


def may_make_ready(facts: Facts) -> str:
    """Make it ready if there is a text."""
    if facts.text:
        facts.ready = True
    return "tried"


def needs_text(text: FromMetadata[str]) -> str:
    """Read the text."""
    return text


def needs_kind(kind: FromMetadata[Literal["a", "b"]], text: str) -> str:
    """Read the kind and set the text."""
    return kind + text


SETS: dict[Callable[..., str], tuple[str, ...]] = {
    plain: (),
    with_text: ("text",),
    with_kind: ("kind",),
    with_ready: ("ready",),
    make_ready: ("ready",),
    may_make_ready: ("ready",),
    needs_text: (),
    needs_kind: ("text",),
}


ASKING = "{% if text %}There is a text.{% endif %}{% if kind %}There is a kind.{% endif %}"
"""Has a part for each field that can be unset."""


def random_flow(seed: int) -> Flow[Any, Any]:
    """Return a flow drawn with that seed: 2 to 4 assistants, up to 3 tools each, and some `then`."""
    draw = random.Random(seed)  # noqa: S311  (a test wants the same draw again)
    flow = Flow("drawn", metadata=Facts)
    made = [flow.assistant(f"a{number}", instructions=ASKING) for number in range(draw.randint(2, 4))]

    def somewhere() -> Any:
        dests = draw.sample(made, draw.randint(1, min(3, len(made))))
        return tuple(
            one.when(draw.choice(GUARDS)) if nth < len(dests) - 1 or draw.random() < 0.5 else one
            for nth, one in enumerate(dests)
        )

    for assistant in made:
        for function in draw.sample(list(SETS), draw.randint(1, 3)):
            options: dict[str, Any] = {"sets": SETS[function]} if SETS[function] else {}
            clearable = [name for name in ("text", "kind") if name not in SETS[function]]
            if draw.random() < 0.4:
                options["clears"] = draw.choice(clearable)
            if draw.random() < 0.3:
                options["allow"] = draw.choice(GUARDS)
            if draw.random() < 0.7:
                options["to"] = somewhere()
            assistant.tool(**options)(function)
        if draw.random() < 0.4:
            assistant.then(*somewhere())
    return flow


Spot = tuple[str, str | None, str | None, bool]
"""An assistant and the metadata there."""


def walked(flow: Flow[Any, Any]) -> tuple[set[Spot], set[str]]:
    """Walk every thread: the spots where a run can start, and the keys of the transitions taken."""
    start = (flow.initial.name, *Facts().model_dump().values())
    found = {start}
    taken: set[str] = set()
    waiting = deque(found)
    while waiting:
        name, *values = waiting.popleft()
        for trigger, after in _after(flow, name, Facts(**dict(zip(VALUES, values, strict=True)))):
            verdict = flow.judge(name, trigger, after) if _has(flow, name, trigger) else Denied("")
            if isinstance(verdict, Transition):
                taken.add(verdict.key)
            dest = name if isinstance(verdict, Denied) else verdict.dest
            spot = (dest, *after.model_dump().values())
            if spot not in found:
                found.add(spot)
                waiting.append(spot)
    return found, taken


def _has(flow: Flow[Any, Any], name: str, trigger: str) -> bool:
    return any((row.source, row.trigger) == (name, trigger) for row in flow.transitions)


def _after(flow: Flow[Any, Any], name: str, facts: Facts) -> Iterator[tuple[str, Facts]]:
    """The triggers at an assistant, each with the metadata its success would leave."""
    if _has(flow, name, "then"):
        yield "then", facts
    for tool in flow.tools_of(name).values():
        if tool.unavailable(facts) is not None:
            continue
        arguments = [one for one in tool.sets if tool.function not in (make_ready, may_make_ready)]
        for values in itertools.product(*(VALUES[one] for one in arguments)):
            after = facts.model_copy(update=dict(zip(arguments, values, strict=True)))
            if tool.function in (make_ready, may_make_ready):
                tool.function(after)
            yield tool.name, after.model_copy(update=dict.fromkeys(tool.clears))
