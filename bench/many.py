"""A log several times over, as if it had been kept for longer: one file in, one file with many times its records out.

Each copy lies 37 days before the one after it, and the last is the input itself, so that nothing lies in the future.
Dates written YYYY-MM-DD move, wherever they stand, and so do the numbers of Windows records; all else stays as it is.
So all copies have other events and other days, but the same names and texts, as logs of one place have.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

from kyber.logs.inputs import Input, inputs
from kyber.logs.stream import Stream

APART = timedelta(days=37)
"""Between two copies of a record."""
NUMBERS = 10**9
"""By which the number of a record is moved from copy to copy."""
PIECE = 2**24
# Each begins with a literal, for which Python searches fast. What moves back into another century is not moved again.
_DATES = [
    re.compile(century + rb"(?<![0-9A-Za-z]..)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])(?![0-9])")
    for century in (b"19", b"20")
]
_NUMBERED = [
    re.compile(b"(" + name + rb"\W{1,6})([0-9]{1,18})(?![0-9])")
    for name in (b"RecordNumber", b"EventRecordID", b"record_id")
]


def many(given: str, times: int, folder: Path) -> Path:
    """The file, decompressed, `times` times over; made in the folder unless it is there, or is the input itself."""
    found, problems = inputs([given], datetime.now(UTC))
    if len(found) != 1 or found[0].path is None or problems:
        raise SystemExit(f"{given} is not one file that can be read")
    one, path = found[0], found[0].path
    with closing(Stream(one)) as stream:
        packed = stream.file is None
    if times == 1 and not packed:
        return path
    made = folder / f"{times}x-{one.size}-{path.stem if packed else path.name}"
    if not made.exists():
        part = made.with_name(made.name + ".part")
        with part.open("wb") as out:
            for copy in reversed(range(times)):
                for piece in _pieces(one):
                    out.write(moved(piece, copy))
        part.replace(made)
    return made


def moved(text: bytes, copy: int) -> bytes:
    """The text of one copy; 0 is the text as it is."""
    if not copy:
        return text

    @cache
    def earlier(day: bytes) -> bytes:
        try:
            return (date.fromisoformat(day.decode()) - copy * APART).isoformat().encode()
        except ValueError:  # no such day
            return day

    for pattern in _DATES:
        text = pattern.sub(lambda found: earlier(found[0]), text)
    for pattern in _NUMBERED:
        text = pattern.sub(lambda found: found[1] + b"%d" % (int(found[2]) + copy * NUMBERS), text)
    return text


def _pieces(given: Input) -> Iterator[bytes]:
    """The decompressed input in pieces that end with lines."""
    with closing(Stream(given)) as stream:
        rest = b""
        while data := stream.read(PIECE):
            lines, end, rest = (rest + data).rpartition(b"\n")
            yield lines + end
        if rest:
            yield rest + b"\n"
