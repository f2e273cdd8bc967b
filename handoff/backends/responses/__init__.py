"""The responses backend. Its rules are on top of `backend`; `Responses` is what others import."""

from handoff.backends.responses.backend import Responses

__all__ = ["Responses"]
