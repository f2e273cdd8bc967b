"""What tool bodies did to the world: one line each in a file that outlives the process, appended by one write.

The world is not the store: what stands here was done, whatever the process lived to say about it.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path


class Effects:
    """The file, as bodies and probes use it.

    Args:
        path: where it is; made when the first body has run.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, tool: str, key: str) -> None:
        """Do what the tool does: append its line.

        Args:
            tool: name of the tool.
            key: the call's idempotency key.
        """
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, f"{tool} {key}\n".encode())
        finally:
            os.close(file)

    def count(self) -> Counter[tuple[str, str]]:
        """Return how often each (tool, idempotency key) was done."""
        if not self._path.exists():
            return Counter()
        lines = self._path.read_text().splitlines()
        return Counter((tool, key) for tool, _, key in (line.partition(" ") for line in lines))
