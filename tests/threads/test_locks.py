"""Kernel locks, with real processes: held by one, given up by death, not kept alive by children."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import handoff
from handoff.errors import ConfigurationError, StoreError
from handoff.store.locks import FileLocks, KernelLocks, RangeLocks, kernel_locks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="both kinds of locks exist on Linux only")

ROOT = Path(handoff.__file__).parent.parent
Open = Callable[[], KernelLocks]


@pytest.fixture(params=[RangeLocks, FileLocks])
def kind(request: pytest.FixtureRequest) -> type[RangeLocks | FileLocks]:
    return request.param


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "threads.db-lock")


@pytest.fixture
def locks(kind: type[RangeLocks | FileLocks], path: str) -> Iterator[KernelLocks]:
    with closing(kind(path)) as opened:
        yield opened


@contextmanager
def process(kind: type[KernelLocks], path: str, code: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has `locks` open, runs the code, and is killed at the end."""
    start = f"import os, subprocess, sys\nfrom handoff.store.locks import {kind.__name__}\n"
    start += f"locks = {kind.__name__}({path!r})\n"
    command = [sys.executable, "-c", start + code]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def told(started: subprocess.Popen[str]) -> str:
    """The next line the process prints."""
    assert started.stdout
    return started.stdout.readline().strip()


HOLD = "held = locks.lock('t'); print(held is not None, flush=True); sys.stdin.readline()\n"


def test_a_name_is_held_once(locks: KernelLocks) -> None:
    """A second lock of the name is refused until the first is released; other names are free."""
    first = locks.lock("t")
    assert first
    refused, other = locks.lock("t"), locks.lock("u")

    first.release()

    assert None is refused
    assert None is not other
    assert None is not locks.lock("t")


def test_two_stores_of_a_process_exclude_each_other(kind: type[RangeLocks | FileLocks], path: str) -> None:
    """Locks opened twice on one path in one process exclude each other, and closing one gives its locks up."""
    with closing(kind(path)) as one, closing(kind(path)) as other:
        first = one.lock("t")
        refused = other.lock("t")
        one.close()

        assert first
        assert None is refused
        assert None is not other.lock("t")


def test_a_second_release_does_nothing(locks: KernelLocks) -> None:
    """Releasing twice does not release what somebody took in between."""
    first = locks.lock("t")
    assert first
    first.release()
    assert locks.lock("t")

    first.release()

    assert None is locks.lock("t")


@pytest.mark.parametrize("name", ["", "a\0b", "\ud800", "../../x", "🙂", "n" * 10_000])
def test_a_name_is_any_text(locks: KernelLocks, name: str) -> None:
    """Names are hashed, so any text will do."""
    assert None is not locks.lock(name)
    assert None is locks.lock(name)


def test_many_locks(path: str) -> None:
    """Thousands of locks on ranges cost one file descriptor."""
    with closing(RangeLocks(path)) as locks:
        before = len(list(Path("/proc/self/fd").iterdir()))
        held = [locks.lock(f"thread {number}") for number in range(3000)]

        assert None not in held
        assert before == len(list(Path("/proc/self/fd").iterdir()))


def test_closed_locks(locks: KernelLocks) -> None:
    """A lock that was held when all were closed may still be released, and no other can be taken."""
    held = locks.lock("t")
    assert held
    locks.close()
    locks.close()
    held.release()

    with pytest.raises(StoreError, match="closed"):
        locks.lock("t")


def test_a_place_for_no_file(kind: type[RangeLocks | FileLocks], tmp_path: Path) -> None:
    """A path where no file can be made is refused."""
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="cannot be"):
        kind(str(tmp_path / "file" / "locks"))


def test_linux_has_ranges(path: str) -> None:
    """On Linux the locks are byte ranges of one file."""
    with closing(kernel_locks(path)) as locks:
        assert RangeLocks is type(locks)


def test_another_process_is_excluded(kind: type[RangeLocks | FileLocks], locks: KernelLocks, path: str) -> None:
    """What one process holds another cannot take, either way round, until it is released."""
    code = HOLD + "held.release(); print(locks.lock('u'), flush=True); sys.stdin.readline()"
    assert locks.lock("u")
    with process(kind, path, code) as other:
        assert "True" == told(other)
        refused = locks.lock("t")
        assert other.stdin
        other.stdin.write("\n")
        other.stdin.flush()

        assert "None" == told(other)
        assert None is refused
        assert None is not locks.lock("t")


def test_death_releases(kind: type[RangeLocks | FileLocks], locks: KernelLocks, path: str) -> None:
    """A process that is killed outright holds nothing any more."""
    with process(kind, path, HOLD) as other:
        assert "True" == told(other)
        refused = locks.lock("t")
        other.kill()
        other.wait()

        assert None is refused
        assert None is not locks.lock("t")


CHILDREN = [
    pytest.param("child = os.fork()\nif child == 0:\n", id="forked"),
    pytest.param(
        "subprocess.Popen(['sh', '-c', 'echo child; read line; echo alive'], close_fds=False)\nif 0:\n", id="exec"
    ),
]


@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_does_not_keep_its_parents_locks(
    kind: type[RangeLocks | FileLocks], locks: KernelLocks, path: str, child: str
) -> None:
    """A child that outlives the killed process that held a lock does not hold it."""
    alive = (
        "def alive():\n    print('child', flush=True); sys.stdin.readline(); print('alive', flush=True); os._exit(0)\n"
    )
    code = alive + "held = locks.lock('t'); print(held is not None, flush=True)\n" + child + "    alive()\n"
    with process(kind, path, code + "import signal; signal.pause()") as parent:
        assert ["True", "child"] == [told(parent), told(parent)]
        refused = locks.lock("t")
        parent.kill()
        parent.wait()
        taken = locks.lock("t")
        assert parent.stdin
        parent.stdin.write("\n")
        parent.stdin.flush()

        assert "alive" == told(parent)
        assert None is refused
        assert None is not taken


def test_a_forked_child_cannot_release_its_parents_lock(
    kind: type[RangeLocks | FileLocks], locks: KernelLocks, path: str
) -> None:
    """Whatever a forked child does with its copies of the locks, its parent goes on holding them."""
    in_child = "    held.release(); locks.close(); os._exit(0)\n"
    code = "held = locks.lock('t')\nif os.fork() == 0:\n" + in_child
    with process(kind, path, code + "os.wait(); print('waited', flush=True); sys.stdin.readline()") as parent:
        assert "waited" == told(parent)

        assert None is locks.lock("t")


def test_closing_the_file_elsewhere_keeps_the_locks(path: str) -> None:
    """Somebody in this process who opens and closes the locks' file takes nothing from us."""
    with closing(RangeLocks(path)) as locks:
        assert locks.lock("t")
        Path(path).read_bytes()
        with process(RangeLocks, path, "print(locks.lock('t'), flush=True); sys.stdin.readline()") as other:
            assert "None" == told(other)
