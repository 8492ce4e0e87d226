"""Retention in a cluster that does not keep it by itself: what is too old is deleted there, and a record of it stays.

Events are asked for by source and UTC day, alerts by day, and deleted by their ids; before that, a line says which
source, which day, how many and the SHA-256 of their ids in order, as the embedded store's `deleted.jsonl` does. What is
counted and what is deleted are the same documents: those of one point in time.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from hashlib import sha256
from typing import Any, Final

from kyber.logs.store.cluster import AwayError, Cluster, ClusterError, Hit, View, answered
from kyber.logs.store.index import EVENTS, UNDATED
from kyber.logs.store.parquet import Deleted
from kyber.logs.store.templates import alerts, stream
from kyber.logs.values import NO_TIME, as_datetime, moment
from kyber.render.safe import plain

AT_ONCE: Final = 1_000
"""Documents that are deleted in one request."""
DAYS: Final = 10_000
"""Days of one source that are deleted at a time; what is left goes the next time."""
ALERTS: Final = "alerts"
_MILLIS: Final = 86_400_000
_SEEN: Final = ("_seq_no", "_primary_term")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

Record = Callable[[Deleted], None]


def expire(
    cluster: Cluster, namespace: str, before: Mapping[str, date], record: Record, *, dry_run: bool = False
) -> list[Deleted]:
    """Delete what each source has in its data stream of days before another. `record` is told first of what goes.

    What is undated goes by when it was collected. Raises ClusterError; then what was recorded last is deleted in part.
    """
    days = (one for source, day in sorted(before.items()) for one in _days(cluster, namespace, source, day))
    return _gone(cluster, days, record, dry_run)


def expire_alerts(
    cluster: Cluster, namespace: str, before: date, record: Record, *, dry_run: bool = False
) -> list[Deleted]:
    """Delete the alerts of a namespace of days before another; see `expire`."""
    return _gone(cluster, _alert_days(cluster, namespace, before), record, dry_run)


@dataclass(frozen=True, slots=True)
class _Day:
    """What there is of one source and day, as a query, and the field by which it is put in order."""

    source: str
    kind: str
    day: str
    index: str
    query: Mapping[str, Any]
    order: str


def _days(cluster: Cluster, namespace: str, source: str, before: date) -> Iterator[_Day]:
    """The days of a source's events; a day that is none was not written by kyber, and is left alone."""
    index = stream(source, namespace)
    mine: dict[str, Any] = {"term": {"kyber.source": source}}
    old = {"bool": {"filter": [mine, {"range": {"kyber.day": {"lt": before.isoformat()}}}]}}  # `undated` comes after it
    counted = {"terms": {"field": "kyber.day", "size": DAYS, "order": {"_key": "asc"}}}
    days = [str(bucket.get("key")) for bucket in _buckets(cluster, index, old, counted)]
    for day in filter(_DAY.fullmatch, days):
        yield _Day(source, EVENTS, day, index, {"bool": {"filter": [mine, {"term": {"kyber.day": day}}]}}, "kyber.id")
    undated = [mine, {"term": {"kyber.day": UNDATED}}, {"range": {"@timestamp": {"lt": f"{before}T00:00:00Z"}}}]
    yield _Day(source, EVENTS, UNDATED, index, {"bool": {"filter": undated}}, "kyber.id")


def _alert_days(cluster: Cluster, namespace: str, before: date) -> Iterator[_Day]:
    index = alerts(namespace)
    old = {"range": {"@timestamp": {"lt": f"{before}T00:00:00Z"}}}
    counted = {"date_histogram": {"field": "@timestamp", "calendar_interval": "day", "min_doc_count": 1}}
    for bucket in _buckets(cluster, index, old, counted):
        start = bucket.get("key")
        if isinstance(start, int) and (day := as_datetime(start * 1_000)) is not None:
            bounds = {"gte": start, "lt": start + _MILLIS, "format": "epoch_millis"}
            yield _Day(index, ALERTS, f"{day:%Y-%m-%d}", index, {"range": {"@timestamp": bounds}}, "event.id")


