"""EventBatch: the events of one piece of input as dictionary-encoded columns, and what could not be parsed beside them.

A column holds each distinct value once and one code per event, so that a rule looks at values and not at events.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import cached_property
from hashlib import sha256
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kyber.logs.column import ABSENT, Column, Places, Rows, first_present
from kyber.logs.flattened import Fields, Flattened, Made, Naming
from kyber.logs.schema import Condition, Drawn, Table
from kyber.logs.values import NO_TIME, Value, moments, parts, text

TOGETHER = 512
"""Raw records that are joined at a time: few enough to lie in a processor's own memory."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that its format could not read: kept whole, with the reason's code and facts.

    `held` is the number of raw records it is made of: more than one where lines were joined.
    """

    record: int
    offset: int
    raw: bytes
    reason: str
    facts: Mapping[str, object] = field(default_factory=dict)
    held: int = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """Raw records as cut from one input, in order.

    `first` is the number of the first record (from 1), `offsets` the first byte of each in the decompressed stream.
    `cut` holds the indexes of records that were longer than the limit and are therefore incomplete. `end` is the byte
    after the last record and its line end, where reading can go on; None where it cannot. `open`: the last record has
    no line end yet.
    """

    records: Sequence[bytes]
    offsets: Sequence[int]
    first: int = 1
    cut: frozenset[int] = frozenset()
    end: int | None = None
    open: bool = False


@dataclass(slots=True)
class Parsed:
    """What a parser made of a chunk: events as (nested) mappings, each with the raw record it came from.

    The four lists run side by side. `numbers` and `offsets` are those of an event's first record; `held` says how many
    records each event holds, empty where that is one each. Every record is in an event, a reject, or counted as blank.
    `again` parses one of the raw records once more, where that needs no more than the record. `fields`: the events'
    columns, where those were made already; then `events` is empty.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    blank: int = 0
    repaired: int = 0
    again: Callable[[bytes], dict[str, Any]] | None = None
    fields: "Made | None" = None

    @property
    def records(self) -> int:
        """How many raw records are accounted for here."""
        events = sum(self.held) if self.held else len(self.events)
        return events + sum(one.held for one in self.rejects) + self.blank


@dataclass(frozen=True, slots=True)
class LogSource:
    """What events are for rules, in Sigma's words. None means not said."""

    product: str | None = None
    category: str | None = None
    service: str | None = None

    def __str__(self) -> str:
        parts = (f"{key}:{value}" for key in self.__slots__ if (value := getattr(self, key)) is not None)
        return ",".join(parts) or "any"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a batch was read: the source's id, the file as shown to the user, its fingerprint, and its time zone."""

    source: str
    file: str
    fingerprint: bytes
    zone: tzinfo


class Raws(Protocol):
    """Raw records by row."""

    def __len__(self) -> int: ...
    def __getitem__(self, row: int, /) -> bytes: ...


class Records(Protocol):
    """The raw records of some events, beside the rows: what was read, and where."""

    @property
    def source(self) -> str: ...
    @property
    def zone(self) -> tzinfo: ...
    @property
    def raw(self) -> Raws: ...
    @property
    def numbers(self) -> Sequence[int]: ...
    @property
    def offsets(self) -> Sequence[int]: ...
    @property
    def held(self) -> Sequence[int]:
        """How many records each event holds; empty where that is one each."""
        ...

    @property
    def times(self) -> "NDArray[np.int64] | None":
        """When each event happened, where that is known already; see `EventBatch.times`."""
        ...

    @property
    def memory(self) -> "MutableMapping[bytes, bytes] | None":
        """Where answers about these records are kept for the next time, by what names the question; None: nowhere."""
        ...

    def joined(self, rows: Places) -> "Iterator[tuple[bytes, NDArray[np.int64]]]":
        """The raw records of some rows one after the other, and where each of them ends; TOGETHER of them at a time."""
        ...

    def sieved(self, sieve: "Sieve", rows: Places) -> Rows:
        """Which records of some rows a sieve holds back."""
        ...

    def origin(self, row: int) -> Origin: ...
    def event_id(self, row: int) -> str: ...


