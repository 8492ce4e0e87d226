"""Events <-> documents of Elasticsearch: rows of an EventBatch in, ready-made NDJSON out; and `_source` objects in,
batches out that are equal to those of the embedded store.

A document holds three things. Columns of the Elastic Common Schema at its top, as far as they fit their mapping, for
whoever looks with Kibana; `event.original`, the record as it was read; and the object `kyber`, from which the event is
made again exactly: its native columns (`fields`; what JSON or the field type would not take stands in `odd`) and what
is known of its origin. `terms` are what the engine compares, folded as it folds them, so that a query asks as the
engine does: no analyser, letter case or limit of length lies between them (what is too long is named in `partial`).
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import cache, lru_cache
from hashlib import blake2b
from ipaddress import ip_address
from itertools import repeat
from math import isfinite
from typing import Any, Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.logs.batch import EventBatch, LogSource, Origin, Sieve, joined
from kyber.logs.column import ABSENT, Codes, Column, Places, Rows
from kyber.logs.flattened import flat
from kyber.logs.schema import table
from kyber.logs.store.templates import TYPES, stream
from kyber.logs.values import NO_TIME, Scalar, Value, fold, number, parts, text
from kyber.render.rows import ECS_VERSION

_T = TypeVar("_T")
LONGEST_TERM: Final = 1_024
"""Bytes of a term, with the name of its column; of what is longer, only the column's name is indexed."""
LONGEST_NAME: Final = 512
"""Bytes of a column's name that is a key of `kyber.fields`; a longer one stands in `kyber.odd`."""
_INT64: Final = range(-(2**63), 2**63)
_WHOLE: Final = range(-(2**63), 2**64)
"""The whole numbers that JSON takes here."""
_YEARS: Final = (-62_135_596_800_000_000, 253_402_300_799_999_999)
"""The times that can be written with four digits of the year, in microseconds."""
_BETWEEN: Final = "\x7f"
"""Stands between texts that are written together: a sign that JSON has as it is, and logs hardly have."""
_TEXTS: Final = ("keyword", "text")
"""Types that take every text."""
_TOGETHER: Final = 2**20
"""Characters that are written together, at most."""
_BODY: Final = (
    b'{"@timestamp":"%b",%b%b,"event.original":%b,"kyber":{%b,"id":"%b","record":%d,"offset":%d,"held":%d,%b,"shape":"%b",'
    b'"fields":{%b},"terms":[%b]%b}}'
)


class Document(NamedTuple):
    """An event ready to be sent: its id, the two lines that create it in a bulk request, and its number of records."""

    id: str
    action: bytes
    body: bytes
    held: int

    @property
    def size(self) -> int:
        """Bytes in a request."""
        return len(self.action) + len(self.body) + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What some events have in common when they are sent: the day that they are stored under, when they were collected
    and are sent (microseconds), and the namespace."""

    day: str
    collected: int
    ingested: int
    namespace: str


def documents(batch: EventBatch, rows: Places, sending: Sending) -> list[Document]:
    """Some rows of a batch as documents, in their order."""
    index = stream(batch.source, sending.namespace)
    action = b'{"create":{"_index":' + orjson.dumps(index) + b',"_id":"'
    head = {
        "ecs.version": ECS_VERSION,
        "event.ingested": _stamps(np.array([sending.ingested]))[0].decode(),
        "data_stream": {"type": "logs", "dataset": index.split("-", 2)[1], "namespace": sending.namespace},
    }
    nature = {
        "source": batch.source,
        "table": batch.table.name,
        "zone": str(batch.zone),
        "verbatim": batch.verbatim,
        "day": sending.day,
        **{name: said for name in LogSource.__slots__ if (said := getattr(batch.logsource, name)) is not None},
    }
    common, own = _members(head), _members(nature)
    times, held = batch.times[rows], batch.read.held
    stamps = _stamps(np.where((times >= _YEARS[0]) & (times <= _YEARS[1]), times, sending.collected))
    origin, file = None, b""
    found = []
    for row, time, stamp, (top, fields, terms, shape, more) in zip(
        rows.tolist(), times.tolist(), stamps, _Rows(batch, rows).parts(), strict=True
    ):
        identity, raw, records = batch.event_id(row), batch.raw[row], held[row] if held else 1
        if (here := batch.origin(row)) is not origin:
            origin, file = here, _members({"file": _sound(here.file), "fingerprint": here.fingerprint.hex()})
        if time != NO_TIME:
            more = b',"time":%d%b' % (time, more)
        try:
            original = orjson.dumps(raw.decode())
        except UnicodeDecodeError:  # in base64, too, so that nothing of it is lost
            original = orjson.dumps(raw.decode("utf-8", "replace"))
            more += b',"raw":"%b"' % b64encode(raw)
        key, place = identity.encode(), (batch.records[row], batch.offsets[row], records)
        body = _BODY % (stamp, top, common, original, own, key, *place, file, shape, fields[:-1], terms[:-1], more)
        found.append(Document(identity, action + key + b'"}}', body, records))
    return found


def _members(some: Mapping[str, Any]) -> bytes:
    """What stands between the braces of an object."""
    return orjson.dumps(some)[1:-1]


def _json(value: object) -> bytes:
    """A value as JSON; nothing where JSON does not take it."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return b""


