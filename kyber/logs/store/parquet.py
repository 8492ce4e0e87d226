"""The embedded store: batches and cursors in, batches of a period out; one folder, `.kyber`, of one workspace.

`.kyber/events/SOURCE/DAY/N.parquet` are the segments, `.kyber/index.sqlite` is what is known of them, of cursors and of
the ledger. A segment is written whole under another name, synced and renamed; then the index takes it in, together with
the cursor after it. A file that the index does not know is what a killed process left: it is removed when the store is
next opened for writing.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property, partial
from hashlib import file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson
import pyarrow as pa

from kyber.logs.batch import EventBatch, Origin, Parsed, Raws, Reject, event_id
from kyber.logs.column import Places
from kyber.logs.store import ALL, Fresh, Key, Part, Period
from kyber.logs.store import segment as segments
from kyber.logs.store.index import (
    EVENTS,
    FILE,
    REJECTED,
    UNDATED,
    Cursor,
    Index,
    Read,
    SegmentInfo,
    Span,
    StoreError,
    Totals,
)
from kyber.logs.store.lock import alone, held, shared
from kyber.logs.store.segment import Nature, Segment
from kyber.logs.values import NO_TIME, as_datetime
from kyber.problem import Problem

if TYPE_CHECKING:
    from kyber.logs.store.narrow import Narrow

DAY: Final = 86_400_000_000
MAX_DAYS: Final = 1_500
"""UTC days of one batch that are kept apart, a segment each."""
EARLIEST: Final = 631_152_000_000_000
"""1990-01-01: an earlier time is that of a clock which was never set, and tells no day."""
FEW: Final = 4
"""Small segments of one source, day and nature from which on they are merged."""
SMALL: Final = segments.ROWS // 2
"""Events below which a segment is small."""
MERGED: Final = 2**25
"""Bytes of the columns of one segment after merging, uncompressed: what bounds the memory that merging takes."""
SCANNED, COMMIT = "scanned", "commit"
"""What the index remembers: the last commit that was scanned, and the last one."""
_FOLDER, _INDEX, _LOCK, _READING = "events", FILE, "collect.lock", "reading.lock"
_PART: Final = ".part"
_NAME: Final = re.compile(r"\d{1,9}\.(?:parquet|part|parquet\.part)")
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch: events stored now, events that were stored before, and the cursor as it was kept."""

    stored: int
    duplicate: int
    cursor: Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """A segment that retention deletes: what stays known of it."""

    source: str
    kind: str
    day: str
    first: int | None
    last: int | None
    rows: int
    hash: str

    def plain(self) -> dict[str, Any]:
        """As it stands in a line of `deleted.jsonl`."""
        times = {name: None if (time := getattr(self, name)) is None else _moment(time) for name in ("first", "last")}
        return {
            "source": self.source,
            "kind": self.kind,
            "day": self.day,
            **times,
            "rows": self.rows,
            "sha256": self.hash,
        }


