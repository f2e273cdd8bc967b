"""Messages with images and files: journaled, told and sent as they are, or refused before anything is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import handoff.sync
from handoff import ContentRefused, File, Flow, Image, KeyReused, MemoryStore, MessageAdded, SqlStore, Text, Threads
from handoff.backends.base import Request
from handoff.backends.chat import Chat
from handoff.backends.chat.messages import messages_of
from handoff.backends.chat.question import ChatQuestion, Spelling
from handoff.backends.embedded import Embedded
from handoff.backends.parts import BYTES_A_TOKEN, TOKENS, assistants_content
from handoff.backends.profiles import Profile
from handoff.backends.responses.items import items_of
from handoff.backends.spelling import Encoder
from handoff.content import LARGEST
from handoff.core.codec import dump, dump_parts, load, load_parts
from handoff.core.events import MessageAccepted
from handoff.core.items import Spoken, UserMessage
from handoff.core.parts import Part
from handoff.declaration.prompt import Prompt
from handoff.events import as_json
from handoff.testing import Talk
from tests.support.models import Plays

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
PICTURE = Image(data=PNG, media_type="image/png", detail="low")
LINKED = Image(url="https://example.com/menu.png")
MENU = File(data=b"%PDF-1.7 menu", media_type="application/pdf", name="menu.pdf")
STORED = File(file_id="file-1")


def shop() -> Flow[Any, Any]:
    """A flow with one assistant."""
    flow = Flow("shop")
    flow.assistant("clerk", instructions="Serve.")
    return flow


@pytest.mark.parametrize(
    ("part", "problem"),
    [
        pytest.param(
            File(url="https://example.com/a.pdf"),
            "the Chat backend carries no file by url=: it takes data= or file_id=",
            id="file-url",
        ),
        pytest.param(
            Image(file_id="file-1"),
            "the Chat backend carries no image by file_id=: it takes url= or data=",
            id="image-id",
        ),
    ],
)
@pytest.mark.parametrize("way", ["send", "post", "stream"])
async def test_what_a_backend_cannot_carry_is_refused_before_anything_is_kept(
    part: Part, problem: str, way: str
) -> None:
    """There is no row, no receipt and no request; the error names the backend, the part and what to do."""
    store = MemoryStore()
    backend = Chat("tiny", base_url="http://127.0.0.1:1/v1", api_key="any")
    async with Threads(shop(), backend=backend, store=store) as threads:
        thread = await threads.open("t")
        sent = getattr(thread, way)([Text("look"), part])
        with pytest.raises(ContentRefused) as refused:
            await (anext(sent) if way == "stream" else sent)

        assert problem == str(refused.value)
        assert type(part).__name__.lower() == refused.value.part
        assert [] == list(store.inbox("t"))


async def test_a_backend_that_says_nothing_carries_text_alone() -> None:
    """A backend without declared capabilities is sent no part that is more than text."""

    class Silent(Embedded):
        def __init__(self, model: Any) -> None:
            super().__init__(model)
            del self.carries

    async with Threads(shop(), backend=Silent(Plays("nice"))) as threads:
        thread = await threads.open("t")
        reply = await thread.send([Text("a"), Text("b")])
        with pytest.raises(ContentRefused, match="Silent backend carries no image by url=: it takes no images"):
            await thread.send([LINKED])

    assert "nice" == reply.text


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        pytest.param(lambda: Text(None), "holds no text", id="text-none"),  # type: ignore[arg-type]
        pytest.param(Image, "Image got nothing: give one of url=, data=, file_id=", id="image-nothing"),
        pytest.param(
            lambda: Image(url="https://a", file_id="b"), "Image got url and file_id: give one", id="image-two"
        ),
        pytest.param(lambda: Image(data=PNG), r"media_type='': say what it is", id="image-no-type"),
        pytest.param(lambda: Image(data=b"", media_type="image/png"), "holds no bytes", id="image-empty"),
        pytest.param(lambda: Image(data="x", media_type="image/png"), "holds no bytes", id="image-text"),  # type: ignore[arg-type]
        pytest.param(lambda: Image(url="file:///etc/passwd"), "give an http or https URL, or data=", id="image-path"),
        pytest.param(lambda: Image(url="https://a", detail="huge"), "'low' or 'high'", id="image-detail"),  # type: ignore[arg-type]
        pytest.param(lambda: Image(file_id=""), "give the id the server told", id="image-id"),
        pytest.param(lambda: File(data=b"x", media_type="text/plain"), "needs name= and media_type=", id="file-name"),
        pytest.param(lambda: File(data=b"x", name="a.txt"), "needs name= and media_type=", id="file-type"),
        pytest.param(File, "File got nothing", id="file-nothing"),
    ],
)
def test_a_part_that_cannot_be_is_refused_where_it_is_made(make: Callable[[], Part], problem: str) -> None:
    """Exactly one way to its content, and what has to be known of it."""
    with pytest.raises(ContentRefused, match=problem):
        make()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param([], "the message has no parts", id="empty"),
        pytest.param(5, "5 is no message", id="number"),
        pytest.param([Text("a"), 5], "5 is no part of a message", id="number-inside"),
        pytest.param(b"ab", "97 is no part of a message", id="bytes"),
        pytest.param(
            [Image(data=bytes(LARGEST), media_type="image/png"), Image(data=b"x", media_type="image/png")],
            "hold 20,971,521 bytes, and 20,971,520 may be sent",
            id="large",
        ),
    ],
)
async def test_what_is_no_message_is_refused(content: Any, problem: str) -> None:
    """Nothing is kept of it."""
    store = MemoryStore()
    async with Threads(shop(), backend=Embedded(Plays()), store=store) as threads:
        with pytest.raises(ContentRefused, match=problem):
            await (await threads.open("t")).send(content)

        assert [] == list(store.inbox("t"))


async def test_text_alone_stays_text_however_it_is_given() -> None:
    """A list of texts is their lines, and its key is that of the text."""
    model = Plays("nice")
    async with Threads(shop(), backend=Embedded(model)) as threads:
        thread = await threads.open("t")
        await thread.send([Text("a"), "b\ud800"], key="k")
        await thread.send("a\nb\ufffd", key="k")

    assert [UserMessage("k", "a\nb\ufffd")] == list(model.prompts[0].items)


async def test_a_key_compares_the_parts() -> None:
    """The same key with the same parts says nothing twice; with other bytes it is refused."""
    model = Plays("nice")
    async with Threads(shop(), backend=Embedded(model)) as threads:
        thread = await threads.open("t")
        first = await thread.send([Text("look"), PICTURE], key="k")
        again = await thread.send([Text("look"), PICTURE], key="k")
        with pytest.raises(KeyReused):
            await thread.send([Text("look"), Image(data=PNG + b"!", media_type="image/png", detail="low")], key="k")

    assert first == again
    assert 1 == len(model.prompts)


async def test_parts_outlive_a_restart(tmp_path: Path) -> None:
    """What was posted and not yet answered is sent as it was by the next process."""
    model = Plays("nice")
    store = SqlStore(tmp_path / "threads.db")
    store_again = SqlStore(tmp_path / "threads.db")
    async with Threads(shop(), backend=Embedded(Plays()), store=store) as threads:
        thread = await threads.open("t")
        row = {"id": "m", "text": "look", "policy": "queue", "parts": dump_parts([Text("look"), PICTURE, MENU])}
        await threads._host.call(threads.store.post, "t", "message", row, at=threads._host.clock.now(), key="user:m")
    async with Threads(shop(), backend=Embedded(model), store=store_again) as threads:
        thread = await threads.open("t")
        await thread.wait()
        items = await thread.transcript()

    assert UserMessage("m", "look", (Text("look"), PICTURE, MENU)) == items[0] == model.prompts[0].items[0]


def test_a_steered_message_keeps_its_parts() -> None:
    """A message that joins a run at a batch boundary is shown with its parts, in a talk as well."""
    flow = Flow("shop")
    clerk = flow.assistant("clerk", instructions="Serve.")

    @clerk.tool()
    def look() -> str:
        """Look."""
        return "seen"

    with Talk(flow) as talk:
        talk.user("hi")
        talk.user([Text("and this"), PICTURE], while_running="steer")
        talk.calls(look)
        due = talk.state.due
        talk.says("nice")

    assert UserMessage("m2", "and this", (Text("and this"), PICTURE)) == due[-1]


def test_blocking_threads_take_parts() -> None:
    """The twin that blocks takes what the other takes."""
    model = Plays("nice", "more")
    with handoff.sync.Threads(shop(), backend=Embedded(model)) as threads:
        thread = threads.open("t")
        thread.send([PICTURE])
        told = [event for event in thread.stream([LINKED]) if isinstance(event, MessageAdded)]

    assert (LINKED,) == told[0].parts
    assert "" == told[0].text


def test_an_event_says_how_large_data_is_and_not_what_it_holds() -> None:
    """`--json` and logs name the parts of a message; bytes are counted."""
    event = MessageAdded("t", None, None, "look", "m", (Text("look"), PICTURE, LINKED, MENU))

    assert {
        "type": "message",
        "thread": "t",
        "text": "look",
        "id": "m",
        "parts": [
            {"type": "text", "text": "look"},
            {"type": "image", "media_type": "image/png", "detail": "low", "bytes": 72},
            {"type": "image", "url": "https://example.com/menu.png", "detail": "auto"},
            {"type": "file", "media_type": "application/pdf", "name": "menu.pdf", "bytes": 13},
        ],
    } == as_json(event)
    assert "PNG" not in repr(event)


def test_a_journal_without_parts_is_read_as_text() -> None:
    """What older versions wrote is read, and a text is written as they did."""
    old = {"type": "MessageAccepted", "at": 1.0, "id": "m", "text": "hi"}

    assert MessageAccepted(1.0, "m", "hi") == load(old)
    assert old == dump(MessageAccepted(1.0, "m", "hi"))


def test_parts_are_journaled_as_json_and_read_back() -> None:
    """Bytes are base 64, and each part says what it is."""
    parts = (Text("look"), PICTURE, LINKED, MENU, STORED)

    assert parts == load_parts(dump_parts(parts))
    assert {"type": "Image", "url": "https://example.com/menu.png"} == dump_parts(parts)[2]


def test_a_part_of_a_newer_version_is_refused() -> None:
    """A journal is never read with a guess."""
    with pytest.raises(handoff.StoreError, match="unknown type 'Video'"):
        load_parts([{"type": "Video"}])


def test_each_protocol_has_its_own_words() -> None:
    """Parts are spelled as the protocol has them; what one cannot say is a line of text."""
    parts = (Text("a"), PICTURE, LINKED, MENU, STORED, File(url="https://a/b"), Image(file_id="i"))
    message = UserMessage("m", "a", parts)
    png, pdf = "data:image/png;base64,iVBORw0K", "data:application/pdf;base64,JVBERi0xLjcgbWVudQ=="
    (chat,), (responses,) = messages_of([message], "clerk"), items_of([message], "clerk")
    assistants, attached = assistants_content(message, ("file_search", "web_search"))

    assert chat["content"][1].pop("image_url")["url"].startswith(png)
    assert responses["content"][1].pop("image_url").startswith(png)
    assert [
        {"type": "text", "text": "a"},
        {"type": "image_url"},
        {"type": "image_url", "image_url": {"url": "https://example.com/menu.png"}},
        {"type": "file", "file": {"filename": "menu.pdf", "file_data": pdf}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "text", "text": "(a file: https://a/b)"},
        {"type": "text", "text": "(an image: i)"},
    ] == chat["content"]
    assert [
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "detail": "low"},
        {"type": "input_image", "detail": "auto", "image_url": "https://example.com/menu.png"},
        {"type": "input_file", "filename": "menu.pdf", "file_data": pdf},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_file", "file_url": "https://a/b"},
        {"type": "input_image", "detail": "auto", "file_id": "i"},
    ] == responses["content"]
    assert [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "(an image: image/png)"},
        {"type": "image_url", "image_url": {"url": "https://example.com/menu.png", "detail": "auto"}},
        {"type": "text", "text": "(a file: menu.pdf)"},
        {"type": "text", "text": "(a file: https://a/b)"},
        {"type": "image_file", "image_file": {"file_id": "i", "detail": "auto"}},
    ] == assistants
    assert [{"file_id": "file-1", "tools": [{"type": "file_search"}]}] == attached


def test_an_image_counts_what_a_model_reads_and_not_its_bytes() -> None:
    """A large picture does not crowd the thread out of a token budget; a long file of text does."""
    encoder = Encoder(messages_of)
    picture = UserMessage("m", "", (Image(data=bytes(900_000), media_type="image/png"),))
    scan = UserMessage("m", "", (File(data=bytes(3_200_000), media_type="application/pdf", name="a.pdf"),))
    text = UserMessage("m", "", (File(data=b"x" * 90_000, media_type="text/plain", name="a.txt"),))
    sizes = [encoder.size([one], "clerk") // 3 for one in (picture, scan, text)]

    for size, tokens in zip(sizes, (TOKENS, 3_200_000 // BYTES_A_TOKEN, 30_000), strict=True):
        assert tokens <= size < tokens + 100


def test_a_budget_keeps_the_turns_before_a_picture() -> None:
    """What fits beside the picture by its tokens is sent, though the picture has more bytes than the budget."""
    due = UserMessage("m2", "", (Image(data=bytes(900_000), media_type="image/png"),))
    prompt = Prompt("clerk", "Serve.", (), (UserMessage("m1", "first"), Spoken("clerk", 1, "fine")), (due,))
    request = Request("t", 2, 1, "send", prompt, 1600.0)
    question = ChatQuestion(request, Spelling(Profile()), model="tiny", stream=False, input_tokens=3_000)

    assert b"first" in question.body()


def test_the_encoder_lets_go_of_what_is_large() -> None:
    """Pictures that were sent are not kept twice in memory for ever."""
    encoder = Encoder(messages_of)
    for index in range(5):
        encoder.encode([UserMessage(str(index), "", (Image(data=bytes(15 * 2**20), media_type="image/png"),))], "clerk")

    assert 80 * 2**20 > sum(len(spelled) for _, spelled in encoder._kept.values())
