"""Bugs put into a sample application at random are all found by its tests, which are written with the kit.

By default a sample of the seeds is looked at, up to the part of the kit that finds the bug; in the campaign all twenty
of each kind, by every part, and the table of who found what is printed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from handoff.store.base import JournalRecord
from tests.bugs import hotel
from tests.bugs.mutations import KINDS, bug
from tests.bugs.suite import TALKS, Hotel, found_by_talks, journals, parts

WHOLE = bool(os.environ.get("HANDOFF_CAMPAIGN_MINUTES"))
SEED = int(os.environ.get("HANDOFF_TEST_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - a sample
#: Twenty bugs of each kind.
SEEDS = range(20)


@pytest.fixture(scope="module")
def kit() -> dict[str, Callable[[Hotel], str | None]]:
    """The parts of the kit."""
    return parts(journals(hotel))


def test_without_bugs_nothing_is_found() -> None:
    """The sample application passes its own tests."""
    kit = parts(journals(hotel), 3_000 if WHOLE else 200)

    assert dict.fromkeys(kit) == {name: find(hotel) for name, find in kit.items()}


@pytest.mark.parametrize("kind", [pytest.param(kind, id=kind) for kind in KINDS])
def test_every_bug_is_found(
    kind: str,
    kit: dict[str, Callable[[Hotel], str | None]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """Each bug is found by a part of the kit."""
    seeds = SEEDS if WHOLE else random.Random(SEED).sample(SEEDS, 1)  # noqa: S311 - a sample
    missed: list[str] = []
    told: dict[str, str] = {}
    by_part = dict.fromkeys(kit, 0)
    for seed in seeds:
        made = bug(kind, seed, tmp_path)
        if made.what not in told:
            told[made.what] = ""
            with made.around():
                for name, find in kit.items():
                    found = find(made.hotel)
                    if found is not None:
                        told[made.what] += f"{name} "
                        if not WHOLE:
                            break
        for name in told[made.what].split():
            by_part[name] += 1
        if not told[made.what]:
            missed.append(f"seed {seed}: {made.what}")
    print(f"HANDOFF_TEST_SEED={SEED}: {kind}, {len(told)} different: found by {by_part}")  # noqa: T201 - the table
    record_property("bugs", len(seeds))
    for name, times in by_part.items():
        record_property(f"found by {name}", times)

    assert [] == missed


def test_the_talks_alone_do_not_find_everything(tmp_path: Path) -> None:
    """What goes wrong in a crash only, no talk finds: it needs the exploration."""
    made = bug("run again after a crash", 0, tmp_path)

    assert None is found_by_talks(made.hotel)
    assert TALKS


def test_a_journal_knows_what_it_was_made_by() -> None:
    """The journals of the talks are those of threads with messages in them."""
    records: list[list[JournalRecord]] = journals(hotel)

    assert len(TALKS) == len(records)
    assert all(len(journal) > 10 for journal in records)
