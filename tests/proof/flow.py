"""A flow as small as a proof needs: three assistants, an end, one metadata field `x`, a tool for every kind of call.

Destinations depend on who asks (`other` and `third` are never the asker), guards read `x`, and verdicts are asked when
a call's turn comes, as the shell asks them. The judge is the flow's half of an append.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from handoff.errors import InstructionsError
from tests.proof.violation import Violation

if TYPE_CHECKING:
    from tests.proof.families import Family
    from tests.proof.modules import Core

OTHER = {"a": "b", "b": "a", "c": "a", "end": "a"}
THIRD = {"a": "c", "b": "c", "c": "b", "end": "b"}


@dataclass(frozen=True, slots=True)
class Tool:
    """What the proof needs to know of a tool."""

    #: Destinations in the order they are tried: `other`, `third`, `end`.
    goes: tuple[Literal["other", "third", "end"], ...] = ()
    #: Its guard: `x` must be set, unset, or may be anything. With two destinations the guard is of the first.
    guard: Literal["set", "unset"] | None = None
    lane: bool = False
    speak: str = "yes"
    #: The value it assigns to `x`.
    sets: int | None = None
    idempotent: bool = False
    probed: bool = False
    approval: bool = False
    #: Its arguments do not fit.
    bad: bool = False
    #: Its body says that the result comes later.
    waits: bool = False
    #: Its body raises ToolError.
    fails: bool = False


TOOLS: dict[str, Tool] = {
    "ordinary": Tool(),
    "idempotent": Tool(idempotent=True),
    "probed": Tool(probed=True),
    "bad": Tool(bad=True),
    "approval": Tool(approval=True),
    "approved_move": Tool(approval=True, lane=True, goes=("other",)),
    "waits": Tool(waits=True),
    "waits_move": Tool(waits=True, lane=True, goes=("third",), sets=3),
    "fails": Tool(fails=True, lane=True, goes=("other",), sets=4),
    "set": Tool(lane=True, sets=1),
    "set_two": Tool(lane=True, sets=2),
    "other": Tool(lane=True, goes=("other",)),
    "third": Tool(lane=True, goes=("third",)),
    "other_unset": Tool(lane=True, goes=("other",), guard="unset"),
    "third_set": Tool(lane=True, goes=("third",), guard="set"),
    "set_other": Tool(lane=True, goes=("other",), sets=5),
    "idempotent_other": Tool(lane=True, goes=("other",), idempotent=True),
    "either": Tool(lane=True, goes=("other", "third"), guard="unset"),
    "silent": Tool(lane=True, goes=("other",), speak="no"),
    "shown": Tool(lane=True, goes=("other",), speak="output"),
    "end": Tool(lane=True, goes=("end",)),
}


@cache
def dests(tool: str, asker: str) -> tuple[str, ...]:
    """Return the destinations of the tool when that assistant asks for it."""
    table = {"other": OTHER[asker], "third": THIRD[asker], "end": "end"}
    return tuple(table[goes] for goes in TOOLS[tool].goes)


def calls(core: Core, batch: tuple[str, ...], asker: str) -> tuple[Any, ...]:
    """Return the calls of a batch as they are journaled; ids repeat from batch to batch on purpose."""
    return tuple(_call(core, str(index), name, asker) for index, name in enumerate(batch))


@cache
def _call(core: Core, call: str, name: str, asker: str) -> Any:
    tool = TOOLS[name]
    return core.state.Call(
        call,
        name,
        "{}",
        lane=tool.lane,
        dests=dests(name, asker),
        idempotent=tool.idempotent,
        probed=tool.probed,
        approval=tool.approval,
        answer="error: page: missing. The tool was not run." if tool.bad else None,
    )


def route(
    core: Core, counters: Any, limits: Any, name: str, asker: str, facts: Mapping[str, Any], *, renewed: bool
) -> tuple[Any, str]:
    """Return the move the tool takes from its asker with those facts, and why it takes none."""
    tool, reason = TOOLS[name], ""
    for index, dest in enumerate(dests(name, asker)):
        if index == 0 and tool.guard is not None and (facts.get("x") is not None) != (tool.guard == "set"):
            reason = f"x is not {tool.guard}"
            continue
        transition = f"{asker}.{name}.{dest}"
        reason = core.blocked(counters, limits, facts, transition=transition, dest=dest, times=None, renewed=renewed)
        if reason is None:
            return core.state.Move(transition, name, asker, dest, speak=tool.speak), ""
    return None, reason


class Judge:
    """The flow's verdicts, and the one place where rendering can fail (I19)."""

    def __init__(self, core: Core, family: Family, mode: Any) -> None:
        self.core, self.family, self.mode = core, family, mode
        self.brief = core.turn.Brief("", "", (), mode)

    def then(self, state: Any) -> Any:
        """After a's reply, b speaks, once between two user messages; or nobody does, and a reply that ends is no loop.

        Raises:
            Violation: if a bound stops a `then` after which nobody speaks, though no limit is reached.
        """
        if self.family.silent_then and state.assistant == "a":
            move = self._jump(state, "then", "a", "b", speak="no")
            if move is None and state.counters.handoffs < state.limits.handoffs:
                raise Violation("G", "a reply after which nobody speaks is taken for a loop")
            return move
        return self._jump(state, "then", "a", "b", times=1) if self.family.then else None

    def silence(self, state: Any) -> Any:
        """After a silence of b's, a speaks; of c's, nobody does."""
        speak = "yes" if state.assistant == "b" else "no"
        return self._jump(state, "after", state.assistant, "a", speak=speak) or "nobody is to come back"

    def limit(self, state: Any) -> Any:
        """At a limit, c speaks."""
        return self._jump(state, "limit", state.assistant, "c") if self.family.on_limit else None

    def _jump(self, state: Any, kind: str, source: str, dest: str, times: int | None = None, speak: str = "yes") -> Any:
        if state.assistant != source or source in {dest, "end"}:
            return None
        key = f"{source}.{kind}"
        ends = self.core.ends_round(kind, speaks=speak == "yes")
        named = {"transition": key, "dest": dest, "times": times, "renewed": ends}
        counters = self._stimulated(state) if kind == "after" else state.counters
        if kind != "limit" and self.core.blocked(counters, state.limits, state.metadata, **named) is not None:
            return None
        return self.core.state.Move(key, kind, source, dest, kind, speak, times)

    def _stimulated(self, state: Any) -> Any:
        """A late result and a silence are stimuli: what is counted per stimulus starts again."""
        return self.core.state.Counters(total_handoffs=state.counters.total_handoffs, times=state.counters.times)

    def late(self, state: Any, ticket: Any, data: Mapping[str, Any]) -> Any:
        """Judge a late result: refused whole if it clears what c needs; its move by D3."""
        verdict = self.core.turn.Verdict
        patch = {
            name: value
            for name, value in (data.get("patch") or {}).items()
            if state.metadata.get(name) == ticket.base.get(name)
        }
        if not ticket.call.dests:
            return verdict()
        if ticket.asker != state.assistant:
            return verdict(denied=f"{ticket.asker} is no longer active")
        if state.moved:
            return verdict(denied="another transition was taken first")
        counters = self._stimulated(state)
        facts = {**state.metadata, **patch}
        move, reason = route(self.core, counters, state.limits, ticket.call.tool, ticket.asker, facts, renewed=True)
        if move is not None and move.dest in self.family.needs and facts.get("x") is None:
            return verdict(denied=f"{move.dest} needs x")
        return verdict(move=move, denied=reason)

    def edit(self, state: Any, patch: Mapping[str, Any]) -> str | None:
        """Refuse to clear what the active assistant needs (M5)."""
        if state.assistant in self.family.needs and patch.get("x") is None:
            return f"{state.assistant} needs x"
        return None

    def start(self, state: Any) -> Any:
        """Render: an assistant that needs `x` finds it, or the flow's promise is broken (I19)."""
        if state.assistant in self.family.needs and state.metadata.get("x") is None:
            raise Violation("I19", f"{state.assistant} is started and x is unset")
        if state.assistant == self.family.unrenderable:
            raise InstructionsError(state.assistant, "a broken template")
        return self.brief
