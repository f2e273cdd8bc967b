"""What only the blocking twin has: its private loop, callers on many OS threads, and a close that may be forgotten."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import handoff.sync
from handoff import ConfigurationError, DefinitionError, Flow, MemoryStore, Metadata, ThreadsClosed
from handoff.backends.embedded import Embedded
from tests.support.models import Answers, Plays, call, echo
from tests.support.workshop import Bench, Job, build

FLOW = build()


def open_threads(*steps: object) -> handoff.sync.Threads[Job]:
    """Blocking threads that play these steps, or echo."""
    model = Plays(*steps) if steps else Answers(echo)  # type: ignore[arg-type]
    return handoff.sync.Threads(FLOW, deps=Bench(), backend=Embedded(model), store=MemoryStore())


def loops() -> list[str]:
    """The names of the private loop threads that run."""
    return [one.name for one in threading.enumerate() if one.name == "handoff loop"]


def test_a_turn_blocks_until_its_reply() -> None:
    """The blocking form is the same without `await`."""
    with open_threads(call("open_page", page="about"), "fine") as threads:
        thread = threads.open("t")
        reply = thread.send("about")

        assert ("fine", FLOW.assistants["writer"], "about") == (reply.text, thread.assistant, thread.metadata.page)


def test_a_hundred_os_threads_are_each_answered() -> None:
    """Many OS threads may use one `Threads`, on one thread of conversation or on several."""
    with open_threads() as threads, ThreadPoolExecutor(100) as callers:
        opened = [threads.open(f"t{number % 5}") for number in range(100)]
        replies = list(callers.map(lambda thread: thread.send(f"hello {thread.id}"), opened))

    assert [f"front heard hello t{number % 5}" for number in range(100)] == [reply.text for reply in replies]


def test_a_stream_may_be_left_early() -> None:
    """An iteration that is left ends its stream; the turn goes on."""
    with open_threads("fine", "and you?") as threads:
        thread = threads.open("t")
        for event in thread.stream("hi", key="1"):
            first = event
            break
        reply = thread.send("hi", key="1")

    assert ("message", "fine") == (first.type, reply.text)


def test_the_loop_ends_with_the_close() -> None:
    """No thread of ours is left after the close, and a second close does nothing."""
    threads = open_threads()
    before = loops()
    threads.close()
    threads.close()

    assert (["handoff loop"], []) == (before, loops())


def test_a_constructor_that_is_refused_leaves_no_loop() -> None:
    """Missing deps are refused, and the private loop is ended again."""
    with pytest.raises(DefinitionError):
        handoff.sync.Threads(FLOW, backend=Embedded(Plays()), store=MemoryStore())

    assert [] == loops()


def test_a_closed_twin_takes_nothing_more() -> None:
    """After the close every call raises a typed error."""
    with open_threads() as threads:
        thread = threads.open("t")

    with pytest.raises(ThreadsClosed):
        thread.send("hi")
    with pytest.raises(ThreadsClosed):
        next(thread.stream("hi"))


def test_an_iteration_that_outlives_the_close_ends_quietly() -> None:
    """A stream that nobody finished is dropped after the close without a word."""
    with open_threads("fine") as threads:
        events = threads.open("t").stream("hi")
        next(events)
    del events
    gc.collect()

    assert [] == loops()


def test_an_async_tool_that_uses_the_blocking_form_is_told_so() -> None:
    """A body on the private loop would wait for itself: it gets an error, and the turn is answered."""
    flow = Flow("inner", metadata=Metadata)
    front = flow.assistant("front", instructions="Try.")
    caught: list[BaseException] = []

    @front.tool()
    async def reenter() -> str:
        """Use the blocking form from its own loop."""
        try:
            threads.open("other")
        except ConfigurationError as error:
            caught.append(error)
        return "tried"

    with handoff.sync.Threads(flow, backend=Embedded(Plays(call("reenter"), "done")), store=MemoryStore()) as threads:
        reply = threads.open("t").send("go")

    assert ("done", 1) == (reply.text, len(caught))


def test_a_forgotten_close_warns_and_ends_the_loop() -> None:
    """Threads that are dropped unclosed say so, as a file does, and their loop ends."""
    threads = open_threads()
    loop = threads._loop._thread
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del threads
        gc.collect()
        loop.join(10)

    assert (False, ["unclosed handoff.sync.Threads: use `with`"]) == (
        loop.is_alive(),
        [str(one.message) for one in caught if "handoff" in str(one.message)],
    )


FORGETFUL = """
import handoff.sync
from handoff import SqlStore
from handoff.backends.embedded import Embedded
from tests.support.models import Answers, echo
from tests.support.workshop import Bench, build
import sys
threads = handoff.sync.Threads(build(), deps=Bench(), backend=Embedded(Answers(echo)), store=SqlStore(sys.argv[1]))
print(threads.open("t").send("hi"))
"""


def test_a_program_that_forgets_to_close_ends_and_has_lost_nothing(tmp_path: Path) -> None:
    """A script without a close exits by itself; what it said is in the file."""
    file = tmp_path / "threads.db"
    done = subprocess.run(
        [sys.executable, "-c", FORGETFUL, str(file)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    with handoff.sync.Threads(
        FLOW, deps=Bench(), backend=Embedded(Answers(echo)), store=handoff.SqlStore(file)
    ) as threads:
        kept = len(threads.open("t").transcript())

    assert (0, "front heard hi\n", 2) == (done.returncode, done.stdout, kept)
