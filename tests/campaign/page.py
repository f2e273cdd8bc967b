"""docs/proof.md: the last run of each proof, with its date and commit.

A campaign writes the rows of the proofs it ran; the rows of the others stay, under the commit they ran on.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence

from tests.campaign.found import Proof, Row

HEAD = f"""# Proof

The last run of each proof by `python -m tests.campaign`, which writes this page. The test suite runs every proof too:
the endless ones on a sample, with its seed printed. Python {platform.python_version()}, {os.cpu_count()} cores.

| proof | counts | failures | seed | seconds | date (UTC) | commit |
|---|---|---|---|---|---|---|"""
FAILURES = "## Failures"


def page(proofs: Sequence[Proof], rows: Sequence[Row], before: str = "") -> str:
    """Return the page.

    Args:
        proofs: all there are, in the order of the table.
        rows: what those that ran have found.
        before: the page as it was.
    """
    ran = {row.proof: row for row in rows}
    table, known = before.partition(FAILURES)[::2]
    kept = dict(re.findall(r"^(?=\| ([^|]+) \| .* \| \d+ \|)(.*)$", table, re.MULTILINE))
    lines, failures, never = [HEAD], [], []
    for proof in proofs:
        if (row := ran.get(proof.name)) is not None:
            lines.append(_line(row))
            failures += [f"- {row.proof}: {' '.join(text.split())[:500]}" for text in row.found.failures]
        elif proof.name in kept:
            lines.append(kept[proof.name])
            failures += [line for line in known.splitlines() if line.startswith(f"- {proof.name}: ")]
        else:
            never.append(proof.name)
    lines += ["", "## What each proves", ""]
    lines += [f"- **{proof.name}**: {proof.says}." for proof in proofs]
    if never:
        lines += ["", f"Not yet run whole: {'; '.join(never)}."]
    if failures:
        lines += ["", FAILURES, "", *failures]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    figures = f"{len(row.found.failures)} | {row.seed} | {row.seconds:.0f} | {row.at:%Y-%m-%d %H:%M} | {row.commit}"
    return f"| {row.proof} | {row.found} | {figures} |"
