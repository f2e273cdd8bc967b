"""What can go wrong between the assistants backend and its server: nothing is lost, said twice, or left locked."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from handoff import RunFailed
from handoff.clock import SystemClock
from handoff.core.items import UserMessage
from handoff.sandbox import Faults, Sandbox
from handoff.sandbox.calls import Call
from handoff.sandbox.rules import refused
from handoff.sandbox.world import Wire
from tests.support.assistants_servers import KINDS, Servers, servers_of
from tests.support.forms import World
from tests.support.gates import Gate
from tests.support.models import Answers, Held, Plays, call
from tests.support.workshop import Bench, build

FLOW = build()
LOOK = 'call look {"what": "a"}'
OPEN = 'call open_page {"page": "about"}'


@pytest.fixture(params=["complete-stream", "carry-whole"])
def servers(request: pytest.FixtureRequest, world: World) -> Iterator[Servers]:
    """Streams and looking, both ways to finish."""
    with servers_of(KINDS[request.param], world.clock) as made:
        yield made


@pytest.fixture
def streams(world: World) -> Iterator[Servers]:
    """The kind that streams."""
    with servers_of({"timeout": 0.3}, world.clock) as made:
        yield made


async def another(servers: Servers, path: str, **body: str) -> None:
    """Another program at the same server writes to the thread."""
    async with httpx2.AsyncClient(headers={"OpenAI-Beta": "assistants=v2"}) as client:
        (await client.post(f"{servers.url}/threads/{servers.thread.id}/runs{path}", json=body)).raise_for_status()


class Late(SystemClock):
    """A server's clock: what is late waits for the test."""

    lateness = 987.0

    def __init__(self) -> None:
        self.gate = Gate()

    async def sleep(self, seconds: float) -> None:
        """Wait; for the test, if it is that long."""
        await (self.gate.halt() if seconds == self.lateness else super().sleep(seconds))

    async def takes_effect(self, servers: Servers, runs: int) -> None:
        """Let what is late be done: then there are so many runs, and the last waits or is over."""
        self.gate.open()
        await until(lambda: len(servers.runs) == runs and servers.runs[-1].status not in {"queued", "in_progress"})


@pytest.fixture
def late() -> Late:
    """A server that is behind."""
    return Late()


async def until(holds: Callable[[], bool]) -> None:
    """Return once the server is where the test wants it."""
    while not holds():  # noqa: ASYNC110 - it runs on a thread of its own
        await asyncio.sleep(0.01)


PASSING = [
    f"{fault}@{operation}"
    for operation in ("runs.create", "runs.submit_tool_outputs", "threads.create", "assistants.create")
    for fault in ("429", "500", "503", "drop_before", "drop_after")
]


@pytest.mark.parametrize(
    "fault", [*PASSING, "500@assistants.list", "drop_before@runs.cancel", "drop_after@runs.cancel"]
)
async def test_a_request_that_is_refused_or_lost_loses_nothing(servers: Servers, world: World, fault: str) -> None:
    """Whatever it hits, and whether it was done: the replies are the same, and nothing is done twice (C3, C4)."""
    backend = servers.start(None, fault)
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        replies = [await thread.send(text) for text in ("hello", LOOK, OPEN, "bye")]

    hit = 0 if (fault.endswith("cancel") and not servers.carries) else 1
    assert hit == sum(servers.sandbox.world.faults.happened.values())
    assert ["front", "front", "writer", "writer"] == [reply.assistant for reply in replies]
    assert ("You said: hello", "look returned: saw a") == (replies[0].text, replies[1].text)
    assert ["hello", LOOK, OPEN, "bye"] == servers.said()
    assert [1, 1] == [world.bench.count("look"), world.bench.count("open_page")]
    assert (5, 2) == (len(servers.runs), len(servers.sandbox.world.assistants))


