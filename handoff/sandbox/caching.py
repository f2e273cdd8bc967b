"""The prompt cache, as OpenAI documents it: the longest beginning that an earlier request had too is told as cached.

It counts from 1,024 tokens on, in steps of 128, per model, and lasts for ten minutes after its last use. Only digests
are kept. Nothing is any faster for it: it is there to be counted.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

#: The shortest beginning that is cached, in tokens, and the step in which longer ones are told.
SHORTEST: Final = 1024
STEP: Final = 128
#: Seconds a beginning is kept after it was last read.
KEPT: Final = 600.0
#: How many steps are kept, of all requests together; those read longest ago are let go.
STEPS: Final = 100_000


class PromptCache:
    """What was read before."""

    def __init__(self) -> None:
        self._read: OrderedDict[bytes, float] = OrderedDict()

    def read(self, model: str, tokens: Sequence[str], now: float) -> int:
        """Return how many tokens of a request were cached; now all of its steps are.

        Args:
            model: name of the model.
            tokens: what it reads, in order.
            now: the time, Unix seconds.
        """
        if len(tokens) < SHORTEST:
            return 0
        cached, known = 0, True
        digest = hashlib.blake2b(model.encode("utf-8", "replace"), digest_size=16)
        for end in range(STEP, len(tokens) + 1, STEP):
            digest.update("\0".join(tokens[end - STEP : end]).encode("utf-8", "replace"))
            step = digest.digest()
            known = known and now - self._read.get(step, -KEPT - 1) <= KEPT
            cached = end if known else cached
            self._read[step] = now
            self._read.move_to_end(step)
        while len(self._read) > STEPS:
            self._read.popitem(last=False)
        return cached if cached >= SHORTEST else 0
