"""What the assistants backend sends, what it refuses to send, and what it makes of what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from handoff import ConfigurationError, Flow, Metadata, RunFailed, SystemClock
from handoff.backends.assistants import Assistants
from handoff.backends.assistants.api import Failed
from handoff.backends.assistants.messages import fitting, messages_of, mirrored, run_fields, run_metadata, seed_of
from handoff.backends.assistants.run import Leg, ours_in, reason_of, said_in, usage_of, waiting
from handoff.backends.assistants.runs import Runs
from handoff.backends.base import Request
from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage
from handoff.core.state import Mode
from handoff.core.status import Status
from handoff.core.usage import Usage
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.sandbox.world import World as Sandboxed
from tests.support.assistants_servers import KINDS, Servers, servers_of
from tests.support.forms import World
from tests.support.models import Plays
from tests.support.workshop import build

FLOW = build()


@pytest.fixture
def servers(world: World) -> Iterator[Servers]:
    """The kind that completes and streams."""
    with servers_of(KINDS["complete-stream"], world.clock) as made:
        yield made


def request(*due: Item, transcript: tuple[Item, ...] = (), **given: Any) -> Request:
    """A start."""
    prompt = Prompt("front", "Front.", given.pop("tools", ()), transcript, due, view=given.pop("view", "all"))
    return Request(given.pop("thread", "t"), 3, 1, "send", prompt, 600.0, **given)


# -- how it is made ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finish", "carry", "otherwise"),
    [
        pytest.param("complete", False, (), id="all complete"),
        pytest.param("carry", True, (), id="all are carried"),
        pytest.param({"b": "carry", "a": "carry", "c": "complete"}, False, ("a", "b"), id="some are carried"),
        pytest.param({"*": "carry", "a": "complete", "b": "carry"}, True, ("a",), id="some complete"),
    ],
)
def test_how_transitions_finish(finish: Any, carry: bool, otherwise: tuple[str, ...]) -> None:
    """For all, or by the tool's name; nothing is swapped in or steered in."""
    mode = Assistants("tiny", base_url="http://localhost/v1", finish=finish).mode

    assert Mode(swap=False, carry=carry, steer=False, otherwise=otherwise) == mode


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param({"finish": "swap"}, "finish='swap'", id="finish"),
        pytest.param({"finish": {"open_page": None}}, "finish=None", id="finish of a tool"),
        pytest.param({"input_tokens": 255}, "input_tokens=255", id="too few tokens"),
        pytest.param({"poll": 0}, "poll=0", id="no wait"),
        pytest.param({"timeout": -1}, "timeout=-1", id="no patience"),
        pytest.param({"client": object()}, "give either", id="two servers"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], problem: str) -> None:
    """The text names the argument."""
    with pytest.raises(ConfigurationError, match=problem):
        Assistants("tiny", base_url="http://localhost/v1", **given)


def test_without_a_key_or_a_server_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's own server wants a key."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ConfigurationError, match="no API key"):
        Assistants("tiny")


# -- refused before anything is sent -----------------------------------------------------------------------------------


def wide() -> Flow[Any, Any]:
    """An assistant with a tool too many."""
    flow = Flow("wide")
    front = flow.assistant("front", instructions="Front.")
    for number in range(21):

        def tool(what: str) -> str:
            return what

        tool.__name__ = tool.__qualname__ = f"tool_{number}"
        tool.__doc__ = "Do something."
        front.tool()(tool)
    return flow


def declared(**options: Any) -> Flow[Any, Any]:
    """An assistant with these options."""
    flow = Flow("declared")
    flow.assistant("front", instructions="Front.", **options)
    return flow


@pytest.mark.parametrize(
    ("flow", "reason"),
    [
        pytest.param(wide(), "front is offered 21 tools, and a run on the Assistants API takes at most 20", id="tools"),
        pytest.param(declared(view="own"), "front is declared with view='own'", id="view"),
        pytest.param(declared(max_output_tokens=16), "takes no less than 256", id="output tokens"),
    ],
)
async def test_what_no_server_could_take_is_refused_before_anything_is_sent(
    servers: Servers, world: World, flow: Flow[Any, Any], reason: str
) -> None:
    """The turn ends by a typed failure that says what to do, and the server has seen nothing."""
    async with world.threads(flow, backend=servers.start()) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("one")

    assert ("failed", True) == (failed.value.status, reason in failed.value.reason)
    assert ({}, {}) == (servers.sandbox.world.threads, servers.sandbox.world.assistants)