@pytest.mark.parametrize("operation", ["runs.retrieve", "messages.list", "runs.steps.list", "runs.list"])
async def test_a_look_that_fails_is_repeated(world: World, operation: str) -> None:
    """What only looks is asked again."""
    faults = ",".join(f"{fault}@{operation}" for fault in ("500", "drop_before", "429", "drop_after"))
    with servers_of(KINDS["complete-whole"], world.clock) as servers:
        # A start whose answer is lost makes the backend list the runs.
        async with world.threads(FLOW, backend=servers.start(None, faults, "drop_after@runs.create")) as threads:
            thread = await threads.open("t")
            replies = [await thread.send(text) for text in ("hello", LOOK)]

        assert 5 == sum(servers.sandbox.world.faults.happened.values())
        assert ["You said: hello", "look returned: saw a"] == [reply.text for reply in replies]


async def test_a_refusal_that_no_wait_mends_fails_the_run(servers: Servers, world: World) -> None:
    """The server's reason reaches the sender, no second attempt is made, and the message goes with the next start."""
    backend = servers.start()
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        backend._fields["reasoning_effort"] = 7
        with pytest.raises(RunFailed, match="400: Invalid") as failed:
            await thread.send("one")
        del backend._fields["reasoning_effort"]
        reply = await thread.send("two")

    assert ("failed", "You said: two") == (failed.value.status, reply.text)
    assert ["one", "two"] == servers.said()


async def test_a_stream_that_stalls_is_given_up_and_the_run_is_not(streams: Servers, world: World) -> None:
    """Silence on the stream: the run is polled, and its words are told whole (A12)."""
    async with world.threads(FLOW, backend=streams.start(None, "stall@runs.create")) as threads:
        reply = await (await threads.open("t")).send("hello")

    assert ("You said: hello", ["completed"]) == (reply.text, [run.status for run in streams.runs])


@pytest.mark.parametrize(
    ("rates", "status", "attempts"),
    [
        pytest.param({"expire": 1.0}, "expired", 1, id="expired"),
        pytest.param({"failed": 1.0}, "failed", 11, id="failed again and again"),
    ],
)
async def test_a_run_that_ends_otherwise_is_a_typed_failure(
    servers: Servers, world: World, rates: dict[str, float], status: str, attempts: int
) -> None:
    """The sender gets the status, and the next message is answered (L7, A9)."""
    async with world.threads(FLOW, backend=servers.start(faults=Faults(rates=rates))) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("one")
        made = len(servers.runs)
        servers.sandbox.world.faults = Faults()
        reply = await thread.send("two")

    assert (status, attempts) == (failed.value.status, made)
    assert ("You said: two", ["one", "two"]) == (reply.text, servers.said())


@pytest.mark.parametrize("operation", ["runs.create", "runs.submit_tool_outputs"])
async def test_a_run_the_server_fails_is_followed_by_another_one(
    servers: Servers, world: World, operation: str
) -> None:
    """Our run goes on in it; what was said and answered is on the thread, and no body runs again (C3)."""
    model = Plays(call("look", what="a"), "Saw it.", call("look", what="b"), "Saw that.")
    async with world.threads(FLOW, backend=servers.start(model, f"failed@{operation}")) as threads:
        thread = await threads.open("t")
        replies = [await thread.send(text) for text in ("one", "two")]
        runs = thread.state.runs

    assert (["Saw it.", "Saw that."], 2) == ([reply.text for reply in replies], runs)
    assert ["failed", "completed", "completed"] == [run.status for run in servers.runs]
    assert (["one", "two"], 2) == (servers.said(), world.bench.count("look"))


async def test_a_start_that_is_lost_and_failed_is_not_said_twice(servers: Servers, world: World) -> None:
    """Nobody learned that the run was made, and the server failed it at once: the next run brings no messages (C4)."""
    backend = servers.start(None, "drop_after@runs.create", "failed@runs.create")
    async with world.threads(FLOW, backend=backend) as threads:
        reply = await (await threads.open("t")).send("hello")

    assert ("You said: hello", ["hello"]) == (reply.text, servers.said())
    assert ["failed", "completed"] == [run.status for run in servers.runs]


