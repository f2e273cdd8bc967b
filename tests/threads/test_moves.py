"""Transitions without a plain tool call, and their bounds: then, after, on_limit, speak, end, back, limits (H5, G)."""

from __future__ import annotations

from typing import Any

import pytest

from handoff import Answer, Flow, LimitReached, Limits, Metadata, RunFailed, ThreadClosed
from handoff.declaration.prompt import Prompt
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Answers, Held, Plays, call, texts
from tests.support.workshop import Bench, Job, build

FLOW = build()
WRITER = Job(page="about")
#: The writer's silence, in seconds.
SILENCE = 600.0


def silent_writer() -> Plays:
    """A model whose first turn goes to the writer."""
    return Plays(call("open_page", page="about"), "open", "checking")


# -- then --------------------------------------------------------------------------------------------------------------


async def test_then_follows_a_reply_and_the_last_speaker_answers(world: World) -> None:
    """After the checker's reply the writer speaks, if there is a note; the message is answered when nobody goes on."""
    model = Plays(call("check_page", page="about"), "not good", "better now")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t", metadata=Job(note="strict"))
        reply = await thread.send("check about")

    assert ("writer", "better now") == (reply.assistant, reply.text)
    assert (("checker", "not good"), ("writer", "better now")) == reply.messages
    assert ["You are writer. checker handed over to you after its reply."] == texts(model.prompts[2])


async def test_then_whose_guard_does_not_hold_ends_the_turn(world: World) -> None:
    """Without a note the checker's reply is the answer."""
    async with world.threads(FLOW, Plays(call("check_page", page="about"), "good")) as threads:
        reply = await (await threads.open("t")).send("check about")

    assert ("checker", "good") == (reply.assistant, reply.text)


async def test_then_does_not_fire_after_a_failed_run(world: World) -> None:
    """A run that did not complete is no reply: the thread stays (H5)."""
    async with world.threads(FLOW, Plays(call("check_page", page="about"), ValueError("down"))) as threads:
        thread = await threads.open("t", metadata=Job(note="strict"))
        with pytest.raises(RunFailed):
            await thread.send("check about")

    assert "checker" == thread.state.assistant


async def test_then_does_not_fire_after_a_cancelled_run(world: World) -> None:
    """A stopped run is no reply either."""
    gate = Gate()
    async with world.threads(FLOW, Plays(call("check_page", page="about"), Held(gate, "never"))) as threads:
        thread = await threads.open("t", metadata=Job(note="strict"))
        await thread.post("check about")
        await gate.reached()
        await thread.cancel()

    assert ("checker", "rest") == (thread.state.assistant, thread.status)


# -- after -------------------------------------------------------------------------------------------------------------


async def test_a_silence_takes_its_transition_once(world: World) -> None:
    """After ten minutes without a word the checker speaks; another ten minutes change nothing (D5)."""
    model = silent_writer()
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        await world.advance(threads, SILENCE)
        await threads.sweep()
        await thread.wait()
        after_one = (thread.state.assistant, len(model.prompts))
        await world.advance(threads, SILENCE)
        await threads.sweep()
        await thread.wait()

    assert (("checker", 3), 3) == (after_one, len(model.prompts))


async def test_a_silence_is_acted_on_without_anybody_asking(world: World) -> None:
    """The sweeper of an open `Threads` wakes when the silence ends; nobody has to call `sweep`."""
    gate = Gate()
    model = Plays(call("open_page", page="about"), "open", Held(gate, "checking"))
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        await world.advance(threads, SILENCE)
        await gate.reached()
        gate.open()
        await thread.wait()

    assert "checker" == thread.state.assistant


async def test_a_word_in_time_starts_the_silence_anew(world: World) -> None:
    """A message before the ten minutes are over puts the silence off."""
    model = Plays(call("open_page", page="about"), "open", "still writing")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        await world.advance(threads, SILENCE - 1)
        await thread.send("wait")
        await world.advance(threads, SILENCE - 1)
        swept = await threads.sweep()

    assert ([], "writer") == (swept, thread.state.assistant)


