"""The site editor's own tests take every transition of it, and each transition needs the tests that take it."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from typing import Any

import pytest

from flows.site_editor import flow
from tests.support.measured import Run, run_pytest

ROOT = Path(__file__).parents[2]
OWN = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "site_editor").glob("test_*.py"))
#: Generated paths take every transition as well: they are in the run, and left out of it.
GENERATED = "tests/testing/test_paths_flows.py"
BY_HAND = ("-m", "not generated")


#: Of the transitions, those whose tests are really left out here: a seeded sample, or all in the campaign.
SEED = int(os.environ.get("HANDOFF_TEST_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - a sample
ALL = [one.key for one in flow.transitions]
SAMPLE = ALL if os.environ.get("HANDOFF_CAMPAIGN_MINUTES") else random.Random(SEED).sample(ALL, 2)  # noqa: S311


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All of the site editor's own tests."""
    report = tmp_path_factory.mktemp("coverage") / "report.json"
    return run_pytest(ROOT, report, *BY_HAND, "--handoff-cov", "site_editor", *OWN, GENERATED)


def covering(whole: Run, transition: str) -> list[str]:
    """The tests that take a transition."""
    items: dict[str, dict[str, Any]] = whole.kind("transitions")["items"]
    return [str(test) for test in items[transition]["tests"]]


def test_every_transition_is_taken(whole: Run) -> None:
    """The transition coverage is 100 % with the generated paths left out."""
    assert (0, []) == (whole.code, whole.kind("transitions")["missed"]), whole.out
    assert int(re.findall(r"(\d+) deselected", whole.out)[-1]) >= len(ALL)
    assert not [test for key in ALL for test in covering(whole, key) if test.startswith(GENERATED)]


def test_without_its_tests_a_transition_is_missed(whole: Run, tmp_path: Path) -> None:
    """With the tests that take it deselected, the rest of them no longer reach 100 %, and it is named.

    The rest is run as far as it takes any transition at all: what takes none in the whole run takes none here.
    """
    print(f"proof: coverage without {', '.join(SAMPLE)}, HANDOFF_TEST_SEED={SEED}")  # noqa: T201 - to have it again
    for number, transition in enumerate(SAMPLE):
        taking = set(covering(whole, transition))
        rest = sorted({test for key in ALL for test in covering(whole, key)} - taking)
        report = tmp_path / f"report{number}.json"
        limit = ("--handoff-cov", "site_editor", "--handoff-cov-fail-under", "100")
        found = run_pytest(ROOT, report, *BY_HAND, *limit, *rest)

        assert 1 == found.code, found.out
        assert transition in found.kind("transitions")["missed"]
        assert f"{len(rest)} passed" in found.out
