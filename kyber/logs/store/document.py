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
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from hashlib import blake2b
from ipaddress import ip_address
from math import isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from numpy.typing import NDArray

from kyber.logs.batch import EventBatch, LogSource, Origin, Places, Rows, Sieve, flat, joined
from kyber.logs.schema import table
from kyber.logs.store.templates import TYPES, stream
from kyber.logs.values import NO_TIME, Scalar, Value, fold, number, parts, text
from kyber.render.rows import ECS_VERSION

LONGEST_TERM: Final = 1_024
"""Bytes of a term, with the name of its column; of what is longer, only the column's name is indexed."""
LONGEST_NAME: Final = 512
"""Bytes of a column's name that is a key of `kyber.fields`; a longer one stands in `kyber.odd`."""
_INT64: Final = range(-(2**63), 2**63)
_SECOND: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1)
_YEARS: Final = (-62_135_596_800_000_000, 253_402_300_799_999_999)
"""The times that can be written with four digits of the year, in microseconds."""


@dataclass(frozen=True, slots=True)
class Document:
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
    made = _Rows(batch, rows)
    index = stream(batch.source, sending.namespace)
    action = b'{"create":{"_index":' + orjson.dumps(index) + b',"_id":"'
    head = {
        "ecs.version": ECS_VERSION,
        "event.ingested": _iso(sending.ingested),
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
    shapes, times, held = made.shapes(), batch.times[rows].tolist(), batch.read.held
    found = []
    for place, row in enumerate(rows.tolist()):
        time, identity, origin = times[place], batch.event_id(row), batch.origin(row)
        records, raw = held[row] if held else 1, batch.raw[row]
        dated = time != NO_TIME and _YEARS[0] <= time <= _YEARS[1]
        own = {
            **nature,
            "id": identity,
            "record": batch.records[row],
            "offset": batch.offsets[row],
            "held": records,
            "file": origin.file,
            "fingerprint": origin.fingerprint.hex(),
            "shape": shapes[place],
            "fields": made.fields[place],
            "terms": made.terms[place],
        }
        if time != NO_TIME:
            own["time"] = time
        if place in made.partial:
            own["partial"] = made.partial[place]
        try:
            original = raw.decode()
        except UnicodeDecodeError:  # in base64, too, so that nothing of it is lost
            original = raw.decode("utf-8", "replace")
            own["raw"] = b64encode(raw).decode()
        made.top[place].update(head)
        whole = {"@timestamp": _iso(time if dated else sending.collected), **made.top[place]}
        whole |= {"event.original": original, "kyber": own}
        try:
            body = orjson.dumps(whole)
        except TypeError:
            body = orjson.dumps(_mended(whole))
        found.append(Document(identity, action + identity.encode() + b'"}}', body, records))
    return found


def _iso(time: int) -> str:
    seconds, micros = divmod(time, _SECOND)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()}.{micros:06}Z"


