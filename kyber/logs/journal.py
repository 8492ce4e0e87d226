"""The live journal of this machine: journalctl, run as a process -> chunks of entries as JSON, one a record.

The place where reading stopped is an entry's cursor: `cursor_of` the last record that was kept, given as `after`.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import Thread
from typing import IO, Final

from kyber.logs.batch import Chunk
from kyber.logs.records import lines
from kyber.logs.stream import ReadingError

PROGRAM: Final = ("journalctl",)
MAX_SAID = 1_000
"""Bytes of journalctl's own messages that are kept."""
ANSWER_SECONDS = 10
"""How long journalctl may take to say its version."""

_TIME = re.compile(rb'"__REALTIME_TIMESTAMP"\s*:\s*"?([0-9]{1,18})\b')
_CURSOR = re.compile(rb'"__CURSOR"\s*:\s*"([^"\\]{1,1000})"')
_NOTHING = b"-- No entries --"


def available(program: Sequence[str] = PROGRAM) -> bool:
    """Whether there is a journalctl here that can be run. It may still find no journal."""
    try:
        run = subprocess.run(  # noqa: S603 - a list of arguments, no shell
            [*program, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0


def cursor_of(record: bytes) -> str | None:
    """The cursor of an entry in JSON; None where it has none."""
    # A quote within a text is escaped in JSON, so that only the field's own name can stand between two.
    found = _CURSOR.search(record)
    return found[1].decode(errors="replace") if found else None


def entries(
    after: str | None = None,
    units: Sequence[str] = (),
    program: Sequence[str] = PROGRAM,
    *,
    since: datetime | None = None,
) -> Iterator[Chunk]:
    """Chunks of the entries after a cursor (of all, where it is None) up to now, each a line of JSON.

    `units`: only what these units wrote. `since` (aware): only from then on. In place of offsets, a chunk has the
    entries' times, in microseconds since the epoch; 0 where an entry has none.

    Raises ReadingError F09, after what could be read, where journalctl cannot be run, or fails, or says that it could
    not read everything.
    """
    chosen = [f"--after-cursor={after}"] if after is not None else []
    chosen += [f"--since=@{since.timestamp():.6f}"] if since is not None else []
    chosen += [f"--unit={unit}" for unit in units]
    with _running([*program, "--output=json", "--no-pager", "--all", *chosen]) as output:
        for chunk in lines(output):
            if chunk.records != [_NOTHING]:
                yield Chunk(chunk.records, [_time(one) for one in chunk.records], chunk.first, chunk.cut)


def _time(record: bytes) -> int:
    found = _TIME.search(record)
    return int(found[1]) if found else 0


class _Output:
    """What a process writes, and at its end whether all went well."""

    def __init__(self, process: "subprocess.Popen[bytes]", written: IO[bytes], complaints: IO[bytes]) -> None:
        self._process, self._written = process, written
        self._said = b""
        self._listener = Thread(target=self._listen, args=(complaints,), daemon=True)
        self._listener.start()

    def _listen(self, complaints: IO[bytes]) -> None:
        """Keep the beginning of what the process complains of; what nobody reads would stop it."""
        while data := complaints.read(MAX_SAID):
            self._said += data[: MAX_SAID - len(self._said)]

    def read(self, size: int, /) -> bytes:
        """`size` bytes, fewer only before the end; empty there. Raises ReadingError F09 where it failed."""
        if data := self._written.read(size):
            return data
        status = self.ended()
        said = " ".join(self._said.decode(errors="replace").split())
        if status or said:
            raise ReadingError("F09", why=said or f"journalctl ended with status {status}")
        return b""

    def ended(self) -> int:
        """Wait for the end of the process: its status."""
        status = self._process.wait()
        self._listener.join()
        return status


@contextmanager
def _running(command: Sequence[str]) -> Iterator[_Output]:
    """A process and its output. It is ended where nobody wants to read on."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)  # noqa: S603 - as above
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ReadingError("F09", why=f"{command[0]}: {why}") from None
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        output = _Output(process, process.stdout, process.stderr)
        try:
            yield output
        finally:
            process.kill()
            output.ended()
