"""A diagram as a Mermaid flowchart, as GitHub and most wikis draw it.

Assistants are numbered: their own names could be words of Mermaid's.
"""

from __future__ import annotations

from handoff.diagram.escaping import mermaid
from handoff.diagram.table import Box, Diagram

_STYLES = {
    "active": "fill:#d5f5e3,stroke:#1e8449,stroke-width:3px,color:#111",
    "missed": "fill:#fdecea,stroke:#c0392b,stroke-width:2px,color:#111",
    "mark": "fill:#555,stroke:#555",
}
_MISSED = "stroke:#c0392b,stroke-width:2px,color:#c0392b"
_LATEST = "stroke:#1e8449,stroke-width:4px"


def as_mermaid(diagram: Diagram) -> str:
    """Return the diagram as Mermaid text.

    Args:
        diagram: the table.
    """
    ids = {box.name: f"a{number}" for number, box in enumerate(diagram.boxes)}
    lines = ["flowchart TD"]
    lines += [f"  {ids[box.name]}{_shape(box)}" for box in diagram.boxes]
    starts = [ids[box.name] for box in diagram.boxes if box.initial]
    if starts:
        lines.append('  start((" ")):::mark')
    lines += [f"  start --> {start}" for start in starts]
    # A style names its line by number, the ones from the start among them.
    styles: list[str] = []
    for number, arrow in enumerate(diagram.arrows, start=len(starts)):
        line = "-.->" if arrow.back else "-->"
        lines.append(f'  {ids[arrow.source]} {line}|"{arrow.label(mermaid)}"| {ids[arrow.dest]}')
        style = _MISSED if arrow.missed else _LATEST if arrow.latest else ""
        styles += [f"  linkStyle {number} {style}"] if style else []
    for name in ("active", "missed"):
        members = [ids[box.name] for box in diagram.boxes if getattr(box, name)]
        lines += [f"  class {','.join(members)} {name}"] if members else []
    used = [name for name in _STYLES if any(f" {name}" in line or f":{name}" in line for line in lines)]
    lines += [f"  classDef {name} {_STYLES[name]}" for name in used]
    return "\n".join([*lines, *styles, ""])


def _shape(box: Box) -> str:
    name = mermaid(box.name) or " "  # Mermaid refuses an empty text
    if box.end:
        return f'((("{name}")))'
    return f'(["{name}"])' if box.waits else f'["{name}"]'
