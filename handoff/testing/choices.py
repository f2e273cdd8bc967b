"""What a simulated tool can be given and can do: the arguments, assignments and destinations that are worth trying.

Of the values of a field that no guard asks about, one is enough. Of those that guards cannot tell apart, the first
stands for all; so the search stays small and still comes to every answer that the values tried can bring about.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from handoff.checks.bodies import use_of
from handoff.checks.decisions import Decision
from handoff.checks.effects import written
from handoff.checks.states import Analysis
from handoff.core.state import JSON
from handoff.declaration.annotations import is_sequence
from handoff.declaration.assistants import Assistant
from handoff.declaration.flow import Flow
from handoff.declaration.guards import name_of
from handoff.declaration.signature import REQUIRED, Source
from handoff.declaration.tools import Tool
from handoff.errors import ArgumentsRefused, ConfigurationError
from handoff.testing.constants import constants_of
from handoff.testing.inventing import Nothing, invent
from handoff.testing.rehearsal import Pretence
from handoff.testing.view import is_named

#: At most this many combinations of values are tried for one call.
MOST_COMBINED = 64
#: Guards are asked about at most this many combinations, to find out which values they tell apart.
MOST_ASKED = 512

Arguments = Mapping[Callable[..., Any] | str, Mapping[str, Any] | Sequence[Mapping[str, Any]]]
"""By tool (its function or name): the arguments its body runs with, or several to choose from."""

Values = Mapping[str, Any]
"""By metadata field or parameter: its value, or a list of values to choose from."""


class Choices:
    """The choices at each tool.

    Args:
        analysis: what is known about the flow.
        arguments: arguments of tools whose bodies are to run.
        values: values of fields and parameters, where the author knows better.

    Raises:
        ConfigurationError: an argument or a value is of no tool or field, or does not fit it.
    """

    def __init__(self, analysis: Analysis, arguments: Arguments, values: Values) -> None:
        self._analysis = analysis
        self._flow: Flow[Any, Any] = analysis.flow
        self._given = {name: _listed(value) for name, value in values.items()}
        self._real = dict(_real(self._flow, arguments))
        self._invented: dict[str, list[JSON]] = {}
        self._check_given()
        guards = {id(one): one for one in self._guards()}
        self._reads = {key: self.fields_of(guard) for key, guard in guards.items()}
        self._guard_of = guards
        self._asked = set[str]().union(*self._reads.values())
        self._kept: dict[str, list[JSON]] = {}
        self._combined_by: dict[tuple[Callable[..., Any], bool], list[Pretence]] = {}

    def _guards(self) -> Iterator[Callable[[Any], bool]]:
        yield from (one.guard for one in self._flow.transitions if one.guard is not None)
        for assistant in self._flow.assistants:
            yield from (tool.allow for tool in self._flow.tools_of(assistant).values() if tool.allow is not None)

    def _check_given(self) -> None:
        fields = self._flow.metadata.model_fields
        tools = [tool for name in self._flow.assistants for tool in self._flow.tools_of(name).values()]
        parameters = {name for tool in tools for name in tool.schema["properties"]}
        for name, values in self._given.items():
            if name not in fields and name not in parameters:
                raise ConfigurationError(
                    f"values={{{name!r}: …}}: {self._flow.name} has no such metadata field and no such parameter"
                )
            for value in values if name in fields else ():
                try:
                    TypeAdapter(_annotation(self._flow, name)).validate_python(value)
                except ValidationError as error:
                    problem = error.errors()[0]["msg"]
                    raise ConfigurationError(f"values={{{name!r}: {value!r}}}: {problem}") from None

    @property
    def complete(self) -> bool:
        """Whether every answer that guards can give, as far as fields are told apart, is tried."""
        decisions = self._analysis.decisions
        if self._real or any(key not in decisions or decisions[key].unknown for key in self._reads):
            return False
        for name in self._asked:
            domain, kind = self._analysis.known[name], TypeAdapter[Any](_annotation(self._flow, name))
            tried = 0
            for value in self._all(name):
                tried |= domain.mask(kind.validate_python(value))
            if domain.set & ~tried:
                return False
        return True

    # -- fields --------------------------------------------------------------------------------------------------------

    def fields_of(self, guard: Callable[[Any], bool]) -> frozenset[str]:
        """Return the metadata fields a guard may ask about.

        Args:
            guard: the guard.
        """
        decision: Decision | None = self._analysis.decisions.get(id(guard))
        if decision is not None and not decision.unknown:
            return frozenset(decision.fields)
        kind = self._flow.metadata
        use = use_of(guard, decision.parameters if decision is not None else (), kind)
        return frozenset(use.reads) & set(kind.model_fields) or frozenset(kind.model_fields)

    def values_of(self, name: str) -> list[JSON]:
        """Return the values of a metadata field that are worth trying.

        Args:
            name: the field.

        Raises:
            ConfigurationError: none could be made up.
        """
        if name not in self._kept:
            found = self._all(name)
            self._kept[name] = found if name in self._given else self._enough(name, found)
        return self._kept[name]

    def _all(self, name: str) -> list[JSON]:
        """Return all values of a field that could be made up."""
        if name in self._given:
            return self._given[name]
        if name not in self._invented:
            what = f"the field {self._flow.metadata.__name__}.{name}"
            self._invented[name] = self._made(_annotation(self._flow, name), name, what, self._hints(name))
        return self._invented[name]

    def _hints(self, name: str) -> list[Any]:
        """Return what guards that ask about a field compare something with."""
        asking = [self._guard_of[key] for key, reads in self._reads.items() if name in reads]
        return [constant for guard in asking for constant in constants_of(guard)]

    def _enough(self, name: str, values: list[JSON]) -> list[JSON]:
        """Return those of the values that are worth trying."""
        return self._told_apart(name, values) if name in self._asked else values[:1]

    @staticmethod
    def _made(annotation: Any, name: str, what: str, hints: Iterable[Any] = (), *, strict: bool = False) -> list[JSON]:
        try:
            return invent(annotation, hints, strict=strict)
        except Nothing:
            raise ConfigurationError(
                f"paths: no value could be made up for {what}: give one, as in paths(…, values={{{name!r}: …}})"
            ) from None

    def _told_apart(self, name: str, values: list[JSON]) -> list[JSON]:
        """Return the first of the values of each kind that the guards tell apart."""
        asking = [key for key, reads in self._reads.items() if name in reads]
        others = sorted(set[str]().union(*(self._reads[key] for key in asking)) - {name})
        around = [dict[str, JSON]()]
        for other in others:
            around = [{**one, other: value} for one in around for value in (None, *self._all(other))]
            if len(around) > MOST_ASKED:
                return values
        found: dict[tuple[bool, ...], JSON] = {}
        for value in values:
            answers = tuple(self._answer(self._guard_of[key], {**one, name: value}) for one in around for key in asking)
            found.setdefault(answers, value)
        return list(found.values())

    def _answer(self, guard: Callable[[Any], bool], fields: Mapping[str, JSON]) -> bool:
        unset = {name: None for name in fields if fields[name] is None}
        try:
            start = self._flow.dump(self._flow.metadata())
            metadata = self._flow.metadata_from({**start, **unset, **fields})
            return bool(guard(metadata))
        except Exception:  # noqa: BLE001 - a guard may raise anything, and then it says no
            return False

    # -- calls ---------------------------------------------------------------------------------------------------------

    def calls(self, tool: Tool) -> Iterator[list[Pretence]]:
        """Yield what a call of a tool can be, in groups: of a later one only if nothing of those before was possible.

        Args:
            tool: the tool.

        Raises:
            ConfigurationError: no value could be made up for one of its parameters, or for a field that it sets.
        """
        for whole in (False, True):
            key = (tool.function, whole)
            if key not in self._combined_by:
                self._combined_by[key] = self._combined(tool, whole=whole)
            yield self._combined_by[key]

    def _combined(self, tool: Tool, *, whole: bool) -> list[Pretence]:
        """Return the calls of a tool, with enough values of each field or, as a whole, with all that there are."""
        goes = self._goes(tool)
        bodies = self._assigned(tool, whole=whole)
        found: list[Pretence] = []
        for given, go in itertools.product(self._arguments(tool, whole=whole), goes):
            arguments = {**given, **self._chosen(tool, go)} if tool.function not in self._real else given
            for assigned in bodies:
                found.append(Pretence(tool.name, arguments, assigned, go, real=tool.function in self._real))
                if len(found) == MOST_COMBINED:
                    return found
        return found

    def _arguments(self, tool: Tool, *, whole: bool) -> list[dict[str, JSON]]:
        if tool.function in self._real:
            return [dict(one) for one in self._real[tool.function]]
        choices: dict[str, list[JSON]] = {}
        for parameter in tool.signature.parameters:
            if parameter.source is not Source.MODEL:
                continue
            name = parameter.name
            if name in tool.sets:
                choices[name] = self._taken(tool, name, parameter.annotation, whole=whole)
            elif name in self._given:
                choices[name] = self._given[name]
            elif parameter.default is REQUIRED:
                what = f"the parameter {name} of {tool.name}"
                choices[name] = self._made(parameter.annotation, name, what, strict=True)[:1]
        found = itertools.islice(itertools.product(*choices.values()), MOST_COMBINED)
        given = [dict(zip(choices, one, strict=True)) for one in found]
        return [one for one in given if _is_taken(tool, {**one, **self._chosen(tool, None)})]

    def _taken(self, tool: Tool, name: str, annotation: Any, *, whole: bool) -> list[JSON]:
        """Return the values of a field that the parameter of its name takes as well."""
        found = [value for value in self._all(name) if _fits(annotation, value)]
        if name in self._given:
            return found
        what = f"the parameter {name} of {tool.name}"
        own = self._made(annotation, name, what, self._hints(name), strict=True)
        stored = _annotation(self._flow, name)
        found += [value for value in own if value not in found and _fits(stored, value)]
        return found if whole else self._enough(name, found)

    def _assigned(self, tool: Tool, *, whole: bool) -> list[dict[str, JSON]]:
        own = [name for name in tool.sets if name not in tool.schema["properties"]]
        if not own:
            return [{}]
        effects, _ = written(tool, self._flow.metadata, self._analysis.known)
        choices: dict[str, list[JSON]] = {}
        for name in own:
            found = self._possible(name, effects[name], self._all(name))
            choices[name] = found if whole or name in self._given else self._enough(name, found)
        combined = itertools.islice(itertools.product(*choices.values()), MOST_COMBINED)
        return [dict(zip(choices, one, strict=True)) for one in combined]

    def _possible(self, name: str, mask: int, values: list[JSON]) -> list[JSON]:
        """Return the values that the body may assign, as far as it can be read what it assigns."""
        domain, annotation = self._analysis.known[name], TypeAdapter[Any](_annotation(self._flow, name))
        return [one for one in values if domain.mask(annotation.validate_python(one)) & mask] or values

    def _goes(self, tool: Tool) -> list[str | None]:
        if not tool.signature.may_choose:
            return [None]
        chosen: list[str | None] = [one.assistant.name for one in tool.to]
        others = [one for one in tool.signature.returns if getattr(one, "__name__", "") != "Go"]
        return [*chosen, None] if others else chosen

    @staticmethod
    def _chosen(tool: Tool, go: str | None) -> dict[str, JSON]:
        """Return the arguments by which the model chooses an assistant: the one the body goes to."""
        first = tool.to[0].assistant.name if tool.to else ""
        return {
            parameter.name: go or first
            for parameter in tool.signature.parameters
            if parameter.source is Source.ASSISTANT
        }


def _fits(annotation: Any, value: JSON) -> bool:
    try:
        TypeAdapter[Any](annotation).validate_python(value)
    except (ValidationError, ValueError, TypeError, ArithmeticError):
        return False
    return True


def _is_taken(tool: Tool, arguments: Mapping[str, JSON]) -> bool:
    try:
        tool.parse(json.dumps(arguments))
    except ArgumentsRefused:
        return False
    return True


def _annotation(flow: Flow[Any, Any], name: str) -> Any:
    """Return the type of a metadata field with the constraints on it."""
    field = flow.metadata.model_fields[name]
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _listed(value: Any) -> list[JSON]:
    """Return a value, or several, as JSON."""
    values = list(value) if is_sequence(value) else [value]
    return [to_jsonable_python(one) for one in values]


def _real(flow: Flow[Any, Any], arguments: Arguments) -> Iterator[tuple[Callable[..., Any], list[dict[str, JSON]]]]:
    tools = [tool for name in flow.assistants for tool in flow.tools_of(name).values()]
    for named, given in arguments.items():
        spelled = named if isinstance(named, str) else name_of(named)
        meant = {tool.function: tool for tool in tools if is_named(tool, named)}
        if not meant:
            raise ConfigurationError(f"arguments={{{spelled}: …}}: {flow.name} has no such tool")
        several = [given] if isinstance(given, Mapping) else list(given)
        found = [{name: _json(value) for name, value in one.items()} for one in several]
        for function, tool in meant.items():
            if tool.consults:
                raise ConfigurationError(
                    f"arguments={{{spelled}: …}}: {tool.name} consults {tool.consults[0].name}, and nobody plays its "
                    "rooms on a path: leave it simulated, and play it in a Talk"
                )
            for one in found:
                try:
                    tool.parse(json.dumps(one))
                except ArgumentsRefused as error:
                    raise ConfigurationError(f"arguments={{{spelled}: {one}}}: {error}") from None
            yield function, found


def _json(value: Any) -> JSON:
    return value.name if isinstance(value, Assistant) else to_jsonable_python(value)
