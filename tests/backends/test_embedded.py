"""The embedded backend asks a model object in process, and reports whatever comes of it without raising."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest

from handoff.backends.base import Absent, Called, Delta, Ended, Report, Request
from handoff.backends.embedded import Embedded
from handoff.core.items import Asked, Output, Spoken, UserMessage
from handoff.core.state import Mode
from handoff.core.status import Status
from handoff.declaration.prompt import Prompt
from handoff.models import Answer, ScriptedModel, ScriptMismatch

DUE = (Output(1, 1, "call_1", "open_page", "open"), UserMessage("m2", "go on"))
TRANSCRIPT = (UserMessage("m1", "hi"), Spoken("welcome", 1, "", (Asked("call_1", "open_page", "{}"),)))


def request(purpose: Literal["send", "watch", "read_back"] = "send") -> Request:
    return Request("t1", 2, 1, purpose, Prompt("editor", "Edit.", (), TRANSCRIPT, DUE), 600.0)


def reports(model: Any, purpose: Literal["send", "watch", "read_back"] = "send") -> list[Report]:
    async def collect() -> list[Report]:
        return [report async for report in Embedded(model).open(request(purpose))]

    return asyncio.run(collect())


class Says:
    """A model that answers with what it is given, and keeps what it was shown."""

    def __init__(self, answer: object) -> None:
        self._answer = answer
        self.shown: list[Prompt] = []

    def answer(self, prompt: Prompt) -> Any:
        self.shown.append(prompt)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class Awaited:
    """A model that takes its time."""

    async def answer(self, prompt: Prompt) -> Answer:
        await asyncio.sleep(0)
        return Answer(f"I am {prompt.assistant}.")


class Streams:
    """A model that streams; `fail` makes it break off, `closed` says that it was let go."""

    def __init__(self, *pieces: object, fail: bool = False) -> None:
        self._pieces, self._fail, self.closed = pieces, fail, False

    async def answer(self, _prompt: Prompt) -> AsyncIterator[Any]:
        try:
            for piece in self._pieces:
                yield piece
            if self._fail:
                raise ConnectionError("gone")
        finally:
            self.closed = True


ASKED = Asked("a", "read_page", "{}")


def test_the_backend_swaps_and_steers() -> None:
    """Outputs, steered messages and the next assistant's instructions go in one request."""
    assert Mode(swap=True, carry=False, steer=True) == Embedded(Says(Answer())).mode


