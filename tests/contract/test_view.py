"""T: each assistant sees what its view says, always valid for the server, and the journal is never touched."""

from __future__ import annotations

from typing import Any

import pytest

from handoff import Flow, Metadata, RunFailed
from handoff.core.items import Spoken
from handoff.declaration.prompt import View
from tests.contract.backdrop import Backdrop, HandsOver, heard, told
from tests.support.models import call

MESSAGES = ("first", "second", "third", "fourth")


def build(view: View) -> Flow[Metadata, Any]:
    """Two assistants; the second sees what its view says."""
    flow = Flow("sights", metadata=Metadata)
    host = flow.assistant("host", instructions="You receive.")
    guest = flow.assistant("guest", instructions="You visit.", view=view)

    @host.tool(to=guest)
    def invite() -> str:
        """Invite the guest."""
        return "invited"

    @guest.tool(to=host)
    def leave() -> str:
        """Leave."""
        return "left"

    @flow.tool()
    def look(what: str) -> str:
        """Look."""
        return f"saw {what}"

    return flow


@pytest.mark.parametrize(
    ("view", "seen"),
    [
        pytest.param("all", ("first", "second", "third", "fourth"), id="all"),
        pytest.param(1, ("fourth",), id="the last turn"),
        pytest.param(2, ("third", "fourth"), id="the last two turns"),
        pytest.param("own", ("first", "second", "third", "fourth"), id="own"),
        pytest.param("since_active", ("fourth",), id="since it was active"),
    ],
)
async def test_a_view_cuts_what_is_shown_and_nothing_else(
    backdrop: Backdrop, view: View, seen: tuple[str, ...]
) -> None:
    """The guest sees its part of the thread with every call answered; the host sees all; the journal keeps all."""
    backdrop.plays(
        "host: welcome",
        HandsOver(call("invite")),
        "guest: hello",
        HandsOver(call("leave")),
        "host: so long",
        HandsOver([call("look", what="the garden"), call("invite")]),
        "guest: back again",
        HandsOver(call("leave")),
        "host: and all of it",
    )
    async with backdrop.threads(build(view)) as threads:
        thread = await threads.open("t")
        if view in backdrop.form.refuses:
            await thread.send("first")
            with pytest.raises(RunFailed, match=f"view='{view}'"):
                await thread.send("second")
            assert [] == backdrop.prompts_of("guest")
            return
        for message in MESSAGES:
            await thread.send(message)
        shown = backdrop.prompts_of("guest")[-1].items
        await thread.send("fifth")
        transcript = await thread.transcript()

    expected = list(seen) if backdrop.form.views else list(MESSAGES)
    own = view == "own" and backdrop.form.views
    assert expected == heard(shown, *MESSAGES)
    assert (0 if own else 1) == told(shown, "saw the garden")
    assert ("host: so long" in [item.text for item in shown if isinstance(item, Spoken)]) <= (not own)
    assert [*MESSAGES, "fifth"] == heard(backdrop.last(), *MESSAGES, "fifth") == heard(transcript, *MESSAGES, "fifth")
    assert [] == backdrop.troubles(thread)


async def test_calls_of_others_are_lines_of_text_where_we_send_them(backdrop: Backdrop) -> None:
    """What another has done is told, never shown as something to imitate (T2)."""
    backdrop.plays(HandsOver([call("look", what="the garden"), call("invite")]), "hello")
    async with backdrop.threads(build("all")) as threads:
        await (await threads.open("t")).send("come in")

    calls = [asked.tool for item in backdrop.last() if isinstance(item, Spoken) for asked in item.calls]
    assert ([] if backdrop.form.retells else ["look", "invite"]) == calls
    assert 1 == told(backdrop.last(), "saw the garden")
