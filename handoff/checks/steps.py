"""What can happen at an assistant, in terms of the metadata: a call, and a step to the next assistant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from handoff.checks.decisions import Decision
from handoff.checks.findings import Hop
from handoff.checks.values import Domain
from handoff.declaration.assistants import Transition
from handoff.declaration.tools import Tool


@dataclass(frozen=True, slots=True)
class Asked:
    """A guard on the way, and the answer that lets the step happen.

    Attributes:
        decision: the guard.
        wanted: the answer.
    """

    decision: Decision
    wanted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A tool at an assistant, as something that happens to the metadata.

    Attributes:
        assistant: name of the assistant.
        tool: the tool.
        allow: its `allow`, if it has one.
        effects: what the fields it changes are afterwards.
        kept: those of them that the body may also leave as they are.
    """

    assistant: str
    tool: Tool
    allow: Decision | None
    effects: Mapping[str, int]
    kept: frozenset[str]

    def begun(self, state: Mapping[str, int], known: Mapping[str, Domain]) -> dict[str, int] | None:
        """The state in which its body starts; None if it cannot be called."""
        begun = dict(state)
        for name in self.tool.reads:
            begun[name] &= known[name].set
            if not begun[name]:
                return None
        return begun if self.allow is None else self.allow.refine(begun, wanted=True)

    def without_allow(self) -> Call:
        """The same call, not asking `allow`."""
        return replace(self, allow=None)

    def applied(self, state: Mapping[str, int], known: Mapping[str, Domain]) -> dict[str, int] | None:
        """The state after its patch; None if it cannot be called."""
        begun = self.begun(state, known)
        if begun is None:
            return None
        before = {name: begun[name] & known[name].set for name in self.kept}
        begun.update(self.effects)
        for name, mask in before.items():
            begun[name] |= mask
        return begun


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One way the thread can go on.

    Attributes:
        source: name of the assistant it starts at.
        dest: name of the assistant that is active afterwards; the same one if the thread stays.
        trigger: the tool's name, ``then``, ``after:<seconds>`` or ``on_limit``.
        call: the call that causes it, if one does.
        transition: the transition it takes; None if the thread stays with what a call changed.
        asked: the guards asked after the call's patch, in order.
        guard: that of its own destination, if it has one; the last in `asked`.
        followers: calls of the same response that still run after this one.
    """

    source: str
    dest: str
    trigger: str
    call: Call | None
    transition: Transition | None
    asked: tuple[Asked, ...] = ()
    guard: Decision | None = None
    followers: tuple[Call, ...] = ()

    @property
    def call_clears(self) -> tuple[str, ...]:
        """The fields its call clears."""
        return self.call.tool.clears if self.call is not None else ()

    @property
    def hop(self) -> Hop:
        """The step in a path."""
        return Hop(self.source, self.trigger, self.dest)

    def open_at(self, previous: str) -> bool:
        """Whether it can be taken with that assistant active before: a way back leads to no other."""
        return self.transition is None or not self.transition.back or self.dest == previous

    def judged(self, state: Mapping[str, int], known: Mapping[str, Domain]) -> dict[str, int] | None:
        """The state in which its guards are asked; None if it is not reached."""
        return dict(state) if self.call is None else self.call.applied(state, known)

    def taken(self, state: Mapping[str, int], known: Mapping[str, Domain]) -> dict[str, int] | None:
        """The state once it is taken, before what follows in the same response; None if it cannot be taken."""
        after = self.judged(state, known)
        for one in self.asked:
            if after is None:
                return None
            after = one.decision.refine(after, wanted=one.wanted)
        return after
