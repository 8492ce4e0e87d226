"""Two stores with the same events: jobs in, the embedded store and the one in a cluster that it was shipped to out."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final

from kyber.logs.batch import EventBatch, LogSource
from kyber.logs.collect import collect
from kyber.logs.inputs import inputs
from kyber.logs.parse import Job
from kyber.logs.ship import Shipper, Timing
from kyber.logs.store import Store
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import Cluster
from kyber.logs.store.elastic import ElasticStore
from kyber.logs.store.parquet import ParquetStore, writing
from kyber.logs.store.templates import Keeping, every_stream, pieces

NOW: Final = datetime(2026, 3, 9, tzinfo=UTC)
Event = tuple[Any, ...]


def job(source: str, *paths: Path, form: str | None = None, zone: tzinfo = UTC, product: str | None = None) -> Job:
    """What reads some files as one source."""
    found, problems = inputs([str(one) for one in paths], NOW)
    assert not problems
    declared = None if product is None else LogSource(product)
    return Job(source=source, inputs=found, zone=zone, format=form, logsource=declared)


def connected(url: str) -> Cluster:
    return Cluster(Access(urls=(url,)))


def ready(cluster: Cluster, namespace: str) -> None:
    """Lay down what a namespace needs."""
    for one in pieces({}, namespace, Keeping.NOTHING):
        cluster.put(one.kind, one.name, one.body)


def ship(folder: Path, cluster: Cluster, namespace: str) -> Shipper:
    """Send all that is stored in a folder, and let it be found."""
    timing = Timing(
        now=lambda: time.time_ns() // 1_000,
        clock=time.monotonic,
        pause=lambda _: False,
        chance=lambda: 0.5,
        patience=30.0,
    )
    shipper = Shipper(folder, cluster, namespace, timing)
    shipper.drain()
    assert not shipper.damaged
    cluster.refresh(every_stream(namespace))
    return shipper


def store(folder: Path, jobs: Sequence[Job], now: datetime = NOW) -> None:
    """Collect into the embedded store of a folder."""
    with writing(folder, "test") as opened:
        collect(jobs, opened, now)


@contextmanager
def both(folder: Path, url: str, namespace: str, jobs: Sequence[Job]) -> Iterator[tuple[ParquetStore, ElasticStore]]:
    """What the jobs read, in both stores."""
    store(folder, jobs)
    with connected(url) as cluster, closing(ParquetStore(folder)) as own:
        ready(cluster, namespace)
        assert not ship(folder, cluster, namespace).done.refused
        yield own, ElasticStore(cluster, namespace)


def events(found: Store, **chosen: Any) -> list[Event]:
    """The events that a store gives; see `told`."""
    return told(found.events(**chosen))


def told(batches: Iterable[EventBatch]) -> list[Event]:
    """All that there is of each event, in an order of its own."""
    made: list[Event] = []
    for batch in batches:
        columns = {name: column for name in batch.names if (column := batch.fields.column(name)) is not None}
        held = batch.read.held or [1] * batch.rows
        for row, time_ in enumerate(batch.times.tolist()):
            fields = {name: repr(column.at(row)) for name, column in columns.items() if column.codes[row] >= 0}
            nature = (batch.source, batch.table.name, str(batch.logsource), str(batch.zone), batch.verbatim)
            origin = batch.origin(row)
            place = (origin.file, origin.fingerprint, batch.records[row], batch.offsets[row], held[row])
            made.append(
                (batch.event_id(row), time_, bytes(batch.raw[row]), nature, place, tuple(sorted(fields.items())))
            )
    return sorted(made)
