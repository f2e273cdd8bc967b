"""`handoff chat` and `handoff run`: what they say, where they go on, and how they end."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from handoff import __version__
from tests.support.cli import Commands, finished, handoff, started

__all__ = ["handoff"]  # the fixture

SILENT = """
import asyncio
from handoff import Flow

flow = Flow("silent")
one = flow.assistant("one", instructions="Hello.")


class Silent:
    async def answer(self, prompt):
        yield "well"
        await asyncio.Event().wait()


flow.offline = Silent()
"""

SHOWN = """\
you    want a pen
       · ask_for(item="a pen")
         ↳ a pen is wanted.
── front → store (ask_for) ──
store  a pen is wanted.
"""


def test_the_version_is_told(handoff: Commands) -> None:
    """Whoever reports a bug can say which version has it."""
    found = handoff("--version")

    assert (0, f"handoff {__version__}\n") == (found.code, found.out)


@pytest.mark.parametrize("module", ["handoff", "handoff.cli"])
def test_python_runs_it_as_a_module(module: str) -> None:
    """Where the command is not on the path, `python -m` finds it."""
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)

    assert f"handoff {__version__}\n" == done.stdout


def test_run_shows_the_handoff(handoff: Commands) -> None:
    """One message shows the user, the call, the handoff and the reply of the new assistant."""
    found = handoff("run", "desk.py", "want a pen")

    assert (0, SHOWN) == (found.code, found.out)


def test_what_the_model_is_stands_on_standard_error(handoff: Commands) -> None:
    """Whoever reads is told that rules answer, and standard output holds the conversation only."""
    found = handoff("run", "desk.py", "want a pen")

    assert "desk answers by fixed rules here, not by an AI." == found.err.splitlines()[0]


def test_a_chat_says_at_its_start_what_it_understands(handoff: Commands) -> None:
    """The abilities of every assistant are listed at the start of a chat."""
    handoff.says()

    found = handoff("chat", "desk.py")

    assert "  - want ITEM" in found.err.splitlines()


def test_json_prints_one_event_a_line(handoff: Commands) -> None:
    """Every line is an object with its type and the fields that apply to it."""
    found = handoff("run", "desk.py", "want a pen", "--json", "--thread", "t")

    assert [
        {"type": "message", "thread": "t", "text": "want a pen"},
        {"type": "run.status", "thread": "t", "run": 1, "assistant": "front", "status": "queued"},
        {"type": "run.status", "thread": "t", "run": 1, "assistant": "front", "status": "requires_action"},
        {
            "type": "tool.started",
            "thread": "t",
            "run": 1,
            "assistant": "front",
            "call_id": "call_1",
            "tool": "ask_for",
            "arguments": '{"item": "a pen"}',
        },
        {
            "type": "tool.finished",
            "thread": "t",
            "run": 1,
            "call_id": "call_1",
            "tool": "ask_for",
            "output": "a pen is wanted.",
        },
        {"type": "run.status", "thread": "t", "run": 1, "assistant": "front", "status": "completed"},
        {"type": "transition", "thread": "t", "source": "front", "dest": "store", "trigger": "ask_for"},
        {"type": "run.status", "thread": "t", "run": 2, "assistant": "store", "status": "queued"},
        {"type": "text.delta", "thread": "t", "run": 2, "assistant": "store", "text": "a pen is wanted."},
        {"type": "message", "thread": "t", "run": 2, "assistant": "store", "text": "a pen is wanted."},
        {"type": "run.status", "thread": "t", "run": 2, "assistant": "store", "status": "completed"},
    ] == [{key: value for key, value in event.items() if key != "id"} for event in found.events]


def test_a_script_is_one_message_a_line(handoff: Commands) -> None:
    """Empty lines and comments of a script are no messages."""
    script = handoff.write("talk.txt", "# first\n\nwant a pen\n   \n  order it\n")

    found = handoff("chat", "desk.py", "--script", script, "--json")

    assert ["want a pen", "order it"] == [one["text"] for one in found.told("message") if "assistant" not in one]


def test_a_pipe_is_one_message_a_line(handoff: Commands) -> None:
    """Lines of standard input are sent as they are, a number sign included, and nobody is prompted."""
    handoff.says("want a pen", "", "# 1")

    found = handoff("chat", "desk.py")

    assert ["you    want a pen", "you    # 1"] == [line for line in found.out.splitlines() if line.startswith("you")]


def test_a_script_is_played_once_on_a_thread(handoff: Commands) -> None:
    """The same script on the same stored thread says and does nothing again."""
    script = handoff.write("talk.txt", "want a pen\norder it\n")
    again = ("chat", "desk.py", "--script", script, "--thread", "t", "--store", handoff.store, "--json")
    handoff(*again)

    found = handoff(*again)

    assert (0, []) == (found.code, found.events)


def test_a_script_that_grew_says_what_is_new(handoff: Commands) -> None:
    """Only the lines that were added to a script are said on the thread it was played on."""
    script = handoff.write("talk.txt", "want a pen\n")
    again = ("chat", "desk.py", "--script", script, "--thread", "t", "--store", handoff.store, "--json")
    handoff(*again)
    handoff.write("talk.txt", "want a pen\norder it\n")

    found = handoff(*again)

    assert ["order it"] == [one["text"] for one in found.told("message") if "assistant" not in one]


def test_a_stored_thread_goes_on_where_it_was(handoff: Commands) -> None:
    """A second command on the same thread speaks to the assistant the first one left active."""
    kept = ("--thread", "t", "--store", handoff.store, "--json")
    handoff("run", "desk.py", "want a pen", *kept)

    found = handoff("run", "desk.py", "order it", *kept)

    assert {"store"} == {one["assistant"] for one in found.told("run.status")}


def test_initial_metadata_is_for_a_new_thread(handoff: Commands) -> None:
    """On a stored thread `--set` is left aside, and that is said."""
    kept = ("--thread", "t", "--store", handoff.store, "--set", "item=ink")
    handoff("run", "desk.py", "hello", *kept)

    found = handoff("run", "desk.py", "hello", *kept)

    assert "thread t is stored already: --set is for a new one and was left aside" in found.err


def test_a_turn_without_a_reply_ends_a_script(handoff: Commands) -> None:
    """The run's failure is shown, the lines after it are not sent, and the exit code is 1."""
    script = handoff.write("talk.txt", "fail\nwant a pen\n")

    found = handoff("chat", "desk.py", "--script", script)

    assert (1, ["you    fail", "!! the run ended failed: RuntimeError: no paper"]) == (
        found.code,
        found.out.splitlines(),
    )


