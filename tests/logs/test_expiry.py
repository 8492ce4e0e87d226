"""What is too old goes from the cluster, and nothing else; and a record of it is there before it goes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

import numpy as np
import pytest

from kyber.logs import expiry
from kyber.logs.batch import Origin
from kyber.logs.expiry import ALERTS, expire, expire_alerts
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import AwayError, Cluster, ClusterError, Seen, Verdict, View
from kyber.logs.store.document import Document, Sending, documents
from kyber.logs.store.index import EVENTS, UNDATED
from kyber.logs.store.parquet import Deleted
from kyber.logs.store.setup import carry_out, plan
from kyber.logs.store.templates import alerts, every_stream, stream
from kyber.logs.values import NO_TIME
from kyber.problem import Place
from tests.elastic.server import Server
from tests.elastic.shipping import all_pages
from tests.logs.store.test_document import batch_of

NOON: Final = datetime(2026, 3, 5, 12, tzinfo=UTC)
BEFORE: Final = date(2026, 3, 5)
SOURCES: Final = ("app", "App-1")


def micros(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000)


def events(
    namespace: str, ages: Sequence[int | None], *, source: str = "app", first: int = 0, collected: datetime = NOON
) -> list[Document]:
    """Documents of events so many days old; None: of one without a time."""
    made = []
    for number, age in enumerate(ages, first):
        time = NO_TIME if age is None else micros(NOON - timedelta(days=age))
        origin = Origin(source, "a.log", number.to_bytes(32), UTC)
        day = UNDATED if age is None else f"{NOON - timedelta(days=age):%Y-%m-%d}"
        sending = Sending(day=day, collected=micros(collected), ingested=micros(NOON), namespace=namespace)
        made += documents(batch_of([{}], times=[time], origin=origin), np.array([0]), sending)
    return made


def put(cluster: Cluster, namespace: str, *found: Document) -> None:
    verdicts = cluster.bulk([line for one in found for line in (one.action, one.body)])
    assert {one.status for one in verdicts} == {201}
    cluster.refresh(every_stream(namespace))


def ids(cluster: Cluster, index: str) -> list[str]:
    """All ids there, in order; after what was written can be found."""
    cluster.refresh(index)
    pages = all_pages(cluster, index, source=False, size=1_000)
    return sorted(str(hit["_id"]) for hits in pages for hit in hits)


def hash_of(found: Sequence[str]) -> str:
    return sha256("".join(sorted(found)).encode()).hexdigest()


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
        opened._client.indices.delete(index=alerts(namespace), ignore_unavailable=True)


# --- events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [2, 1_000])
def test_days_before_another_go_from_every_index_and_what_is_younger_stays(
    cluster: Cluster, namespace: str, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(expiry, "AT_ONCE", at_once)
    first = events(namespace, [3, 3, 2, 1, 0, 0])
    second = events(namespace, [3, 2, 1, 0, -1], first=100)
    put(cluster, namespace, *first)
    cluster.rollover(stream("app", namespace))
    put(cluster, namespace, *second)
    other = events(namespace, [3, 0], source="App-1", first=200)
    put(cluster, namespace, *other)
    assert len(cluster.streams(every_stream(namespace))[stream("app", namespace)]) == 2
    everything = ids(cluster, every_stream(namespace))
    recorded: list[Deleted] = []

    def record(one: Deleted) -> None:
        recorded.append(one)
        before = sum(done.rows for done in recorded[:-1])
        assert len(ids(cluster, every_stream(namespace))) == len(everything) - before  # this one has not begun

    there = expire(cluster, namespace, {"app": BEFORE}, record, dry_run=True)
    assert recorded == []
    assert ids(cluster, every_stream(namespace)) == everything
    assert expire(cluster, namespace, {"app": BEFORE, "nothing": BEFORE}, record) == recorded == there
    old = {
        "2026-03-02": [*first[:2], second[0]],
        "2026-03-03": [first[2], second[1]],
        "2026-03-04": [first[3], second[2]],
    }
    assert [(one.source, one.kind, one.day, one.rows) for one in there] == [
        ("app", EVENTS, day, len(gone)) for day, gone in old.items()
    ]
    for one, gone in zip(there, old.values(), strict=True):
        assert one.hash == hash_of([each.id for each in gone])
        assert (one.first, one.last) == (micros(datetime.fromisoformat(f"{one.day}T12:00:00Z")),) * 2
    left = [*first[4:], *second[3:], *other]
    assert ids(cluster, every_stream(namespace)) == sorted(one.id for one in left)
    assert expire(cluster, namespace, {"app": BEFORE}, record) == []


def test_undated_events_go_by_when_they_were_collected(cluster: Cluster, namespace: str) -> None:
    old = events(namespace, [None, None], collected=NOON - timedelta(days=1))
    new = events(namespace, [None], first=10)
    put(cluster, namespace, *old, *new)
    (gone,) = expire(cluster, namespace, {"app": BEFORE}, lambda _: None)
    assert (gone.day, gone.rows, gone.first, gone.last) == (UNDATED, 2, None, None)
    assert gone.hash == hash_of([one.id for one in old])
    assert ids(cluster, every_stream(namespace)) == [new[0].id]


def test_what_arrives_between_the_record_and_the_deleting_is_left_for_the_next_time(
    cluster: Cluster, namespace: str
) -> None:
    put(cluster, namespace, *events(namespace, [3, 3]))
    late = events(namespace, [3], first=10)
    (gone,) = expire(cluster, namespace, {"app": BEFORE}, lambda _: put(cluster, namespace, *late))
    assert gone.rows == 2
    assert ids(cluster, every_stream(namespace)) == [late[0].id]


def test_an_event_that_is_there_twice_goes_twice(cluster: Cluster, namespace: str) -> None:
    made = events(namespace, [3])
    put(cluster, namespace, *made)
    cluster.rollover(stream("app", namespace))
    put(cluster, namespace, *made)
    (gone,) = expire(cluster, namespace, {"app": BEFORE}, lambda _: None)
    assert (gone.rows, gone.hash) == (2, hash_of([made[0].id] * 2))
    assert ids(cluster, every_stream(namespace)) == []


def test_what_kyber_did_not_write_is_left_alone_and_does_no_harm(cluster: Cluster, namespace: str) -> None:
    name = stream("app", namespace)
    strange: list[Mapping[str, Any]] = [
        {"kyber": {"source": "app", "day": "\x1b[2J"}},
        {"kyber": {"source": "app", "day": "0"}},
        {"kyber": {"source": "app", "day": ["0", "1"]}},
        {"kyber": {"source": "another", "day": "2026-01-01"}},
        {"message": "hello"},
    ]
    lines = [
        line
        for number, one in enumerate(strange)
        for line in (
            json.dumps({"create": {"_index": name, "_id": f"s{number}"}}).encode(),
            json.dumps({"@timestamp": "2026-01-01T00:00:00Z", **one}).encode(),
        )
    ]
    assert {one.status for one in cluster.bulk(lines)} == {201}
    mine = events(namespace, [3])
    odd = json.loads(mine[0].body)
    odd["kyber"] |= {"id": "x", "time": 2**62}
    put(
        cluster,
        namespace,
        mine[0],
        Document("x", mine[0].action.replace(mine[0].id.encode(), b"x"), json.dumps(odd).encode(), 1),
    )
    (gone,) = expire(cluster, namespace, {"app": BEFORE}, lambda _: None)
    assert (gone.day, gone.rows) == ("2026-03-02", 2)
    assert gone.plain()["last"] is None  # it is no time
    assert ids(cluster, name) == [f"s{number}" for number in range(len(strange))]


# --- alerts -----------------------------------------------------------------------------------------------------------


def alert(cluster: Cluster, namespace: str, identity: str, time: str) -> None:
    action = {"index": {"_index": alerts(namespace), "_id": identity}}
    document = {"@timestamp": time, "event": {"id": identity, "kind": "alert"}}
    (verdict,) = cluster.bulk([json.dumps(action).encode(), json.dumps(document).encode()])
    assert verdict.status in (200, 201)


def test_alerts_of_days_before_another_go_and_younger_ones_stay(cluster: Cluster, namespace: str) -> None:
    for identity, time in (
        ("a", "2026-03-01T10:00:00Z"),
        ("b", "2026-03-01T23:59:59.999999+00:00"),
        ("c", "2026-03-04T23:59:59.999Z"),
        ("d", "2026-03-05T00:00:00Z"),
        ("e", "2026-03-05T01:00:00+02:00"),
        ("f", "1905-01-01T00:00:00Z"),
    ):
        alert(cluster, namespace, identity, time)
    cluster.refresh(alerts(namespace))
    recorded: list[Deleted] = []
    dry = expire_alerts(cluster, namespace, BEFORE, recorded.append, dry_run=True)
    assert (recorded, ids(cluster, alerts(namespace))) == ([], ["a", "b", "c", "d", "e", "f"])
    assert expire_alerts(cluster, namespace, BEFORE, recorded.append) == recorded == dry
    assert [(one.source, one.kind, one.day, one.rows, one.hash) for one in dry] == [
        (alerts(namespace), ALERTS, day, len(gone), hash_of(gone))
        for day, gone in (("1905-01-01", ["f"]), ("2026-03-01", ["a", "b"]), ("2026-03-04", ["c", "e"]))
    ]
    assert (dry[1].plain()["first"], dry[1].plain()["last"]) == (
        "2026-03-01T10:00:00+00:00",
        "2026-03-01T23:59:59+00:00",
    )
    assert ids(cluster, alerts(namespace)) == ["d"]
    assert expire_alerts(cluster, namespace, BEFORE, recorded.append) == []


def test_an_alert_that_changes_between_the_record_and_the_deleting_stays(cluster: Cluster, namespace: str) -> None:
    index = alerts(namespace)

    def put_alert(count: int) -> None:
        action = json.dumps({"index": {"_index": index, "_id": "grows"}}).encode()
        cluster.bulk([action, json.dumps({"@timestamp": "2026-03-01T00:00:00Z", "count": count}).encode()])
        cluster.refresh(index)

    put_alert(1)
    with pytest.raises(ClusterError, match=f"1 of the documents in {index} of 2026-03-01 changed, or went"):
        expire_alerts(cluster, namespace, BEFORE, lambda _: put_alert(2))
    cluster.refresh(index)
    (hit,) = cluster.search({}, index=index)["hits"]["hits"]
    assert hit["_source"]["count"] == 2
    assert [one.rows for one in expire_alerts(cluster, namespace, BEFORE, lambda _: None)] == [1]
    assert ids(cluster, index) == []


def test_where_it_is_not_said_which_state_of_an_alert_was_read_none_is_deleted() -> None:
    days = {"aggregations": {"days": {"buckets": [{"key": 1_772_323_200_000, "doc_count": 1}]}}}
    hit = {"_id": "a", "_index": alerts("n"), "_source": {"@timestamp": "2026-03-01T00:00:00Z"}, "sort": ["a", 1]}
    cluster: Any = Odd(days, {"hits": {"hits": [hit]}})
    with pytest.raises(ClusterError, match="does not say which state of alerts-kyber-n it shows"):
        expire_alerts(cluster, "n", BEFORE, lambda _: None)


def test_where_nothing_was_ever_written_nothing_is_deleted(cluster: Cluster, namespace: str) -> None:
    never: list[Deleted] = []
    assert expire(cluster, namespace, {"app": BEFORE}, never.append) == []
    assert expire_alerts(cluster, namespace, BEFORE, never.append) == []
    assert never == []


# --- a cluster that answers oddly -------------------------------------------------------------------------------------


class Odd:
    """A cluster that gives the answers it was told to, in order."""

    name = "https://logs.example:9200"

    def __init__(self, *answers: Any, status: int = 200) -> None:
        self.answers, self.status = list(answers), status

    def search(self, body: Mapping[str, Any], *, index: str | None) -> Any:
        return self.answers.pop(0)

    @contextmanager
    def view(self, index: str) -> Iterator[View]:
        yield View(self, "a point in time")  # type: ignore[arg-type]

    def delete(self, places: Sequence[tuple[str, str]], seen: Sequence[Seen] = ()) -> list[Verdict]:
        return [Verdict(self.status, ".ds-logs-kyber.app-n-2026.03.01-000001", "too much to do") for _ in places]


DAY_BUCKETS: Final = {"aggregations": {"days": {"buckets": [{"key": "2026-03-01", "doc_count": 1}]}}}
HITS: Final = {"hits": {"hits": [{"_id": "a", "_index": ".ds-logs-kyber.app-n-2026.03.01-000001", "sort": ["a", 1]}]}}


@pytest.mark.parametrize(
    "answers",
    [
        [{"aggregations": 7}],
        [{"aggregations": {"days": {"buckets": 7}}}],
        [{"aggregations": {"days": {"buckets": ["x"]}}}],
        [DAY_BUCKETS, {"hits": {"hits": 7}}],
        [DAY_BUCKETS, {"hits": {"hits": [7]}}],
        [DAY_BUCKETS, {"hits": {"hits": [{"_id": "a", "_index": "b"}]}}],
        [DAY_BUCKETS, {"hits": {"hits": [{"_index": "b", "sort": [1]}]}}],
        [DAY_BUCKETS, {"hits": {"hits": [{"_id": "a", "sort": [1]}]}}],
    ],
)
def test_an_answer_that_makes_no_sense_ends_it_with_a_word_and_deletes_nothing(answers: list[Any]) -> None:
    cluster: Any = Odd(*answers)
    cluster.delete = None
    with pytest.raises(ClusterError, match=r"^https://logs.example:9200 answered a search in a way"):
        expire(cluster, "n", {"app": BEFORE}, lambda _: None)


@pytest.mark.parametrize(("status", "kind"), [(429, AwayError), (503, AwayError), (403, ClusterError)])
def test_what_the_cluster_does_not_let_be_deleted_is_told(status: int, kind: type[ClusterError]) -> None:
    recorded: list[Deleted] = []
    cluster: Any = Odd(DAY_BUCKETS, HITS, HITS, status=status)
    said = rf"^https://logs.example:9200 does not let documents in \S+ be deleted \({status}\): too much to do$"
    with pytest.raises(kind, match=said) as caught:
        expire(cluster, "n", {"app": BEFORE}, recorded.append)
    assert type(caught.value) is kind
    assert [one.rows for one in recorded] == [1]


def test_what_is_said_to_stand_in_an_index_of_somebody_else_is_not_deleted() -> None:
    elsewhere = {"hits": {"hits": [{"_id": "a", "_index": "patients", "sort": ["a", 1]}]}}
    recorded: list[Deleted] = []
    with pytest.raises(ClusterError, match="stand in patients: nothing is deleted there"):
        expire(Odd(DAY_BUCKETS, elsewhere), "n", {"app": BEFORE}, recorded.append)  # type: ignore[arg-type]
    assert not recorded


def test_what_somebody_else_deleted_meanwhile_is_deleted() -> None:
    nothing: dict[str, Any] = {"hits": {"hits": []}}
    cluster: Any = Odd(DAY_BUCKETS, HITS, HITS, nothing, status=404)
    assert [one.rows for one in expire(cluster, "n", {"app": BEFORE}, lambda _: None)] == [1]
