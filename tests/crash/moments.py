"""Moments at which a process may die: every commit, and places inside tool bodies and model calls.

A process counts the moments it passes, by kind, and may be told to end itself by SIGKILL at one of them. Nothing is
cleaned up then, as in a power cut: no `finally`, no `atexit`, no flush.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["commit", "body", "model"]
KINDS: tuple[Kind, ...] = ("commit", "body", "model")


@dataclass(frozen=True, slots=True)
class Point:
    """The moment at which a process is to die."""

    #: What it is about: a commit of the store, the body of a tool, or a call of the model.
    kind: Kind
    #: The how manieth moment of that kind in the life of the process, from 1.
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class Moments:
    """The moments of one process, counted.

    Args:
        fatal: where it is to die; None lets it live.
    """

    def __init__(self, fatal: Point | None = None) -> None:
        self._fatal = fatal
        # Bodies run on threads of their own, and so does the store.
        self._counting = threading.Lock()
        #: What was passed, by kind, each with a few words for people.
        self.seen: dict[Kind, list[str]] = {kind: [] for kind in KINDS}

    def passed(self, kind: Kind, words: str) -> None:
        """Count a moment, and die if it is the one.

        Args:
            kind: its kind.
            words: what is going on, for people.
        """
        with self._counting:
            self.seen[kind].append(words)
            fatal = self._fatal == Point(kind, len(self.seen[kind]))
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    def commit(self, moment: Literal["before", "after"], what: str, thread: str) -> None:
        """Count a commit point; this is the store's own hook."""
        self.passed("commit", f"{moment} {what} on {thread}")
