"""The tests, and the proofs of what tests cannot reach."""