def test_a_thread_that_ended_takes_no_more(handoff: Commands) -> None:
    """A message to a closed thread is refused with exit code 1."""
    kept = ("--thread", "t", "--store", handoff.store)
    for text in ("want a pen", "close"):
        handoff("run", "desk.py", text, *kept)

    found = handoff("run", "desk.py", "hello", *kept)

    assert (1, "") == (found.code, found.out)
    assert "thread t has ended" in found.err


def test_without_rules_there_is_no_backend(handoff: Commands) -> None:
    """A flow without offline rules ends in exit code 3, and the text says what to do."""
    handoff.write("bare.py", "import handoff\nf = handoff.Flow('bare')\na = f.assistant('a', instructions='Hello.')\n")

    found = handoff("run", "bare.py", "hello")

    assert 3 == found.code
    assert "the flow bare has no offline rules" in found.err


def test_a_store_of_another_kind_is_a_matter_of_configuration(handoff: Commands) -> None:
    """A file that is no store ends in exit code 3 and stays as it is."""
    file = handoff.write("notes.txt", "not a database, and long enough to be looked at as one" * 20)
    before = file.read_bytes()

    found = handoff("run", "desk.py", "hello", "--store", file)

    assert (3, before) == (found.code, file.read_bytes())


def test_what_a_model_says_never_commands_the_terminal(handoff: Commands) -> None:
    """Control characters in a reply are shown as such."""
    found = handoff("run", "desk.py", "beep")

    assert "front  \N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}\n" in found.out


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="no command"),
        pytest.param(("chat",), id="no flow"),
        pytest.param(("run", "desk.py"), id="no text"),
        pytest.param(("chat", "desk.py", "--colour"), id="unknown option"),
        pytest.param(("chat", "desk.py", "--script", "missing.txt"), id="missing script"),
        pytest.param(("chat", "desk.py", "--store", "."), id="store is a directory"),
        pytest.param(("threads", "ls"), id="no store"),
        pytest.param(("threads", "ls", "--store", "missing.db"), id="missing store"),
        pytest.param(("threads", "resolve", "t", "--store", "desk.py"), id="no output"),
        pytest.param(("run", "desk.py", "hello", "--set", "item"), id="set without a value"),
        pytest.param(("run", "desk.py", "hello", "--dep", "root=."), id="deps of a flow without"),
    ],
)
def test_a_command_that_cannot_be_carried_out_ends_with_2(handoff: Commands, arguments: tuple[str, ...]) -> None:
    """Wrong usage ends with exit code 2, a text on standard error, and nothing on standard output."""
    found = handoff(*arguments)

    assert (2, True) == (found.code, bool(found.err) or not arguments)


