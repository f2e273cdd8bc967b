"""The proofs: each is a callable from (minutes, seed) to what it found, and imports what it proves when it runs."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tests.campaign.found import Found, Proof

if TYPE_CHECKING:
    from tests.crash.moments import Kind

ROOT = Path(__file__).parents[2]
WORKERS = 2
#: Conversations at the same time: most of one is waiting.
PLAYERS = 6
#: Events of a random walk: all of them, and those with one seed.
WALKED, STRIDE = 10**7, 10**5
#: Conversations under mixed faults.
CONVERSATIONS = 1_000
#: Conversations with each fault alone, at each rate.
ALONE = 3
#: As many files as a sample would make would wear a disk; SIGKILL does not ask of disks.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - directories are made in it

#: Backends under faults, and the scenarios with a server of their own: what is imported when they run.
BACKENDS = (
    "chat",
    "responses, chained",
    "responses, conversation",
    "responses, own",
    "responses, background",
    "responses, background, conversation",
    "assistants",
)
SERVED = (
    "assistants, complete",
    "assistants, carry",
    "chat",
    "chat, whole",
    "responses, chained",
    "responses, chained, whole",
    "responses, conversation",
    "responses, conversation, whole",
    "responses, own",
    "responses, own, whole",
    "responses, background",
    "responses, background, whole",
    "responses, background, conversation",
)


def core_search(minutes: float, seed: int) -> Found:
    """Search all families of the core."""
    from tests.proof import OUTCOMES, run_all

    del minutes, seed
    reports = run_all(WORKERS)
    reached = set[str]().union(*(one.reached for one in reports))
    failures = [f"{one.family}: {one.violation}" for one in reports if one.violation is not None]
    failures += [f"{one.family}: not searched whole" for one in reports if not one.whole]
    failures += [f"never reached: {name}" for shown in OUTCOMES.values() for name, _ in shown if name not in reached]
    counts = {"families": len(reports), "states": sum(one.states for one in reports)}
    return Found({**counts, "edges": sum(one.edges for one in reports)}, failures)


def completion_orders(minutes: float, seed: int) -> Found:
    """Play every batch of up to three calls in every order."""
    from tests.proof import check_orders, load

    del minutes, seed
    played = check_orders(load())
    return Found({"batches": played.batches, "orders": played.paths})


def mutants(minutes: float, seed: int) -> Found:
    """Search the mutants of the core."""
    from tests.proof import MUTANTS, run_mutant

    del minutes, seed
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        reports = list(pool.map(run_mutant, MUTANTS))
    failures: list[str] = []
    for mutant, report in zip(MUTANTS, reports, strict=True):
        by = "nobody" if report.violation is None else report.violation.name
        if by not in mutant.killed_by:
            failures.append(f"{mutant.name}: caught by {by} instead of {' or '.join(mutant.killed_by)}")
    return Found({"mutants": len(MUTANTS), "states": sum(one.states for one in reports)}, failures)


def core_walk(minutes: float, seed: int) -> Found:
    """Walk through the core at random, one seed after another, until the time is over or 10^7 events have happened."""
    from tests.proof import Violation, walk

    until = time.monotonic() + minutes * 60
    counts = {"events": 0, "threads": 0, "runs": 0, "seeds": 0}
    failures: list[str] = []
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        while time.monotonic() < until and counts["events"] < WALKED and not failures:
            seeds = range(seed + counts["seeds"], seed + counts["seeds"] + WORKERS)
            for one, walking in [(one, pool.submit(walk, one, STRIDE)) for one in seeds]:
                counts["seeds"] += 1
                try:
                    walked = walking.result()
                except Violation as violation:
                    failures.append(f"seed {one}: {violation}")
                    continue
                counts["events"] += walked.events
                counts["threads"] += walked.threads
                counts["runs"] += walked.runs
    return Found(counts, failures)


def kills(scenario: str, kinds: Sequence[Kind] = ("commit", "body", "model")) -> Callable[[float, int], Found]:
    """Return the proof that kills a process at every point of a scenario."""

    def run(minutes: float, seed: int) -> Found:
        from tests.crash.proof import prove

        del minutes
        with tempfile.TemporaryDirectory(prefix="handoff-campaign-", dir=MEMORY) as directory:
            counts = prove(scenario, Path(directory), kinds=kinds, again=100, seed=seed)
        failures = list(counts.failures)
        failures += [f"points of kind {kind} were not counted" for kind in counts.beyond]
        if counts.seen != counts.killed:
            failures.append(f"of {counts.seen} points, {counts.killed} were killed at")
        shown = {f"{kind} points": number for kind, number in counts.killed.items()}
        return Found({**shown, "killed twice": counts.killed_again}, failures)

    return run


def kills_on_a_server(scenario: str) -> Callable[[float, int], Found]:
    """Return the same for a scenario whose model is a server's, in a process of its own."""

    def run(minutes: float, seed: int) -> Found:
        from tests.crash.served import server

        with server():
            return kills(scenario)(minutes, seed)

    return run


