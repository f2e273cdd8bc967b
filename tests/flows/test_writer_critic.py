"""The writer and the critic: every transition and tool, whole conversations, and who is told whose words are whose."""

from __future__ import annotations

from typing import Any

import pytest

from flows.writer_critic import flow, style
from flows.writer_critic.flow import (
    ROUNDS,
    Work,
    approve,
    critic,
    drop,
    judge,
    measure,
    mend,
    reject,
    send_back,
    write,
    writer,
)
from handoff import Assistant, NotTaken, ScriptedModel, Threads, ToolError, call
from handoff.backends.chat import Chat
from handoff.backends.embedded import Embedded
from handoff.core.items import Spoken
from handoff.testing import Talk
from tests.support.chat_server import completion, scripted

FLAWED = "We bake in in the old town"
WRITTEN = Work(draft=FLAWED)
REJECTED = Work(draft=FLAWED, faults=["a word twice: in in"])


@pytest.mark.parametrize(
    ("source", "trigger", "work", "dest"),
    [
        pytest.param(writer, judge, WRITTEN, critic, id="a draft is judged"),
        pytest.param(critic, send_back, REJECTED, writer, id="a faulty one goes back"),
        pytest.param(critic, approve, WRITTEN, writer, id="approved"),
        pytest.param(critic, drop, Work(), writer, id="dropped"),
    ],
)
def test_the_draft_goes_back_and_forth(
    source: Assistant[Work], trigger: Any, work: Work, dest: Assistant[Work]
) -> None:
    """Each transition leads where the flow says."""
    assert dest is flow.step(source, trigger, work)


@pytest.mark.parametrize(
    ("source", "trigger", "work", "reason"),
    [
        pytest.param(writer, judge, Work(), "There is no new draft to judge", id="nothing written"),
        pytest.param(writer, judge, REJECTED, "There is no new draft to judge", id="not mended"),
        pytest.param(critic, send_back, WRITTEN, "Nothing is wrong with the draft", id="no fault"),
    ],
)
def test_without_a_cause_nothing_is_handed_over(source: Assistant[Work], trigger: Any, work: Work, reason: str) -> None:
    """A guard says why the thread stays."""
    with pytest.raises(NotTaken) as caught:
        flow.step(source, trigger, work)

    assert reason == caught.value.reason


@pytest.mark.parametrize(
    ("text", "faults", "mended"),
    [
        pytest.param("We bake.", [], "We bake.", id="none"),
        pytest.param("In in town.", ["a word twice: In in"], "In town.", id="twice"),
        pytest.param("It is very old.", ["filler: very"], "It is old.", id="filler"),
        pytest.param("Really, we bake.", ["filler: Really"], "We bake.", id="filler at the start"),
        pytest.param("In order to bake, wake.", ["padding: In order to"], "To bake, wake.", id="padding"),
        pytest.param("Come! Why??", ["shouting: !, ??"], "Come. Why?", id="shouting"),
        pytest.param("Come by", ["no end: by"], "Come by.", id="no end"),
        pytest.param(
            "The oven was built long ago by a man from the next town and it has never been cold in all those years.",
            ["too long a sentence: The oven was built … (23 words)"],
            "The oven was built long ago by a man from the next town. It has never been cold in all those years.",
            id="long",
        ),
    ],
)
def test_faults_are_counted_and_mended(text: str, faults: list[str], mended: str) -> None:
    """What is found is named with its words, and the gravest kind is mended."""
    assert (faults, mended) == (style.faults(text), style.mended(text))


def test_the_gravest_fault_is_mended_first() -> None:
    """One kind a round, so that it can be seen what was changed and why."""
    assert "It is very old!" == style.mended("It is is very old!")


def test_empty_texts_and_empty_lists_are_refused() -> None:
    """A draft has words and a rejection has reasons; else the model is told, and nothing is kept."""
    with pytest.raises(ToolError, match="the text is empty"):
        write(" ")
    with pytest.raises(ToolError, match="name a fault"):
        reject([])


def test_a_draft_is_judged_mended_and_approved() -> None:
    """The two take turns by their replies; what is approved is the reply, and the next message is the writer's."""
    with Talk(flow) as talk:
        talk.user("Write about us.")
        talk.calls(write, draft=FLAWED)
        talk.says(FLAWED, by=writer)
        talk.calls(measure)
        talk.calls(reject, faults=["a word twice: in in"])
        talk.says("Twice: in in.", by=critic)
        talk.calls(mend)
        talk.says("We bake in the old town", by=writer)
        talk.calls(approve)
        assert writer is talk.assistant
        assert Work(draft="We bake in the old town", approved=True) == talk.metadata


def test_what_is_approved_is_not_judged_again() -> None:
    """Whatever is said after an approval, and is no new text, stays between the user and the writer."""
    with Talk(flow) as talk:
        talk.user("Write about us.")
        talk.calls(write, draft=FLAWED)
        talk.says(FLAWED, by=writer)
        talk.calls(approve)
        talk.user("Thank you.")
        talk.says("You are welcome.", by=writer)
        assert (writer, "rest") == (talk.assistant, talk.status)


def test_the_critic_has_the_last_word_when_the_rounds_are_spent() -> None:
    """After three returns for one message the critic's reply ends the turn; the user's next word grants three more."""
    with Talk(flow) as talk:
        talk.user("Write about us.")
        for round_ in range(ROUNDS):
            talk.calls(write, draft=f"Draft {round_}")
            talk.says(f"Draft {round_}", by=writer)
            talk.calls(reject, faults=["dull"])
            talk.says("Dull.", by=critic)
        talk.calls(write, draft="Draft again")
        talk.says("Draft again", by=writer)
        talk.calls(reject, faults=["dull"])
        talk.says("Still dull.", by=critic)
        assert critic is talk.assistant
        assert "rest" == talk.status

        talk.user("Go on.")
        talk.says("Once more.", by=critic)
        talk.calls(write, draft="A lively draft")
        talk.says("A lively draft", by=writer)
        talk.calls(approve)
        assert writer is talk.assistant


