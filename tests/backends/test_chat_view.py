"""What an assistant sees of its thread: whole turns, calls with their outputs, and always what the run is about."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.backends.view import pieces_of, seen, shortened
from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage
from handoff.declaration.flow import Flow
from handoff.declaration.prompt import Prompt, View
from handoff.errors import DefinitionError

# Three spells: editor, writer, editor again; each item is named by a letter in what follows.
ASK = UserMessage("m1", "A")
LOOK = Spoken("editor", 1, "B", (Asked("c1", "look", "{}"),))
SEEN = Output(1, 1, "c1", "look", "C")
OVER = Note("handoff", "D")
DRAFT = Spoken("writer", 2, "E", (Asked("c2", "save", "{}"),))
SAVED = Output(2, 1, "c2", "save", "F")
WELL = UserMessage("m2", "G")
DONE = Spoken("writer", 3, "H")
BACK = UserMessage("m3", "I")
YES = Spoken("editor", 4, "J")
THREAD = (ASK, LOOK, SEEN, OVER, DRAFT, SAVED, WELL, DONE, BACK, YES)
NEXT = UserMessage("m4", "K")


def shown(
    view: View, *due: Item, assistant: str = "editor", transcript: tuple[Item, ...] = THREAD, run: int = 9
) -> str:
    pieces, _ = seen(Prompt(assistant, "", (), transcript, due, view=view), run)
    return "".join(item.text for piece in pieces for item in piece)


@pytest.mark.parametrize(
    ("view", "assistant", "expected"),
    [
        pytest.param("all", "editor", "ABCDEFGHIJK", id="all"),
        pytest.param("own", "editor", "ABCDGIJK", id="own"),
        pytest.param("own", "writer", "ADEFGHIK", id="own-of-another"),
        pytest.param("own", "reviewer", "ADGIK", id="own-of-a-newcomer"),
        pytest.param("since_active", "editor", "DEFGHIJK", id="since-active"),
        pytest.param("since_active", "writer", "IJK", id="since-active-of-another"),
        pytest.param("since_active", "reviewer", "ABCDEFGHIJK", id="since-active-of-a-newcomer"),
        pytest.param(1, "editor", "K", id="one-turn"),
        pytest.param(2, "editor", "IJK", id="two-turns"),
        pytest.param(3, "editor", "GHIJK", id="three-turns"),
        pytest.param(9, "editor", "ABCDEFGHIJK", id="more-turns-than-there-are"),
    ],
)
def test_a_view_shows_part_of_the_thread(view: View, assistant: str, expected: str) -> None:
    """All; without others' words; what came since its last spell; the last n turns (T1)."""
    assert expected == shown(view, NEXT, assistant=assistant)


def test_a_spell_of_several_words_is_one() -> None:
    """What came since it was last active begins before its present spell, however often it has spoken in that."""
    later = (*THREAD, NEXT, Spoken("editor", 5, "L"))

    assert "DEFGHIJKLM" == shown("since_active", UserMessage("m5", "M"), transcript=later)


def test_messages_in_a_row_are_one_turn() -> None:
    """Messages that waited together were answered together."""
    assert "GIJK" == shown(2, NEXT, transcript=(ASK, LOOK, SEEN, WELL, BACK, YES))


@pytest.mark.parametrize("view", ["all", "own", "since_active", 1])
def test_what_is_due_is_seen_with_its_calls(view: View) -> None:
    """An output that is due comes with its call and the turn it belongs to, however short the view (T3)."""
    expected = shown("own" if view == "own" else "all", SEEN, WELL, transcript=(ASK, LOOK))

    assert "ABCG" == shown(view, SEEN, WELL, transcript=(ASK, LOOK), run=1) == expected


def test_what_was_said_in_this_run_is_seen() -> None:
    """A run whose messages were steered in still sees the question it began with."""
    transcript = (ASK, LOOK, SEEN, WELL)

    assert "ABCG" == shown(1, transcript=transcript, run=1)
    assert "G" == shown(1, transcript=transcript, run=2)