def kills_at_random(minutes: float, seed: int) -> Found:
    """Kill twice with one seed after another, until the time is over."""
    from tests.crash.proof import prove
    from tests.crash.scenarios import SCENARIOS

    until = time.monotonic() + minutes * 60
    counts = {"rounds": 0, "killed twice": 0}
    failures: list[str] = []
    while time.monotonic() < until and not failures:
        for scenario in SCENARIOS:
            with tempfile.TemporaryDirectory(prefix="handoff-campaign-", dir=MEMORY) as directory:
                found = prove(scenario, Path(directory), sample=0, again=50, seed=seed + counts["rounds"])
            counts["killed twice"] += found.killed_again
            failures += found.failures
        counts["rounds"] += 1
    return Found(counts, failures)


def conversations(backend: str) -> Callable[[float, int], Found]:
    """Return the proof that plays a thousand random conversations on a backend, or as many as the time allows."""

    def run(minutes: float, seed: int) -> Found:
        seeds = range(seed, seed + CONVERSATIONS)
        return _all_played([_Conversation(backend, one) for one in seeds], time.monotonic() + minutes * 60)

    return run


def faults_alone(minutes: float, seed: int) -> Found:
    """Play conversations on every backend with each fault alone, at every rate."""
    from tests.support.faulty import FAULTY
    from tests.support.mixed_faults import RATES

    del minutes
    cases = [
        (backend, fault, rate)
        for backend, faulty in FAULTY.items()
        for fault in faulty.shares
        for rate in RATES[1:]
        for _ in range(ALONE)
    ]
    played = [_Conversation(backend, seed + number, only, rate) for number, (backend, only, rate) in enumerate(cases)]
    return _all_played(played, math.inf)


@dataclass(frozen=True, slots=True)
class _Conversation:
    """A conversation to be played."""

    backend: str
    seed: int
    only: str | None = None
    rate: float | None = None

    def __str__(self) -> str:
        alone = "" if self.only is None else f", {self.only} alone at {self.rate}"
        return f"{self.backend}, seed {self.seed}{alone}"

    def play(self) -> tuple[Counter[str], list[str]]:
        from tests.support.mixed_faults import played

        logging.disable()  # what goes wrong on purpose
        with tempfile.TemporaryDirectory(prefix="handoff-campaign-", dir=MEMORY) as directory:
            found = played(self.backend, self.seed, Path(directory), only=self.only, rate=self.rate)
        return found.counts, found.problems


def _all_played(cases: Sequence[_Conversation], until: float) -> Found:
    """Play these until one fails or the time is over."""
    counts = Counter[str]()
    failures: list[str] = []
    with ProcessPoolExecutor(PLAYERS, get_context("spawn")) as pool:
        playing = {pool.submit(case.play): case for case in cases}
        for ended in as_completed(playing):
            case = playing[ended]
            try:
                counted, problems = ended.result()
            except Exception as error:  # noqa: BLE001 - which one broke is to be known
                counted, problems = Counter[str](), [f"{type(error).__name__}: {error}"]
            counts.update(counted)
            failures += [f"{case}: {problem}" for problem in problems]
            if failures or time.monotonic() >= until:
                pool.shutdown(cancel_futures=True)
                break
    return Found(counts, failures)


def hostile_input(minutes: float, seed: int) -> Found:
    """Send all that is recorded of hostile input."""
    return test_file("tests/threads/test_hostile.py", minutes, seed)


def coverage(minutes: float, seed: int) -> Found:
    """Leave the tests of each transition out in turn."""
    return test_file("tests/testing/test_coverage_site_editor.py", minutes, seed)


def bugs(minutes: float, seed: int) -> Found:
    """Put twenty bugs of each kind into the sample application."""
    return test_file("tests/testing/test_bugs.py", minutes, seed)


def traces(minutes: float, seed: int) -> Found:
    """Write a test of each conversation that an exploration comes to, and run it."""
    return test_file("tests/testing/test_trace.py", minutes, seed)


def new_project(minutes: float, seed: int) -> Found:
    """Make a new project and look at it."""
    return test_file("tests/cli/test_init.py", minutes, seed)


def replays(minutes: float, seed: int) -> Found:
    """Play all recorded conversations on every backend."""
    return test_file("tests/replay/test_replay.py", minutes, seed)


