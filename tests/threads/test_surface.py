"""What users see of threads: what is documented, and nothing of what the framework's parts need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import handoff
import handoff.sync

DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "threads.md").read_text(encoding="utf-8")


def public(made: type[Any]) -> set[str]:
    """The public names of a class."""
    return {name for name in dir(made) if not name.startswith("_")}


@pytest.mark.parametrize("made", [handoff.Threads, handoff.Thread])
def test_all_public_names_are_documented(made: type[Any]) -> None:
    """Every public method and property stands in the page on threads."""
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", DOCUMENTATION))))

    assert set() == public(made) - named


def test_threads_have_no_other_names() -> None:
    """A new name on Threads is a decision: it is one that users are to call."""
    expected = {"close", "delete", "flow", "get", "open", "recover", "store", "summaries", "sweep", "watching"}

    assert expected == public(handoff.Threads)


def test_the_blocking_threads_have_the_same_names() -> None:
    """`handoff.sync` has all of it but what calls back on the loop."""
    ours = (public(handoff.Threads) - {"watching"}, public(handoff.Thread))

    assert ours == (public(handoff.sync.Threads), public(handoff.sync.Thread))
