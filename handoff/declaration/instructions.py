"""Instructions are Jinja2 templates over the metadata.

What they name is checked when they are declared; what they print is data (see `quoting`), and a placeholder on an unset
field is an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import BaseModel

from handoff.declaration.annotations import members, spell
from handoff.declaration.metadata import Metadata
from handoff.declaration.place import Place
from handoff.declaration.quoting import Bare, present_field, write, write_plain
from handoff.errors import DefinitionError, InstructionsError

_REFUSED = {
    nodes.Include: "{% include %}",
    nodes.Import: "{% import %}",
    nodes.FromImport: "{% from %}",
    nodes.Extends: "{% extends %}",
    nodes.Block: "{% block %}",
    nodes.Macro: "{% macro %}",
    nodes.CallBlock: "{% call %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.AssignBlock: "{% set %} with a body",
}
"""Statements that need other files, or whose text would pass by the quoting."""


class _UnsetError(TemplateError):
    """A placeholder stands on nothing."""


def _finalize(value: Any) -> Any:
    """Called with every printed value."""
    if isinstance(value, Undefined):
        return value
    if value is None:
        raise _UnsetError("a placeholder stands on an unset field; ask {% if … %} first, or read it with FromMetadata")
    return write(value)


def _plain(value: Any) -> Any:
    """The filter `plain`: print the value without quoting it."""
    return value if value is None or isinstance(value, Undefined) else Bare(write_plain(value))


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=_finalize, autoescape=False, keep_trailing_newline=False
    )
    environment.globals.clear()
    environment.filters["plain"] = _plain
    return environment


class Instructions:
    """A checked template.

    Attributes:
        text: its source, indentation removed.
        path: the file it was read from, if any.
        place: where it was declared.
        tree: its syntax tree, for static checks.
        fields: the metadata fields it names.
    """

    def __init__(self, given: object, metadata: type[Metadata], owner: str, place: Place) -> None:
        """Read and check a template.

        Args:
            given: its text, or a path relative to the declaring file.
            metadata: the class whose fields it may name.
            owner: whose instructions they are, for messages.
            place: where it was declared.

        Raises:
            DefinitionError: the file is missing, or the template names what does not exist or is no template.
        """
        self.place = place
        self.path: Path | None = None
        self._owner = owner
        self._metadata = metadata
        source = self._read(given)
        self.text = inspect.cleandoc(source)
        self._first_line = 1 + len(source) - len(source.lstrip("\n")) if self.path is None else 1
        environment = _environment()
        try:
            self.tree = environment.parse(self.text)
            self._check()
            self._template = environment.from_string(self.text)
        except TemplateSyntaxError as error:
            raise self._refuse(error.lineno, error.message or "is no template") from None
        self.fields = frozenset(find_undeclared_variables(self.tree))
        #: The rendered text of a template that names no field, once it was rendered.
        self._fixed: str | None = None

    @property
    def constant(self) -> str:
        """The text, if it is the same whatever the metadata; else empty."""
        fixed = all(isinstance(one, nodes.TemplateData) for one in self.tree.find_all(nodes.Expr))
        return self._template.render() if fixed and not self.fields else ""

    def render(self, metadata: Metadata) -> str:
        """The text for this metadata.

        Raises:
            InstructionsError: a placeholder stands on an unset field, or the template failed.
        """
        if self._fixed is not None:
            return self._fixed
        fields = self._metadata.model_fields
        values = {name: present_field(getattr(metadata, name), fields[name]) for name in self.fields}
        try:
            text = self._template.render(values)
        except Exception as error:
            # A template may divide by zero or compare a text with a number: any failure is one of the instructions.
            raise InstructionsError(self._owner, f"{type(error).__name__.lstrip('_')}: {error}") from error
        if not self.fields:
            self._fixed = text
        return text

    def _read(self, given: object) -> str:
        if isinstance(given, str):
            return given
        if not isinstance(given, Path):
            raise self.place.refuse(f"instructions of {self._owner} are {given!r}: give a text or a pathlib.Path")
        self.path = Path(self.place.file).parent / given
        try:
            return self.path.read_text(encoding="utf-8")
        except OSError as error:
            raise self.place.refuse(
                f"the instructions of {self._owner} cannot be read from {self.path}: {error.strerror}. "
                "A path is relative to the file that declares it"
            ) from None
        except UnicodeDecodeError:
            problem = f"the instructions of {self._owner}, {self.path}, are not UTF-8: save them so"
            raise self.place.refuse(problem) from None

    def _refuse(self, line: int, problem: str) -> DefinitionError:
        line += self._first_line - 1
        where = f"{self.path}:{line}" if self.path is not None else f"line {line}"
        return self.place.refuse(f"the instructions of {self._owner}, {where}: {problem.rstrip('.')}")

    def _check(self) -> None:
        for statement, spelled in _REFUSED.items():
            for found in self.tree.find_all(statement):
                raise self._refuse(found.lineno, f"{spelled} is not for instructions: write the text itself")
        environment = _environment()
        for used in self.tree.find_all(nodes.Filter):
            if used.name not in environment.filters:
                raise self._refuse(used.lineno, f"there is no filter {used.name!r}")
        for asked in self.tree.find_all(nodes.Test):
            if asked.name not in environment.tests:
                raise self._refuse(asked.lineno, f"there is no test {asked.name!r}")
        self._check_names()

    def _check_names(self) -> None:
        fields = self._metadata.model_fields
        unknown = find_undeclared_variables(self.tree) - set(fields)
        for found in self.tree.find_all(nodes.Name):
            if found.name in unknown:
                listed = ", ".join(fields) or "none"
                raise self._refuse(
                    found.lineno, f"{self._metadata.__name__} has no field {found.name!r}; its fields are {listed}"
                )
        assigned = {found.name for found in self.tree.find_all(nodes.Name) if found.ctx == "store"}
        for access in self.tree.find_all((nodes.Getattr, nodes.Getitem)):
            self._type_of(access, {name: field.annotation for name, field in fields.items() if name not in assigned})

    def _type_of(self, expression: nodes.Node, known: Mapping[str, Any]) -> Any:
        """The type of an expression as far as it is known; None where it is not.

        Raises:
            DefinitionError: a model on the way has no such field.
        """
        if isinstance(expression, nodes.Name):
            return known.get(expression.name)
        if isinstance(expression, nodes.Getattr):
            name: object = expression.attr
        elif isinstance(expression, nodes.Getitem) and isinstance(expression.arg, nodes.Const):
            name = expression.arg.value
        else:
            return None
        owner = self._type_of(expression.node, known)
        models = [one for one in members(owner) if isinstance(one, type) and issubclass(one, BaseModel)]
        others = [one for one in members(owner) if one not in models and one is not type(None)]
        if len(models) != 1 or others:
            return None
        field = models[0].model_fields.get(str(name))
        if field is None:
            raise self._refuse(expression.lineno, f"{spell(models[0])} has no field {name!r}")
        return field.annotation
