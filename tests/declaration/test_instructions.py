"""Instructions are templates over metadata, and values in them are data."""

from __future__ import annotations

import enum
import json
import os
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, StringConstraints

from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Metadata
from handoff.errors import DefinitionError, InstructionsError

DATA = Path(os.environ.get("HANDOFF_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


class Color(enum.Enum):
    RED = "red one"


class Level(enum.IntEnum):
    HIGH = 3


class Item(BaseModel):
    name: str
    code: Annotated[str, StringConstraints(pattern="^[A-Z]+$")] = "X"


class Shop(Metadata):
    note: str | None = None
    page_id: Annotated[str, StringConstraints(pattern="^[a-z]+$")] | None = None
    unanchored: Annotated[str, StringConstraints(pattern="[a-z]+")] | None = None
    either: Annotated[str, StringConstraints(pattern="^[a-z]+|[0-9]+$")] | None = None
    anything: Annotated[str, StringConstraints(pattern="^(?s:.*)$")] | None = None
    word: Literal["one", "two words"] | None = None
    color: Color | None = None
    level: Level | None = None
    count: int | None = None
    price: Decimal | None = None
    day: date | None = None
    moment: datetime | None = None
    pause: timedelta | None = None
    sure: bool | None = None
    tags: list[str] | None = None
    words: list[Literal["a", "b"]] | None = None
    item: Item | None = None
    items: list[Item] | None = None
    amounts: dict[str, int] | None = None


def render(template: str, **values: Any) -> str:
    flow = Flow("shop", metadata=Shop)
    flow.assistant("only", instructions=template)
    return flow.instructions_of("only", Shop(**values))


@pytest.mark.parametrize(
    ("template", "values", "expected"),
    [
        pytest.param("{{ note }}", {"note": "free"}, '"free"', id="free-text"),
        pytest.param("{{ note }}", {"note": 'a"b\\c'}, '"a\\"b\\\\c"', id="quotes"),
        pytest.param("{{ note }}", {"note": "a\nsystem: b\r\u2028"}, '"a\\nsystem: b\\r\\u2028"', id="lines"),
        pytest.param("{{ note }}", {"note": "</data><b>"}, '"\\u003c/data\\u003e\\u003cb\\u003e"', id="tags"),
        pytest.param("{{ note }}", {"note": "żółć 漢字 \U0001f600"}, '"żółć 漢字 \U0001f600"', id="many-writings"),
        pytest.param("{{ note }}", {"note": "\u202eabc\x00\x7f"}, '"\\u202eabc\\u0000\\u007f"', id="invisible"),
        pytest.param("{{ note }}", {"note": "\U000e0041"}, '"\\udb40\\udc41"', id="invisible-astral"),
        pytest.param("{{ note }}", {"note": "{{ count }}"}, '"{{ count }}"', id="never-rendered-twice"),
        pytest.param("{{ page_id }}", {"page_id": "home"}, "home", id="anchored-pattern"),
        pytest.param("{{ unanchored }}", {"unanchored": "a b"}, '"a b"', id="unanchored-pattern"),
        pytest.param("{{ either }}", {"either": "ab"}, '"ab"', id="half-anchored-pattern"),
        pytest.param("{{ anything }}", {"anything": "a\nb"}, '"a\\nb"', id="pattern-with-control-characters"),
        pytest.param("{{ word }}", {"word": "two words"}, "two words", id="literal-type"),
        pytest.param("{{ color }}", {"color": Color.RED}, "red one", id="enum"),
        pytest.param("{{ level }}", {"level": Level.HIGH}, "3", id="number-enum"),
        pytest.param("{{ count }}", {"count": 0}, "0", id="number"),
        pytest.param("{{ price }}", {"price": Decimal("1.50")}, "1.50", id="decimal"),
        pytest.param("{{ day }}", {"day": date(2026, 1, 31)}, "2026-01-31", id="date"),
        pytest.param(
            "{{ moment }}", {"moment": datetime(2026, 1, 31, tzinfo=UTC)}, "2026-01-31T00:00:00Z", id="moment"
        ),
        pytest.param("{{ pause }}", {"pause": timedelta(minutes=5)}, "PT5M", id="pause"),
        pytest.param("{{ sure }}", {"sure": False}, "false", id="bool"),
        pytest.param("{{ tags }}", {"tags": ["a", 'b"<']}, '["a", "b\\"\\u003c"]', id="list"),
        pytest.param("{{ amounts }}", {"amounts": {"a": 1}}, '{"a": 1}', id="mapping"),
        pytest.param("{{ item }}", {"item": Item(name="n")}, '{"name": "n", "code": "X"}', id="model"),
        pytest.param("{{ item.name }} {{ item.code }}", {"item": Item(name="n")}, '"n" X', id="fields-of-a-model"),
        pytest.param(
            "{% for one in items %}{{ one.code }} {% endfor %}",
            {"items": [Item(name="a"), Item(name="b")]},
            "X X ",
            id="loop",
        ),
        pytest.param("{% for one in words %}{{ one }}{% endfor %}", {"words": ["a", "b"]}, "ab", id="loop-of-literals"),
        pytest.param("{{ amounts['a'] }}", {"amounts": {"a": 1}}, "1", id="item-of-a-mapping"),
        pytest.param("{{ 'written here' }}", {}, '"written here"', id="literal-in-a-placeholder"),
        pytest.param("{{ page_id | upper }}", {"page_id": "home"}, '"HOME"', id="filtered"),
        pytest.param("{{ page_id ~ word }}", {"page_id": "home", "word": "one"}, '"homeone"', id="joined"),
        pytest.param("{{ note | safe }}", {"note": "a"}, '"a"', id="safe-is-not"),
        pytest.param("{{ tags | join(', ') }}", {"tags": ["a", "b"]}, '"a, b"', id="list-joined"),
        pytest.param("{{ note | plain }}", {"note": "a\n<b>"}, "a\n<b>", id="plain"),
        pytest.param("{{ note | plain | upper }}", {"note": "a"}, '"A"', id="plain-then-filtered"),
        pytest.param("{{ note | upper | plain }}", {"note": "a"}, "A", id="filtered-then-plain"),
        pytest.param("{{ tags | plain }}", {"tags": ["<"]}, '["<"]', id="plain-list"),
        pytest.param("{{ note or 'none yet' }}", {}, '"none yet"', id="or"),
        pytest.param("{{ page_id or 'none yet' }}", {"page_id": "home"}, "home", id="or-with-a-value"),
        pytest.param("{% if note %}{{ note }}{% else %}nothing{% endif %}", {}, "nothing", id="if"),
        pytest.param("{% set n = count + 1 %}{{ n }}", {"count": 1}, "2", id="set"),
        pytest.param("{% if color == 'red one' %}red{% endif %}", {"color": Color.RED}, "red", id="enum-compared"),
        pytest.param("{% if level > 2 %}high{% endif %}", {"level": Level.HIGH}, "high", id="number-enum-compared"),
        pytest.param("{{ day.year }}", {"day": date(2026, 1, 31)}, "2026", id="part-of-a-date"),
        pytest.param("\n    Two\n      lines\n    ", {}, "Two\n  lines", id="indentation"),
    ],
)
def test_values_stand_in_instructions_as_data(template: str, values: dict[str, Any], expected: str) -> None:
    """Closed vocabularies stand bare, everything else is quoted; `plain` opts out."""
    assert expected == render(template, **values)


@pytest.mark.parametrize(
    ("template", "values", "words"),
    [
        pytest.param("{{ note }}", {}, "a placeholder stands on an unset field", id="unset"),
        pytest.param("{{ note | plain }}", {}, "unset field", id="unset-plain"),
        pytest.param("{{ item.name }}", {}, "has no attribute 'name'", id="field-of-an-unset-model"),
        pytest.param("{{ amounts.b }}", {"amounts": {"a": 1}}, "has no attribute 'b'", id="no-such-item"),
        pytest.param("{{ 1 / count }}", {"count": 0}, "ZeroDivisionError", id="division-by-zero"),
        pytest.param("{{ note.__class__ }}", {"note": "a"}, "unsafe", id="beyond-the-sandbox"),
        pytest.param("{{ tags.append('x') }}", {"tags": []}, "unsafe|not safely", id="changing-values"),
    ],
)
def test_what_cannot_be_rendered_raises(template: str, values: dict[str, Any], words: str) -> None:
    """Any failure is one typed error that names the assistant."""
    with pytest.raises(InstructionsError, match=words) as caught:
        render(template, **values)

    assert "only" == caught.value.assistant


def test_rendering_does_not_touch_metadata() -> None:
    """Templates see presented values, never the metadata itself."""
    shop = Shop(tags=["a"], item=Item(name="n"))
    flow = Flow("shop", metadata=Shop)
    flow.assistant("only", instructions="{{ tags }}{{ item.name }}")
    flow.instructions_of("only", shop)

    assert Shop(tags=["a"], item=Item(name="n")) == shop


def test_the_instructions_of_the_flow_come_first() -> None:
    """They are a template as well."""
    flow = Flow("shop", metadata=Shop, instructions="Page {{ page_id or 'none' }}.")
    flow.assistant("only", instructions="Help.")

    assert "Page home.\n\nHelp." == flow.instructions_of("only", Shop(page_id="home"))


def test_instructions_are_read_from_a_file_beside_the_flow(tmp_path: Path) -> None:
    """A path is relative to the file that declares it, whatever the working directory."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "editor.md").write_text("Page {{ page_id }}: żółć\n", encoding="utf-8")
    flow = run_flow(tmp_path / "declared.py", "prompts/editor.md")

    assert "Page home: żółć" == flow.instructions_of("only", Shop(page_id="home"))


def test_a_wrong_file_is_named_with_its_own_line(tmp_path: Path) -> None:
    """The declaring line comes first, then the template's file and line."""
    (tmp_path / "editor.md").write_text("one\ntwo {{ pge }}\n", encoding="utf-8")
    with pytest.raises(DefinitionError) as caught:
        run_flow(tmp_path / "declared.py", "editor.md")

    assert f"{tmp_path / 'declared.py'}:5:" == str(caught.value).split()[0]
    assert f"{tmp_path / 'editor.md'}:2: Shop has no field 'pge'" in caught.value.problem


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    """Instructions are UTF-8."""
    (tmp_path / "editor.md").write_bytes(b"\xff\xfe")

    with pytest.raises(DefinitionError, match="not UTF-8"):
        run_flow(tmp_path / "declared.py", "editor.md")


def run_flow(declared: Path, instructions: str) -> Flow[Shop]:
    """Declare a flow in a file of its own."""
    source = (
        "from pathlib import Path\n"
        "from handoff.declaration.flow import Flow\n"
        "def declare(Shop):\n"
        "    flow = Flow('shop', metadata=Shop)\n"
        f"    flow.assistant('only', instructions=Path({instructions!r}))\n"
        "    return flow\n"
    )
    names: dict[str, Any] = {"__name__": "declared"}
    exec(compile(source, str(declared), "exec"), names)  # noqa: S102  (a file other than this one)
    flow: Flow[Shop] = names["declare"](Shop)
    return flow


def test_naughty_strings_stay_inside_their_quotation() -> None:
    """Whatever users type is one line, one JSON string, and comes back the same."""
    path = DATA / "blns.json"
    if not path.exists():
        if os.environ.get("HANDOFF_TEST_REQUIRE") == "all" and DATA.exists():
            pytest.fail(f"{path} is missing")
        pytest.skip(f"{path} is not there; HANDOFF_TEST_DATA names the folder that has it")
    flow = Flow("shop", metadata=Shop)
    flow.assistant("only", instructions="note: {{ note }}!")
    broken = [
        text
        for text in json.loads(path.read_text(encoding="utf-8"))
        if not re.fullmatch(r'note: "[^<>\n\r]*"!', shown := flow.instructions_of("only", Shop(note=text)))
        or json.loads(shown.removeprefix("note: ").removesuffix("!")) != text
    ]

    assert [] == broken
