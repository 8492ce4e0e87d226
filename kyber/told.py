"""What was mailed to whom: `.kyber/digests.jsonl` in, what each person was told out; and a line more for each mail.

A line stands for a mail that a server has accepted. It is on the disk before the next mail is sent, so that nothing is
mailed twice, and what was not accepted is mailed the next time.
"""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import orjson

from kyber.errors import UsageError

FILE: Final = "digests.jsonl"

_NO_LINK: Final[int] = getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a reader has been told: keys of findings ever, and of what the last digest held besides them.

    `last` and `at` are that digest's id and time.
    """

    findings: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    last: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One mail that a server accepted: which digest, when, to whom (id and address), and the keys of what it told."""

    digest: str
    time: datetime
    person: str
    address: str
    findings: tuple[str, ...]
    silent: tuple[str, ...]
    unread: tuple[str, ...]


def line(sent: Sent) -> bytes:
    """The line of a mail in `digests.jsonl`, without its end."""
    value = {
        "digest": sent.digest,
        "time": sent.time.isoformat(),
        "person": sent.person,
        "address": sent.address,
        "findings": sent.findings,
        "silent": sent.silent,
        "unread": sent.unread,
    }
    return orjson.dumps(value)


def told(text: bytes) -> tuple[Mapping[str, Told], int]:
    """What each person was told, from the text of `digests.jsonl`, and the number of lines that cannot be read."""
    found: dict[str, Told] = {}
    broken = 0
    for one in text.splitlines():
        if not one.strip():
            continue
        try:
            value = orjson.loads(one)
            before = found.get(value["person"], Told())
            found[value["person"]] = Told(
                findings=before.findings | frozenset(value["findings"]),
                silent=frozenset(value["silent"]),
                unread=frozenset(value["unread"]),
                last=value["digest"],
                at=datetime.fromisoformat(value["time"]),
            )
        except (ValueError, KeyError, TypeError):
            broken += 1
    return found, broken


def shared(parts: Sequence[Told]) -> Told:
    """What all of several readers were told."""
    if not parts:
        return Told()
    times = [one.at for one in parts if one.at is not None]
    return Told(
        findings=frozenset.intersection(*(one.findings for one in parts)),
        silent=frozenset.intersection(*(one.silent for one in parts)),
        unread=frozenset.intersection(*(one.unread for one in parts)),
        at=min(times) if len(times) == len(parts) else None,
    )


# --- the file --------------------------------------------------------------------------------------------------------


class Memory:
    """The open file: what stood in it when it was opened, and a way to add to it."""

    __slots__ = ("_file", "_handle", "text")

    def __init__(self, file: Path, handle: int, text: bytes) -> None:
        self._file, self._handle, self.text = file, handle, text

    def add(self, sent: Sent) -> None:
        """Have a mail on the disk before returning. Raises UsageError where that fails."""
        start = b"" if self.text.endswith(b"\n") or not self.text else b"\n"  # the last line may be torn
        added = start + line(sent) + b"\n"
        try:
            written = os.write(self._handle, added)
            os.fsync(self._handle)
        except OSError as error:
            raise UsageError(self._lost(sent, error.strerror or str(error))) from None
        if written < len(added):
            raise UsageError(self._lost(sent, "the disk is full"))
        self.text += added

    def _lost(self, sent: Sent, reason: str) -> str:
        return f"a mail was sent to {sent.address}, but {self._file} cannot be written: {reason}; it will be sent again"


@contextmanager
def opened(state: Path) -> Iterator[Memory]:
    """The memory of a workspace's folder `.kyber`, for one process at a time; folder and file are made if need be.

    Raises UsageError where it cannot be read and written, or where another process has it.
    """
    import fcntl

    file = state / FILE
    try:
        state.mkdir(exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | _NO_LINK, 0o600)
    except OSError as error:
        raise UsageError(f"{file} cannot be opened: {error.strerror}") from None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UsageError(f"{file} cannot be opened: it is not a regular file")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"digests are being sent already: another process holds {file}") from None
        with os.fdopen(os.dup(handle), "rb") as reading:
            yield Memory(file, handle, reading.read())
    finally:
        os.close(handle)


def read(state: Path) -> bytes:
    """The text of the memory as it is; empty where nothing was sent yet. Raises UsageError."""
    try:
        return (state / FILE).read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise UsageError(f"{state / FILE} cannot be read: {error.strerror}") from None
