"""What goes wrong at servers that keep no run, the same on each of them: it is made good, or told, and costs nothing.

That is chat and responses. The assistants backend, whose server keeps runs, has faults of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from handoff import Flow, RunFailed
from handoff.backends.wire import RETRIES
from handoff.core.items import Output, UserMessage
from handoff.sandbox import Faults
from tests.support.faulty import FAULTY
from tests.support.forms import World
from tests.support.models import Answers
from tests.support.servers import Servers, servers_of
from tests.support.waits import Waits
from tests.support.workshop import build

FLOW = build()
FORMS = {
    f"{name}, {form}": (faulty.make, options)
    for name, faulty in FAULTY.items()
    if name != "assistants"
    for form, options in faulty.forms.items()
}


@pytest.fixture(params=list(FORMS))
def servers(request: pytest.FixtureRequest) -> Iterator[Servers[Any]]:
    """Servers of every form."""
    make, options = FORMS[request.param]
    with servers_of(make, clock=Waits(), **options) as made:
        yield made


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("fault", ["429", "500", "503", "drop_before", "drop_after", "failed"])
async def test_a_fault_is_survived(servers: Servers[Any], world: World, fault: str, nth: int) -> None:
    """Whatever passes, the handoff happens once, and the reply comes."""
    faults = Faults.read(f"{fault}@*#{nth}")
    async with world.threads(FLOW, backend=servers.start(faults=faults)) as threads:
        thread = await threads.open("t")
        reply = await thread.send('call open_page {"page": "about"}')

    assert 1 == faults.happened[fault]
    told = "Noted: You are writer. front handed over to you by open_page."
    assert (told, "writer") == (reply.text.splitlines()[-1], reply.assistant)
    assert [("open_page", "about")] == world.bench.ran


@pytest.mark.parametrize("form", [form for form in FORMS if form.endswith("stream")])
async def test_a_stream_that_goes_silent_is_survived(world: World, form: str) -> None:
    """It is given up after the timeout, and the answer of the second attempt alone is the reply."""
    make, options = FORMS[form]
    faults = Faults.read("stall@*.create")
    with servers_of(make, clock=Waits(), timeout=0.3, **options) as servers:
        async with world.threads(FLOW, backend=servers.start(faults=faults)) as threads:
            thread = await threads.open("t")
            reply = await thread.send("one two three")

    assert 1 == faults.happened["stall"]
    assert "You said: one two three" == reply.text


async def test_cut_off_arguments_are_answered(servers: Servers[Any], world: World) -> None:
    """The body does not run, the model reads why, and the history stays valid (B2)."""
    faults = Faults.read("bad_arguments")
    async with world.threads(FLOW, backend=servers.start(faults=faults)) as threads:
        thread = await threads.open("t")
        reply = await thread.send('call look {"what": "a"} and call look {"what": "b"}')
        again = await thread.send("still there?")

    assert "look returned: error: arguments:" in reply.text
    assert "look returned: saw b" in reply.text
    assert [("look", "b")] == world.bench.ran
    assert "You said: still there?" == again.text


async def test_of_two_handoffs_the_first_wins(servers: Servers[Any], world: World) -> None:
    """A second transition in the same response is answered, and its body does not run (B4)."""
    flow = Flow("fork")
    front = flow.assistant("front", instructions="Choose.")
    left = flow.assistant("left", instructions="Left.")
    right = flow.assistant("right", instructions="Right.")
    ran: list[str] = []

    @front.tool(to=left)
    def go_left() -> str:
        """Go left."""
        ran.append("left")
        return "left"

    @front.tool(to=right)
    def go_right() -> str:
        """Go right."""
        ran.append("right")
        return "right"

    faults = Faults.read("two_handoffs")
    async with world.threads(flow, backend=servers.start(faults=faults)) as threads:
        thread = await threads.open("t")
        reply = await thread.send("call go_left {}")
        outputs = [item.text for item in await thread.transcript() if isinstance(item, Output)]

    assert "left" == reply.assistant
    assert ["left"] == ran
    assert ["left", "Not taken: this turn already goes to left. The tool was not run."] == outputs


async def test_a_server_that_stays_down_fails_the_run_only(servers: Servers[Any], world: World) -> None:
    """The sender gets a typed error with the server's words; once it is up again the message rides along (L7)."""
    model = Answers(lambda prompt: " ".join(item.text for item in prompt.items if isinstance(item, UserMessage)))
    faults = Faults(rates={"500": 1.0})
    async with world.threads(FLOW, backend=servers.start(model, faults=faults)) as threads:
        thread = await threads.open("t")
        with pytest.raises(RunFailed) as failed:
            await thread.send("one")
        servers.sandbox.world.faults = Faults()
        reply = await thread.send("two")

    assert ("failed", "500: The server had an error while processing your request.") == (
        failed.value.status,
        failed.value.reason,
    )
    assert RETRIES + 1 == faults.happened["500"]
    assert "one two" == reply.text


SAID = [
    "hello",
    'call look {"what": "x"}',
    'call look {"what": "x"} and call look {"what": "y"}',
    'call open_page {"page": "about"}',
    'call jot {"note": "n"} and call open_page {"page": "home"}',
    'call dye {"color": "red"}',
    "call put_away {}",
    'call open_page {"page": "NOT A PAGE"}',
]
RATES = {
    "429": 0.1,
    "500": 0.05,
    "503": 0.05,
    "drop_before": 0.05,
    "drop_after": 0.05,
    "failed": 0.05,
    "bad_arguments": 0.1,
}


async def test_no_message_is_lost_whatever_goes_wrong(servers: Servers[Any], world: World) -> None:
    """Many threads at once under faults: every message is answered once and in order, and no thread stays locked."""
    dice = random.Random(3)  # noqa: S311 - dice, no secret
    plans = {f"t{number}": [dice.choice(SAID) for _ in range(4)] for number in range(20)}
    faults = Faults(rates=RATES, seed=3)
    async with world.threads(FLOW, backend=servers.start(faults=faults)) as threads:

        async def talk(name: str) -> None:
            thread = await threads.open(name)
            for text in plans[name]:
                assert (await thread.send(text)).text or text == "call put_away {}"

        await asyncio.gather(*map(talk, plans))
        opened = {name: await threads.open(name) for name in plans}
        said = {
            name: [item.text for item in await thread.transcript() if isinstance(item, UserMessage)]
            for name, thread in opened.items()
        }
        locked = [name for name, thread in opened.items() if thread.state.locked]

    assert plans == said
    assert [] == locked
    assert 20 < faults.happened.total()
