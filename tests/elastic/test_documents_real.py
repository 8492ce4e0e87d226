"""A real Elasticsearch takes every document, whatever the events hold, and what it gives back is the same events."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, example, given, settings

from kyber.logs.batch import EventBatch
from kyber.logs.schema import tables
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import Cluster
from kyber.logs.store.document import Document, decode
from kyber.logs.store.elastic import SOURCE
from kyber.logs.store.setup import carry_out, plan
from kyber.logs.store.templates import KEYWORD, every_stream, stream
from kyber.problem import Place
from tests.elastic.server import Server
from tests.elastic.shipping import all_pages
from tests.logs.store.test_document import NOW, ODD_NAMES, ODD_VALUES, batch_of, some_batches, stored
from tests.logs.store.test_segment import MIXED, names_of, said

SOURCES: Final = ("app", "App-1", "ä")


@pytest.fixture
def cluster(elasticsearch: Server, namespace: str) -> Iterator[Cluster]:
    """The shared server, set up for a namespace that no other test uses."""
    with Cluster(Access(urls=(elasticsearch.url,))) as opened:
        made = plan(opened, dict.fromkeys(SOURCES), namespace, Place("kyber.yaml"))
        for step in made.steps:
            carry_out(opened, step)
        yield opened
        for name, behind in opened.streams(every_stream(namespace)).items():  # a stream needs one index
            opened.rollover(name)
            for index in behind:
                opened._client.indices.delete(index=index)


def put(cluster: Cluster, namespace: str, documents: list[Document]) -> None:
    """Send documents, all of which are taken."""
    at = b"-test"  # the namespace that they were made for
    lines = [line for one in documents for line in (one.action.replace(at, f"-{namespace}".encode(), 1), one.body)]
    verdicts = cluster.bulk(lines, into_streams=True)
    assert [(one.status, one.reason) for one in verdicts] == [(201, "")] * len(documents)
    for name in cluster.streams(every_stream(namespace)):
        cluster.refresh(name)


def there(cluster: Cluster, namespace: str, documents: list[Document]) -> dict[str, Mapping[str, Any]]:
    """What the server gives back of documents, by id, as the store in Elasticsearch asks for it."""
    query = {"ids": {"values": [one.id for one in documents]}}
    pages = all_pages(cluster, every_stream(namespace), query, source=SOURCE, sort=[{"kyber.id": "asc"}], size=100)
    return {hit["_id"]: hit["_source"] for hits in pages for hit in hits}


def assert_same(cluster: Cluster, namespace: str, segment: EventBatch, documents: list[Document]) -> None:
    """The server takes the documents of a segment, and gives back its events."""
    put(cluster, namespace, documents)
    found = there(cluster, namespace, documents)
    again = decode([found[one.id] for one in documents])
    assert again.strangers == 0
    (read,) = again.batches
    names = names_of([segment])
    assert set(read.names) == set(segment.names)
    for row in range(segment.rows):
        assert said(read, row, names) == said(segment, row, names)


def unlike_any(batch: EventBatch) -> EventBatch:
    """The batch, with ids that were never sent: of an input of its own."""
    batch.read = replace(batch.read, of=replace(batch.origin(0), fingerprint=uuid4().bytes))  # type: ignore[type-var]
    return batch


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some_batches())
@example(batch_of([*MIXED, {}], times=[NOW] * (len(MIXED) + 1)))
@example(batch_of([{}], raw=[b""]))
@example(batch_of([{name: value} for name in ODD_NAMES for value in ("x", "x" * 1_020, 2**64)]))
@example(batch_of([{"a": value, "b": [value, None]} for value in ODD_VALUES]))
@example(batch_of([{}] * 4, times=[-(10**17), 2**63 - 1, -(2**63) + 1, 253_402_300_799_999_999]))
@example(batch_of([{f"n{number}": "x" * 100 for number in range(3_000)}], raw=[b"\xff" * 200_000]))
@example(batch_of([{"a" * size: "b" * 32_800, "c" * size: ["d" * size]} for size in (510, 512, 513, 8_191, 33_000)]))
def test_every_event_is_taken_and_comes_back_as_it_was_stored(
    cluster: Cluster, namespace: str, batch: EventBatch
) -> None:
    with TemporaryDirectory() as folder:
        for segment, documents in stored(unlike_any(batch), folder):
            assert_same(cluster, namespace, segment, documents)


def test_no_value_of_a_canonical_column_is_refused_by_its_mapping(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    values = [*ODD_VALUES, "x" * (KEYWORD + 1), -1, 2**63, -(2**63) - 1, 1.5, True, None, "", "1.2.3", "12:34"]
    for known in tables():
        drawn = [one for some in known.columns.values() for one in some]
        # What only events of a kind have is drawn where they are of that kind.
        kinds = {name: sorted(texts)[0] for one in drawn for name, texts in one.when}
        both = [one for value in values for one in (value, [value, "x", 7, None, "10.0.0.1"])]
        events = [{**{one.column: value for one in drawn}, **kinds} for value in both]
        for segment, documents in stored(unlike_any(batch_of(events, of=known.name)), tmp_path / known.name):
            assert_same(cluster, namespace, segment, documents)


def test_each_source_has_a_data_stream_of_its_own(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    for source in SOURCES:
        origin = replace(batch_of([{}]).origin(0), source=source)
        ((_, documents),) = stored(batch_of([{}], origin=origin), tmp_path / str(ord(source[-1])))
        put(cluster, namespace, documents)
    assert set(cluster.streams(every_stream(namespace))) == {stream(one, namespace) for one in SOURCES}