def _buckets(
    cluster: Cluster, index: str, query: Mapping[str, Any], counted: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    found = cluster.search({"size": 0, "query": query, "aggs": {"days": counted}}, index=index)
    with answered(cluster):
        return [dict(one) for one in found.get("aggregations", {}).get("days", {}).get("buckets", ())]


def _gone(cluster: Cluster, days: Iterable[_Day], record: Record, dry_run: bool) -> list[Deleted]:
    gone = []
    for one in days:
        with cluster.view(one.index) as view:
            expired = _Expired(view, one)
            found = expired.told()
            if found is not None:
                gone.append(found)
                if not dry_run:
                    record(found)
                    expired.delete()
    return gone


class _Expired:
    """The documents of one source and day, as they are at one point in time."""

    def __init__(self, view: View, of: _Day) -> None:
        self.view, self.cluster, self.of = view, view.cluster, of

    def told(self) -> Deleted | None:
        """What will be deleted; None where there is nothing."""
        digest, rows, times = sha256(), 0, list[int]()
        for hits in self._pages():
            self._check(hits)
            for hit in hits:
                digest.update(str(hit["_id"]).encode("utf-8", "replace"))
                rows += 1
            times += [time for time in map(self._time, hits) if time is not None]
            times = [min(times), max(times)] if times else []
        if not rows:
            return None
        first, last = times or (None, None)
        of = self.of
        return Deleted(
            source=of.source, kind=of.kind, day=of.day, first=first, last=last, rows=rows, hash=digest.hexdigest()
        )

    def _check(self, hits: Sequence[Hit]) -> None:
        """Raises ClusterError where a document stands elsewhere, under an alias or by an answer that is wrong, and
        where it is not said which state of an alert was read."""
        behind = re.compile(rf"(\.ds-)?{re.escape(self.of.index)}(-\d{{4}}\.\d\d\.\d\d-\d{{6,}})?")
        for index in {str(hit["_index"]) for hit in hits}:
            if not behind.fullmatch(index):
                raise ClusterError(
                    f"{self.cluster.name} says that events of {self.of.index} stand in {plain(index)}: nothing is "
                    "deleted there"
                )

        if self.of.kind == ALERTS and any(type(hit.get(name)) is not int for hit in hits for name in _SEEN):
            raise ClusterError(f"{self.cluster.name} does not say which state of {self.of.index} it shows")

    def _time(self, hit: Hit) -> int | None:
        """When an event or alert happened (microseconds), where it says so."""
        source = hit.get("_source")
        if not isinstance(source, dict):
            return None
        if self.of.kind == ALERTS:
            time = moment(str(source.get("@timestamp")), UTC)
            return None if time == NO_TIME else time
        own = source.get("kyber")
        known = own.get("time") if isinstance(own, dict) else None
        return known if type(known) is int else None

    def delete(self) -> None:
        """Delete what was told of. Raises ClusterError where some of it stays, as an alert does that was changed
        meanwhile: it is no longer what was told of. Events are never changed."""
        changed = 0
        for hits in self._pages():
            self._check(hits)
            places = [(str(hit["_index"]), str(hit["_id"])) for hit in hits]
            seen = [(hit[_SEEN[0]], hit[_SEEN[1]]) for hit in hits] if self.of.kind == ALERTS else []
            for verdict in self.cluster.delete(places, seen):
                if verdict.status == 409:
                    changed += 1
                elif verdict.status not in (200, 404):
                    where = verdict.index or self.of.index
                    away = verdict.status == 429 or verdict.status >= 500
                    raise (AwayError if away else ClusterError)(
                        f"{self.cluster.name} does not let documents in {where} be deleted ({verdict.status}): "
                        f"{verdict.reason}"
                    )
        if changed:
            raise ClusterError(
                f"{changed} of the documents in {self.of.index} of {self.of.day} changed, or went, while they were "
                "being deleted: run `kyber logs retain` again"
            )

    def _pages(self) -> Iterator[list[Hit]]:
        sort = ({self.of.order: {"order": "asc", "unmapped_type": "keyword"}}, {"_shard_doc": "asc"})
        asked = {"query": self.of.query, "_source": ["kyber.time", "@timestamp"], "seq_no_primary_term": True}
        return self.view.pages(asked, sort, AT_ONCE)