class ParquetStore:
    """The store of one workspace, for reading. `writing` opens one that can be written. Its parts are its segments."""

    narrows: Final = False

    def __init__(self, folder: Path) -> None:
        """Raises StoreError, also where events lie there without the index that knows them."""
        self.folder = folder
        if not _holds_something(folder / _INDEX) and any((folder / _FOLDER).glob("*/*/*.parquet")):
            raise StoreError(
                f"{folder / _INDEX} is not there, or empty, though there are events: bring it back from a backup, or "
                f"move {folder / _FOLDER} away and collect anew"
            )
        self.index = Index(folder / _INDEX)
        self.answers: dict[tuple[int, bytes], bytes] = {}
        self._noted: dict[tuple[int, bytes], bytes] = {}
        self._asked: frozenset[bytes] = frozenset()
        """What was heard in segments that nobody had asked before, and all questions of that kind; see `hearing`."""

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether anything was ever stored there."""
        return (folder / _INDEX).is_file()

    def close(self) -> None:
        self.index.close()

    def parts(
        self, period: Period = ALL, *, sources: Sequence[str] | None = None, days: Sequence[str] | None = None
    ) -> list[Part]:
        """The segments that may hold events of a period, as `Store` has them."""
        return [self._part(info) for info in self.chosen(period, sources=sources, days=days)]

    def _part(self, info: SegmentInfo) -> Part:
        try:
            nature = Nature.load(info.nature)
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"the index does not say what {self.folder / info.path} is: it was tampered with"
            ) from None
        return Part(
            key=info.id,
            source=info.source,
            day=info.day,
            table=nature.table,
            rows=info.rows,
            records=info.records,
            undated=info.undated,
            first=info.first,
            last=info.last,
            size=info.size,
            read=partial(self._read, info),
        )

    def _read(self, info: SegmentInfo, _: "Narrow | None" = None) -> Iterator[EventBatch]:
        yield self.batch(info)

    def events(
        self,
        period: Period = ALL,
        *,
        sources: Sequence[str] | None = None,
        days: Sequence[str] | None = None,
        narrow: "Narrow | None" = None,
    ) -> Iterator[EventBatch]:
        """Batches of the events of a period, by day and source; also such as lie outside it. Events without a time
        are given where the period has no bounds."""
        with self.reading():
            for info in self.chosen(period, sources=sources, days=days):
                yield self.batch(info)

    def number(self, period: Period = ALL, *, sources: Sequence[str] | None = None) -> int:
        """How many events of a period there are."""
        return sum(int(period.holds(batch.times).sum()) for batch in self.events(period, sources=sources))

    def event(self, identity: str, period: Period = ALL) -> tuple[EventBatch, int] | None:
        """The event of an id (32 hexadecimal digits) as a batch and a row, where it is stored and may be of a period.

        Raises StoreError.
        """
        with self.reading():
            for info in self.chosen(period):
                row = segments.place(self.folder / info.path, identity)
                if row is not None:
                    return self.batch(info), row
        return None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """While this lasts, no segment that the index names is removed."""
        with shared(self.folder / _READING):
            yield

    def chosen(
        self, period: Period = ALL, *, sources: Sequence[str] | None = None, days: Sequence[str] | None = None
    ) -> list[SegmentInfo]:
        """The segments that may hold events of a period."""
        return self.index.segments(start=period.start, end=period.end, sources=sources, days=days)

    def files(self, found: Iterable[SegmentInfo]) -> list[Path]:
        """Where segments lie."""
        return [self.folder / one.path for one in found]

    def batch(self, info: SegmentInfo) -> EventBatch:
        """The events of one segment. Raises StoreError where it is not there or damaged."""
        segments.give_back()
        opened = self._opened(info)
        try:
            return opened.batch(_Memory(self, info.id))
        except KeyError as error:
            raise StoreError(f"{self.folder / info.path} needs the field table {error}, which is not there") from None

    def remember(self) -> None:
        """Keep the answers about segments that were used since the last time, and forget their others; where that
        cannot be, never mind."""
        with suppress(StoreError), self.index.transaction():
            self.index.keep_answers(self.answers)
            if self._noted:
                self.index.keep_heard(self._noted, self._asked)
        self.answers, self._noted = {}, {}

    def heard(self, questions: Collection[bytes]) -> dict[bytes, dict[Key, bytes]]:
        """What is remembered of some questions, by the id of the segment; others are forgotten."""
        self._asked = frozenset(questions)
        found: dict[bytes, dict[Key, bytes]] = {}
        for one in questions:
            found[one] = dict(self.index.heard(one).items())
        for (segment, question), answer in self._noted.items():
            if question in found:
                found[question][segment] = answer
        return found

    def note(self, part: Part, question: bytes, answer: bytes) -> None:
        """An answer that `remember` will keep."""
        self._noted[int(part.key), question] = answer

    def arrivals(self, source: str, start: int, end: int, step: int) -> frozenset[int]:
        """When something of a source was stored, from a time on and not after another: in steps since the epoch."""
        return self.index.arrivals(source, start, end, step)

    def fresh(self) -> Fresh:
        """The days of which something was stored since they were scanned."""
        upto = self.index.state(COMMIT)
        return Fresh(tuple(self.index.days(self.index.state(SCANNED))), partial(self._scanned, upto))

    def _scanned(self, upto: int) -> None:
        with self.index.transaction():
            self.index.set_state(SCANNED, upto)

    def doubts(self) -> Sequence[Problem]:
        """Nothing: what is odd about a segment is an error."""
        return ()

    def _opened(self, info: SegmentInfo) -> Segment:
        file = self.folder / info.path
        _no_links(self.folder, file)
        if not file.is_file() and file.exists():
            raise StoreError(f"{file} is no regular file")
        found = Segment(file)
        if found.nature.source != info.source:
            raise StoreError(f"{file} holds events of another source than the index says: it was tampered with")
        return found

    def totals(self) -> Mapping[str, Totals]:
        """The ledger, by source."""
        return self.index.totals()

    def rejected(self, sources: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
        """The records that no format understood: source, file, record, offset, reason, facts, raw."""
        with shared(self.folder / _READING):
            for info in self.index.segments(REJECTED, sources=sources):
                for row in segments.rows(self.folder / info.path):
                    yield {"source": info.source, **row}

    def expired(self, before: Mapping[str, date]) -> list[Deleted]:
        """What lies, per source, before a day: the segments that retention deletes."""
        return [_deleted(info) for info in self._expired(before)]

    def _expired(self, before: Mapping[str, date]) -> list[SegmentInfo]:
        found = (*self.index.segments(EVENTS, sources=before), *self.index.segments(REJECTED, sources=before))
        return [
            info
            for info in found
            if (info.day if info.day != UNDATED else _day(info.collected)) < before[info.source].isoformat()
        ]


class _Memory(dict[bytes, bytes]):
    """Answers about one segment: looked up in the index, and all that are used noted for the next time."""

    def __init__(self, store: ParquetStore, segment: int) -> None:
        super().__init__()
        self._store, self._segment = store, segment

    def get(self, key: bytes, default: Any = None) -> Any:
        found = self._store.index.answer(self._segment, key)
        if found is None:
            return default
        self._store.answers[self._segment, key] = found
        return found

    def __setitem__(self, key: bytes, answer: bytes) -> None:
        self._store.answers[self._segment, key] = answer


@contextmanager
def writing(folder: Path, holder: str) -> "Iterator[WritableStore]":
    """The store for whoever is the only one that writes: others meet LockedError with what `holder` says.

    Raises StoreError where the folder cannot be written.
    """
    with ExitStack() as stack:
        with _writing(folder):
            _no_links(folder.parent, folder / _FOLDER)
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            stack.enter_context(held(folder / _LOCK, holder))
            store = stack.enter_context(closing(WritableStore(folder)))
            store.sweep()
        yield store


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What stands in the way of writing is a StoreError that names the folder."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise StoreError(f"{folder} cannot be written: {why}") from None


class WritableStore(ParquetStore):
    """The store of one workspace while it is locked for writing."""

    def sweep(self) -> None:
        """Remove the files that the index does not know, unless somebody is reading. Raises StoreError."""
        top = self.folder / _FOLDER
        if not top.is_dir():
            return
        with _writing(self.folder), alone(self.folder / _READING) as nobody:
            known = self.index.paths() if nobody else set()
            for day in [day for source in _folders(top) for day in _folders(source)] if nobody else ():
                for file in list(day.iterdir()):
                    if _NAME.fullmatch(file.name) and str(file.relative_to(self.folder)) not in known:
                        file.unlink(missing_ok=True)
                with suppress(OSError):  # a day that still holds something
                    day.rmdir()

    def append(
        self,
        batch: EventBatch | None,
        rejects: Sequence[Reject],
        origin: Origin,
        cursor: Cursor,
        read: Read,
        now: int,
        *,
        by_line: bool = False,
    ) -> Appended:
        """Store a batch's events and rejected records, move the cursor, and write the ledger's line: all or nothing.

        Events and records that are stored already are recognised by their ids and not stored again; `by_line`: also by
        their lines, which may have been put together otherwise before. Raises StoreError.
        """
        commit = self.index.state("commit") + 1
        made: list[tuple[SegmentInfo, list[Span]]] = []
        events = stored = 0
        with _writing(self.folder):
            if batch is not None and batch.rows:
                rows, ids = self._new_events(batch, by_line=by_line)
                events, stored = batch.rows, len(rows)
                for day, chosen in _by_day(batch, rows, now):
                    for start in range(0, len(chosen), segments.ROWS):
                        part = chosen[start : start + segments.ROWS]
                        made.append(self._written(batch, part, ids, day, commit, now))
            fresh = self._new_rejects(rejects, origin, by_line=by_line)
            if fresh:
                made.append(self._rejected(fresh, origin, commit, now))
            with self.index.transaction():
                for info, spans in made:
                    self.index.add(info, spans)
                kept = self.index.keep(cursor)
                self.index.note(replace(read, at=now, events=events, stored=stored, duplicate=events - stored))
                self.index.set_state("commit", commit)
        segments.give_back()
        return Appended(stored, events - stored, kept)

    def touch(self, ids: Iterable[int], now: int) -> None:
        """Note that the files of some cursors are still there."""
        with self.index.transaction():
            self.index.touch(ids, now)

    def forget(self, before: int) -> None:
        """Let go of the cursors whose files have not been there since a time."""
        with self.index.transaction():
            self.index.forget(before)

    def keep(self, cursor: Cursor) -> Cursor:
        """Move a cursor where nothing was read."""
        with self.index.transaction():
            return self.index.keep(cursor)

    def has(self, parsed: Parsed, origin: Origin) -> bool:
        """Whether all lines that were parsed are stored already, as read from an input of that fingerprint."""
        found = [*zip(parsed.offsets, parsed.raw, strict=True), *((one.offset, one.raw) for one in parsed.rejects)]
        stored = _Stored(self, origin, [offset for offset, _ in found], [raw for _, raw in found])
        return all(stored.has(offset, raw) for offset, raw in found)

    def _new_events(self, batch: EventBatch, *, by_line: bool) -> tuple[Places, Sequence[str]]:
        """The rows that are not stored yet, each once, and the ids of all rows."""
        ids = [batch.event_id(row) for row in range(batch.rows)]
        stored = _Stored(self, batch.origin(0), batch.offsets, batch.raw)
        known = set(stored.ids(EVENTS))
        rows = []
        for row, identity in enumerate(ids):
            if identity not in known and not (by_line and stored.has(batch.offsets[row], batch.raw[row])):
                known.add(identity)
                rows.append(row)
        return np.array(rows, dtype=np.int64), ids

    def _new_rejects(self, rejects: Sequence[Reject], origin: Origin, *, by_line: bool) -> list[tuple[str, Reject]]:
        stored = _Stored(self, origin, [one.offset for one in rejects], [one.raw for one in rejects])
        known = set(stored.ids(REJECTED))
        found = {event_id(origin, one.offset, one.raw): one for one in rejects}
        return [
            (identity, one)
            for identity, one in found.items()
            if identity not in known and not (by_line and stored.has(one.offset, one.raw))
        ]

    def _written(
        self, batch: EventBatch, rows: Places, ids: Sequence[str], day: str, commit: int, now: int
    ) -> tuple[SegmentInfo, list[Span]]:
        made = segments.as_table(batch, rows, [ids[row] for row in rows.tolist()], commit)
        info = self._placed(made, Nature.of(batch), EVENTS, day, commit, commit, now)
        offsets = [batch.offsets[row] for row in rows.tolist()]
        return info, [_span(batch.origin(0), offsets, [batch.raw[row] for row in rows.tolist()])]

    def _rejected(
        self, rejects: Sequence[tuple[str, Reject]], origin: Origin, commit: int, now: int
    ) -> tuple[SegmentInfo, list[Span]]:
        made = segments.rejected(rejects, origin, commit)
        day = _day(now)
        file, size, digest = self._saved(made, origin.source, day)
        return SegmentInfo(
            path=file,
            kind=REJECTED,
            source=origin.source,
            day=day,
            nature=b"",
            rows=len(rejects),
            records=sum(one.held for _, one in rejects),
            first=now,
            last=now,
            undated=0,
            low=commit,
            high=commit,
            collected=now,
            size=size,
            hash=digest,
        ), [_span(origin, [one.offset for _, one in rejects], [one.raw for _, one in rejects])]

    def _placed(
        self, made: pa.Table, nature: Nature, kind: str, day: str, low: int, high: int, now: int
    ) -> SegmentInfo:
        """A table as a segment on the disk, not yet in the index."""
        file, size, digest = self._saved(made, nature.source, day)
        first, last, undated = segments.span(made)
        return SegmentInfo(
            path=file,
            kind=kind,
            source=nature.source,
            day=day,
            nature=nature.dump(),
            rows=made.num_rows,
            records=segments.records(made),
            first=first,
            last=last,
            undated=undated,
            low=low,
            high=high,
            collected=now,
            size=size,
            hash=digest,
        )

    def _saved(self, made: pa.Table, source: str, day: str) -> tuple[str, int, str]:
        """Write a table to a file of its own; its name under the store, size and hash. On the disk when it returns."""
        folder = self.folder / _FOLDER / source / day
        _no_links(self.folder, folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = max((int(one.stem) for one in folder.glob("*.parquet") if one.stem.isdecimal()), default=0) + 1
        file = folder / f"{number:06}.parquet"
        part = file.with_suffix(_PART)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, _NEW, 0o600), "r+b") as written:
            segments.write(made, written)
            written.flush()
            written.seek(0)
            digest = file_digest(written, "sha256").hexdigest()
            os.fsync(written.fileno())
            size = os.fstat(written.fileno()).st_size
        part.replace(file)
        _sync(folder)
        return str(file.relative_to(self.folder)), size, digest

    def compact(self) -> int:
        """Merge the small segments of each source, day and nature; how many there are fewer. Raises StoreError.

        Undated events go by the day on which they were collected, so that retention finds the old ones.
        """
        groups: dict[tuple[str, str, str, bytes, frozenset[int]], list[SegmentInfo]] = {}
        settled = self.index.settled()
        for info in self.index.segments():
            sent = settled.get(info.id, frozenset())
            if info.rows < SMALL and sent is not None:
                collected = _day(info.collected) if info.day == UNDATED else ""
                groups.setdefault((info.source, info.day, collected, info.nature, sent), []).append(info)
        fewer = 0
        for (*_, sent), small in groups.items():
            weighed = [(info, self._opened(info).weight) for info in small] if len(small) >= FEW else []
            for together in _together(weighed):
                if self._merge(together, sent):
                    fewer += len(together) - 1
        if fewer:
            self.sweep()
        return fewer

    def _merge(self, infos: Sequence[SegmentInfo], sent: frozenset[int]) -> bool:
        """Put one segment in the place of several, all of which some destinations have; not where sending has begun
        meanwhile."""
        opened = [self._opened(info) for info in infos]
        made = segments.merged(opened)
        first = infos[0]
        low, high = min(one.low for one in infos), max(one.high for one in infos)
        collected = max(one.collected for one in infos)
        with _writing(self.folder):
            info = self._placed(made, opened[0].nature, EVENTS, first.day, low, high, collected)
        with self.index.transaction():
            settled = self.index.settled()
            as_it_was = all(settled.get(one.id, frozenset()) == sent for one in infos)
            if as_it_was:
                self.index.settle(self.index.add(info, self.index.spans(one.id for one in infos)), sent)
                self.index.drop(one.id for one in infos)
        segments.give_back()
        return as_it_was

    def delete(self, before: Mapping[str, date], now: int) -> list[Deleted]:
        """Delete what lies, per source, before a day. What was deleted is first written to `deleted.jsonl`.

        Raises StoreError.
        """
        infos = self._expired(before)
        gone = [_deleted(info) for info in infos]
        if not infos:
            return gone
        record_deleted(self.folder, gone, now)
        with self.index.transaction():
            self.index.drop(info.id for info in infos)
        self.sweep()
        return gone


def record_deleted(folder: Path, gone: Iterable[Deleted], now: int, where: str | None = None) -> None:
    """Write to `deleted.jsonl` what is about to be deleted, here or in the place `where`; on the disk when it returns.

    Raises StoreError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    there = {} if where is None else {"destination": where}
    with _writing(folder), os.fdopen(os.open(folder / "deleted.jsonl", flags, 0o600), "ab") as record:
        for one in gone:
            record.write(orjson.dumps({"deleted": _moment(now), **there, **one.plain()}) + b"\n")
        record.flush()
        os.fsync(record.fileno())


