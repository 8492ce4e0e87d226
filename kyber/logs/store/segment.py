"""Events <-> Parquet: a segment holds events of one source and one day, with a column for each of their native ones.

A column that was never asked for is never read, and one that holds the same values again and again takes little room:
each distinct value stands once a segment. Columns are stored under their native names; the canonical ones are drawn
from them when the events are read, so a field table that was mended holds for old events, too.

The form (version 1), for those who read it with other tools: `kyber.time` (microseconds, UTC; null where an event does
not say), `kyber.id`, `kyber.raw` (the record as it was read), `kyber.record`, `kyber.offset`, `kyber.held` (records in
the event), `kyber.file`, `kyber.fingerprint`, `kyber.commit`. All other columns are the events' own: text, whole
numbers, numbers or booleans where all values of the column in the segment are; otherwise JSON, and the field's metadata
says so. The metadata of the file says what the events are for rules.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Final
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kyber.logs.batch import TOGETHER, EventBatch, LogSource, Origin, Reject, Sieve
from kyber.logs.column import ABSENT, Codes, Column, Places, Rows
from kyber.logs.schema import table
from kyber.logs.store.index import StoreError
from kyber.logs.values import NO_TIME, Value

VERSION: Final = 1
ROWS: Final = 65_536
"""Events in a segment, at most. A segment is one row group, so this is what is held at once when it is read."""
DICTIONARY: Final = 2**28
"""Bytes of a column's distinct values, up to which each of them stands once."""
OWN: Final = "kyber."
FIELD: Final = "kyber.field."
"""What a native column's name begins with here if it begins with `kyber.` itself; or if it is no text: then it follows
as JSON."""
TIME, ID, RAW = "kyber.time", "kyber.id", "kyber.raw"
RECORD, OFFSET, HELD = "kyber.record", "kyber.offset", "kyber.held"
FILE, FINGERPRINT, COMMIT = "kyber.file", "kyber.fingerprint", "kyber.commit"
REASON, FACTS = "kyber.reason", "kyber.facts"
_META: Final = b"kyber"
_JSON: Final = {b"kyber": b"json"}
_INT64: Final = (-(2**63), 2**63 - 1)
_POOLS: Final = (pa.default_memory_pool(), pa.system_memory_pool())
"""What Arrow allocates from, and what Python does where its objects are large."""


def give_back() -> None:
    """Let the system have the memory that is free: allocators keep it for the next time, and so hold the sum of many
    peaks."""
    for pool in _POOLS:
        pool.release_unused()


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """What all events of a segment have in common: their source, field table, logsource and zone; see `EventBatch`."""

    source: str
    table: str
    logsource: LogSource
    zone: str
    verbatim: bool

    @classmethod
    def of(cls, batch: EventBatch) -> "Nature":
        """What a batch's events are."""
        return cls(
            source=batch.source,
            table=batch.table.name,
            logsource=batch.logsource,
            zone=str(batch.zone),
            verbatim=batch.verbatim,
        )

    def dump(self) -> bytes:
        """As it stands in a segment's metadata."""
        made = {name: getattr(self, name) for name in self.__slots__}
        return orjson.dumps({"version": VERSION, **made}, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def load(cls, text: bytes) -> "Nature":
        """The inverse of `dump`. Raises ValueError for another version."""
        found = orjson.loads(text)
        if found.pop("version") != VERSION:
            raise ValueError("a segment of another version")
        return cls(**{**found, "logsource": LogSource(**found["logsource"])})


def as_table(batch: EventBatch, rows: Places, ids: Sequence[str], commit: int) -> pa.Table:
    """Some rows of a batch as an Arrow table; `ids` of just those rows."""
    held, origins = batch.read.held, [batch.origin(row) for row in rows.tolist()]
    times = batch.times[rows]
    own: dict[str, Any] = {
        TIME: pa.array(times, pa.timestamp("us", "UTC"), mask=times == NO_TIME),
        ID: pa.array(map(bytes.fromhex, ids), pa.binary(16)),
        RAW: pa.array([batch.raw[row] for row in rows.tolist()], pa.large_binary()),
        RECORD: pa.array([batch.records[row] for row in rows.tolist()], pa.int64()),
        OFFSET: pa.array([batch.offsets[row] for row in rows.tolist()], pa.int64()),
        HELD: pa.array([held[row] for row in rows.tolist()] if held else [1] * len(rows), pa.int32()),
        FILE: _names([one.file for one in origins]),
        FINGERPRINT: pa.array([one.fingerprint for one in origins], pa.binary()).dictionary_encode(),
        COMMIT: pa.array([commit] * len(rows), pa.int64()),
    }
    columns = ((name, batch.fields.column(name)) for name in sorted(batch.fields.names))
    return _assembled(
        Nature.of(batch), own, ((name, column, column.codes[rows]) for name, column in columns if column is not None)
    )


def _assembled(nature: Nature, own: Mapping[str, pa.Array], columns: Iterable[tuple[str, Column, Codes]]) -> pa.Table:
    fields, arrays = [pa.field(name, array.type) for name, array in own.items()], list(own.values())
    for name, column, codes in columns:
        made = _array(column, codes)
        if made is not None:
            array, metadata = made
            fields.append(pa.field(_stored(name), array.type, metadata=metadata))
            arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields, metadata={_META: nature.dump()}))


