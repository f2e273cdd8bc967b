"""A request body is what OpenAI's own document says it may be, else it is refused with the field it is about.

The schemas (requests.json) are derived from that document; the limits of metadata (A10) and of functions' names stand
in its prose only, and are checked here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from handoff.sandbox.rules import METADATA_KEY, METADATA_PAIRS, METADATA_VALUE, Refused, refused
from handoff.sandbox.strictness import check_strict

if TYPE_CHECKING:
    import jsonschema_rs


#: Looked at last: where a field is wrong, its object's fields count as unknown too.
_UNKNOWN = ("additionalProperties", "unevaluatedProperties")

#: What a value of the right type may be refused for.
_LIMITS = ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems")

_EXACT = 2**53  # up to here a float holds every whole number
#: The longest name of a function: on Chat and Assistants, and on Responses.
NESTED_NAME, FLAT_NAME = 64, 128
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
#: The fields that say which alternative an object is.
_NAMING = (["type"], ["role"])


def parsed(body: bytes) -> dict[str, Any]:
    """Return the object a body holds; an empty body is an empty object.

    Args:
        body: the bytes of the request.

    Raises:
        Refused: if it is no JSON object.
    """
    if not body:
        return {}
    try:
        value: Any = json.loads(body, parse_constant=_no_constant, parse_float=_number)
    except RecursionError as error:
        raise refused("no_json", problem="it is nested too deeply") from error
    except ValueError as error:  # also text that is no UTF-8, and integers of thousands of digits
        raise refused("no_json", problem=str(error)) from error
    if not isinstance(value, dict):
        raise refused("no_json", problem="it is no object")
    return value  # pyright: ignore[reportUnknownVariableType]


def check(schema: str, body: dict[str, Any]) -> None:
    """Refuse a body that does not fit.

    Args:
        schema: name of the operation, as the document has it.
        body: the parsed body.

    Raises:
        Refused: if it does not fit; says which field.
    """
    errors = sorted(_validator(schema).iter_errors(body), key=lambda error: error.kind.name in _UNKNOWN)
    if errors:
        raise _refusal(errors[0])
    check_metadata(body.get("metadata"))
    check_names(body.get("tools") or ())
    check_strict(body)


def check_names(tools: Sequence[dict[str, Any]]) -> None:
    """Refuse names of functions that the model cannot be given: their limits stand in the document's prose, too.

    Args:
        tools: as they came, flat or nested.

    Raises:
        Refused: a name is empty, too long, or of other characters than letters, digits, underscores and dashes.
    """
    for index, tool in enumerate(tools):
        if tool.get("type") != "function":
            continue
        nested = "function" in tool
        name: str = (tool["function"] if nested else tool)["name"]
        param = f"tools[{index}].function.name" if nested else f"tools[{index}].name"
        most = NESTED_NAME if nested else FLAT_NAME
        if not name:
            raise refused("name_empty", param=param)
        if len(name) > most:
            raise refused("name_long", param=param, most=most, length=len(name))
        if not _NAME.fullmatch(name):
            raise refused("name_characters", param=param)


def check_metadata(metadata: dict[str, str] | None) -> None:
    """Refuse metadata beyond its limits (A10).

    Args:
        metadata: text by text; or none.

    Raises:
        Refused: if there is too much of it.
    """
    if not metadata:
        return
    if len(metadata) > METADATA_PAIRS:
        raise refused("metadata_pairs", count=len(metadata))
    for key, value in metadata.items():
        if len(key) > METADATA_KEY:
            raise refused("metadata_key", key=key, length=len(key))
        if len(value) > METADATA_VALUE:
            raise refused("metadata_value", key=key, length=len(value))


def _number(text: str) -> float:
    """A number; `16.0` is a whole one, as JSON schema has it."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return int(number) if number.is_integer() and abs(number) <= _EXACT else number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("handoff.sandbox").joinpath("requests.json").read_text("utf-8"))
    return document


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    import jsonschema_rs  # noqa: PLC0415 - of the extra

    document = _document()
    whole = {**document["requests"][schema], "$defs": document["$defs"]}
    return jsonschema_rs.Draft202012Validator(whole, mask="the value")


def _refusal(error: jsonschema_rs.ValidationError) -> Refused:
    """What an error comes to: of several alternatives the one that was meant, which has the right type and role."""
    while error.kind.name == "anyOf":
        branches: list[list[jsonschema_rs.ValidationError]] = getattr(error.kind, "context", [])
        meant = [branch for branch in branches if not any(one.instance_path[-1:] in _NAMING for one in branch)]
        depth = len(error.instance_path)
        deeper = [one for branch in meant or branches for one in branch if len(one.instance_path) > depth]
        missing = [one for branch in meant for one in branch if one.kind.name == "required"]
        beyond = [one for branch in meant for one in branch if one.kind.name in _LIMITS]
        if not deeper and not missing and len(beyond) != 1:
            break
        error = max(deeper or missing or beyond, key=lambda one: len(one.instance_path))
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path).lstrip(".")
    detail = error.kind.as_dict()
    match error.kind.name:
        case "required":
            return refused("field_missing", param=f"{path}.{detail['property']}".lstrip("."))
        case "additionalProperties" | "unevaluatedProperties":
            return refused("field_unknown", param=f"{path}.{detail['unexpected'][0]}".lstrip("."))
        case "minItems" if not error.instance:
            return refused("empty_array", param=path)
        case "type":
            return refused("field_type", param=path or "body", problem=error.message)
        case _:
            problem = "it fits none of its forms" if error.kind.name == "anyOf" else error.message
            return refused("field_value", param=path or "body", problem=problem)