class _Stored:
    """What is stored of an input where some records of it are."""

    def __init__(self, store: ParquetStore, origin: Origin, offsets: Sequence[int], raw: Raws) -> None:
        self._folder, self._fingerprint = store.folder, origin.fingerprint
        span = _span(origin, offsets, raw) if len(offsets) else None
        self._infos = {
            kind: store.index.overlapping(kind, origin.source, span.fingerprint, span.low, span.high) if span else []
            for kind in (EVENTS, REJECTED)
        }

    def ids(self, kind: str) -> Iterator[str]:
        """The ids of what is stored; also others."""
        for info in self._infos[kind]:
            yield from segments.ids(self._folder / info.path)

    @cached_property
    def _lines(self) -> Mapping[int, set[bytes]]:
        """Lines by where they began."""
        found: dict[int, set[bytes]] = {}
        for info in (*self._infos[EVENTS], *self._infos[REJECTED]):
            for offset, line in segments.lines(self._folder / info.path, self._fingerprint):
                found.setdefault(offset, set()).add(line)
        return found

    def has(self, offset: int, raw: bytes) -> bool:
        """Whether all lines of a record are stored, be it in several records, or in one with others."""
        lines = list(segments.lines_of(offset, raw)) if self._lines else ()
        return bool(lines) and all(self._has_line(*line) for line in lines)

    def _has_line(self, offset: int, line: bytes) -> bool:
        """Also such as was stored in parts, because its end was long in coming."""
        for found in sorted(self._lines.get(offset, ()), key=len):
            rest = line[len(found) :]
            if line.startswith(found) and (not rest.strip() or self._has_line(offset + len(found), rest)):
                return True
        return False


