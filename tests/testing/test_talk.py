"""A talk: the test plays the user and the model, everything between them is real."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import pytest
from pydantic import StringConstraints

from handoff import (
    DefinitionError,
    Flow,
    KeyReused,
    MemoryStore,
    Metadata,
    ScriptedModel,
    ThreadBusy,
    Threads,
)
from handoff.backends.embedded import Embedded
from handoff.errors import ConfigurationError
from handoff.models import Step
from handoff.testing import Talk, TalkMismatch, call
from tests.testing.talk_flow import (
    Order,
    Shop,
    ask_supplier,
    choose,
    desk,
    discount,
    flow,
    front,
    give_up,
    look_up,
)

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9/-]+$")]


class Page(Metadata):
    page_id: PageId | None = None


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
