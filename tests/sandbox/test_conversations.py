"""Conversations through the real SDK: their items and metadata, one by one."""

from __future__ import annotations

from typing import Any

import openai
import pytest


def message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_a_conversation_keeps_its_metadata(client: openai.OpenAI) -> None:
    """Metadata is given at creation and replaced by an update."""
    conversation = client.conversations.create(metadata={"a": "b"})
    client.conversations.update(conversation.id, metadata={"c": "d"})

    assert {"c": "d"} == client.conversations.retrieve(conversation.id).metadata


def test_items_are_listed_latest_first_by_pages(client: openai.OpenAI) -> None:
    """The SDK walks all pages by `after`."""
    conversation = client.conversations.create()
    added = client.conversations.items.create(conversation.id, items=[message(str(index)) for index in range(5)])

    listed = [item.id for item in client.conversations.items.list(conversation.id, limit=2)]

    assert [item.id for item in reversed(added.data)] == listed


def test_an_item_is_found_and_deleted(client: openai.OpenAI) -> None:
    """An item has an id of its own; deleted, it is not found."""
    conversation = client.conversations.create(items=[message("hi")])
    (item,) = client.conversations.items.list(conversation.id).data

    assert item == client.conversations.items.retrieve(item.id, conversation_id=conversation.id)
    client.conversations.items.delete(item.id, conversation_id=conversation.id)
    with pytest.raises(openai.NotFoundError, match=f"Item with id '{item.id}' not found."):
        client.conversations.items.retrieve(item.id, conversation_id=conversation.id)


def test_a_deleted_conversation_is_gone(client: openai.OpenAI) -> None:
    """A conversation that was deleted takes no response."""
    conversation = client.conversations.create()

    assert client.conversations.delete(conversation.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="any", input="hi", conversation=conversation.id)


def test_r9_at_most_twenty_items_at_a_time(client: openai.OpenAI) -> None:
    """Twenty-one items at once are refused, at creation and later; nothing is added."""
    many = [message(str(index)) for index in range(21)]
    conversation = client.conversations.create()

    with pytest.raises(openai.BadRequestError, match="Invalid value for 'items'"):
        client.conversations.create(items=many)
    with pytest.raises(openai.BadRequestError) as refused:
        client.conversations.items.create(conversation.id, items=many)

    assert "items" == refused.value.param
    assert [] == client.conversations.items.list(conversation.id).data


def test_r9_conversations_are_not_listed(client: openai.OpenAI) -> None:
    """There is no list of conversations."""
    with pytest.raises(openai.APIStatusError) as refused:
        client.get("/conversations", cast_to=object)

    assert 405 == refused.value.status_code


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(
            {"role": "assistant", "content": "hi"},
            {
                "role": "assistant",
                "content": [{"type": "output_text", "text": "hi", "annotations": [], "logprobs": []}],
            },
            id="assistant",
        ),
        pytest.param(
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "refusal", "refusal": "no"}],
                "phase": "commentary",
            },
            {"content": [{"type": "refusal", "refusal": "no"}], "phase": "commentary"},
            id="refusal",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]},
            {"content": [{"type": "input_image", "image_url": "data:,", "detail": "auto"}]},
            id="image",
        ),
        pytest.param(
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
            id="reasoning",
        ),
        pytest.param(
            {"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"},
            {"call_id": "c1", "name": "add", "arguments": "{}", "status": "completed"},
            id="call",
        ),
        pytest.param(
            {"type": "custom_tool_call", "call_id": "c1", "name": "write", "input": "text"},
            {"call_id": "c1", "name": "write", "input": "text"},
            id="custom-call",
        ),
    ],
)
def test_an_item_is_kept_complete(client: openai.OpenAI, given: Any, kept: dict[str, Any]) -> None:
    """What was given stays, what is always there is added, and the whole is what the document says."""
    conversation = client.conversations.create(items=[given])

    (item,) = client.conversations.items.list(conversation.id).data

    assert kept == {key: value for key, value in item.to_dict().items() if key in kept}
    assert item.id


def test_an_output_may_have_parts(client: openai.OpenAI) -> None:
    """The text of an output's parts comes to the model, whatever kind of tool was called."""
    conversation = client.conversations.create(
        items=[
            {"type": "custom_tool_call", "call_id": "c1", "name": "write", "input": "text"},
            {"type": "custom_tool_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "done"}]},
        ]
    )

    response = client.responses.create(model="any", input=[], conversation=conversation.id)

    assert "write returned: done" == response.output_text


def test_an_output_without_a_call_id_is_refused(client: openai.OpenAI) -> None:
    """An output names its call."""
    with pytest.raises(openai.BadRequestError, match=r"Missing required parameter: 'input\[0\].call_id'"):
        client.conversations.create(items=[{"type": "function_call_output", "output": "3"}])


def test_a_reference_to_nothing_is_refused(client: openai.OpenAI) -> None:
    """An item that is nowhere cannot be referred to."""
    with pytest.raises(openai.NotFoundError, match="Item with id 'msg_X' not found"):
        client.responses.create(model="any", input=[{"type": "item_reference", "id": "msg_X"}])
