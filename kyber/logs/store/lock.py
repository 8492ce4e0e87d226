"""Locks on a workspace's state: one collector at a time, and nothing is removed under a reader.

A lock is the operating system's own, so that it ends with the process that holds it, however that ends.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from kyber.errors import NothingReadError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

MAX_HOLDER = 1_024
"""Bytes of what a holder says of itself."""


class LockedError(NothingReadError):
    """Somebody else holds the lock; `holder` is what they said of themselves."""

    def __init__(self, holder: str) -> None:
        super().__init__(f"{holder} is at work here already: wait until it is done, or stop it")
        self.holder = holder


@contextmanager
def held(file: Path, holder: str) -> Iterator[None]:
    """Hold a lock alone. Raises LockedError at once where it is held, OSError where there can be none."""
    with _opened(file) as lock:
        if not _locked(lock, shared=False):
            lock.seek(0)
            raise LockedError(lock.read(MAX_HOLDER).decode(errors="replace").strip() or "another process")
        lock.truncate(0)
        lock.write(holder.encode()[:MAX_HOLDER])
        lock.flush()
        yield


@contextmanager
def shared(file: Path) -> Iterator[None]:
    """Hold a lock with others. Waits for whoever holds it alone. Where the file cannot be made, there is no lock."""
    try:
        lock = _opened(file)
    except OSError:
        yield
        return
    with lock:
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_SH)
        yield


@contextmanager
def alone(file: Path) -> Iterator[bool]:
    """Whether nobody shares the lock now; while the block runs, nobody can."""
    with _opened(file) as lock:
        yield _locked(lock, shared=False)


def _opened(file: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    return os.fdopen(os.open(file, flags, 0o600), "r+b")


def _locked(lock: BinaryIO, *, shared: bool) -> bool:
    try:
        if fcntl is not None:
            fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        else:
            lock.seek(MAX_HOLDER)
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True
