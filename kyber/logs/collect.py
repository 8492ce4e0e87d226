"""Collecting: sources in, their new records stored, each counted; what was read once is not read again.

A file is known by what it holds, not by its name (`recognise`): so rotation by renaming, by copying and truncating, and
by compressing are all followed, and what a rotated file held beyond the cursor is still read. Where it is not certain
that bytes were read before, they are read again: the store recognises what it has.
"""

import glob
import os
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Final

from kyber.finding import InputAccount
from kyber.logs import journal
from kyber.logs.batch import Chunk, EventBatch, Origin, Parsed
from kyber.logs.formats import Context, Format, Parser
from kyber.logs.formats.known import FORMATS, detect
from kyber.logs.formats.text import TEXT
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
from kyber.logs.recognise import TAIL, Known, holds, is_ahead, member_of, time_of
from kyber.logs.records import CHUNK, FRAMINGS, MAX_RECORDS, delimited, lines
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
MAX_TAIL: Final = 2**16
"""Bytes of them, at most, unless the last one alone is longer."""
ATTEMPTS: Final = 3
"""How often a file is read that is cut short meanwhile, before that is left to the next time."""

_RESUMED: Final = {"lines": lines, "csv": delimited}
"""The framings in which reading can go on where it stopped. Others are read whole when the file has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What collecting did: files that had something new, how many did not, events stored and found stored already."""

    inputs: tuple[InputAccount, ...]
    problems: tuple[Problem, ...]
    unchanged: int
    stored: int
    duplicate: int


