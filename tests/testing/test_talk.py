"""A talk: the test plays the user and the model, everything between them is real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import StringConstraints

from handoff import (
    Answer,
    DefinitionError,
    Flow,
    KeyReused,
    MemoryStore,
    Metadata,
    ScriptedModel,
    ThreadBusy,
    ThreadClosed,
    Threads,
    TransitionTaken,
)
from handoff.backends.embedded import Embedded
from handoff.core.items import Asked, Note, Output, Spoken, UserMessage
from handoff.errors import ConfigurationError
from handoff.models import Step
from handoff.testing import Talk, TalkMismatch, call
from tests.testing.talk_flow import (
    Order,
    Shop,
    ask_supplier,
    bill,
    break_down,
    build,
    choose,
    close_shop,
    desk,
    discount,
    flow,
    front,
    give_up,
    look_up,
    swap,
)

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9/-]+$")]


class Page(Metadata):
    page_id: PageId | None = None


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def talk(shop: Shop) -> Iterator[Talk[Order]]:
    opened = Talk(flow, deps=shop)
    yield opened
    opened.close(unfinished=True)


def at_desk(talk: Talk[Order]) -> None:
    """Come to where desk is to speak."""
    talk.user("a chair")
    talk.calls(choose, item="chair")


def test_the_form_that_is_documented() -> None:
    """A conversation as the design shows it: who speaks, the instructions, and what it cost."""
    pages = flow_of_pages()
    welcome, editor = pages.assistants["welcome"], pages.assistants["editor"]

    talk = Talk(pages)
    talk.user("the about page")
    talk.calls("open_page", page_id="about")
    talk.says("What shall I change?", by=editor)

    assert "You edit the page about." == talk.instructions and 2 == talk.model_calls  # noqa: PT018 - as documented
    assert welcome is not talk.assistant


def flow_of_pages() -> Flow[Any, Any]:
    """A flow without instructions of its own, whose field is rendered bare."""
    pages = Flow("pages", metadata=Page)
    welcome = pages.assistant("welcome", instructions="Find out which page to manage.")
    editor = pages.assistant("editor", instructions="You edit the page {{ page_id }}.")

    @welcome.tool(to=editor, sets="page_id")
    def open_page(page_id: PageId) -> str:
        """Open a page for editing."""
        return f"{page_id} is open"

    return pages


# -- the model's turn --------------------------------------------------------------------------------------------------


def test_a_tool_hands_over_in_two_model_calls(talk: Talk[Order]) -> None:
    """A call whose transition is allowed makes the next assistant speak, in the request after it."""
    talk.user("a chair")
    talk.calls(choose, item="chair")
    talk.says("Anything else?", by=desk)

    assert (desk, "rest", 2, Order(item="chair")) == (talk.assistant, talk.status, talk.model_calls, talk.metadata)


def test_the_transcript_is_that_of_a_thread(talk: Talk[Order]) -> None:
    """All that was said and done is there in order, notes for the model included, with ids that are counted."""
    talk.user("a chair")
    talk.calls(Answer("One moment.", (call(choose, item="chair"),)))
    talk.says("Anything else?")

    assert (
        UserMessage("m1", "a chair"),
        Spoken("front", 1, "One moment.", (Asked("call_1", "choose", '{"item": "chair"}'),)),
        Output(1, 1, "call_1", "choose", "chair it is"),
        Note("handoff", "You are desk. front handed over to you by choose."),
        Spoken("desk", 2, "Anything else?"),
    ) == talk.transcript


def test_a_batch_has_its_outputs_in_call_order(talk: Talk[Order]) -> None:
    """All calls of one response are one batch; `outputs` is what they came to."""
    talk.user("hello")
    talk.calls(call(look_up, item="chair"), call(look_up, item="table"))

    assert ("chair is in stock", "table is in stock") == talk.outputs


def test_a_second_handoff_of_a_batch_is_not_taken(talk: Talk[Order], shop: Shop) -> None:
    """The first allowed transition wins, and the body of another one never runs."""
    at_desk(talk)
    talk.calls(call(give_up), call(close_shop))

    assert ("no chair then", "Not taken: this turn already goes to front. The tool was not run.") == talk.outputs
    assert front is talk.assistant


def test_a_tool_error_keeps_nothing(talk: Talk[Order]) -> None:
    """The model reads the error, nothing is stored, and the assistant stays."""
    talk.user("gold")
    talk.calls(choose, item="gold")

    assert (("There is no gold.",), Order(), front) == (talk.outputs, talk.metadata, talk.assistant)


def test_a_tool_that_fails_is_answered_neutrally_and_shown_to_the_test(talk: Talk[Order]) -> None:
    """The model is told that the tool failed; the conversation as the test reads it says how."""
    talk.user("hello")
    talk.calls(break_down)

    assert ("error: the tool failed. Nothing was changed.",) == talk.outputs
    assert "ZeroDivisionError: the till is empty" in str(talk)


def test_instructions_are_what_the_flow_declares(talk: Talk[Order]) -> None:
    """`instructions` leaves out the lines about who speaks here; the prompt has them."""
    at_desk(talk)

    assert 'Be kind.\n\nCarry out the order of "chair".' == talk.instructions
    assert talk.prompt is not None
    assert talk.prompt.instructions.startswith(f"{talk.instructions}\n\nYou are desk.")


def test_instructions_at_rest_are_those_of_the_next_run(talk: Talk[Order]) -> None:
    """While no run is active, the active assistant's instructions are rendered from the metadata as it is now."""
    at_desk(talk)
    talk.says("Anything else?")
    talk.edit(item="table")

    assert 'Be kind.\n\nCarry out the order of "table".' == talk.instructions


