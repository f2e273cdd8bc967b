"""Arguments are hostile: whatever is wrong with them ends in one typed refusal that the model can read."""

from __future__ import annotations

import base64
import json
import os
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel, StringConstraints

from handoff.declaration.flow import Flow
from handoff.declaration.metadata import Metadata
from handoff.declaration.tools import Tool
from handoff.errors import ArgumentsRefused

PageId = Annotated[str, StringConstraints(pattern=r"^[a-z]+$")]
DATA = Path(os.environ.get("HANDOFF_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


class Item(BaseModel):
    name: str
    count: int


class Site(Metadata):
    page_id: PageId | None = None


def tool_of(function: Any, **options: Any) -> Tool:
    flow = Flow("desk", metadata=Site)
    flow.assistant("first", instructions="").tool(**options)(function)
    return flow.tools_of("first")[function.__name__]


def edit(
    text: str,
    count: int = 1,
    kind: Literal["a", "b"] = "a",
    ratio: float | None = 0.5,
    items: list[Item] | None = None,
    day: date | None = None,
    sure: bool = False,
) -> str:
    """Edit."""
    return f"{text}{count}{kind}{ratio}{items}{day}{sure}"


EDIT = tool_of(edit)
DEFAULTS: dict[str, Any] = {"count": 1, "kind": "a", "ratio": 0.5, "items": None, "day": None, "sure": False}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param('{"text": "x"}', {}, id="defaults"),
        pytest.param('{"text": "x", "count": null, "kind": null}', {}, id="null-for-the-default"),
        pytest.param('{"text": "x", "ratio": null}', {"ratio": None}, id="null-where-it-is-a-value"),
        pytest.param('{"text": "x", "ratio": 2}', {"ratio": 2.0}, id="whole-number-as-number"),
        pytest.param('{"text": "x", "day": "2026-01-31"}', {"day": date(2026, 1, 31)}, id="date"),
        pytest.param(
            '{"text": "x", "items": [{"name": "a", "count": 1}]}', {"items": [Item(name="a", count=1)]}, id="model"
        ),
        pytest.param('  {"text": "x"}\n', {}, id="blanks-around"),
        pytest.param('{"text": "x", "sure": true}', {"sure": True}, id="bool"),
    ],
)
def test_arguments_become_values(arguments: str, expected: dict[str, Any]) -> None:
    """Every parameter has a value afterwards, defaults filled in."""
    assert {"text": "x", **DEFAULTS, **expected} == EDIT.parse(arguments)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param("", "arguments: is no valid JSON (Expecting value at character 0)", id="empty"),
        pytest.param('{"text"', "arguments: is no valid JSON (Expecting ':' delimiter at character 7)", id="truncated"),
        pytest.param('["x"]', "arguments: must be a JSON object", id="array"),
        pytest.param("null", "arguments: must be a JSON object", id="null"),
        pytest.param('"{}"', "arguments: must be a JSON object", id="double-encoded"),
        pytest.param('{"text": "x", "text": "y"}', "arguments: has a key twice in one object", id="duplicate-key"),
        pytest.param(
            '{"text": "x", "items": [{"name": "a", "name": "b", "count": 1}]}',
            "arguments: has a key twice in one object",
            id="duplicate-key-inside",
        ),
        pytest.param('{"text": "x", "ratio": NaN}', "arguments: holds NaN, which is no JSON", id="nan"),
        pytest.param(
            '{"text": "x", "ratio": -Infinity}', "arguments: holds -Infinity, which is no JSON", id="infinity"
        ),
        pytest.param('{"text": "x", "ratio": 1e999}', "arguments: holds a number that is too large", id="exponent"),
        pytest.param(
            '{"text": "x", "count": ' + "9" * 5000 + "}",
            "arguments: holds a number of more than 300 digits",
            id="5000-digits",
        ),
        pytest.param("[" * 200_000, "arguments: is nested too deeply", id="deep"),
        pytest.param(
            '{"text": "\\ud800"}', "arguments: a text holds half a character (a lone surrogate)", id="escaped"
        ),
        pytest.param(
            '{"text": "\ud800"}', "arguments: a text holds half a character (a lone surrogate)", id="surrogate"
        ),
        pytest.param('{"\\udfff": 1}', "arguments: a text holds half a character (a lone surrogate)", id="in-a-key"),
        pytest.param('{"text": "' + "x" * 1_000_000 + '"}', "arguments: is longer than 1000000 characters", id="huge"),
        pytest.param("{}", "text: is required", id="missing"),
        pytest.param('{"text": null}', "text: Input should be a valid string", id="null-without-default"),
        pytest.param('{"text": 3}', "text: Input should be a valid string", id="number-for-text"),
        pytest.param('{"text": "x", "count": "3"}', "count: Input should be a valid integer", id="text-for-number"),
        pytest.param('{"text": "x", "count": true}', "count: Input should be a valid integer", id="bool-for-number"),
        pytest.param('{"text": "x", "count": 1.0}', "count: Input should be a valid integer", id="fraction"),
        pytest.param('{"text": "x", "kind": "c"}', "kind: Input should be 'a' or 'b'", id="no-such-word"),
        pytest.param('{"text": "x", "page": 1}', "page: is no parameter of this tool", id="unknown-key"),
        pytest.param('{"text": "x", "items": [{"name": "a"}]}', "items.0.count: is required", id="missing-in-a-model"),
        pytest.param('{"count": "x"}', "text: is required; count: Input should be a valid integer", id="two-problems"),
    ],
)
def test_arguments_are_refused_in_words(arguments: str, text: str) -> None:
    """The error reads `<field>: <problem>`, several joined, and nothing else is ever raised."""
    with pytest.raises(ArgumentsRefused) as caught:
        EDIT.parse(arguments)

    assert text == str(caught.value)