def _sound(name: str) -> str:
    """The name of a file, which need not be text, as one."""
    return name.encode("utf-8", "replace").decode()


def _stamps(times: NDArray[np.int64]) -> list[bytes]:
    """Times (microseconds) as documents have them."""
    stamps: list[bytes] = np.datetime_as_string(times.view("M8[us]"), timezone="UTC").astype(bytes).tolist()
    return stamps


@dataclass(frozen=True, slots=True)
class _Pieces:
    """What each value of a native column adds to a document: to `fields` and `terms`, with a comma after it; to
    `partial` and `odd`, where one of them does."""

    fields: Sequence[bytes]
    terms: Sequence[bytes]
    partial: Sequence[bytes] = ()
    odd: Sequence[bytes] = ()


class _Cells:
    """What some rows have of one column: the code of a value in each, or ABSENT; and the values that are met there."""

    def __init__(self, column: Column, rows: Places) -> None:
        codes = column.codes[rows]
        met = np.zeros(len(column.values) + 1, dtype=bool)
        met[codes] = True
        met[ABSENT] = False
        places = np.flatnonzero(met)
        dense = np.empty(len(met), dtype=np.int32)
        dense[places], dense[ABSENT] = np.arange(len(places)), ABSENT
        self.codes: Codes = dense[codes]
        self.values = [column.values[place] for place in places.tolist()]

    def of(self, each: Sequence[_T], places: Places | None = None) -> Iterator[_T]:
        """What the values mean, row by row; `each` ends with what it means that there is none, where that can be."""
        codes = self.codes if places is None else self.codes[places]
        return map(each.__getitem__, codes.tolist())


_Native = tuple[str, _Cells, _Pieces]
_Part = tuple[bytes, bytes, bytes, bytes, bytes]


class _Rows:
    """What some rows of a batch have of every column, as pieces of JSON: each value is looked at once, and rows that
    have the same native columns are put together at once."""

    def __init__(self, batch: EventBatch, rows: Places) -> None:
        self.batch, self.rows = batch, rows
        self.native = [
            (name, cells, _pieces(name, cells.values))
            for name in sorted(batch.fields.names)
            if (cells := self._cells(batch.fields.column(name))) is not None
        ]
        self.canonical = [
            (cells, (*_canonical_pieces(name, TYPES[name], cells.values), b""))
            for name in batch.table.columns
            if name in TYPES and (cells := self._cells(batch.column(name))) is not None
        ]

    def _cells(self, column: Column | None) -> _Cells | None:
        """A column at the rows; None where none of them has it."""
        cells = None if column is None else _Cells(column, self.rows)
        return cells if cells is not None and cells.values else None

    def parts(self) -> list[_Part]:
        """Of each row, in their order: its canonical columns, `fields`, `terms` and `shape`, and what more there is."""
        found: list[_Part] = [(b"", b"", b"", b"", b"")] * len(self.rows)
        meanings = self._meanings()
        for native, places in self._alike():
            names = [name for name, _, _ in native]
            digests = {meant: self._shape(names, meant) for meant in {meanings[place] for place in places.tolist()}}
            parts_ = zip(
                _put_together([cells.of(pieces, places) for cells, pieces in self.canonical], len(places)),
                _put_together([cells.of(pieces.fields, places) for _, cells, pieces in native], len(places)),
                _put_together([cells.of(pieces.terms, places) for _, cells, pieces in native], len(places)),
                [digests[meanings[place]] for place in places.tolist()],
                _more(native, places),
                strict=True,
            )
            for place, part in zip(places.tolist(), parts_, strict=True):
                found[place] = part
        return found

    def _alike(self) -> Iterator[tuple[list[_Native], Places]]:
        """The places of rows that have the same native columns, and these."""
        there = np.array([cells.codes >= 0 for _, cells, _ in self.native], dtype=bool)
        there = there.reshape(len(self.native), len(self.rows)).T
        alike: dict[bytes, list[int]] = {}
        for place, key in enumerate(map(bytes, np.packbits(there, axis=1).tolist())):
            alike.setdefault(key, []).append(place)
        for places in alike.values():
            yield [self.native[one] for one in np.flatnonzero(there[places[0]]).tolist()], np.array(places)

    def _shape(self, names: Sequence[str], meant: Sequence[str]) -> bytes:
        """What names native columns and all that tells the kind of an event for rules: events of one shape have the
        same fields, and are of the same logsources."""
        head = [self.batch.table.name, *(getattr(self.batch.logsource, name) for name in LogSource.__slots__)]
        return blake2b(json.dumps([*head, names, meant]).encode(), digest_size=12).hexdigest().encode()

    def _meanings(self) -> list[tuple[str, ...]]:
        """Of each row, which of the texts that tell kinds of events it has in each column that tells them."""
        found: list[Iterator[str]] = []
        for name, wanted in _kinds(self.batch.table.name).items():
            if (cells := self._cells(self.batch.column(name))) is None:
                found.append(repeat("", len(self.rows)))
                continue
            told = ({text(part).lower() for part in parts(value)} for value in cells.values)
            found.append(cells.of([*(json.dumps(sorted(one & wanted)) for one in told), ""]))
        return list(zip(*found, strict=True)) if found else [()] * len(self.rows)


