"""Shipping to a server that fails as a script says: nothing is lost, nothing is there twice, and it is said clearly."""

import json
import resource
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

import pytest
from typer.testing import Result

from kyber.cli import logs_ship
from kyber.logs import ship as shipping
from kyber.logs.ship import Shipper, Timing
from kyber.logs.store import exchange as client
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import AwayError, Cluster
from kyber.logs.store.index import StoreError
from kyber.logs.store.ledger import Delivery
from kyber.logs.store.lock import held
from kyber.logs.store.templates import stream
from tests.cli.run import kyber
from tests.elastic.scripted import REASONS, Cut, Hang, Refuse, Reset, Scripted, Status, Step, Text
from tests.elastic.shipping import SOURCE, County

NAMESPACE = "test"
STREAM = stream(SOURCE, NAMESPACE)
CODE = "131052-308T"
"""A personal identity code that nobody has; the Digital and Population Data Services Agency uses it as an example."""


@dataclass
class Clock:
    """A clock that moves only while somebody waits; `meanwhile` is what happens then, once each."""

    seconds: float = 0.0
    meanwhile: list[Callable[[], object]] = field(default_factory=list)
    waits: int = 0

    def pause(self, seconds: float) -> bool:
        self.waits += 1
        self.seconds += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return False

    def timing(self, patience: float | None) -> Timing:
        return Timing(
            now=lambda: 1_750_000_000_000_000,
            clock=lambda: self.seconds,
            pause=self.pause,
            chance=lambda: 0.5,
            patience=patience,
        )


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as running:
        yield running


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What time it is for the shipper of a command, which sends one request at a time."""
    made = Clock()
    monkeypatch.setattr(logs_ship, "_timing", lambda _, patience: made.timing(patience))
    monkeypatch.setattr(shipping, "SENDERS", 1)
    return made


@pytest.fixture
def county(tmp_path: Path, server: Scripted, clock: Clock) -> County:
    """A workspace with the lines of three days, ten in all."""
    made = County(tmp_path / "county", server.url, NAMESPACE).lay_out()
    made.write(10)
    return made


def logs(county: County, command: str, *more: str, code: int = 0) -> Result:
    """`kyber logs …`, which ends as it should and leaves no traceback."""
    where = ["--workspace", str(county.folder)] if command in ("status", "rejected") else county.options()
    result = kyber("logs", command, *where, *more)
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def ship(county: County, *more: str, code: int = 0) -> dict[str, int]:
    """What `kyber logs ship --json` says that it did."""
    counts: dict[str, int] = json.loads(logs(county, "ship", "--json", *more, code=code).stdout)
    return counts


def settled(county: County, server: Scripted, *, refused: int = 0, pending: int = 0) -> Delivery:
    """The ledger, once it adds up, and every event is there once but those that it says were refused or are pending."""
    ids, said = county.stored(), county.totals()[SOURCE]
    assert (said.delivered, said.refused, said.pending) == (len(ids) - refused - pending, refused, pending)
    there = Counter(kept.id for kept in server.documents(STREAM))
    assert set(there.values()) <= {1}
    assert there.keys() <= set(ids)
    assert len(there) == said.delivered
    return said


def test_what_a_healthy_server_gets_is_what_was_written(county: County, server: Scripted) -> None:
    assert ship(county)["created"] == 10
    settled(county, server)
    lines = (county.folder / "logs" / f"{SOURCE}.log").read_text().splitlines()
    assert sorted(kept.source["event.original"] for kept in server.documents(STREAM)) == sorted(lines)
    asked = len(server.asked("_bulk"))
    assert ship(county) == {"created": 0, "known": 0, "refused": 0, "again": 0, "size": 0, "pending": 0}
    assert len(server.asked("_bulk")) == asked, "nothing was pending"


@pytest.mark.parametrize("status", [429, 503])
def test_items_that_the_server_has_no_room_for_are_sent_again_and_only_they(
    county: County, server: Scripted, clock: Clock, status: int
) -> None:
    server.script(Refuse({0: status, 2: status}))
    said = ship(county)
    assert (said["created"], said["again"]) == (10, 2)
    assert [len(request.lines()) // 2 for request in server.asked("_bulk")][:3] == [4, 2, 3]
    assert clock.waits == 1
    settled(county, server)


def test_what_the_server_refuses_is_kept_with_its_reason_and_sent_again_when_told(
    county: County, server: Scripted
) -> None:
    county.add(f"2026-03-01T10:00:00Z host1 app[7]: card of {CODE}")
    server.script(*[Refuse(dict.fromkeys(range(11), 400))] * 10)
    assert ship(county, code=4)["refused"] == 11
    settled(county, server, refused=11)
    server.steps.clear()
    assert ship(county)["created"] == 0, "what was refused is sent again when that is asked for"

    shown = [json.loads(line) for line in logs(county, "rejected", "--json").stdout.splitlines()]
    assert len(shown) == 11
    assert {(one["source"], one["status"], one["destination"]) for one in shown} == {(SOURCE, 400, server.url)}
    assert {one["reason"] for one in shown} == {
        "document_parsing_exception: [1:9] failed to parse field [source.ip] of type [ip]"
    }
    told = logs(county, "rejected").stdout
    assert "11 events (400): document_parsing_exception: failed to parse field [source.ip] of type [ip]" in told
    assert CODE not in told + str(shown)

    server.script(Refuse({0: 400, 1: 400}))
    assert json.loads(logs(county, "retry", "--json", code=4).stdout)["refused"] == 2
    settled(county, server, refused=2)
    assert json.loads(logs(county, "retry", "--json").stdout)["created"] == 2
    settled(county, server)
    assert any(CODE in str(kept.source) for kept in server.documents(STREAM)), "what is delivered is whole"
    assert not logs(county, "rejected").stdout


def test_an_answer_to_retry_that_is_lost_leaves_nothing_twice(county: County, server: Scripted, clock: Clock) -> None:
    server.script(Refuse({0: 400, 1: 400}))
    ship(county, code=4)
    server.script(Cut())
    clock.meanwhile.append(lambda: server.roll(STREAM))
    assert json.loads(logs(county, "retry", "--json").stdout)["known"] == 2
    settled(county, server)


def test_what_is_there_already_is_counted_and_not_there_twice(county: County, server: Scripted) -> None:
    ship(county)
    for file in county.state.glob("index.sqlite*"):
        file.unlink()
    (county.state / "events").rename(county.folder / "away")
    said = ship(county)
    assert (said["created"], said["known"]) == (0, 10)
    assert settled(county, server).known == 10


@pytest.mark.parametrize(
    "step",
    [Status(503), Status(429), Text("", code=502), Cut(), Cut(0.0), Reset(), Reset(done=False)],
    ids=str,
)
@pytest.mark.parametrize("roll", [False, True], ids=["", "and a rollover"])
def test_whatever_becomes_of_an_answer_each_event_is_there_once(
    county: County, server: Scripted, clock: Clock, step: Step, roll: bool
) -> None:
    server.script(None, step, step)
    if roll:
        clock.meanwhile += [lambda: server.roll(STREAM)] * 2
    said = ship(county)
    assert said["created"] + said["known"] == 10
    assert clock.waits == 2
    settled(county, server)


@pytest.mark.parametrize("done", [False, True])
def test_a_server_that_hangs_is_asked_again_what_it_has(
    county: County, server: Scripted, clock: Clock, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    monkeypatch.setattr(client, "REQUEST_SECONDS", 0.3)
    server.script(None, Hang(done=done))
    clock.meanwhile += [server.released.set, lambda: server.roll(STREAM)]
    ship(county)
    settled(county, server)


def failing(county: County, text: str = "poison") -> None:
    """Another line of the source, on a day that has others, and what makes the server fail at it."""
    county.add(f"2026-03-01T10:00:00Z host1 app[7]: {text}")


def test_an_event_at_which_the_server_always_fails_is_refused_with_the_reason_and_holds_up_nothing(
    county: County, server: Scripted, clock: Clock
) -> None:
    failing(county)
    server.fails = "poison"
    said = ship(county, code=4)
    assert (said["created"], said["refused"], said["pending"]) == (10, 1, 0)
    assert clock.seconds < logs_ship.PATIENCE
    settled(county, server, refused=1)
    sizes = [len(request.lines()) // 2 for request in server.asked("_bulk") if b"poison" in request.body]
    assert sizes[-shipping.ALONE :] == [1] * shipping.ALONE
    (shown,) = (json.loads(line) for line in logs(county, "rejected", "--json").stdout.splitlines())
    assert (shown["status"], shown["reason"]) == (
        500,
        "illegal_state_exception: unexpected state in field [user.name]",
    )
    waits = clock.waits
    assert json.loads(logs(county, "retry", "--json", code=4).stdout)["refused"] == 1
    assert clock.waits == waits, "who asks for it once more does not wait"
    settled(county, server, refused=1)
    server.fails = ""
    assert json.loads(logs(county, "retry", "--json").stdout)["created"] == 1
    settled(county, server)


def test_many_events_at_which_the_server_fails_are_refused_and_no_others(county: County, server: Scripted) -> None:
    for number in range(2 * shipping.FEW + 3):
        failing(county, f"poison {number}")
    server.fails = "poison"
    said = ship(county, code=4)
    assert (said["created"], said["refused"]) == (10, 2 * shipping.FEW + 3)
    settled(county, server, refused=2 * shipping.FEW + 3)


def test_an_answer_that_is_lost_while_events_are_sent_one_by_one_leaves_nothing_twice(
    county: County, server: Scripted, clock: Clock
) -> None:
    server.script(*[Refuse({0: 500, 1: 500, 2: 500})] * 2)  # of the first request, which is of four
    server.script(None, Cut())
    clock.meanwhile += [lambda: None, lambda: None, lambda: server.roll(STREAM)]
    said = ship(county)
    assert said["created"] + said["known"] == 10
    assert said["known"] >= 1
    settled(county, server)


def test_an_event_at_which_the_server_fails_holds_up_none_that_come_after_it(
    tmp_path: Path, server: Scripted, clock: Clock
) -> None:
    county = County(tmp_path / "alone", server.url, NAMESPACE).lay_out()
    failing(county)
    server.fails = "poison"
    assert ship(county, code=4)["refused"] == 1
    county.add("2026-03-01T10:00:00Z host1 app[7]: well")
    assert ship(county)["created"] == 1
    settled(county, server, refused=1)


def test_where_the_server_fails_at_everything_nothing_is_refused(
    county: County, server: Scripted, clock: Clock
) -> None:
    server.fails = "line"
    result = logs(county, "ship", code=4)
    assert "takes no more for now: illegal_state_exception" in result.stderr
    assert clock.seconds >= logs_ship.PATIENCE
    assert (county.totals()[SOURCE].refused, county.totals()[SOURCE].pending) == (0, 10)
    server.fails = ""
    assert ship(county)["created"] == 10
    settled(county, server)


def test_where_shards_are_missing_no_event_is_at_fault(county: County, server: Scripted) -> None:
    failing(county)
    server.fails, server.health = "poison", "red"
    logs(county, "ship", code=4)
    assert county.totals()[SOURCE].refused == 0
    server.fails, server.health = "", "yellow"
    ship(county)
    settled(county, server)


def test_a_server_that_hangs_is_given_up_when_patience_ends_and_not_later(
    tmp_path: Path, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "LEAST", 0.1)
    county = County(tmp_path / "hung", server.url, NAMESPACE).lay_out()
    county.write(10)
    kyber("logs", "collect", "--workspace", county.folder)
    timing = replace(Clock().timing(0.5), clock=monotonic)
    for endpoint in ("", "_bulk"):
        server.script(Hang(), Hang(), Hang(), endpoint=endpoint)
        with Cluster(Access(urls=(server.url,))) as cluster:
            begun = monotonic()
            with pytest.raises(AwayError, match=r"does not answer within 0\.\d+ s"):
                Shipper(county.state, cluster, NAMESPACE, timing).drain()
            assert 0.5 <= monotonic() - begun < 5
        server.steps.clear()
        server.released.set()
        server.released.clear()
    with Cluster(Access(urls=(server.url,))) as cluster:
        Shipper(county.state, cluster, NAMESPACE, timing).drain()
    settled(county, server)


def test_a_request_that_is_too_large_is_halved_and_a_document_that_is_too_large_refused(
    county: County, server: Scripted
) -> None:
    county.add(f"2026-03-02T10:00:00Z host1 app[7]: {'x' * 20_000}")
    server.longest = 5_000
    assert ship(county, code=4)["refused"] == 1
    settled(county, server, refused=1)
    (shown,) = (json.loads(line) for line in logs(county, "rejected", "--json").stdout.splitlines())
    assert shown["status"] == 413
    assert "takes no request of this size" in shown["reason"]
    server.longest = None
    logs(county, "retry")
    settled(county, server)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_where_rights_or_the_setup_are_missing_it_stops_and_nothing_is_refused(
    county: County, server: Scripted, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REASONS, status, ("missing", "no such thing"))
    server.script(None, Refuse(dict.fromkeys(range(1, 3), status)))
    result = logs(county, "ship", code=4)
    assert f"{server.url} does not let {STREAM} be written ({status}): missing: no such thing" in result.stderr
    assert "run `kyber logs setup`" in result.stderr
    assert ("docs/elasticsearch.md" in result.stderr) == (status != 404)  # what was never laid down is no right
    assert county.totals()[SOURCE].refused == 0
    assert county.totals()[SOURCE].pending == 6
    server.roll(STREAM)
    ship(county)
    settled(county, server)


def test_another_cluster_behind_the_same_address_gets_everything_anew(county: County, server: Scripted) -> None:
    ship(county)
    server.uuid = "another0000000000000000"
    server.streams.clear()
    server.indices.clear()
    assert ship(county)["created"] == 10
    settled(county, server)


def test_a_cluster_that_is_away_longer_than_patience_lasts_gets_everything_the_next_time(
    county: County, server: Scripted, clock: Clock
) -> None:
    server.stop()
    result = logs(county, "ship", "--patience", "90", code=4)
    assert f"waiting: nobody listens at {server.url}" in result.stderr
    assert f"kyber: nobody listens at {server.url}" in result.stderr
    assert result.stdout == "0 events delivered. 10 are pending.\n"
    assert 90 <= clock.seconds < 90 + shipping.LONGEST_WAIT
    assert len(county.stored()) == 10, "what was read is kept meanwhile"
    server.start()
    assert ship(county)["created"] == 10
    settled(county, server)


def test_a_cluster_that_goes_away_on_the_way_gets_the_rest_the_next_time(
    county: County, server: Scripted, clock: Clock
) -> None:
    server.script(None, Reset())
    clock.meanwhile.append(server.stop)
    result = logs(county, "ship", "--follow", "--patience", "5", "--json", code=4)
    assert "goes on" not in result.stderr
    said = json.loads(result.stdout)
    assert (said["created"] + said["known"], said["pending"]) == (4, 6)
    assert county.totals()[SOURCE].pending == 6
    server.start()
    server.roll(STREAM)
    said = ship(county)
    assert said["created"] + said["known"] == 6
    settled(county, server)


def test_a_cluster_that_comes_back_in_time_is_told_of_once(county: County, server: Scripted, clock: Clock) -> None:
    server.script(*[Status(503)] * 5)
    result = logs(county, "ship")
    assert clock.waits == 5
    assert result.stderr.count("waiting: ") == 1
    assert result.stderr.count("goes on") == 1
    settled(county, server)


def test_without_patience_a_cluster_that_is_away_is_given_up_at_once(
    county: County, server: Scripted, clock: Clock
) -> None:
    server.stop()
    logs(county, "ship", "--patience", "0", code=4)
    assert clock.waits == 0


def test_a_second_shipper_of_a_workspace_ends_and_says_who_is_at_it(county: County, server: Scripted) -> None:
    kyber("logs", "collect", "--workspace", county.folder)
    with held(county.state / logs_ship.LOCK, "operator on log1 (process 42, `kyber logs ship` since noon)"):
        for command in ("ship", "retry"):
            result = logs(county, command, code=3)
            assert (
                "operator on log1 (process 42, `kyber logs ship` since noon) is at work here already" in result.stderr
            )
    assert not server.asked("_bulk")


def test_reading_stops_where_as_much_waits_as_may_and_goes_on_when_the_cluster_is_back(
    county: County, server: Scripted, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunk, spool = 2**18, 2**20
    monkeypatch.setattr(logs_ship, "CHUNK", chunk)
    county.add(*(f"2026-03-01T10:00:00Z host app[1]: {secrets.token_hex(2_000)}" for _ in range(1_500)))
    server.stop()
    main, seen = threading.current_thread(), list[int]()
    pause = clock.pause

    def looked(seconds: float) -> bool:
        if threading.current_thread() is main:
            seen.append(sum(file.stat().st_size for file in county.state.rglob("*.parquet")))
            if len(seen) == 5:
                server.start()
        return pause(seconds)

    monkeypatch.setattr(clock, "pause", looked)
    assert ship(county, "--spool", "1", "--patience", "1e9")["created"] == 1_510
    assert len(set(seen[:5])) == 1, "something was read though there is no room for it"
    assert spool < seen[0] < spool + 4 * chunk
    settled(county, server)


def test_a_disk_that_is_full_loses_nothing_and_leaves_nothing_twice(
    county: County, server: Scripted, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    county.write(300, 10)
    kyber("logs", "collect", "--workspace", county.folder)
    monkeypatch.setattr(shipping, "BODY", 5_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Cluster(Access(urls=(server.url,))) as cluster:
        shipper = Shipper(county.state, cluster, NAMESPACE, clock.timing(None))
        largest = max(file.stat().st_size for file in county.state.iterdir() if file.is_file())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 2**15, before[1]))
        try:
            with pytest.raises(StoreError, match=r"index\.sqlite"):
                shipper.drain()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 0 < len(server.documents(STREAM)) < 310
    server.roll(STREAM)
    ship(county)
    settled(county, server)


def test_no_secret_and_no_foreign_line_gets_to_the_terminal_with_what_a_server_says(
    county: County, server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REASONS, 400, ("odd", f"\x1b[2J\nkyber: all is well {CODE} {'x' * 5_000}"))
    server.script(Refuse({0: 400}))
    logs(county, "ship", code=4)
    told = logs(county, "rejected").stdout
    assert "\x1b" not in told
    assert "\nkyber: all is well" not in told
    assert CODE not in told
    assert len(told) < 3_000
