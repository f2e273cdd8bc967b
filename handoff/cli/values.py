"""`--set key=value` and `--dep key=value`: texts from the command line become initial metadata and the flow's Deps.

Metadata is JSON, so a value is read as JSON where it parses and fits, else as text. What a Deps class takes is read
from its declaration (a pydantic model, a dataclass, or the annotations of `__init__`) and validated before it is built.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

from handoff import ConfigurationError, Deps, Flow, Metadata
from handoff.cli.exits import UsageRefused
from handoff.errors import MetadataRefused


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """Return `key=value` texts as a table.

    Args:
        given: the texts.
        option: the option they were given by, for the text of a refusal.

    Raises:
        UsageRefused: if one has no `=` or no key, or a key comes twice.
    """
    found: dict[str, str] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not key:
            raise UsageRefused(f"{option} {one!r}: write {option} KEY=VALUE")
        if key in found:
            raise UsageRefused(f"{option} {key}=… is given twice: keep one")
        found[key] = value
    return found


def initial_metadata(flow: Flow[Any, Any], given: Sequence[str]) -> Metadata:
    """Return the metadata a new thread starts with.

    Args:
        flow: the flow.
        given: what `--set` was given.

    Raises:
        UsageRefused: if a value does not fit, or there is no such field.
    """
    texts = pairs(given, "--set")
    values = {key: _json_or_text(text) for key, text in texts.items()}
    try:
        return _metadata(flow, values)
    except MetadataRefused as error:
        # `zip=12345` is a number by its looks; where the field does not take it, it is text.
        misfit = {field.partition(".")[0] for field, _ in error.problems}
        try:
            return _metadata(flow, {**values, **{key: text for key, text in texts.items() if key in misfit}})
        except MetadataRefused:
            fields = ", ".join(flow.metadata.model_fields) or "none"
            raise UsageRefused(f"--set does not fit {flow.name}: {error}. Its fields are {fields}") from error


def _metadata(flow: Flow[Any, Any], values: Mapping[str, Any]) -> Metadata:
    made: Metadata = flow.metadata_from(values)
    return made


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


@dataclasses.dataclass(frozen=True, slots=True)
class _Parameter:
    """One thing a Deps class is built from."""

    kind: Any
    required: bool


def missing_deps(flow: Flow[Any, Any]) -> list[str]:
    """Return what the flow's Deps class cannot be built without.

    Args:
        flow: the flow.
    """
    return [] if flow.deps is None else [name for name, one in _parameters(flow.deps).items() if one.required]


def build_deps(flow: Flow[Any, Any], given: Sequence[str]) -> Deps | None:
    """Return what the flow's tools borrow, built from `--dep`; None if they borrow nothing.

    Args:
        flow: the flow.
        given: what `--dep` was given.

    Raises:
        UsageRefused: if something is missing, unknown or does not fit; the text lists what is needed.
        ConfigurationError: if the class cannot be built from texts.
    """
    texts = pairs(given, "--dep")
    kind: type[Deps] | None = flow.deps
    if kind is None:
        if texts:
            raise UsageRefused(f"{flow.name} takes no --dep: leave it out")
        return None
    parameters = _parameters(kind)
    needed = " ".join(_usage(name, one) for name, one in parameters.items())
    unknown = [name for name in texts if name not in parameters]
    missing = [name for name, one in parameters.items() if one.required and name not in texts]
    if unknown or missing:
        problem = f"has no {', '.join(unknown)}" if unknown else f"needs {', '.join(missing)}"
        raise UsageRefused(f"{kind.__name__} of {flow.name} {problem}: give {needed or 'no --dep'}")
    values = {name: _validated(kind, name, parameters[name].kind, text) for name, text in texts.items()}
    from pydantic import ValidationError  # noqa: PLC0415 - beside its only use

    try:
        return kind(**values)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UsageRefused(f"--dep {problems}. Give {needed}") from error
    except Exception as error:
        raise ConfigurationError(f"{kind.__name__} could not be built: {type(error).__name__}: {error}") from error


def _parameters(kind: type[Deps]) -> dict[str, _Parameter]:
    from pydantic import BaseModel  # noqa: PLC0415 - beside its only use

    if issubclass(kind, BaseModel):
        return {
            one.alias or name: _Parameter(one.rebuild_annotation(), one.is_required())
            for name, one in kind.model_fields.items()
        }
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind, include_extras=True)
        return {
            one.name: _Parameter(
                hints[one.name], one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
            )
            for one in dataclasses.fields(kind)
            if one.init
        }
    if kind.__init__ is object.__init__:
        return {}
    hints = get_type_hints(kind.__init__, include_extras=True)
    return {
        name: _Parameter(hints.get(name, str), one.default is inspect.Parameter.empty)
        for name, one in inspect.signature(kind).parameters.items()
        if one.kind in {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    }


def _usage(name: str, parameter: _Parameter) -> str:
    kind = getattr(parameter.kind, "__name__", None) or str(parameter.kind)
    kind = getattr(getattr(parameter.kind, "__origin__", None), "__name__", kind)
    written = f"--dep {name}={kind.upper()}"
    return written if parameter.required else f"[{written}]"


def _validated(owner: type[Deps], name: str, kind: Any, text: str) -> Any:
    from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError  # noqa: PLC0415 - as above

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
    except PydanticSchemaGenerationError as error:
        raise ConfigurationError(
            f"{owner.__name__}.{name} is a {kind!r}, which no text can be: run this flow from Python"
        ) from error
    try:
        return adapter.validate_python(text)
    except ValidationError as error:
        try:
            return adapter.validate_json(text)
        except ValidationError:
            problems = "; ".join(one["msg"] for one in error.errors())
            raise UsageRefused(f"--dep {name}={text}: {problems}") from error
