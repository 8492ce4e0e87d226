"""`kyber logs ship --follow`: what is written comes, whatever happens to log files, and it ends when it is told to."""

import gzip
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random

import pytest

from kyber.logs.ship import Alongside, Shipper, Timing
from kyber.logs.store.access import Access
from kyber.logs.store.cluster import AwayError, Cluster
from kyber.logs.store.document import decode
from kyber.logs.store.index import EVENTS
from kyber.logs.store.ledger import Ledger
from kyber.logs.store.parquet import ParquetStore, WritableStore
from kyber.logs.store.setup import carry_out, plan
from kyber.logs.store.templates import every_stream
from kyber.problem import Place
from tests.elastic.scripted import Reset, Scripted, Status
from tests.elastic.server import Server
from tests.elastic.shipping import SOURCE, County, all_pages, lines_in, wait_for
from tests.logs.storm import Storm

LATER = 90.0
"""Seconds after which what was written should long be there."""


@contextmanager
def following(county: County, *more: str) -> "Iterator[subprocess.Popen[str]]":
    """A shipper that follows; in the end it is killed if it still runs."""
    child = county.start("ship", "--follow", *more)
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def ended(child: "subprocess.Popen[str]", by: signal.Signals) -> str:
    """What a shipper said that was told to stop, once it ended in order."""
    child.send_signal(by)
    said, errors = child.communicate(timeout=LATER)
    assert child.returncode == 0, f"it ended with {child.returncode}: {said}{errors}"
    assert "Traceback" not in errors
    return said + errors


def test_a_shipper_that_follows_waits_for_a_cluster_that_is_away_sends_what_comes_and_ends_in_order(
    tmp_path: Path,
) -> None:
    with Scripted() as server:
        county = County(tmp_path / "county", server.url, "test").lay_out()
        server.stop()
        county.write(10)
        with following(county) as child:
            assert child.stderr is not None
            assert f"waiting: nobody listens at {server.url}" in child.stderr.readline()
            second = county.start("ship")
            _, errors = second.communicate()
            assert second.returncode == 3
            assert f"(process {child.pid}, `kyber logs ship` since " in errors
            server.start()
            wait_for("what was there is sent", lambda: len(server.documents()) == 10, LATER)
            server.script(Status(503), Reset())
            county.write(5, 10)
            wait_for("what was written since is sent", lambda: county.totals()[SOURCE].delivered == 15, LATER)
            said = ended(child, signal.SIGINT)
        assert "goes on" in said
        assert len(server.documents()) == 15
        assert "15 events delivered." in said or "there already" in said
        assert county.totals()[SOURCE].delivered == 15
        assert county.totals()[SOURCE].pending == 0


def test_on_a_terminal_a_shipper_that_follows_shows_what_is_delivered_and_pending_and_no_bar(tmp_path: Path) -> None:
    with Scripted() as server:
        county = County(tmp_path / "county", server.url, "test").lay_out()
        county.write(10)
        ours, theirs = os.openpty()
        child = county.start("ship", "--follow", errors=theirs)
        os.close(theirs)
        try:
            shown = ""
            while not re.search(r"delivered: 10, pending: 0, the last at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", shown):
                shown += os.read(ours, 65_536).decode()
            assert "bytes" not in shown
            child.send_signal(signal.SIGTERM)
            with suppress(OSError):  # the other end is closed
                while os.read(ours, 65_536):
                    pass
            assert child.communicate(timeout=LATER)[0] == "10 events delivered.\n"
        finally:
            child.kill()
            child.communicate()
            os.close(ours)


def test_a_shipper_that_waits_for_a_cluster_ends_at_once_when_it_is_told_to(tmp_path: Path) -> None:
    with Scripted() as server:
        county = County(tmp_path / "county", server.url, "test").lay_out()
        county.write(10)
        server.stop()
        with following(county) as child:
            assert child.stderr is not None
            assert "waiting: " in child.stderr.readline()
            wait_for("what was written is stored", lambda: stored(county) == 10, LATER)
            said = ended(child, signal.SIGTERM)
        assert "10 are pending." in said
        server.start()
        assert "10 events delivered." in county.run("ship")
        assert len(server.documents()) == 10


def test_a_shipper_that_is_interrupted_says_what_it_did_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with Scripted() as server:
        server.script(None, *[Status(503)] * 1_000)
        county = County(tmp_path / "county", server.url, "test").lay_out()
        county.write(10)
        child = county.start("ship")
        assert child.stderr is not None
        assert "waiting: " in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        said, errors = child.communicate(timeout=LATER)
        assert child.returncode == 130, errors
        assert "Traceback" not in errors
        counts = re.fullmatch(r"(\d+) events? delivered\. (\d+) (?:is|are) pending\.\n", said)
        assert counts is not None, said
        assert int(counts[1]) + int(counts[2]) == 10
        server.steps.clear()
        county.run("ship")
        assert len(server.documents()) == 10


def stored(county: County) -> int:
    return len(county.stored()) if ParquetStore.exists(county.state) else 0


def stored_twice(county: County) -> dict[bytes, list[tuple[str, str, int]]]:
    """The records that the embedded store has more than once: the file, its fingerprint, and the offset of each."""
    places: dict[bytes, list[tuple[str, str, int]]] = {}
    with closing(ParquetStore(county.state)) as store:
        for batch in store.events():
            for row in range(batch.rows):
                origin = batch.origin(row)
                place = (origin.file, origin.fingerprint.hex(), int(batch.offsets[row]))
                places.setdefault(batch.raw[row], []).append(place)
    return {record: found for record, found in places.items() if len(found) > 1}