def _array(column: Column, codes: Codes) -> tuple[pa.Array, Mapping[bytes, bytes] | None] | None:
    """A column at some rows, with no value that none of them has; None where they have none."""
    absent = codes < 0
    used = np.zeros(len(column.values) + 1, dtype=bool)
    used[codes] = True
    used[-1] = False
    places = np.flatnonzero(used)
    if not len(places):
        return None
    values = [column.values[place] for place in places.tolist()]
    dense = (np.cumsum(used, dtype=np.int32) - 1)[codes].astype(np.int32)
    indices = pa.array(dense, pa.int32(), mask=absent)
    kinds = set(map(type, values))
    if kinds == {str}:
        try:
            return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string())), None
        except UnicodeEncodeError:  # half a character, which JSON can write
            pass
    if kinds == {int} and all(_INT64[0] <= value <= _INT64[1] for value in values):  # type: ignore[operator]
        return pa.array(values, pa.int64()).take(indices), None
    if kinds == {float}:
        return pa.array(values, pa.float64()).take(indices), None
    if kinds == {bool}:
        return pa.array(values, pa.bool_()).take(indices), None
    return pa.DictionaryArray.from_arrays(
        indices, pa.array([json.dumps(value) for value in values], pa.string())
    ), _JSON


def _names(values: Sequence[str]) -> pa.Array:
    """Names of files, which need not be text."""
    return pa.array([value.encode("utf-8", "replace").decode() for value in values], pa.string()).dictionary_encode()


def span(made: pa.Table) -> tuple[int | None, int | None, int]:
    """The first and last time in a table (microseconds), None where none is known; and how many events have none."""
    times = made.column(TIME)
    known = times.cast(pa.int64()).drop_null().to_numpy()
    if not len(known):
        return None, None, int(times.null_count)
    return int(known.min()), int(known.max()), int(times.null_count)


def records(made: pa.Table) -> int:
    """How many raw records the events of a table hold."""
    return int(made.column(HELD).to_numpy().sum())


