"""Paths alone take every transition of every flow in flows/, and have its guards and tools come out each way."""

from __future__ import annotations

from pathlib import Path as File
from typing import Any

import pytest

from handoff import Flow
from handoff.cli.loading import load_flow
from handoff.observers import observing
from handoff.testing import Path, Unreached, paths
from handoff.testing.coverage import coverage_of
from handoff.testing.paths import Cover
from handoff.testing.recording import Recorder

DIRECTORY = File(__file__).parents[2] / "flows"
#: One module or package for each flow.
NAMES = sorted(one.stem for one in DIRECTORY.iterdir() if one.suffix == ".py" or (one / "__init__.py").is_file())
FLOWS = {name: load_flow(f"flows.{name}") for name in NAMES}


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=f"{name}-{path}") for name, flow in FLOWS.items() for path in paths(flow)]
)
def test_path(path: Path[Any] | Unreached) -> None:
    """Each transition of each flow is taken on a path of its own, each step of which ends where it should."""
    path.play()


@pytest.mark.generated
@pytest.mark.parametrize("cover", ["transitions", "pairs", "guards", "outcomes"])
@pytest.mark.parametrize("flow", [pytest.param(flow, id=name) for name, flow in FLOWS.items()])
def test_paths_alone_cover_the_flow(flow: Flow[Any, Any], cover: Cover) -> None:
    """Nothing is left unreached; together they miss no transition, nor, if asked, a guard's answer or an outcome."""
    recorder = Recorder()
    found = paths(flow, cover)

    with observing(recorder):
        for path in found:
            path.play()

    coverage = coverage_of(flow, recorder.record)
    assert [] == [one for one in found if isinstance(one, Unreached)]
    assert () == coverage["assistants"].missed + coverage["transitions"].missed
    assert () == (coverage[cover].missed if cover != "pairs" else ())


def test_there_are_flows() -> None:
    """The site editor is among them, so the tests above are about something."""
    assert "site_editor" in NAMES
