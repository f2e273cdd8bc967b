"""The campaign's command line."""

from __future__ import annotations

import argparse
import random
import subprocess
import sys

import tests.campaign
from tests.campaign.found import Row
from tests.campaign.page import page
from tests.campaign.proofs import PROOFS, ROOT
from tests.campaign.running import campaign

PAGE = ROOT / "docs" / "proof.md"


def _commit() -> str:
    """Return the commit, marked where anything but the page itself differs from it."""

    def git(*command: str) -> str:
        return subprocess.run(["git", *command], cwd=ROOT, check=False, capture_output=True, text=True).stdout.strip()

    changed = git("status", "--porcelain", "--", ".", f":!{PAGE.relative_to(ROOT)}")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + ("-dirty" if changed else "")


def main() -> None:
    """Run the campaign and write its table."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=tests.campaign.__doc__)
    parser.add_argument("--minutes", type=float, required=True, help="how long all of it should take")
    parser.add_argument("--seed", type=int, default=None, help="of all that is random; by default a new one")
    parser.add_argument(
        "--only", metavar="TEXT", action="append", help="only proofs whose name holds TEXT; the others' rows stay"
    )
    given = parser.parse_args()
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    proofs = [proof for proof in PROOFS if not given.only or any(text in proof.name for text in given.only)]
    rows: list[Row] = []
    for row in campaign(proofs, given.minutes, seed, _commit()):
        rows.append(row)
        PAGE.write_text(page(PROOFS, rows, PAGE.read_text() if PAGE.is_file() else ""))
    sys.exit(any(row.found.failures for row in rows) or not rows)


if __name__ == "__main__":
    main()
