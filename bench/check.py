"""How long checking a large flow takes, and how the work grows with it.

    python bench/check.py [ASSISTANTS] [TRANSITIONS]

The work is counted as steps followed; a test bounds that number, the seconds are printed here only.
"""

from __future__ import annotations

import sys
import time

from handoff.checks import check
from tests.checks.large import TEXT, large_flow


def main(assistants: int, transitions: int) -> None:
    """Build flows up to that size and check each; the last one is wrong at every assistant."""
    print("assistants transitions  build s  check s  followed  found unknown")
    for part, text in ((4, TEXT), (2, TEXT), (1, TEXT), (1, "{{ first }}{{ second }}{{ third }}")):
        began = time.perf_counter()
        flow = large_flow(assistants // part, transitions // part, text)
        flow.freeze()
        built = time.perf_counter()
        report = check(flow)
        done = time.perf_counter()
        print(
            f"{assistants // part:>10} {len(flow.transitions):>11} {built - began:>8.2f} {done - built:>8.2f} "
            f"{report.followed:>9} {len(report.findings):>6} {len(report.unknown):>7}"
        )


if __name__ == "__main__":
    main(*(int(one) for one in (sys.argv[1:] or ("500", "5000"))))