@cache
def _kinds(name: str) -> dict[str, frozenset[str]]:
    """By column, the texts that tell kinds of a product's events: those of its logsources, and those of which alone a
    canonical column is drawn."""
    known = table(name)
    conditions = [one for meanings in (known.categories, known.services) for some in meanings.values() for one in some]
    conditions += [drawn.when for some in known.columns.values() for drawn in some]
    found: dict[str, frozenset[str]] = {}
    for column, wanted in (one for condition in conditions for one in condition):
        found[column] = found.get(column, frozenset()) | wanted
    return found


def _put_together(columns: Sequence[Iterator[bytes]], rows: int) -> list[bytes]:
    """Row by row what columns add, each with a comma after it."""
    return list(map(b"".join, zip(*columns, strict=True))) if columns else [b""] * rows


def _more(native: Sequence[_Native], places: Places) -> list[bytes]:
    """What there is to say of rows with the same native columns where these are not whole."""
    partial = [cells.of(pieces.partial, places) for _, cells, pieces in native if any(pieces.partial)]
    odd = [cells.of(pieces.odd, places) for _, cells, pieces in native if any(pieces.odd)]
    found = [b""] * len(places)
    for member, columns in ((b"partial", partial), (b"odd", odd)):
        for row, one in enumerate(zip(*columns, strict=True)):
            if said := list(filter(None, dict.fromkeys(one))):
                found[row] += b',"%b":[%b]' % (member, b",".join(said))
    return found


def _pieces(name: str, values: Sequence[Value]) -> _Pieces:
    """What each value of a native column adds: all at once, where they are plain."""
    if (found := _plain_pieces(name, values)) is not None:
        return found
    folded, key = fold(name), _json(name) if _is_key(name) else b""
    fields, terms, partials, odd = [], [], [], []
    for value in values:
        field = _json(value) if key and _is_plain(value) else b""
        listed, whole = terms_of(folded, value)
        fields.append(key + b":" + field + b"," if field else b"")
        terms.append(b"".join(one + b"," for one in map(_json, listed) if one))
        partials.append(b"" if whole and field else orjson.dumps(partial(folded)))
        odd.append(b"" if field else orjson.dumps([json.dumps(name), json.dumps(value)]))
    return _Pieces(fields, terms, partials, odd)


