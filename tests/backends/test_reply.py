"""Replies that fit a model, refusals, and answers that end before their time: a value, a flag or a typed error."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, Field, RootModel, field_validator

from handoff import (
    Answer,
    Citation,
    ConfigurationError,
    DefinitionError,
    Flow,
    MessageAdded,
    Reply,
    ReplyUnfit,
    RunFailed,
    SqlStore,
    Threads,
    call,
)
from handoff.backends.chat import Chat
from handoff.backends.embedded import Embedded
from handoff.backends.responses import Responses
from handoff.core.items import Spoken, UserMessage
from handoff.declaration.reply_models import format_of
from handoff.sandbox import Sandbox, serving
from handoff.testing import Talk, TalkMismatch
from tests.support.chat_server import completion, response, scripted
from tests.support.models import Plays

KINDS = ["embedded", "chat", "chat-whole", "responses", "responses-own"]


class Weather(BaseModel):
    """What the weather is."""

    city: str
    degrees: int = Field(ge=-90, le=60)


T = TypeVar("T")
WARM = '{"city": "Rome", "degrees": 31}'

Made = Callable[[Any], Any]


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest) -> Iterator[Made]:
    """Makes a backend whose model is an object, a socket between where there is a server."""
    with ExitStack() as stack:

        def make(model: Any) -> Any:
            kind, _, way = request.param.partition("-")
            if kind == "embedded":
                return Embedded(model)
            url = stack.enter_context(serving(Sandbox(model)))
            if kind == "chat":
                return Chat("tiny", base_url=url, api_key="any", stream=way != "whole")
            return Responses("tiny", base_url=url, api_key="any", history="own" if way == "own" else "chain")

        yield make


def station(**options: Any) -> Flow[Any, Any]:
    """A flow whose assistant answers with the weather."""
    flow = Flow("station")
    flow.assistant("reporter", instructions="Say what the weather is.", reply=Weather, **options)
    return flow


async def test_the_reply_is_a_value_of_the_model(made: Made) -> None:
    """The text is the JSON, the value the instance; the model was shown what to fit."""
    model = Plays(WARM)
    async with Threads(station(), backend=made(model)) as threads:
        reply = await (await threads.open("t")).send("Rome?")

    assert Weather(city="Rome", degrees=31) == reply.value
    assert WARM == reply.text
    shown = model.prompts[0].reply
    assert shown is not None
    assert ("Weather", format_of(Weather).schema, True) == (shown.name, shown.schema, shown.strict)


async def test_an_answer_that_does_not_fit_is_a_typed_error(made: Made) -> None:
    """It names what is wrong and has the answer; the thread goes on, and the model sees what it had said."""
    model = Plays('{"city": "Rome", "degrees": 310}', WARM)
    async with Threads(station(), backend=made(model)) as threads:
        thread = await threads.open("t")
        with pytest.raises(ReplyUnfit) as unfit:
            await thread.send("Rome?")
        status, reply = thread.status, await thread.send("again, please")

    assert "incomplete" == unfit.value.status
    assert "the answer does not fit Weather: degrees: Input should be less than or equal to 60" == unfit.value.reason
    assert '{"city": "Rome", "degrees": 310}' == unfit.value.text
    assert ("rest", Weather(city="Rome", degrees=31)) == (status, reply.value)
    assert [UserMessage, Spoken, UserMessage] == [type(item) for item in model.prompts[1].items]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("It is warm.", id="prose"),
        pytest.param("", id="nothing"),
        pytest.param("[]", id="list"),
        pytest.param('{"city": "Rome"}', id="field-missing"),
        pytest.param("[" * 5000, id="deep"),
        pytest.param('```json\n{"city": "Rome", "degrees": 3}\n```', id="fenced"),
    ],
)
async def test_what_is_no_value_never_passes_for_one(text: str) -> None:
    """Nothing is mended."""
    async with Threads(station(), backend=Embedded(Plays(text))) as threads:
        with pytest.raises(ReplyUnfit, match="does not fit Weather"):
            await (await threads.open("t")).send("Rome?")


async def test_a_validator_that_fails_is_a_typed_error() -> None:
    """What a flow's author wrote may raise anything; the run is not wedged."""

    class Fragile(BaseModel):
        city: str

        @field_validator("city")
        @classmethod
        def _look_up(cls, city: str) -> str:
            raise KeyError(city)

    flow = Flow("station")
    flow.assistant("reporter", instructions="Report.", reply=Fragile)
    async with Threads(flow, backend=Embedded(Plays('{"city": "Rome"}'))) as threads:
        with pytest.raises(ReplyUnfit, match="does not fit Fragile: KeyError: 'Rome'"):
            await (await threads.open("t")).send("Rome?")


