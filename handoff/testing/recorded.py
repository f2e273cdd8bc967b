"""A talk whose tools do not run: each call comes to what it came to before, in a recorded thread or in the test's mind.

What the flow makes of an outcome (`sets`, `clears`, guards, destinations) is the flow's as it is now; only the bodies
are stood in for, so nothing outside is touched.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps, Go, Pending
from handoff.driving import calls
from handoff.errors import EffectRefused, ToolError
from handoff.testing.bodies import Held, InlineBodies
from handoff.testing.story import TalkMismatch
from handoff.testing.talk import Talk
from handoff.testing.view import is_named, tool_name


@dataclass(frozen=True, slots=True)
class _Outcome:
    text: str | None
    sets: Mapping[str, Any]
    to: str | None = None
    pending: bool = False
    raised: bool = False


class _StandIn(InlineBodies):
    """Gives each body the outcome that was recorded."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.real = False
        self.outcomes: defaultdict[str, deque[_Outcome]] = defaultdict(deque)
        self.unknown: Callable[[str], Exception] = AssertionError

    def outcome(self, held: Held) -> calls.Result | None:
        """See `InlineBodies.outcome`."""
        tool = held.body.tool
        if self.real:
            return super().outcome(held)
        if not self.outcomes[tool.name]:
            raise self.unknown(tool.name)
        known = self.outcomes[tool.name].popleft()
        if known.raised:
            # Any exception but ToolError comes to the same neutral text.
            return calls.failed(RuntimeError("as recorded") if known.text is None else ToolError(known.text))
        try:
            held.body.bound.write(known.sets)
            return calls.finished(held.body, self._returned(held, known))
        except EffectRefused as error:
            return calls.failed(error)

    def _returned(self, held: Held, known: _Outcome) -> object:
        text = known.text or ""
        if known.pending:
            return Pending(text)
        if known.to is not None and held.body.tool.signature.may_choose:
            destination = next((one for one in held.body.tool.to if one.assistant.name == known.to), None)
            if destination is None:
                raise EffectRefused(held.body.tool.name, f"went to {known.to}, which is not among its destinations")
            return Go(destination.assistant, text)
        return text


class RecordedTalk(Talk[M]):
    """A `Talk` in which tools come to what `returns` and `raises` say, in that order for each tool.

    A body of which nothing is said yet runs as long as a slow one: until its `finish`.

    Args:
        flow: the declaration; frozen from here on.
        deps: needed only where bodies run.
        metadata: what the thread starts with.
        real: let the bodies run; `returns` and `raises` say nothing then.
    """

    _bodies_type = _StandIn

    def __init__(
        self, flow: Flow[M, Any], *, deps: Deps | None = None, metadata: M | None = None, real: bool = False
    ) -> None:
        self._real = self._lends = real
        super().__init__(flow, deps=deps, metadata=metadata)
        self._bodies.real = real
        self._bodies.unknown = self._unknown
        slow = self._bodies.holds
        self._bodies.holds = lambda body: slow(body) or not (real or self._bodies.outcomes[body.tool.name])

    @property
    def _bodies(self) -> _StandIn:
        return cast("_StandIn", self._driver.bodies)

    @contextmanager
    def at_once(self) -> Generator[None]:
        """Have what is said and decided in the block arrive together, as if it had waited for a process."""
        self._driver.waits = True
        try:
            yield
        finally:
            self._driver.waits = False
        self._driver.feed()

    @property
    def facts(self) -> dict[str, Any]:
        """The metadata fields that are set, as JSON."""
        return {name: value for name, value in self.state.metadata.items() if value is not None}

    def returns(
        self,
        tool: Callable[..., Any] | str,
        output: str = "",
        *,
        sets: Mapping[str, Any] | None = None,
        to: str | None = None,
        pending: bool = False,
    ) -> None:
        """Say what the next body of a tool comes to.

        Args:
            tool: its function or name.
            output: what it returns.
            sets: the metadata fields it assigns itself; what `sets` and `clears` of the tool do happens by itself.
            to: name of the assistant it chooses, where it may.
            pending: its result comes later from outside.
        """
        self._bodies.outcomes[tool_name(tool)].append(_Outcome(output, sets or {}, to, pending))

    def raises(self, tool: Callable[..., Any] | str, text: str | None = None) -> None:
        """Say that the next body of a tool fails.

        Args:
            tool: its function or name.
            text: of a ToolError; None for any other exception.
        """
        self._bodies.outcomes[tool_name(tool)].append(_Outcome(text, {}, raised=True))

    def finish(self, tool: Callable[..., Any] | str, *, call: str | None = None) -> None:
        """Let the earliest held body of a tool run to its end; see `Talk.finish`.

        Args:
            tool: its function or name.
            call: id of the call that is meant, where several bodies of it are held: `call_1` for the first of the talk.

        Raises:
            TalkMismatch: no such body is held, or nothing says what it comes to.
        """
        __tracebackhide__ = True
        if call is None:
            super().finish(tool)
            return
        self._passing.catch_up()
        for held in self._bodies.held.values():
            if held.command.call == call and is_named(held.body.tool, tool):
                self._bodies.finish(held)
                return
        raise self._mismatch(f"finish({tool_name(tool)}, call={call})", f"held are {self._held_names() or 'none'}")

    def _unknown(self, tool: str) -> TalkMismatch:
        return self._mismatch(
            tool, "its body is to end, and nothing says what it comes to: returns(…) or raises(…) before"
        )

    def close(self, *, unfinished: bool = False) -> None:
        """See `Talk.close`.

        Raises:
            TalkMismatch: as there; or a body was to run, and did not.
        """
        __tracebackhide__ = True
        closed = self._closed
        super().close(unfinished=unfinished)
        left = [name for name, outcomes in self._bodies.outcomes.items() if outcomes]
        if left and not (closed or unfinished or self._real):
            raise self._mismatch("close()", f"bodies of {', '.join(left)} were to run, and did not")
