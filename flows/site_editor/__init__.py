"""The site editor: a flow over a directory of Markdown pages with front matter."""

from flows.site_editor.flow import flow
from flows.site_editor.rules import rules

__all__ = ["flow", "rules"]