def rejected(rejects: Sequence[tuple[str, Reject]], origin: Origin, commit: int) -> pa.Table:
    """Rejected records, each with its id, as a table."""
    found = [one for _, one in rejects]
    return pa.table(
        {
            ID: pa.array([bytes.fromhex(identity) for identity, _ in rejects], pa.binary(16)),
            RAW: pa.array([one.raw for one in found], pa.large_binary()),
            RECORD: pa.array([one.record for one in found], pa.int64()),
            OFFSET: pa.array([one.offset for one in found], pa.int64()),
            HELD: pa.array([one.held for one in found], pa.int32()),
            FILE: _names([origin.file] * len(found)),
            FINGERPRINT: pa.array([origin.fingerprint] * len(found), pa.binary()).dictionary_encode(),
            COMMIT: pa.array([commit] * len(found), pa.int64()),
            REASON: pa.array([one.reason for one in found], pa.string()).dictionary_encode(),
            FACTS: pa.array([json.dumps(dict(one.facts), default=str) for one in found], pa.string()),
        }
    )


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """What stands in the way of reading a segment is a StoreError that names it."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, OverflowError, pa.ArrowException) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise StoreError(f"{file} cannot be read ({why}): bring it back from a backup") from None


def _read(file: Path, *names: str) -> pa.Table:
    with _reading(file), pq.ParquetFile(file, page_checksum_verification=True) as opened:
        return _columns(opened, names)


def _columns(opened: pq.ParquetFile, names: Sequence[str]) -> pa.Table:
    found = opened.read(columns=list(names), use_threads=False)
    # The checksums of pages do not cover how many rows and values they hold.
    if found.num_rows != opened.metadata.num_rows:
        raise ValueError(f"{opened.metadata.num_rows} rows were written, and {found.num_rows} are there")
    found.validate(full=True)
    return found


def rows(file: Path) -> Iterator[dict[str, Any]]:
    """Rejected records as they were kept: file, record, offset, reason, facts, raw. Raises StoreError."""
    for row in _read(file, FILE, RECORD, OFFSET, REASON, FACTS, RAW).to_pylist():
        yield {name.removeprefix(OWN): json.loads(value) if name == FACTS else value for name, value in row.items()}


def ids(file: Path) -> list[str]:
    """The ids of the events or rejected records in a segment. Raises StoreError."""
    return [one.hex() for one in _read(file, ID).column(ID).to_pylist()]


def place(file: Path, identity: str) -> int | None:
    """The row of the event with an id; None where the segment does not hold it. Raises StoreError."""
    column = _read(file, ID).column(ID)
    found = int(pc.index(column, pa.scalar(bytes.fromhex(identity), column.type)).as_py())
    return None if found < 0 else found


def lines(file: Path, fingerprint: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of what a segment holds of one input, each with where it began. Raises StoreError."""
    read = _read(file, FINGERPRINT, OFFSET, RAW)
    for found, offset, raw in zip(*(read.column(name).to_pylist() for name in (FINGERPRINT, OFFSET, RAW)), strict=True):
        if found == fingerprint:
            yield from lines_of(offset, raw)


def lines_of(offset: int, raw: bytes) -> Iterator[tuple[int, bytes]]:
    """The lines of a record that are not blank, each with where it began."""
    for line in raw.split(b"\n"):
        if line.strip():
            yield offset, line
        offset += len(line) + 1


def write(made: pa.Table, file: Path | BinaryIO) -> None:
    """Write a segment. Raises OSError. Statistics of raw records would repeat them in the file's footer."""
    names = made.column_names
    pq.write_table(
        made,
        file,
        row_group_size=max(made.num_rows, 1),
        compression="zstd",
        write_page_checksum=True,
        dictionary_pagesize_limit=DICTIONARY,
        use_dictionary=[name for name in names if name not in (TIME, ID, RAW, RECORD, OFFSET)],
        write_statistics=[name for name in names if name != RAW],
    )


