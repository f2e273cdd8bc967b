"""A, M6: every message has its speaker, every assistant is told who it is, and a server that can is told the facts."""

from __future__ import annotations

from handoff.core.items import Spoken
from tests.contract.backdrop import Backdrop, HandsOver, told
from tests.support.models import call


async def test_each_assistant_is_told_who_it_is_and_who_else_speaks(backdrop: Backdrop) -> None:
    """Its own name, the others', and the last handoff stand in its instructions."""
    backdrop.plays(HandsOver(call("open_page", page="about")), "open")
    async with backdrop.threads() as threads:
        await (await threads.open("t")).send("about")

    first, *_, last = (prompt.instructions for prompt in backdrop.model.prompts)
    assert (True, True) == ("You are front." in first, "You are writer." in last)
    assert ("front handed over to you by open_page." in last, "handed over" in first) == (True, False)
    assert "Others who speak in this thread: front; checker." in last


async def test_the_speaker_of_every_message_is_known(backdrop: Backdrop) -> None:
    """Replies, the journal's runs and what the model is shown later agree on who said what."""
    backdrop.plays("I am the front", HandsOver(call("open_page", page="about")), "I am the writer", "still I")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        replies = [await thread.send(text) for text in ("who are you?", "about", "and now?")]
        said = [item for item in await thread.transcript() if isinstance(item, Spoken)]
        runs = [one.data for one in threads.store.journal("t") if one.data["type"] == "RunStarted"]

    assert ["front", "writer", "writer"] == [reply.assistant for reply in replies]
    assert ("I am the front", "front") == (said[0].text, said[0].assistant)
    assert ("still I", "writer") == (said[-1].text, said[-1].assistant)
    assert ["front", "front", "writer", "writer"] == [one["assistant"] for one in runs]
    assert {"workshop.front", "workshop.writer"} == {one["assistant_id"].partition("@")[0] for one in runs}
    assert 2 == len({one["assistant_id"] for one in runs})


async def test_what_another_assistant_said_is_told_with_its_name(backdrop: Backdrop) -> None:
    """The model that plays the writer is shown the front's words as the front's, once."""
    backdrop.plays("I am the front", HandsOver(call("open_page", page="about")), "I am the writer")
    async with backdrop.threads() as threads:
        thread = await threads.open("t")
        await thread.send("who are you?")
        await thread.send("about")

    assert 1 == told(backdrop.last(), "I am the front")
    if backdrop.form.names:
        (front,) = [item for item in backdrop.last() if isinstance(item, Spoken) and "I am the front" in item.text]
        assert "front" == front.assistant


async def test_the_facts_are_mirrored_where_a_server_keeps_some(served: Backdrop) -> None:
    """The active assistant and the thread's metadata go along with requests that are made anyway (M6)."""
    served.plays(HandsOver(call("open_page", page="about")), "open")
    async with served.threads() as threads:
        await (await threads.open("t")).send("about")

    expected = {"assistant": "writer", "thread": "t", "page": "about"} if served.form.mirrors else None
    assert expected == served.mirrored()