async def test_a_refusal_is_a_reply_without_a_value(made: Made) -> None:
    """It is flagged, its text is there, and it need not fit."""
    model = Plays(Answer("I will not.", refused=True))
    async with Threads(station(), backend=made(model)) as threads:
        thread = await threads.open("t")
        events = [event async for event in thread.stream("Rome?", key="k") if isinstance(event, MessageAdded)]
        reply = await thread.send("Rome?", key="k")

    assert (True, "I will not.", None) == (reply.refused, reply.text, reply.value)
    assert [False, True] == [event.refused for event in events]


async def test_an_answer_stopped_by_a_filter_is_a_typed_error_with_its_text(made: Made) -> None:
    """Status, reason and the text so far; whether it fits is not looked at."""
    model = Plays(Answer('{"city": "Ro', incomplete="content_filter"), WARM)
    async with Threads(station(), backend=made(model)) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("Rome?")
        reply = await thread.send("again")

    assert ("incomplete", '{"city": "Ro') == (failed.value.status, failed.value.text)
    assert "content" in failed.value.reason
    assert "filter" in failed.value.reason
    assert not isinstance(failed.value, ReplyUnfit)
    assert reply.value is not None


@pytest.mark.parametrize("kind", ["chat", "responses"])
async def test_an_answer_cut_off_at_its_length_is_a_typed_error_with_its_text(kind: str) -> None:
    """The option of the assistant reaches the server, and what it says of the cut comes back."""
    flow = Flow("station")
    flow.assistant("reporter", instructions="Report.", max_output_tokens=16)
    with serving(Sandbox()) as url:
        backend = (Chat if kind == "chat" else Responses)("tiny", base_url=url, api_key="any")
        async with Threads(flow, backend=backend) as threads:
            with pytest.raises(RunFailed) as failed:
                await (await threads.open("t")).send("word " * 20)

    assert ("incomplete", "the answer was cut off at its longest length", "You said:" + " word" * 14) == (
        failed.value.status,
        failed.value.reason,
        failed.value.text,
    )


async def test_sources_come_with_the_reply() -> None:
    """What a model object says of its sources is on the reply and on the event."""
    source = Citation("Weather", "https://example.com", start=0, end=4)
    flow = Flow("station")
    flow.assistant("reporter", instructions="Report.")
    async with Threads(flow, backend=Embedded(Plays(Answer("Warm", citations=(source,))))) as threads:
        thread = await threads.open("t")
        events = [event async for event in thread.stream("Rome?", key="k") if isinstance(event, MessageAdded)]
        reply = await thread.send("Rome?", key="k")

    assert (source,) == reply.citations == events[1].citations


async def test_the_same_key_after_a_restart_gives_the_same_value(tmp_path: Path) -> None:
    """The value is made from the journal, by whoever asks."""
    replies = []
    for model in (Plays(WARM), Plays()):
        async with Threads(station(), backend=Embedded(model), store=SqlStore(tmp_path / "t.db")) as threads:
            replies.append(await (await threads.open("t")).send("Rome?", key="k"))

    assert replies[0] == replies[1]
    assert Weather(city="Rome", degrees=31) == replies[1].value


