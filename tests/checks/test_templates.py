"""Which fields instructions need, what they print, and what they only ask for."""

from __future__ import annotations

import pytest

from handoff import Metadata
from handoff.checks.templates import needs_of
from handoff.declaration.instructions import Instructions
from handoff.declaration.place import Place
from handoff.errors import InstructionsError


class Facts(Metadata):
    a: str | None = None
    b: str | None = None
    c: list[str] | None = None
    n: int | None = None


def needed(text: str) -> set[str]:
    return set(needs_of(Instructions(text, Facts, "one", Place(__file__, 1))).needed)


CASES = [
    pytest.param("{{ a }}", "a", id="printed"),
    pytest.param("{{ a | upper }}", "a", id="filtered"),
    pytest.param("{{ a ~ b }}", "ab", id="joined"),
    pytest.param("{% if a %}{{ a }}{% endif %}", "", id="under-if"),
    pytest.param("{% if a %}{{ b }}{% endif %}", "b", id="under-another-if"),
    pytest.param("{% if not a %}none{% else %}{{ a }}{% endif %}", "", id="else-of-not"),
    pytest.param("{% if not a %}{{ a }}{% endif %}", "a", id="under-not"),
    pytest.param("{% if a and b %}{{ a }}{{ b }}{% endif %}", "", id="under-and"),
    pytest.param("{% if a or b %}{{ a }}{% endif %}", "a", id="under-or"),
    pytest.param("{% if not a or not b %}x{% else %}{{ a }}{{ b }}{% endif %}", "", id="else-of-or"),
    pytest.param("{% if a is none %}x{% else %}{{ a }}{% endif %}", "", id="is-none"),
    pytest.param("{% if a is not none %}{{ a }}{% endif %}", "", id="is-not-none"),
    pytest.param("{% if a != none %}{{ a }}{% endif %}", "", id="unequal-none"),
    pytest.param("{% if a == 'x' %}{{ a }}{% endif %}", "", id="equal-to-a-value"),
    pytest.param("{% if a != 'x' %}{{ a }}{% endif %}", "a", id="unequal-to-a-value"),
    pytest.param("{% if a == none %}x{% elif b %}{{ a }}{{ b }}{% endif %}", "", id="elif"),
    pytest.param("{{ a or 'x' }}", "", id="or"),
    pytest.param("{{ a or b }}", "b", id="or-another"),
    pytest.param("{{ a if a else 'x' }}", "", id="inline-if"),
    pytest.param("{{ b if a else 'x' }}", "b", id="inline-if-another"),
    pytest.param("{{ a | default('x', true) }}", "", id="default-for-none"),
    pytest.param("{{ a | default('x') }}", "a", id="default-not-for-none"),
    pytest.param("{% for one in c %}{{ one }}{% endfor %}", "c", id="loop"),
    pytest.param("{% for one in c or [] %}{{ one }}{% endfor %}", "", id="loop-or-nothing"),
    pytest.param("{% for one in c or [] %}{{ a }}{% endfor %}", "a", id="inside-a-loop"),
    pytest.param("{% if n > 3 %}x{% endif %}", "n", id="ordered"),
    pytest.param("{% if n and n > 3 %}x{% endif %}", "", id="ordered-if-set"),
    pytest.param("{% if 'x' in c %}x{% endif %}", "c", id="in"),
    pytest.param("{% set x = a or 'x' %}{{ x }}", "", id="set"),
    pytest.param("{# {{ a }} #}", "", id="comment"),
]


@pytest.mark.parametrize(("text", "fields"), CASES)
def test_what_is_needed(text: str, fields: str) -> None:
    """Exactly these fields must be set."""
    assert set(fields) == needed(text)


@pytest.mark.parametrize(("text", "fields"), CASES)
def test_with_what_is_needed_set_and_nothing_else_it_can_be_rendered(text: str, fields: str) -> None:
    """The template engine agrees: no other field has to be set."""
    values = {"a": "text", "b": "text", "c": ["text"], "n": 5}
    metadata = Facts.model_validate({name: values[name] for name in fields})

    assert isinstance(Instructions(text, Facts, "one", Place(__file__, 1)).render(metadata), str)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        pytest.param(*one.values, id=one.id)
        for one in CASES
        if one.values[1] in {"a", "c", "n"} and "upper" not in one.id
    ],
)
def test_without_what_is_needed_it_is_not_rendered_as_meant(text: str, field: str) -> None:
    """With the field unset the engine fails in some case of the others, or prints None."""
    del field
    template = Instructions(text, Facts, "one", Place(__file__, 1))
    outcomes: list[str] = []
    for others in ({}, {"b": "x"}, {"c": ["x"]}, {"a": "x"}, {"a": "x", "b": "x"}):
        try:
            outcomes.append(template.render(Facts.model_validate(others)))
        except InstructionsError:
            outcomes.append("failed")

    assert {"failed", "None", "NONE", '"NONE"'} & set(outcomes)


def test_what_is_printed_bare_is_told_apart() -> None:
    """A field that is printed as it is may stand unquoted; a filter's result never does."""
    needs = needs_of(Instructions("{{ a }} {{ b | upper }} {% if n %}{{ n }}{% endif %}", Facts, "one", Place("", 1)))

    assert {"a", "n"} == needs.printed
