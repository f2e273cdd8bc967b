"""The one table that all pictures are written from: a box for each assistant, an arrow for each transition.

It holds texts and marks only, so that what a renderer is given can be anything at all, and it must cope.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from handoff.declaration.assistants import END, Transition
from handoff.declaration.flow import Flow
from handoff.declaration.guards import name_of

#: Texts as they are.
_AS_IS: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Box:
    """An assistant, or the end of the flow."""

    #: The assistant's name.
    name: str
    #: The one sentence that the other assistants are told about it.
    description: str = ""
    #: Threads start here.
    initial: bool = False
    #: The thread is closed here.
    end: bool = False
    #: The thread can rest here until the user speaks: no reply of this assistant is sure to hand it on.
    waits: bool = False
    #: It is the active assistant of the thread that is shown.
    active: bool = False
    #: It is marked in red, such as by what tests have missed.
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """A transition."""

    #: Its key in the flow.
    transition: str
    #: Name of the assistant it leaves.
    source: str
    #: Name of the assistant it goes to.
    dest: str
    #: What triggers it, as people read it.
    trigger: str
    #: Name of its guard.
    guard: str | None = None
    #: Name of the condition under which the tool that triggers it is offered.
    allow: str | None = None
    #: How often it may be taken between two user messages.
    times: int | None = None
    #: The call that triggers it waits, or may wait, for a person's approval.
    approval: bool = False
    #: It is taken only towards the assistant that was active before.
    back: bool = False
    #: How often the thread that is shown took it; None without a thread.
    taken: int | None = None
    #: It is the one that thread took last.
    latest: bool = False
    #: It is marked in red, such as by what tests have missed.
    missed: bool = False

    def label(self, escaped: Callable[[str], str] = _AS_IS) -> str:
        """Return what stands beside it: trigger, conditions in brackets, how often it was taken.

        Args:
            escaped: makes a name safe for the language of the picture.
        """
        conditions = [escaped(name) for name in (self.allow, self.guard) if name is not None]
        conditions += [f"at most {self.times}"] if self.times is not None else []
        conditions += ["back"] if self.back else []
        conditions += ["approval"] if self.approval else []
        text = escaped(self.trigger)
        if conditions:
            text += f" [{', '.join(conditions)}]"
        return f"{text} ×{self.taken}" if self.taken else text


@dataclass(frozen=True, slots=True)
class Diagram:
    """A flow, perhaps with one thread's way through it."""

    #: The flow's name.
    flow: str
    #: The assistants in the order they were declared, the end last.
    boxes: tuple[Box, ...]
    #: The transitions in the order they are tried.
    arrows: tuple[Arrow, ...]
    #: How many transitions of the thread the flow does not declare any more; they are not shown.
    gone: int = 0

    def marked(self, assistants: Iterable[str] = (), transitions: Iterable[str] = ()) -> Diagram:
        """Return it with these in red.

        Args:
            assistants: names.
            transitions: keys.
        """
        names, keys = set(assistants), set(transitions)
        return replace(
            self,
            boxes=tuple(replace(box, missed=box.name in names) for box in self.boxes),
            arrows=tuple(replace(arrow, missed=arrow.transition in keys) for arrow in self.arrows),
        )


def diagram_of(flow: Flow[Any, Any]) -> Diagram:
    """Return the table of a flow. Freezes the flow.

    Args:
        flow: the declaration.
    """
    transitions = flow.transitions
    passes = {one.source for one in transitions if one.kind == "then" and one.guard is None and one.times is None}
    boxes = [
        Box(name, assistant.description, initial=assistant is flow.initial, waits=name not in passes)
        for name, assistant in flow.assistants.items()
    ]
    if any(one.dest == END for one in transitions):
        boxes.append(Box(END, end=True))
    return Diagram(flow.name, tuple(boxes), tuple(_arrow(flow, one) for one in transitions))


def _arrow(flow: Flow[Any, Any], transition: Transition) -> Arrow:
    tool = flow.tool_named(transition.source, transition.trigger) if transition.kind == "tool" else None
    return Arrow(
        transition.key,
        transition.source,
        transition.dest,
        transition.trigger if transition.delay is None else f"after {_spelled(transition.delay)}",
        transition.guard_name,
        name_of(tool.allow) if tool is not None and tool.allow is not None else None,
        transition.times,
        approval=tool is not None and tool.approval is not False,
        back=transition.back,
    )


def _spelled(delay: timedelta) -> str:
    """Return a silence as people say it, such as ``1 h 30 min`` or ``2 d``."""
    minutes, seconds = divmod(delay.total_seconds(), 60)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{count:g} {unit}" for count, unit in parts if count)
