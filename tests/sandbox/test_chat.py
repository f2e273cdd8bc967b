"""Chat Completions through the real SDK: the plain model, streams, and histories that are refused (C1-C3)."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest

from tests.sandbox.conformance import Conformance, events_of
from tests.sandbox.conftest import TOOL, named


def user(text: str) -> Any:
    return {"role": "user", "content": text}


def asked(*calls: str) -> Any:
    function = {"name": "add", "arguments": "{}"}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call, "type": "function", "function": function} for call in calls],
    }


def output(call: str, text: str = "3") -> Any:
    return {"role": "tool", "tool_call_id": call, "content": text}


def test_a_message_is_echoed(client: openai.OpenAI) -> None:
    """What is no order is said back in a sentence, with its words counted as tokens."""
    completion = client.chat.completions.create(model="any", messages=[user("good morning")])

    assert "You said: good morning" == completion.choices[0].message.content
    assert "stop" == completion.choices[0].finish_reason
    assert completion.usage is not None
    assert (2, 4, 6) == (
        completion.usage.prompt_tokens,
        completion.usage.completion_tokens,
        completion.usage.total_tokens,
    )


def test_a_message_calls_two_tools_at_once(client: openai.OpenAI) -> None:
    """`call A {…} and call B {…}` comes back as two calls with ids of their own."""
    completion = client.chat.completions.create(
        model="any",
        messages=[user('call add {"number": 1} and call drop {}')],
        tools=[TOOL, named("drop", TOOL)],
    )
    calls = completion.choices[0].message.tool_calls or []

    assert "tool_calls" == completion.choices[0].finish_reason
    assert [("add", '{"number": 1}'), ("drop", "{}")] == [
        (call.function.name, call.function.arguments) for call in calls if call.type == "function"
    ]
    assert 2 == len({call.id for call in calls})


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        pytest.param("none", None, id="none"),
        pytest.param("auto", None, id="auto"),
        pytest.param("required", "add", id="required"),
        pytest.param({"type": "function", "function": {"name": "drop"}}, "drop", id="named"),
    ],
)
def test_a_forced_choice_is_obeyed(client: openai.OpenAI, choice: Any, called: str | None) -> None:
    """A forced tool is called with arguments made from its schema, whatever was said."""
    completion = client.chat.completions.create(
        model="any",
        messages=[user("hello")],
        tools=[TOOL, named("drop", TOOL)],
        tool_choice=choice,
    )
    calls = [call for call in completion.choices[0].message.tool_calls or () if call.type == "function"]

    assert ([] if called is None else [(called, '{"number": 0}')]) == [
        (call.function.name, call.function.arguments) for call in calls
    ]


@pytest.mark.parametrize(
    ("fields", "text", "param"),
    [
        pytest.param(
            {"tool_choice": "auto"},
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            "tool_choice",
            id="a choice of no tools",
        ),
        pytest.param(
            {"parallel_tool_calls": False},
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are "
            "specified.",
            "parallel_tool_calls",
            id="no tools at once",
        ),
        pytest.param(
            {"tools": []},
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            "tools",
            id="an empty list",
        ),
        pytest.param(
            {"messages": [user("hello"), {"role": "assistant", "content": "hi", "tool_calls": []}]},
            "Invalid 'messages[1].tool_calls': empty array. Expected an array with minimum length 1, but got an empty "
            "array instead.",
            "messages[1].tool_calls",
            id="no calls",
        ),
        pytest.param(
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "drop"}}},
            "Invalid value for 'tool_choice': no function named 'drop' was specified in the 'tools' parameter.",
            "tool_choice",
            id="a tool there is none of",
        ),
        pytest.param(
            {"stream_options": {"include_usage": True}},
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
            id="no stream",
        ),
    ],
)
def test_fields_that_are_about_nothing_are_refused(
    client: openai.OpenAI, fields: dict[str, Any], text: str, param: str
) -> None:
    """What is said of tools or of a stream needs them, as at OpenAI."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{"model": "any", "messages": [user("hello")], **fields})

    assert (text, param) == (refused.value.body["message"], refused.value.param)


