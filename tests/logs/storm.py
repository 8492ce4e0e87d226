"""A storm over log files: writers, logrotate and a collector that may crash, beside a model of what has to be stored.

`Storm(seed, folder).run(steps)` does random steps on real files, the same for the same seed, and after each collecting
compares all that is stored with the model, which is plain lists of lines. It raises AssertionError with the seed and
the last steps where they differ.

The model: a `Line` is whole once its end is written. A line must be stored, once, after the first collecting that went
through while the line lay in some file. Before that it may be (a collecting crashed on the way, or met a file in the
middle of its rotation). A line that `copytruncate` cut off before anything was collected is logrotate's own loss: it
may be stored or not. Two files are never told apart, and so never made, where what was read of the one stands in the
other byte for byte at the same place though it was written anew:

- A copy is made, and its original truncated, within a minute. A log of which nothing was ever collected is not both
  met and written to between the two: it may as well be the next log, and begin as the last one did.
- A file is copied and truncated when nothing of it was collected, or more than what others may begin with.
- A file is deleted when all of it was collected.
- A line that stands unfinished in a copy is not finished in the original before that is truncated.

The inode of a deleted file is given to new ones by the storm itself, on whatever file system it runs.

What stands in every log of a kind (headers, lines without a time, written again and again) is not left out: each of
those lines is counted.
"""

import bz2
import gzip
import lzma
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

import zstandard

from kyber.logs import collect as collecting
from kyber.logs import records
from kyber.logs.collect import QUIET, SETTLED, Collected, collect
from kyber.logs.inputs import Input, inputs
from kyber.logs.parse import Job
from kyber.logs.store import parquet, segment
from kyber.logs.store.index import EVENTS, REJECTED, Index, SegmentInfo
from kyber.logs.store.parquet import WritableStore, writing
from kyber.logs.stream import Stream

LONGEST: Final = 2_000
"""Bytes of a record in a storm."""
CHUNK: Final = 4_096
"""Bytes read at once in a storm."""
START: Final = round(datetime(2026, 3, 4, 12, tzinfo=UTC).timestamp() * 1_000_000)
SECOND: Final = 1_000_000
PACKED: Final[dict[str, Callable[[bytes], bytes]]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".bz2": bz2.compress,
}
SHORT, LONG = (b"Server listening",), (b"=" * 200, b"Starting up, version 7", b"=" * 200)
HEADER: Final = b"time,serial,host,text"


@dataclass(eq=False, slots=True)
class Line:
    """A line: its bytes without the end. `whole`: the end is written; `seen`: a collecting may have read it; `must`: it
    has to be stored from now on."""

    text: bytes
    whole: bool = True
    seen: bool = False
    must: bool = False


@dataclass(eq=False, slots=True)
class File:
    """A file: where it is, its lines (the last one perhaps unfinished), when it was written (microseconds), and whether
    something of it was ever collected (`met`)."""

    path: Path
    lines: list[Line] = field(default_factory=list)
    modified: int = 0
    packed: bool = False
    met: bool = False

    @property
    def open(self) -> Line | None:
        """The line that has no end yet."""
        return self.lines[-1] if self.lines and not self.lines[-1].whole else None


@dataclass(slots=True, kw_only=True)
class Log:
    """One program's log and how it is rotated. `files`: all there are, the newest first; `writes`: the one written to.

    `copied` is the copy that waits for its original to be truncated; `half` a copy, or a compressed file, that is being
    made, and what makes the rest of it.
    """

    folder: Path
    name: str
    method: str
    naming: str
    packing: str | None
    header: Sequence[bytes]
    kind: str
    idle: bool = False
    files: list[File] = field(default_factory=list)
    writes: File | None = None
    copied: File | None = None
    half: tuple[Path, Callable[[], None]] | None = None
    made: int = 0
    every: list[Line] = field(default_factory=list)

    @property
    def path(self) -> Path:
        return self.folder / self.name