def test_offered_follows_the_metadata(talk: Talk[Order]) -> None:
    """A tool that reads an unset field is not offered."""
    at_desk(talk)
    talk.says("Anything else?")
    before = talk.offered
    talk.edit(price=3)

    assert ("bill",) == tuple(sorted(set(talk.offered) - set(before)))


def test_a_run_keeps_what_it_was_started_with(talk: Talk[Order]) -> None:
    """Within a run neither instructions nor tools follow the metadata; the next run has them anew."""
    at_desk(talk)
    talk.calls(swap, item="table", price=3)
    during = ("bill" in talk.offered, "chair" in talk.instructions)
    talk.says("A table.")

    assert ((False, True), (True, False)) == (during, ("bill" in talk.offered, "chair" in talk.instructions))


def test_the_prompt_carries_what_is_due(talk: Talk[Order]) -> None:
    """The request after a handoff carries the outputs first, then the handoff's note."""
    at_desk(talk)

    assert talk.prompt is not None
    assert [Output, Note] == [type(item) for item in talk.prompt.due]


def test_a_failed_run_keeps_the_message_due(talk: Talk[Order]) -> None:
    """After a failure of the backend the thread rests, and the message rides in the next request."""
    talk.user("a chair")
    talk.fails("server_error")
    talk.user("hello?")

    assert talk.prompt is not None
    assert ["a chair", "hello?"] == [item.text for item in talk.prompt.due if isinstance(item, UserMessage)]


def test_an_incomplete_run_keeps_what_was_said(talk: Talk[Order]) -> None:
    """What the model said before it was cut off stays; the turn ends incomplete."""
    talk.user("a chair")
    talk.incomplete("A chair has fo")

    assert ("incomplete", "A chair has fo") == (str(talk.state.ended), talk.transcript[-1].text)  # type: ignore[union-attr]


def test_the_end_closes_the_thread(talk: Talk[Order]) -> None:
    """A tool that goes to the end closes the thread: no instructions, no tools, no further message."""
    at_desk(talk)
    talk.calls(close_shop)

    assert (flow.end, "closed", "", ()) == (talk.assistant, talk.status, talk.instructions, talk.offered)
    with pytest.raises(ThreadClosed):
        talk.user("hello?")


def test_events_are_those_of_a_stream(talk: Talk[Order]) -> None:
    """Whoever watches the thread is told of the transition."""
    at_desk(talk)

    assert [TransitionTaken("talk", "front", "desk", "choose")] == [
        event for event in talk.events if isinstance(event, TransitionTaken)
    ]