async def test_a_run_that_expires_while_its_calls_run_settles_them(servers: Servers, world: World) -> None:
    """What was running becomes a ticket, and the thread goes on before its body ends (A9, B6)."""
    world.bench = Bench("look")
    async with world.threads(FLOW, backend=servers.start(expire=1.0)) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed, match="expired"):
            await thread.send(LOOK)
        reply = await thread.send("two")
        tickets = [ticket.call.tool for ticket in thread.tickets]

    assert ["look"] == tickets
    assert "You said: two" == reply.text
    assert [LOOK, "two"] == servers.said()


async def test_a_run_that_is_stuck_is_cancelled_at_our_deadline(servers: Servers, world: World) -> None:
    """Our own deadline ends it, though the server would let it run on (C1)."""
    async with world.threads(FLOW, backend=servers.start(None, "stuck@runs.create")) as threads:
        thread = await threads.open("t")
        sender = asyncio.create_task(thread.send("one"))
        await until(lambda: thread.status == "in_progress")
        await world.advance(threads, 600)
        with pytest.raises(RunFailed, match="expired"):
            await sender
        reply = await thread.send("two")

    assert "You said: two" == reply.text
    assert ["cancelled", "completed"] == [run.status for run in servers.runs]


async def test_a_cancel_that_loses_the_race_is_a_success(servers: Servers, world: World) -> None:
    """The run completes while it is being cancelled: its words are kept, and the sender has its reply (A2, C1)."""
    gate = Gate()
    model = Plays(Held(gate, "Done already.", said=""), "fine")
    async with world.threads(FLOW, backend=servers.start(model, "cancel_race@runs.cancel")) as threads:
        thread = await threads.open("t")
        sender = asyncio.create_task(thread.send("one"))
        await gate.reached()
        cancel = asyncio.create_task(thread.cancel())
        await until(lambda: servers.runs[0].status == "cancelling")
        gate.open()
        await cancel
        first = await sender
        second = await thread.send("two")

    assert ["Done already.", "fine"] == [first.text, second.text]
    assert ["completed", "completed"] == [run.status for run in servers.runs]


async def test_a_cancel_waits_while_the_server_is_cancelling(servers: Servers, world: World) -> None:
    """The thread unlocks at the terminal status and not before, so the next start meets no lock (C1)."""
    gate = Gate()
    model = Plays(Held(gate, "never"), "fine")
    async with world.threads(FLOW, backend=servers.start(model, "cancelling=0.3")) as threads:
        thread = await threads.open("t")
        sender = asyncio.create_task(thread.send("one"))
        await gate.reached()
        reply = await thread.send("two", while_running="interrupt")
        with pytest.raises(RunFailed, match="cancelled"):
            await sender
        gate.open()

    assert ("fine", ["cancelled", "completed"]) == (reply.text, [run.status for run in servers.runs])


async def test_a_server_that_never_ends_a_cancelled_run_does_not_keep_the_thread(
    servers: Servers, world: World
) -> None:
    """Some seconds after its deadline the run is given up by a typed failure (C1)."""
    gate = Gate()
    async with world.threads(FLOW, backend=servers.start(Plays(Held(gate, "never")), "cancelling=1000")) as threads:
        thread = await threads.open("t")
        sender = asyncio.create_task(thread.send("one"))
        await gate.reached()
        await world.advance(threads, 600)
        await until(lambda: servers.runs[0].status == "cancelling")
        await world.advance(threads, 11)
        with pytest.raises(RunFailed, match="not ended the run in time"):
            await sender
        status = thread.status
        gate.open()

    assert "rest" == status


async def test_a_run_that_is_not_ours_is_cancelled_before_a_start(servers: Servers, world: World) -> None:
    """Another program left a run on the thread: it is ended, and ours starts (C5)."""
    gate = Gate()
    model = Plays("hi", Held(gate, "never"), "fine")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        await another(servers, "", assistant_id=servers.runs[0].assistant_id)
        await gate.reached()
        reply = await thread.send("two")
        gate.open()

    assert ("fine", ["completed", "cancelled", "completed"]) == (reply.text, [run.status for run in servers.runs])