# -- how it is spelled -------------------------------------------------------------------------------------------------


def texts(messages: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Role, text and item of each message."""
    return [(one["role"], one["content"], one["metadata"].get("item", "")) for one in messages]


@pytest.mark.parametrize(
    ("before", "told"),
    [
        pytest.param(Status.COMPLETED, "look, called before the handover, returned: ", id="carried over"),
        pytest.param(Status.EXPIRED, "While the earlier run was ended (expired), look returned: ", id="expired"),
        pytest.param(Status.FAILED, "While the earlier run was ended (failed), look returned: ", id="failed"),
    ],
)
def test_due_items_are_messages(before: Status, told: str) -> None:
    """Outputs that missed their run are told as data, notes as they are; what was cut off is on the server already."""
    due = (
        Output(2, 1, "c", "look", 'saw "a"\nand b'),
        Spoken("front", 2, "I was", cut=True),
        UserMessage("m1", ""),
        Note("late", "Result of dig (ticket T1), asked by front: a bone", "T1"),
        Note("handoff", "You are writer. front handed over to you by open_page."),
    )

    assert [
        (
            "user",
            told + '"saw \\"a\\"\\nand b"',
            "output:2/1/c",
        ),
        ("user", " ", "message:m1"),
        ("user", "Result of dig (ticket T1), asked by front: a bone", "late:T1"),
        ("user", "You are writer. front handed over to you by open_page.", ""),
    ] == texts(messages_of(due, before))


def test_what_was_cut_off_is_told_where_the_thread_is_new() -> None:
    """A thread made anew does not hold it."""
    assert [("assistant", "I was", "")] == texts(
        messages_of((Spoken("front", 2, "I was", cut=True),), None, fresh=True)
    )


def test_a_transcript_is_told_in_messages() -> None:
    """Calls are lines of text, with their outputs, so that nobody can imitate them (T2)."""
    items = (
        UserMessage("m1", "look"),
        Spoken("front", 1, "Well.", (Asked("c", "look", '{"what": "a"}'),)),
        Output(1, 1, "c", "look", "saw a"),
        Spoken("front", 1, "Saw it."),
    )

    line = 'Well.\n(front called "look" with {"what": "a"}, which returned: "saw a")'
    assert [("user", "look", "message:m1"), ("assistant", line, ""), ("assistant", "Saw it.", "")] == texts(
        seed_of(items)
    )


def test_metadata_is_mirrored_as_far_as_it_fits() -> None:
    """At most 16 pairs of the right length; ours come first, and None is left out (A10, M6)."""
    metadata = {
        "page": "about",
        "long": "x" * 513,
        "k" * 65: "v",
        "unset": None,
        "list": [1],
        "run": "mine",
        "replaces": "it",
    }
    asked = request(metadata={**metadata, **{f"f{number}": "v" for number in range(20)}})

    pairs, replacing = run_metadata(asked, ""), run_metadata(asked, "run_1")
    known = {"thread": "t", "run": "3", "assistant": "front", "page": "about", "list": "[1]"}
    assert (known.items() <= pairs.items(), {**known, "replaces": "run_1"}.items() <= replacing.items()) == (True, True)
    assert (16, 16, 16) == (len(pairs), len(replacing), len(mirrored(asked)))
    assert {"long", "k" * 65, "unset"}.isdisjoint(pairs)


def test_a_long_id_is_known_by_its_hash() -> None:
    """Our key never depends on whether the thread's id fits (C4)."""
    long = "t" * 600

    assert (64, fitting(long)) == (len(run_metadata(request(thread=long), "")["thread"]), fitting(long))


async def test_a_very_long_thread_id_and_an_empty_message(servers: Servers, world: World) -> None:
    """Both reach the server in a form it takes."""
    async with world.threads(FLOW, backend=servers.start()) as threads:
        thread = await threads.open("t" * 600)
        replies = [await thread.send(""), await thread.send("hello")]

    assert "You said: hello" == replies[1].text


# -- what comes back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        pytest.param({"status": "completed"}, "", id="completed"),
        pytest.param({"status": "failed", "last_error": {"code": "c", "message": "m sk-12345678"}}, "m ***", id="told"),
        pytest.param({"status": "failed", "last_error": {"code": "server_error"}}, "server_error", id="a code"),
        pytest.param(
            {"status": "incomplete", "incomplete_details": {"reason": "max_prompt_tokens"}},
            "the thread is longer than a run may read",
            id="too long",
        ),
        pytest.param(
            {"status": "incomplete", "incomplete_details": {"reason": "odd"}},
            "the answer is incomplete: odd",
            id="unknown",
        ),
    ],
)
def test_why_a_run_ended(run: dict[str, Any], reason: str) -> None:
    """In words, without secrets."""
    assert reason == reason_of(run, [])


