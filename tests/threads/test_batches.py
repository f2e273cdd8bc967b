"""The calls of one response: which run together, what each is answered, which of several handoffs is taken (B, H)."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from handoff import Answer
from handoff.core.items import Output
from tests.support.forms import World
from tests.support.models import Plays, call, texts
from tests.support.workshop import Bench, Job, build

FLOW = build()


async def outputs(world: World, *calls: Any, metadata: Job | None = None, then: str = "done") -> tuple[Any, list[str]]:
    """Play one batch at the front; return the thread and what each call was answered."""
    async with world.threads(FLOW, Plays(calls, then)) as threads:
        thread = await threads.open("t", metadata=metadata)
        await thread.send("go")
        items = await thread.transcript()
    return thread, [item.text for item in items if isinstance(item, Output)]


async def test_ordinary_calls_run_at_the_same_time(world: World) -> None:
    """Two bodies that only look are both under way before either may end (B3)."""
    world.bench = Bench("look", "watch")
    async with world.threads(FLOW, Plays([call("look", what="a"), call("watch", what="b")], "done")) as threads:
        thread = await threads.open("t")
        await thread.post("go", key="1")
        await world.bench.gates["look"].reached()
        await world.bench.gates["watch"].reached()
        world.bench.open_all()
        reply = await thread.send("go", key="1")

    assert "done" == reply.text


async def test_calls_of_the_lane_run_one_after_the_other(world: World) -> None:
    """A call that touches metadata begins only when the one before it has ended, and reads what it wrote."""
    world.bench = Bench("jot")
    async with world.threads(FLOW, Plays([call("jot", note="a"), call("read_note")], "done")) as threads:
        thread = await threads.open("t", metadata=Job(note="old"))
        await thread.post("go", key="1")
        await world.bench.gates["jot"].reached()
        began = list(world.bench.ran)
        world.bench.open_all()
        await thread.send("go", key="1")

    assert ([("jot", "a")], [("jot", "a"), ("read_note", "a")]) == (began, world.bench.ran)


async def test_the_outputs_stand_in_call_order_whatever_ended_first(world: World) -> None:
    """The order of completion does not show: outputs are in the order of the calls."""
    world.bench = Bench("look")
    model = Plays([call("look", what="slow"), call("watch", what="quick")], "done")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        told: list[str] = []
        async for event in thread.stream("go"):
            if event.type == "tool.finished":
                told.append(event.tool)
                world.bench.open_all()

    assert (["watch", "look"], ["saw slow", "watched quick"]) == (told, texts(model.prompts[1]))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param("{", "is no valid JSON", id="malformed"),
        pytest.param("[1]", "must be a JSON object", id="no object"),
        pytest.param("{}", "what: is required", id="missing"),
        pytest.param('{"what": 1}', "what: ", id="wrong type"),
        pytest.param('{"what": "a", "who": "b"}', "who: is no parameter", id="unknown field"),
        pytest.param('{"what": "a", "what": "b"}', "has a key twice", id="duplicate key"),
        pytest.param('{"what": NaN}', "NaN", id="not a number"),
        pytest.param('{"what": ' + "[" * 100_000, "nested too deeply", id="deep"),
        pytest.param('{"what": ' + "9" * 5000 + "}", "digits", id="long integer"),
        pytest.param('{"what": "\\ud800"}', "half a character", id="lone surrogate"),
        pytest.param('{"what": "\ud800"}', "half a character", id="raw lone surrogate"),
    ],
)
async def test_bad_arguments_are_answered_and_siblings_run(world: World, arguments: str, problem: str) -> None:
    """A call with bad arguments is answered with what is wrong, and its body does not run; its sibling's does (B2)."""
    _, answers = await outputs(world, call("look", raw=arguments), call("look", what="fine"))

    assert answers[0].startswith("error: ")
    assert problem in answers[0]
    assert (answers[1], [("look", "fine")]) == ("saw fine", world.bench.ran)


async def test_unknown_and_foreign_tools_are_answered(world: World) -> None:
    """A tool that does not exist, or belongs to another assistant, is answered so; nothing runs."""
    _, answers = await outputs(world, call("fly"), call("hand_in"))

    assert [
        "error: fly: there is no such tool here. The tool was not run.",
        "error: hand_in: there is no such tool here. The tool was not run.",
    ] == answers
    assert [] == world.bench.ran


async def test_a_tool_that_is_not_offered_now_is_answered_why(world: World) -> None:
    """A call that reads an unset field is answered "not now" when the lane reaches it, and the field is named."""
    _, answers = await outputs(world, call("read_note"), call("jot", note="x"), call("read_note"))

    assert ["Not now: note is not set. The tool was not run.", "noted x", "x"] == answers


async def test_a_tool_error_is_read_by_the_model_and_keeps_nothing(world: World) -> None:
    """After a ToolError nothing the body wrote is kept, and the thread stays."""
    thread, answers = await outputs(world, call("dye", color="red"))

    assert (["there is no dye"], Job(), "front") == (answers, thread.metadata, thread.state.assistant)


