"""One thread under a schedule: what may happen next, and what comes of each step.

Bodies start by themselves and end when the schedule says so; the model answers, the user speaks and the process dies
when it says so. Nothing here is random and no clock is read, so the same steps lead to the same world.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from pydantic_core import to_jsonable_python

from handoff.core import events as happened
from handoff.core.status import Status
from handoff.declaration.assistants import M
from handoff.driving import calls
from handoff.driving.decisions import decide
from handoff.driving.judge import wake_at
from handoff.errors import ConfigurationError, ThreadClosed
from handoff.models import Answer
from handoff.testing.bodies import Held
from handoff.testing.scenario import Answerer, Edit, Message, Ruling
from handoff.testing.schedule import Broken, ProcessDied, Step
from handoff.testing.situation import Situation
from handoff.testing.view import THREAD


class World(Situation[M]):
    """A situation that goes on, a step at a time; `always` and `at_rest` of `explore` are given it."""

    def take(self, step: Step) -> None:
        """Take a step, with all that follows from it.

        Args:
            step: one of `enabled`, with or without the process dying in it.

        Raises:
            Broken: something that shows at once does not hold.
        """
        self.steps.append(step)
        for one in step.disturbances:
            self._budget[one] -= 1
            self._together -= 1
        self.writes, self._dies_at = 0, step.dies
        try:
            self._act(step)
        except ProcessDied:
            self._seen.append(("crash", f"before write {step.dies} of {replace(step, dies=0)}"))
            self._dies_at = 0
            if step.kind in {"user", "early", "edit"} and step.dies == 1:
                self._given -= 1  # it was not taken: who sent it has no receipt, and sends it again
                self._sent = [name for name in self._sent if name != f"m{self._given + 1}"]
            self._die()

    def _die(self) -> None:
        self._graced = 0
        self._driver.crash()
        self._driver.feed()

    def _act(self, step: Step) -> None:
        run = self.state.run
        number = 0 if run is None else run.number
        now = self._clock.now()
        match step.kind:
            case "user" | "early":
                self._say(step.what)
            case "model":
                self._answer()
            case "tool":
                self._bodies.finish(self._held(step.what))
            case "approve" | "refuse":
                self._decide(step.kind, step.what)
            case "resolve" | "settle":
                self._settle(step.what)
            case "crash":
                self._seen.append(("crash", "between two steps"))
                self._die()
            case "cancel":
                self._driver.post("stop", {"run": number, "cause": "cancel"}, f"cancel:{number}")
            case "expire" if run is not None:
                self._clock.move_to(run.deadline)
                self._driver.feed(happened.StopRequested(self._clock.now(), number, "expired"))
            case "grace" if run is not None and run.batch is not None:
                self._graced = number
                self._driver.feed(happened.GraceReached(now, number, run.batch.number))
            case "timeout":
                command = self._held(step.what).command
                where = (now, command.run, command.batch, command.call)
                self._driver.feed(happened.CallDone(*where, "", ran=False, pending="running"))
            case "fail" if run is not None:
                ended = happened.RunEnded(now, number, run.request, Status.FAILED, 0, "", "server_error")
                self._driver.feed(ended)
            case "edit":
                self._edit()
            case "pause":
                self._given += 1
                self._be_silent()
            case "silence":
                self._be_silent()
            case _:
                raise ConfigurationError(f"{step} is no step of a schedule")

    def _be_silent(self) -> None:
        at = wake_at(self.flow, self.state)
        if at is not None:
            self._clock.move_to(at)
            data = {"stimuli": self.state.stimuli, "timed": self.state.timed}
            self._driver.post("timer", data, f"timer:{data['stimuli']}:{data['timed']}")

    def _edit(self) -> None:
        edit = self._inputs[self._given]
        assert isinstance(edit, Edit)
        self._given += 1
        data = {"id": f"e{self._given}", "patch": to_jsonable_python(edit.fields)}
        self._driver.post("edit", data, f"edit:{self._given}")

    def _say(self, policy: str) -> None:
        message = self._inputs[self._given]
        assert isinstance(message, Message)
        self._given += 1
        name = f"m{self._given}"
        self._sent.append(name)
        data = {"id": name, "text": message.text, "policy": policy or message.while_running}
        try:
            self._driver.post("message", data, f"user:{name}")
        except ThreadClosed:
            self._refused.add(name)

    def _answer(self) -> None:
        run, prompt = self.state.run, self.prompt
        assert run is not None
        assert prompt is not None
        answer = self._asked(prompt)
        where = (self._clock.now(), run.number, run.request)
        stored = len(self.state.due)
        if not answer.calls:
            self._driver.feed(happened.RunEnded(*where, Status.COMPLETED, stored, answer.text))
            return
        made = sum(len(getattr(item, "calls", ())) for item in self.transcript)
        named = [replace(one, id=f"call_{number}") for number, one in enumerate(answer.calls, made + 1)]
        batch = calls.journaled(self.flow, self.state, named)
        self._driver.feed(happened.CallsRequested(*where, stored, batch, answer.text))

    def _asked(self, prompt: Any) -> Answer:
        model = self._scenario.model
        given = model.answer(prompt) if isinstance(model, Answerer) else model(prompt)
        if isinstance(given, AsyncIterator):
            given = _added_up(given)  # pyright: ignore[reportUnknownArgumentType]
        if inspect.isawaitable(given):
            given = self._bodies.loop.run(given)
        if isinstance(given, str):
            return Answer(given)
        if not isinstance(given, Answer):
            raise Broken(f"the model answered {given!r}: it must give an Answer or a text")
        return given

    def _held(self, what: str) -> Held:
        name, _, place = what.partition("#")
        named = [held for held in self._bodies.held.values() if held.body.tool.name == name]
        return named[int(place or 1) - 1]

    def _decide(self, kind: str, ticket: str) -> None:
        outcome: Literal["approved", "refused"] = "approved" if kind == "approve" else "refused"
        ruling = self._ruling(ticket, kind)
        decide(self.store, THREAD, ticket, outcome, reason=ruling.text if ruling else "", clock=self._clock)
        self._driver.feed()

    def _ruling(self, ticket: str, kind: str) -> Ruling | None:
        found = self.state.ticket(ticket)
        known = () if found is None else self._scenario.rulings.get(found.call.tool, ())
        return next((one for one in known if one.kind == kind), None)

    def _settle(self, ticket: str) -> None:
        """Say what became of a call: as the world answered, or, for a call in doubt, as it truly was."""
        found = self.state.ticket(ticket)
        assert found is not None
        ruling = self._ruling(ticket, "resolve") if found.stage == "waiting" else None
        result = self._bodies.results.get((found.run, found.batch, found.call.id))
        took_effect = ruling is not None or (result is not None and result.ran)
        output = ruling.text if ruling else result.output if result else "it did not happen"
        row = calls.settled_by(self.flow, self.state, found, output, happened=took_effect, by="")
        self._driver.post("resolved", row, f"settle:{ticket}")


async def _added_up(pieces: AsyncIterator[Any]) -> Answer:
    text, asked = "", list[Any]()
    async for piece in pieces:
        answer = Answer(piece) if isinstance(piece, str) else piece
        text += answer.text
        asked += answer.calls
    return Answer(text, tuple(asked))


#: Called with a world: asserts of a test.
Check: TypeAlias = Callable[[World[Any]], object]
