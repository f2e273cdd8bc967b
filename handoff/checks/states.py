"""What the metadata can be at each assistant: every step is followed from the start of a thread until nothing is new.

A step is taken only where what it asks for can hold, so a field that nothing can have set by then opens no way. Fields
are followed one by one; that two of them always change together is not known here. Edits from outside, limits, and
results that come after the thread has moved on are left aside: the first are refused where they would harm.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from handoff.checks.decisions import Decision, decide
from handoff.checks.effects import written
from handoff.checks.findings import Hop
from handoff.checks.steps import Asked, Call, Step
from handoff.checks.values import Domain, domains, initial
from handoff.declaration.assistants import BACK, END, Destination, Transition
from handoff.declaration.flow import Flow
from handoff.declaration.place import Place

Position = tuple[str, str]
"""An assistant, and who was active before; nobody, and in flows without ways back always, is ``""``."""

Spot = tuple[Position, int]
"""A position, and one case of a field (0 if no field matters)."""

Tree = dict[Spot, tuple[Spot, Hop] | None]
"""How each spot was first reached."""


@dataclass(slots=True)
class Analysis:
    """What is known about a flow.

    Attributes:
        flow: the flow.
        known: the domain of each metadata field.
        calls: the calls at each assistant.
        steps: the steps from each assistant.
        start: the state of a new thread.
        states: the state at each assistant that can be reached.
        decisions: the guards, by identity.
        positions: the same, told apart by who was active before.
        remembers: whether the flow has ways back, so that it matters who was.
        followed: how many steps were looked at.
    """

    flow: Flow[Any, Any]
    known: dict[str, Domain]
    start: dict[str, int]
    calls: dict[str, tuple[Call, ...]] = field(default_factory=dict[str, "tuple[Call, ...]"])
    steps: dict[str, tuple[Step, ...]] = field(default_factory=dict[str, "tuple[Step, ...]"])
    states: dict[str, dict[str, int]] = field(default_factory=dict[str, "dict[str, int]"])
    decisions: dict[int, Decision] = field(default_factory=dict[int, Decision])
    positions: dict[str, dict[Position, dict[str, int]]] = field(
        default_factory=dict[str, "dict[Position, dict[str, int]]"]
    )
    remembers: bool = False
    followed: int = 0
    _trees: dict[str | None, tuple[Tree, dict[tuple[str, int], Spot]]] = field(
        default_factory=dict["str | None", "tuple[Tree, dict[tuple[str, int], Spot]]"]
    )

    def possible(self, step: Step) -> dict[str, int] | None:
        """The state at its destination once it is taken; None if it never is."""
        joined: dict[str, int] | None = None
        for position, state in self.positions.get(step.source, {}).items():
            if step.open_at(position[1]) and (after := step.taken(state, self.known)) is not None:
                joined = _joined(joined, after)
        return joined

    def taken(self) -> Iterator[Step]:
        """All steps that can be taken, those of the first assistants first."""
        for source in self.states:
            for step in self.steps[source]:
                if self.possible(step) is not None:
                    yield step

    def callable_at(self, call: Call) -> bool:
        """Whether the tool can ever be called where it is offered."""
        state = self.states.get(call.assistant)
        return state is not None and call.begun(state, self.known) is not None

    def place_of_route(self, step: Step) -> Place:
        """The line to look at for a step."""
        if step.call is not None:
            return step.call.tool.place
        declared = step.transition.place if step.transition is not None else None
        return declared or self.flow.assistants[step.source].place

    def place_at(self, source: str, trigger: str) -> Place:
        """The line that declares what a trigger does at an assistant."""
        tool = self.flow.tool_named(source, trigger)
        if tool is not None:
            return tool.place
        routes = self.flow.routes.all(self.flow.assistants)
        declared = (one.place for one in routes if (one.source, one.trigger) == (source, trigger))
        return next(declared, None) or self.flow.assistants[source].place

    def path_to(self, assistant: str) -> tuple[Hop, ...]:
        """The shortest path from the start of a thread to an assistant."""
        return self._path((assistant, 0), None)

    def path_to_unset(self, assistant: str, name: str) -> tuple[Hop, ...]:
        """The shortest path on which a field is unset at an assistant."""
        return self._path((assistant, self.known[name].unset), name)

    def _path(self, arrived: tuple[str, int], name: str | None) -> tuple[Hop, ...]:
        if name not in self._trees:
            tree = self._tree(name)
            first: dict[tuple[str, int], Spot] = {}
            for spot in tree:
                first.setdefault((spot[0][0], spot[1]), spot)
            self._trees[name] = (tree, first)
        tree, first = self._trees[name]
        hops: list[Hop] = []
        back = tree[first[arrived]] if arrived in first else None
        while back is not None:
            hops.append(back[1])
            back = tree[back[0]]
        return tuple(reversed(hops))

    def _tree(self, name: str | None) -> Tree:
        """How each assistant is first reached, breadth first; with each case of one field, if one is named."""
        position = (self.flow.initial.name, "")
        starts = _cases(self.start[name]) if name is not None else [0]
        tree: Tree = dict.fromkeys(((position, case) for case in starts), None)
        waiting = deque(tree)
        while waiting:
            here = waiting.popleft()
            for there, hop in self._onward(here, name):
                if there not in tree:
                    tree[there] = (here, hop)
                    waiting.append(there)
        return tree

    def _onward(self, here: Spot, name: str | None) -> Iterator[tuple[Spot, Hop]]:
        position, case = here
        at, previous = position
        known = self.positions.get(at, {}).get(position)
        if known is None:
            return
        state = known if name is None else {**known, name: case}
        for step in self.steps[at]:
            self.followed += 1
            after = step.taken(state, self.known) if step.open_at(previous) else None
            if after is None:
                continue
            there = self.arrived(step, position)
            for one in _cases(after[name]) if name is not None else [0]:
                yield (there, one), step.hop
            for follower in step.followers if name is not None else ():
                later = follower.applied(after, self.known)
                if later is not None and name is not None and later[name] != after[name]:
                    for one in _cases(later[name]):
                        yield (there, one), Hop(at, f"{step.trigger}, {follower.tool.name}", step.dest)

    def arrived(self, step: Step, position: Position) -> Position:
        """The position after a step."""
        if step.transition is None:
            return position
        return (step.dest, step.source if self.remembers else "")


def analyse(flow: Flow[Any, Any], given: Iterable[str] = ()) -> Analysis:
    """Follow every step of a flow.

    Args:
        flow: the flow, frozen.
        given: metadata fields that every thread is opened with.
    """
    known = domains(flow.metadata)
    start = initial(flow.metadata, known)
    for name in given:
        start[name] = known[name].set
    analysis = Analysis(flow, known, start, remembers=any(row.back for row in flow.transitions))
    for assistant in flow.assistants:
        analysis.calls[assistant] = tuple(_calls(analysis, assistant))
    rows: dict[tuple[str, str], list[Transition]] = {}
    for row in flow.transitions:
        rows.setdefault((row.source, row.trigger), []).append(row)
    triggers: dict[str, list[str]] = {name: [] for name in flow.assistants}
    for source, trigger in rows:
        triggers[source].append(trigger)
    for assistant in flow.assistants:
        analysis.steps[assistant] = tuple(_steps(analysis, assistant, triggers[assistant], rows))
    _follow(analysis)
    return analysis


def _decision(analysis: Analysis, guard: Any, place: Place) -> Decision:
    if id(guard) not in analysis.decisions:
        analysis.decisions[id(guard)] = decide(guard, analysis.flow.metadata, analysis.known, place)
    return analysis.decisions[id(guard)]


def _calls(analysis: Analysis, assistant: str) -> Iterator[Call]:
    if analysis.flow.assistants[assistant].options.tool_choice == "none":
        return
    for tool in analysis.flow.tools_of(assistant).values():
        allow = _decision(analysis, tool.allow, tool.place) if tool.allow is not None else None
        effects, kept = written(tool, analysis.flow.metadata, analysis.known)
        yield Call(assistant, tool, allow, effects, kept)


def _steps(
    analysis: Analysis, assistant: str, triggers: Iterable[str], rows: Mapping[tuple[str, str], list[Transition]]
) -> Iterator[Step]:
    calls = analysis.calls[assistant]
    for call in calls:
        own = rows.get((assistant, call.tool.name), [])
        choice = call.tool.signature.may_choose
        yield from _ways(analysis, assistant, call.tool.name, own, call, choice=choice)
    tools = analysis.flow.tools_of(assistant)
    for trigger in triggers:
        if trigger not in tools:
            yield from _ways(analysis, assistant, trigger, rows[assistant, trigger], None, choice=False)


def _ways(
    analysis: Analysis, assistant: str, trigger: str, rows: Iterable[Transition], call: Call | None, *, choice: bool
) -> Iterator[Step]:
    refused: list[Asked] = []
    certain = False
    for row in rows:
        place = call.tool.place if call is not None else analysis.flow.assistants[assistant].place
        guard = _decision(analysis, row.guard, place) if row.guard is not None else None
        own = (Asked(guard, wanted=True),) if guard is not None else ()
        asked = own if choice else (*refused, *own)
        yield Step(assistant, row.dest, trigger, call, row, asked, guard, _followers(analysis, assistant, call, row))
        if guard is not None and row.times is None and not row.back:
            refused.append(Asked(guard, wanted=False))
        certain |= guard is None and row.times is None and not row.back
    if call is not None and call.effects and not certain:
        yield Step(assistant, assistant, trigger, call, None, tuple(refused))


def _followers(analysis: Analysis, assistant: str, call: Call | None, row: Transition) -> tuple[Call, ...]:
    """The calls that still run after this one in the same response (B4): those that can only go the same way."""
    if call is None or row.dest == END:
        return ()
    return tuple(
        other
        for other in analysis.calls[assistant]
        if other.effects and all(_leads(destination, row.dest) for destination in other.tool.to)
    )


def _leads(destination: Destination[Any], dest: str) -> bool:
    return destination.assistant.name == dest != BACK


def _follow(analysis: Analysis) -> None:
    first: Position = (analysis.flow.initial.name, "")
    analysis.positions[first[0]] = {first: dict(analysis.start)}
    waiting: deque[Position] = deque([first])
    queued: set[Position] = {first}
    while waiting:
        position = waiting.popleft()
        queued.discard(position)
        for step in analysis.steps[position[0]]:
            analysis.followed += 1
            state = analysis.positions[position[0]][position]
            after = step.taken(state, analysis.known) if step.open_at(position[1]) else None
            if after is None or step.dest == END:
                continue
            there = analysis.arrived(step, position)
            known = analysis.positions.setdefault(step.dest, {})
            before = known.get(there)
            joined = _joined(before, _followed(after, step.followers, analysis))
            if joined != before:
                known[there] = joined
                if there not in queued:
                    queued.add(there)
                    waiting.append(there)
    for assistant, known in analysis.positions.items():
        for state in known.values():
            analysis.states[assistant] = _joined(analysis.states.get(assistant), state)


def _joined(before: Mapping[str, int] | None, after: Mapping[str, int]) -> dict[str, int]:
    """What either state holds possible."""
    return dict(after) if before is None else {name: mask | after[name] for name, mask in before.items()}


def _followed(state: dict[str, int], followers: Iterable[Call], analysis: Analysis) -> dict[str, int]:
    """The state with everything that calls of the same response may still do to it."""
    changed = True
    while changed:
        changed = False
        for call in followers:
            after = call.applied(state, analysis.known)
            analysis.followed += 1
            if after is None:
                continue
            for name in call.effects:
                if after[name] & ~state[name]:
                    state[name] |= after[name]
                    changed = True
    return state


def _cases(mask: int) -> list[int]:
    """The single cases in a mask."""
    return [1 << number for number in range(mask.bit_length()) if mask >> number & 1]
