"""Small valid JSON values, made up from a type's JSON schema and proved by its validation.

What is offered is tried, and only what the type itself accepts is kept; so a rule that the schema does not tell (a
validator of the author's) is never broken, and at worst nothing is found. The same type gives the same values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from handoff.declaration.annotations import is_mapping
from handoff.testing.patterns import matching

#: A JSON schema.
Schema = Mapping[str, Any]

#: At most this many values are kept of a type that is not listed whole.
MOST_KEPT = 24
#: At most this many values are tried.
MOST_TRIED = 600
#: Models within models are followed this deep.
DEEPEST = 5
#: A list or a text is made this long at most where a guard asks for its length.
LONGEST = 40

TEXTS: Sequence[str] = (
    *("a", "A", "1", "text", "Text", "a1", "A1", "ab", "AB", "abc", "ABC", "a-b", "a_b", "a.b", "a/b", "/a", "#a", "0"),
    *("a@example.com", "https://example.com/", "127.0.0.1", "::1", "example.com", "en", "EN", "de-DE", "EUR", "12345"),
    *(
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-01-02T03:04:05Z",
        "03:04:05",
        "2026-01",
        "P1D",
        "+4930123456",
        "1.0.0",
    ),
    *("00000000-0000-4000-8000-000000000000", "a b", "A-1", "ABC-123", "YQ==", "{}", ""),
)
"""Texts that some format or pattern is likely to take, the simplest first."""

FORMATS: Mapping[str, str] = {
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
    "time": "03:04:05",
    "duration": "P1D",
    "email": "a@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
}
"""A text of each format that JSON schemas name."""

NUMBERS: Sequence[float] = (1, 0, 2, 3, 5, 10, 100, 1000, -1, 0.5, 1.5, 99.9)


class Nothing(ValueError):
    """No valid value could be made up."""


def invent(annotation: Any, hints: Iterable[Any] = (), *, strict: bool = False) -> list[Any]:
    """Make up values of a type, as JSON, the simplest first; all of them where the type lists them.

    Args:
        annotation: the type, with its constraints.
        hints: values that somebody asks about, and that are worth trying.
        strict: the type is to take them as strictly as the arguments of a model.

    Raises:
        Nothing: no value that was tried is valid.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    schema = adapter.json_schema()
    maker = _Maker(schema.get("$defs", {}), tuple(_hinted(hints)))
    kept: dict[str, Any] = {}
    for value in islice(maker.values(schema, DEEPEST), MOST_TRIED):
        if value is not None and repr(value) not in kept and _accepts(adapter, value, strict=strict):
            kept[repr(value)] = value
            if len(kept) == MOST_KEPT and not maker.listing:
                break
    if not kept:
        raise Nothing
    return list(kept.values())


def _accepts(adapter: TypeAdapter[Any], value: Any, *, strict: bool) -> bool:
    try:
        made = adapter.validate_json(json.dumps(value), strict=True) if strict else adapter.validate_python(value)
        return adapter.dump_python(made, mode="json") is not None
    except (ValidationError, ValueError, TypeError, ArithmeticError):
        return False


def _hinted(hints: Iterable[Any]) -> Iterator[Any]:
    """Yield the values as JSON, and for numbers those just beside them."""
    for hint in hints:
        try:
            value = to_jsonable_python(hint)
        except ValueError:
            continue
        yield value
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield value + 1
            yield value - 1