FAILED = {"status": "failed", "last_error": {"code": "server_error"}}


def again(name: str, replaces: str) -> dict[str, Any]:
    """A run that was made again in the place of another."""
    return {"id": name, "metadata": {"run": "1", "replaces": replaces}}


@pytest.mark.parametrize(
    ("runs", "ours"),
    [
        pytest.param([], None, id="none"),
        pytest.param([{"id": "b", "metadata": {"run": "2"}}], None, id="another one's"),
        pytest.param([again("b", "a"), {"id": "a", **FAILED}], "b", id="made again after a failure"),
        pytest.param([{"id": "b", "status": "in_progress"}, {"id": "a", "status": "expired"}], "a", id="one came late"),
        pytest.param([{"id": "b"}, {"id": "a", **FAILED}], "a", id="one came late after a failure"),
        pytest.param([again("c", "a"), {"id": "b"}, {"id": "a", **FAILED}], "c", id="made again after a late one"),
        pytest.param([again("c", "a"), again("b", "a"), {"id": "a", **FAILED}], "b", id="one made again came late"),
        pytest.param([{**again("b", "a"), **FAILED}, {"id": "a", **FAILED}], "b", id="all failed"),
    ],
)
def test_which_run_is_ours(runs: list[dict[str, Any]], ours: str | None) -> None:
    """The first with our key, or the first to replace it where it failed; the latest is listed first."""
    found = ours_in([{"metadata": {"run": "1"}, **run} for run in runs], {"run": "1"})

    assert ours == (found and found["id"])


def test_an_object_that_is_not_what_it_should_be_is_nothing() -> None:
    """Servers are not all typed: what is missing or of another type counts for nothing."""
    odd: dict[str, Any] = {"status": 7, "required_action": [], "usage": "much", "metadata": None, "content": None}

    assert ((), "", Usage(model_calls=1)) == (waiting(odd), said_in(odd), usage_of(odd, told_before=False))


def test_an_error_in_a_stream_is_a_failure() -> None:
    """It is told without what looks like a key, and the run is looked for."""
    leg = Leg(request())
    with pytest.raises(Failed, match=r"boom \*\*\*"):
        leg.take({"error": {"message": "boom sk-12345678"}}, [])


@pytest.mark.parametrize(
    ("thread", "hurried"),
    [
        pytest.param("thread_one", True, id="the same thread"),
        pytest.param("thread_two", False, id="another of the server's threads"),
        pytest.param("", False, id="a new one"),
    ],
)
def test_what_is_known_of_a_deleted_thread_is_forgotten(thread: str, hurried: bool) -> None:
    """Another process deleted ours and opened it anew: a cancel of the old one is none of the new one."""
    api: Any = None
    runs = Runs(api, SystemClock(), 0.1)
    kept = runs.kept("t")
    kept.number, kept.thread, kept.hurried = 3, "thread_one", True
    found = runs.begin(Leg(request(), thread))

    assert hurried is found.hurried


