"""A path at work: each step is played in a talk, and the thread must then stand where the path says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from handoff.core.events import Event
from handoff.core.items import Asked
from handoff.core.state import JSON, Phase, State
from handoff.declaration.assistants import M
from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Deps
from handoff.driving import calls
from handoff.errors import InstructionsError
from handoff.events import TransitionTaken
from handoff.limits import Limits
from handoff.testing.recording import outcome_item, outcomes
from handoff.testing.rehearsal import (
    MISFIT,
    Action,
    ModelCalls,
    ModelCallsSlowly,
    ModelIsCutOff,
    ModelMiscalls,
    ModelReplies,
    Moment,
    PersonApproves,
    Pretence,
    ResultComesLate,
    SilencePasses,
    UserSpeaks,
    pretend,
)
from handoff.testing.story import spelled
from handoff.testing.talk import Talk

#: Silences are waited for this much longer: sums of seconds are not exact.
LONGER = timedelta(milliseconds=1)


class Played(Talk[M]):
    """A talk in which tools may be simulated.

    Args:
        flow: the declaration.
        deps: an instance of the flow's Deps class, if bodies run that need one.
        metadata: what the thread starts with.
        limits: its bounds.
        lends: whether bodies run.
    """

    def __init__(self, flow: Flow[M, Any], *, deps: Deps | None, metadata: M, limits: Limits, lends: bool) -> None:
        self._lends = lends
        #: How calls came out so far, as coverage names it.
        self.outcomes: list[str] = []
        super().__init__(flow, deps=deps, metadata=metadata, limits=limits)

    def _observe(self, before: State, event: Event, after: State) -> None:
        super()._observe(before, event, after)
        self.outcomes += [outcome_item(*one) for one in outcomes(before, event, after)]

    def pretending(self, what: Pretence) -> None:
        """Have the tool that is called next do what is said, unless its body is to run.

        Args:
            what: the tool, and what it is to have done.
        """

        def pretended(body: calls.Body) -> Callable[[], object] | None:
            if what.real or body.tool.name != what.tool:
                return None
            return partial(pretend, self.flow, body, what)

        self._driver.bodies.pretend = pretended

    def require(self, step: str, holds: bool, problem: str) -> None:
        """Fail unless something holds.

        Args:
            step: the step that was to bring it about.
            holds: whether it does.
            problem: what was expected and what was found.

        Raises:
            TalkMismatch: it does not hold.
        """
        __tracebackhide__ = True
        if not holds:
            raise self._mismatch(step, problem)

    @property
    def stands(self) -> str:
        """Where it stands, in words."""
        return self._stands()


def play_step(talk: Played[Any], action: Action, expected: Moment) -> None:
    """Play one step and look at what came of it.

    Args:
        talk: the talk.
        action: what happens.
        expected: where the thread should stand then.

    Raises:
        TalkMismatch: it stands elsewhere.
    """
    __tracebackhide__ = True
    told, come_out, asker = len(talk.events), len(talk.outcomes), talk.state.assistant
    step = _play(talk, action)
    taken = [(one.source, one.dest, one.trigger) for one in talk.events[told:] if isinstance(one, TransitionTaken)]
    wanted = [(move.source, move.dest, move.trigger) for move in expected.moves]
    real = isinstance(action, ModelCalls | PersonApproves) and action.what.real
    hint = "; its body ran with the arguments that paths() was given" if real else ""
    talk.require(
        step,
        wanted == taken,
        f"expected {_spelled(wanted)}, found {_spelled(taken)}{_why(talk)}{hint}",
    )
    assistant = expected.state.assistant
    talk.require(
        step, assistant == talk.assistant.name, f"expected {assistant} to be active, not {talk.assistant.name}"
    )
    if isinstance(action, ModelCalls | PersonApproves | ResultComesLate):
        _require_metadata(talk, step, asker, action.what, expected)
    if not expected.state.closed:
        try:
            text = talk.instructions
        except InstructionsError as error:
            talk.require(step, holds=False, problem=str(error))
        else:
            talk.require(step, bool(text.strip()), f"{assistant} has no instructions")
    runs = expected.state.phase is Phase.RUNNING
    talk.require(
        step,
        runs is (talk.state.run is not None),
        f"expected that {assistant} {'is to speak' if runs else 'rests'}, but {talk.stands}",
    )
    planned = {name for kind, name in expected.items if kind == "outcomes"}
    found = set(talk.outcomes[come_out:])
    talk.require(step, planned == found, f"expected the outcome {_listed(planned)}, found {_listed(found)}{hint}")


def _play(talk: Played[Any], action: Action) -> str:
    """Bring a step about, and return how it is spelled."""
    __tracebackhide__ = True
    match action:
        case UserSpeaks():
            talk.user("Go on.")
            return "user('Go on.')"
        case ModelReplies():
            talk.says("All right.")
            return "says('All right.')"
        case ModelIsCutOff():
            talk.incomplete("All r")
            return "incomplete('All r')"
        case ModelCalls(what):
            talk.pretending(what)
            asked = Asked("", what.tool, json.dumps(what.arguments))
            talk.calls(asked)
            return f"calls({spelled(asked)})"
        case ModelMiscalls(tool):
            talk.miscalls(tool, raw=MISFIT)
            return f"miscalls({tool}, raw={MISFIT!r})"
        case ModelCallsSlowly(what):
            asked = Asked("", what.tool, json.dumps(what.arguments))
            talk.pretending(what)
            with talk.slow(what.tool):
                talk.calls(asked)
            talk.grace()
            return f"slow calls({spelled(asked)}), grace()"
        case ResultComesLate(what):
            talk.pretending(what)
            talk.finish(what.tool)
            return f"finish({what.tool})"
        case PersonApproves(what):
            talk.pretending(what)
            talk.approve()
            return f"approve()  # {what.tool}"
        case SilencePasses(seconds):
            talk.silence(timedelta(seconds=seconds) + LONGER)
            return f"silence({timedelta(seconds=seconds)!r})"


def _require_metadata(talk: Played[Any], step: str, asker: str, what: Pretence, expected: Moment) -> None:
    """Fail unless the fields that the tool declares are what they have to be."""
    __tracebackhide__ = True
    if expected.state.tickets:
        return  # it waits for approval, and has done nothing yet
    tool = talk.flow.tools_of(asker)[what.tool]
    metadata: dict[str, JSON] = talk.flow.dump(talk.metadata)
    for name in (*tool.sets, *tool.clears):
        found, planned = metadata[name], expected.state.metadata.get(name)
        if what.real and name in tool.sets and name not in what.arguments:
            talk.require(step, found is not None, f"expected {what.tool} to set {name}, and it did not")
        else:
            talk.require(step, planned == found, f"expected {name} to be {planned!r} by then, found {found!r}")


def _spelled(taken: list[tuple[str, str, str]]) -> str:
    return ", ".join(f"{source} to {dest} by {trigger}" for source, dest, trigger in taken) or "no transition"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _why(talk: Played[Any]) -> str:
    said = "; ".join(one for one in talk.outputs if one)
    return f" ({said})" if said else ""
