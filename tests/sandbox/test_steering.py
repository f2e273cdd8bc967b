"""Responses over a WebSocket through the real SDK: made in a row, and steered while they are made (R12)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any

import openai
import pytest

from handoff.declaration.prompt import Prompt
from handoff.models import Answer
from handoff.sandbox import Sandbox, serving
from handoff.sandbox.model import PlainModel
from tests.sandbox.conftest import FLAT

# the SDK opens its connection as websockets did before 17.1
pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")


class Waiting(PlainModel):
    """The plain model, which answers only when the test lets it."""

    def __init__(self) -> None:
        self.may_answer = threading.Semaphore(0)

    async def answer(self, prompt: Prompt) -> Answer:
        await asyncio.to_thread(self.may_answer.acquire)
        return super().answer(prompt)


@pytest.fixture
def model() -> Waiting:
    """Who answers."""
    return Waiting()


@pytest.fixture
def connection(model: Waiting) -> Generator[Any]:
    """A connection of the SDK to a sandbox with that model."""
    with (
        serving(Sandbox(model, token="right")) as url,  # noqa: S106 - of nothing
        openai.OpenAI(base_url=url, api_key="right") as client,
        client.responses.connect() as made,
    ):
        yield made
        model.may_answer.release(10)


def until(connection: Any, kind: str) -> list[Any]:
    """The events that come, up to the first of that type."""
    events: list[Any] = []
    while not events or events[-1].type != kind:
        events.append(connection.recv())
    return events


def test_responses_are_made_in_a_row(connection: Any, model: Waiting) -> None:
    """response.create brings the events of a response; the next chains from it on the same connection."""
    model.may_answer.release(2)
    connection.response.create(model="any", input="one")
    first = until(connection, "response.completed")[-1].response
    connection.response.create(model="any", input="two", previous_response_id=first.id)
    second = until(connection, "response.completed")[-1].response

    assert ("You said: one", "You said: two") == (first.output_text, second.output_text)
    assert first.id == second.previous_response_id


def test_r12_accepted_input_makes_a_successor(connection: Any, model: Waiting) -> None:
    """What steers is accepted while the response is made, and answered by a successor with the same settings."""
    connection.response.create(model="any", instructions="Be kind.", input="one")
    made = until(connection, "response.in_progress")[-1].response
    connection.response.steer(previous_response_id=made.id, input="two")
    accepted = until(connection, "response.steer.accepted")[-1]
    model.may_answer.release(2)
    first = until(connection, "response.completed")[-1].response
    second = until(connection, "response.completed")[-1].response

    assert made.id == accepted.steer.previous_response_id
    assert ("You said: one", "You said: two") == (first.output_text, second.output_text)
    assert (first.id, "Be kind.") == (second.previous_response_id, second.instructions)


def test_r12_accepted_input_waits_for_the_outputs_of_calls(connection: Any, model: Waiting) -> None:
    """Where calls are open the input waits, what is owed is named, and it comes before the outputs that are sent."""
    connection.response.create(model="any", input="call add {}", tools=[FLAT])
    made = until(connection, "response.in_progress")[-1].response
    connection.response.steer(previous_response_id=made.id, input="hurry up")
    until(connection, "response.steer.accepted")
    model.may_answer.release(2)
    pending = until(connection, "response.steer.pending")[-1]
    (owed,) = pending.required_input
    output = {"type": "function_call_output", "call_id": owed.call_id, "output": "3"}
    connection.response.create(model="any", previous_response_id=made.id, input=[output])
    second = until(connection, "response.completed")[-1].response

    assert ("waiting_for_required_input", "add") == (pending.reason, owed.name)
    assert "You said: hurry up" == second.output_text


@pytest.mark.parametrize(
    ("steer", "code"),
    [
        pytest.param({"previous_response_id": "resp_X", "input": "hi"}, "response_not_found", id="unknown"),
        pytest.param({"input": [{"role": "system", "content": "hi"}]}, "invalid_input", id="role"),
        pytest.param({"input": []}, "invalid_input", id="nothing"),
    ],
)
def test_r12_what_does_not_steer_is_returned(connection: Any, model: Waiting, steer: dict[str, Any], code: str) -> None:
    """Input that is not taken comes back with the reason, and the response goes on."""
    connection.response.create(model="any", input="one")
    made = until(connection, "response.in_progress")[-1].response
    connection.send({"type": "response.steer", "previous_response_id": made.id, **steer})
    failed = until(connection, "response.steer.failed")[-1]
    model.may_answer.release()
    over = until(connection, "response.completed")[-1].response

    assert code == failed.error.code
    assert "You said: one" == over.output_text


def test_r12_a_response_that_is_over_is_not_steered(connection: Any, model: Waiting) -> None:
    """After its end a response takes no input."""
    model.may_answer.release()
    connection.response.create(model="any", input="one")
    over = until(connection, "response.completed")[-1].response

    connection.response.steer(previous_response_id=over.id, input="two")

    assert "response_already_completed" == until(connection, "response.steer.failed")[-1].error.code


def test_r12_without_a_stored_response_there_is_no_successor(connection: Any, model: Waiting) -> None:
    """Accepted input whose successor cannot be made is returned under its id."""
    connection.response.create(model="any", input="one", store=False)
    made = until(connection, "response.in_progress")[-1].response
    connection.response.steer(previous_response_id=made.id, input="two")
    accepted = until(connection, "response.steer.accepted")[-1]
    model.may_answer.release()

    failed = until(connection, "response.steer.failed")[-1]

    assert ("successor_creation_failed", accepted.steer.id) == (failed.error.code, failed.steer.id)


def test_a_request_that_is_refused_is_an_event(connection: Any) -> None:
    """A refusal comes as an error event, and the connection goes on."""
    connection.response.create(model="any", input="one", previous_response_id="resp_X")
    refused = until(connection, "error")[-1]
    connection.send({"type": "response.cancel"})
    unknown = until(connection, "error")[-1]

    assert "previous_response_not_found" == refused.code
    assert "Invalid value for 'type': there is no event 'response.cancel'." == unknown.message


def test_a_connection_needs_the_token(model: Waiting) -> None:
    """A wrong key is refused before the connection is made."""
    with (
        serving(Sandbox(model, token="right")) as url,  # noqa: S106 - of nothing
        openai.OpenAI(base_url=url, api_key="wrong") as client,
        pytest.raises(Exception, match="401"),
        client.responses.connect(),
    ):
        pass
