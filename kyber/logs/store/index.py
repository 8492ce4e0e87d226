"""What a store knows of itself: its segments, what was read and where it went, and where reading goes on.

One SQLite database. A batch of events and the cursor after it become true in the same transaction, or neither does: a
process that is killed repeats work and loses none.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from kyber.database import Database
from kyber.errors import UsageError

FILE: Final = "index.sqlite"
EVENTS, REJECTED = "events", "rejected"
HEARD: Final = b"heard:"
"""What questions begin with that are asked of many segments at once, whether or not they are read."""
UNDATED: Final = "undated"
"""The day of events without a time, or with one that cannot be."""

_SCHEMA: Final = """
create table segments (
    id integer primary key autoincrement, path text not null unique, kind text not null, source text not null,
    day text not null, nature blob not null, rows integer not null, records integer not null,
    first integer, last integer, undated integer not null, low integer not null, high integer not null,
    collected integer not null, size integer not null, hash text not null
);
create index segments_of on segments (kind, day, source);
create table spans (
    segment integer not null references segments on delete cascade, fingerprint blob not null,
    low integer not null, high integer not null
);
create index spans_of on spans (fingerprint);
create table cursors (
    id integer primary key autoincrement, source text not null, path text not null, member text not null,
    device integer not null, inode integer not null, head blob not null, head_size integer not null,
    fingerprint blob not null, format text not null, offset integer not null, records integer not null,
    tail_from integer not null, tail_size integer not null, tail blob not null, size integer not null,
    modified integer not null, seen integer not null, done integer not null, mark text not null
);
create index cursors_of on cursors (source);
create table reads (
    id integer primary key, source text not null, file text not null, fingerprint blob not null, at integer not null,
    start integer not null, stop integer not null, records integer not null, events integer not null,
    stored integer not null, held integer not null, blank integer not null, rejected integer not null,
    duplicate integer not null, cut integer not null, repaired integer not null
);
create index reads_of on reads (source);
create table answers (
    segment integer not null references segments on delete cascade, question blob not null, answer blob not null,
    primary key (segment, question)
);
create table state (name text primary key, value integer not null);
"""
_SENDING: Final = """
create table destinations (
    id integer primary key, name text not null unique, address text not null, since integer not null
);
create table sent (
    segment integer not null references segments on delete cascade,
    destination integer not null references destinations,
    settled integer not null, primary key (segment, destination)
);
create table shipments (
    id integer primary key, destination integer not null references destinations, source text not null,
    at integer not null, events integer not null, records integer not null, created integer not null,
    known integer not null, refused integer not null, size integer not null
);
create index shipments_of on shipments (destination, source);
create table refused (
    destination integer not null references destinations, id text not null, source text not null, day text not null,
    at integer not null, status integer not null, reason text not null, held integer not null, action blob not null,
    body blob not null, primary key (destination, id)
);
"""
_SCHEMAS: Final = (_SCHEMA, _SENDING)
"""What each version added to the one before."""


_PLACE: Final = re.compile(r"events/((?!\.)[^/\0]{1,255})/(\d{4}-\d\d-\d\d|undated)/\d{1,9}\.parquet")
_NUMBERS: Final = ("id", "rows", "records", "undated", "low", "high", "collected", "size")


class StoreError(UsageError):
    """The store cannot be opened or written; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentInfo:
    """A segment as the index knows it. Times are microseconds since the epoch, UTC.

    `path` is relative to the store; `day` the UTC day of its events, or `undated`; `first` and `last` the times of its
    events, None where none has one; `low` and `high` the first and last commit that its events were stored in;
    `collected` when the last of them was; `hash` the file's SHA-256 in hex.
    """

    id: int = 0
    path: str
    kind: str
    source: str
    day: str
    nature: bytes
    rows: int
    records: int
    first: int | None
    last: int | None
    undated: int
    low: int
    high: int
    collected: int
    size: int
    hash: str