# -- mistakes of the model ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "output"),
    [
        pytest.param(call(choose, raw='{"item":'), "error: arguments: ", id="malformed"),
        pytest.param(call(choose, item=3), "error: item: ", id="wrong-type"),
        pytest.param(call("sing"), "error: sing: there is no such tool here.", id="unknown"),
        pytest.param(call(bill), "error: bill: there is no such tool here.", id="of-another-assistant"),
    ],
)
def test_a_model_that_errs_is_answered(talk: Talk[Order], asked: Asked, output: str) -> None:
    """`miscalls` checks nothing: the call is answered as a real model's would be, and its siblings run."""
    talk.user("a chair")
    talk.miscalls(asked, call(look_up, item="chair"))

    assert talk.outputs[0].startswith(output)
    assert "chair is in stock" == talk.outputs[1]


def test_a_tool_that_is_not_offered_now_answers_so(talk: Talk[Order]) -> None:
    """A call of a tool whose field is unset is answered "not now"."""
    at_desk(talk)
    talk.miscalls(bill)

    assert ("Not now: price is not set. The tool was not run.",) == talk.outputs


def test_raw_arguments_may_be_malformed(talk: Talk[Order]) -> None:
    """`raw=` says that the arguments are what they are on purpose."""
    talk.user("a chair")
    talk.calls(choose, raw="{")

    assert talk.outputs[0].startswith("error: arguments: ")


# -- steps that do not fit ---------------------------------------------------------------------------------------------


def test_says_by_another_assistant_fails(talk: Talk[Order]) -> None:
    """`by` is who is to speak; if it is somebody else the step fails, and nothing happens."""
    at_desk(talk)
    before = talk.state
    with pytest.raises(TalkMismatch, match="desk is to speak, not front"):
        talk.says("Hello", by=front)

    assert before == talk.state


@pytest.mark.parametrize(
    ("what", "arguments", "problem"),
    [
        pytest.param(choose, {"item": 3}, "choose does not take these arguments: item: ", id="arguments"),
        pytest.param(build, {"part": "leg"}, "front has no tool build", id="tool-of-another"),
        pytest.param("sing", {}, "front has no tool sing", id="unknown"),
    ],
)
def test_calls_that_a_model_could_not_make_fail(
    talk: Talk[Order], what: Any, arguments: dict[str, Any], problem: str
) -> None:
    """A call that is not offered or does not fit fails the test, and nothing happens."""
    talk.user("a chair")
    before = talk.state
    with pytest.raises(TalkMismatch, match=problem):
        talk.calls(what, **arguments)

    assert before == talk.state


def test_calls_of_a_tool_that_is_not_offered_now_fail(talk: Talk[Order]) -> None:
    """A tool whose field is unset is not offered, and the failure says why."""
    at_desk(talk)
    with pytest.raises(TalkMismatch, match="bill is not offered: price is not set"):
        talk.calls(bill)


def test_calls_of_a_tool_that_was_not_offered_to_the_run_fail(talk: Talk[Order]) -> None:
    """A tool that could be called by now was still not offered, as the run started without it."""
    at_desk(talk)
    talk.calls(swap, item="table", price=3)
    with pytest.raises(TalkMismatch, match="bill is not offered: it was not when the run started"):
        talk.calls(bill)


def test_calls_of_another_function_of_that_name_fail(talk: Talk[Order]) -> None:
    """A tool is the function itself, not its name."""

    def choose(item: str) -> str:
        return item

    talk.user("a chair")
    with pytest.raises(TalkMismatch, match=r"the choose of front is another function, declared at .*talk_flow.py"):
        talk.calls(choose, item="chair")


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(lambda talk: talk.says("hello"), id="says"),
        pytest.param(lambda talk: talk.calls(choose, item="chair"), id="calls"),
        pytest.param(lambda talk: talk.miscalls("sing"), id="miscalls"),
        pytest.param(lambda talk: talk.fails(), id="fails"),
        pytest.param(lambda talk: talk.incomplete("hel"), id="incomplete"),
    ],
)
def test_the_model_speaks_only_when_it_is_asked(talk: Talk[Order], step: Any) -> None:
    """While the thread rests, whatever the model does fails, and nothing happens."""
    before = talk.state
    with pytest.raises(TalkMismatch, match="no run waits for the model: the thread rests at front"):
        step(talk)

    assert before == talk.state