async def test_the_same_key_gives_the_same_error(tmp_path: Path) -> None:
    """What did not fit still does not, and the error is of the same type."""
    for model in (Plays("no"), Plays()):
        async with Threads(station(), backend=Embedded(model), store=SqlStore(tmp_path / "t.db")) as threads:
            thread = await threads.open("t")
            with pytest.raises(ReplyUnfit) as unfit:
                await thread.send("Rome?", key="k")

            assert "no" == unfit.value.text


async def test_the_value_is_that_of_whoever_speaks_last() -> None:
    """What is said on the way to another assistant is no value, and need not fit."""
    flow = Flow("station")
    observer = flow.assistant("observer", instructions="Observe.", reply=Weather)
    reporter = flow.assistant("reporter", instructions="Report.")

    @observer.tool(to=reporter)
    def hand_in() -> str:
        """Hand the observation in."""
        return "handed in"

    model = Plays(Answer("Just a moment.", calls=(call(hand_in),)), "It is warm.")
    async with Threads(flow, backend=Embedded(model)) as threads:
        reply = await (await threads.open("t")).send("Rome?")

    assert ("It is warm.", None) == (reply.text, reply.value)
    assert [True, False] == [prompt.reply is not None for prompt in model.prompts]


async def test_a_transition_follows_only_an_answer_that_fits() -> None:
    """`then` waits for a completed answer (H5)."""
    flow = Flow("station")
    observer = flow.assistant("observer", instructions="Observe.", reply=Weather)
    reporter = flow.assistant("reporter", instructions="Report.")
    observer.then(reporter)
    async with Threads(flow, backend=Embedded(Plays("no", WARM, "It is warm."))) as threads:
        thread = await threads.open("t")
        with pytest.raises(ReplyUnfit):
            await thread.send("Rome?")
        stayed, reply = thread.assistant, await thread.send("again")

    assert stayed is observer
    assert ("reporter", "It is warm.", None) == (reply.assistant, reply.text, reply.value)


async def test_a_tools_output_that_is_the_reply_is_no_value() -> None:
    """It is the tool's text, whatever it looks like."""
    flow = Flow("station")
    observer = flow.assistant("observer", instructions="Observe.", reply=Weather)
    reporter = flow.assistant("reporter", instructions="Report.", reply=Weather)

    @observer.tool(to=reporter, speak="output")
    def hand_in() -> str:
        """Hand the observation in."""
        return WARM

    async with Threads(flow, backend=Embedded(Plays(call(hand_in)))) as threads:
        reply = await (await threads.open("t")).send("Rome?")

    assert (WARM, None) == (reply.text, reply.value)


@pytest.mark.parametrize("kind", ["chat", "responses"])
async def test_a_server_is_asked_for_the_model_in_its_own_words(kind: str) -> None:
    """The schema goes out strict where strict mode can express it, beside the tools."""
    reply = completion({"content": WARM})
    if kind == "responses":
        part = {"type": "output_text", "text": WARM}
        reply = response({"id": "r", "status": "completed", "output": [{"type": "message", "content": [part]}]})
    async with scripted(reply) as script:
        made = Chat if kind == "chat" else Responses
        backend = made("tiny", base_url=script.base_url, api_key="any", stream=False)
        async with Threads(station(), backend=backend) as threads:
            await (await threads.open("t")).send("Rome?")

    (body,) = script.bodies
    named = {"name": "Weather", "schema": format_of(Weather).schema, "strict": True}
    if kind == "chat":
        assert {"type": "json_schema", "json_schema": named} == body["response_format"]
    else:
        assert {"format": {"type": "json_schema", **named}} == body["text"]


def test_what_strict_mode_cannot_express_is_sent_without_it() -> None:
    """A mapping of any keys is no strict schema."""

    class Table(BaseModel):
        cells: dict[str, int]

    assert not format_of(Table).strict


def test_a_generic_model_has_a_name_servers_take() -> None:
    """Brackets are none of theirs."""

    class Page(BaseModel, Generic[T]):
        items: list[T]

    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", format_of(Page[int]).name)


