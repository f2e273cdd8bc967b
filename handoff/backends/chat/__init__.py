"""The chat backend. Its rules are on top of `backend`; `Chat` is what others import."""

from handoff.backends.chat.backend import Chat

__all__ = ["Chat"]