def test_r13_allowed_tools_restrict_a_fixed_list_nested(client: openai.OpenAI) -> None:
    """On Chat `allowed_tools` is nested; a tool that is not allowed is not there."""
    completion = client.chat.completions.create(
        model="any",
        messages=[user("call drop {}")],
        tools=[TOOL, named("drop", TOOL)],
        tool_choice={
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "add"}}]},
        },
    )

    assert "There is no tool drop here." == completion.choices[0].message.content


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        pytest.param([named("lost", TOOL)], "Tool choice 'lost' not found in 'tools' parameter.", id="not listed"),
        pytest.param([], "Invalid 'tool_choice.tools': empty array.", id="none"),
    ],
)
def test_r13_what_is_allowed_has_to_be_listed(client: openai.OpenAI, tools: list[Any], text: str) -> None:
    """A choice names tools of the list, and at least one."""
    allowed = [{"type": "function", "function": {"name": one["function"]["name"]}} for one in tools]
    with pytest.raises(openai.BadRequestError, match=text) as refusal:
        client.chat.completions.create(
            model="any",
            messages=[user("hello")],
            tools=[TOOL],
            tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": allowed}},
        )

    assert str(refusal.value.param).startswith("tool_choice")


def test_what_was_read_before_is_told_as_cached(client: openai.OpenAI) -> None:
    """From 1,024 tokens on, in steps of 128, as far as a request begins like an earlier one."""
    long = " ".join(str(number) for number in range(1200))
    asked = [[user(long)], [user(long), user("more")], [user("other"), user(long)], [user("short")]]
    usages = [client.chat.completions.create(model="any", messages=one).usage for one in asked]
    details = [usage.prompt_tokens_details for usage in usages if usage is not None]

    assert [0, 1152, 0, 0] == [one.cached_tokens for one in details if one is not None]


def test_instructions_may_stand_at_the_end(client: openai.OpenAI) -> None:
    """They are no part of what was said: the last message of the user is what is answered."""
    completion = client.chat.completions.create(
        model="any", messages=[user("good morning"), {"role": "developer", "content": "You edit."}]
    )

    assert "You said: good morning" == completion.choices[0].message.content


def test_outputs_are_read_out(client: openai.OpenAI) -> None:
    """After its outputs the model says what came of its calls."""
    completion = client.chat.completions.create(
        model="any", messages=[user("go"), asked("c1", "c2"), output("c2", "two"), output("c1", "one")]
    )

    assert "add returned: two\nadd returned: one" == completion.choices[0].message.content


def test_one_call_where_parallel_calls_are_switched_off(client: openai.OpenAI) -> None:
    """parallel_tool_calls=False leaves the first call."""
    completion = client.chat.completions.create(
        model="any",
        messages=[user("call add {} and call add {}")],
        tools=[TOOL],
        parallel_tool_calls=False,
    )

    assert 1 == len(completion.choices[0].message.tool_calls or ())


def test_an_answer_is_cut_off_at_its_length(client: openai.OpenAI) -> None:
    """max_completion_tokens ends the answer, and the client is told."""
    completion = client.chat.completions.create(
        model="any", messages=[user("one two three four")], max_completion_tokens=3
    )

    assert ("You said: one", "length") == (
        completion.choices[0].message.content,
        completion.choices[0].finish_reason,
    )


