"""What `Threads` are given: a wrong kind is refused in words that say what to write, and a failure is not hidden."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

import handoff.sync
from handoff import ConfigurationError, DefinitionError, Deps, Flow, Metadata, RunFailed, ScriptedModel, Threads
from handoff.backends.embedded import Embedded
from handoff.models import ScriptMismatch


class Order(Metadata):
    dish: str | None = None


class Other(Metadata):
    city: str | None = None


class Kitchen(Deps):
    pass


FLOW = Flow("trattoria", metadata=Order)
WAITER = FLOW.assistant("waiter", instructions="Serve.")
LENDING = Flow("lending", deps=Kitchen)
LENDING.assistant("cook", instructions="Cook.")


def script(*steps: str) -> Embedded:
    """A backend whose waiter says these."""
    return Embedded(ScriptedModel({WAITER: steps}))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param({"backend": "chat"}, "backend='chat' is no backend: write connect(backend='chat', ", id="name"),
        pytest.param(
            {"backend": ScriptedModel({})},
            "is no backend: a model object is asked by Embedded: write backend=Embedded(ScriptedModel(…))",
            id="model object",
        ),
        pytest.param({"backend": Embedded}, "backend=Embedded is no backend: give one of", id="class"),
        pytest.param({"store": "t.db"}, "store='t.db' is no store: write SqlStore('t.db')", id="path as text"),
        pytest.param({"store": Path("t.db")}, "is no store: write SqlStore('t.db')", id="path"),
        pytest.param({"store": {}}, "store={} is no store: give a SqlStore or a MemoryStore", id="dict"),
    ],
)
def test_a_wrong_backend_or_store_is_refused(given: dict[str, Any], problem: str) -> None:
    """What is no backend or store is refused at once, with what to write instead."""
    with pytest.raises(ConfigurationError) as refused:
        Threads(FLOW, **({"backend": script()} | given))

    assert problem in str(refused.value)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        pytest.param({"thread": 7}, "thread=7 is no id", id="number"),
        pytest.param({"thread": ""}, "thread='' is no id", id="empty, as from a missing cookie"),
        pytest.param({"metadata": {"dish": "soup"}}, "metadata={'dish': 'soup'} is not of trattoria", id="dict"),
        pytest.param(
            {"metadata": Other()}, "metadata=Other(…) is not of trattoria: give metadata=Order(…)", id="other"
        ),
        pytest.param({"metadata": Order}, "metadata=Order is not of trattoria", id="class"),
    ],
)
def test_a_wrong_opening_is_refused(given: dict[str, Any], problem: str) -> None:
    """No thread is made under an id that is none, nor with metadata of another flow."""
    with handoff.sync.Threads(FLOW, backend=script()) as threads:
        with pytest.raises(ConfigurationError) as refused:
            threads.open(**given)

        assert problem in str(refused.value)
        assert [] == threads.summaries()


@pytest.mark.parametrize(
    ("given", "got"),
    [
        pytest.param(None, "none were given", id="missing"),
        pytest.param(Kitchen, "the class Kitchen itself", id="class"),
    ],
)
def test_missing_deps_are_told_at_the_line_of_the_caller(given: Any, got: str) -> None:
    """The blocking twin names the line that made it, not one of the loop it runs on."""
    with pytest.raises(DefinitionError, match=got) as refused:
        handoff.sync.Threads(LENDING, deps=given, backend=script())

    assert __file__ == refused.value.file


def test_a_script_left_over_does_not_hide_why_the_block_ended() -> None:
    """A failed assertion stays the error, in both twins; the script is a note on it."""

    async def asynchronous() -> None:
        async with Threads(FLOW, backend=script("hi")):
            raise KeyError("mine")

    def blocking() -> None:
        with handoff.sync.Threads(FLOW, backend=script("hi")):
            raise KeyError("mine")

    def in_a_loop() -> None:
        asyncio.run(asynchronous())

    for block in (in_a_loop, blocking):
        with pytest.raises(KeyError, match="mine") as raised:
            block()

        assert ["Closing the threads raised ScriptMismatch: waiter did not come to 'hi'"] == raised.value.__notes__


@pytest.mark.parametrize("steps", [pytest.param([], id="too few"), pytest.param(["hi", "ho"], id="too many")])
def test_a_script_that_does_not_fit_is_the_error_of_a_block_that_has_no_other(steps: list[str]) -> None:
    """Where all went well, or a turn failed because of the script, the script is what is told."""
    with pytest.raises(ScriptMismatch), handoff.sync.Threads(FLOW, backend=script(*steps)) as threads:
        threads.open().send("x")


def test_a_turn_that_failed_by_itself_is_told() -> None:
    """Where the script has nothing to say about it, a failed turn is the error."""
    model = ScriptedModel({WAITER: [OSError("no model")]})
    with pytest.raises(RunFailed, match="no model"), handoff.sync.Threads(FLOW, backend=Embedded(model)) as threads:
        threads.open().send("x")


def test_one_text_is_no_script() -> None:
    """A text is a sequence of characters, which nobody means."""
    with pytest.raises(TypeError, match=r"write \['hi'\]"):
        ScriptedModel({WAITER: "hi"})