def collect(
    jobs: Sequence[Job],
    store: WritableStore,
    now: datetime,
    progress: Callable[[Progress], None] = lambda _: None,
    *,
    chunk: int | None = None,
    most: int = MAX_RECORDS,
    finished: bool = False,
    compact: bool = True,
) -> Collected:
    """Store what is new in the inputs of the jobs. `now` (aware) is the time of collecting; `chunk`: bytes of a file
    that are read at once; else CHUNK; `most`: lines that are stored at once. `finished`: nobody writes to the files any
    more. `compact`: also merge small segments. Raises StoreError."""
    moment = round(now.timestamp() * 1_000_000)
    made = _Collecting(store, now, moment, progress, chunk or CHUNK, most, finished)
    made.total = sum(one.size for job in jobs for one in job.inputs)
    for job in jobs:
        made.source(job)
    store.forget(moment - round(FORGET.total_seconds() * 1_000_000))
    if compact:
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
    chunk: int
    most: int
    finished: bool
    accounts: list[InputAccount] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    total: int = 0
    done: int = 0
    unchanged: int = 0
    stored: int = 0
    duplicate: int = 0

    def source(self, job: Job) -> None:
        """Store what is new in one source.

        Rotated files that are not listed are read if they are known, or were written since the source was last looked
        at to the end. Before the first time, that is since the oldest of the listed files was written.
        """
        index, state = self.store.index, f"looked {job.source}"
        cursors, looked = index.cursors(job.source), index.state(state)
        files = [one.path for one in job.inputs if one.path is not None]
        named = [Path(one) for one in job.paths if not glob.has_magic(one) and not Path(one).is_dir()]
        known = Known([one for one in cursors if one.path != JOURNAL], files, named)
        if not looked:
            oldest = min((one.modified for one in job.inputs), default=self.now)
            with index.transaction():
                index.set_state(state, max(1, min(round(oldest.timestamp() * 1_000_000), self.moment)))
        seen: set[int] = set()
        whole = True
        # Rotated files come first: whoever bears their former names now is told from them by that.
        for given in known.rotated:
            old = self._is_old(given, looked)
            if not old or known.expects(given):
                whole = self._attempt(given, job, known, seen, known_only=old) and whole
        for given in sorted(job.inputs, key=lambda one: (not known.is_rotated(one), one.modified)):
            whole = self._attempt(given, job, known, seen) and whole
            self.done += given.size
        if job.journal is not None:
            try:
                self._journal(job, job.journal, cursors)
            except ReadingError as error:
                self.problems.append(Problem(Place(JOURNAL), error.code, error.facts))
        with index.transaction():
            index.touch(seen, self.moment)
            if whole:
                index.set_state(state, self.moment)

    def _is_old(self, given: Input, looked: int) -> bool:
        """Whether a rotated file was there, as it is, when the source was last looked at. A clock that went back tells
        nothing."""
        if not looked:
            return True
        return looked <= self.moment and round(given.modified.timestamp() * 1_000_000) <= looked - COARSE

    def _attempt(self, given: Input, job: Job, known: Known, seen: set[int], *, known_only: bool = False) -> bool:
        """Read what is new in one file; whether that is done. What stands in the way is a problem."""
        for _ in range(ATTEMPTS):
            try:
                return self._file(given, job, known, seen, known_only=known_only)
            except _TruncatedError:
                continue
            except ReadingError as error:
                if error.code == "F02" and given.path is not None and not os.path.lexists(given.path):
                    return False  # renamed or deleted since it was listed
                self.problems.append(Problem(Place(given.name), error.code, error.facts))
                return True
            except MemoryError:
                spent = out_of_memory()
                self.problems.append(Problem(Place(given.name), spent.code, spent.facts))
                return False
        return False

    def _file(self, given: Input, job: Job, known: Known, seen: set[int], *, known_only: bool) -> bool:
        """Read what is new in one file; whether it is one that was there when the source was listed.

        `known_only`: only if something of it was read before.
        """
        same = known.unchanged(given)
        if same is not None:
            self.unchanged += 1
            seen.add(same.id)
            if same.path != str(known.place(given)):
                known.put(self.store.keep(replace(same, path=str(known.place(given)), seen=self.moment)))
            return True
        stream = Stream(given)
        try:
            state = stream.state
            listed = known.is_there(state)
            if not listed:
                known.look()
            if not stream.sample:
                self.unchanged += 1
                return listed
            candidates = known.candidates(stream)
            form = _form(stream, job, candidates)
            stream, found, tail = _recognised(stream, form, candidates, known.own(state, given))
            if found is None and known_only:
                return listed
            alone = QUIET if self.finished else self.now - time_of(state)
            original = None
            if known.is_fresh(found) and form.framing in _RESUMED:
                left, read = self._originals(given, job, form, known)
                if left and alone < QUIET and known.is_rotated(given):
                    self.unchanged += 1  # a copy, so it seems, that is still being made
                    return False
                # Few records do not say much: others may begin with them. Then the original must have been cut, too.
                original = next((one for one in left if read >= TAIL or known.was_cut(one)), None)
            cursor = self._begun(stream, state, job, form, known, found, original)
            reader = _File(self, job, stream, form, cursor, tail, alone=alone)
            try:
                kept = reader.read()
            finally:
                if reader.tally.records or reader.tally.cut:
                    self.accounts.append(account(given.name, form.name, reader.tally, given.size, stream.produced))
                    self.problems.extend(doubts(given.name, reader.tally))
                if reader.cursor.id:
                    seen.add(reader.cursor.id)
                    known.put(reader.cursor)
            self.unchanged += not kept
            return listed
        finally:
            stream.close()

    def _begun(
        self,
        stream: Stream,
        state: os.stat_result,
        job: Job,
        form: Format,
        known: Known,
        found: Cursor | None,
        original: Cursor | None,
    ) -> Cursor:
        """The cursor of a file as reading begins: the one that was found, one beside that of a file of which it is a
        copy, or a new one.

        A new file that begins as others do has another fingerprint, so that their equal lines are not taken for one;
        unless it is an earlier copy of one of them: then it has that one's (`original`).
        """
        given, own = stream.input, known.own(state, stream.input)
        head = stream.sample[:FINGERPRINT]
        cursor = replace(
            found if found is not None else Cursor(source=job.source, path=""),
            path=str(known.place(given)),
            member=member_of(given),
            device=state.st_dev,
            inode=state.st_ino,
            size=state.st_size,
            modified=state.st_mtime_ns,
            format=form.name,
            done=False,
        )
        if found is not None:
            if own is not None and (found == own or is_ahead(found, own)):
                cursor = replace(cursor, id=own.id)
            elif not known.gone(found):
                cursor = replace(cursor, id=0)
        fingerprint = fingerprint_of(stream, form)
        if form.own_identity:
            return replace(cursor, head=sha256(head).digest(), head_size=len(head), fingerprint=fingerprint)
        if original is not None:
            return replace(cursor, head=sha256(head).digest(), head_size=len(head), fingerprint=original.fingerprint)
        if found is not None and (found.records or form.framing not in _RESUMED or len(head) == found.head_size):
            return cursor
        alike = [one for one in known.alike(stream.sample) if one.id != cursor.id]
        if alike:
            number = f"{self.store.index.state('commit')} {alike[0].id}"
            fingerprint = sha256(head + b"\0" + number.encode()).digest()
        return replace(cursor, head=sha256(head).digest(), head_size=len(head), fingerprint=fingerprint)

    def _originals(self, given: Input, job: Job, form: Format, known: Known) -> tuple[list[Cursor], int]:
        """The cursors of files of which this one may be an earlier copy: all that it holds was read there; and how many
        records that is."""
        read = 0
        stream = Stream(given)
        try:
            left = [one for one in known.copied(stream) if one.records]
            parsed = self._parsed(stream, job, form)
            while left and (some := next(parsed, None)) is not None:
                read += some.records
                left = [one for one in left if self.store.has(some, self._origin(given, job, one))]
        finally:
            stream.close()
        return left, read

    @staticmethod
    def _parsed(stream: Stream, job: Job, form: Format) -> Iterator[Parsed]:
        """All that stands in a file now, as it is read anew: up to its last whole line, or to where it breaks off."""
        parser = form.parser(_context(stream, job))
        try:
            for chunk in _RESUMED[form.framing](stream, CHUNK):
                yield parser.feed(_without_last(chunk) if chunk.open else chunk)
        except ReadingError:
            pass
        yield parser.finish()

    @staticmethod
    def _origin(given: Input, job: Job, cursor: Cursor) -> Origin:
        return Origin(job.source, given.name, cursor.fingerprint, job.zone)

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
            by_line=form.framing in _RESUMED,
        )
        tally.add(parsed)
        tally.notes["F23"] += batch.unindexed
        tally.span(batch)
        self.stored += appended.stored
        self.duplicate += appended.duplicate
        return appended


