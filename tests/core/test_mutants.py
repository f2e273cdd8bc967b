"""Every mutant of the core is caught by an invariant with a name."""

from __future__ import annotations

import multiprocessing

import pytest

from tests.proof import MUTANTS, SENTENCES, Mutant, Report, Violation, check_orders, load, run_mutant

REQUIRED = {
    "newest-first inbox", "lost open call", "refused submit dropped", "expired outputs dropped",
    "bodies after commitment", "then always", "counters never reset", "drain only one",
    "event of another run accepted", "swap early: before the run ends", "deferral without a deadline",
    "cancel hits any run", "swap after drain", "late result answered by its asker", "parallel transitions",
    "edit applied at once", "guard re-evaluated", "outputs after messages", "no read-back after a doubt",
    "two requests in flight",
}  # fmt: skip


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """Search each mutant's family up to the first violation, on both cores."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(run_mutant, MUTANTS, chunksize=1)
    return {mutant.name: report for mutant, report in zip(MUTANTS, found, strict=True)}


@pytest.mark.parametrize("mutant", [pytest.param(mutant, id=mutant.name) for mutant in MUTANTS])
def test_mutant_is_killed_by_a_named_invariant(reports: dict[str, Report], mutant: Mutant) -> None:
    """An invariant that may say so says what the mutant broke; an exception of the mutant's kills nobody."""
    violation = reports[mutant.name].violation

    assert violation is not None, f"{mutant.name} survives {reports[mutant.name].states} states"
    assert violation.name in mutant.killed_by, str(violation)


def test_an_output_that_tells_the_order_is_caught() -> None:
    """What depends on the completion order shows as two ends of one batch (I21)."""
    old = "    output = event.output\n    if event.denied:"
    new = "    output = f'{event.output} {sum(e.settled for e in open_batch(state).entries)}'\n    if event.denied:"
    mutated = load({"handoff/core/settling.py": [(old, new)]})

    with pytest.raises(Violation, match="I21"):
        check_orders(mutated, iter([("ordinary", "idempotent", "set")]))


def test_the_rules_most_easily_broken_have_their_mutants() -> None:
    """The mutants that outlived a weaker suite are all here."""
    assert set() == REQUIRED - {mutant.name for mutant in MUTANTS}


def test_killers_are_invariants() -> None:
    """A mutant names invariants that exist."""
    assert set() == {name for mutant in MUTANTS for name in mutant.killed_by} - set(SENTENCES)


def test_a_text_that_is_not_there_is_refused() -> None:
    """A mutant whose text has gone fails loudly, and the core stays as it was."""
    with pytest.raises(ValueError, match="exactly once, found 0"):
        load({"handoff/core/todo.py": [("no such text", "")]})

    assert load().todo.__module__ == "handoff.core.todo"


def test_a_module_outside_the_core_is_refused() -> None:
    """Only what the proof covers can be mutated."""
    with pytest.raises(ValueError, match="only the core and the turn"):
        load({"handoff/errors.py": [("a", "b")]})
