"""The demonstration, played: what it says and does to the files; and the same flow when nobody speaks for a while."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from freezegun import freeze_time

from flows.site_editor import demo as module
from flows.site_editor.demo import SAMPLE, demo, difference_of_directories
from flows.site_editor.flow import SILENCE
from flows.site_editor.pages import Pages
from handoff import Threads
from handoff.core.items import Spoken
from tests.site_editor.test_pages import naughty

DIFF = (
    "--- a/about.md\n"
    "+++ b/about.md\n"
    "@@ -7,6 +7,6 @@\n"
    " ---\n"
    " # About us\n"
    " \n"
    "-We are a small bakery in the old town. Two bakers, one oven, no hurry.\n"
    "+We are a family bakery in the old town. Two bakers, one oven, no hurry.\n"
    " \n"
    " The oven was built in 1931 and has never been cold since."
)


def play(pages: Pages, *messages: str) -> list[tuple[str, str]]:
    """The replies to messages, each with the assistant that is active afterwards."""

    async def run() -> list[tuple[str, str]]:
        async with Threads(demo.flow, deps=pages) as threads:
            thread = await threads.open("t1")
            replies = [await thread.send(message) for message in messages]
        return [(reply.assistant, reply.text) for reply in replies]

    return asyncio.run(run())


def test_the_demo_publishes_one_change_and_drops_the_other(tmp_path: Path) -> None:
    """In the end exactly the published change is in the files."""
    play(demo.prepare(tmp_path / "site"), *demo.messages)

    assert DIFF == demo.diff(tmp_path / "site")


def test_the_demo_hands_over_as_it_should(tmp_path: Path) -> None:
    """Welcome, editor and reviewer take turns; a failed edit stays with the editor."""
    replies = play(demo.prepare(tmp_path / "site"), *demo.messages)

    assert ["welcome", "editor", "reviewer", "welcome", "editor", "editor", "reviewer", "welcome"] == [
        assistant for assistant, _ in replies
    ]


def test_the_demo_says_why_an_edit_failed(tmp_path: Path) -> None:
    """The user reads the reason and the candidates."""
    replies = play(demo.prepare(tmp_path / "site"), *demo.messages)

    assert "There is no layout 'fancy'. The layouts are default, landing, wide." == replies[5][1]


def test_the_script_of_greetings_publishes_a_change(tmp_path: Path) -> None:
    """The lines of hello.txt are a conversation that ends with a published page."""
    lines = (Path(module.__file__).parent / "hello.txt").read_text().splitlines()
    play(demo.prepare(tmp_path / "site"), *lines)

    assert DIFF == demo.diff(tmp_path / "site")


def test_a_conversation_goes_on_after_a_failed_publication(tmp_path: Path) -> None:
    """A page changed by someone else is not written over; dropping the change leads back to welcome."""
    pages = demo.prepare(tmp_path / "site")

    async def run() -> list[tuple[str, str]]:
        async with Threads(demo.flow, deps=pages) as threads:
            thread = await threads.open("t1")
            for message in demo.messages[1:3]:
                await thread.send(message)
            (pages.root / "about.md").write_text("Somebody else's words.\n")
            replies = [await thread.send(message) for message in ("publish it", "drop it")]
        return [(reply.assistant, reply.text.partition(" was")[0]) for reply in replies]

    told = asyncio.run(run())

    assert ([("reviewer", "Conflict: about"), ("welcome", "The change to about is dropped; nothing")], True) == (
        told,
        (pages.root / "about.md").read_text() == "Somebody else's words.\n",
    )


@pytest.mark.parametrize("opening", [0, 2, 3], ids=["welcome", "editor", "reviewer"])
def test_naughty_messages_are_answered_and_leave_the_files_alone(tmp_path: Path, opening: int) -> None:
    """Whoever is active, none of the naughty strings fails a run or writes anything."""
    replies = play(demo.prepare(tmp_path / "site"), *demo.messages[:opening], *naughty())

    assert (True, "") == (all(text for _, text in replies), demo.diff(tmp_path / "site"))


@pytest.mark.parametrize(
    ("last", "silence", "assistant"),
    [
        pytest.param("go on", SILENCE, "reviewer", id="with-a-change"),
        pytest.param("go on", SILENCE - timedelta(seconds=1), "editor", id="too-early"),
        pytest.param("publish", SILENCE, "welcome", id="nothing-open"),
    ],
)
def test_a_forgotten_change_comes_back_after_the_silence(
    tmp_path: Path, last: str, silence: timedelta, assistant: str
) -> None:
    """Ten minutes after going on with an unpublished change, and not before, the reviewer shows it unasked."""
    pages = demo.prepare(tmp_path / "site")

    async def run() -> tuple[str, bool]:
        with freeze_time(datetime(2026, 3, 1, 12, tzinfo=UTC), real_asyncio=True) as clock:
            async with Threads(demo.flow, deps=pages) as threads:
                thread = await threads.open("t1")
                for message in (*demo.messages[1:3], last):
                    await thread.send(message)
                clock.tick(silence)
                await threads.sweep()
                await thread.wait()
                said = [item for item in await thread.transcript() if isinstance(item, Spoken)]
        return thread.assistant.name, said[-1].text.startswith(DIFF)

    assert (assistant, assistant == "reviewer") == asyncio.run(run())


def test_the_sample_is_copied_only_to_an_empty_directory(tmp_path: Path) -> None:
    """Somebody's files are never mixed with the sample."""
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="is not empty"):
        demo.prepare(tmp_path)

    assert ["mine.txt"] == [path.name for path in tmp_path.iterdir()]


def test_an_untouched_copy_has_no_difference(tmp_path: Path) -> None:
    """The copy is the sample byte for byte."""
    demo.prepare(tmp_path / "site")

    assert "" == demo.diff(tmp_path / "site")


def test_directories_are_compared_file_by_file(tmp_path: Path) -> None:
    """Added, removed and changed files all show, those that are no text included."""
    for name, files in {"old": {"a": b"1\n", "b": b"2\n"}, "new": {"b": b"\xff\n", "c": b"3\n"}}.items():
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_bytes(content)

    assert ["-1", "-2", "+\\xff", "+3"] == [
        line
        for line in difference_of_directories(tmp_path / "old", tmp_path / "new").splitlines()
        if line[0] in "+-" and line[1:2] not in ("-", "+")
    ]


def test_the_sample_site_has_what_the_rules_speak_of() -> None:
    """The sample has line ends of both kinds, a page without a final newline, comments, quotes and lists."""
    contents = {path.relative_to(SAMPLE).as_posix(): path.read_bytes() for path in SAMPLE.rglob("*.md")}

    assert (5, True, False) == (
        len(contents),
        b"\r\n" in contents["contact.md"],
        contents["blog/first-loaf.md"].endswith(b"\n"),
    )


def test_the_demo_is_found_by_its_entry_point() -> None:
    """The command line finds it under the name the package declares."""
    assert demo is EntryPoint("site_editor", "flows.site_editor.demo:demo", "handoff.demo").load()