class Segment:
    """One segment opened for reading. Raises StoreError where the file is not there, damaged, or no segment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _reading(path):
            self.file = pq.ParquetFile(path, page_checksum_verification=True)
            schema = self.file.schema_arrow
            metadata = schema.metadata or {}
            if _META not in metadata:
                raise ValueError("no segment of kyber")
            self.nature = Nature.load(metadata[_META])
            self.schema = schema
            self.names = {_native(name): name for name in schema.names if not _is_own(name)}
            self.zone = UTC if self.nature.zone == "UTC" else ZoneInfo(self.nature.zone)
            self.rows = int(self.file.metadata.num_rows)

    @property
    def weight(self) -> int:
        """Bytes of all columns, before they are compressed."""
        groups = (self.file.metadata.row_group(group) for group in range(self.file.num_row_groups))
        return sum(int(one.total_byte_size) for one in groups)

    def batch(self, memory: MutableMapping[bytes, bytes] | None = None) -> EventBatch:
        """The events; their columns are read when they are asked for.

        `memory` holds answers about these events by what names the question, and takes more of them.
        """
        nature = self.nature
        fields, records = _Fields(self), _Records(self, memory)
        return EventBatch.of(fields, self.rows, records, nature.logsource, table(nature.table), nature.verbatim)

    def array(self, name: str) -> Any:
        """One column by its name in the file, as one Arrow array."""
        with _reading(self.path):
            found = _columns(self.file, [name]).column(name)
            return found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()

    def column(self, name: str) -> Column | None:
        """A native column; None where the segment has none of that name."""
        stored = self.names.get(name)
        if stored is None:
            return None
        metadata = self.schema.field(stored).metadata
        return decoded(self.array(stored), metadata is not None and metadata.get(b"kyber") == b"json")


def _is_own(name: str) -> bool:
    return name.startswith(OWN) and not name.startswith(FIELD)


def _stored(name: str) -> str:
    """The name of a native column here: its own, unless it begins with `kyber.`, or holds half a character."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return FIELD + json.dumps(name)
    return FIELD + name if name.startswith(OWN) else name


def _native(name: str) -> str:
    """The inverse of `_stored`."""
    found: str = json.loads(name.removeprefix(FIELD)) if name.startswith(FIELD + '"') else name.removeprefix(FIELD)
    return found


