"""What model calls took: added up for a run, a reply and a thread, told in events, and there again after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import RunChanged, RunFailed, SqlStore, Threads, Usage
from handoff.backends.base import Backend
from handoff.backends.chat import Chat
from handoff.backends.embedded import Embedded
from handoff.backends.responses import Responses
from handoff.core.events import RunEnded
from handoff.core.status import Status
from handoff.events import as_json
from handoff.sandbox import Sandbox, serving
from handoff.sync import Threads as BlockingThreads
from tests.proof.folding import asked, begun, done, fold, in_batch, ordinary, running
from tests.support.chat_server import chunk, events, scripted
from tests.support.cli import Commands, handoff
from tests.support.models import Plays, call
from tests.support.waits import Waits
from tests.support.workshop import Bench, build

__all__ = ["handoff"]  # the fixture

FLOW = build()
ONE, TWO = Usage(100, 40, 10, 1), Usage(7, 0, 3, 1)


@pytest.fixture
def url() -> Iterator[str]:
    """A server whose plain model hands over and reads outputs out."""
    with serving(Sandbox()) as base_url:
        yield base_url


def backend(kind: str, url: str) -> Backend:
    """A backend that speaks to that server."""
    made = {"chat": Chat, "responses": Responses}[kind]
    return made("tiny", base_url=url, api_key="any", clock=Waits())


# -- the core ----------------------------------------------------------------------------------------------------------


def test_usage_adds_up() -> None:
    """Each count is added to its like."""
    assert Usage(107, 40, 13, 2) == ONE + TWO


def test_a_run_and_its_thread_count_every_answer() -> None:
    """Answers with calls and the last one count, for the run while it lasts and for the thread for good."""
    first = asked(ordinary())
    state = fold(running(), type(first)(first.at, 1, 1, 0, first.calls, usage=ONE))
    in_run = state.run
    ended = fold(state, begun(), done(), RunEnded(0.0, 1, 2, Status.COMPLETED, 1, "hi", usage=TWO))

    assert in_run is not None
    assert (ONE, ONE) == (in_run.usage, state.usage)
    assert (None, ONE + TWO) == (ended.run, ended.usage)


def test_a_stale_answer_is_not_counted() -> None:
    """What came too late changed nothing, so it counts for nothing (I18)."""
    state = fold(in_batch(ordinary()), RunEnded(0.0, 7, 1, Status.COMPLETED, usage=ONE))

    assert Usage() == state.usage


# -- the shells --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["chat", "responses"])
async def test_a_reply_says_what_it_took(kind: str, url: str) -> None:
    """A handoff takes two answers; each reply says its own part, the thread all of it."""
    async with Threads(FLOW, deps=Bench(), backend=backend(kind, url)) as threads:
        thread = await threads.open("t")
        first = await thread.send('call open_page {"page": "about"}')
        second = await thread.send("hello")

    assert (2, 1) == (first.usage.model_calls, second.usage.model_calls)
    assert first.usage.input_tokens > 0 < first.usage.output_tokens
    assert first.usage + second.usage == thread.usage


@pytest.mark.parametrize("kind", ["chat", "responses"])
async def test_each_run_tells_at_its_end_what_it_took(kind: str, url: str) -> None:
    """The end of a run carries its usage; added up they are the thread's."""
    async with Threads(FLOW, deps=Bench(), backend=backend(kind, url)) as threads:
        thread = await threads.open("t")
        told = [event async for event in thread.stream('call open_page {"page": "about"}')]

    runs = [event for event in told if isinstance(event, RunChanged)]
    spent = [event.usage for event in runs if event.status is Status.COMPLETED]
    assert [None] == list({event.usage for event in runs if event.status is not Status.COMPLETED})
    assert [1, 1] == [one.model_calls for one in spent if one is not None]
    assert thread.usage == sum((one for one in spent if one is not None), Usage())


async def test_a_model_in_this_process_counts_nothing() -> None:
    """Where nobody counts, usage is zero and events leave it out."""
    model = Plays(call("open_page", page="about"), "What shall I change?")
    async with Threads(FLOW, deps=Bench(), backend=Embedded(model)) as threads:
        thread = await threads.open("t")
        told = [event async for event in thread.stream("the about page")]

    assert not thread.usage
    assert not [event for event in map(as_json, told) if "usage" in event]


async def test_cached_tokens_are_counted_where_a_server_tells() -> None:
    """Tokens from the provider's cache are part of those read."""
    told = {"prompt_tokens": 100, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 64}}
    async with scripted(events(chunk(content="hi"), chunk("stop"), {"choices": [], "usage": told})) as script:
        chat = Chat("tiny", base_url=script.base_url, api_key="any", clock=Waits())
        async with Threads(FLOW, deps=Bench(), backend=chat) as threads:
            reply = await (await threads.open("t")).send("hello")

    assert Usage(100, 64, 4, 1) == reply.usage


async def test_an_answer_that_was_cut_off_counts(url: str) -> None:
    """What ends a turn without a reply was paid for all the same."""
    cut = events(chunk("length", content="he"), {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 1}})
    async with scripted(cut) as script:
        chat = Chat("tiny", base_url=script.base_url, api_key="any", clock=Waits())
        async with Threads(FLOW, deps=Bench(), backend=chat) as threads:
            thread = await threads.open("t")
            with pytest.raises(RunFailed):
                await thread.send("hello")

    assert Usage(9, 0, 1, 1) == thread.usage


@pytest.mark.parametrize("kind", ["chat", "responses"])
def test_usage_survives_a_restart(kind: str, url: str, tmp_path: Path) -> None:
    """It is in the journal: another process reads the same, and goes on counting."""
    with BlockingThreads(FLOW, deps=Bench(), backend=backend(kind, url), store=SqlStore(tmp_path / "t.db")) as threads:
        reply = threads.open("t").send('call open_page {"page": "about"}', key="m1")
        before = threads.open("t").usage
    with BlockingThreads(FLOW, deps=Bench(), backend=backend(kind, url), store=SqlStore(tmp_path / "t.db")) as threads:
        thread = threads.open("t")
        found, again = thread.usage, thread.send('call open_page {"page": "about"}', key="m1")

    assert before == found
    assert reply.usage == again.usage


# -- the command line --------------------------------------------------------------------------------------------------


def test_the_command_line_says_what_it_took(handoff: Commands, url: str) -> None:
    """`run` says it on standard error, `--json` in the events, and `threads show` from the journal."""
    server = ("--backend", "chat", "--base-url", url, "--model", "tiny")
    run = handoff("run", "desk.py", 'call ask_for {"item": "tea"}', *server, "--store", handoff.store, "--thread", "t")
    shown = handoff("threads", "show", "t", "--store", handoff.store)
    listed = handoff("threads", "show", "t", "--store", handoff.store, "--json")
    spent = listed.told("thread")[0]["usage"]

    assert 2 == spent["model_calls"]
    assert "that took 2 model calls, " in run.err
    assert f"  2 model calls, {spent['input_tokens']} tokens read, {spent['output_tokens']} written" in shown.out
    assert 2 == sum(event["usage"]["model_calls"] for event in listed.told("run.status") if "usage" in event)