def test_a_failure_shows_the_whole_conversation(talk: Talk[Order]) -> None:
    """The text of a failure is the conversation, the step that differed, and where the thread stands."""
    talk.user("a chair")
    talk.calls(Answer("One moment.", (call(choose, item="chair"), call(look_up, item="chair"))))
    talk.user("hurry")
    with pytest.raises(TalkMismatch) as failure:
        talk.says("Hello", by=front)

    assert (
        "says('Hello', by=front): desk is to speak, not front\n"
        "\n"
        "    user     a chair\n"
        "    front    One moment.\n"
        "    front    choose(item='chair')\n"
        "    front    look_up(item='chair')\n"
        "    choose   chair it is\n"
        "    look_up  chair is in stock\n"
        "    handoff  front to desk, by choose\n"
        "  > says('Hello', by=front)\n"
        "\n"
        "Now:      run 2 of desk waits for the model\n"
        "Offered:  build(part), pack(), send(), discount(price), swap(item, price), ask_supplier(), phone(), "
        "give_up(), close_shop()\n"
        "Metadata: item='chair'\n"
        "Inbox:    user 'hurry' (queue)"
    ) == str(failure.value)


def test_long_texts_are_cut_in_a_failure(talk: Talk[Order]) -> None:
    """A very long text is shown in part, and the rest is counted."""
    talk.user("x" * 1000)

    assert f"user  {'x' * 600}… (400 characters more)" in str(talk)


@pytest.mark.parametrize(
    ("what", "arguments", "problem"),
    [
        pytest.param((), {}, "name a tool", id="nothing"),
        pytest.param((call(look_up, item="a"),), {"item": "b"}, "belong to a single tool", id="arguments-beside-calls"),
        pytest.param((Answer("hm"), call(look_up, item="a")), {}, "give it alone", id="answer-beside-calls"),
    ],
)
def test_calls_written_in_no_known_form_are_refused(
    talk: Talk[Order], what: tuple[Any, ...], arguments: dict[str, Any], problem: str
) -> None:
    """What is neither a tool with arguments, nor calls, nor an answer is a mistake of the test."""
    talk.user("hello")
    with pytest.raises(TypeError, match=problem):
        talk.calls(*what, **arguments)


# -- the user ----------------------------------------------------------------------------------------------------------


def test_a_queued_message_is_answered_by_the_next_assistant(talk: Talk[Order]) -> None:
    """A message that waits while a handoff is under way rides in the start of the new assistant."""
    talk.user("a chair")
    talk.user("a red one")
    talk.calls(choose, item="chair")
    talk.says("A red chair.", by=desk)

    assert ("rest", 2) == (talk.status, talk.model_calls)


def test_a_steered_message_joins_at_the_batch_boundary(talk: Talk[Order]) -> None:
    """A steer rides with the outputs of the next batch, in the same run."""
    talk.user("a chair")
    talk.user("or a table", while_running="steer")
    talk.calls(look_up, item="chair")

    assert talk.prompt is not None
    assert (1, ["chair is in stock", "or a table"]) == (talk.state.runs, [item.text for item in talk.prompt.due])  # type: ignore[union-attr]


def test_an_interrupt_ends_the_run_and_starts_the_next(talk: Talk[Order]) -> None:
    """An interrupting message stops the run; the next one carries it."""
    talk.user("a chair")
    talk.user("no, a table", while_running="interrupt")

    assert (2, "queued", 2) == (talk.state.runs, talk.status, talk.model_calls)


def test_a_rejected_message_raises_and_nothing_happens(talk: Talk[Order]) -> None:
    """While a run is active `reject` is refused without a trace."""
    talk.user("a chair")
    with pytest.raises(ThreadBusy):
        talk.user("hello?", while_running="reject")

    assert [] == talk.store.inbox("talk")


def test_an_unknown_policy_is_refused(talk: Talk[Order]) -> None:
    """A policy there is not is a mistake of the test."""
    with pytest.raises(ConfigurationError, match="use queue, steer, interrupt or reject"):
        talk.user("hello", while_running="later")  # type: ignore[arg-type]


def test_a_key_used_again_adds_nothing(talk: Talk[Order]) -> None:
    """The same key with the same text has the same receipt; with another text it is refused."""
    first = talk.user("a chair", key="k")
    again = talk.user("a chair", key="k")

    assert (first.row, True, 1) == (again.row, again.repeated, talk.model_calls)
    with pytest.raises(KeyReused):
        talk.user("a table", key="k")


