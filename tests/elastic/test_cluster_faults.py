"""What goes wrong between kyber and a cluster becomes the right error: what waiting mends, and what it does not."""

import gzip
import json
import socket
import ssl
import zlib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from kyber.errors import UsageError
from kyber.logs.store import exchange as module
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import AwayError, Cluster, ClusterError, OversizedError, TooLargeError
from kyber.secret import Secret
from tests.cli.run import kyber
from tests.elastic.scripted import EVERYTHING, Cut, Flood, Hang, Reset, Scripted, Status, Step, Text, Trickle
from tests.elastic.shipping import all_pages

STREAM = "logs-kyber.web-test"
SECRET = "a5ecretKey=="
LINES = [
    json.dumps(line).encode()
    for id_ in "abc"
    for line in ({"create": {"_index": STREAM, "_id": id_}}, {"@timestamp": "2026-03-01T00:00:00Z"})
]


@pytest.fixture
def healthy() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


def access(server: Scripted, **more: Any) -> Access:
    return Access(urls=(server.url,), **more)


def said(error: ClusterError, server: Scripted) -> str:
    """The words of an error, once they name the server and neither a secret nor the client's own words are in them."""
    text = str(error)
    assert server.url in text
    assert SECRET not in text
    assert "Traceback" not in text
    assert "Error(" not in text
    assert len(text.splitlines()) <= 2
    return text


NOT_ALL = Text('{"took": 1, "errors": false, "items": []}', product=True)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Status(429), "too much to do (429)"),
        (Status(500), "cannot answer now (500)"),
        (Status(503, {"Retry-After": "1"}), "cannot answer now (503)"),
        (Text("<html>bad gateway", code=502), "cannot answer now (502)"),
        (Cut(), "broke off"),
        (Cut(0), ""),
        (Reset(), "connection"),
        (Reset(done=False), ""),
        (Text("{", product=True), "cut off or no JSON"),
        (Text("[]", product=True), "cut off or no JSON"),
        (NOT_ALL, "answered for 0 of 3 actions"),
    ],
)
def test_what_waiting_may_mend_is_told_apart(healthy: Scripted, step: Step, words: str) -> None:
    healthy.script(step)
    with Cluster(access(healthy)) as cluster:
        with pytest.raises(AwayError) as raised:
            cluster.bulk(LINES)
        assert words in said(raised.value, healthy)
        assert {verdict.status for verdict in cluster.bulk(LINES)} <= {201, 409}
    assert len(healthy.asked("_bulk")) == 2, "nothing is asked again by itself"


@pytest.mark.parametrize("done", [False, True])
def test_a_server_that_hangs_is_away(healthy: Scripted, monkeypatch: pytest.MonkeyPatch, done: bool) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.3)
    healthy.script(Hang(done=done))
    with Cluster(access(healthy)) as cluster:
        with pytest.raises(AwayError, match="does not answer within") as raised:
            cluster.bulk(LINES)
        said(raised.value, healthy)
        healthy.released.set()
        assert {verdict.status for verdict in cluster.bulk(LINES)} == {409 if done else 201}


@pytest.mark.parametrize("step", [Trickle(), Trickle(head=True), Hang()], ids=str)
@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
def test_an_answer_has_one_time_for_all_of_it_however_often_something_comes(
    tmp_path: Path, step: Step, encrypted: bool
) -> None:
    authority = Authority(tmp_path, "127.0.0.1")
    with Scripted(context=authority.context if encrypted else None) as server:
        server.script(step)
        with Cluster(access(server, ca_file=authority.file)) as cluster:
            begun = monotonic()
            with pytest.raises(AwayError, match=r"does not answer within 0\.4 s") as raised:
                cluster.within(0.4).bulk(LINES)
            assert 0.4 <= monotonic() - begun < 10
            said(raised.value, server)
            server.released.set()
            assert {verdict.status for verdict in cluster.bulk(LINES)} <= {201, 409}, "what came late is not the answer"


@pytest.mark.parametrize("takes", [0, 2**19])
def test_a_server_that_takes_nothing_or_little_at_a_time_is_away(takes: int) -> None:
    over = Event()

    def take() -> None:
        taken, _ = slow.accept()
        with taken:
            while not over.wait(0.05):
                taken.recv(takes)

    with socket.create_server(("127.0.0.1", 0)) as slow:
        taking = Thread(target=take)
        taking.start()
        url = f"http://127.0.0.1:{slow.getsockname()[1]}"
        try:
            with Cluster(Access(urls=(url,))) as cluster:
                begun = monotonic()
                with pytest.raises(AwayError, match="does not answer within"):
                    cluster.within(0.5).bulk([LINES[0], b'{"text": "%s"}' % (b"x" * 2**26)])
                assert monotonic() - begun < 5, "all of it takes longer to be taken"
        finally:
            over.set()
        taking.join()