async def test_calls_that_cannot_be_answered_end_the_run(
    servers: Servers, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that repeats an id in one batch: the run is cancelled, and the turn ends by a typed failure."""
    model = Plays([Asked("", "look", '{"what": "a"}'), Asked("", "look", '{"what": "b"}')], "fine")
    new_id = Sandboxed.new_id
    monkeypatch.setattr(Sandboxed, "new_id", lambda self, kind: "call_1" if kind == "call" else new_id(self, kind))
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed, match="cannot be answered"):
            await thread.send("one")
        reply = await thread.send("two")

    assert ("fine", "cancelled") == (reply.text, servers.runs[0].status)


# -- assistants --------------------------------------------------------------------------------------------------------


async def test_an_assistant_is_registered_once_however_many_threads_begin(servers: Servers, world: World) -> None:
    """Twenty threads at once share one assistant, named and marked as ours (A)."""
    async with world.threads(FLOW, backend=servers.start()) as threads:
        opened = [await threads.open(f"t{number}") for number in range(20)]
        await asyncio.gather(*(thread.send("hello") for thread in opened))

    (assistant,) = servers.sandbox.world.assistants.values()
    assert ("front", 20) == (assistant.given["name"], len(servers.sandbox.world.threads))
    assert assistant.given["metadata"]["handoff"].startswith("workshop.front@")


async def test_a_changed_assistant_is_another_one(servers: Servers, world: World) -> None:
    """The hash of its declaration is part of what it is known by."""
    backend = servers.start()
    for text in ("Front.", "Front!"):
        flow = Flow("same", metadata=Metadata)
        flow.assistant("front", instructions=text)
        async with world.threads(flow, backend=servers.again()) as threads:
            await (await threads.open(text)).send("hello")
    await backend.close()

    assert 2 == len(servers.sandbox.world.assistants)


async def test_it_is_found_on_a_later_page(servers: Servers, world: World) -> None:
    """However many assistants the server has."""
    async with world.threads(FLOW, backend=servers.start()) as threads:
        await (await threads.open("a")).send("hello")
        known = servers.sandbox.world.assistants
        (ours,) = known.items()
        given = {"model": "m", "metadata": {}}
        others = {f"asst_{number}": type(ours[1])(f"asst_{number}", 0, given) for number in range(250)}
        servers.sandbox.world.assistants = {**others, ours[0]: ours[1]}
    async with world.threads(FLOW, backend=servers.again()) as threads:
        await (await threads.open("b")).send("hello")

    assert 251 == len(servers.sandbox.world.assistants)


# -- views -------------------------------------------------------------------------------------------------------------


def test_tools_are_spelled_as_functions() -> None:
    """Name, description, parameters and strictness are nested, as the API has them."""
    tool = OfferedTool("look", "Look.", {"type": "object"}, strict=False)

    function = {"name": "look", "description": "Look.", "parameters": {"type": "object"}, "strict": False}
    assert [{"type": "function", "function": function}] == run_fields(request(tools=(tool,)), "m")["tools"]


SEEN = (
    UserMessage("m1", "zero"),
    Spoken("front", 1, "Hi."),
    UserMessage("m2", "one"),
    Spoken("front", 2, "", (Asked("c", "look", "{}"),)),
    Output(2, 1, "c", "look", "saw"),
    Spoken("front", 2, "Saw it."),
    UserMessage("m3", "two"),
    Spoken("front", 3, "Well.", (Asked("d", "open_page", "{}"),)),
    Output(3, 1, "d", "open_page", "open"),
    Note("handoff", "You are writer."),
    Spoken("writer", 4, "Here."),
)


@pytest.mark.parametrize(
    ("view", "shown"),
    [
        pytest.param(1, 1, id="this turn"),
        pytest.param(2, 6, id="an output that was carried over and a note count"),
        pytest.param(3, 8, id="an output at its call does not count"),
        pytest.param(4, 10, id="all of it"),
        pytest.param("since_active", 3, id="since it was active"),
    ],
)
def test_a_view_is_a_number_of_messages(view: Any, shown: int) -> None:
    """Messages of the server's thread are counted: outputs at their calls are none (T1)."""
    fields = run_fields(request(UserMessage("m4", "three"), transcript=SEEN, view=view), "m")

    assert {"type": "last_messages", "last_messages": shown} == fields["truncation_strategy"]