class _NotAModel:
    pass


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param(dict, "reporter has reply=<class 'dict'>: give a class derived from pydantic", id="dict"),
        pytest.param("Weather", "reporter has reply='Weather': give a class", id="text"),
        pytest.param(_NotAModel, "give a class derived from pydantic.BaseModel", id="class"),
        pytest.param(BaseModel, "give a class derived from pydantic.BaseModel", id="base"),
        pytest.param(
            Weather(city="Rome", degrees=3), "reply=Weather(…): give the class itself, reply=Weather", id="instance"
        ),
        pytest.param(RootModel[list[int]], "is no object with fields of its own", id="list"),
        pytest.param(type("Empty", (BaseModel,), {}), "reply=Empty, which is no object with fields", id="empty"),
        pytest.param(
            type("Odd", (BaseModel,), {"__annotations__": {"f": Callable[[], int]}}),
            "reply=Odd, which has no JSON schema",
            id="no-schema",
        ),
    ],
)
def test_a_model_that_cannot_be_is_refused_where_it_is_declared(given: Any, problem: str) -> None:
    """The error names the file and line of the declaration."""
    flow = Flow("station")
    with pytest.raises(DefinitionError) as refused:
        flow.assistant("reporter", instructions="Report.", reply=given)

    assert problem in str(refused.value)
    assert Path(__file__).name == Path(refused.value.file).name
    assert {} == dict(flow.assistants)


def test_a_backend_that_carries_no_replies_is_refused() -> None:
    """Where threads are made: it names the assistant, the option, the backend and what to do."""

    class Plain(Embedded):
        def __init__(self) -> None:
            super().__init__(Plays())
            self.carries = frozenset()

    with pytest.raises(ConfigurationError) as refused:
        Threads(station(), backend=Plain())

    problem = "reporter declares reply=Weather, which the Plain backend does not carry"
    assert f"{problem}: use a backend whose `carries` names 'reply', or leave it out" in str(refused.value)


def test_the_version_of_a_flow_tells_its_replies() -> None:
    """Another model is another version; a flow without one keeps the version it had."""

    def version(reply: Any) -> str:
        flow = Flow("station")
        flow.assistant("reporter", instructions="Report.", reply=reply)
        return flow.version

    class Other(BaseModel):
        city: str

    assert 3 == len({version(None), version(Weather), version(Other)})


def test_a_talk_says_values_and_holds_them_against_the_model() -> None:
    """The test plays a model that fits; one that errs or refuses has steps of its own."""
    with Talk(station()) as talk:
        talk.user("Rome?")
        with pytest.raises(TalkMismatch, match="does not fit Weather: degrees: Field required"):
            talk.says('{"city": "Rome"}')
        talk.says(Weather(city="Rome", degrees=31))
        talk.user("and now?")
        talk.missays("No idea.")
        talk.user("and now?")
        talk.refuses("I will not.")
        said = [event for event in talk.events if isinstance(event, MessageAdded) and event.assistant]

    assert ['{"city":"Rome","degrees":31}', "No idea.", "I will not."] == [event.text for event in said]
    assert [False, False, True] == [event.refused for event in said]


def test_a_reply_compares_by_all_it_says() -> None:
    """Two replies with one text and different values differ."""
    reply = Reply("x", "a", value=Weather(city="Rome", degrees=1))

    assert reply != dataclasses.replace(reply, value=Weather(city="Rome", degrees=2))


@pytest.mark.parametrize(
    ("messages", "speaker"),
    [
        pytest.param((("writer", "a draft"), ("critic", "fine")), "critic", id="the last to speak"),
        pytest.param((), None, id="nobody spoke"),
    ],
)
def test_a_reply_names_who_said_its_text(messages: tuple[tuple[str, str], ...], speaker: str | None) -> None:
    """Who spoke last is not who is active where a transition followed the reply."""
    reply = Reply(messages[-1][1] if messages else "", "front", messages)

    assert (speaker, "front") == (reply.speaker, reply.assistant)