@pytest.mark.parametrize("step", [Flood(), Flood(packed=2**22)], ids=str)
def test_an_answer_without_an_end_or_that_unpacks_to_much_is_given_up(
    healthy: Scripted, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES", 2**20)
    healthy.script(step)
    with Cluster(access(healthy)) as cluster:
        with pytest.raises(OversizedError, match="an answer of more than 1 MiB") as raised:
            cluster.bulk(LINES)
        assert not isinstance(raised.value, AwayError)
        said(raised.value, healthy)
        assert len(cluster.bulk(LINES)) == 3


def test_as_many_connections_as_there_are_survive_answers_that_are_given_up(
    healthy: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_BYTES", 2**20)
    healthy.script(*[Flood(packed=2**21)] * 30)
    with Cluster(access(healthy)) as cluster:
        for _ in range(30):
            with pytest.raises(OversizedError):
                cluster.bulk(LINES)
        assert len(cluster.bulk(LINES)) == 3


@pytest.mark.parametrize(
    ("pieces", "coding", "error"),
    [
        ([gzip.compress(b"{}")[:-1]], "gzip", zlib.error),
        ([b"{}"], "gzip", zlib.error),
        ([b"{}"], "br", module.CodingError),
        ([gzip.compress(gzip.compress(b"{}"))], "gzip, gzip", module.CodingError),
    ],
)
def test_what_is_packed_otherwise_than_it_says_is_no_answer(
    pieces: list[bytes], coding: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        module._whole(pieces, coding)


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5), packed=st.booleans())
def test_an_answer_is_what_was_sent_in_whatever_pieces_it_comes(data: bytes, cuts: list[int], packed: bool) -> None:
    sent = gzip.compress(data) if packed else data
    bounds = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    pieces = [sent[begin:end] for begin, end in pairwise(bounds)]
    assert module._whole(pieces, "gzip" if packed else "") == data


def test_hits_that_are_too_large_together_are_asked_for_one_by_one(
    healthy: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Cluster(access(healthy)) as cluster:
        large = [
            json.dumps({"text": "x" * 2**18}).encode() if number % 2 else line for number, line in enumerate(LINES)
        ]
        cluster.bulk(large)
        monkeypatch.setattr(module, "ANSWER_BYTES", 2**19)
        pages = list(all_pages(cluster, STREAM, source=True, size=1_000))
        assert [hit["_id"] for page in pages for hit in page] == ["a", "b", "c"]
        assert len(pages) > 1
        monkeypatch.setattr(module, "ANSWER_BYTES", 2**17)
        with pytest.raises(OversizedError):
            list(all_pages(cluster, STREAM, source=True, size=1_000))


def test_a_server_that_is_not_there_is_away(healthy: Scripted) -> None:
    with Cluster(access(healthy)) as cluster:
        healthy.stop()
        with pytest.raises(AwayError, match="nobody listens") as raised:
            cluster.bulk(LINES)
        said(raised.value, healthy)
        healthy.start()
        assert [verdict.status for verdict in cluster.bulk(LINES)] == [201] * 3


@pytest.mark.parametrize(
    ("number", "error"), [(socket.EAI_NONAME, ClusterError), (socket.EAI_AGAIN, AwayError)], ids=["unknown", "not now"]
)
def test_a_name_that_nobody_knows_is_told_from_names_that_cannot_be_looked_up_now(
    monkeypatch: pytest.MonkeyPatch, number: int, error: type[ClusterError]
) -> None:
    def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with Cluster(Access(urls=("https://elastic.example:9200",))) as cluster, pytest.raises(ClusterError) as raised:
        cluster.bulk(LINES)
    assert type(raised.value) is error
    assert "https://elastic.example:9200" in str(raised.value)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (Status(400), "refuses the request (400)"),
        (Text(), "not as Elasticsearch does"),
        (Text("<html>log in", code=302), "refuses the request (302)"),
    ],
)
def test_what_waiting_does_not_mend_is_said_at_once(healthy: Scripted, step: Step, words: str) -> None:
    healthy.script(step)
    with Cluster(access(healthy)) as cluster, pytest.raises(ClusterError) as raised:
        cluster.bulk(LINES)
    assert not isinstance(raised.value, AwayError)
    assert words in said(raised.value, healthy)