class Sieve(Protocol):
    """What finds the records in which some text may stand."""

    @property
    def native(self) -> Any:
        """What the extension looks with; None where there is none."""
        ...

    def rows(self, pieces: "Iterable[tuple[bytes, NDArray[np.int64]]]") -> Rows:
        """Which records hold one of the parts; see `Records.joined`."""
        ...


@dataclass(frozen=True, slots=True)
class _Read:
    """The records of events that were parsed from one input."""

    parsed: Parsed
    of: Origin

    @property
    def source(self) -> str:
        return self.of.source

    @property
    def zone(self) -> tzinfo:
        return self.of.zone

    @property
    def raw(self) -> Sequence[bytes]:
        return self.parsed.raw

    @property
    def numbers(self) -> Sequence[int]:
        return self.parsed.numbers

    @property
    def offsets(self) -> Sequence[int]:
        return self.parsed.offsets

    @property
    def held(self) -> Sequence[int]:
        return self.parsed.held

    @property
    def times(self) -> None:
        return None

    @property
    def memory(self) -> None:
        return None

    def joined(self, rows: Places) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        return joined(self.parsed.raw, rows)

    def sieved(self, sieve: Sieve, rows: Places) -> Rows:
        return sieve.rows(self.joined(rows))

    def origin(self, _: int) -> Origin:
        return self.of

    def event_id(self, row: int) -> str:
        return event_id(self.of, self.parsed.offsets[row], self.parsed.raw[row])


def joined(raw: Sequence[bytes], rows: Places) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
    """Some raw records, TOGETHER of them at a time: one after the other, and where each ends."""
    for start in range(0, len(rows), TOGETHER):
        some = [raw[row] for row in rows[start : start + TOGETHER].tolist()]
        yield b"".join(some), np.cumsum(np.fromiter(map(len, some), dtype=np.int64, count=len(some)))


def event_id(origin: Origin, offset: int, raw: bytes) -> str:
    """An event's deterministic id: SHA-256 over source, fingerprint, offset and raw record; 128 bits in hex."""
    head = b"\0".join((origin.source.encode(), origin.fingerprint, str(offset).encode()))
    return sha256(head + b"\0" + raw).hexdigest()[:32]


