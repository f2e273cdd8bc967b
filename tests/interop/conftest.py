"""OpenAI's document, as the sandbox's own tests have it."""

from __future__ import annotations

from tests.sandbox.conftest import document

__all__ = ["document"]