async def test_a_silence_that_ended_while_nobody_ran_is_found_at_the_next_start(durable: World) -> None:
    """Silences survive restarts: one that ended meanwhile is acted on (D5)."""
    gate = Gate()
    async with durable.threads(FLOW, Plays(call("open_page", page="about"), "open")) as threads:
        await (await threads.open("t")).send("about")
    await durable.clock.advance(SILENCE)
    async with durable.threads(FLOW, Plays(Held(gate, "checking"))) as threads:
        await gate.reached()
        gate.open()
        thread = await threads.open("t")
        await thread.wait()

    assert "checker" == thread.state.assistant


async def test_silences_of_another_flow_in_the_same_store_are_left_alone(durable: World) -> None:
    """A due silence of a flow that these threads do not drive neither moves it nor keeps the sweeper busy."""
    async with durable.threads(FLOW, silent_writer()) as threads:
        await (await threads.open("t")).send("about")
    await durable.clock.advance(SILENCE)
    other = Flow("other", metadata=Metadata)
    other.assistant("only", instructions="Speak.")
    async with durable.threads(other, Answers(lambda _: "hello")) as threads:
        asked: list[float] = []
        timers = threads.store.timers
        threads.store.timers = lambda until: asked.append(until) or timers(until)
        swept = await threads.sweep()
        reply = await (await threads.open("o")).send("hi")

    assert ([], "hello") == (swept, reply.text)
    assert 4 >= len(asked)


# -- speak, end, back --------------------------------------------------------------------------------------------------


async def test_a_transition_that_does_not_speak_ends_the_turn(world: World) -> None:
    """With `speak=False` nobody speaks after the handoff, which costs one model call."""
    model = Plays(call("put_away"), "front again")
    flow_at_writer = Plays(call("open_page", page="about"), "open", *model._steps)
    async with world.threads(FLOW, flow_at_writer) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        reply = await thread.send("put it away")
        calls = len(flow_at_writer.prompts)
        await thread.send("next")

    assert ("", "front", 3) == (reply.text, reply.assistant, calls)
    assert ["put away", "You are front. writer handed over to you by put_away.", "next"] == texts(
        flow_at_writer.prompts[3]
    )


async def test_an_unspoken_transition_speaks_where_a_message_waits(world: World) -> None:
    """`speak=False` starts no run of its own, but a message that waits is answered by the new assistant."""
    world.bench = Bench("put_away")
    model = Plays(call("open_page", page="about"), "open", call("put_away"), "front here")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        await thread.post("put it away", key="1")
        await world.bench.gates["put_away"].reached()
        await thread.post("and then", key="2")
        world.bench.open_all()
        reply = await thread.send("and then", key="2")

    assert ("front", "front here") == (reply.assistant, reply.text)


async def test_an_output_can_be_the_reply(world: World) -> None:
    """With `speak="output"` the tool's output is shown as the reply, without another model call."""
    model = Plays(call("open_page", page="about"), "open", call("hand_in"))
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        reply = await thread.send("hand it in")

    assert ("handed in", "checker", 3) == (reply.text, reply.assistant, len(model.prompts))


async def test_the_end_closes_the_thread(world: World) -> None:
    """After the flow's end the output is the last reply, and the thread takes no more messages."""
    async with world.threads(FLOW, Plays(call("open_page", page="about"), "open", call("finish"))) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        reply = await thread.send("finish")
        with pytest.raises(ThreadClosed):
            await thread.send("hello?")

    assert ("goodbye", "closed", "end") == (reply.text, thread.status, thread.assistant.name)


async def test_a_message_queued_before_the_end_is_told_that_it_came_too_late(world: World) -> None:
    """A message that waits while the flow reaches its end raises ThreadClosed for its sender."""
    world.bench = Bench("finish")
    async with world.threads(FLOW, Plays(call("open_page", page="about"), "open", call("finish"))) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        await thread.post("finish", key="1")
        await world.bench.gates["finish"].reached()
        await thread.post("wait", key="2")
        world.bench.open_all()
        with pytest.raises(ThreadClosed):
            await thread.send("wait", key="2")

    assert "closed" == thread.status


