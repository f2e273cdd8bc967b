"""The proof that a thread survives the death of its process, whenever it comes.

`prove(name, directory)` runs a scenario of `SCENARIOS` whole or on a sample, and returns its `Counts`.
"""

from tests.crash.moments import KINDS, Point
from tests.crash.proof import Counts, prove
from tests.crash.scenarios import SCENARIOS

__all__ = ["KINDS", "SCENARIOS", "Counts", "Point", "prove"]
