"""What is new to a flow's rules is the same, whether they are shown the thread in this process or by a server."""

from __future__ import annotations

import pytest

from handoff.backends.spelling import parted
from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage
from handoff.core.texts import tell
from handoff.models.heard import new_items, untold

ASKS = UserMessage("m1", "the about page")
LATER = UserMessage("m2", "and quickly")
CALL = Asked("call_1", "open_page", '{"page_id": "about"}')
CALLED = Spoken("welcome", 1, "", (CALL,))
OUTPUT = Output(1, 1, "call_1", "open_page", 'about, which\nreturned: "is open")')
NOTE = Note("handoff", "You are editor. welcome handed over to you by open_page.")
CARRIED = Note("late", tell("carried", tool="open_page", output='"about, which\\nreturned: \\"is open\\")"'))
EARLIER = Note("handoff", "You are welcome. editor handed over to you by leave.")


def told(*calls: tuple[Asked, Output | None]) -> Spoken:
    """What a server shows of calls of another assistant."""
    spoken = Spoken("welcome", 1, "One moment.\nPlease.", tuple(call for call, _ in calls))
    text, _ = parted([spoken, *(output for _, output in calls if output is not None)], "editor")
    return Spoken("welcome", 0, text)


def heard(*items: Item) -> list[tuple[str, str]]:
    """What is new, without what tells only who answered where."""
    return [(type(item).__name__, item.text) for item in new_items(items)]


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param((ASKS, CALLED, OUTPUT, NOTE), id="in this process"),
        pytest.param((ASKS, told((CALL, OUTPUT)), NOTE), id="told as text"),
        pytest.param((ASKS, CARRIED, NOTE), id="carried by a note"),
        pytest.param((ASKS, CALLED, OUTPUT, Spoken("welcome", 1, "It is open."), NOTE), id="after a last word"),
        pytest.param((ASKS, EARLIER, CARRIED, NOTE), id="after an earlier handover"),
    ],
)
@pytest.mark.parametrize("later", [pytest.param((), id="alone"), pytest.param((LATER,), id="and a message")])
def test_a_handover_is_heard_as_the_output_of_its_call(shown: tuple[Item, ...], later: tuple[Item, ...]) -> None:
    """The message that was acted on is not new; what waited meanwhile is."""
    new = [one for one in heard(*shown, *later) if one[1] != EARLIER.text]

    assert [("Output", OUTPUT.text), ("Note", NOTE.text), *(("UserMessage", one.text) for one in later)] == new


def test_what_a_view_leaves_out_is_heard_without_its_words() -> None:
    """Where the call and its output are not shown, the note alone tells of them."""
    assert [("Output", ""), ("Note", NOTE.text)] == heard(ASKS, NOTE)


def test_a_late_result_is_heard_as_the_note_it_is() -> None:
    """What its call was told meanwhile is not taken for its output."""
    pending = Output(1, 1, "call_1", "open_page", "Pending: still running (ticket T1).")
    late = Note("late", "Result of open_page (ticket T1), asked by welcome: about is open")

    assert [("Note", late.text), ("Note", NOTE.text)] == heard(
        ASKS, CALLED, pending, Spoken("welcome", 1, "A moment."), late, NOTE
    )


def test_a_handover_by_a_reply_brings_no_output() -> None:
    """`then` has no call."""
    note = Note("handoff", "You are critic. writer handed over to you after its reply.")

    assert [("Note", note.text)] == heard(ASKS, CALLED, OUTPUT, Spoken("writer", 1, "A draft."), note)


def test_lines_of_calls_are_read_back() -> None:
    """Each call comes back with its tool, arguments and output; what was said beside them stays."""
    other = Asked("call_2", 'odd "name" with {}', '{"a": ", which returned: \\"no\\")"}')
    text, calls = untold(told((CALL, OUTPUT), (other, None)).text)

    assert "One moment.\nPlease." == text
    assert [
        (Asked("", CALL.tool, CALL.arguments), OUTPUT.text),
        (Asked("", other.tool, other.arguments), None),
    ] == calls


@pytest.mark.parametrize(
    "text", ["", "(I called you.)", '(x called "y" with {}) and more', '(x called "y")', r'(x called "\y" with {})']
)
def test_what_tells_of_no_call_is_left_as_it_is(text: str) -> None:
    """Words in brackets are words."""
    assert (text, []) == untold(text)