def _plain_pieces(name: str, values: Sequence[Value]) -> _Pieces | None:
    """`_pieces` where all values are texts, or all are whole numbers; None where they are not."""
    folded, key = fold(name), _json(name) if _is_key(name) else b""
    if not key or (plain := _joined_texts(values)) is None:
        return None
    joined, quote = plain
    texts, room = joined.split(_BETWEEN), LONGEST_TERM - len(folded.encode()) - 1
    fit = [4 * len(one) <= room or len(one) <= room >= len(fold(one).encode("utf-8", "replace")) for one in texts]
    short = joined if all(fit) else _BETWEEN.join(one if fits else "" for one, fits in zip(texts, fit, strict=True))
    fields = _split(key + b":" + quote, joined, quote + b",")
    terms = _split(orjson.dumps(folded)[:-1] + b"=", fold(short), b'",')
    if not len(texts) == len(fields) == len(terms) == len(values):
        return None
    if all(fit):
        return _Pieces(fields, terms)
    named = orjson.dumps(partial(folded))
    return _Pieces(
        fields,
        [one if fits else b"" for one, fits in zip(terms, fit, strict=True)],
        [b"" if fits else named for fits in fit],
    )


def _canonical_pieces(name: str, kind: str, values: Sequence[Value]) -> Sequence[bytes]:
    """What each value of a canonical column adds to the top of a document."""
    key = orjson.dumps(name) + b":"
    fitting = values if kind in _TEXTS and set(map(type, values)) == {str} else [_fitting(one, kind) for one in values]
    if (plain := _joined_texts(fitting)) is not None:
        joined, quote = plain
        if len(found := _split(key + quote, joined, quote + b",")) == len(values):
            return found
    return [b"" if value is None or not (one := _json(value)) else key + one + b"," for value in fitting]


def _joined_texts(values: Sequence[Any]) -> tuple[str, bytes] | None:
    """Texts, or whole numbers as such, one after the other, and what JSON quotes them with; None where there are both,
    others, or too many characters."""
    kinds = set(map(type, values))
    if kinds == {str} and sum(map(len, values)) <= _TOGETHER:
        return _BETWEEN.join(values), b'"'
    if kinds == {int} and min(values) in _WHOLE and max(values) in _WHOLE:
        return _BETWEEN.join(map(str, values)), b""
    return None


def _split(before: bytes, joined: str, after: bytes) -> list[bytes]:
    """Each of some joined texts as JSON, without quotes and between two others; more or fewer, where this cannot be."""
    between, written = _BETWEEN.encode(), _json(joined)
    if not written:
        return []
    return (before + written[1:-1].replace(between, after + between + before) + after).split(between)


def _is_key(name: str) -> bool:
    """Whether the name of a column can be a key of `fields`."""
    return bool(name.strip()) and "\0" not in name and len(name.encode("utf-8", "replace")) <= LONGEST_NAME


def partial(folded: str) -> str:
    """The folded name of a column as it stands in `partial`: no longer than a term, and without half a character."""
    return folded.encode("utf-8", "replace")[:LONGEST_TERM].decode(errors="ignore")


def _is_plain(value: Value) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return not isinstance(value, float) or isfinite(value)


def terms_of(folded: str, value: Value) -> tuple[list[str], bool]:
    """The terms of a value in a column whose folded name is given; and whether these are all of them.

    Each element that is not null has one, `NAME=VALUE` folded as the engine folds; too long ones are left out.
    """
    found, whole = [], True
    for part in parts(value):
        if part is None:
            continue
        term = f"{folded}={fold(part if type(part) is str else text(part))}"
        if len(term) * 4 <= LONGEST_TERM or len(term.encode("utf-8", "replace")) <= LONGEST_TERM:
            found.append(term)
        else:
            whole = False
    return found, whole


def _fitting(value: Value, kind: str) -> Any:
    """A canonical value as its mapping takes it; None where nothing of it fits."""
    if not isinstance(value, tuple):
        return value if type(value) is str and kind in _TEXTS else _fit(value, kind)
    return [one for one in (_fit(part, kind) for part in value) if one is not None] or None


def _fit(one: Scalar, kind: str) -> Scalar:
    if one is None or isinstance(one, bool):
        return text(one) if isinstance(one, bool) and kind in _TEXTS else None
    if kind == "ip":
        return _address(text(one))
    if kind == "long":
        read = number(one)
        return int(read) if read is not None and isfinite(read) and read == int(read) and int(read) in _INT64 else None
    return text(one)


@lru_cache(maxsize=50_000)
def _address(written: str) -> str | None:
    try:
        found = ip_address(written)
    except ValueError:
        return None
    return None if getattr(found, "scope_id", None) else str(found)


# --- and back --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decoded:
    """Events that were made of documents again; and how many documents are none that kyber wrote."""

    batches: tuple[EventBatch, ...]
    strangers: int


@dataclass(frozen=True, slots=True)
class _Nature:
    """What all events of a batch have in common."""

    source: str
    table: str
    zone: str
    verbatim: bool
    product: str | None
    category: str | None
    service: str | None