async def test_whatever_is_asked_again_is_logged_under_our_name_of_the_thread(
    streams: Servers, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Listing, cancelling and looking at a run that is in the way, which is told with the server's names of it."""
    caplog.set_level(logging.INFO, "handoff")
    gate = Gate()
    backend = streams.start(
        Plays("hi", Held(gate, "never"), "fine"), "500@runs.list", "500@runs.cancel", "500@runs.retrieve"
    )
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("order-7")
        await thread.send("one")
        await another(streams, "", assistant_id=streams.runs[0].assistant_id)
        await gate.reached()
        await thread.send("two")
        gate.open()

    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("thread ")]
    again = [text for text in told if "made again" in text]
    assert (3, {"order-7"}) == (len(again), {text.split()[1].rstrip(":") for text in told})
    assert f"({streams.runs[1].id} of {streams.thread.id} at the server)" in caplog.text


async def test_a_run_that_somebody_else_cancels_ends_the_turn(servers: Servers, world: World) -> None:
    """The sender gets a typed failure, and the thread goes on."""
    gate = Gate()
    model = Plays(Held(gate, "never"), "fine")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        sender = asyncio.create_task(thread.send("one"))
        await gate.reached()
        await another(servers, f"/{servers.runs[0].id}/cancel")
        with pytest.raises(RunFailed, match="cancelled"):
            await sender
        gate.open()
        reply = await thread.send("two")

    assert "fine" == reply.text


async def test_a_thread_the_server_lost_is_made_again(servers: Servers, world: World) -> None:
    """It is made anew from our journal, with what was said and done (T2)."""
    model = Plays("hi", call("look", what="a"), "Saw it.", "fine")
    async with world.threads(FLOW, backend=servers.start(model)) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        await thread.send("two")
        servers.sandbox.world.threads.clear()
        reply = await thread.send("three")

    texts = [one.content[0]["text"]["value"] for one in servers.thread.messages()]
    line = '(front called "look" with {"what": "a"}, which returned: "saw a")'
    assert ("fine", ["one", "hi", "two", line, "Saw it.", "three", "fine"]) == (reply.text, texts)


async def test_an_assistant_the_server_lost_is_registered_again(servers: Servers, world: World) -> None:
    """The start is refused, the assistant registered, and the start made again."""
    async with world.threads(FLOW, backend=servers.start()) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        servers.sandbox.world.assistants.clear()
        reply = await thread.send("two")

    assert ("You said: two", ["one", "two"]) == (reply.text, servers.said())


async def test_a_start_whose_fate_nobody_learned_is_not_said_twice(world: World, durable: World) -> None:
    """The run fails in doubt and its process ends; the next start finds its message on the thread (C4, L7)."""
    rates = "drop_after@runs.create," + ",".join(f"500@runs.list#{nth}" for nth in range(1, 60))
    with servers_of(KINDS["complete-whole"], durable.clock) as servers:
        async with durable.threads(FLOW, backend=servers.start(None, rates)) as threads:
            thread = await threads.open("t")
            sender = asyncio.create_task(thread.send("one"))
            await until(lambda: servers.sandbox.world.faults.happened["500"] > 0)
            await durable.advance(threads, 620)
            with pytest.raises(RunFailed, match=r"expired|failed"):
                await sender
        for planned in servers.sandbox.world.faults._script:
            planned.left = 0
        async with durable.threads(FLOW, backend=servers.again()) as threads:
            reply = await (await threads.open("t")).send("two")

        assert ("You said: two", ["one", "two"]) == (reply.text, servers.said())


