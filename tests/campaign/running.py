"""Run proofs: the finite ones whole, then the others with what is left of the time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from tests.campaign.found import Found, Proof, Row


def campaign(proofs: Sequence[Proof], minutes: float, seed: int, commit: str) -> Iterator[Row]:
    """Run the proofs, and yield what each found.

    Args:
        proofs: which.
        minutes: how long all of it should take.
        seed: of all that is random.
        commit: what they run on.
    """
    until = time.monotonic() + minutes * 60
    ordered = sorted(proofs, key=lambda proof: proof.endless)
    for place, proof in enumerate(ordered):
        left = max(1.0, (until - time.monotonic()) / 60)
        share = left / (len(ordered) - place) if proof.endless else left
        print(f"== {proof.name}, seed {seed}", flush=True)
        begun = time.monotonic()
        try:
            found = proof.run(share, seed)
        except Exception as error:  # noqa: BLE001 - a proof that breaks has failed, and the others go on
            found = Found({}, [f"{type(error).__name__}: {error}"])
        yield Row(proof.name, found, seed, time.monotonic() - begun, commit)
        print("\n   ".join([f"   {found}; {len(found.failures)} failures", *found.failures]), flush=True)
