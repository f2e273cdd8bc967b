"""The languages a diagram is written in, by the names the command line knows them by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from handoff.diagram.graphviz import as_dot, as_svg
from handoff.diagram.mermaid import as_mermaid
from handoff.diagram.table import Diagram
from handoff.diagram.text import as_text
from handoff.errors import ConfigurationError

Form: TypeAlias = Literal["mermaid", "dot", "svg", "text", "json"]


def as_json(diagram: Diagram) -> str:
    """Return the diagram as JSON: the table itself, in ASCII.

    Args:
        diagram: the table.
    """
    return json.dumps(asdict(diagram), indent=2) + "\n"


#: Who writes which form.
FORMS: Mapping[Form, Callable[[Diagram], str]] = MappingProxyType(
    {"mermaid": as_mermaid, "dot": as_dot, "svg": as_svg, "text": as_text, "json": as_json}
)


#: Endings of files by the form they hold.
ENDINGS: Mapping[str, Form] = MappingProxyType(
    {".mmd": "mermaid", ".dot": "dot", ".svg": "svg", ".txt": "text", ".json": "json"}
)


def form_of(path: Path) -> Form:
    """Return the form that a file of that name holds.

    Args:
        path: the file.

    Raises:
        ConfigurationError: its ending is none of `ENDINGS`.
    """
    form = ENDINGS.get(path.suffix)
    if form is None:
        raise ConfigurationError(f"{path}: a diagram is written to a file that ends in {', '.join(ENDINGS)}")
    return form


def render(diagram: Diagram, form: Form = "mermaid") -> str:
    """Return a diagram as text in that form.

    Args:
        diagram: the table.
        form: one of `FORMS`.

    Raises:
        ConfigurationError: there is no such form, or an SVG cannot be drawn here.
    """
    writer = FORMS.get(form)
    if writer is None:
        raise ConfigurationError(f"there is no form {form!r}: take one of {', '.join(FORMS)}")
    return writer(diagram)