async def test_back_goes_to_whoever_was_active_before(world: World) -> None:
    """`flow.back` leads to the assistant that handed over."""
    model = Plays(call("open_page", page="about"), "open", call("hand_in"), call("return_page"), "mine again")
    async with world.threads(FLOW, model) as threads:
        thread = await threads.open("t")
        await thread.send("about")
        await thread.send("hand it in")
        reply = await thread.send("give it back")

    assert ("writer", "mine again") == (reply.assistant, reply.text)


# -- bounds ------------------------------------------------------------------------------------------------------------


def ring(limits: Limits, *, on_limit: bool = False, renew: bool = True) -> Flow[Any, Any]:
    """Two assistants that hand over to each other for ever; each handoff brings something new if `renew`."""

    class Count(Metadata):
        turns: int = 0

    flow = Flow("ring", metadata=Count, limits=limits)
    left = flow.assistant("left", instructions="Go right.")
    right = flow.assistant("right", instructions="Go left.")
    rescue = flow.assistant("rescue", instructions="Help.")

    def go(count: Count) -> str:
        """Hand over."""
        count.turns += 1 if renew else 0
        return "over to you"

    def go_same() -> str:
        """Hand over."""
        return "over to you"

    body = go if renew else go_same
    sets = {"sets": "turns"} if renew else {}
    left.tool(to=right, **sets)(body)
    right.tool(to=left, **sets)(body)

    @rescue.tool()
    def look() -> str:
        """Look."""
        return "seen"

    if on_limit:
        flow.on_limit(to=rescue)
    return flow


def plays_go(prompt: Any) -> Any:
    """Hand over for as long as it is offered; say so when it is not taken."""
    if prompt.assistant == "rescue":
        return "rescued"
    refused = [text for text in texts(prompt) if "Not handed over" in text]
    name = next(tool.name for tool in prompt.tools)
    return refused[0].splitlines()[-1] if refused else call(name)


async def test_a_handoff_beyond_the_limit_is_a_false_guard(world: World) -> None:
    """The model is told that the limit is reached, and can still reply."""
    flow = ring(Limits(handoffs=3))
    async with world.threads(flow, Answers(plays_go)) as threads:
        reply = await (await threads.open("t")).send("go")

    assert "Not handed over: limit of 3 handoffs for this message reached. Stay and continue." == reply.text


async def test_a_loop_without_news_is_a_false_guard(world: World) -> None:
    """To arrive again with the same facts is refused long before the limit."""
    flow = ring(Limits(handoffs=9), renew=False)
    model = Answers(plays_go)
    async with world.threads(flow, model) as threads:
        reply = await (await threads.open("t")).send("go")

    assert (
        "Not handed over: right was just active with the same facts; nothing would change. Stay and continue."
        == reply.text
    )


async def listen(thread: Any, text: str, told: list[Any]) -> None:
    """Add each event of a turn to `told`."""
    async for event in thread.stream(text):
        told.append(event)  # noqa: PERF401 - what was told before an error is wanted


async def test_a_run_limit_ends_the_turn_with_a_typed_event(world: World) -> None:
    """Where no run may start the turn ends with `limit` and raises; the next message starts counting anew."""
    flow = ring(Limits(runs=2))
    told: list[Any] = []
    async with world.threads(flow, Answers(plays_go)) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await listen(thread, "go", told)

    assert LimitReached("t", "left", "limit of 2 runs for this message reached") == told[-1]
    assert "limit of 2 runs for this message reached" == failed.value.reason


async def test_on_limit_takes_over_once(world: World) -> None:
    """Where a start is refused, `on_limit` grants its assistant one run."""
    async with world.threads(ring(Limits(runs=2), on_limit=True), Answers(plays_go)) as threads:
        reply = await (await threads.open("t")).send("go")

    assert ("rescue", "rescued") == (reply.assistant, reply.text)


