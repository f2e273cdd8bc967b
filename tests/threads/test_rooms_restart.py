"""Side rooms outlive the process that opened them: what was answered is not asked again, the rest goes on (S, E2)."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handoff import Flow, Metadata, SqlStore, SystemClock, Threads, ToolCall
from handoff.backends.embedded import Embedded
from handoff.core.items import Output
from handoff.declaration.prompt import Prompt
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.law import build_desk, build_firm, room_of, waiting_room
from tests.support.models import Answers, Held, Plays, Step, call, texts
from tests.support.workshop import Bench

ROOT = Path(__file__).parents[2]

FIRM = build_firm()
DESK = build_desk(FIRM)
IN_DOUBT = build_desk(FIRM, idempotent=False)


def asked(model: Plays | Answers) -> list[str]:
    """Who was asked, in order."""
    return [prompt.assistant for prompt in model.prompts]


@pytest.mark.parametrize("tool", ["ask", "ask_blocking"])
async def test_a_room_that_a_restart_interrupted_goes_on(durable: World, tool: str) -> None:
    """The body ends without an outcome, runs again, and finds its room where it stood."""
    gate = Gate()
    first = Plays(call(tool, country="A"), call("search", what="it"), Held(gate, "never"))
    async with durable.threads(DESK, first) as threads:
        thread = await threads.open("t")
        await thread.post("May I?", key="1")
        await gate.reached()
    second = Plays("the law", "done")
    async with durable.threads(DESK, second) as threads:
        recovered = await threads.recover()
        thread = await threads.open("t")
        reply = await thread.send("May I?", key="1")
        (room,) = await thread.rooms()
        said = [item.text for item in await room.transcript() if isinstance(item, Output)]

    assert (["t"], "done", ["clerk", "front"]) == (recovered, reply.text, asked(second))
    assert (["found it"], ["the law"]) == (said, texts(second.prompts[-1]))
    assert 2 == durable.bench.count(tool)


async def test_a_call_keeps_its_key_over_a_restart_and_shares_it_with_no_other_store(durable: World) -> None:
    """The body that runs again has the key it had; a thread of the same id in a new store has others (E2)."""
    keys: list[str] = []
    flow = Flow("keys", deps=Bench)
    front = flow.assistant("front", instructions="Ask.")

    @front.tool(consults=FIRM)
    async def ask(call: ToolCall) -> str:
        """Ask the firm."""
        keys.append(call.idempotency_key)
        return (await call.consult(FIRM, FIRM.metadata(country="A"))).text

    gate = Gate()
    async with durable.threads(flow, Plays(call(ask), Held(gate, "never"))) as threads:
        await (await threads.open("t")).post("May I?")
        await gate.reached()
    async with durable.threads(flow, Plays("the law", "done")) as threads:
        await threads.recover()
        await (await threads.open("t")).wait()
    elsewhere = World(durable.form, "memory", durable.path, clock=durable.clock)
    async with elsewhere.threads(flow, Plays(call(ask), "the law", "done")) as threads:
        await (await threads.open("t")).send("May I?")
    elsewhere.end()
    first, again, other = keys

    assert (first, True) == (again, first != other)
    assert {"1/1/call_1"} == {key.partition("/")[2] for key in keys}


async def test_a_room_that_had_answered_is_not_asked_again(durable: World) -> None:
    """Of two rooms, only the one that a restart interrupted asks its model again."""
    gate = Gate()

    desk = [call("ask_several", countries=["A", "B"])]

    def first(prompt: Prompt) -> Step:
        return desk.pop()

    class Firm:
        """A answers, B never does."""

        async def answer(self, prompt: Prompt) -> Any:
            if prompt.assistant == "front":
                yield Answers(first).answer(prompt)
            else:
                if '"B"' in prompt.instructions:
                    await gate.halt()
                yield "law of A"

    async with durable.threads(DESK, Firm()) as threads:
        thread = await threads.open("t")
        await thread.post("May I?", key="1")
        await gate.reached()
        await room_of(thread, lambda room: room.room == "A" and room.state.ended)
    second = Plays("law of B", "done")
    async with durable.threads(DESK, second) as threads:
        await (await threads.open("t")).send("May I?", key="1")

    assert (["clerk", "front"], ["law of A; law of B"]) == (asked(second), texts(second.prompts[-1]))


async def test_a_call_in_doubt_leaves_its_room_as_it_is(durable: World) -> None:
    """A body that may not run again is settled by a person; nobody drives its room meanwhile."""
    gate = Gate()
    async with durable.threads(IN_DOUBT, Plays(call("ask", country="A"), Held(gate, "never"))) as threads:
        thread = await threads.open("t")
        await thread.post("May I?", key="1")
        await gate.reached()
    second = Plays("a person looks at it", "settled")
    async with durable.threads(IN_DOUBT, second) as threads:
        recovered = await threads.recover()
        thread = await threads.open("t")
        await thread.send("May I?", key="1")
        stages = [ticket.stage for ticket in thread.tickets]
        await thread.settle("T1", "it is allowed", happened=False)
        await thread.wait()
        (room,) = await thread.rooms()

    assert (["t"], ["in_doubt"], ["front", "front"]) == (recovered, stages, asked(second))
    assert (1, 1) == (room.state.run.number, durable.bench.count("ask"))


async def test_a_room_that_waits_for_a_decision_outlives_a_restart(durable: World) -> None:
    """Its ticket is approved by the next process, and the parent gets the answer."""
    first = Plays(call("ask", country="A"), call("sign", verdict="yes"), "please wait")
    async with durable.threads(DESK, first) as threads:
        thread = await threads.open("t")
        await thread.post("May I?", key="1")
        await waiting_room(thread)
    second = Plays("signed it", "done")
    async with durable.threads(DESK, second) as threads:
        thread = await threads.open("t")
        room = await waiting_room(thread)
        await room.approve("T1")
        reply = await thread.send("May I?", key="1")

    assert ("done", "yes") == (reply.text, thread.metadata.legal)


async def test_another_process_may_decide_for_a_room(durable: World) -> None:
    """The approval is posted and acted on elsewhere; the body here finds the answer."""
    durable.clock = SystemClock()
    first = Plays(call("ask", country="A"), call("sign", verdict="yes"), "please wait", "done")
    second = Plays("signed elsewhere")
    async with durable.threads(DESK, first) as threads, durable.threads(DESK, second) as others:
        thread = await threads.open("t")
        sending = asyncio.ensure_future(thread.send("May I?"))
        room = await waiting_room(thread)
        await (await others.get(room.id)).approve("T1")
        reply = await sending

    assert ("done", ["signed elsewhere"], "yes") == (reply.text, texts(first.prompts[-1]), thread.metadata.legal)


async def test_a_room_that_fits_its_flow_no_more_fails_the_call(durable: World) -> None:
    """The consulted flow has lost the assistant that is active in the room: the call fails, and the thread goes on."""
    gate = Gate()
    async with durable.threads(one_room("old"), Plays(call("ask_old"), Held(gate, "never"))) as threads:
        thread = await threads.open("t")
        await thread.post("May I?", key="1")
        await gate.reached()
    second = Plays("sorry")
    async with durable.threads(one_room("new"), second) as threads:
        reply = await (await threads.open("t")).send("May I?", key="1")

    assert ("sorry", ["error: the tool failed. Nothing was changed."]) == (reply.text, texts(second.prompts[-1]))


def one_room(lawyer: str) -> Flow[Metadata, Any]:
    """A desk that consults a firm of one lawyer."""
    firm, desk = Flow("firm"), Flow("desk")
    firm.assistant(lawyer, instructions="Answer.")

    @desk.assistant("front", instructions="Answer.").tool(consults=firm)
    async def ask_old(call: ToolCall) -> str:
        """Ask the firm."""
        return str(await call.consult(firm))

    return desk


async def test_a_ticket_s_room_goes_on_after_a_restart(durable: World) -> None:
    """The call had become a ticket: recovery runs its body again, and the room's answer comes as the late result."""
    gate = Gate()
    async with durable.threads(DESK, Plays(call("ask", country="A"), Held(gate, "never"))) as threads:
        thread = await threads.open("t")
        await thread.post("May I?")
        await gate.reached()
        await thread.cancel()
    second = Plays("late law", "here it is")
    async with durable.threads(DESK, second) as threads:
        recovered = await threads.recover()
        thread = await threads.open("t")
        await thread.wait()

    assert (["t"], ["clerk", "front"]) == (recovered, asked(second))
    assert ("late law", ()) == (thread.metadata.legal, thread.tickets)


async def test_a_process_that_is_killed_leaves_its_rooms_to_the_next(tmp_path: Path) -> None:
    """SIGKILL while one room has answered and the other's model is being asked: only that one is asked again."""
    path = tmp_path / "threads.db"
    command = [sys.executable, "-m", "tests.support.killed_room", str(path)]
    killed = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=False)
    model = Plays("law of B", "done")
    async with Threads(DESK, deps=Bench(), backend=Embedded(model), store=SqlStore(path)) as threads:
        recovered = await threads.recover()
        await (await threads.open("t")).send("May I?", key="1")

    assert (-signal.SIGKILL, ["t"], ["clerk", "front"]) == (killed.returncode, recovered, asked(model))
    assert ["law of A; law of B"] == texts(model.prompts[-1])