def test_a_request_that_is_too_long_is_an_error_of_its_own(healthy: Scripted) -> None:
    healthy.longest = len(b"\n".join(LINES))
    with Cluster(access(healthy)) as cluster:
        with pytest.raises(TooLargeError) as raised:
            cluster.bulk(LINES)
        said(raised.value, healthy)
        assert [verdict.status for verdict in cluster.bulk(LINES[:4])] == [201, 201]


def test_a_search_that_was_answered_in_part_is_not_an_answer(healthy: Scripted) -> None:
    part = {"took": 1, "timed_out": False, "_shards": {"total": 2, "successful": 1, "failed": 1}, "hits": {"hits": []}}
    late = part | {"timed_out": True, "_shards": {"total": 2, "successful": 2, "failed": 0}}
    for answer in (part, late, {"took": 1}):
        healthy.script(Text(json.dumps(answer), product=True), endpoint="_search")
        with Cluster(access(healthy)) as cluster, pytest.raises(AwayError):
            cluster.search({"query": {"match_all": {}}}, index=STREAM)


def test_a_point_in_time_is_closed_when_a_page_fails(healthy: Scripted) -> None:
    healthy.script(None, Status(503), endpoint="_search")
    with Cluster(access(healthy)) as cluster:
        cluster.bulk(LINES)
        with pytest.raises(AwayError):
            list(all_pages(cluster, STREAM, {"match_all": {}}, source=True, size=2))
        assert healthy.pits == {}
        pages = list(all_pages(cluster, STREAM, {"match_all": {}}, source=True, size=2))
    assert [[hit["_id"] for hit in page] for page in pages] == [["a", "b"], ["c"]]


def test_what_is_forbidden_is_there() -> None:
    keys: Mapping[str, frozenset[str]] = {"ApiKey least": frozenset({"", "_bulk"})}
    with Scripted(keys=keys) as server, Cluster(access(server, api_key=Secret("least"))) as cluster:
        assert cluster.features().ilm
        assert cluster.features().lifecycle
        assert cluster.features().data_streams


@pytest.mark.parametrize("fault", [Status(503), Cut(), Reset()])
def test_features_are_not_guessed_where_no_answer_came(healthy: Scripted, fault: Step) -> None:
    healthy.script(fault, endpoint="_ilm")
    with Cluster(access(healthy)) as cluster:
        with pytest.raises(AwayError):
            cluster.features()
        assert cluster.features().ilm, "asked again"


def test_a_key_that_is_wrong_or_may_not_is_said_and_never_shown() -> None:
    keys = {f"ApiKey {SECRET}": frozenset({"_search"}), "ApiKey YWxs": EVERYTHING}
    with Scripted(keys=keys) as server:
        least = access(server, api_key=Secret(SECRET))
        with Cluster(least) as cluster, pytest.raises(ClusterError, match=r"needs? more rights") as raised:
            cluster.bulk(LINES)
        assert not isinstance(raised.value, AwayError)
        said(raised.value, server)
        with Cluster(access(server, api_key=Secret(f"{SECRET}wrong"))) as cluster:
            with pytest.raises(ClusterError, match="does not take the credentials") as raised:
                cluster.bulk(LINES)
            said(raised.value, server)
            assert SECRET not in repr(cluster) + repr(least) + repr(raised.value) + repr(vars(cluster))
        with Cluster(access(server, api_key=Secret("YWxs"))) as cluster:
            assert [verdict.status for verdict in cluster.bulk(LINES)] == [201] * 3


def test_a_key_is_taken_as_the_cluster_gives_it_out() -> None:
    with Scripted(keys={"ApiKey aWQ6a2V5": EVERYTHING}) as server:
        for key in ("aWQ6a2V5", "id:key", " aWQ6a2V5\n"):
            with Cluster(access(server, api_key=Secret(key))) as cluster:
                assert cluster.features().uuid == server.uuid


class Authority:
    """A made-up authority: its file, and what a server that it signed for speaks."""

    def __init__(self, folder: Path, name: str) -> None:
        ca, self.file = trustme.CA(), folder / f"{name}.pem"
        ca.cert_pem.write_to_path(str(self.file))
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        ca.issue_cert(name).configure_cert(self.context)