@dataclass(frozen=True, slots=True)
class Span:
    """The offsets that a segment holds of one input: of a fingerprint, from the lowest to the highest."""

    fingerprint: bytes
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where the reading of one file stopped, and how the file is known again.

    `offset` is the first byte (decompressed) not yet read and `records` how many records came before it. The file is
    known by the SHA-256 of its first `head_size` bytes (`head`) and of the `tail_size` bytes from `tail_from` (`tail`;
    0: not known), which come before the offset, and by its device and inode; `path` (real, without symbolic links) is
    where it was last, `member` the part of an archive. `fingerprint` is fixed when reading begins. `size` and
    `modified` (nanoseconds) are those of the last look, `seen` when that was (microseconds); `done`: nothing was left
    to read. `mark` is where a journal goes on.
    """

    id: int = 0
    source: str
    path: str
    member: str = ""
    device: int = 0
    inode: int = 0
    head: bytes = b""
    head_size: int = 0
    fingerprint: bytes = b""
    format: str = ""
    offset: int = 0
    records: int = 0
    tail_from: int = 0
    tail_size: int = 0
    tail: bytes = b""
    size: int = 0
    modified: int = 0
    seen: int = 0
    done: bool = False
    mark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One line of the ledger: what was read of a file at once, from byte `start` to `stop`, and where it went.

    records = held + blank + rejected. `events` were parsed from `held` records; of them `stored` are new and
    `duplicate` were stored before. Rejected records that were kept before are counted among the rejected all the same.
    """

    source: str
    file: str
    fingerprint: bytes = b""
    at: int = 0
    start: int = 0
    stop: int = 0
    records: int = 0
    events: int = 0
    stored: int = 0
    held: int = 0
    blank: int = 0
    rejected: int = 0
    duplicate: int = 0
    cut: int = 0
    repaired: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """The ledger of one source added up, and what is stored of it now: `first` and `last` are times that can be."""

    source: str
    records: int = 0
    events: int = 0
    stored: int = 0
    held: int = 0
    blank: int = 0
    rejected: int = 0
    duplicate: int = 0
    cut: int = 0
    repaired: int = 0
    last_read: int | None = None
    kept: int = 0
    bytes: int = 0
    segments: int = 0
    first: int | None = None
    last: int | None = None


_CURSOR: Final = tuple(field.name for field in fields(Cursor))
_SEGMENT: Final = tuple(field.name for field in fields(SegmentInfo))
_READ: Final = tuple(field.name for field in fields(Read))
_SUMS: Final = ("records", "events", "stored", "held", "blank", "rejected", "duplicate", "cut", "repaired")