def test_what_the_model_wrote_is_shown_short_and_on_one_line() -> None:
    """Field names come from the model too: long ones are cut, many are counted."""
    arguments = json.dumps({"text": "x", **{f"{number}\n{'k' * 500}": 1 for number in range(50)}})
    with pytest.raises(ArgumentsRefused) as caught:
        EDIT.parse(arguments)

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2000
    assert str(caught.value).endswith("arguments: 45 more problems")


def test_what_is_no_text_is_refused() -> None:
    """A backend may pass on anything."""
    with pytest.raises(ArgumentsRefused, match="must be a JSON text"):
        EDIT.parse({"text": "x"})  # type: ignore[arg-type]


def test_an_argument_that_metadata_would_refuse_is_refused_before_the_body_runs() -> None:
    """What `sets` stores is judged by the field's constraints, though the parameter has none."""

    def open_page(page_id: str) -> str:
        """Open."""
        return page_id

    tool = tool_of(open_page, sets="page_id")

    assert {"page_id": "home"} == tool.parse('{"page_id": "home"}')
    with pytest.raises(ArgumentsRefused, match="page_id: String should match pattern"):
        tool.parse('{"page_id": "../etc"}')


def test_null_is_refused_for_an_argument_that_is_stored() -> None:
    """A field in `sets` is set afterwards, so null is told to the model before the body runs."""

    def open_page(page_id: PageId | None = None) -> str:
        """Open."""
        return page_id or ""

    with pytest.raises(ArgumentsRefused, match="page_id: must not be null, because it is kept"):
        tool_of(open_page, sets="page_id").parse("{}")


def test_a_validator_that_fails_is_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever an author's validator raises is logged and told as a refusal."""

    def explode(_value: str) -> str:
        raise KeyError("boom")

    def say(word: Annotated[str, AfterValidator(explode)]) -> str:
        """Say."""
        return word

    with pytest.raises(ArgumentsRefused, match="arguments: could not be checked"):
        tool_of(say).parse('{"word": "x"}')
    assert "boom" in caplog.text


def test_parameters_may_be_named_like_anything() -> None:
    """Names that a pydantic model uses itself are parameters like others."""

    def say(schema: str, copy: int, model_config: str, f0: str, json: str = "j") -> str:
        """Say."""
        return f"{schema}{copy}{model_config}{f0}{json}"

    arguments = '{"schema": "s", "copy": 1, "model_config": "m", "f0": "f"}'

    assert {"schema": "s", "copy": 1, "model_config": "m", "f0": "f", "json": "j"} == tool_of(say).parse(arguments)


def rows(file: str) -> list[dict[str, Any]]:
    path = DATA / file
    if not path.exists():
        if os.environ.get("HANDOFF_TEST_REQUIRE") == "all" and DATA.exists():
            pytest.fail(f"{path} is missing")
        pytest.skip(f"{path} is not there; HANDOFF_TEST_DATA names the folder that has it")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


NEVER_VALID = {
    *(
        "truncated",
        "trailing_comma",
        "single_quotes",
        "fenced",
        "double_encoded",
        "concatenated_twice",
        "trailing_prose",
    ),
    *("empty_string", "null", "array_not_object", "duplicate_key", "lone_surrogate", "raw_newline_in_string", "nan"),
    *("literal_backslash_n_outside", "huge_int", "huge_exponent", "deep_nesting", "extra_key", "wrong_type", "bom"),
    *("python_literals", "unquoted_keys"),
}


def test_mutated_arguments_end_in_values_or_a_refusal() -> None:
    """Real argument objects, damaged in many ways: refused, or exactly what the JSON says."""
    broken: list[str] = []
    for row in rows("toolcall_args_mutations.jsonl"):
        tool = _tool_taking(row["gold"])
        try:
            values: Any = tool.parse(row["arguments"])
        except ArgumentsRefused:
            values = None
        if row["mutation"] in NEVER_VALID and values is not None:
            broken.append(f"{row['mutation']} was accepted: {row['arguments'][:80]}")
        if values is not None and values != json.loads(row["arguments"]):
            broken.append(f"{row['mutation']} was changed: {row['arguments'][:80]}")

    assert [] == broken


def _tool_taking(gold: dict[str, Any]) -> Tool:
    def take() -> str:
        """Take."""
        return ""

    import inspect

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=type(value)) for name, value in gold.items()
    ]
    take.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    take.__annotations__.update({name: type(value) for name, value in gold.items()})
    return tool_of(take)


def test_a_json_test_suite_ends_in_values_or_a_refusal() -> None:
    """As whole arguments and as the value of one: what must be rejected is, and nothing else is raised."""

    def take(value: Any) -> str:
        """Take."""
        return str(value)

    tool = tool_of(take)
    accepted: list[str] = []
    for row in rows("jsontestsuite.jsonl"):
        text = base64.b64decode(row["b64"]).decode("utf-8", "surrogateescape")
        for arguments in (text, f'{{"value": {text}}}'):
            try:
                tool.parse(arguments)
            except ArgumentsRefused:
                continue
            if row["expect"] == "reject":
                accepted.append(row["name"])

    assert [] == accepted