@pytest.mark.parametrize("text", [pytest.param("two", id="completed"), pytest.param(LOOK, id="waiting")])
async def test_a_start_that_comes_late_leaves_nothing_behind(
    servers: Servers, world: World, late: Late, text: str
) -> None:
    """It brings its message a second time: before the next start its run is ended, and the message deleted (C4, C5)."""
    backend = servers.start(None, f"late@runs.create#2,lateness={late.lateness}", clock=late)
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        replies = [await thread.send(text) for text in ("one", text)]
        await late.takes_effect(servers, 3)
        replies.append(await thread.send("three"))

    assert ["one", text, "three"] == servers.said()
    assert "You said: three" == replies[2].text
    assert (None, int(text == LOOK)) == (servers.thread.active_run(), world.bench.count("look"))


async def test_a_start_that_comes_late_is_found_after_a_restart(durable: World, late: Late) -> None:
    """The process that made it is gone: the next one looks before its first start."""
    with servers_of(KINDS["complete-whole"], durable.clock) as servers:
        backend = servers.start(None, f"late@runs.create#2,lateness={late.lateness}", clock=late)
        async with durable.threads(FLOW, backend=backend) as threads:
            thread = await threads.open("t")
            for text in ("one", "two"):
                await thread.send(text)
            await late.takes_effect(servers, 3)
        async with durable.threads(FLOW, backend=servers.again()) as threads:
            await (await threads.open("t")).send("three")

        assert ["one", "two", "three"] == servers.said()


async def test_a_run_that_comes_late_is_not_taken_for_the_first(durable: World, late: Late) -> None:
    """Nobody followed a run to its end; the next process learns that end, and not that of a second one with its key."""
    gate = Gate()
    model = Plays(Held(gate, "never"), "late words", "fine")
    with servers_of(KINDS["complete-whole"], durable.clock) as servers:
        backend = servers.start(model, f"late@runs.create,lateness={late.lateness}", clock=late)
        async with durable.threads(FLOW, backend=backend) as threads:
            await (await threads.open("t")).post("one", key="1")
            await gate.reached()
        await another(servers, f"/{servers.runs[0].id}/cancel")
        await until(lambda: servers.runs[0].status == "cancelled")
        await late.takes_effect(servers, 2)
        async with durable.threads(FLOW, backend=servers.again()) as threads:
            thread = await threads.open("t")
            with pytest.raises(RunFailed, match="cancelled"):
                await thread.send("one", key="1")
            reply = await thread.send("two")
        gate.open()

        assert ("fine", ["one", "two"]) == (reply.text, servers.said())


class Overtaken(Sandbox):
    """A server that comes to a late start after its run has failed, ahead of the start that takes that run's place.

    Args:
        late: its clock; the first start is late.
        over: whether the late run is over by then, or waits for its calls.
    """

    def __init__(self, late: Late, *, over: bool) -> None:
        faults = Faults.read(f"late@runs.create,failed@runs.submit_tool_outputs,lateness={late.lateness}")
        super().__init__(faults=faults, clock=late)
        self._behind, self._over, self._came = late, over, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        runs = [run for thread in self.world.threads.values() for run in thread.runs]
        starts = scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/runs")
        if (self._over or starts) and not self._came and any(run.status == "failed" for run in runs):
            self._came = True
            self._behind.gate.open()
            (thread,) = [thread for thread in self.world.threads.values() if thread.runs]
            await until(lambda: len(thread.runs) == 2 and thread.runs[1].status == "requires_action")
            if self._over:
                host, port = scope["server"]
                async with httpx2.AsyncClient(headers={"OpenAI-Beta": "assistants=v2"}) as client:
                    path = f"/v1/threads/{thread.id}/runs/{thread.runs[1].id}/cancel"
                    (await client.post(f"http://{host}:{port}{path}")).raise_for_status()
        await super().__call__(scope, receive, send)


