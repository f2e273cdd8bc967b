"""Arguments are text that a model wrote: nothing about them is trusted.

They are parsed once with everything refused that JSON readers disagree on, then validated strictly; whatever is wrong
ends in `ArgumentsRefused`.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic_core import to_jsonable_python

from handoff.declaration.annotations import takes_none
from handoff.declaration.assistants import Assistant
from handoff.declaration.metadata import Metadata, require_utf8
from handoff.declaration.place import as_given
from handoff.declaration.schema import build_schema
from handoff.declaration.signature import REQUIRED, Parameter, Signature, Source
from handoff.errors import ArgumentsRefused

logger = logging.getLogger("handoff")

WHOLE = "arguments"
"""The field that problems of the arguments as a whole are reported under."""

LONGEST_ARGUMENTS = 1_000_000
LONGEST_NUMBER = 300
MOST_PROBLEMS = 5
LONGEST_PROBLEM = 200

_PLAIN_WORDS = {"missing": "is required", "extra_forbidden": "is no parameter of this tool"}


class Arguments:
    """The parameters of a tool that the model fills.

    Attributes:
        schema: their JSON schema.
        strict: whether strict mode can express it.
        described: the parameters whose meaning the author says; what we say of a default or a choice does not count.
    """

    def __init__(
        self,
        signature: Signature,
        *,
        choices: Mapping[str, Assistant[Any]],
        descriptions: Mapping[str, str],
        stored: type[Metadata],
        sets: tuple[str, ...],
    ) -> None:
        """Args are the tool's own, checked before.

        Args:
            signature: the tool's function.
            choices: the destinations an assistant parameter chooses among, by name.
            descriptions: what the parameters mean, where it is known.
            stored: the flow's metadata class.
            sets: names of the arguments that are stored in it.
        """
        self._parameters = {
            parameter.name: parameter
            for parameter in signature.parameters
            if parameter.source in (Source.MODEL, Source.ASSISTANT)
        }
        self._choices = choices
        self._model = self._build_model()
        defaults = {
            name: to_jsonable_python(parameter.default)
            for name, parameter in self._parameters.items()
            if parameter.default is not REQUIRED
        }
        self.schema, self.strict = build_schema(self._model, self._described(descriptions), defaults)
        fields = zip(self._parameters, self._model.model_fields.values(), strict=True)
        self.described = frozenset(name for name, field in fields if descriptions.get(name) or field.description)
        self._stored: dict[str, TypeAdapter[Any]] = {
            name: TypeAdapter(_constrained(stored, name)) for name in sets if name in self._parameters
        }

    def _build_model(self) -> type[BaseModel]:
        # Fields are numbered and the names are aliases: a parameter may be called like a method of BaseModel.
        fields: dict[str, Any] = {}
        for number, (name, parameter) in enumerate(self._parameters.items()):
            annotation = parameter.annotation
            if parameter.source is Source.ASSISTANT:
                annotation = as_given(Literal)[tuple(self._choices)]
            if parameter.default is REQUIRED:
                fields[f"f{number}"] = (annotation, Field(alias=name))
            else:
                fields[f"f{number}"] = (annotation | None, Field(default=None, alias=name))
        return create_model("Arguments", __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)

    def _described(self, descriptions: Mapping[str, str]) -> dict[str, str]:
        """The descriptions, those of a choice with what the assistants to choose from are there for."""
        known = "; ".join(f"{name}: {one.description}" for name, one in self._choices.items() if one.description)
        choices = [name for name, parameter in self._parameters.items() if parameter.source is Source.ASSISTANT]
        return {**descriptions, **{name: f"{descriptions.get(name, '')} {known}".strip() for name in choices}}

    def parse(self, arguments: str) -> dict[str, Any]:
        """The values in a JSON text, by parameter; defaults are filled in.

        Raises:
            ArgumentsRefused: the text or a value is not what the tool takes.
        """
        self._screen(arguments)
        try:
            values = self._validate(arguments)
            problems = self._storing_problems(values)
        except ValidationError as error:
            raise _refused(_problems(error)) from None
        except Exception as error:
            # A validator of the author's own may raise anything.
            logger.exception("a validator of a tool's parameter failed; the arguments are refused")
            raise _refused([(WHOLE, "could not be checked")]) from error
        if problems:
            raise _refused(problems)
        return values

    def _validate(self, arguments: str) -> dict[str, Any]:
        validated = self._model.model_validate_json(arguments, strict=True)
        return {
            name: self._value(parameter, getattr(validated, field), given=field in validated.model_fields_set)
            for field, (name, parameter) in zip(self._model.model_fields, self._parameters.items(), strict=True)
        }

    def _storing_problems(self, values: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What the metadata fields that store arguments would refuse: better now than after the body ran."""
        problems: list[tuple[str, str]] = []
        for name, adapter in self._stored.items():
            if values[name] is None:
                problems.append((name, "must not be null, because it is kept"))
                continue
            try:
                adapter.validate_python(to_jsonable_python(values[name]))
            except ValidationError as error:
                problems += [(name, problem) for _, problem in _problems(error)]
        return problems

    def _value(self, parameter: Parameter, value: Any, *, given: bool) -> Any:
        if parameter.source is Source.ASSISTANT:
            return self._choices[value]
        if parameter.default is REQUIRED or (given and (value is not None or takes_none(parameter.annotation))):
            return value
        return parameter.default

    def _screen(self, arguments: str) -> None:
        """Refuse what the validating parser would let pass, or would fail on."""
        if not isinstance(arguments, str):  # pyright: ignore[reportUnnecessaryIsInstance]  (a backend passes it on)
            raise _refused([(WHOLE, "must be a JSON text")])
        if len(arguments) > LONGEST_ARGUMENTS:
            raise _refused([(WHOLE, f"is longer than {LONGEST_ARGUMENTS} characters")])
        try:
            parsed: Any = _DECODER.decode(arguments)
            require_utf8(parsed)
        except json.JSONDecodeError as error:
            problem = f"is no valid JSON ({error.msg} at character {error.pos})"
        except RecursionError:
            problem = "is nested too deeply"
        except ValueError as error:
            problem = str(error)
        else:
            if isinstance(parsed, dict):
                return
            problem = "must be a JSON object"
        raise _refused([(WHOLE, problem)])


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("has a key twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"holds {name}, which is no JSON")


def _short_integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"holds a number of more than {LONGEST_NUMBER} digits")
    return int(digits)


def _finite_float(text: str) -> float:
    number = float(text)
    if len(text) > LONGEST_NUMBER or not math.isfinite(number):
        raise ValueError("holds a number that is too large")
    return number


#: Made once: `json.loads` makes a decoder for every text where it is given hooks.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates,
    parse_constant=_no_constant,
    parse_int=_short_integer,
    parse_float=_finite_float,
)


def _constrained(kind: type[Metadata], name: str) -> Any:
    """The type of a metadata field with the constraints on it."""
    field = kind.model_fields[name]
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        field = ".".join(str(part) for part in problem["loc"]) or WHOLE
        found.append((field, _PLAIN_WORDS.get(problem["type"], problem["msg"])))
    return found


def _refused(problems: list[tuple[str, str]]) -> ArgumentsRefused:
    shown = [(_short(field), _short(problem).rstrip(".")) for field, problem in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        shown.append((WHOLE, f"{len(problems) - MOST_PROBLEMS} more problems"))
    return ArgumentsRefused(tuple(shown))


def _short(text: str) -> str:
    """The text on one line, cut where it gets long: parts of it were written by the model."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= LONGEST_PROBLEM else line[: LONGEST_PROBLEM - 1] + "…"
