"""The scripted server answers as Elasticsearch does, and fails as its script says."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from elastic_transport import ConnectionError as BrokenConnectionError
from elastic_transport import ConnectionTimeout, SerializationError, TlsError
from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    BadRequestError,
    Elasticsearch,
    NotFoundError,
    UnsupportedProductError,
)

from tests.elastic.scripted import (
    EVERYTHING,
    Cut,
    Hang,
    Refuse,
    Reset,
    Scripted,
    Status,
    Step,
    Text,
    Trickle,
)

STREAM = "logs-kyber.web-test"


@pytest.fixture
def healthy() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def client(server: Scripted, **options: Any) -> Elasticsearch:
    return Elasticsearch(server.url, **{"max_retries": 0, "request_timeout": 30} | options)


def create(server: Scripted, *ids: str, **options: Any) -> list[int]:
    """Create documents in the stream; the status of each."""
    lines: list[Any] = [
        json.dumps(line).encode()
        for number, id_ in enumerate(ids)
        for line in (
            {"create": {"_id": id_, "_index": STREAM}},
            {"@timestamp": f"2026-03-01T00:00:0{number}Z", "n": number},
        )
    ]
    with client(server, **options) as asking:
        return [item["create"]["status"] for item in asking.bulk(operations=lines)["items"]]


def test_a_document_is_created_once_until_its_data_stream_rolls_over(healthy: Scripted) -> None:
    assert create(healthy, "a", "b") == [201, 201]
    assert create(healthy, "b", "c") == [409, 201]
    with client(healthy) as asking:
        asking.indices.rollover(alias=STREAM)
    assert create(healthy, "b") == [201]
    assert [kept.id for kept in healthy.documents(STREAM)] == ["a", "b", "c", "b"]


def test_a_point_in_time_does_not_see_what_comes_later_and_is_read_page_by_page(healthy: Scripted) -> None:
    create(healthy, *"abcde")
    with client(healthy) as asking:
        pit = asking.open_point_in_time(index=STREAM, keep_alive="1m")["id"]
        create(healthy, "later")
        seen: list[str] = []
        after = None
        while hits := asking.search(
            pit={"id": pit}, size=2, sort=[{"n": "desc"}, {"_shard_doc": "asc"}], search_after=after
        )["hits"]["hits"]:
            seen += [hit["_id"] for hit in hits]
            after = hits[-1]["sort"]
        assert asking.close_point_in_time(id=pit)["succeeded"]
        with pytest.raises(NotFoundError):
            asking.search(pit={"id": pit})
    assert seen == list("edcba")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"match_all": {}}, "abc"),
        ({"ids": {"values": ["c", "z"]}}, "c"),
        ({"term": {"kyber.source": "web"}}, "ac"),
        ({"terms": {"kyber.terms": ["user=root", "user=eve"]}}, "ab"),
        ({"wildcard": {"kyber.terms": {"value": "user=r??t"}}}, "a"),
        ({"prefix": {"source.ip": "10."}}, "bc"),
        ({"range": {"kyber.time": {"gte": 2, "lt": 3}}}, "b"),
        ({"exists": {"field": "kyber.partial"}}, "c"),
        ({"bool": {"filter": [{"term": {"kyber.source": "web"}}], "must_not": {"ids": {"values": ["a"]}}}}, "c"),
        ({"bool": {"should": [{"term": {"kyber.time": 1}}, {"term": {"kyber.time": 3}}]}}, "ac"),
    ],
)
def test_plain_queries_find_what_they_ask_for(healthy: Scripted, query: dict[str, Any], found: str) -> None:
    documents: dict[str, dict[str, Any]] = {
        "a": {"kyber": {"source": "web", "time": 1, "terms": ["user=root", "x=1"]}},
        "b": {"kyber": {"source": "db", "time": 2, "terms": ["user=eve"]}, "source.ip": "10.0.0.1"},
        "c": {"kyber": {"source": "web", "time": 3, "partial": ["cmd"]}, "source.ip": ["::1", "10.0.0.2"]},
    }
    with client(healthy) as asking:
        for id_, document in documents.items():
            asking.bulk(index=STREAM, operations=[{"create": {"_id": id_}}, document])
        assert "".join(hit["_id"] for hit in asking.search(index=STREAM, query=query)["hits"]["hits"]) == found
        assert asking.count(index=STREAM, query=query)["count"] == len(found)
        with pytest.raises(NotFoundError):
            asking.search(index="logs-kyber.none-test", query=query)
        assert asking.delete_by_query(index=STREAM, query=query)["deleted"] == len(found)


def test_a_query_that_it_does_not_know_is_an_error_and_not_an_empty_answer(healthy: Scripted) -> None:
    create(healthy, "a")
    with client(healthy) as asking, pytest.raises(BadRequestError, match="unknown query"):
        asking.search(index=STREAM, query={"fuzzy": {"n": "1"}})


def test_items_are_refused_as_the_script_says_and_are_not_kept(healthy: Scripted) -> None:
    healthy.script(Refuse({0: 429, 2: 400}), Refuse({1: 503}))
    assert create(healthy, "a", "b", "c") == [429, 201, 400]
    assert create(healthy, "a", "c") == [201, 503]
    assert create(healthy, "a", "c") == [409, 201]
    assert [kept.id for kept in healthy.documents()] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("step", "error", "kept"),
    [
        (Status(503), ApiError, 0),
        (Status(429, {"Retry-After": "1"}), ApiError, 0),
        (Status(413), ApiError, 0),
        (Cut(), BrokenConnectionError, 2),
        (Reset(), BrokenConnectionError, 2),
        (Reset(done=False), BrokenConnectionError, 0),
        (Text(), UnsupportedProductError, 0),
        (Text("{", product=True), SerializationError, 0),
    ],
)
def test_a_whole_request_fails_as_the_script_says(
    healthy: Scripted, step: Step, error: type[Exception], kept: int
) -> None:
    if step == Text("{", product=True):
        with client(healthy) as asking:
            asking.cluster.health()  # the product is checked with the first answer
    healthy.script(step)
    with pytest.raises(error) as raised:
        create(healthy, "a", "b")
    if isinstance(step, Status):
        assert isinstance(raised.value, ApiError)
        assert raised.value.meta.status == step.code
    assert len(healthy.documents()) == kept
    assert create(healthy, "c") == [201]


def test_the_scripted_reset_is_one_on_the_wire(healthy: Scripted) -> None:
    healthy.script(Reset(), endpoint="")
    with socket.create_connection(("127.0.0.1", healthy.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


@pytest.mark.parametrize(("step", "kept"), [(Hang(), 0), (Hang(done=True), 1)])
def test_a_server_that_hangs_says_nothing_until_it_is_released(healthy: Scripted, step: Step, kept: int) -> None:
    healthy.script(step)
    with pytest.raises(ConnectionTimeout):
        create(healthy, "a", request_timeout=0.2)
    assert len(healthy.documents()) == kept
    healthy.released.set()
    assert create(healthy, "b") == [201]


def test_a_slow_answer_comes_whole_once_the_server_is_released(healthy: Scripted) -> None:
    healthy.script(Trickle(gap=60))
    answers: list[list[int]] = []
    asking = threading.Thread(target=lambda: answers.append(create(healthy, "a")), daemon=True)
    asking.start()
    healthy.released.set()
    asking.join(30)
    assert answers == [[201]]


def test_a_body_that_is_too_long_is_refused_whole() -> None:
    with Scripted(longest=300) as server:
        with pytest.raises(ApiError) as raised:
            create(server, *"abcdef")
        assert raised.value.meta.status == 413
        assert create(server, "a", "b") == [201, 201]


def test_each_key_may_use_its_own_endpoints() -> None:
    with Scripted(keys={"ApiKey all": EVERYTHING, "ApiKey write": frozenset({"_bulk"})}) as server:
        assert create(server, "a", api_key="write") == [201]
        with client(server, api_key="write") as asking, pytest.raises(AuthorizationException):
            asking.search(index=STREAM)
        with client(server, api_key="wrong") as asking, pytest.raises(AuthenticationException):
            asking.search(index=STREAM)
        with client(server, api_key="all") as asking:
            assert asking.search(index=STREAM)["hits"]["total"]["value"] == 1


def test_lifecycles_and_policies_are_recorded_and_given_back(healthy: Scripted) -> None:
    create(healthy, "a")
    with client(healthy) as asking:
        asking.indices.put_data_lifecycle(name=STREAM, data_retention="30d")
        asking.ilm.put_lifecycle(name="kyber", policy={"phases": {"delete": {"min_age": "30d"}}})
        asking.indices.put_index_template(name="kyber", index_patterns=["logs-kyber.*-test"], priority=200)
        lifecycle = asking.indices.get_data_lifecycle(name=STREAM)["data_streams"][0]["lifecycle"]
        assert lifecycle["data_retention"] == "30d"
        assert list(asking.ilm.get_lifecycle()) == ["kyber"]
        assert asking.indices.get_index_template(name="kyber")["index_templates"][0]["name"] == "kyber"
        asking.indices.delete_data_stream(name=STREAM)
    assert healthy.asked("_data_stream")[0].json() == {"data_retention": "30d"}
    assert healthy.documents() == []


def test_endpoints_that_it_lacks_are_unknown_in_the_words_of_elasticsearch() -> None:
    with Scripted(lacks=frozenset({"_ilm", ""})) as server, client(server) as asking:
        with pytest.raises(BadRequestError, match="no handler found for uri"):
            asking.ilm.get_status()
        with pytest.raises(ApiError) as raised:
            asking.info()
        assert raised.value.meta.status == 405


def test_a_server_that_was_away_is_back_at_its_port_with_what_it_kept(healthy: Scripted) -> None:
    create(healthy, "a")
    port = healthy.port
    healthy.stop()
    with pytest.raises(BrokenConnectionError):
        create(healthy, "b")
    healthy.start()
    assert healthy.port == port
    assert create(healthy, "a", "b") == [409, 201]


def test_it_speaks_tls_with_the_certificate_it_is_given() -> None:
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    known, unknown = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(known)
    other.configure_trust(unknown)
    with Scripted(context=context) as server:
        assert create(server, "a", ssl_context=known) == [201]
        with pytest.raises(TlsError):
            create(server, "b", ssl_context=unknown)
