"""A thread whose story is told when somebody asks for it: of most worlds nobody does."""

from __future__ import annotations

import copy
from typing import Any

from handoff.core.events import Event
from handoff.core.state import State
from handoff.declaration.assistants import M
from handoff.testing.view import View


class ToldLate(View[M]):
    """A thread that keeps what has happened to it, and writes `events`, `edits` and the story in `tell`."""

    #: What has happened and was not told yet: an event between two states, or a speaker and a text.
    _seen: list[tuple[State, Event, State] | tuple[str, str]]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._seen = []
        super().__init__(*arguments, **named)

    def part_story(self) -> None:
        """Have a story of its own from here on, where the thread is a `copy.copy` of another."""
        self._seen, self.events, self.edits = list(self._seen), list(self.events), list(self.edits)
        self._story = copy.copy(self._story)
        self._story.part()

    def note(self, speaker: str, text: str) -> None:
        """Have the story tell something.

        Args:
            speaker: who or what speaks.
            text: what is said.
        """
        self._seen.append((speaker, text))

    def tell(self) -> None:
        """Bring `events`, `edits` and the story up to date."""
        seen, self._seen = self._seen, []
        for one in seen:
            if len(one) == 2:  # noqa: PLR2004 - a speaker and a text
                self._story.add(*one)
            else:
                super()._observe(*one)

    def _observe(self, before: State, event: Event, after: State) -> None:
        self._seen.append((before, event, after))

    def __str__(self) -> str:
        self.tell()
        return super().__str__()