class _Fields:
    """The native columns of one segment, each read once."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self._read: dict[str, Column | None] = {}

    @property
    def names(self) -> Iterable[str]:
        return self.segment.names.keys()

    def column(self, name: str, held: Rows | None = None) -> Column | None:
        if name not in self._read:
            self._read[name] = self.segment.column(name)
        return self._read[name]

    def at(self, name: str, row: int) -> tuple[Value] | None:
        column = self.column(name)
        return None if column is None else column.cell(row)

    def cells(self, rows: Places) -> Iterator[tuple[str, Places, Column]]:
        for name in self.names:
            column = self.column(name)
            if column is None:
                continue
            codes = column.codes[rows]
            there = codes >= 0
            if there.any():
                used, place = np.unique(codes[there], return_inverse=True)
                values = [column.values[code] for code in used.tolist()]
                yield name, rows[there], Column(place.reshape(-1).astype(np.int32), values)


def decoded(array: Any, is_json: bool) -> Column:
    """An Arrow array as a column; the inverse of what a segment makes of one."""
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    codes = array.indices.fill_null(ABSENT).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    values: list[Any] = array.dictionary.to_pylist()
    return Column(codes, [_value(value) for value in values] if is_json else values)


def _value(text: str) -> Value:
    found = json.loads(text)
    return tuple(found) if isinstance(found, list) else found


class _Records:
    """The raw records of one segment, each column of them read when it is asked for."""

    def __init__(self, segment: Segment, memory: MutableMapping[bytes, bytes] | None) -> None:
        self._segment, self.source, self.zone = segment, segment.nature.source, segment.zone
        self.memory = memory
        self._origins: dict[tuple[int, int], Origin] = {}

    @cached_property
    def raw(self) -> Sequence[bytes]:
        return _Raw(self._segment.array(RAW))

    @cached_property
    def numbers(self) -> Sequence[int]:
        return self._integers(RECORD)

    @cached_property
    def offsets(self) -> Sequence[int]:
        return self._integers(OFFSET)

    @cached_property
    def held(self) -> Sequence[int]:
        return self._integers(HELD)

    @cached_property
    def times(self) -> NDArray[np.int64]:
        """When each event happened: microseconds, UTC; NO_TIME where it does not say."""
        stored = self._segment.array(TIME)
        found: NDArray[np.int64] = stored.cast(pa.int64()).fill_null(NO_TIME).to_numpy(zero_copy_only=False)
        return found

    def _integers(self, name: str) -> Sequence[int]:
        found: list[int] = self._segment.array(name).to_pylist()
        return found

    @cached_property
    def _ids(self) -> memoryview:
        """One after the other, 16 bytes each."""
        array = self._segment.array(ID).cast(pa.binary(16))
        return memoryview(array.buffers()[1])[16 * array.offset :]

    @cached_property
    def _files(self) -> Column:
        return decoded(self._segment.array(FILE), is_json=False)

    @cached_property
    def _fingerprints(self) -> Column:
        return decoded(self._segment.array(FINGERPRINT), is_json=False)

    def joined(self, rows: Places) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        array = self._segment.array(RAW)
        if len(rows) < len(array):
            array = array.take(pa.array(rows))
        _, places, data = array.buffers()
        ends = np.frombuffer(places, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
        for start in range(0, len(array), TOGETHER):
            some = ends[start : start + TOGETHER + 1]
            yield bytes(data[int(some[0]) : int(some[-1])]) if data is not None else b"", some[1:] - some[0]

    def sieved(self, sieve: Sieve, rows: Places) -> Rows:
        return sieve.rows(self.joined(rows))

    def origin(self, row: int) -> Origin:
        codes = self._files.codes[row], self._fingerprints.codes[row]
        if codes not in self._origins:
            fingerprint: Any = self._fingerprints.at(row)
            self._origins[codes] = Origin(self.source, str(self._files.at(row)), fingerprint, self.zone)
        return self._origins[codes]

    def event_id(self, row: int) -> str:
        return self._ids[16 * row : 16 * row + 16].hex()


class _Raw(Sequence[bytes]):
    """Raw records in an Arrow array."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, row: Any) -> Any:
        if not isinstance(row, slice):
            return self._array[row].as_py()
        start, stop, step = row.indices(len(self))
        if step == 1:
            return self._array.slice(start, max(stop - start, 0)).to_pylist()
        return [self._array[place].as_py() for place in range(start, stop, step)]


def merged(segments: Sequence[Segment]) -> pa.Table:
    """The events of several segments of one nature as one table, by time; events without one come last."""
    times = _whole(segments, TIME).cast(pa.int64()).fill_null(2**62).to_numpy()
    order = np.argsort(times, kind="stable")
    places = pa.array(order)
    own = {
        name: _whole(segments, name).take(places).combine_chunks() for name in segments[0].schema.names if _is_own(name)
    }
    names = sorted({name for one in segments for name in one.names})
    return _assembled(
        segments[0].nature,
        own,
        ((name, column, column.codes[order]) for name in names if (column := _joined(segments, name)) is not None),
    )


def _whole(segments: Sequence[Segment], name: str) -> pa.ChunkedArray:
    """One of the columns that are not the events' own, of several segments, one after the other."""
    return pa.chunked_array([one.array(name) for one in segments]).unify_dictionaries()


def _joined(segments: Sequence[Segment], name: str) -> Column | None:
    """One native column of several segments, one after the other."""
    codes: list[Codes] = []
    values: list[Value] = []
    index: dict[tuple[str, str], int] = {}
    for segment in segments:
        column = segment.column(name)
        if column is None:
            codes.append(np.full(segment.rows, ABSENT, dtype=np.int32))
            continue
        places = np.empty(len(column.values) + 1, dtype=np.int32)
        places[-1] = ABSENT
        for code, value in enumerate(column.values):
            key = (type(value).__name__, value if isinstance(value, str) else json.dumps(value))
            if key not in index:
                index[key] = len(values)
                values.append(value)
            places[code] = index[key]
        codes.append(places[column.codes])
    return Column(np.concatenate(codes), values) if values else None
