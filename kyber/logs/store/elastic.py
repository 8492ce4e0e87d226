"""The store in Elasticsearch: what kyber sent there in, as parts and batches, out.

A part is what one composite aggregation tells of a source, a day and a field table. Its events are read page by page
within one point in time: as they lie there, or, where they lie in more than one backing index, in the order of their
times, in which the copies of one document stand side by side. Whatever lies in the cluster may be forged: what is not
as kyber writes it is counted and left out.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from typing import Any, Final

import orjson

from kyber.logs.batch import EventBatch
from kyber.logs.schema import tables
from kyber.logs.store import ALL, Fresh, Key, Part, Period
from kyber.logs.store.cluster import Cluster, ClusterError, Hit, View, answered
from kyber.logs.store.document import decode
from kyber.logs.store.index import UNDATED, StoreError
from kyber.logs.store.memory import Memory, Place
from kyber.logs.store.narrow import Narrow, cost, query
from kyber.logs.store.templates import every_stream, stream
from kyber.problem import Place as Where
from kyber.problem import Problem, Severity

BUCKETS: Final = 2_000
"""Parts that are told of in one answer."""
MAX_PARTS: Final = 500_000
"""Parts that there may be in what is asked for."""
PAGE: Final = 2_000
"""Hits of one answer, at most."""
FIRST_PAGE: Final = 100
"""Hits of the first answer, from which it is learnt how large they are; of each further one twice as many, at most."""
PAGE_BYTES: Final = 2**23
"""Bytes of one answer, about."""
ROWS: Final = 2**14
"""Events of one batch, at most about."""
BATCH_BYTES: Final = 2**25
"""Bytes of the documents of one batch, about."""
REQUEST: Final = 50
"""How many documents are read in the time that a request takes, whatever it asks."""
EFFORT: Final = 1
"""How many documents are read in the time that a unit of a query's effort takes."""
EXACT: Final = 2**53
"""What is larger does not come out of an aggregation exactly."""
SLACK: Final = 2_000
"""By how many microseconds a time that is not exact may be off."""

SOURCE: Final = {"includes": ["kyber", "event.original"], "excludes": ["kyber.terms", "kyber.partial"]}
_AS_THEY_LIE: Final = [{"_shard_doc": "asc"}]
_BY_TIME: Final = [
    {"kyber.time": {"order": "asc", "missing": "_last", "unmapped_type": "long"}},
    {"kyber.id": {"order": "asc", "unmapped_type": "keyword"}},
]
_INT64: Final = range(-(2**63), 2**63)
_BY_SHAPE: Final = [{"kyber.shape": {"order": "asc", "unmapped_type": "keyword"}}]
_KEYS: Final = {"source": "kyber.source", "day": "kyber.day", "table": "kyber.table"}
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ABOUT: Final = 3
"""How many times a record's bytes its document takes."""
_REST: Final = 1_000
"""Bytes of a document besides."""
_NOBODY: Final = ("", "", "")
"""The place of documents that say of no source or day that they are of."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A part as it was counted. `arrived`: when the last of it did, in milliseconds; `order`: in which it is read."""

    part: Part
    arrived: int
    order: Sequence[Any]

    @property
    def place(self) -> Place:
        return self.part.source, self.part.day, self.part.table


