"""A small flow that uses all a thread can do; what its tools did is noted in `Bench`, where gates can hold them."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from datetime import timedelta
from typing import Annotated

from pydantic import StringConstraints

from handoff import Deps, Flow, FromMetadata, Go, Limits, Metadata, Pending, ToolCall, ToolError
from tests.support.gates import Gate

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9/-]+$")]


class Job(Metadata):
    """The facts of the conversation."""

    page: PageId | None = None
    note: str | None = None
    color: str | None = None


class Bench(Deps):
    """What the process lends to the tools.

    Attributes:
        ran: the bodies that began, in order, as (tool, what it was called with).
        gates: where bodies stop; all are open but those in `closed`.
        together: how many ordinary bodies were under way at the same time, at most.
    """

    def __init__(self, *closed: str) -> None:
        self.ran: list[tuple[str, str]] = []
        self.gates: defaultdict[str, Gate] = defaultdict(lambda: Gate(opened=True), {name: Gate() for name in closed})

    def begin(self, tool: str, what: str = "") -> None:
        """Note that a body began, then stop at its gate."""
        self.ran.append((tool, what))
        self.gates[tool].stop()

    def count(self, tool: str) -> int:
        """How often bodies of that tool began."""
        return Counter(name for name, _ in self.ran)[tool]

    def open_all(self) -> None:
        """Let everybody go."""
        for gate in list(self.gates.values()):
            gate.open()


def coloured(job: Job) -> bool:
    """There is no colour yet."""
    return job.color is not None


def noted(job: Job) -> bool:
    """There is no note yet."""
    return job.note is not None


def build(*, limits: Limits | None = None) -> Flow[Job, Bench]:
    """Declare the flow: a new one, so that tests may change theirs."""
    flow = Flow("workshop", metadata=Job, deps=Bench, limits=limits)
    front = flow.assistant("front", instructions="Find out which page.")
    writer = flow.assistant("writer", instructions="You write {{ page }}.{% if note %} Note: {{ note }}.{% endif %}")
    checker = flow.assistant("checker", instructions="You check {{ page }}.")
    _ordinary(flow)
    _failing(flow)
    _slow(flow)

    @front.tool(to=writer, sets="page")
    def open_page(bench: Bench, page: PageId) -> str:
        """Open a page."""
        bench.begin("open_page", page)
        return f"{page} is open"

    @front.tool(to=checker, sets="page")
    def check_page(bench: Bench, page: PageId) -> str:
        """Check a page."""
        bench.begin("check_page", page)
        return f"{page} is to be checked"

    @front.tool(to=writer.when(coloured))
    def paint(bench: Bench) -> str:
        """Paint, if there is a colour."""
        bench.begin("paint")
        return "painted"

    @front.tool(to=(writer, checker), sets="page")
    def choose(bench: Bench, page: PageId, strict: bool) -> Go:
        """Go to whoever fits."""
        bench.begin("choose", page)
        return Go(checker if strict else writer, f"{page} for {'checker' if strict else 'writer'}")

    @writer.tool(to=front, speak=False)
    def put_away(bench: Bench) -> str:
        """Put the page away without a word."""
        bench.begin("put_away")
        return "put away"

    @writer.tool(to=checker, speak="output")
    def hand_in(bench: Bench) -> str:
        """Hand the page in; the output is the reply."""
        bench.begin("hand_in")
        return "handed in"

    @flow.tool(writer, checker, to=flow.end)
    def finish(bench: Bench) -> str:
        """Finish the conversation."""
        bench.begin("finish")
        return "goodbye"

    @checker.tool(to=flow.back)
    def return_page(bench: Bench) -> str:
        """Go back to whoever asked."""
        bench.begin("return_page")
        return "returned"

    checker.then(writer.when(noted, times=2))
    writer.after(timedelta(minutes=10), to=checker)
    return flow


def _ordinary(flow: Flow[Job, Bench]) -> None:
    """Tools that only look, and one that writes."""

    @flow.tool()
    def look(bench: Bench, what: str) -> str:
        """Look at something, on a worker thread."""
        bench.begin("look", what)
        return f"saw {what}"

    @flow.tool()
    async def watch(bench: Bench, call: ToolCall, what: str) -> str:
        """Watch something, on the loop, telling how far it is."""
        bench.ran.append(("watch", what))
        call.progress("half way", 0.5)
        await bench.gates["watch"].halt()
        return f"watched {what}"

    @flow.tool(sets="note")
    def jot(bench: Bench, note: str) -> str:
        """Note something."""
        bench.begin("jot", note)
        return f"noted {note}"

    @flow.tool()
    def read_note(bench: Bench, note: FromMetadata[str]) -> str:
        """Read the note."""
        bench.begin("read_note", note)
        return note


def _failing(flow: Flow[Job, Bench]) -> None:
    """Tools whose bodies do not end well."""

    @flow.tool(sets="color")
    def dye(bench: Bench, job: Job, color: str) -> str:
        """Dye, but there is no dye."""
        bench.begin("dye", color)
        job.color = color
        raise ToolError("there is no dye")

    @flow.tool()
    def explode(bench: Bench, how: str) -> str:
        """Raise what it is told to."""
        bench.begin("explode", how)
        errors: dict[str, BaseException] = {
            "error": RuntimeError("secret detail"),
            "exit": SystemExit(3),
            "stop": StopIteration("stop"),
            "cancelled": asyncio.CancelledError(),
        }
        raise errors[how]

    @flow.tool()
    async def implode(bench: Bench, how: str) -> str:
        """Raise what it is told to, on the loop."""
        bench.ran.append(("implode", how))
        errors: dict[str, BaseException] = {"exit": SystemExit(3), "cancelled": asyncio.CancelledError()}
        raise errors[how]

    @flow.tool()
    def scribble(bench: Bench, job: Job) -> str:
        """Write what it does not declare."""
        bench.begin("scribble")
        job.note = "scribbled"
        return "scribbled"


def _slow(flow: Flow[Job, Bench]) -> None:
    """Tools that outlive their batch, one way or the other."""

    @flow.tool()
    def dig(bench: Bench, what: str) -> str:
        """Dig, which takes long."""
        bench.begin("dig", what)
        return f"dug up {what}"

    @flow.tool(sets="note")
    def dig_note(bench: Bench, note: str) -> str:
        """Dig up a note, which takes long."""
        bench.begin("dig_note", note)
        return f"dug up {note}"

    @flow.tool(timeout=5)
    def fetch(bench: Bench, what: str) -> str:
        """Fetch something, for five seconds at most."""
        bench.begin("fetch", what)
        return f"fetched {what}"

    @flow.tool(approval=True, sets="note")
    def buy(bench: Bench, note: str) -> str:
        """Buy something, if a person agrees."""
        bench.begin("buy", note)
        return f"bought {note}"

    @flow.tool()
    def order(bench: Bench, what: str) -> Pending | str:
        """Order something; it comes later."""
        bench.begin("order", what)
        return Pending(f"{what} is ordered")

    front = flow.assistants["front"]
    writer = flow.assistants["writer"]

    @front.tool(to=writer, sets="page")
    def dig_page(bench: Bench, page: PageId) -> str:
        """Dig up a page, which takes long, and go on with it."""
        bench.begin("dig_page", page)
        return f"dug up {page}"
