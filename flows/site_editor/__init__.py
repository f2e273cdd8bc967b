"""The site editor: a flow over a directory of Markdown pages with front matter."""

from flows.site_editor import settings_rules, text_rules  # they declare the rest of the rules
from flows.site_editor.flow import flow
from flows.site_editor.rules import rules

__all__ = ["flow", "rules", "settings_rules", "text_rules"]
