"""What model calls took, as their servers count it; the thread adds it up as its answers are journaled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """What model calls took. All zero where nobody counts, as for a model in this process."""

    #: Tokens read.
    input_tokens: int = 0
    #: Of these, tokens the server had in its cache.
    cached_tokens: int = 0
    #: Tokens written.
    output_tokens: int = 0
    #: Answers of a model; a request that was refused and made again counts once.
    model_calls: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Return what both took."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.output_tokens + other.output_tokens,
            self.model_calls + other.model_calls,
        )

    def __bool__(self) -> bool:
        """Return whether anything was counted."""
        return bool(self.model_calls or self.input_tokens or self.output_tokens)


#: Nothing was counted.
NOTHING = Usage()
