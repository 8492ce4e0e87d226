import json
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from kyber.errors import UsageError
from kyber.logs.store.access import LONGEST_REASON, Access
from kyber.logs.store.cluster import AwayError, Cluster, ClusterError, TooLargeError, Verdict
from kyber.secret import Secret
from tests.elastic.scripted import Refuse, Scripted, Status, Text
from tests.elastic.server import Server
from tests.elastic.shipping import all_pages

STREAM = "logs-kyber.a-n"


def at(url: str, **more: Any) -> Cluster:
    return Cluster(Access(urls=(url,), **more))


def create(name: str, index: str = STREAM) -> list[bytes]:
    return [
        json.dumps({"create": {"_index": index, "_id": name}}).encode(),
        json.dumps({"@timestamp": "2026-11-10T12:00:00.000001Z", "kyber": {"id": name}}).encode(),
    ]


# --- how it is reached -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("access", "said"),
    [
        (Access(), "url"),
        (Access(urls=("https://a:9200",), cloud_id="x:eQ=="), "cloud_id"),
        (Access(urls=("http://logs.example:9200",)), "clear text"),
        (Access(urls=("https://logs.example:9200", "http://logs.example:9200")), "clear text"),
        (Access(urls=("https://me:hunter2@logs.example:9200",)), "credentials"),
        (Access(urls=("logs.example:9200",)), "no address"),
        (Access(urls=("https://[::1",)), "no address"),
        (Access(urls=("https://a:9200",), ca_file=Path("none.pem")), "none.pem"),
        (Access(urls=("https://a:9200",), client_cert=Path("none.pem")), "none.pem"),
        (Access(urls=("https://a:9200",), client_key=Path("none.pem")), "client_cert"),
        (Access(urls=("https://a:9200",), api_key=Secret("hunter2"), username="me"), "either"),
        (Access(urls=("https://a:9200",), username="me"), "no password"),
        (Access(urls=("https://a:9200",), api_key=Secret("hunter2\nX: y")), "characters"),
        (Access(cloud_id="no such thing"), "cannot be used"),
    ],
)
def test_an_access_that_cannot_be_used_says_why_before_anything_is_sent(access: Access, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        Cluster(access)
    assert "hunter2" not in str(caught.value)


def test_clear_text_passes_on_this_machine_and_where_it_is_allowed() -> None:
    for access in (Access(urls=("http://[::1]:9",)), Access(urls=("http://logs.example:9",), allow_plaintext=True)):
        Cluster(access).close()


def test_no_secret_stands_in_a_repr_or_a_name() -> None:
    access = Access(urls=("https://127.0.0.1:9",), username="me", password=Secret("hunter2"))
    with Cluster(access) as cluster:
        assert "hunter2" not in f"{access!r} {cluster!r} {cluster.name} {vars(cluster)}"


def test_without_its_package_elasticsearch_is_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "elasticsearch", None)
    with pytest.raises(UsageError, match=r"kyber\[elasticsearch\]"):
        at("http://127.0.0.1:9")


def secured(authority: trustme.CA) -> Scripted:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return Scripted(context=context)


def test_the_authorities_of_other_packages_are_not_added_to_the_one_that_is_named(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    with secured(authority) as server, at(server.url, ca_file=tmp_path / "ca.pem") as cluster:
        cluster.features()
        (node,) = cluster._client.transport.node_pool.all()
        assert len(node.pool.conn_kw["ssl_context"].get_ca_certs()) == 1  # type: ignore[attr-defined]


# --- what can go wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "kind", "said"),
    [
        (Status(400), ClusterError, "400"),
        (Status(401), ClusterError, "credentials"),
        (Status(403), ClusterError, r"docs/elasticsearch\.md"),
        (Status(413), TooLargeError, "413"),
        (Text(code=401), ClusterError, "credentials"),
        (Text(), ClusterError, "not as Elasticsearch"),
        (Text("[1, 2", product=True), AwayError, "cut off"),
        (Text("", product=True), AwayError, "cut off"),
        (Text("[" * 100_000, product=True), AwayError, "cut off"),
        (Text('{"items": [7]}', product=True), AwayError, "something else"),
        (Text('{"items": [{"create": {}}]}', product=True), AwayError, "something else"),
    ],
)
def test_each_fault_is_the_right_kind_of_error_in_one_clear_line(step: Any, kind: type, said: str) -> None:
    with Scripted().script(step) as server, at(server.url) as cluster:
        with pytest.raises(ClusterError, match=said) as caught:
            cluster.bulk(create("1"))
        assert (
            type(caught.value) in (kind, *kind.__subclasses__()) if kind is ClusterError else type(caught.value) is kind
        )
        assert isinstance(caught.value, AwayError) == (kind is AwayError)
        assert server.url in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(server.asked("_bulk")) == 1


