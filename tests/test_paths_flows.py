"""Paths alone take every transition of every flow in flows/, and make every guard of it say yes and no."""

from __future__ import annotations

from pathlib import Path as File
from typing import Any

import pytest

from handoff import Flow
from handoff.cli.loading import load_flow
from handoff.observers import observing
from handoff.testing import Unreached, paths
from handoff.testing.coverage import coverage_of
from handoff.testing.paths import Cover
from handoff.testing.recording import Recorder

FLOWS = File(__file__).parent.parent / "flows"
#: One module or package for each flow.
NAMES = sorted(one.stem for one in FLOWS.iterdir() if one.suffix == ".py" or (one / "__init__.py").is_file())


@pytest.fixture(scope="module", params=NAMES)
def flow(request: pytest.FixtureRequest) -> Flow[Any, Any]:
    """Each flow of the project."""
    return load_flow(f"flows.{request.param}")


@pytest.mark.parametrize("cover", ["transitions", "pairs", "guards"])
def test_paths_alone_cover_the_flow(flow: Flow[Any, Any], cover: Cover) -> None:
    """Nothing is left unreached, each path holds, and together they miss no transition; nor, if asked, any guard."""
    recorder = Recorder()
    found = paths(flow, cover)

    with observing(recorder):
        for path in found:
            path.play()

    coverage = coverage_of(flow, recorder.record)
    assert [] == [one for one in found if isinstance(one, Unreached)]
    assert () == coverage["assistants"].missed + coverage["transitions"].missed
    assert () == (coverage["guards"].missed if cover == "guards" else ())


def test_there_are_flows() -> None:
    """The site editor is among them, so the tests above are about something."""
    assert "site_editor" in NAMES
