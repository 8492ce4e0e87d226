"""EventBatch: the events of one piece of input as dictionary-encoded columns, and what could not be parsed beside them.

A column holds each distinct value once and one code per event, so that a rule looks at values and not at events.
Columns are made when they are first asked for: what no rule and no output needs is never encoded.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import cache, cached_property
from hashlib import sha256
from itertools import compress
from typing import Any, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.logs.schema import Condition, Drawn, Table
from kyber.logs.values import NO_TIME, Value, moments, parts, text

Codes = NDArray[np.int32]
Rows = NDArray[np.bool_]
Places = NDArray[np.int64]
Naming = Callable[[str], str]
ABSENT = -1
MAX_DEPTH = 64
"""Deeper JSON is kept as text."""
MAX_COLUMNS = 10_000
"""Fields beyond this many in one batch share the column OTHERS, and are counted; those that a rule asks for do not."""
OTHERS = "kyber.other_fields"
FEW = 16
"""Events that are laid flat once more, by themselves, where only they are asked about."""
TOGETHER = 512
"""Raw records that are joined at a time: few enough to lie in a processor's own memory."""


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a batch. `codes` (int32, one per event) index `values`; ABSENT marks an event without the field.

    A value of None is a field that is there and null. A tuple is an array: a match on any element is a match.
    """

    codes: Codes
    values: Sequence[Value]

    def at(self, row: int) -> Value:
        """The value in one event; None also where the field is absent."""
        code = int(self.codes[row])
        return None if code < 0 else self.values[code]

    def cell(self, row: int) -> tuple[Value] | None:
        """The value in one event; None where the field is absent."""
        code = int(self.codes[row])
        return None if code < 0 else (self.values[code],)


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


class Fields(Protocol):
    """The native columns of some events, each made when it is asked for."""

    @property
    def names(self) -> Iterable[str]:
        """The native columns that at least one event has."""
        ...

    def column(self, name: str, held: "Rows | None" = None) -> Column | None:
        """One column over all events; where `held` is given, no other rows need be in it."""
        ...

    def cells(self, rows: Places) -> Iterator[tuple[str, Places, Column]]:
        """What the columns hold at some rows: a name, the rows that have it, and a column over just those."""
        ...

    def at(self, name: str, row: int) -> tuple[Value] | None:
        """The value of one column in one event; None where the event lacks it."""
        ...


class Made(Fields, Protocol):
    """Native columns that are made of parsed events."""

    @property
    def unindexed(self) -> int:
        """How many values lie in OTHERS."""
        ...

    @property
    def deep(self) -> bool:
        """Whether something was nested so deep that it is kept as text."""
        ...


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
    """What finds the records in which some text may stand.

    `blurred`: parts looked for with the bit in which a capital differs from its small letter set in every byte;
    `exact`: parts looked for as they stand.
    """

    @property
    def blurred(self) -> tuple[bytes, ...]: ...
    @property
    def exact(self) -> tuple[bytes, ...]: ...
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
        fields: Made = parsed.fields or _Flattened(parsed.events, named, wanted)
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
        return _first_present(found)

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


_Piece = tuple[Places, Sequence[Any], bool]
"""Rows in order, their values, and whether those are all plain: text, whole numbers or null."""


_NESTED = frozenset((dict, list))


class _Flattened:
    """Nested events -> column name -> pieces: rows, and their values.

    Events with the same keys in the same order are turned into columns at once, so that the cost is one per shape and
    not one per field of every event.
    """

    def __init__(self, events: Sequence[dict[str, Any]], named: Naming, wanted: frozenset[str]) -> None:
        self.events, self.named, self.wanted, self.rows = events, cache(named), wanted, len(events)
        self._encoded: dict[str, Column] = {}
        self._last: tuple[bytes, _Flattened] | None = None
        self.pieces: dict[str, list[_Piece]] = {}
        self.unindexed = 0
        self.deep = False  # something was nested so deep that it is kept as text
        self.objects("", np.arange(self.rows), events, 0)

    @property
    def names(self) -> Iterable[str]:
        return self.pieces.keys()

    def column(self, name: str, held: Rows | None = None) -> Column | None:
        pieces = self.pieces.get(name)
        if pieces is None:
            return None
        if name in self._encoded:
            return self._encoded[name]
        if held is None:
            column = self._encoded[name] = _encode(pieces, self.rows)
            return column
        rows = np.flatnonzero(held)
        if (few := self._few(rows)) is None:
            return _encode(list(_at(pieces, held)), self.rows)
        found = few.column(name)
        if found is None:
            return None
        codes = np.full(self.rows, ABSENT, dtype=np.int32)
        codes[rows] = found.codes
        return Column(codes, found.values)

    def cells(self, rows: Places) -> Iterator[tuple[str, Places, Column]]:
        if (few := self._few(rows)) is not None:
            for name, places, column in few._cells(np.arange(len(rows))):
                yield name, rows[places], column
        else:
            yield from self._cells(rows)

    def at(self, name: str, row: int) -> tuple[Value] | None:
        if name not in self.pieces:
            return None
        few = None if name in self._encoded else self._few(np.array([row]))
        column = self.column(name) if few is None else few.column(name)
        return None if column is None else column.cell(row if few is None else 0)

    def _few(self, rows: Places) -> "_Flattened | None":
        """A few events by themselves: who asks for one column of them asks for others, too. None where they are many,
        or share a column that they would not share by themselves."""
        if len(rows) > FEW or self.unindexed:
            return None
        key = rows.tobytes()
        if self._last is None or self._last[0] != key:
            self._last = key, _Flattened([self.events[row] for row in rows.tolist()], self.named, self.wanted)
        return self._last[1]

    def _cells(self, rows: Places) -> Iterator[tuple[str, Places, Column]]:
        held = np.zeros(self.rows, dtype=bool)
        held[rows] = True
        for name, pieces in self.pieces.items():
            if chosen := list(_at(pieces, held)):
                codes, index = _coded(chosen)
                column = Column(np.concatenate(codes), [_value(key) for key in index])
                yield name, np.concatenate([place for place, _, _ in chosen]), column

    def objects(self, prefix: str, rows: Places, objects: Sequence[Mapping[str, Any]], depth: int) -> None:
        shapes: dict[tuple[str, ...], list[int]] = {}
        for index, shape in enumerate(map(tuple, objects)):
            shapes.setdefault(shape, []).append(index)
        for keys, members in shapes.items():
            here = rows if len(members) == len(rows) else rows[members]
            columns = zip(*[objects[index].values() for index in members], strict=True)
            for key, values in zip(keys, columns, strict=True):
                self.values(prefix + key, here, values, depth)

    def values(self, path: str, rows: Places, values: Sequence[Any], depth: int) -> None:
        kinds = set(map(type, values))
        if kinds <= _PLAIN:
            self.keep(path, rows, values, True)
            return
        if dict in kinds and depth >= MAX_DEPTH:
            self.deep = True
        elif dict in kinds:
            inner, (rows, values) = _split(rows, values, dict)
            self.objects(path + ".", *inner, depth + 1)
        if list in kinds:
            (at, arrays), (rows, values) = _split(rows, values, list)
            if _NESTED.isdisjoint(kind for array in arrays for kind in map(type, array)):
                self.keep(path, at, list(map(tuple, arrays)))
            else:
                for index, array in enumerate(arrays):
                    self.array(path, at[index : index + 1], array, depth)
        if values:
            self.keep(path, rows, values)

    def array(self, path: str, row: Places, array: list[Any], depth: int) -> None:
        """An array of objects becomes one array a field; whatever else it holds stays an array under its own name."""
        below: dict[str, list[Any]] = {}
        todo = [("", one, depth) for one in reversed(array)]
        while todo:
            sub, one, level = todo.pop()
            if isinstance(one, dict) and level < MAX_DEPTH:
                todo.extend((f"{sub}.{key}", value, level + 1) for key, value in reversed(one.items()))
            elif isinstance(one, list) and level < MAX_DEPTH:
                todo.extend((sub, value, level + 1) for value in reversed(one))
            else:
                nested = isinstance(one, dict | list)
                self.deep |= nested
                below.setdefault(sub, []).append(_unfolded(one) if nested else one)
        for sub, values in (below or {"": []}).items():
            self.keep(path + sub, row, (tuple(values),))

    def keep(self, path: str, rows: Places, values: Sequence[Any], plain: bool = False) -> None:
        name = self.named(path)
        if name not in self.pieces and len(self.pieces) >= MAX_COLUMNS and name not in self.wanted:
            name = OTHERS
            self.unindexed += len(values)
        self.pieces.setdefault(name, []).append((rows, values, plain))


def flat(events: Sequence[dict[str, Any]]) -> Fields:
    """The columns of events that are flat: by the names of their columns, arrays as lists. All are told apart."""
    names = frozenset(name for one in events for name in one)
    return _Flattened(events, str, names)


def _split(
    rows: Places, values: Sequence[Any], kind: type
) -> tuple[tuple[Places, list[Any]], tuple[Places, list[Any]]]:
    """The rows whose value is of a kind, and the others."""
    are = np.fromiter((type(value) is kind for value in values), dtype=bool, count=len(values))
    return (
        (rows[are], [value for value in values if type(value) is kind]),
        (rows[~are], [value for value in values if type(value) is not kind]),
    )


class Encoder:
    """Values of any columns -> codes, each distinct value once."""

    PLAIN = frozenset((str, int, type(None)))
    """Kinds of values that are their own keys."""

    def __init__(self) -> None:
        self._index = _Counted()
        self.code = self._index.__getitem__
        """The code of a key."""

    @property
    def size(self) -> int:
        """About how many bytes the distinct values take."""
        return self._index.size

    @staticmethod
    def key(value: Any) -> Any:
        """The key of a value: itself where it is plain."""
        return _key(value)

    def column(self, codes: Codes) -> Column:
        """The column that codes mean."""
        distinct, places = np.unique(codes, return_inverse=True)
        values = [_value(self._index.keys_[code]) for code in distinct.tolist()]
        return Column(places.reshape(-1).astype(np.int32), values)


class _Index(dict[Any, int]):
    """Value -> code; a value not seen before gets the next code. 1, 1.0 and True are different values."""

    def __missing__(self, key: Any) -> int:
        self[key] = code = len(self)
        return code


class _Counted(dict[Any, int]):
    """As _Index; knows the key of each code, and about how many bytes they take."""

    def __init__(self) -> None:
        self.keys_: list[Any] = []
        self.size = 0

    def __missing__(self, key: Any) -> int:
        self[key] = code = len(self)
        self.keys_.append(key)
        self.size += 120 + (len(key) if type(key) is str else 300)
        return code


_PLAIN = Encoder.PLAIN


def _part(value: Value, drawn: Drawn) -> Value:
    """What stands after the last sign (all of the text where there is none), or before it (nothing likewise)."""
    if not isinstance(value, str):
        return value
    before, _, after = value.rpartition(drawn.after or drawn.before)
    return after if drawn.after else before


def _at(pieces: Iterable[_Piece], rows: Rows) -> Iterator[_Piece]:
    """The pieces at some rows only."""
    for place, values, plain in pieces:
        keep = rows[place]
        if keep.any():
            yield place[keep], list(compress(values, keep.tolist())), plain


def _coded(pieces: Sequence[_Piece]) -> tuple[list[Codes], _Index]:
    """The codes of each piece's values, and what the codes stand for."""
    index = _Index()
    found = index.__getitem__
    return [
        np.fromiter(map(found, values if plain else map(_key, values)), dtype=np.int32, count=len(values))
        for _, values, plain in pieces
    ], index


