"""Collecting: sources in, their new records stored, each counted; what was read once is not read again.

A file is known by what it holds, not by its name (`recognised`): so rotation by renaming, by copying and truncating,
and by compressing are all followed, and what a rotated file held beyond the cursor is still read. Where it is not
certain that bytes were read before, they are read again: the store recognises what it has.
"""

import os
import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, Final

from kyber.finding import InputAccount
from kyber.logs import journal
from kyber.logs.batch import Chunk, EventBatch, Origin, Parsed
from kyber.logs.formats import Context, Format, Parser
from kyber.logs.formats.known import FORMATS, detect
from kyber.logs.inputs import Input
from kyber.logs.parse import (
    JOURNAL,
    JOURNALD,
    Job,
    Progress,
    Tally,
    account,
    doubts,
    fingerprint_of,
    journal_origin,
    logsource_of,
)
from kyber.logs.records import CHUNK, FRAMINGS, delimited, lines
from kyber.logs.schema import table
from kyber.logs.store.index import Cursor, Read
from kyber.logs.store.parquet import Appended, WritableStore
from kyber.logs.stream import FINGERPRINT, ReadingError, Stream, out_of_memory
from kyber.problem import Place, Problem

QUIET: Final = timedelta(seconds=60)
"""How long a file must have been left alone before a last line without an end is taken for complete."""
SETTLED: Final = timedelta(seconds=1)
"""How long a file must have been left alone before the last event is given out, of which more lines might follow."""
FORGET: Final = timedelta(days=90)
"""How long a cursor is kept after its file was last there."""
COARSE: Final = 2_000_000
"""Microseconds by which a file's time may lag behind the clock."""
TAIL: Final = 16
"""Records before the cursor by which a file is known again."""
MAX_TAIL: Final = 2**16
"""Bytes of them, at most."""

