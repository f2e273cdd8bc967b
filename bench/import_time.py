"""How long `import handoff` and `handoff --help` take, as ratios to `import openai`.

Each is a fresh process; they are interleaved, so that all meet the same machine, and the quickest of N counts.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

#: name -> (arguments of Python, the ratio it must stay under)
MEASURED: dict[str, tuple[list[str], float | None]] = {
    "import openai": (["-c", "import openai"], None),
    "import handoff": (["-c", "import handoff"], 0.45),
    "handoff --help": (["-m", "handoff.cli", "--help"], 0.75),
}


def seconds(arguments: list[str]) -> float:
    """Run Python with these arguments and return how long it took."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    """Print the table; exit with 1 if a ratio is over its bound."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=10, help="rounds; the quickest counts (default 10)")
    rounds = parser.parse_args().n
    best = dict.fromkeys(MEASURED, float("inf"))
    for _ in range(rounds):
        for name, (arguments, _bound) in MEASURED.items():
            best[name] = min(best[name], seconds(arguments))
    floor = min(seconds(["-c", "pass"]) for _ in range(rounds))
    over = False
    print(f"quickest of {rounds}; python itself takes {floor * 1000:.0f} ms of each")
    for name, (_arguments, bound) in MEASURED.items():
        ratio = best[name] / best["import openai"]
        over |= bound is not None and ratio > bound
        allowed = "" if bound is None else f"  at most {bound:.2f}  {'ok' if ratio <= bound else 'OVER'}"
        print(f"{name:16} {best[name] * 1000:6.0f} ms  {ratio:5.2f}{allowed}")
    sys.exit(over)


if __name__ == "__main__":
    main()
