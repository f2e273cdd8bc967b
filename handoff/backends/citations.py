"""The sources a server gives for what was said, in whichever protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handoff.backends.wire import listed, mapping
from handoff.core.answers import Citation

#: What a source is called in the object around it, by protocol: Chat and Assistants nest it, Responses does not.
_NESTED = ("url_citation", "file_citation", "file_path")


def citations_of(annotations: object, offset: int = 0) -> list[Citation]:
    """Return the sources among the annotations of a text; what is none is left out.

    Args:
        annotations: a list, in the words of Chat Completions, Responses or Assistants.
        offset: where the text that is annotated begins in all that was said.
    """
    found: list[Citation] = []
    for annotation in map(mapping, listed(annotations)):
        nested = [mapping(annotation.get(key)) for key in _NESTED]
        said: Mapping[str, Any] = {**annotation, **nested[0], **nested[1], **nested[2]}
        citation = Citation(
            _text(said.get("title") or said.get("filename")),
            _text(said.get("url")),
            _text(said.get("file_id")),
            _place(said.get("start_index", said.get("index")), offset),
            _place(said.get("end_index"), offset),
        )
        if citation.url or citation.file_id:
            found.append(citation)
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _place(value: object, offset: int) -> int | None:
    return value + offset if isinstance(value, int) and not isinstance(value, bool) else None