def test_what_a_server_says_is_one_harmless_line_of_bounded_length() -> None:
    reason = "\x1b]0;owned\x07 line\nkyber: forged " + "x" * 100_000
    body = json.dumps({"error": {"type": "t", "reason": reason}, "status": 400})
    with Scripted().script(Text(body, code=400, product=True)) as server, at(server.url) as cluster:
        with pytest.raises(ClusterError) as caught:
            cluster.bulk(create("1"))
        assert len(str(caught.value)) <= LONGEST_REASON + 100
        assert str(caught.value).isprintable()


def test_warnings_of_the_server_are_not_raised(recwarn: pytest.WarningsRecorder) -> None:
    warned = Status(200, {"Warning": '299 Elasticsearch-9.5.0 "this is old"'})
    with Scripted().script(warned, endpoint="_refresh") as server, at(server.url) as cluster:
        cluster.refresh("x")
    assert not recwarn.list


def test_answers_that_only_a_lenient_reader_takes_are_read() -> None:
    text = r'{"_shards": {"failed": 0}, "hits": {"hits": [{"_id": "1", "_source": {"a": "\ud800"}}]}}'
    with Scripted().script(Text(text, product=True), endpoint="_search") as server, at(server.url) as cluster:
        (hit,) = cluster.search({}, index="x")["hits"]["hits"]
        assert hit["_source"] == {"a": "\ud800"}


def test_what_may_not_be_read_never_looks_as_if_it_was_not_there() -> None:
    asks: list[Callable[[Cluster], Any]] = [
        lambda cluster: cluster.search({}, index="logs-*"),
        lambda cluster: cluster.count("logs-*"),
        lambda cluster: list(all_pages(cluster, "logs-*", source=True, size=1)),
    ]
    for ask in asks:
        said = Text('{"has_all_requested": false}', product=True)
        with Scripted().script(said, endpoint="_security") as server, at(server.url) as cluster:
            with pytest.raises(ClusterError, match=r"read all of logs-\*"):
                ask(cluster)
            ask(cluster)
            ask(cluster)
            assert len(server.asked("_security")) == 2


# --- what it does ----------------------------------------------------------------------------------------------------


def test_lines_of_a_bulk_request_are_sent_unchanged_and_each_action_has_its_verdict() -> None:
    with Scripted().script(Refuse({1: 400, 2: 429})) as server, at(server.url) as cluster:
        lines = [*create("1"), *create("2"), *create("3"), *create("ä\u2028\x85")]
        found = cluster.bulk(lines)
        assert server.asked("_bulk")[0].body == b"\n".join(lines) + b"\n"
        assert [one.status for one in found] == [201, 400, 429, 201]
        assert found[0] == Verdict(201, ".ds-logs-kyber.a-n-2026.03.01-000001", "")
        assert "source.ip" in found[1].reason
        (again,) = cluster.bulk(create("1"))
        assert (again.status, "document already exists" in again.reason) == (409, True)
        (deleted, gone) = cluster.delete([(found[0].index, "1"), (found[0].index, "1")])
        assert (deleted.status, gone.status) == (200, 404)
        assert cluster.delete([]) == []


@pytest.mark.parametrize(
    ("lacks", "expected"),
    [
        (frozenset[str](), {"lifecycle", "ilm", "data_streams", "delete_by_query", "esql"}),
        (frozenset({"", "_ilm", "_query"}), {"lifecycle", "data_streams", "delete_by_query"}),
        (frozenset({"", "_ilm", "_data_stream", "_delete_by_query", "_query"}), set[str]()),
    ],
)
def test_what_a_cluster_can_do_is_what_it_answers(lacks: frozenset[str], expected: set[str]) -> None:
    with Scripted(lacks=lacks) as server, at(server.url) as cluster:
        found = cluster.features()
        assert (found.version, found.uuid, cluster.uuid()) == ("9.5.0", server.uuid, server.uuid)
        names = ("lifecycle", "ilm", "data_streams", "delete_by_query", "esql")
        assert {name for name in names if getattr(found, name)} == expected
        asked = len(server.requests)
        assert cluster.features() is found
        assert len(server.requests) == asked


@pytest.mark.parametrize("pages", [1, 3, 10, 11, 100])
def test_pages_hold_every_hit_once_in_order(pages: int) -> None:
    with Scripted() as server, at(server.url) as cluster:
        cluster.bulk([line for n in range(10) for line in create(f"{9 - n}")])
        found = list(all_pages(cluster, STREAM, source=True, sort=[{"kyber.id": "asc"}], size=pages))
        assert [hit["_id"] for page in found for hit in page] == [str(n) for n in range(10)]
        assert all(0 < len(page) <= pages for page in found)
        assert server.pits == {}


