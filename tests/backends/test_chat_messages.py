"""How a transcript is spelled for Chat Completions: always valid, each speaker by name, others' calls told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handoff.backends.chat.messages import messages_of
from handoff.backends.spelling import Encoder, encoded
from handoff.backends.view import pieces_of
from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage


def messages(*items: Item, reader: str = "editor") -> list[dict[str, Any]]:
    return [message for piece in pieces_of(items)[0] for message in messages_of(piece, reader)]


def asked(*ids: str, by: str = "editor", text: str = "", arguments: str = "{}") -> Spoken:
    return Spoken(by, 1, text, tuple(Asked(one, "look", arguments) for one in ids))


def output(call: str, text: str = "nice") -> Output:
    return Output(1, 1, call, "look", text)


def call_of(message: dict[str, Any]) -> dict[str, Any]:
    (call,) = message["tool_calls"]
    return dict(call)


def test_words_carry_the_name_of_who_said_them() -> None:
    """A user speaks as the user, every assistant under its name (A)."""
    said = messages(UserMessage("m", "hi"), Spoken("welcome", 1, "Hello."), Spoken("editor", 2, "Yes?"))

    assert [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "name": "welcome", "content": "Hello."},
        {"role": "assistant", "name": "editor", "content": "Yes?"},
    ] == said


def test_notes_speak_as_the_user() -> None:
    """Many servers take a system message at the beginning only, and none that ends in an assistant's (H6)."""
    assert [{"role": "user", "content": "You are editor."}] == messages(Note("handoff", "You are editor."))


def test_own_calls_are_followed_by_their_outputs() -> None:
    """A call is spelled as a call, its text beside it, its output right behind it."""
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"w":1}'}}

    assert [
        {"role": "assistant", "name": "editor", "content": "so", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "nice"},
    ] == messages(asked("a", text="so", arguments='{"w":1}'), output("a"))


def test_an_output_is_moved_to_its_call() -> None:
    """Whatever stands between a call and its output comes behind it; outputs stand in the order of their calls."""
    said = messages(asked("a", "b"), UserMessage("m", "well?"), output("b"), Note("late", "x"), output("a"))

    assert ["assistant", "tool", "tool", "user", "user"] == [message["role"] for message in said]
    assert ["a", "b"] == [message["tool_call_id"] for message in said[1:3]]


def test_the_calls_of_others_are_a_line_of_text() -> None:
    """What another assistant called and got is told under its name, as data, and is no call (T2)."""
    said = messages(asked("a", by="welcome", text="so", arguments='{"w": "ä"}'), output("a", 'he said "x"\nand left'))

    assert [
        {
            "role": "assistant",
            "name": "welcome",
            "content": 'so\n(welcome called "look" with {"w": "ä"}, which returned: "he said \\"x\\"\\nand left")',
        }
    ] == said


def test_a_call_without_an_output_is_a_line_of_text() -> None:
    """It could not be spelled as a call, since every call must be answered (C1); its siblings stay calls."""
    (said, told) = messages(asked("a", "b"), output("b"))

    assert '(editor called "look" with {})' == said["content"]
    assert ("b", "b") == (call_of(said)["id"], told["tool_call_id"])


def test_an_output_without_its_call_is_a_line_of_text() -> None:
    """It is told all the same, as data."""
    assert [{"role": "user", "content": '(look returned: "nice")'}] == messages(output("a"))


def test_an_answer_that_says_nothing_is_no_message() -> None:
    """Servers refuse a message with neither content nor calls."""
    assert [] == messages(Spoken("editor", 1, ""))


def test_content_is_null_beside_bare_calls() -> None:
    """A message of calls alone has no content."""
    assert messages(asked("a"), output("a"))[0]["content"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param('{"w": ', id="cut-off"),
        pytest.param("", id="empty"),
        pytest.param("[1]", id="no-object"),
        pytest.param('{"w": NaN}', id="not-a-number"),
        pytest.param('{"w":' * 10_000, id="deep"),
        pytest.param("[" * 100_000, id="deeper"),
    ],
)
def test_arguments_are_a_json_object_whatever_the_model_wrote(arguments: str) -> None:
    """Servers parse them for their template, so what is no object goes as the text it is, within one."""
    said, _ = messages(asked("a", arguments=arguments), output("a"))

    assert {"malformed": arguments} == json.loads(call_of(said)["function"]["arguments"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("functions.look", "functions_look", id="dot"),
        pytest.param("", "unnamed", id="empty"),
        pytest.param("ä b", "__b", id="letters"),
        pytest.param("x" * 99, "x" * 64, id="long"),
    ],
)
def test_a_tool_is_named_as_servers_take_it(name: str, expected: str) -> None:
    """A name the model made up must not make every later request invalid."""
    said, _ = messages(Spoken("editor", 1, "", (Asked("a", name, "{}"),)), output("a"))

    assert expected == call_of(said)["function"]["name"]


def test_half_a_surrogate_pair_does_not_get_out() -> None:
    """What cannot be UTF-8 becomes a question mark; everything else goes as it is."""
    assert '"a?ä😀"'.encode() == encoded("a\ud800ä😀")


def test_a_piece_is_encoded_once_for_each_kind_of_reader() -> None:
    """Whoever made it reads it one way, everybody else another; the same bytes serve again."""
    encoder = Encoder(messages_of)
    piece = pieces_of((asked("a"), output("a")))[0][0]
    own = encoder.encode(piece, "editor")
    other = encoder.encode(piece, "welcome")

    assert b'"tool_calls"' in own
    assert b'"tool_calls"' not in other
    assert own is encoder.encode(list(piece), "editor")
    assert other is encoder.encode(list(piece), "reviewer")


def test_a_piece_that_has_got_an_output_is_encoded_anew() -> None:
    """The same words with an output they did not have before are another piece."""
    encoder = Encoder(messages_of)
    spoken = asked("a")
    encoder.encode([spoken], "editor")

    assert b'"tool_call_id":"a"' in encoder.encode([spoken, output("a")], "editor")


NAMES = st.sampled_from(["editor", "welcome"])
IDS = st.sampled_from(["a", "b", "c", "d", "e"])
ITEMS = st.one_of(
    st.builds(UserMessage, st.just("m"), st.text()),
    st.builds(Note, st.just("late"), st.text()),
    st.builds(Output, st.just(1), st.just(1), IDS, st.just("look"), st.text()),
    st.builds(
        Spoken,
        NAMES,
        st.just(1),
        st.text(),
        st.lists(IDS, unique=True, max_size=3).map(lambda ids: tuple(Asked(one, "look", "{}") for one in ids)),
    ),
)


@given(st.lists(ITEMS, max_size=12), NAMES)
def test_any_transcript_is_spelled_in_a_valid_order(items: list[Item], reader: str) -> None:
    """Each message with calls is followed by an output for each, and no output stands anywhere else (C1, C2)."""
    open_calls: list[str] = []
    for message in messages(*items, reader=reader):
        if message["role"] == "tool":
            open_calls.remove(message["tool_call_id"])
            continue
        assert [] == open_calls
        open_calls = [call["id"] for call in message.get("tool_calls", ())]

    assert [] == open_calls


@given(st.lists(ITEMS, max_size=12), NAMES)
def test_no_word_of_a_transcript_is_lost(items: list[Item], reader: str) -> None:
    """Every text stands in the messages, as it is or quoted."""
    content = "\n".join(message["content"] or "" for message in messages(*items, reader=reader))

    for item in items:
        assert item.text in content or json.dumps(item.text, ensure_ascii=False) in content