def test_a_cancel_ends_the_run(talk: Talk[Order]) -> None:
    """After a cancel the thread rests, and no run starts."""
    talk.user("a chair")
    talk.cancel()

    assert ("rest", "cancelled") == (talk.status, str(talk.state.ended))


def test_a_cancel_while_nothing_runs_does_nothing(talk: Talk[Order]) -> None:
    """A cancel without an active run is a success without effect."""
    before = talk.state
    talk.cancel()

    assert before == talk.state


# -- opening and closing -----------------------------------------------------------------------------------------------


def test_metadata_can_be_given_at_the_start(shop: Shop) -> None:
    """A talk starts with the metadata it is given."""
    talk = Talk(flow, deps=shop, metadata=Order(item="chair"))

    assert Order(item="chair") == talk.metadata


def test_missing_deps_are_refused() -> None:
    """A flow that borrows something needs it in a talk as well."""
    with pytest.raises(DefinitionError, match=r"shop needs deps=Shop\(...\)"):
        Talk(flow)


def test_closing_fails_while_a_run_waits(shop: Shop) -> None:
    """A block that ends in the middle of a run fails: the test forgot a step."""
    with pytest.raises(TalkMismatch, match="run 1 of front waits for the model"), Talk(flow, deps=shop) as talk:
        talk.user("hello")


def test_closing_may_leave_a_run(shop: Shop) -> None:
    """`unfinished` says that the run is left on purpose; a second close does nothing."""
    talk = Talk(flow, deps=shop)
    talk.user("hello")
    talk.close(unfinished=True)
    talk.close(unfinished=True)

    assert "queued" == talk.status


def test_an_error_in_the_block_is_not_hidden_by_closing(shop: Shop) -> None:
    """What the block raised is what the test sees."""

    def fail() -> None:
        with Talk(flow, deps=shop) as talk:
            talk.user("hello")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_a_talk_inside_a_loop_says_what_to_do(talk: Talk[Order]) -> None:
    """An asynchronous tool cannot be waited for inside a running loop: that is the test's mistake, not the tool's."""

    async def inside() -> None:
        talk.user("hello")
        talk.calls(look_up, item="chair")

    with pytest.raises(ConfigurationError, match="use it in a plain `def test_…`"):
        asyncio.run(inside())


# -- a talk is a thread ------------------------------------------------------------------------------------------------


def _comparable(records: list[Any]) -> list[Any]:
    """The journal without times, and with messages and calls by their order."""
    names: dict[str, str] = {}

    def plain(value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            left_out = {"at", "birth", "deadline", "thread"}
            return {name: plain(one, name) for name, one in value.items() if name not in left_out}
        if isinstance(value, list):
            return [plain(one, field) for one in value]
        return names.setdefault(value, f"id {len(names)}") if field in {"id", "call"} else value

    return [plain(json.loads(json.dumps(record.data))) for record in records]


def test_a_talk_journals_what_threads_journal(shop: Shop) -> None:
    """The same conversation on the asyncio shell leaves the same events, up to ids and times."""
    script: dict[Any, list[Step]] = {
        front: [(call(look_up, item="chair"), call("choose", raw="{")), call(choose, item="chair")],
        desk: [
            call(discount, price=3),
            "It needs approval.",
            "Three, then.",
            call(ask_supplier),
            "Asked.",
            call(give_up),
        ],
    }
    script[front].append("Bye.")
    store = MemoryStore()

    async def on_threads() -> None:
        async with Threads(flow, deps=Shop(), backend=Embedded(ScriptedModel(script)), store=store) as threads:
            thread = await threads.open("talk")
            await thread.send("a chair")
            await thread.approve("T1", by="boss")
            await thread.wait()
            await thread.send("when?")
            await thread.send("never mind")

    asyncio.run(on_threads())
    talk = Talk(flow, deps=shop)
    talk.user("a chair")
    talk.miscalls(call(look_up, item="chair"), call("choose", raw="{"))
    talk.calls(choose, item="chair")
    talk.calls(discount, price=3)
    talk.says("It needs approval.")
    talk.approve(by="boss")
    talk.says("Three, then.")
    talk.user("when?")
    talk.calls(ask_supplier)
    talk.says("Asked.")
    talk.user("never mind")
    talk.calls(give_up)
    talk.says("Bye.", by=front)

    assert _comparable(store.journal("talk")) == _comparable(talk.store.journal("talk"))