def test_a_point_in_time_is_closed_by_whoever_stops_reading() -> None:
    with Scripted() as server, at(server.url) as cluster:
        cluster.bulk([line for n in range(10) for line in create(str(n))])
        pages = all_pages(cluster, STREAM, source=True, size=2)
        next(pages)
        assert server.pits
        pages.close()  # type: ignore[attr-defined]
        assert not server.pits


# --- a real one ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(elasticsearch: Server, namespace: str) -> Any:
    with at(elasticsearch.url) as found:
        body = {
            "index_patterns": [f"logs-kyber.*-{namespace}"],
            "data_stream": {},
            "priority": 210,
            "template": {"mappings": {"dynamic": False, "properties": {"@timestamp": {"type": "date"}}}},
        }
        found.put("template", f"test-{namespace}", body)
        yield found


def test_the_minimal_distribution_says_who_it_is_and_what_it_lacks(elasticsearch: Server) -> None:
    with at(elasticsearch.url) as cluster:
        found = cluster.features()
        assert found.version == "9.5.0"
        assert len(found.uuid) == 22
        assert not any((found.lifecycle, found.ilm, found.data_streams, found.delete_by_query, found.esql))


def test_documents_of_every_backing_index_are_found_and_deleted(cluster: Cluster, namespace: str) -> None:
    name = f"logs-kyber.a-{namespace}"
    first = cluster.bulk([*create("1", name), *create("2", name)], into_streams=True)
    assert [one.status for one in cluster.bulk(create("1", name))] == [409]
    new = cluster.rollover(name)
    again = cluster.bulk([*create("1", name), *create("3", name)])
    assert [one.status for one in (*first, *again)] == [201] * 4
    assert cluster.streams(f"logs-kyber.*-{namespace}") == {name: [first[0].index, new]}
    assert set(cluster.indices(name)) == {first[0].index, new}
    assert cluster.present(name, ["1", "2", "3", "4"]) == {"1", "2", "3"}
    assert cluster.count(name) == 4
    hits = [hit for page in all_pages(cluster, name, source=["kyber.id"], size=3) for hit in page]
    assert sorted(hit["_source"]["kyber"]["id"] for hit in hits) == ["1", "1", "2", "3"]
    assert [one.status for one in cluster.delete([(first[0].index, "1"), (new, "9")])] == [200, 404]
    cluster.refresh(name)
    assert cluster.count(name, {"ids": {"values": ["1"]}}) == 1


def test_what_is_missing_has_no_documents_and_is_no_error(cluster: Cluster, namespace: str) -> None:
    for name in (f"logs-kyber.none-{namespace}", f"nothing-*-{namespace}"):
        assert cluster.count(name) == 0
        assert cluster.present(name, ["1"]) == set()
        assert cluster.search({"query": {"match_all": {}}}, index=name)["hits"]["hits"] == []
        assert list(all_pages(cluster, name, source=True, size=10)) == []
        assert cluster.streams(name) == {}
        assert cluster.indices(name) == {}
        cluster.refresh(name)


def test_a_template_that_was_laid_down_can_be_asked_for_and_removed(cluster: Cluster, namespace: str) -> None:
    name = f"test-{namespace}"
    assert cluster.get("template", f"test-*{namespace[2:]}").keys() == {name}
    cluster.remove("template", name)
    assert cluster.get("template", name) == {}
    cluster.remove("template", name)


def test_events_never_land_in_an_ordinary_index(cluster: Cluster, namespace: str) -> None:
    (verdict,) = cluster.bulk(create("1", f"ordinary-{namespace}"), into_streams=True)
    assert verdict.status == 404
    assert cluster.indices(f"ordinary-{namespace}") == {}


@pytest.mark.parametrize(
    "ask",
    [
        lambda cluster: cluster.search({"query": {"no_such": {}}}, index="*"),
        lambda cluster: cluster.search({"pit": {"id": "46ToAwMDaWR5"}}, index=None),
        lambda cluster: cluster.get("policy", "x"),
        lambda cluster: cluster.lifecycle("*"),
        lambda cluster: cluster.rollover("no-such-stream"),
        lambda cluster: cluster.put("template", "x", {"index_patterns": "no list", "priority": -7}),
    ],
)
def test_what_a_real_server_refuses_is_an_error_of_this_module(cluster: Cluster, ask: Callable[[Cluster], Any]) -> None:
    with pytest.raises(ClusterError) as caught:
        ask(cluster)
    assert not isinstance(caught.value, AwayError)
    assert cluster.name in str(caught.value)
