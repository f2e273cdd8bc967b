"""A conversation in which the test plays the user, the model and everybody else.

Everything runs in the test's own thread on the real core, store and tools: when a step returns, all that follows from
it has happened, up to where the model or a slow tool is waited for. A step that does not fit fails with the whole
conversation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from handoff.backends.base import Ended
from handoff.content import Content, message_row
from handoff.core import events as happened
from handoff.core.answers import Extra
from handoff.core.items import Asked
from handoff.core.state import Run
from handoff.core.status import Status
from handoff.declaration.assistants import Assistant, M
from handoff.declaration.reply_models import problem_of
from handoff.driving import calls
from handoff.driving.replies import checked
from handoff.errors import ArgumentsRefused, ConfigurationError
from handoff.models import Answer, call
from handoff.store.base import Receipt
from handoff.testing.story import spelled
from handoff.testing.surroundings import Surroundings
from handoff.thread import WhileRunning

if TYPE_CHECKING:
    from pydantic import BaseModel


class Talk(Surroundings[M]):
    """One thread of a flow, driven by a test. As a context manager it is closed at the end of the block.

    Time is the machine's, or freezegun's, and moves on with `silence`, `grace` and `expire`; what time brings is acted
    on at the next step. Ids are counted: the same in every run of the test.

    Args:
        flow: the declaration; frozen from here on.
        deps: an instance of the flow's Deps class, if it has one.
        metadata: what the thread starts with.
        limits: its bounds, where a test is to come to them sooner; None for those of the flow.

    Attributes:
        flow: the declaration.
        store: where the thread lives.
        events: all that the thread has told whoever watches it, text deltas excepted.
        edits: what came of each edit so far, in order.
        rooms: the side rooms that calls have opened, by name; each is a talk, in which the test plays its model.

    Raises:
        DefinitionError: the flow cannot work, or its deps are missing.
    """

    _closed = False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        """Close; after an error, without asking whether the talk was complete."""
        self.close(unfinished=kind is not None)

    def close(self, *, unfinished: bool = False) -> None:
        """End the talk. A second call does nothing.

        Args:
            unfinished: a run may still wait for the model or for a tool.

        Raises:
            TalkMismatch: one does, and it may not.
        """
        __tracebackhide__ = True
        if self._closed:
            return
        self._closed = True
        self.rooms.lose()
        self._driver.bodies.lose()
        if not self._is_room:
            self._driver.bodies.loop.close()
        run = self.state.run
        if run is not None and not unfinished:
            raise self._mismatch("close()", f"{self._waits(run)}: play it to its end, or close(unfinished=True)")

    # -- the user ------------------------------------------------------------------------------------------------------

    def user(self, content: Content, *, while_running: WhileRunning = "queue", key: str | None = None) -> Receipt:
        """Say something as the user; at any moment.

        Args:
            content: what the user says: a text, or a list of `Text`, `Image` and `File`.
            while_running: what it does to an active run, as for `Thread.send`.
            key: idempotency key.

        Returns:
            The receipt; `repeated` where the key had been used.

        Raises:
            ThreadBusy: it is to be rejected while the thread is busy.
            ThreadClosed: the flow reached its end.
            KeyReused: the key was used with other content.
            ContentRefused: a part of it cannot be sent.
        """
        if while_running not in {"queue", "steer", "interrupt", "reject"}:
            raise ConfigurationError(f"while_running={while_running!r}: use queue, steer, interrupt or reject")
        self._passing.catch_up()
        message = self._new("m") if key is None else key
        data = message_row(message, content, while_running)
        return self._driver.post("message", data, f"user:{message}", reject=while_running == "reject")

    def cancel(self) -> None:
        """Stop the active run as the user; if none is active, nothing happens."""
        self._passing.catch_up()
        run = self.state.run
        if run is not None:
            self._driver.post("stop", {"run": run.number, "cause": "cancel"}, f"cancel:{run.number}")

    # -- the model -----------------------------------------------------------------------------------------------------

    def says(self, what: str | BaseModel, *, by: Assistant[M] | None = None) -> None:
        """Reply as the model: the run completes.

        Args:
            what: what it says; an instance of the assistant's `reply` model is said as its JSON.
            by: who is to be speaking; None for whoever it is.

        Raises:
            TalkMismatch: no run waits for the model, another assistant is to speak, or its `reply` model does not fit.
        """
        __tracebackhide__ = True
        text = what if isinstance(what, str) else what.model_dump_json(by_alias=True)
        step = f"says({text!r}{'' if by is None else f', by={by.name}'})"
        run = self._turn(step, by)
        model = self.flow.assistants[run.assistant].options.reply
        problem = None if model is None else problem_of(model, text)
        if model is not None and problem is not None:
            found = f"the answer does not fit {model.__name__}: {problem}"
            raise self._mismatch(step, f"{found}; missays(…) plays a model that says it all the same")
        self._end(run, Status.COMPLETED, text=text)

    def missays(self, text: str) -> None:
        """Reply as a model that errs: the text need not fit the assistant's `reply`, and then the turn ends incomplete.

        Args:
            text: what it says.

        Raises:
            TalkMismatch: no run waits for the model.
        """
        __tracebackhide__ = True
        run = self._turn(f"missays({text!r})")
        ended = checked(self.flow.assistants[run.assistant].options.reply, Ended(Status.COMPLETED, text))
        self._end(run, ended.status, text=text, reason=ended.reason, extra=ended.extra)

    def refuses(self, text: str) -> None:
        """Refuse as the model: the run completes with a text that says so, and that need not fit `reply`.

        Args:
            text: what it says.

        Raises:
            TalkMismatch: no run waits for the model.
        """
        __tracebackhide__ = True
        self._end(self._turn(f"refuses({text!r})"), Status.COMPLETED, text=text, extra=Extra(refused=True))

    def calls(
        self, /, *what: Callable[..., Any] | str | Asked | Answer, raw: str | None = None, **arguments: Any
    ) -> None:
        """Call tools as the model, all in one batch.

        Args:
            *what: a tool, with its arguments as keywords; or the calls of a batch, each `call(tool, …)`; or an
                `Answer`, for what is said beside the calls.
            raw: the arguments of a single tool as text, malformed on purpose.
            **arguments: the arguments of a single tool.

        Raises:
            TalkMismatch: no run waits for the model, a tool is not offered, or its arguments do not fit.
        """
        __tracebackhide__ = True
        answer = _answer(what, raw, arguments)
        step = f"calls({', '.join(spelled(asked) for asked in answer.calls)})"
        run = self._turn(step)
        problem = self._problem(run, what, answer.calls, checked=raw is None)
        if problem is not None:
            raise self._mismatch(step, f"{problem}; miscalls(…) plays a model that calls it all the same")
        self._call(run, answer)

    def miscalls(
        self, /, *what: Callable[..., Any] | str | Asked | Answer, raw: str | None = None, **arguments: Any
    ) -> None:
        """Call tools as a model that errs: which are offered and what they take is not looked at.

        Args:
            *what: as for `calls`.
            raw: as for `calls`.
            **arguments: as for `calls`.

        Raises:
            TalkMismatch: no run waits for the model.
        """
        __tracebackhide__ = True
        answer = _answer(what, raw, arguments)
        run = self._turn(f"miscalls({', '.join(spelled(asked) for asked in answer.calls)})")
        self._call(run, answer)

    def incomplete(self, text: str = "", reason: str = "max_output_tokens") -> None:
        """Be cut off as the model: the run ends incomplete.

        Args:
            text: what it had said.
            reason: what the server gives as the reason.

        Raises:
            TalkMismatch: no run waits for the model.
        """
        __tracebackhide__ = True
        self._end(self._turn(f"incomplete({text!r})"), Status.INCOMPLETE, text=text, reason=reason)

    def fails(self, reason: str = "server_error") -> None:
        """Fail as the backend: the run ends failed, and nothing of its latest request counts as stored.

        Args:
            reason: what is known of the failure.

        Raises:
            TalkMismatch: no run waits for the model.
        """
        __tracebackhide__ = True
        self._end(self._turn(f"fails({reason!r})"), Status.FAILED, reason=reason, stored=0)

    def _end(
        self,
        run: Run,
        status: Status,
        *,
        text: str = "",
        reason: str = "",
        stored: int | None = None,
        extra: Extra | None = None,
    ) -> None:
        kept = len(self.state.due) if stored is None else stored
        ended = happened.RunEnded(self._clock.now(), run.number, run.request, status, kept, text, reason, extra=extra)
        self._driver.feed(ended)

    def _call(self, run: Run, answer: Answer) -> None:
        named = [asked if asked.id else replace(asked, id=self._new("call_")) for asked in answer.calls]
        for asked in named:
            tool = self.flow.tool_named(run.assistant, asked.tool)
            if tool is not None and self._is_slow(tool):
                self._slowed.add(("body", run.number, run.batches + 1, asked.id))
        batch = calls.journaled(self.flow, self.state, named)
        stored = len(self.state.due)
        where = (self._clock.now(), run.number, run.request)
        self._driver.feed(happened.CallsRequested(*where, stored, batch, answer.text))

    def _turn(self, step: str, by: Assistant[M] | None = None) -> Run:
        """Return the run that waits for the model."""
        __tracebackhide__ = True
        self._passing.catch_up()
        run = self.state.run
        if run is None:
            raise self._mismatch(step, f"no run waits for the model: {self._rests()}")
        if run.batch is not None:
            instead = "" if self.rooms.open else ": finish(…) it, or come to grace()"
            raise self._mismatch(step, f"{self._waits(run)}{instead}")
        if by is not None and by.name != run.assistant:
            raise self._mismatch(step, f"{run.assistant} is to speak, not {by.name}")
        return run

    def _problem(
        self,
        run: Run,
        what: tuple[Callable[..., Any] | str | Asked | Answer, ...],
        asked: tuple[Asked, ...],
        *,
        checked: bool,
    ) -> str | None:
        """Return why the model could not have made these calls, or None."""
        given = [None if isinstance(one, str | Asked | Answer) else one for one in what]
        if len(given) != len(asked):  # an Answer, which names its tools
            given = [None] * len(asked)
        tools = self.flow.tools_of(run.assistant)
        for function, one in zip(given, asked, strict=True):
            tool = tools.get(one.tool)
            if tool is None:
                return f"{run.assistant} has no tool {one.tool}"
            if function is not None and tool.function is not function:
                return f"the {one.tool} of {run.assistant} is another function, declared at {tool.place}"
            if one.tool not in self.offered:
                reason = tool.unavailable(self.metadata) or "it was not when the run started"
                return f"{one.tool} is not offered: {reason}"
            try:
                tool.parse(one.arguments)
            except ArgumentsRefused as error:
                if checked:
                    return f"{one.tool} does not take these arguments: {error}"
        return None


def _answer(what: tuple[Any, ...], raw: str | None, arguments: dict[str, Any]) -> Answer:
    """Return the model's answer, from whichever form it was given in."""
    if not what:
        raise TypeError("name a tool, or give the calls of a batch")
    if len(what) == 1 and not isinstance(what[0], Asked | Answer):
        return Answer(calls=(call(what[0], raw=raw, **arguments),))
    if raw is not None or arguments:
        raise TypeError("arguments as keywords belong to a single tool: write call(tool, …) for each call of a batch")
    if len(what) == 1 and isinstance(what[0], Answer):
        return what[0]
    if any(isinstance(one, Answer) for one in what):
        raise TypeError("an Answer holds all calls of a batch: give it alone")
    return Answer(calls=tuple(one if isinstance(one, Asked) else call(one) for one in what))