def test_c1_a_call_without_its_tool_message_is_refused(client: openai.OpenAI) -> None:
    """Every tool_call_id must be answered right after its message, and the refusal names those that are not."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(
            model="any", messages=[user("go"), asked("c1", "c2"), output("c1"), user("and now?")]
        )

    assert (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        "The following tool_call_ids did not have response messages: c2"
    ) == refused.value.body["message"]
    assert "messages.[1].role" == refused.value.param


def test_c1_a_tool_message_without_its_call_is_refused(client: openai.OpenAI) -> None:
    """A tool message must answer a call right before it."""
    with pytest.raises(openai.BadRequestError, match="must be a response to a preceeding message with 'tool_calls'"):
        client.chat.completions.create(model="any", messages=[user("go"), output("c1")])


def test_c2_a_call_answered_twice_is_refused(client: openai.OpenAI) -> None:
    """Two tool messages for one call are refused."""
    with pytest.raises(openai.BadRequestError, match="Duplicate value for 'tool_call_id' of 'c1'"):
        client.chat.completions.create(model="any", messages=[user("go"), asked("c1"), output("c1"), output("c1")])


def test_c3_nothing_is_remembered(client: openai.OpenAI) -> None:
    """A second request knows only what it brings."""
    client.chat.completions.create(model="any", messages=[user("my name is Ada")])

    completion = client.chat.completions.create(model="any", messages=[user("who am I?")])

    assert "You said: who am I?" == completion.choices[0].message.content


def test_a_stream_adds_up_to_the_answer(client: openai.OpenAI) -> None:
    """The SDK's streaming helper collects text and calls from the pieces."""
    with client.chat.completions.stream(
        model="any",
        messages=[user('call add {"number": 12}')],
        tools=[TOOL],
    ) as stream:
        kinds = {event.type for event in stream}
        completion = stream.get_final_completion()
    (call,) = completion.choices[0].message.tool_calls or ()

    assert '{"number": 12}' == call.function.arguments
    assert "tool_calls" == completion.choices[0].finish_reason
    assert "tool_calls.function.arguments.done" in kinds


def test_chunks_are_what_the_document_says(base_url: str, conformance: Conformance | None) -> None:
    """Every chunk of a stream with usage fits, the last is [DONE], and the texts add up."""
    body = {
        "model": "any",
        "messages": [user("good morning")],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    response = httpx2.post(f"{base_url}/chat/completions", json=body)
    *chunks, last = [data for _, data in events_of(response.text)]
    if conformance is not None:
        conformance.check_stream(response.text)

    assert "text/event-stream; charset=utf-8" == response.headers["content-type"]
    assert "[DONE]" == last
    assert "You said: good morning" == "".join(
        choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]
    )
    assert 6 == chunks[-1]["usage"]["total_tokens"]
    assert {None} == {chunk["usage"] for chunk in chunks[:-1]}


def test_several_choices_say_the_same(client: openai.OpenAI) -> None:
    """n=2 gives the one answer twice."""
    completion = client.chat.completions.create(model="any", messages=[user("hi")], n=2)

    assert ["You said: hi"] * 2 == [choice.message.content for choice in completion.choices]


def test_a_stored_completion_is_kept_until_it_is_deleted(client: openai.OpenAI) -> None:
    """store=true keeps a completion with its metadata; deleted, it is not found."""
    made = client.chat.completions.create(model="kept", messages=[user("hi")], store=True, metadata={"a": "b"})

    changed = client.chat.completions.update(made.id, metadata={"c": "d"})

    assert {"c": "d"} == changed.metadata
    assert [made.id] == [one.id for one in client.chat.completions.list(model="kept")]
    assert client.chat.completions.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)


def test_stored_completions_are_found_by_their_metadata(client: openai.OpenAI) -> None:
    """All that is named has to be there."""
    metadata = {"case": "found", "part": "1"}
    made = client.chat.completions.create(model="any", messages=[user("hi")], store=True, metadata=metadata)

    def found(**wanted: str) -> list[str]:
        return [one.id for one in client.chat.completions.list(metadata=wanted)]

    assert [made.id] == found(case="found") == found(**metadata)
    assert [] == found(case="found", part="2")


def test_a_request_that_is_not_stored_is_not_found(client: openai.OpenAI) -> None:
    """Without store=true nothing is kept."""
    made = client.chat.completions.create(model="any", messages=[user("hi")])

    with pytest.raises(openai.NotFoundError):
        client.chat.completions.retrieve(made.id)


def test_parts_and_later_instructions_come_to_the_model(client: openai.OpenAI) -> None:
    """What is no text is named; a later system message is a note."""
    completion = client.chat.completions.create(
        model="any",
        messages=[
            {"role": "system", "content": "Be kind."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look: "},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ],
            },
        ],
    )

    assert "You said: look: \n[image: image/png, 3 bytes]" == completion.choices[0].message.content
