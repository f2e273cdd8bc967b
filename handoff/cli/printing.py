"""What happens on a thread, as lines: for people (`Screen`) or as JSON, one event a line (`JsonLines`).

Standard output carries the conversation only; what the command says about itself goes to standard error. Texts of
models and tools are data: control characters in them never reach the terminal.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from handoff import (
    HostedToolFinished,
    LimitReached,
    MessageAdded,
    RoomChanged,
    RunChanged,
    TextDelta,
    ThreadEvent,
    TicketChanged,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    TransitionTaken,
    Usage,
)
from handoff.content import shown
from handoff.events import as_json

if TYPE_CHECKING:
    from rich.console import Console

#: What a ticket's stage says to a person.
STAGES: Mapping[str, str] = {
    "approval": "waits for approval",
    "approved": "is approved",
    "running": "is still running",
    "waiting": "waits for its result",
    "in_doubt": "may or may not have happened: somebody has to settle it",
    "closed": "is decided",
}

#: Run statuses that end a turn without a reply.
FAILURES = frozenset({"failed", "incomplete", "expired", "cancelled"})

# C0 and C1 control characters but newline and tab, and what reverses the direction of writing; a carriage return goes.
_COMMANDS = (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_CONTROLS: dict[int, str] = dict.fromkeys(set(_COMMANDS) - {ord("\n"), ord("\t")}, "\N{REPLACEMENT CHARACTER}")
_CONTROLS[ord("\r")] = ""


def clean(text: str) -> str:
    """Return the text without what would command a terminal."""
    return text.translate(_CONTROLS).encode(errors="replace").decode()


def counted(usage: Usage) -> str:
    """Return what model calls took, in words."""
    cached = f" ({usage.cached_tokens} of them cached)" if usage.cached_tokens else ""
    calls = f"{usage.model_calls} model call{'s' * (usage.model_calls != 1)}"
    return f"{calls}, {usage.input_tokens} tokens read{cached}, {usage.output_tokens} written"


class Printer(Protocol):
    """Where the conversation is written."""

    def show(self, event: ThreadEvent) -> None:
        """Write what happened."""
        ...

    def prompt(self) -> None:
        """Ask for the next line, where somebody sits at the terminal."""
        ...

    def answered(self) -> None:
        """Take note that the next line came."""
        ...

    def leave(self) -> None:
        """End the line that is being written."""
        ...


def notice(text: str) -> None:
    """Say something about the command itself, on standard error."""
    if sys.stderr is not None:
        print(clean(text), file=sys.stderr, flush=True)  # noqa: T201 - this is a command line


def write(text: str) -> None:
    """Write to standard output; once nobody reads it any more, to nowhere.

    Args:
        text: any text; what the output's encoding has no sign for is written as its number in Unicode.
    """
    encoding = sys.stdout.encoding or "utf-8"
    _write(text.encode(encoding, "backslashreplace").decode(encoding))


def write_file(text: str) -> None:
    """Write what is kept as a file to standard output: in UTF-8, unless a terminal shows it."""
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and not stream.isatty():
        stream.reconfigure(encoding="utf-8")
    write(text)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


def write_json(value: Mapping[str, Any]) -> None:
    """Write one JSON object as a line, in ASCII: any reader and any terminal takes it."""
    write(json.dumps(value, ensure_ascii=True, default=str) + "\n")


class JsonLines:
    """One event a line, as `handoff.events.as_json` has it."""

    def show(self, event: ThreadEvent) -> None:
        """Write the event."""
        write_json(as_json(event))

    def prompt(self) -> None:
        """Nobody is asked: a program reads this."""

    def answered(self) -> None:
        """Nobody was asked."""

    def leave(self) -> None:
        """Every line is whole."""


class Screen:
    """The conversation as people read it: a column of speakers, calls and handoffs between.

    Args:
        speakers: names of those who may speak, for the width of the first column.
        echo: whether user messages are written too; not where they were typed right here.
        ask: whether somebody sits at the terminal and is prompted.
    """

    def __init__(self, speakers: tuple[str, ...], *, echo: bool = True, ask: bool = False) -> None:
        from rich.console import Console  # noqa: PLC0415 - loaded when something is shown

        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        # Under NO_COLOR rich alone would still write bold and dim.
        terminal = False if os.environ.get("NO_COLOR") else None
        self._console: Console = Console(
            highlight=False, soft_wrap=True, emoji=False, markup=False, force_terminal=terminal
        )
        self._width = max(map(len, ("you", *speakers))) + 2
        self._echo = echo
        self._ask = ask
        self._asked = False
        self._ask_again = False
        #: The text of the reply that is being written, or None.
        self._open: str | None = None
        self._last_call: tuple[int, str] | None = None

    # -- lines ---------------------------------------------------------------------------------------------------------

    def say(self, speaker: str, text: str) -> None:
        """Write what somebody said.

        Args:
            speaker: who.
            text: what.
        """
        self._put(speaker.ljust(self._width), "bold cyan" if speaker == "you" else "bold green")
        self._put(self._indented(text) + "\n")

    def line(self, text: str, style: str = "") -> None:
        """Write a line that nobody says.

        Args:
            text: the line.
            style: colours, as rich names them.
        """
        self._put(clean(text) + "\n", style)

    def prompt(self) -> None:
        """Ask for the next line."""
        if self._ask:
            self._put("you".ljust(self._width), "bold cyan")
            self._asked, self._ask_again = True, False

    def answered(self) -> None:
        """Take note that the next line came: the cursor stands at the start of a line."""
        self._asked = self._ask_again = False

    def leave(self) -> None:
        """End the line that is being written: a reply that was cut off, or a prompt nobody answered."""
        self._fresh_line()

    def _put(self, text: str, style: str = "") -> None:
        with self._console.capture() as captured:
            self._console.print(text, style=style, end="")
        write(captured.get())

    def _indented(self, text: str) -> str:
        return clean(text).replace("\n", "\n" + " " * self._width)

    def _note(self, text: str, style: str = "dim") -> None:
        self._put(" " * self._width + self._indented(text) + "\n", style)

    # -- events --------------------------------------------------------------------------------------------------------

    def show(self, event: ThreadEvent) -> None:
        """Write the event, if people care about it."""
        if isinstance(event, RunChanged) and event.status.value not in FAILURES:
            if event.status.value == "completed" and self._ask_again:
                self.prompt()
            return
        if isinstance(event, TextDelta):
            self._delta(event)
            return
        if isinstance(event, MessageAdded) and self._finished(event):
            self._sources(event)
            return
        self._fresh_line()
        match event:
            case MessageAdded(assistant=None):
                if self._echo:
                    self.say("you", shown(event.text, event.parts))
            case MessageAdded():
                self.say(str(event.assistant), event.text)
                self._sources(event)
            case ToolStarted():
                self._last_call = (event.run, event.call_id)
                self._note(f"· {event.tool}({_arguments(event.arguments)})")
            case ToolProgress():
                done = "" if event.fraction is None else f" {event.fraction:.0%}"
                self._note(f"  {event.tool}{done}: {event.text}")
            case ToolFinished():
                self._tool_finished(event)
            case HostedToolFinished():
                done = "" if event.status == "completed" else f" {event.status}"
                self._note(f"· {event.name or event.tool}({event.input}){done}")
            case TransitionTaken():
                self.line(f"── {event.source} → {event.dest} ({event.trigger}) ──", "magenta")
            case RunChanged():
                self.line(f"!! the run ended {event.status.value}: {event.reason or 'no reason is known'}", "bold red")
            case LimitReached():
                self.line(f"!! {event.assistant} could not start: {event.text}", "bold yellow")
            case RoomChanged():
                said = f": {event.text}" if event.text else ""
                copied = f", with {event.shared} characters of the conversation" if event.shared else ""
                self._note(f"‣ room {event.room} of {event.tool} {event.stage}{copied}{said}")
            case TicketChanged():
                self._note(f"‣ ticket {event.ticket}: {event.tool} {STAGES[event.stage]}", "yellow")

    def _delta(self, event: TextDelta) -> None:
        if event.anew:
            self._fresh_line()  # what is on the screen stays; the reply begins again on a line of its own
        if self._open is None:
            self._fresh_line()
            self._put(event.assistant.ljust(self._width), "bold green")
            self._open = ""
        self._open += event.text
        self._put(self._indented(event.text))

    def _sources(self, message: MessageAdded) -> None:
        for source in message.citations:
            named = " ".join(one for one in (source.title, source.url or source.file_id) if one)
            self._note(f"  [{named}]")

    def _finished(self, message: MessageAdded) -> bool:
        """Close the line of a reply that was written piece by piece; False if this message still has to be written."""
        if self._open is None:
            return False
        same = message.assistant is not None and self._open == message.text
        self._put("\n")
        self._open = None
        return same

    def _fresh_line(self) -> None:
        if self._open is not None or self._asked:
            self._put("\n")
            self._ask_again = self._asked
            self._open, self._asked = None, False

    def _tool_finished(self, event: ToolFinished) -> None:
        key = (event.run, event.call_id)
        named = "" if self._last_call == key else f"{event.tool}: "
        first, *rest = clean(event.output).split("\n")
        more = f" … ({len(rest)} more line{'s' if len(rest) > 1 else ''})" if rest else ""
        self._note(f"  ↳ {named}{first}{more}")


def _arguments(text: str) -> str:
    """Return a call's arguments as people write them; as they are where they are no JSON object."""
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(values, dict):
        return text
    named = cast("dict[str, Any]", values)
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in named.items())