class EventBatch:
    """Some events of one source as columns. Frozen in effect: columns are made once, when first asked for.

    `column(name)` knows canonical (ECS) names and native ones; a canonical column is drawn from native columns as the
    product's table says. `read` holds the raw records beside the rows. `verbatim`: the raw records are JSON, and every
    value stands in its record as JSON writes it.
    """

    def __init__(
        self,
        parsed: Parsed,
        origin: Origin,
        logsource: LogSource,
        table: Table,
        named: Naming = str,
        json: bool = False,
        wanted: frozenset[str] = frozenset(),
    ) -> None:
        """What was parsed from one input. `json`: its records are JSON. `wanted`: native columns that are kept, however
        many others there are."""
        fields: Made = parsed.fields or Flattened(parsed.events, named, wanted)
        self._set(fields, len(parsed.raw), _Read(parsed, origin), logsource, table, json and not fields.deep)
        self.unindexed = fields.unindexed

    @classmethod
    def of(
        cls, fields: Fields, rows: int, read: Records, logsource: LogSource, table: Table, verbatim: bool
    ) -> "EventBatch":
        """Events whose columns are there already."""
        made = cls.__new__(cls)
        made._set(fields, rows, read, logsource, table, verbatim)
        return made

    def _set(
        self, fields: Fields, rows: int, read: Records, logsource: LogSource, table: Table, verbatim: bool
    ) -> None:
        self.fields, self.rows, self.read, self.logsource, self.table = fields, rows, read, logsource, table
        self.verbatim = verbatim
        self.unindexed = 0
        self.derived: Mapping[str, Callable[[EventBatch], Column | None]] = {}
        """Columns that are worked out from others when they are asked for."""
        self._made: dict[tuple[str, ...], Column | None] = {}
        self._where: dict[Condition, Rows] = {}

    @property
    def source(self) -> str:
        """The id of the source; empty where the events come from no registered one."""
        return self.read.source

    @property
    def zone(self) -> tzinfo:
        """The zone of times without an offset."""
        return self.read.zone

    @property
    def raw(self) -> Raws:
        """Each event's raw record."""
        return self.read.raw

    @property
    def records(self) -> Sequence[int]:
        """The number of each event's first record in its input, from 1."""
        return self.read.numbers

    @property
    def offsets(self) -> Sequence[int]:
        """Where each event's first record begins in its input, decompressed."""
        return self.read.offsets

    def origin(self, row: int) -> Origin:
        """Where an event was read."""
        return self.read.origin(row)

    def event_id(self, row: int) -> str:
        """The event's deterministic id; see `event_id`."""
        return self.read.event_id(row)

    @property
    def names(self) -> Iterable[str]:
        """The native columns that at least one event has."""
        return self.fields.names

    def column(self, name: str) -> Column | None:
        """A column by its canonical or native name; None where no event has it."""
        return self.first_of((name,))

    def first_of(self, names: tuple[str, ...], held: Rows | None = None) -> Column | None:
        """One column out of several: in each event, the first of the names that it has.

        Where `held` is given, only its rows need be drawn; of the others it may say nothing.
        """
        if names in self._made:
            return self._made[names]
        found = self._first(names, held)
        if held is None:
            self._made[names] = found
        return found

    def at(self, name: str, row: int) -> tuple[Value] | None:
        """The value of one column in one event, without the column being made; None where the event lacks it."""
        for drawn in (*self.table.columns.get(name, ()), Drawn(name)):
            found = self.fields.at(drawn.column, row)
            if found is not None and (not drawn.when or self.where(drawn.when)[row]):
                return (_part(found[0], drawn),) if drawn.after or drawn.before else found
        made = self.derived[name](self) if name in self.derived else None
        return None if made is None else made.cell(row)

    def _first(self, names: tuple[str, ...], held: Rows | None) -> Column | None:
        found: list[Column] = []
        for name in names:
            for drawn in (*self.table.columns.get(name, ()), Drawn(name)):
                column = self._drawn(drawn, held)
                if column is not None:
                    found.append(column)
            if name in self.derived and (made := self.derived[name](self)) is not None:
                found.append(made)
        return first_present(found)

    def _drawn(self, drawn: Drawn, rows: Rows | None = None) -> Column | None:
        column = self.fields.column(drawn.column, rows)
        if column is None:
            return None
        if drawn.after or drawn.before:
            column = Column(column.codes, [_part(value, drawn) for value in column.values])
        if not drawn.when:
            return column
        held = self.where(drawn.when)
        return Column(np.where(held, column.codes, ABSENT).astype(np.int32), column.values) if held.any() else None

    def cells(self, rows: Places) -> Iterator[tuple[str, Places, Column]]:
        """What the native columns hold at some rows: a name, the rows that have it, and a column over just those."""
        return self.fields.cells(rows)

    def where(self, condition: Condition) -> Rows:
        """The rows (bool, one per event) whose columns all have one of the values that the condition names.

        An empty text among the values holds also where the column is absent.
        """
        if condition not in self._where:
            self._where[condition] = self._holds(condition)
        return self._where[condition]

    def _holds(self, condition: Condition) -> Rows:
        held = np.ones(self.rows, dtype=bool)
        for name, wanted in condition:
            column, absent = self.column(name), "" in wanted
            if column is not None:
                found = [any(text(part).lower() in wanted for part in parts(value)) for value in column.values]
                held &= np.array([*found, absent])[column.codes]
            elif not absent:
                held[:] = False
        return held

    @cached_property
    def times(self) -> NDArray[np.int64]:
        """When each event happened: microseconds since the epoch, UTC; NO_TIME where it does not say."""
        if self.read.times is not None:
            return self.read.times
        found = np.full(self.rows, NO_TIME)
        for clock in self.table.time:
            open_rows = found == NO_TIME
            if not open_rows.any():
                break
            column = self.column(clock.column)
            if column is not None:
                zone = UTC if clock.utc else self.zone
                parsed = np.append(moments(column.values, zone), NO_TIME)
                found[open_rows] = parsed[column.codes[open_rows]]
        return found


def _part(value: Value, drawn: Drawn) -> Value:
    """What stands after the last sign (all of the text where there is none), or before it (nothing likewise)."""
    if not isinstance(value, str):
        return value
    before, _, after = value.rpartition(drawn.after or drawn.before)
    return after if drawn.after else before
