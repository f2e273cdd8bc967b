"""A diagram in DOT, and drawn as SVG by Graphviz's `dot` where that is installed."""

from __future__ import annotations

import shutil
import subprocess

from handoff.diagram.escaping import dot
from handoff.diagram.table import Arrow, Box, Diagram
from handoff.errors import ConfigurationError

#: Seconds a picture may take to be drawn.
PATIENCE = 60.0

_GREEN, _RED = "#1e8449", "#c0392b"


def as_dot(diagram: Diagram) -> str:
    """Return the diagram in DOT.

    Args:
        diagram: the table.
    """
    ids = {box.name: f"a{number}" for number, box in enumerate(diagram.boxes)}
    lines = [
        f'digraph "{dot(diagram.flow)}" {{',
        '  graph [rankdir=TB, fontname="sans-serif"]',
        '  node [shape=box, fontname="sans-serif"]',
        '  edge [fontname="sans-serif", fontsize=10]',
    ]
    for box in diagram.boxes:
        lines.append(f"  {ids[box.name]} [{_listed(_box(box))}]")
        if box.initial:
            lines += ["  start [shape=point, width=0.2]", f"  start -> {ids[box.name]}"]
    for arrow in diagram.arrows:
        lines.append(f"  {ids[arrow.source]} -> {ids[arrow.dest]} [{_listed(_arrow(arrow))}]")
    return "\n".join([*lines, "}", ""])


def as_svg(diagram: Diagram) -> str:
    """Return the diagram as an SVG picture.

    Args:
        diagram: the table.

    Raises:
        ConfigurationError: Graphviz's `dot` is not installed, or could not draw it.
    """
    program = shutil.which("dot")
    if program is None:
        raise ConfigurationError(
            "an SVG is drawn by Graphviz: install it (Debian and Ubuntu: graphviz; macOS: brew install graphviz), "
            "or take -f mermaid, which GitHub draws by itself"
        )
    try:
        drawn = subprocess.run(  # noqa: S603 - the program is found by name, the text goes in as a file
            [program, "-Tsvg"], input=as_dot(diagram).encode(), capture_output=True, check=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(
            f"Graphviz did not draw this in {PATIENCE:.0f} s: take -f dot and draw parts"
        ) from error
    except subprocess.CalledProcessError as error:
        problem = error.stderr.decode(errors="replace").strip()
        raise ConfigurationError(f"Graphviz could not draw this: {problem}") from error
    return drawn.stdout.decode()


def _box(box: Box) -> dict[str, str]:
    given = {"label": dot(box.name), "tooltip": dot(box.description) or dot(box.name)}
    if box.end:
        given |= {"shape": "doublecircle"}
    elif box.waits:
        given |= {"style": "rounded"}
    if box.active or box.missed:
        style = "rounded,filled" if box.waits else "filled"
        colours = ("#fdecea", _RED) if box.missed else ("#d5f5e3", _GREEN)
        given |= {"style": style, "fillcolor": colours[0], "color": colours[1], "penwidth": "3"}
    return given


def _arrow(arrow: Arrow) -> dict[str, str]:
    # The tooltip is there because Graphviz would write its own numbers.
    given = {"label": f" {arrow.label(dot)}", "tooltip": dot(arrow.transition)}
    if arrow.back:
        given |= {"style": "dashed"}
    if arrow.latest:
        given |= {"color": _GREEN, "penwidth": "3"}
    if arrow.missed:
        given |= {"color": _RED, "fontcolor": _RED, "penwidth": "2"}
    return given


def _listed(given: dict[str, str]) -> str:
    return ", ".join(f'{name}="{value}"' for name, value in given.items())
