"""What the model reads about a tool comes from its docstring, written in Google style."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_SECTIONED = re.compile(r"^[A-Z][A-Za-z ]+:\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Description:
    """A docstring taken apart.

    Attributes:
        text: what the function does.
        parameters: what each parameter means, as far as it is said.
    """

    text: str
    parameters: Mapping[str, str] = field(default_factory=dict[str, str])


def read_docstring(function: Callable[..., Any]) -> Description:
    """The description in a function's docstring; empty if it has none."""
    text = inspect.cleandoc(function.__doc__ or "")
    if not _SECTIONED.search(text):
        return Description(text)
    import griffe  # noqa: PLC0415  (slow to import, and most docstrings have no sections)

    sections = griffe.parse_google(griffe.Docstring(text, lineno=1), warnings=False)
    texts = [str(section.value).strip() for section in sections if section.kind is griffe.DocstringSectionKind.text]
    parameters = {
        str(parameter.name): " ".join(str(parameter.description).split())
        for section in sections
        if section.kind is griffe.DocstringSectionKind.parameters
        for parameter in section.value
    }
    return Description("\n\n".join(texts), parameters)