class _Held(Stream):
    """A stream that says which inode it holds open: `held`."""

    def __init__(self, given: Input, held: dict[Stream, int]) -> None:
        self._held = held
        super().__init__(given)
        held[self] = self.state.st_ino

    def close(self) -> None:
        self._held.pop(self, None)
        super().close()


class CrashError(BaseException):
    """The collector died here."""


class Storm:
    """One storm. `counts` says what there was: steps, lines, collects, crashes, races, stored, duplicate, deleted
    (files), reused (their inodes)."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.seed, self.random, self.folder = seed, Random(seed), folder
        self.clock = START
        self.serial = 0
        self.counts: Counter[str] = Counter()
        self.trace: list[str] = []
        self.deleted: list[Path] = []
        self.racing = False
        self.segments: dict[tuple[str, int, int, int], Counter[bytes]] = {}
        self.held: dict[Stream, int] = {}
        self.store = folder / ".kyber"
        self.logs = list(self._logs())
        one, two = folder / "one", folder / "two"
        self.sources: dict[str, tuple[list[str], str | None]] = {
            "named": ([str(log.path) for log in self.logs if log.folder == one], None),
            "glob": ([str(two / "*")], None),
            "twice": (
                [str(two / f"{log.name.partition('.')[0]}*") for log in self.logs if log.folder == two][:1],
                None,
            ),
            "csv": ([str(folder / "csv")], "csv"),
        }

    def _logs(self) -> Iterator[Log]:
        pick = self.random.choice
        same = pick(((), SHORT, LONG))
        for place, name in (
            ("one", "app.log"),
            ("one", "messages"),
            ("one", "idle.log"),
            ("two", "app.log"),
            ("two", "server1.log"),
            ("two", "server10.log"),
            ("csv", "rows.csv"),
        ):
            (self.folder / place).mkdir(exist_ok=True)
            idle = name.startswith("idle")
            yield Log(
                folder=self.folder / place,
                name=name,
                method="rename" if idle else pick(("rename", "rename", "copytruncate")),
                naming=pick(("number", "number", "date", "dated")),
                packing=pick((None, *PACKED)),
                header=(HEADER,) if place == "csv" else SHORT if idle else same,
                kind="csv" if place == "csv" else "text" if idle else pick(("text", "syslog", "json")),
                idle=idle,
            )

    # ------------------------------------------------------------------------------------------------ the file system

    def _tick(self) -> None:
        self.clock += self.random.choice((1_000, 50_000, SECOND, 3 * SECOND))

    def _make(self, path: Path, data: bytes = b"") -> None:
        """A new file, mostly in the inode of one that was deleted and that nobody holds open."""
        held = self.held.values()
        free = [one for one in self.deleted if one.stat().st_ino not in held]
        if free and self.random.random() < 0.8:
            place = self.random.choice(free[-3:])
            self.deleted.remove(place)
            os.truncate(place, 0)
            place.rename(path)
            self.counts["reused"] += 1
        path.write_bytes(data)

    def _fill(self, path: Path, data: bytes) -> None:
        """Write all of a file, of which a part may be there."""
        if path.exists():
            path.write_bytes(data)
        else:
            self._make(path, data)

    def _unlink(self, path: Path) -> None:
        """Delete a file. Its inode is kept aside: which one a new file gets is for the storm to say, not the disk."""
        self.counts["deleted"] += 1
        aside = self.folder / "deleted" / str(self.counts["deleted"])
        aside.parent.mkdir(exist_ok=True)
        path.rename(aside)
        self.deleted.append(aside)

    def _append(self, file: File, data: bytes) -> None:
        with file.path.open("ab") as opened:
            opened.write(data)
        self._written(file)

    def _written(self, file: File) -> None:
        self._tick()
        file.modified = self.clock
        os.utime(file.path, ns=(self.clock * 1_000, self.clock * 1_000))

    def _line(self, log: Log) -> bytes:
        """A line of a log, mostly with a number that no other one has."""
        self.serial += 1
        number, chance = self.serial, self.random.random()
        if log.kind == "csv":
            cell = '"two\nlines"' if chance < 0.1 else "ok"
            return f"{_iso(self.clock)},{number},host,{cell}".encode()
        if chance < 0.03:
            return b"\0" * self.random.randrange(1, 400) + b"after a hole %d" % number
        if chance < 0.06:
            return b"not UTF-8 \xff\xfe\xe4 %d" % number
        if chance < 0.08:
            return b"long %d " % number + b"x" * self.random.choice((LONGEST - 12, LONGEST, 3 * LONGEST, 3 * CHUNK))
        if chance < 0.10:
            return b""
        if chance < 0.14:
            return b"    at frame %d" % number
        if log.kind == "syslog":
            return f"{_iso(self.clock)} host prog[7]: serial {number}".encode()
        if log.kind == "json":
            return f'{{"@timestamp": "{_iso(self.clock)}", "serial": {number}}}'.encode()
        return b"serial %d of something" % number

    def _add(self, log: Log, file: File, texts: Sequence[bytes], *, open_last: bool = False) -> None:
        """Write lines at the end of a file, the last one perhaps without its end."""
        data = b""
        for index, text in enumerate(texts):
            last = open_last and index == len(texts) - 1
            data += text if last else text + b"\n"
            parts = [text] if last else text.split(b"\n")
            made = [Line(part, whole=not last, seen=self.racing) for part in parts]
            file.lines += made
            log.every += made
            self.counts["lines"] += len(made)
        self._append(file, data)

    def _current(self, log: Log) -> File:
        """The file that a log is written to, made where it is not there."""
        if log.writes is None:
            log.writes = File(log.path)
            log.files.insert(0, log.writes)
            self._make(log.path)
            self._written(log.writes)
        return log.writes

    def write(self, log: Log) -> None:
        """Some lines; first the rest of the one that is unfinished."""
        file = self._current(log)
        if log.copied is not None and not file.met and any(line.seen for line in file.lines):
            return
        self._finish(log, file)
        texts = [self._line(log) for _ in range(self.random.randrange(1, 7))]
        if log.kind != "csv" and self.random.random() < 0.3:
            texts[self.random.randrange(len(texts)) :] = [b"tick"] * self.random.randrange(1, 4)
        if not file.lines:
            texts = self._beginning(log) if log.idle and self.random.random() < 0.7 else [*self._beginning(log), *texts]
        self._add(log, file, texts)

    def _beginning(self, log: Log) -> list[bytes]:
        """What a file begins with: the header of its kind and, except in an idle log, a line that is its own."""
        self.serial += 1
        own = f"{_iso(self.clock)},{self.serial},host,begun" if log.kind == "csv" else f"begun {self.serial}"
        return [*log.header, *(() if log.idle else (own.encode(),))]

    def begin_line(self, log: Log) -> None:
        """The beginning of a line."""
        file = self._current(log)
        if file.open is not None or (log.copied is not None):
            return
        text = self._line(log).replace(b"\n", b"")[:LONGEST]
        if not file.lines:
            if log.idle:
                return
            self._add(log, file, [*self._beginning(log), text[: len(text) // 2]], open_last=True)
        else:
            self._add(log, file, [text[: len(text) // 2]], open_last=True)
        if not file.lines[-1].text:
            log.every.remove(file.lines.pop())

    def _finish(self, log: Log, file: File) -> None:
        """The rest of an unfinished line."""
        line = file.open
        if line is None or (log.copied is not None and line in log.copied.lines):
            return
        rest = b" and the rest %d" % self.serial
        self._append(file, rest + b"\n")
        line.text, line.whole = line.text + rest, True

    def _shift(self, log: Log) -> Path:
        """Make room for a rotated file; its name."""
        log.made += 1
        if log.naming == "date":
            return log.folder / f"{log.name}-{_day(self.clock)}-{log.made}"
        if log.naming == "dated":
            stem, dot, ending = log.name.partition(".")
            return log.folder / f"{stem}-{_day(self.clock)}-{log.made}{dot}{ending}"
        numbered: list[tuple[int, str, File]] = []
        for file in log.files:
            number, _, ending = file.path.name.removeprefix(f"{log.name}.").partition(".")
            if file.path != log.path:
                numbered.append((int(number), f".{ending}" if ending else "", file))
        for number, ending, file in sorted(numbered, key=lambda one: -one[0]):
            place = log.folder / f"{log.name}.{number + 1}{ending}"
            file.path.rename(place)
            file.path = place
        return log.folder / f"{log.name}.1"

    def rotate(self, log: Log) -> None:
        """Rename the log; a new file is there at once, or when the program is told to."""
        if not self.counts["collects"]:  # what was rotated before the first time is not asked for
            return
        if log.method != "rename" or log.half or not any(one.path == log.path for one in log.files):
            return
        file = next(one for one in log.files if one.path == log.path)
        if not file.lines:
            return
        place = self._shift(log)
        file.path.rename(place)
        file.path = place
        self._tick()
        if self.random.random() < 0.6:
            self.reopen(log)

    def reopen(self, log: Log) -> None:
        """The program goes on in a new file, after it wrote what it had begun; and the oldest may make room first."""
        if log.method != "rename" or log.writes is None or log.writes.path == log.path:
            return
        if self.random.random() < 0.7:
            self._finish(log, log.writes)
        if self.random.random() < 0.3:
            self.delete(log)
        log.writes = None
        if self.random.random() < 0.7:
            self._current(log)
            if self.random.random() < 0.6:
                self.write(log)

    def copy(self, log: Log) -> None:
        """The first half of copytruncate."""
        file = log.writes
        if not self.counts["collects"] or log.method != "copytruncate" or log.copied or log.half:
            return
        if file is None or not file.lines or not self._is_told(log, file):
            return
        place = self._shift(log)
        data, lines = file.path.read_bytes(), list(file.lines)
        copy = File(place)

        def finish() -> None:
            self._fill(place, data)
            copy.lines = lines
            log.copied = copy
            log.files.insert(1, copy)
            self._written(copy)
            if file.open is not None:  # nobody can say later which of the two the rest belongs to
                self.truncate(log)

        self._perhaps_half(log, place, data, finish, also=file.open is None)

    def _is_told(self, log: Log, file: File) -> bool:
        """Whether nothing was collected of a file, or more than what others may begin with."""
        return not any(line.seen for line in file.lines) or any(line.must for line in file.lines[len(log.header) :])

    def _perhaps_half(self, log: Log, place: Path, data: bytes, finish: Callable[[], None], *, also: bool) -> None:
        if also and self.random.random() < 0.3:
            self._make(place, data[: self.random.randrange(len(data))])
            log.half = place, finish
        else:
            finish()

    def go_on(self, log: Log) -> None:
        """Finish a copy, or a compressed file, that is being made."""
        if log.half is not None:
            (_, finish), log.half = log.half, None
            finish()

    def truncate(self, log: Log) -> None:
        """The second half of copytruncate; at times the file is soon longer than it was."""
        file = log.writes
        if log.copied is None or file is None or not self._is_told(log, file):
            return
        size = file.path.stat().st_size
        os.truncate(file.path, 0)
        file.met |= any(line.must for line in file.lines)
        file.lines, log.copied = [], None
        self._written(file)
        if self.random.random() < 0.5:
            self.write(log)
            while self.random.random() < 0.9 and file.path.stat().st_size <= size:
                self.write(log)

    def compress(self, log: Log) -> None:
        """Compress a rotated file, its time kept or not. A line left unfinished in it stays as it is."""
        ready = [one for one in log.files if not one.packed and one is not log.writes and one.path != log.path]
        if log.packing is None or log.half or log.copied or not ready:
            return
        file = self.random.choice(ready)
        place = file.path.with_name(file.path.name + log.packing)
        data = PACKED[log.packing](file.path.read_bytes())
        keeps_time = self.random.random() < 0.7

        def finish() -> None:
            self._fill(place, data)
            self._unlink(file.path)
            file.path, file.packed = place, True
            if keeps_time:
                os.utime(place, ns=(file.modified * 1_000, file.modified * 1_000))
            else:
                self._written(file)

        self._perhaps_half(log, place, data, finish, also=file.open is None)  # nobody compresses what is written to

    def delete(self, log: Log) -> None:
        """Delete the oldest file, once it was collected; a new file may well get its inode."""
        if len(log.files) < 2 or log.half or log.copied or log.idle:
            return
        file = log.files[-1]
        if file is not log.writes and file.path != log.path and all(one.must and one.whole for one in file.lines):
            self._unlink(file.path)
            log.files.remove(file)

    def wait(self, log: Log) -> None:
        """Nothing happens for a while."""
        if all(one.half is None and one.copied is None for one in self.logs):
            self.clock += self.random.choice((2, 30, 70, 600, 86_400)) * SECOND

    # -------------------------------------------------------------------------------------------------- the collector

    def jobs(self) -> tuple[list[Job], datetime]:
        """What is asked of the collector now."""
        for log in self.logs:
            if log.half is not None:
                os.utime(log.half[0], ns=(self.clock * 1_000, self.clock * 1_000))
            if log.copied is not None and log.writes is not None:
                unmet = not log.writes.met and log.writes.modified > log.copied.modified
                if unmet or self.clock - log.copied.modified > 30 * SECOND:
                    self.truncate(log)
            for file in log.files:
                file.met |= any(line.must for line in file.lines)
                for line in file.lines:
                    line.seen = True
        self._tick()
        now = datetime.fromtimestamp(self.clock / SECOND, UTC)
        return [
            Job(source=source, inputs=inputs(paths, now)[0], zone=UTC, format=form, paths=paths)
            for source, (paths, form) in self.sources.items()
        ], now

    def collect(self, _: Log) -> None:
        """Collect to the end: every whole line is stored."""
        for log in self.logs:
            for file in log.files:
                line = file.open
                if line is not None and self.clock + 5 * SECOND >= file.modified + QUIET.total_seconds() * SECOND:
                    self._quiet(log, file, line)
        jobs, now = self.jobs()
        self.trace.append(f"  collect at {now:%d %H:%M:%S.%f}")
        with writing(self.store, "the storm") as store:
            before = sum(one.kept for one in store.totals().values())
            result = collect(jobs, store, now)
            for line in self._due():
                line.must = True
            self._check(store, result, before)
        self.counts["collects"] += 1

    def _quiet(self, log: Log, file: File, line: Line) -> None:
        """A line left unfinished for long is taken as it is; what follows is another one."""
        self.clock = max(self.clock, file.modified + round(QUIET.total_seconds()) * SECOND)
        line.whole = True
        for other in log.files:
            if line in other.lines:
                other.lines.append(Line(b"", whole=False))
                log.every.append(other.lines[-1])

    def _settle(self) -> None:
        """No line is left that is unfinished so long that a collector may take it for whole, or not."""
        for log in self.logs:
            for file in log.files:
                if file.open is not None:
                    if not file.packed:
                        self._finish(log, file)
                    if file.open is not None:
                        self._written(file)

    def crash(self, _: Log) -> None:
        """Collect, and die somewhere on the way; what is stored then was written, and is stored once."""
        self._settle()
        jobs, now = self.jobs()
        left = [self.random.choice((3, 10, 30, 100))]
        left[0] = self.random.randrange(1, left[0] + 1)
        self.trace.append(f"  collect at {now:%d %H:%M:%S.%f}, dies after {left[0]}")
        try:
            with writing(self.store, "the storm") as store, _dying(left):
                collect(jobs, store, now)
            for line in self._due():
                line.must = True
            self.counts["collects"] += 1
        except CrashError:
            self.counts["crashes"] += 1
        with writing(self.store, "the storm") as store:
            self._check(store, None, 0)

    def race(self, _: Log) -> None:
        """Collect while files are written and rotated, just before one of them is opened."""
        self._settle()
        jobs, now = self.jobs()
        self.trace.append(f"  collect at {now:%d %H:%M:%S.%f}, with a race")
        calm = self._due()
        touched: set[str] = set()

        def opened(given: Input) -> Stream:
            if self.random.random() < 0.15:
                log = self.random.choice([one for one in self.logs if not one.idle])
                touched.add(log.name + str(log.folder))
                step = self.random.choice((self.write, self.rotate, self.reopen, self.copy, self.compress, self.delete))
                self.trace.append(f"  meanwhile {step.__name__} {log.folder.name}/{log.name}")
                step(log)
            return _Held(given, self.held)

        with writing(self.store, "the storm") as store:
            before = sum(one.kept for one in store.totals().values())
            self.racing = True
            with patch.object(collecting, "Stream", opened):
                result = collect(jobs, store, now)
            self.racing = False
            untouched = {
                id(line) for log in self.logs if log.name + str(log.folder) not in touched for line in log.every
            }
            for line in calm:
                line.must = line.must or id(line) in untouched
            self._check(store, result, before)
        self.counts["collects"] += 1
        self.counts["races"] += 1

    def _due(self) -> list[Line]:
        """The lines that collecting has to store now: all whole ones, except that more may follow of the last event of
        a file that has just been written to."""
        due: list[Line] = []
        for log in self.logs:
            for file in log.files:
                lines = [line for line in file.lines if line.whole]
                if log.kind != "csv" and self.clock - file.modified < SETTLED.total_seconds() * SECOND:
                    while lines and not lines.pop().text[:1].strip():
                        pass
                due += lines
        return due

    # ------------------------------------------------------------------------------------------------ what must be so

    def _check(self, store: WritableStore, result: Collected | None, before: int) -> None:
        stored: dict[str, Counter[bytes]] = {source: Counter() for source in self.sources}
        for info in (*store.index.segments(EVENTS), *store.index.segments(REJECTED)):
            stored[info.source].update(self._lines_of(store, info))
        kept = {source: one.kept for source, one in store.totals().items()}
        for source in self.sources:
            must, may = self._expected(source)
            found = Counter({text: count for text, count in stored[source].items() if text.strip()})
            lost, extra = must - found, found - may
            if lost or extra:
                self._fail(f"{source}: lost {dict(lost)}, too often or never written {dict(extra)}")
        totals = store.totals()
        for source, one in totals.items():
            if one.records != one.held + one.blank + one.rejected or one.stored + one.duplicate != one.events:
                self._fail(f"{source}: the ledger does not add up: {one}")
            if one.kept != one.stored:
                self._fail(f"{source}: {one.stored} were stored, {one.kept} are there")
        for source in self.sources:
            self._check_cursors(store, source, fresh=result is not None)
        if result is not None:
            self.counts["stored"] += result.stored
            self.counts["duplicate"] += result.duplicate
            if sum(kept.values()) - before != result.stored:
                self._fail(f"{result.stored} are said to be stored, {sum(kept.values()) - before} are")

    def _lines_of(self, store: WritableStore, info: SegmentInfo) -> Counter[bytes]:
        """The lines that a segment holds, read again where its file has changed."""
        file = store.folder / info.path
        state = file.stat()
        key = info.path, state.st_ino, state.st_mtime_ns, state.st_size
        if key not in self.segments:
            events = info.kind == EVENTS
            raw = store.batch(info).raw[:] if events else [row["raw"] for row in segment.rows(file)]
            self.segments[key] = Counter(line for one in raw for line in one.split(b"\n"))
        return self.segments[key]

    def _check_cursors(self, store: WritableStore, source: str, *, fresh: bool) -> None:
        latest: dict[tuple[int, int], int] = {}
        for cursor in store.index.cursors(source):
            latest.setdefault((cursor.device, cursor.inode), cursor.offset)
        for log in self.logs if fresh and not self.trace[-1].startswith("  meanwhile") else ():
            for file in log.files:
                state = file.path.stat()
                offset = latest.get((state.st_dev, state.st_ino), 0)
                left = file.packed or file is log.copied or not file.lines  # not looked at, or not yet
                if not left and self._of(log, source) and offset > state.st_size:
                    self._fail(f"{source}: the cursor of {file.path.name} stands at {offset} of {state.st_size}")

    def _of(self, log: Log, source: str) -> bool:
        """Whether a source has a log."""
        place = log.folder.name
        return {
            "named": place == "one",
            "glob": place == "two",
            "twice": place == "two" and log.name.startswith("app"),
            "csv": place == "csv",
        }[source]

    def _expected(self, source: str) -> tuple[Counter[bytes], Counter[bytes]]:
        """How often each line must be stored at least, and may be at most."""
        must: Counter[bytes] = Counter()
        may: Counter[bytes] = Counter()
        for log in self.logs:
            if self._of(log, source):
                for line in log.every:
                    text = line.text[:LONGEST]
                    if text.strip() and line.whole and text != HEADER:
                        may[text] += 1
                        must[text] += line.must and bool(text.strip(b"\0 "))  # to some formats, no more than a hole
        return must, may

    def _fail(self, why: str) -> None:
        steps = "\n".join(self.trace[-60:])
        logs = "\n".join(
            f"{log.folder.name}/{log.name}: {log.method} {log.naming} {log.packing} {log.kind}, "
            f"{[file.path.name for file in log.files]}"
            for log in self.logs
        )
        raise AssertionError(f"seed {self.seed}, step {self.counts['steps']}: {why}\n{logs}\n{steps}")

    # -------------------------------------------------------------------------------------------------------- the run

    def run(self, steps: int) -> Counter[str]:
        """So many random steps, and a last collecting."""
        weighted: list[tuple[Callable[[Log], None], int]] = [
            (self.write, 30),
            (self.begin_line, 6),
            (self.rotate, 10),
            (self.reopen, 6),
            (self.copy, 8),
            (self.truncate, 8),
            (self.go_on, 8),
            (self.compress, 8),
            (self.delete, 6),
            (self.wait, 4),
            (self.collect, 14),
            (self.crash, 6),
            (self.race, 5),
        ]
        kinds, weights = zip(*weighted, strict=True)
        with _small():
            for _ in range(steps):
                self.counts["steps"] += 1
                (step,) = self.random.choices(kinds, weights)
                log = self.random.choice(self.logs)
                self.trace.append(f"{self.counts['steps']} {step.__name__} {log.folder.name}/{log.name}")
                step(log)
            for log in self.logs:
                self.go_on(log)
            self._settle()
            self.collect(self.logs[0])
        return self.counts


@contextmanager
def _small() -> Iterator[None]:
    """Bounds so small that a storm meets them."""
    with patch.object(records, "MAX_RECORD", LONGEST), patch.object(collecting, "CHUNK", CHUNK):
        yield


_SEAMS: Final[Sequence[tuple[Any, str]]] = (
    (parquet.segments, "write"),
    (WritableStore, "_saved"),
    (WritableStore, "append"),
    (WritableStore, "_merge"),
    (WritableStore, "compact"),
    (WritableStore, "sweep"),
    (WritableStore, "touch"),
    (WritableStore, "forget"),
    (WritableStore, "keep"),
    (Index, "add"),
    (Index, "drop"),
    (Index, "keep"),
    (Index, "note"),
    (Index, "set_state"),
)


@contextmanager
def _dying(left: list[int]) -> Iterator[None]:
    """Every effect on the store may be the last: before it, or after it, so many of them from now."""

    def step() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise CrashError

    def seam(effect: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*args: Any, **kwargs: Any) -> Any:
            step()
            made = effect(*args, **kwargs)
            step()
            return made

        return instead

    with ExitStack() as stack:
        for owner, name in _SEAMS:
            stack.enter_context(patch.object(owner, name, seam(getattr(owner, name))))
        yield


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _day(time: int) -> str:
    return datetime.fromtimestamp(time / SECOND, UTC).strftime("%Y%m%d")
