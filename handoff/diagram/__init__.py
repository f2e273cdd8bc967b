"""A flow as a picture: Mermaid, Graphviz's DOT, SVG, a text table, or JSON, all written from one table.

`diagram_of` makes the table from what the Machine decides by, so a picture shows what will happen and nothing else.
`along` adds where one thread is and which way it came.
"""

from handoff.diagram.forms import FORMS, Form, form_of, render
from handoff.diagram.progress import along
from handoff.diagram.table import Arrow, Box, Diagram, diagram_of

__all__ = ["FORMS", "Arrow", "Box", "Diagram", "Form", "along", "diagram_of", "form_of", "render"]
