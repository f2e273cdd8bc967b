"""The JSON schema a tool is offered with.

Strict mode of the providers wants every object closed and every property required, so a parameter with a default may be
null instead; what strict mode cannot express is offered without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel

from handoff.declaration.annotations import is_mapping, is_sequence

_NOT_STRICT = frozenset(
    {
        "oneOf",
        "allOf",
        "not",
        "prefixItems",
        "patternProperties",
        "uniqueItems",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
        "propertyNames",
        "contains",
        "default",
    }
)
"""Keywords that strict mode refuses. A default is one: strict mode would have the model fill it in."""

_NAMED = frozenset({"properties", "$defs"})
"""Keywords whose value holds schemas by name."""

_NESTED = frozenset({"items", "anyOf", "oneOf", "allOf", "prefixItems", "additionalProperties", "not"})
"""Keywords whose value is a schema or a list of them."""

_TEXTS = frozenset({"description", "title", "examples"})
"""Keywords that people and models read, and no validator."""


def build_schema(
    model: type[BaseModel], descriptions: Mapping[str, str], defaults: Mapping[str, Any]
) -> tuple[dict[str, Any], bool]:
    """The schema of a tool's parameters and whether strict mode can express it.

    Args:
        model: has one field for each parameter, under its name as alias.
        descriptions: what the parameters mean, where it is known.
        defaults: the defaults, as JSON values, of the parameters that have one.
    """
    raw = model.model_json_schema(by_alias=True)
    raw.pop("title", None)
    properties: dict[str, Any] = raw.setdefault("properties", {})
    for name, property_schema in properties.items():
        property_schema.pop("default", None)
        said = [property_schema.get("description") or descriptions.get(name, "")]
        if name in defaults and defaults[name] is not None:
            said.append(f"Null for the default, {defaults[name]!r}.")
        if text := " ".join(part for part in said if part):
            property_schema["description"] = text
    raw["required"] = list(properties)
    schema: dict[str, Any] = _tidy(raw)
    return schema, all(_strict(part) for part in subschemas(schema))


def subschemas(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and every schema within it."""
    if is_sequence(schema):
        for part in schema:
            yield from subschemas(part)
    if not is_mapping(schema):
        return
    yield cast("dict[str, Any]", schema)
    for keyword, value in schema.items():
        if keyword in _NAMED:
            for part in value.values():
                yield from subschemas(part)
        elif keyword in _NESTED:
            yield from subschemas(value)


def obstacles(schema: Mapping[str, Any]) -> list[str]:
    """What strict mode cannot express of a schema, in words; empty if it can express it."""
    found: dict[str, None] = {}
    for part in subschemas(schema):
        if not _strict(part):
            keywords = sorted(_NOT_STRICT & part.keys())
            found.update(dict.fromkeys(keywords or ["an object or value of any shape"]))
    return list(found)


def structure(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema without its texts: what must stay the same for old calls to fit."""
    cleaned: dict[str, Any] = _bare(schema, names=False)
    return cleaned


def _bare(value: Any, *, names: bool) -> Any:
    """A part of a schema without its texts; `names` says that its keys are names and no keywords."""
    if is_sequence(value):
        return [_bare(part, names=False) for part in value]
    if not is_mapping(value):
        return value
    return {
        key: _bare(part, names=not names and key in _NAMED) for key, part in value.items() if names or key not in _TEXTS
    }


def _tidy(schema: Any) -> Any:
    for part in subschemas(schema):
        part.pop("title", None)
        part.pop("discriminator", None)
        if "properties" in part and "additionalProperties" not in part:
            part["additionalProperties"] = False
        if "$ref" in part and len(part) > 1:
            # Strict mode allows nothing beside a reference.
            part["anyOf"] = [{"$ref": part.pop("$ref")}]
    return schema


def _strict(part: Mapping[str, Any]) -> bool:
    if _NOT_STRICT & part.keys():
        return False
    if part.get("type") == "object" or "properties" in part:
        closed = part.get("additionalProperties") is False
        return closed and set(part.get("required", ())) == set(part.get("properties", ()))
    return bool(part.keys() & {"type", "anyOf", "enum", "const", "$ref"})