class ElasticStore:
    """What one namespace of a cluster holds. Every method raises ClusterError; those that remember also StoreError."""

    narrows: Final = True

    def __init__(self, cluster: Cluster, namespace: str, memory: Memory | None = None) -> None:
        """`memory`: where it is kept how far it was scanned and what was heard; None: nowhere."""
        self.cluster, self.namespace, self.memory = cluster, namespace, memory
        self.pattern = every_stream(namespace)
        self.strangers: Counter[Place] = Counter()
        """Documents that are none of kyber's, by where they stand."""
        self.copies: Counter[Place] = Counter()
        """Documents that are there more than once, by part."""
        self._tables = frozenset(one.name for one in tables())
        self._reading = 0
        self._view = View(cluster, None)
        self._noted: dict[tuple[Place, bytes], tuple[str, bytes]] = {}
        self._asked: frozenset[bytes] = frozenset()

    # --- reading ---

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A point in time, in which everything is read while this lasts."""
        if self._reading:
            self._reading += 1
            try:
                yield
            finally:
                self._reading -= 1
            return
        with self.cluster.view(self.pattern) as self._view:
            self._reading = 1
            try:
                yield
            finally:
                self._reading, self._view = 0, View(self.cluster, None)

    def parts(
        self, period: Period = ALL, *, sources: Sequence[str] | None = None, days: Sequence[str] | None = None
    ) -> list[Part]:
        """The parts that may hold events of a period, by day and source."""
        with self.reading():
            return [one.part for one in self._parts(period, sources, days)]

    def events(
        self,
        period: Period = ALL,
        *,
        sources: Sequence[str] | None = None,
        days: Sequence[str] | None = None,
        narrow: Narrow | None = None,
    ) -> Iterator[EventBatch]:
        """The events of a period; with a narrow in the order of their times, else by day and source."""
        with self.reading():
            if narrow is not None:
                within = [query(None, period, sources, days), *_days_of(period)]
                yield from self._narrowed(_NOBODY, within, _wanted(narrow), _BY_TIME)
                return
            for one in self._parts(period, sources, days):
                yield from self._batches(one.place, _all(self._within(one.place, period)), one.order)

    def number(self, period: Period = ALL, *, sources: Sequence[str] | None = None) -> int:
        """How many events of a period there are."""
        asked: list[Mapping[str, Any]] = [query(None, period, sources), {"exists": {"field": "kyber.id"}}]
        with self.reading(), answered(self.cluster):
            found = self._view.search({"size": 0, "track_total_hits": True, "query": _all(asked)})
            return int(found["hits"].get("total", {"value": 0})["value"])

    def event(self, identity: str, period: Period = ALL) -> tuple[EventBatch, int] | None:
        """The event of an id, where it is there."""
        with self.reading():
            for batch in self._batches(_NOBODY, {"term": {"kyber.id": identity}}, _AS_THEY_LIE):
                return batch, 0
        return None

    def arrivals(self, source: str, start: int, end: int, step: int) -> frozenset[int]:
        """When something of a source was sent, from a time on and not after another: in steps since the epoch."""
        asked: list[Mapping[str, Any]] = [
            {"term": {"kyber.source": source}},
            {"range": {"event.ingested": {"gte": start // 1_000, "lte": end // 1_000, "format": "epoch_millis"}}},
        ]
        over = {"field": "event.ingested", "fixed_interval": f"{step // 1_000}ms", "min_doc_count": 1}
        with self.reading(), answered(self.cluster):
            answer = self._view.search({"size": 0, "query": _all(asked), "aggs": {"arrived": {"date_histogram": over}}})
            buckets = answer.get("aggregations", {}).get("arrived", {}).get("buckets", [])
            return frozenset(int(one["key"]) * 1_000 // step for one in buckets)

    # --- parts ---

    def _parts(self, period: Period, sources: Sequence[str] | None, days: Sequence[str] | None) -> list[_Found]:
        asked: list[Mapping[str, Any]] = [query(None, ALL, sources, days), *_days_of(period)]
        found: list[_Found] = []
        keys = [{name: {"terms": {"field": field, "missing_bucket": True}}} for name, field in _KEYS.items()]
        over: dict[str, Any] = {"size": BUCKETS, "sources": keys}
        told = {
            "first": {"min": {"field": "kyber.time"}},
            "last": {"max": {"field": "kyber.time"}},
            "dated": {"value_count": {"field": "kyber.time"}},
            "records": {"sum": {"field": "kyber.held"}},
            "arrived": {"max": {"field": "event.ingested"}},
            "indices": {"terms": {"field": "_index", "size": 2}},
        }
        body = {"size": 0, "query": _all(asked), "aggs": {"parts": {"composite": over, "aggs": told}}}
        nobody = 0
        while True:
            with answered(self.cluster):
                answer = self._view.search(body).get("aggregations", {}).get("parts", {})
                for bucket in answer.get("buckets", ()):
                    one = self._part(bucket)
                    if one is None:
                        nobody += int(bucket["doc_count"])
                    elif _overlaps(one.part, period):
                        found.append(one)
            if len(found) > MAX_PARTS:
                raise ClusterError(
                    f"{self.pattern} on {self.cluster.name} holds more than {MAX_PARTS} days of log sources: ask for a "
                    "period with --since, or look who writes there besides kyber"
                )
            if "after_key" not in answer:
                break
            over["after"] = answer["after_key"]
        self.strangers[_NOBODY] = max(nobody, self.strangers[_NOBODY])
        return sorted(found, key=lambda one: (one.part.day, one.part.source, one.part.table))

    def _part(self, bucket: Mapping[str, Any]) -> _Found | None:
        """What a bucket tells of; None where its documents are not kyber's."""
        source, day, table = (bucket["key"][name] for name in _KEYS)
        if not isinstance(source, str) or not source or table not in self._tables or not _is_day(day):
            return None
        rows, dated = int(bucket["doc_count"]), int(bucket["dated"]["value"])
        first, last = (None if (value := bucket[name]["value"]) is None else int(value) for name in ("first", "last"))
        arrived = int(bucket["arrived"]["value"] or 0)
        if any(one not in _INT64 for one in (rows, arrived, first or 0, last or 0)):  # as of no event that was stored
            return None
        order = _BY_TIME if len(bucket["indices"]["buckets"]) > 1 else _AS_THEY_LIE
        place = (source, day, table)
        part = Part(
            key=orjson.dumps([*place, rows, first, last, arrived]).decode(),
            source=source,
            day=day,
            table=table,
            rows=rows,
            records=max(int(bucket["records"]["value"] or 0), 0),
            undated=max(rows - dated, 0),
            first=first,
            last=last,
            size=0,
            read=partial(self._read, place, rows, order),
        )
        return _Found(part, arrived, order)

    # --- events ---

    def _read(self, place: Place, rows: int, order: Sequence[Any], narrow: Narrow | None) -> Iterator[EventBatch]:
        """The events of a part; those that a narrow holds and one of every other shape, where that is less work."""
        with self.reading():
            within = self._within(place)
            if narrow is not None and self._pays(narrow, rows, within):
                yield from self._narrowed(place, within, _wanted(narrow), order)
            else:
                yield from self._batches(place, _all(within), order)

    def _within(self, place: Place, period: Period = ALL) -> list[Mapping[str, Any]]:
        """What asks for the events of a part, in a period."""
        index = {"wildcard": {"_index": f"*{stream(place[0], self.namespace)}*"}}  # other shards need not look
        terms = ({"term": {field: value}} for field, value in zip(_KEYS.values(), place, strict=True))
        return [index, *terms, query(None, period)]

    def _pays(self, narrow: Narrow, rows: int, within: Sequence[Mapping[str, Any]]) -> bool:
        """Whether it is less work to ask for what a narrow holds than to read everything."""
        each = REQUEST + EFFORT * _effort(narrow)
        if 3 * each >= rows:
            return False
        with answered(self.cluster):
            asked = {"size": 0, "track_total_hits": True, "query": _all([*within, _wanted(narrow)])}
            held = int(self._view.search(asked)["hits"]["total"]["value"])
        return each * (3 + held / PAGE) + held < rows

    def _narrowed(
        self, place: Place, within: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any], order: Sequence[Any]
    ) -> Iterator[EventBatch]:
        """Of the events that are asked for those that are wanted, and one of every shape of the others."""
        yield from self._batches(place, _all([*within, wanted]), order)
        others = {"bool": {"filter": list(within), "must_not": [wanted]}}
        yield from self._batches(place, others, _BY_SHAPE, collapse={"field": "kyber.shape"})

    def _batches(
        self, place: Place, asked: Mapping[str, Any], sort: Sequence[Any], **more: Any
    ) -> Iterator[EventBatch]:
        held: list[Mapping[str, Any]] = []
        size = strangers = copies = 0
        last: Any = None
        for hits in self._hits(asked, sort, **more):
            for hit in hits:
                if not self._is_mine(hit):
                    strangers += 1
                elif hit["_id"] == last:
                    copies += 1
                else:
                    last = hit["_id"]
                    held.append(hit["_source"])
                    size += _size(hit)
            if len(held) >= ROWS or size >= BATCH_BYTES:
                found = decode(held)
                strangers += found.strangers
                held, size = [], 0
                yield from found.batches
        found = decode(held)
        strangers += found.strangers
        self.strangers[place] = max(strangers, self.strangers[place])  # a part may be read more than once
        self.copies[place] = max(copies, self.copies[place])
        yield from found.batches

    def _hits(self, asked: Mapping[str, Any], sort: Sequence[Any], **more: Any) -> Iterator[list[Hit]]:
        """The hits of a query, some at a time: fewer, where they are big."""

        def following(hits: Sequence[Hit], size: int) -> int:
            with answered(self.cluster):
                heavy = sum(map(_size, hits)) // len(hits)
            return max(1, min(PAGE, 2 * size, PAGE_BYTES // heavy))

        return self._view.pages({"query": asked, "_source": SOURCE, **more}, sort, FIRST_PAGE, following)

    def _is_mine(self, hit: Hit) -> bool:
        """Whether a document stands where kyber writes it: in the stream of its source, under its own id."""
        source = hit.get("_source")
        own = source.get("kyber") if isinstance(source, dict) else None
        if not isinstance(own, dict) or not isinstance(own.get("source"), str):
            return False
        return hit["_id"] == own.get("id") and stream(own["source"], self.namespace) in str(hit["_index"])

    # --- what is remembered ---

    def heard(self, questions: Collection[bytes]) -> dict[bytes, dict[Key, bytes]]:
        """What is remembered of some questions, by the key of the part; others are forgotten."""
        self._asked = frozenset(questions)
        found: dict[bytes, dict[Key, bytes]] = {one: {} for one in questions}
        if self.memory is not None:
            for one in questions:
                found[one].update(self.memory.heard(one).items())
        for (_, question), (key, answer) in self._noted.items():
            if question in found:
                found[question][key] = answer
        return found

    def note(self, part: Part, question: bytes, answer: bytes) -> None:
        """An answer that `remember` will keep."""
        self._noted[(part.source, part.day, part.table), question] = (str(part.key), answer)

    def remember(self) -> None:
        """Keep what was heard; where that cannot be, never mind."""
        if self.memory is not None and self._noted:
            with suppress(StoreError):
                self.memory.keep_heard(self._noted, self._asked)
        self._noted = {}

    def fresh(self) -> Fresh:
        """The days of which something arrived since they were scanned.

        A part has something new where it has more events than it had then, or later ones: neither clocks, nor how long
        it takes until an event can be found, make a difference. Where events were deleted, nothing is new.
        """
        with self.reading():
            found = {one.place: (one.part.rows, one.arrived) for one in self._parts(ALL, None, None)}
        known = self.memory.scanned() if self.memory is not None else {}
        days = {place[1] for place, (rows, arrived) in found.items() if _grew(known.get(place), rows, arrived)}
        return Fresh(tuple(sorted(days)), partial(self._scanned, found))

    def _scanned(self, found: Mapping[Place, tuple[int, int]]) -> None:
        if self.memory is not None:
            self.memory.keep_scanned(found)

    def doubts(self) -> list[Problem]:
        """Documents that are not kyber's, and those that are there more than once."""
        found, where = [], Where(self.pattern)
        if strangers := self.strangers.total():
            found.append(Problem(where, "F50", {"count": strangers}, Severity.WARNING))
        if copies := self.copies.total():
            found.append(Problem(where, "F51", {"count": copies}, Severity.NOTE))
        return found


@lru_cache(4)
def _wanted(narrow: Narrow) -> Mapping[str, Any]:
    """The query of a narrow, which is large where many rules ask."""
    return query(narrow)


@lru_cache(4)
def _effort(narrow: Narrow) -> int:
    return cost(narrow).effort


def _all(asked: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"bool": {"filter": list(asked)}}


def _is_day(day: object) -> bool:
    if day == UNDATED:
        return True
    try:
        return isinstance(day, str) and _DAY.fullmatch(day) is not None and date.fromisoformat(day) is not None
    except ValueError:
        return False


def _days_of(period: Period) -> list[dict[str, Any]]:
    """The days whose events may be of a period."""
    bounds = {
        name: (_EPOCH + timedelta(microseconds=at)).date().isoformat()
        for name, at in (("gte", period.start), ("lte", period.end))
        if at is not None and -EXACT < at < EXACT
    }
    if not bounds:
        return []
    either = [{"range": {"kyber.day": bounds}}, {"term": {"kyber.day": UNDATED}}]
    return [{"bool": {"should": either, "minimum_should_match": 1}}]


def _overlaps(part: Part, period: Period) -> bool:
    """Whether a part may hold events of a period."""
    if not period.bounded:
        return True
    if part.first is None or part.last is None:
        return False
    low, high = (at + sign * SLACK * (abs(at) > EXACT) for at, sign in ((part.first, -1), (part.last, 1)))
    return (period.start is None or high >= period.start) and (period.end is None or low < period.end)


def _size(hit: Hit) -> int:
    """About how many bytes a document takes."""
    source = hit["_source"]
    record = source.get("event.original")
    return _REST + _ABOUT * (len(record) if isinstance(record, str) else 0)


def _grew(known: tuple[int, int] | None, rows: int, arrived: int) -> bool:
    return known is None or rows > known[0] or arrived > known[1]
