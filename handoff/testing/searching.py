"""The shortest ways a thread can go to whatever is to be covered, found by thinking the flow through.

From each moment everything is tried that can happen there, the ways with the fewest steps first. Moments in which the
thread could only go on alike are one. What is left over was not reached, and the caller is told why the search ended.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from handoff.core.state import Phase
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Metadata
from handoff.declaration.tools import Tool
from handoff.errors import ConfigurationError
from handoff.limits import Limits
from handoff.testing.choices import Choices
from handoff.testing.recording import OUTCOMES, outcome_item
from handoff.testing.rehearsal import (
    Action,
    ModelCalls,
    ModelCallsSlowly,
    ModelIsCutOff,
    ModelMiscalls,
    ModelReplies,
    Moment,
    PersonApproves,
    Pretence,
    Rehearsal,
    ResultComesLate,
    UserSpeaks,
    silence_of,
)

#: A search ends after this many ways on were tried.
MOST_TRIED = 50_000

Goal: TypeAlias = tuple[str, ...]
"""Something to cover: ``("transitions", key)``, ``("pairs", key, key)``, or the item of a guard or an outcome."""

Way: TypeAlias = tuple[tuple[Action, Moment], ...]
"""What happens, and where the thread stands after each."""


@dataclass(frozen=True, slots=True)
class Node:
    """A moment and the way to it."""

    moment: Moment
    way: Way = ()
    #: The user has just spoken: everything may still be done with all bounds in hand.
    fresh: bool = False
    #: The key of the last transition.
    last: str = ""
    #: What the last stretch of the way covered.
    goals: tuple[Goal, ...] = ()
    #: Nothing is tried out from here.
    ends: bool = False


class Search:
    """A search from one start.

    Args:
        flow: the declaration, frozen.
        rehearsal: how the flow is thought through.
        choices: what tools can be given and can do.
        pairs: pairs of transitions are told apart.
        deep: tools are called also where the thread could come to rest first: all bounds count.
    """

    def __init__(
        self, flow: Flow[Any, Any], rehearsal: Rehearsal, choices: Choices, *, pairs: bool = False, deep: bool = False
    ) -> None:
        self._flow = flow
        self._rehearsal = rehearsal
        self._choices = choices
        self._pairs = pairs
        self._deep = deep
        self._remembers = any(row.back for row in flow.transitions)
        self._tried = 0
        self._missing: set[Goal] = set()
        #: The ways found, by goal.
        self.found: dict[Goal, Way] = {}
        #: Ways that end where instructions cannot be rendered, by goal; not followed any further.
        self.broken: dict[Goal, Way] = {}

    @property
    def tried(self) -> int:
        """How many ways on were tried."""
        return self._tried

    @property
    def exhausted(self) -> bool:
        """Whether it ended before everything was tried."""
        return self._tried >= MOST_TRIED

    def run(self, metadata: Metadata, limits: Limits, wanted: Collection[Goal]) -> None:
        """Look for ways to what is wanted.

        Args:
            metadata: what the thread starts with.
            limits: its bounds.
            wanted: the goals.
        """
        waiting: list[tuple[int, int, Node]] = [(0, 0, Node(self._rehearsal.open(metadata, limits)))]
        seen: set[str] = set()
        self._missing = missing = set(wanted)
        order = 0
        while waiting and missing and not self.exhausted:
            _, _, node = heapq.heappop(waiting)
            for goal in node.goals:
                if goal in missing:
                    (self.broken if node.moment.broken else self.found).setdefault(goal, node.way)
            missing.difference_update(self.found)
            key = self._key(node)
            if node.moment.broken or node.ends or key in seen:
                continue
            seen.add(key)
            for after in self._onward(node):
                order += 1
                heapq.heappush(waiting, (len(after.way), order, after))

    def _key(self, node: Node) -> str:
        """Return what all moments share from which the thread can only go on alike."""
        state = node.moment.state
        counters = state.counters
        facts: list[Any] = [
            state.assistant,
            state.previous if self._remembers else "",
            state.metadata,
            state.phase,
            counters.times,
            counters.limit_taken,
            state.timed,
            node.last if self._pairs else "",
        ]
        if state.phase is Phase.RUNNING:
            facts += [node.fresh, counters.handoffs, counters.runs if self._deep else 0, node.moment.offered]
        return json.dumps(facts, sort_keys=True)

    def _onward(self, node: Node) -> Iterator[Node]:
        state = node.moment.state
        if state.closed:
            return
        if state.phase is Phase.REST:
            yield from self._tried_out(node, UserSpeaks())
            silence = silence_of(self._flow, state)
            if silence is not None:
                yield from self._tried_out(node, silence)
            return
        replied = list(self._tried_out(node, ModelReplies()))
        yield from replied
        goes_on = any(after.moment.moves for after in replied)
        if goes_on and any(row.kind == "after" and row.source == state.assistant for row in self._flow.transitions):
            yield from self._tried_out(node, ModelIsCutOff())
        if node.fresh or goes_on or self._deep:
            yield from self._called(node, cut_off=goes_on)
        yield from self._coming_out(node, cut_off=goes_on)
        if self._deep:
            yield from self._late(node, cut_off=goes_on)

    def _late(self, node: Node, *, cut_off: bool) -> Iterator[Node]:
        """Yield what a late result leads to, of the first tool that can have one: it starts a run without the user."""
        for tool in self._flow.tools_of(node.moment.state.assistant).values():
            if tool.name not in node.moment.offered or tool.to:
                continue
            try:
                what = next(iter(next(self._choices.calls(tool))), None)
            except ConfigurationError:
                continue  # no value could be made up; another tool will do
            if what is None:
                continue
            for called in self._tried_out(node, ModelCallsSlowly(what)):
                for ended in self._tried_out(called, ModelIsCutOff() if cut_off else ModelReplies()):
                    yield from self._tried_out(ended, ResultComesLate(what))
                return

    def _called(self, node: Node, *, cut_off: bool) -> Iterator[Node]:
        """Yield what calls lead to: each tool that does something, with all that is worth giving it."""
        assistant = node.moment.state.assistant
        if self._flow.assistants[assistant].options.tool_choice == "none":
            return
        for tool in self._flow.tools_of(assistant).values():
            if tool.name not in node.moment.offered or not (tool.to or tool.sets or tool.clears):
                continue
            yield from self._calls_of(node, tool, cut_off=cut_off)

    def _calls_of(self, node: Node, tool: Tool, *, cut_off: bool) -> Iterator[Node]:
        for group in self._choices.calls(tool):
            possible = False
            for what in group:
                for after in self._approved(node, what, cut_off=cut_off):
                    possible = True
                    yield after
            if possible:
                return

    def _approved(self, node: Node, what: Pretence, *, cut_off: bool) -> Iterator[Node]:
        """Yield what a call leads to; where it waits for approval, what it leads to when it is approved."""
        for called in self._tried_out(node, ModelCalls(what)):
            if not any(ticket.stage == "approval" for ticket in called.moment.state.tickets):
                yield called
                continue
            for ended in self._tried_out(called, ModelIsCutOff() if cut_off else ModelReplies()):
                yield from self._tried_out(ended, PersonApproves(what))

    def _coming_out(self, node: Node, *, cut_off: bool) -> Iterator[Node]:
        """Yield what calls lead to that come out in a way that is still to be covered."""
        assistant = node.moment.state.assistant
        if self._flow.assistants[assistant].options.tool_choice == "none":
            return
        for tool in self._flow.tools_of(assistant).values():
            wanted = [one for one in OUTCOMES if ("outcomes", outcome_item(assistant, tool.name, one)) in self._missing]
            if tool.name not in node.moment.offered or not wanted:
                continue
            if "ok" in wanted:
                yield from self._calls_of(node, tool, cut_off=cut_off)
            if "refused" in wanted:
                yield from self._tried_out(node, ModelMiscalls(tool.name))
            what = next((one for group in self._choices.calls(tool) for one in group), None)
            if what is not None and "error" in wanted:
                yield from self._approved(node, replace(what, real=False, fails=True), cut_off=cut_off)
            if what is not None and "pending" in wanted:
                # The first is possible where the call waits for no approval. A ticket stays open: the way ends here.
                for action in (ModelCallsSlowly(what), ModelCalls(what)):
                    yield from (replace(after, ends=True) for after in self._tried_out(node, action))

    def _tried_out(self, node: Node, action: Action) -> Iterator[Node]:
        """Yield the node an action leads to, if it is possible."""
        self._tried += 1
        moment = self._rehearsal.act(node.moment, action)
        if moment is None:
            return
        goals: list[Goal] = [*node.goals] if isinstance(action, PersonApproves | ResultComesLate) else []
        goals += moment.items
        last = node.last
        for move in moment.moves:
            if last:
                goals.append(("pairs", last, move.transition))
            last = move.transition
        fresh = isinstance(action, UserSpeaks)
        # A thread that is told on paper needs no memory of what was said.
        state = replace(moment.state, due=())
        moment = replace(moment, state=state)
        yield Node(moment, (*node.way, (action, moment)), fresh, last, tuple(goals))