class _Rows:
    """What some rows of a batch have of every column: each value is looked at once, and each row takes its own."""

    def __init__(self, batch: EventBatch, rows: Places) -> None:
        self.batch, self.rows = batch, rows
        self.fields: list[dict[str, Any]] = [{} for _ in rows]
        self.terms: list[list[str]] = [[] for _ in rows]
        self.partial: dict[int, list[str]] = {}
        self.top: list[dict[str, Any]] = [{} for _ in rows]
        self.names: list[str] = []
        self.present: list[Rows] = []
        self._native()
        self._canonical()

    def _native(self) -> None:
        """The native columns: exactly, and as terms."""
        for name in sorted(self.batch.fields.names):
            column = self.batch.fields.column(name)
            if column is None:
                continue
            codes = column.codes[self.rows]
            there = codes >= 0
            if not there.any():
                continue
            self.names.append(name)
            self.present.append(there)
            key, folded = _is_key(name), fold(name)
            values: dict[int, Any] = {}
            terms: dict[int, list[str]] = {}
            cut = set()
            for code in np.unique(codes[there]).tolist():
                value = column.values[code]
                values[code] = value if key and _is_plain(value) else _Odd(value)
                terms[code], whole = terms_of(folded, value)
                if not whole:
                    cut.add(code)
            for place, code in zip(np.flatnonzero(there).tolist(), codes[there].tolist(), strict=True):
                self.fields[place][name] = values[code]
                self.terms[place] += terms[code]
                if code in cut:
                    self.partial.setdefault(place, []).append(partial(folded))

    def _canonical(self) -> None:
        """The columns of the Elastic Common Schema, as far as they fit their mapping."""
        for name in self.batch.table.columns:
            kind = TYPES.get(name)
            column = self.batch.column(name) if kind is not None else None
            if column is None or kind is None:
                continue
            codes = column.codes[self.rows]
            there = codes >= 0
            fitting = {code: _fitting(column.values[code], kind) for code in np.unique(codes[there]).tolist()}
            for place, code in zip(np.flatnonzero(there).tolist(), codes[there].tolist(), strict=True):
                if fitting[code] is not None:
                    self.top[place][name] = fitting[code]

    def shapes(self) -> list[str]:
        """Of each row, what names its native columns and all that tells its kind for rules: events of one shape have
        the same fields, and are of the same logsources."""
        there = np.packbits(np.array(self.present, dtype=bool).reshape(len(self.names), len(self.rows)).T, axis=1)
        named = map(bytes, there.tolist()) if self.names else [b""] * len(self.rows)
        kinds = [self._meanings(name, wanted) for name, wanted in _kinds(self.batch.table.name).items()]
        head = [self.batch.table.name, *(getattr(self.batch.logsource, name) for name in LogSource.__slots__)]
        digests: dict[tuple[bytes, tuple[str, ...]], str] = {}
        found = []
        for names, *meant in zip(named, *kinds, strict=True):
            key = names, tuple(meant)
            if key not in digests:
                bits = np.unpackbits(np.frombuffer(names, dtype=np.uint8))[: len(self.names)].tolist()
                here = [name for name, bit in zip(self.names, bits, strict=True) if bit]
                digests[key] = blake2b(json.dumps([*head, here, meant]).encode(), digest_size=12).hexdigest()
            found.append(digests[key])
        return found

    def _meanings(self, name: str, wanted: frozenset[str]) -> list[str]:
        """Of each row, which of the texts that tell kinds of events it has in a column."""
        column = self.batch.column(name)
        if column is None:
            return [""] * len(self.rows)
        codes = column.codes[self.rows]
        meaning = {-1: ""}
        for code in np.unique(codes[codes >= 0]).tolist():
            told = {text(part).lower() for part in parts(column.values[code])}
            meaning[code] = json.dumps(sorted(told & wanted))
        return [meaning[code] for code in codes.tolist()]


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


class _Odd:
    """A value that JSON would not give back, or that the field type would not take; JSON stops at it."""

    def __init__(self, value: Value) -> None:
        self.value = value


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
    if type(value) is str and kind in ("keyword", "text"):
        return value
    found = [one for one in (_fit(part, kind) for part in parts(value)) if one is not None]
    return (found if isinstance(value, tuple) else found[0]) if found else None


def _fit(one: Scalar, kind: str) -> Scalar:
    if one is None or isinstance(one, bool):
        return text(one) if isinstance(one, bool) and kind in ("keyword", "text") else None
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


def _mended(whole: dict[str, Any]) -> dict[str, Any]:
    """The document without what JSON does not take: what is odd in its fields stands apart, exactly, as text."""
    own, fields = whole["kyber"], whole["kyber"]["fields"]
    odd = {name: value for name, value in fields.items() if not _is_json({name: value})}
    cut = dict.fromkeys((*own.get("partial", ()), *(partial(fold(name)) for name in odd)))
    listed = [[json.dumps(name), json.dumps(one.value if isinstance(one, _Odd) else one)] for name, one in odd.items()]
    own |= {
        "fields": {name: value for name, value in fields.items() if name not in odd},
        "odd": listed,
        "terms": [term for term in own["terms"] if _is_json(term)],
        "partial": list(cut),
    }
    return {name: value for name, value in whole.items() if _is_json({name: value})}


def _is_json(value: object) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


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
