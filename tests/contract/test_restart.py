"""A restart in the middle: a new backend over the same store goes on with what the server has, and loses nothing."""

from __future__ import annotations

from tests.contract.backdrop import Backdrop, HandsOver, heard, in_order, told
from tests.support.gates import Gate
from tests.support.models import Held, call


async def test_a_conversation_goes_on_after_a_restart_between_turns(backdrop: Backdrop) -> None:
    """Five turns in five processes: the server is shown each message and each output once, and in order."""
    backdrop.plays(
        "hello", HandsOver(call("open_page", page="about")), "open", call("look", what="a"), "seen", "more", "all"
    )
    messages = ("hi", "the about page", "look", "and?", "what else?")
    for message in messages:
        async with backdrop.threads(durable=True) as threads:
            thread = await threads.open("t")
            await thread.send(message)

    shown = backdrop.last()
    assert list(messages) == heard(shown, *messages)
    assert in_order(shown, "hi", "hello", "the about page", "about is open", "open", "look", "saw a", "seen", "more")
    assert (1, 1, []) == (told(shown, "about is open"), told(shown, "saw a"), backdrop.troubles(thread))


async def test_an_answer_that_was_under_way_is_taken_up_or_made_again(backdrop: Backdrop) -> None:
    """The process ends while the model speaks; the next one sees to the message, which is answered once (C4, R8)."""
    gate, lasts = Gate(), backdrop.form.lasts
    backdrop.plays("hello", Held(gate, "the first try"), *([] if lasts else ["the second try"]), "still here")
    async with backdrop.threads(durable=True) as threads:
        thread = await threads.open("t")
        await thread.send("one")
        await thread.post("two", key="second")
        await gate.reached()
        await backdrop.acknowledged(thread)
    gate.open()
    async with backdrop.threads(durable=True) as threads:
        thread = await threads.open("t")
        reply = await thread.send("two", key="second")
        await thread.send("three")

    assert ("the first try" if lasts else "the second try") == reply.text
    assert (["one", "two", "three"], 1) == (
        heard(backdrop.last(), "one", "two", "three"),
        told(backdrop.last(), " try"),
    )
    assert (3 if lasts else 4, []) == (len(backdrop.model.prompts), backdrop.troubles(thread))


async def test_outputs_that_were_on_their_way_are_told_once(backdrop: Backdrop) -> None:
    """The process ends with the answer to a batch under way: its bodies do not run again (C4, E2)."""
    gate, lasts = Gate(), backdrop.form.lasts
    batch = [call("look", what="a"), call("open_page", page="about")]
    backdrop.plays(HandsOver(batch), Held(gate, "the first try"), *([] if lasts else ["the second try"]), "still here")
    async with backdrop.threads(durable=True) as threads:
        thread = await threads.open("t")
        await thread.post("about", key="first")
        await gate.reached()
        await backdrop.acknowledged(thread)
    gate.open()
    async with backdrop.threads(durable=True) as threads:
        thread = await threads.open("t")
        reply = await thread.send("about", key="first")
        await thread.send("and now?")

    assert ("writer", 1, 1) == (reply.assistant, backdrop.bench.count("open_page"), told(backdrop.last(), " try"))
    assert (1, 1, ["about", "and now?"]) == (
        told(backdrop.last(), "saw a"),
        told(backdrop.last(), "about is open"),
        heard(backdrop.last(), "about", "and now?"),
    )
    assert [] == backdrop.troubles(thread)


async def test_what_the_server_has_forgotten_is_told_again(served: Backdrop) -> None:
    """Responses expire, conversations are deleted, machines are replaced: the whole thread is sent, once (R6)."""
    served.plays("hello", HandsOver(call("open_page", page="about")), "open", "still here", "yes")
    async with served.threads(durable=True) as threads:
        thread = await threads.open("t")
        await thread.send("hi")
        await thread.send("about")
    served.forget()
    async with served.threads(durable=True) as threads:
        thread = await threads.open("t")
        replies = [await thread.send("are you there?")]
        served.forget()
        replies.append(await thread.send("really?"))

    messages = ("hi", "about", "are you there?", "really?")
    assert (["still here", "yes"], list(messages)) == ([one.text for one in replies], heard(served.last(), *messages))
    assert (True, []) == (
        in_order(served.last(), "hi", "hello", "about", "about is open", "open", "still here", "really?"),
        served.troubles(thread),
    )