def test_an_output_is_counted_to_the_piece_of_its_call() -> None:
    """The first piece with anything due is that of the oldest due output's call."""
    pieces, due = pieces_of((ASK, LOOK, WELL, SEEN), due=1)

    assert [[ASK], [LOOK, SEEN], [WELL]] == pieces
    assert 1 == due


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        pytest.param(99, "ABCDEFGHIJK", id="all-fits"),
        pytest.param(7, "GHIJK", id="whole-turns"),
        pytest.param(4, "IJK", id="less"),
        pytest.param(1, "K", id="least"),
        pytest.param(0, "K", id="what-is-needed-stays"),
    ],
)
def test_a_view_is_shortened_by_whole_turns(budget: int, expected: str) -> None:
    """The latest turns that fit stay, and what is needed whether it fits or not (T3)."""
    pieces, needed = seen(Prompt("editor", "", (), THREAD, (NEXT,)), 9)
    kept = shortened(pieces, [len(piece) for piece in pieces], needed, budget)

    assert expected == "".join(item.text for piece in kept for item in piece)


SPEAKERS = st.sampled_from(["editor", "writer"])


@st.composite
def threads(draw: st.DrawFn) -> tuple[Item, ...]:
    """A thread in a natural order, with every call answered sooner or later."""
    items: list[Item] = []
    waiting: list[Output] = []
    for number in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["user", "said", "called", "note"]))
        if kind == "user":
            items.append(UserMessage(f"m{number}", f"u{number}."))
        elif kind == "note":
            items.append(Note("late", f"n{number}."))
        else:
            items += waiting
            waiting = [Output(number, 1, f"c{number}", "look", f"o{number}.")] if kind == "called" else []
            calls = tuple(Asked(one.call, one.tool, "{}") for one in waiting)
            items.append(Spoken(draw(SPEAKERS), number, f"s{number}.", calls))
    return (*items, *waiting)


@given(
    threads(), st.integers(0, 4), st.sampled_from(["all", "own", "since_active", 1, 2]), SPEAKERS, st.integers(0, 40)
)
def test_a_view_never_parts_a_call_from_its_output(
    thread: tuple[Item, ...], due: int, view: View, assistant: str, budget: int
) -> None:
    """However a thread is cut and shortened, whoever is shown a call is shown its output, and the order stays."""
    settled = len(thread) - min(due, len(thread))
    pieces, needed = seen(Prompt(assistant, "", (), thread[:settled], thread[settled:], view=view), 99)
    kept = shortened(pieces, [len(piece) for piece in pieces], needed, budget)

    flat = [item for piece in kept for item in piece]
    firsts = [thread.index(piece[0]) for piece in kept]
    assert sorted(firsts) == firsts
    assert {call.id for item in flat if isinstance(item, Spoken) for call in item.calls} == {
        item.call for item in flat if isinstance(item, Output)
    }
    for item in thread[settled:]:
        assert item in flat or (view == "own" and not isinstance(item, UserMessage | Note))


# -- declaring it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["all", "own", "since_active", 1, 20])
def test_an_assistant_declares_what_it_sees(view: View) -> None:
    """`view=` is kept with the assistant's options; without it an assistant sees all."""
    flow = Flow("views")

    assert view == flow.assistant("one", instructions="", view=view).options.view
    assert "all" == flow.assistant("two", instructions="").options.view


@pytest.mark.parametrize("view", ["everything", "", 0, -1, True, 1.5, None, ["own"]])
def test_a_view_that_is_none_is_refused(view: Any) -> None:
    """A name that does not exist and a number of turns below one are refused where they are written."""
    flow = Flow("views")

    with pytest.raises(
        DefinitionError, match=r"one has view=.*: give 'all', 'own', 'since_active' or how many"
    ) as refused:
        flow.assistant("one", instructions="", view=view)
    assert str(refused.value).startswith(f"{__file__}:")
    assert {} == flow.assistants