class Index(Database):
    """The database of one store. Raises StoreError where it cannot be opened or is of another version."""

    def __init__(self, file: Path) -> None:
        remedy = f"bring {file.parent} back from a backup, or move it away and collect anew"
        super().__init__(file, _SCHEMAS, StoreError, remedy, ("foreign_keys = on",))

    # --- segments ---

    def add(self, segment: SegmentInfo, spans: Iterable[Span]) -> int:
        """Take in a segment; its id."""
        names = _SEGMENT[1:]
        made = self.insert(
            f"insert into segments ({', '.join(names)}) values ({', '.join('?' * len(names))})",  # noqa: S608 - own names
            [getattr(segment, name) for name in names],
        )
        self.run_many(
            "insert into spans values (?, ?, ?, ?)",
            [(made, one.fingerprint, one.low, one.high) for one in spans],
        )
        return made

    def drop(self, ids: Iterable[int]) -> None:
        self.run_many("delete from segments where id = ?", [(one,) for one in ids])

    def segments(
        self,
        kind: str = EVENTS,
        *,
        start: int | None = None,
        end: int | None = None,
        sources: Iterable[str] | None = None,
        days: Iterable[str] | None = None,
    ) -> list[SegmentInfo]:
        """The segments of a kind, by day and source, that may hold events from `start` on and before `end`."""
        where: list[str] = ["kind = ?"]
        values: list[object] = [kind]
        if start is not None:
            where.append("last >= ?")
            values.append(start)
        if end is not None:
            where.append("first < ?")
            values.append(end)
        for name, wanted in (("source", sources), ("day", days)):
            if wanted is not None:
                listed = list(wanted)
                where.append(f"{name} in ({', '.join('?' * len(listed))})")
                values.extend(listed)
        query = f"select {', '.join(_SEGMENT)} from segments where {' and '.join(where)} order by day, source, id"  # noqa: S608 - own names
        return [self.segment(row) for row in self.run(query, values)]

    def overlapping(self, kind: str, source: str, fingerprint: bytes, low: int, high: int) -> list[SegmentInfo]:
        """The segments of a source that may hold records of an input between two offsets."""
        query = f"""select {", ".join(f"segments.{name}" for name in _SEGMENT)} from spans
            join segments on segments.id = spans.segment
            where spans.fingerprint = ? and spans.low <= ? and spans.high >= ? and source = ? and kind = ?"""  # noqa: S608
        return [self.segment(row) for row in self.run(query, (fingerprint, high, low, source, kind))]

    def spans(self, ids: Iterable[int]) -> list[Span]:
        """What some segments hold of each input, put together."""
        found: dict[bytes, Span] = {}
        for identity in ids:
            for fingerprint, low, high in self.run(
                "select fingerprint, low, high from spans where segment = ?", (identity,)
            ):
                known = found.get(fingerprint, Span(fingerprint, low, high))
                found[fingerprint] = Span(fingerprint, min(known.low, low), max(known.high, high))
        return list(found.values())

    def paths(self) -> set[str]:
        """Every segment's file."""
        return {path for (path,) in self.run("select path from segments")}

    @staticmethod
    def segment(row: tuple[object, ...]) -> SegmentInfo:
        found = dict(zip(_SEGMENT, row, strict=True))
        place = _PLACE.fullmatch(str(found["path"]))
        numbers = all(isinstance(found[name], int) for name in _NUMBERS)
        if place is None or not numbers or place.groups() != (found["source"], found["day"]):
            raise StoreError(f"the index names a segment {found['path']!r} that it cannot have: it was tampered with")
        return SegmentInfo(**found)  # type: ignore[arg-type]

    # --- what was sent on ---

    def settled(self) -> dict[int, frozenset[int] | None]:
        """Of the segments that were begun to be sent, the destinations that have all of them; None where one of those
        that were begun has only some."""
        found: dict[int, frozenset[int] | None] = {}
        for segment, destination, whole in self.run(
            "select segment, destination, settled >= rows from sent join segments on segments.id = segment"
        ):
            before = found.get(segment, frozenset())
            found[segment] = before | {destination} if whole and before is not None else None
        return found

    def settle(self, segment: int, destinations: Iterable[int]) -> None:
        """Some destinations have all of a segment."""
        self.run_many(
            "insert into sent select id, ?, rows from segments where id = ?",
            [(destination, segment) for destination in destinations],
        )

    # --- cursors and the ledger ---

    def cursors(self, source: str) -> list[Cursor]:
        """The cursors of a source, the latest seen first."""
        query = f"select {', '.join(_CURSOR)} from cursors where source = ? order by seen desc, id desc"  # noqa: S608
        found = [Cursor(**dict(zip(_CURSOR, row, strict=True))) for row in self.run(query, (source,))]
        return [
            replace(one, path=os.fsdecode(one.path), member=os.fsdecode(one.member), done=bool(one.done))
            for one in found
        ]

    def pending(self, source: str) -> int:
        """Bytes of a source's files that were there at the last look and have not been read; compressed ones do not
        tell."""
        query = "select sum(size - offset) from cursors where source = ? and not done and size > offset and mark = ''"
        ((size,),) = self.run(query, (source,))
        return int(size or 0)

    def keep(self, cursor: Cursor) -> Cursor:
        """Write a cursor, a new one (id 0) under an id of its own; as it is then."""
        names = _CURSOR[0 if cursor.id else 1 :]
        values = [getattr(cursor, name) for name in names]
        made = self.insert(
            f"insert or replace into cursors ({', '.join(names)}) values ({', '.join('?' * len(names))})",  # noqa: S608
            values,
        )
        return cursor if cursor.id else replace(cursor, id=made)

    def touch(self, ids: Iterable[int], now: int) -> None:
        """Note that the files of some cursors were seen."""
        self.run_many("update cursors set seen = ? where id = ?", [(now, one) for one in ids])

    def forget(self, before: int) -> None:
        """Let go of cursors whose files were last seen before a time."""
        self.run("delete from cursors where seen < ?", (before,))

    def note(self, read: Read) -> None:
        """Write a line of the ledger."""
        self.run(
            f"insert into reads ({', '.join(_READ)}) values ({', '.join('?' * len(_READ))})",  # noqa: S608 - own names
            astuple(read),
        )

    def reads(self, source: str | None = None) -> Iterator[Read]:
        """The lines of the ledger, in order."""
        query = f"select {', '.join(_READ)} from reads where ? is null or source = ? order by id"  # noqa: S608
        for row in self.run(query, (source, source)):
            found = Read(**dict(zip(_READ, row, strict=True)))
            yield replace(found, file=os.fsdecode(found.file))

    def totals(self) -> dict[str, Totals]:
        """The ledger added up, by source."""
        sums = ", ".join(f"sum({name})" for name in _SUMS)
        found: dict[str, Totals] = {}
        for source, last, *values in self.run(
            f"select source, max(at), {sums} from reads group by source"  # noqa: S608 - own names
        ):
            found[source] = Totals(source=source, last_read=last, **dict(zip(_SUMS, values, strict=True)))
        for source, kept, size, count, first, last in self.run(
            "select source, sum(rows), sum(size), count(*), min(iif(day = ?, null, first)), "
            "max(iif(day = ?, null, last)) from segments where kind = ? group by source",
            (UNDATED, UNDATED, EVENTS),
        ):
            known = found.get(source, Totals(source=source))
            found[source] = replace(known, kept=kept, bytes=size, segments=count, first=first, last=last)
        return found

    def times(self) -> dict[str, tuple[datetime | None, datetime | None]]:
        """When the first and the last stored event of each source was (UTC)."""
        from kyber.logs.values import as_datetime  # only who asks for times needs it

        return {
            source: (
                None if one.first is None else as_datetime(one.first),
                None if one.last is None else as_datetime(one.last),
            )
            for source, one in self.totals().items()
        }

    # --- the rest ---

    def state(self, name: str) -> int:
        """A number that the store remembers; 0 at first."""
        found = self.run("select value from state where name = ?", (name,))
        return int(found[0][0]) if found else 0

    def set_state(self, name: str, value: int) -> None:
        self.run("insert or replace into state values (?, ?)", (name, value))

    def days(self, after: int) -> list[str]:
        """The days of which events were stored after a commit."""
        query = "select distinct day from segments where kind = ? and high > ? order by day"
        return [day for (day,) in self.run(query, (EVENTS, after))]

    def answer(self, segment: int, question: bytes) -> bytes | None:
        """What was found in a segment the last time that a question was asked, where that is known."""
        query = "select answer from answers where segment = ? and question = ?"
        found = self.run(query, (segment, question))
        return found[0][0] if found else None

    def keep_answers(self, found: Mapping[tuple[int, bytes], bytes]) -> None:
        """Remember these answers, and forget all others about their segments but those of `keep_heard`."""
        self.run_many(
            "delete from answers where segment = ? and substr(question, 1, ?) != ?",
            [(one, len(HEARD), HEARD) for one in {key[0] for key in found}],
        )
        self._insert_answers(found)

    def heard(self, question: bytes) -> dict[int, bytes]:
        """What is remembered of a question that began with HEARD, by segment."""
        return dict(self.run("select segment, answer from answers where question = ?", (question,)))

    def keep_heard(self, found: Mapping[tuple[int, bytes], bytes], questions: Collection[bytes]) -> None:
        """Remember these answers to some questions that begin with HEARD, and forget those to all other such ones."""
        others = ", ".join("?" * len(questions))
        self.run(
            f"delete from answers where substr(question, 1, ?) = ? and question not in ({others})",  # noqa: S608
            (len(HEARD), HEARD, *questions),
        )
        self._insert_answers(found)

    def arrivals(self, source: str, start: int, end: int, step: int) -> frozenset[int]:
        """When something of a source was stored, from a time on and not after another: in steps since the epoch."""
        query = "select distinct at / ? from reads where source = ? and stored > 0 and at >= ? and at <= ?"
        return frozenset(number for (number,) in self.run(query, (step, source, start, end)))

    def _insert_answers(self, found: Mapping[tuple[int, bytes], bytes]) -> None:
        self.run_many(
            "insert or replace into answers select ?, ?, ? where exists (select 1 from segments where id = ?)",
            [(segment, question, answer, segment) for (segment, question), answer in found.items()],
        )
