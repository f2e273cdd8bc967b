"""Schemas that a request wants to be kept to strictly: OpenAI refuses those whose objects leave anything open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from handoff.backends.wire import listed, mapping
from handoff.sandbox.rules import refused
from handoff.sandbox.world import Wire

#: Where schemas stand within one: by name, in a list, alone.
_NAMED, _LISTED, _ALONE = ("properties", "$defs", "definitions"), ("anyOf", "oneOf", "allOf"), ("items",)


def check_strict(body: Wire) -> None:
    """Refuse a function, or a format of the answer, that is strict and whose schema is not.

    Args:
        body: of a request.

    Raises:
        Refused: an object of the schema has no `additionalProperties: false`, or does not require all its properties.
    """
    for index, tool in enumerate(body.get("tools") or ()):
        nested = "function" in tool
        function = tool["function"] if nested else tool
        if tool.get("type") == "function" and function.get("strict") is True:
            param = f"tools[{index}].function.parameters" if nested else f"tools[{index}].parameters"
            _check("function_open", function, function.get("parameters"), param=param)
    formats = {
        "text_format_open": mapping(mapping(body.get("text")).get("format")),
        "response_format_open": mapping(mapping(body.get("response_format")).get("json_schema")),
    }
    for refusal, told in formats.items():
        if told.get("strict") is True:
            _check(refusal, told, told.get("schema"))


def _check(refusal: str, named: Mapping[str, Any], schema: Any, **fields: object) -> None:
    for place, part in _objects(schema):
        problem = _open(part)
        if problem:
            raise refused(refusal, name=named.get("name"), place=place, problem=problem, **fields)


def _open(part: Mapping[str, Any]) -> str:
    """What an object leaves open, in OpenAI's words; empty if nothing."""
    if part.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    required = listed(part.get("required"))
    missing = [name for name in mapping(part.get("properties")) if name not in required]
    if missing:
        listing = "'required' is required to be supplied and to be an array including every key in properties."
        return f"{listing} Missing '{missing[0]}'."
    return ""


def _objects(schema: Any) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The objects of a schema, each with its place; a schema may be nested deeper than Python calls itself."""
    left: list[tuple[tuple[str, ...], Any]] = [((), schema)]
    while left:
        place, value = left.pop()
        part = mapping(value)
        if part.get("type") == "object" or "properties" in part:
            yield place, part
        inner: list[tuple[tuple[str, ...], Any]] = []
        for key in _NAMED:
            inner += [((*place, key, name), one) for name, one in mapping(part.get(key)).items()]
        for key in _LISTED:
            inner += [((*place, key, str(number)), one) for number, one in enumerate(listed(part.get(key)))]
        inner += [((*place, key), part[key]) for key in _ALONE if key in part]
        left += reversed(inner)