def on_httpx2(minutes: float, seed: int) -> Found:
    """Run the contract with the SDK on its own default."""
    return test_file("tests/contract", minutes, seed, HANDOFF_TEST_TRANSPORT="httpx2")


def fuzzing(minutes: float, seed: int) -> Found:
    """Send generated requests to the sandbox."""
    return test_file("tests/sandbox/test_document.py", minutes, seed)


def test_file(path: str, minutes: float, seed: int, **variables: str) -> Found:
    """Run tests whole: what is a sample there is not one under HANDOFF_CAMPAIGN_MINUTES.

    Args:
        path: their file or folder, from the root.
        minutes: how long what is endless in it may take.
        seed: of all that is random in it.
        variables: more variables of its environment.
    """
    environment = {
        **os.environ,
        "HANDOFF_CAMPAIGN_MINUTES": str(minutes),
        "HANDOFF_TEST_SEED": str(seed),
        "HANDOFF_TEST_REQUIRE": "all",
        **variables,
    }
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        # In pytest's own form of a report, what a test records is a warning, and so an error.
        report_form = ["-o", "junit_family=xunit1", f"--junitxml={report}"]
        command = [sys.executable, "-m", "pytest", "-q", path, *report_form]
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
        if not report.is_file():
            return Found({"tests": 0}, [f"{path} did not run"])
        suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest has just written it
        assert suite is not None
        cases = suite.findall("testcase")
        wrong = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        skipped = [case for case in cases if case.find("skipped") is not None]
        counts = {"tests": len(cases)}
        for recorded in suite.iter("property"):
            name, value = recorded.get("name", ""), recorded.get("value", "")
            if value.isdigit():
                counts[name] = counts.get(name, 0) + int(value)
    failures = [f"{path}: {case.get('name')}" for case in wrong]
    failures += [f"{path}: {case.get('name')} was skipped" for case in skipped]
    return Found(counts, failures if cases else [f"{path} holds no test"])


PROOFS: tuple[Proof, ...] = (
    Proof(
        "core: exhaustive search",
        "no world that a family can reach, crashes at every commit included, breaks an invariant of the core",
        core_search,
    ),
    Proof(
        "core: completion orders",
        "one batch comes to one transcript in whatever order its bodies end",
        completion_orders,
    ),
    Proof("core: mutants", "each mutant of the core is caught by the invariant that is there to catch it", mutants),
    Proof(
        "SIGKILL: the site editor",
        "killed at any commit, in any body or model call, and while it recovers, a conversation comes out the same",
        kills("site"),
    ),
    Proof(
        "SIGKILL: the shop", "the same for a flow with parallel, probed, idempotent and approved calls", kills("shop")
    ),
    Proof(
        "SIGKILL: side rooms",
        "the same where bodies ask other flows: rooms come out the same, and none that had answered is asked again",
        kills("rooms"),
    ),
    *(
        Proof(
            f"SIGKILL: {name}",
            "the same for the site editor with a server in another process; what that holds of the thread is whole too",
            kills_on_a_server(f"site on {name}"),
        )
        for name in SERVED
    ),
    Proof(
        "faults, each alone",
        "with one fault at up to 30 % nothing is lost, said or done twice, locked or poisoned, on any backend",
        faults_alone,
    ),
    Proof(
        "hostile input",
        "malformed calls and naughty strings end every run in a terminal status and touch nothing",
        hostile_input,
    ),
    Proof("coverage", "without the tests that take it, each transition of the site editor is missed", coverage),
    Proof("bugs", "twenty bugs of each kind, put into an application at random, are all found by its tests", bugs),
    Proof(
        "traces", "a test written of a journal is green, and the journal goes the same way with the same flow", traces
    ),
    Proof(
        "new project", "what `handoff init` writes is green, fully covered, and clean under strict types", new_project
    ),
    Proof(
        "replays",
        "recorded dialogues and tasks come out on every backend as they were recorded, and nothing is left locked",
        replays,
    ),
    Proof(
        "contract, on httpx2",
        "every backend keeps the contract where a client of the SDK's default kind is handed in",
        on_httpx2,
    ),
    Proof("sandbox: fuzzing", "no generated request makes the sandbox answer what OpenAI's document forbids", fuzzing),
    Proof(
        "core: random walk", "far beyond the size that can be searched, no invariant breaks", core_walk, endless=True
    ),
    *(
        Proof(
            f"faults: {name}",
            "no message is lost, said or answered twice or out of order, no body runs twice, no thread stays locked "
            "and no conversation is poisoned, whatever fails",
            conversations(name),
            endless=True,
        )
        for name in BACKENDS
    ),
    Proof("SIGKILL: twice, at random", "nor with one seed after another", kills_at_random, endless=True),
)
