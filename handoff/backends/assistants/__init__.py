"""The assistants backend. Its rules are on top of `backend`; `Assistants` is what others import."""

from handoff.backends.assistants.backend import Assistants

__all__ = ["Assistants"]