class _File:
    """The reading of one file from its cursor on. `tail`: what was read just before it. `alone`: how long nobody has
    written to the file."""

    def __init__(
        self,
        run: _Collecting,
        job: Job,
        stream: Stream,
        form: Format,
        cursor: Cursor,
        tail: bytes,
        *,
        alone: timedelta,
    ) -> None:
        self.run, self.job, self.stream, self.form, self.cursor = run, job, stream, form, cursor
        self.alone = alone
        self.tally = Tally()
        self.origin = Origin(job.source, stream.input.name, cursor.fingerprint, job.zone)
        self.recent: deque[tuple[int, bytes, int]] = deque(maxlen=TAIL)  # offset, what was there, where the next begins
        if tail:
            self.recent.append((cursor.tail_from, tail, cursor.offset))
        self.numbers: deque[tuple[int, Sequence[int]]] = deque()  # of chunks with records held back: first, offsets

    def read(self) -> bool:
        """Read to the end, storing chunk by chunk; whether there was anything. Raises ReadingError, StoreError."""
        resumed = _RESUMED.get(self.form.framing)
        parser = self.form.parser(_context(self.stream, self.job))
        start, number = self.cursor.offset, self.cursor.records + 1
        chunks = (
            resumed(self.stream, self.run.chunk, number, start, self.run.most)
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
                if resumed is not None:
                    self._remember(chunk)
                parsed = parser.feed(chunk)
                if not self.stream.unchanged:
                    raise _TruncatedError
                self._keep(parsed, self._at(parser.pending, end, chunk), len(chunk.cut))
        except ReadingError:
            if self.alone >= QUIET:  # otherwise the rest may be on its way
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
            if after is not None:
                ended = after > offset + len(record) and index not in chunk.cut
                self.recent.append((offset, record + b"\n" if ended else record, after))

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
            return replace(self.cursor, records=records, seen=self.run.moment)
        moved = replace(self.cursor, offset=offset, records=records, seen=self.run.moment)
        if offset == self.cursor.offset:
            return moved
        tail, start = b"", offset
        for begin, text, after in reversed(self.recent):
            if after > offset:
                continue
            if after != start or (tail and (begin + len(text) != after or len(tail) + len(text) > MAX_TAIL)):
                break
            tail, start = text + tail, begin
            if begin + len(text) != after:  # a record that was cut
                break
        return replace(moved, tail_from=start, tail_size=len(tail), tail=sha256(tail).digest() if tail else b"")


def _context(stream: Stream, job: Job) -> Context:
    return Context(
        reference=stream.input.modified, zone=job.zone, sample=stream.sample, columns=job.columns, starts=job.starts
    )


def _form(stream: Stream, job: Job, candidates: Sequence[Cursor]) -> Format:
    """What an input is: what is said of it, or was told when its reading began. What was only known as text, or not
    read at all yet, may be told better by now."""
    if job.format is not None:
        return FORMATS[job.format]
    cursor = next((one for one in candidates if one.format in FORMATS), None)
    if cursor is None:
        return detect(stream.sample)
    form = FORMATS[cursor.format]
    if form.framing in _RESUMED and (not cursor.records or (form is TEXT and cursor.offset < len(stream.sample))):
        better = detect(stream.sample)
        return better if better.framing in _RESUMED or not cursor.records else form
    return form


def _recognised(
    stream: Stream, form: Format, candidates: Sequence[Cursor], own: Cursor | None
) -> tuple[Stream, Cursor | None, bytes]:
    """The stream, the cursor at which it goes on and stands then, if any, and what stood before it."""
    if form.framing not in _RESUMED:
        return stream, own if form.own_identity and own is not None else next(iter(candidates), None), b""
    for cursor in candidates:
        tail = holds(stream, cursor, own=cursor == own)
        if tail is not None:
            return stream, cursor, tail
        stream.close()
        stream = Stream(stream.input)
    return stream, None, b""


def _without_last(chunk: Chunk) -> Chunk:
    """A chunk without its last record, which has no line end yet."""
    last = len(chunk.records) - 1
    return Chunk(
        chunk.records[:last], chunk.offsets[:last], chunk.first, chunk.cut - {last}, chunk.offsets[last], False
    )
