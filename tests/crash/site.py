"""The site editor, its demonstration played on a copy of the sample site: the first flow that is killed.

Its bodies touch files and no more, so they are watched through the pages they are lent: a process may die before and
after each page is read or written, and between the writing of a new file and its taking the old one's place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.site_editor import flow, rules
from flows.site_editor.demo import demo
from flows.site_editor.pages import Pages
from handoff import Answer, Thread
from handoff.declaration.prompt import Prompt
from tests.crash.effects import Effects
from tests.crash.life import Life
from tests.crash.moments import Moments

SITE = "site"
MESSAGES = {f"m{number}": text for number, text in enumerate(demo.messages, 1)}


def watched(directory: Path, moments: Moments) -> Pages:
    """Return the pages of the copy; whoever uses them may die on the way.

    Args:
        directory: where the copy is.
        moments: the moments of the process.
    """
    effects = Effects(directory / "effects")

    class Watched(Pages):
        def names(self) -> list[str]:
            with around(moments, "names"):
                return super().names()

        def read(self, page_id: str) -> str:
            with around(moments, f"read {page_id}"):
                return super().read(page_id)

        def write(self, page_id: str, text: str) -> None:
            with around(moments, f"write {page_id}"):
                effects.add("write", page_id)
                super().write(page_id, text)

    return Watched(directory / SITE)


@contextmanager
def around(moments: Moments, what: str) -> Iterator[None]:
    """Count the moments before and after what a body does."""
    moments.passed("body", f"before {what}")
    yield
    moments.passed("body", f"after {what}")


class Watchful:
    """The flow's offline rules, in whose midst a process may die.

    Args:
        moments: the moments of the process.
    """

    def __init__(self, moments: Moments) -> None:
        self._moments = moments

    def answer(self, prompt: Prompt) -> Answer:
        """Answer by the rules."""
        self._moments.passed("model", f"{prompt.assistant} is asked")
        answer = rules.answer(prompt)
        self._moments.passed("model", f"{prompt.assistant} has answered")
        return answer


def prepare(directory: Path) -> None:
    """Copy the sample site."""
    shutil.copytree(demo.sample, directory / SITE)


def life(directory: Path, moments: Moments) -> Life:
    """Return a process of the site editor, not begun."""
    made = Life(flow, directory, moments, MESSAGES)
    made.deps = watched(directory, moments)
    made.model = Watchful(moments)
    replace = os.replace

    def replacing(old: str, new: str) -> None:
        moments.passed("body", f"{Path(new).name} is written beside the old one")
        replace(old, new)

    os.replace = replacing  # type: ignore[assignment]  # this process ends with its life
    return made


async def converse(life: Life, thread: Thread) -> None:
    """Play the demonstration. It may be played again from its start after a crash."""
    for key in MESSAGES:
        await life.say(key)
        await thread.wait()