@pytest.mark.parametrize("over", [pytest.param(True, id="over"), pytest.param(False, id="waiting")])
async def test_a_start_that_comes_late_is_not_taken_for_the_one_after_a_failure(
    servers: Servers, world: World, late: Late, *, over: bool
) -> None:
    """It has our key too, and names no run it replaces: its calls are not ours, and no body runs for them (C3, C4)."""
    backend = servers.serve(Overtaken(late, over=over))
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        first = await thread.send(LOOK)
        second = await thread.send("two")

    assert {"late": 1, "failed": 1} == dict(servers.sandbox.world.faults.happened)
    assert ("look returned: saw a", "You said: two") == (first.text, second.text)
    assert ([LOOK, "two"], 1) == (servers.said(), world.bench.count("look"))


class JustBefore(Sandbox):
    """A server that comes to a late start, and ends its run, just before the start that nobody looks ahead of.

    Args:
        late: its clock; the first start is late.
        start: ahead of which start: 2 is the one that is made in the late one's stead, 3 that of the next run.
        model: the model object.
    """

    def __init__(self, late: Late, start: int, model: object = None) -> None:
        super().__init__(model, faults=Faults.read(f"late@runs.create,lateness={late.lateness}"), clock=late)
        self._behind, self._start, self.starts = late, start, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].endswith("/runs"):
            self.starts += 1
            if self.starts == self._start:
                (thread,) = self.world.threads.values()
                before = len(thread.runs)
                self._behind.gate.open()
                await until(lambda: len(thread.runs) > before and thread.runs[-1].status in {"completed", "failed"})
        await super().__call__(scope, receive, send)


def told(servers: Servers) -> list[str]:
    """What the server's thread holds, as a model reads it."""
    return [one.content[0]["text"]["value"] for one in servers.thread.messages()]


async def test_a_late_start_that_was_answered_just_before_the_one_in_its_stead_is_ours(
    servers: Servers, world: World, late: Late
) -> None:
    """It was there first and has our key: its answer stands, and nothing of the second one stays (C4)."""
    backend = servers.serve(JustBefore(late, 2))
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        replies = [(await thread.send(text)).text for text in ("one", "two")]

    assert (["You said: one", "You said: two"], 3) == (replies, len(servers.runs))
    assert ["one", "You said: one", "two", "You said: two"] == told(servers)
    assert ("completed", "completed") == (servers.runs[0].status, servers.runs[2].status)


async def test_a_late_start_that_was_answered_just_before_the_next_run_is_read_by_no_model(
    servers: Servers, world: World, late: Late
) -> None:
    """The run that has read it is ended and made anew, without its message and its answer (C4)."""
    model = Answers(lambda prompt: f"{sum(isinstance(item, UserMessage) for item in prompt.items)} heard")
    backend = servers.serve(JustBefore(late, 3, model))
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        replies = [(await thread.send(text)).text for text in ("one", "two", "three")]

    assert ["1 heard", "2 heard", "3 heard"] == replies
    assert ["one", "1 heard", "two", "2 heard", "three", "3 heard"] == told(servers)


@pytest.mark.parametrize("text", ["two", LOOK])
async def test_what_a_late_start_was_answered_is_deleted(servers: Servers, world: World, late: Late, text: str) -> None:
    """Its message is there already, and nobody was told its answer."""
    backend = servers.start(None, f"late@runs.create#2,lateness={late.lateness}", clock=late)
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        replies = [(await thread.send(said)).text for said in ("one", text)]
        await late.takes_effect(servers, 3)
        replies.append((await thread.send("three")).text)

    said = [one for one in told(servers) if one]
    assert ["one", replies[0], text, replies[1], "three", "You said: three"] == said


async def test_a_handoffs_note_that_comes_late_is_not_told_twice(world: World, late: Late) -> None:
    """What nothing tells from others but its place in the thread is known again too."""
    with servers_of(KINDS["complete-whole"], world.clock) as servers:
        backend = servers.start(None, f"late@runs.create#2,lateness={late.lateness}", clock=late)
        async with world.threads(FLOW, backend=backend) as threads:
            thread = await threads.open("t")
            await thread.send(OPEN)
            await late.takes_effect(servers, 3)
            await thread.send("two")

        texts = [one.content[0]["text"]["value"] for one in servers.thread.messages() if one.role == "user"]
        assert [OPEN, "two"] == servers.said()
        assert 1 == sum("handed over to you" in text for text in texts)