def test_only_a_server_that_the_named_authority_signed_for_is_spoken_to(tmp_path: Path) -> None:
    right, other = Authority(tmp_path, "127.0.0.1"), Authority(tmp_path, "elastic.example")
    with Scripted(context=right.context) as server:
        with Cluster(access(server, ca_file=right.file)) as cluster:
            assert cluster.features().uuid == server.uuid
        asked = len(server.requests)
        for file in (other.file, None):
            with Cluster(access(server, ca_file=file, api_key=Secret(SECRET))) as cluster:
                with pytest.raises(ClusterError, match=r"elasticsearch\.ca_file in kyber\.yaml") as raised:
                    cluster.bulk(LINES)
                assert not isinstance(raised.value, AwayError)
                said(raised.value, server)
        assert len(server.requests) == asked
        with Cluster(access(server, verify=False)) as cluster:
            assert cluster.features().uuid == server.uuid
    with Scripted(context=other.context) as server, Cluster(access(server, ca_file=other.file)) as cluster:
        with pytest.raises(ClusterError, match="is not trusted") as raised:
            cluster.bulk(LINES)
        assert not isinstance(raised.value, AwayError)


def test_tls_with_a_server_that_speaks_none_is_no_matter_of_waiting(healthy: Scripted) -> None:
    url = healthy.url.replace("http:", "https:")
    with Cluster(Access(urls=(url,))) as cluster, pytest.raises(ClusterError, match="no TLS connection") as raised:
        cluster.bulk(LINES)
    assert not isinstance(raised.value, AwayError)


def test_nothing_goes_out_in_clear_text_unless_it_is_allowed() -> None:
    with pytest.raises(UsageError, match="--allow-plaintext"):
        Cluster(Access(urls=("http://elastic.example:9200",), api_key=Secret(SECRET)))
    Cluster(Access(urls=("http://elastic.example:9200",), allow_plaintext=True)).close()


@pytest.mark.parametrize(
    "url",
    [
        f"https://kyber:{SECRET}@elastic.example:9200",
        f"https://{SECRET}@elastic.example",
        f"https://kyber:{SECRET}@elastic.example:99999",
        f"kyber:{SECRET}@elastic.example:9200",
        f"htps://kyber:{SECRET}@elastic.example",
        f"https://elastic.example/?api_key={SECRET}",
        f"https://elastic.example?{SECRET}",
        f"https://elastic.example/#{SECRET}",
        f"elastic.example:9200?{SECRET}",
        f"https://kyber:a?{SECRET}#{SECRET}@elastic.example",
        f"https://kyber:{SECRET}@elastic.example/?a#b",
    ],
)
def test_what_may_be_secret_in_an_address_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        Cluster(Access(urls=(url,)))
    assert SECRET not in str(raised.value)
    assert "elastic.example" in str(raised.value)
    (tmp_path / "kyber.yaml").write_text(f"organisation: County\nlanguage: en\nelasticsearch:\n  url: '{url}'\n")
    for command in ("doctor", "check"):
        result = kyber(command, tmp_path)
        assert result.exit_code == 1
        assert "elastic.example" in result.output or "S06" in result.output
        assert SECRET not in result.output


def test_ids_are_not_taken_to_be_missing_where_not_all_could_be_found(healthy: Scripted) -> None:
    part = {"_shards": {"total": 2, "successful": 1, "failed": 1, "failures": []}}
    healthy.script(Text(json.dumps(part), product=True), endpoint="_refresh")
    with Cluster(access(healthy)) as cluster:
        cluster.bulk(LINES)
        with pytest.raises(AwayError, match="cannot let all that was written") as raised:
            cluster.present(STREAM, ["a", "z"])
        said(raised.value, healthy)
        assert cluster.present(STREAM, ["a", "z"]) == {"a"}


def test_only_the_state_that_was_seen_is_deleted(healthy: Scripted) -> None:
    index = "alerts-kyber-test"
    lines = [b'{"index": {"_index": "alerts-kyber-test", "_id": "a"}}', b'{"count": 1}']
    with Cluster(access(healthy)) as cluster:
        cluster.bulk(lines)
        (hit,) = cluster.search({"seq_no_primary_term": True}, index=index)["hits"]["hits"]
        cluster.bulk(lines)
        seen = (hit["_seq_no"], hit["_primary_term"])
        assert [one.status for one in cluster.delete([(index, "a")], [seen])] == [409]
        assert cluster.count(index) == 1
