"""Transcripts as they went out last: what is copied is what would have been encoded."""

from __future__ import annotations

from handoff.backends.chat.messages import messages_of
from handoff.backends.spelling import Encoder
from handoff.backends.written import Written
from handoff.core.items import Asked, Item, Note, Output, Spoken, UserMessage
from handoff.declaration.prompt import Prompt


def test_a_transcript_that_grows_is_written_as_one_that_is_new() -> None:
    """What is copied from before and what is encoded now come to the same bytes, wherever a request falls."""
    calls = (Asked("c1", "go", "{}"), Asked("c2", "go", '{"a": 1}'))
    items: list[Item] = [
        UserMessage("m1", "hi"),
        Spoken("a", 1, "", calls),
        Output(1, 1, "c2", "go", "two"),
        UserMessage("m2", "meanwhile"),
        Output(1, 1, "c1", "go", "one"),
        Note("handoff", "You are b."),
        Spoken("b", 2, "hello"),
        Output(7, 1, "c9", "go", "of nobody"),
        Spoken("b", 3, "", (Asked("c3", "go", "{}"),)),
        UserMessage("m3", "never answered"),
    ]
    kept = Written(Encoder(messages_of))
    for stored in range(len(items) + 1):
        for due in range(len(items) - stored + 1):
            for assistant in ("a", "b"):
                given = Prompt(assistant, "", (), tuple(items[:stored]), tuple(items[stored : stored + due]))

                assert Written(Encoder(messages_of)).write("t", given) == kept.write("t", given)


def test_a_transcript_of_another_thread_is_not_taken_for_this_one_s() -> None:
    """The same name does not make the same thread: what was written is given up."""
    kept = Written(Encoder(messages_of))
    kept.write("t", Prompt("a", "", (), (UserMessage("m1", "one"),), ()))
    other = Prompt("a", "", (), (UserMessage("m1", "another"), UserMessage("m2", "two")), ())

    assert b'{"role":"user","content":"another"},{"role":"user","content":"two"}' == kept.write("t", other)