def test_a_killed_chat_goes_on_where_it_was(tmp_path: Path, handoff: Commands) -> None:
    """A chat killed inside a tool and started again finishes that call, says the rest, and nothing twice."""
    effects = tmp_path / "effects.txt"
    script = handoff.write("talk.txt", f"hello\nsurvive {effects}\nwant a pen\n")
    again = ("chat", "desk.py", "--script", script, "--thread", "t", "--store", handoff.store, "--json")
    killed = finished(started(tmp_path, *again))

    found = finished(started(tmp_path, *again))

    assert (-signal.SIGKILL, 0) == (killed.code, found.code)
    said = [one for result in (killed, found) for one in result.told("message")]
    assert ["hello", f"survive {effects}", "want a pen"] == [one["text"] for one in said if "assistant" not in one]
    assert ["survived", "a pen is wanted."] == [one["text"] for one in said if "assistant" in one][1:]


def test_a_killed_thread_shows_what_was_under_way(tmp_path: Path, handoff: Commands) -> None:
    """Whoever looks at a thread that stands still reads which call it stands at."""
    finished(started(tmp_path, "run", "desk.py", "survive ran.txt", "--thread", "t", "--store", handoff.store))

    shown = handoff("threads", "show", "t", "--store", handoff.store).out.splitlines()

    assert 'call survive({"path": "ran.txt"}) has no output yet' == shown[-1]


def test_ctrl_c_cancels_the_run(tmp_path: Path, handoff: Commands) -> None:
    """The first Ctrl-C cancels the run and waits for running bodies; the second one ends the process at once."""
    process = started(tmp_path, "run", "desk.py", "wait", "--thread", "t", "--store", handoff.store, "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    while '"tool.started"' not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    while '"cancelled"' not in process.stdout.readline():
        pass

    process.send_signal(signal.SIGINT)

    assert 130 == finished(process).code


def test_one_ctrl_c_is_enough_where_the_model_is_waited_for(tmp_path: Path, handoff: Commands) -> None:
    """A run that waits for its model is cancelled at once, and the thread is at rest afterwards."""
    handoff.write("silent.py", SILENT)
    kept = ("--thread", "t", "--store", handoff.store, "--json")
    process = started(tmp_path, "run", "silent.py", "hello", *kept)
    assert process.stdout is not None
    while '"text.delta"' not in process.stdout.readline():
        pass

    process.send_signal(signal.SIGINT)

    assert 130 == finished(process).code
    (thread,) = handoff("threads", "ls", "--store", handoff.store, "--json").events
    assert "rest" == thread["status"]


def test_ctrl_c_at_the_prompt_ends_the_chat(tmp_path: Path, handoff: Commands) -> None:
    """Where nothing is under way, one Ctrl-C is enough."""
    reader, writer = os.pipe()
    process = started(tmp_path, "chat", "desk.py", "--json", stdin=reader)
    os.write(writer, b"hello\n")
    assert process.stdout is not None
    while '"completed"' not in process.stdout.readline():
        pass

    process.send_signal(signal.SIGINT)

    assert 130 == finished(process).code
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [pytest.param({}, True, id="terminal"), pytest.param({"NO_COLOR": "1"}, False, id="NO_COLOR")],
)
def test_a_terminal_is_prompted(tmp_path: Path, handoff: Commands, environment: dict[str, str], coloured: bool) -> None:
    """At a terminal the chat prompts, does not repeat what was typed, and uses colours unless NO_COLOR is set."""
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm-256color", **environment}
    process = started(tmp_path, "chat", "desk.py", stdin=theirs, stdout=theirs, env=environment)
    os.close(theirs)
    os.write(ours, b"want a pen\n\x04")

    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # the other end is closed
        pass

    assert (0, coloured) == (finished(process).code, b"\x1b[" in shown)
    assert 1 == shown.count(b"want a pen")
    os.close(ours)


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, handoff: Commands) -> None:
    """`handoff … | head -1` ends quietly."""
    reader, writer = os.pipe()
    process = started(tmp_path, "run", "desk.py", "want a pen", stdout=writer)
    os.close(writer)
    os.close(reader)

    found = process.communicate(timeout=60)

    assert (0, False) == (process.returncode, "Traceback" in found[1])


def test_a_script_that_goes_on_behind_the_end_fails(handoff: Commands) -> None:
    """A line that a closed thread refuses was not said before: the command ends with 1."""
    script = handoff.write("long.txt", "want a pen\nclose\nand now\n")
    found = handoff("chat", "desk.py", "--script", script)

    assert 1 == found.code
    assert "said on this thread before" not in found.err