class _Maker:
    """Makes values for the schemas of one type."""

    def __init__(self, definitions: Schema, hints: Sequence[Any]) -> None:
        self._definitions = definitions
        self._hints = hints
        #: All values so far were read from a list of all.
        self.listing = True

    def values(self, schema: Schema, depth: int) -> Iterator[Any]:
        """Yield values a schema seems to take, the simplest first.

        Args:
            schema: the schema.
            depth: how deep to follow it.
        """
        if "$ref" in schema:
            name = str(schema["$ref"]).rpartition("/")[2]
            if depth > 0 and name in self._definitions:
                yield from self.values({**self._definitions[name], **_without(schema, "$ref")}, depth - 1)
            return
        for union in ("anyOf", "oneOf"):
            if union in schema:
                yield from _in_turn([self.values(one, depth) for one in schema[union]])
                return
        if "allOf" in schema:
            merged: dict[str, Any] = {}
            for one in schema["allOf"]:
                merged.update(one)
            yield from self.values({**merged, **_without(schema, "allOf")}, depth)
            return
        if "const" in schema or "enum" in schema:
            yield from schema.get("enum", [schema.get("const")])
            return
        if schema.get("type") in ("boolean", "null"):
            yield from [True, False] if schema["type"] == "boolean" else [None]
            return
        self.listing = False
        match schema.get("type"):
            case "string":
                yield from self._texts(schema)
            case "integer" | "number":
                yield from self._numbers(schema)
            case "array":
                yield from self._lists(schema, depth)
            case "object":
                yield from self._objects(schema, depth)
            case _:
                yield from (*self._hints, "a", 1, True, [], {})

    def _texts(self, schema: Schema) -> Iterator[str]:
        if schema.get("format") in FORMATS:
            yield FORMATS[schema["format"]]
        shortest = schema.get("minLength", 0)
        fitting = [text for text in TEXTS if text and len(text) >= shortest]
        yield from fitting[:1] if "pattern" not in schema else ()
        yield from (hint for hint in self._hints if isinstance(hint, str))
        yield from ("a" * length for length in (shortest, *self._lengths()) if length >= max(shortest, 1))
        if "pattern" in schema:
            yield from matching(schema["pattern"])
        yield from fitting
        if not shortest:
            yield ""

    def _numbers(self, schema: Schema) -> Iterator[Any]:
        least, most = schema.get("minimum"), schema.get("maximum")
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        step = schema.get("multipleOf")
        beside = 1 if schema["type"] == "integer" else 0.5
        found = [
            *NUMBERS[:2],
            *(hint for hint in self._hints if isinstance(hint, (int, float)) and not isinstance(hint, bool)),
            *(one for one in (least, most, step) if one is not None),
            *(one + beside for one in (above,) if one is not None),
            *(one - beside for one in (below,) if one is not None),
            *NUMBERS,
        ]
        lowest = least if least is not None else above
        if step and lowest is not None:
            found += [step * (lowest // step + 1), step * (lowest // step + 2)]
        if above is not None and below is not None:
            found.append((above + below) / 2)
        yield from (int(one) if isinstance(one, float) and one.is_integer() else one for one in found)

    def _lists(self, schema: Schema, depth: int) -> Iterator[list[Any]]:
        fixed = [next(self.values(one, depth), None) for one in schema.get("prefixItems", [])]
        items = schema.get("items", {})
        item = list(islice(self.values(items, depth), MOST_KEPT)) if items is not False and depth > 0 else []
        shortest, longest = schema.get("minItems", 0), schema.get("maxItems", LONGEST)
        if fixed or items is False:
            yield fixed
        different = bool(schema.get("uniqueItems"))
        for length in dict.fromkeys((max(shortest, 1), 0, 2, *self._lengths())):
            if shortest <= length <= longest and (item or not length):
                yield item[:length] if different else item[:1] * length
        yield from ([one] for one in item)

    def _objects(self, schema: Schema, depth: int) -> Iterator[dict[str, Any]]:
        properties: Schema = schema.get("properties", {})
        required = schema.get("required", [])
        choices = {
            name: [one for one in islice(self.values(inner, depth), MOST_KEPT) if one is not None]
            for name, inner in properties.items()
        }
        if any(not choices.get(name) for name in required):
            return
        # A property may have rules that its schema does not tell: each is varied by itself, too.
        least = {name: choices[name][0] for name in required}
        full = {name: values[0] for name, values in choices.items() if values}
        rest = schema.get("additionalProperties")
        other = list(islice(self.values(rest, depth), 3)) if is_mapping(rest) and depth > 0 else []
        if other and not properties:
            yield {"a": other[0]}
        yield least
        yield full
        for name, values in choices.items():
            for value in values:
                yield {**least, name: value}
        for at in range(1, max((len(values) for values in choices.values()), default=0)):
            yield {name: values[min(at, len(values) - 1)] for name, values in choices.items() if values}
        for hint in self._hints:
            if isinstance(hint, str) and other:
                yield {hint: other[0]}

    def _lengths(self) -> Iterator[int]:
        """Yield the lengths somebody may ask for."""
        yield from (hint for hint in self._hints if type(hint) is int and 0 <= hint <= LONGEST)


def _without(schema: Schema, name: str) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != name}


def _in_turn(sources: Sequence[Iterator[Any]]) -> Iterator[Any]:
    """Yield one of each source after the other, so that a long one hides none."""
    waiting = list(sources)
    while waiting:
        for source in list(waiting):
            try:
                yield next(source)
            except StopIteration:
                waiting.remove(source)