def test_the_model_is_shown_the_prompt_as_it_is() -> None:
    """A model object gets the very prompt of the request."""
    model = Says(Answer("done"))
    reports(model)

    assert [request().prompt] == model.shown


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        pytest.param(Says(Answer("done")), [Delta("done"), Ended(Status.COMPLETED, "done", stored=2)], id="reply"),
        pytest.param(Says(Answer()), [Ended(Status.COMPLETED, stored=2)], id="nothing-said"),
        pytest.param(Says(Answer(calls=(ASKED,))), [Called((ASKED,), stored=2)], id="call"),
        pytest.param(
            Says(Answer("wait", (ASKED,))), [Delta("wait"), Called((ASKED,), "wait", stored=2)], id="call-beside-text"
        ),
        pytest.param(
            Awaited(), [Delta("I am editor."), Ended(Status.COMPLETED, "I am editor.", stored=2)], id="awaited"
        ),
        pytest.param(
            Streams("do", "", "ne"),
            [Delta("do"), Delta("ne"), Ended(Status.COMPLETED, "done", stored=2)],
            id="stream",
        ),
        pytest.param(
            Streams("wait", Answer("!", (ASKED,))),
            [Delta("wait"), Delta("!"), Called((ASKED,), "wait!", stored=2)],
            id="stream-with-calls",
        ),
        pytest.param(Streams(), [Ended(Status.COMPLETED, stored=2)], id="empty-stream"),
        pytest.param(
            Says(TimeoutError("too slow")), [Ended(Status.FAILED, reason="TimeoutError: too slow")], id="failure"
        ),
        pytest.param(
            Streams("do", fail=True),
            [Delta("do"), Ended(Status.FAILED, "do", reason="ConnectionError: gone")],
            id="failure-in-a-stream",
        ),
    ],
)
def test_an_answer_is_reported(model: Any, expected: list[Report]) -> None:
    """Text comes as deltas; calls or the end come last, with all of `due` stored unless the model failed."""
    assert expected == reports(model)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="nothing"),
        pytest.param("text", id="bare-text"),
        pytest.param(Answer(3), id="number-for-text"),  # type: ignore[arg-type]
        pytest.param(Answer(calls=(Asked("a", "read_page", {}),)), id="arguments-not-text"),  # type: ignore[arg-type]
    ],
)
def test_an_answer_that_is_none_fails_the_run(answer: object) -> None:
    """What a model object gives is checked before it can reach the journal."""
    (ended,) = reports(Says(answer))

    assert isinstance(ended, Ended)
    assert (Status.FAILED, 0, True) == (ended.status, ended.stored, ended.reason.startswith("TypeError: the model"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(("", ""), ("call_2", "call_3"), id="empty"),
        pytest.param(("a", "a"), ("a", "call_2"), id="twice"),
        pytest.param(("call_1",), ("call_2",), id="used-before"),
        pytest.param(("", "call_2"), ("call_2", "call_3"), id="as-one-just-given"),
        pytest.param(("b", "a"), ("b", "a"), id="fine"),
    ],
)
def test_calls_have_ids_of_their_own(given: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """An empty or repeated id is replaced, the same way each time the same prompt is answered."""
    (called,) = reports(Says(Answer(calls=tuple(Asked(one, "read_page", "{}") for one in given))))

    assert isinstance(called, Called)
    assert expected == tuple(asked.id for asked in called.calls)


@pytest.mark.parametrize("purpose", ["read_back", "watch"])
def test_nothing_is_found_of_an_earlier_request(purpose: Literal["watch", "read_back"]) -> None:
    """There is no server: a request without an answer did not happen, and the model is not asked."""
    model = Says(Answer("done"))

    assert ([Absent()], []) == (reports(model, purpose), model.shown)


def test_closing_a_request_closes_the_models_stream() -> None:
    """A request closed early leaves no stream running."""
    model = Streams("one", "two")

    async def first() -> Report:
        backend = Embedded(model)
        stream = backend.open(request())
        report = await anext(stream)
        await backend.cancel(request())
        await stream.aclose()
        return report

    assert (Delta("one"), True) == (asyncio.run(first()), model.closed)


def test_cancelling_the_task_is_no_failure() -> None:
    """A cancelled request ends as cancelled, not as a failed run."""

    class Waits:
        async def answer(self, _prompt: Prompt) -> Answer:
            await asyncio.Event().wait()
            return Answer()

    async def run() -> list[Report]:
        seen: list[Report] = []

        async def read() -> None:
            seen.extend([report async for report in Embedded(Waits()).open(request())])

        task = asyncio.create_task(read())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert [] == asyncio.run(run())


def test_a_mismatch_with_the_script_is_told_as_the_reason() -> None:
    """A failed run of a scripted model says what differed."""
    (ended,) = reports(ScriptedModel({}))

    assert isinstance(ended, Ended)
    assert ended.reason.startswith("ScriptMismatch: editor has no step for its turn 1 after the user")


def test_close_reports_an_unused_step_once() -> None:
    """Closing the backend closes its model; a second call does nothing."""
    backend = Embedded(ScriptedModel({"editor": ["unused"]}))
    with pytest.raises(ScriptMismatch, match="editor did not come to 'unused'"):
        asyncio.run(backend.close())

    asyncio.run(backend.close())


def test_close_waits_for_a_model_that_closes_slowly() -> None:
    """A model may close asynchronously."""
    closed: list[str] = []

    class Closes(Awaited):
        async def close(self) -> None:
            await asyncio.sleep(0)
            closed.append("closed")

    asyncio.run(Embedded(Closes()).close())

    assert ["closed"] == closed


def test_a_model_need_not_close() -> None:
    """A model without `close` is fine, and is asked for none."""
    model = Says(Answer())

    asyncio.run(Embedded(model).close())
    assert not hasattr(model, "close")
