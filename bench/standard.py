"""The standard work beside its floors: client CPU per handoff, requests, bytes, memory, and ratios within one run.

    python bench/standard.py [--turns 50,200,800] [--threads 200x10] [--rounds 3] [--only NAME…] [--json] [--check]

Each way is a process of its own, and so is the server, whose work does not count; rounds are interleaved, so that all
meet the same machine, and the quickest round counts. CPU is the client process's own, all its threads included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from loops import WAYS, ByHand, Loop, concurrent

#: way -> (its floor, how many times the floor it may cost at most), as the design says.
BUDGETS = {
    "handoff chat": ("client.post", 1.3),
    "handoff chat, streamed": ("client.post, streamed", 1.3),
    "handoff responses": ("previous_response_id, SDK", 1.3),
}
#: Ways whose cost grows with the square of the thread: beyond that many turns, samples of it are measured.
SLOW, ALL = ("SDK as documented",), 50
#: Samples of a slow way: so many places along the thread, so many turns at each.
PLACES, AT_EACH = 5, 2
#: Turns before anything is measured: connections are made and modules imported.
WARM = 3
MEGABYTE = 1 << 20


def stats(port: int) -> tuple[int, int]:
    """Return how many requests and bytes the server has had."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats") as answer:
        told = json.load(answer)
    return told["requests"], told["bytes"]


async def measured(way: str, turns: int, threads: int, port: int) -> dict[str, Any]:
    """Do the work in one way, in this process.

    Args:
        way: which.
        turns: how many on each thread.
        threads: how many threads at the same time; 1 measures the beginning and the end of the thread too.
        port: where the server is.
    """
    with tempfile.TemporaryDirectory() as directory:
        async with AsyncExitStack() as stack:
            loop = await WAYS[way](stack, port, Path(directory))
            for number in range(WARM):
                await loop.turn(-1, number)
            before = stats(port)
            if threads > 1:
                begun = time.process_time()
                await concurrent(loop, threads, turns)
                spent = [time.process_time() - begun] * 3
                window, ends = 1, [before, stats(port)] * 2
                counted = threads * turns
            elif way in SLOW and turns > ALL:
                spent, window, ends, counted = await sampled(loop, turns, port)
            else:
                spent, window, ends, counted = await whole(loop, turns, port)
            after = stats(port)
    requests = (after[0] - before[0]) / counted if way not in SLOW or turns <= ALL or threads > 1 else 2.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    early, late = ((end[1] - start[1]) / window for start, end in (ends[:2], ends[2:]))
    if threads > 1:
        early = late = (after[1] - before[1]) / counted
    return {
        "way": way,
        "turns": turns,
        "threads": threads,
        "ms": spent[1] * 1000 / (counted if threads > 1 else 1),
        "early_ms": spent[0] * 1000 / (counted if threads > 1 else 1),
        "late_ms": spent[2] * 1000 / (counted if threads > 1 else 1),
        "requests": requests,
        "early_bytes": early,
        "late_bytes": late,
        "rss_mb": peak,
    }