def _encode(pieces: Sequence[_Piece], rows: int) -> Column:
    coded, index = _coded(pieces)
    if len(pieces) == 1 and len(coded[0]) == rows:  # one value for every event, in order
        return Column(coded[0], list(index) if pieces[0][2] else [_value(key) for key in index])
    codes: Codes = np.full(rows, ABSENT, dtype=np.int32)
    for (place, _, _), found in zip(pieces, coded, strict=True):
        codes[place] = found
    if np.count_nonzero(codes >= 0) < sum(map(len, coded)):
        return _joined(pieces, rows)
    return Column(codes, list(index) if all(plain for _, _, plain in pieces) else [_value(key) for key in index])


def _joined(pieces: Sequence[_Piece], rows: int) -> Column:
    """The column of a name that stands twice in some event, under two paths: both values count, as an array."""
    held: dict[int, Any] = {}
    for place, values, _ in pieces:
        for row, value in zip(place.tolist(), values, strict=True):
            held[row] = (*parts(held[row]), *parts(value)) if row in held else value
    places = sorted(held)
    return _encode([(np.array(places, dtype=np.int64), [held[place] for place in places], False)], rows)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A value under a key of its own, where the plain value would equal another (1, 1.0, True) or cannot be hashed."""

    kind: str
    value: Any


def _key(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, tuple) or (type(value) is list and _NESTED.isdisjoint(map(type, value))):
        return _Kept("array", tuple(_key(one) for one in value))
    if isinstance(value, dict | list):
        return _unfolded(value)
    return _Kept(type(value).__name__, value)


def _unfolded(value: Any) -> str:
    """JSON beyond MAX_DEPTH as text: itself or, where it is too deep even for that, the values in it."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        found, todo = [], [value]
        while todo:
            one = todo.pop()
            if isinstance(one, dict | list):
                todo.extend(reversed(one.values() if isinstance(one, dict) else one))
            else:
                found.append(text(one))
        return " ".join(found)


def _value(key: Any) -> Any:
    if not isinstance(key, _Kept):
        return key
    return tuple(_value(one) for one in key.value) if key.kind == "array" else key.value


def _first_present(columns: Sequence[Column]) -> Column | None:
    """In each row, the first column that has a value there."""
    if len(columns) < 2:
        return columns[0] if columns else None
    codes, values = columns[0].codes.copy(), list(columns[0].values)
    for column in columns[1:]:
        fill = (codes < 0) & (column.codes >= 0)
        if fill.any():
            codes[fill] = column.codes[fill] + len(values)
            values.extend(column.values)
    return Column(codes, values)
