"""A diagram as a table to be read in a terminal: each assistant, and below it where it goes."""

from __future__ import annotations

from handoff.diagram.escaping import printable
from handoff.diagram.table import Arrow, Box, Diagram


def as_text(diagram: Diagram) -> str:
    """Return the diagram as lines.

    Args:
        diagram: the table.
    """
    width = max((len(arrow.label(printable)) for arrow in diagram.arrows), default=0)
    lines = [printable(diagram.flow)]
    for box in diagram.boxes:
        marks = [text for text, holds in _marks(box) if holds]
        lines += ["", printable(box.name) + (f"  ({', '.join(marks)})" if marks else "")]
        if box.description:
            lines.append(f"  {printable(box.description)}")
        lines += [_line(arrow, width) for arrow in diagram.arrows if arrow.source == box.name]
    return "\n".join([*lines, ""])


def _marks(box: Box) -> tuple[tuple[str, bool], ...]:
    return (
        ("starts here", box.initial),
        ("the end", box.end),
        ("waits for the user", box.waits),
        ("active", box.active),
        ("missed", box.missed),
    )


def _line(arrow: Arrow, width: int) -> str:
    marks = [text for text, holds in (("just taken", arrow.latest), ("missed", arrow.missed)) if holds]
    line = f"  {arrow.label(printable):<{width}}  → {printable(arrow.dest)}"
    return line + (f"  ({', '.join(marks)})" if marks else "")