def test_the_user_may_want_another_text() -> None:
    """The critic drops the draft, and the writer takes the message up."""
    with Talk(flow) as talk:
        talk.user("Write about us.")
        talk.calls(write, draft=FLAWED)
        talk.says(FLAWED, by=writer)
        talk.says("Hm.", by=critic)
        talk.user("Rather about bread.")
        talk.calls(drop)
        talk.says("What about it?", by=writer)
        assert (writer, Work()) == (talk.assistant, talk.metadata)


SCRIPT: dict[Any, list[Any]] = {
    writer: [call(write, draft=FLAWED), FLAWED, call(write, draft="We bake."), "We bake."],
    critic: [call(reject, faults=["a word twice"]), "Twice: in in.", call(approve)],
}


async def test_each_prompt_tells_who_said_what() -> None:
    """Each is told its own name and the other's, who handed over, and every reply stands under its speaker's name."""
    model = ScriptedModel(SCRIPT)
    async with Threads(flow, backend=Embedded(model)) as threads:
        thread = await threads.open("t1")
        await thread.send("Write about us.")

    last_of_each = {prompt.assistant: prompt for prompt in model.prompts}
    for own, other in (("writer", "critic"), ("critic", "writer")):
        assert f"You are {own}." in last_of_each[own].instructions
        assert f"Others who speak in this thread: {other} (" in last_of_each[own].instructions
        assert f"{other} handed over to you after its reply." in last_of_each[own].instructions
    assert [("writer", FLAWED), ("critic", "Twice: in in."), ("writer", "We bake.")] == [
        (item.assistant, item.text) for item in last_of_each["critic"].items if isinstance(item, Spoken) and item.text
    ]


async def test_a_server_is_told_who_said_what() -> None:
    """On the wire each reply carries its speaker's name, in the transcript that the other is shown."""
    asked = {"id": "c1", "type": "function", "function": {"name": "write", "arguments": '{"draft": "We bake."}'}}
    replies = (
        completion({"role": "assistant", "content": None, "tool_calls": [asked]}, "tool_calls"),
        completion({"role": "assistant", "content": "We bake."}),
        completion({"role": "assistant", "content": "Good."}),
    )
    async with scripted(*replies) as server:
        backend = Chat("tiny", base_url=server.base_url, api_key="any", stream=False)
        async with Threads(flow, backend=backend) as threads:
            thread = await threads.open("t1")
            reply = await thread.send("Write about us.")

    assert ("Good.", "critic") == (reply.text, reply.assistant)
    assert [("writer", "We bake.")] == [
        (message["name"], message["content"])
        for message in server.messages
        if message["role"] == "assistant" and message.get("content") == "We bake."
    ]
    assert "You are critic." in server.messages[0]["content"]


async def test_the_critic_sees_the_text_of_this_message_only() -> None:
    """Its view is one turn: a text of an earlier message is not sent to it."""
    asked = {"id": "c1", "type": "function", "function": {"name": "write", "arguments": '{"draft": "Second."}'}}
    first = completion({"role": "assistant", "content": "What about?"})
    replies = (
        first,
        completion({"role": "assistant", "content": None, "tool_calls": [asked]}, "tool_calls"),
        completion({"role": "assistant", "content": "Second."}),
        completion({"role": "assistant", "content": "Good."}),
    )
    async with scripted(*replies) as server:
        backend = Chat("tiny", base_url=server.base_url, api_key="any", stream=False)
        async with Threads(flow, backend=backend) as threads:
            thread = await threads.open("t1")
            await thread.send("First wish.")
            await thread.send("Second wish.")

    seen = [
        [message["content"] for message in body["messages"] if message["role"] == "user"] for body in server.bodies[2:]
    ]
    assert "First wish." in seen[0]
    assert "First wish." not in seen[1]


FULL = "Improve: It is is very old due to the fact that it is! Come by"
NOT_YET = ("critic", "Not yet:\nshouting: !\nno end: by")


@pytest.mark.parametrize(
    ("messages", "replies"),
    [
        pytest.param(
            ["Improve: We bake in in town."],
            [("writer", "Approved:\nWe bake in town.")],
            id="one fault",
        ),
        pytest.param(
            ["Improve: We bake.", "Improve: Come by."],
            [("writer", "Approved:\nWe bake."), ("writer", "Approved:\nCome by.")],
            id="none",
        ),
        pytest.param(
            [FULL, "go on"],
            [
                NOT_YET,
                ("writer", "Approved:\nIt is old because it is. Come by."),
            ],
            id="more rounds",
        ),
        pytest.param(
            [FULL, "take it as it is"],
            [
                NOT_YET,
                ("writer", "Approved:\nIt is old because it is! Come by"),
            ],
            id="the user's decision",
        ),
        pytest.param(
            [FULL, "Improve: We bake."],
            [NOT_YET, ("writer", "Approved:\nWe bake.")],
            id="another text",
        ),
        pytest.param(
            ["What do you do?"], [("writer", "I did not understand that. I understand: improve: TEXT.")], id="no text"
        ),
    ],
)
async def test_the_offline_pair(messages: list[str], replies: list[tuple[str, str]]) -> None:
    """Without a model the writer mends by machine and the critic counts; the reply names who is active then."""
    async with Threads(flow) as threads:
        thread = await threads.open("t1")
        said = [await thread.send(message) for message in messages]

    assert replies == [(reply.assistant, reply.text) for reply in said]