async def whole(loop: Loop, turns: int, port: int) -> tuple[list[float], int, list[tuple[int, int]], int]:
    """Do all turns of one thread; return seconds per turn early, on the whole and late, and the bytes of both ends."""
    window = max(1, turns // 10)
    ends, marks = [stats(port)], [time.process_time()]
    for number in range(turns):
        if number in {window, turns - window}:
            marks.append(time.process_time())
            ends.append(stats(port))
            marks.append(time.process_time())
        await loop.turn(0, number)
    marks.append(time.process_time())
    ends.append(stats(port))
    if len(marks) < 6:  # so few turns that the ends meet
        return [(marks[-1] - marks[0]) / turns] * 3, turns, [ends[0], ends[-1]] * 2, turns
    early, late = (marks[1] - marks[0]) / window, (marks[5] - marks[4]) / window
    looking = (marks[2] - marks[1]) + (marks[4] - marks[3])
    return [early, (marks[5] - marks[0] - looking) / turns, late], window, ends, turns


async def sampled(loop: Loop, turns: int, port: int) -> tuple[list[float], int, list[tuple[int, int]], int]:
    """As `whole`, from a few places along the thread: the cost of a turn grows evenly with its place."""
    assert isinstance(loop, ByHand)
    costs: list[float] = []
    ends: list[tuple[int, int]] = []
    for place in range(PLACES):
        at = place * (turns - AT_EACH) // (PLACES - 1)
        loop.filled(place, at)
        start = stats(port)
        begun = time.process_time()
        for number in range(AT_EACH):
            await loop.turn(place, at + number)
        costs.append((time.process_time() - begun) / AT_EACH)
        if place in {0, PLACES - 1}:
            ends += [start, stats(port)]
    return [costs[0], sum(costs) / PLACES, costs[-1]], AT_EACH, ends, PLACES * AT_EACH


# -- the run -----------------------------------------------------------------------------------------------------------


def measure(way: str, turns: int, threads: int) -> dict[str, Any]:
    """Start a server and a client, and return what the client measured."""
    here = Path(__file__)
    server = subprocess.Popen(
        [sys.executable, here.with_name("server.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        port = server.stdout.readline().strip()
        work = [sys.executable, here, "--measure", way, str(turns), str(threads), port]
        done = subprocess.run(work, check=True, stdout=subprocess.PIPE, text=True)
    finally:
        server.stdin.close()
        server.wait()
        server.stdout.close()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the quickest of the rounds; of early and late, the quickest each."""
    quickest = dict(min(rows, key=lambda row: row["ms"]))
    for name in ("early_ms", "late_ms"):
        quickest[name] = min(row[name] for row in rows)
    return quickest


def table(rows: list[dict[str, Any]], title: str) -> bool:
    """Print the rows of one size; return whether a budget is exceeded."""
    by_way = {row["way"]: row for row in rows}
    print(f"\n{title}")
    head = f"{'':28}{'CPU ms':>9}{'early':>8}{'late':>8}{'requests':>10}{'bytes early':>13}{'late':>10}{'RSS MB':>8}"
    print(head)
    over = False
    for way in WAYS:
        row = by_way.get(way)
        if row is None:
            continue
        times = f"{row['ms']:>9.2f}{row['early_ms']:>8.2f}{row['late_ms']:>8.2f}{row['requests']:>10.1f}"
        line = f"{way:28}{times}{row['early_bytes']:>13.0f}{row['late_bytes']:>10.0f}{row['rss_mb']:>8.0f}"
        floor, most = BUDGETS.get(way, ("", 0.0))
        if floor in by_way:
            ratio = row["ms"] / by_way[floor]["ms"]
            exceeded = ratio > most or row["requests"] > 2
            over |= exceeded
            line += f"   {ratio:.2f} × {floor}, at most {most} {'OVER' if exceeded else 'ok'}"
        print(line)
    return over


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", default="50,200,800", help="lengths of the one thread (default 50,200,800)")
    parser.add_argument("--threads", default="200x10", help="many threads, THREADSxTURNS, or none (default 200x10)")
    parser.add_argument("--rounds", type=int, default=3, help="the quickest counts (default 3)")
    parser.add_argument("--only", action="append", metavar="NAME", help="measure these ways only; may be repeated")
    parser.add_argument("--json", action="store_true", help="print one object a line, and no tables")
    parser.add_argument("--check", action="store_true", help="end with 1 if a budget is exceeded")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        way, turns, threads, port = given.measure
        print(json.dumps(asyncio.run(measured(way, int(turns), int(threads), int(port)))))
        return
    sizes = [(int(turns), 1) for turns in given.turns.split(",") if turns]
    if given.threads != "none":
        threads, _, turns = given.threads.partition("x")
        sizes.append((int(turns), int(threads)))
    over = False
    for turns, threads in sizes:
        ways = [way for way in given.only or WAYS if threads == 1 or way not in (*SLOW, "bare socket")]
        found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
        for _ in range(given.rounds):
            for way in ways:
                found[way].append(measure(way, turns, threads))
        rows = [best(rows) for rows in found.values()]
        if given.json:
            for row in rows:
                print(json.dumps(row), flush=True)
        else:
            title = f"one thread, {turns} turns" if threads == 1 else f"{threads} threads at once, {turns} turns each"
            over |= table(rows, f"{title}; per handoff, quickest of {given.rounds}")
            sys.stdout.flush()
    sys.exit(over and given.check)


if __name__ == "__main__":
    main()