async def test_a_start_in_doubt_is_settled_where_messages_cannot_be_deleted(
    world: World, late: Late, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server lets nobody delete: the message stays, which the log says, and the thread goes on."""

    def refuse(call: Call) -> None:
        raise refused("no_method", method="DELETE", path=call.operation)

    monkeypatch.setattr("handoff.sandbox.threads._message", refuse)
    with servers_of(KINDS["complete-whole"], world.clock) as servers:
        backend = servers.start(None, f"late@runs.create#2,lateness={late.lateness}", clock=late)
        async with world.threads(FLOW, backend=backend) as threads:
            thread = await threads.open("t")
            for text in ("one", "two"):
                await thread.send(text)
            await late.takes_effect(servers, 3)
            reply = await thread.send("three")

        assert ("You said: three", ["one", "two", "two", "three"]) == (reply.text, servers.said())
        assert "a message that came late stays: 405" in caplog.text


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        pytest.param("drop_after", 0, id="taken"),
        pytest.param("drop_before", 1, id="not taken"),
        pytest.param("late", 1, id="late"),
    ],
)
async def test_outputs_whose_fate_nobody_learned_are_told_once(world: World, late: Late, fault: str, told: int) -> None:
    """The submit is in doubt until the run's deadline: the next start ends the run and looks at its steps (C4, C5)."""
    script = f"{fault}@runs.submit_tool_outputs,lateness={late.lateness}"
    looks = ",".join(f"500@runs.retrieve#{nth}" for nth in range(1, 60))
    with servers_of({"finish": "complete", "timeout": 0.3}, world.clock) as servers:
        backend = servers.start(None, script, looks, clock=late)
        async with world.threads(FLOW, backend=backend) as threads:
            thread = await threads.open("t")
            sender = asyncio.create_task(thread.send(LOOK))
            await until(lambda: servers.sandbox.world.faults.happened["500"] > 0)
            await world.advance(threads, 620)
            with pytest.raises(RunFailed):
                await sender
            for planned in servers.sandbox.world.faults._script:
                planned.left = 0
            reply = await thread.send("two")
            late.gate.open()

        items = [one.metadata.get("item", "") for one in servers.thread.messages()]
        steps = [output for run in servers.runs for step in run.steps for output in step.outputs.values()]
        assert ("You said: two", [LOOK, "two"]) == (reply.text, servers.said())
        assert (told, 1 - told) == (sum(item.startswith("output:") for item in items), len(steps))


async def test_a_server_that_is_gone_is_a_typed_failure(servers: Servers, world: World) -> None:
    """After some attempts the turn ends, and the message is not lost."""
    servers.start()
    gone = servers.again()
    gone._client._base_url = "http://127.0.0.1:9/v1"
    async with world.threads(FLOW, backend=gone) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed, match="ClientConnectorError: Cannot connect to host"):
            await thread.send("one")
        due = [getattr(item, "text", "") for item in thread.state.due]

    assert ["one"] == due
    assert 10 == len(servers.clock.slept)


async def test_no_key_is_ever_told(servers: Servers, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A server that repeats what it was sent gets nothing into errors, journal or log."""
    caplog.set_level(logging.DEBUG, "handoff")
    servers.start(token="sk-right-key-of-the-server")  # noqa: S106 - of no real server
    backend = servers.again(api_key="sk-wrong-key-of-mine")
    async with world.threads(FLOW, backend=backend) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("one")
        journal: list[Wire] = [dict(record.data) for record in threads.store.journal("t")]

    texts = [str(failed.value), str(journal), *(record.getMessage() for record in caplog.records)]
    assert "401" in failed.value.reason
    assert not [text for text in texts if "sk-" in text]