def test_a_shipper_that_follows_ends_when_it_has_no_rights(tmp_path: Path) -> None:
    with Scripted(keys={}) as server:
        county = County(tmp_path / "county", server.url, "test").lay_out()
        county.write(10)
        with following(county) as child:
            _, errors = child.communicate(timeout=LATER)
        assert child.returncode == 4
        assert "does not take the credentials (401)" in errors


class Rotated:
    """A log that is written to and rotated; it counts the lines."""

    def __init__(self, county: County, seed: int) -> None:
        self.county, self.chance = county, Random(seed)
        self.log = county.folder / "logs" / f"{SOURCE}.log"
        self.written: Counter[str] = Counter()
        self.rotations = 0

    def write(self) -> None:
        first = self.written.total()
        lines = [f"2026-03-01T10:00:00Z host app[7]: line {first + n}" for n in range(self.chance.randrange(1, 200))]
        with self.log.open("a") as opened:
            opened.writelines(f"{line}\n" for line in lines)
        self.written.update(lines)

    def rotate(self) -> None:
        """By renaming, or by copying and truncating; before, rotated files move on, and one is compressed at times."""
        self.rotations += 1
        older = [self.log.with_name(f"{self.log.name}.{number}") for number in range(9, 0, -1)]
        for place in older:
            for ending in ("", ".gz"):
                file = place.with_name(place.name + ending)
                if file.exists():
                    number = int(place.suffix[1:]) + 1
                    file.rename(self.log.with_name(f"{self.log.name}.{number}{ending}"))
        second = self.log.with_name(f"{self.log.name}.2")
        if second.exists() and self.chance.random() < 0.5:
            packed = second.with_name(f"{second.name}.gz")
            packed.write_bytes(gzip.compress(second.read_bytes()))
            second.unlink()
        if self.log.exists() and self.chance.random() < 0.5:
            self.log.with_name(f"{self.log.name}.1").write_bytes(self.log.read_bytes())
            os.truncate(self.log, 0)
        elif self.log.exists():
            self.log.rename(self.log.with_name(f"{self.log.name}.1"))


def test_lines_of_a_log_that_is_rotated_while_a_shipper_follows_and_is_killed_are_there_once(
    elasticsearch: Server, tmp_path: Path, namespace: str
) -> None:
    county = County(tmp_path / "county", elasticsearch.url, namespace).lay_out()
    county.run("setup")
    log = Rotated(county, seed=3)
    with Cluster(Access(urls=(elasticsearch.url,))) as cluster:

        def there() -> Counter[str]:
            cluster.refresh(every_stream(namespace))
            return lines_in(cluster, namespace)

        def are_there(count: int) -> bool:
            with suppress(AwayError):  # of a data stream that is only just being made
                return there().total() >= count
            return False

        def wait_for_lines(count: int) -> None:
            wait_for(f"{count} lines are there", lambda: are_there(count), LATER)

        for killed in (True, False):
            with following(county) as child:
                for _ in range(4):
                    log.write()
                    time.sleep(log.chance.uniform(0, 0.3))  # so that it is met at different moments
                    log.write()
                    wait_for_lines(log.written.total() // 2)
                    log.rotate()
                if killed:
                    child.send_signal(signal.SIGKILL)
                    child.wait()
                else:
                    log.write()
                    wait_for_lines(log.written.total())
                    ended(child, signal.SIGTERM)
        assert not stored_twice(county)
        assert there() == log.written
    assert log.rotations == 8
    said = county.totals()[SOURCE]
    assert (said.delivered, said.refused, said.pending) == (log.written.total(), 0, 0)


class Shipped(Storm):
    """A storm whose store is shipped while it rages."""

    alongside: Alongside

    def _check(self, store: WritableStore, *found: object) -> None:
        super()._check(store, *found)  # type: ignore[arg-type]
        self.alongside.check()
        self.alongside.stored()


@pytest.mark.parametrize("seed", [11, 12])
def test_in_a_storm_of_rotations_and_crashes_what_is_stored_is_shipped_once(
    elasticsearch: Server, tmp_path: Path, namespace: str, seed: int
) -> None:
    storm = Shipped(seed, tmp_path)
    storm.store.mkdir()
    timing = Timing(
        now=lambda: storm.clock, clock=time.monotonic, pause=lambda _: False, chance=lambda: 0.5, patience=60
    )
    with Cluster(Access(urls=(elasticsearch.url,))) as cluster:
        for step in plan(cluster, dict.fromkeys(storm.sources), namespace, Place("the test")).steps:
            carry_out(cluster, step)
        shipper = Shipper(storm.store, cluster, namespace, timing)
        with Alongside(shipper) as storm.alongside:
            storm.run(100)
            storm.alongside.finish()
        cluster.refresh(every_stream(namespace))
        pages = all_pages(cluster, every_stream(namespace), source=True, size=1_000)
        sources = [hit["_source"] for hits in pages for hit in hits]
    found = decode(sources)
    assert found.strangers == 0
    there = [
        (batch.source, batch.event_id(row), batch.raw[row]) for batch in found.batches for row in range(batch.rows)
    ]
    with closing(ParquetStore(storm.store)) as store:
        kept = [
            (batch.source, batch.event_id(row), batch.raw[row]) for batch in store.events() for row in range(batch.rows)
        ]
        said = Ledger(store.index, shipper.destination).totals()
        assert sum(one.rows for one in store.index.segments(EVENTS)) == len(kept) > 50
    assert Counter(there) == Counter(kept)
    assert sum(one.delivered for one in said.values()) == len(kept)
    assert not any(one.pending or one.refused for one in said.values())