_RESUMED: Final = {"lines": lines, "csv": delimited}
"""The framings in which reading can go on where it stopped. Others are read whole when the file has changed."""
_ROTATED: Final = re.compile(r"(?:[.\-_]?[0-9][0-9.\-_T:]{0,40}|[.\-_]old|[.\-_]bak)?(?:\.(?:gz|xz|zst|zstd|bz2))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What collecting did: files that had something new, how many did not, events stored and found stored already."""

    inputs: tuple[InputAccount, ...]
    problems: tuple[Problem, ...]
    unchanged: int
    stored: int
    duplicate: int


def collect(
    jobs: Sequence[Job], store: WritableStore, now: datetime, progress: Callable[[Progress], None] = lambda _: None
) -> Collected:
    """Store what is new in the inputs of the jobs. `now` (aware) is the time of collecting. Raises StoreError."""
    moment = round(now.timestamp() * 1_000_000)
    made = _Collecting(store, now, moment, progress)
    made.total = sum(one.size for job in jobs for one in job.inputs)
    for job in jobs:
        made.source(job)
    store.forget(moment - round(FORGET.total_seconds() * 1_000_000))
    store.compact()
    return Collected(
        inputs=tuple(made.accounts),
        problems=tuple(made.problems),
        unchanged=made.unchanged,
        stored=made.stored,
        duplicate=made.duplicate,
    )


class _TruncatedError(Exception):
    """The file was cut short while it was being read: what was read last is not certain to have been in one file."""


@dataclass(slots=True)
class _Collecting:
    """One run of collecting."""

    store: WritableStore
    now: datetime
    moment: int
    progress: Callable[[Progress], None]
    accounts: list[InputAccount] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    total: int = 0
    done: int = 0
    unchanged: int = 0
    stored: int = 0
    duplicate: int = 0

    def source(self, job: Job) -> None:
        cursors = self.store.index.cursors(job.source)
        seen: set[int] = set()
        looked = max((one.seen for one in cursors), default=None)
        listed = {given.path for given in job.inputs if given.path is not None}
        rotated = list(_rotated(listed, {Path(one.path) for one in cursors if one.path != JOURNAL}))
        present = _present([*listed, *(given.path for given in rotated if given.path is not None)])
        for given in (*rotated, *job.inputs):
            old = given in rotated and (looked is None or given.modified.timestamp() * 1_000_000 <= looked - COARSE)
            for _ in range(3):
                try:
                    self._file(given, job, cursors, present, seen, known_only=old)
                    break
                except _TruncatedError:
                    continue
                except ReadingError as error:
                    self.problems.append(Problem(Place(given.name), error.code, error.facts))
                    break
                except MemoryError:
                    spent = out_of_memory()
                    self.problems.append(Problem(Place(given.name), spent.code, spent.facts))
                    break
            if given not in rotated:
                self.done += given.size
        if job.journal is not None:
            try:
                self._journal(job, job.journal, cursors)
            except ReadingError as error:
                self.problems.append(Problem(Place(JOURNAL), error.code, error.facts))
        self.store.touch(seen, self.moment)

    def _file(
        self,
        given: Input,
        job: Job,
        cursors: list[Cursor],
        present: Mapping[tuple[int, int], Path],
        seen: set[int],
        *,
        known_only: bool,
    ) -> None:
        """Read what is new in one file. `known_only`: only if something of it was read before."""
        same = _unchanged(given, cursors)
        if same is not None:
            self.unchanged += 1
            seen.add(same.id)
            return
        stream = Stream(given)
        try:
            state = stream.state
            if not stream.sample:
                self.unchanged += 1
                return
            alone = self.now - _time_of(state) if stream.file is not None else QUIET
            form, resumed = self._form(stream, job, cursors)
            if resumed is None and form.framing in ("json", "envelope") and alone < QUIET:
                self.unchanged += 1  # the value at its end may still be being written
                return
            stream, cursor, before = (
                recognised(stream, cursors, present) if resumed else (stream, None, _heads(stream, cursors))
            )
            if cursor is None and known_only:
                return
            cursor = _cursor_for(stream, state, cursor, before, job.source, form)
            reader = _File(self, job, stream, form, cursor, alone=alone if resumed is not None else QUIET)
            try:
                kept = reader.read()
            finally:
                if reader.tally.records or reader.tally.cut:
                    self.accounts.append(account(given.name, form.name, reader.tally, given.size, stream.produced))
                    self.problems.extend(doubts(given.name, reader.tally))
                if reader.cursor.id:
                    seen.add(reader.cursor.id)
                    cursors[:] = [reader.cursor, *(one for one in cursors if one.id != reader.cursor.id)]
            self.unchanged += not kept
        finally:
            stream.close()

    def _form(
        self, stream: Stream, job: Job, cursors: Sequence[Cursor]
    ) -> tuple[Format, Callable[..., Iterator[Chunk]] | None]:
        """What an input is, as it was told when its reading began; and how reading goes on in it, where it can."""
        known = next((one for one in _heads(stream, cursors) if one.format in FORMATS), None)
        if job.format is not None:
            form = FORMATS[job.format]
        else:
            form = FORMATS[known.format] if known is not None else detect(stream.sample)
        return form, _RESUMED.get(form.framing)

    def _journal(self, job: Job, units: Sequence[str], cursors: Sequence[Cursor]) -> None:
        """Read what is new in the journal of this machine."""
        cursor = next((one for one in cursors if one.path == JOURNAL), Cursor(source=job.source, path=JOURNAL))
        form, tally, origin = FORMATS[JOURNALD], Tally(), journal_origin(job)
        parser = form.parser(Context(reference=self.now, zone=job.zone))
        try:
            for chunk in journal.entries(cursor.mark or None, units):
                mark = next(filter(None, map(journal.cursor_of, reversed(chunk.records))), cursor.mark)
                shifted = Chunk(chunk.records, chunk.offsets, cursor.records + 1, chunk.cut)
                tally.cut += len(chunk.cut)
                after = replace(
                    cursor, mark=mark, records=cursor.records + len(chunk.records), seen=self.moment, done=True
                )
                cursor = self.append(
                    parser.feed(shifted),
                    form,
                    job,
                    origin,
                    tally,
                    after,
                    Read(source=job.source, file=JOURNAL, fingerprint=origin.fingerprint, cut=len(chunk.cut)),
                ).cursor
                self.progress(Progress(self.done, self.total, tally.events, JOURNAL))
        finally:
            if tally.records:
                self.accounts.append(account(JOURNAL, form.name, tally, 0, 0))
                self.problems.extend(doubts(JOURNAL, tally))

    def append(
        self, parsed: Parsed, form: Format, job: Job, origin: Origin, tally: Tally, cursor: Cursor, read: Read
    ) -> Appended:
        """Store what was parsed together with the cursor after it."""
        batch = EventBatch(parsed, origin, logsource_of(job.logsource, form), table(form.table), form.column, form.json)
        rejected = sum(one.held for one in parsed.rejects)
        appended = self.store.append(
            batch,
            parsed.rejects,
            origin,
            cursor,
            replace(
                read,
                records=parsed.records,
                held=parsed.records - parsed.blank - rejected,
                blank=parsed.blank,
                rejected=rejected,
                repaired=parsed.repaired,
            ),
            self.moment,
        )
        tally.add(parsed)
        tally.notes["F23"] += batch.unindexed
        tally.span(batch)
        self.stored += appended.stored
        self.duplicate += appended.duplicate
        return appended


class _File:
    """The reading of one file from its cursor on."""

    def __init__(
        self, run: _Collecting, job: Job, stream: Stream, form: Format, cursor: Cursor, *, alone: timedelta
    ) -> None:
        self.run, self.job, self.stream, self.form, self.cursor = run, job, stream, form, cursor
        self.alone = alone
        self.tally = Tally()
        self.origin = Origin(job.source, stream.input.name, cursor.fingerprint, job.zone)
        self.recent: deque[tuple[int, bytes, int]] = deque(maxlen=TAIL)  # offset, record, and where the next begins
        self.numbers: deque[tuple[int, Sequence[int]]] = deque()  # of chunks with records held back: first, offsets

    def read(self) -> bool:
        """Read to the end, storing chunk by chunk; whether there was anything. Raises ReadingError, StoreError."""
        resumed = _RESUMED.get(self.form.framing)
        context = Context(
            reference=self.stream.input.modified,
            zone=self.job.zone,
            sample=self.stream.sample,
            columns=self.job.columns,
            starts=self.job.starts,
        )
        parser = self.form.parser(context)
        start, number = self.cursor.offset, self.cursor.records + 1
        chunks = (
            resumed(self.stream, CHUNK, number, start)
            if resumed is not None
            else FRAMINGS[self.form.framing](self.stream)
        )
        end, whole, any_ = start, True, False
        try:
            for given in chunks:
                chunk = _without_last(given) if given.open and self.alone < QUIET else given
                whole = chunk is given
                if not chunk.records:
                    continue
                any_ = True
                end = chunk.end if chunk.end is not None else end
                self.tally.cut += len(chunk.cut)
                self._remember(chunk)
                parsed = parser.feed(chunk)
                if not self.stream.unchanged:
                    raise _TruncatedError
                self._keep(parsed, self._at(parser.pending, end, chunk), len(chunk.cut))
        except ReadingError:
            self._finish(parser, end, done=False)
            raise
        if parser.pending is None or self.alone >= SETTLED:
            self._finish(parser, end, done=whole)
        return any_

    def _finish(self, parser: Parser, end: int, *, done: bool) -> None:
        parsed = parser.finish()
        self.tally.notes.update(parser.notes)
        last = self.numbers[-1][0] + len(self.numbers[-1][1]) - 1 if self.numbers else self.cursor.records
        cursor = replace(self._moved(end, last), done=done)
        if parsed.records:
            self._keep(parsed, cursor, 0)
        elif cursor != self.cursor:
            self.cursor = self.run.store.keep(cursor)

    def _keep(self, parsed: Parsed, cursor: Cursor, cut: int) -> None:
        read = Read(
            source=self.job.source,
            file=self.stream.input.name,
            fingerprint=self.cursor.fingerprint,
            start=self.cursor.offset,
            stop=cursor.offset,
            cut=cut,
        )
        self.cursor = self.run.append(parsed, self.form, self.job, self.origin, self.tally, cursor, read).cursor
        run = self.run
        consumed = min(self.stream.consumed, self.stream.input.size)
        run.progress(Progress(run.done + consumed, run.total, self.tally.events, self.stream.input.name))

    def _remember(self, chunk: Chunk) -> None:
        self.numbers.append((chunk.first, chunk.offsets))
        following = chain(chunk.offsets[1:], (chunk.end,))
        held = list(zip(chunk.offsets, chunk.records, following, range(len(chunk.records)), strict=False))[-TAIL:]
        for offset, record, after, index in held:
            if after is None or index in chunk.cut:
                self.recent.clear()
            else:
                self.recent.append((offset, record, after))

    def _at(self, pending: int | None, end: int, chunk: Chunk) -> Cursor:
        """The cursor from which nothing would be lost: at the first record held back, else after the last one."""
        if pending is None or chunk.end is None:
            while len(self.numbers) > 1:
                self.numbers.popleft()
            return self._moved(end, chunk.first + len(chunk.records) - 1)
        while len(self.numbers) > 1 and self.numbers[1][1][0] <= pending:
            self.numbers.popleft()
        first, offsets = self.numbers[0]
        return self._moved(pending, first - 1 + bisect_left(offsets, pending))

    def _moved(self, offset: int, records: int) -> Cursor:
        if self.form.framing not in _RESUMED:
            return replace(self.cursor, seen=self.run.moment)
        tail = [one for one in self.recent if one[2] <= offset]
        moved = replace(self.cursor, offset=offset, records=records, seen=self.run.moment)
        if offset == self.cursor.offset:
            return moved
        if not tail or tail[-1][2] != offset:
            return replace(moved, tail_from=offset, tail=b"")
        size = 0
        held: list[tuple[int, bytes, int]] = []
        for one in reversed(tail):
            size += one[2] - one[0]
            if held and size > MAX_TAIL:
                break
            held.append(one)
        text = b"".join(record + b"\n" * (after - offset_ - len(record)) for offset_, record, after in reversed(held))
        return replace(moved, tail_from=held[-1][0], tail=sha256(text).digest())


def recognised(
    stream: Stream, cursors: Sequence[Cursor], present: Mapping[tuple[int, int], Path]
) -> tuple[Stream, Cursor | None, list[Cursor]]:
    """The cursor at which reading a file goes on, with the stream there; and the cursors of files that begin alike.

    A file goes on at a cursor if what lies before the cursor is in it: it is that file, or a copy of it. A file that
    took the name of another one that is still there is no copy.
    """
    alike = _heads(stream, cursors)
    state = stream.state
    identity = (state.st_dev, state.st_ino)
    own = [one for one in alike if (one.device, one.inode) == identity and _may_be(one, stream.input)]
    others = [one for one in alike if one not in own]
    for cursor in (*own, *sorted(others, key=lambda one: -one.offset)):
        place = present.get((cursor.device, cursor.inode))
        if cursor not in own and place is not None and _named(stream.input) == cursor.path != str(place):
            continue
        if _holds(stream, cursor, same=cursor in own):
            return stream, cursor, alike
        stream.close()
        stream = Stream(stream.input)
    return stream, None, alike


def _heads(stream: Stream, cursors: Sequence[Cursor]) -> list[Cursor]:
    """The cursors of files that begin as this one does; those with the longest common beginning first."""
    sample = stream.sample[:FINGERPRINT]
    digests = {size: sha256(sample[:size]).digest() for size in {one.head_size for one in cursors}}
    found = [one for one in cursors if 0 < one.head_size <= len(sample) and digests[one.head_size] == one.head]
    return sorted(found, key=lambda one: -one.head_size)


def _holds(stream: Stream, cursor: Cursor, *, same: bool) -> bool:
    """Whether what lies before a cursor is in a stream, which stands at the cursor then."""
    if not cursor.tail:
        return (same or not cursor.offset) and stream.skip(cursor.offset)
    try:
        if not stream.skip(cursor.tail_from):
            return False
        size, tail = cursor.offset - cursor.tail_from, b""
        while len(tail) < size and (data := stream.read(size - len(tail))):
            tail += data
    except ReadingError:
        return False
    return len(tail) == size and sha256(tail).digest() == cursor.tail


def _cursor_for(
    stream: Stream, state: os.stat_result, found: Cursor | None, alike: Sequence[Cursor], source: str, form: Format
) -> Cursor:
    """The cursor of a file as reading begins: its own, one beside that of the file it is a copy of, or a new one.

    A file that begins like another and took its place is a new file though their lines may be equal: its fingerprint is
    another. Elsewhere it may be an older copy, and shares the fingerprint, so that equal lines are recognised.
    """
    now_there: dict[str, Any] = {
        "path": _named(stream.input),
        "device": state.st_dev,
        "inode": state.st_ino,
        "size": state.st_size,
        "modified": state.st_mtime_ns,
        "done": False,
    }
    if found is not None:
        own = (found.device, found.inode) == (state.st_dev, state.st_ino) and _may_be(found, stream.input)
        return replace(found, id=found.id if own else 0, **now_there)
    head = stream.sample[:FINGERPRINT]
    fingerprint = fingerprint_of(stream, form)
    if alike and not form.own_identity:
        replaced = [
            one
            for one in alike
            if form.framing in _RESUMED
            and (one.path == _named(stream.input) or (one.device, one.inode) == (state.st_dev, state.st_ino))
        ]
        fingerprint = (
            sha256(head + b"\0" + str(max(one.id for one in replaced)).encode()).digest()
            if replaced
            else alike[0].fingerprint
        )
    return Cursor(
        source=source,
        head=sha256(head).digest(),
        head_size=len(head),
        fingerprint=fingerprint,
        format=form.name,
        **now_there,
    )


def _unchanged(given: Input, cursors: Sequence[Cursor]) -> Cursor | None:
    """The cursor of a file that is as it was when all of it had been read."""
    if given.path is None:
        return None
    try:
        state = given.path.stat()
    except OSError:
        return None
    now_there = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
    return next(
        (
            one
            for one in cursors
            if one.done and (one.device, one.inode, one.size, one.modified) == now_there and _may_be(one, given)
        ),
        None,
    )


def _named(given: Input) -> str:
    """A file by its path, a member of an archive by its name, too."""
    return given.name if given.member is not None else str(given.path)


def _may_be(cursor: Cursor, given: Input) -> bool:
    """Whether a cursor with a file's device and inode is that file's: the members of an archive share them."""
    return given.member is None or cursor.path == given.name


def _rotated(listed: set[Path], known: set[Path]) -> Iterator[Input]:
    """The files beside the listed and known ones that log rotation may have made of them, the oldest first."""
    names: dict[Path, set[str]] = {}
    for path in listed | known:
        names.setdefault(path.parent, set()).add(path.name)
    found = []
    for folder, bases in names.items():
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            if any(_is_rotated(entry.name, base) for base in bases):
                try:
                    if not entry.is_file(follow_symlinks=False) or (path := Path(entry.path)) in listed:
                        continue
                    state = entry.stat(follow_symlinks=False)
                except OSError:
                    continue
                found.append(Input(str(path), path, state.st_size, _time_of(state)))
    return iter(sorted(found, key=lambda one: (one.modified, one.name)))


def _is_rotated(name: str, base: str) -> bool:
    """Whether a name is a base with a number, a date or the sign of a compression; also before the base's ending."""
    if name == base:
        return True
    if name.startswith(base) and _ROTATED.fullmatch(name, len(base)):
        return True
    stem, dot, ending = base.rpartition(".")
    if not dot or not name.startswith(stem):
        return False
    middle, found, after = name[len(stem) :].rpartition(f".{ending}")
    return bool(found) and bool(_ROTATED.fullmatch(middle)) and bool(_ROTATED.fullmatch(after))


def _present(paths: Sequence[Path]) -> dict[tuple[int, int], Path]:
    """Which files are there, by device and inode."""
    found = {}
    for path in paths:
        try:
            state = path.stat()
        except OSError:
            continue
        found[state.st_dev, state.st_ino] = path
    return found


def _without_last(chunk: Chunk) -> Chunk:
    """A chunk without its last record, which has no line end yet."""
    last = len(chunk.records) - 1
    return Chunk(
        chunk.records[:last], chunk.offsets[:last], chunk.first, chunk.cut - {last}, chunk.offsets[last], False
    )


def _time_of(state: os.stat_result) -> datetime:
    try:
        return datetime.fromtimestamp(state.st_mtime, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.min.replace(tzinfo=UTC)