async def test_beyond_the_limit_of_calls_no_tool_is_offered(world: World) -> None:
    """A model that calls as long as it can is left with nothing but a reply; the next message offers tools again."""
    flow = Flow("stubborn", limits=Limits(calls=3))
    only = flow.assistant("only", instructions="Look it up.", tool_choice="required")

    @only.tool()
    def look() -> str:
        """Look it up."""
        return "nothing"

    offered = list[tuple[int, object]]()

    class Stubborn:
        def answer(self, prompt: Prompt) -> Answer:
            offered.append((len(prompt.tools), prompt.options.get("tool_choice")))
            return Answer(calls=(call(look),)) if prompt.tools else Answer("So be it.")

    async with world.threads(flow, Stubborn()) as threads:
        thread = await threads.open("t")
        replies = [(await thread.send("find it")).text for _ in range(2)]

    assert ["So be it."] * 2 == replies
    assert ([(1, "required")] * 3 + [(0, None)]) * 2 == offered


async def test_a_model_that_calls_on_after_it_was_told_ends_its_run(world: World) -> None:
    """It is asked once more after it was told that no calls are left; then its turn ends with a typed error (G)."""
    model = Answers(lambda prompt: "found" if "stop" in texts(prompt) else call("look", what="x"))
    async with world.threads(build(limits=Limits(calls=2)), model) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("go")
        status, asked = thread.status, len(model.prompts)
        reply = await thread.send("stop")

    refusal = "Not run: limit of 2 tool calls for this message reached. Answer with what you have."
    assert ("incomplete", "rest", 4, "found") == (failed.value.status, status, asked, reply.text)
    assert (
        "limit of 2 tool calls for this message reached, and the model called on after it was told; "
        "send another message, or raise Limits.calls"
    ) == failed.value.reason
    assert (["saw x", refusal], [refusal, "stop"]) == (
        [*texts(model.prompts[2]), *texts(model.prompts[3])],
        texts(model.prompts[4]),
    )


@pytest.mark.parametrize(("speak", "assistant"), [(False, "front"), (True, "last")], ids=["quiet", "speaking"])
async def test_a_then_after_which_nobody_speaks_is_no_loop(world: World, *, speak: bool, assistant: str) -> None:
    """It ends the round, so it may lead to where the thread has just been; one that goes on may not."""
    flow = Flow("round")
    front = flow.assistant("front", instructions="Pass on.")
    middle = flow.assistant("middle", instructions="Pass back.")
    last = flow.assistant("last", instructions="Answer.")

    @flow.tool(front, to=middle)
    def on() -> str:
        """Pass on."""
        return ""

    @flow.tool(middle, to=front)
    def off() -> str:
        """Pass back."""
        return ""

    @flow.tool(front, to=last)
    def over() -> str:
        """Pass over."""
        return ""

    last.then(front, speak=speak)
    async with world.threads(flow, Plays(call("on"), call("off"), call("over"), "That is it.")) as threads:
        thread = await threads.open("t")
        reply = await thread.send("hello")

    assert ("That is it.", assistant) == (reply.text, thread.state.assistant)


async def test_calls_beyond_the_limit_are_answered_and_siblings_run(world: World) -> None:
    """Of three calls two may run; the third is told why not (G)."""
    flow = build(limits=Limits(calls=2))
    model = Plays([call("look", what=what) for what in "abc"], "done")
    async with world.threads(flow, model) as threads:
        await (await threads.open("t")).send("go")

    assert [
        "saw a",
        "saw b",
        "Not run: limit of 2 tool calls for this message reached. Answer with what you have.",
    ] == texts(model.prompts[1])


async def test_a_destination_with_times_is_taken_that_often(world: World) -> None:
    """`times=2` sends a draft back twice between two user messages, and twice again after the next one."""
    flow = Flow("drafts", metadata=Metadata)
    author = flow.assistant("author", instructions="Write.")
    critic = flow.assistant("critic", instructions="Criticise.")
    author.then(critic)
    critic.then(author.when(times=2))
    async with world.threads(flow, Answers(lambda prompt: prompt.assistant)) as threads:
        thread = await threads.open("t")
        replies = [await thread.send("write"), await thread.send("again")]

    assert [
        ["author", "critic", "author", "critic", "author", "critic"],
        ["critic", "author", "critic", "author", "critic"],
    ] == [[speaker for speaker, _ in reply.messages] for reply in replies]