def decode(sources: Sequence[Mapping[str, Any]]) -> Decoded:
    """Batches of the events in some `_source` objects, each of one nature; in their order within these.

    Whatever a document holds, it does no harm: what is not as kyber writes it is counted as a stranger.
    """
    groups: dict[_Nature, list[_Event]] = {}
    strangers = 0
    for one in sources:
        try:
            nature, event = _read(one)
            _zone(nature.zone)
            table(nature.table)
        except (LookupError, TypeError, ValueError, OverflowError, OSError, RecursionError):
            strangers += 1
        else:
            groups.setdefault(nature, []).append(event)
    return Decoded(tuple(_batch(nature, events) for nature, events in groups.items()), strangers)


@dataclass(frozen=True, slots=True)
class _Event:
    id: str
    time: int
    record: int
    offset: int
    held: int
    file: str
    fingerprint: bytes
    raw: bytes
    fields: dict[str, Any]


def _read(one: Mapping[str, Any]) -> tuple[_Nature, _Event]:
    """Raises KeyError, TypeError, ValueError or RecursionError where a document is not as kyber writes it."""
    own = one["kyber"]
    nature = _Nature(
        source=_text(own["source"]),
        table=_text(own["table"]),
        zone=_text(own["zone"]),
        verbatim=_of(own["verbatim"], bool),
        **{name: None if own.get(name) is None else _text(own[name]) for name in LogSource.__slots__},
    )
    if not nature.table.replace("_", "").isalnum():
        raise ValueError(nature.table)
    fields = {name: _value(value) for name, value in _of(own["fields"], dict).items()}
    for name, value in own.get("odd", ()):
        fields[_of(json.loads(name), str)] = _value(json.loads(value))
    identity = _of(own["id"], str)
    if len(identity) != 32 or bytes.fromhex(identity).hex() != identity:
        raise ValueError(identity)
    original = one["event.original"] if "event.original" in one else one["event"]["original"]
    raw = b64decode(_of(own["raw"], str), validate=True) if "raw" in own else _of(original, str).encode()
    return nature, _Event(
        id=identity,
        time=_of(own["time"], int) if "time" in own else NO_TIME,
        record=_of(own["record"], int),
        offset=_of(own["offset"], int),
        held=_of(own["held"], int),
        file=_text(own["file"]),
        fingerprint=bytes.fromhex(_of(own["fingerprint"], str)),
        raw=raw,
        fields=fields,
    )


def _of(value: Any, kind: type) -> Any:
    if type(value) is not kind or (kind is int and value not in _INT64):
        raise TypeError(f"{type(value).__name__} where {kind.__name__} belongs")
    return value


def _text(value: Any) -> str:
    """A text that is one: no half of a character in it."""
    found: str = _of(value, str)
    found.encode()
    return found


def _value(value: Any) -> Any:
    """What a native column can hold: a scalar, or an array of scalars."""
    for one in value if isinstance(value, list) else (value,):
        if one is not None and not isinstance(one, str | int | float):
            raise TypeError(f"{type(one).__name__} where a value belongs")
    return value


def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


def _batch(nature: _Nature, events: Sequence[_Event]) -> EventBatch:
    logsource = LogSource(nature.product, nature.category, nature.service)
    read = _Records(nature.source, _zone(nature.zone), events)
    fields = flat([one.fields for one in events])
    return EventBatch.of(fields, len(events), read, logsource, table(nature.table), nature.verbatim)


class _Records:
    """The raw records of some documents."""

    memory: MutableMapping[bytes, bytes] | None = None

    def __init__(self, source: str, zone: tzinfo, events: Sequence[_Event]) -> None:
        self.source, self.zone, self._events = source, zone, events
        self.raw = [one.raw for one in events]
        self.numbers = [one.record for one in events]
        self.offsets = [one.offset for one in events]
        self.held = [one.held for one in events]
        self.times: NDArray[np.int64] = np.array([one.time for one in events], dtype=np.int64)

    def joined(self, rows: Places) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        return joined(self.raw, rows)

    def sieved(self, sieve: Sieve, rows: Places) -> Rows:
        return sieve.rows(self.joined(rows))

    def origin(self, row: int) -> Origin:
        one = self._events[row]
        return Origin(self.source, one.file, one.fingerprint, self.zone)

    def event_id(self, row: int) -> str:
        return self._events[row].id
