"""`handoff chat` and `handoff run`: one thread, its user messages one after another, and all that happens in between.

What a crash interrupted is finished and shown first. Messages are sent one at a time; a turn that ends without a reply
ends a script or a pipe, while somebody at the terminal may try again.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handoff import (
    Deps,
    Flow,
    RunChanged,
    RunFailed,
    Store,
    SystemClock,
    Thread,
    ThreadClosed,
    ThreadEvent,
    Threads,
    Usage,
)
from handoff.cli.connecting import Server, advice_about, backend_of
from handoff.cli.exits import Exit, exit_code
from handoff.cli.interrupts import Guard, run
from handoff.cli.lending import lent
from handoff.cli.lines import Line, script_lines, standard_input
from handoff.cli.loading import load_flow
from handoff.cli.printing import JsonLines, Printer, Screen, counted, notice
from handoff.cli.values import initial_metadata
from handoff.driving.history import replay


@dataclass(frozen=True, slots=True)
class Options:
    """What `chat` and `run` are given."""

    #: FLOW as written.
    flow: str
    #: Initial metadata, `key=value`.
    metadata: list[str] = field(default_factory=list[str])
    #: What the flow's tools borrow, `key=value`.
    deps: list[str] = field(default_factory=list[str])
    #: Id of the thread; None for a new one.
    thread: str | None = None
    #: The file threads live in; None for memory.
    store: Path | None = None
    #: Whether events are printed as JSON.
    json: bool = False
    #: Who runs the model.
    server: Server = field(default_factory=Server)


def chat(options: Options, script: Path | None) -> Exit:
    """Talk until the lines are used up, the thread ends, or Ctrl-C.

    Args:
        options: the command's options.
        script: a file of user messages; None reads standard input.
    """
    lines = None if script is None else script_lines(script)
    at_terminal = lines is None and not options.json and sys.stdin.isatty() and sys.stdout.isatty()
    flow = load_flow(options.flow)
    with lent(flow, options.deps, options.store) as deps:
        talk = _Talk(flow, deps, options, at_terminal=at_terminal, described=True)
        return run(lambda guard: talk.play(guard, standard_input() if lines is None else _each(lines)))


def run_once(options: Options, text: str) -> Exit:
    """Send one message and show what comes of it.

    Args:
        options: the command's options.
        text: the message.
    """
    flow = load_flow(options.flow)
    with lent(flow, options.deps, options.store) as deps:
        talk = _Talk(flow, deps, options, at_terminal=False, described=False)
        return run(lambda guard: talk.play(guard, _each([Line(text)])))


def play_script(options: Options, script: Path, store: Store) -> Exit:
    """Play a script on a thread of its own, and end at the first turn without a reply.

    Args:
        options: as for `chat`, with the thread's id; nothing of the conversation is printed as JSON.
        script: a file of user messages.
        store: where the thread is kept.
    """
    lines, flow = script_lines(script), load_flow(options.flow)
    with lent(flow, options.deps, options.store) as deps:
        talk = _Talk(flow, deps, options, at_terminal=False, described=False, store=store)
        return run(lambda guard: talk.play(guard, _each(lines)))


async def _each(lines: Iterable[Line]) -> AsyncIterator[Line]:
    for line in lines:
        yield line


class Silence:
    """Where nothing is written: the command has something else to print."""

    def show(self, event: ThreadEvent) -> None:
        """Write nothing."""

    def prompt(self) -> None:
        """Ask nobody."""

    def answered(self) -> None:
        """Nobody was asked."""

    def leave(self) -> None:
        """No line is open."""


def printer_for(flow: Flow[Any, Any], *, json: bool, at_terminal: bool = False) -> Printer:
    """Return where a conversation of that flow is written.

    Args:
        flow: the flow.
        json: whether events are printed as JSON.
        at_terminal: whether somebody types and reads there.
    """
    return JsonLines() if json else Screen(tuple(flow.assistants), echo=not at_terminal, ask=at_terminal)


def store_at(path: Path | None) -> Store | None:
    """Return the store in that file; None for memory."""
    if path is None:
        return None
    from handoff import SqlStore  # noqa: PLC0415 - SQLAlchemy is slow to import

    return SqlStore(path)


class _Talk:
    """One command's conversation."""

    def __init__(
        self,
        flow: Flow[Any, Any],
        deps: Deps | None,
        options: Options,
        *,
        at_terminal: bool,
        described: bool,
        store: Store | None = None,
    ) -> None:
        self._flow = flow
        self._options = options
        self._at_terminal = at_terminal
        self._metadata = initial_metadata(flow, options.metadata)
        self._deps = deps
        self._backend = backend_of(options.server)
        json, measured = options.json, store is not None
        self._printer = Silence() if json and measured else printer_for(flow, json=json, at_terminal=at_terminal)
        self._store = store
        self._shown = 0
        self._described = described
        #: Whether the thread was there before.
        self._stored = False
        #: How many events of the past are not to be shown again.
        self._past = 0
        self._spent = Usage()

    async def play(self, guard: Guard, lines: AsyncIterator[Line]) -> Exit:
        """Open the thread, finish what was interrupted, and send the lines."""
        store = self._store or store_at(self._options.store)
        name = self._options.thread or SystemClock().new_id()
        if store is not None:
            self._stored = store.summary(name) is not None
            self._past = sum(1 for _ in replay(store.journal(name)))
        async with Threads(self._flow, deps=self._deps, backend=self._backend, store=store) as threads:
            self._introduce()
            with threads.watching(name, self._watch):
                thread: Thread[Any] | None = None

                async def talk() -> Exit:
                    nonlocal thread
                    thread = await self._open(threads, name)
                    return await self._send_all(thread, lines)

                code = await guard(talk())
                if self._spent:
                    notice(f"that took {counted(self._spent)}")
                if code is None:
                    self._printer.leave()
                    if thread is not None:
                        await thread.cancel()
                    return Exit.INTERRUPTED
                return code

    def _introduce(self) -> None:
        describe = getattr(self._flow.offline, "describe", None)
        if describe is None or self._backend is not None:
            return
        text: str = describe()
        notice(text if self._described else text.partition("\n")[0])

    def _watch(self, event: ThreadEvent) -> None:
        if self._past > 0:
            self._past -= 1
            return
        self._shown += 1
        if isinstance(event, RunChanged) and event.usage is not None:
            self._spent += event.usage
        self._printer.show(event)

    async def _open(self, threads: Threads[Any], name: str) -> Thread[Any]:
        thread = await threads.open(name, metadata=self._metadata)
        self._past = 0
        if self._stored:
            if self._options.metadata:
                notice(f"thread {name} is stored already: --set is for a new one and was left aside")
            notice(f"thread {name} goes on at {thread.assistant.name}")
            await _settled(thread)
        elif self._options.store is not None:
            notice(f"thread {name} is kept in {self._options.store}")
        return thread

    async def _send_all(self, thread: Thread[Any], lines: AsyncIterator[Line]) -> Exit:
        repeated = 0
        self._printer.prompt()
        async for line in lines:
            self._printer.answered()
            shown = self._shown
            code = await self._send(thread, line)
            said_before = line.key is not None and shown == self._shown
            if said_before and (code is Exit.DONE or thread.status != "closed"):
                repeated += 1
            elif code is not Exit.DONE and not self._at_terminal:
                return code
            if self._at_terminal and thread.status == "closed":
                break
            self._printer.prompt()
        self._printer.leave()
        if repeated:
            notice(f"{repeated} line{'s' * (repeated > 1)} of the script had been said on this thread before")
        await _settled(thread)
        if thread.status == "closed":
            notice("the conversation has ended")
        return Exit.DONE

    async def _send(self, thread: Thread[Any], line: Line) -> Exit:
        try:
            await thread.send(line.text, key=line.key)
        except RunFailed as error:  # the event said why
            advice = "" if self._backend is None else advice_about(error.reason)
            if advice:
                notice(advice)
            return exit_code(error)
        except ThreadClosed as error:
            notice(str(error))
            return exit_code(error)
        return Exit.DONE


async def _settled(thread: Thread[Any]) -> None:
    """Return when nothing is under way here: runs, and bodies of calls that outlive their batch."""
    await thread.wake()
    await thread.wait()
