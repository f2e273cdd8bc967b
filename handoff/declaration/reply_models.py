"""`reply=`: a pydantic model that an assistant's answers are to fit.

The server is asked for it with the model's JSON schema; whether the answer fits is decided here, on every backend. An
answer that does not ends the turn, so nobody is handed a value that is none; a refusal is an answer of its own kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticUserError

from handoff.declaration.prompt import ReplyFormat
from handoff.declaration.schema import build_schema

if TYPE_CHECKING:
    from handoff.declaration.flow import Flow

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64
#: How many problems of an answer are told.
_TOLD = 5


def check_reply(name: str, given: object, refuse: Callable[[str], Exception]) -> type[BaseModel]:
    """Return the model an assistant declares as its `reply`.

    Args:
        name: the assistant's name.
        given: what was given.
        refuse: makes the error to raise.

    Raises:
        DefinitionError: it is no model whose JSON is an object with fields.
    """
    if isinstance(given, BaseModel):
        raise refuse(f"{name} has reply={type(given).__name__}(…): give the class itself, reply={type(given).__name__}")
    if not (isinstance(given, type) and issubclass(given, BaseModel)) or given is BaseModel:
        raise refuse(f"{name} has reply={given!r}: give a class derived from pydantic.BaseModel")
    try:
        schema = format_of(given).schema
    except (PydanticUserError, TypeError, ValueError) as error:
        raise refuse(f"{name} has reply={given.__name__}, which has no JSON schema: {_first_line(error)}") from None
    if schema.get("type") != "object" or not schema.get("properties"):
        problem = "is no object with fields of its own: give a model that holds it in a field"
        raise refuse(f"{name} has reply={given.__name__}, which {problem}")
    return given


@cache
def format_of(model: type[BaseModel]) -> ReplyFormat:
    """Return a model as backends are told of it.

    Args:
        model: what answers are to fit.
    """
    schema, strict = build_schema(model, {}, {})
    return ReplyFormat(_NOT_IN_NAMES.sub("_", model.__name__)[:_LONGEST_NAME], schema, strict)


def value_of(flow: Flow[Any, Any], assistant: str, text: str) -> BaseModel | None:
    """Return what an assistant said as a value of its `reply`; None if it has none, or the text does not fit it now.

    Args:
        flow: the declaration.
        assistant: who said it.
        text: what was said.
    """
    declared = flow.assistants.get(assistant)
    model = None if declared is None else declared.options.reply
    if model is None:
        return None
    try:
        return model.model_validate_json(text)
    except ValidationError:
        return None


def problem_of(model: type[BaseModel], text: str) -> str | None:
    """Return why a text is no value of a model, or None.

    Args:
        model: what it is to fit.
        text: what was said.
    """
    try:
        model.model_validate_json(text)
    except ValidationError as error:
        problems = [f"{_place(one['loc'])}{one['msg']}" for one in error.errors(include_url=False, include_input=False)]
        more = f"; and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
        return "; ".join(problems[:_TOLD]) + more
    except Exception as error:  # noqa: BLE001 - a validator of the flow's author failed
        return f"{type(error).__name__}: {_first_line(error)}"
    return None


def _place(loc: tuple[int | str, ...]) -> str:
    return f"{'.'.join(map(str, loc))}: " if loc else ""


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]
