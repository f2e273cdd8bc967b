"""The paths of the office, found once, and what tests ask about paths."""

from __future__ import annotations

from typing import Any

from handoff.testing import Path, Unreached, paths
from handoff.testing.paths import Cover
from handoff.testing.rehearsal import ModelCalls
from tests.testing.paths_flow import flow

COVERS: tuple[Cover, ...] = ("transitions", "pairs", "guards", "outcomes")


FOUND = {cover: paths(flow, cover) for cover in COVERS}


def reasons(found: list[Any]) -> dict[str, str]:
    """Why something was not reached."""
    return {one.goal: one.reason for one in found if isinstance(one, Unreached)}


def calls_of(path: Path[Any] | Unreached) -> list[dict[str, Any]]:
    """What the calls of a path are given and assign."""
    assert isinstance(path, Path)
    whats = [action.what for action, _ in path.steps if isinstance(action, ModelCalls)]
    return [{**what.arguments, **what.assigned} for what in whats]


def path_of(found: list[Any], name: str) -> Path[Any]:
    """The path that covers something."""
    return next(one for one in found if isinstance(one, Path) and name in one.covers)
