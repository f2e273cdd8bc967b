"""Every proof whole, in turn: `python -m tests.campaign --minutes 60` writes what came of it to docs/proof.md.

The finite ones run to their end, however long that takes; what is left of the time is shared by those that could go on
for ever. The page is written after each, so that a campaign that is stopped has lost one proof; any failure makes the
exit code 1.
"""
