"""The campaign: finite proofs run whole, endless ones share the time, and a proof that breaks has failed."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

from tests.campaign.found import Found, Proof, Row
from tests.campaign.page import page
from tests.campaign.proofs import BACKENDS, PROOFS, SERVED, test_file
from tests.campaign.running import campaign
from tests.crash.scenarios import SERVED as SERVED_SCENARIOS
from tests.support.faulty import FAULTY

# Pytest would take it for a test.
run_file = test_file
del test_file


def test_the_endless_proofs_come_last_and_share_the_time() -> None:
    """Two endless proofs in ten minutes get five each, after the finite one."""
    given: list[tuple[str, int]] = []

    def note(name: str) -> Proof:
        def run(minutes: float, seed: int) -> Found:
            given.append((name, round(minutes)))
            return Found({"seed": seed})

        return Proof(name, "", run, endless=name != "finite")

    list(campaign([note("one"), note("finite"), note("two")], minutes=10, seed=7, commit="abc"))

    assert [("finite", 10), ("one", 5), ("two", 10)] == given


def test_a_proof_that_breaks_has_failed_and_the_others_go_on() -> None:
    """An exception is a failure of its proof only."""

    def breaks(minutes: float, seed: int) -> Found:
        raise ZeroDivisionError("no time")

    proofs = [Proof("broken", "", breaks), Proof("whole", "", lambda _minutes, seed: Found({"seed": seed}))]
    rows = campaign(proofs, 1, 7, "abc")

    assert [["ZeroDivisionError: no time"], []] == [list(row.found.failures) for row in rows]


def _proof(name: str) -> Proof:
    return Proof(name, f"{name} holds", lambda _minutes, _seed: Found({}))


AT = dt.datetime(2026, 3, 1, 12, 30, tzinfo=dt.UTC)
SEARCH = Row("search", Found({"states": 1234, "edges": 5}), 7, 61.6, "abc", AT)
KILLS = Row("kills", Found({}, ["a\nb"]), 7, 1, "abc", AT)


def test_the_page_holds_the_table() -> None:
    """Each proof is a row with counts, the number of failures, seed, date and commit; failures are listed below."""
    text = page([_proof("search"), _proof("kills")], [SEARCH, KILLS])

    assert "| search | 1,234 states, 5 edges | 0 | 7 | 62 | 2026-03-01 12:30 | abc |" in text
    assert "| kills | nothing | 1 | 7 | 1 | 2026-03-01 12:30 | abc |" in text
    assert "- kills: a b" in text


def test_a_proof_that_did_not_run_keeps_its_row_and_its_failures() -> None:
    """What it found on its own commit stays, in the order of the table, until it runs again."""
    proofs = [_proof("search"), _proof("kills")]
    before = page(proofs, [SEARCH, KILLS])

    after = page(proofs, [replace(SEARCH, commit="def")], before)

    assert before.replace("12:30 | abc |", "12:30 | def |", 1) == after


def test_failures_go_when_the_proof_runs_again_without() -> None:
    """The page shows the last run of each."""
    proofs = [_proof("kills")]

    text = page(proofs, [replace(KILLS, found=Found({"points": 3}))], page(proofs, [KILLS]))

    assert "| kills | 3 points | 0 |" in text
    assert "Failures" not in text


def test_the_page_names_what_has_never_run() -> None:
    """A proof without a row is no secret."""
    assert "Not yet run whole: kills." in page([_proof("search"), _proof("kills")], [SEARCH])


def test_a_test_file_is_a_proof(tmp_path: Path) -> None:
    """Its tests and what they record are counted; a test that fails or is skipped is a failure."""
    file = tmp_path / "test_it.py"
    file.write_text(
        "import os, pytest\n"
        "def test_good(record_property): record_property('events', int(os.environ['HANDOFF_TEST_SEED']))\n"
        "def test_bad(): assert False\n"
        "def test_left_out(): pytest.skip('no data')\n"
    )

    found = run_file(str(file), 1, 7)

    assert {"tests": 3, "events": 7} == found.counts
    assert [f"{file}: test_bad", f"{file}: test_left_out was skipped"] == found.failures


def test_a_test_file_that_is_not_there_has_failed(tmp_path: Path) -> None:
    """A proof cannot pass by being absent."""
    found = run_file(str(tmp_path / "test_missing.py"), 1, 7)

    assert 1 == len(found.failures)


def test_the_names_of_proofs_are_unique() -> None:
    """A row of the table belongs to one proof."""
    names = [proof.name for proof in PROOFS]

    assert sorted(set(names)) == sorted(names)


def test_the_page_says_what_each_proof_proves() -> None:
    """Whoever reads the table finds below it a sentence for each proof."""
    text = page(PROOFS, [])

    assert all(f"- **{proof.name}**: {proof.says}." in text for proof in PROOFS)


def test_every_backend_is_proved() -> None:
    """The proofs name the backends themselves, since what they prove is imported when they run."""
    assert list(FAULTY) == list(BACKENDS)
    assert list(SERVED_SCENARIOS) == [f"site on {name}" for name in SERVED]