def _span(origin: Origin, offsets: Sequence[int], raw: Raws) -> Span:
    """Where some records of an input are, from the start of the first to the end of the last."""
    return Span(origin.fingerprint, min(offsets), max(at + len(raw[row]) for row, at in enumerate(offsets)))


def _folders(top: Path) -> list[Path]:
    """The folders in a folder, links left out."""
    return [Path(one.path) for one in os.scandir(top) if one.is_dir(follow_symlinks=False)]


def _no_links(top: Path, place: Path) -> None:
    """Raises StoreError where a symbolic link stands between a folder and a place below it, or is that place."""
    for part in (place, *place.parents):
        if part == top:
            return
        if part.is_symlink():
            raise StoreError(f"{part} is a symbolic link: kyber keeps events in folders of its own; remove it")


def _by_day(batch: EventBatch, rows: Places, now: int) -> Iterator[tuple[str, Places]]:
    """The rows of each UTC day; what has no time, or one that cannot be, is undated, and so are the days with the
    fewest events, where there are more days than a batch of honest logs has."""
    times = batch.times[rows]
    days = np.where((times == NO_TIME) | (times < EARLIEST) | (times > now + DAY), -1, times // DAY)
    distinct, counts = np.unique(days[days >= 0], return_counts=True)
    if len(distinct) > MAX_DAYS:
        fewest = distinct[np.argsort(counts, kind="stable")[: len(distinct) - MAX_DAYS]]
        days = np.where(np.isin(days, fewest), -1, days)
    for day in np.unique(days).tolist():
        yield _day(day * DAY) if day >= 0 else UNDATED, rows[days == day]


def _together(small: Sequence[tuple[SegmentInfo, int]]) -> Iterator[list[SegmentInfo]]:
    """Which small segments, each with its bytes, become one: as many as fit."""
    held: list[SegmentInfo] = []
    rows = size = 0
    for info, weight in sorted(small, key=lambda one: (one[1], one[0].id)):
        if held and (rows + info.rows > segments.ROWS or size + weight > MERGED):
            if len(held) > 1:
                yield held
            held, rows, size = [], 0, 0
        held.append(info)
        rows, size = rows + info.rows, size + weight
    if len(held) > 1:
        yield held


def _day(time: int) -> str:
    return datetime.fromtimestamp(time // 1_000_000, UTC).date().isoformat()


def _moment(time: int) -> str | None:
    """None for a time outside the calendar."""
    known = as_datetime(time)
    return None if known is None else known.isoformat(timespec="seconds")


def _deleted(info: SegmentInfo) -> Deleted:
    return Deleted(
        source=info.source,
        kind=info.kind,
        day=info.day,
        first=info.first,
        last=info.last,
        rows=info.rows,
        hash=info.hash,
    )


def _holds_something(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _sync(folder: Path) -> None:
    with suppress(OSError):  # Windows opens no folders
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
