"""Hostile input: whatever a model or a user writes, runs end, siblings are answered, invalid calls run nothing."""

from __future__ import annotations

import base64
import inspect
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import pytest
from pydantic import JsonValue, StringConstraints

from handoff import Flow, Metadata
from handoff.core.items import Output, UserMessage
from tests.conftest import data_file
from tests.support.forms import World
from tests.support.models import Answers, Plays, call, echo, texts
from tests.support.workshop import build

T = TypeVar("T")


@pytest.fixture
def place() -> str:
    """Where the threads live does not matter here."""
    return "memory"


def lines(directory: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in data_file(directory, name).read_text("utf-8").splitlines()]


def naughty(directory: Path) -> list[str]:
    """The list of naughty strings."""
    return json.loads(data_file(directory, "blns.json").read_text("utf-8"))


# -- a strict reading of JSON, apart from the framework's --------------------------------------------------------------


def strictly(text: str) -> Any:
    """Read JSON as strictly as two readers could agree on; raises ValueError or RecursionError."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in found}) < len(found):
            raise ValueError("a key twice")
        return dict(found)

    def refuse(word: str) -> Any:
        raise ValueError(word)

    value = json.loads(text, object_pairs_hook=pairs, parse_constant=refuse)
    for one in leaves(value):
        if isinstance(one, float) and not math.isfinite(one):
            raise ValueError("infinite")
        if isinstance(one, str):
            one.encode()
    return value


def leaves(value: Any) -> Iterator[Any]:
    """All scalars and keys in a JSON value."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


def kind_of(value: Any) -> Any:
    """The annotation that a value of this shape has."""
    if isinstance(value, dict):
        return dict[str, union(kind_of(one) for one in value.values())]
    if isinstance(value, list):
        return list[union(kind_of(one) for one in value)]
    return type(value)


def union(kinds: Iterator[Any]) -> Any:
    """One annotation for several."""
    found = list(dict.fromkeys(kinds)) or [str]
    made = found[0]
    for one in found[1:]:
        made = made | one
    return made


def fits(value: Any, gold: Any) -> bool:
    """Whether a value has the shape of another."""
    if isinstance(gold, dict):
        examples = list(gold.values())
        return isinstance(value, dict) and all(
            any(fits(one, example) for example in examples) for one in value.values()
        )
    if isinstance(gold, list):
        return isinstance(value, list) and all(any(fits(one, example) for example in gold or [""]) for one in value)
    return type(value) is type(gold) or (type(gold) is float and type(value) is int)


def taken(text: str, gold: dict[str, Any]) -> bool:
    """Whether a strict reader takes these arguments for a tool that is called as `gold` is."""
    try:
        value = strictly(text)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(value, dict) and value.keys() == gold.keys() and all(fits(value[name], gold[name]) for name in gold)
    )


def recorded(name: str, gold: dict[str, Any], ran: list[Any]) -> Callable[..., str]:
    """A tool that takes what `gold` has, and notes that its body ran."""

    def body(**values: Any) -> str:
        ran.append(values)
        return "ran"

    kinds = {field: kind_of(value) for field, value in gold.items()}
    body.__name__ = body.__qualname__ = name
    body.__doc__ = f"Do {name}."
    body.__annotations__ = {**kinds, "return": str}
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(field, keyword, annotation=kind) for field, kind in kinds.items()]
    body.__signature__ = inspect.Signature(parameters, return_annotation=str)  # type: ignore[attr-defined]
    return body


# -- arguments ---------------------------------------------------------------------------------------------------------


async def test_mutated_arguments_run_nothing_unless_a_strict_reader_takes_them(world: World, data: Path) -> None:
    """Exactly those run that are valid JSON of the right shape; every call and its sibling are answered (B2)."""
    rows = lines(data, "toolcall_args_mutations.jsonl")
    expected, found = [], []
    for gold in {json.dumps(row["gold"]): row for row in rows}.values():
        ran: list[Any] = []
        flow = Flow("mutated", metadata=Metadata)
        front = flow.assistant("front", instructions="Call the tool.")
        front.tool()(recorded(gold["tool"], gold["gold"], ran))
        front.tool()(sibling)
        mutated = [row for row in rows if row["gold"] == gold["gold"] and row["tool"] == gold["tool"]]
        steps = [
            step
            for row in mutated
            for step in ([call(gold["tool"], raw=row["arguments"]), call("sibling", text="s")], "done")
        ]
        async with world.threads(flow, Plays(*steps)) as threads:
            thread = await threads.open()
            for row in mutated:
                ran.clear()
                reply = await thread.send("go")
                answers = [item.text for item in await thread.transcript() if isinstance(item, Output)][-2:]
                found.append((row["mutation"], reply.text, bool(ran), answers[0] == "ran", answers[1]))
                runs = taken(row["arguments"], row["gold"])
                expected.append((row["mutation"], "done", runs, runs, "saw s"))

    assert expected == found
    assert (len(rows), {True, False}) == (len(found), {one[2] for one in found})


def sibling(text: str) -> str:
    """Look at a text."""
    return f"saw {text}"


