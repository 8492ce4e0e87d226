"""The store in Elasticsearch gives the events that the embedded one gives, whatever else lies in the cluster."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import orjson
import pytest

from kyber.logs.store import ALL, Part, Period
from kyber.logs.store import elastic as module
from kyber.logs.store.cluster import Cluster, ClusterError, View
from kyber.logs.store.elastic import ElasticStore
from kyber.logs.store.index import StoreError
from kyber.logs.store.memory import Memory
from kyber.logs.store.narrow import Nature, Term
from kyber.logs.store.parquet import ParquetStore
from kyber.logs.store.templates import every_stream, stream
from tests.elastic.server import Server
from tests.elastic.shipping import all_pages
from tests.elastic.stores import both, connected, events, job, ready, ship, store, told

DAY: Final = 86_400_000_000
FIRST: Final = 1_772_409_600_000_000
"""2026-03-02."""
ODD: Final[list[dict[str, Any]]] = [
    {"@timestamp": "2026-03-02T10:00:00.000001Z", "text": "a needle", "n": 1, "f": 1.0, "b": True, "none": None},
    {"@timestamp": "2026-03-02T23:59:59Z", "text": "", "n": -(2**63), "f": 0.1, "b": False, "list": [1, "1", None]},
    {"@timestamp": "2026-03-03T00:00:00+02:00", "text": "x" * 40_000, "n": 2**63 - 1, "list": []},
    {
        "@timestamp": "2026-03-03T12:00:00Z",
        "text": "Łódź ſ K ß ﬁ \u0000 \u2028",
        "n": 2**64,
        "deep": {"a": {"b": [{}]}},
    },
    {"@timestamp": "2026-03-04T01:00:00Z", "text": ["a", ["b"]], "kyber.time": "mine", "kyber": {"id": "mine"}},
    {"text": "without a time", "a.b": 1, "a": {"b": 2}, " ": "blank", "": "nothing"},
    {"@timestamp": "1980-01-01T00:00:00Z", "text": "of long ago", "name=x": "a=b", "terms": "t", "fields": {"x": 1}},
    {"@timestamp": "2026-03-04T02:00:00Z"},
]


def log(folder: Path, name: str, found: Sequence[Mapping[str, Any]]) -> Path:
    file = folder / name
    file.write_bytes(
        b"".join(
            orjson.dumps(one) + b"\n" if 2**64 not in one.values() else json.dumps(one).encode() + b"\n"
            for one in found
        )
    )
    return at_rest(file)


def at_rest(file: Path) -> Path:
    """A file that nobody has written to for long, so that its last event is whole."""
    os.utime(file, (FIRST / 1e6, FIRST / 1e6))
    return file


@contextmanager
def sent(folder: Path, server: Server, namespace: str) -> Iterator[tuple[ParquetStore, ElasticStore]]:
    """Odd events and a log, in both stores."""
    lines = folder / "auth.log"
    text = "".join(f"Mar  2 10:00:{at:02} h sshd[{at}]: Failed password for root\n" for at in range(60))
    lines.write_bytes(text.encode() + b"Mar  2 10:01:00 h app: broken \xff\xc3\n")
    odd = log(folder, "odd.json", ODD)
    jobs = [job("made", odd, form="json", product="test"), job("Host 1", at_rest(lines), form="syslog")]
    with both(folder / "state", server.url, namespace, jobs) as found:
        yield found


@pytest.fixture(scope="module")
def stores(
    elasticsearch: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ParquetStore, ElasticStore]]:
    """To be looked at only."""
    with sent(tmp_path_factory.mktemp("stores"), elasticsearch, f"t{uuid4().hex[:12]}") as found:
        yield found


@pytest.fixture
def changing(elasticsearch: Server, namespace: str, tmp_path: Path) -> Iterator[tuple[ParquetStore, ElasticStore]]:
    """To be changed by a test."""
    with sent(tmp_path, elasticsearch, namespace) as found:
        yield found


# --- the same events -------------------------------------------------------------------------------------------------


def test_events_come_back_exactly_as_they_were_stored(stores: tuple[ParquetStore, ElasticStore]) -> None:
    own, there = stores
    expected = events(own)
    assert len(expected) == len(ODD) + 61
    assert events(there) == expected
    assert not there.doubts()


def test_events_are_the_same_however_small_the_pages_and_batches(
    stores: tuple[ParquetStore, ElasticStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, there = stores
    for name, most in (("FIRST_PAGE", 1), ("PAGE", 7), ("BUCKETS", 1), ("ROWS", 5)):
        monkeypatch.setattr(module, name, most)
    assert events(there) == events(own)
    assert max(batch.rows for batch in there.events()) <= 12
    monkeypatch.setattr(module, "PAGE_BYTES", 1)
    monkeypatch.setattr(module, "BATCH_BYTES", 1)
    assert events(there) == events(own)
    assert {batch.rows for batch in there.events()} == {1}


def counted(parts: Sequence[Part]) -> dict[tuple[str, str, str], tuple[int, int, int, list[int]]]:
    """What the parts of each source, day and table are together: events, records, events without a time, the span."""
    found: dict[tuple[str, str, str], tuple[int, int, int, list[int]]] = {}
    for one in parts:
        place = (one.day, one.source, one.table)
        rows, records, undated, span = found.get(place, (0, 0, 0, []))
        times = sorted((*span, *(time for time in (one.first, one.last) if time is not None)))
        found[place] = (rows + one.rows, records + one.records, undated + one.undated, [*times[:1], *times[-1:]])
    return found


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"period": Period(FIRST, FIRST + DAY)},
        {"period": Period(FIRST + DAY, None)},
        {"period": Period(None, FIRST)},
        {"period": Period(FIRST + 10 * DAY, None)},
        {"days": ["2026-03-03", "undated"]},
        {"days": []},
        {"sources": ["Host 1"]},
        {"sources": []},
    ],
)
def test_parts_and_events_of_a_period_of_days_and_of_sources_are_those_of_the_embedded_store(
    stores: tuple[ParquetStore, ElasticStore], chosen: dict[str, Any]
) -> None:
    own, there = stores
    assert counted(there.parts(**chosen)) == counted(own.parts(**chosen))
    assert [one.day for one in there.parts(**chosen)] == sorted(one.day for one in there.parts(**chosen))
    period = chosen.get("period", ALL)
    inside = [
        one
        for one in events(own, **chosen)
        if not period.bounded or (one[1] >= (period.start or 0) and (period.end is None or one[1] < period.end))
    ]
    assert [one for one in events(there, **chosen) if one in inside] == inside


def test_one_event_is_found_by_its_id(stores: tuple[ParquetStore, ElasticStore]) -> None:
    own, there = stores
    for identity, *_ in events(own)[::9]:
        found = there.event(identity)
        assert found is not None
        batch, row = found
        assert batch.event_id(row) == identity
    assert there.event("0" * 32) is None


NARROW: Final = Term(("text",), ("a needle",))


def test_where_it_is_narrowed_what_is_held_is_given_and_one_event_of_every_other_shape(
    stores: tuple[ParquetStore, ElasticStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, there = stores
    monkeypatch.setattr(module, "REQUEST", 0)
    wanted = [one for one in events(own) if ("text", "'a needle'") in one[-1]]
    assert len(wanted) == 1
    names = {tuple(name for name, _ in one[-1]) for one in events(own)}
    found = events(there, narrow=NARROW)
    with there.reading():
        by_part = told(batch for part in there.parts() for batch in part.read(NARROW))
    for some in (found, by_part):
        assert set(wanted) < set(some) < set(events(own))
        assert len(some) == len(set(some))
        assert {tuple(name for name, _ in one[-1]) for one in some} == names


def test_a_part_is_read_whole_where_that_is_less_work_than_to_ask_for_some_of_it(
    stores: tuple[ParquetStore, ElasticStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, there = stores
    everything = Nature("table", ("json", "linux"))
    for request, narrow in ((1_000_000, NARROW), (0, everything)):
        monkeypatch.setattr(module, "REQUEST", request)
        with there.reading():
            assert told(batch for part in there.parts() for batch in part.read(narrow)) == events(own)


def test_when_something_arrived_is_known_to_the_hour(stores: tuple[ParquetStore, ElasticStore]) -> None:
    _, there = stores
    hour = 3_600_000_000
    (arrived, *later) = sorted(there.arrivals("made", 0, 2**52, hour))
    assert arrived * hour > FIRST
    assert len(later) < 2
    assert there.arrivals("nobody", 0, 2**52, hour) == frozenset()
    assert there.arrivals("made", 0, FIRST, hour) == frozenset()


def test_where_nothing_was_ever_sent_there_is_nothing(elasticsearch: Server, namespace: str) -> None:
    with connected(elasticsearch.url) as cluster:
        there = ElasticStore(cluster, namespace)
        with there.reading():
            assert (there.parts(), events(there), there.event("0" * 32)) == ([], [], None)
        assert there.arrivals("made", 0, 2**52, 3_600_000_000) == frozenset()
        assert there.fresh().days == ()


# --- what else lies there --------------------------------------------------------------------------------------------


def test_an_event_that_stands_in_two_backing_indices_is_taken_once_and_counted(
    changing: tuple[ParquetStore, ElasticStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, there = changing
    cluster, name = there.cluster, stream("Host 1", there.namespace)
    found = [hit for page in all_pages(cluster, name, source=True, size=1_000) for hit in page]
    cluster.rollover(name)
    lines = [line for hit in found[::2] for line in (created(name, hit["_id"]), orjson.dumps(hit["_source"]))]
    assert {one.status for one in cluster.bulk(lines)} == {201}
    cluster.refresh(name)
    for size in (1_000, 1):
        monkeypatch.setattr(module, "FIRST_PAGE", size)
        monkeypatch.setattr(module, "PAGE", size)
        assert events(there) == events(own)
        assert [(one.code, one.facts) for one in there.doubts()] == [("F51", {"count": 31})]


def created(index: str, identity: str) -> bytes:
    return orjson.dumps({"create": {"_index": index, "_id": identity}})


def test_documents_that_kyber_did_not_write_are_left_out_and_counted(
    changing: tuple[ParquetStore, ElasticStore],
) -> None:
    own, there = changing
    cluster, made, host = there.cluster, stream("made", there.namespace), stream("Host 1", there.namespace)
    (page, *_) = all_pages(cluster, host, source=True, size=100)
    true = page[0]["_source"]

    def forged(**changes: Any) -> dict[str, Any]:
        return {**true, "kyber": {**true["kyber"], **changes}}

    identity = "f" * 32
    forgeries = [
        (host, identity, {"@timestamp": "2026-03-02T00:00:00Z"}),  # somebody else's
        (host, identity[1:], forged(id="0" * 32)),  # under another id than its own
        (made, identity, forged(id=identity)),  # in the stream of another source
        (host, "e" * 32, forged(id="e" * 32, table="no-such-table")),
        (host, "d" * 32, forged(id="d" * 32, day="2026-13-99")),
        (host, "c" * 32, forged(id="c" * 32, day="../../etc")),
        (host, "b" * 32, forged(id="b" * 32, fields={"a": {"b": {}}})),
        (host, "a" * 32, forged(id="a" * 32, zone="../../etc/passwd")),
        (host, "9" * 32, forged(id="9" * 32, fingerprint="zz")),
        (host, "8" * 32, forged(id="8" * 32, raw="no base64!")),
    ]
    lines = [
        line
        for index, id_, document in forgeries
        for line in (created(index, id_), orjson.dumps({"@timestamp": "2026-03-02T00:00:00Z", **document}))
    ]
    assert {one.status for one in cluster.bulk(lines)} == {201}
    cluster.refresh(every_stream(there.namespace))
    assert events(there) == events(own)
    (problem,) = there.doubts()
    assert problem.code == "F50"
    assert problem.facts["count"] == len(forgeries) - 1  # of what lies in another's stream only the count is known


class Answering:
    """A cluster whose answers are given."""

    name = "http://cluster"

    def __init__(self, *answers: Mapping[str, Any]) -> None:
        self.answers = list(answers)

    @contextmanager
    def view(self, _: str) -> Iterator[View]:
        yield View(self, "p")  # type: ignore[arg-type]

    def search(self, _: Mapping[str, Any], *, index: str | None) -> Mapping[str, Any]:
        assert index is None
        return self.answers.pop(0)


BUCKET: Final[dict[str, Any]] = {
    "key": {"source": "s", "day": "2026-03-02", "table": "linux"},
    "doc_count": 1,
    **{name: {"value": 1.0} for name in ("first", "last", "dated", "records", "arrived")},
    "indices": {"buckets": [{"key": "i"}]},
}


def parts(*buckets: Any) -> dict[str, Any]:
    return {"hits": {}, "aggregations": {"parts": {"buckets": list(buckets)}}}


@pytest.mark.parametrize(
    "answers",
    [
        [parts({})],
        [parts(None)],
        [parts({**BUCKET, "key": {}})],
        [parts({**BUCKET, "doc_count": "many"})],
        [parts({**BUCKET, "last": {"value": float("inf")}})],
        [parts({**BUCKET, "last": 1})],
        [{"hits": {}, "aggregations": []}],
        [parts(BUCKET), {"hits": {"hits": [1]}}],
        [parts(BUCKET), {"hits": {"hits": [{"_id": "1"}]}}],
        [parts(BUCKET), {"hits": {"hits": [{"_source": {}}]}}],
        [parts(BUCKET), {"hits": {"hits": {"a": 1}}}],
        [parts(BUCKET), {}],
    ],
)
def test_an_answer_that_elasticsearch_would_not_give_is_a_clear_error(answers: list[dict[str, Any]]) -> None:
    there = ElasticStore(cast(Cluster, Answering(*answers)), "t")
    with pytest.raises(ClusterError, match="http://cluster answered a search in a way that kyber does not know"):
        events(there)


def test_more_parts_than_there_can_be_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PARTS", 1)
    there = ElasticStore(cast(Cluster, Answering(parts(BUCKET, BUCKET))), "t")
    with pytest.raises(ClusterError, match="more than 1 days of log sources"):
        there.parts()


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_days_are_fresh_until_they_were_scanned_and_again_when_something_arrived(
    elasticsearch: Server, namespace: str, tmp_path: Path
) -> None:
    first = log(tmp_path, "1.json", [{"@timestamp": f"2026-03-0{day}T10:00:00Z", "n": day} for day in (2, 3)])
    later = log(tmp_path, "2.json", [{"@timestamp": f"2026-03-0{day}T11:00:00Z", "n": day} for day in (3, 4)])
    file = tmp_path / "state" / "elasticsearch.sqlite"
    with connected(elasticsearch.url) as cluster:
        ready(cluster, namespace)

        def fresh(destination: str = "one") -> tuple[str, ...]:
            memory = Memory(file, destination)
            try:
                found = ElasticStore(cluster, namespace, memory).fresh()
                found.scanned()
                return found.days
            finally:
                memory.close()

        for path, expected in ((first, ("2026-03-02", "2026-03-03")), (later, ("2026-03-03", "2026-03-04"))):
            store(tmp_path / "state", [job("made", path, form="json")])
            ship(tmp_path / "state", cluster, namespace)
            assert fresh() == expected
            assert fresh() == ()
        assert fresh("another") == ("2026-03-02", "2026-03-03", "2026-03-04")
        unheeded = ElasticStore(cluster, namespace).fresh()
        assert unheeded.days == ElasticStore(cluster, namespace).fresh().days != ()


def test_answers_about_parts_are_remembered_until_the_part_or_the_questions_change(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "m.sqlite", "one")
    there = ElasticStore(cast(Cluster, Answering(parts(BUCKET), parts({**BUCKET, "doc_count": 2}))), "t", memory)
    (part,), (grown,) = there.parts(), there.parts()
    assert part.key != grown.key
    there.heard([b"q", b"r"])
    there.note(part, b"q", b"answer")
    assert there.heard([b"q", b"r"]) == {b"q": {part.key: b"answer"}, b"r": {}}
    there.remember()
    assert there.heard([b"q"]) == {b"q": {part.key: b"answer"}}
    there.note(grown, b"q", b"other")
    there.remember()
    assert there.heard([b"q"]) == {b"q": {grown.key: b"other"}}
    there.heard([b"r"])
    there.note(grown, b"r", b"")
    there.remember()
    assert there.heard([b"q", b"r"]) == {b"q": {}, b"r": {grown.key: b""}}
    memory.close()


def test_a_memory_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"no database" * 1_000)
    (tmp_path / "b").symlink_to(tmp_path / "c")
    for name in ("a", "b"):
        with pytest.raises(StoreError, match="remove it"):
            Memory(tmp_path / name, "one")
    assert not (tmp_path / "c").exists()