@pytest.mark.parametrize(
    ("tool", "how"),
    [
        pytest.param("explode", "error", id="exception"),
        pytest.param("explode", "exit", id="SystemExit on a worker thread"),
        pytest.param("explode", "stop", id="StopIteration on a worker thread"),
        pytest.param("explode", "cancelled", id="CancelledError on a worker thread"),
        pytest.param("implode", "exit", id="SystemExit on the loop"),
        pytest.param("implode", "cancelled", id="CancelledError on the loop"),
    ],
)
async def test_a_body_that_raises_is_answered_neutrally(world: World, tool: str, how: str) -> None:
    """Whatever a body raises, its call is answered without its details, and a sibling is answered as usual."""
    _, answers = await outputs(world, call(tool, how=how), call("look", what="b"))

    assert ["error: the tool failed. Nothing was changed.", "saw b"] == answers


async def test_the_traceback_of_a_body_is_journaled(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """What the model is not told, people find in the journal and the log."""
    with caplog.at_level(logging.ERROR, "handoff"):
        async with world.threads(FLOW, Plays(call("explode", how="error"), "done")) as threads:
            await (await threads.open("t")).send("go")
    store = world.store()
    traces = [str(one.data["trace"]) for one in store.journal("t") if one.data["type"] == "CallDone"]
    store.close()

    assert ["secret detail"] == [trace.strip()[-13:] for trace in traces]
    assert "secret detail" in caplog.text


async def test_an_undeclared_write_fails_the_call_and_is_not_kept(world: World) -> None:
    """A body that writes a field it does not declare fails, and the field stays as it was."""
    thread, answers = await outputs(world, call("scribble"))

    assert (["error: the tool failed. Nothing was changed."], None) == (answers, thread.metadata.note)


async def test_the_first_of_two_handoffs_wins(world: World) -> None:
    """The first allowed handoff is taken; the other is answered "not taken", and its body never runs (B4)."""
    calls = call("open_page", page="about"), call("check_page", page="other")
    thread, answers = await outputs(world, *calls, call("look", what="too"))

    assert [
        "about is open",
        "Not taken: this turn already goes to writer. The tool was not run.",
        "saw too",
    ] == answers
    assert ("writer", Job(page="about"), 0) == (
        thread.state.assistant,
        thread.metadata,
        world.bench.count("check_page"),
    )


async def test_the_second_handoff_wins_where_the_first_may_not(world: World) -> None:
    """A handoff whose guard does not hold keeps its output, and leaves the way to the next one."""
    thread, answers = await outputs(world, call("paint"), call("check_page", page="about"))

    assert [
        "painted\nNot handed over: There is no colour yet. Stay and continue.",
        "about is to be checked",
    ] == answers
    assert "checker" == thread.state.assistant


async def test_a_later_call_to_the_same_assistant_runs_like_an_ordinary_one(world: World) -> None:
    """Two calls that both go to the writer both run; the thread moves once (B4)."""
    thread, answers = await outputs(world, call("open_page", page="a"), call("open_page", page="b"))

    assert (["a is open", "b is open"], Job(page="b"), "writer") == (answers, thread.metadata, thread.state.assistant)


async def test_a_handoff_without_its_guard_stays_and_says_why(world: World) -> None:
    """When no destination may be taken the thread stays, the output is kept, and the model is told the reason (H2)."""
    thread, answers = await outputs(world, call("paint"))

    assert ("front", ["painted\nNot handed over: There is no colour yet. Stay and continue."]) == (
        thread.state.assistant,
        answers,
    )


@pytest.mark.parametrize(
    ("strict", "dest"), [pytest.param(True, "checker", id="checker"), pytest.param(False, "writer", id="writer")]
)
async def test_a_body_chooses_its_destination(world: World, strict: bool, dest: str) -> None:
    """A body that returns Go decides where the thread goes."""
    thread, answers = await outputs(world, call("choose", page="about", strict=strict))

    assert (dest, [f"about for {dest}"]) == (thread.state.assistant, answers)


async def test_what_is_said_beside_calls_stays_the_old_assistants(world: World) -> None:
    """Text spoken with a handoff is the old assistant's message, and stands before the new one's."""
    step = Answer("one moment", (call("open_page", page="about"),))
    async with world.threads(FLOW, Plays(step, "here I am")) as threads:
        reply = await (await threads.open("t")).send("about")

    assert (("front", "one moment"), ("writer", "here I am")) == reply.messages


async def test_the_ledger_says_what_became_of_each_call(world: World) -> None:
    """Every call is in the ledger once, with its last progress and its output."""
    calls = call("look", what="a"), call("look", raw="{"), call("open_page", page="about")
    await outputs(world, *calls)
    store = world.store()
    rows = [(row.tool, str(row.progress), row.output[:11]) for row in store.ledger("t")]
    store.close()

    assert [("look", "done", "saw a"), ("look", "done", "error: argu"), ("open_page", "done", "about is op")] == rows