async def test_every_document_of_the_json_test_suite_is_read_strictly_or_refused(world: World, data: Path) -> None:
    """Documents that must be rejected never run a body; those that must be accepted do, where no readers differ."""
    ran: list[Any] = []
    flow = Flow("suite", metadata=Metadata)
    front = flow.assistant("front", instructions="Call the tool.")
    front.tool()(sibling)

    @front.tool()
    def take(value: JsonValue) -> str:
        """Take any JSON."""
        ran.append(value)
        return "ran"

    rows = lines(data, "jsontestsuite.jsonl")
    wrong: list[Any] = []
    steps: list[Any] = []
    given = [(row, base64.b64decode(row["b64"]).decode("utf-8", "surrogateescape")) for row in rows]
    for _, document in given:
        batch = [call("take", raw=f'{{"value": {document}}}'), call("take", raw=document), call("sibling", text="s")]
        steps += [batch, "done"]
    async with world.threads(flow, Plays(*steps)) as threads:
        thread = await threads.open()
        for row, document in given:
            ran.clear()
            reply = await thread.send("go")
            answers = [item.text for item in await thread.transcript() if isinstance(item, Output)][-3:]
            accepted = row["expect"] == "accept" and readable(f'{{"value": {document}}}')
            rejected = row["expect"] == "reject" and not readable(f'{{"value": {document}}}')
            agreed = (bool(ran), answers[0] == "ran")
            if (accepted and agreed != (True, True)) or (rejected and agreed != (False, False)):
                wrong.append((row["name"], agreed))
            if (reply.text, answers[2]) != ("done", "saw s"):
                wrong.append((row["name"], reply.text, answers))

    assert [] == wrong
    assert 90 < sum(row["expect"] == "accept" and readable(f'{{"value": {document}}}') for row, document in given)


def readable(text: str) -> bool:
    """Whether a strict reader takes the text."""
    try:
        strictly(text)
    except (ValueError, RecursionError):
        return False
    return True


# -- texts -------------------------------------------------------------------------------------------------------------


async def test_naughty_strings_as_user_text_are_kept_and_answered(world: World, data: Path) -> None:
    """Whatever a user says is answered, and stands in the transcript as it was said."""
    strings = naughty(data)
    async with world.threads(build(), Answers(echo)) as threads:
        thread = await threads.open()
        replies = [(await thread.send(text)).text for text in strings]
        said = [item.text for item in await thread.transcript() if isinstance(item, UserMessage)]

    assert strings == said
    assert [f"front heard {text}" for text in strings] == replies


def quoting() -> Flow[Any, Any]:
    """A flow whose instructions show two free texts and a page."""

    class Facts(Metadata):
        note: str | None = None
        other: str | None = None

    flow = Flow("quoting", metadata=Facts)
    only = flow.assistant("only", instructions="Note: {{ note or 'none' }}|\nOther: {{ other or 'none' }}|\nEnd.")

    @only.tool(sets="other")
    def jot(other: str) -> str:
        """Note something."""
        return f"noted {len(other)}"

    return flow


async def test_naughty_strings_in_metadata_stay_data_in_instructions(world: World, data: Path) -> None:
    """Free text in instructions is one quoted JSON string, from an edit as from a tool's argument (M3)."""
    strings = [text for text in naughty(data) if text]
    model = Plays(*(step for text in strings for step in (call("jot", other=text), "noted", "seen")))
    wrong: list[str] = []
    async with world.threads(quoting(), model) as threads:
        thread = await threads.open()
        for text in strings:
            receipt = await thread.edit(note=text)
            await thread.send("jot it")
            await thread.send("and?")
            note, other, end = model.prompts[-1].instructions.split("\n")[:3]
            shown = [line.partition(": ")[2].removesuffix("|") for line in (note, other)]
            if not receipt.applied or [text, text] != [json.loads(one) for one in shown] or end != "End.":
                wrong.append(text)

    assert [] == wrong


async def test_half_characters_are_answered_like_anything_else(world: World) -> None:
    """A lone surrogate, which UTF-8 cannot hold, becomes a replacement character in a message."""
    async with world.threads(build(), Answers(echo)) as threads:
        reply = await (await threads.open()).send("half \ud83d of it")

    assert "front heard half \ufffd of it" == reply.text


async def test_a_pattern_keeps_naughty_strings_out_of_bare_fields(world: World, data: Path) -> None:
    """What stands bare in instructions has passed its pattern: no naughty string gets there by an argument."""

    class Facts(Metadata):
        page: Annotated[str, StringConstraints(pattern=r"^[a-z]+$")] | None = None

    flow = Flow("bare", metadata=Facts)
    only = flow.assistant("only", instructions="Page {{ page or 'none' }}.")

    @only.tool(sets="page")
    def choose(page: str) -> str:
        """Choose a page."""
        return "chosen"

    strings = naughty(data)
    model = Plays(*(step for text in strings for step in (call("choose", page=text), "done")))
    pages: set[str] = set()
    async with world.threads(flow, model) as threads:
        thread = await threads.open()
        for _ in strings:
            await thread.send("go")
            pages.add(thread.metadata.page or "none")

    assert all(page.isascii() and page.isalpha() and page.islower() for page in pages)


# -- page names of the site editor -------------------------------------------------------------------------------------


async def test_naughty_page_names_leave_the_site_as_it_is(world: World, data: Path, tmp_path: Path) -> None:
    """No string a model gives as a page name opens a page that is not there, or changes a file."""
    editor = pytest.importorskip("flows.site_editor.flow")
    site = tmp_path / "site"
    shutil.copytree(Path(editor.__file__).parent / "sample", site)
    before = tree(tmp_path)
    strings = [
        *naughty(data),
        "../secret",
        "/etc/passwd",
        "..",
        "a/../../b",
        "index\0",
        "con",
        "layouts/wide",
    ]
    model = Plays(*(step for text in strings for step in ([call("open_page", page=text), call("list_pages")], "done")))
    world.bench = editor.Pages(site)
    opened: list[str] = []
    async with world.threads(editor.flow, model) as threads:
        for text in strings:
            thread = await threads.open()
            await thread.send(text)
            if thread.assistant is not editor.welcome:
                opened.append(text)
            if 2 != len(texts(model.prompts[-1])):
                opened.append(f"an unanswered call beside {text}")

    assert (before, []) == (tree(tmp_path), opened)


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a directory with its bytes; databases of the test excluded."""
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file() and "site" in path.parts}
