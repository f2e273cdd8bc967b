"""The proof of the core: an exhaustive search over a nondeterministic environment, mutants of the core, random walks.

The core's inbox is rows in the store, so the search runs over the core together with `driving.turn`, which decides what
one commit holds. Families (families.py) say what may happen together; the environment plays users, inbox,
store, both kinds of backend, tool bodies and crashes; an onlooker keeps books of its own, and named invariants compare
them with the state. For a campaign: `run_all()`, `run_family(family)`, `run_mutant(mutant)`, `check_orders(core)`
and `walk(seed, events)`, each returning counts and raising or reporting a `Violation`.
"""

from tests.proof.families import FAMILIES, Family
from tests.proof.invariants import SENTENCES
from tests.proof.modules import Core, load
from tests.proof.mutants import MUTANTS, Mutant, run_mutant
from tests.proof.order import Orders, check_orders
from tests.proof.outcomes import NOTED, OUTCOMES
from tests.proof.search import Report, run_all, run_family, table
from tests.proof.violation import Violation
from tests.proof.walk import Walked, walk

__all__ = [
    "FAMILIES",
    "MUTANTS",
    "NOTED",
    "OUTCOMES",
    "SENTENCES",
    "Core",
    "Family",
    "Mutant",
    "Orders",
    "Report",
    "Violation",
    "Walked",
    "check_orders",
    "load",
    "run_all",
    "run_family",
    "run_mutant",
    "table",
    "walk",
]
