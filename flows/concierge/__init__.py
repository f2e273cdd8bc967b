"""The concierge: a flow over a small shop in a SQLite database."""

from flows.concierge.flow import flow
from flows.concierge.rules import rules

__all__ = ["flow", "rules"]
