"""Kernel locks of one machine: held by a process, given up when it dies, however it dies.

On Linux every lock is one byte of one file beside the store, locked through the open file description (OFD). Elsewhere
each lock is a small file of its own, held open: the same promises at a higher price.

A fork shares open file descriptions, and with them the locks: a forked child therefore closes them first thing, so that
it cannot keep alive what its dead parent held. Programs that are started (exec) do not inherit them.
"""

from __future__ import annotations

import errno
import os
import struct
import sys
from abc import ABC, abstractmethod
from hashlib import blake2b
from pathlib import Path
from weakref import WeakSet

from handoff.errors import ConfigurationError, StoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

#: What the kernel says when somebody else holds the lock.
_TAKEN = frozenset({errno.EAGAIN, errno.EACCES, errno.EDEADLK})


class HeldLock:
    """A lock that is held until released, or until the process dies."""

    __slots__ = ("_locks", "_name")

    def __init__(self, locks: KernelLocks, name: str) -> None:
        self._locks = locks
        self._name = name

    def release(self) -> None:
        """Give it up; a second call does nothing."""
        self._locks.release(self._name, self)


class KernelLocks(ABC):
    """Locks by name. Two objects on the same path, in this process or in others, exclude each other."""

    def __init__(self) -> None:
        self._held: dict[str, HeldLock] = {}
        _open_locks.add(self)

    def lock(self, name: str) -> HeldLock | None:
        """Take the lock of that name without waiting.

        Args:
            name: any text. Names are told apart by 62 bits of their hash.

        Returns:
            The lock, or None if somebody holds it, be it this process.

        Raises:
            StoreError: if the locks are closed, or the file system has no locks.
        """
        held = HeldLock(self, name)
        # One step under the interpreter's lock, so two threads of this process cannot both pass.
        if self._held.setdefault(name, held) is not held:
            return None
        taken = False
        try:
            taken = self._take(name)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise StoreError(f"the lock {name!r} cannot be taken: {error}; use a local disk") from error
        finally:
            if not taken:
                self._held.pop(name, None)
        return held if taken else None

    def release(self, name: str, held: HeldLock) -> None:
        """Give up a lock; does nothing if it is not held by `held`."""
        if self._held.get(name) is held:
            try:
                self._drop(name)
            finally:
                self._held.pop(name, None)

    def close(self) -> None:
        """Give up all locks. A second call does nothing."""
        self._held = {}
        self._close()

    @abstractmethod
    def _take(self, name: str) -> bool: ...

    @abstractmethod
    def _drop(self, name: str) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...


class RangeLocks(KernelLocks):
    """One byte of one file for each lock, through the open file description. Linux only.

    Args:
        path: the file; made if missing, never written to. It must not be removed while a process uses it.

    Raises:
        ConfigurationError: if the file cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._file: int | None = _open(path)
        super().__init__()

    def _take(self, name: str) -> bool:
        if self._file is None:
            raise StoreError(f"the lock {name!r} is asked of a store that was closed; open the store again")
        self._set(fcntl.F_WRLCK, name, self._file)
        return True

    def _drop(self, name: str) -> None:
        if self._file is not None:
            self._set(fcntl.F_UNLCK, name, self._file)

    def _set(self, kind: int, name: str, file: int) -> None:
        # struct flock: type, whence, start, length, process (0 for this kind), padding.
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, _number(name), 1, 0))

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class FileLocks(KernelLocks):
    """A file of its own for each lock, in a directory: for systems without `RangeLocks`, such as macOS and Windows.

    What it gives up: each lock held costs a file descriptor (mind the process's limit), and the files stay behind,
    since removing one while another process opens it would let both hold the lock.

    Args:
        path: the directory; made if missing.

    Raises:
        ConfigurationError: if it cannot be made.
    """

    def __init__(self, path: str) -> None:
        try:
            Path(path).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"the directory of locks {path} cannot be made: {error.strerror}") from error
        self._path: Path | None = Path(path)
        self._files: dict[str, int] = {}
        super().__init__()

    def _take(self, name: str) -> bool:
        if self._path is None:
            raise StoreError(f"the lock {name!r} is asked of a store that was closed; open the store again")
        file = _open(str(self._path / f"{_number(name):016x}"))
        try:
            if sys.platform == "win32":
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(file)
            raise
        self._files[name] = file
        return True

    def _drop(self, name: str) -> None:
        file = self._files.pop(name, None)
        if file is not None:
            os.close(file)

    def _close(self) -> None:
        self._path = None
        while self._files:
            os.close(self._files.popitem()[1])


def kernel_locks(path: str) -> KernelLocks:
    """Open the locks beside a store, of the best kind this system has.

    Args:
        path: what the locks' file, or directory, is called.

    Raises:
        ConfigurationError: if it cannot be opened.
    """
    return RangeLocks(path) if sys.platform == "linux" else FileLocks(path)


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)  # not inherited by programs that are started
    except OSError as error:
        raise ConfigurationError(f"the file of locks {path} cannot be opened: {error.strerror}") from error


def _number(name: str) -> int:
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> 2  # an offset in a file is a signed number of 64 bits


_open_locks: WeakSet[KernelLocks] = WeakSet()


def _close_in_child() -> None:
    for locks in tuple(_open_locks):
        locks.close()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_close_in_child)
